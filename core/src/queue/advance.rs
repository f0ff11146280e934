//! How a task changes: its report is written, its entry renamed, an end made durable, and its dependents are woken.
//!
//! Every operation that changes a task goes through here, and so does every change by time alone (`timeout`). A blocked
//! task whose parents have ended moves on in turn (`dependents`), and so do its own dependents.

mod by_step;
mod dependents;
mod forgotten;
mod one_flush;
mod timeout;

use super::Queue;
use super::budget::Budget;
use crate::entry::{Entry, State};
use crate::error::Error;
use crate::id::TaskId;
use crate::layout::{self, StateDir};
use crate::limits;
use crate::name::Nonce;
use crate::path::Dir;
use crate::store::{Moved, Store};
use crate::time::Timestamp;
use crate::transition::{Command, Refusal, decide, is_over};
use crate::tree::{Located, Report, Written};
use crate::turn::Turn;

/// The result of a transition.
pub(super) struct Changed {
    /// The entry before.
    pub(super) last: Entry,
    /// The entry after.
    pub(super) next: Entry,
    /// When, by the agent's clock.
    pub(super) at: Timestamp,
}

impl<S: Store> Queue<S> {
    /// Finds the task and renames its entry as `command` demands, again each time another agent was faster. Each try is
    /// dated anew, and the report with it. A lease that this queue gave is first tried under the name that it had then.
    pub(super) fn transition(
        &self,
        id: TaskId,
        command: &Command,
        mut report: Option<&mut Report>,
        turn: &Turn<'_>,
    ) -> Result<Changed, Error> {
        let _at_work = self.tree.at_work();
        let mut known = self.tree.take_lease(id);
        for _ in 0..limits::RACES {
            let now = turn.now();
            if let Some(report) = &mut report {
                report.at = now;
            }
            let known = known.take().filter(|located| decide(&located.entry, command, now).is_ok());
            let located = match known {
                Some(located) => located,
                None => self.tree.find_named(id)?,
            };
            // The task has ended, although nobody has moved it yet.
            let is_over = located.is_unfinished()
                || is_over(&located.entry, now) && self.tree.as_it_stands(&located, now)?.has_ended();
            if is_over && self.settled_by_time(&located, turn)? {
                continue;
            }
            let next = match decide(&located.entry, command, now) {
                Ok(next) => next,
                Err(refusal) => return Err(self.refused(id, refusal)),
            };
            if let (Command::Cancel { run_id, .. }, Some(lease)) = (command, next.lease()) {
                self.tree.overflow(&lease.holder, run_id, turn)?;
            }
            let mut budget = Budget::of_steps(limits::WOKEN_PER_END);
            if self.step(&located, &next, report.as_deref(), turn, &mut budget)? == Moved::Here {
                if matches!(next.state, State::Claimed(_) | State::Cancelling(_)) {
                    let dir = layout::shard_of(StateDir::Claimed, id);
                    self.tree.hold(Located { dir, entry: next.clone() });
                }
                return Ok(Changed { last: located.entry, next, at: now });
            }
        }
        Err(Error::Contended)
    }

    /// Renames, and wakes the dependents of a task that ended, as far as `budget` allows.
    pub(super) fn step(
        &self,
        located: &Located,
        next: &Entry,
        report: Option<&Report>,
        turn: &Turn<'_>,
        budget: &mut Budget<'_>,
    ) -> Result<Moved, Error> {
        let Some(home) = self.tree.next_home(located, next)? else { return Ok(Moved::Gone) };
        let (moved, may_be_waited_for) = match self.tree.fused() {
            Some(fused) => self.change_by_step(fused, report, located, next, &home)?,
            None => (self.rename_with(report, located, next, &home, turn)?, true),
        };
        if moved == Moved::Here && next.has_ended() && may_be_waited_for {
            // CM-12: if the agent dies here, the next sweeps wake them.
            self.tree.or_leave(self.wake(next, turn, budget));
        }
        if moved == Moved::Here && matches!(located.entry.state, State::Blocked { .. }) {
            let unmarked =
                self.tree.task(next.id).and_then(|task| task.map_or(Ok(()), |task| self.tree.unmark_parents(&task)));
            self.tree.or_leave(unmarked);
        }
        Ok(moved)
    }

    /// Writes the report, renames, and makes an ending durable. A report that no agent sent is left out if there is no
    /// room for it.
    pub(super) fn rename_with(
        &self,
        report: Option<&Report>,
        located: &Located,
        next: &Entry,
        home: &Dir,
        turn: &Turn<'_>,
    ) -> Result<Moved, Error> {
        if let Some(fused) = self.tree.fused() {
            return self.change_by_step(fused, report, located, next, home).map(|(moved, _)| moved);
        }
        let by_one_flush = report.is_some_and(|report| self.ends_by_one_flush(located, next, report.kind));
        let written =
            match report.map(|report| self.tree.write_report(located, next, report, !by_one_flush, turn)).transpose() {
                // It goes on anyway.
                Err(Error::TooMuchReported { .. }) if report.is_some_and(Report::is_dispensable) => {
                    let silent = Entry { report: located.entry.report, ..next.clone() };
                    return self.rename_with(None, located, &silent, home, turn);
                }
                written => written?,
            };
        let (file, superseded) = match &written {
            Some(Written::Gone) => return Ok(Moved::Gone),
            Some(Written::File { file, superseded }) => (Some(file.clone()), superseded.clone()),
            Some(Written::Line | Written::Nothing) | None => (None, None),
        };
        let by_one_flush = by_one_flush && matches!(written, Some(Written::Line));
        let shifted = match by_one_flush {
            true => self.shift_by_one_flush(located, next, home),
            false => self.tree.shift(located, next, home).map_err(Error::of_the_change),
        }?;
        let took_effect = match (shifted, next.report.filter(|_| report.is_some())) {
            (Moved::Here, _) => Some(true),
            (Moved::Gone, None) => Some(false),
            (Moved::Gone, Some(nonce)) => self.leads_to(next.id, nonce),
        };
        let moved = if took_effect == Some(true) { Moved::Here } else { Moved::Gone };
        self.tree.changed(&located.dir);
        let says_something = says_something(next, report);
        // A replaced report is removed only when no power cut can bring back the name that leads to it.
        if moved == Moved::Here && !by_one_flush && (says_something || superseded.is_some()) {
            // CM-6: the ending, or the failure of an attempt, is there for everybody, and survives a power cut once
            // this returns.
            let ended = Located { dir: home.clone(), entry: next.clone() };
            self.tree.keep_name(&ended).map_err(Error::after_the_change)?;
        }
        // CM-5: progress is garbage if its rename failed because another agent was faster, or if it was replaced.
        let garbage = match took_effect {
            Some(true) => superseded,
            Some(false) => file,
            None => None,
        };
        garbage.map(|path| self.tree.or_leave(self.tree.store().remove(&path)));
        Ok(moved)
    }

    /// True if the task's name leads to this report, so that the rename took effect. A rename whose reply was lost
    /// looks like a lost race once the task has moved on. `None`: unknown.
    pub(super) fn leads_to(&self, id: TaskId, nonce: Nonce) -> Option<bool> {
        let located = self.tree.find(id).ok()??;
        let history = self.tree.history(&located.entry).ok()?;
        Some(history.iter().any(|(of, _)| *of == nonce))
    }

    pub(super) fn refused(&self, id: TaskId, refusal: Refusal) -> Error {
        let who = refusal.holder().map(|holder| self.tree.run_id_text(holder));
        Error::Refused { id, refusal, who }
    }
}

/// True for a change that has to survive a power cut once it is acknowledged: an end, or a failure or a release of an
/// attempt that says when the next one is due.
fn says_something(next: &Entry, report: Option<&Report>) -> bool {
    next.has_ended() || report.is_some() && next.due().is_some()
}
