//! What the queue answers, as JSON: the command line's fields in camel case, times in microseconds since 1970.
//!
//! A payload and a result are texts in it. JavaScript would round the numbers in them; so it can be given them as they are.

use coord_core::name::Tag;
use coord_core::queue::{self, Counts, Finding, Listing, Matching, Status};
use coord_core::task;
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
    payload_text: String,
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
    generation: u32,
    attempt: u32,
}

/// A claim and its task.
#[derive(Serialize)]
pub(crate) struct Lease {
    task: Task,
    record: ClaimRecord,
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
    result_text: Option<String>,
    error: Option<String>,
}

/// The tasks there are.
#[derive(Serialize)]
pub(crate) struct Tasks {
    #[serde(flatten)]
    stats: Stats,
    limit: usize,
    truncated: bool,
    items: Vec<Item>,
}

/// How many tasks there are, and where they stand.
#[derive(Serialize)]
pub(crate) struct Stats {
    total: u64,
    #[serde(serialize_with = "by_status")]
    counts: Counts,
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

impl From<Counts> for Stats {
    fn from(counts: Counts) -> Stats {
        Stats { total: counts.total(), counts }
    }
}

impl Tasks {
    pub(crate) fn new(listing: Listing, limit: usize) -> Tasks {
        let truncated = match listing.matching {
            Matching::Exactly(count) => count > listing.items.len(),
            Matching::MoreThan(_) => true,
        };
        let items = listing.items.into_iter().map(Item::from).collect();
        Tasks { stats: listing.counts.into(), limit, truncated, items }
    }
}

impl From<task::Task> for Task {
    fn from(task::Task { id, record }: task::Task) -> Task {
        Task {
            task_id: id.to_string(),
            title: record.title.into(),
            priority: record.priority,
            queue: record.queue.into(),
            ttl_seconds: record.ttl_seconds,
            created_by: record.created_by.into(),
            created_at: record.created_at.micros(),
            tags: record.tags.into_iter().map(Tag::into).collect(),
            payload_text: record.payload.text().to_string(),
        }
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
            result_text: record.result.map(|result| result.text().to_string()),
            error: record.error.map(String::from),
            generation: record.generation,
            attempt: record.attempt,
        }
    }
}

impl Lease {
    pub(crate) fn new(task: task::Task, record: queue::ClaimRecord) -> Lease {
        Lease { task: task.into(), record: record.into() }
    }
}

impl From<queue::Item> for Item {
    fn from(item: queue::Item) -> Item {
        Item {
            task: item.task.into(),
            status: item.status.as_str(),
            claimer_run_id: item.claimer_run_id,
            expires_at: item.expires_at.map(coord_core::Timestamp::micros),
            generation: item.generation,
            attempt: item.attempt,
            result_text: item.result.map(|result| result.text().to_string()),
            error: item.error.map(String::from),
        }
    }
}

fn by_status<S: Serializer>(counts: &Counts, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(Status::ALL.map(|status| (status.as_str(), counts.of(status))))
}
