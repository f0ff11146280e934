//! Whose queue it is: what is looked at once, when a repository was found by searching, before anything in it is read.
//!
//! A search upward finds whatever somebody has put there. So of a repository that was found, the directory that holds
//! `.muse`, `.muse` itself and the coordination directory must each be
//! - a directory, no link to another place;
//! - this user's or root's, or one that its owner shares with a group of this user by letting that group write, though
//!   not in a place such as `/tmp`, where anybody may make one;
//! - not everybody's to write in, unless it is sticky, so that nobody can exchange what others have made there.
//!
//! And the queue must have been made in this place. `format.json` has a second name, `anchor.json`, and git, `cp -r` or
//! an archive that was sent make two files of them: a queue with one name came along with something else, and its tasks
//! are its author's.
//!
//! A user that names the repository, by `MUSE_REPO_ROOT`, has decided all this. Root trusts what git lets it trust: its
//! own directories and those of the user who called `sudo`.
//!
//! Guaranteed: at most five looks, none of which opens anything. Not guaranteed: anything against another process of
//! this user.

use std::fs::{self, Metadata};
use std::path::Path;

use coord_core::layout;
use coord_core::store::{StoreError, StoreErrorKind};

use crate::repository::{self, Purpose};

/// Fails unless this process may trust the repository in `root`. What is not there yet can be trusted.
pub(crate) fn check(root: &Path, purpose: Purpose) -> Result<(), StoreError> {
    let muse = root.join(".muse");
    let coordination = muse.join("coordination");
    let mut groups_count = true;
    for directory in [root, &muse, &coordination] {
        match fs::symlink_metadata(directory) {
            Ok(found) => {
                check_directory(root, directory, &found, groups_count)?;
                groups_count &= !is_everybodys(&found);
            }
            // This process cannot open a directory either that it may not look at, and then it says so.
            Err(_) => return Ok(()),
        }
    }
    match purpose {
        Purpose::Point => Ok(()),
        Purpose::Work | Purpose::Judge if repository::leads_elsewhere(&coordination) => {
            check_pointer(root, &coordination)
        }
        Purpose::Work => check_is_original(root, &coordination),
        Purpose::Judge => Ok(()),
    }
}

fn check_directory(root: &Path, directory: &Path, found: &Metadata, groups_count: bool) -> Result<(), StoreError> {
    if found.is_symlink() {
        let target = fs::read_link(directory).unwrap_or_default();
        return Err(refused(root, directory, format!("it is a link to {target:?}, which may be another project's")));
    }
    // A file in the place is refused with other words, when it is opened.
    if !found.is_dir() {
        return Ok(());
    }
    match distrust(found, groups_count) {
        Some(why) => Err(refused(root, directory, why)),
        None => Ok(()),
    }
}

/// `groups_count`: who shares it with a group of this user has been let in here.
#[cfg(unix)]
fn distrust(found: &Metadata, groups_count: bool) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let (owner, mode) = (found.uid(), found.mode());
    if mode & 0o002 != 0 && mode & 0o1000 == 0 {
        return Some("everybody on this machine may exchange what is in it".to_string());
    }
    if is_own(owner) || groups_count && mode & 0o020 != 0 && is_in_group(found.gid()) {
        return None;
    }
    let user = rustix::process::geteuid().as_raw();
    Some(format!("it belongs to user {owner}, and this is user {user}, whom no group shares it with"))
}

/// Elsewhere directories have other owners than numbers tell.
#[cfg(not(unix))]
fn distrust(_found: &Metadata, _groups_count: bool) -> Option<String> {
    None
}

/// True of a place such as `/tmp`, where anybody may make a directory and share it with a group that all are in.
#[cfg(unix)]
fn is_everybodys(found: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    found.mode() & 0o002 != 0
}

/// Elsewhere no modes tell.
#[cfg(not(unix))]
fn is_everybodys(_found: &Metadata) -> bool {
    false
}

#[cfg(unix)]
fn is_own(owner: u32) -> bool {
    let user = rustix::process::geteuid().as_raw();
    let sudoer = || std::env::var_os("SUDO_UID").and_then(|uid| uid.to_str()?.parse().ok());
    owner == user || owner == 0 || user == 0 && sudoer() == Some(owner)
}

#[cfg(unix)]
fn is_in_group(group: u32) -> bool {
    let others = rustix::process::getgroups().unwrap_or_default();
    rustix::process::getegid().as_raw() == group || others.iter().any(|other| other.as_raw() == group)
}

/// A file that leads to an engine has a second name, as `format.json` has, where `init --store` made it.
fn check_pointer(root: &Path, pointer: &Path) -> Result<(), StoreError> {
    let Some(why) = distrust_of_pointer(pointer) else { return Ok(()) };
    let path = format!("the file {pointer:?}, which may lead to an engine");
    let detail = format!(
        "{why}: look where it leads; to use the queue there: `muse coord init --store URL` in {root:?} with that URL, or name \
         the repository for one command by MUSE_REPO_ROOT"
    );
    Err(StoreError { operation: "trust", path, kind: StoreErrorKind::Other, detail })
}

/// Why a file that leads to an engine is not followed.
pub(crate) fn distrust_of_pointer(pointer: &Path) -> Option<String> {
    let found = fs::symlink_metadata(pointer).ok()?;
    if let Some(why) = distrust(&found, true) {
        return Some(why);
    }
    let second = fs::symlink_metadata(repository::anchor_of(pointer)).ok();
    let is_original = second.is_some_and(|second| is_same(&found, &second));
    (!is_original).then(|| "it came with a copy of the repository, or `init --store` has not made it".to_string())
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Elsewhere that is not told.
#[cfg(not(unix))]
fn is_same(_one: &Metadata, _other: &Metadata) -> bool {
    true
}

/// A queue that is just being made has no `format.json`, and its directories are empty until it has.
fn check_is_original(root: &Path, coordination: &Path) -> Result<(), StoreError> {
    let format = coordination.join(layout::format().name);
    let why = match names(&format) {
        Some(1) => "it came with a copy of the repository, as did its tasks, or its anchor.json was removed",
        None if holds_tasks(coordination) && names(&format).is_none() => "it holds tasks, but no format.json",
        _ => return Ok(()),
    };
    let path = format!("the queue in {coordination:?}");
    let detail = format!(
        "{why}: look at it by `muse coord doctor`; to take it over as it is: `muse coord init` in {root:?}, or name it for one \
         command by MUSE_REPO_ROOT"
    );
    Err(StoreError { operation: "trust", path, kind: StoreErrorKind::Other, detail })
}

/// How many names a file has; none if there is no such file.
#[cfg(unix)]
fn names(file: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt as _;
    fs::symlink_metadata(file).ok().map(|found| found.nlink())
}

/// Elsewhere that is not told.
#[cfg(not(unix))]
fn names(file: &Path) -> Option<u64> {
    fs::symlink_metadata(file).ok().map(|_| 2)
}

fn holds_tasks(coordination: &Path) -> bool {
    let holds = |name: &layout::Dir| {
        fs::read_dir(coordination.join(name.as_str())).is_ok_and(|mut names| names.next().is_some())
    };
    layout::root_dirs().filter(|dir| *dir != layout::sweep() && *dir != layout::tmp()).any(|dir| holds(&dir))
}

fn refused(root: &Path, directory: &Path, why: String) -> StoreError {
    let detail = format!(
        "{why}; if you trust it, name it: MUSE_REPO_ROOT={root:?}; if not, name the directory that is to have a queue of its own"
    );
    StoreError { operation: "trust", path: format!("{directory:?}"), kind: StoreErrorKind::Other, detail }
}

/// Says in words that users besides the owner may look into a coordination directory, and what to do. `None` if only
/// the owner may, or a group that shares it.
#[cfg(unix)]
pub fn open_to_others(directory: &Path) -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt as _;
    let mode = |path: &Path| fs::metadata(path).ok().map(|found| found.mode());
    let (mode, above) = (mode(directory)?, directory.parent().and_then(mode)?);
    let [group, others] = [0o070, 0o007].map(|whose| if above & whose & 0o011 == 0 { 0 } else { mode & whose });
    match () {
        () if others & 0o002 != 0 => {
            Some("everybody on this machine may write in it: `chmod -R o= .muse` changes that")
        }
        () if others != 0 => Some("everybody on this machine may look into it: `chmod -R o= .muse` changes that"),
        () if group != 0 && group & 0o020 == 0 => Some("its group may look into it: `chmod -R g= .muse` changes that"),
        () => None,
    }
}

/// Elsewhere it is not told.
#[cfg(not(unix))]
pub fn open_to_others(_directory: &Path) -> Option<&'static str> {
    None
}

/// The mode of what is made in a directory: its owner's alone; its group's, too, or everybody's, where these may write.
/// To be read only is no way to share a queue: each command of an agent moves something in it.
///
/// The group's only if what is made there is that group's, and not in a place such as `/tmp`, whose group shares
/// nothing.
#[cfg(unix)]
pub fn mode_within(above: &Metadata) -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    let mode = above.mode();
    let is_sticky = mode & 0o1002 == 0o1002;
    let is_the_groups = mode & 0o2000 != 0 || above.gid() == rustix::process::getegid().as_raw();
    let group = if mode & 0o020 == 0 || is_sticky || !is_the_groups { 0 } else { 0o2070 };
    let others = if mode & 0o002 == 0 || is_sticky { 0 } else { 0o007 };
    0o700 | mode & (group | others)
}
