//! Blocked tasks that were not moved on although their parent has ended: the agent that ended it died, or its budget
//! did not suffice.

use alloc::string::String;
use alloc::vec::Vec;

use super::dependents::{Over, turned};
use crate::entry::Entry;
use crate::error::Error;
use crate::id::TaskId;
use crate::layout::{self, StateDir};
use crate::limits;
use crate::path::Dir;
use crate::queue::Queue;
use crate::queue::budget::Budget;
use crate::sorted;
use crate::store::Store;
use crate::store::fused::Look;
use crate::turn::Turn;

impl<S: Store> Queue<S> {
    /// Wakes tasks whose parent has ended, or was removed, without their having been told: CM-12. Looks at some shards
    /// of `blocked/` each time, and at all of them if there are few names. How many it moved.
    pub(in crate::queue) fn wake_forgotten(&self, turn: &Turn<'_>, budget: &mut Budget<'_>) -> Result<u64, Error> {
        let shards = self.tree.shards_of(StateDir::Blocked)?;
        let pass = usize::try_from(turn.now().micros() / *limits::SWEEP_MICROS.start()).unwrap_or(0);
        let first = pass % shards.len().max(1);
        let (mut moved, mut names_read, mut at_work) = (0, 0, None);
        for (place, shard) in shards.iter().cycle().skip(first).take(shards.len()).enumerate() {
            if place.is_multiple_of(limits::SHARDS_PER_TRIP) {
                // What was seen later goes with what was seen before.
                drop(at_work.take());
                let next =
                    shards.iter().cycle().skip(first + place).take(limits::SHARDS_PER_TRIP.min(shards.len() - place));
                at_work = Some(
                    self.tree
                        .list_ahead(next.flat_map(|shard| [Some(shard.clone()), ended_beside(shard)]).flatten())?,
                );
            }
            if names_read >= limits::BLOCKED_NAMES_PER_SWEEP || !budget.step() {
                break;
            }
            for parent in turned(self.parents_over(shard, &mut names_read)?, turn) {
                if budget.is_spent() {
                    break;
                }
                moved += self.wake_those_of(parent, turn, budget)?;
            }
        }
        drop(at_work);
        Ok(moved)
    }

    /// The tasks that others wait for in this shard of `blocked/`, and that are over. Names alone tell: a task
    /// and those that wait for it are fanned out by the same digits.
    fn parents_over(&self, shard: &Dir, names_read: &mut usize) -> Result<Vec<Over>, Error> {
        let waited_for = self.tree.names_in(shard)?;
        let Some(ended) = ended_beside(shard).filter(|_| !waited_for.is_empty()) else { return Ok(Vec::new()) };
        let done = self.tree.names_in(&ended)?;
        *names_read += 2 * waited_for.len() + done.len();
        let mut waited_for = sorted::set(waited_for.iter().map(String::as_str));
        let mut over = Vec::new();
        for name in &done {
            if name.split('.').nth(1).is_some_and(|id| waited_for.remove(id)) {
                over.extend(Entry::parse(name).as_ref().and_then(Over::of));
            }
        }
        // A collection may have removed a task just before another one came to wait for it, and the enqueuer of that
        // may have died.
        let waited_for: Vec<TaskId> = waited_for.into_iter().filter_map(TaskId::from_hex).collect();
        let records = || waited_for.iter().map(|id| Look::Line(layout::record(*id))).collect();
        let _at_work = self.tree.look_ahead(records)?;
        for id in waited_for.iter().copied() {
            match self.tree.unless_in_the_way(self.tree.has_record(id)) {
                Ok(Some(false)) => over.push(Over { id, outcome: None }),
                Ok(_) | Err(Error::Corrupt { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(over)
    }
}

/// The shard of `done/` that ends what is waited for in a shard of `blocked/`.
fn ended_beside(blocked: &Dir) -> Option<Dir> {
    let (_, digits) = blocked.split()?;
    Some(layout::state_dir(StateDir::Done).child(digits))
}
