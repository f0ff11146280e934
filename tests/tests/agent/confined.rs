//! Agents that try to see, claim or change what is not theirs.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use coord_tests::{Outcome, Repo};
use serde_json::{Value, json};

use super::{await_status, item, result, task_in};

pub(crate) const NO_TASK: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// What an agent that works on the queue `own` is answered to these calls, if it works on that queue alone or not.
pub(crate) fn answers(repo: &Repo, flags: &str, calls: Value) -> (Vec<Value>, Outcome) {
    let id = task_in(repo, "own", json!({ "do": "call", "calls": calls }));
    let ended = repo.agent(&format!("--run-id agent-1 {flags}")).run().succeeded();
    (result(repo, &id)["answers"].as_array().unwrap().clone(), ended)
}

#[test]
fn an_agent_cannot_act_as_another() {
    let repo = Repo::new();
    let theirs = task_in(&repo, "theirs", json!({ "do": "complete" }));
    let claim = repo.coord("claim --run-id agent-9 --queue theirs --json").succeeded();
    let nonce = claim.text_of("claim_nonce");
    let before = item(&repo, &theirs);
    let (answers, _) = answers(
        &repo,
        "",
        json!([
            { "call": "enqueue", "title": "forged", "run_id": "agent-9" },
            { "call": "claim", "run_id": "agent-9" },
            { "call": "resume", "id": theirs, "run_id": "agent-9", "nonce": nonce },
            { "call": "cancel", "id": theirs, "run_id": "agent-9" },
            { "call": "cancel", "id": theirs, "run_id": "agent-9", "if_held": "force" },
            { "call": "claim", "run_id": "" },
            { "call": "claim", "run_id": "agent-1 " },
        ]),
    );
    let forged =
        r#"Error::BadArgs("run-id: this agent runs as \"agent-1\" and cannot act as \"agent-9\": leave it out")"#;
    assert_eq!(answers[..5], vec![json!(forged); 5]);
    assert!(answers[5..].iter().all(|answer| answer.as_str().unwrap().starts_with("Error::BadArgs(")), "{answers:?}");
    assert_eq!(item(&repo, &theirs), before);
    assert_eq!(repo.tasks()["total"], 2);
}

#[test]
fn an_agent_cannot_take_up_the_lease_of_another_under_its_own_name() {
    let repo = Repo::new();
    let theirs = task_in(&repo, "theirs", json!({ "do": "complete" }));
    let claim = repo.coord("claim --run-id agent-9 --queue theirs --json").succeeded();
    let (answers, _) = answers(
        &repo,
        "",
        json!([
            { "call": "resume", "id": theirs, "nonce": claim.text_of("claim_nonce") },
            { "call": "cancel", "id": theirs, "run_id": "agent-1" },
        ]),
    );
    for answer in answers {
        let answer = answer.as_str().unwrap();
        assert!(answer.starts_with("Error::WrongOwner(") && answer.contains("run-id: \"agent-9\""), "{answer}");
    }
}

#[test]
fn what_an_agent_does_is_done_under_its_run_id_whether_it_says_so_or_not() {
    let repo = Repo::new();
    let (answers, _) = answers(
        &repo,
        "",
        json!([
            { "call": "enqueue", "title": "1" },
            { "call": "enqueue", "title": "2", "run_id": "agent-1", "queue": "q" },
            { "call": "tasks", "run_id": "agent-1" },
            { "call": "tasks", "run_id": "agent-9" },
        ]),
    );
    assert_eq!(answers[..2], [json!(["default", "agent-1"]), json!(["q", "agent-1"])]);
    assert_eq!([&answers[2]["titles"], &answers[3]["titles"]], [&json!(["call"]), &json!([])]);
}

/// Tasks of another queue, one in each state that an agent could touch: waiting, held by this very run id, ended.
pub(crate) fn others(repo: &Repo) -> [String; 3] {
    let held = task_in(repo, "other", json!({ "do": "secret held" }));
    repo.coord("claim --run-id agent-1 --queue other").succeeded();
    let ended = task_in(repo, "other", json!({ "do": "secret ended" }));
    repo.coord("claim --run-id agent-1 --queue other").succeeded();
    repo.coord(&format!("complete {ended} --run-id agent-1")).succeeded();
    [task_in(repo, "other", json!({ "do": "secret waiting" })), held, ended]
}

#[test]
fn a_task_of_another_queue_is_to_a_confined_agent_as_one_that_does_not_exist() {
    let repo = Repo::new();
    let others = others(&repo);
    let before: Vec<_> = others.iter().map(|id| item(&repo, id)).collect();
    let calls = |id: &str| {
        json!([
            { "call": "show", "id": id },
            { "call": "resume", "id": id },
            { "call": "cancel", "id": id },
            { "call": "cancel", "id": id, "if_held": "force" },
            { "call": "warnings" },
        ])
    };
    for id in others.iter().map(String::as_str).chain([NO_TASK]) {
        let (answers, ended) = answers(&repo, "--queue own", calls(id));
        let not_found = json!(format!("Error::NotFound({id:?})"));
        assert_eq!(answers, [not_found.clone(), not_found.clone(), not_found.clone(), not_found, json!([])]);
        assert_eq!(ended.stderr, "");
    }
    assert_eq!(others.map(|id| item(&repo, &id)), *before);
}

#[test]
fn a_confined_agent_works_on_its_queue_alone() {
    let repo = Repo::new();
    others(&repo);
    task_in(&repo, "default", json!({ "do": "secret default" }));
    let (answers, _) = answers(
        &repo,
        "--queue own",
        json!([
            { "call": "enqueue", "title": "t", "queue": "other" },
            { "call": "enqueue", "title": "t", "queue": "default" },
            { "call": "claim", "queues": ["other"] },
            { "call": "tasks", "queue": "other" },
            { "call": "enqueue", "title": "mine" },
            { "call": "enqueue", "title": "mine, too", "queue": "own" },
            { "call": "claim", "queues": ["own"] },
            { "call": "tasks" },
            { "call": "tasks", "queue": "own", "run_id": "agent-1" },
            { "call": "tasks", "status": "completed" },
            { "call": "warnings" },
        ]),
    );
    let refused = |name: &str| {
        json!(format!(
            "Error::BadQueue({:?})",
            format!("this agent works on the queue \"own\" and not on {name:?}: leave it out")
        ))
    };
    assert_eq!(answers[..4], [refused("other"), refused("default"), refused("other"), refused("other")]);
    assert_eq!(answers[4..7], [json!(["own", "agent-1"]), json!(["own", "agent-1"]), json!("mine")]);
    // Two are claimed: the task at hand, and `mine`.
    let counts = json!([0, 0, 1, 2, 0, 0, 0, 0, 0]);
    let listing = |titles: &[&str]| json!({ "counts": counts, "titles": titles, "truncated": false });
    assert_eq!(answers[7..10], [listing(&["call", "mine", "mine, too"]), listing(&["call", "mine"]), listing(&[])]);
    assert_eq!(answers[10], json!([]));
    // The agent then went on, and left nothing of its queue, and all of the others.
    let left = repo.tasks();
    let pending: Vec<_> = left["items"].as_array().unwrap().iter().filter(|item| item["status"] == "pending").collect();
    let titles: Vec<_> = pending.iter().map(|item| item["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["secret waiting", "secret default", "mine"]);
}

#[test]
fn what_is_wrong_in_another_queue_is_told_to_whoever_runs_the_agent_and_not_to_it() {
    let repo = Repo::new();
    let altered = task_in(&repo, "other", json!({ "do": "secret" }));
    let record = record(&repo, &altered);
    let whole = fs::read_to_string(&record).unwrap();
    fs::write(&record, whole.replace("secret", "forged")).unwrap();
    let calls = json!([
        { "call": "tasks" },
        { "call": "show", "id": altered },
        { "call": "resume", "id": altered },
        { "call": "enqueue", "title": "x".repeat(600) },
        { "call": "warnings" },
    ]);
    let (answers, ended) = answers(&repo, "--queue own", calls.clone());
    let not_found = json!(format!("Error::NotFound({altered:?})"));
    assert_eq!(answers[1..3], [not_found.clone(), not_found]);
    assert_eq!(answers[4], json!(["title was cut from 600 to 512 characters"]));
    assert!(!json!(answers).to_string().contains("altered"), "{answers:?}");
    assert!(ended.stderr.contains(&format!("warning: task {altered}")), "{ended}");

    // An agent that is given all queues is told.
    let (answers, ended) = self::answers(&repo, "", calls);
    assert!(answers[1].as_str().unwrap().contains("is altered"), "{answers:?}");
    assert_eq!(ended.stderr, "");
}

#[test]
fn what_a_claim_meets_in_another_queue_is_not_told_to_a_confined_agent() {
    let repo = Repo::new();
    let torn = task_in(&repo, "other", json!({ "do": "secret" }));
    repo.coord("claim --run-id agent-9 --queue other --claim-ttl 1").succeeded();
    fs::write(record(&repo, &torn), "{").unwrap();
    await_lapse(&repo);
    let calls = json!([{ "call": "claim" }, { "call": "enqueue", "title": "t" }, { "call": "warnings" }]);
    let (answers, ended) = answers(&repo, "--queue own", calls);
    assert_eq!(answers, [json!(null), json!(["own", "agent-1"]), json!([])]);
    assert!(ended.stderr.contains(&format!("warning: task {torn} was quarantined: ")), "{ended}");
}

/// Waits until no lease is running.
fn await_lapse(repo: &Repo) {
    while repo.tasks()["claimed"] != 0 {
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_agent_has_nothing_but_the_queue() {
    let repo = Repo::new();
    let id = task_in(&repo, "own", json!({ "do": "look around" }));
    repo.agent("--run-id agent-1").env("HOME", "/root").run().succeeded();
    let around = result(&repo, &id);
    assert_eq!(around["arguments"], json!(["agent"]));
    assert_eq!(around["variables"], json!(["MUSE_RUN_ID=agent-1"]));
    assert_eq!([&around["directories"], &around["input"]], [&json!(0), &json!(0)]);
    for attempt in ["read /etc/passwd", "list .", "write here", "make .muse"] {
        assert_ne!(around[attempt], "done", "{attempt}: {around}");
    }
    assert!(!repo.path("here").exists());
}

#[test]
fn agents_side_by_side_do_each_task_once_each_under_its_own_name() {
    let repo = Repo::new();
    let tasks: Vec<_> = (0..60).map(|_| task_in(&repo, "own", json!({ "do": "complete" }))).collect();
    let agents = ["agent-1", "agent-2"].map(|run_id| (run_id, repo.agent(&format!("--run-id {run_id}")).start()));
    let mut done = 0;
    for (run_id, agent) in agents {
        let ended = agent.finish().succeeded();
        let listing = repo.coord(&format!("tasks --run-id {run_id} --json")).succeeded().json();
        let own = listing["items"].as_array().unwrap().len();
        assert_eq!(ended.stdout.lines().count(), own);
        done += own;
    }
    assert_eq!(done, tasks.len());
    assert_eq!(repo.tasks()["completed"], json!(tasks.len()));
    repo.coord("doctor").succeeded();
}

#[test]
fn an_agent_that_is_held_up_does_not_hold_up_another() {
    let repo = Repo::new();
    let stuck = task_in(&repo, "own", json!({ "do": "loop" }));
    let first = repo.agent("--run-id agent-1 --timeout 20s").start();
    await_status(&repo, &stuck, "claimed");
    let id = task_in(&repo, "own", json!({ "do": "complete" }));
    repo.agent("--run-id agent-2").run().succeeded();
    assert_eq!(item(&repo, &id)["claimer_run_id"], "agent-2");
    first.kill();
}

pub(crate) fn record(repo: &Repo, id: &str) -> PathBuf {
    let hex = id.strip_prefix("sha256:").unwrap();
    repo.coordination(format!("tasks/{}/{hex}.json", &hex[..2]))
}
