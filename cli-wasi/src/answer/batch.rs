//! What became of several tasks that were enqueued at once.

use coord_core::TaskId;
use coord_core::queue::Enqueued;
use schemars::JsonSchema;
use serde::Serialize;

use crate::output::Page;
use crate::schema;

/// What became of the lines, as JSON has it.
#[derive(Serialize, JsonSchema)]
pub struct BatchAnswer {
    /// How many tasks are new.
    enqueued: usize,
    /// How many were there before, under the same unique key.
    deduplicated: usize,
    /// One for each line.
    tasks: Vec<BatchedTask>,
}

#[derive(Serialize, JsonSchema)]
struct BatchedTask {
    #[schemars(with = "schema::TaskId")]
    task_id: String,
    deduplicated: bool,
}

impl BatchAnswer {
    /// What the queue answered, in the order of the lines.
    pub fn new(tasks: Vec<(TaskId, bool)>) -> BatchAnswer {
        let deduplicated = tasks.iter().filter(|(_, deduplicated)| *deduplicated).count();
        let tasks: Vec<_> =
            tasks.into_iter().map(|(id, deduplicated)| BatchedTask { task_id: id.to_string(), deduplicated }).collect();
        BatchAnswer { enqueued: tasks.len() - deduplicated, deduplicated, tasks }
    }

    /// Says it to people: how many, and which.
    pub fn text(&self, page: &mut Page) {
        page.field("Enqueued", self.enqueued);
        if self.deduplicated > 0 {
            page.field("There", format_args!("{} before, under the same unique key", self.deduplicated));
        }
        for BatchedTask { task_id, deduplicated } in &self.tasks {
            page.line(format_args!("  {task_id}{}", if *deduplicated { " (there before)" } else { "" }));
        }
    }
}

/// What is kept of a task that was enqueued.
pub fn outcome(enqueued: &Enqueued) -> (TaskId, bool) {
    (enqueued.task.id, enqueued.deduplicated)
}
