//! Removing tasks that ended long ago. Only on demand, and never a task that has not ended.
//!
//! The task is first renamed to `purged/`, so that nobody puts it back meanwhile. Then the collector looks whether a
//! task waits for it: if so the entry goes back to `done/`, else to `purged/removing/`, of which one rename succeeds.
//! Then what belongs to it is removed, its entry last. If the agent dies in between, the next collection goes on from
//! there.
//!
//! Then the collector removes files that no task needs any more: the texts of tags, deadlines, and directories made on
//! demand. The numbers of unique keys stay; PROTOCOL.md says why.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::Queue;
use super::budget::Budget;
use crate::answer::Collected;
use crate::entry::{Entry, State};
use crate::error::Error;
use crate::id::TaskId;
use crate::layout::{self, StateDir, TimedDir};
use crate::limits;
use crate::path::Dir;
use crate::sorted;
use crate::store::{DirRemoved, Moved, Store};
use crate::tags::TagSet;
use crate::time::Timestamp;
use crate::tree::{Located, Seen};
use crate::turn::Turn;

/// No state directory has so many levels of directories: anything deeper is not the queue's.
const MOST_LEVELS: usize = 32;

/// Which tasks to remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gc {
    /// Tasks that ended at least so many seconds ago.
    pub older_than_seconds: i64,
    /// Always keep this many of the most recently ended tasks.
    pub keep_last: usize,
    /// Only count them; remove nothing.
    pub dry_run: bool,
}

impl<S: Store> Queue<S> {
    /// Removes ended tasks for good. A task that a blocked task lists as a parent stays; the next collection tries it
    /// again.
    ///
    /// An agent that asks for a removed task is told that there is none. Not synced: after a power cut some may be
    /// there again.
    pub fn gc(&self, gc: Gc, turn: &Turn<'_>) -> Result<Collected, Error> {
        if !gc.dry_run {
            self.finish_purges(turn)?;
        }
        let now = turn.now();
        let all = self.tree.every_entry_as_of(now)?;
        let ended = ended_among(all.values());
        let age = u64::try_from(gc.older_than_seconds).unwrap_or(0).saturating_mul(1_000_000);
        let mut collected = Collected::default();
        for (place, (at, located)) in ended.iter().enumerate() {
            let is_old = at.plus_micros(age) <= now;
            if place < gc.keep_last || !is_old || self.may_be_waited_for(located.entry.id)? {
                collected.kept += 1;
            } else if gc.dry_run {
                collected.removed += 1;
            } else {
                match self.unless_it_stays(self.remove(located, turn))? {
                    Some(true) => collected.removed += 1,
                    Some(false) => {}
                    None => collected.kept += 1,
                }
            }
        }
        if !gc.dry_run {
            self.remove_tag_texts(all.values().map(Seen::entry))?;
            self.remove_deadlines_of_nobody()?;
            self.remove_empty_dirs(now)?;
        }
        Ok(collected)
    }

    /// Removes the texts of tags that no task needs which has not ended, as far as this collection has seen.
    ///
    /// A task that is enqueued, or put back, at the same time may lose the text of its tags. That costs a claim which
    /// chooses by tags a look at the task's record, and nothing else.
    fn remove_tag_texts<'a>(&self, entries: impl Iterator<Item = &'a Entry>) -> Result<(), Error> {
        let texts = self.tree.names_in(&layout::tag_texts())?;
        if texts.is_empty() {
            return Ok(());
        }
        let mut needed = BTreeSet::new();
        for entry in entries.filter(|entry| !entry.has_ended()) {
            let set = match &entry.state {
                State::Ready { tags, .. } | State::TimedOut { tags, .. } => Some(tags.clone()),
                // Only its record has them. A record that cannot be read now is read when the task is claimed.
                _ => self.tree.task(entry.id).ok().flatten().map(|task| TagSet::of(&task.record.tags)),
            };
            needed.extend(set.filter(TagSet::overflows).map(|set| layout::tag_text(&set).name));
        }
        for text in texts.into_iter().filter(|name| layout::is_tag_text(name) && !needed.contains(name)) {
            self.tree.unless_in_the_way(self.tree.store().remove(&layout::tag_texts().file(text)))?;
        }
        Ok(())
    }

    /// Removes the deadlines of tasks that were removed.
    fn remove_deadlines_of_nobody(&self) -> Result<(), Error> {
        for first in self.tree.names_in(&layout::deadlines())? {
            let first = layout::deadlines().child(&first);
            for second in self.tree.names_in(&first)? {
                let dir = first.child(&second);
                for name in self.tree.names_in(&dir)? {
                    let Some((_, id)) = layout::parse_deadline(&name) else { continue };
                    if matches!(self.tree.record_of(id), Ok(None)) {
                        self.tree.unless_in_the_way(self.tree.store().remove(&dir.file(name)))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Removes directories made on demand that are empty and have not changed for a while. An agent that needs one
    /// makes it again.
    fn remove_empty_dirs(&self, now: Timestamp) -> Result<(), Error> {
        for dir in [TimedDir::ready(), TimedDir::scheduled().dir, layout::deadlines()] {
            self.trim(&dir, now, MOST_LEVELS)?;
        }
        // The shards of `blocked/` stay: there are never more than 256.
        for shard in self.tree.shards_of(StateDir::Blocked)? {
            let names = self.tree.names_in(&shard)?;
            for parent in names.iter().filter_map(|name| TaskId::from_hex(name)) {
                self.trim_away(&layout::blocked_on(parent), now, 0)?;
            }
        }
        Ok(())
    }

    /// Removes the empty directories below this one. True if nothing is left in it, and it has stood still.
    pub(super) fn trim(&self, dir: &Dir, now: Timestamp, levels: usize) -> Result<bool, Error> {
        // Before this collection changes it by what it removes.
        let stood_still = self.tree.has_stood_still(dir, limits::EMPTY_DIR_MICROS, now);
        let mut may_go = self.tree.unless_in_the_way(stood_still)?.unwrap_or(false);
        for name in self.tree.names_in(dir)? {
            // No directory of the queue has a dot in its name, and every file in these directories has one.
            let is_dir = levels > 0 && !name.contains('.');
            may_go &= is_dir && self.trim_away(&dir.child(&name), now, levels - 1)?;
        }
        Ok(may_go)
    }

    /// True if the directory is gone.
    fn trim_away(&self, dir: &Dir, now: Timestamp, levels: usize) -> Result<bool, Error> {
        Ok(self.trim(dir, now, levels)?
            && self.tree.unless_in_the_way(self.tree.store().remove_dir(dir))? == Some(DirRemoved::Now))
    }

    /// `None`: the task cannot be moved, or nobody can read what it is. It stays, and keeps no other one from being
    /// removed.
    fn unless_it_stays<T>(&self, answer: Result<T, Error>) -> Result<Option<T>, Error> {
        match answer {
            Err(Error::Corrupt { .. }) => Ok(None),
            answer => self.tree.unless_in_the_way(answer),
        }
    }

    /// Also where something is in the way of a certain answer.
    fn may_be_waited_for(&self, id: TaskId) -> Result<bool, Error> {
        Ok(self.unless_it_stays(self.tree.is_waited_for(id))?.unwrap_or(true))
    }

    /// False: another agent has put it back, or removes it, or a task waits for it by now.
    pub(super) fn remove(&self, located: &Located, turn: &Turn<'_>) -> Result<bool, Error> {
        let mut located = located.clone();
        while self.settled_by_time(&located, turn)? {
            let Some(next) = self.tree.find(located.entry.id)? else { return Ok(false) };
            located = next;
        }
        if !located.entry.has_ended() || self.tree.shift(&located, &located.entry, &layout::purged())? == Moved::Gone {
            return Ok(false);
        }
        // CM-16: if the agent dies from here on, the next collection goes on.
        self.purge(&Located { dir: layout::purged(), entry: located.entry }, turn)
    }

    /// Removes all of a task that is in `purged/`. False: a task waits for it that was enqueued meanwhile, so it was
    /// put back.
    fn purge(&self, located: &Located, turn: &Turn<'_>) -> Result<bool, Error> {
        let id = located.entry.id;
        // An enqueuer marks or links first and looks at the parent then. So it sees the task here, or is seen here.
        if self.tree.is_waited_for(id)? && self.tree.record_of(id)?.is_some() {
            if let Some(back) = self.tree.keep(located)? {
                self.wake(&back, turn, &mut Budget::of_steps(limits::WOKEN_PER_END))?;
            }
            return Ok(false);
        }
        // From here on no agent puts it back.
        let removing = Located { dir: layout::removing(), entry: located.entry.clone() };
        let decided = self.tree.shift(located, &removing.entry, &removing.dir)? == Moved::Here;
        if decided {
            self.remove_all_of(&removing)?;
        }
        Ok(decided)
    }

    /// Continues the work of collections that died.
    fn finish_purges(&self, turn: &Turn<'_>) -> Result<(), Error> {
        for located in self.tree.entries_in(&layout::removing())? {
            self.unless_it_stays(self.remove_all_of(&located))?;
        }
        for located in self.tree.entries_in(&layout::purged())? {
            self.unless_it_stays(self.purge(&located, turn))?;
        }
        Ok(())
    }

    fn remove_all_of(&self, located: &Located) -> Result<(), Error> {
        let id = located.entry.id;
        let dir = layout::record(id).dir;
        for name in self.tree.store().list(&dir)?.unwrap_or_default() {
            let is_report = || layout::parse_report(&name).is_some_and(|(of, ..)| of == id);
            if layout::parse_record(&name) == Some(id) || is_report() {
                self.tree.store().remove(&dir.file(name))?;
            }
        }
        self.tree.store().remove(&located.path())?;
        Ok(())
    }
}

/// The tasks that have ended by now, and when, the latest first.
fn ended_among<'a>(all: impl Iterator<Item = &'a Seen>) -> Vec<(Timestamp, Located)> {
    let ended = all.filter_map(|seen| Some((seen.entry().ended_at()?, seen.located().clone()))).collect();
    sorted::by_key(ended, |(at, located): &(Timestamp, Located)| Reverse((*at, located.entry.id)))
}
