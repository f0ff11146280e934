//! What the names of entries are looked for by, on a medium with fused operations.

use alloc::string::{String, ToString};

use super::{StateDir, TimedDir};
use crate::entry::Entry;
use crate::id::TaskId;
use crate::path::{Dir, Path};
use crate::time::Timestamp;

/// The task of which a path is the entry, in a state directory or in `purged/`: what a look for a task's entries goes
/// by.
pub fn task_of(path: &Path) -> Option<TaskId> {
    let root = path.dir.as_str().split('/').next()?;
    let holds_entries = ["ready", "scheduled", "blocked", "claimed", "done", "purged"].contains(&root);
    // Reading a whole name takes a microsecond.
    if holds_entries { TaskId::from_hex(path.name.split('.').nth(1)?) } else { None }
}

/// The place of an entry in claim order, whichever queue it is of: its path below the queue's directory. Of a scheduled
/// one, its path below `scheduled/`, which sorts by the time when it is due.
pub fn place_of(path: &Path) -> Option<String> {
    let path = path.to_string();
    let (root, below) = path.split_once('/')?;
    match root {
        "ready" => below.split_once('/').map(|(_, place)| place.to_string()),
        "scheduled" => Some(below.to_string()),
        _ => None,
    }
}

/// When time makes something of a name: a lease is over, a scheduled task may be claimed, a task expires that others
/// wait for. What a look for due names goes by.
pub fn due_at(path: &Path) -> Option<Timestamp> {
    let is_below = |dir: &Dir| path.dir.is_below(dir);
    if is_below(&super::deadlines()) {
        return super::parse_deadline(&path.name).map(|(at, _)| at);
    }
    let may_be_due = is_below(&super::state_dir(StateDir::Claimed)) || is_below(&TimedDir::scheduled().dir);
    let entry = Entry::parse(&path.name).filter(|_| may_be_due)?;
    entry.due().or_else(|| Some(entry.lease()?.expires_at))
}
