//! A task that can be claimed again, because its holder released it or an agent retried it.

use coord_core::Queue;
use coord_core::answer::Released;
use schemars::JsonSchema;
use serde::Serialize;

use super::changed::Subject;
use crate::medium::QueueStore;
use crate::output::{Answer, Page};

#[derive(Serialize, JsonSchema)]
pub struct ReleaseAnswer {
    #[serde(flatten)]
    released: Released,
    #[serde(skip)]
    subject: Subject,
    #[serde(skip)]
    heading: &'static str,
}

impl ReleaseAnswer {
    /// The queue's answer, under this heading.
    pub fn new(released: Released, heading: &'static str, queue: &Queue<QueueStore>) -> ReleaseAnswer {
        ReleaseAnswer { subject: Subject::new(released.task_id, queue), released, heading }
    }
}

impl Answer for ReleaseAnswer {
    fn text(&self, page: &mut Page) {
        self.subject.text(self.heading, page);
        if let Some(at) = self.released.scheduled_at {
            page.field("Scheduled", at);
        }
    }
}
