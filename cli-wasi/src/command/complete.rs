//! `muse coord complete`: report success, and enqueue what follows from it.

use clap::Args;
use coord_core::queue;
use coord_core::request;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::{Context, OpenQueue, turn};
use super::flags::Lease;
use crate::answer::batch::{self, BatchAnswer};
use crate::answer::changed::ChangedClaim;
use crate::input::Lines;
use crate::output::{Answer, Answered, Failure, Page, start_of};

/// Report a claimed task as completed
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    pub lease: Lease,
    /// The task's result: a JSON object of at most 65536 bytes, with the same rules as a payload
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub result: String,
    /// Enqueue follow-up tasks in the same step, one per line of FILE (- for standard input), in the format of `enqueue
    /// --batch`. All of them are enqueued if the completion is accepted, else none
    #[arg(long, value_name = "FILE")]
    pub enqueue: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct CompleteAnswer {
    #[serde(flatten)]
    changed: ChangedClaim,
    #[serde(flatten)]
    follow_ups: Option<BatchAnswer>,
}

const KEPT: &str =
    "the result is kept as a late result: `muse coord show` shows it, and the next claim of the task includes it";

const NOT_KEPT: &str = "the result is not kept: the task has no room for more late results, or this host cannot append \
    to their file; save it yourself if it is still needed";

pub(super) fn run(args: &Arguments, context: &Context<'_>) -> Result<Answered<CompleteAnswer>, Failure> {
    let (id, claimant, result) = args.lease.check(|| request::result(&args.result))?;
    let run_id = claimant.run_id.as_str();
    let lines = args.enqueue.as_ref().map(|file| Lines::read("--enqueue", file, run_id)).transpose()?;
    let OpenQueue { queue, .. } = context.open()?;
    // An empty result counts as none.
    let result = Some(result).filter(|result| !result.is_empty());
    let is_kept_if_late = result.is_some();
    let late = |failure: Failure| {
        let is_late = is_kept_if_late && failure.status == "lease_lost";
        let hint = is_late.then(|| if queue.take_findings().is_empty() { KEPT } else { NOT_KEPT });
        Failure { hint, ..failure }
    };
    let Some(Lines { tasks, warnings, parents }) = lines else {
        let completed = queue.complete(id, claimant, result, &turn()?);
        let record = completed.map_err(|error| late(error.into()))?;
        let answer = CompleteAnswer { changed: ChangedClaim::new(record, &queue), follow_ups: None };
        return Ok(Answered { answer, warnings: Vec::new() });
    };
    let completed = queue.complete_and_enqueue(id, claimant, result, tasks, &turn()?);
    let queue::Completed { record, enqueued } = completed.map_err(|error| late(parents.blame("--enqueue", error)))?;
    let follow_ups = Some(BatchAnswer::new(enqueued.iter().map(batch::outcome).collect()));
    Ok(Answered { answer: CompleteAnswer { changed: ChangedClaim::new(record, &queue), follow_ups }, warnings })
}

impl Answer for CompleteAnswer {
    fn text(&self, page: &mut Page) {
        self.changed.text("✅ Task completed", page);
        if let Some(result) = &self.changed.record.result {
            page.field("Result", start_of(result.text(), 120));
        }
        if let Some(follow_ups) = &self.follow_ups {
            follow_ups.text(page);
        }
    }
}
