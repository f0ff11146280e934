//! `muse coord cancel-task`: call a task off, or ask its holder to stop.

use coord_core::queue::{Cancelling, Status};
use coord_core::request;
use coord_core::transition::IfHeld;
use schemars::JsonSchema;
use serde::Serialize;

use super::claim_record::Changed;
use super::{OpenQueue, Repository, nonce};
use crate::args;
use crate::host;
use crate::output::{Answer, Answered, Failure, Page};

#[derive(Serialize, JsonSchema)]
pub(super) struct Cancelled {
    #[serde(flatten)]
    changed: Changed,
    #[serde(skip)]
    forced: bool,
}

pub(super) fn run(args: &args::CancelTask, repository: &Repository) -> Result<Answered<Cancelled>, Failure> {
    let run_id = request::run_id(Some(&args.run.run_id))?;
    let id = request::task_id(&args.task_id)?;
    let reason = args.reason.as_deref().map(request::note).transpose()?;
    let if_held = match (args.force, args.request) {
        (true, _) => IfHeld::Force,
        (_, true) => IfHeld::Request,
        _ => IfHeld::Refuse,
    };
    let OpenQueue { queue, .. } = repository.open()?;
    let cancelling = Cancelling { run_id, if_held, reason };
    let record = queue.cancel(id, cancelling, host::now(), nonce()?).map_err(refused)?;
    let changed = Changed::new(record, &queue);
    Ok(Answered { answer: Cancelled { changed, forced: args.force }, warnings: Vec::new() })
}

fn refused(error: coord_core::Error) -> Failure {
    let hint = (error.code() == "wrong_owner").then_some(
        "--request asks its holder to stop; --force cancels it all the same, and its holder learns it when it next speaks",
    );
    Failure { hint, ..error.into() }
}

impl Answer for Cancelled {
    fn text(&self, page: &mut Page) {
        let record = &self.changed.record;
        if record.status == Status::Cancelled.as_str() {
            self.changed.text("🚫 Task cancelled", page);
            if let Some(reason) = &record.reason {
                page.field("Reason", reason);
            }
        } else {
            self.changed.text("✋ Its holder is asked to stop, and learns it by its next heartbeat", page);
            record.request.details(page);
        }
        if self.forced {
            page.line("  (forced)");
        }
    }
}
