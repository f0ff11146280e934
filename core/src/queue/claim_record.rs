//! The answer about a claim.

use alloc::string::String;

use super::Queue;
use super::answers::somebody;
use crate::answer::{CancelRequest, ClaimRecord};
use crate::entry::{Entry, State};
use crate::error::Error;
use crate::name::Nonce;
use crate::status::Status;
use crate::store::Store;
use crate::time::Timestamp;
use crate::tree::{Report, ReportKind};

impl ClaimRecord {
    /// The claim in a name; `None` if it has none.
    pub(super) fn of(entry: &Entry, claimer_run_id: String, status: Status) -> Option<ClaimRecord> {
        let lease = entry.lease()?;
        Some(ClaimRecord {
            task_id: entry.id,
            claimer_run_id,
            claimed_at: lease.claimed_at,
            expires_at: lease.expires_at,
            lease_seconds: lease.expires_at.micros_since(lease.heartbeat_at) / 1_000_000,
            status,
            heartbeat_at: lease.heartbeat_at,
            claim_nonce: lease.nonce,
            result: None,
            error: None,
            reason: None,
            generation: entry.generation,
            attempt: entry.attempt,
            cancel: CancelRequest::default(),
            scheduled_at: None,
        })
    }
}

impl<S: Store> Queue<S> {
    /// The claim as the name tells of it; if somebody asks its holder to stop, by whom and why.
    pub(super) fn claim_record(&self, entry: &Entry, now: Timestamp) -> Result<ClaimRecord, Error> {
        let lease = entry.lease().ok_or(Error::NotFound { id: entry.id })?;
        let who = self.tree.run_id_text(&lease.holder);
        let record = ClaimRecord::of(entry, who, Status::of(entry, now)).ok_or(Error::NotFound { id: entry.id })?;
        Ok(ClaimRecord { cancel: self.cancel_request(entry)?.unwrap_or_default(), ..record })
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
        Ok(Some(CancelRequest {
            cancel_requested: true,
            cancel_requested_by: somebody(report.run_id),
            cancel_reason: report.reason.map(String::from),
        }))
    }
}
