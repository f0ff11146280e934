//! The values that the agent's import and the library's export each have a type of their own for.

use crate::bindings::exports::muse::coord::queue as library;
use crate::bindings::muse::coord::queue as agent;
use crate::bindings::muse::coord::types::{Counts, Item, Status};

/// A task to be added.
pub(super) fn new_task(new: agent::NewTask) -> library::NewTask {
    library::NewTask {
        title: new.title,
        priority: new.priority,
        queue: new.queue,
        ttl_seconds: new.ttl_seconds,
        run_id: new.run_id,
        tags: new.tags,
        payload: new.payload,
        max_attempts: new.max_attempts,
        backoff_seconds: new.backoff_seconds,
        backoff_max_seconds: new.backoff_max_seconds,
        delay_seconds: new.delay_seconds,
        at: new.at,
        after: new.after,
        if_parent_fails: new.if_parent_fails,
        unique: new.unique,
    }
}

/// A claim.
pub(super) fn claim_options(options: agent::ClaimOptions) -> library::ClaimOptions {
    library::ClaimOptions {
        run_id: options.run_id,
        queues: options.queues,
        lease_seconds: options.lease_seconds,
        wait_seconds: options.wait_seconds,
        tags: options.tags,
        any_tags: options.any_tags,
        exclude_tags: options.exclude_tags,
    }
}

/// How to put a task back.
pub(super) fn retry_options(options: agent::RetryOptions) -> library::RetryOptions {
    library::RetryOptions { now: options.now, cascade: options.cascade }
}

/// A task that was put back.
pub(super) fn retried(retried: library::Retried) -> agent::Retried {
    agent::Retried { task: retried.task, dependants: retried.dependants }
}

/// Which tasks to list.
pub(super) fn filter(filter: agent::Filter) -> library::Filter {
    library::Filter {
        status: filter.status,
        queue: filter.queue,
        run_id: filter.run_id,
        tags: filter.tags,
        since: filter.since,
        ended_since: filter.ended_since,
        sort: filter.sort.map(sort),
        cursor: filter.cursor,
        limit: filter.limit,
    }
}

/// All tasks of a queue, up to a number.
pub(super) fn every_task(queue: Option<String>, limit: u32) -> library::Filter {
    library::Filter {
        status: None,
        queue,
        run_id: None,
        tags: Vec::new(),
        since: None,
        ended_since: None,
        sort: None,
        cursor: None,
        limit: Some(limit),
    }
}

fn sort(sort: agent::Sort) -> library::Sort {
    match sort {
        agent::Sort::Claim => library::Sort::Claim,
        agent::Sort::Created => library::Sort::Created,
        agent::Sort::CreatedLast => library::Sort::CreatedLast,
        agent::Sort::Ended => library::Sort::Ended,
        agent::Sort::EndedLast => library::Sort::EndedLast,
    }
}

/// What to do to a task that another agent holds.
pub(super) fn if_held(if_held: agent::IfHeld) -> library::IfHeld {
    match if_held {
        agent::IfHeld::Refuse => library::IfHeld::Refuse,
        agent::IfHeld::Request => library::IfHeld::Request,
        agent::IfHeld::Force => library::IfHeld::Force,
    }
}

/// How many tasks have to end.
pub(super) fn until(until: agent::Until) -> library::Until {
    match until {
        agent::Until::All => library::Until::All,
        agent::Until::Any => library::Until::Any,
    }
}

/// A task that is in the queue.
pub(super) fn enqueued(library::Enqueued { task, deduplicated }: library::Enqueued) -> agent::Enqueued {
    agent::Enqueued { task, deduplicated }
}

/// As [`enqueued`], of several.
pub(super) fn all_enqueued(all: Vec<library::Enqueued>) -> Vec<agent::Enqueued> {
    all.into_iter().map(enqueued).collect()
}

/// A task that was completed.
pub(super) fn completed(library::Completed { claim_record, enqueued }: library::Completed) -> agent::Completed {
    agent::Completed { claim_record, enqueued: all_enqueued(enqueued) }
}

/// A task, and what was reported of it.
pub(super) fn shown(library::Shown { item, history, late_results }: library::Shown) -> agent::Shown {
    agent::Shown { item, history, late_results }
}

/// The tasks there are.
pub(super) fn listing(listing: library::Listing) -> agent::Listing {
    let library::Listing { counts, items, truncated, next_cursor } = listing;
    agent::Listing { counts, items, truncated, next_cursor }
}

/// How many of these have each status.
pub(super) fn counts(items: &[Item]) -> Counts {
    let of = |status: Status| items.iter().filter(|item| item.status == status).count() as u64;
    Counts {
        scheduled: of(Status::Scheduled),
        blocked: of(Status::Blocked),
        pending: of(Status::Pending),
        claimed: of(Status::Claimed),
        timed_out: of(Status::TimedOut),
        completed: of(Status::Completed),
        failed: of(Status::Failed),
        cancelled: of(Status::Cancelled),
        expired: of(Status::Expired),
    }
}
