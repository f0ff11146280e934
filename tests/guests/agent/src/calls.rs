//! Calls of the queue that a task lists, and what each was answered, for a test to compare.

use serde_json::{Value, json};

use crate::bindings::muse::coord::queue::{self, ClaimOptions, Error, Filter, NewTask, Status, Task};

/// Makes each call of a list: `[{"call": "show", "id": "sha256:…"}, …]`.
pub(crate) fn each(calls: Option<&Value>) -> Value {
    let calls = calls.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    json!({ "answers": calls.iter().map(one).collect::<Vec<_>>() })
}

/// Adds a task.
pub(crate) fn enqueue(title: &str, queue: Option<String>, run_id: Option<String>) -> Result<Task, Error> {
    let title = title.to_string();
    queue::enqueue(&NewTask {
        title,
        priority: 0,
        queue,
        ttl_seconds: None,
        run_id,
        tags: Vec::new(),
        payload: Some(r#"{"do":"complete"}"#.to_string()),
    })
}

fn one(call: &Value) -> Value {
    let text = |name: &str| call.get(name).and_then(Value::as_str).map(str::to_string);
    let id = text("id").unwrap_or_default();
    match text("call").unwrap_or_default().as_str() {
        "enqueue" => {
            let task = enqueue(&text("title").unwrap_or_default(), text("queue"), text("run_id"));
            answer(task.map(|task| json!([task.queue, task.created_by])))
        }
        "claim" => {
            let options =
                ClaimOptions { run_id: text("run_id"), queue: text("queue"), lease_seconds: None, wait_seconds: None };
            let claimed = queue::claim(&options);
            answer(claimed.map(|lease| json!(lease.map(|lease| lease.task().title))))
        }
        "resume" => {
            let resumed = queue::resume(&id, text("run_id").as_deref(), text("nonce").as_deref());
            answer(resumed.map(|lease| json!(lease.claim_record().claimer_run_id)))
        }
        "cancel" => {
            let force = call.get("force") == Some(&json!(true));
            let cancelled = queue::cancel(&id, text("run_id").as_deref(), force);
            answer(cancelled.map(|record| json!(record.task_id)))
        }
        "show" => answer(queue::show(&id).map(|item| json!(item.task.title))),
        "tasks" => answer(tasks(text("queue"), text("run_id"), text("status"))),
        "warnings" => json!(queue::warnings()),
        other => json!(format!("no such call: {other:?}")),
    }
}

/// How many tasks there are of each status that has some, and the titles of those that are shown.
fn tasks(queue: Option<String>, run_id: Option<String>, status: Option<String>) -> Result<Value, Error> {
    let status = status.filter(|name| name == "completed").map(|_| Status::Completed);
    let listing = queue::tasks(&Filter { status, queue, run_id, limit: None })?;
    let counts = listing.counts;
    let counts = [
        counts.pending,
        counts.claimed,
        counts.timed_out,
        counts.completed,
        counts.failed,
        counts.cancelled,
        counts.expired,
    ];
    let titles: Vec<_> = listing.items.into_iter().map(|item| item.task.title).collect();
    Ok(json!({ "counts": counts, "titles": titles, "truncated": listing.truncated }))
}

fn answer(answered: Result<Value, Error>) -> Value {
    answered.unwrap_or_else(|error| json!(format!("{error:?}")))
}
