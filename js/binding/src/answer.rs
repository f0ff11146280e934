//! What the queue answers, as JSON: the command line's fields in camel case, times in microseconds since 1970.
//!
//! A payload and a result are texts in it. JavaScript would round the numbers in them; so it can be given them as they
//! are.

use coord_core::json::JsonObject;
use coord_core::name::{ErrorMessage, Note, QueueName, Tag, UniqueKey};
use coord_core::queue::{self, Counts, Finding, Listing, Matching, Progress, Status};
use coord_core::{Error, TaskId, Timestamp, task};
use serde::{Serialize, Serializer};

/// An answer, and what was not as it should be on the way.
#[derive(Serialize)]
pub(crate) struct Answered<T> {
    pub(crate) answer: T,
    pub(crate) warnings: Vec<String>,
}

/// A task as it was enqueued.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Task {
    task_id: String,
    title: String,
    priority: i64,
    queue: String,
    ttl_seconds: i64,
    created_by: String,
    created_at: u64,
    tags: Vec<String>,
    max_attempts: Option<u32>,
    backoff_seconds: Option<i64>,
    backoff_max_seconds: Option<i64>,
    scheduled_at: Option<u64>,
    after: Vec<String>,
    if_parent_fails: &'static str,
    unique: Option<String>,
    payload_text: String,
}

/// A task that is in the queue.
#[derive(Serialize)]
pub(crate) struct Enqueued {
    #[serde(flatten)]
    task: Task,
    deduplicated: bool,
}

/// Who has a task, or had it last.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClaimRecord {
    task_id: String,
    claimer_run_id: String,
    claimed_at: u64,
    expires_at: u64,
    status: &'static str,
    heartbeat_at: u64,
    claim_nonce: String,
    result_text: Option<String>,
    error: Option<String>,
    reason: Option<String>,
    cancel_request: Option<CancelRequest>,
    scheduled_at: Option<u64>,
    generation: u32,
    attempt: u32,
}

/// Who asks the holder of a task to stop.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CancelRequest {
    run_id: Option<String>,
    reason: Option<String>,
}

/// A claim and its task.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Lease {
    task: Task,
    record: ClaimRecord,
    late_results: Vec<Report>,
}

/// A task that was completed, and those that followed.
#[derive(Serialize)]
pub(crate) struct Completed {
    record: ClaimRecord,
    enqueued: Vec<Enqueued>,
}

/// A task that waits again.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Released {
    task_id: String,
    status: &'static str,
    generation: u32,
    attempt: u32,
    scheduled_at: Option<u64>,
}

/// A task that was put back, and others with it.
#[derive(Serialize)]
pub(crate) struct Retried {
    #[serde(flatten)]
    released: Released,
    dependants: Vec<String>,
    left: Vec<Left>,
}

/// A task that was cancelled because of one that was put back, and stays so.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Left {
    task_id: String,
    code: &'static str,
    message: String,
}

/// What somebody reported on a task.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    kind: &'static str,
    run_id: Option<String>,
    at: u64,
    generation: u32,
    attempt: u32,
    result_text: Option<String>,
    error: Option<String>,
    reason: Option<String>,
    progress: Option<f64>,
    note: Option<String>,
    scheduled_at: Option<u64>,
}

/// A task and where it stands.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Item {
    #[serde(flatten)]
    task: Task,
    status: &'static str,
    claimer_run_id: Option<String>,
    expires_at: Option<u64>,
    generation: u32,
    attempt: u32,
    blocked_on: Option<String>,
    cancel_request: Option<CancelRequest>,
    progress: Option<f64>,
    note: Option<String>,
    ended_at: Option<u64>,
    result_text: Option<String>,
    error: Option<String>,
    reason: Option<String>,
}

/// A task, where it stands, and all that was reported of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shown {
    #[serde(flatten)]
    item: Item,
    history: Vec<Report>,
    late_results: Vec<Report>,
}

/// The tasks there are.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tasks {
    total: u64,
    #[serde(serialize_with = "by_status")]
    counts: Counts,
    limit: usize,
    truncated: bool,
    next_cursor: Option<String>,
    items: Vec<Item>,
}

/// What became of tasks that somebody waited for.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Waited {
    items: Vec<Option<Item>>,
    timed_out: bool,
}

/// A task that is not as it was.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Change {
    task_id: String,
    item: Option<Item>,
}

/// How many tasks there are, where they stand, and how long they take.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stats {
    total: u64,
    #[serde(serialize_with = "by_status")]
    counts: Counts,
    window_seconds: i64,
    queues: Vec<QueueStats>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct QueueStats {
    queue: String,
    #[serde(serialize_with = "by_status")]
    counts: Counts,
    oldest_pending_since: Option<u64>,
    wait_seconds: Option<Percentiles>,
    run_seconds: Option<Percentiles>,
    paused: bool,
    max_in_flight: Option<u32>,
}

#[derive(Serialize)]
struct Percentiles {
    count: u64,
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

/// What was removed.
#[derive(Serialize)]
pub(crate) struct Collected {
    removed: u64,
    kept: u64,
}

impl<T> Answered<T> {
    /// An answer on the way to which all was as it should be.
    pub(crate) fn clean(answer: T) -> Answered<T> {
        Answered::with(answer, &[])
    }

    pub(crate) fn with(answer: T, findings: &[Finding]) -> Answered<T> {
        Answered { answer, warnings: findings.iter().map(ToString::to_string).collect() }
    }
}

impl Tasks {
    pub(crate) fn new(listing: Listing, limit: usize) -> Tasks {
        let truncated = match listing.matching {
            Matching::Exactly(count) => count > listing.items.len(),
            Matching::MoreThan(_) => true,
        };
        let items = listing.items.into_iter().map(Item::from).collect();
        let next_cursor = listing.next.map(|cursor| cursor.to_string());
        Tasks { total: listing.counts.total(), counts: listing.counts, limit, truncated, next_cursor, items }
    }
}

impl From<task::Task> for Task {
    fn from(task::Task { id, record }: task::Task) -> Task {
        let backoff = record.max_attempts.map(|_| record.backoff.unwrap_or_default());
        Task {
            task_id: id.to_string(),
            title: record.title.into(),
            priority: record.priority,
            queue: record.queue.into(),
            ttl_seconds: record.ttl_seconds,
            created_by: record.created_by.into(),
            created_at: record.created_at.micros(),
            tags: record.tags.into_iter().map(Tag::into).collect(),
            max_attempts: record.max_attempts,
            backoff_seconds: backoff.map(|backoff| backoff.seconds),
            backoff_max_seconds: backoff.map(|backoff| backoff.max_seconds),
            scheduled_at: record.scheduled_at.map(Timestamp::micros),
            after: record.after.iter().map(TaskId::to_string).collect(),
            if_parent_fails: record.if_parent_fails.unwrap_or_default().as_str(),
            unique: record.unique.map(UniqueKey::into),
            payload_text: record.payload.text().to_string(),
        }
    }
}

impl From<queue::Enqueued> for Enqueued {
    fn from(enqueued: queue::Enqueued) -> Enqueued {
        Enqueued { task: enqueued.task.into(), deduplicated: enqueued.deduplicated }
    }
}

impl From<queue::ClaimRecord> for ClaimRecord {
    fn from(record: queue::ClaimRecord) -> ClaimRecord {
        ClaimRecord {
            task_id: record.task_id.to_string(),
            claimer_run_id: record.claimer_run_id,
            claimed_at: record.claimed_at.micros(),
            expires_at: record.expires_at.micros(),
            status: record.status.as_str(),
            heartbeat_at: record.heartbeat_at.micros(),
            claim_nonce: record.claim_nonce.to_string(),
            result_text: text_of(record.result),
            error: record.error.map(ErrorMessage::into),
            reason: record.reason.map(String::from),
            cancel_request: record.cancel_request.map(CancelRequest::from),
            scheduled_at: record.scheduled_at.map(Timestamp::micros),
            generation: record.generation,
            attempt: record.attempt,
        }
    }
}

impl From<queue::CancelRequest> for CancelRequest {
    fn from(request: queue::CancelRequest) -> CancelRequest {
        CancelRequest { run_id: somebody(request.run_id), reason: request.reason }
    }
}

impl From<queue::Claimed> for Lease {
    fn from(claimed: queue::Claimed) -> Lease {
        let late_results = claimed.late_results.into_iter().map(Report::from).collect();
        Lease { task: claimed.task.into(), record: claimed.record.into(), late_results }
    }
}

impl From<queue::Completed> for Completed {
    fn from(completed: queue::Completed) -> Completed {
        let enqueued = completed.enqueued.into_iter().map(Enqueued::from).collect();
        Completed { record: completed.record.into(), enqueued }
    }
}

impl From<queue::Released> for Released {
    fn from(released: queue::Released) -> Released {
        Released {
            task_id: released.task_id.to_string(),
            status: released.status.as_str(),
            generation: released.generation,
            attempt: released.attempt,
            scheduled_at: released.scheduled_at.map(Timestamp::micros),
        }
    }
}

impl From<queue::Retried> for Retried {
    fn from(retried: queue::Retried) -> Retried {
        Retried {
            released: retried.released.into(),
            dependants: retried.dependants.iter().map(TaskId::to_string).collect(),
            left: retried.left.into_iter().map(Left::from).collect(),
        }
    }
}

impl From<(TaskId, Error)> for Left {
    fn from((id, error): (TaskId, Error)) -> Left {
        Left { task_id: id.to_string(), code: error.code(), message: error.to_string() }
    }
}

impl From<queue::Report> for Report {
    fn from(report: queue::Report) -> Report {
        Report {
            kind: report.kind.as_str(),
            run_id: somebody(report.run_id),
            at: report.at.micros(),
            generation: report.generation,
            attempt: report.attempt,
            result_text: text_of(report.result),
            error: report.error.map(ErrorMessage::into),
            reason: report.reason.map(Note::into),
            progress: report.progress,
            note: report.note.map(Note::into),
            scheduled_at: report.scheduled_at.map(Timestamp::micros),
        }
    }
}

impl From<queue::Item> for Item {
    fn from(item: queue::Item) -> Item {
        let Progress { progress, note } = item.progress.unwrap_or_default();
        Item {
            task: Task { scheduled_at: item.scheduled_at.map(Timestamp::micros), ..item.task.into() },
            status: item.status.as_str(),
            claimer_run_id: item.claimer_run_id,
            expires_at: item.expires_at.map(Timestamp::micros),
            generation: item.generation,
            attempt: item.attempt,
            blocked_on: item.blocked_on.map(|id| id.to_string()),
            cancel_request: item.cancel_request.map(CancelRequest::from),
            progress,
            note: note.map(Note::into),
            ended_at: item.ended_at.map(Timestamp::micros),
            result_text: text_of(item.result),
            error: item.error.map(ErrorMessage::into),
            reason: item.reason.map(Note::into),
        }
    }
}

impl From<queue::Shown> for Shown {
    fn from(shown: queue::Shown) -> Shown {
        Shown {
            item: shown.item.into(),
            history: shown.history.into_iter().map(Report::from).collect(),
            late_results: shown.late_results.into_iter().map(Report::from).collect(),
        }
    }
}

impl From<queue::Waited> for Waited {
    fn from(waited: queue::Waited) -> Waited {
        let items = waited.tasks.into_iter().map(|(_, item)| item.map(Item::from)).collect();
        Waited { items, timed_out: !waited.is_over }
    }
}

impl From<queue::Change> for Change {
    fn from(change: queue::Change) -> Change {
        Change { task_id: change.id.to_string(), item: change.item.map(Item::from) }
    }
}

impl From<queue::Stats> for Stats {
    fn from(stats: queue::Stats) -> Stats {
        let queues = stats.queues.into_iter().map(|(name, stats)| QueueStats::new(name, stats)).collect();
        Stats { total: stats.counts.total(), counts: stats.counts, window_seconds: stats.window_seconds, queues }
    }
}

impl QueueStats {
    fn new(name: QueueName, stats: queue::QueueStats) -> QueueStats {
        QueueStats {
            queue: name.into(),
            counts: stats.counts,
            oldest_pending_since: stats.oldest_pending_since.map(Timestamp::micros),
            wait_seconds: stats.wait.map(Percentiles::from),
            run_seconds: stats.run.map(Percentiles::from),
            paused: stats.is_paused,
            max_in_flight: stats.max_in_flight,
        }
    }
}

impl From<queue::Percentiles> for Percentiles {
    fn from(spread: queue::Percentiles) -> Percentiles {
        let seconds = |micros: u64| micros as f64 / 1_000_000.0;
        let queue::Percentiles { count, p50, p90, p99, max } = spread;
        Percentiles { count, p50: seconds(p50), p90: seconds(p90), p99: seconds(p99), max: seconds(max) }
    }
}

impl From<queue::Collected> for Collected {
    fn from(collected: queue::Collected) -> Collected {
        Collected { removed: collected.removed, kept: collected.kept }
    }
}

fn text_of(object: Option<JsonObject>) -> Option<String> {
    object.map(|object| object.text().to_string())
}

/// Nobody, if the run id is empty: what became of another task, or a request whose text was lost.
fn somebody(run_id: String) -> Option<String> {
    Some(run_id).filter(|run_id| !run_id.is_empty())
}

fn by_status<S: Serializer>(counts: &Counts, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(Status::ALL.map(|status| (status.as_str(), counts.of(status))))
}
