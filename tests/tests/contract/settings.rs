//! `pause`, `resume` and `limit`: what is set for a queue as a whole.
#![allow(clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use coord_tests::Repo;
use insta::assert_snapshot;
use serde_json::json;

#[test]
fn nothing_of_a_paused_queue_is_claimed_and_everybody_is_told() {
    let repo = Repo::new();
    repo.given(["enqueue first --queue code", "claim --run-id a", "enqueue second --queue code"]);
    assert_snapshot!(repo.session([
        "pause code",
        "pause code --json",
        "claim --run-id b",
        "claim --run-id b --queue code --json",
        "tasks --status pending",
        "resume code",
        "resume code --json",
    ]), @r#"
    $ muse coord pause code

    ⏸️  Queue paused: no new claims
      Queue:      code
      In flight:  any number

      (<s>)
    exit 0

    $ muse coord pause code --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 1>","queue":"code",
     "paused":true,"max_in_flight":null,"changed":false,"warnings":[]}
    exit 0

    $ muse coord claim --run-id b

      Nothing to claim, although tasks are waiting:
      queue code is paused: `muse coord resume code` ends the pause

      (<s>)
    exit 1

    $ muse coord claim --run-id b --queue code --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 2>",
     "status":"empty","queue":"code","paused":["code"],"warnings":[]}
    exit 1

    $ muse coord tasks --status pending

    Task queue — 2 task(s)
      filter: status=pending
      1 pending  1 claimed  0 timed_out  0 completed  0 failed  0 cancelled
      paused: code
    ────────────────────────────────────────────────────────────────────────────────

    ID                                                                      ST            PRI QUEUE        CLAIMER              TITLE
    ────────────────────────────────────────────────────────────────────────────────
    <id 1> ⏳pending       0 code         -                    second

      (<s>)
    exit 0

    $ muse coord resume code

    ▶️  Queue open
      Queue:      code
      In flight:  any number

      (<s>)
    exit 0

    $ muse coord resume code --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 3>","queue":"code",
     "paused":false,"max_in_flight":null,"changed":false,"warnings":[]}
    exit 0
    "#);
    assert_eq!(repo.coord("claim --run-id b --json").succeeded().json()["task"]["title"], "second");
}

#[test]
fn what_is_claimed_of_a_paused_queue_goes_on_and_other_queues_do() {
    let repo = Repo::new();
    repo.given(["enqueue held --queue code", "enqueue other --queue docs"]);
    let held = repo.coord("claim --run-id a --queue code --json").succeeded().text_of("task_id");
    repo.coord("pause code").succeeded();
    repo.given([format!("heartbeat {held} --run-id a"), format!("complete {held} --run-id a")]);
    let claimed = repo.coord("claim --run-id a --json").succeeded().json();
    assert_eq!((&claimed["task"]["title"], &claimed["warnings"]), (&json!("other"), &json!([])));
    assert_eq!(repo.tasks()["paused_queues"], json!(["code"]));
    repo.coord("doctor").succeeded();
}

#[test]
fn no_more_tasks_of_a_limited_queue_are_claimed_at_once() {
    let repo = Repo::new();
    repo.given(["enqueue t --queue gpu"; 3]);
    assert_snapshot!(repo.session(["limit gpu --max-in-flight 2", "limit gpu --max-in-flight 2 --json"]), @r#"
    $ muse coord limit gpu --max-in-flight 2

    ▶️  Queue open
      Queue:      gpu
      In flight:  at most 2

      (<s>)
    exit 0

    $ muse coord limit gpu --max-in-flight 2 --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 1>","queue":"gpu",
     "paused":false,"max_in_flight":2,"changed":false,"warnings":[]}
    exit 0
    "#);
    repo.given(["claim --run-id a"; 2]);
    assert_snapshot!(repo.coord("claim --run-id b --json"), @r#"
    $ muse coord claim --run-id b --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 2>",
     "status":"empty","queue":null,"full":["gpu"],"warnings":[]}
    exit 1
    "#);
    let told = repo.coord("claim --run-id b").ended_with(1).stdout;
    assert!(
        told.contains("queue gpu is full: 2 of its tasks are claimed, which is its limit (`muse coord limit gpu`)"),
        "{told}"
    );
    let id = repo.coord("tasks --status claimed --json").json()["items"][0]["task_id"].as_str().unwrap().to_string();
    repo.coord(&format!("complete {id} --run-id a")).succeeded();
    repo.coord("claim --run-id b").succeeded();
    assert_snapshot!(repo.session(["limit gpu --max-in-flight none --json"]), @r#"
    $ muse coord limit gpu --max-in-flight none --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 3>","queue":"gpu",
     "paused":false,"max_in_flight":null,"changed":true,"warnings":[]}
    exit 0
    "#);
}

#[test]
fn a_queue_that_has_no_task_can_be_paused_and_resumed() {
    let repo = Repo::new();
    repo.given(["resume later", "pause later"]);
    let told = repo.coord("claim --run-id a").ended_with(1).stdout;
    assert!(told.contains("is empty"), "nothing waits there: {told}");
    repo.given(["enqueue t --queue later"]);
    repo.coord("claim --run-id a").ended_with(1);
    repo.given(["resume later", "claim --run-id a"]);
}

#[test]
fn a_bad_queue_or_limit_is_refused() {
    let repo = Repo::new();
    assert_snapshot!(repo.session([
        "pause ../x",
        "resume ''",
        "limit ../x --max-in-flight 1",
        "limit code --max-in-flight 0",
        "limit code --max-in-flight -1",
        "limit code --max-in-flight 4294967296",
        "limit code",
    ]), @r#"
    $ muse coord pause ../x
    2> ❌ invalid queue name "../x": use 1 to 64 letters, digits, '_' or '-'
    exit 1

    $ muse coord resume ''
    2> ❌ invalid queue name "": use 1 to 64 letters, digits, '_' or '-'
    exit 1

    $ muse coord limit ../x --max-in-flight 1
    2> ❌ invalid queue name "../x": use 1 to 64 letters, digits, '_' or '-'
    exit 1

    $ muse coord limit code --max-in-flight 0
    2> ❌ --max-in-flight must be between 1 and 4294967295, got 0: to stop all claims, use `muse coord pause`
    exit 1

    $ muse coord limit code --max-in-flight -1
    2> ❌ --max-in-flight must be between 1 and 4294967295, got -1
    exit 1

    $ muse coord limit code --max-in-flight 4294967296
    2> ❌ --max-in-flight must be between 1 and 4294967295, got 4294967296
    exit 1

    $ muse coord limit code
    2> error: the following required arguments were not provided:
    2>   --max-in-flight <N>
    2> 
    2> Usage: muse coord limit --max-in-flight <N> <QUEUE>
    2> 
    2> For more information, try '--help'.
    exit 2
    "#);
}
