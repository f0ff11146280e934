//! The calls on a native directory, by `cap-std`, which opens nothing outside the directory it was given.

use std::io::{self, Read, Write};
use std::path::Path;
use std::time::UNIX_EPOCH;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions};
use coord_core::store::{Stamp, StoreErrorKind};

use super::{Failure, READ_AT_ONCE, Sync};

/// An open directory.
#[derive(Debug)]
pub struct Handle(Dir);

/// A file that was just made.
pub(super) struct NewFile(File);

/// The filesystem that a directory is on, opened to be synced as a whole.
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "elsewhere none can be"))]
pub(super) struct Filesystem(File);

impl Handle {
    /// Opens the directory at a path of the operating system, which must be there.
    pub fn open(path: &Path) -> io::Result<Handle> {
        Dir::open_ambient_dir(path, ambient_authority()).map(Handle)
    }

    pub(super) fn open_dir(&self, path: &str) -> Result<Handle, Failure> {
        Ok(Handle(self.0.open_dir(path)?))
    }

    pub(super) fn create(&self, name: &str) -> Result<NewFile, Failure> {
        Ok(NewFile(self.0.open_with(name, OpenOptions::new().write(true).create_new(true))?))
    }

    pub(super) fn link(&self, name: &str, target: &Handle, new: &str) -> Result<(), Failure> {
        Ok(self.0.hard_link(name, &target.0, new)?)
    }

    pub(super) fn rename(&self, name: &str, target: &Handle, new: &str) -> Result<(), Failure> {
        Ok(self.0.rename(name, &target.0, new)?)
    }

    pub(super) fn read(&self, name: &str, max_bytes: usize) -> Result<Vec<u8>, Failure> {
        let mut content = Vec::with_capacity(READ_AT_ONCE.min(max_bytes));
        self.0.open(name)?.take(max_bytes as u64).read_to_end(&mut content)?;
        Ok(content)
    }

    pub(super) fn stat(&self, name: &str) -> Result<(), Failure> {
        self.0.symlink_metadata(name)?;
        Ok(())
    }

    #[cfg(unix)]
    pub(super) fn links(&self, name: &str) -> Result<u64, Failure> {
        Ok(cap_std::fs::MetadataExt::nlink(&self.0.symlink_metadata(name)?))
    }

    /// Elsewhere none are counted, which proves nothing, so that a doctor leaves what it could not be sure of.
    #[cfg(not(unix))]
    pub(super) fn links(&self, name: &str) -> Result<u64, Failure> {
        self.stat(name).map(|()| 0)
    }

    pub(super) fn stamp(&self, path: &str) -> Result<Stamp, Failure> {
        let metadata = if path == "." { self.0.dir_metadata()? } else { self.0.metadata(path)? };
        let modified = metadata.modified()?.into_std();
        let time = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Stamp::from_parts(time.as_secs(), time.subsec_nanos()))
    }

    pub(super) fn list(&self) -> Result<Vec<String>, Failure> {
        let mut names = Vec::new();
        for entry in self.0.entries()? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), Failure> {
        Ok(self.0.remove_file(name)?)
    }

    pub(super) fn make_dir(&self, name: &str) -> Result<(), Failure> {
        Ok(self.0.create_dir(name)?)
    }

    pub(super) fn remove_dir(&self, name: &str) -> Result<(), Failure> {
        Ok(self.0.remove_dir(name)?)
    }

    /// The filesystem, where it can be synced as a whole and tells if that fails.
    pub(super) fn filesystem(&self) -> Option<Filesystem> {
        if syncs_as_a_whole(&self.0) { self.0.open(".").ok().map(Filesystem) } else { None }
    }

    pub(super) fn sync(&self, path: &str) -> Result<(), Failure> {
        // A directory is opened for searching only; syncing needs it opened for reading.
        Ok(self.0.open(path)?.sync_all()?)
    }
}

/// True if a directory is on a filesystem that can be synced as a whole, and tells what failed since it was opened: on Linux
/// from 5.17 on, ext4, XFS, btrfs and tmpfs. `syncfs(2)` may succeed elsewhere and do nothing (FUSE, 9p), or not tell of all
/// that failed (overlays, older kernels).
#[cfg(target_os = "linux")]
pub fn syncs_as_a_whole(directory: impl std::os::fd::AsFd) -> bool {
    const EXT4: u64 = 0xef53;
    const XFS: u64 = 0x5846_5342;
    const BTRFS: u64 = 0x9123_683e;
    const TMPFS: u64 = 0x0102_1994;
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

impl NewFile {
    pub(super) fn fill(mut self, content: &[u8], sync: Sync) -> Result<(), Failure> {
        self.0.write_all(content)?;
        if sync == Sync::On {
            self.0.sync_data()?;
        }
        Ok(())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
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
        Failure::Other(kind, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::super::DirStore;
    use super::*;
    use coord_core::store::conformance;

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
}
