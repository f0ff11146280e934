//! `enqueue --batch` and `complete --enqueue`: many tasks by one call, all of them or none.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;

use coord_tests::{Outcome, Repo, transcript};
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::NO_TASK;

#[test]
fn a_batch_is_a_task_a_line_with_one_answer() {
    let repo = Repo::new();
    let lines = [
        r#"{"title":"first","priority":3,"queue":"code","ttl_seconds":60,"tags":["a","b"],"payload":{"n":1.50}}"#,
        "",
        r#"{"title":"second","run_id":"somebody","max_attempts":3,"backoff_seconds":2,"unique":"k"}"#,
        r#"{"title":"third","unique":"k","delay_seconds":null}"#,
    ];
    let call = |line: &str| repo.coord_call(line).input(lines.join("\n")).run();
    assert_snapshot!(transcript([
        call("enqueue --batch - --run-id orchestrator"),
        call("enqueue --batch - --run-id orchestrator --json"),
    ]), @r#"
    $ muse coord enqueue --batch - --run-id orchestrator

    ✅ Tasks enqueued
      Enqueued:   2
      Existed:    1 already, with the same unique key
      <id 1>
      <id 2>
      <id 2> (existed already)

      (<s>)
    exit 0

    $ muse coord enqueue --batch - --run-id orchestrator --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 1>","enqueued":1,
     "deduplicated":2,"tasks":[{"task_id":"<id 3>","deduplicated":false},{"task_id":"<id 2>",
     "deduplicated":true},{"task_id":"<id 2>","deduplicated":true}],"warnings":[]}
    exit 0
    "#);
    let shown = tasks_by_title(&repo);
    assert_eq!(shown.len(), 2);
    let first = &shown[0];
    assert_eq!(
        (&first["queue"], &first["tags"], &first["created_by"]),
        (&json!("code"), &json!(["a", "b"]), &json!("orchestrator"))
    );
    assert_eq!(first["payload"].to_string(), r#"{"n":1.5}"#);
    assert_eq!((&shown[1]["created_by"], &shown[1]["backoff_seconds"]), (&json!("somebody"), &json!(2)));
}

#[test]
fn a_file_is_read_as_standard_input_is() {
    let repo = Repo::new();
    fs::create_dir(repo.path("below")).unwrap();
    fs::write(repo.path("below/tasks.ndjson"), "{\"title\":\"one\"}\n{\"title\":\"two\"}\n").unwrap();
    for line in ["enqueue --batch below/tasks.ndjson --json", "enqueue --json --batch=below/tasks.ndjson"] {
        assert_eq!(repo.coord(line).succeeded().json()["enqueued"], 2);
    }
    assert_snapshot!(repo.session([
        "enqueue --batch none.ndjson",
        "enqueue --batch none.ndjson --json",
        "enqueue --batch below",
        "enqueue --batch",
    ]), @r#"
    $ muse coord enqueue --batch none.ndjson
    2> ❌ cannot read "none.ndjson": No such file or directory; name a file that can be read, or - for standard input
    exit 1

    $ muse coord enqueue --batch none.ndjson --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"cannot read \"none.ndjson\": No such file or directory; name a file that can be read, or - for standard input",
     "status":"io_error","warnings":[]}
    exit 1

    $ muse coord enqueue --batch below
    2> ❌ cannot read "below": is a directory; name a file that can be read, or - for standard input
    exit 1

    $ muse coord enqueue --batch
    2> error: a value is required for '--batch <FILE>' but none was supplied
    2> 
    2> For more information, try '--help'.
    exit 2
    "#);
    assert_eq!(repo.tasks()["total"], 4);
}

#[test]
fn the_component_itself_holds_no_file_and_says_how_to_hand_one_over() {
    let repo = Repo::new();
    repo.coord("init").succeeded();
    let stock = |file: &str| {
        let call = repo.stock(["--dir", ".muse/coordination"], ["coord", "enqueue", "--batch", file]);
        call.input("{\"title\":\"one\"}").run()
    };
    stock("-").succeeded();
    assert_snapshot!(stock("tasks.ndjson"), @r#"
    $ wasmtime run … muse.wasm coord enqueue --batch tasks.ndjson
    2> ❌ --batch "tasks.ndjson" is a file outside the sandbox: pass it on standard input, --batch - < FILE
    exit 1
    "#);
}

#[test]
fn a_line_that_is_wrong_is_named_and_nothing_is_enqueued() {
    let repo = Repo::new();
    let good = r#"{"title":"good"}"#;
    let long = format!(r#"{{"title":"{}"}}"#, "t".repeat(262_144));
    let bad = [
        r#"{"titel":"Fix it"}"#,
        r#"{"title":"Fix it""#,
        r#"{"title":"Fix it","title":"again"}"#,
        r#"["Fix it"]"#,
        r#"{"title":"  "}"#,
        r#"{"title":"t","queue":"../x"}"#,
        r#"{"title":"t","ttl_seconds":0}"#,
        r#"{"title":"t","payload":[]}"#,
        r#"{"title":"t","max_attempts":1001}"#,
        r#"{"title":"t","backoff_seconds":1}"#,
        r#"{"title":"t","delay_seconds":1,"at":"2026-11-24T18:00:00Z"}"#,
        r#"{"title":"t","at":"tomorrow"}"#,
        r#"{"title":"t","after":["7"]}"#,
        r#"{"title":"t","if_parent_fails":"panic"}"#,
        r#"{"title":"t","unique":""}"#,
        &format!(r#"{{"title":"t","after":["{NO_TASK}"]}}"#),
        &long,
    ];
    let outcomes = bad.map(|bad| {
        let input = [good, bad, good].join("\n");
        (bad, repo.coord_call("enqueue --batch -").input(input).run().ended_with(1))
    });
    let errors: Vec<String> = outcomes.iter().map(|(bad, outcome)| told(bad, outcome)).collect();
    assert_snapshot!(errors.join("\n"), @r#"
    {"titel":"Fix it"}
      ❌ --batch line 2: column 8: unknown field `titel`, expected one of `title`, `priority`, `run_id`, `ttl_seconds`, `payload`, `tags`, `queue`, `max_attempts`, `backoff_seconds`, `backoff_max_seconds`, `delay_seconds`, `at`, `after`, `if_parent_fails`, `unique`
    {"title":"Fix it"
      ❌ --batch line 2: column 17: EOF while parsing an object
    {"title":"Fix it","title":"again"}
      ❌ --batch line 2: column 25: duplicate field `title`
    ["Fix it"]
      ❌ --batch line 2: it must be a JSON object like {"title": "Fix it"}
    {"title":"  "}
      ❌ --batch line 2: title must be non-empty: describe the work in a few words
    {"title":"t","queue":"../x"}
      ❌ --batch line 2: invalid queue name "../x": use 1 to 64 letters, digits, '_' or '-'
    {"title":"t","ttl_seconds":0}
      ❌ --batch line 2: ttl_seconds must be between 1 and 315360000, got 0
    {"title":"t","payload":[]}
      ❌ --batch line 2: invalid payload: it must be a JSON object like {"key": 1}, not an array
    {"title":"t","max_attempts":1001}
      ❌ --batch line 2: max_attempts must be between 1 and 1000, got 1001
    {"title":"t","backoff_seconds":1}
      ❌ --batch line 2: backoff_seconds is for tasks with several attempts: give max_attempts too
    {"title":"t","delay_seconds":1,"at":"2026-11-24T18:00:00Z"}
      ❌ --batch line 2: a delay and a start time exclude each other: give one of them
    {"title":"t","at":"tomorrow"}
      ❌ --batch line 2: invalid time "tomorrow": give a time like 2026-11-24T18:00:00Z
    {"title":"t","after":["7"]}
      ❌ --batch line 2: invalid task id "7": it must be "sha256:" and 64 lower-case hexadecimal digits, as `enqueue` printed it
    {"title":"t","if_parent_fails":"panic"}
      ❌ --batch line 2: if_parent_fails must be block, cancel or run, got "panic"
    {"title":"t","unique":""}
      ❌ --batch line 2: a unique key must have 1 to 256 characters, got 0
    {"title":"t","after":["sha256:000000000000000000000000000000
      ❌ --batch line 2: no task <no task> to wait for: enqueue it first; nothing was enqueued
    {"title":"tttttttttttttttttttttttttttttttttttttttttttttttttt
      ❌ --batch line 2: too long (max 262144 bytes)
    "#);
    let not_text = repo.coord_call("enqueue --batch - --json").input(b"{\"title\":\"caf\xe9\"}").run().ended_with(1);
    assert_eq!(not_text.text_of("error"), "--batch line 1: not UTF-8");
    assert_eq!(repo.tasks()["total"], 0);
}

fn told(line: &str, outcome: &Outcome) -> String {
    let line: String = line.chars().take(60).collect();
    format!("{line}\n  {}", outcome.stderr.trim_end().replace(NO_TASK, "<no task>")).replace(NO_TASK, "<no task>")
}

#[test]
fn what_is_cut_is_told_by_its_line() {
    let repo = Repo::new();
    let input = format!("{{\"title\":\"short\"}}\n{{\"title\":\"{}\"}}\n", "é".repeat(513));
    let answer = repo.coord_call("enqueue --batch - --json").input(input).run().succeeded().json();
    assert_eq!(answer["warnings"], json!(["line 2: title was cut from 513 to 512 characters"]));
}

#[test]
fn an_empty_batch_enqueues_nothing_and_is_fine() {
    let repo = Repo::new();
    let answer = repo.coord_call("enqueue --batch - --json").input("\n\n").run().succeeded().json();
    assert_eq!((&answer["enqueued"], &answer["tasks"]), (&json!(0), &json!([])));
}

#[test]
fn a_batch_takes_neither_a_title_nor_what_a_line_says_itself() {
    let repo = Repo::new();
    let flags = [
        "Title",
        "--priority 1",
        "--queue q",
        "--ttl 1",
        "--payload {}",
        "--tags a",
        "--max-attempts 2",
        "--delay 1",
        "--at 2026-11-24T18:00:00Z",
        "--unique k",
    ];
    for flag in flags {
        let outcome = repo.coord(&format!("enqueue --batch - {flag} --json")).ended_with(2);
        assert!(outcome.text_of("error").contains("cannot be used with"), "{outcome}");
    }
    assert_eq!(repo.tasks()["total"], 0);
}

#[test]
fn a_batch_of_many_steps_keeps_the_order_of_its_lines() {
    let repo = Repo::new();
    let titles: Vec<String> = (0..600).map(|n| n.to_string()).collect();
    let lines: Vec<String> = titles.iter().map(|title| format!("{{\"title\":\"{title}\"}}")).collect();
    let call = repo.coord_call("enqueue --batch - --json").env("MUSE_COORD_SYNC", "off");
    let answer = call.input(lines.join("\n")).run().succeeded().json();
    assert_eq!(answer["enqueued"], 600);
    let listed = repo.tasks();
    let ids = |tasks: &Value| tasks.as_array().unwrap().iter().map(|task| task["task_id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&listed["items"]), ids(&answer["tasks"]));
    let listed: Vec<&str> =
        listed["items"].as_array().unwrap().iter().map(|item| item["title"].as_str().unwrap()).collect();
    assert_eq!(listed, titles);
}

#[test]
fn a_completion_enqueues_what_follows_which_can_then_be_claimed() {
    let repo = Repo::new();
    let id = repo.enqueue("Plan it");
    repo.claim("planner");
    let follow_ups = "{\"title\":\"Build it\",\"tags\":[\"code\"]}\n{\"title\":\"Test it\",\"run_id\":\"somebody\"}\n";
    let call = repo.coord_call(&format!("complete {id} --run-id planner --enqueue - --json")).input(follow_ups).run();
    assert_snapshot!(call, @r#"
    $ muse coord complete <id 1> --run-id planner --enqueue - --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 2>",
     "task_id":"<id 1>","claimer_run_id":"planner","claimed_at":"<time 1>","expires_at":"<time 1 + 3600s>",
     "lease_seconds":3600,"status":"completed","heartbeat_at":"<time 1>","claim_nonce":"<nonce 1>","result":null,
     "error":null,"generation":1,"attempt":1,"cancel_requested":false,"enqueued":2,"deduplicated":0,
     "tasks":[{"task_id":"<id 2>","deduplicated":false},{"task_id":"<id 3>","deduplicated":false}],
     "warnings":[]}
    exit 0
    "#);
    let [first, second] =
        ["a", "b"].map(|run_id| repo.coord(&format!("claim --run-id {run_id} --json")).succeeded().json());
    let told = |claim: &Value| format!("{} by {}", claim["task"]["title"], claim["task"]["created_by"]);
    assert_eq!([told(&first), told(&second)], ["\"Build it\" by \"planner\"", "\"Test it\" by \"somebody\""]);

    let last = first["task_id"].as_str().unwrap();
    fs::write(repo.path("next.ndjson"), "{\"title\":\"Ship it\"}").unwrap();
    assert_snapshot!(repo.coord(&format!("complete {last} --run-id a --enqueue next.ndjson")), @"
    $ muse coord complete <id 2> --run-id a --enqueue next.ndjson

    ✅ Task completed
      Task ID:    <id 2>
      Title:      Build it
      Queue:      default
      By:         a
      Enqueued:   1
      <id 4>

      (<s>)
    exit 0
    ");
}

#[test]
fn a_completion_that_is_refused_enqueues_nothing() {
    let repo = Repo::new();
    let id = repo.enqueue("Plan it");
    repo.claim("planner");
    let complete = |run_id: &str, input: &str| {
        repo.coord_call(&format!("complete {id} --run-id {run_id} --enqueue -")).input(input).run().ended_with(1)
    };
    assert_snapshot!(transcript([complete("other", "{\"title\":\"t\"}"), complete("planner", "{\"titel\":\"t\"}")]), @r#"
    $ muse coord complete <id 1> --run-id other --enqueue -
    2> ❌ task <id 1>: it belongs to "planner", who claimed it at <time 1> as generation 1 with a lease until <time 1 + 3600s>
    exit 1

    $ muse coord complete <id 1> --run-id planner --enqueue -
    2> ❌ --enqueue line 1: column 8: unknown field `titel`, expected one of `title`, `priority`, `run_id`, `ttl_seconds`, `payload`, `tags`, `queue`, `max_attempts`, `backoff_seconds`, `backoff_max_seconds`, `delay_seconds`, `at`, `after`, `if_parent_fails`, `unique`
    exit 1
    "#);
    let tasks = repo.tasks();
    assert_eq!((&tasks["total"], &tasks["claimed"]), (&json!(1), &json!(1)));
}

fn tasks_by_title(repo: &Repo) -> Vec<Value> {
    let mut items = repo.tasks()["items"].as_array().unwrap().clone();
    items.sort_by_key(|item| item["title"].as_str().unwrap().to_string());
    items.dedup_by_key(|item| item["title"].clone());
    items
}
