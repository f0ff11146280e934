//! The request of an agent that claims.

use alloc::vec::Vec;

use crate::name::{QueueName, RunId};
use crate::tags::Choice;

/// A claim request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRequest {
    /// The agent.
    pub run_id: RunId,
    /// From which queues; none: from any.
    pub queues: Vec<QueueName>,
    /// Which tags the task must have and must not have. Choosing reads names alone.
    pub choice: Choice,
    /// For how many seconds the agent wants to hold the task without being heard of.
    pub lease_seconds: i64,
}

impl ClaimRequest {
    /// For any task of any queue.
    pub fn any(run_id: RunId, lease_seconds: i64) -> ClaimRequest {
        ClaimRequest { run_id, queues: Vec::new(), choice: Choice::default(), lease_seconds }
    }

    /// True if the agent asks for tasks of this queue.
    pub(super) fn means(&self, queue: &QueueName) -> bool {
        self.queues.is_empty() || self.queues.contains(queue)
    }
}
