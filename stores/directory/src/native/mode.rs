//! The mode of new files and directories, which is that of the coordination directory.

use cap_std::fs::{Dir, File, Metadata};
#[cfg(unix)]
use cap_std::fs::{MetadataExt as _, Permissions, PermissionsExt as _};

/// The mode of the coordination directory. New files and directories are given the same, whatever the process's umask
/// is, so that every user of the directory can use all that is in it. Files are without the right to be executed, and
/// a filesystem that knows no modes is left alone.
#[cfg(unix)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Mode(u32);

#[cfg(unix)]
impl Mode {
    pub(super) fn of(metadata: &Metadata) -> Mode {
        Mode(metadata.mode() & 0o2777)
    }

    pub(super) fn share_file(self, file: &File) {
        let mode = self.0 & 0o666;
        if file.metadata().is_ok_and(|metadata| metadata.mode() & 0o777 != mode) {
            _ = file.set_permissions(Permissions::from_mode(mode));
        }
    }

    pub(super) fn share_dir(self, above: &Dir, name: &str) {
        if above.symlink_metadata(name).is_ok_and(|metadata| metadata.mode() & 0o2777 != self.0) {
            _ = above.set_permissions(name, Permissions::from_mode(self.0));
        }
    }
}

/// Elsewhere the system decides.
#[cfg(not(unix))]
#[derive(Clone, Copy, Debug)]
pub(super) struct Mode;

#[cfg(not(unix))]
impl Mode {
    pub(super) fn of(_metadata: &Metadata) -> Mode {
        Mode
    }

    pub(super) fn share_file(self, _file: &File) {}

    pub(super) fn share_dir(self, _above: &Dir, _name: &str) {}
}
