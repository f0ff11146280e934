//! `muse coord claim`: take a task, waiting for one if asked to.

use std::time::Duration;

use coord_core::limits;
use coord_core::name::QueueName;
use coord_core::queue::{Claim, ClaimRequest, Claimed, Finding, Thoroughness, Watch};
use serde::Serialize;

use super::claim_record::{ClaimRecord, start_of};
use super::enqueue::TaskRecord;
use super::{OpenQueue, Repository, bad_args, bad_queue, claim_ttl, in_range, nonce};
use crate::args;
use crate::host::{self, Stopwatch};
use crate::output::{Answer, Answered, Failure, Page};

/// How long a waiting agent sleeps before it looks whether anything has stirred, which costs a handful of system calls:
/// under 1 % of a core while idle, and awake within 50 ms.
const LOOK_EVERY: Duration = Duration::from_millis(35);

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Outcome {
    Claimed(Box<Mine>),
    Empty {
        status: &'static str,
        queue: Option<QueueName>,
        #[serde(skip)]
        waited: Option<Duration>,
    },
}

#[derive(Serialize)]
pub(super) struct Mine {
    #[serde(flatten)]
    claim: ClaimRecord,
    task: TaskRecord,
}

struct Request {
    claim: ClaimRequest,
    wait: Duration,
}

pub(super) fn run(
    args: &args::Claim,
    repository: &Repository,
    stopwatch: Stopwatch,
) -> Result<Answered<Outcome>, Failure> {
    let Request { claim: request, wait } = parse(args)?;
    let OpenQueue { queue, .. } = repository.open()?;
    let mut findings = Vec::new();
    let mut watch = (!wait.is_zero()).then(Watch::default);
    let mut claim = |thoroughness, watch: Option<&mut Watch>| -> Result<Option<Claimed>, Failure> {
        let now = host::now();
        let Claim { claimed, findings: found } = queue.claim_or_watch(&request, thoroughness, watch, now, nonce()?)?;
        findings.extend(found);
        Ok(claimed)
    };
    let mut claimed = claim(Thoroughness::Full, watch.as_mut())?;
    while let (None, Some(watch)) = (&claimed, &mut watch) {
        host::sleep(LOOK_EVERY.min(wait.saturating_sub(stopwatch.elapsed())));
        if stopwatch.elapsed() >= wait {
            claimed = claim(Thoroughness::Full, None)?;
            break;
        }
        if queue.has_stirred(watch, host::now())? {
            claimed = claim(Thoroughness::Quick, Some(watch))?;
        }
    }
    let answer = match claimed {
        Some(Claimed { task, record }) => Outcome::Claimed(Box::new(Mine { claim: record.into(), task: task.into() })),
        None => {
            let waited = (!wait.is_zero()).then(|| stopwatch.elapsed());
            Outcome::Empty { status: "empty", queue: request.queue.clone(), waited }
        }
    };
    Ok(Answered { answer, warnings: findings.iter().map(Finding::to_string).collect() })
}

fn parse(args: &args::Claim) -> Result<Request, Failure> {
    let run_id = args.run.run_id.parse().map_err(bad_args)?;
    let lease_seconds = claim_ttl(args.claim_ttl)?;
    let wait = in_range("--wait", args.wait, &limits::WAIT_SECONDS)?;
    let queue = args.queue.as_deref().map(str::parse).transpose().map_err(bad_queue)?;
    let wait = Duration::from_secs(u64::try_from(wait).unwrap_or(0));
    Ok(Request { claim: ClaimRequest { run_id, queue, lease_seconds }, wait })
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
