//! `wait`: until tasks have ended, however they ended.
#![allow(clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::time::{Duration, Instant};

use coord_tests::Repo;
use insta::assert_snapshot;
use serde_json::json;

use crate::{NO_TASK, with_each};

#[test]
fn a_wait_ends_with_the_last_task_and_tells_what_became_of_each() {
    let repo = Repo::new();
    let [good, bad, off] = ["good", "bad", "off"].map(|title| repo.enqueue(title));
    repo.given(["claim --run-id a"; 2]);
    let waiting = repo.coord_call(&format!("wait {good} {bad} {off} --timeout 60 --json")).start();
    repo.given([
        format!(r#"complete {good} --run-id a --result {{"pr":42}}"#),
        format!("fail-task {bad} --run-id a --error 'no such file'"),
        format!("cancel-task {off} --run-id a --reason 'not needed'"),
    ]);
    let began = Instant::now();
    let waited = waiting.finish().succeeded();
    assert!(began.elapsed() < Duration::from_secs(10));
    let text = repo.coord(&format!("wait {good} {bad} {off} --all"));
    let all_good = repo.coord(&format!("wait {good} --json"));
    assert_snapshot!(coord_tests::transcript([waited, text, all_good]), @r#"
    $ muse coord wait <id 1> <id 2> <id 3> --timeout 60 --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 4>",
     "timed_out":false,"all_completed":false,"items":[{"task_id":"<id 1>","status":"completed","title":"good",
     "attempt":1,"ended_at":"<time 1>","result":{"pr":42},"error":null},{"task_id":"<id 2>","status":"failed",
     "title":"bad","attempt":1,"ended_at":"<time 2>","result":null,"error":"no such file"},{"task_id":"<id 3>",
     "status":"cancelled","title":"off","attempt":0,"ended_at":"<time 3>","result":null,"error":null,
     "reason":"not needed"}],"warnings":[]}
    exit 0

    $ muse coord wait <id 1> <id 2> <id 3> --all

    🏁 Ended
    ✅completed <id 1>
      Title:      good
      Result:     {"pr":42}
    ❌failed <id 2>
      Title:      bad
      Error:      no such file
    🚫cancelled <id 3>
      Title:      off
      Reason:     not needed

      (<s>)
    exit 0

    $ muse coord wait <id 1> --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 5>",
     "timed_out":false,"all_completed":true,"items":[{"task_id":"<id 1>","status":"completed","title":"good",
     "attempt":1,"ended_at":"<time 1>","result":{"pr":42},"error":null}],"warnings":[]}
    exit 0
    "#);
}

#[test]
fn a_wait_for_any_ends_with_the_first() {
    let repo = Repo::new();
    let [first, second] = ["first", "second"].map(|title| repo.enqueue(title));
    let waiting = repo.coord_call(&format!("wait {first} {second} --any --timeout 60 --json")).start();
    repo.coord(&format!("cancel-task {second} --run-id a")).succeeded();
    let waited = waiting.finish().succeeded().json();
    assert_eq!((&waited["timed_out"], &waited["all_completed"]), (&json!(false), &json!(false)));
    assert_eq!(
        (&waited["items"][0]["status"], &waited["items"][1]["status"]),
        (&json!("pending"), &json!("cancelled"))
    );
}

#[test]
fn a_wait_whose_time_is_over_is_exit_code_1_and_tells_how_the_tasks_stand() {
    let repo = Repo::new();
    let id = repo.enqueue("Fix it");
    let began = Instant::now();
    assert_snapshot!(repo.session([format!("wait {id} --timeout 1s"), format!("wait {id} --timeout 0 --json")]), @r#"
    $ muse coord wait <id 1> --timeout 1s

    ⏰ Timeout before they ended
    ⏳pending <id 1>
      Title:      Fix it

      (<s>)
    exit 1

    $ muse coord wait <id 1> --timeout 0 --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "timed_out":true,"all_completed":false,"items":[{"task_id":"<id 1>","status":"pending","title":"Fix it",
     "attempt":0,"result":null,"error":null}],"warnings":[]}
    exit 1
    "#);
    assert!((1.0..8.0).contains(&began.elapsed().as_secs_f64()));
}

#[test]
fn a_task_that_is_gone_or_never_was_is_answered_at_once() {
    let repo = Repo::new();
    let id = repo.enqueue("Fix it");
    repo.given([format!("cancel-task {id} --run-id a"), String::from("gc --older-than 0")]);
    assert_snapshot!(repo.session([format!("wait {id} {NO_TASK}"), format!("wait {id} --any --json")]), @r#"
    $ muse coord wait <id 1> <id 2>

    🏁 Ended
    ❔gone <id 1>
      It was removed, or never existed
    ❔gone <id 2>
      It was removed, or never existed

      (<s>)
    exit 0

    $ muse coord wait <id 1> --any --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 1>",
     "timed_out":false,"all_completed":false,"items":[{"task_id":"<id 1>","status":null,"result":null,
     "error":null}],"warnings":[]}
    exit 0
    "#);
}

#[test]
fn a_task_whose_last_holder_died_ends_although_no_agent_is_left() {
    let repo = Repo::new();
    let id = repo.coord("enqueue poison --max-attempts 1 --json").succeeded().text_of("task_id");
    repo.coord("claim --run-id doomed --claim-ttl 1").succeeded();
    let waited = repo.coord(&format!("wait {id} --timeout 60 --json")).succeeded().json();
    assert_eq!(waited["items"][0]["status"], "failed");
}

#[test]
fn bad_values_are_refused() {
    let repo = Repo::new();
    assert_snapshot!(with_each(&repo, &format!("wait {NO_TASK}"), "--timeout", ["-1", "315360001"]), @"
    $ muse coord wait <id 1> --timeout -1
    2> ❌ --timeout must be between 0 and 315360000, got -1
    exit 1

    $ muse coord wait <id 1> --timeout 315360001
    2> ❌ --timeout must be between 0 and 315360000, got 315360001
    exit 1
    ");
    assert_snapshot!(repo.session(["wait", "wait 7 --json", &format!("wait {NO_TASK} --all --any")]), @r#"
    $ muse coord wait
    2> error: the following required arguments were not provided:
    2>   <TASK_ID>...
    2> 
    2> Usage: muse coord wait <TASK_ID>...
    2> 
    2> For more information, try '--help'.
    exit 2

    $ muse coord wait 7 --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"invalid task id \"7\": it must be \"sha256:\" and 64 lower-case hexadecimal digits, as `enqueue` printed it",
     "status":"bad_task_id","warnings":[]}
    exit 1

    $ muse coord wait <id 1> --all --any
    2> error: the argument '--all' cannot be used with '--any'
    2> 
    2> Usage: muse coord wait --all <TASK_ID>...
    2> 
    2> For more information, try '--help'.
    exit 2
    "#);
}
