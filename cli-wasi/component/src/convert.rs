//! Values are only renamed here, on their way in and out: [`coord_core::request`] checks them.

use coord_core::TaskId;
use coord_core::entry::Outcome;
use coord_core::json::JsonObject;
use coord_core::name::ErrorMessage;
use coord_core::queue::{self, Counts, Matching, Status};
use coord_core::request::{BadRequest, ClaimDraft, Draft, FilterDraft, Words};
use coord_core::store::{StoreError, StoreErrorKind};
use coord_core::task::Task;
use coord_core::transition::{Refusal, Tenure};

use crate::bindings::exports::muse::coord::types::Error;
use crate::bindings::exports::muse::coord::{queue as wit, types};

/// What the values are called here.
const WORDS: Words = Words {
    run_id: "run-id",
    ttl_seconds: "ttl-seconds",
    lease_seconds: "lease-seconds",
    wait_seconds: "wait-seconds",
    limit: "limit",
    max_attempts: "max-attempts",
    backoff: "backoff-seconds",
    delay: "delay-seconds",
    payload: "payload",
    result: "result",
    error: "reason",
};

impl From<BadRequest> for Error {
    fn from(bad: BadRequest) -> Error {
        let message = bad.message(&WORDS).to_string();
        match bad.code() {
            "bad_payload" => Error::BadPayload(message),
            "bad_queue" => Error::BadQueue(message),
            "bad_task_id" => Error::BadTaskId(message),
            _ => Error::BadArgs(message),
        }
    }
}

impl From<wit::NewTask> for Draft {
    fn from(new: wit::NewTask) -> Draft {
        let wit::NewTask { title, priority, queue, ttl_seconds, run_id, tags, payload } = new;
        Draft { title, priority, run_id, ttl_seconds: ttl_seconds.map(i64::from), payload, tags, queue, ..Draft::default() }
    }
}

impl From<wit::ClaimOptions> for ClaimDraft {
    fn from(options: wit::ClaimOptions) -> ClaimDraft {
        let wit::ClaimOptions { run_id, queue, lease_seconds, wait_seconds } = options;
        let (lease_seconds, wait_seconds) = (lease_seconds.map(i64::from), wait_seconds.map(i64::from));
        ClaimDraft { run_id, lease_seconds, wait_seconds, queues: queue.into_iter().collect(), ..ClaimDraft::default() }
    }
}

impl From<wit::Filter> for FilterDraft {
    fn from(filter: wit::Filter) -> FilterDraft {
        let wit::Filter { status, queue, run_id, limit } = filter;
        FilterDraft { status: status.map(Status::from), queue, run_id, limit: limit.map(i64::from), ..FilterDraft::default() }
    }
}

impl From<coord_core::Error> for Error {
    fn from(error: coord_core::Error) -> Error {
        use coord_core::Error as Core;
        let message = error.to_string();
        match error {
            Core::NotFound { id } | Core::NoParent { id } => Error::NotFound(id.to_string()),
            Core::Refused { id, refusal, who } => refused(id, refusal, who, message),
            Core::UnsupportedFormat { .. } | Core::NoFormat { .. } => Error::UnsupportedFormat(message),
            Core::Store(StoreError { kind, .. }) => Error::IoError(types::IoError { kind: kind.into(), message }),
            Core::KeyTaken { .. } | Core::Corrupt { .. } | Core::Unencodable(_) | Core::NotAQueue { .. } | Core::Contended => {
                Error::Error(message)
            }
        }
    }
}

fn refused(id: TaskId, refusal: Refusal, who: Option<String>, message: String) -> Error {
    let task_id = id.to_string();
    let tenure = |Tenure { generation, claimed_at, expires_at, .. }: Tenure, who: Option<String>| types::Tenure {
        task_id: id.to_string(),
        run_id: who.unwrap_or_default(),
        generation,
        claimed_at: claimed_at.micros(),
        expires_at: expires_at.micros(),
    };
    match refusal {
        Refusal::NotClaimed => Error::NotClaimed(task_id),
        Refusal::WrongOwner(holder) => Error::WrongOwner(tenure(holder, who)),
        Refusal::LeaseLost(holder) => Error::LeaseLost(tenure(holder, who)),
        Refusal::AlreadyEnded { outcome, ended_at, .. } => Error::AlreadyTerminal(types::Ending {
            task_id,
            status: status_of(outcome),
            ended_at: ended_at.micros(),
            run_id: who,
        }),
        Refusal::NotDue | Refusal::NotEnded | Refusal::WornOut => Error::Error(message),
    }
}

fn status_of(outcome: Outcome) -> types::Status {
    match outcome {
        Outcome::Completed => types::Status::Completed,
        Outcome::Failed => types::Status::Failed,
        Outcome::Cancelled => types::Status::Cancelled,
        Outcome::Expired => types::Status::Expired,
    }
}

impl From<StoreErrorKind> for types::IoErrorKind {
    fn from(kind: StoreErrorKind) -> types::IoErrorKind {
        match kind {
            StoreErrorKind::ReadOnly => types::IoErrorKind::ReadOnly,
            StoreErrorKind::Denied => types::IoErrorKind::Denied,
            StoreErrorKind::Full => types::IoErrorKind::Full,
            StoreErrorKind::WrongType => types::IoErrorKind::WrongType,
            StoreErrorKind::Other => types::IoErrorKind::Other,
        }
    }
}

impl From<types::Status> for Status {
    fn from(status: types::Status) -> Status {
        match status {
            types::Status::Scheduled => Status::Scheduled,
            types::Status::Blocked => Status::Blocked,
            types::Status::Pending => Status::Pending,
            types::Status::Claimed => Status::Claimed,
            types::Status::TimedOut => Status::TimedOut,
            types::Status::Completed => Status::Completed,
            types::Status::Failed => Status::Failed,
            types::Status::Cancelled => Status::Cancelled,
            types::Status::Expired => Status::Expired,
        }
    }
}

impl From<Status> for types::Status {
    fn from(status: Status) -> types::Status {
        match status {
            Status::Scheduled => types::Status::Scheduled,
            Status::Blocked => types::Status::Blocked,
            Status::Pending => types::Status::Pending,
            Status::Claimed => types::Status::Claimed,
            Status::TimedOut => types::Status::TimedOut,
            Status::Completed => types::Status::Completed,
            Status::Failed => types::Status::Failed,
            Status::Cancelled => types::Status::Cancelled,
            Status::Expired => types::Status::Expired,
        }
    }
}

impl From<Task> for types::Task {
    fn from(Task { id, record }: Task) -> types::Task {
        types::Task {
            task_id: id.to_string(),
            title: record.title.as_str().to_string(),
            priority: record.priority,
            queue: record.queue.as_str().to_string(),
            ttl_seconds: u32::try_from(record.ttl_seconds).unwrap_or(u32::MAX),
            created_by: record.created_by.as_str().to_string(),
            created_at: record.created_at.micros(),
            tags: record.tags.iter().map(|tag| tag.as_str().to_string()).collect(),
            payload: record.payload.text().to_string(),
        }
    }
}

impl From<queue::ClaimRecord> for types::ClaimRecord {
    fn from(record: queue::ClaimRecord) -> types::ClaimRecord {
        types::ClaimRecord {
            task_id: record.task_id.to_string(),
            claimer_run_id: record.claimer_run_id,
            claimed_at: record.claimed_at.micros(),
            expires_at: record.expires_at.micros(),
            status: record.status.into(),
            heartbeat_at: record.heartbeat_at.micros(),
            claim_nonce: record.claim_nonce.to_string(),
            result: record.result.as_ref().map(json_text),
            error: record.error.as_ref().map(error_text),
            generation: record.generation,
            attempt: record.attempt,
        }
    }
}

impl From<queue::Item> for types::Item {
    fn from(item: queue::Item) -> types::Item {
        types::Item {
            task: item.task.into(),
            status: item.status.into(),
            claimer_run_id: item.claimer_run_id,
            expires_at: item.expires_at.map(coord_core::Timestamp::micros),
            generation: item.generation,
            attempt: item.attempt,
            result: item.result.as_ref().map(json_text),
            error: item.error.as_ref().map(error_text),
        }
    }
}

impl From<queue::Listing> for wit::Listing {
    fn from(listing: queue::Listing) -> wit::Listing {
        let truncated = match listing.matching {
            Matching::Exactly(count) => count > listing.items.len(),
            Matching::MoreThan(_) => true,
        };
        wit::Listing {
            counts: listing.counts.into(),
            items: listing.items.into_iter().map(Into::into).collect(),
            truncated,
        }
    }
}

impl From<Counts> for types::Counts {
    fn from(counts: Counts) -> types::Counts {
        types::Counts {
            scheduled: counts.of(Status::Scheduled),
            blocked: counts.of(Status::Blocked),
            pending: counts.of(Status::Pending),
            claimed: counts.of(Status::Claimed),
            timed_out: counts.of(Status::TimedOut),
            completed: counts.of(Status::Completed),
            failed: counts.of(Status::Failed),
            cancelled: counts.of(Status::Cancelled),
            expired: counts.of(Status::Expired),
        }
    }
}

fn json_text(json: &JsonObject) -> String {
    json.text().to_string()
}

fn error_text(error: &ErrorMessage) -> String {
    error.as_str().to_string()
}
