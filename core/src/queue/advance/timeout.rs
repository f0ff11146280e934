//! Changes of a task by time alone. No agent is in charge of them; any agent that comes by makes them.

use alloc::vec::Vec;

use crate::entry::{Entry, State};
use crate::error::Error;
use crate::finding::Finding;
use crate::layout;
use crate::limits;
use crate::queue::Queue;
use crate::queue::budget::Budget;
use crate::store::{Created, Moved, Store};
use crate::task::TaskPolicy;
use crate::transition::{Command, decide};
use crate::tree::{LATE, Located, Report, ReportKind};
use crate::turn::Turn;

impl<S: Store> Queue<S> {
    /// Writes down a change by time alone, so that all agents see it, whatever their clocks say. False: nothing was
    /// due.
    pub(in crate::queue) fn settled_by_time(&self, located: &Located, turn: &Turn<'_>) -> Result<bool, Error> {
        let is_over = located.is_due(turn.now());
        if is_over {
            let mut budget = Budget::of_steps(limits::WOKEN_PER_END);
            self.try_time_out(located, turn, &mut budget)?;
        }
        Ok(is_over)
    }

    /// Makes the change if one of the entry's times has passed. `Gone`: none has, or another agent was faster.
    pub(in crate::queue) fn time_out(
        &self,
        located: &Located,
        turn: &Turn<'_>,
        findings: &mut Vec<Finding>,
        budget: &mut Budget<'_>,
    ) -> Result<Moved, Error> {
        if !located.is_due(turn.now()) {
            return Ok(Moved::Gone);
        }
        match self.try_time_out(located, turn, budget) {
            Err(Error::Corrupt { problem, .. }) => {
                findings.extend(self.tree.quarantine(located, problem)?);
                Ok(Moved::Gone)
            }
            // It must not keep this agent from all other tasks.
            moved => Ok(self.tree.unless_in_the_way(moved)?.unwrap_or(Moved::Gone)),
        }
    }

    fn try_time_out(&self, located: &Located, turn: &Turn<'_>, budget: &mut Budget<'_>) -> Result<Moved, Error> {
        if located.is_unfinished() {
            return self.finish(located, turn, budget);
        }
        let policy = match located.entry.state {
            // It ends, whatever its record says.
            State::Ready { .. } | State::Cancelling(_) => TaskPolicy::default(),
            _ => match self.tree.task_at(located)? {
                Some(task) => task.record.policy(),
                None => return Ok(Moved::Gone),
            },
        };
        let now = turn.now();
        // If attempts are limited, an attempt that ended this way has a report as the others have.
        let counts = policy.max_attempts.is_some() && matches!(located.entry.state, State::Claimed(_));
        let report = counts.then(|| {
            let holder = located.entry.lease().map(|lease| self.tree.run_id_text(&lease.holder)).unwrap_or_default();
            let error = "the lease expired without a report from its holder".parse().ok();
            Report { error, ..Report::by(holder, ReportKind::TimedOut, now) }
        });
        let nonce = report.as_ref().map(|_| turn.nonce());
        let reports = if counts { self.tree.told_of(located.entry.id)?.reports } else { Vec::new() };
        if reports.iter().any(|line| line.version != LATE && Some(line.nonce) == nonce) {
            // The host's random numbers repeat themselves, as those of a copied machine may. Of two reports with one
            // nonce, one would be taken for the other.
            return Ok(Moved::Gone);
        }
        let command = Command::Timeout { policy, report: nonce };
        match decide(&located.entry, &command, now) {
            Ok(next) => self.step(located, &next, report.as_ref(), turn, budget),
            Err(_) => Ok(Moved::Gone),
        }
    }

    /// Writes down for the sweeps when a task expires, if others wait for it. Not synced: CM-20.
    pub(in crate::queue) fn note_deadline(&self, entry: &Entry, ttl_seconds: i64) -> Result<(), Error> {
        let at = match entry.state {
            State::Ready { pending_until, .. } if pending_until.micros() < limits::TIME_MICROS => pending_until,
            State::Scheduled { due } if entry.generation == 0 => due.plus_seconds(ttl_seconds),
            _ => return Ok(()),
        };
        if !self.tree.may_be_waited_for(entry.id)? {
            return Ok(());
        }
        let deadline = layout::deadline(entry.id, at);
        for _ in 0..limits::RACES {
            match self.tree.store().create(&deadline, b"")? {
                Created::NoDir => self.tree.make_dirs_unsynced(&deadline.dir)?,
                Created::Now | Created::Taken => return Ok(()),
            }
        }
        Err(Error::Contended)
    }
}
