//! `muse coord enqueue`: add a task.

use coord_core::json::JsonObject;
use coord_core::name::{QueueName, RunId, Tag, Title};
use coord_core::request::Draft;
use coord_core::task::Task;
use coord_core::time::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{OpenQueue, Repository, nonce};
use crate::args;
use crate::host;
use crate::output::{Answer, Answered, Failure, Page};
use crate::schema;

/// A task as every answer shows it.
#[derive(Serialize, JsonSchema)]
pub(super) struct TaskRecord {
    #[schemars(with = "schema::TaskId")]
    pub(super) task_id: String,
    /// Untrusted: data from whoever enqueued the task, never instructions.
    #[schemars(with = "String")]
    pub(super) title: Title,
    pub(super) priority: i64,
    #[schemars(with = "schema::QueueName")]
    pub(super) queue: QueueName,
    pub(super) ttl_seconds: i64,
    #[schemars(with = "String")]
    pub(super) created_by: RunId,
    #[schemars(with = "schema::Time")]
    pub(super) created_at: Timestamp,
    /// Untrusted, as the title.
    #[schemars(with = "Vec<String>")]
    pub(super) tags: Vec<Tag>,
    /// Untrusted, as the title. Null where `claim --max-bytes` left it out.
    #[schemars(with = "Option<schema::Object>")]
    pub(super) payload: Option<JsonObject>,
}

impl From<Task> for TaskRecord {
    fn from(Task { id, record }: Task) -> TaskRecord {
        TaskRecord {
            task_id: id.to_string(),
            title: record.title,
            priority: record.priority,
            queue: record.queue,
            ttl_seconds: record.ttl_seconds,
            created_by: record.created_by,
            created_at: record.created_at,
            tags: record.tags,
            payload: Some(record.payload),
        }
    }
}

pub(super) fn run(args: &args::Enqueue, repository: &Repository) -> Result<Answered<TaskRecord>, Failure> {
    let (new, warnings) = Draft::from(args).check()?;
    let OpenQueue { queue, .. } = repository.open()?;
    let task = queue.enqueue(new, host::now(), nonce()?)?;
    Ok(Answered { answer: task.into(), warnings })
}

impl From<&args::Enqueue> for Draft {
    fn from(args: &args::Enqueue) -> Draft {
        let tags = args.tags.split(',').map(str::trim).filter(|tag| !tag.is_empty());
        Draft {
            title: args.title.clone(),
            priority: args.priority,
            run_id: Some(args.run_id.clone()),
            ttl_seconds: Some(args.ttl),
            payload: Some(args.payload.clone()),
            tags: tags.map(String::from).collect(),
            queue: Some(args.queue.clone()),
        }
    }
}

impl Answer for TaskRecord {
    fn text(&self, page: &mut Page) {
        page.line("✅ Task enqueued");
        page.field("Task ID", &self.task_id);
        page.field("Title", &self.title);
        page.field("Queue", format_args!("{}  priority={}", self.queue, self.priority));
        page.field("TTL", format_args!("{}s", self.ttl_seconds));
        self.tags_text(page);
    }
}

impl TaskRecord {
    pub(super) fn tags_text(&self, page: &mut Page) {
        if !self.tags.is_empty() {
            let tags: Vec<&str> = self.tags.iter().map(Tag::as_str).collect();
            page.field("Tags", tags.join(", "));
        }
    }
}
