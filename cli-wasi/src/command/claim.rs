//! `muse coord claim`: take a task, waiting for one if asked to.

use std::time::Duration;

use coord_core::name::QueueName;
use coord_core::queue::{Claim, Claimed, Finding, Step};
use coord_core::request::ClaimDraft;
use schemars::JsonSchema;
use serde::Serialize;

use super::claim_record::{ClaimRecord, start_of};
use super::enqueue::TaskRecord;
use super::{OpenQueue, Repository, nonce};
use crate::args;
use crate::host::{self, Stopwatch};
use crate::output::{Answer, Answered, Failure, Page};
use crate::schema;

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Outcome {
    Claimed(Box<Mine>),
    Empty {
        #[schemars(extend("const" = "empty"))]
        status: &'static str,
        #[schemars(with = "Option<schema::QueueName>")]
        queue: Option<QueueName>,
        #[serde(skip)]
        waited: Option<Duration>,
    },
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Mine {
    #[serde(flatten)]
    claim: ClaimRecord,
    task: TaskRecord,
}

pub(super) fn run(
    args: &args::Claim,
    repository: &Repository,
    stopwatch: Stopwatch,
) -> Result<Answered<Outcome>, Failure> {
    let mut waiting = ClaimDraft::from(args).check()?;
    let OpenQueue { queue, .. } = repository.open()?;
    let Claim { claimed, findings } = loop {
        match waiting.step(&queue, stopwatch.elapsed(), host::now(), nonce()?)? {
            Step::Done(claim) => break *claim,
            Step::Sleep(time) => host::sleep(time),
        }
    };
    let answer = match claimed {
        Some(Claimed { task, record }) => Outcome::Claimed(Box::new(Mine { claim: record.into(), task: task.into() })),
        None => {
            let waited = (args.wait > 0).then(|| stopwatch.elapsed());
            Outcome::Empty { status: "empty", queue: waiting.request().queue.clone(), waited }
        }
    };
    Ok(Answered { answer, warnings: findings.iter().map(Finding::to_string).collect() })
}

impl From<&args::Claim> for ClaimDraft {
    fn from(args: &args::Claim) -> ClaimDraft {
        ClaimDraft {
            run_id: Some(args.run.run_id.clone()),
            lease_seconds: Some(args.claim_ttl),
            wait_seconds: Some(args.wait),
            queue: args.queue.clone(),
        }
    }
}

impl Answer for Outcome {
    fn text(&self, page: &mut Page) {
        match self {
            Outcome::Claimed(mine) => {
                let Mine { claim, task } = mine.as_ref();
                page.line("🔒 Task claimed");
                page.field("Task ID", &claim.task_id);
                page.field("Title", &task.title);
                page.field("Claimer", &claim.claimer_run_id);
                page.field("Queue", format_args!("{}  priority={}", task.queue, task.priority));
                let seconds = claim.expires_at.micros_since(claim.claimed_at) / 1_000_000;
                page.field("Expires in", format_args!("{seconds}s ({})", claim.expires_at));
                if !task.payload.is_empty() {
                    page.field("Payload", start_of(task.payload.text(), 120));
                }
                task.tags_text(page);
            }
            Outcome::Empty { queue, waited, .. } => {
                let queue = queue.as_ref().map_or("any", QueueName::as_str);
                let waited = waited.map_or(String::new(), |time| format!(" after {:.1}s", time.as_secs_f64()));
                page.line(format_args!("  Queue [{queue}] is empty — no pending tasks{waited}."));
            }
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Outcome::Claimed(_) => 0,
            Outcome::Empty { .. } => 1,
        }
    }
}
