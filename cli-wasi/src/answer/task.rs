//! The text of a task, as several commands show it.

use coord_core::answer::Task;
use coord_core::name::Tag;

use crate::output::Page;

/// The task's tags, if it has any.
pub fn tags_text(task: &Task, page: &mut Page) {
    if !task.tags.is_empty() {
        let tags: Vec<&str> = task.tags.iter().map(Tag::as_str).collect();
        page.field("Tags", tags.join(", "));
    }
}

/// When and how often the task is tried, as far as its enqueuer said.
pub fn plan_text(task: &Task, page: &mut Page) {
    if let Some(max) = task.max_attempts {
        let backoff = task.backoff_seconds.zip(task.backoff_max_seconds);
        let backoff = backoff.map_or(String::new(), |(first, most)| format!("  backoff={first}s:{most}s"));
        page.field("Attempts", format_args!("at most {max}{backoff}"));
    }
    if let Some(at) = task.scheduled_at {
        page.field("Scheduled", at);
    }
    for parent in &task.after {
        page.field("After", parent);
    }
    if let Some(what) = task.if_parent_fails {
        page.field("If failed", what.as_str());
    }
    if let Some(key) = &task.unique {
        page.field("Unique key", key);
    }
}
