//! What a face answers otherwise on purpose: the one list of it.

use crate::compare::Difference;

/// A face or a group of faces, a field or a call, and why.
///
/// `js` is both runtimes, `wit` the component and the composed agent, `muse` also the command line on an engine. A `*`
/// in front of a field stands for any call, one behind it for all fields that it has. An entry excuses that one side
/// does not have the field, and no other value. Only a `message`, which is for people, may say the same "in other
/// words".
pub type LeftOut = (&'static str, &'static str, &'static str);

/// Every entry is needed: one that excuses nothing fails the test.
pub const LEFT_OUT: &[LeftOut] = &[
    ("muse", "take_up", "a process ends with each command, so every call of a holder takes the lease up"),
    ("muse", "enqueue_all.*", "a batch is answered by ids, for it may have 100,000 tasks"),
    ("muse", "enqueue_all.refused.message in other words", "it names the line of the file"),
    ("muse", "complete.refused.message in other words", "it names the line of the file"),
    ("muse", "complete.enqueued.*", "what follows is answered by ids, as a batch is"),
    ("muse", "wait.items.item.*", "it tells results, and `show` the rest"),
    ("muse", "wait.all_completed", "for scripts that test one word"),
    ("muse", "fail.attempts_left", "for people, who would have to subtract"),
    ("muse", "gc.dry_run", "the answer tells that nothing was removed"),
    ("muse", "limit.refused.message in other words", "it adds the command that stops a queue"),
    ("muse", "*.refused.task_id", "the command names it"),
    ("js", "*.payload_text", "digit for digit, where a number of JavaScript would be rounded"),
    ("js", "*.result_text", "digit for digit, as the payload"),
    ("js", "show.refused.message", "`get` answers undefined"),
    ("js", "show.refused.task_id", "`get` answers undefined"),
    ("js", "enqueue_all.refused.index", "which of the tasks it was"),
    ("js", "enqueue_all.refused.enqueued", "those before the medium failed"),
    ("js", "enqueue_all.refused.message in other words", "it names the task by its place and title"),
    ("js", "complete.enqueued", "one answer, whether tasks follow or not"),
    ("js", "complete.refused.index", "which of the tasks that follow it was"),
    ("js", "complete.refused.message in other words", "it names the task that follows by its place and title"),
    ("js", "retry.refused.task_id", "of a task that would wait in vain"),
    (
        "js",
        "claim_many.refused.message in other words",
        "checked in JavaScript, as other numbers that are no fields of a request",
    ),
    ("js", "wait.refused.message in other words", "as for claim_many"),
    ("js", "stats.refused.message in other words", "as for claim_many"),
    ("js", "gc.refused.message in other words", "as for claim_many"),
    ("js", "limit.refused.message in other words", "as for claim_many"),
    ("wit", "*.refused.message", "a refusal that has facts is told by them"),
    ("wit", "enqueue_all.refused.message in other words", "it names the task by its place"),
    ("wit", "tasks.total", "the sum of the counts"),
    ("wit", "tasks.limit", "the caller named it"),
    ("wit", "tasks.paused_queues", "pauses are told by `admin`"),
    ("wit", "retry.left.code", "the message is told"),
    ("component", "stats.total", "the sum of the counts"),
    ("component", "stats.window_seconds", "the caller named it"),
    ("composed", "pause", "an agent is not given `admin`"),
    ("composed", "resume", "an agent is not given `admin`"),
    ("composed", "limit", "an agent is not given `admin`"),
    ("composed", "stats", "an agent is not given `admin`"),
    ("composed", "gc", "an agent is not given `admin`"),
];

/// Whether an entry is about a face.
pub fn is_of(entry: &LeftOut, face: &str) -> bool {
    let group = match face {
        "node" | "deno" => "js",
        "component" | "composed" => "wit",
        "engine" => "muse",
        other => other,
    };
    entry.0 == face || entry.0 == group
}

/// The places in `table` of the entries that excuse a difference.
pub fn excuses(table: &[LeftOut], face: &str, difference: &Difference) -> Vec<usize> {
    let is_told_by_one = difference.native.is_none() || difference.there.is_none();
    let excuses = |entry: &LeftOut| match entry.1.strip_suffix(" in other words") {
        Some(message) => is_of(entry, face) && !is_told_by_one && message == difference.field,
        None => is_of(entry, face) && is_told_by_one && means(entry.1, &difference.field),
    };
    (0..table.len()).filter(|place| excuses(&table[*place])).collect()
}

/// The place of the entry that says that a face does not have a call.
pub fn of_call(table: &[LeftOut], face: &str, call: &str) -> Option<usize> {
    table.iter().position(|entry| is_of(entry, face) && entry.1 == call)
}

fn means(pattern: &str, field: &str) -> bool {
    match (pattern.strip_prefix("*."), pattern.strip_suffix(".*")) {
        (Some(end), _) => field.strip_suffix(end).is_some_and(|rest| rest.ends_with('.')),
        (_, Some(begin)) => field.strip_prefix(begin).is_some_and(|rest| rest.starts_with('.')),
        _ => pattern == field,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TABLE: &[LeftOut] =
        &[("js", "*.payload_text", "why"), ("muse", "wait.items.*", "why"), ("muse", "gc", "why")];

    fn difference(field: &str, native: Option<i32>, there: Option<i32>) -> Difference {
        let value = |value: Option<i32>| value.map(|value| json!(value));
        Difference { field: field.to_string(), native: value(native), there: value(there) }
    }

    #[test]
    fn an_entry_excuses_what_one_side_does_not_have_and_no_other_value() {
        let more = difference("claim.task.payload_text", None, Some(1));
        assert_eq!(excuses(TABLE, "node", &more), [0]);
        assert!(excuses(TABLE, "muse", &more).is_empty());
        assert!(excuses(TABLE, "deno", &difference("claim.task.payload_text", Some(2), Some(1))).is_empty());
        assert_eq!(excuses(TABLE, "muse", &difference("wait.items.title", Some(2), None)), [1]);
        assert!(excuses(TABLE, "muse", &difference("wait.timed_out", Some(2), None)).is_empty());
    }

    #[test]
    fn words_for_people_may_be_others_where_that_is_said() {
        let table: &[LeftOut] = &[("js", "wait.refused.message in other words", "why")];
        assert_eq!(excuses(table, "node", &difference("wait.refused.message", Some(2), Some(1))), [0]);
        assert!(excuses(table, "node", &difference("wait.refused.code", Some(2), Some(1))).is_empty());
        assert!(excuses(table, "node", &difference("wait.refused.message", Some(2), None)).is_empty());
    }

    #[test]
    fn a_call_that_a_face_does_not_have_is_named() {
        assert_eq!(of_call(TABLE, "muse", "gc"), Some(2));
        assert_eq!(of_call(TABLE, "node", "gc"), None);
    }
}
