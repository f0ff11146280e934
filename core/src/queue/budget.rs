//! What an operation may do for others: so many steps, so much time. What is left is for the next agent that comes by.
//!
//! Any agent may have to draw the consequences of what another one did, or of time that has passed. How many there are is up to
//! others: a task may have 100,000 that wait for it. Who wants something else is not to wait until all of it is done.

use crate::limits::Allowance;
use crate::time::{Clock, Timestamp};

/// What is left of an allowance.
pub(super) struct Budget<'a> {
    steps: u64,
    until: Option<(&'a dyn Clock, Timestamp)>,
    is_spent: bool,
}

impl Budget<'_> {
    /// All of `allowance`, from now on.
    pub(super) fn of(allowance: Allowance, clock: &dyn Clock) -> Budget<'_> {
        let until = allowance.micros.map(|micros| (clock, clock.now().plus_micros(micros)));
        Budget { steps: allowance.steps, until, is_spent: false }
    }

    /// So many steps, however long they take.
    pub(super) fn of_steps(steps: u64) -> Budget<'static> {
        Budget { steps, until: None, is_spent: false }
    }

    /// Takes one step, such as a task that is moved or a directory that is read. False: nothing is left, and so not everything is done.
    pub(super) fn step(&mut self) -> bool {
        let is_late = || self.until.is_some_and(|(clock, until)| clock.now() >= until);
        self.is_spent = self.is_spent || self.steps == 0 || is_late();
        self.steps = self.steps.saturating_sub(1);
        !self.is_spent
    }

    /// Counts a step that took as long as `steps` do.
    pub(super) fn spend(&mut self, steps: u64) {
        self.steps = self.steps.saturating_sub(steps);
    }

    /// True if something was left undone.
    pub(super) fn is_spent(&self) -> bool {
        self.is_spent
    }
}
