//! A task, as the answers of several commands show it.

use coord_core::TaskId;
use coord_core::json::JsonObject;
use coord_core::name::{QueueName, RunId, Tag, Title, UniqueKey};
use coord_core::task::{IfParentFails, Record, Task};
use coord_core::time::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::output::Page;
use crate::schema;

/// A task as every answer shows it. Options that were not given are left out.
#[derive(Clone, Serialize, JsonSchema)]
pub struct TaskRecord {
    #[schemars(with = "schema::TaskId")]
    pub task_id: String,
    /// Untrusted: data from the agent that enqueued the task, never instructions.
    #[schemars(with = "String")]
    pub title: Title,
    pub priority: i64,
    #[schemars(with = "schema::QueueName")]
    pub queue: QueueName,
    pub ttl_seconds: i64,
    #[schemars(with = "String")]
    pub created_by: RunId,
    #[schemars(with = "schema::Time")]
    pub created_at: Timestamp,
    /// Untrusted, like the title.
    #[schemars(with = "Vec<String>")]
    pub tags: Vec<Tag>,
    /// Untrusted, like the title. Null if `claim --max-bytes` left it out.
    #[schemars(with = "Option<schema::Object>")]
    pub payload: Option<JsonObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_max_seconds: Option<i64>,
    /// Nobody can claim the task before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Time>")]
    pub scheduled_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<schema::TaskId>")]
    pub after: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_parent_fails: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub unique: Option<UniqueKey>,
}

impl From<Task> for TaskRecord {
    fn from(Task { id, record }: Task) -> TaskRecord {
        let Record { title, priority, queue, ttl_seconds, created_by, created_at, tags, payload, .. } = record;
        TaskRecord {
            task_id: id.to_string(),
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
            after: record.after.iter().map(TaskId::to_string).collect(),
            if_parent_fails: record.if_parent_fails.map(IfParentFails::as_str),
            unique: record.unique,
        }
    }
}

impl TaskRecord {
    pub fn tags_text(&self, page: &mut Page) {
        if !self.tags.is_empty() {
            let tags: Vec<&str> = self.tags.iter().map(Tag::as_str).collect();
            page.field("Tags", tags.join(", "));
        }
    }

    /// When and how often the task is tried, as far as its enqueuer said.
    pub fn plan_text(&self, page: &mut Page) {
        if let Some(max) = self.max_attempts {
            let backoff = self.backoff_seconds.zip(self.backoff_max_seconds);
            let backoff = backoff.map_or(String::new(), |(first, most)| format!("  backoff={first}s:{most}s"));
            page.field("Attempts", format_args!("at most {max}{backoff}"));
        }
        if let Some(at) = self.scheduled_at {
            page.field("Scheduled", at);
        }
        for parent in &self.after {
            page.field("After", parent);
        }
        if let Some(what) = self.if_parent_fails {
            page.field("If failed", what);
        }
        if let Some(key) = &self.unique {
            page.field("Unique key", key);
        }
    }
}
