//! `heartbeat`: the lease starts anew, for its holder only.

use coord_tests::{Repo, transcript};
use insta::assert_snapshot;

use crate::{NO_TASK, complaints, with_each};

#[test]
fn a_heartbeat_answers_the_claim_with_the_lease_renewed_for_as_long_as_before() {
    let repo = Repo::new();
    repo.enqueue("Fix it");
    let id = repo.coord("claim --run-id agent-1 --claim-ttl 60 --json").succeeded().text_of("task_id");
    assert_snapshot!(repo.session([
        format!("heartbeat {id} --run-id agent-1"),
        format!("heartbeat {id} --run-id agent-1 --json"),
    ]), @r#"
    $ muse coord heartbeat <id 1> --run-id agent-1

    💓 Lease renewed
      Task ID:    <id 1>
      Title:      Fix it
      Queue:      default
      By:         agent-1
      Expires in: 60s (<time 1>)

      (<s>)
    exit 0

    $ muse coord heartbeat <id 1> --run-id agent-1 --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 4>",
     "task_id":"<id 1>","claimer_run_id":"agent-1","claimed_at":"<time 2>","expires_at":"<time 3 + 60s>",
     "lease_seconds":60,"status":"claimed","heartbeat_at":"<time 3>","claim_nonce":"<nonce 1>","result":null,
     "error":null,"generation":1,"attempt":1,"cancel_requested":false,"warnings":[]}
    exit 0
    "#);
}

#[test]
fn a_heartbeat_may_ask_for_another_length_which_then_stays() {
    let repo = Repo::new();
    let id = repo.enqueue("Fix it");
    repo.claim("agent-1");
    assert_snapshot!(repo.session([
        format!("heartbeat {id} --run-id agent-1 --claim-ttl 120 --json"),
        format!("heartbeat {id} --run-id agent-1"),
    ]), @r#"
    $ muse coord heartbeat <id 1> --run-id agent-1 --claim-ttl 120 --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 3>",
     "task_id":"<id 1>","claimer_run_id":"agent-1","claimed_at":"<time 1>","expires_at":"<time 2 + 120s>",
     "lease_seconds":120,"status":"claimed","heartbeat_at":"<time 2>","claim_nonce":"<nonce 1>","result":null,
     "error":null,"generation":1,"attempt":1,"cancel_requested":false,"warnings":[]}
    exit 0

    $ muse coord heartbeat <id 1> --run-id agent-1

    💓 Lease renewed
      Task ID:    <id 1>
      Title:      Fix it
      Queue:      default
      By:         agent-1
      Expires in: 120s (<time 4>)

      (<s>)
    exit 0
    "#);
}

#[test]
fn only_the_holder_of_a_claimed_task_can_renew_its_lease() {
    let repo = Repo::new();
    let [pending, held, done] = ["pending", "held", "done"].map(|title| repo.enqueue(title));
    assert_snapshot!(repo.session([
        format!("heartbeat {pending} --run-id agent-1"),
        format!("heartbeat {pending} --run-id agent-1 --json"),
    ]), @r#"
    $ muse coord heartbeat <id 1> --run-id agent-1
    2> ❌ task <id 1>: it is pending: claim it first
    exit 1

    $ muse coord heartbeat <id 1> --run-id agent-1 --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"task <id 1>: it is pending: claim it first","status":"not_claimed","task_status":"pending",
     "claimer_run_id":null,"warnings":[]}
    exit 1
    "#);
    repo.coord(&format!("cancel-task {pending} --run-id agent-1")).succeeded();
    repo.given(["claim --run-id agent-1", "claim --run-id agent-1"]);
    repo.coord(&format!("complete {done} --run-id agent-1")).succeeded();
    assert_snapshot!(repo.session([
        format!("heartbeat {held} --run-id agent-2"),
        format!("heartbeat {held} --run-id agent-2 --json"),
        format!("heartbeat {done} --run-id agent-1 --json"),
        format!("heartbeat {NO_TASK} --run-id agent-1 --json"),
    ]), @r#"
    $ muse coord heartbeat <id 2> --run-id agent-2
    2> ❌ task <id 2>: it belongs to "agent-1", who claimed it at <time 2> as generation 1 with a lease until <time 2 + 3600s>
    exit 1

    $ muse coord heartbeat <id 2> --run-id agent-2 --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 3>",
     "error":"task <id 2>: it belongs to \"agent-1\", who claimed it at <time 2> as generation 1 with a lease until <time 2 + 3600s>",
     "status":"wrong_owner","task_status":"claimed","claimer_run_id":"agent-1","generation":1,
     "claimed_at":"<time 2>","expires_at":"<time 2 + 3600s>","warnings":[]}
    exit 1

    $ muse coord heartbeat <id 3> --run-id agent-1 --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 5>",
     "error":"task <id 3>: it was completed at <time 4> by \"agent-1\"","status":"already_terminal",
     "task_status":"completed","claimer_run_id":"agent-1","ended_at":"<time 4>","warnings":[]}
    exit 1

    $ muse coord heartbeat <id 4> --run-id agent-1 --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 6>",
     "error":"no task <id 4> in this queue directory: `muse coord tasks` lists the tasks","status":"not_found",
     "warnings":[]}
    exit 1
    "#);
}

#[test]
fn values_are_checked_run_id_first_and_all_of_them_before_the_repository() {
    let long_run_id = "r".repeat(257);
    let values: [(&str, &[&str]); 4] = [
        ("--run-id", &[&long_run_id, "agent-1"]),
        ("--claim-ttl", &["86401", "60"]),
        ("", &["7", NO_TASK]),
        ("--claim-nonce", &["7", "00000000deadbeef"]),
    ];
    assert_snapshot!(complaints(&Repo::bare(), "heartbeat", &values), @r#"
    $ muse coord heartbeat --json --run-id 'rrrrrrrrrrrrrrrrrrrr…' (257 characters) --claim-ttl 86401 7 --claim-nonce 7
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"--run-id is too long (257 characters; max 256)","status":"bad_args","warnings":[]}
    exit 1

    $ muse coord heartbeat --json --run-id agent-1 --claim-ttl 86401 7 --claim-nonce 7
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 2>",
     "error":"--claim-ttl must be between 1 and 86400, got 86401","status":"bad_args","warnings":[]}
    exit 1

    $ muse coord heartbeat --json --run-id agent-1 --claim-ttl 60 7 --claim-nonce 7
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 3>",
     "error":"invalid task id \"7\": it must be \"sha256:\" and 64 lower-case hexadecimal digits, as `enqueue` printed it",
     "status":"bad_task_id","warnings":[]}
    exit 1

    $ muse coord heartbeat --json --run-id agent-1 --claim-ttl 60 <id 1> --claim-nonce 7
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 4>",
     "error":"invalid claim nonce \"7\": give the 16 hexadecimal digits of `claim_nonce` as `claim` printed them",
     "status":"bad_args","warnings":[]}
    exit 1

    $ muse coord heartbeat --json --run-id agent-1 --claim-ttl 60 <id 1> --claim-nonce <nonce 1>
    {"muse_version":"<version>","schema":1,"exit_code":2,"duration_ms":<ms>,"timestamp":"<time 5>",
     "error":"fatal: not a muse repository (or any parent up to mount point /)","status":"not_a_repository",
     "hint":"run `muse coord init` in the repository, or set MUSE_REPO_ROOT to a directory that holds .muse/; under wasmtime, grant it with --dir .muse/coordination",
     "warnings":[]}
    exit 2
    "#);
}

#[test]
fn the_lease_has_the_limits_that_it_has_when_claimed() {
    let repo = Repo::new();
    let id = repo.enqueue("Fix it");
    repo.claim("agent-1");
    let line = format!("heartbeat {id} --run-id agent-1");
    for seconds in ["86400", "1"] {
        repo.coord(&format!("{line} --claim-ttl {seconds}")).succeeded();
    }
    assert_snapshot!(with_each(&repo, &line, "--claim-ttl", ["0", "86401"]), @"
    $ muse coord heartbeat <id 1> --run-id agent-1 --claim-ttl 0
    2> ❌ --claim-ttl must be between 1 and 86400, got 0
    exit 1

    $ muse coord heartbeat <id 1> --run-id agent-1 --claim-ttl 86401
    2> ❌ --claim-ttl must be between 1 and 86400, got 86401
    exit 1
    ");
}

#[test]
fn a_nonce_pins_the_very_lease() {
    let repo = Repo::new();
    repo.enqueue("Fix it");
    let claimed = repo.coord("claim --run-id agent-1 --json").succeeded();
    let (id, nonce) = (claimed.text_of("task_id"), claimed.text_of("claim_nonce"));
    repo.coord(&format!("heartbeat {id} --run-id agent-1 --claim-nonce {nonce}")).succeeded();
    let other = repo.coord(&format!("heartbeat {id} --run-id agent-1 --claim-nonce 00000000deadbeef --json"));
    assert_snapshot!(transcript([claimed, other]), @r#"
    $ muse coord claim --run-id agent-1 --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 3>",
     "task_id":"<id 1>","claimer_run_id":"agent-1","claimed_at":"<time 2>","expires_at":"<time 2 + 3600s>",
     "lease_seconds":3600,"status":"claimed","heartbeat_at":"<time 2>","claim_nonce":"<nonce 1>","result":null,
     "error":null,"generation":1,"attempt":1,"cancel_requested":false,"task":{"task_id":"<id 1>",
     "title":"Fix it","priority":0,"queue":"default","ttl_seconds":86400,"created_by":"unknown",
     "created_at":"<time 1>","tags":[],"payload":{}},"warnings":[]}
    exit 0

    $ muse coord heartbeat <id 1> --run-id agent-1 --claim-nonce <nonce 2> --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 4>",
     "error":"task <id 1>: the lease is lost: the task belongs to \"agent-1\", who claimed it at <time 2> as generation 1 with a lease until <time 5>; stop this work and claim another task",
     "status":"lease_lost","task_status":"claimed","claimer_run_id":"agent-1","generation":1,
     "claimed_at":"<time 2>","expires_at":"<time 5>","warnings":[]}
    exit 1
    "#);
}

#[test]
fn progress_is_told_with_the_task_and_the_last_counts() {
    let repo = Repo::new();
    let id = repo.enqueue("Fix it");
    repo.claim("agent-1");
    let line = format!("heartbeat {id} --run-id agent-1");
    repo.given([format!("{line} --progress 0.1 --note 'begun'"), format!("{line} --progress 0.4")]);
    let shown = |line: &str| repo.coord(line).succeeded().json();
    let item = &shown("tasks --json")["items"][0];
    assert_eq!((item["progress"].as_f64(), item.get("note")), (Some(0.4), None));
    repo.given([format!("{line} --note=-half-")]);
    let shown = shown(&format!("show {id} --json"));
    assert_eq!((shown.get("progress"), shown["note"].as_str()), (None, Some("-half-")));
    assert_eq!(shown["history"].as_array().unwrap().len(), 1);
    assert_snapshot!(with_each(&repo, &line, "--progress", ["-0.1", "1.1", "NaN", "half"]), @"
    $ muse coord heartbeat <id 1> --run-id agent-1 --progress -0.1
    2> ❌ progress must be between 0 and 1, got -0.1
    exit 1

    $ muse coord heartbeat <id 1> --run-id agent-1 --progress 1.1
    2> ❌ progress must be between 0 and 1, got 1.1
    exit 1

    $ muse coord heartbeat <id 1> --run-id agent-1 --progress NaN
    2> ❌ progress must be between 0 and 1, got NaN
    exit 1

    $ muse coord heartbeat <id 1> --run-id agent-1 --progress half
    2> error: invalid value 'half' for '--progress <FRACTION>': give a number from 0 to 1, like 0.4
    2> 
    2> For more information, try '--help'.
    exit 2
    ");
    let long = with_each(&repo, &line, "--note", [&*"é".repeat(4_097)]);
    assert_snapshot!(long, @"
    $ muse coord heartbeat <id 1> --run-id agent-1 --note 'éééééééééééééééééééé…' (4097 characters)
    2> ❌ a reason or note is too long (4097 characters; max 4096)
    exit 1
    ");
}

#[test]
fn a_holder_that_is_asked_to_stop_learns_it_by_its_next_heartbeat() {
    let repo = Repo::new();
    let id = repo.enqueue("Fix it");
    repo.claim("agent-1");
    repo.coord(&format!("cancel-task {id} --run-id orchestrator --request --reason 'not needed any more'")).succeeded();
    assert_snapshot!(repo.session([
        format!("heartbeat {id} --run-id agent-1"),
        format!("heartbeat {id} --run-id agent-1 --json"),
        String::from("tasks --json"),
        format!("show {id}"),
        format!("release {id} --run-id agent-1"),
    ]), @r#"
    $ muse coord heartbeat <id 1> --run-id agent-1

    🛑 Cancel requested: stop this work, and release or fail the task
      Asked by:   orchestrator
      Reason:     not needed any more
    💓 Lease renewed
      Task ID:    <id 1>
      Title:      Fix it
      Queue:      default
      By:         agent-1
      Expires in: 3600s (<time 1>)

      (<s>)
    exit 0

    $ muse coord heartbeat <id 1> --run-id agent-1 --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 4>",
     "task_id":"<id 1>","claimer_run_id":"agent-1","claimed_at":"<time 2>","expires_at":"<time 3 + 3600s>",
     "lease_seconds":3600,"status":"claimed","heartbeat_at":"<time 3>","claim_nonce":"<nonce 1>","result":null,
     "error":null,"generation":1,"attempt":1,"cancel_requested":true,"cancel_requested_by":"orchestrator",
     "cancel_reason":"not needed any more","warnings":[]}
    exit 0

    $ muse coord tasks --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 6>","total":1,
     "scheduled":0,"blocked":0,"pending":0,"claimed":1,"timed_out":0,"completed":0,"failed":0,"cancelled":0,
     "expired":0,"limit":200,"truncated":false,"items":[{"task_id":"<id 1>","title":"Fix it","priority":0,
     "queue":"default","ttl_seconds":86400,"created_by":"unknown","created_at":"<time 5>","tags":[],"payload":{},
     "status":"claimed","claimer_run_id":"agent-1","expires_at":"<time 3 + 3600s>","generation":1,"attempt":1,
     "result":null,"error":null,"cancel_requested":true,"cancel_requested_by":"orchestrator",
     "cancel_reason":"not needed any more"}],"warnings":[]}
    exit 0

    $ muse coord show <id 1>

    🔒 Fix it
      Task ID:    <id 1>
      Status:     claimed  attempt=1  generation=1
      Queue:      default  priority=0
      Created:    <time 5> by unknown
      TTL:        86400s
      Claimer:    agent-1
      Lease to:   <time 3 + 3600s>
      🛑 Cancel requested: the holder is asked to stop
      Asked by:   orchestrator
      Reason:     not needed any more

      Reports:
      <time 7> attempt 1 cancel_requested orchestrator: not needed any more

      (<s>)
    exit 0

    $ muse coord release <id 1> --run-id agent-1

    🚫 Task cancelled, as requested
      Task ID:    <id 1>
      Title:      Fix it
      Queue:      default

      (<s>)
    exit 0
    "#);
    let shown = repo.coord(&format!("show {id} --json")).succeeded().json();
    assert_eq!((shown["status"].as_str(), shown["reason"].as_str()), (Some("cancelled"), Some("not needed any more")));
}
