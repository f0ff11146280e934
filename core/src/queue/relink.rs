//! Linking a task again that has a record and no entry: its enqueuer died, or a power cut took the entry.

use super::Queue;
use crate::error::Error;
use crate::id::TaskId;
use crate::store::Store;
use crate::tree::{Relinked, Repair, Repairer};

impl<S: Store> Queue<S> {
    /// Links the task as its first entry, and looks at its parents, as an enqueue does.
    pub(super) fn relink(&self, repairer: &mut Repairer<'_, S>, id: TaskId) -> Result<Repair, Error> {
        match repairer.relink(id)? {
            Relinked::Left => Ok(Repair::Left),
            Relinked::HasEntry => Ok(Repair::Mended),
            Relinked::At(located) => {
                self.look_at_parents(&located, repairer.turn())?;
                Ok(Repair::Mended)
            }
        }
    }
}
