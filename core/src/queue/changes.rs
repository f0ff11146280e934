//! Following tasks: first their states, then each change. There is no log: two looks are compared, so a task that moved
//! twice between them is reported once, with its latest state.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::Queue;
use super::item::Item;
use crate::error::Error;
use crate::finding::Finding;
use crate::id::TaskId;
use crate::name::{QueueName, Tag};
use crate::sorted;
use crate::status::Status;
use crate::store::Store;
use crate::time::Timestamp;

/// Follows the tasks of a queue or of all, with certain tags or with any. It neither sleeps nor looks at a clock.
#[derive(Clone, Debug)]
pub struct TaskWatch {
    queue: Option<QueueName>,
    tags: Vec<Tag>,
    seen: BTreeMap<TaskId, Sight>,
}

/// How a task stood at the last look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sight {
    version: u32,
    status: Status,
    /// False for a task that does not match the filter.
    told: bool,
}

/// A task that is not as it was at the last look.
#[derive(Clone, Debug)]
pub struct Change {
    /// Which.
    pub id: TaskId,
    /// How it stands; `None`: it was removed.
    pub item: Option<Item>,
}

impl TaskWatch {
    /// A watch that has not begun.
    pub fn new(queue: Option<QueueName>, tags: Vec<Tag>) -> TaskWatch {
        TaskWatch { queue, tags, seen: BTreeMap::new() }
    }

    /// The changes since the last step; at the first step, all tasks. The earliest enqueued come first.
    ///
    /// Reads all names, and the record of each task that has changed. Fails if the queue was removed.
    pub fn step<S: Store>(&mut self, queue: &Queue<S>, now: Timestamp) -> Result<(Vec<Change>, Vec<Finding>), Error> {
        let mut changes = Vec::new();
        let findings = self.step_by_step(queue, now, |change| {
            changes.push(change);
            Ok::<(), Error>(())
        })?;
        Ok((changes, findings))
    }

    /// As [`TaskWatch::step`]; each change is given to `take` as it is read, so that no more than one is held.
    pub fn step_by_step<S: Store, E: From<Error>>(
        &mut self,
        queue: &Queue<S>,
        now: Timestamp,
        mut take: impl FnMut(Change) -> Result<(), E>,
    ) -> Result<Vec<Finding>, E> {
        queue.tree.check_is_there()?;
        let mut findings = Vec::new();
        let entries = queue.tree.every_entry_as_of(now)?;
        let mut gone: Vec<TaskId> = self.seen.keys().filter(|id| !entries.contains_key(id)).copied().collect();
        // A task that moves all the while may be missed by a look: only one whose record is gone was removed.
        gone.retain(|id| !matches!(queue.tree.record_of(*id), Ok(Some(_))));
        for id in gone {
            if self.seen.remove(&id).is_some_and(|sight| sight.told) {
                take(Change { id, item: None })?;
            }
        }
        let moved = entries.into_iter().filter(|(id, seen)| self.is_news(*id, seen.entry(), now)).collect();
        for (id, seen) in sorted::by_key(moved, |(id, seen)| (seen.entry().created_at, *id)) {
            let (entry, version) = (seen.entry().clone(), seen.entry().version);
            let told = match queue.tree.task_of(&seen)? {
                Some(Ok(task)) => {
                    let has = |tag: &Tag| task.record.tags.contains(tag);
                    let wanted = self.queue.as_ref().is_none_or(|queue| *queue == task.record.queue);
                    let wanted = wanted && self.tags.iter().all(has);
                    if wanted {
                        let told = queue.tree.told_by(&entry)?;
                        take(Change { id, item: Some(queue.item(task, &entry, &told, now, &mut findings)?) })?;
                    }
                    wanted
                }
                Some(Err(finding)) => {
                    findings.push(finding);
                    false
                }
                None => false,
            };
            self.seen.insert(id, Sight { version, status: Status::of(&entry, now), told });
        }
        findings.extend(queue.tree.take_findings());
        Ok(findings)
    }

    fn is_news(&self, id: TaskId, entry: &crate::entry::Entry, now: Timestamp) -> bool {
        self.seen.get(&id).is_none_or(|sight| {
            // The fields that the filter uses never change, so a task that did not match need not be looked at again.
            sight.version != entry.version || sight.status != Status::of(entry, now)
        })
    }
}
