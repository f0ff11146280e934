//! Operations on a task by its id: heartbeat, fail, release, cancel. Each finds the entry, decides, and renames.

use alloc::vec::Vec;

use super::Queue;
use super::advance::Changed;
use crate::answer::{CancelRequest, ClaimRecord, Released};
use crate::entry::Entry;
use crate::error::Error;
use crate::id::TaskId;
use crate::name::{ErrorMessage, Note, RunId};
use crate::status::Status;
use crate::store::Store;
use crate::store::fused::Look;
use crate::task::TaskPolicy;
use crate::time::Timestamp;
use crate::transition::{Claimant, Command, IfHeld, Verdict, decide};
use crate::tree::{Report, ReportKind};
use crate::turn::Turn;

/// A holder's progress.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// The fraction done, from 0 to 1.
    pub progress: Option<f64>,
    /// In words.
    pub note: Option<Note>,
}

/// How a holder's lease goes on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Renewing {
    /// For how long from now, in seconds; `None`: as long again as it was.
    pub lease_seconds: Option<i64>,
    /// How far the holder is, if it says so.
    pub progress: Option<Progress>,
}

/// The caller that fails a task, and how.
#[derive(Clone, Debug)]
pub struct Failing {
    /// The error message.
    pub error: ErrorMessage,
    /// End the task even if attempts are left.
    pub is_final: bool,
}

impl From<ErrorMessage> for Failing {
    fn from(error: ErrorMessage) -> Failing {
        Failing { error, is_final: false }
    }
}

/// How to cancel a task.
#[derive(Clone, Debug)]
pub struct Cancelling {
    /// The canceller.
    pub run_id: RunId,
    /// The behaviour if another agent holds it.
    pub if_held: IfHeld,
    /// Why.
    pub reason: Option<Note>,
}

impl Cancelling {
    /// A cancel without a reason.
    pub fn new(run_id: RunId, if_held: IfHeld) -> Cancelling {
        Cancelling { run_id, if_held, reason: None }
    }
}

impl<S: Store> Queue<S> {
    /// Extends the lease. It begins now, for as long as `renewing` says.
    ///
    /// Also renews an expired lease, unless another agent has claimed the task since. Not synced. The answer says
    /// whether the holder is asked to stop. Progress costs a report, which replaces the previous one.
    pub fn heartbeat(
        &self,
        id: TaskId,
        claimant: Claimant,
        renewing: Renewing,
        turn: &Turn<'_>,
    ) -> Result<ClaimRecord, Error> {
        let Renewing { lease_seconds, progress } = renewing;
        let mut report = progress.map(|Progress { progress, note }| {
            let report = Report::by(&claimant.run_id, ReportKind::Progress, turn.now());
            Report { progress, note, ..report }
        });
        let command = Command::Heartbeat { claimant, lease_seconds, report: report.as_ref().map(|_| turn.nonce()) };
        let Changed { next: entry, at, .. } = self.transition(id, &command, report.as_mut(), turn)?;
        self.claim_record(&entry, at)
    }

    /// The answer that a heartbeat would get, without sending one: the current claim, or why the task is not the
    /// caller's.
    ///
    /// For a working holder that wants to learn early that its task was cancelled. Writes nothing.
    pub fn still_held(&self, id: TaskId, claimant: Claimant, now: Timestamp) -> Result<ClaimRecord, Error> {
        let located = self.tree.find_named(id)?;
        let entry = self.tree.as_it_stands(&located, now)?;
        match decide(&entry, &Command::Heartbeat { claimant, lease_seconds: None, report: None }, now) {
            Ok(_) => self.claim_record(&entry, now),
            Err(refusal) => Err(self.refused(id, refusal)),
        }
    }

    /// Ends the attempt as failed, and the task too if no attempts are left. Otherwise as [`Queue::complete`].
    pub fn fail(
        &self,
        id: TaskId,
        claimant: Claimant,
        failing: Failing,
        turn: &Turn<'_>,
    ) -> Result<ClaimRecord, Error> {
        let _at_work = self.tree.look_ahead(|| Vec::from([Look::OfTask(id)]))?;
        let policy = match self.tree.task(id) {
            Ok(task) => task.ok_or(Error::NotFound { id })?.record.policy(),
            // Nobody can retry it, but its holder, which has read it, can end it.
            Err(Error::Corrupt { .. }) => TaskPolicy::default(),
            Err(error) => return Err(error),
        };
        let Failing { error, is_final } = failing;
        // Each attempt has a report, if the task can have several attempts.
        let says_something = policy.max_attempts.is_some() || !error.as_str().is_empty();
        let report =
            Report { error: Some(error.clone()), ..Report::by(&claimant.run_id, ReportKind::Failed, turn.now()) };
        let nonce = turn.nonce();
        let mut report = says_something.then_some(report);
        let verdict = Verdict::Fail { policy, is_final, random: nonce.bits() };
        let command = Command::Settle { claimant, verdict, report: report.as_ref().map(|_| nonce) };
        let changed = self.transition(id, &command, report.as_mut(), turn)?;
        let record = self.failed_claim(&changed)?;
        Ok(ClaimRecord { error: Some(error), ..record })
    }

    /// Gives the task back, so that any agent may claim it at once, or after `delay_seconds`. It does not count as an
    /// attempt. If the holder was asked to stop, the task ends as cancelled.
    ///
    /// Also gives back a task whose lease expired, unless another agent has claimed it since. Not synced: after a power
    /// cut the task may still be claimed, until its lease ends. Fails with [`Error::Corrupt`] if the task's record is
    /// damaged: then nothing says where the task would wait. Its holder, which has read it, may still end it.
    pub fn release(
        &self,
        id: TaskId,
        claimant: Claimant,
        delay_seconds: i64,
        turn: &Turn<'_>,
    ) -> Result<Released, Error> {
        let _at_work = self.tree.look_ahead(|| Vec::from([Look::OfTask(id)]))?;
        let policy = self.tree.task(id)?.ok_or(Error::NotFound { id })?.record.policy();
        // Only a report says where to look for it.
        let mut report = (delay_seconds > 0).then(|| Report::by(&claimant.run_id, ReportKind::Released, turn.now()));
        let reported = report.as_ref().map(|_| turn.nonce());
        let command = Command::Release { claimant, delay_seconds, policy, report: reported };
        let Changed { next: entry, at, .. } = self.transition(id, &command, report.as_mut(), turn)?;
        // CM-11: the task waits, even if the agent dies before it answers.
        Ok(Released::of(&entry, at))
    }

    /// Cancels a task that waits, that the caller holds, or whose lease has expired; with [`IfHeld::Force`] any task.
    /// With [`IfHeld::Request`] the holder of a claimed task is asked to stop: its next heartbeat says so. If no
    /// heartbeat follows, the task ends as cancelled when its lease expires.
    ///
    /// The holder of a cancelled task learns of it from its next call. When this returns, the cancellation survives a
    /// power cut; a mere request may be lost by one.
    pub fn cancel(&self, id: TaskId, cancelling: Cancelling, turn: &Turn<'_>) -> Result<ClaimRecord, Error> {
        let Cancelling { run_id, if_held, reason } = cancelling;
        let kind = if if_held == IfHeld::Request { ReportKind::CancelRequested } else { ReportKind::Cancelled };
        let mut report = (reason.is_some() || if_held == IfHeld::Request)
            .then(|| Report { reason: reason.clone(), ..Report::by(&run_id, kind, turn.now()) });
        let nonce = turn.nonce();
        let command = Command::Cancel { run_id, if_held, nonce, report: report.as_ref().map(|_| nonce) };
        let Changed { next: entry, at, .. } = self.transition(id, &command, report.as_mut(), turn)?;
        // If its holder was asked to stop, the request in the record has the reason.
        Ok(ClaimRecord { reason: reason.filter(|_| entry.has_ended()), ..self.claim_record(&entry, at)? })
    }

    /// The claim of an attempt that failed. If the task waits for another attempt, its name has no lease any more.
    fn failed_claim(&self, Changed { last, next, at }: &Changed) -> Result<ClaimRecord, Error> {
        let entry = if next.lease().is_some() { next } else { last };
        let record = self.claim_record(entry, *at)?;
        Ok(ClaimRecord {
            status: Status::of(next, *at),
            scheduled_at: next.due(),
            cancel: CancelRequest::default(),
            ..record
        })
    }
}

impl Released {
    pub(super) fn of(entry: &Entry, now: Timestamp) -> Released {
        let Entry { id: task_id, generation, attempt, .. } = *entry;
        Released { task_id, status: Status::of(entry, now), generation, attempt, scheduled_at: entry.due() }
    }
}
