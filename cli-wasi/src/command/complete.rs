//! `muse coord complete`: report success, and enqueue what follows from it.

use coord_core::queue;
use coord_core::request;
use schemars::JsonSchema;
use serde::Serialize;

use super::batch::{self, Batched, Lines};
use super::claim_record::{Changed, start_of};
use super::{OpenQueue, Repository, lease, nonce};
use crate::args;
use crate::host;
use crate::output::{Answer, Answered, Failure, Page};

#[derive(Serialize, JsonSchema)]
pub(super) struct Completed {
    #[serde(flatten)]
    changed: Changed,
    #[serde(flatten)]
    follow_ups: Option<Batched>,
}

const KEPT: &str =
    "the result is kept beside the task: `muse coord show` shows it, and who claims the task next is given it";

const NOT_KEPT: &str = "the result is not kept: there is no room for more late results of this task, or this host cannot \
    add to its file; keep it yourself if somebody may want it";

pub(super) fn run(args: &args::Complete, repository: &Repository) -> Result<Answered<Completed>, Failure> {
    let (id, claimant, result) = lease(&args.lease, || request::result(&args.result))?;
    let run_id = claimant.run_id.as_str();
    let lines = args.enqueue.as_ref().map(|file| Lines::read("--enqueue", file, run_id)).transpose()?;
    let OpenQueue { queue, .. } = repository.open()?;
    // One that says nothing is none.
    let result = Some(result).filter(|result| !result.is_empty());
    let is_kept_if_late = result.is_some();
    let late = |failure: Failure| {
        let is_late = is_kept_if_late && failure.status == "lease_lost";
        let hint = is_late.then(|| if queue.take_findings().is_empty() { KEPT } else { NOT_KEPT });
        Failure { hint, ..failure }
    };
    let Some(Lines { tasks, warnings, parents }) = lines else {
        let completed = queue.complete(id, claimant, result, host::now(), nonce()?);
        let record = completed.map_err(|error| late(error.into()))?;
        let answer = Completed { changed: Changed::new(record, &queue), follow_ups: None };
        return Ok(Answered { answer, warnings: Vec::new() });
    };
    let completed = queue.complete_and_enqueue(id, claimant, result, tasks, host::now(), nonce()?);
    let queue::Completed { record, enqueued } = completed.map_err(|error| late(parents.blame("--enqueue", error)))?;
    let follow_ups = Some(Batched::new(enqueued.iter().map(batch::outcome).collect()));
    Ok(Answered { answer: Completed { changed: Changed::new(record, &queue), follow_ups }, warnings })
}

impl Answer for Completed {
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
