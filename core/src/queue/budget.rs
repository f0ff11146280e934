//! A budget for work that an operation does for other agents: steps and time. The next agent does the rest.
//!
//! Any agent may have to make changes that are due because of another agent or of time. Others determine how many: a
//! task may have 100,000 dependents. An agent that wants something else must not wait until all of them are done.

use crate::limits::Allowance;
use crate::time::Timestamp;
use crate::turn::Turn;

/// The rest of an allowance. Its time begins with the first step, which is always allowed: even on a slow medium
/// something is done.
pub(super) struct Budget<'a> {
    steps: u64,
    time: Option<(&'a Turn<'a>, u64)>,
    until: Option<Timestamp>,
    is_spent: bool,
}

impl<'a> Budget<'a> {
    /// All of `allowance`.
    pub(super) fn of(allowance: Allowance, turn: &'a Turn<'a>) -> Budget<'a> {
        let time = allowance.micros.map(|micros| (turn, micros));
        Budget { steps: allowance.steps, time, until: None, is_spent: false }
    }

    /// So many steps, however long they take.
    pub(super) fn of_steps(steps: u64) -> Budget<'static> {
        Budget { steps, time: None, until: None, is_spent: false }
    }

    /// Takes one step, such as a task that is moved or a directory that is read. False: nothing is left, and so not
    /// everything is done.
    pub(super) fn step(&mut self) -> bool {
        let goes_on = self.goes_on();
        self.spend(1);
        goes_on
    }

    /// True if there may be another step. For looks that may change nothing: only time bounds those.
    pub(super) fn goes_on(&mut self) -> bool {
        self.is_spent = self.is_spent || self.steps == 0 || self.is_late();
        !self.is_spent
    }

    fn is_late(&mut self) -> bool {
        let Some((turn, micros)) = self.time else { return false };
        let now = turn.now();
        now >= *self.until.get_or_insert(now.plus_micros(micros))
    }

    /// Counts so many steps.
    pub(super) fn spend(&mut self, steps: u64) {
        self.steps = self.steps.saturating_sub(steps);
    }

    /// True if something was left undone.
    pub(super) fn is_spent(&self) -> bool {
        self.is_spent
    }
}
