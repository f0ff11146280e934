//! Choosing tasks, listing them, waiting for them, and what those have who look after the directory.

use serde_json::{Value, json};

use super::{NO_TASK, call};
use crate::call::Verb::{
    Cancel, Claim, Complete, Enqueue, EnqueueAll, Gc, Limit, Pause, Resume, Show, Stats, Tasks, Wait,
};
use crate::call::{Scenario, Step};

pub fn all() -> Vec<Scenario> {
    vec![choices(), orders(), filters(), waits(), settings(), figures()]
}

fn choices() -> Scenario {
    let tasks = [
        json!({ "title": "1", "queue": "x", "tags": ["rust"] }),
        json!({ "title": "2", "queue": "y", "tags": ["rust", "wasm"] }),
        json!({ "title": "3", "queue": "z", "tags": ["wasm", "a tag that is too long for a name"] }),
        json!({ "title": "4", "queue": "x", "tags": ["js"] }),
        json!({ "title": "5", "queue": "z", "priority": -1 }),
    ];
    let choices = [
        json!({ "queues": ["none"] }),
        json!({ "tags": ["rust", "js"] }),
        json!({ "tags": ["wasm"], "exclude_tags": ["rust"] }),
        json!({ "any_tags": ["js", "wasm"] }),
        json!({ "queues": ["z", "x"], "exclude_tags": ["rust"] }),
        json!({ "queues": ["z", "x"] }),
        json!({ "tags": ["rust"] }),
        json!({}),
    ];
    let mut steps: Vec<Step> = tasks.map(|task| call(Enqueue, task)).into();
    for mut choice in choices {
        choice["run_id"] = "agent".into();
        steps.push(call(Claim, choice));
    }
    Scenario { name: "a claim chooses by queues and tags, and keeps the order among what matches", steps }
}

/// Five tasks with a tag and one without, of which the fourth and then the second end.
fn six_tasks() -> Vec<Step> {
    let task = |title: &str| json!({ "title": title, "queue": "q", "tags": ["t"], "run_id": "boss" });
    let mut steps: Vec<Step> = ["0", "1", "2", "3", "4"].map(|title| call(Enqueue, task(title))).into();
    steps.push(call!(Enqueue { "title": "other" }));
    let cancel = |title: &str| json!({ "task_id": title, "run_id": "boss", "if_held": "refuse", "reason": "no use" });
    steps.extend(["@3", "@1"].map(|title| call(Cancel, cancel(title))));
    steps
}

fn orders() -> Scenario {
    let mut steps = six_tasks();
    for sort in ["claim", "created", "-created", "ended", "-ended"] {
        let page = |cursor: Option<&str>| {
            let mut page = json!({ "tags": ["t"], "sort": sort, "limit": 2 });
            if let Some(cursor) = cursor {
                page["cursor"] = cursor.into();
            }
            call(Tasks, page)
        };
        steps.extend([page(None), page(Some("@cursor")), page(Some("@cursor"))]);
    }
    steps.push(call!(Tasks { "sort": "created", "limit": 1 }));
    steps.push(call!(Tasks { "sort": "ended", "cursor": "@cursor" }));
    steps.extend(["", "x", "0.0.0", "../.."].map(|cursor| call!(Tasks { "cursor": cursor })));
    Scenario { name: "a listing goes on where the one before stopped, in every order", steps }
}

fn filters() -> Scenario {
    let mut steps = six_tasks();
    steps.push(call!(Claim { "run_id": "agent" }));
    let filters = [
        json!({ "status": "cancelled" }),
        json!({ "queue": "q" }),
        json!({ "run_id": "agent" }),
        json!({ "tags": ["t"], "queue": "default" }),
        json!({ "since": "2100-01-01T00:00:00Z" }),
        json!({ "since": "1970-01-01T01:00:00+01:00" }),
        json!({ "ended_since": "2000-01-01T00:00:00Z" }),
        json!({ "limit": 6 }),
        json!({ "limit": 5 }),
    ];
    steps.extend(filters.map(|filter| call(Tasks, filter)));
    Scenario { name: "tasks are found by what is known of them", steps }
}

fn waits() -> Scenario {
    let wait = |ids: &[&str], until: &str| call!(Wait { "task_ids": ids, "until": until, "timeout_seconds": 0 });
    let steps = vec![
        call!(Enqueue { "title": "one" }),
        call!(Enqueue { "title": "other" }),
        wait(&["@one", NO_TASK, "@other"], "all"),
        wait(&["@one", NO_TASK, "@other"], "any"),
        wait(&["@one"], "any"),
        call!(Claim { "run_id": "agent" }),
        call!(Complete { "task_id": "@one", "run_id": "agent", "result": { "n": 1 } }),
        wait(&["@other", "@one"], "any"),
        wait(&["@other", "@one"], "all"),
        wait(&["@one"], "all"),
    ];
    Scenario { name: "who waits for ends is told how each task stands", steps }
}

fn settings() -> Scenario {
    let queue = || json!({ "queue": "q" });
    let claim = || call!(Claim { "run_id": "agent" });
    let tasks: Vec<Value> = ["1", "2"].map(|title| json!({ "title": title, "queue": "q" })).into();
    let steps = vec![
        call!(EnqueueAll { "tasks": tasks }),
        call(Pause, queue()),
        call(Pause, queue()),
        claim(),
        call!(Tasks {}),
        call!(Stats {}),
        call(Resume, queue()),
        call(Resume, queue()),
        call!(Limit { "queue": "q", "max_in_flight": 1 }),
        claim(),
        claim(),
        call!(Stats { "window_seconds": 60 }),
        call!(Limit { "queue": "q" }),
        claim(),
    ];
    Scenario { name: "a paused queue gives nothing, and a limited one so many at once", steps }
}

fn figures() -> Scenario {
    let done = |title: &str| {
        let title = format!("@{title}");
        [
            call!(Claim { "run_id": "agent" }),
            call!(Complete { "task_id": title, "run_id": "agent", "result": { "n": 1 } }),
        ]
    };
    let mut steps = vec![call!(Enqueue { "title": "done" }), call!(Enqueue { "title": "kept" })];
    steps.extend(done("done"));
    steps.extend(done("kept"));
    steps.extend([
        call!(Enqueue { "title": "waits", "queue": "r" }),
        call!(Stats {}),
        call!(Gc { "older_than_seconds": 3_600 }),
        call!(Gc { "older_than_seconds": 0, "keep_last": 1, "dry_run": true }),
        call!(Gc { "older_than_seconds": 0, "keep_last": 1 }),
        call!(Show { "task_id": "@done" }),
        call!(Show { "task_id": "@kept" }),
        call!(Wait { "task_ids": ["@done"], "timeout_seconds": 0 }),
        call!(Tasks {}),
    ]);
    Scenario { name: "figures are by queue, and what ended is removed on demand", steps }
}
