//! `muse coord cancel-task`: call a task off.

use coord_core::request;
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
    let OpenQueue { queue, .. } = repository.open()?;
    let record = queue.cancel(id, run_id, args.force, host::now(), nonce()?).map_err(refused)?;
    let changed = Changed::new(record, &queue);
    Ok(Answered { answer: Cancelled { changed, forced: args.force }, warnings: Vec::new() })
}

fn refused(error: coord_core::Error) -> Failure {
    let hint = (error.code() == "wrong_owner")
        .then_some("--force cancels it all the same; its holder learns it when it next speaks");
    Failure { hint, ..error.into() }
}

impl Answer for Cancelled {
    fn text(&self, page: &mut Page) {
        self.changed.text("🚫 Task cancelled", page);
        if self.forced {
            page.line("  (forced)");
        }
    }
}
