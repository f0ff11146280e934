//! Tasks that are about to be removed, and keeping one of them.

use super::Tree;
use super::located::Located;
use crate::entry::Entry;
use crate::error::Error;
use crate::id::TaskId;
use crate::layout::{self, StateDir};
use crate::store::{Moved, Store};

impl<S: Store> Tree<S> {
    /// Puts a task back that is in `purged/`, as another one waits for it. Its entry then; `None`: another agent was
    /// faster, or it is certain to be removed.
    pub(crate) fn keep(&self, located: &Located) -> Result<Option<Entry>, Error> {
        let back = Entry { version: located.entry.version_after(), ..located.entry.clone() };
        let home = layout::shard_of(StateDir::Done, back.id);
        Ok((self.shift(located, &back, &home)? == Moved::Here).then_some(back))
    }

    /// Keeps a task that a collection is about to remove, for one that waits for it. True if there was such a task, and
    /// it has to be looked for again.
    pub(crate) fn keep_from_removal(&self, id: TaskId) -> Result<bool, Error> {
        let about_to_go = self.about_to_go(id)?;
        about_to_go.as_ref().map(|located| self.keep(located)).transpose()?;
        Ok(about_to_go.is_some())
    }

    /// The entry of a task that a collection is about to remove.
    pub(crate) fn about_to_go(&self, id: TaskId) -> Result<Option<Located>, Error> {
        Ok(self.entries_in(&layout::purged())?.into_iter().find(|located| located.entry.id == id))
    }

    /// True if the task is being removed.
    pub(crate) fn is_purged(&self, id: TaskId) -> Result<bool, Error> {
        for dir in [layout::purged(), layout::removing()] {
            if self.entries_in(&dir)?.iter().any(|located| located.entry.id == id) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
