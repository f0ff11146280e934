//! `release`: a holder gives its task back, and it waits again as if it had not been claimed.
#![allow(clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use coord_tests::{Repo, transcript};
use insta::assert_snapshot;

use crate::{NO_TASK, complaints};

#[test]
fn releasing_answers_the_task_which_waits_again_and_has_used_no_attempt() {
    let repo = Repo::new();
    let [first, second] = ["Fix it", "Fix it"].map(|title| repo.enqueue(title));
    repo.given(["claim --run-id agent-1"; 2]);
    assert_snapshot!(repo.session([
        format!("release {first} --run-id agent-1"),
        format!("release {second} --run-id agent-1 --json"),
    ]), @r#"
    $ muse coord release <id 1> --run-id agent-1

    ↩️  Task released
      Task ID:    <id 1>
      Title:      Fix it
      Queue:      default

      (<s>)
    exit 0

    $ muse coord release <id 2> --run-id agent-1 --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 1>",
     "task_id":"<id 2>","status":"pending","generation":1,"attempt":0,"warnings":[]}
    exit 0
    "#);
    let tasks = repo.tasks();
    for item in [0, 1] {
        let item = &tasks["items"][item];
        assert_eq!((item["status"].as_str(), item["claimer_run_id"].as_str()), (Some("pending"), None), "{item}");
    }
    repo.coord("doctor").succeeded();
}

#[test]
fn the_next_holder_has_another_generation_and_the_former_one_is_refused() {
    let repo = Repo::new();
    let id = repo.enqueue("Fix it");
    repo.claim("agent-1");
    repo.coord(&format!("release {id} --run-id agent-1")).succeeded();
    assert_snapshot!(repo.session([
        format!("complete {id} --run-id agent-1"),
        format!("release {id} --run-id agent-1 --json"),
        String::from("claim --run-id agent-2 --json"),
        format!("complete {id} --run-id agent-1 --json"),
        format!("release {id} --run-id agent-1"),
    ]), @r#"
    $ muse coord complete <id 1> --run-id agent-1
    2> ❌ task <id 1>: it is pending: claim it first
    exit 1

    $ muse coord release <id 1> --run-id agent-1 --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"task <id 1>: it is pending: claim it first","status":"not_claimed","task_status":"pending",
     "claimer_run_id":null,"warnings":[]}
    exit 1

    $ muse coord claim --run-id agent-2 --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 4>",
     "task_id":"<id 1>","claimer_run_id":"agent-2","claimed_at":"<time 3>","expires_at":"<time 3 + 3600s>",
     "lease_seconds":3600,"status":"claimed","heartbeat_at":"<time 3>","claim_nonce":"<nonce 1>","result":null,
     "error":null,"generation":2,"attempt":1,"cancel_requested":false,"task":{"task_id":"<id 1>",
     "title":"Fix it","priority":0,"queue":"default","ttl_seconds":86400,"created_by":"unknown",
     "created_at":"<time 2>","tags":[],"payload":{}},"warnings":[]}
    exit 0

    $ muse coord complete <id 1> --run-id agent-1 --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 5>",
     "error":"task <id 1>: the lease is lost: the task belongs to \"agent-2\", who claimed it at <time 3> as generation 2 with a lease until <time 3 + 3600s>; stop this work and claim another task",
     "status":"lease_lost","task_status":"claimed","claimer_run_id":"agent-2","generation":2,
     "claimed_at":"<time 3>","expires_at":"<time 3 + 3600s>","warnings":[]}
    exit 1

    $ muse coord release <id 1> --run-id agent-1
    2> ❌ task <id 1>: the lease is lost: the task belongs to "agent-2", who claimed it at <time 3> as generation 2 with a lease until <time 3 + 3600s>; stop this work and claim another task
    exit 1
    "#);
    repo.coord(&format!("complete {id} --run-id agent-2")).succeeded();
}

#[test]
fn only_the_holder_of_a_claimed_task_can_release_it() {
    let repo = Repo::new();
    let [held, pending] = ["held", "pending"].map(|title| repo.enqueue(title));
    repo.claim("agent-1");
    let lines = [
        format!("release {pending} --run-id agent-1"),
        format!("release {held} --run-id agent-2"),
        format!("release {NO_TASK} --run-id agent-1"),
    ];
    assert_snapshot!(repo.session(&lines), @r#"
    $ muse coord release <id 1> --run-id agent-1
    2> ❌ task <id 1>: it is pending: claim it first
    exit 1

    $ muse coord release <id 2> --run-id agent-2
    2> ❌ task <id 2>: it belongs to "agent-1", who claimed it at <time 1> as generation 1 with a lease until <time 1 + 3600s>
    exit 1

    $ muse coord release <id 3> --run-id agent-1
    2> ❌ no task <id 3> in this queue directory: `muse coord tasks` lists the tasks
    exit 1
    "#);
    repo.coord(&format!("complete {held} --run-id agent-1")).succeeded();
    assert_snapshot!(repo.session([format!("release {held} --run-id agent-1 --json")]), @r#"
    $ muse coord release <id 2> --run-id agent-1 --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 3>",
     "error":"task <id 2>: it was completed at <time 2> by \"agent-1\"","status":"already_terminal",
     "task_status":"completed","claimer_run_id":"agent-1","ended_at":"<time 2>","warnings":[]}
    exit 1
    "#);
}

#[test]
fn a_nonce_pins_the_very_lease() {
    let repo = Repo::new();
    let id = repo.enqueue("Fix it");
    let nonce = repo.coord("claim --run-id agent-1 --json").succeeded().text_of("claim_nonce");
    let other = repo.coord(&format!("release {id} --run-id agent-1 --claim-nonce 00000000deadbeef --json"));
    assert_snapshot!(transcript([other]), @r#"
    $ muse coord release <id 1> --run-id agent-1 --claim-nonce <nonce 1> --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 2>",
     "error":"task <id 1>: the lease is lost: the task belongs to \"agent-1\", who claimed it at <time 1> as generation 1 with a lease until <time 1 + 3600s>; stop this work and claim another task",
     "status":"lease_lost","task_status":"claimed","claimer_run_id":"agent-1","generation":1,
     "claimed_at":"<time 1>","expires_at":"<time 1 + 3600s>","warnings":[]}
    exit 1
    "#);
    repo.coord(&format!("release {id} --run-id agent-1 --claim-nonce {nonce}")).succeeded();
}

#[test]
fn values_are_checked_run_id_first_and_all_of_them_before_the_repository() {
    let long_run_id = "r".repeat(257);
    let values: [(&str, &[&str]); 3] = [
        ("--run-id", &[&long_run_id, "agent-1"]),
        ("", &["7", NO_TASK]),
        ("--claim-nonce", &["7", "00000000deadbeef"]),
    ];
    assert_snapshot!(complaints(&Repo::bare(), "release", &values), @r#"
    $ muse coord release --json --run-id 'rrrrrrrrrrrrrrrrrrrr…' (257 characters) 7 --claim-nonce 7
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"--run-id is too long (257 characters; max 256)","status":"bad_args","warnings":[]}
    exit 1

    $ muse coord release --json --run-id agent-1 7 --claim-nonce 7
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 2>",
     "error":"invalid task id \"7\": it must be \"sha256:\" and 64 lower-case hexadecimal digits, as `enqueue` printed it",
     "status":"bad_task_id","warnings":[]}
    exit 1

    $ muse coord release --json --run-id agent-1 <id 1> --claim-nonce 7
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 3>",
     "error":"invalid claim nonce \"7\": give the 16 hexadecimal digits of `claim_nonce` as `claim` printed them",
     "status":"bad_args","warnings":[]}
    exit 1

    $ muse coord release --json --run-id agent-1 <id 1> --claim-nonce <nonce 1>
    {"muse_version":"<version>","schema":1,"exit_code":2,"duration_ms":<ms>,"timestamp":"<time 4>",
     "error":"fatal: not a muse repository (or any parent up to mount point /)","status":"not_a_repository",
     "hint":"run `muse coord init` in the repository, or set MUSE_REPO_ROOT to a directory that holds .muse/; under wasmtime, grant it with --dir .muse/coordination",
     "warnings":[]}
    exit 2
    "#);
}

#[test]
fn a_waiting_agent_has_a_released_task_within_seconds() {
    let repo = Repo::new();
    let id = repo.enqueue("Fix it");
    repo.claim("agent-1");
    let waiting = repo.coord_call("claim --run-id agent-2 --wait 30 --json").start();
    repo.coord(&format!("release {id} --run-id agent-1")).succeeded();
    let claimed = waiting.finish().succeeded();
    assert_eq!(claimed.text_of("task_id"), id);
    let waited = claimed.json()["duration_ms"].as_f64();
    assert!(waited.is_some_and(|millis| millis < 10_000.0), "{claimed}");
}

#[test]
fn a_task_given_back_for_later_is_scheduled_and_has_used_no_attempt() {
    let repo = Repo::new();
    let [first, second] = ["Fix it", "Fix it"].map(|title| repo.enqueue(title));
    repo.given(["claim --run-id agent-1"; 2]);
    assert_snapshot!(repo.session([
        format!("release {first} --run-id agent-1 --delay 1h"),
        format!("release {second} --run-id agent-1 --delay 1h --json"),
    ]), @r#"
    $ muse coord release <id 1> --run-id agent-1 --delay 1h

    ↩️  Task released
      Task ID:    <id 1>
      Title:      Fix it
      Queue:      default
      Scheduled:  <time 1>

      (<s>)
    exit 0

    $ muse coord release <id 2> --run-id agent-1 --delay 1h --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 2>",
     "task_id":"<id 2>","status":"scheduled","generation":1,"attempt":0,"scheduled_at":"<time 3>","warnings":[]}
    exit 0
    "#);
    repo.coord("claim --run-id agent-1").ended_with(1);
    assert_eq!(repo.tasks()["scheduled"], 2);
    let refused =
        [-1, 315_360_001].map(|delay| repo.coord(&format!("release {first} --run-id agent-1 --delay {delay}")));
    assert_snapshot!(transcript(refused), @"
    $ muse coord release <id 1> --run-id agent-1 --delay -1
    2> ❌ --delay must be between 0 and 315360000, got -1
    exit 1

    $ muse coord release <id 1> --run-id agent-1 --delay 315360001
    2> ❌ --delay must be between 0 and 315360000, got 315360001
    exit 1
    ");
}
