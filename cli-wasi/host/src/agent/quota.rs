//! How many tasks an agent may add: in all, and while others wait.

use coord_core::name::QueueName;

use crate::agent::bindings::muse::coord::types::Error;
use crate::agent::confine::Refusal;
use crate::agent::medium::Medium;

/// What an agent may add, and has added.
#[derive(Clone, Debug)]
pub(crate) struct Quota {
    /// How many in all; none: any number.
    pub(crate) max_tasks: Option<u64>,
    /// How many may wait to be claimed in the agent's queue; none: any number.
    pub(crate) max_pending: Option<usize>,
    /// How many it has added.
    pub(crate) added: u64,
}

impl Quota {
    /// Nothing, if the agent may add so many now, to its queue or, if it has none, to any. All of them or none may be
    /// added.
    pub(crate) fn check(&self, new: usize, medium: &Medium, queue: Option<&QueueName>) -> Result<(), Refusal> {
        self.check_added(new)?;
        self.check_waiting(new, medium, queue)
    }

    /// Counts what was added, or may have been.
    pub(crate) fn count(&mut self, added: usize) {
        self.added = self.added.saturating_add(added as u64);
    }

    fn check_added(&self, new: usize) -> Result<(), Refusal> {
        let Some(most) = self.max_tasks else { return Ok(()) };
        let left = most.saturating_sub(self.added);
        if new as u64 <= left {
            return Ok(());
        }
        Err(refused(format!(
            "this agent may add {most} tasks in all, and {left} of these are left, which is fewer than {new}: nothing \
             was added; whoever runs it decides by --max-tasks"
        )))
    }

    fn check_waiting(&self, new: usize, medium: &Medium, queue: Option<&QueueName>) -> Result<(), Refusal> {
        let Some(most) = self.max_pending else { return Ok(()) };
        let view = medium.open();
        let waiting = view.and_then(|view| view.count_waiting(queue, most)).map_err(|error| {
            crate::agent::report::warn(&error);
            refused("the tasks that wait could not be counted: nothing was added".to_string())
        })?;
        let left = most.saturating_sub(waiting);
        if new <= left {
            return Ok(());
        }
        let place = queue.map_or_else(String::new, |queue| format!(" in the queue {queue}", queue = queue.as_str()));
        Err(refused(format!(
            "this agent may add tasks until {most} wait to be claimed{place}, and there is room for {left}, which is \
             fewer than {new}: nothing was added; try again when some have been claimed, or let whoever runs it raise \
             --max-pending"
        )))
    }
}

fn refused(why: String) -> Refusal {
    Refusal::Refused(Error::Error(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_may_add_up_to_its_number_and_no_more() {
        let mut quota = Quota { max_tasks: Some(3), max_pending: None, added: 0 };
        assert!(quota.check_added(3).is_ok());
        quota.count(2);
        assert!(quota.check_added(1).is_ok());
        assert!(quota.check_added(2).is_err());
        quota.count(5);
        assert!(quota.check_added(0).is_ok());
        assert!(quota.check_added(1).is_err());
    }
}
