//! Retry: put back a task that failed, expired or was cancelled, with all its attempts.

use alloc::collections::BTreeSet;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::Queue;
use super::put_back::Again;
use super::unique::Keyed;
use crate::answer::{LeftCancelled, Released, Retried};
use crate::entry::{Ending, Entry, Outcome, State};
use crate::error::Error;
use crate::id::TaskId;
use crate::layout::{self, StateDir};
use crate::limits;
use crate::sorted;
use crate::status::Status;
use crate::store::Store;
use crate::task::Task;
use crate::transition::decide;
use crate::turn::Turn;

/// How to put a task back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retrying {
    /// It waits neither for parents nor for a start time.
    pub is_now: bool,
    /// Tasks that were cancelled because of it are put back, too.
    pub cascade: bool,
}

impl<S: Store> Queue<S> {
    /// Puts back a task that failed, expired or was cancelled, with all its attempts. It waits again for its parents
    /// and its start time, unless `retrying` says otherwise. Its reports stay. Survives a power cut as far as a release
    /// does.
    ///
    /// Refused with [`Error::WaitsInVain`] if it waits for one that did not complete, and with [`Error::KeyTaken`]
    /// while another task has its unique key.
    pub fn retry(&self, id: TaskId, retrying: Retrying, turn: &Turn<'_>) -> Result<Retried, Error> {
        let entry = self.retry_one(id, retrying.is_now, turn)?;
        let mut retried =
            Retried { released: Released::of(&entry, turn.now()), dependants: Vec::new(), left: Vec::new() };
        if retrying.cascade {
            self.retry_dependants(&mut retried, turn).map_err(Error::after_the_change)?;
        }
        Ok(retried)
    }

    fn retry_one(&self, id: TaskId, is_now: bool, turn: &Turn<'_>) -> Result<Entry, Error> {
        let task = self.tree.task(id)?.ok_or(Error::NotFound { id })?;
        let mut announced: Option<(Entry, State)> = None;
        for _ in 0..limits::RACES {
            let located = self.tree.find_named(id)?;
            // The key says that this agent puts it back, so another one that asked for the key has done that in its
            // stead.
            if let Some((next, _)) = announced.take().filter(|(next, end)| {
                // If another agent only kept the task from removal, its version is later and its end is the same.
                next.version <= located.entry.version && located.entry.state != *end
            }) {
                return Ok(next);
            }
            if located.dir == layout::purged() {
                self.tree.keep(&located)?;
                continue;
            }
            if self.settled_by_time(&located, turn)? {
                continue;
            }
            let now = turn.now();
            let again = Again { version: located.entry.version, at: now, is_now };
            let next =
                decide(&located.entry, &again.command(&task), now).map_err(|refusal| self.refused(id, refusal))?;
            if !is_now {
                self.check_parents_can_complete(&task, turn)?;
            }
            // Once it is in the key's file that the task is put back, any agent that asks for the key may do it.
            let with_key = |error: Error| if task.record.unique.is_some() { error.after_the_change() } else { error };
            match self.take_key(&task, Some(again), turn).map_err(with_key)? {
                Keyed::By(other) if other.id != id => {
                    return Err(Error::KeyTaken { id, status: Status::of(&located.entry, now), by: other.id });
                }
                // Another agent puts it back at the same time.
                Keyed::By(_) => {}
                // If the agent dies here, the next one that asks for its key puts it back.
                Keyed::Held => {
                    if let Some(next) = self.put_back(&located, again, turn).map_err(with_key)? {
                        return Ok(next);
                    }
                    announced = task.record.unique.is_some().then_some((next, located.entry.state));
                }
            }
        }
        Err(Error::Contended)
    }

    /// Puts back what was cancelled because of tasks that are put back, and what was cancelled because of that.
    fn retry_dependants(&self, retried: &mut Retried, turn: &Turn<'_>) -> Result<(), Error> {
        let mut cancelled: Vec<Task> = Vec::new();
        for shard in self.tree.shards_of(StateDir::Done)? {
            for located in self.tree.entries_in(&shard)? {
                // Nobody in particular cancelled it.
                if matches!(&located.entry.state, State::Ended(Ending { outcome: Outcome::Cancelled, lease: None, .. }))
                {
                    // One whose record cannot be trusted is left.
                    cancelled.extend(self.tree.task_at(&located).ok().flatten());
                }
            }
        }
        let mut put_back = BTreeSet::from([retried.released.task_id]);
        // A task is enqueued after those that it waits for.
        for task in sorted::by_key(cancelled, |task| (task.record.created_at, task.id)) {
            // The completion that was to enqueue a follow-up was refused, so it was never meant to be.
            if task.record.follows.is_some() || !task.record.after.iter().any(|parent| put_back.contains(parent)) {
                continue;
            }
            match self.retry_one(task.id, false, turn) {
                Ok(_) => {
                    put_back.insert(task.id);
                    retried.dependants.push(task.id);
                }
                // Another agent put it back, or removed it.
                Err(Error::Refused { .. } | Error::NotFound { .. }) => {}
                Err(error) => retried.left.push(LeftCancelled::by(task.id, &error)),
            }
        }
        Ok(())
    }
}

impl LeftCancelled {
    fn by(task_id: TaskId, error: &Error) -> LeftCancelled {
        LeftCancelled { task_id, code: error.code(), message: error.to_string() }
    }
}
