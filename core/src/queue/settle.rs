//! What a holder, or somebody who calls a task off, does to it by its id: heartbeat, fail, release, cancel. Find its
//! entry, decide, rename.

use super::Queue;
use super::advance::Changed;
use super::claim_record::ClaimRecord;
use crate::entry::Entry;
use crate::error::Error;
use crate::id::TaskId;
use crate::name::{ErrorMessage, Note, RunId};
use crate::status::Status;
use crate::store::Store;
use crate::task::TaskPolicy;
use crate::time::Timestamp;
use crate::transition::{Claimant, Command, IfHeld, Verdict, decide};
use crate::tree::{Report, ReportKind};
use crate::turn::Turn;

/// A task that waits again: its holder gave it back, or it was put back after it had ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// The task.
    pub task_id: TaskId,
    /// Where the task stands.
    pub status: Status,
    /// How many holders the task has had; the next one makes it one more.
    pub generation: u32,
    /// How many attempts at the task have begun, but for those that were given back, as this one.
    pub attempt: u32,
    /// When it can be claimed, if not at once.
    pub scheduled_at: Option<Timestamp>,
}

/// How far the holder of a task is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// How much of it is done, from 0 to 1.
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

/// Who fails a task, and how.
#[derive(Clone, Debug)]
pub struct Failing {
    /// What went wrong.
    pub error: ErrorMessage,
    /// Also if there are attempts left.
    pub is_final: bool,
}

impl From<ErrorMessage> for Failing {
    fn from(error: ErrorMessage) -> Failing {
        Failing { error, is_final: false }
    }
}

/// How to call a task off.
#[derive(Clone, Debug)]
pub struct Cancelling {
    /// Who does.
    pub run_id: RunId,
    /// What to do if another agent holds it.
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
    /// Tells that the holder is alive: the lease begins anew, for as long as `renewing` says.
    ///
    /// Also takes a lease that ran out up again, as long as nobody has taken the task over. Not synced. The answer
    /// tells whether somebody asks the holder to stop. With progress it costs a report, which takes the place of the
    /// one before.
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

    /// What a heartbeat would be answered, without one: the claim as it stands, or why the task is not the claimant's.
    ///
    /// For a holder at work who wants to know soon that its task was called off. Writes nothing.
    pub fn still_held(&self, id: TaskId, claimant: Claimant, now: Timestamp) -> Result<ClaimRecord, Error> {
        let located = self.tree.find(id)?.ok_or(Error::NotFound { id })?;
        let entry = self.tree.as_it_stands(&located, now)?;
        match decide(&entry, &Command::Heartbeat { claimant, lease_seconds: None, report: None }, now) {
            Ok(_) => self.claim_record(&entry, now),
            Err(refusal) => Err(self.refused(id, refusal)),
        }
    }

    /// Ends the attempt in failure, and the task, unless it has attempts left. Otherwise as [`Queue::complete`].
    pub fn fail(
        &self,
        id: TaskId,
        claimant: Claimant,
        failing: Failing,
        turn: &Turn<'_>,
    ) -> Result<ClaimRecord, Error> {
        let policy = match self.tree.task(id) {
            Ok(task) => task.ok_or(Error::NotFound { id })?.record.policy(),
            // Nobody can try it again, but its holder, who has read it, can end it.
            Err(Error::Corrupt { .. }) => TaskPolicy::default(),
            Err(error) => return Err(error),
        };
        let Failing { error, is_final } = failing;
        // Of each attempt there is a report, if there can be several.
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

    /// Gives the task back, so that anybody may claim it at once, or after `delay_seconds`. It has not failed, and this
    /// was no attempt. If its holder was asked to stop, it ends as cancelled.
    ///
    /// Also gives back a task whose lease ran out, as long as nobody has taken it over. Not synced: after a power cut
    /// the task may still be claimed, until its lease ends. Refused with [`Error::Corrupt`] if the task's record cannot
    /// be trusted: nothing says then where the task would wait, and its holder, who has read it, may still end it.
    pub fn release(
        &self,
        id: TaskId,
        claimant: Claimant,
        delay_seconds: i64,
        turn: &Turn<'_>,
    ) -> Result<Released, Error> {
        let policy = self.tree.task(id)?.ok_or(Error::NotFound { id })?.record.policy();
        // Only a report tells where to look for it.
        let mut report = (delay_seconds > 0).then(|| Report::by(&claimant.run_id, ReportKind::Released, turn.now()));
        let reported = report.as_ref().map(|_| turn.nonce());
        let command = Command::Release { claimant, delay_seconds, policy, report: reported };
        let Changed { next: entry, at, .. } = self.transition(id, &command, report.as_mut(), turn)?;
        // CM-11: the task waits, whether or not the agent lives to tell.
        Ok(Released::of(&entry, at))
    }

    /// Calls the task off: a waiting one, one's own, one whose lease has run out, or with [`IfHeld::Force`] anybody's.
    /// With [`IfHeld::Request`] the holder of a claimed one is asked to stop: its next heartbeat says so, and if it is
    /// not heard of again, the task ends as cancelled when its lease runs out.
    ///
    /// A holder of a task that was called off learns it when it next speaks. Survives a power cut when it returns, but
    /// for a request, which may be forgotten by one.
    pub fn cancel(&self, id: TaskId, cancelling: Cancelling, turn: &Turn<'_>) -> Result<ClaimRecord, Error> {
        let Cancelling { run_id, if_held, reason } = cancelling;
        let kind = if if_held == IfHeld::Request { ReportKind::CancelRequested } else { ReportKind::Cancelled };
        let mut report = (reason.is_some() || if_held == IfHeld::Request)
            .then(|| Report { reason: reason.clone(), ..Report::by(&run_id, kind, turn.now()) });
        let nonce = turn.nonce();
        let command = Command::Cancel { run_id, if_held, nonce, report: report.as_ref().map(|_| nonce) };
        let Changed { next: entry, at, .. } = self.transition(id, &command, report.as_mut(), turn)?;
        // Where its holder was asked to stop, the request in the record tells the reason.
        Ok(ClaimRecord { reason: reason.filter(|_| entry.has_ended()), ..self.claim_record(&entry, at)? })
    }

    /// The claim of an attempt that failed. If the task waits for another one, its name tells no more of the lease.
    fn failed_claim(&self, Changed { last, next, at }: &Changed) -> Result<ClaimRecord, Error> {
        let entry = if next.lease().is_some() { next } else { last };
        let record = self.claim_record(entry, *at)?;
        Ok(ClaimRecord { status: Status::of(next, *at), scheduled_at: next.due(), cancel_request: None, ..record })
    }
}

impl Released {
    pub(super) fn of(entry: &Entry, now: Timestamp) -> Released {
        let Entry { id: task_id, generation, attempt, .. } = *entry;
        Released { task_id, status: Status::of(entry, now), generation, attempt, scheduled_at: entry.due() }
    }
}
