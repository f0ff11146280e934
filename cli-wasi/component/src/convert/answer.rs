//! The core's answers as the records of `wit/types.wit`. Each literal names every field.

use coord_core::answer;
use coord_core::json::JsonObject;
use coord_core::queue::{Counts, ReportKind, Status};
use coord_core::task::IfParentFails;
use coord_core::{TaskId, Timestamp};

use crate::bindings::exports::muse::coord::types;

impl From<answer::Task> for types::Task {
    fn from(task: answer::Task) -> types::Task {
        let answer::Task {
            task_id, title, priority, queue, ttl_seconds, created_by, created_at, tags, payload, ..
        } = task;
        types::Task {
            task_id: task_id.to_string(),
            title: title.into(),
            priority,
            queue: queue.into(),
            ttl_seconds: seconds(ttl_seconds),
            created_by: created_by.into(),
            created_at: created_at.micros(),
            tags: tags.into_iter().map(String::from).collect(),
            payload: payload.as_ref().map(json_text).unwrap_or_default(),
            max_attempts: task.max_attempts,
            backoff_seconds: task.backoff_seconds.map(seconds),
            backoff_max_seconds: task.backoff_max_seconds.map(seconds),
            scheduled_at: task.scheduled_at.map(Timestamp::micros),
            after: task.after.iter().map(TaskId::to_string).collect(),
            if_parent_fails: task.if_parent_fails.map(Into::into),
            unique: task.unique.map(String::from),
        }
    }
}

/// A number of seconds, none of which is beyond what was once taken for it.
fn seconds(seconds: i64) -> u32 {
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

impl From<answer::Enqueued> for types::Enqueued {
    fn from(answer::Enqueued { task, deduplicated }: answer::Enqueued) -> types::Enqueued {
        types::Enqueued { task: task.into(), deduplicated }
    }
}

impl From<answer::Completed> for types::Completed {
    fn from(answer::Completed { record, enqueued }: answer::Completed) -> types::Completed {
        types::Completed { claim_record: record.into(), enqueued: enqueued.into_iter().map(Into::into).collect() }
    }
}

impl From<answer::Released> for types::Released {
    fn from(released: answer::Released) -> types::Released {
        let answer::Released { task_id, status, generation, attempt, scheduled_at } = released;
        types::Released {
            task_id: task_id.to_string(),
            status: status.into(),
            generation,
            attempt,
            scheduled_at: scheduled_at.map(Timestamp::micros),
        }
    }
}

impl From<answer::Retried> for types::Retried {
    fn from(answer::Retried { released, dependants, left }: answer::Retried) -> types::Retried {
        let stays = |answer::LeftCancelled { task_id, code: _, message }: answer::LeftCancelled| types::LeftCancelled {
            task_id: task_id.to_string(),
            message,
        };
        types::Retried {
            task: released.into(),
            dependants: dependants.iter().map(TaskId::to_string).collect(),
            left: left.into_iter().map(stays).collect(),
        }
    }
}

impl From<answer::ClaimRecord> for types::ClaimRecord {
    fn from(record: answer::ClaimRecord) -> types::ClaimRecord {
        let answer::ClaimRecord {
            task_id,
            claimer_run_id,
            claimed_at,
            expires_at,
            lease_seconds,
            status,
            heartbeat_at,
            claim_nonce,
            result,
            error,
            reason,
            generation,
            attempt,
            cancel,
            scheduled_at,
        } = record;
        types::ClaimRecord {
            task_id: task_id.to_string(),
            claimer_run_id,
            claimed_at: claimed_at.micros(),
            expires_at: expires_at.micros(),
            lease_seconds,
            status: status.into(),
            heartbeat_at: heartbeat_at.micros(),
            claim_nonce: claim_nonce.to_string(),
            result: result.as_ref().map(json_text),
            error: error.map(String::from),
            reason: reason.map(String::from),
            cancel_request: cancel_request(cancel),
            scheduled_at: scheduled_at.map(Timestamp::micros),
            generation,
            attempt,
        }
    }
}

impl From<answer::Item> for types::Item {
    fn from(item: answer::Item) -> types::Item {
        let answer::Item {
            task,
            status,
            claimer_run_id,
            expires_at,
            generation,
            attempt,
            result,
            error,
            blocked_on,
            cancel,
            reason,
            progress,
            note,
            ended_at,
        } = item;
        types::Item {
            task: task.into(),
            status: status.into(),
            claimer_run_id,
            expires_at: expires_at.map(Timestamp::micros),
            generation,
            attempt,
            blocked_on: blocked_on.map(|id| id.to_string()),
            cancel_request: cancel.and_then(cancel_request),
            reason: reason.map(String::from),
            progress,
            note: note.map(String::from),
            ended_at: ended_at.map(Timestamp::micros),
            result: result.as_ref().map(json_text),
            error: error.map(String::from),
        }
    }
}

/// The fields of a request to stop come together or not at all, so they are a record of their own.
fn cancel_request(request: answer::CancelRequest) -> Option<types::CancelRequest> {
    let answer::CancelRequest { cancel_requested, cancel_requested_by, cancel_reason } = request;
    cancel_requested.then_some(types::CancelRequest { run_id: cancel_requested_by, reason: cancel_reason })
}

impl From<answer::Report> for types::Report {
    fn from(report: answer::Report) -> types::Report {
        let answer::Report { kind, at, run_id, generation, attempt, result, error, reason, progress, note, .. } =
            report;
        types::Report {
            kind: kind.into(),
            run_id,
            at: at.micros(),
            generation,
            attempt,
            result: result.as_ref().map(json_text),
            error: error.map(String::from),
            reason: reason.map(String::from),
            progress,
            note: note.map(String::from),
            scheduled_at: report.scheduled_at.map(Timestamp::micros),
            imported: report.imported,
        }
    }
}

/// These reports, in their order.
pub(crate) fn reports(reports: Vec<answer::Report>) -> Vec<types::Report> {
    reports.into_iter().map(Into::into).collect()
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

impl From<answer::Shown> for types::Shown {
    fn from(answer::Shown { item, history, late_results, imported_at }: answer::Shown) -> types::Shown {
        types::Shown {
            item: item.into(),
            history: reports(history),
            late_results: reports(late_results),
            imported_at: imported_at.map(Timestamp::micros),
        }
    }
}

/// Without what the caller has said, or `settings` tells.
impl From<answer::Listing> for types::Listing {
    fn from(answer::Listing { head, items }: answer::Listing) -> types::Listing {
        let answer::ListingHead { counts, truncated, next_cursor, total: _, limit: _, paused_queues: _ } = head;
        types::Listing {
            counts: counts.into(),
            items: items.into_iter().map(Into::into).collect(),
            truncated,
            next_cursor,
        }
    }
}

impl From<answer::Waited> for types::Waited {
    fn from(answer::Waited { timed_out, items }: answer::Waited) -> types::Waited {
        let told = |answer::WaitedFor { task_id, item }: answer::WaitedFor| types::WaitedFor {
            task_id: task_id.to_string(),
            item: item.map(Into::into),
        };
        types::Waited { timed_out, items: items.into_iter().map(told).collect() }
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

impl From<IfParentFails> for types::IfParentFails {
    fn from(what: IfParentFails) -> types::IfParentFails {
        match what {
            IfParentFails::Block => types::IfParentFails::Block,
            IfParentFails::Cancel => types::IfParentFails::Cancel,
            IfParentFails::Run => types::IfParentFails::Run,
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
