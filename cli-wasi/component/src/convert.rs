//! Values are only renamed here, on their way in and out: [`coord_core::request`] checks them.

use coord_core::json::JsonObject;
use coord_core::queue::{
    self, CancelRequest, Completed, Counts, Enqueued, Matching, Progress, Released, Report, ReportKind, Sort, Status,
    Until, Waited,
};
use coord_core::request::{BadRequest, ClaimDraft, Draft, FieldNames, FilterDraft};
use coord_core::store::{StoreError, StoreErrorKind};
use coord_core::task::{IfParentFails, Task};
use coord_core::transition::{CurrentHolder, IfHeld, Refusal, Standing};
use coord_core::{TaskId, Timestamp};

use crate::bindings::exports::muse::coord::types::Error;
use crate::bindings::exports::muse::coord::{queue as wit, types};

/// What the values are called here.
const FIELD_NAMES: FieldNames = FieldNames {
    run_id: "run-id",
    ttl_seconds: "ttl-seconds",
    lease_seconds: "lease-seconds",
    wait_seconds: "wait-seconds",
    limit: "limit",
    max_attempts: "max-attempts",
    backoff: "backoff-seconds",
    delay: "delay-seconds",
    after: "after",
    if_parent_fails: "if-parent-fails",
    payload: "payload",
    result: "result",
    error: "reason",
};

impl From<BadRequest> for Error {
    fn from(bad: BadRequest) -> Error {
        refusal(&bad, bad.message(&FIELD_NAMES).to_string())
    }
}

/// The refusal of a value that stands at `place` among several.
pub(crate) fn at_place(place: &str, bad: &BadRequest) -> Error {
    refusal(bad, format!("{place}: {}", bad.message(&FIELD_NAMES)))
}

fn refusal(bad: &BadRequest, message: String) -> Error {
    match bad.code() {
        "bad_payload" => Error::BadPayload(message),
        "bad_queue" => Error::BadQueue(message),
        "bad_task_id" => Error::BadTaskId(message),
        _ => Error::BadArgs(message),
    }
}

impl From<wit::NewTask> for Draft {
    fn from(new: wit::NewTask) -> Draft {
        Draft {
            title: new.title,
            priority: new.priority,
            run_id: new.run_id,
            ttl_seconds: new.ttl_seconds.map(i64::from),
            payload: new.payload,
            tags: new.tags,
            queue: new.queue,
            max_attempts: new.max_attempts.map(i64::from),
            backoff_seconds: new.backoff_seconds.map(i64::from),
            backoff_max_seconds: new.backoff_max_seconds.map(i64::from),
            delay_seconds: new.delay_seconds.map(i64::from),
            at: new.at.map(time_text),
            after: new.after,
            if_parent_fails: new.if_parent_fails.map(|what| IfParentFails::from(what).as_str().to_string()),
            unique: new.unique,
        }
    }
}

impl From<wit::ClaimOptions> for ClaimDraft {
    fn from(options: wit::ClaimOptions) -> ClaimDraft {
        let wit::ClaimOptions { run_id, queues, lease_seconds, wait_seconds, tags, any_tags, exclude_tags } = options;
        let (lease_seconds, wait_seconds) = (lease_seconds.map(i64::from), wait_seconds.map(i64::from));
        ClaimDraft { run_id, lease_seconds, wait_seconds, queues, tags, any_tags, exclude_tags }
    }
}

impl From<wit::Filter> for FilterDraft {
    fn from(filter: wit::Filter) -> FilterDraft {
        let wit::Filter { status, queue, run_id, tags, since, ended_since, sort, cursor, limit } = filter;
        FilterDraft {
            status: status.map(Status::from),
            queue,
            run_id,
            tags,
            since: since.map(time_text),
            ended_since: ended_since.map(time_text),
            sort: sort.map(|sort| Sort::from(sort).as_str().to_string()),
            cursor,
            limit: limit.map(i64::from),
        }
    }
}

/// As a draft has it.
fn time_text(micros: u64) -> String {
    Timestamp::from_micros(micros).to_string()
}

impl From<wit::Sort> for Sort {
    fn from(sort: wit::Sort) -> Sort {
        match sort {
            wit::Sort::Claim => Sort::Claim,
            wit::Sort::Created => Sort::Created,
            wit::Sort::CreatedLast => Sort::CreatedLast,
            wit::Sort::Ended => Sort::Ended,
            wit::Sort::EndedLast => Sort::EndedLast,
        }
    }
}

impl From<wit::IfHeld> for IfHeld {
    fn from(if_held: wit::IfHeld) -> IfHeld {
        match if_held {
            wit::IfHeld::Refuse => IfHeld::Refuse,
            wit::IfHeld::Request => IfHeld::Request,
            wit::IfHeld::Force => IfHeld::Force,
        }
    }
}

impl From<wit::Until> for Until {
    fn from(until: wit::Until) -> Until {
        match until {
            wit::Until::All => Until::All,
            wit::Until::Any => Until::Any,
        }
    }
}

impl From<types::IfParentFails> for IfParentFails {
    fn from(what: types::IfParentFails) -> IfParentFails {
        match what {
            types::IfParentFails::Block => IfParentFails::Block,
            types::IfParentFails::Cancel => IfParentFails::Cancel,
            types::IfParentFails::Run => IfParentFails::Run,
        }
    }
}

impl From<IfParentFails> for types::IfParentFails {
    fn from(what: IfParentFails) -> types::IfParentFails {
        match what {
            IfParentFails::Block => types::IfParentFails::Block,
            IfParentFails::Cancel => types::IfParentFails::Cancel,
            IfParentFails::Run => types::IfParentFails::Run,
        }
    }
}

impl From<coord_core::Error> for Error {
    fn from(error: coord_core::Error) -> Error {
        use coord_core::Error as Core;
        let message = error.to_string();
        match error {
            Core::NotFound { id } | Core::NoParent { id } => Error::NotFound(id.to_string()),
            Core::Refused { id, refusal, who } => refused(id, refusal, who, message),
            Core::KeyTaken { id, status, by } => Error::KeyTaken(types::TakenKey {
                task_id: id.to_string(),
                status: status.into(),
                live_task_id: by.to_string(),
            }),
            Core::UnsupportedFormat { .. } | Core::UnsupportedFeature { .. } | Core::NoFormat { .. } => {
                Error::UnsupportedFormat(message)
            }
            Core::Store(StoreError { kind, .. }) => Error::IoError(types::IoError { kind: kind.into(), message }),
            Core::Unknown(StoreError { kind, .. }) => Error::Unknown(types::IoError { kind: kind.into(), message }),
            Core::WaitsInVain { .. }
            | Core::Corrupt { .. }
            | Core::Unencodable(_)
            | Core::NotAQueue { .. }
            | Core::TooMuchReported { .. }
            | Core::Contended => Error::Error(message),
        }
    }
}

fn refused(id: TaskId, refusal: Refusal, who: Option<String>, message: String) -> Error {
    let task_id = id.to_string();
    let current = |CurrentHolder { status, generation, claimed_at, expires_at, .. }: CurrentHolder,
                   who: Option<String>| types::CurrentHolder {
        task_id: id.to_string(),
        status: status.into(),
        run_id: who.unwrap_or_default(),
        generation,
        claimed_at: claimed_at.micros(),
        expires_at: expires_at.micros(),
    };
    match refusal {
        Refusal::NotClaimed(standing) => Error::NotClaimed(stands(id, standing)),
        Refusal::NotEnded(standing) => Error::NotTerminal(stands(id, standing)),
        Refusal::WrongOwner(holder) => Error::WrongOwner(current(holder, who)),
        Refusal::LeaseLost(holder) => Error::LeaseLost(current(holder, who)),
        Refusal::AlreadyEnded { outcome, ended_at, .. } => Error::AlreadyTerminal(types::Ending {
            task_id,
            status: Status::from(outcome).into(),
            ended_at: ended_at.micros(),
            run_id: who,
        }),
        Refusal::NotDue | Refusal::TooManyTransitions => Error::Error(message),
    }
}

fn stands(id: TaskId, Standing { status, due, blocked_on }: Standing) -> types::Standing {
    types::Standing {
        task_id: id.to_string(),
        status: status.into(),
        scheduled_at: due.map(Timestamp::micros),
        blocked_on: blocked_on.map(|id| id.to_string()),
    }
}

impl From<StoreErrorKind> for types::IoErrorKind {
    fn from(kind: StoreErrorKind) -> types::IoErrorKind {
        match kind {
            StoreErrorKind::ReadOnly => types::IoErrorKind::ReadOnly,
            StoreErrorKind::Denied => types::IoErrorKind::Denied,
            StoreErrorKind::Full => types::IoErrorKind::Full,
            StoreErrorKind::WrongType => types::IoErrorKind::WrongType,
            StoreErrorKind::TooManyOpen | StoreErrorKind::Other => types::IoErrorKind::Other,
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
            ttl_seconds: seconds(record.ttl_seconds),
            created_by: record.created_by.as_str().to_string(),
            created_at: record.created_at.micros(),
            tags: record.tags.iter().map(|tag| tag.as_str().to_string()).collect(),
            payload: record.payload.text().to_string(),
            max_attempts: record.max_attempts,
            backoff_seconds: record.backoff.map(|backoff| seconds(backoff.seconds)),
            backoff_max_seconds: record.backoff.map(|backoff| seconds(backoff.max_seconds)),
            scheduled_at: record.scheduled_at.map(Timestamp::micros),
            after: record.after.iter().map(TaskId::to_string).collect(),
            if_parent_fails: record.if_parent_fails.map(Into::into),
            unique: record.unique.map(String::from),
        }
    }
}

/// A number of seconds, none of which is beyond what was once taken for it.
fn seconds(seconds: i64) -> u32 {
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

impl From<Enqueued> for wit::Enqueued {
    fn from(Enqueued { task, deduplicated }: Enqueued) -> wit::Enqueued {
        wit::Enqueued { task: task.into(), deduplicated }
    }
}

impl From<Completed> for wit::Completed {
    fn from(Completed { record, enqueued }: Completed) -> wit::Completed {
        wit::Completed { claim_record: record.into(), enqueued: enqueued.into_iter().map(Into::into).collect() }
    }
}

impl From<Released> for types::Released {
    fn from(Released { task_id, status, generation, attempt, scheduled_at }: Released) -> types::Released {
        types::Released {
            task_id: task_id.to_string(),
            status: status.into(),
            generation,
            attempt,
            scheduled_at: scheduled_at.map(Timestamp::micros),
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
            error: record.error.map(String::from),
            reason: record.reason.map(String::from),
            cancel_request: record.cancel_request.map(Into::into),
            scheduled_at: record.scheduled_at.map(Timestamp::micros),
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
            expires_at: item.expires_at.map(Timestamp::micros),
            generation: item.generation,
            attempt: item.attempt,
            scheduled_at: item.scheduled_at.map(Timestamp::micros),
            blocked_on: item.blocked_on.map(|id| id.to_string()),
            cancel_request: item.cancel_request.map(Into::into),
            reason: item.reason.map(String::from),
            progress: item.progress.map(Into::into),
            ended_at: item.ended_at.map(Timestamp::micros),
            result: item.result.as_ref().map(json_text),
            error: item.error.map(String::from),
        }
    }
}

impl From<CancelRequest> for types::CancelRequest {
    fn from(CancelRequest { run_id, reason }: CancelRequest) -> types::CancelRequest {
        types::CancelRequest { run_id, reason }
    }
}

impl From<Progress> for types::Progress {
    fn from(Progress { progress, note }: Progress) -> types::Progress {
        types::Progress { progress, note: note.map(String::from) }
    }
}

impl From<&Report> for types::Report {
    fn from(report: &Report) -> types::Report {
        types::Report {
            kind: report.kind.into(),
            run_id: report.run_id.clone(),
            at: report.at.micros(),
            generation: report.generation,
            attempt: report.attempt,
            result: report.result.as_ref().map(json_text),
            error: report.error.clone().map(String::from),
            reason: report.reason.clone().map(String::from),
            progress: report.progress,
            note: report.note.clone().map(String::from),
            scheduled_at: report.scheduled_at.map(Timestamp::micros),
        }
    }
}

impl From<ReportKind> for types::ReportKind {
    fn from(kind: ReportKind) -> types::ReportKind {
        match kind {
            ReportKind::Completed => types::ReportKind::Completed,
            ReportKind::Failed => types::ReportKind::Failed,
            ReportKind::TimedOut => types::ReportKind::TimedOut,
            ReportKind::Released => types::ReportKind::Released,
            ReportKind::Cancelled => types::ReportKind::Cancelled,
            ReportKind::CancelRequested => types::ReportKind::CancelRequested,
            ReportKind::Progress => types::ReportKind::Progress,
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
            next_cursor: listing.next.map(|cursor| cursor.to_string()),
        }
    }
}

impl From<Waited> for wit::Waited {
    fn from(Waited { tasks, is_over, .. }: Waited) -> wit::Waited {
        let told = |(id, item): (TaskId, Option<queue::Item>)| wit::WaitedFor {
            task_id: id.to_string(),
            item: item.map(Into::into),
        };
        wit::Waited { timed_out: !is_over, items: tasks.into_iter().map(told).collect() }
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
