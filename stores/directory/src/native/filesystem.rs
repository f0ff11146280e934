//! The guarantees of the filesystem that a directory is on: whether it can be synced as a whole, and whether it keeps
//! the order in which names were made.
//!
//! Guaranteed: the answer that saves flushes is given only for filesystems that are known to deserve it. For all
//! others the answer is the careful one.

use std::io;

use cap_std::fs::{Dir, File};

use crate::failure::Failure;

/// The filesystem that a directory is on, opened to be synced as a whole.
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "elsewhere none can be"))]
pub(crate) struct Filesystem(File);

impl Filesystem {
    /// That of a directory, if it can be synced as a whole and tells if that fails.
    pub(super) fn of(dir: &Dir) -> Option<Filesystem> {
        if syncs_as_a_whole(dir) { dir.open(".").ok().map(Filesystem) } else { None }
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn sync(&self) -> Result<(), Failure> {
        Ok(rustix::fs::syncfs(&self.0).map_err(io::Error::from)?)
    }

    #[cfg(not(target_os = "linux"))]
    pub(crate) fn sync(&self) -> Result<(), Failure> {
        Err(io::Error::from(io::ErrorKind::Unsupported).into())
    }
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
/// tells whether it has a journal. False if no agent can see one there; `None` where another agent may see more: an
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
