//! Marks: a task with several parents has an empty file in the directory of each of them, `blocked/<aa>/<parent>/`. Its
//! name has the task's id and its reaction to a failed parent.
//!
//! Marks exist from before the task's entry until it is blocked no more, so `gc` sees by them that a parent is still
//! needed. If an agent dies, a mark may stay, CM-19. The agent that follows it finds out and removes it.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Tree;
use super::located::Located;
use crate::entry::State;
use crate::error::Error;
use crate::id::TaskId;
use crate::layout;
use crate::path::Path;
use crate::sorted;
use crate::store::Store;
use crate::task::{IfParentFails, Record, Task};

/// The state of a task with a mark.
pub(crate) enum Marked {
    /// It is blocked.
    Blocked(Box<(Located, Task)>),
    /// It has no entry yet, or a record that cannot be trusted.
    Unknown,
    /// It is not blocked, or there is none: the mark has been removed.
    Stale,
}

impl<S: Store> Tree<S> {
    /// Marks tasks that are about to wait for several others in the directories of those. Durable when this returns.
    pub(crate) fn mark_parents<'a>(&self, tasks: impl Iterator<Item = &'a Task>) -> Result<(), Error> {
        let marks: Vec<Path> = tasks.flat_map(marks_of).collect();
        let dirs = sorted::set(marks.iter().map(|mark| &mark.dir));
        self.make_all_dirs(dirs.iter().map(|dir| (*dir).clone()))?;
        marks.iter().try_for_each(|mark| self.create(mark, b"").map(drop))?;
        dirs.iter().try_for_each(|dir| Ok(self.store.sync_dir(dir)?))
    }

    /// Removes the marks of a task that is blocked no more.
    pub(crate) fn unmark_parents(&self, task: &Task) -> Result<(), Error> {
        for mark in marks_of(task) {
            self.store.remove(&mark)?;
            self.store.remove_dir(&mark.dir)?;
        }
        Ok(())
    }

    /// How the task stands that a mark in the directory of `parent` tells of. The marks of one that is not blocked are
    /// removed.
    pub(crate) fn marked(&self, child: TaskId, parent: TaskId) -> Result<Marked, Error> {
        let (found, task) = match (self.find(child), self.task(child)) {
            // A claim or a doctor quarantines it.
            (Err(Error::Corrupt { .. }), _) | (_, Err(Error::Corrupt { .. })) => return Ok(Marked::Unknown),
            (found, task) => (found?, task?),
        };
        match (found, task) {
            (Some(located), Some(task)) if matches!(located.entry.state, State::Blocked { .. }) => {
                return Ok(Marked::Blocked(Box::new((located, task))));
            }
            // It is being enqueued.
            (None, Some(_)) => return Ok(Marked::Unknown),
            (Some(_), Some(task)) => self.unmark_parents(&task)?,
            (_, None) => {
                for policy in IfParentFails::ALL {
                    self.store.remove(&layout::mark(parent, child, policy))?;
                }
            }
        }
        Ok(Marked::Stale)
    }

    /// True if there may be tasks that wait for this one. For most there are none: where a listing may be refused,
    /// which JavaScript throws, a look at the directory is cheaper.
    pub(crate) fn may_be_waited_for(&self, id: TaskId) -> Result<bool, Error> {
        let dir = layout::blocked_on(id);
        match self.fused() {
            Some(_) => Ok(!self.names_in(&dir)?.is_empty()),
            None => Ok(self.unless_in_the_way(self.store.stamp(&dir))?.flatten().is_some()),
        }
    }

    /// True if a task that is blocked, or is being enqueued, lists this one among those that it waits for.
    pub(crate) fn is_waited_for(&self, id: TaskId) -> Result<bool, Error> {
        for name in self.store.list(&layout::blocked_on(id))?.unwrap_or_default() {
            let waits = match layout::parse_mark(&name) {
                Some((child, _)) => !matches!(self.marked(child, id)?, Marked::Stale),
                None => true,
            };
            if waits {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The marks of a task that waits for several others. One that waits for a single one stands in the directory of that
/// anyway.
fn marks_of(task: &Task) -> Vec<Path> {
    let Record { after, if_parent_fails, .. } = &task.record;
    let parents = if after.len() > 1 { after.as_slice() } else { &[] };
    parents.iter().map(|parent| layout::mark(*parent, task.id, if_parent_fails.unwrap_or_default())).collect()
}
