//! The text of a task and its status, and the names of its fields.

use coord_core::answer::Item;
use coord_core::queue::Status;

use super::cancel_request;
use crate::output::Page;

/// The fields of an [`Item`], as `--fields` takes them.
pub const FIELDS: [&str; 31] = [
    "task_id",
    "title",
    "priority",
    "queue",
    "ttl_seconds",
    "created_by",
    "created_at",
    "tags",
    "payload",
    "max_attempts",
    "backoff_seconds",
    "backoff_max_seconds",
    "scheduled_at",
    "after",
    "if_parent_fails",
    "unique",
    "status",
    "claimer_run_id",
    "expires_at",
    "generation",
    "attempt",
    "result",
    "error",
    "blocked_on",
    "cancel_requested",
    "cancel_requested_by",
    "cancel_reason",
    "reason",
    "progress",
    "note",
    "ended_at",
];

/// The task's status, line by line.
pub fn details(item: &Item, page: &mut Page) {
    if let Some(parent) = &item.blocked_on {
        page.field("Blocked on", parent);
    }
    if let Some(run_id) = &item.claimer_run_id {
        page.field("Claimer", run_id);
    }
    if let Some(at) = item.expires_at.filter(|_| item.ended_at.is_none()) {
        page.field("Lease to", at);
    }
    if let Some(progress) = item.progress {
        page.field("Progress", format_args!("{:.0} %", progress * 100.0));
    }
    if let Some(note) = &item.note {
        page.field("Note", note);
    }
    if let Some(request) = &item.cancel {
        page.line("  🛑 Cancel requested: the holder is asked to stop");
        cancel_request::details(request, page);
    }
    if let Some(at) = item.ended_at {
        page.field("Ended", at);
    }
    if let Some(result) = &item.result {
        page.field("Result", result.text());
    }
    if let Some(error) = &item.error {
        page.field("Error", error);
    }
    if let Some(reason) = &item.reason {
        page.field("Reason", reason);
    }
}

/// What stands in front of a status.
pub fn icon(status: Status) -> &'static str {
    match status {
        Status::Scheduled => "📅",
        Status::Blocked => "🚧",
        Status::Pending => "⏳",
        Status::Claimed => "🔒",
        Status::TimedOut => "⏰",
        Status::Completed => "✅",
        Status::Failed => "❌",
        Status::Cancelled => "🚫",
        Status::Expired => "⌛",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_a_task_can_be_asked_for() {
        let schema = schemars::SchemaGenerator::default().into_root_schema_for::<Item>();
        let mut described: Vec<&str> =
            schema.get("properties").unwrap().as_object().unwrap().keys().map(|k| k.as_str()).collect();
        let mut fields = FIELDS.to_vec();
        described.sort_unstable();
        fields.sort_unstable();
        assert_eq!(fields, described);
    }
}
