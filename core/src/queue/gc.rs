//! Removing tasks that ended long ago. Only when somebody asks for it, and nothing that has not ended.
//!
//! The task is first renamed to `purged/`, so that nobody puts it back meanwhile; then what belongs to it is removed, its entry
//! last. If the agent dies in between, the next collection goes on from there.

use alloc::vec::Vec;
use core::cmp::Reverse;

use super::Queue;
use super::files::Located;
use crate::entry::Entry;
use crate::error::Error;
use crate::id::TaskId;
use crate::layout::{self, Shelf};
use crate::sorted;
use crate::store::{Moved, Store};
use crate::task::Task;
use crate::time::Timestamp;

/// What to remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gc {
    /// Tasks that ended at least so many seconds ago.
    pub older_than_seconds: i64,
    /// But for so many of those that ended last.
    pub keep_last: usize,
    /// Only tell how many.
    pub dry_run: bool,
}

/// What was removed, or would have been.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Tasks, with all that was reported of them.
    pub removed: u64,
    /// Tasks that have ended and stay.
    pub kept: u64,
}

impl<S: Store> Queue<S> {
    /// Removes ended tasks for good. One that others still wait for stays, and is tried again by the next collection.
    ///
    /// Whoever asks for a removed task is told that there is none. Not synced: after a power cut some may be there again.
    pub fn gc(&self, gc: Gc, now: Timestamp) -> Result<Collected, Error> {
        if !gc.dry_run {
            self.finish_purges()?;
        }
        let mut ended: Vec<(Timestamp, Located)> = Vec::new();
        for part in self.parts_of(Shelf::Done)? {
            let located = self.entries_in(&part)?.into_iter();
            ended.extend(located.filter_map(|located| Some((located.entry.ended_at()?, located))));
        }
        let ended = sorted::by_key(ended, |(at, located)| Reverse((*at, located.entry.id)));
        let age = u64::try_from(gc.older_than_seconds).unwrap_or(0).saturating_mul(1_000_000);
        let mut collected = Collected::default();
        for (place, (at, located)) in ended.iter().enumerate() {
            let is_old = at.plus_micros(age) <= now;
            if place < gc.keep_last || !is_old || self.is_waited_for(located.entry.id)? {
                collected.kept += 1;
            } else if gc.dry_run || self.purge(located)? {
                collected.removed += 1;
            }
        }
        Ok(collected)
    }

    fn is_waited_for(&self, id: TaskId) -> Result<bool, Error> {
        Ok(self.store.list(&layout::blocked_on(id))?.is_some_and(|names| !names.is_empty()))
    }

    /// False: somebody else has put it back, or removes it.
    fn purge(&self, located: &Located) -> Result<bool, Error> {
        if self.shift(located, &located.entry, &layout::purged())? == Moved::Gone {
            return Ok(false);
        }
        // CM-16: if the agent dies from here on, the next collection goes on.
        self.remove_all_of(&located.entry)?;
        Ok(true)
    }

    /// Goes on with what collections began that died.
    fn finish_purges(&self) -> Result<(), Error> {
        let begun = self.entries_in(&layout::purged())?;
        begun.iter().try_for_each(|located| self.remove_all_of(&located.entry))
    }

    fn remove_all_of(&self, entry: &Entry) -> Result<(), Error> {
        let id = entry.id;
        for name in self.store.list(&layout::record(id).dir)?.unwrap_or_default() {
            if layout::parse_record(&name) == Some(id) {
                self.store.remove(&layout::record(id).dir.file(name))?;
            }
        }
        for (_, _, path) in self.report_names(id)? {
            self.store.remove(&path)?;
        }
        self.store.remove(&layout::purged().file(entry.name()))?;
        Ok(())
    }

    /// True if the task is being removed.
    pub(super) fn is_purged(&self, task: &Task) -> Result<bool, Error> {
        Ok(self.entries_in(&layout::purged())?.iter().any(|located| located.entry.id == task.id))
    }
}
