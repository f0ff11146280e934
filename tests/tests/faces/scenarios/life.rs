//! From enqueuing to the end: holders, their leases, and who takes a task from them.

use crate::call::Scenario;
use crate::call::Verb::{
    Cancel, Claim, ClaimMany, Complete, Enqueue, Fail, Heartbeat, Release, Retry, Show, TakeUp, Tasks, Wait,
};

/// Long ago: leases of minutes have run out since.
const LONG_AGO: i64 = -7_200;
/// When the leases of now have run out.
const LATER: i64 = 7_200;

pub fn all() -> Vec<Scenario> {
    vec![
        Scenario {
            name: "a task goes through its life",
            steps: vec![
                call!(Enqueue {
                    "title": "  Build it  ", "priority": 7, "queue": "builds", "ttl_seconds": 7_200, "run_id": "boss",
                    "tags": ["rust", " wasm "], "payload": { "n": 1, "deep": { "Name": [null, "ä"] } },
                }),
                call!(Show { "task_id": "@Build it" }),
                call!(Claim { "run_id": "agent", "lease_seconds": 600 }),
                call!(Show { "task_id": "@Build it" }),
                call!(Heartbeat {
                    "task_id": "@Build it", "run_id": "agent", "lease_seconds": 1_200, "progress": 0.5, "note": "half",
                }),
                call!(Show { "task_id": "@Build it" }),
                call!(Heartbeat { "task_id": "@Build it", "run_id": "agent" }),
                call!(Heartbeat { "task_id": "@Build it", "run_id": "agent", "progress": 0.75 }),
                call!(Show { "task_id": "@Build it" }),
                call!(Complete { "task_id": "@Build it", "run_id": "agent", "result": { "ok": true, "Count": 2 } }),
                call!(Show { "task_id": "@Build it" }),
                call!(Tasks {}),
                call!(Claim { "run_id": "agent" }),
                call!(Complete { "task_id": "@Build it", "run_id": "agent", "result": { "again": 1 } }),
            ],
        },
        Scenario {
            name: "what is left out has its default",
            steps: vec![
                call!(Enqueue { "title": "a" }),
                call!(Enqueue { "title": "x".repeat(600), "tags": ["y".repeat(70)] }),
                call!(Claim { "run_id": "agent" }),
                call!(Complete { "task_id": "@a", "run_id": "agent" }),
                call!(Show { "task_id": "@a" }),
                call!(Claim { "run_id": "agent" }),
                call!(Fail { "task_id": format!("@{}", "x".repeat(600)), "run_id": "agent", "reason": "" }),
                call!(Tasks {}),
            ],
        },
        Scenario {
            name: "a task that is given back waits again, and the attempt does not count",
            steps: vec![
                call!(Enqueue { "title": "a" }),
                call!(Claim { "run_id": "agent" }),
                call!(Release { "task_id": "@a", "run_id": "agent" }),
                call!(Heartbeat { "task_id": "@a", "run_id": "agent" }),
                call!(Claim { "run_id": "other" }),
                call!(Release { "task_id": "@a", "run_id": "other", "delay_seconds": 3_600 }),
                call!(Show { "task_id": "@a" }),
                call!(Claim { "run_id": "agent" }),
            ],
        },
        Scenario {
            name: "a lease is taken up again by its holder alone",
            steps: vec![
                core!(0, Enqueue { "title": "a", "payload": { "n": 1 } }),
                core!(0, Claim { "run_id": "agent" }),
                call!(TakeUp { "task_id": "@a", "run_id": "other" }),
                call!(TakeUp { "task_id": "@a", "run_id": "agent", "claim_nonce": "0000000000000000" }),
                call!(TakeUp { "task_id": "@a", "run_id": "agent" }),
                call!(Complete { "task_id": "@a", "run_id": "agent" }),
                call!(TakeUp { "task_id": "@a", "run_id": "agent" }),
            ],
        },
        Scenario {
            name: "a lease that ran out is its holder's until another agent takes over",
            steps: vec![
                core!(LONG_AGO, Enqueue { "title": "kept" }),
                core!(LONG_AGO, Enqueue { "title": "lost" }),
                core!(LONG_AGO, Claim { "run_id": "slow", "lease_seconds": 60 }),
                core!(LONG_AGO, Claim { "run_id": "slow", "lease_seconds": 60 }),
                call!(Show { "task_id": "@kept" }),
                call!(Tasks { "status": "timed_out" }),
                call!(Heartbeat { "task_id": "@kept", "run_id": "slow", "lease_seconds": 600 }),
                call!(Claim { "run_id": "quick" }),
                call!(Show { "task_id": "@lost" }),
                call!(Heartbeat { "task_id": "@lost", "run_id": "slow" }),
                call!(Complete { "task_id": "@kept", "run_id": "slow", "result": { "n": 1 } }),
                call!(Complete { "task_id": "@lost", "run_id": "quick" }),
                call!(Tasks {}),
            ],
        },
        Scenario {
            name: "a result that came too late is offered to the next holder",
            steps: vec![
                call!(Enqueue { "title": "slow work" }),
                call!(Claim { "run_id": "slow", "lease_seconds": 60 }),
                core!(LATER, Claim { "run_id": "quick", "lease_seconds": 60 }),
                call!(Complete {
                    "task_id": "@slow work", "run_id": "slow", "result": { "n": 1 },
                    "follow_ups": [{ "title": "never" }],
                }),
                call!(Complete { "task_id": "@slow work", "run_id": "slow", "result": { "n": 3 } }),
                call!(Tasks {}),
                call!(Show { "task_id": "@slow work" }),
                core!(LATER, Release { "task_id": "@slow work", "run_id": "quick" }),
                call!(Claim { "run_id": "third" }),
                call!(TakeUp { "task_id": "@slow work", "run_id": "third" }),
                call!(Complete { "task_id": "@slow work", "run_id": "third", "result": { "n": 2 } }),
                call!(Show { "task_id": "@slow work" }),
            ],
        },
        Scenario {
            name: "a lease that runs out is an attempt where attempts are counted, and a task nobody claims expires",
            steps: vec![
                core!(LONG_AGO, Enqueue { "title": "once", "max_attempts": 1 }),
                core!(LONG_AGO, Claim { "run_id": "dead", "lease_seconds": 60 }),
                core!(LONG_AGO, Enqueue { "title": "stale", "ttl_seconds": 60 }),
                call!(Show { "task_id": "@stale" }),
                call!(Claim { "run_id": "agent" }),
                call!(Show { "task_id": "@once" }),
                call!(Wait { "task_ids": ["@once", "@stale"], "timeout_seconds": 0 }),
                call!(Tasks { "sort": "created" }),
                call!(Retry { "task_id": "@stale" }),
                call!(Retry { "task_id": "@once" }),
                call!(ClaimMany { "run_id": "agent", "max": 5 }),
            ],
        },
        Scenario {
            name: "a holder is asked to stop, or loses the task",
            steps: vec![
                call!(Enqueue { "title": "waits" }),
                call!(Cancel { "task_id": "@waits", "run_id": "boss", "if_held": "request", "reason": "enough" }),
                call!(Show { "task_id": "@waits" }),
                call!(Enqueue { "title": "asked" }),
                call!(Claim { "run_id": "agent" }),
                call!(Cancel { "task_id": "@asked", "run_id": "boss", "if_held": "refuse" }),
                call!(Cancel { "task_id": "@asked", "run_id": "boss", "if_held": "request", "reason": "changed" }),
                call!(Heartbeat { "task_id": "@asked", "run_id": "agent" }),
                call!(Show { "task_id": "@asked" }),
                call!(Tasks { "status": "claimed" }),
                call!(Release { "task_id": "@asked", "run_id": "agent" }),
                call!(Show { "task_id": "@asked" }),
                call!(Enqueue { "title": "taken" }),
                call!(Claim { "run_id": "agent" }),
                call!(Cancel { "task_id": "@taken", "run_id": "boss", "if_held": "force" }),
                call!(Heartbeat { "task_id": "@taken", "run_id": "agent" }),
                call!(Enqueue { "title": "own" }),
                call!(Claim { "run_id": "agent" }),
                call!(Cancel { "task_id": "@own", "run_id": "agent", "if_held": "refuse", "reason": "no use" }),
                call!(Cancel { "task_id": "@own", "run_id": "agent", "if_held": "refuse" }),
                call!(Tasks {}),
            ],
        },
    ]
}
