//! Exclusion between real processes: exactly one of those that want a task gets it, and a killed one loses nothing.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use coord_core::Queue;
use coord_core::queue::{ClaimRequest, Thoroughness};
use coord_core::transition::Claimant;
use coord_store::{DirStore, Handle, Sync};
use coord_tests::{Outcome, Repo, Running};
use muse_cli::host;
use serde_json::{Value, json};

const AGENTS: usize = 16;

fn all(start: impl Fn(usize) -> Running) -> Vec<Outcome> {
    let running: Vec<Running> = (0..AGENTS).map(start).collect();
    running.into_iter().map(Running::finish).collect()
}

#[test]
fn of_sixteen_processes_that_claim_one_task_one_gets_it() {
    let repo = Repo::new();
    for round in 0..10 {
        let id = repo.enqueue(&format!("round {round}"));
        let outcomes = all(|agent| repo.coord_call(&format!("claim --run-id agent-{agent} --json")).start());
        let (won, lost): (Vec<&Outcome>, Vec<&Outcome>) = outcomes.iter().partition(|outcome| outcome.code == Some(0));
        assert_eq!(won.len(), 1, "{won:#?}");
        assert_eq!(won[0].text_of("task_id"), id);
        for outcome in lost {
            assert_eq!((outcome.code, outcome.text_of("status").as_str()), (Some(1), "empty"), "{outcome}");
        }
    }
}

#[test]
fn five_hundred_tasks_are_claimed_by_sixteen_agents_once_each() {
    let repo = Repo::new();
    let enqueued: BTreeSet<String> = (0..500).map(|i| repo.enqueue(&format!("task {i}"))).collect();
    assert_eq!(enqueued.len(), 500);
    let claimed: Vec<String> = thread::scope(|scope| {
        let agents: Vec<_> = (0..AGENTS)
            .map(|agent| {
                scope.spawn({
                    let repo = &repo;
                    move || drain(repo, agent)
                })
            })
            .collect();
        agents.into_iter().flat_map(|agent| agent.join().unwrap()).collect()
    });
    assert_eq!(claimed.len(), 500, "each once");
    assert_eq!(claimed.into_iter().collect::<BTreeSet<String>>(), enqueued);
    let tasks = repo.tasks();
    assert_eq!((&tasks["claimed"], &tasks["pending"], &tasks["total"]), (&500.into(), &0.into(), &500.into()));
}

/// Claims until there is nothing left.
fn drain(repo: &Repo, agent: usize) -> Vec<String> {
    let mut claimed = Vec::new();
    loop {
        let outcome = repo.coord(&format!("claim --run-id agent-{agent} --json"));
        match outcome.code {
            Some(0) => claimed.push(outcome.text_of("task_id")),
            _ => {
                assert_eq!(outcome.ended_with(1).text_of("status"), "empty");
                return claimed;
            }
        }
    }
}

/// By threads, each with a queue of its own as a process has: they meet more often than processes do.
#[test]
fn of_three_that_claim_at_once_from_a_limited_queue_one_gets_a_task_in_each_of_a_thousand_rounds() {
    let repo = Repo::new();
    repo.given(["init", "limit q --max-in-flight 1"]);
    let lines: Vec<String> = (0..200).map(|n| json!({"title": format!("{n}"), "queue": "q"}).to_string()).collect();
    repo.coord_call("enqueue --batch -").input(lines.join("\n")).run().succeeded();
    let begin = Barrier::new(3);
    let open = || Queue::open(DirStore::new(Handle::open(&repo.coordination("")).unwrap(), Sync::Off)).unwrap();
    let claim = |agent: usize| {
        begin.wait();
        let queue = open();
        let request = ClaimRequest::any(format!("agent-{agent}").parse().unwrap(), 100);
        let claim = queue.claim(&request, Thoroughness::Full, &host::turn().unwrap()).unwrap();
        let taken = claim.claimed?;
        Some((taken.task.id, Claimant { run_id: request.run_id, nonce: Some(taken.record.claim_nonce) }))
    };
    for round in 0..1_000 {
        let claimed: Vec<_> = thread::scope(|scope| {
            let agents = [0, 1, 2].map(|agent| {
                scope.spawn({
                    let claim = &claim;
                    move || claim(agent)
                })
            });
            agents.into_iter().filter_map(|agent| agent.join().unwrap()).collect()
        });
        assert_eq!(claimed.len(), 1, "round {round}");
        for (id, claimant) in claimed {
            open().release(id, claimant, 0, &host::turn().unwrap()).unwrap();
        }
    }
}

#[test]
fn one_agent_drains_in_priority_then_enqueuing_order() {
    let repo = Repo::new();
    let mut wanted: Vec<(i64, usize, String)> = Vec::new();
    for (order, priority) in [0, 7, -2, 7, 0, i64::MAX, -2, 0, i64::MIN, 1, 7].into_iter().enumerate() {
        let queue = ["a", "b", "c"][order % 3];
        let line = format!("enqueue task --priority {priority} --queue {queue} --json");
        wanted.push((priority, order, repo.coord(&line).succeeded().text_of("task_id")));
    }
    wanted.sort_by_key(|(priority, order, _)| (std::cmp::Reverse(*priority), *order));
    let wanted: Vec<String> = wanted.into_iter().map(|(_, _, id)| id).collect();
    assert_eq!(drain(&repo, 1), wanted);
}

#[test]
fn of_sixteen_processes_that_complete_one_task_one_is_believed() {
    let repo = Repo::new();
    let id = repo.enqueue("work");
    repo.claim("agent");
    let complete = |n| format!("complete {id} --run-id agent --result '{{\"from\":{n}}}' --json");
    let outcomes = all(|n| repo.coord_call(&complete(n)).start());
    let won: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.code == Some(0)).collect();
    assert_eq!(won.len(), 1, "{won:#?}");
    for outcome in outcomes.iter().filter(|outcome| outcome.code != Some(0)) {
        assert_eq!(outcome.text_of("status"), "already_terminal", "{outcome}");
    }
    assert_eq!(repo.tasks()["items"][0]["result"], won[0].json()["result"]);
}

#[test]
fn agents_killed_at_any_moment_lose_no_task() {
    const TASKS: usize = 60;
    let repo = Repo::new();
    let mut enqueued = BTreeSet::new();
    for i in 0..TASKS {
        let waiting: Vec<Running> = (0..4)
            .map(|n| repo.coord_call(&format!("claim --run-id victim-{n} --claim-ttl 1 --wait 60")).start())
            .collect();
        enqueued.insert(repo.enqueue(&format!("task {i}")));
        // Somewhere between starting up and having claimed: the kills of 60 rounds spread over all of it.
        thread::sleep(Duration::from_micros(i as u64 * 250));
        waiting.into_iter().for_each(|victim| drop(victim.kill()));
    }
    let tasks = repo.tasks();
    assert_eq!(tasks["total"], TASKS);
    assert_ne!(tasks["pending"], TASKS, "some victims had claimed");
    // Every lease that a victim had runs out; then all is there again, once.
    thread::sleep(Duration::from_millis(1_100));
    let drained = drain(&repo, 1);
    assert_eq!(drained.len(), TASKS);
    assert_eq!(drained.into_iter().collect::<BTreeSet<String>>(), enqueued);
}

/// Waiting agents remove directories that they meet empty, and enqueuing into a new queue makes seven of them.
#[test]
fn enqueuing_into_new_queues_goes_on_beside_waiting_agents() {
    const WAITING: usize = 24;
    let repo = Repo::new();
    repo.coord("init").succeeded();
    let start = |n| repo.coord_call(&format!("claim --run-id agent-{n} --wait 60 --json")).start();
    let waiting: Vec<Running> = (0..WAITING).map(start).collect();
    for i in 0..WAITING {
        let began = Instant::now();
        repo.coord(&format!("enqueue work --queue queue-{i} --priority {i}")).succeeded();
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
    let claimed: BTreeSet<String> =
        waiting.into_iter().map(|agent| agent.finish().succeeded().text_of("task_id")).collect();
    assert_eq!(claimed.len(), WAITING);
}

/// Doctors look and mend all the while that agents work, in a healthy queue and in one that has lost every record.
#[test]
fn doctors_beside_agents_tell_no_false_defect_and_mend_without_a_second_run() {
    const TASKS: usize = 120;
    for records_lost in [false, true] {
        let repo = Repo::new();
        let enqueued: BTreeSet<String> = (0..TASKS).map(|i| repo.enqueue(&format!("task {i}"))).collect();
        if records_lost {
            for part in fs::read_dir(repo.coordination("tasks")).unwrap() {
                fs::remove_dir_all(part.unwrap().path()).unwrap();
            }
        }
        let claimed: Vec<String> = thread::scope(|scope| {
            let agents: Vec<_> = (0..4)
                .map(|agent| {
                    scope.spawn({
                        let repo = &repo;
                        move || drain(repo, agent)
                    })
                })
                .collect();
            for _ in 0..8 {
                let doctors = [0; 3].map(|_| repo.coord_call("doctor --repair --json").start());
                for told in doctors.map(Running::finish) {
                    let defects = told.json()["defects"].as_array().unwrap().clone();
                    let known = |defect: &Value| records_lost && defect["code"] == "record_missing";
                    assert!(defects.iter().all(known), "{told}");
                }
            }
            agents.into_iter().flat_map(|agent| agent.join().unwrap()).collect()
        });
        assert_eq!(claimed.len(), TASKS, "each once");
        assert_eq!(claimed.into_iter().collect::<BTreeSet<String>>(), enqueued);
        let told = repo.coord("doctor --json").succeeded();
        let told = told.json();
        assert_eq!((&told["defects"], &told["notes"], &told["quarantine"]), (&json!([]), &json!([]), &json!(0)));
        assert_eq!((&told["tasks"], &told["counts"]["claimed"]), (&TASKS.into(), &TASKS.into()));
        assert_eq!(repo.tasks()["items"].as_array().unwrap().len(), TASKS, "with its records");
    }
}
