//! Putting a task back that has ended.

use serde::{Deserialize, Serialize};

use super::Queue;
use crate::entry::{Entry, State};
use crate::error::Error;
use crate::layout;
use crate::store::{Moved, Store};
use crate::task::Task;
use crate::time::Timestamp;
use crate::transition::{Command, Restart, decide};
use crate::tree::Located;
use crate::turn::Turn;

/// A task that is put back: the version of its end, and the time. So every agent that does it gives it the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Again {
    pub(super) version: u32,
    pub(super) at: Timestamp,
    /// True if it is to wait for nothing.
    #[serde(default)]
    pub(super) is_now: bool,
}

impl Again {
    /// The command for the state machine.
    pub(super) fn command(&self, task: &Task) -> Command {
        let restart = match (self.is_now, task.record.after.first()) {
            (true, _) => Restart::Now,
            (false, Some(parent)) => Restart::Blocked(*parent),
            (false, None) => Restart::Planned,
        };
        Command::Retry { policy: task.record.policy(), restart }
    }
}

impl<S: Store> Queue<S> {
    /// Puts a task back as `again` says. The entry that it has then; `None`: another agent was faster.
    pub(super) fn put_back(&self, located: &Located, again: Again, turn: &Turn<'_>) -> Result<Option<Entry>, Error> {
        let Some(task) = self.tree.task_at(located)? else { return Ok(None) };
        let command = again.command(&task);
        let next = decide(&located.entry, &command, again.at).map_err(|refusal| self.refused(task.id, refusal))?;
        if matches!(next.state, State::Blocked { .. }) {
            self.tree.mark_parents([&task].into_iter())?;
        }
        let home = layout::home(&next, &task.record.queue);
        if self.rename_with(None, located, &next, &home, turn)? == Moved::Gone {
            return Ok(None);
        }
        self.tree.or_leave(self.note_deadline(&next, task.record.ttl_seconds));
        let located = Located { dir: home, entry: next.clone() };
        let moved_on = self.tree.or_leave(self.look_at_parents(&located, turn));
        Ok(Some(moved_on.flatten().unwrap_or(next)))
    }
}
