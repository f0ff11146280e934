//! Tasks that are tried several times, later, after others, once, or many at once.

use super::NO_TASK;
use crate::call::Scenario;
use crate::call::Verb::{Cancel, Claim, ClaimMany, Complete, Enqueue, EnqueueAll, Fail, Heartbeat, Retry, Show, Tasks};

pub fn all() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "a failed attempt is followed by another, and the last one is put back by a retry",
            steps: vec![
                call!(Enqueue { "title": "twice", "max_attempts": 2, "backoff_seconds": 0 }),
                call!(Claim { "run_id": "a" }),
                call!(Fail { "task_id": "@twice", "run_id": "a", "reason": "once" }),
                call!(Heartbeat { "task_id": "@twice", "run_id": "a" }),
                call!(Retry { "task_id": "@twice" }),
                call!(Claim { "run_id": "b" }),
                call!(Fail { "task_id": "@twice", "run_id": "b", "reason": "again" }),
                call!(Show { "task_id": "@twice" }),
                call!(Retry { "task_id": "@twice" }),
                call!(Claim { "run_id": "c" }),
                call!(Fail { "task_id": "@twice", "run_id": "c", "reason": "never", "is_final": true }),
                call!(Retry { "task_id": "@twice", "now": true }),
                call!(Claim { "run_id": "d" }),
                call!(Complete { "task_id": "@twice", "run_id": "d", "result": {} }),
                call!(Retry { "task_id": "@twice" }),
                call!(Show { "task_id": "@twice" }),
            ],
        },
        Scenario {
            name: "a task is put off, by a time or for a while",
            steps: vec![
                call!(Enqueue { "title": "in an hour", "delay_seconds": 3_600 }),
                call!(Enqueue { "title": "in 2100", "at": "2100-01-01T00:00:00Z" }),
                call!(Enqueue { "title": "after it", "after": ["@in 2100"], "at": "2100-01-02T00:00:00Z" }),
                call!(Show { "task_id": "@in an hour" }),
                call!(Show { "task_id": "@after it" }),
                call!(Tasks { "status": "scheduled" }),
                call!(Claim { "run_id": "a" }),
                call!(Retry { "task_id": "@in an hour" }),
                call!(Retry { "task_id": "@after it" }),
                call!(Heartbeat { "task_id": "@in 2100", "run_id": "a" }),
            ],
        },
        Scenario {
            name: "a plan comes back as it was given",
            steps: vec![
                call!(Enqueue { "title": "first" }),
                call!(Enqueue {
                    "title": "second", "max_attempts": 3, "backoff_seconds": 2, "backoff_max_seconds": 60,
                    "at": "2100-01-01T00:00:00Z", "after": ["@first"], "if_parent_fails": "run", "unique": "key",
                }),
                call!(Enqueue { "title": "third", "max_attempts": 2, "backoff_seconds": 400 }),
                call!(Show { "task_id": "@second" }),
                call!(Tasks { "status": "blocked" }),
            ],
        },
        Scenario {
            name: "a task waits for those that it comes after",
            steps: vec![
                call!(Enqueue { "title": "parent" }),
                call!(Enqueue { "title": "child", "after": ["@parent"] }),
                call!(Enqueue { "title": "grandchild", "after": ["@child"], "if_parent_fails": "cancel" }),
                call!(Enqueue { "title": "heir", "after": ["@parent"], "if_parent_fails": "run" }),
                call!(Enqueue { "title": "patient", "after": ["@parent"], "if_parent_fails": "block" }),
                call!(Enqueue { "title": "late", "after": [NO_TASK] }),
                call!(Show { "task_id": "@child" }),
                call!(Claim { "run_id": "a" }),
                call!(Claim { "run_id": "a" }),
                call!(Fail { "task_id": "@parent", "run_id": "a", "reason": "broken" }),
                call!(Show { "task_id": "@child" }),
                call!(Show { "task_id": "@grandchild" }),
                call!(Show { "task_id": "@heir" }),
                call!(Show { "task_id": "@patient" }),
                call!(Retry { "task_id": "@child" }),
                call!(Retry { "task_id": "@parent", "cascade": true }),
                call!(Tasks {}),
                call!(Claim { "run_id": "b" }),
                call!(Complete { "task_id": "@parent", "run_id": "b" }),
                call!(Tasks {}),
            ],
        },
        Scenario {
            name: "what cannot be put back with its parent is named",
            steps: vec![
                call!(Enqueue { "title": "parent" }),
                call!(Enqueue { "title": "child", "after": ["@parent"], "unique": "key" }),
                call!(Enqueue { "title": "later", "delay_seconds": 3_600 }),
                call!(Enqueue { "title": "both", "after": ["@parent", "@later"] }),
                call!(Show { "task_id": "@both" }),
                call!(Cancel { "task_id": "@later", "run_id": "boss", "if_held": "refuse" }),
                call!(Cancel { "task_id": "@parent", "run_id": "boss", "if_held": "refuse" }),
                call!(Show { "task_id": "@child" }),
                call!(Enqueue { "title": "heir", "unique": "key" }),
                call!(Enqueue { "title": "other" }),
                call!(Retry { "task_id": "@parent", "cascade": true }),
                call!(Retry { "task_id": "@later" }),
                call!(Retry { "task_id": "@both" }),
                call!(Tasks {}),
            ],
        },
        Scenario {
            name: "of the tasks with one key one lives",
            steps: vec![
                call!(Enqueue { "title": "nightly", "unique": "key", "run_id": "a" }),
                call!(Enqueue { "title": "again", "unique": "key", "run_id": "b" }),
                call!(Enqueue { "title": "elsewhere", "unique": "key", "queue": "other" }),
                call!(Cancel { "task_id": "@nightly", "run_id": "boss", "if_held": "refuse" }),
                call!(Enqueue { "title": "next", "unique": "key" }),
                call!(Retry { "task_id": "@nightly" }),
                call!(Tasks {}),
            ],
        },
        Scenario {
            name: "a batch is checked whole and enqueued in order",
            steps: vec![
                call!(EnqueueAll { "tasks": [{ "title": "a" }, { "title": "b", "queue": "no/queue" }] }),
                call!(EnqueueAll { "tasks": [{ "title": "a" }, { "title": "b", "after": [NO_TASK] }] }),
                call!(Tasks {}),
                call!(EnqueueAll {
                    "tasks": [
                    { "title": "a", "unique": "key", "tags": ["x"], "payload": { "n": 1 } },
                    { "title": "b", "priority": 1 },
                    { "title": "again", "unique": "key" },
                    { "title": "c", "run_id": "boss" },
                    ]
                }),
                call!(ClaimMany { "run_id": "agent", "lease_seconds": 600, "max": 2 }),
                call!(ClaimMany { "run_id": "agent", "max": 5 }),
                call!(ClaimMany { "run_id": "agent", "max": 5 }),
                call!(Tasks { "run_id": "agent" }),
            ],
        },
        Scenario {
            name: "what follows is enqueued if the completion counts",
            steps: vec![
                call!(Enqueue { "title": "parent" }),
                call!(Claim { "run_id": "agent" }),
                call!(Complete {
                    "task_id": "@parent", "run_id": "agent", "result": { "n": 1 },
                    "follow_ups": [{ "title": "one", "after": [NO_TASK] }],
                }),
                call!(Tasks {}),
                call!(Complete {
                    "task_id": "@parent", "run_id": "agent", "result": { "n": 1 },
                    "follow_ups": [{ "title": "one", "payload": { "m": 2 } }, { "title": "two", "run_id": "boss" }],
                }),
                call!(Tasks {}),
                call!(Claim { "run_id": "next" }),
                call!(Complete {
                    "task_id": "@parent", "run_id": "agent", "result": { "n": 2 }, "follow_ups": [{ "title": "three" }],
                }),
            ],
        },
    ]
}
