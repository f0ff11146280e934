//! The calls on a native directory, by `cap-std`, which opens nothing outside the directory it was given.

use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, Metadata, OpenOptions, Permissions};
#[cfg(unix)]
use cap_std::fs::{MetadataExt as _, PermissionsExt as _};
use coord_core::store::{Appended, Stamp, StoreErrorKind, cut_after_first_line};

use super::{Failure, READ_AT_ONCE, Sync, beneath};
use crate::process::words;

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

/// What comes into a directory. None is told of it here: who looks natively are tests and measurements, and
/// `muse-agent` once, at the end.
#[derive(Debug)]
pub(super) enum Arrivals {}

/// The filesystem that a directory is on, opened to be synced as a whole.
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "elsewhere none can be"))]
pub(super) struct Filesystem(File);

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
        if syncs_as_a_whole(&self.dir) { self.dir.open(".").ok().map(Filesystem) } else { None }
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

/// What there ought to be under a name.
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

#[cfg(target_os = "linux")]
const EXT4: u64 = 0xef53;
#[cfg(target_os = "linux")]
const XFS: u64 = 0x5846_5342;
#[cfg(target_os = "linux")]
const BTRFS: u64 = 0x9123_683e;
#[cfg(target_os = "linux")]
const TMPFS: u64 = 0x0102_1994;

/// True if a directory is on a filesystem that can be synced as a whole, and tells what failed since it was opened: on
/// Linux from 5.17 on, ext4, XFS, btrfs and tmpfs. `syncfs(2)` may succeed elsewhere and do nothing (FUSE, 9p), or not
/// tell of all that failed (overlays, older kernels).
#[cfg(target_os = "linux")]
pub fn syncs_as_a_whole(directory: impl std::os::fd::AsFd) -> bool {
    let kernel = rustix::system::uname();
    let mut numbers =
        kernel.release().to_str().unwrap_or_default().split(['.', '-']).map_while(|part| part.parse().ok());
    let is_known = |filesystem: rustix::fs::StatFs| {
        u64::try_from(filesystem.f_type).is_ok_and(|kind| [EXT4, XFS, BTRFS, TMPFS].contains(&kind))
    };
    (numbers.next(), numbers.next()) >= (Some(5), Some(17)) && rustix::fs::fstatfs(directory).is_ok_and(is_known)
}

/// False: only Linux is known to be able to sync a filesystem as a whole and to tell what failed.
#[cfg(not(target_os = "linux"))]
pub fn syncs_as_a_whole<D>(_directory: D) -> bool {
    false
}

/// True if the filesystem makes no name durable before what was done earlier, so that one `fsync` of a file makes its
/// names durable, too: XFS, ext4 with a journal, and btrfs as far as the file's own names go. Of ext4 only `/sys`
/// tells whether it has a journal. False if it does not, whoever looks; `None` where another agent may see more: an
/// overlay, a network, a container without `/sys`.
#[cfg(target_os = "linux")]
pub fn orders_names(directory: impl std::os::fd::AsFd) -> Option<bool> {
    match u64::try_from(rustix::fs::fstatfs(&directory).ok()?.f_type).ok()? {
        XFS | BTRFS => Some(true),
        EXT4 => journals_all(directory),
        TMPFS => Some(false),
        _ => None,
    }
}

/// Whether the ext4 that a directory is on has a journal and writes all changes to it; `None`: that is not told, or
/// it has not always done so.
#[cfg(target_os = "linux")]
fn journals_all(directory: impl std::os::fd::AsFd) -> Option<bool> {
    let device = rustix::fs::fstat(directory).ok()?.st_dev;
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let device = std::fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).ok()?;
    let name = device.file_name()?.to_str()?;
    let journal = std::fs::read_to_string(format!("/sys/fs/ext4/{name}/journal_task")).ok()?;
    // The number of the thread that writes it, or `<none>`.
    if journal.trim().parse::<u32>().is_err() {
        return Some(false);
    }
    // With `fast_commit` a flush writes less. Each is counted since the filesystem was mounted, as one, or as one
    // that could not be.
    let commits = std::fs::read_to_string(format!("/proc/fs/ext4/{name}/fc_info"));
    if commits.is_ok_and(|commits| counts_fast_commits(&commits)) { None } else { Some(true) }
}

/// True if one of the numbers at the head is not zero.
#[cfg(target_os = "linux")]
fn counts_fast_commits(info: &str) -> bool {
    let counted = info.lines().filter(|line| line.ends_with(" commits") || line.ends_with(" ineligible"));
    counted.map(str::trim).any(|line| !line.starts_with("0 "))
}

/// False: of others nothing is known, to any agent.
#[cfg(not(target_os = "linux"))]
pub fn orders_names<D>(_directory: D) -> Option<bool> {
    Some(false)
}

impl Filesystem {
    #[cfg(target_os = "linux")]
    pub(super) fn sync(&self) -> Result<(), Failure> {
        Ok(rustix::fs::syncfs(&self.0).map_err(io::Error::from)?)
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn sync(&self) -> Result<(), Failure> {
        Err(io::Error::from(io::ErrorKind::Unsupported).into())
    }
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

/// The mode of the coordination directory. What is made is given the same, whatever the process's umask is: who may
/// work in the directory may work with all that is in it. Files are without the right to be executed, and a
/// filesystem that knows no modes is left alone.
#[cfg(unix)]
#[derive(Clone, Copy, Debug)]
struct Mode(u32);

#[cfg(unix)]
impl Mode {
    fn of(metadata: &Metadata) -> Mode {
        Mode(metadata.mode() & 0o2777)
    }

    fn share_file(self, file: &File) {
        let mode = self.0 & 0o666;
        if file.metadata().is_ok_and(|metadata| metadata.mode() & 0o777 != mode) {
            _ = file.set_permissions(Permissions::from_mode(mode));
        }
    }

    fn share_dir(self, above: &Dir, name: &str) {
        if above.symlink_metadata(name).is_ok_and(|metadata| metadata.mode() & 0o2777 != self.0) {
            _ = above.set_permissions(name, Permissions::from_mode(self.0));
        }
    }
}

/// Elsewhere what is made is everybody's who may be in its directory.
#[cfg(not(unix))]
#[derive(Clone, Copy, Debug)]
struct Mode;

#[cfg(not(unix))]
impl Mode {
    fn of(_metadata: &Metadata) -> Mode {
        Mode
    }

    fn share_file(self, _file: &File) {}

    fn share_dir(self, _above: &Dir, _name: &str) {}
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

/// What std has no stable name for.
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
    use coord_core::Queue;
    use coord_core::name::Nonce;
    use coord_core::store::conformance;
    use coord_core::time::Timestamp;

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
        let (now, nonce) = (Timestamp::from_micros(1), Nonce::from_bits(1));
        for is_queue in [true, false] {
            let root = tempfile::tempdir().unwrap();
            let queue = Queue::open(DirStore::new(Handle::open(root.path()).unwrap(), Sync::Off)).unwrap();
            if is_queue {
                queue.init(now, nonce).unwrap();
            }
            root.close().unwrap();
            let outcome = if is_queue { queue.check_is_there() } else { queue.init(now, nonce).map(|_| ()) };
            let error = outcome.unwrap_err().to_string();
            assert!(error.contains(": the coordination directory is gone; begin again where it is now"), "{error}");
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
