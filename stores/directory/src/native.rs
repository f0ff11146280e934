//! The calls on a native directory, by `cap-std`, which opens nothing outside the directory it was given.
//!
//! `filesystem.rs` finds out what the filesystem below the directory guarantees; `mode.rs` gives new files and
//! directories their mode.

mod filesystem;
mod mode;

use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, Metadata, OpenOptions};
use coord_core::store::{Appended, Stamp, StoreErrorKind, cut_after_first_line};

use super::{READ_AT_ONCE, Sync};
use crate::failure::{Failure, beneath};
use crate::process::words;
use mode::Mode;

pub(super) use filesystem::Filesystem;
pub use filesystem::{orders_names, syncs_as_a_whole};

/// An open directory.
#[derive(Debug)]
pub struct Handle {
    dir: Dir,
    /// That of the coordination directory, from which all that is made takes its own.
    mode: Mode,
    orders_names: Option<bool>,
}

/// A file that was just made.
pub(super) struct NewFile(File);

/// The names that come into a directory. Natively none is told: only tests, measurements and the end of `muse-agent`
/// use a native store, and they look again after a time.
#[derive(Debug)]
pub(super) enum Arrivals {}

impl Handle {
    /// Opens the directory at a path of the operating system, which must be there.
    pub fn open(path: &Path) -> io::Result<Handle> {
        let dir = Dir::open_ambient_dir(path, ambient_authority())?;
        let mode = Mode::of(&dir.dir_metadata()?);
        let orders_names = orders_names(&dir);
        Ok(Handle { dir, mode, orders_names })
    }

    pub(super) fn open_dir(&self, path: &str) -> Result<Handle, Failure> {
        Ok(Handle { dir: beneath(|| self.dir.open_dir(path))?, ..*self })
    }

    pub(super) fn create(&self, name: &str) -> Result<NewFile, Failure> {
        let file = beneath(|| self.dir.open_with(name, OpenOptions::new().write(true).create_new(true)))?;
        self.mode.share_file(&file);
        Ok(NewFile(file))
    }

    pub(super) fn link(&self, name: &str, target: &Handle, new: &str) -> Result<(), Failure> {
        Ok(beneath(|| self.dir.hard_link(name, &target.dir, new))?)
    }

    pub(super) fn rename(&self, name: &str, target: &Handle, new: &str) -> Result<(), Failure> {
        Ok(beneath(|| self.dir.rename(name, &target.dir, new))?)
    }

    pub(super) fn read(&self, name: &str, max_bytes: usize) -> Result<Vec<u8>, Failure> {
        let mut content = Vec::with_capacity(READ_AT_ONCE.min(max_bytes));
        let options = reading(Expected::File);
        beneath(|| self.dir.open_with(name, &options))?.take(max_bytes as u64).read_to_end(&mut content)?;
        Ok(content)
    }

    /// Most first lines are read by one call.
    pub(super) fn first_line(&self, name: &str, max_bytes: usize) -> Result<Vec<u8>, Failure> {
        let mut file = beneath(|| self.dir.open_with(name, &reading(Expected::File)))?.take(max_bytes as u64);
        let (mut content, mut chunk) = (Vec::new(), [0; READ_AT_ONCE]);
        while !content.contains(&b'\n') {
            match file.read(&mut chunk)? {
                0 => break,
                read => content.extend_from_slice(chunk.get(..read).unwrap_or_default()),
            }
        }
        cut_after_first_line(&mut content);
        Ok(content)
    }

    /// By one call, which adds all of it or, where the disk is full, its beginning.
    pub(super) fn append(&self, name: &str, line: &[u8], most: usize) -> Result<Appended, Failure> {
        let mut file = beneath(|| self.dir.open_with(name, &appending()))?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(Failure::Other(StoreErrorKind::WrongType, "it is no file".to_string()));
        }
        if metadata.len() + line.len() as u64 > most as u64 {
            return Ok(Appended::Full);
        }
        if file.write(line)? < line.len() {
            return Err(io::Error::from(io::ErrorKind::StorageFull).into());
        }
        Ok(Appended::Now(names_of(&metadata)))
    }

    /// With its names, where the filesystem orders them: for that `fsync`, as `fdatasync` leaves a rename out.
    pub(super) fn flush(&self, name: &str) -> Result<(), Failure> {
        Ok(beneath(|| self.dir.open_with(name, &reading(Expected::File)))?.sync_all()?)
    }

    pub(super) fn orders_names(&self) -> Option<bool> {
        self.orders_names
    }

    pub(super) fn stat(&self, name: &str) -> Result<(), Failure> {
        beneath(|| self.dir.symlink_metadata(name))?;
        Ok(())
    }

    #[cfg(unix)]
    pub(super) fn links(&self, name: &str) -> Result<u64, Failure> {
        Ok(cap_std::fs::MetadataExt::nlink(&beneath(|| self.dir.symlink_metadata(name))?))
    }

    /// Elsewhere none are counted, which proves nothing, so that a doctor leaves what it could not be sure of.
    #[cfg(not(unix))]
    pub(super) fn links(&self, name: &str) -> Result<u64, Failure> {
        self.stat(name).map(|()| 0)
    }

    pub(super) fn stamp(&self, path: &str) -> Result<Stamp, Failure> {
        let metadata =
            if path == "." { self.dir.dir_metadata()? } else { beneath(|| self.dir.symlink_metadata(path))? };
        if !metadata.is_dir() {
            return Err(io::Error::from(io::ErrorKind::NotADirectory).into());
        }
        let modified = metadata.modified()?.into_std();
        let time = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Stamp::from_parts(time.as_secs(), time.subsec_nanos()))
    }

    pub(super) fn list(&self) -> Result<Vec<String>, Failure> {
        let mut names = Vec::new();
        for entry in self.dir.entries()? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), Failure> {
        Ok(beneath(|| self.dir.remove_file(name))?)
    }

    pub(super) fn make_dir(&self, name: &str) -> Result<(), Failure> {
        beneath(|| self.dir.create_dir(name))?;
        self.mode.share_dir(&self.dir, name);
        Ok(())
    }

    pub(super) fn remove_dir(&self, name: &str) -> Result<(), Failure> {
        Ok(beneath(|| self.dir.remove_dir(name))?)
    }

    pub(super) fn arrivals(&self, _path: &str) -> Result<Arrivals, Failure> {
        Err(io::Error::from(io::ErrorKind::Unsupported).into())
    }

    /// The filesystem, where it can be synced as a whole and tells if that fails.
    pub(super) fn filesystem(&self) -> Option<Filesystem> {
        Filesystem::of(&self.dir)
    }

    pub(super) fn sync(&self, path: &str) -> Result<(), Failure> {
        // A directory is opened for searching only; syncing needs it opened for reading.
        let options = reading(Expected::Directory);
        Ok(beneath(|| self.dir.open_with(path, &options))?.sync_all()?)
    }
}

#[cfg(unix)]
fn names_of(metadata: &Metadata) -> u64 {
    cap_std::fs::MetadataExt::nlink(metadata)
}

/// Elsewhere none are counted.
#[cfg(not(unix))]
fn names_of(_metadata: &Metadata) -> u64 {
    0
}

/// Why a call failed.
pub(super) type Refusal = io::Error;

/// True for the words of `cap-std`, which are no error of the system's.
pub(super) fn leads_outside(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none()
}

/// The kind of file that is expected under a name.
#[derive(Clone, Copy)]
enum Expected {
    File,
    Directory,
}

/// How to open something for reading without waiting for anybody: a FIFO in the directory would hold the agent up until
/// somebody writes into it. Such a one reads as empty.
#[cfg(unix)]
fn reading(what: Expected) -> OpenOptions {
    use cap_std::fs::OpenOptionsExt as _;
    use rustix::fs::OFlags;
    let kind = match what {
        Expected::File => OFlags::empty(),
        Expected::Directory => OFlags::DIRECTORY,
    };
    let mut options = OpenOptions::new();
    options.read(true).custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY | kind).bits().cast_signed());
    options
}

/// Elsewhere there are no FIFOs among files.
#[cfg(not(unix))]
fn reading(_what: Expected) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    options
}

/// How to open a file that is there, to add to its end, without waiting for anybody.
#[cfg(unix)]
fn appending() -> OpenOptions {
    use cap_std::fs::OpenOptionsExt as _;
    use rustix::fs::OFlags;
    let mut options = OpenOptions::new();
    options.append(true).custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW).bits().cast_signed());
    options
}

#[cfg(not(unix))]
fn appending() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.append(true);
    options
}

impl Arrivals {
    pub(super) fn have_come(&self) -> bool {
        match *self {}
    }
}

/// Sleeps for so long.
pub(super) fn sleep<'a>(time: Duration, _arrivals: impl Iterator<Item = &'a Arrivals>) -> Vec<usize> {
    std::thread::sleep(time);
    Vec::new()
}

impl NewFile {
    pub(super) fn fill(mut self, content: &[u8], sync: Sync) -> Result<(), Failure> {
        self.0.write_all(content)?;
        if sync != Sync::Off {
            self.0.sync_data()?;
        }
        Ok(())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        if let Some(kind) = kind_by_number(&error) {
            return Failure::Other(kind, words(&error));
        }
        let kind = match error.kind() {
            io::ErrorKind::NotFound => return Failure::NotFound,
            io::ErrorKind::AlreadyExists => return Failure::Exists,
            io::ErrorKind::DirectoryNotEmpty => return Failure::NotEmpty,
            io::ErrorKind::ReadOnlyFilesystem => StoreErrorKind::ReadOnly,
            io::ErrorKind::PermissionDenied => StoreErrorKind::Denied,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreErrorKind::Full,
            io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => StoreErrorKind::WrongType,
            _ => StoreErrorKind::Other,
        };
        Failure::Other(kind, words(&error))
    }
}

/// The errors that std has no stable name for.
#[cfg(unix)]
fn kind_by_number(error: &io::Error) -> Option<StoreErrorKind> {
    match rustix::io::Errno::from_io_error(error)? {
        // A socket, or a device that is none.
        rustix::io::Errno::LOOP | rustix::io::Errno::NXIO | rustix::io::Errno::NODEV => Some(StoreErrorKind::WrongType),
        rustix::io::Errno::MFILE | rustix::io::Errno::NFILE => Some(StoreErrorKind::TooManyOpen),
        _ => None,
    }
}

#[cfg(not(unix))]
fn kind_by_number(_error: &io::Error) -> Option<StoreErrorKind> {
    None
}

#[cfg(test)]
mod tests {
    use super::super::DirStore;
    use super::*;
    use coord_core::name::Nonce;
    use coord_core::store::conformance;
    use coord_core::time::Timestamp;
    use coord_core::{Queue, Turn};

    #[test]
    fn the_native_store_conforms() {
        for sync in [Sync::On, Sync::Off] {
            let root = tempfile::tempdir().unwrap();
            let mut stores = 0..;
            let findings = conformance::findings(|| {
                let dir = root.path().join(stores.next().unwrap().to_string());
                std::fs::create_dir(&dir).unwrap();
                DirStore::new(Handle::open(&dir).unwrap(), sync)
            });
            assert_eq!(findings, Vec::<String>::new());
        }
    }

    #[test]
    fn a_directory_that_was_removed_is_said_to_be_gone() {
        let now = Timestamp::from_micros(1);
        let turn = Turn::new(&now, Nonce::from_bits(1));
        for is_queue in [true, false] {
            let root = tempfile::tempdir().unwrap();
            let queue = Queue::open(DirStore::new(Handle::open(root.path()).unwrap(), Sync::Off)).unwrap();
            if is_queue {
                queue.init(&turn).unwrap();
            }
            root.close().unwrap();
            let outcome = if is_queue { queue.check_is_there() } else { queue.init(&turn).map(|_| ()) };
            let error = outcome.unwrap_err().to_string();
            assert!(error.contains(": the coordination directory is gone; run the command where it is now"), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_made_takes_its_mode_from_the_coordination_directory() {
        use std::fs;
        use std::os::unix::fs::PermissionsExt as _;
        // More than any umask leaves, and less.
        for (mode, file_mode) in [(0o2777, 0o666), (0o2775, 0o664), (0o700, 0o600)] {
            let root = tempfile::tempdir().unwrap();
            let path = |name: &str| root.path().join(name);
            fs::set_permissions(path(""), fs::Permissions::from_mode(mode)).unwrap();
            let handle = Handle::open(root.path()).unwrap();
            handle.make_dir("directory").unwrap();
            let below = handle.open_dir("directory").unwrap();
            below.make_dir("below").unwrap();
            below.create("below/file").unwrap().fill(b"content", Sync::Off).unwrap();
            let mode_of = |name: &str| path(name).metadata().unwrap().permissions().mode() & 0o7777;
            assert_eq!(
                (mode_of("directory"), mode_of("directory/below"), mode_of("directory/below/file")),
                (mode, mode, file_mode)
            );
        }
    }
}
