//! The filesystems that are cut, and what each promises.

use std::path::Path;

use super::faulty::SeededBug;
use super::programs::{is_there, run};

/// A filesystem on an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Filesystem {
    /// With its journal.
    Ext4,
    /// Made without one.
    Ext4WithoutJournal,
    /// As it is made by default.
    Xfs,
    /// As it is made by default.
    Btrfs,
}

/// What the queue promises on a filesystem.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// After a cut `doctor --repair` comes first: CM-7.
    pub(super) doctor_first: bool,
    /// What stands in `done/` with a result is on disk, acknowledged or not.
    pub(super) one_flush: bool,
}

impl Filesystem {
    /// All of them.
    pub(super) const ALL: [Filesystem; 4] =
        [Filesystem::Ext4, Filesystem::Ext4WithoutJournal, Filesystem::Xfs, Filesystem::Btrfs];

    /// Its name, for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Filesystem::Ext4 => "ext4",
            Filesystem::Ext4WithoutJournal => "ext4 without journal",
            Filesystem::Xfs => "XFS",
            Filesystem::Btrfs => "btrfs",
        }
    }

    /// What the queue promises on it to agents that are told to go by POSIX or not.
    pub(super) fn rules(self, posix: bool) -> Rules {
        let orders_names = self != Filesystem::Ext4WithoutJournal;
        Rules { doctor_first: !orders_names, one_flush: orders_names && !posix }
    }

    /// Why what is missing on it is told and is no failure of the queue, if that is so.
    pub(super) fn excuse(self) -> Option<&'static str> {
        match self {
            // PROTOCOL.md, "What the filesystem must give".
            Filesystem::Ext4WithoutJournal => Some(
                "it loses what was synced: a name on disk may lead to an inode of another time, and e2fsck believes it",
            ),
            Filesystem::Ext4 | Filesystem::Xfs | Filesystem::Btrfs => None,
        }
    }

    /// True if images must show this bug. On XFS and btrfs a rename changes the file in a way that `fdatasync`
    /// keeps, too; where the queue goes by POSIX it syncs the directory for that.
    pub(super) fn must_show(self, bug: SeededBug, posix: bool) -> bool {
        match bug {
            SeededBug::NoSync | SeededBug::ForgottenEnd => true,
            SeededBug::DataOnly => !posix && self == Filesystem::Ext4,
        }
    }

    /// The first program that is needed for it and is not there.
    pub(super) fn lacks(self) -> Option<&'static str> {
        let programs: &[&str] = match self {
            Filesystem::Ext4 => &["mkfs.ext4"],
            Filesystem::Ext4WithoutJournal => &["mkfs.ext4", "e2fsck"],
            Filesystem::Xfs => &["mkfs.xfs"],
            Filesystem::Btrfs => &["mkfs.btrfs", "btrfs"],
        };
        programs.iter().copied().find(|program| !is_there(program))
    }

    /// Makes it on an image.
    pub(super) fn make(self, image: &Path) -> Result<(), String> {
        let ext4 = ["-q", "-F", "-E", "lazy_itable_init=1,nodiscard"];
        match self {
            Filesystem::Ext4 => run("mkfs.ext4", ext4, [image]),
            Filesystem::Ext4WithoutJournal => run("mkfs.ext4", [&ext4[..], &["-O", "^has_journal"]].concat(), [image]),
            Filesystem::Xfs => run("mkfs.xfs", ["-q", "-K"], [image]),
            Filesystem::Btrfs => run("mkfs.btrfs", ["-q", "-K"], [image]),
        }
    }

    /// Does what has to be done to an image of it after a cut, before it can be mounted.
    pub(super) fn mend(self, image: &Path) -> Result<(), String> {
        match self {
            // 1 is success: it has mended something.
            Filesystem::Ext4WithoutJournal => run("sh", ["-c", "e2fsck -fy \"$1\"; test $? -le 1", "sh"], [image]),
            // The kernel remembers the devices that it saw last, and takes an older copy for a mistake.
            Filesystem::Btrfs => run("btrfs", ["device", "scan", "--forget"], []),
            Filesystem::Ext4 | Filesystem::Xfs => Ok(()),
        }
    }

    /// The options to mount it with. An XFS refuses to be mounted twice, and so its copy.
    pub(super) fn options(self) -> &'static str {
        match self {
            // Nothing is written but by the queue.
            Filesystem::Ext4 | Filesystem::Ext4WithoutJournal => "loop,noinit_itable",
            Filesystem::Xfs => "loop,nouuid",
            Filesystem::Btrfs => "loop",
        }
    }
}
