//! The answer about a claim.

use alloc::string::String;

use super::Queue;
use crate::entry::{Entry, State};
use crate::error::Error;
use crate::id::TaskId;
use crate::json::JsonObject;
use crate::name::{ErrorMessage, Nonce, Note};
use crate::status::Status;
use crate::store::Store;
use crate::time::Timestamp;
use crate::tree::{Report, ReportKind};

/// The fields about the claim in every answer about a claimed or ended task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRecord {
    /// The task.
    pub task_id: TaskId,
    /// The run id of its holder, its last holder or its canceller.
    pub claimer_run_id: String,
    /// When that began.
    pub claimed_at: Timestamp,
    /// When the lease ends or ended.
    pub expires_at: Timestamp,
    /// Where the task stands.
    pub status: Status,
    /// When the holder was last heard of.
    pub heartbeat_at: Timestamp,
    /// Distinguishes this lease from any other.
    pub claim_nonce: Nonce,
    /// The result, if the holder completed the task.
    pub result: Option<JsonObject>,
    /// The error, if the holder failed the task.
    pub error: Option<ErrorMessage>,
    /// Why the task was cancelled, as the canceller says.
    pub reason: Option<Note>,
    /// The request to the holder to stop, if there is one.
    pub cancel_request: Option<CancelRequest>,
    /// When the task is tried again, if its holder failed and it has attempts left.
    pub scheduled_at: Option<Timestamp>,
    /// How many holders the task has had: the fencing token.
    pub generation: u32,
    /// Attempts started so far. A release does not count as one.
    pub attempt: u32,
}

/// A request to the holder of a task to stop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CancelRequest {
    /// Who.
    pub run_id: String,
    /// Why, if they said so.
    pub reason: Option<String>,
}

impl ClaimRecord {
    /// The claim in a name; `None` if it has none.
    pub(super) fn of(entry: &Entry, claimer_run_id: String, status: Status) -> Option<ClaimRecord> {
        let lease = entry.lease()?;
        Some(ClaimRecord {
            task_id: entry.id,
            claimer_run_id,
            claimed_at: lease.claimed_at,
            expires_at: lease.expires_at,
            status,
            heartbeat_at: lease.heartbeat_at,
            claim_nonce: lease.nonce,
            result: None,
            error: None,
            reason: None,
            cancel_request: None,
            scheduled_at: None,
            generation: entry.generation,
            attempt: entry.attempt,
        })
    }
}

impl<S: Store> Queue<S> {
    /// The claim as the name tells of it; if somebody asks its holder to stop, by whom and why.
    pub(super) fn claim_record(&self, entry: &Entry, now: Timestamp) -> Result<ClaimRecord, Error> {
        let lease = entry.lease().ok_or(Error::NotFound { id: entry.id })?;
        let who = self.tree.run_id_text(&lease.holder);
        let record = ClaimRecord::of(entry, who, Status::of(entry, now)).ok_or(Error::NotFound { id: entry.id })?;
        Ok(ClaimRecord { cancel_request: self.cancel_request(entry)?, ..record })
    }

    /// The request to the task's holder to stop, if there is one.
    pub(super) fn cancel_request(&self, entry: &Entry) -> Result<Option<CancelRequest>, Error> {
        if !matches!(entry.state, State::Cancelling(_)) {
            return Ok(None);
        }
        let requests =
            |(_, report): (Nonce, Option<Report>)| report.filter(|of| of.kind == ReportKind::CancelRequested);
        // The request was written before the name; its text may still be lost or unreadable.
        let report = self
            .tree
            .or_leave(self.tree.history(entry))
            .unwrap_or_default()
            .into_iter()
            .find_map(requests)
            .unwrap_or_default();
        Ok(Some(CancelRequest { run_id: report.run_id, reason: report.reason.map(String::from) }))
    }
}
