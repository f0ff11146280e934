//! `show`: one task, where it stands, and all that was reported of it.
#![allow(clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::thread::sleep;
use std::time::Duration;

use coord_tests::Repo;
use insta::assert_snapshot;
use serde_json::json;

use crate::NO_TASK;

#[test]
fn a_task_is_shown_with_its_record_and_its_history() {
    let repo = Repo::new();
    let flags = "--max-attempts 3 --backoff 0 --tags code,urgent --priority 2 --unique k --run-id orchestrator";
    let payload = r#"--payload {"file":"billing.py"}"#;
    let id = repo.coord(&format!("enqueue 'Fix it' {flags} {payload} --json")).succeeded().text_of("task_id");
    repo.claim("agent-1");
    repo.coord(&format!("fail-task {id} --run-id agent-1 --error 'no such file'")).succeeded();
    repo.claim("agent-2");
    repo.coord(&format!("heartbeat {id} --run-id agent-2 --progress 0.4 --note 'half way'")).succeeded();
    let running = repo.coord(&format!("show {id}"));
    repo.coord(&format!(r#"complete {id} --run-id agent-2 --result {{"pr":42}}"#)).succeeded();
    let done = [format!("show {id}"), format!("show {id} --json")].map(|line| repo.coord(&line));
    assert_snapshot!(coord_tests::transcript([running].into_iter().chain(done)), @r#"
    $ muse coord show <id 1>

    🔒 Fix it
      Task ID:    <id 1>
      Status:     claimed  attempt=2  generation=2
      Queue:      default  priority=2
      Created:    <time 1> by orchestrator
      TTL:        86400s
      Tags:       code, urgent
      Attempts:   at most 3  backoff=0s:300s
      Unique key: k
      Payload:    {"file":"billing.py"}
      Claimer:    agent-2
      Lease to:   <time 3 + 3600s>
      Progress:   40 %
      Note:       half way

      Reports:
      <time 2> attempt 1 failed agent-1: no such file; retry at <time 2>
      <time 3> attempt 2 progress agent-2: 40 %; half way

      (<s>)
    exit 0

    $ muse coord show <id 1>

    ✅ Fix it
      Task ID:    <id 1>
      Status:     completed  attempt=2  generation=2
      Queue:      default  priority=2
      Created:    <time 1> by orchestrator
      TTL:        86400s
      Tags:       code, urgent
      Attempts:   at most 3  backoff=0s:300s
      Unique key: k
      Payload:    {"file":"billing.py"}
      Claimer:    agent-2
      Ended:      <time 4>
      Result:     {"pr":42}

      Reports:
      <time 2> attempt 1 failed agent-1: no such file; retry at <time 2>
      <time 3> attempt 2 progress agent-2: 40 %; half way
      <time 4> attempt 2 completed agent-2: {"pr":42}

      (<s>)
    exit 0

    $ muse coord show <id 1> --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 5>",
     "task_id":"<id 1>","title":"Fix it","priority":2,"queue":"default","ttl_seconds":86400,
     "created_by":"orchestrator","created_at":"<time 1>","tags":["code","urgent"],
     "payload":{"file":"billing.py"},"max_attempts":3,"backoff_seconds":0,"backoff_max_seconds":300,"unique":"k",
     "status":"completed","claimer_run_id":"agent-2","expires_at":"<time 3 + 3600s>","generation":2,"attempt":2,
     "result":{"pr":42},"error":null,"ended_at":"<time 4>","history":[{"kind":"failed","at":"<time 2>",
     "run_id":"agent-1","generation":1,"attempt":1,"error":"no such file","scheduled_at":"<time 2>"},
     {"kind":"progress","at":"<time 3>","run_id":"agent-2","generation":2,"attempt":2,"progress":0.4,
     "note":"half way"},{"kind":"completed","at":"<time 4>","run_id":"agent-2","generation":2,"attempt":2,
     "result":{"pr":42}}],"late_results":[],"warnings":[]}
    exit 0
    "#);
}

#[test]
fn a_blocked_task_says_on_what_and_a_cancelled_one_why() {
    let repo = Repo::new();
    let [first, second] = ["first", "second"].map(|title| repo.enqueue(title));
    let child = repo.coord(&format!("enqueue child --after {first},{second} --json")).succeeded().text_of("task_id");
    assert_snapshot!(repo.session([format!("show {child}")]), @"
    $ muse coord show <id 1>

    🚧 child
      Task ID:    <id 1>
      Status:     blocked  attempt=0  generation=0
      Queue:      default  priority=0
      Created:    <time 1> by unknown
      TTL:        86400s
      After:      <id 2>
      After:      <id 3>
      Blocked on: <id 2>

      (<s>)
    exit 0
    ");
    repo.coord(&format!("cancel-task {first} --run-id orchestrator --reason 'not needed'")).succeeded();
    assert_snapshot!(repo.session([format!("show {child}"), format!("show {first} --json")]), @r#"
    $ muse coord show <id 1>

    🚫 child
      Task ID:    <id 1>
      Status:     cancelled  attempt=0  generation=0
      Queue:      default  priority=0
      Created:    <time 1> by unknown
      TTL:        86400s
      After:      <id 2>
      After:      <id 3>
      Ended:      <time 2>
      Reason:     it waited for <id 2>, which was cancelled

      Reports:
      <time 2> attempt 0 cancelled: it waited for <id 2>, which was cancelled

      (<s>)
    exit 0

    $ muse coord show <id 2> --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 5>",
     "task_id":"<id 2>","title":"first","priority":0,"queue":"default","ttl_seconds":86400,
     "created_by":"unknown","created_at":"<time 3>","tags":[],"payload":{},"status":"cancelled",
     "claimer_run_id":"orchestrator","expires_at":"<time 4>","generation":0,"attempt":0,"result":null,
     "error":null,"reason":"not needed","ended_at":"<time 4>","history":[{"kind":"cancelled","at":"<time 4>",
     "run_id":"orchestrator","generation":0,"attempt":0,"reason":"not needed"}],"late_results":[],"warnings":[]}
    exit 0
    "#);
}

#[test]
fn a_result_that_came_too_late_is_kept_and_offered_to_the_next_holder() {
    let repo = Repo::new();
    let id = repo.enqueue("Fix it");
    repo.coord("claim --run-id late --claim-ttl 1").succeeded();
    sleep(Duration::from_millis(1_100));
    repo.coord("claim --run-id second --claim-ttl 1").succeeded();
    let late = repo.coord(&format!(r#"complete {id} --run-id late --result {{"pr":41}}"#));
    sleep(Duration::from_millis(1_100));
    let claimed = [repo.coord("claim --run-id third --claim-ttl 1"), repo.coord(&format!("show {id}"))];
    assert_snapshot!(coord_tests::transcript([late].into_iter().chain(claimed)), @r#"
    $ muse coord complete <id 1> --run-id late --result '{"pr":41}'
    2> ❌ task <id 1>: the lease is lost: the task belongs to "second", who claimed it at <time 1> as generation 2 with a lease until <time 1 + 1s>; stop this work and claim another task
    2> hint: the result is kept as a late result: `muse coord show` shows it, and the next claim of the task includes it
    exit 1

    $ muse coord claim --run-id third --claim-ttl 1

    🔒 Task claimed
      Task ID:    <id 1>
      Title:      Fix it
      Claimer:    third
      Queue:      default  priority=0
      Expires in: 1s (<time 3>)
      Too late:   <time 2> late: {"pr":41}

      (<s>)
    exit 0

    $ muse coord show <id 1>

    🔒 Fix it
      Task ID:    <id 1>
      Status:     claimed  attempt=3  generation=3
      Queue:      default  priority=0
      Created:    <time 4> by unknown
      TTL:        86400s
      Claimer:    third
      Lease to:   <time 3>

      Late results, which do not count:
      Too late:   <time 2> late: {"pr":41}

      (<s>)
    exit 0
    "#);
    let shown = repo.coord(&format!("show {id} --json")).succeeded().json();
    assert_eq!(
        (&shown["late_results"][0]["run_id"], &shown["late_results"][0]["result"]),
        (&json!("late"), &json!({"pr": 41}))
    );
    sleep(Duration::from_millis(1_100));
    let claim = repo.coord("claim --run-id fourth --json").succeeded().json();
    assert_eq!(claim["late_results"], shown["late_results"]);
}

#[test]
fn what_others_wrote_does_not_act_on_a_terminal() {
    let repo = Repo::new();
    let nasty = "a\u{1b}[31mb\u{202e}";
    let words = ["coord", "enqueue", nasty, "--max-attempts", "1", "--run-id", nasty, "--unique", nasty, "--json"];
    let id = repo.muse(words).succeeded().text_of("task_id");
    repo.muse(["coord", "claim", "--run-id", nasty]).succeeded();
    repo.muse(["coord", "heartbeat", &id, "--run-id", nasty, "--note", nasty]).succeeded();
    let running = repo.coord(&format!("show {id}")).succeeded();
    repo.muse(["coord", "fail-task", &id, "--run-id", nasty, "--error", nasty]).succeeded();
    for outcome in [
        running,
        repo.coord(&format!("show {id}")),
        repo.coord(&format!("show {id} --json")),
        repo.coord(&format!("wait {id}")),
    ] {
        assert!(!outcome.stdout.contains(['\u{1b}', '\u{202e}']), "{outcome}");
    }
}

#[test]
fn a_task_that_is_not_there_is_said_to_be_none() {
    let repo = Repo::new();
    assert_snapshot!(repo.session([format!("show {NO_TASK}"), format!("show {NO_TASK} --json"), String::from("show 7")]), @r#"
    $ muse coord show <id 1>
    2> ❌ no task <id 1> in this queue directory: `muse coord tasks` lists the tasks
    exit 1

    $ muse coord show <id 1> --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"no task <id 1> in this queue directory: `muse coord tasks` lists the tasks","status":"not_found",
     "warnings":[]}
    exit 1

    $ muse coord show 7
    2> ❌ invalid task id "7": it must be "sha256:" and 64 lower-case hexadecimal digits, as `enqueue` printed it
    exit 1
    "#);
}
