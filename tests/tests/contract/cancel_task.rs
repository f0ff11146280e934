//! `cancel-task`: a waiting task and one's own can be called off, another's only by force, an ended one never.

use coord_tests::Repo;
use insta::assert_snapshot;

use crate::{NO_TASK, complaints};

#[test]
fn a_waiting_task_is_called_off_by_whoever_asks() {
    let repo = Repo::new();
    let [first, second] = ["Fix it", "Fix it"].map(|title| repo.enqueue(title));
    assert_snapshot!(repo.session([
        format!("cancel-task {first} --run-id orchestrator"),
        format!("cancel-task {second} --run-id orchestrator --json"),
        String::from("claim --run-id agent-1"),
    ]), @r#"
    $ muse coord cancel-task <id 1> --run-id orchestrator

    🚫 Task cancelled
      Task ID:    <id 1>
      Title:      Fix it
      Queue:      default
      By:         orchestrator

      (<s>)
    exit 0

    $ muse coord cancel-task <id 2> --run-id orchestrator --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 2>",
     "task_id":"<id 2>","claimer_run_id":"orchestrator","claimed_at":"<time 1>","expires_at":"<time 1>",
     "lease_seconds":0,"status":"cancelled","heartbeat_at":"<time 1>","claim_nonce":"<nonce 1>","result":null,
     "error":null,"generation":0,"attempt":0,"cancel_requested":false,"warnings":[]}
    exit 0

    $ muse coord claim --run-id agent-1

      Queue [any] is empty — no pending tasks.

      (<s>)
    exit 1
    "#);
}

#[test]
fn ones_own_task_is_called_off_without_force() {
    let repo = Repo::new();
    let id = repo.enqueue("Fix it");
    repo.claim("agent-1");
    assert_snapshot!(repo.coord(&format!("cancel-task {id} --run-id agent-1 --json")), @r#"
    $ muse coord cancel-task <id 1> --run-id agent-1 --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 2>",
     "task_id":"<id 1>","claimer_run_id":"agent-1","claimed_at":"<time 1>","expires_at":"<time 1 + 3600s>",
     "lease_seconds":3600,"status":"cancelled","heartbeat_at":"<time 1>","claim_nonce":"<nonce 1>","result":null,
     "error":null,"generation":1,"attempt":1,"cancel_requested":false,"warnings":[]}
    exit 0
    "#);
}

#[test]
fn anothers_task_is_called_off_by_force_alone_and_its_holder_learns_it_when_it_next_speaks() {
    let repo = Repo::new();
    let [first, second] = ["Fix it", "Fix it"].map(|title| repo.enqueue(title));
    repo.given(["claim --run-id agent-1"; 2]);
    assert_snapshot!(repo.session([
        format!("cancel-task {first} --run-id orchestrator"),
        format!("cancel-task {first} --run-id orchestrator --json"),
        format!("cancel-task {first} --run-id orchestrator --force"),
        format!("cancel-task {second} --run-id orchestrator --force --json"),
        format!("heartbeat {first} --run-id agent-1"),
        format!("complete {second} --run-id agent-1 --json"),
    ]), @r#"
    $ muse coord cancel-task <id 1> --run-id orchestrator
    2> ❌ task <id 1>: it belongs to "agent-1", who claimed it at <time 1> as generation 1 with a lease until <time 1 + 3600s>
    2> hint: --request asks its holder to stop; --force cancels it anyway, and the holder's next call fails with already_terminal
    exit 1

    $ muse coord cancel-task <id 1> --run-id orchestrator --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 2>",
     "error":"task <id 1>: it belongs to \"agent-1\", who claimed it at <time 1> as generation 1 with a lease until <time 1 + 3600s>",
     "status":"wrong_owner","task_status":"claimed","claimer_run_id":"agent-1","generation":1,
     "claimed_at":"<time 1>","expires_at":"<time 1 + 3600s>",
     "hint":"--request asks its holder to stop; --force cancels it anyway, and the holder's next call fails with already_terminal",
     "warnings":[]}
    exit 1

    $ muse coord cancel-task <id 1> --run-id orchestrator --force

    🚫 Task cancelled
      Task ID:    <id 1>
      Title:      Fix it
      Queue:      default
      By:         orchestrator
      (forced)

      (<s>)
    exit 0

    $ muse coord cancel-task <id 2> --run-id orchestrator --force --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 4>",
     "task_id":"<id 2>","claimer_run_id":"orchestrator","claimed_at":"<time 3>","expires_at":"<time 3 + 3600s>",
     "lease_seconds":3600,"status":"cancelled","heartbeat_at":"<time 3>","claim_nonce":"<nonce 1>","result":null,
     "error":null,"generation":1,"attempt":1,"cancel_requested":false,"warnings":[]}
    exit 0

    $ muse coord heartbeat <id 1> --run-id agent-1
    2> ❌ task <id 1>: it was cancelled at <time 5> by "orchestrator"
    exit 1

    $ muse coord complete <id 2> --run-id agent-1 --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 7>",
     "error":"task <id 2>: it was cancelled at <time 6> by \"orchestrator\"","status":"already_terminal",
     "task_status":"cancelled","claimer_run_id":"orchestrator","ended_at":"<time 6>","warnings":[]}
    exit 1
    "#);
}

#[test]
fn what_has_ended_or_never_was_cannot_be_called_off_even_by_force() {
    let repo = Repo::new();
    let [completed, failed, cancelled] = ["completed", "failed", "cancelled"].map(|title| repo.enqueue(title));
    repo.given(["claim --run-id agent-1"; 2]);
    repo.coord(&format!("complete {completed} --run-id agent-1")).succeeded();
    repo.coord(&format!("fail-task {failed} --run-id agent-1")).succeeded();
    repo.coord(&format!("cancel-task {cancelled} --run-id agent-1 --force")).succeeded();
    let line = |id: &str| format!("cancel-task {id} --run-id agent-1 --force --json");
    assert_snapshot!(repo.session([&completed, &failed, &cancelled, NO_TASK].map(line)), @r#"
    $ muse coord cancel-task <id 1> --run-id agent-1 --force --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 2>",
     "error":"task <id 1>: it was completed at <time 1> by \"agent-1\"","status":"already_terminal",
     "task_status":"completed","claimer_run_id":"agent-1","ended_at":"<time 1>","warnings":[]}
    exit 1

    $ muse coord cancel-task <id 2> --run-id agent-1 --force --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 4>",
     "error":"task <id 2>: it was reported as failed at <time 3> by \"agent-1\"","status":"already_terminal",
     "task_status":"failed","claimer_run_id":"agent-1","ended_at":"<time 3>","warnings":[]}
    exit 1

    $ muse coord cancel-task <id 3> --run-id agent-1 --force --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 6>",
     "error":"task <id 3>: it was cancelled at <time 5> by \"agent-1\"","status":"already_terminal",
     "task_status":"cancelled","claimer_run_id":"agent-1","ended_at":"<time 5>","warnings":[]}
    exit 1

    $ muse coord cancel-task <id 4> --run-id agent-1 --force --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 7>",
     "error":"no task <id 4> in this queue directory: `muse coord tasks` lists the tasks","status":"not_found",
     "warnings":[]}
    exit 1
    "#);
    assert_snapshot!(repo.session([
        format!("cancel-task {cancelled} --run-id agent-1"),
        format!("cancel-task {NO_TASK} --run-id agent-1"),
    ]), @r#"
    $ muse coord cancel-task <id 3> --run-id agent-1
    2> ❌ task <id 3>: it was cancelled at <time 5> by "agent-1"
    exit 1

    $ muse coord cancel-task <id 4> --run-id agent-1
    2> ❌ no task <id 4> in this queue directory: `muse coord tasks` lists the tasks
    exit 1
    "#);
}

#[test]
fn values_are_checked_in_the_contracts_order_and_all_of_them_before_the_repository() {
    let long_run_id = "r".repeat(257);
    let values: [(&str, &[&str]); 2] = [("--run-id", &[&long_run_id, "agent-1"]), ("", &["7", NO_TASK])];
    assert_snapshot!(complaints(&Repo::bare(), "cancel-task", &values), @r#"
    $ muse coord cancel-task --json --run-id 'rrrrrrrrrrrrrrrrrrrr…' (257 characters) 7
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"--run-id is too long (257 characters; max 256)","status":"bad_args","warnings":[]}
    exit 1

    $ muse coord cancel-task --json --run-id agent-1 7
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 2>",
     "error":"invalid task id \"7\": it must be \"sha256:\" and 64 lower-case hexadecimal digits, as `enqueue` printed it",
     "status":"bad_task_id","warnings":[]}
    exit 1

    $ muse coord cancel-task --json --run-id agent-1 <id 1>
    {"muse_version":"<version>","schema":1,"exit_code":2,"duration_ms":<ms>,"timestamp":"<time 3>",
     "error":"fatal: not a muse repository (or any parent up to mount point /)","status":"not_a_repository",
     "hint":"run `muse coord init` in the repository, or set MUSE_REPO_ROOT to a directory that holds .muse/; under wasmtime, grant it with --dir .muse/coordination",
     "warnings":[]}
    exit 2
    "#);
}

#[test]
fn the_holder_of_a_task_is_asked_to_stop_and_a_task_that_nobody_holds_is_cancelled() {
    let repo = Repo::new();
    let [held, waiting] = ["held", "waiting"].map(|title| repo.enqueue(title));
    repo.claim("agent-1");
    assert_snapshot!(repo.session([
        format!("cancel-task {held} --run-id orchestrator --request --reason 'not needed'"),
        format!("cancel-task {held} --run-id orchestrator --request --json"),
        format!("cancel-task {waiting} --run-id orchestrator --request --reason why"),
    ]), @r#"
    $ muse coord cancel-task <id 1> --run-id orchestrator --request --reason 'not needed'

    ✋ Cancel requested: the holder's next heartbeat tells it to stop
      Task ID:    <id 1>
      Title:      held
      Queue:      default
      By:         agent-1
      Asked by:   orchestrator
      Reason:     not needed

      (<s>)
    exit 0

    $ muse coord cancel-task <id 1> --run-id orchestrator --request --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 2>",
     "task_id":"<id 1>","claimer_run_id":"agent-1","claimed_at":"<time 1>","expires_at":"<time 1 + 3600s>",
     "lease_seconds":3600,"status":"claimed","heartbeat_at":"<time 1>","claim_nonce":"<nonce 1>","result":null,
     "error":null,"generation":1,"attempt":1,"cancel_requested":true,"cancel_requested_by":"orchestrator",
     "warnings":[]}
    exit 0

    $ muse coord cancel-task <id 2> --run-id orchestrator --request --reason why

    🚫 Task cancelled
      Task ID:    <id 2>
      Title:      waiting
      Queue:      default
      By:         orchestrator
      Reason:     why

      (<s>)
    exit 0
    "#);
    assert_eq!((repo.tasks()["claimed"].as_i64(), repo.tasks()["cancelled"].as_i64()), (Some(1), Some(1)));
    // A holder that has finished all the same may say so.
    repo.coord(&format!("complete {held} --run-id agent-1")).succeeded();
}

#[test]
fn a_holder_that_is_asked_to_stop_and_not_heard_of_loses_the_task_for_good() {
    let repo = Repo::new();
    let id = repo.enqueue("Fix it");
    repo.coord("claim --run-id agent-1 --claim-ttl 1").succeeded();
    repo.coord(&format!("cancel-task {id} --run-id orchestrator --request")).succeeded();
    let waited = repo.coord(&format!("wait {id} --timeout 60 --json")).succeeded().json();
    assert_eq!(waited["items"][0]["status"], "cancelled");
}

#[test]
fn the_answer_tells_the_reason_and_a_request_that_ends_the_task_is_a_cancel_in_its_history() {
    let repo = Repo::new();
    let [waiting, own] = ["waiting", "own"].map(|title| repo.enqueue(title));
    repo.given(["claim --run-id agent-1", "claim --run-id agent-1"]);
    repo.coord(&format!("release {waiting} --run-id agent-1")).succeeded();
    for (id, run_id) in [(&waiting, "orchestrator"), (&own, "agent-1")] {
        let cancelled = repo.coord(&format!("cancel-task {id} --run-id {run_id} --request --reason WHY --json"));
        assert_eq!((cancelled.text_of("reason"), cancelled.text_of("status")), ("WHY".into(), "cancelled".into()));
        let history = &repo.coord(&format!("show {id} --json")).json()["history"];
        assert_eq!((history.as_array().unwrap().len(), &history[0]["kind"]), (1, &"cancelled".into()));
    }
    let id = repo.enqueue("again");
    let cancelled = repo.coord(&format!("cancel-task {id} --run-id orchestrator --reason WHY")).succeeded();
    assert!(cancelled.stdout.contains("  Reason:     WHY\n"), "{cancelled}");
}

#[test]
fn a_reason_stays_with_the_task_and_has_its_limit() {
    let repo = Repo::new();
    let id = repo.enqueue("Fix it");
    repo.claim("agent-1");
    let line = format!("cancel-task {id} --run-id orchestrator --force");
    let long = repo.muse(["coord", "cancel-task", &id, "--run-id", "a", "--reason", &"é".repeat(4_097), "--json"]);
    assert_eq!(long.ended_with(1).text_of("status"), "bad_args");
    repo.coord(&format!("{line} --reason=-no-")).succeeded();
    assert_eq!(repo.coord(&format!("show {id} --json")).json()["reason"], "-no-");
    assert_snapshot!(repo.coord(&format!("{line} --request")), @"
    $ muse coord cancel-task <id 1> --run-id orchestrator --force --request
    2> error: the argument '--force' cannot be used with '--request'
    2> 
    2> Usage: muse coord cancel-task --run-id <RUNID> --force <TASK_ID>
    2> 
    2> For more information, try '--help'.
    exit 2
    ");
}
