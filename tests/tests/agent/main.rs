//! `muse-agent`: agents that work, fail, run wild and attack, as real processes beside a real `muse` on one queue.
//!
//! The agent is `tests/guests/agent`, which does what each task's payload says. So an attack is a task.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test that cannot go on has failed")]

mod bounds;
mod confined;
mod ends;
mod output;
mod plans;
mod quotas;
mod refused;
mod stopped;
mod system;

use std::thread;
use std::time::{Duration, Instant};

use coord_tests::{Outcome, Repo};
use serde_json::{Value, json};

/// Adds a task whose agent is to do this, and tells its id.
fn task(repo: &Repo, action: &str) -> String {
    task_in(repo, "default", json!({ "do": action }))
}

/// As [`task`], in a queue, with the whole payload. The title is what is to be done.
fn task_in(repo: &Repo, queue: &str, payload: Value) -> String {
    let title = payload["do"].as_str().unwrap();
    let payload = payload.to_string();
    let words = ["coord", "enqueue", title, "--queue", queue, "--payload", &payload, "--json"];
    repo.muse(words).succeeded().text_of("task_id")
}

/// A task as `muse coord tasks` lists it.
fn item(repo: &Repo, id: &str) -> Value {
    let listing = repo.tasks();
    let items = listing["items"].as_array().unwrap();
    items.iter().find(|item| item["task_id"] == id).unwrap_or_else(|| panic!("{id} is not among {items:?}")).clone()
}

/// What the agent reported of a task.
fn result(repo: &Repo, id: &str) -> Value {
    let item = item(repo, id);
    assert_eq!(item["status"], "completed", "{item}");
    item["result"].clone()
}

/// Waits until the task stands so.
#[track_caller]
fn await_status(repo: &Repo, id: &str, status: &str) {
    await_field(repo, id, "status", status);
}

/// Waits until the listing says so of the task.
#[track_caller]
fn await_field(repo: &Repo, id: &str, field: &str, value: &str) {
    let began = Instant::now();
    while item(repo, id)[field] != value {
        assert!(began.elapsed() < Duration::from_secs(60), "never {value}: {}", item(repo, id));
        thread::sleep(Duration::from_millis(20));
    }
}

/// The task waits again, as before the agent had it, the agent's end says so, and another agent can claim it at once.
#[track_caller]
fn assert_given_back(repo: &Repo, id: &str, ended: &Outcome) {
    let said = format!("warning: \"agent-1\" left the task {id} (");
    let line = ended.stderr.lines().find(|line| line.starts_with(&said)).unwrap_or_else(|| panic!("{ended}"));
    assert!(line.ends_with("it was given back, and waits to be claimed"), "{ended}");
    let found = item(repo, id);
    assert_eq!((&found["status"], &found["attempt"]), (&json!("pending"), &json!(0)), "{found}");
    assert_eq!(repo.claim("agent-2"), id);
    assert_eq!(item(repo, id)["attempt"], 1);
}
