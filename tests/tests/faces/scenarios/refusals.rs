//! What is refused, and as what.

use coord_core::request::Field;
use serde_json::{Value, json};

use super::{NO_TASK, call};
use crate::call::Verb::{
    Cancel, Claim, ClaimMany, Complete, Enqueue, Fail, Gc, Heartbeat, Limit, Release, Retry, Show, Stats, Tasks, Wait,
};
use crate::call::{Scenario, Step, Verb};

pub fn all() -> Vec<Scenario> {
    vec![
        Scenario { name: "a task that is another's, nobody's or not there", steps: not_ones_own() },
        Scenario { name: "a value beyond its limits", steps: out_of_range() },
        Scenario { name: "a value of the wrong form", steps: of_wrong_form() },
    ]
}

fn not_ones_own() -> Vec<Step> {
    let by = |task_id: &str, run_id: &str| json!({ "task_id": task_id, "run_id": run_id });
    let mut steps = vec![
        call!(Enqueue { "title": "held" }),
        call!(Enqueue { "title": "waits" }),
        call!(Claim { "run_id": "agent" }),
    ];
    for (task, who) in [("@held", "other"), ("@waits", "agent"), (NO_TASK, "agent")] {
        steps.push(call(Heartbeat, by(task, who)));
        steps.push(call(Complete, by(task, who)));
        steps.push(call(Release, by(task, who)));
        let mut fail = by(task, who);
        fail["reason"] = "no".into();
        steps.push(call(Fail, fail));
    }
    let mut cancel = by(NO_TASK, "boss");
    cancel["if_held"] = "force".into();
    steps.push(call(Cancel, cancel));
    steps.push(call!(Retry { "task_id": NO_TASK }));
    steps.push(call!(Retry { "task_id": "@held" }));
    steps.push(call!(Show { "task_id": NO_TASK }));
    steps.push(call!(Tasks {}));
    steps
}

/// Each number just beyond what its field takes, as far as it is one that every face can be given.
fn out_of_range() -> Vec<Step> {
    let calls: [(Verb, Field, Value); 14] = [
        (Enqueue, Field::TtlSeconds, json!({ "title": "a" })),
        (Enqueue, Field::MaxAttempts, json!({ "title": "a" })),
        (Enqueue, Field::BackoffSeconds, json!({ "title": "a", "max_attempts": 2 })),
        (Enqueue, Field::DelaySeconds, json!({ "title": "a" })),
        (Claim, Field::LeaseSeconds, json!({ "run_id": "agent" })),
        (Claim, Field::WaitSeconds, json!({ "run_id": "agent" })),
        (ClaimMany, Field::Max, json!({ "run_id": "agent" })),
        (Heartbeat, Field::LeaseSeconds, json!({ "task_id": "@held", "run_id": "agent" })),
        (Release, Field::DelaySeconds, json!({ "task_id": "@held", "run_id": "agent" })),
        (Tasks, Field::Limit, json!({})),
        (Wait, Field::TimeoutSeconds, json!({ "task_ids": ["@held"] })),
        (Stats, Field::WindowSeconds, json!({})),
        (Gc, Field::OlderThanSeconds, json!({})),
        (Limit, Field::MaxInFlight, json!({ "queue": "q" })),
    ];
    let mut steps = vec![call!(Enqueue { "title": "held" }), call!(Claim { "run_id": "agent" })];
    for (verb, field, with) in calls {
        let range = field.range();
        for beyond in [range.start() - 1, range.end() + 1] {
            // The interface of the component counts in 32 bits, without a sign.
            if u32::try_from(beyond).is_ok() {
                let mut with = with.clone();
                with[field.name()] = beyond.into();
                steps.push(call(verb, with));
            }
        }
    }
    steps.push(call!(Heartbeat { "task_id": "@held", "run_id": "agent", "progress": 1.5 }));
    steps.push(call!(Tasks {}));
    steps
}

fn of_wrong_form() -> Vec<Step> {
    let tasks = [
        json!({ "title": "  " }),
        json!({ "title": "a", "run_id": "" }),
        json!({ "title": "a", "queue": "no/queue" }),
        json!({ "title": "a", "tags": vec!["t"; 33] }),
        json!({ "title": "a", "backoff_seconds": 2, "max_attempts": 2, "backoff_max_seconds": 1 }),
        json!({ "title": "a", "if_parent_fails": "run" }),
        json!({ "title": "a", "after": ["sha256:no"] }),
        json!({ "title": "a", "unique": "" }),
        json!({ "title": "a", "payload": { "long": "x".repeat(65_536) } }),
    ];
    let mut steps: Vec<Step> = tasks.map(|task| call(Enqueue, task)).into();
    steps.extend([
        call!(Claim { "run_id": "" }),
        call!(Claim { "run_id": "agent", "queues": ["no/queue"] }),
        call!(Show { "task_id": "no id" }),
        call!(Retry { "task_id": "sha256:00" }),
        call!(Cancel { "task_id": NO_TASK, "run_id": "", "if_held": "refuse" }),
        call!(Tasks { "queue": "no/queue" }),
        call!(Tasks {}),
    ]);
    steps
}
