//! `muse coord enqueue`: add a task.

use coord_core::json::{BadJson, JsonObject};
use coord_core::limits;
use coord_core::name::{QueueName, RunId, Tag, Title};
use coord_core::queue::NewTask;
use coord_core::task::Task;
use coord_core::time::Timestamp;
use serde::Serialize;

use super::{OpenQueue, Repository, bad_args, bad_queue, in_range, nonce};
use crate::args;
use crate::host;
use crate::output::{Answer, Answered, Failure, Page};

/// A task as every answer shows it.
#[derive(Serialize)]
pub(super) struct TaskRecord {
    pub(super) task_id: String,
    pub(super) title: Title,
    pub(super) priority: i64,
    pub(super) queue: QueueName,
    pub(super) ttl_seconds: i64,
    pub(super) created_by: RunId,
    pub(super) created_at: Timestamp,
    pub(super) tags: Vec<Tag>,
    pub(super) payload: JsonObject,
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
            payload: record.payload,
        }
    }
}

pub(super) fn run(args: &args::Enqueue, repository: &Repository) -> Result<Answered<TaskRecord>, Failure> {
    let mut warnings = Vec::new();
    let new = parse(args, &mut warnings)?;
    let OpenQueue { queue, .. } = repository.open()?;
    let task = queue.enqueue(new, host::now(), nonce()?)?;
    Ok(Answered { answer: task.into(), warnings })
}

fn parse(args: &args::Enqueue, warnings: &mut Vec<String>) -> Result<NewTask, Failure> {
    let (title, cut_from) = Title::cut(&args.title).map_err(bad_args)?;
    warnings.extend(cut_from.map(|chars| cut_warning("title", chars, limits::TITLE_CHARS)));
    let created_by = args.run_id.parse().map_err(bad_args)?;
    let ttl_seconds = in_range("--ttl", args.ttl, &limits::PENDING_TTL_SECONDS)?;
    let payload = payload(&args.payload)?;
    let tags = tags(&args.tags, warnings)?;
    let queue = args.queue.parse().map_err(bad_queue)?;
    Ok(NewTask { title, priority: args.priority, queue, ttl_seconds, created_by, tags, payload })
}

/// The contract has the payload's size checked before its content, and that of a result after it.
fn payload(text: &str) -> Result<JsonObject, Failure> {
    if text.len() > limits::JSON_BYTES {
        return Err(bad_args(format!("--payload is {}", BadJson::TooLarge { bytes: text.len() })));
    }
    JsonObject::parse(text).map_err(|error| Failure::new("bad_payload", format!("invalid --payload: {error}")))
}

fn tags(text: &str, warnings: &mut Vec<String>) -> Result<Vec<Tag>, Failure> {
    let words: Vec<&str> = text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
    if words.len() > limits::TAGS {
        return Err(bad_args(format!("too many tags: {} (max {})", words.len(), limits::TAGS)));
    }
    let mut tags = Vec::new();
    for word in words {
        let (tag, cut_from) = Tag::cut(word).map_err(bad_args)?;
        warnings
            .extend(cut_from.map(|chars| cut_warning(&format!("tag {:?}", tag.as_str()), chars, limits::TAG_CHARS)));
        tags.push(tag);
    }
    Ok(tags)
}

fn cut_warning(what: &str, chars: usize, max: usize) -> String {
    format!("{what} was cut from {chars} to {max} characters")
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
