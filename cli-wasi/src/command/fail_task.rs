//! `muse coord fail-task`: report the failure of an attempt, and of the task if it was the last.

use coord_core::queue::{Failing, Status};
use coord_core::request;
use schemars::JsonSchema;
use serde::Serialize;

use super::claim_record::{Changed, start_of};
use super::{OpenQueue, Repository, lease, nonce};
use crate::args;
use crate::host;
use crate::output::{Answer, Answered, Failure, Page};

#[derive(Serialize, JsonSchema)]
pub(super) struct Failed {
    #[serde(flatten)]
    changed: Changed,
    /// How many attempts are left; nothing if their number was never set.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts_left: Option<u32>,
}

pub(super) fn run(args: &args::FailTask, repository: &Repository) -> Result<Answered<Failed>, Failure> {
    let (id, claimant, error) = lease(&args.lease, || request::error(&args.error))?;
    let OpenQueue { queue, .. } = repository.open()?;
    let failing = Failing { error, is_final: args.is_final };
    let changed = Changed::new(queue.fail(id, claimant, failing, host::now(), nonce()?)?, &queue);
    let attempts_left = changed.max_attempts().map(|max| max.saturating_sub(changed.record.attempt));
    Ok(Answered { answer: Failed { changed, attempts_left }, warnings: Vec::new() })
}

impl Answer for Failed {
    fn text(&self, page: &mut Page) {
        let record = &self.changed.record;
        let has_ended = record.status == Status::Failed.as_str();
        self.changed.text(if has_ended { "❌ Task failed" } else { "🔁 Attempt failed, to be tried again" }, page);
        if let Some(error) = record.error.as_ref().filter(|error| !error.as_str().is_empty()) {
            page.field("Error", start_of(error.as_str(), 200));
        }
        if let Some(max) = self.changed.max_attempts() {
            let out = if self.attempts_left == Some(0) { ": out of attempts" } else { "" };
            page.field("Attempt", format_args!("{} of {max}{out}", record.attempt));
        }
        if let Some(at) = record.scheduled_at {
            page.field("Again", at);
        } else if self.attempts_left.is_some() {
            page.field("Put back", format_args!("muse coord retry {}", record.task_id));
        }
    }
}
