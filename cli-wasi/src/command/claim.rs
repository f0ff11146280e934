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
use coord_store::{DirStore, LightSleep};
use muse_terminal::sanitised;
use schemars::JsonSchema;
use serde::Serialize;

use super::bounded::{Bounded, LeftOut, Parts};
use super::claim_record::{ClaimRecord, start_of};
use super::enqueue::TaskRecord;
use super::{Repository, bad_args, nonce, words};
use crate::args;
use crate::host::{self, Stopwatch};
use crate::output::{Answer, Answered, Failure, List, Page, Printer, Unwritten};
use crate::schema;

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum Outcome {
    One(Box<Mine>),
    /// With `--max`.
    #[expect(dead_code, reason = "several claims are printed one by one, and described here")]
    Several(Several),
    Empty(Empty),
}

/// Only described: several claims are printed one by one.
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
    late_results: Vec<LateResult>,
    /// What `--max-bytes` had no room for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<LeftOut>,
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
pub(super) struct Handed {
    #[serde(flatten)]
    pub(super) task: TaskRecord,
    #[serde(flatten)]
    pub(super) truncated: Option<Truncated>,
}

/// What stands for a payload that is left out.
#[derive(Serialize, JsonSchema)]
pub(super) struct Truncated {
    /// Always true.
    pub(super) payload_truncated: bool,
    /// The payload's length as JSON.
    pub(super) payload_bytes: usize,
}

/// A result that a former holder reported too late. It does not count, but the work may be done.
#[derive(Clone, Serialize, JsonSchema)]
pub(super) struct LateResult {
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
    #[serde(skip_serializing_if = "std::ops::Not::not")]
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
    let (claiming, first) = Claiming::begin(args, repository, stopwatch)?;
    Ok(match first {
        First::Empty(answered) => answered,
        First::Mine(claimed, findings) => {
            let Bounded { mine, warnings } = claiming.mine(*claimed, &findings);
            Answered { answer: Outcome::One(Box::new(mine)), warnings }
        }
    })
}

/// Claims several tasks, and prints each before the next is claimed.
pub(super) fn run_several(args: &args::Claim, repository: &Repository, printer: Printer<'_>) -> u8 {
    let begun = args.max.map_or(Ok(1), max).map_err(Failure::from);
    let begun = begun.and_then(|max| Ok((max, Claiming::begin(args, repository, printer.stopwatch)?)));
    match begun {
        Ok((max, (claiming, First::Mine(claimed, findings)))) => {
            let mut unprinted = Vec::new();
            claiming.print(max, *claimed, &findings, &mut unprinted, printer).unwrap_or_else(|unwritten| {
                unwritten.complain(&given_back(&unprinted).unwrap_or_else(|| "what was printed is claimed".to_string()))
            })
        }
        Ok((_, (_, First::Empty(answered)))) => printer.finish(Ok(answered)),
        Err(failure) => printer.finish::<Outcome>(Err(failure)),
    }
}

/// An agent that claims one task after the other.
struct Claiming {
    queue: Rc<Queue<DirStore>>,
    request: ClaimRequest,
    max_bytes: Option<usize>,
}

/// What came of the first try, for which the agent may have waited.
enum First {
    Mine(Box<queue::Claimed>, Vec<Finding>),
    Empty(Answered<Outcome>),
}

impl Claiming {
    fn begin(args: &args::Claim, repository: &Repository, stopwatch: Stopwatch) -> Result<(Claiming, First), Failure> {
        let mut waiting = ClaimDraft::from(args).check()?;
        let several = args.max.map(max).transpose()?.is_some();
        let max_bytes = max_bytes(args.max_bytes)?;
        let queue = Rc::new(repository.open()?.queue);
        let mut sleep = LightSleep::default();
        let Claim { claimed, closed, findings } = loop {
            match waiting.step(&queue, stopwatch.elapsed(), host::now, nonce()?)? {
                Step::Done(claim) => break *claim,
                Step::Sleep(time) => {
                    sleep.watch(queue.store(), waiting.watched());
                    waiting.notice(sleep.sleep(time));
                }
            }
        };
        let request = waiting.request().clone();
        let first = match claimed {
            Some(claimed) => First::Mine(Box::new(claimed), findings),
            None => {
                let waited = (args.wait > 0).then(|| stopwatch.elapsed());
                let empty = Empty::new(&request, &closed, several.then(Vec::new), waited);
                let warnings = findings.iter().map(Finding::to_string).collect();
                First::Empty(Answered { answer: Outcome::Empty(empty), warnings })
            }
        };
        Ok((Claiming { queue, request, max_bytes }, first))
    }

    fn mine(&self, claimed: queue::Claimed, findings: &[Finding]) -> Bounded {
        let (run_id, nonce) = (self.request.run_id.clone(), Some(claimed.record.claim_nonce));
        let lease =
            Lease { queue: self.queue.clone(), id: claimed.record.task_id, claimant: Claimant { run_id, nonce } };
        let mine = Mine::new(claimed, lease);
        let warnings = findings.iter().map(Finding::to_string).collect();
        match self.max_bytes {
            Some(max) => Bounded::new(mine, warnings, max),
            None => Bounded { mine, warnings },
        }
    }

    /// Prints the first claim, and claims and prints others, until there are `max` or no more. What is wrong with a
    /// later one is a warning: what was printed is claimed.
    fn print(
        &self,
        max: usize,
        first: queue::Claimed,
        findings: &[Finding],
        unprinted: &mut Vec<Mine>,
        printer: Printer<'_>,
    ) -> Result<u8, Unwritten> {
        let Bounded { mine, mut warnings } = self.mine(first, findings);
        unprinted.push(mine);
        let mut list = printer.list("claims", &NoMore {}, |_| {})?;
        let mut count = 0;
        loop {
            print_last(&mut list, count, unprinted)?;
            count += 1;
            if count == max {
                break;
            }
            if list.held_bytes() > limits::HELD_BYTES {
                warnings.push(format!(
                    "claimed no more than {count}: what is asked for of them is held until the end, and has more than \
                     {} bytes: give --print one field, or print all",
                    limits::HELD_BYTES
                ));
                break;
            }
            match self.next() {
                Ok(Claim { claimed: Some(claimed), findings, .. }) => {
                    let bounded = self.mine(claimed, &findings);
                    unprinted.push(bounded.mine);
                    add_warnings(&mut warnings, bounded.warnings);
                }
                Ok(Claim { claimed: None, findings, .. }) => {
                    add_warnings(&mut warnings, findings.iter().map(Finding::to_string).collect());
                    break;
                }
                Err(failure) => {
                    warnings.push(format!("claimed no more than {count}: {}", failure.error));
                    break;
                }
            }
        }
        list.end(&NoMore {}, &warnings, |_| {})?;
        Ok(0)
    }

    fn next(&self) -> Result<Claim, Failure> {
        Ok(self.queue.claim(&self.request, Thoroughness::Quick, host::now, nonce()?)?)
    }
}

/// No fields beside the claims.
#[derive(Serialize)]
struct NoMore {}

/// Prints the claim that was made last. What it printed is forgotten.
fn print_last(list: &mut List<'_>, place: usize, unprinted: &mut Vec<Mine>) -> Result<(), Unwritten> {
    let Some(mine) = unprinted.last_mut() else { return Ok(()) };
    list.push(mine, |page| {
        if place > 0 {
            page.line("");
        }
        mine.text(page);
    })?;
    if list.is_printed() {
        list.flush()?;
        unprinted.clear();
    } else {
        // What is asked for of it is held by the list.
        mine.forget();
    }
    Ok(())
}

/// Warnings of as many claims may be alike, and many.
fn add_warnings(warnings: &mut Vec<String>, new: Vec<String>) {
    for warning in new {
        if warnings.len() < limits::WARNINGS && !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }
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
    fn new(claimed: queue::Claimed, lease: Lease) -> Mine {
        let queue::Claimed { task, record, late_results } = claimed;
        let late_results = late_results.into_iter().map(LateResult::from).collect();
        let task = Handed { task: task.into(), truncated: None };
        Mine { claim: record.into(), task, late_results, left_out: Vec::new(), lease }
    }

    /// All that may be left out.
    pub(super) fn parts(&mut self) -> Parts<'_> {
        let Mine { task, late_results, left_out, .. } = self;
        Parts { task, late_results, left_out }
    }

    /// Keeps what it takes to give the task back.
    fn forget(&mut self) {
        self.task.task.payload = None;
        self.late_results.clear();
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

/// Gives tasks back, and says so. None: there are none.
fn given_back(claims: &[Mine]) -> Option<String> {
    if claims.is_empty() {
        return None;
    }
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

impl From<Report> for LateResult {
    fn from(Report { run_id, at, result, .. }: Report) -> LateResult {
        LateResult { run_id, at, result }
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
            Outcome::Several(Several { claims }) => claims.iter().for_each(|mine| mine.text(page)),
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
        match self {
            Outcome::One(mine) => given_back(std::slice::from_ref(&**mine)),
            Outcome::Several(Several { claims }) => given_back(claims),
            Outcome::Empty(_) => None,
        }
    }

    fn is_nothing(&self) -> bool {
        matches!(self, Outcome::Empty(_))
    }
}

impl Mine {
    fn text(&self, page: &mut Page) {
        let Mine { claim, task: Handed { task, truncated }, late_results, left_out, .. } = self;
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
        if let Some(Truncated { payload_bytes, .. }) = truncated {
            page.field("Payload", format_args!("{payload_bytes} bytes, left out"));
        }
        task.tags_text(page);
        for part in left_out.iter().filter(|part| part.field != "payload") {
            page.field("Left out", part);
        }
        late_results_text(late_results, page);
    }
}

/// Says of each result that came too late whose it is.
pub(super) fn late_results_text(late_results: &[LateResult], page: &mut Page) {
    for LateResult { run_id, at, result } in late_results {
        let result = result.as_ref().map_or("{}", JsonObject::text);
        page.line(format_args!("  Too late:   {at} {}: {}", sanitised(run_id), sanitised(&start_of(result, 120))));
    }
}
