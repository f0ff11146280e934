//! The claim as every answer shows it, and the text that the commands which act on one claim share.

use coord_core::Queue;
use coord_core::json::JsonObject;
use coord_core::name::{ErrorMessage, Title};
use coord_core::queue;
use coord_core::time::Timestamp;
use serde::Serialize;

use crate::output::Page;
use crate::store::DirStore;

/// A claim as JSON has it.
#[derive(Serialize)]
pub(super) struct ClaimRecord {
    pub(super) task_id: String,
    pub(super) claimer_run_id: String,
    pub(super) claimed_at: Timestamp,
    pub(super) expires_at: Timestamp,
    pub(super) status: &'static str,
    pub(super) heartbeat_at: Timestamp,
    pub(super) claim_nonce: String,
    pub(super) result: Option<JsonObject>,
    pub(super) error: Option<ErrorMessage>,
    pub(super) generation: u32,
    pub(super) attempt: u32,
}

impl From<queue::ClaimRecord> for ClaimRecord {
    fn from(record: queue::ClaimRecord) -> ClaimRecord {
        ClaimRecord {
            task_id: record.task_id.to_string(),
            claimer_run_id: record.claimer_run_id,
            claimed_at: record.claimed_at,
            expires_at: record.expires_at,
            status: record.status.as_str(),
            heartbeat_at: record.heartbeat_at,
            claim_nonce: record.claim_nonce.to_string(),
            result: record.result,
            error: record.error,
            generation: record.generation,
            attempt: record.attempt,
        }
    }
}

/// A claim that a command changed, with what its text says of the task.
#[derive(Serialize)]
pub(super) struct Changed {
    #[serde(flatten)]
    pub(super) record: ClaimRecord,
    #[serde(skip)]
    task: Option<(Title, coord_core::name::QueueName)>,
}

impl Changed {
    /// What the queue answered, and the task's title and queue as far as its record can be read.
    pub(super) fn new(record: queue::ClaimRecord, queue: &Queue<DirStore>) -> Changed {
        // The command has taken effect. That the record is torn or unreadable is for `tasks` to say.
        let task = queue.task(record.task_id).ok().flatten();
        Changed { record: record.into(), task: task.map(|task| (task.record.title, task.record.queue)) }
    }

    /// The lines that all these commands begin with.
    pub(super) fn text(&self, heading: &str, page: &mut Page) {
        page.line(heading);
        page.field("Task ID", &self.record.task_id);
        if let Some((title, queue)) = &self.task {
            page.field("Title", title);
            page.field("Queue", queue);
        }
        page.field("By", &self.record.claimer_run_id);
    }
}

/// The start of a long text, for a line.
pub(super) fn start_of(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some(_) => text.chars().take(chars).chain(['…']).collect(),
        None => text.to_string(),
    }
}
