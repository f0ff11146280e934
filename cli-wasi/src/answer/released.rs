//! A task that can be claimed again, because its holder released it or an agent retried it.

use coord_core::Queue;
use coord_core::queue;
use coord_core::time::Timestamp;
use coord_store::DirStore;
use schemars::JsonSchema;
use serde::Serialize;

use super::changed::Subject;
use crate::output::{Answer, Page};
use crate::schema;

#[derive(Serialize, JsonSchema)]
pub struct ReleaseAnswer {
    #[schemars(with = "schema::TaskId")]
    task_id: String,
    #[schemars(with = "schema::StatusName")]
    pub status: &'static str,
    generation: u32,
    attempt: u32,
    /// When the task can be claimed, unless it can be claimed now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Time>")]
    scheduled_at: Option<Timestamp>,
    #[serde(skip)]
    subject: Subject,
    #[serde(skip)]
    heading: &'static str,
}

impl ReleaseAnswer {
    /// The queue's answer, under this heading.
    pub fn new(released: queue::Released, heading: &'static str, queue: &Queue<DirStore>) -> ReleaseAnswer {
        let queue::Released { task_id, status, generation, attempt, scheduled_at } = released;
        let subject = Subject::new(task_id, queue);
        let (task_id, status) = (task_id.to_string(), status.as_str());
        ReleaseAnswer { task_id, status, generation, attempt, scheduled_at, subject, heading }
    }
}

impl Answer for ReleaseAnswer {
    fn text(&self, page: &mut Page) {
        self.subject.text(self.heading, page);
        if let Some(at) = self.scheduled_at {
            page.field("Scheduled", at);
        }
    }
}
