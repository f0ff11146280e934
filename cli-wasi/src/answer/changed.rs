//! A claim that a command changed, with the task that it is about.

use coord_core::queue;
use coord_core::task::Record;
use coord_core::{Queue, TaskId};
use coord_store::DirStore;
use schemars::JsonSchema;
use serde::Serialize;

use super::claim_record::ClaimRecord;
use crate::output::Page;

/// A claim that a command changed, with what its text says of the task.
#[derive(Serialize, JsonSchema)]
pub struct ChangedClaim {
    #[serde(flatten)]
    pub record: ClaimRecord,
    #[serde(skip)]
    subject: Subject,
}

/// The task that a command was about, as its text shows it, as far as its record can be read.
pub struct Subject {
    task_id: String,
    record: Option<Record>,
}

impl ChangedClaim {
    /// What the queue answered, and what it says of the task.
    pub fn new(record: queue::ClaimRecord, queue: &Queue<DirStore>) -> ChangedClaim {
        let subject = Subject::new(record.task_id, queue);
        ChangedClaim { record: record.into(), subject }
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
    /// What the queue says of the task.
    pub fn new(id: TaskId, queue: &Queue<DirStore>) -> Subject {
        // The command has taken effect. That the record is torn or unreadable is for `tasks` to say.
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
