//! How many tasks an agent may add.

use coord_tests::Repo;
use serde_json::{Value, json};

use super::confined::answers;

const ADDED: [&str; 2] = ["own", "agent-1"];

fn too_many(answer: &Value, says: &str) {
    let answer = answer.as_str().unwrap();
    assert!(answer.starts_with("Error::Error(\"this agent may add ") && answer.contains(says), "{answer}");
}

#[test]
fn an_agent_adds_as_many_tasks_as_it_may_by_whichever_call_and_what_is_there_stays() {
    let repo = Repo::new();
    let (answers, _) = answers(
        &repo,
        "--queue own --max-tasks 4",
        json!([
            { "call": "enqueue", "title": "1", "unique": "k" },
            { "call": "enqueue", "title": "again", "unique": "k" },
            { "call": "enqueue_all", "tasks": [{ "title": "2" }, { "title": "3" }] },
            { "call": "enqueue_all", "tasks": [{ "title": "4" }, { "title": "5" }] },
            { "call": "complete and enqueue", "tasks": [{ "title": "4" }, { "title": "5" }] },
            { "call": "complete and enqueue", "tasks": [{ "title": "4" }] },
            { "call": "enqueue", "title": "5" },
        ]),
    );
    assert_eq!(answers[..3], [json!(ADDED), json!(["own", "agent-1", "deduplicated"]), json!([ADDED, ADDED])]);
    too_many(
        &answers[3],
        "4 tasks in all, and 1 of these are left, which is fewer than 2: nothing was added; whoever runs it",
    );
    too_many(&answers[4], "1 of these are left");
    assert_eq!(answers[5], json!([ADDED]));
    too_many(&answers[6], "0 of these are left, which is fewer than 1");
    let mut titles: Vec<_> = repo.tasks()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["title"].as_str().unwrap().to_owned())
        .collect();
    titles.sort();
    assert_eq!(titles, ["1", "2", "3", "4", "call"]);
}

#[test]
fn an_agent_adds_tasks_until_as_many_wait_in_its_queue_as_may() {
    let repo = Repo::new();
    (0..5).for_each(|_| _ = repo.coord("enqueue elsewhere --queue other").succeeded());
    let (answers, _) = answers(
        &repo,
        "--queue own --max-pending 2",
        json!([
            { "call": "enqueue_all", "tasks": [{ "title": "1" }, { "title": "2" }, { "title": "3" }] },
            { "call": "enqueue", "title": "1" },
            { "call": "enqueue", "title": "2" },
            { "call": "enqueue", "title": "3" },
            { "call": "claim" },
            { "call": "enqueue", "title": "3" },
        ]),
    );
    too_many(
        &answers[0],
        "tasks until 2 wait to be claimed in the queue own, and there is room for 2, which is fewer than 3",
    );
    assert_eq!(answers[1..3], [json!(ADDED), json!(ADDED)]);
    too_many(&answers[3], "there is room for 0");
    assert_eq!(answers[4..], [json!("1"), json!(ADDED)]);
}

#[test]
fn without_a_queue_of_its_own_all_that_wait_count() {
    let repo = Repo::new();
    repo.coord("enqueue elsewhere --queue other --priority -9").succeeded();
    let calls = json!([{ "call": "enqueue", "title": "1" }, { "call": "enqueue", "title": "2", "queue": "own" }]);
    let (answers, _) = answers(&repo, "--max-pending 2", calls);
    assert_eq!(answers[0], json!(["default", "agent-1"]));
    too_many(&answers[1], "until 2 wait to be claimed, and there is room for 0");
}
