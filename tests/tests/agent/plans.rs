//! Agents and tasks that are tried several times, wait for others, follow from others or are called off: what a
//! confined agent cannot reach by any of it, and what every agent can do with it.

use std::fs;

use coord_tests::Repo;
use serde_json::{Value, json};

use super::confined::{NO_TASK, answers, others, record};
use super::{await_field, await_status, item, result, task, task_in};

#[test]
fn no_list_of_ids_reaches_a_task_of_another_queue() {
    let repo = Repo::new();
    let failed = task_in(&repo, "other", json!({ "do": "secret failed" }));
    repo.coord("claim --run-id agent-9 --queue other").succeeded();
    repo.coord(&format!("fail-task {failed} --run-id agent-9")).succeeded();
    let [waiting, held, ended] = others(&repo);
    let others = [waiting, held, ended, failed];
    let before: Vec<_> = others.iter().map(|id| item(&repo, id)).collect();
    let calls = |id: &str| {
        json!([
            { "call": "retry", "id": id },
            { "call": "cancel", "id": id, "if_held": "request", "reason": "drop it" },
            { "call": "enqueue", "title": "t", "after": [id] },
            { "call": "enqueue_all", "tasks": [{ "title": "t" }, { "title": "t", "after": [id] }] },
            { "call": "wait", "ids": [id], "timeout": 600 },
            { "call": "warnings" },
        ])
    };
    for id in others.iter().map(String::as_str).chain([NO_TASK]) {
        let (answers, ended) = answers(&repo, "--queue own", calls(id));
        let not_found = json!(format!("Error::NotFound({id:?})"));
        assert_eq!(answers[..4], vec![not_found; 4], "{id}");
        assert_eq!(answers[4..], [json!({ "timed_out": false, "statuses": [null] }), json!([])]);
        assert_eq!(ended.stderr, "");
    }
    assert_eq!(others.map(|id| item(&repo, &id)), *before);
    assert_eq!(repo.tasks()["total"], 4 + 5, "each agent's own task, and none that an agent added");
}

#[test]
fn a_wait_for_own_tasks_beside_others_is_for_the_own_ones() {
    let repo = Repo::new();
    let [waiting, ..] = others(&repo);
    let own = task_in(&repo, "elsewhere", json!({ "do": "complete" }));
    let calls = json!([
        { "call": "wait", "ids": [waiting, own], "until": "any", "timeout": 600 },
        { "call": "wait", "ids": [waiting, own], "until": "all", "timeout": 1 },
    ]);
    let id = task_in(&repo, "elsewhere", json!({ "do": "call", "calls": calls }));
    repo.coord("claim --run-id agent-2 --queue elsewhere").succeeded();
    repo.agent("--run-id agent-1 --queue elsewhere").run().succeeded();
    let statuses = json!([null, "Status::Claimed"]);
    let told = json!([{ "timed_out": false, "statuses": statuses }, { "timed_out": true, "statuses": statuses }]);
    assert_eq!(result(&repo, &id)["answers"], told);
}

#[test]
fn what_a_wait_meets_in_another_queue_is_not_told_to_a_confined_agent() {
    let repo = Repo::new();
    let later = repo.coord("enqueue later --queue own --delay 3600 --json").succeeded().text_of("task_id");
    let torn = task_in(&repo, "other", json!({ "do": "secret" }));
    repo.coord("claim --run-id agent-9 --queue other --claim-ttl 3").succeeded();
    fs::write(record(&repo, &torn), "{").unwrap();
    let calls = json!([{ "call": "wait", "ids": [later], "timeout": 6 }, { "call": "warnings" }]);
    let (answers, ended) = answers(&repo, "--queue own", calls);
    assert_eq!(answers, [json!({ "timed_out": true, "statuses": ["Status::Scheduled"] }), json!([])]);
    assert!(ended.stderr.contains(&format!("warning: task {torn} was quarantined: ")), "{ended}");
}

#[test]
fn a_batch_is_of_the_agents_queue_and_under_its_run_id() {
    let repo = Repo::new();
    let batch = |second: Value| json!({ "call": "enqueue_all", "tasks": [{ "title": "1" }, second] });
    let calls = json!([
        batch(json!({ "title": "2", "queue": "other" })),
        batch(json!({ "title": "2", "run_id": "agent-9" })),
        batch(json!({ "title": "2", "queue": "own", "run_id": "agent-1" })),
        { "call": "tasks" },
    ]);
    let (answers, _) = answers(&repo, "--queue own", calls);
    assert!(answers[0].as_str().unwrap().starts_with("Error::BadQueue("), "{answers:?}");
    assert!(answers[1].as_str().unwrap().starts_with("Error::BadArgs("), "{answers:?}");
    assert_eq!(answers[2], json!([["own", "agent-1"], ["own", "agent-1"]]));
    assert_eq!(answers[3]["titles"], json!(["call", "1", "2"]));
}

#[test]
fn no_choice_of_queues_or_tags_and_no_number_takes_a_task_of_another_queue() {
    let repo = Repo::new();
    others(&repo);
    let tagged = repo.coord("enqueue tagged --queue other --tags t --json").succeeded().text_of("task_id");
    let calls = json!([
        { "call": "claim", "queues": ["own", "other"] },
        { "call": "claim_many", "queues": ["other"], "max": 5 },
        { "call": "claim_many", "run_id": "agent-9", "max": 5 },
        { "call": "claim", "tags": ["t"] },
        { "call": "enqueue_all", "tasks": [{ "title": "1" }, { "title": "2", "tags": ["t"] }, { "title": "3" }] },
        { "call": "claim", "tags": ["t"] },
        { "call": "claim_many", "max": 5 },
        { "call": "claim_many", "max": 5 },
    ]);
    let (answers, _) = answers(&repo, "--queue own", calls);
    for (answer, case) in answers.iter().zip(["Error::BadQueue(", "Error::BadQueue(", "Error::BadArgs("]) {
        assert!(answer.as_str().unwrap().starts_with(case), "{answers:?}");
    }
    assert_eq!(answers[3], json!(null));
    assert_eq!(answers[5..], [json!("2"), json!(["1", "3"]), json!([])]);
    assert_eq!(item(&repo, &tagged)["generation"], 0);
}

#[test]
fn a_batch_of_claims_takes_no_more_leases_than_an_agent_may_have() {
    let repo = Repo::new();
    let tasks = vec![json!({ "title": "t" }); 1_001];
    let calls = json!([{ "call": "enqueue_all", "tasks": tasks }, { "call": "claim_many", "max": 5_000 }]);
    let (answers, ended) = answers(&repo, "--queue own", calls);
    assert_eq!(answers[1].as_array().unwrap().len(), 999, "one is held already");
    assert_eq!(ended.stderr.lines().filter(|line| line.ends_with("waits to be claimed")).count(), 999);
}

#[test]
fn a_unique_key_of_another_queue_is_free_in_ones_own() {
    let repo = Repo::new();
    repo.coord("enqueue secret --queue other --unique key").succeeded();
    let enqueue = json!({ "call": "enqueue", "title": "t", "unique": "key" });
    let (answers, _) = answers(&repo, "--queue own", json!([enqueue, enqueue]));
    assert_eq!(answers, [json!(["own", "agent-1"]), json!(["own", "agent-1", "deduplicated"])]);
}

#[test]
fn a_cursor_of_another_queues_listing_shows_ones_own_queue() {
    let repo = Repo::new();
    others(&repo);
    let listing = repo.coord("tasks --queue other --limit 1 --json").succeeded().json();
    let cursor = listing["next_cursor"].as_str().unwrap();
    let (answers, _) = answers(&repo, "--queue own", json!([{ "call": "tasks", "cursor": cursor }]));
    assert_eq!(answers[0]["titles"], json!(["call"]));
}

#[test]
fn what_follows_is_of_the_agents_queue_and_under_its_run_id() {
    let repo = Repo::new();
    let [waiting, ..] = others(&repo);
    let follow =
        |new: Value| task_in(&repo, "own", json!({ "do": "follow up", "follow_ups": [{ "title": "1" }, new] }));
    let refused = [
        (json!({ "title": "2", "queue": "other" }), "Error::BadQueue("),
        (json!({ "title": "2", "run_id": "agent-9" }), "Error::BadArgs("),
        (json!({ "title": "2", "after": [waiting] }), "Error::NotFound("),
        (json!({ "title": "2", "after": [NO_TASK] }), "Error::NotFound("),
    ];
    let refused = refused.map(|(new, case)| (follow(new), case));
    let taken = follow(json!({ "title": "2" }));
    repo.agent("--run-id agent-1 --queue own").run().succeeded();
    for (id, case) in refused {
        let refusal = result(&repo, &id)["refused"].as_str().unwrap().to_string();
        assert!(refusal.starts_with(case), "{refusal}");
    }
    assert_eq!(result(&repo, &taken), json!({ "refused": null }));
    let listing = repo.coord("tasks --queue own --json").succeeded().json();
    let follow_ups = listing["items"].as_array().unwrap().iter().filter(|item| item["title"] != "follow up");
    let follow_ups: Vec<_> = follow_ups.map(|item| [&item["title"], &item["created_by"], &item["status"]]).collect();
    assert_eq!(json!(follow_ups), json!([["1", "agent-1", "completed"], ["2", "agent-1", "completed"]]));
}

#[test]
fn what_a_follow_up_was_to_wait_for_is_not_the_task_that_the_agent_holds() {
    let repo = Repo::new();
    let follow_up = json!({ "title": "2", "after": [NO_TASK] });
    let id = task_in(&repo, "default", json!({ "do": "follow up or drop", "follow_ups": [follow_up] }));
    let ended = repo.agent("--run-id agent-1").run().ended_with(1);
    super::assert_given_back(&repo, &id, &ended);
}

#[test]
fn an_agent_that_is_asked_to_stop_learns_it_and_can_heed_it() {
    for flags in ["--run-id agent-1", "--run-id agent-1 --queue default"] {
        let repo = Repo::new();
        let id = task(&repo, "heed");
        let agent = repo.agent(flags).start();
        await_status(&repo, &id, "claimed");
        await_field(&repo, &id, "note", "half of it");
        assert_eq!(item(&repo, &id)["progress"], 0.5);
        let request = ["coord", "cancel-task", &id, "--run-id", "boss", "--request", "--reason", "not needed"];
        repo.muse(request).succeeded();
        let ended = agent.finish().succeeded();
        assert_eq!(ended.stdout, "heed: heed\nasked to stop by boss: not needed\n");
        let item = item(&repo, &id);
        assert_eq!([&item["status"], &item["reason"]], [&json!("cancelled"), &json!("not needed")]);
    }
}

#[test]
fn an_attempt_that_an_agent_fails_is_followed_by_the_next_unless_it_fails_for_good() {
    let repo = Repo::new();
    let add = |action: &str| {
        let payload = json!({ "do": action }).to_string();
        let words = ["coord", "enqueue", action, "--max-attempts=2", "--backoff=0", "--json", "--payload", &payload];
        repo.muse(words).succeeded().text_of("task_id")
    };
    let [tried_twice, tried_once] = ["fail", "fail for good"].map(add);
    repo.agent("--run-id agent-1").run().succeeded();
    for (id, attempts) in [(tried_twice, 2), (tried_once, 1)] {
        let shown = repo.coord(&format!("show {id} --json")).succeeded().json();
        assert_eq!([&shown["status"], &shown["attempt"]], [&json!("failed"), &json!(attempts)]);
        assert_eq!(shown["history"].as_array().unwrap().len(), attempts);
    }
}
