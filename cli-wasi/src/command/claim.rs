//! `muse coord claim`: take a task, waiting for one if asked to.

use std::time::Duration;

use coord_core::name::QueueName;
use coord_core::queue::{Claim, Claimed, Finding, Step};
use coord_core::request::ClaimDraft;
use schemars::JsonSchema;
use serde::Serialize;

use super::claim_record::{ClaimRecord, start_of};
use super::enqueue::TaskRecord;
use super::{OpenQueue, Repository, bad_args, nonce};
use crate::args;
use crate::host::{self, Stopwatch};
use crate::output::{Answer, Answered, Failure, Page, without_terminal_controls};
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
    task: Handed,
}

/// The task as a claim hands it out: with its payload, or with the length of one that was too long for the caller.
#[derive(Serialize, JsonSchema)]
struct Handed {
    #[serde(flatten)]
    task: TaskRecord,
    #[serde(flatten)]
    left_out: Option<LeftOut>,
}

/// What stands for a payload that is left out.
#[derive(Serialize, JsonSchema)]
struct LeftOut {
    /// Always true.
    payload_truncated: bool,
    /// The payload's length as JSON.
    payload_bytes: usize,
}

pub(super) fn run(
    args: &args::Claim,
    repository: &Repository,
    stopwatch: Stopwatch,
) -> Result<Answered<Outcome>, Failure> {
    let mut waiting = ClaimDraft::from(args).check()?;
    let max_bytes = max_bytes(args.max_bytes)?;
    let OpenQueue { queue, .. } = repository.open()?;
    let Claim { claimed, findings } = loop {
        match waiting.step(&queue, stopwatch.elapsed(), host::now(), nonce()?)? {
            Step::Done(claim) => break *claim,
            Step::Sleep(time) => host::sleep(time),
        }
    };
    let mut warnings: Vec<String> = findings.iter().map(Finding::to_string).collect();
    let answer = match claimed {
        Some(Claimed { task, record }) => {
            let (task, warning) = Handed::new(task.into(), max_bytes);
            warnings.extend(warning);
            Outcome::Claimed(Box::new(Mine { claim: record.into(), task }))
        }
        None => {
            let waited = (args.wait > 0).then(|| stopwatch.elapsed());
            Outcome::Empty { status: "empty", queue: waiting.request().queue.clone(), waited }
        }
    };
    Ok(Answered { answer, warnings })
}

fn max_bytes(given: Option<i64>) -> Result<Option<usize>, Failure> {
    let Some(given) = given else { return Ok(None) };
    match usize::try_from(given) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(_) if given < 0 => Err(bad_args(format!("--max-bytes must be 0 or more, got {given}"))),
        // More than there can be in memory is no bound.
        Err(_) => Ok(None),
    }
}

impl Handed {
    /// The task without a payload of more than `max_bytes` as it would be printed, and what the caller is to know then.
    fn new(mut task: TaskRecord, max_bytes: Option<usize>) -> (Handed, Option<String>) {
        let bytes = task.payload.as_ref().map_or(0, |payload| without_terminal_controls(payload.text()).len());
        let Some(max) = max_bytes.filter(|max| bytes > *max) else { return (Handed { task, left_out: None }, None) };
        task.payload = None;
        let id = &task.task_id;
        let warning =
            format!("the payload has {bytes} bytes, more than --max-bytes {max}: `muse coord show {id}` prints it");
        let left_out = LeftOut { payload_truncated: true, payload_bytes: bytes };
        (Handed { task, left_out: Some(left_out) }, Some(warning))
    }
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
                let Mine { claim, task: Handed { task, left_out } } = mine.as_ref();
                page.line("🔒 Task claimed");
                page.field("Task ID", &claim.task_id);
                page.field("Title", &task.title);
                page.field("Claimer", &claim.claimer_run_id);
                page.field("Queue", format_args!("{}  priority={}", task.queue, task.priority));
                let seconds = claim.expires_at.micros_since(claim.claimed_at) / 1_000_000;
                page.field("Expires in", format_args!("{seconds}s ({})", claim.expires_at));
                if let Some(payload) = task.payload.as_ref().filter(|payload| !payload.is_empty()) {
                    page.field("Payload", start_of(payload.text(), 120));
                }
                if let Some(LeftOut { payload_bytes, .. }) = left_out {
                    page.field("Payload", format_args!("{payload_bytes} bytes, left out"));
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
