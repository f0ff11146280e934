//! `muse coord cancel-task`: call a task off, or ask its holder to stop.

use clap::Args;
use coord_core::queue::{Cancelling, Status};
use coord_core::request;
use coord_core::transition::IfHeld;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::{Context, OpenQueue, turn};
use super::flags::RunId;
use crate::answer::cancel_request;
use crate::answer::changed::ChangedClaim;
use crate::output::{Answer, Answered, Failure, Page};

/// Cancel a task, or ask its holder to stop
#[derive(Debug, Args)]
pub struct Arguments {
    /// The task's id, as `enqueue` printed it
    pub task_id: String,
    #[command(flatten)]
    pub run: RunId,
    /// Cancel even if another agent holds the task. The holder's next call fails with `already_terminal`
    #[arg(long)]
    pub force: bool,
    /// If another agent holds the task, ask it to stop: its next heartbeat tells it. A task that nobody holds is
    /// cancelled
    #[arg(long, conflicts_with = "force")]
    pub request: bool,
    /// The reason, in at most 4096 characters
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub reason: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct CancelTaskAnswer {
    #[serde(flatten)]
    changed: ChangedClaim,
    #[serde(skip)]
    forced: bool,
}

pub(super) fn run(args: &Arguments, context: &Context<'_>) -> Result<Answered<CancelTaskAnswer>, Failure> {
    let run_id = request::run_id(Some(&args.run.run_id))?;
    let id = request::task_id(&args.task_id)?;
    let reason = args.reason.as_deref().map(request::note).transpose()?;
    let if_held = match (args.force, args.request) {
        (true, _) => IfHeld::Force,
        (_, true) => IfHeld::Request,
        _ => IfHeld::Refuse,
    };
    let OpenQueue { queue, .. } = context.open()?;
    let cancelling = Cancelling { run_id, if_held, reason };
    let record = queue.cancel(id, cancelling, &turn()?).map_err(refused)?;
    let changed = ChangedClaim::new(record, &queue);
    Ok(Answered { answer: CancelTaskAnswer { changed, forced: args.force }, warnings: Vec::new() })
}

fn refused(error: coord_core::Error) -> Failure {
    let hint = (error.code() == "wrong_owner").then_some(
        "--request asks its holder to stop; --force cancels it anyway, and the holder's next call fails with \
         already_terminal",
    );
    Failure { hint, ..error.into() }
}

impl Answer for CancelTaskAnswer {
    fn text(&self, page: &mut Page) {
        let record = &self.changed.record;
        if record.status == Status::Cancelled {
            self.changed.text("🚫 Task cancelled", page);
            if let Some(reason) = &record.reason {
                page.field("Reason", reason);
            }
        } else {
            self.changed.text("✋ Cancel requested: the holder's next heartbeat tells it to stop", page);
            cancel_request::details(&record.cancel, page);
        }
        if self.forced {
            page.line("  (forced)");
        }
    }
}
