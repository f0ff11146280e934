//! Finding a task by its id, while others move it about.

use alloc::vec::Vec;

use super::Queue;
use super::files::Located;
use crate::error::Error;
use crate::id::TaskId;
use crate::layout::{self, Shelf};
use crate::limits;
use crate::store::Store;
use crate::task::Task;

/// How often a look-up looks. A task that moves from a shelf not yet read to one already read is missed, and is found
/// by the next look unless it moves back at that very moment.
const LOOKS: usize = 4;

impl<S: Store> Queue<S> {
    /// The present entry of a task; `None` if it has none. Costs a few small listings, whatever the queue holds.
    pub(super) fn find(&self, id: TaskId) -> Result<Option<Located>, Error> {
        let claimed = layout::shelf_of(Shelf::Claimed, id);
        for _ in 0..LOOKS {
            // First where a task is while its holder asks about it.
            if let Some(located) = self.newest_of(id, self.entries_in(&claimed)?) {
                return Ok(Some(located));
            }
            let Some(task) = self.task(id)? else { return Ok(None) };
            let record = task.record;
            let ready = layout::ready_leaf(&record.queue, record.priority, record.created_at);
            let mut elsewhere = self.entries_in(&ready)?;
            elsewhere.extend(self.entries_in(&layout::shelf_of(Shelf::Done, id))?);
            if let Some(located) = self.newest_of(id, elsewhere) {
                return Ok(Some(located));
            }
        }
        Ok(None)
    }

    /// A task as it was enqueued; `None` if there is no such task.
    pub fn task(&self, id: TaskId) -> Result<Option<Task>, Error> {
        match self.store.read(&layout::record(id), limits::RECORD_BYTES)? {
            None => Ok(None),
            Some(content) => Task::decode(id, &content).map(Some).map_err(|problem| Error::Corrupt { id, problem }),
        }
    }

    /// After a power cut a task can have two names; the higher version counts: CM-7.
    fn newest_of(&self, id: TaskId, entries: Vec<Located>) -> Option<Located> {
        entries.into_iter().filter(|located| located.entry.id == id).max_by_key(|located| located.entry.version)
    }
}
