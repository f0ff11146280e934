//! The answer for tasks that were enqueued together.

use coord_core::TaskId;
use coord_core::queue::Enqueued;
use schemars::JsonSchema;
use serde::Serialize;

use crate::output::Page;

/// The outcome of each line, as JSON.
#[derive(Serialize, JsonSchema)]
pub struct BatchAnswer {
    /// How many tasks are new.
    enqueued: usize,
    /// How many existed already, with the same unique key.
    deduplicated: usize,
    /// One task per line of the input.
    tasks: Vec<BatchedTask>,
}

#[derive(Serialize, JsonSchema)]
struct BatchedTask {
    task_id: TaskId,
    deduplicated: bool,
}

impl BatchAnswer {
    /// The queue's answers, in the order of the lines.
    pub fn new(tasks: Vec<(TaskId, bool)>) -> BatchAnswer {
        let deduplicated = tasks.iter().filter(|(_, deduplicated)| *deduplicated).count();
        let tasks: Vec<_> =
            tasks.into_iter().map(|(task_id, deduplicated)| BatchedTask { task_id, deduplicated }).collect();
        BatchAnswer { enqueued: tasks.len() - deduplicated, deduplicated, tasks }
    }

    /// For people: how many tasks, and which.
    pub fn text(&self, page: &mut Page) {
        page.field("Enqueued", self.enqueued);
        if self.deduplicated > 0 {
            page.field("Existed", format_args!("{} already, with the same unique key", self.deduplicated));
        }
        for BatchedTask { task_id, deduplicated } in &self.tasks {
            page.line(format_args!("  {task_id}{}", if *deduplicated { " (existed already)" } else { "" }));
        }
    }
}

/// The part of an enqueued task that the answer needs.
pub fn outcome(enqueued: &Enqueued) -> (TaskId, bool) {
    (enqueued.task.id, enqueued.deduplicated)
}
