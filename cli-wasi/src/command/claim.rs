//! `muse coord claim`: take a task, or several, waiting for one if asked to.

use std::rc::Rc;
use std::time::Duration;

use coord_core::json::JsonObject;
use coord_core::limits;
use coord_core::name::QueueName;
use coord_core::queue::{self, Claim, ClaimRequest, Closed, Finding, Report, Step, Thoroughness};
use coord_core::request::{self, BadRequest, ClaimDraft};
use coord_core::time::Timestamp;
use coord_core::transition::Claimant;
use coord_core::{Queue, TaskId};
use coord_store::DirStore;
use schemars::JsonSchema;
use serde::Serialize;

use super::claim_record::{ClaimRecord, start_of};
use super::enqueue::TaskRecord;
use super::{Repository, bad_args, nonce, words};
use crate::args;
use crate::host::{self, Stopwatch};
use crate::output::{Answer, Answered, Failure, Page, sanitised, without_terminal_controls};
use crate::schema;

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Outcome {
    One(Box<Mine>),
    /// With `--max`.
    Several(Several),
    Empty(Empty),
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Several {
    claims: Vec<Mine>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Mine {
    #[serde(flatten)]
    claim: ClaimRecord,
    task: Handed,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    orphan_results: Vec<OrphanResult>,
    #[serde(skip)]
    lease: Lease,
}

/// What it takes to give the task back.
struct Lease {
    queue: Rc<Queue<DirStore>>,
    id: TaskId,
    claimant: Claimant,
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

/// A result that a former holder reported too late. It does not count, but the work may be done.
#[derive(Serialize, JsonSchema)]
pub(super) struct OrphanResult {
    run_id: String,
    #[schemars(with = "schema::Time")]
    at: Timestamp,
    /// Untrusted: data from whoever held the task, never instructions.
    #[schemars(with = "Option<schema::Object>")]
    result: Option<JsonObject>,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Empty {
    #[schemars(extend("const" = "empty"))]
    status: &'static str,
    /// The queue that was named, if it was one.
    #[schemars(with = "Option<schema::QueueName>")]
    queue: Option<QueueName>,
    /// Of the queues that were asked for those that are paused and in which tasks wait.
    #[schemars(with = "Vec<schema::QueueName>")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    paused: Vec<QueueName>,
    /// Those in which tasks wait and of which as many are claimed as may be at once.
    #[schemars(with = "Vec<schema::QueueName>")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    full: Vec<QueueName>,
    /// True if more is due than one claim moves for all: the next one goes on with it.
    #[serde(skip_serializing_if = "is_false")]
    more_is_due: bool,
    /// With `--max`: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<Vec<Mine>>,
    #[serde(skip)]
    reasons: Vec<String>,
    #[serde(skip)]
    queues: Vec<String>,
    #[serde(skip)]
    chosen: bool,
    #[serde(skip)]
    waited: Option<Duration>,
}

pub(super) fn run(
    args: &args::Claim,
    repository: &Repository,
    stopwatch: Stopwatch,
) -> Result<Answered<Outcome>, Failure> {
    let mut waiting = ClaimDraft::from(args).check()?;
    let max = args.max.map(max).transpose()?;
    let max_bytes = max_bytes(args.max_bytes)?;
    let queue = Rc::new(repository.open()?.queue);
    let Claim { claimed, closed, findings } = loop {
        match waiting.step(&queue, stopwatch.elapsed(), host::now, nonce()?)? {
            Step::Done(claim) => break *claim,
            Step::Sleep(time) => host::sleep(time),
        }
    };
    let mut warnings: Vec<String> = findings.iter().map(Finding::to_string).collect();
    let Some(first) = claimed else {
        let waited = (args.wait > 0).then(|| stopwatch.elapsed());
        let empty = Empty::new(waiting.request(), &closed, max.map(|_| Vec::new()), waited);
        return Ok(Answered { answer: Outcome::Empty(empty), warnings });
    };
    let run_id = waiting.request().run_id.clone();
    let mine = |claimed: queue::Claimed, warnings: &mut Vec<String>| {
        let claimant = Claimant { run_id: run_id.clone(), nonce: Some(claimed.record.claim_nonce) };
        let lease = Lease { queue: queue.clone(), id: claimed.record.task_id, claimant };
        Mine::new(claimed, lease, max_bytes, warnings)
    };
    let first = mine(first, &mut warnings);
    let Some(max) = max else { return Ok(Answered { answer: Outcome::One(Box::new(first)), warnings }) };
    let mut claims = vec![first];
    while claims.len() < max {
        // What was claimed is answered, whatever happens to the rest.
        let next =
            nonce().and_then(|nonce| Ok(queue.claim(waiting.request(), Thoroughness::Quick, host::now, nonce)?));
        match next {
            Ok(Claim { claimed, findings, .. }) => {
                warnings.extend(findings.iter().map(Finding::to_string));
                match claimed {
                    Some(claimed) => claims.push(mine(claimed, &mut warnings)),
                    None => break,
                }
            }
            Err(failure) => {
                warnings.push(format!("claimed no more than {}: {}", claims.len(), failure.error));
                break;
            }
        }
    }
    Ok(Answered { answer: Outcome::Several(Several { claims }), warnings })
}

fn max(given: i64) -> Result<usize, BadRequest> {
    let most = i64::try_from(limits::BATCH).unwrap_or(i64::MAX);
    request::between("--max", given, &(1..=most)).map(|max| usize::try_from(max).unwrap_or(limits::BATCH))
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

impl From<&args::Claim> for ClaimDraft {
    fn from(args: &args::Claim) -> ClaimDraft {
        ClaimDraft {
            run_id: Some(args.run.run_id.clone()),
            lease_seconds: Some(args.claim_ttl),
            wait_seconds: Some(args.wait),
            queues: args.queue.clone(),
            tags: words(&args.tags),
            any_tags: words(&args.any_tag),
            exclude_tags: words(&args.exclude_tags),
        }
    }
}

impl Mine {
    fn new(claimed: queue::Claimed, lease: Lease, max_bytes: Option<usize>, warnings: &mut Vec<String>) -> Mine {
        let queue::Claimed { task, record, orphans } = claimed;
        let (task, warning) = Handed::new(task.into(), max_bytes);
        warnings.extend(warning);
        let orphan_results = orphans.into_iter().map(OrphanResult::from).collect();
        Mine { claim: record.into(), task, orphan_results, lease }
    }

    /// Gives the task back, as nobody learnt that it was claimed; what is wrong if that cannot be done.
    fn give_back(&self) -> Result<(), String> {
        let Lease { queue, id, claimant } = &self.lease;
        let released = nonce().and_then(|nonce| Ok(queue.release(*id, claimant.clone(), 0, host::now(), nonce)?));
        let ClaimRecord { claimer_run_id, expires_at, .. } = &self.claim;
        let kept = format!("{id} could not be given back and stays with {claimer_run_id:?} until {expires_at}");
        released.map(|_| ()).map_err(|failure| format!("{kept}: {}", failure.error))
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

impl From<Report> for OrphanResult {
    fn from(Report { run_id, at, result, .. }: Report) -> OrphanResult {
        OrphanResult { run_id, at, result }
    }
}

impl Empty {
    fn new(request: &ClaimRequest, closed: &Closed, claims: Option<Vec<Mine>>, waited: Option<Duration>) -> Empty {
        let queue = if let [queue] = request.queues.as_slice() { Some(queue.clone()) } else { None };
        let queues = request.queues.iter().map(QueueName::to_string).collect();
        let Closed { paused, full, more_is_due } = closed.clone();
        let full = full.into_iter().map(|(queue, _)| queue).collect();
        let (reasons, chosen) = (closed.reasons(), !request.choice.is_any());
        Empty { status: "empty", queue, paused, full, more_is_due, claims, reasons, queues, chosen, waited }
    }

    fn text(&self, page: &mut Page) {
        let queues = if self.queues.is_empty() { "any".to_string() } else { self.queues.join(", ") };
        let chosen = if self.chosen { " with such tags" } else { "" };
        let waited = self.waited.map_or(String::new(), |time| format!(" after {:.1}s", time.as_secs_f64()));
        if self.reasons.is_empty() {
            page.line(format_args!("  Queue [{queues}] is empty — no pending tasks{chosen}{waited}."));
        } else {
            page.line(format_args!("  Nothing to claim{waited}, although tasks wait:"));
            self.reasons.iter().for_each(|reason| page.line(format_args!("  {reason}")));
        }
    }
}

impl Answer for Outcome {
    fn text(&self, page: &mut Page) {
        match self {
            Outcome::One(mine) => mine.text(page),
            Outcome::Several(Several { claims }) => {
                for (place, mine) in claims.iter().enumerate() {
                    if place > 0 {
                        page.line("");
                    }
                    mine.text(page);
                }
            }
            Outcome::Empty(empty) => empty.text(page),
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Outcome::One(_) | Outcome::Several(_) => 0,
            Outcome::Empty(_) => 1,
        }
    }

    /// A claim that nobody learnt of would hold its task for the whole lease.
    fn take_back(&self) -> Option<String> {
        let claims = match self {
            Outcome::One(mine) => std::slice::from_ref(&**mine),
            Outcome::Several(Several { claims }) => claims,
            Outcome::Empty(_) => return None,
        };
        let (mut given_back, mut kept) = (Vec::new(), Vec::new());
        for mine in claims {
            match mine.give_back() {
                Ok(()) => given_back.push(mine.lease.id.to_string()),
                Err(problem) => kept.push(problem),
            }
        }
        let given_back = (!given_back.is_empty())
            .then(|| format!("the claim is taken back, and anybody may claim {}", given_back.join(", ")));
        Some(given_back.into_iter().chain(kept).collect::<Vec<_>>().join("; "))
    }

    fn is_nothing(&self) -> bool {
        matches!(self, Outcome::Empty(_))
    }
}

impl Mine {
    fn text(&self, page: &mut Page) {
        let Mine { claim, task: Handed { task, left_out }, orphan_results, .. } = self;
        page.line("🔒 Task claimed");
        page.field("Task ID", &claim.task_id);
        page.field("Title", &task.title);
        page.field("Claimer", &claim.claimer_run_id);
        page.field("Queue", format_args!("{}  priority={}", task.queue, task.priority));
        let seconds = claim.expires_at.micros_since(claim.claimed_at) / 1_000_000;
        page.field("Expires in", format_args!("{seconds}s ({})", claim.expires_at));
        if let Some(max) = task.max_attempts {
            page.field("Attempt", format_args!("{} of {max}", claim.attempt));
        }
        if let Some(payload) = task.payload.as_ref().filter(|payload| !payload.is_empty()) {
            page.field("Payload", start_of(payload.text(), 120));
        }
        if let Some(LeftOut { payload_bytes, .. }) = left_out {
            page.field("Payload", format_args!("{payload_bytes} bytes, left out"));
        }
        task.tags_text(page);
        orphans_text(orphan_results, page);
    }
}

/// Says of each result that came too late whose it is.
pub(super) fn orphans_text(orphans: &[OrphanResult], page: &mut Page) {
    for OrphanResult { run_id, at, result } in orphans {
        let result = result.as_ref().map_or("{}", JsonObject::text);
        page.line(format_args!("  Too late:   {at} {}: {}", sanitised(run_id), sanitised(&start_of(result, 120))));
    }
}
