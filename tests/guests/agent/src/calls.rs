//! Calls of the queue that a task lists, and what each was answered, for a test to compare.

use serde_json::{Value, json};

use crate::bindings::muse::coord::queue::{self, ClaimOptions, Enqueued, Error, Filter, IfHeld, NewTask, Until};
use crate::bindings::muse::coord::types::{Status, WaitedFor};

/// Makes each call of a list: `[{"call": "show", "id": "sha256:…"}, …]`.
pub(crate) fn each(calls: Option<&Value>) -> Value {
    let calls = calls.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    json!({ "answers": calls.iter().map(|call| one(&Call(call))).collect::<Vec<_>>() })
}

/// A task of which nothing but the title is said.
pub(crate) fn titled(title: String) -> NewTask {
    NewTask {
        title,
        priority: 0,
        queue: None,
        ttl_seconds: None,
        run_id: None,
        tags: Vec::new(),
        payload: Some(r#"{"do":"complete"}"#.to_string()),
        max_attempts: None,
        backoff_seconds: None,
        backoff_max_seconds: None,
        delay_seconds: None,
        at: None,
        after: Vec::new(),
        if_parent_fails: None,
        unique: None,
    }
}

/// A claim of any task, as whom the agent was started.
pub(crate) fn any() -> ClaimOptions {
    ClaimOptions {
        run_id: None,
        queues: Vec::new(),
        lease_seconds: None,
        wait_seconds: None,
        tags: Vec::new(),
        any_tags: Vec::new(),
        exclude_tags: Vec::new(),
    }
}

/// The tasks that a list describes.
pub(crate) fn new_tasks(list: Option<&Value>) -> Vec<NewTask> {
    let list = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().map(|new| Call(new).new_task()).collect()
}

/// A call, and what it is to be made with.
struct Call<'a>(&'a Value);

impl Call<'_> {
    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).and_then(Value::as_str).map(str::to_string)
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let texts = self.0.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        texts.iter().filter_map(Value::as_str).map(str::to_string).collect()
    }

    fn number(&self, name: &str) -> Option<u32> {
        self.0.get(name).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok())
    }

    fn new_task(&self) -> NewTask {
        NewTask {
            queue: self.text("queue"),
            run_id: self.text("run_id"),
            tags: self.texts("tags"),
            after: self.texts("after"),
            unique: self.text("unique"),
            ..titled(self.text("title").unwrap_or_default())
        }
    }

    fn claim_options(&self) -> ClaimOptions {
        ClaimOptions { run_id: self.text("run_id"), queues: self.texts("queues"), tags: self.texts("tags"), ..any() }
    }

    fn if_held(&self) -> IfHeld {
        match self.text("if_held").as_deref() {
            Some("request") => IfHeld::Request,
            Some("force") => IfHeld::Force,
            _ => IfHeld::Refuse,
        }
    }
}

fn one(call: &Call<'_>) -> Value {
    let id = call.text("id").unwrap_or_default();
    let run_id = call.text("run_id");
    match call.text("call").unwrap_or_default().as_str() {
        "enqueue" => answer(queue::enqueue(&call.new_task()).map(|enqueued| told(&enqueued))),
        "enqueue_all" => {
            let enqueued = queue::enqueue_all(&new_tasks(call.0.get("tasks")));
            answer(enqueued.map(|all| all.iter().map(told).collect()))
        }
        "complete and enqueue" => {
            let claimed = queue::claim(&call.claim_options());
            answer(claimed.and_then(|lease| match lease {
                Some(lease) => {
                    let completed = lease.complete_and_enqueue(None, &new_tasks(call.0.get("tasks")))?;
                    Ok(completed.enqueued.iter().map(told).collect())
                }
                None => Ok(Value::Null),
            }))
        }
        "claim" => {
            let claimed = queue::claim(&call.claim_options());
            answer(claimed.map(|lease| json!(lease.map(|lease| lease.task().title))))
        }
        "claim_many" => {
            let claimed = queue::claim_many(&call.claim_options(), call.number("max").unwrap_or_default());
            answer(claimed.map(|leases| leases.iter().map(|lease| json!(lease.task().title)).collect()))
        }
        "resume" => {
            let resumed = queue::resume(&id, run_id.as_deref(), call.text("nonce").as_deref());
            answer(resumed.map(|lease| json!(lease.claim_record().claimer_run_id)))
        }
        "cancel" => {
            let cancelled = queue::cancel(&id, run_id.as_deref(), call.if_held(), call.text("reason").as_deref());
            answer(cancelled.map(|record| json!(record.task_id)))
        }
        "retry" => {
            let options = queue::RetryOptions { now: false, cascade: false };
            answer(queue::retry(&id, options).map(|retried| json!(format!("{:?}", retried.task.status))))
        }
        "show" => answer(queue::show(&id).map(|shown| json!(shown.item.task.title))),
        "tasks" => answer(tasks(call)),
        "wait" => answer(wait(call)),
        "warnings" => json!(queue::warnings()),
        other => json!(format!("no such call: {other:?}")),
    }
}

/// Where a task was enqueued, and by whom.
fn told(Enqueued { task, deduplicated }: &Enqueued) -> Value {
    match deduplicated {
        true => json!([task.queue, task.created_by, "deduplicated"]),
        false => json!([task.queue, task.created_by]),
    }
}

/// How many tasks there are of each status that has some, and the titles of those that are shown.
fn tasks(call: &Call<'_>) -> Result<Value, Error> {
    let listing = queue::tasks(&Filter {
        status: call.text("status").filter(|name| name == "completed").map(|_| Status::Completed),
        queue: call.text("queue"),
        run_id: call.text("run_id"),
        tags: call.texts("tags"),
        since: None,
        ended_since: None,
        sort: None,
        cursor: call.text("cursor"),
        limit: None,
    })?;
    let counts = listing.counts;
    let counts = [
        counts.scheduled,
        counts.blocked,
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

/// Whether the time was over, and how each task stands.
fn wait(call: &Call<'_>) -> Result<Value, Error> {
    let until = if call.text("until").as_deref() == Some("any") { Until::Any } else { Until::All };
    let waited = queue::wait(&call.texts("ids"), until, call.number("timeout"))?;
    let status = |of: WaitedFor| of.item.map(|item| format!("{:?}", item.status));
    Ok(json!({ "timed_out": waited.timed_out, "statuses": waited.items.into_iter().map(status).collect::<Vec<_>>() }))
}

fn answer(answered: Result<Value, Error>) -> Value {
    answered.unwrap_or_else(|error| json!(format!("{error:?}")))
}
