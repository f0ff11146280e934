//! What the caller asks for, as the drafts that the core checks.

use coord_core::Timestamp;
use coord_core::queue::{Sort, Status, Until};
use coord_core::request::{ClaimDraft, Draft, FilterDraft};
use coord_core::task::IfParentFails;
use coord_core::transition::IfHeld;

use crate::bindings::exports::muse::coord::types;

impl From<types::NewTask> for Draft {
    fn from(new: types::NewTask) -> Draft {
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

impl From<types::ClaimOptions> for ClaimDraft {
    fn from(options: types::ClaimOptions) -> ClaimDraft {
        let types::ClaimOptions { run_id, queues, lease_seconds, wait_seconds, tags, any_tags, exclude_tags } = options;
        let (lease_seconds, wait_seconds) = (lease_seconds.map(i64::from), wait_seconds.map(i64::from));
        ClaimDraft { run_id, lease_seconds, wait_seconds, queues, tags, any_tags, exclude_tags }
    }
}

impl From<types::Filter> for FilterDraft {
    fn from(filter: types::Filter) -> FilterDraft {
        let types::Filter { status, queue, run_id, tags, since, ended_since, sort, cursor, limit } = filter;
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

impl From<types::Sort> for Sort {
    fn from(sort: types::Sort) -> Sort {
        match sort {
            types::Sort::Claim => Sort::Claim,
            types::Sort::Created => Sort::Created,
            types::Sort::CreatedLast => Sort::CreatedLast,
            types::Sort::Ended => Sort::Ended,
            types::Sort::EndedLast => Sort::EndedLast,
        }
    }
}

impl From<types::IfHeld> for IfHeld {
    fn from(if_held: types::IfHeld) -> IfHeld {
        match if_held {
            types::IfHeld::Refuse => IfHeld::Refuse,
            types::IfHeld::Request => IfHeld::Request,
            types::IfHeld::Force => IfHeld::Force,
        }
    }
}

impl From<types::Until> for Until {
    fn from(until: types::Until) -> Until {
        match until {
            types::Until::All => Until::All,
            types::Until::Any => Until::Any,
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
