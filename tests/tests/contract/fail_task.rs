//! `fail-task`: failure is reported once, by the holder, with a message that is kept.

use coord_tests::{Repo, transcript};
use insta::assert_snapshot;

use crate::{NO_TASK, complaints, with, with_each};

#[test]
fn failing_answers_the_claim_and_the_error() {
    let repo = Repo::new();
    let [first, second] = ["Fix it", "Fix it"].map(|title| repo.enqueue(title));
    repo.given(["claim --run-id agent-1"; 2]);
    assert_snapshot!(repo.session([
        format!("fail-task {first} --run-id agent-1 --error 'timed out'"),
        format!("fail-task {second} --run-id agent-1 --error 'timed out' --json"),
    ]), @r#"
    $ muse coord fail-task <id 1> --run-id agent-1 --error 'timed out'

    ❌ Task failed
      Task ID:    <id 1>
      Title:      Fix it
      Queue:      default
      By:         agent-1
      Error:      timed out

      (<s>)
    exit 0

    $ muse coord fail-task <id 2> --run-id agent-1 --error 'timed out' --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 2>",
     "task_id":"<id 2>","claimer_run_id":"agent-1","claimed_at":"<time 1>","expires_at":"<time 1 + 3600s>",
     "lease_seconds":3600,"status":"failed","heartbeat_at":"<time 1>","claim_nonce":"<nonce 1>","result":null,
     "error":"timed out","generation":1,"attempt":1,"cancel_requested":false,"warnings":[]}
    exit 0
    "#);
    assert_eq!(repo.tasks()["items"][1]["error"], "timed out");
}

#[test]
fn a_message_is_not_required() {
    let repo = Repo::new();
    let [first, second] = ["Fix it", "Fix it"].map(|title| repo.enqueue(title));
    repo.given(["claim --run-id agent-1"; 2]);
    assert_snapshot!(repo.session([
        format!("fail-task {first} --run-id agent-1"),
        format!("fail-task {second} --run-id agent-1 --json"),
    ]), @r#"
    $ muse coord fail-task <id 1> --run-id agent-1

    ❌ Task failed
      Task ID:    <id 1>
      Title:      Fix it
      Queue:      default
      By:         agent-1

      (<s>)
    exit 0

    $ muse coord fail-task <id 2> --run-id agent-1 --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 2>",
     "task_id":"<id 2>","claimer_run_id":"agent-1","claimed_at":"<time 1>","expires_at":"<time 1 + 3600s>",
     "lease_seconds":3600,"status":"failed","heartbeat_at":"<time 1>","claim_nonce":"<nonce 1>","result":null,
     "error":"","generation":1,"attempt":1,"cancel_requested":false,"warnings":[]}
    exit 0
    "#);
}

#[test]
fn only_the_holder_of_a_claimed_task_can_fail_it_and_only_once() {
    let repo = Repo::new();
    let [held, pending] = ["held", "pending"].map(|title| repo.enqueue(title));
    repo.claim("agent-1");
    let lines = [
        format!("fail-task {pending} --run-id agent-1"),
        format!("fail-task {held} --run-id agent-2"),
        format!("fail-task {NO_TASK} --run-id agent-1"),
    ];
    assert_snapshot!(repo.session(&lines), @r#"
    $ muse coord fail-task <id 1> --run-id agent-1
    2> ❌ task <id 1>: it is pending: claim it first
    exit 1

    $ muse coord fail-task <id 2> --run-id agent-2
    2> ❌ task <id 2>: it belongs to "agent-1", who claimed it at <time 1> as generation 1 with a lease until <time 1 + 3600s>
    exit 1

    $ muse coord fail-task <id 3> --run-id agent-1
    2> ❌ no task <id 3> in this queue directory: `muse coord tasks` lists the tasks
    exit 1
    "#);
    assert_snapshot!(repo.session(lines.map(|line| line + " --json")), @r#"
    $ muse coord fail-task <id 1> --run-id agent-1 --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 2>",
     "error":"task <id 1>: it is pending: claim it first","status":"not_claimed","task_status":"pending",
     "claimer_run_id":null,"warnings":[]}
    exit 1

    $ muse coord fail-task <id 2> --run-id agent-2 --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 3>",
     "error":"task <id 2>: it belongs to \"agent-1\", who claimed it at <time 1> as generation 1 with a lease until <time 1 + 3600s>",
     "status":"wrong_owner","task_status":"claimed","claimer_run_id":"agent-1","generation":1,
     "claimed_at":"<time 1>","expires_at":"<time 1 + 3600s>","warnings":[]}
    exit 1

    $ muse coord fail-task <id 3> --run-id agent-1 --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 4>",
     "error":"no task <id 3> in this queue directory: `muse coord tasks` lists the tasks","status":"not_found",
     "warnings":[]}
    exit 1
    "#);
    repo.coord(&format!("fail-task {held} --run-id agent-1")).succeeded();
    assert_snapshot!(repo.session([
        format!("fail-task {held} --run-id agent-1"),
        format!("complete {held} --run-id agent-1 --json"),
    ]), @r#"
    $ muse coord fail-task <id 2> --run-id agent-1
    2> ❌ task <id 2>: it was reported as failed at <time 5> by "agent-1"
    exit 1

    $ muse coord complete <id 2> --run-id agent-1 --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 6>",
     "error":"task <id 2>: it was reported as failed at <time 5> by \"agent-1\"","status":"already_terminal",
     "task_status":"failed","claimer_run_id":"agent-1","ended_at":"<time 5>","warnings":[]}
    exit 1
    "#);
}

#[test]
fn a_nonce_pins_the_very_lease() {
    let repo = Repo::new();
    repo.enqueue("Fix it");
    let claimed = repo.coord("claim --run-id agent-1 --json").succeeded();
    let (id, nonce) = (claimed.text_of("task_id"), claimed.text_of("claim_nonce"));
    let line = format!("fail-task {id} --run-id agent-1 --claim-nonce");
    assert_snapshot!(transcript([
        claimed,
        repo.coord(&format!("{line} 00000000deadbeef --json")),
        repo.coord(&format!("{line} {nonce}")),
    ]), @r#"
    $ muse coord claim --run-id agent-1 --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 3>",
     "task_id":"<id 1>","claimer_run_id":"agent-1","claimed_at":"<time 2>","expires_at":"<time 2 + 3600s>",
     "lease_seconds":3600,"status":"claimed","heartbeat_at":"<time 2>","claim_nonce":"<nonce 1>","result":null,
     "error":null,"generation":1,"attempt":1,"cancel_requested":false,"task":{"task_id":"<id 1>",
     "title":"Fix it","priority":0,"queue":"default","ttl_seconds":86400,"created_by":"unknown",
     "created_at":"<time 1>","tags":[],"payload":{}},"warnings":[]}
    exit 0

    $ muse coord fail-task <id 1> --run-id agent-1 --claim-nonce <nonce 2> --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 4>",
     "error":"task <id 1>: the lease is lost: the task belongs to \"agent-1\", who claimed it at <time 2> as generation 1 with a lease until <time 2 + 3600s>; stop this work and claim another task",
     "status":"lease_lost","task_status":"claimed","claimer_run_id":"agent-1","generation":1,
     "claimed_at":"<time 2>","expires_at":"<time 2 + 3600s>","warnings":[]}
    exit 1

    $ muse coord fail-task <id 1> --run-id agent-1 --claim-nonce <nonce 1>

    ❌ Task failed
      Task ID:    <id 1>
      Title:      Fix it
      Queue:      default
      By:         agent-1

      (<s>)
    exit 0
    "#);
}

#[test]
fn values_are_checked_in_the_contracts_order_and_all_of_them_before_the_repository() {
    let (long_run_id, long_error) = ("r".repeat(257), "e".repeat(4_097));
    let values: [(&str, &[&str]); 4] = [
        ("--run-id", &[&long_run_id, "agent-1"]),
        ("--error", &[&long_error, "timed out"]),
        ("", &["7", NO_TASK]),
        ("--claim-nonce", &["7", "00000000deadbeef"]),
    ];
    assert_snapshot!(complaints(&Repo::bare(), "fail-task", &values), @r#"
    $ muse coord fail-task --json --run-id 'rrrrrrrrrrrrrrrrrrrr…' (257 characters) --error 'eeeeeeeeeeeeeeeeeeee…' (4097 characters) 7 --claim-nonce 7
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"--run-id is too long (257 characters; max 256)","status":"bad_args","warnings":[]}
    exit 1

    $ muse coord fail-task --json --run-id agent-1 --error 'eeeeeeeeeeeeeeeeeeee…' (4097 characters) 7 --claim-nonce 7
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 2>",
     "error":"--error is too long (4097 characters; max 4096)","status":"bad_args","warnings":[]}
    exit 1

    $ muse coord fail-task --json --run-id agent-1 --error 'timed out' 7 --claim-nonce 7
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 3>",
     "error":"invalid task id \"7\": it must be \"sha256:\" and 64 lower-case hexadecimal digits, as `enqueue` printed it",
     "status":"bad_task_id","warnings":[]}
    exit 1

    $ muse coord fail-task --json --run-id agent-1 --error 'timed out' <id 1> --claim-nonce 7
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 4>",
     "error":"invalid claim nonce \"7\": give the 16 hexadecimal digits of `claim_nonce` as `claim` printed them",
     "status":"bad_args","warnings":[]}
    exit 1

    $ muse coord fail-task --json --run-id agent-1 --error 'timed out' <id 1> --claim-nonce <nonce 1>
    {"muse_version":"<version>","schema":1,"exit_code":2,"duration_ms":<ms>,"timestamp":"<time 5>",
     "error":"fatal: not a muse repository (or any parent up to mount point /)","status":"not_a_repository",
     "hint":"run `muse coord init` in the repository, or set MUSE_REPO_ROOT to a directory that holds .muse/; under wasmtime, grant it with --dir .muse/coordination",
     "warnings":[]}
    exit 2
    "#);
}

#[test]
fn a_message_is_taken_up_to_its_limit_and_refused_one_character_beyond() {
    let repo = Repo::new();
    let id = repo.enqueue("Fix it");
    repo.claim("agent-1");
    let line = format!("fail-task {id} --run-id agent-1");
    assert_snapshot!(with_each(&repo, &line, "--error", [format!("{:é>4097}", "").as_str()]), @"
    $ muse coord fail-task <id 1> --run-id agent-1 --error 'éééééééééééééééééééé…' (4097 characters)
    2> ❌ --error is too long (4097 characters; max 4096)
    exit 1
    ");
    let message = "é".repeat(4_096);
    let failed = with(&repo, &format!("{line} --json"), "--error", &message).succeeded();
    assert_eq!(failed.text_of("error"), message);
    assert_eq!(repo.tasks()["items"][0]["error"], message);
}

#[test]
fn a_long_message_is_cut_for_people() {
    let repo = Repo::new();
    let id = repo.enqueue("Fix it");
    repo.claim("agent-1");
    let text = with(&repo, &format!("fail-task {id} --run-id agent-1"), "--error", &"é".repeat(201)).succeeded();
    let line = text.stdout.lines().find(|line| line.contains("Error:")).unwrap();
    assert_eq!(line, format!("  Error:      {}…", "é".repeat(200)));
}
