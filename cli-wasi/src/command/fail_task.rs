//! `muse coord fail-task`: report the failure of an attempt, and of the task if it was the last.

use clap::Args;
use coord_core::queue::{Failing, Status};
use coord_core::request;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::{Context, OpenQueue, turn};
use super::flags::Lease;
use crate::answer::changed::ChangedClaim;
use crate::output::{Answer, Answered, Failure, Page, start_of};

/// Report a failed attempt at a claimed task; it is retried if it has attempts left
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    pub lease: Lease,
    /// The error message, in at most 4096 characters
    #[arg(long, value_name = "MESSAGE", default_value = "", allow_hyphen_values = true)]
    pub error: String,
    /// Fail the task even if it has attempts left
    #[arg(long = "final")]
    pub is_final: bool,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct FailTaskAnswer {
    #[serde(flatten)]
    changed: ChangedClaim,
    /// How many attempts are left; absent if the task has no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts_left: Option<u32>,
}

pub(super) fn run(args: &Arguments, context: &Context<'_>) -> Result<Answered<FailTaskAnswer>, Failure> {
    let (id, claimant, error) = args.lease.check(|| request::error(&args.error))?;
    let OpenQueue { queue, .. } = context.open()?;
    let failing = Failing { error, is_final: args.is_final };
    let changed = ChangedClaim::new(queue.fail(id, claimant, failing, &turn()?)?, &queue);
    let attempts_left = changed.max_attempts().map(|max| max.saturating_sub(changed.record.attempt));
    Ok(Answered { answer: FailTaskAnswer { changed, attempts_left }, warnings: Vec::new() })
}

impl Answer for FailTaskAnswer {
    fn text(&self, page: &mut Page) {
        let record = &self.changed.record;
        let has_ended = record.status == Status::Failed;
        self.changed
            .text(if has_ended { "❌ Task failed" } else { "🔁 Attempt failed; the task will be retried" }, page);
        if let Some(error) = record.error.as_ref().filter(|error| !error.as_str().is_empty()) {
            page.field("Error", start_of(error.as_str(), 200));
        }
        if let Some(max) = self.changed.max_attempts() {
            let out = if self.attempts_left == Some(0) { ": out of attempts" } else { "" };
            page.field("Attempt", format_args!("{} of {max}{out}", record.attempt));
        }
        if let Some(at) = record.scheduled_at {
            page.field("Retry at", at);
        } else if self.attempts_left.is_some() {
            page.field("Put back", format_args!("muse coord retry {}", record.task_id));
        }
    }
}
