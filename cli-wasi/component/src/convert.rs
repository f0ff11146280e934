//! Values on their way in are checked here, before any file is touched; values on their way out are only renamed.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use coord_core::entry::Outcome;
use coord_core::json::{BadJson, JsonObject};
use coord_core::name::{ErrorMessage, Nonce, QueueName, RunId, Tag, Title};
use coord_core::queue::{self, ClaimRequest, Counts, Filter, Matching, NewTask, Status, WaitingClaim};
use coord_core::store::{StoreError, StoreErrorKind};
use coord_core::task::Task;
use coord_core::transition::{Refusal, Tenure};
use coord_core::{TaskId, limits};

use crate::bindings::exports::muse::coord::types::Error;
use crate::bindings::exports::muse::coord::{queue as wit, types};

/// The task that a caller describes, and what was cut off it.
pub(crate) fn new_task(new: wit::NewTask) -> Result<(NewTask, Vec<String>), Error> {
    let mut warnings = Vec::new();
    let (title, cut_from) = Title::cut(&new.title).map_err(bad_args)?;
    warnings.extend(cut_from.map(|chars| format!("title was cut from {chars} to {} characters", limits::TITLE_CHARS)));
    let queue = match new.queue {
        Some(queue) => queue_name(&queue)?,
        None => QueueName::default_queue(),
    };
    let ttl_seconds = new.ttl_seconds.map_or(limits::PENDING_TTL_SECONDS_DEFAULT, i64::from);
    let ttl_seconds = in_range("ttl-seconds", ttl_seconds, &limits::PENDING_TTL_SECONDS)?;
    let created_by = new.run_id.as_deref().unwrap_or("unknown").parse().map_err(bad_args)?;
    let tags = tags(&new.tags, &mut warnings)?;
    let payload = new.payload.as_deref().unwrap_or("{}");
    let payload = JsonObject::parse(payload).map_err(|error| Error::BadPayload(format!("the payload is {error}")))?;
    Ok((NewTask { title, priority: new.priority, queue, ttl_seconds, created_by, tags, payload }, warnings))
}

fn tags(words: &[String], warnings: &mut Vec<String>) -> Result<Vec<Tag>, Error> {
    if words.len() > limits::TAGS {
        return Err(bad_args(format!("too many tags: {} (max {})", words.len(), limits::TAGS)));
    }
    let mut cut = |word: &String| {
        let (tag, cut_from) = Tag::cut(word).map_err(bad_args)?;
        let warning =
            |chars| format!("tag {:?} was cut from {chars} to {} characters", tag.as_str(), limits::TAG_CHARS);
        warnings.extend(cut_from.map(warning));
        Ok(tag)
    };
    words.iter().map(&mut cut).collect()
}

/// The claim that a caller asks for.
pub(crate) fn claim(options: wit::ClaimOptions) -> Result<WaitingClaim, Error> {
    let run_id = run_id(options.run_id)?;
    let queue = options.queue.as_deref().map(queue_name).transpose()?;
    let lease_seconds = options.lease_seconds.map(lease_seconds).transpose()?;
    let wait = in_range("wait-seconds", i64::from(options.wait_seconds.unwrap_or(0)), &limits::WAIT_SECONDS)?;
    let lease_seconds = lease_seconds.unwrap_or(limits::CLAIM_TTL_SECONDS_DEFAULT);
    let request = ClaimRequest { run_id, queue, lease_seconds };
    Ok(WaitingClaim::new(request, Duration::from_secs(wait.unsigned_abs())))
}

/// Which tasks a caller wants to see.
pub(crate) fn filter(filter: wit::Filter) -> Result<Filter, Error> {
    let queue = filter.queue.as_deref().map(queue_name).transpose()?;
    let run_id = filter.run_id.as_deref().map(str::parse).transpose().map_err(bad_args)?;
    let limit = in_range("limit", filter.limit.map_or(limits::LIST_ITEMS_DEFAULT, i64::from), &limits::LIST_ITEMS)?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(Filter { status: filter.status.map(Status::from), queue, run_id, limit })
}

/// Who acts.
pub(crate) fn run_id(given: Option<String>) -> Result<RunId, Error> {
    let nobody =
        "run-id is missing: name the agent that acts, in 1 to 256 characters, as nothing here runs it as anybody";
    given.as_deref().ok_or(nobody).map_err(bad_args)?.parse().map_err(bad_args)
}

pub(crate) fn task_id(text: &str) -> Result<TaskId, Error> {
    TaskId::from_str(text).map_err(|error| Error::BadTaskId(error.to_string()))
}

pub(crate) fn claim_nonce(text: Option<String>) -> Result<Option<Nonce>, Error> {
    text.as_deref().map(str::parse).transpose().map_err(bad_args)
}

pub(crate) fn lease_seconds(seconds: u32) -> Result<i64, Error> {
    in_range("lease-seconds", i64::from(seconds), &limits::CLAIM_TTL_SECONDS)
}

/// What a holder reports in success.
pub(crate) fn result(text: String) -> Result<JsonObject, Error> {
    JsonObject::parse(&text).map_err(|error: BadJson| bad_args(format!("the result is {error}")))
}

/// What a holder reports in failure.
pub(crate) fn reason(text: String) -> Result<ErrorMessage, Error> {
    text.parse().map_err(bad_args)
}

fn queue_name(text: &str) -> Result<QueueName, Error> {
    text.parse().map_err(|error: <QueueName as FromStr>::Err| Error::BadQueue(error.to_string()))
}

fn in_range(name: &str, value: i64, range: &RangeInclusive<i64>) -> Result<i64, Error> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(bad_args(format!("{name} must be between {} and {}, got {value}", range.start(), range.end())))
}

fn bad_args(problem: impl Display) -> Error {
    Error::BadArgs(problem.to_string())
}

impl From<coord_core::Error> for Error {
    fn from(error: coord_core::Error) -> Error {
        use coord_core::Error as Core;
        let message = error.to_string();
        match error {
            Core::NotFound { id } => Error::NotFound(id.to_string()),
            Core::Refused { id, refusal, who } => refused(id, refusal, who, message),
            Core::UnsupportedFormat { .. } | Core::NoFormat { .. } => Error::UnsupportedFormat(message),
            Core::Store(StoreError { kind, .. }) => Error::IoError(types::IoError { kind: kind.into(), message }),
            Core::Corrupt { .. } | Core::Unencodable(_) | Core::NotAQueue { .. } | Core::Contended => {
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
        Refusal::NotDue | Refusal::WornOut => Error::Error(message),
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
