//! The answers about a task's record, its reports or many tasks, made of what the operations return. The other
//! operations return their answer itself.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::answer::{
    Change, Claimed, Completed, Enqueued, Item, Listing, ListingHead, Report, Shown, Task, Waited, WaitedFor,
};
use crate::counts::Counts;
use crate::id::TaskId;
use crate::queue::{self, Cursor, Progress, Settings};
use crate::status::Status;
use crate::task::{self, Record};

impl From<task::Task> for Task {
    fn from(task::Task { id, record }: task::Task) -> Task {
        let Record { title, priority, queue, ttl_seconds, created_by, created_at, tags, payload, .. } = record;
        Task {
            task_id: id,
            title,
            priority,
            queue,
            ttl_seconds,
            created_by,
            created_at,
            tags,
            payload: Some(payload),
            max_attempts: record.max_attempts,
            backoff_seconds: record.backoff.map(|backoff| backoff.seconds),
            backoff_max_seconds: record.backoff.map(|backoff| backoff.max_seconds),
            scheduled_at: record.scheduled_at,
            after: record.after,
            if_parent_fails: record.if_parent_fails,
            unique: record.unique,
        }
    }
}

impl From<queue::Enqueued> for Enqueued {
    fn from(queue::Enqueued { task, deduplicated }: queue::Enqueued) -> Enqueued {
        Enqueued { task: task.into(), deduplicated }
    }
}

impl From<queue::Claimed> for Claimed {
    fn from(queue::Claimed { task, record, late_results }: queue::Claimed) -> Claimed {
        Claimed { record, task: task.into(), late_results: reports(late_results) }
    }
}

impl From<queue::Completed> for Completed {
    fn from(queue::Completed { record, enqueued }: queue::Completed) -> Completed {
        Completed { record, enqueued: enqueued.into_iter().map(Enqueued::from).collect() }
    }
}

impl From<queue::Report> for Report {
    fn from(report: queue::Report) -> Report {
        Report {
            kind: report.kind,
            at: report.at,
            run_id: somebody(report.run_id),
            generation: report.generation,
            attempt: report.attempt,
            result: report.result,
            error: report.error,
            reason: report.reason,
            progress: report.progress,
            note: report.note,
            scheduled_at: report.scheduled_at,
            imported: false,
        }
    }
}

impl From<queue::Item> for Item {
    fn from(item: queue::Item) -> Item {
        let Progress { progress, note } = item.progress.unwrap_or_default();
        let scheduled_at = match item.status {
            Status::Scheduled => item.scheduled_at,
            Status::Blocked => item.task.record.scheduled_at,
            _ => None,
        };
        Item {
            task: Task { scheduled_at, ..item.task.into() },
            status: item.status,
            claimer_run_id: item.claimer_run_id,
            expires_at: item.expires_at,
            generation: item.generation,
            attempt: item.attempt,
            result: item.result,
            error: item.error,
            blocked_on: item.blocked_on,
            cancel: item.cancel_request,
            reason: item.reason,
            progress,
            note,
            ended_at: item.ended_at,
        }
    }
}

impl From<queue::Shown> for Shown {
    fn from(shown: queue::Shown) -> Shown {
        let imported_reports = shown.imported_reports;
        let mut history = reports(shown.history);
        history.iter_mut().take(imported_reports).for_each(|report| report.imported = true);
        Shown {
            item: shown.item.into(),
            history,
            late_results: reports(shown.late_results),
            imported_at: shown.imported.map(|import| import.at),
        }
    }
}

impl Listing {
    /// The tasks, and what is set for queues.
    pub fn new(listing: queue::Listing, limit: usize, settings: Settings) -> Listing {
        let head = ListingHead::new(listing.counts, limit, listing.next.as_ref(), settings);
        Listing { head, items: listing.items.into_iter().map(Item::from).collect() }
    }
}

impl ListingHead {
    /// Of a listing that goes on at `next`.
    pub fn new(counts: Counts, limit: usize, next: Option<&Cursor>, settings: Settings) -> ListingHead {
        let next_cursor = next.map(Cursor::to_string);
        let paused_queues = settings.paused.into_iter().collect();
        ListingHead { total: counts.total(), counts, limit, truncated: next.is_some(), next_cursor, paused_queues }
    }
}

impl From<queue::Waited> for Waited {
    fn from(waited: queue::Waited) -> Waited {
        let told = |(task_id, item): (TaskId, Option<queue::Item>)| WaitedFor { task_id, item: item.map(Item::from) };
        Waited { timed_out: !waited.is_over, items: waited.tasks.into_iter().map(told).collect() }
    }
}

impl From<queue::Change> for Change {
    fn from(queue::Change { id, item }: queue::Change) -> Change {
        Change { task_id: id, item: item.map(Item::from) }
    }
}

/// These reports, as answers give them.
fn reports(reports: Vec<queue::Report>) -> Vec<Report> {
    reports.into_iter().map(Report::from).collect()
}

/// Nobody, if the run id is empty: the end of another task did it, or the text of a request was lost.
pub(super) fn somebody(run_id: String) -> Option<String> {
    Some(run_id).filter(|run_id| !run_id.is_empty())
}
