//! Retries: `enqueue --max-attempts`, `fail-task --final`, and `retry` of a task that ended.
#![allow(clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use coord_tests::Repo;
use insta::assert_snapshot;
use serde_json::json;

use crate::NO_TASK;

#[test]
fn a_failed_attempt_is_tried_again_until_there_are_none_left_and_every_error_stays() {
    let repo = Repo::new();
    let id = repo.coord("enqueue 'Fix it' --max-attempts 3 --backoff 0 --json").succeeded().text_of("task_id");
    let claim = || repo.coord("claim --run-id agent-1 --json").succeeded();
    let fail = |flags: &str| format!("fail-task {id} --run-id agent-1 {flags}");
    claim();
    let first = repo.coord(&fail("--error 'no network' --json"));
    claim();
    let second = repo.coord(&fail("--error 'still none'"));
    claim();
    let last = repo.coord(&fail("--error 'gave up'"));
    assert_snapshot!(coord_tests::transcript([first, second, last]), @r#"
    $ muse coord fail-task <id 1> --run-id agent-1 --error 'no network' --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 3>",
     "task_id":"<id 1>","claimer_run_id":"agent-1","claimed_at":"<time 1>","expires_at":"<time 1 + 3600s>",
     "lease_seconds":3600,"status":"pending","heartbeat_at":"<time 1>","claim_nonce":"<nonce 1>","result":null,
     "error":"no network","generation":1,"attempt":1,"cancel_requested":false,"scheduled_at":"<time 2>",
     "attempts_left":2,"warnings":[]}
    exit 0

    $ muse coord fail-task <id 1> --run-id agent-1 --error 'still none'

    🔁 Attempt failed; the task will be retried
      Task ID:    <id 1>
      Title:      Fix it
      Queue:      default
      By:         agent-1
      Error:      still none
      Attempt:    2 of 3
      Retry at:   <time 4>

      (<s>)
    exit 0

    $ muse coord fail-task <id 1> --run-id agent-1 --error 'gave up'

    ❌ Task failed
      Task ID:    <id 1>
      Title:      Fix it
      Queue:      default
      By:         agent-1
      Error:      gave up
      Attempt:    3 of 3: out of attempts
      Put back:   muse coord retry <id 1>

      (<s>)
    exit 0
    "#);
    let shown = repo.coord(&format!("show {id} --json")).succeeded().json();
    let errors: Vec<_> = shown["history"].as_array().unwrap().iter().map(|report| &report["error"]).collect();
    assert_eq!(errors, ["no network", "still none", "gave up"]);
    assert_eq!((&shown["status"], &shown["attempt"]), (&json!("failed"), &json!(3)));
    repo.coord("claim --run-id agent-1").ended_with(1);
}

#[test]
fn a_task_waits_between_two_attempts_and_says_until_when() {
    let repo = Repo::new();
    let id = repo.coord("enqueue 'Fix it' --max-attempts 2 --backoff 1h:2h --json").succeeded().text_of("task_id");
    repo.claim("agent-1");
    let failed = repo.coord(&format!("fail-task {id} --run-id agent-1 --json")).succeeded().json();
    assert_eq!((&failed["status"], &failed["attempts_left"]), (&json!("scheduled"), &json!(1)));
    let shown = repo.coord(&format!("show {id} --json")).succeeded().json();
    assert_eq!((&shown["status"], &shown["scheduled_at"]), (&json!("scheduled"), &failed["scheduled_at"]));
    repo.coord("claim --run-id agent-1").ended_with(1);
}

#[test]
fn a_failure_can_be_final_and_without_a_number_of_attempts_each_one_is() {
    let repo = Repo::new();
    let several = repo.coord("enqueue several --max-attempts 3 --json").succeeded().text_of("task_id");
    let once = repo.enqueue("once");
    repo.given(["claim --run-id a"; 2]);
    let failed = repo.coord(&format!("fail-task {several} --run-id a --final --json")).succeeded().json();
    assert_eq!((&failed["status"], &failed["attempts_left"]), (&json!("failed"), &json!(2)));
    let failed = repo.coord(&format!("fail-task {once} --run-id a --json")).succeeded().json();
    assert_eq!((&failed["status"], failed.get("attempts_left")), (&json!("failed"), None));
}

#[test]
fn a_lease_that_runs_out_is_an_attempt() {
    let repo = Repo::new();
    let id = repo.ago(7_200).enqueue(r#"{"title":"poison","max_attempts":2,"backoff_seconds":0}"#);
    for seconds in [7_200, 3_600] {
        repo.ago(seconds).claim("doomed", "default");
    }
    repo.coord("claim --run-id other").ended_with(1);
    let shown = repo.coord(&format!("show {id} --json")).succeeded().json();
    let kinds: Vec<_> = shown["history"].as_array().unwrap().iter().map(|report| &report["kind"]).collect();
    assert_eq!(kinds, ["timed_out", "timed_out"]);
    assert_eq!(shown["status"], "failed");
}

#[test]
fn a_task_that_did_not_complete_is_put_back_with_all_its_attempts() {
    let repo = Repo::new();
    let id = repo.coord("enqueue 'Fix it' --max-attempts 1 --json").succeeded().text_of("task_id");
    let second = repo.enqueue("Fix it");
    repo.claim("agent-1");
    repo.coord(&format!("fail-task {id} --run-id agent-1 --error oh")).succeeded();
    repo.coord(&format!("cancel-task {second} --run-id agent-1")).succeeded();
    assert_snapshot!(repo.session([format!("retry {id}"), format!("retry {second} --json")]), @r#"
    $ muse coord retry <id 1>

    🔁 Task put back
      Task ID:    <id 1>
      Title:      Fix it
      Queue:      default

      (<s>)
    exit 0

    $ muse coord retry <id 2> --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 1>",
     "task_id":"<id 2>","status":"pending","generation":0,"attempt":0,"dependants":[],"left":[],"warnings":[]}
    exit 0
    "#);
    let claim = repo.coord("claim --run-id agent-2 --json").succeeded().json();
    assert_eq!((&claim["attempt"], &claim["generation"]), (&json!(1), &json!(2)));
    let shown = repo.coord(&format!("show {id} --json")).succeeded().json();
    assert_eq!(shown["history"][0]["error"], "oh");
}

#[test]
fn a_task_that_has_not_ended_or_completed_is_not_put_back() {
    let repo = Repo::new();
    let [pending, done] = ["pending", "done"]
        .map(|title| repo.coord(&format!("enqueue {title} --queue {title} --json")).text_of("task_id"));
    repo.coord("claim --run-id a --queue done").succeeded();
    repo.coord(&format!("complete {done} --run-id a")).succeeded();
    assert_snapshot!(repo.session([
        format!("retry {pending} --json"),
        format!("retry {done} --json"),
        format!("retry {NO_TASK}"),
        String::from("retry 7"),
    ]), @r#"
    $ muse coord retry <id 1> --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"task <id 1>: it is pending and has not ended, so there is nothing to put back",
     "status":"not_terminal","task_status":"pending","claimer_run_id":null,"warnings":[]}
    exit 1

    $ muse coord retry <id 2> --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 3>",
     "error":"task <id 2>: it was completed at <time 2> by \"a\"","status":"already_terminal",
     "task_status":"completed","claimer_run_id":"a","ended_at":"<time 2>","warnings":[]}
    exit 1

    $ muse coord retry <id 3>
    2> ❌ no task <id 3> in this queue directory: `muse coord tasks` lists the tasks
    exit 1

    $ muse coord retry 7
    2> ❌ invalid task id "7": it must be "sha256:" and 64 lower-case hexadecimal digits, as `enqueue` printed it
    exit 1
    "#);
}

#[test]
fn a_refusal_tells_where_the_task_stands() {
    let repo = Repo::new();
    let id_of = |line: &str| repo.coord(&format!("{line} --json")).succeeded().text_of("task_id");
    let later = id_of("enqueue later --delay 1h");
    let next = id_of(&format!("enqueue next --after {later}"));
    let told = |line: String, status: &str| {
        let refused = repo.coord(&line).ended_with(1).json();
        assert_eq!(refused["status"], status, "{line}");
        (refused["task_status"].clone(), refused["scheduled_at"].is_string(), refused["blocked_on"].clone())
    };
    for (act, status) in
        [("retry", "not_terminal"), ("complete --run-id a", "not_claimed"), ("heartbeat --run-id a", "not_claimed")]
    {
        assert_eq!(told(format!("{act} {later} --json"), status), ("scheduled".into(), true, json!(null)));
        assert_eq!(told(format!("{act} {next} --json"), status), ("blocked".into(), false, later.as_str().into()));
    }
    let refused = repo.coord(&format!("complete {next} --run-id a")).ended_with(1);
    assert!(
        refused.stderr.contains(&format!("it is blocked: nobody can claim it before task {later} has ended")),
        "{refused}"
    );
    let refused = repo.coord(&format!("complete {later} --run-id a")).ended_with(1);
    assert!(refused.stderr.contains("it is scheduled for 20"), "{refused}");
}

#[test]
fn a_task_whose_key_another_one_has_is_not_put_back() {
    let repo = Repo::new();
    let id = repo.coord("enqueue first --unique k --json").succeeded().text_of("task_id");
    repo.given([format!("cancel-task {id} --run-id a"), String::from("enqueue second --unique k")]);
    assert_snapshot!(repo.coord(&format!("retry {id} --json")), @r#"
    $ muse coord retry <id 1> --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"task <id 1>: task <id 2>, which has not ended, has the same unique key; nothing was changed",
     "status":"key_taken","task_status":"cancelled","claimer_run_id":null,"live_task_id":"<id 2>","warnings":[]}
    exit 1
    "#);
}
