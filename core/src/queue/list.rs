//! Listing: who is where, told from names; records are opened only for the tasks that are shown.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::ops::ControlFlow;

use super::files::Located;
use super::shelves::{Empties, Walk};
use super::{Finding, Queue, Status};
use crate::entry::Entry;
use crate::error::Error;
use crate::id::TaskId;
use crate::json::JsonObject;
use crate::layout::{ReadyShelf, Shelf};
use crate::name::{ErrorMessage, QueueName, RunId};
use crate::store::Store;
use crate::task::Task;
use crate::time::Timestamp;

/// Which tasks to show. The counts are of all tasks, whatever the filter.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Only those that stand so.
    pub status: Option<Status>,
    /// Only those of this queue.
    pub queue: Option<QueueName>,
    /// Only those whose claim is this agent's.
    pub run_id: Option<RunId>,
    /// At most so many.
    pub limit: usize,
}

/// The tasks there are.
#[derive(Clone, Debug)]
pub struct Listing {
    /// How many tasks stand where, over all queues.
    pub counts: Counts,
    /// Those that match, highest priority first, then oldest first, up to the limit.
    pub items: Vec<Item>,
    /// How many match. With a queue to filter by, counting stops one above the limit, for the queue of a claimed or
    /// ended task stands only in its record.
    pub matching: Matching,
    /// What was not as it should be.
    pub findings: Vec<Finding>,
}

/// How many tasks match a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    /// So many.
    Exactly(usize),
    /// More than so many.
    MoreThan(usize),
}

/// How many tasks have each status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; Status::ALL.len()]);

/// One task of a listing.
#[derive(Clone, Debug)]
pub struct Item {
    /// The task.
    pub task: Task,
    /// Where it stands.
    pub status: Status,
    /// Who holds it, held it or called it off.
    pub claimer_run_id: Option<String>,
    /// When its lease ends or ended.
    pub expires_at: Option<Timestamp>,
    /// How many holders it has had.
    pub generation: u32,
    /// How many attempts at it have begun, but for those that were given back.
    pub attempt: u32,
    /// What its holder reported, if it completed the task.
    pub result: Option<JsonObject>,
    /// What its holder reported, if it failed the task.
    pub error: Option<ErrorMessage>,
}

impl Counts {
    /// How many tasks there are.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// How many tasks stand so.
    pub fn of(&self, status: Status) -> u64 {
        self.0.get(status as usize).copied().unwrap_or(0)
    }

    pub(super) fn add(&mut self, status: Status) {
        if let Some(count) = self.0.get_mut(status as usize) {
            *count += 1;
        }
    }
}

impl<S: Store> Queue<S> {
    /// One task and where it stands at `now`, and what was not as it should be. Writes nothing.
    pub fn show(&self, id: TaskId, now: Timestamp) -> Result<(Item, Vec<Finding>), Error> {
        let mut findings = Vec::new();
        let located = self.find(id)?.ok_or(Error::NotFound { id })?;
        let task = self.task(id)?.ok_or(Error::NotFound { id })?;
        let item = self.item(task, &located.entry, now, &mut findings)?;
        Ok((item, findings))
    }

    /// The tasks there are at `now`. Writes nothing. Not a snapshot: a task that moves while the shelves are read
    /// counts once, where it was seen at its highest version.
    pub fn tasks(&self, filter: &Filter, now: Timestamp) -> Result<Listing, Error> {
        let seen = self.every_entry()?;
        let mut counts = Counts::default();
        let mut matching: Vec<Seen> = Vec::new();
        for seen in seen.into_values() {
            let status = Status::of(&seen.located.entry, now);
            counts.add(status);
            if seen.matches(filter, status) {
                matching.push(seen);
            }
        }
        matching.sort_by_key(|seen| {
            let entry = &seen.located.entry;
            (Reverse(entry.priority), entry.created_at, entry.id)
        });
        self.listing(matching, counts, filter, now)
    }

    fn listing(&self, matching: Vec<Seen>, counts: Counts, filter: &Filter, now: Timestamp) -> Result<Listing, Error> {
        let (mut items, mut findings) = (Vec::new(), Vec::new());
        let mut count = Matching::Exactly(matching.len());
        let mut left_out = 0;
        for seen in &matching {
            // What matches by its name alone is counted already; only a queue takes a look at one task more.
            if items.len() == filter.limit && filter.queue.is_none() {
                break;
            }
            match self.task_of(seen)? {
                None => left_out += 1,
                Some(Err(finding)) => {
                    left_out += 1;
                    findings.push(finding);
                }
                Some(Ok(task)) if filter.queue.as_ref().is_some_and(|queue| *queue != task.record.queue) => {
                    left_out += 1;
                }
                Some(Ok(_)) if items.len() == filter.limit => {
                    count = Matching::MoreThan(items.len());
                    break;
                }
                Some(Ok(task)) => items.push(self.item(task, &seen.located.entry, now, &mut findings)?),
            }
        }
        if let Matching::Exactly(count) = &mut count {
            *count -= left_out;
        }
        Ok(Listing { counts, items, matching: count, findings })
    }

    /// Every task's newest entry. The claimed shelf is read twice, for a task that goes back to the ready shelf or is
    /// claimed while the other is read.
    fn every_entry(&self) -> Result<BTreeMap<TaskId, Seen>, Error> {
        let mut newest: BTreeMap<TaskId, Seen> = BTreeMap::new();
        let mut note = |located: Located, queue: Option<QueueName>| {
            let older =
                newest.get(&located.entry.id).is_none_or(|seen| seen.located.entry.version < located.entry.version);
            if older {
                newest.insert(located.entry.id, Seen { located, queue });
            }
        };
        self.shelf_entries(Shelf::Claimed)?.into_iter().for_each(|located| note(located, None));
        let mut walk = Walk { queue: None, empties: Empties::Keep, watch: None };
        let mut note_ready = |shelf: &ReadyShelf, located| {
            note(located, Some(shelf.queue.clone()));
            Ok(ControlFlow::Continue(()))
        };
        if self.visit_ready(&mut walk, &mut note_ready)?.is_break() {
            return Ok(newest);
        }
        self.shelf_entries(Shelf::Claimed)?.into_iter().for_each(|located| note(located, None));
        self.shelf_entries(Shelf::Done)?.into_iter().for_each(|located| note(located, None));
        Ok(newest)
    }

    fn shelf_entries(&self, shelf: Shelf) -> Result<Vec<Located>, Error> {
        let mut entries = Vec::new();
        for part in self.parts_of(shelf)? {
            entries.extend(self.entries_in(&part)?);
        }
        Ok(entries)
    }

    /// The task behind an entry; `None` if there is no record, so that nothing can be shown.
    fn task_of(&self, seen: &Seen) -> Result<Option<Result<Task, Finding>>, Error> {
        let id = seen.located.entry.id;
        let found = match self.task_at(&seen.located) {
            // It has moved on since it was listed; its record has not.
            Ok(None) => self.task(id),
            found => found,
        };
        match found {
            Ok(task) => Ok(task.map(Ok)),
            Err(Error::Corrupt { problem, .. }) => Ok(Some(Err(Finding::LeftOut { id, problem }))),
            Err(Error::Store(error)) => Ok(Some(Err(Finding::Unreadable { id, error }))),
            Err(error) => Err(error),
        }
    }

    fn item(&self, task: Task, entry: &Entry, now: Timestamp, findings: &mut Vec<Finding>) -> Result<Item, Error> {
        let lease = entry.lease();
        let settlement = self.settlement(entry)?;
        if settlement == Some(None) {
            findings.push(Finding::SettlementLost { id: entry.id });
        }
        let settlement = settlement.flatten();
        Ok(Item {
            task,
            status: Status::of(entry, now),
            claimer_run_id: lease.map(|lease| self.run_id_text(&lease.holder)),
            expires_at: lease.map(|lease| lease.expires_at),
            generation: entry.generation,
            attempt: entry.attempt,
            result: settlement.as_ref().and_then(|settlement| settlement.result.clone()),
            error: settlement.and_then(|settlement| settlement.error),
        })
    }
}

/// An entry as the listing saw it, and the queue if its place told.
struct Seen {
    located: Located,
    queue: Option<QueueName>,
}

impl Seen {
    fn matches(&self, filter: &Filter, status: Status) -> bool {
        let entry = &self.located.entry;
        let is_holder = |run_id: &RunId| entry.lease().is_some_and(|lease| lease.holder == entry.holder(run_id));
        filter.status.is_none_or(|wanted| wanted == status)
            && filter.run_id.as_ref().is_none_or(is_holder)
            && (filter.queue.is_none() || self.queue.is_none() || self.queue == filter.queue)
    }
}
