//! What `claim` answers, and how a claim that nobody learnt of is given back.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use coord_core::answer::{ClaimRecord, Claimed, Report, Task};
use coord_core::name::QueueName;
use coord_core::queue::{self, ClaimRequest, Closed};
use coord_core::transition::Claimant;
use coord_core::{Queue, TaskId};
use schemars::JsonSchema;
use serde::Serialize;

use crate::answer::late_result::late_results_text;
use crate::answer::task::tags_text;
use crate::command::context::turn;
use crate::medium::QueueStore;
use crate::output::{Answer, Page, start_of};

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ClaimAnswer {
    One(Box<OneClaim>),
    /// With `--max`.
    #[expect(dead_code, reason = "several claims are printed one by one, and described here")]
    Several(SeveralClaims),
    Nothing(NothingToClaim),
}

/// Only described: several claims are printed one by one.
#[derive(Serialize, JsonSchema)]
pub struct SeveralClaims {
    claims: Vec<OneClaim>,
}

#[derive(Serialize, JsonSchema)]
pub struct OneClaim {
    #[serde(flatten)]
    claim: ClaimRecord,
    task: ClaimedTask,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    late_results: Vec<Report>,
    /// The fields that `--max-bytes` left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<LeftOut>,
    #[serde(skip)]
    lease: HeldLease,
}

/// The claimed task, with its payload, or with only the payload's length if `--max-bytes` left the payload out.
#[derive(Serialize, JsonSchema)]
pub struct ClaimedTask {
    #[serde(flatten)]
    pub task: Task,
    #[serde(flatten)]
    pub truncated: Option<TruncatedPayload>,
}

/// The fields in place of a payload that is left out.
#[derive(Serialize, JsonSchema)]
pub struct TruncatedPayload {
    /// Always true.
    pub payload_truncated: bool,
    /// The payload's length as JSON.
    pub payload_bytes: usize,
}

/// A field that is left out, or cut.
#[derive(Serialize, JsonSchema)]
pub struct LeftOut {
    /// Its name.
    pub field: &'static str,
    /// How many bytes of its JSON are left out.
    pub bytes: usize,
    /// For a list: how many elements are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
}

#[derive(Serialize, JsonSchema)]
pub struct NothingToClaim {
    #[schemars(extend("const" = "empty"))]
    status: &'static str,
    /// The requested queue, if exactly one was requested.
    queue: Option<QueueName>,
    /// The requested queues that are paused and have tasks waiting.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    paused: Vec<QueueName>,
    /// The requested queues that have tasks waiting and as many claimed as their limit allows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    full: Vec<QueueName>,
    /// True if more is due than one claim handles (expired leases, tasks whose start time has come or whose parents
    /// have ended): the next claim continues.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    more_is_due: bool,
    /// With `--max`: an empty list.
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<Vec<OneClaim>>,
    #[serde(skip)]
    reasons: Vec<String>,
    #[serde(skip)]
    queues: Vec<String>,
    #[serde(skip)]
    chosen: bool,
    #[serde(skip)]
    waited: Option<Duration>,
}

/// The lease of a claim, to give the task back.
pub struct HeldLease {
    pub queue: Rc<Queue<QueueStore>>,
    pub id: TaskId,
    pub claimant: Claimant,
}

/// What of a claim may be left out.
pub struct Parts<'a> {
    pub task: &'a mut ClaimedTask,
    pub late_results: &'a mut Vec<Report>,
    pub left_out: &'a mut Vec<LeftOut>,
}

impl OneClaim {
    /// What the queue claimed, with all that it says of it.
    pub fn new(claimed: queue::Claimed, lease: HeldLease) -> OneClaim {
        let Claimed { record, task, late_results } = claimed.into();
        let task = ClaimedTask { task, truncated: None };
        OneClaim { claim: record, task, late_results, left_out: Vec::new(), lease }
    }

    /// All that may be left out.
    pub fn parts(&mut self) -> Parts<'_> {
        let OneClaim { task, late_results, left_out, .. } = self;
        Parts { task, late_results, left_out }
    }

    /// Drops the large fields. The lease stays, so that the task can still be given back.
    pub fn forget(&mut self) {
        self.task.task.payload = None;
        self.late_results.clear();
    }

    /// Gives the task back, because nobody learnt that it was claimed. `Err` says why that is not possible.
    fn give_back(&self) -> Result<(), String> {
        let HeldLease { queue, id, claimant } = &self.lease;
        let released = turn().and_then(|turn| Ok(queue.release(*id, claimant.clone(), 0, &turn)?));
        let ClaimRecord { claimer_run_id, expires_at, .. } = &self.claim;
        let kept = format!("{id} could not be given back and stays with {claimer_run_id:?} until {expires_at}");
        released.map(|_| ()).map_err(|failure| format!("{kept}: {}", failure.error))
    }
}

/// Gives tasks back, and says so. `None`: there are none.
pub fn given_back(claims: &[OneClaim]) -> Option<String> {
    if claims.is_empty() {
        return None;
    }
    let (mut given_back, mut kept) = (Vec::new(), Vec::new());
    for one_claim in claims {
        match one_claim.give_back() {
            Ok(()) => given_back.push(one_claim.lease.id.to_string()),
            Err(problem) => kept.push(problem),
        }
    }
    let given_back = (!given_back.is_empty())
        .then(|| format!("the claim was undone, and any agent can claim {}", given_back.join(", ")));
    Some(given_back.into_iter().chain(kept).collect::<Vec<_>>().join("; "))
}

impl NothingToClaim {
    /// Why there is nothing.
    pub fn new(
        request: &ClaimRequest,
        closed: &Closed,
        claims: Option<Vec<OneClaim>>,
        waited: Option<Duration>,
    ) -> NothingToClaim {
        let queue = if let [queue] = request.queues.as_slice() { Some(queue.clone()) } else { None };
        let queues = request.queues.iter().map(QueueName::to_string).collect();
        let Closed { paused, full, more_is_due } = closed.clone();
        let full = full.into_iter().map(|(queue, _)| queue).collect();
        let (reasons, chosen) = (closed.reasons(), !request.choice.is_any());
        NothingToClaim { status: "empty", queue, paused, full, more_is_due, claims, reasons, queues, chosen, waited }
    }

    fn text(&self, page: &mut Page) {
        let queues = if self.queues.is_empty() { "any".to_string() } else { self.queues.join(", ") };
        let chosen = if self.chosen { " with these tags" } else { "" };
        let waited = self.waited.map_or(String::new(), |time| format!(" after {:.1}s", time.as_secs_f64()));
        if self.reasons.is_empty() {
            page.line(format_args!("  Queue [{queues}] is empty — no pending tasks{chosen}{waited}."));
        } else {
            page.line(format_args!("  Nothing to claim{waited}, although tasks are waiting:"));
            self.reasons.iter().for_each(|reason| page.line(format_args!("  {reason}")));
        }
    }
}

impl Answer for ClaimAnswer {
    fn text(&self, page: &mut Page) {
        match self {
            ClaimAnswer::One(one_claim) => one_claim.text(page),
            ClaimAnswer::Several(SeveralClaims { claims }) => claims.iter().for_each(|one_claim| one_claim.text(page)),
            ClaimAnswer::Nothing(nothing) => nothing.text(page),
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            ClaimAnswer::One(_) | ClaimAnswer::Several(_) => 0,
            ClaimAnswer::Nothing(_) => 1,
        }
    }

    /// A claim that nobody learnt of would hold its task for the whole lease.
    fn take_back(&self) -> Option<String> {
        match self {
            ClaimAnswer::One(one_claim) => given_back(std::slice::from_ref(&**one_claim)),
            ClaimAnswer::Several(SeveralClaims { claims }) => given_back(claims),
            ClaimAnswer::Nothing(_) => None,
        }
    }

    fn is_nothing(&self) -> bool {
        matches!(self, ClaimAnswer::Nothing(_))
    }
}

impl OneClaim {
    /// For people.
    pub fn text(&self, page: &mut Page) {
        let OneClaim { claim, task: ClaimedTask { task, truncated }, late_results, left_out, .. } = self;
        page.line("🔒 Task claimed");
        page.field("Task ID", claim.task_id);
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
        if let Some(TruncatedPayload { payload_bytes, .. }) = truncated {
            page.field("Payload", format_args!("{payload_bytes} bytes, left out"));
        }
        tags_text(task, page);
        for part in left_out.iter().filter(|part| part.field != "payload") {
            page.field("Left out", part);
        }
        late_results_text(late_results, page);
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LeftOut { field, bytes, count } = self;
        match count {
            Some(count) => write!(f, "{count} of {field} ({bytes} bytes)"),
            None => write!(f, "{field} ({bytes} bytes)"),
        }
    }
}
