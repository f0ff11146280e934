//! Complete: end a task in success, and enqueue what follows in the same step.

use alloc::vec::Vec;

use super::Queue;
use super::advance::Changed;
use super::enqueue::{Dates, Enqueued};
use super::new_task::NewTask;
use crate::answer::ClaimRecord;
use crate::entry::Outcome;
use crate::error::Error;
use crate::id::TaskId;
use crate::json::JsonObject;
use crate::name::Nonce;
use crate::store::Store;
use crate::task::Task;
use crate::transition::{Claimant, Command, Refusal, Verdict};
use crate::tree::{Report, ReportKind};
use crate::turn::Turn;

/// A task that was completed, and those that its completion enqueued.
#[derive(Clone, Debug)]
pub struct Completed {
    /// The claim, as it ended.
    pub record: ClaimRecord,
    /// In the order in which they were given.
    pub enqueued: Vec<Enqueued>,
}

impl<S: Store> Queue<S> {
    /// Ends the task in success. Survives a power cut when it returns, result and all.
    ///
    /// Refused if another agent claimed the task, or it waits for another attempt, or it has ended; the task and its
    /// new holder are then unaffected. Unless the task completed, the result is kept as a late result for the next
    /// holder. A task keeps the first [`crate::limits::LATE_RESULTS_KEPT`], one for each lease, within
    /// [`crate::limits::FILE_BYTES_LATE`].
    pub fn complete(
        &self,
        id: TaskId,
        claimant: Claimant,
        result: Option<JsonObject>,
        turn: &Turn<'_>,
    ) -> Result<ClaimRecord, Error> {
        let result = result.filter(|result| !result.is_empty());
        let report = result.map(|result| {
            let report = Report::by(&claimant.run_id, ReportKind::Completed, turn.now());
            Report { result: Some(result), ..report }
        });
        self.complete_with(id, claimant, report, turn.nonce(), turn)
    }

    /// As [`Queue::complete`], and enqueues these tasks in the same step: all of them if the completion is accepted,
    /// else none.
    ///
    /// Until then they are blocked on the task, so of an agent that dies in the middle they run if its completion
    /// counts. If it does not, they end as cancelled when the task ends otherwise.
    pub fn complete_and_enqueue(
        &self,
        id: TaskId,
        claimant: Claimant,
        result: Option<JsonObject>,
        follow_ups: Vec<NewTask>,
        turn: &Turn<'_>,
    ) -> Result<Completed, Error> {
        // The follow-ups name the completion by the nonce of its report.
        let nonce = turn.nonce();
        let after = |mut new: NewTask| {
            new.plan.after.insert(0, id);
            (new, Some(nonce))
        };
        let report = Report { result, ..Report::by(&claimant.run_id, ReportKind::Completed, turn.now()) };
        if let Err(error) = self.still_held(id, claimant.clone(), turn.now()) {
            self.keep_if_late(id, &claimant, &report, &error)?;
            return Err(error);
        }
        self.check_parents(follow_ups.iter())?;
        let enqueued = self.enqueue_all(follow_ups.into_iter().map(after).collect(), &mut Dates::default(), turn)?;
        // Of an earlier holder who died or was too late, but under the same key: they are this completion's now.
        let of_another = |task: &Task| task.record.follows.is_some() && task.record.after.first() == Some(&id);
        let adopted = enqueued.iter().filter(|follow_up| follow_up.deduplicated && of_another(&follow_up.task));
        let report = Report { adopts: adopted.map(|follow_up| follow_up.task.id).collect(), ..report };
        // CM-15: if the agent dies here, or the completion is refused, they wait for an end of the task that is not
        // theirs, and are cancelled by it.
        let record = self.complete_with(id, claimant, Some(report), nonce, turn)?;
        Ok(Completed { record, enqueued })
    }

    fn complete_with(
        &self,
        id: TaskId,
        claimant: Claimant,
        mut report: Option<Report>,
        nonce: Nonce,
        turn: &Turn<'_>,
    ) -> Result<ClaimRecord, Error> {
        let (meant, reported) = (claimant.clone(), report.as_ref().map(|_| nonce));
        let command = Command::Settle { claimant: meant, verdict: Verdict::Complete, report: reported };
        match self.transition(id, &command, report.as_mut(), turn) {
            Ok(Changed { next, at, .. }) => {
                let record = self.claim_record(&next, at)?;
                Ok(ClaimRecord { result: report.and_then(|report| report.result), ..record })
            }
            Err(error) => {
                report.map(|report| self.keep_if_late(id, &claimant, &report, &error)).transpose()?;
                Err(error)
            }
        }
    }

    /// Keeps a result that came too late: the task has another holder, had one since, or has failed meanwhile.
    /// If the medium fails meanwhile that is the answer, so that it is tried again.
    fn keep_if_late(&self, id: TaskId, claimant: &Claimant, report: &Report, refused: &Error) -> Result<(), Error> {
        let Error::Refused { refusal, .. } = refused else { return Ok(()) };
        let is_late = match refusal {
            Refusal::LeaseLost(_) | Refusal::AlreadyEnded { outcome: Outcome::Failed, .. } => true,
            // If attempts are limited, a task whose lease expired waits for the next one.
            Refusal::NotClaimed(_) => self.tree.find(id)?.is_some_and(|located| located.entry.generation > 0),
            _ => false,
        };
        if !is_late || report.result.is_none() {
            return Ok(());
        }
        let nonce = claimant.nonce.unwrap_or_else(|| Nonce::of_run_id(&claimant.run_id));
        self.tree.keep_late_result(id, nonce, report)
    }
}
