//! Every task of the directory, from names alone.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::Tree;
use super::ahead::AtWork;
use super::located::Located;
use super::walk::{Empties, Onward, Walk};
use crate::entry::Entry;
use crate::error::Error;
use crate::finding::Finding;
use crate::id::TaskId;
use crate::layout::{self, StateDir, TimedDir};
use crate::name::QueueName;
use crate::store::Store;
use crate::task::Task;
use crate::time::Timestamp;

impl<S: Store> Tree<S> {
    /// Every task's newest entry. `claimed/` is read twice, for a task that goes back to `ready/` or is
    /// claimed while the other is read.
    pub(crate) fn every_entry(&self) -> Result<BTreeMap<TaskId, Seen>, Error> {
        let mut newest: BTreeMap<TaskId, Seen> = BTreeMap::new();
        let mut note = |located: Located, queue: Option<QueueName>| {
            let older =
                newest.get(&located.entry.id).is_none_or(|seen| seen.located.entry.version < located.entry.version);
            if older {
                newest.insert(located.entry.id, Seen { located: Box::new(located), stands: None, queue });
            }
        };
        self.entries_of(StateDir::Claimed)?.into_iter().for_each(|located| note(located, None));
        // In the order in which tasks go from one state directory to the next.
        self.blocked_entries()?.into_iter().for_each(|located| note(located, None));
        let mut walk = Walk::all(Empties::Keep);
        let mut note_timed = |timed: &TimedDir, located| {
            note(located, timed.queue.clone());
            Ok(Onward::Next)
        };
        let _all = self.visit_scheduled(&mut walk, &mut note_timed)?;
        let _all = self.visit_ready(&mut walk, &mut note_timed)?;
        self.entries_of(StateDir::Claimed)?.into_iter().for_each(|located| note(located, None));
        self.entries_of(StateDir::Done)?.into_iter().for_each(|located| note(located, None));
        Ok(newest)
    }

    /// As [`Tree::every_entry`], each as time has made it by `now`.
    pub(crate) fn every_entry_as_of(&self, now: Timestamp) -> Result<BTreeMap<TaskId, Seen>, Error> {
        let mut entries = self.every_entry()?;
        for seen in entries.values_mut() {
            if seen.located.is_due(now) {
                seen.stands = Some(Box::new(self.as_it_stands(&seen.located, now)?));
            }
        }
        Ok(entries)
    }

    fn blocked_entries(&self) -> Result<Vec<Located>, Error> {
        let mut entries = Vec::new();
        for shard in self.shards_of(StateDir::Blocked)? {
            let names = self.names_in(&shard)?;
            for parent in names.iter().filter_map(|name| TaskId::from_hex(name)) {
                entries.extend(self.entries_in(&layout::blocked_on(parent))?);
            }
        }
        Ok(entries)
    }

    pub(crate) fn entries_of(&self, state_dir: StateDir) -> Result<Vec<Located>, Error> {
        let mut entries = Vec::new();
        // On a medium with fused operations the shards that may be are as cheap to ask for as those that are.
        let shards = if self.fused().is_some() { layout::shards(state_dir) } else { self.shards_of(state_dir)? };
        let _at_work = self.list_ahead(shards.iter().cloned())?;
        for shard in &shards {
            entries.extend(self.entries_in(shard)?);
        }
        Ok(entries)
    }

    /// Begins to read the tasks behind these entries, a few hundred at most.
    pub(crate) fn tasks_ahead(&self, seen: &[Seen]) -> Result<AtWork<'_, S>, Error> {
        self.records_ahead(seen.iter().map(|seen| &*seen.located))
    }

    /// The task behind an entry; `None` if there is no record, so that nothing can be shown.
    pub(crate) fn task_of(&self, seen: &Seen) -> Result<Option<Result<Task, Finding>>, Error> {
        let id = seen.located.entry.id;
        let found = match self.task_at(&seen.located) {
            // It has moved on since it was listed; its record has not.
            Ok(None) => self.task(id),
            found => found,
        };
        match found {
            Ok(task) => Ok(task.map(Ok)),
            Err(Error::Corrupt { problem, .. }) => Ok(Some(Err(Finding::LeftOut { id, problem }))),
            Err(error) => Err(error),
        }
    }
}

/// An entry as the listing saw it, and the queue if its place told. There may be millions to sort, so the value is
/// small.
#[derive(Debug)]
pub(crate) struct Seen {
    located: Box<Located>,
    /// Its state after changes by time, if that differs.
    stands: Option<Box<Entry>>,
    queue: Option<QueueName>,
}

impl Seen {
    /// How the task stands.
    pub(crate) fn entry(&self) -> &Entry {
        self.stands.as_deref().unwrap_or(&self.located.entry)
    }

    /// Where it was seen, and under which name.
    pub(crate) fn located(&self) -> &Located {
        &self.located
    }

    pub(crate) fn queue(&self) -> Option<&QueueName> {
        self.queue.as_ref()
    }
}
