//! The entries of a task that are there at one time, and which of them counts.

use alloc::vec::Vec;
use core::cmp::{Ordering, Reverse};

use crate::entry::{Entry, State};
use crate::error::Error;
use crate::id::TaskId;
use crate::layout;
use crate::path::Dir;
use crate::queue::Queue;
use crate::store::Store;
use crate::task::{Record, Task};
use crate::tree::{Decoded, LOOKS, Located};

/// An entry, and the task that it holds or why it holds none.
pub(super) type Present = (Located, Decoded);

/// An entry that holds its task.
pub(super) struct Whole {
    pub(super) located: Located,
    pub(super) task: Task,
}

impl<S: Store> Queue<S> {
    /// The entries of a task that are there at one time, with what each holds.
    ///
    /// All were seen before the first is read here, and a name that is gone never comes back: so of two that can still
    /// be read, both were there when the first was.
    pub(super) fn present(&self, id: TaskId, sightings: &[Located]) -> Result<Vec<Present>, Error> {
        let mut seen = sightings.to_vec();
        for _ in 0..LOOKS {
            let mut present = Vec::new();
            for located in seen {
                match self.tree.task_at(&located) {
                    Ok(Some(task)) => present.push((located, Ok(task))),
                    Ok(None) => {}
                    Err(Error::Corrupt { problem, .. }) => present.push((located, Err(problem))),
                    Err(error) => return Err(error),
                }
            }
            if !present.is_empty() {
                return Ok(present);
            }
            // The task has moved on since it was seen, or it has no entry.
            seen = self.tree.relocate(id)?.into_iter().collect();
            if seen.is_empty() {
                break;
            }
        }
        Ok(Vec::new())
    }
}

/// Where agents look for an entry.
pub(super) fn home_of(entry: &Entry, task: &Task) -> Dir {
    let Record { ref queue, priority, created_at, .. } = task.record;
    match entry.state {
        State::Ready { .. } | State::TimedOut { .. } => layout::ready_bucket(queue, priority, created_at),
        State::Scheduled { .. }
        | State::Blocked { .. }
        | State::Claimed(_)
        | State::Cancelling(_)
        | State::Ended(_) => layout::home(entry, queue),
    }
}

/// Which of two entries counts comes first: that of an ended task, for its end was acknowledged, and of two the one
/// that came there by fewer steps; else the one that came further. None that stays as it is ever comes to stand before
/// one that moves on, so doctors that look at different times agree.
pub(super) fn which_counts(one: &Whole, other: &Whole) -> Ordering {
    let rank = |Whole { located: Located { entry, .. }, .. }: &Whole| match &entry.state {
        State::Ended(ending) => (0, Some((entry.version, ending.ended_at)), Reverse(0), 0),
        State::Claimed(_) | State::Cancelling(_) => (1, None, Reverse(entry.version), 0),
        State::TimedOut { .. } => (1, None, Reverse(entry.version), 1),
        State::Ready { .. } => (1, None, Reverse(entry.version), 2),
        State::Scheduled { .. } => (1, None, Reverse(entry.version), 3),
        State::Blocked { .. } => (1, None, Reverse(entry.version), 4),
    };
    let place = |Whole { located, task }: &Whole| (home_of(&located.entry, task) != located.dir, located.path());
    rank(one).cmp(&rank(other)).then_with(|| place(one).cmp(&place(other)))
}
