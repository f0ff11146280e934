//! Choosing tasks by their tags, from names.

use super::Tree;
use super::located::Located;
use super::walk::{Empties, Onward, Walk};
use crate::entry::State;
use crate::error::Error;
use crate::layout::TimedDir;
use crate::name::QueueName;
use crate::store::Store;
use crate::tags::Choice;
use crate::time::Timestamp;
use crate::transition::is_over;

impl<S: Store> Tree<S> {
    /// True if the task behind an entry has the tags that are asked for. No record is opened, unless the text of its
    /// tags is lost.
    pub(crate) fn admits(&self, choice: &Choice, located: &Located) -> Result<bool, Error> {
        if choice.is_any() {
            return Ok(true);
        }
        let (State::Ready { tags, .. } | State::TimedOut { tags, .. }) = &located.entry.state else { return Ok(false) };
        if let Some(tags) = tags.inline() {
            return Ok(choice.admits(&tags));
        }
        if let Some(tags) = self.overflowed_tags(tags)? {
            return Ok(choice.admits(&tags));
        }
        // The claim of the task reports what is wrong with its record.
        Ok(self.task_at(located).ok().flatten().is_some_and(|task| choice.admits(&task.record.tags)))
    }

    /// True if a task waits in the queue that may be chosen.
    pub(crate) fn has_for(&self, choice: &Choice, queue: &QueueName, now: Timestamp) -> Result<bool, Error> {
        let mut walk = Walk { queues: core::slice::from_ref(queue), ..Walk::all(Empties::Keep) };
        let mut would_do = |_: &TimedDir, located: Located| {
            let does = !is_over(&located.entry, now) && self.admits(choice, &located)?;
            Ok(if does { Onward::Stop } else { Onward::Next })
        };
        Ok(self.visit_ready(&mut walk, &mut would_do)?.is_break())
    }
}
