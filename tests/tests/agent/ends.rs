//! How agents end by themselves, and what becomes of what they held.

use std::time::Instant;

use coord_tests::Repo;
use serde_json::json;

use super::{assert_given_back, await_status, item, result, task, task_in};

#[test]
fn an_agent_works_off_the_queue() {
    let repo = Repo::new();
    let tasks = ["complete", "complete", "fail"].map(|action| task(&repo, action));
    let ended = repo.agent("--run-id agent-1").run().succeeded();
    assert_eq!(ended.stdout, "complete: complete\ncomplete: complete\nfail: fail\n");
    assert_eq!(ended.stderr, "");
    assert_eq!(result(&repo, &tasks[0]), json!({ "title": "complete" }));
    let failed = item(&repo, &tasks[2]);
    assert_eq!([&failed["status"], &failed["error"]], [&json!("failed"), &json!("it was told to")]);
    for id in &tasks {
        assert_eq!(item(&repo, id)["claimer_run_id"], "agent-1");
    }
    repo.coord("doctor").succeeded();
}

#[test]
fn the_agents_exit_code_is_passed_on() {
    let repo = Repo::new();
    repo.agent("--run-id agent-1").run().ended_with(0);
    let id = task(&repo, "exit 3");
    let ended = repo.agent("--run-id agent-1").run().ended_with(3);
    assert_given_back(&repo, &id, &ended);
    let failing = Repo::new();
    task(&failing, "claim from another queue");
    let ended = failing.agent("--run-id agent-1 --queue default").run().ended_with(1);
    assert!(ended.stderr.starts_with("agent: Error::BadQueue("), "{ended}");
}

#[test]
fn an_agent_is_not_begun_where_the_queue_cannot_be_looked_at() {
    let repo = Repo::new();
    repo.given(["init"]);
    std::fs::write(repo.coordination("format.json"), "{\"format\":1000}").unwrap();
    let ended = repo.agent("--run-id agent-1").run().ended_with(1);
    assert!(ended.stderr.starts_with("error: cannot look at the queue: this directory has format"), "{ended}");
    assert_eq!(ended.stdout, "");
}

#[test]
fn what_an_agent_keeps_or_drops_is_given_back_when_it_ends_well() {
    for action in ["keep", "drop"] {
        let repo = Repo::new();
        let id = task(&repo, action);
        let ended = repo.agent("--run-id agent-1").run().ended_with(0);
        assert_given_back(&repo, &id, &ended);
    }
}

#[test]
fn what_an_agent_held_is_given_back_when_it_breaks_down() {
    for (action, fault) in [("panic", "`unreachable` instruction"), ("recurse", "wasm trap: ")] {
        let repo = Repo::new();
        let id = task(&repo, action);
        let ended = repo.agent("--run-id agent-1").run().ended_with(1);
        assert!(ended.stderr.contains("error: \"agent-1\" was stopped by a fault: "), "{ended}");
        assert!(ended.stderr.contains(fault), "{ended}");
        assert_given_back(&repo, &id, &ended);
    }
}

#[test]
fn in_what_is_said_of_an_agent_nothing_is_hidden() {
    let repo = Repo::new();
    let id = task(&repo, "keep");
    let ended = repo.agent("--run-id 'age\u{e0101}\u{3164}nt\u{202e}'").run().ended_with(0);
    assert!(ended.stderr.starts_with("warning: \"age\\u{e0101}\\u{3164}nt\\u{202e}\" left the task "), "{ended}");
    assert_eq!(item(&repo, &id)["status"], "pending");
}

#[test]
fn an_agent_gives_a_task_back_by_itself_and_can_claim_it_again() {
    let repo = Repo::new();
    let id = task(&repo, "release and wait");
    let ended = repo.agent("--run-id agent-1").run().ended_with(0);
    assert_given_back(&repo, &id, &ended);
    assert_eq!(item(&repo, &id)["generation"], 3);
}

#[test]
fn an_agent_that_is_too_late_is_told_and_the_new_holder_keeps_the_task() {
    let repo = Repo::new();
    let id = task(&repo, "outlast");
    let agent = repo.agent("--run-id agent-1").start();
    await_status(&repo, &id, "claimed");
    let taken = repo.coord("claim --run-id agent-2 --wait 30 --json").succeeded();
    assert_eq!(taken.text_of("task_id"), id);
    let ended = agent.finish().succeeded();
    assert!(ended.stdout.contains("late: Err(Error::LeaseLost(CurrentHolder {"), "{ended}");
    assert!(ended.stdout.contains("run-id: \"agent-2\", generation: 2"), "{ended}");
    assert_eq!(ended.stderr, "");
    let item = item(&repo, &id);
    assert_eq!([&item["status"], &item["claimer_run_id"]], [&json!("claimed"), &json!("agent-2")]);
    let late = &repo.coord(&format!("show {id} --json")).succeeded().json()["late_results"][0];
    assert_eq!([&late["run_id"], &late["result"]], [&json!("agent-1"), &json!({ "late": true })]);
}

#[test]
fn a_thousand_leases_are_given_back() {
    let repo = Repo::new();
    let id = task_in(&repo, "default", json!({ "do": "hoard" }));
    let began = Instant::now();
    let ended = repo.agent("--run-id agent-1").env("MUSE_COORD_SYNC", "off").run().succeeded();
    coord_tests::report(format!("an agent hoarded and gave back 999 tasks in {:?}", began.elapsed()));
    assert!(ended.stdout.contains("999 and then Error::Error(\"this agent has 1000 leases"), "{}", ended.stdout);
    assert_eq!(ended.stderr.lines().count(), 999);
    assert_eq!(item(&repo, &id)["status"], "completed");
    let tasks = repo.tasks();
    assert_eq!([&tasks["pending"], &tasks["claimed"]], [&json!(1_001), &json!(0)]);
    repo.coord("doctor").succeeded();
}
