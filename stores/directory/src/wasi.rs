//! The calls on a WASI 0.2 descriptor, one host call each.
//!
//! Not by `std`: its `read_dir` looks up each name after reading it and ends the listing at the first one that has
//! vanished, and its `write` is three calls where the descriptor's own is one. How a line is added to a file is in
//! `append.rs`.

mod append;

use coord_core::store::{Appended, Stamp, StoreErrorKind, cut_after_first_line};
use std::time::Duration;

use wasip2::clocks::monotonic_clock;
use wasip2::filesystem::preopens;
use wasip2::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, ErrorCode, OpenFlags, PathFlags,
};
use wasip2::io::poll::{Pollable, poll};
use wasip2::io::streams::InputStream;

use super::{READ_AT_ONCE, Sync};
use crate::failure::{Failure, beneath};
use append::{Adds, add};

/// An open directory, and what may be done in it and below: all, or only reading. Empty where the host does not say.
#[derive(Debug)]
pub struct Handle {
    descriptor: Descriptor,
    rights: DescriptorFlags,
    syncs_filesystem: bool,
    orders_names: Option<bool>,
    adds: Adds,
}

/// A file that was just made.
pub(super) struct NewFile(Descriptor);

/// The filesystem that a directory is on, opened to be synced as a whole.
pub(super) struct Filesystem(Descriptor);

/// The names that come into a directory, as the host tells them.
#[derive(Debug)]
pub(super) struct Arrivals {
    // Has to be dropped before the stream.
    pollable: Pollable,
    stream: InputStream,
}

/// A directory that the host lets the component work in.
#[derive(Debug)]
pub struct Grant {
    /// The open directory.
    pub directory: Handle,
    /// The host's name for it.
    pub name: String,
}

/// The granted directories. There should be one: the coordination directory.
pub fn grants() -> Vec<Grant> {
    let granted = preopens::get_directories();
    granted.into_iter().map(|(directory, name)| Grant { directory: Handle::new(directory), name }).collect()
}

impl Handle {
    /// A directory that the host has opened.
    ///
    /// jco does not say what may be done in a directory that it grants, and cannot list it, look at it or sync it, but
    /// it can do all that with a directory that is opened in it: so `.` is.
    pub fn new(descriptor: Descriptor) -> Handle {
        let flags = descriptor.get_flags().unwrap_or(DescriptorFlags::READ);
        let rights = flags & (DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY);
        // jco looks where the end is and writes there, so that two who add at once overwrite each other.
        let adds = if rights.is_empty() { Adds::Unsafely } else { Adds::InPieces };
        let granted = Handle { descriptor, rights, syncs_filesystem: false, orders_names: None, adds };
        if rights.is_empty() { granted.open_dir(".").unwrap_or(granted) } else { granted }
    }

    /// Relies on what the host said by [`super::SYNCS_FILESYSTEM`].
    pub fn rely_on_syncing_the_filesystem(&mut self) {
        self.syncs_filesystem = true;
    }

    /// Relies on what the host said by [`super::ORDERS_NAMES`].
    pub fn rely_on_the_order_of_names(&mut self, orders_names: bool) {
        self.orders_names = Some(orders_names);
    }

    /// Relies on what the host said by [`super::APPENDS`].
    pub fn rely_on_adding_at_once(&mut self) {
        self.adds = Adds::AtOnce;
    }

    pub(super) fn open_dir(&self, path: &str) -> Result<Handle, Failure> {
        let opened = self.open_at(path, OpenFlags::DIRECTORY, self.rights);
        Ok(Handle { descriptor: opened.map_err(|code| self.failed(code))?, ..*self })
    }

    pub(super) fn create(&self, name: &str) -> Result<NewFile, Failure> {
        let made = self.open_at(name, OpenFlags::CREATE | OpenFlags::EXCLUSIVE, DescriptorFlags::WRITE);
        made.map(NewFile).map_err(|code| self.change_failed(code))
    }

    pub(super) fn link(&self, name: &str, target: &Handle, new: &str) -> Result<(), Failure> {
        let link = || self.descriptor.link_at(PathFlags::empty(), name, &target.descriptor, new);
        beneath(link).map_err(|code| self.change_failed(code))
    }

    pub(super) fn rename(&self, name: &str, target: &Handle, new: &str) -> Result<(), Failure> {
        beneath(|| self.descriptor.rename_at(name, &target.descriptor, new)).map_err(|code| self.change_failed(code))
    }

    pub(super) fn read(&self, name: &str, max_bytes: usize) -> Result<Vec<u8>, Failure> {
        self.read_until(name, max_bytes, |_| false)
    }

    fn read_until(&self, name: &str, max_bytes: usize, is_enough: impl Fn(&[u8]) -> bool) -> Result<Vec<u8>, Failure> {
        let opened = self.open_at(name, OpenFlags::empty(), DescriptorFlags::READ);
        let file = opened.map_err(|code| self.failed(code))?;
        Ok(read_from(&file, 0, max_bytes, is_enough)?)
    }

    /// Most first lines are read by one call.
    pub(super) fn first_line(&self, name: &str, max_bytes: usize) -> Result<Vec<u8>, Failure> {
        let mut content = self.read_until(name, max_bytes, |content| content.contains(&b'\n'))?;
        cut_after_first_line(&mut content);
        Ok(content)
    }

    pub(super) fn append(&self, name: &str, line: &[u8], most: usize) -> Result<Appended, Failure> {
        if self.adds == Adds::Unsafely {
            return Ok(Appended::Unable);
        }
        let rights = DescriptorFlags::READ | DescriptorFlags::WRITE;
        let opened = self.open_at(name, OpenFlags::empty(), rights);
        let file = opened.map_err(|code| self.change_failed(code))?;
        let stat = file.stat()?;
        if stat.type_ != DescriptorType::RegularFile {
            return Err(ErrorCode::NoDevice.into());
        }
        if stat.size + line.len() as u64 > most as u64 {
            return Ok(Appended::Full);
        }
        match self.adds {
            Adds::AtOnce => {
                if file.write(line, stat.size)? < line.len() as u64 {
                    return Err(ErrorCode::InsufficientSpace.into());
                }
            }
            Adds::InPieces | Adds::Unsafely => add(&file, line, stat.size)?,
        }
        Ok(Appended::Now(stat.link_count))
    }

    pub(super) fn flush(&self, name: &str) -> Result<(), Failure> {
        // A host may sync only what may be written.
        let rights = DescriptorFlags::READ | DescriptorFlags::WRITE;
        let opened = self.open_at(name, OpenFlags::empty(), rights);
        Ok(opened.map_err(|code| self.change_failed(code))?.sync()?)
    }

    /// A host that says nothing of it may not know.
    pub(super) fn orders_names(&self) -> Option<bool> {
        self.orders_names
    }

    pub(super) fn stat(&self, name: &str) -> Result<(), Failure> {
        self.stat_at(name).map_err(|code| self.failed(code))?;
        Ok(())
    }

    pub(super) fn links(&self, name: &str) -> Result<u64, Failure> {
        let stat = self.stat_at(name).map_err(|code| self.failed(code))?;
        Ok(stat.link_count)
    }

    pub(super) fn stamp(&self, path: &str) -> Result<Stamp, Failure> {
        let stat = if path == "." { self.descriptor.stat() } else { self.stat_at(path) };
        let stat = stat.map_err(|code| self.failed(code))?;
        if stat.type_ != DescriptorType::Directory {
            return Err(ErrorCode::NotDirectory.into());
        }
        Ok(stat
            .data_modification_timestamp
            .map_or(Stamp::from_parts(0, 0), |time| Stamp::from_parts(time.seconds, time.nanoseconds)))
    }

    pub(super) fn list(&self) -> Result<Vec<String>, Failure> {
        let entries = self.descriptor.read_directory().map_err(|code| self.failed(code))?;
        let mut names = Vec::new();
        loop {
            match entries.read_directory_entry() {
                Ok(Some(entry)) => names.push(entry.name),
                Ok(None) => return Ok(names),
                // A host may look at each name once more. One that vanished meanwhile, or that is not UTF-8, is no
                // reason to leave out those behind it.
                Err(ErrorCode::NoEntry | ErrorCode::IllegalByteSequence) => {}
                Err(code) => return Err(code.into()),
            }
        }
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), Failure> {
        beneath(|| self.descriptor.unlink_file_at(name)).map_err(|code| self.change_failed(code))
    }

    pub(super) fn make_dir(&self, name: &str) -> Result<(), Failure> {
        beneath(|| self.descriptor.create_directory_at(name)).map_err(|code| self.change_failed(code))
    }

    pub(super) fn remove_dir(&self, name: &str) -> Result<(), Failure> {
        beneath(|| self.descriptor.remove_directory_at(name)).map_err(|code| self.change_failed(code))
    }

    /// The names that come into a directory from now on. `muse` and `muse-agent` tell them where the directory is read
    /// as a stream. Other hosts refuse that, except jco, which makes a stream that cannot be read.
    pub(super) fn arrivals(&self, path: &str) -> Result<Arrivals, Failure> {
        if self.adds == Adds::Unsafely {
            return Err(ErrorCode::Unsupported.into());
        }
        let stream = match path {
            "." => self.descriptor.read_via_stream(0)?,
            path => self.open_dir(path)?.descriptor.read_via_stream(0)?,
        };
        Ok(Arrivals { pollable: stream.subscribe(), stream })
    }

    /// The filesystem, where the host syncs it as a whole.
    pub(super) fn filesystem(&self) -> Option<Filesystem> {
        let open = || self.open_at(".", OpenFlags::DIRECTORY, self.rights).ok().map(Filesystem);
        self.syncs_filesystem.then(open).flatten()
    }

    pub(super) fn sync(&self, path: &str) -> Result<(), Failure> {
        let synced = if path == "." { self.descriptor.sync() } else { self.open_dir(path)?.descriptor.sync() };
        synced.map_err(|code| self.failed(code))
    }

    /// How an operation failed that opens something, which hosts also do for a look at a path and for a sync. WASI
    /// has no code for too many open files, so that they come as a fault of the medium; but what is open already can
    /// still be looked at then.
    fn failed(&self, code: ErrorCode) -> Failure {
        if code == ErrorCode::Io && self.descriptor.stat().is_ok() {
            let detail = "too many files are open, or the disk is broken";
            return Failure::Other(StoreErrorKind::TooManyOpen, detail.to_string());
        }
        code.into()
    }

    /// A host that grants a directory for reading only refuses changes by a code that can mean other things too.
    fn change_failed(&self, code: ErrorCode) -> Failure {
        if self.rights != DescriptorFlags::READ {
            return self.failed(code);
        }
        match Failure::from(code) {
            Failure::Other(_, detail) => Failure::Other(StoreErrorKind::ReadOnly, detail),
            failure => failure,
        }
    }

    fn open_at(&self, path: &str, how: OpenFlags, rights: DescriptorFlags) -> Result<Descriptor, ErrorCode> {
        beneath(|| self.descriptor.open_at(PathFlags::empty(), path, how, rights))
    }

    fn stat_at(&self, path: &str) -> Result<DescriptorStat, ErrorCode> {
        beneath(|| self.descriptor.stat_at(PathFlags::empty(), path))
    }
}

fn read_from(
    file: &Descriptor,
    from: u64,
    max_bytes: usize,
    is_enough: impl Fn(&[u8]) -> bool,
) -> Result<Vec<u8>, ErrorCode> {
    let mut content = Vec::new();
    while content.len() < max_bytes {
        // The host makes room for as much as it is asked for.
        let most = READ_AT_ONCE.max(content.len()).min(max_bytes - content.len());
        let (bytes, at_end) = file.read(most as u64, from + content.len() as u64)?;
        let nothing = bytes.is_empty();
        content.extend(bytes);
        if at_end || nothing || is_enough(&content) {
            break;
        }
    }
    Ok(content)
}

impl Filesystem {
    pub(super) fn sync(&self) -> Result<(), Failure> {
        Ok(self.0.sync_data()?)
    }
}

impl NewFile {
    pub(super) fn fill(self, content: &[u8], sync: Sync) -> Result<(), Failure> {
        let mut written = 0;
        while let Some(rest) = content.get(written..).filter(|rest| !rest.is_empty()) {
            written += usize::try_from(self.0.write(rest, written as u64)?).unwrap_or(rest.len());
        }
        if sync != Sync::Off {
            self.0.sync_data()?;
        }
        Ok(())
    }
}

impl Arrivals {
    /// True if something has come since this was asked last. False if nothing has, or that is not told any more.
    pub(super) fn have_come(&self) -> bool {
        self.stream.read(64).is_ok_and(|bytes| !bytes.is_empty())
    }
}

/// Sleeps for so long, or until something may have come, and answers where, by number.
pub(super) fn sleep<'a>(time: Duration, arrivals: impl Iterator<Item = &'a Arrivals>) -> Vec<usize> {
    let time = monotonic_clock::subscribe_duration(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    let mut awaited: Vec<&Pollable> = arrivals.map(|arrivals| &arrivals.pollable).collect();
    let count = awaited.len();
    awaited.push(&time);
    poll(&awaited).into_iter().filter_map(|ready| usize::try_from(ready).ok()).filter(|ready| *ready < count).collect()
}

/// Why a call failed.
pub(super) type Refusal = ErrorCode;

/// True for the code that hosts use for a path that leads out of the directory, among other things.
pub(super) fn leads_outside(code: &ErrorCode) -> bool {
    *code == ErrorCode::NotPermitted
}

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Failure {
        let kind = match code {
            ErrorCode::NoEntry => return Failure::NotFound,
            ErrorCode::Exist => return Failure::Exists,
            ErrorCode::NotEmpty => return Failure::NotEmpty,
            ErrorCode::ReadOnly => StoreErrorKind::ReadOnly,
            ErrorCode::Access | ErrorCode::NotPermitted => StoreErrorKind::Denied,
            ErrorCode::InsufficientSpace | ErrorCode::Quota => StoreErrorKind::Full,
            // A host may open a directory to be read as a file, and refuse the reading by the code for a bad
            // descriptor.
            ErrorCode::NotDirectory
            | ErrorCode::IsDirectory
            | ErrorCode::Loop
            | ErrorCode::NoDevice
            | ErrorCode::BadDescriptor => StoreErrorKind::WrongType,
            _ => StoreErrorKind::Other,
        };
        Failure::Other(kind, words(code))
    }
}

/// The meaning of a code, in words.
pub fn words(code: ErrorCode) -> String {
    let words = code.message().trim_end_matches('.');
    words.split(", similar to").next().unwrap_or(words).to_string()
}
