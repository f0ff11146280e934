//! `complete`: success is reported once, by the holder, with a result that is kept.

use coord_tests::{Repo, transcript};
use insta::assert_snapshot;

use crate::{NO_TASK, complaints, with, with_each};

#[test]
fn completing_answers_the_claim_and_the_result() {
    let repo = Repo::new();
    let [first, second] = ["Fix it", "Fix it"].map(|title| repo.enqueue(title));
    repo.given(["claim --run-id agent-1", "claim --run-id agent-1"]);
    assert_snapshot!(repo.session([
        format!(r#"complete {first} --run-id agent-1 --result {{"pr":42}}"#),
        format!(r#"complete {second} --run-id agent-1 --result {{"pr":42}} --json"#),
    ]), @r#"
    $ muse coord complete <id 1> --run-id agent-1 --result '{"pr":42}'

    ✅ Task completed
      Task ID:    <id 1>
      Title:      Fix it
      Queue:      default
      By:         agent-1
      Result:     {"pr":42}

      (<s>)
    exit 0

    $ muse coord complete <id 2> --run-id agent-1 --result '{"pr":42}' --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 2>",
     "task_id":"<id 2>","claimer_run_id":"agent-1","claimed_at":"<time 1>","expires_at":"<time 1 + 3600s>",
     "lease_seconds":3600,"status":"completed","heartbeat_at":"<time 1>","claim_nonce":"<nonce 1>",
     "result":{"pr":42},"error":null,"generation":1,"attempt":1,"cancel_requested":false,"warnings":[]}
    exit 0
    "#);
}

#[test]
fn a_result_that_says_nothing_is_null() {
    let repo = Repo::new();
    let [first, second, third] = ["first", "second", "third"].map(|title| repo.enqueue(title));
    repo.given(["claim --run-id agent-1"; 3]);
    assert_snapshot!(repo.session([
        format!("complete {first} --run-id agent-1"),
        format!("complete {second} --run-id agent-1 --json"),
        format!("complete {third} --run-id agent-1 --json --result {{}}"),
    ]), @r#"
    $ muse coord complete <id 1> --run-id agent-1

    ✅ Task completed
      Task ID:    <id 1>
      Title:      first
      Queue:      default
      By:         agent-1

      (<s>)
    exit 0

    $ muse coord complete <id 2> --run-id agent-1 --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 2>",
     "task_id":"<id 2>","claimer_run_id":"agent-1","claimed_at":"<time 1>","expires_at":"<time 1 + 3600s>",
     "lease_seconds":3600,"status":"completed","heartbeat_at":"<time 1>","claim_nonce":"<nonce 1>","result":null,
     "error":null,"generation":1,"attempt":1,"cancel_requested":false,"warnings":[]}
    exit 0

    $ muse coord complete <id 3> --run-id agent-1 --json --result '{}'
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 4>",
     "task_id":"<id 3>","claimer_run_id":"agent-1","claimed_at":"<time 3>","expires_at":"<time 3 + 3600s>",
     "lease_seconds":3600,"status":"completed","heartbeat_at":"<time 3>","claim_nonce":"<nonce 2>","result":null,
     "error":null,"generation":1,"attempt":1,"cancel_requested":false,"warnings":[]}
    exit 0
    "#);
}

#[test]
fn only_the_holder_of_a_claimed_task_can_complete_it_and_only_once() {
    let repo = Repo::new();
    let [held, pending] = ["held", "pending"].map(|title| repo.enqueue(title));
    repo.claim("agent-1");
    let lines = [
        format!("complete {pending} --run-id agent-1"),
        format!("complete {held} --run-id agent-2"),
        format!("complete {NO_TASK} --run-id agent-1"),
    ];
    assert_snapshot!(repo.session(&lines), @r#"
    $ muse coord complete <id 1> --run-id agent-1
    2> ❌ task <id 1>: it is pending: claim it first
    exit 1

    $ muse coord complete <id 2> --run-id agent-2
    2> ❌ task <id 2>: it belongs to "agent-1", who claimed it at <time 1> as generation 1 with a lease until <time 1 + 3600s>
    exit 1

    $ muse coord complete <id 3> --run-id agent-1
    2> ❌ no task <id 3> in this queue directory: `muse coord tasks` lists the tasks
    exit 1
    "#);
    assert_snapshot!(repo.session(lines.map(|line| line + " --json")), @r#"
    $ muse coord complete <id 1> --run-id agent-1 --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 2>",
     "error":"task <id 1>: it is pending: claim it first","status":"not_claimed","task_status":"pending",
     "claimer_run_id":null,"warnings":[]}
    exit 1

    $ muse coord complete <id 2> --run-id agent-2 --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 3>",
     "error":"task <id 2>: it belongs to \"agent-1\", who claimed it at <time 1> as generation 1 with a lease until <time 1 + 3600s>",
     "status":"wrong_owner","task_status":"claimed","claimer_run_id":"agent-1","generation":1,
     "claimed_at":"<time 1>","expires_at":"<time 1 + 3600s>","warnings":[]}
    exit 1

    $ muse coord complete <id 3> --run-id agent-1 --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 4>",
     "error":"no task <id 3> in this queue directory: `muse coord tasks` lists the tasks","status":"not_found",
     "warnings":[]}
    exit 1
    "#);
    repo.coord(&format!("complete {held} --run-id agent-1")).succeeded();
    assert_snapshot!(repo.session([
        format!("complete {held} --run-id agent-1"),
        format!("complete {held} --run-id agent-1 --json"),
    ]), @r#"
    $ muse coord complete <id 2> --run-id agent-1
    2> ❌ task <id 2>: it was completed at <time 5> by "agent-1"
    exit 1

    $ muse coord complete <id 2> --run-id agent-1 --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 6>",
     "error":"task <id 2>: it was completed at <time 5> by \"agent-1\"","status":"already_terminal",
     "task_status":"completed","claimer_run_id":"agent-1","ended_at":"<time 5>","warnings":[]}
    exit 1
    "#);
}

#[test]
fn a_nonce_pins_the_very_lease() {
    let repo = Repo::new();
    repo.enqueue("Fix it");
    let claimed = repo.coord("claim --run-id agent-1 --json").succeeded();
    let (id, nonce) = (claimed.text_of("task_id"), claimed.text_of("claim_nonce"));
    let line = format!("complete {id} --run-id agent-1 --claim-nonce");
    assert_snapshot!(transcript([
        claimed,
        repo.coord(&format!("{line} 00000000deadbeef")),
        repo.coord(&format!("{line} {nonce} --json")),
    ]), @r#"
    $ muse coord claim --run-id agent-1 --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 3>",
     "task_id":"<id 1>","claimer_run_id":"agent-1","claimed_at":"<time 2>","expires_at":"<time 2 + 3600s>",
     "lease_seconds":3600,"status":"claimed","heartbeat_at":"<time 2>","claim_nonce":"<nonce 1>","result":null,
     "error":null,"generation":1,"attempt":1,"cancel_requested":false,"task":{"task_id":"<id 1>",
     "title":"Fix it","priority":0,"queue":"default","ttl_seconds":86400,"created_by":"unknown",
     "created_at":"<time 1>","tags":[],"payload":{}},"warnings":[]}
    exit 0

    $ muse coord complete <id 1> --run-id agent-1 --claim-nonce <nonce 2>
    2> ❌ task <id 1>: the lease is lost: the task belongs to "agent-1", who claimed it at <time 2> as generation 1 with a lease until <time 2 + 3600s>; stop this work and claim another task
    exit 1

    $ muse coord complete <id 1> --run-id agent-1 --claim-nonce <nonce 1> --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 4>",
     "task_id":"<id 1>","claimer_run_id":"agent-1","claimed_at":"<time 2>","expires_at":"<time 2 + 3600s>",
     "lease_seconds":3600,"status":"completed","heartbeat_at":"<time 2>","claim_nonce":"<nonce 1>","result":null,
     "error":null,"generation":1,"attempt":1,"cancel_requested":false,"warnings":[]}
    exit 0
    "#);
}

#[test]
fn values_are_checked_in_the_contracts_order_and_all_of_them_before_the_repository() {
    let long_run_id = "r".repeat(257);
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(65_536));
    let values: [(&str, &[&str]); 4] = [
        ("--run-id", &[&long_run_id, "agent-1"]),
        ("--result", &["[]", &large, "{}"]),
        ("", &["7", NO_TASK]),
        ("--claim-nonce", &["7", "00000000deadbeef"]),
    ];
    assert_snapshot!(complaints(&Repo::bare(), "complete", &values), @r#"
    $ muse coord complete --json --run-id 'rrrrrrrrrrrrrrrrrrrr…' (257 characters) --result '[]' 7 --claim-nonce 7
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"--run-id is too long (257 characters; max 256)","status":"bad_args","warnings":[]}
    exit 1

    $ muse coord complete --json --run-id agent-1 --result '[]' 7 --claim-nonce 7
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 2>",
     "error":"invalid --result: it must be a JSON object like {\"key\": 1}, not an array","status":"bad_args",
     "warnings":[]}
    exit 1

    $ muse coord complete --json --run-id agent-1 --result '{\"a\":\"xxxxxxxxxxxxxx…' (65544 characters) 7 --claim-nonce 7
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 3>",
     "error":"--result is too large (65544 bytes; max 65536)","status":"bad_args","warnings":[]}
    exit 1

    $ muse coord complete --json --run-id agent-1 --result '{}' 7 --claim-nonce 7
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 4>",
     "error":"invalid task id \"7\": it must be \"sha256:\" and 64 lower-case hexadecimal digits, as `enqueue` printed it",
     "status":"bad_task_id","warnings":[]}
    exit 1

    $ muse coord complete --json --run-id agent-1 --result '{}' <id 1> --claim-nonce 7
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 5>",
     "error":"invalid claim nonce \"7\": give the 16 hexadecimal digits of `claim_nonce` as `claim` printed them",
     "status":"bad_args","warnings":[]}
    exit 1

    $ muse coord complete --json --run-id agent-1 --result '{}' <id 1> --claim-nonce <nonce 1>
    {"muse_version":"<version>","schema":1,"exit_code":2,"duration_ms":<ms>,"timestamp":"<time 6>",
     "error":"fatal: not a muse repository (or any parent up to mount point /)","status":"not_a_repository",
     "hint":"run `muse coord init` in the repository, or set MUSE_REPO_ROOT to a directory that holds .muse/; under wasmtime, grant it with --dir .muse/coordination",
     "warnings":[]}
    exit 2
    "#);
}

#[test]
fn of_a_result_that_is_too_large_and_not_json_the_latter_is_complained_of() {
    let repo = Repo::bare();
    let both = "x".repeat(65_537);
    let refused = with(&repo, &format!("complete {NO_TASK} --run-id agent-1 --json"), "--result", &both).ended_with(1);
    assert!(refused.text_of("error").starts_with("invalid --result: "), "{refused}");
}

#[test]
fn a_result_is_taken_up_to_its_limit_and_refused_one_byte_beyond() {
    let repo = Repo::new();
    let id = repo.enqueue("Fix it");
    repo.claim("agent-1");
    let result = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
    let line = format!("complete {id} --run-id agent-1");
    assert_snapshot!(with_each(&repo, &line, "--result", [result(65_537).as_str(), "7", "null", ""]), @r#"
    $ muse coord complete <id 1> --run-id agent-1 --result '{\"a\":\"xxxxxxxxxxxxxx…' (65537 characters)
    2> ❌ --result is too large (65537 bytes; max 65536)
    exit 1

    $ muse coord complete <id 1> --run-id agent-1 --result 7
    2> ❌ invalid --result: it must be a JSON object like {"key": 1}, not a number
    exit 1

    $ muse coord complete <id 1> --run-id agent-1 --result null
    2> ❌ invalid --result: it must be a JSON object like {"key": 1}, not null
    exit 1

    $ muse coord complete <id 1> --run-id agent-1 --result ''
    2> ❌ invalid --result: not JSON: EOF while parsing a value at line 1 column 0
    exit 1
    "#);
    let completed = with(&repo, &format!("{line} --json"), "--result", &result(65_536)).succeeded();
    assert!(completed.stdout.contains(&result(65_536)));
    assert!(repo.coord("tasks --json").succeeded().stdout.contains(&result(65_536)));
}

#[test]
fn a_long_result_is_cut_for_people() {
    let repo = Repo::new();
    let id = repo.enqueue("Fix it");
    repo.claim("agent-1");
    let result = format!("{{\"a\":\"{}\"}}", "é".repeat(200));
    let text = with(&repo, &format!("complete {id} --run-id agent-1"), "--result", &result).succeeded();
    let line = text.stdout.lines().find(|line| line.contains("Result:")).unwrap();
    assert_eq!(line, format!("  Result:     {{\"a\":\"{}…", "é".repeat(114)));
}
