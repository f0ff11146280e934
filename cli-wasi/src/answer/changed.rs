//! A claim that a command changed, with the task that it is about.

use coord_core::answer::ClaimRecord;
use coord_core::task::Record;
use coord_core::{Queue, TaskId};
use schemars::JsonSchema;
use serde::Serialize;

use crate::medium::QueueStore;
use crate::output::Page;

/// A claim that a command changed, with the task for its text.
#[derive(Serialize, JsonSchema)]
pub struct ChangedClaim {
    #[serde(flatten)]
    pub record: ClaimRecord,
    #[serde(skip)]
    subject: Subject,
}

/// The task of a command, for its text. `record` is `None` if the record cannot be read.
pub struct Subject {
    task_id: String,
    record: Option<Record>,
}

impl ChangedClaim {
    /// The queue's answer, with the task that it is about.
    pub fn new(record: ClaimRecord, queue: &Queue<QueueStore>) -> ChangedClaim {
        let subject = Subject::new(record.task_id, queue);
        ChangedClaim { record, subject }
    }

    /// The lines that all these commands begin with.
    pub fn text(&self, heading: &str, page: &mut Page) {
        self.subject.text(heading, page);
        page.field("By", &self.record.claimer_run_id);
    }

    /// How many attempts the task may have, if that is limited.
    pub fn max_attempts(&self) -> Option<u32> {
        self.subject.record.as_ref().and_then(|record| record.max_attempts)
    }
}

impl Subject {
    /// Reads the task.
    pub fn new(id: TaskId, queue: &Queue<QueueStore>) -> Subject {
        // The command has taken effect. `tasks` reports a record that is torn or unreadable.
        let task = queue.task(id).ok().flatten();
        Subject { task_id: id.to_string(), record: task.map(|task| task.record) }
    }

    /// The heading and the task.
    pub fn text(&self, heading: &str, page: &mut Page) {
        page.line(heading);
        page.field("Task ID", &self.task_id);
        if let Some(Record { title, queue, .. }) = &self.record {
            page.field("Title", title);
            page.field("Queue", queue);
        }
    }
}
