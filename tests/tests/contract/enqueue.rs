//! `enqueue`: what is answered, what is cut, what is refused and in which order.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use coord_tests::Repo;
use insta::assert_snapshot;

use crate::{complaints, with, with_each};

#[test]
fn a_title_alone_is_enough_and_the_rest_has_the_documented_defaults() {
    let repo = Repo::new();
    assert_snapshot!(repo.session(["enqueue 'Fix it'", "enqueue 'Fix it' --json"]), @r#"
    $ muse coord enqueue 'Fix it'

    ✅ Task enqueued
      Task ID:    <id 1>
      Title:      Fix it
      Queue:      default  priority=0
      TTL:        86400s

      (<s>)
    exit 0

    $ muse coord enqueue 'Fix it' --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 2>",
     "task_id":"<id 2>","title":"Fix it","priority":0,"queue":"default","ttl_seconds":86400,
     "created_by":"unknown","created_at":"<time 1>","tags":[],"payload":{},"deduplicated":false,"warnings":[]}
    exit 0
    "#);
}

#[test]
fn every_flag_of_enqueue_shows_in_the_answer() {
    let flags = "--priority 5 --queue hotfix-2 --ttl 60 --run-id orchestrator --tags billing,urgent";
    let payload = r#"{"file":"billing.py","lines":[1,2]}"#;
    let repo = Repo::new();
    assert_snapshot!(repo.session([
        format!("enqueue 'Refactor billing' {flags} --payload {payload}"),
        format!("enqueue 'Refactor billing' {flags} --payload {payload} --json"),
    ]), @r#"
    $ muse coord enqueue 'Refactor billing' --priority 5 --queue hotfix-2 --ttl 60 --run-id orchestrator --tags billing,urgent --payload '{"file":"billing.py","lines":[1,2]}'

    ✅ Task enqueued
      Task ID:    <id 1>
      Title:      Refactor billing
      Queue:      hotfix-2  priority=5
      TTL:        60s
      Tags:       billing, urgent

      (<s>)
    exit 0

    $ muse coord enqueue 'Refactor billing' --priority 5 --queue hotfix-2 --ttl 60 --run-id orchestrator --tags billing,urgent --payload '{"file":"billing.py","lines":[1,2]}' --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 2>",
     "task_id":"<id 2>","title":"Refactor billing","priority":5,"queue":"hotfix-2","ttl_seconds":60,
     "created_by":"orchestrator","created_at":"<time 1>","tags":["billing","urgent"],
     "payload":{"file":"billing.py","lines":[1,2]},"deduplicated":false,"warnings":[]}
    exit 0
    "#);
}

#[test]
fn values_are_checked_in_the_contracts_order_and_all_of_them_before_the_repository() {
    let long_run_id = "r".repeat(257);
    let large = format!("{{\"a\":\"{}", "x".repeat(65_536));
    let many_tags = vec!["t"; 33].join(",");
    let values: [(&str, &[&str]); 6] = [
        ("", &["  ", "Fix it"]),
        ("--run-id", &[&long_run_id, "orchestrator"]),
        ("--ttl", &["0", "60"]),
        ("--payload", &[&large, "[]", "{}"]),
        ("--tags", &[&many_tags, "t"]),
        ("--queue", &["../x", "hotfix"]),
    ];
    assert_snapshot!(complaints(&Repo::bare(), "enqueue", &values), @r#"
    $ muse coord enqueue --json '  ' --run-id 'rrrrrrrrrrrrrrrrrrrr…' (257 characters) --ttl 0 --payload '{\"a\":\"xxxxxxxxxxxxxx…' (65542 characters) --tags t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t --queue ../x
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"title must be non-empty: describe the work in a few words","status":"bad_args","warnings":[]}
    exit 1

    $ muse coord enqueue --json 'Fix it' --run-id 'rrrrrrrrrrrrrrrrrrrr…' (257 characters) --ttl 0 --payload '{\"a\":\"xxxxxxxxxxxxxx…' (65542 characters) --tags t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t --queue ../x
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 2>",
     "error":"--run-id is too long (257 characters; max 256)","status":"bad_args","warnings":[]}
    exit 1

    $ muse coord enqueue --json 'Fix it' --run-id orchestrator --ttl 0 --payload '{\"a\":\"xxxxxxxxxxxxxx…' (65542 characters) --tags t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t --queue ../x
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 3>",
     "error":"--ttl must be between 1 and 315360000, got 0","status":"bad_args","warnings":[]}
    exit 1

    $ muse coord enqueue --json 'Fix it' --run-id orchestrator --ttl 60 --payload '{\"a\":\"xxxxxxxxxxxxxx…' (65542 characters) --tags t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t --queue ../x
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 4>",
     "error":"--payload is too large (65542 bytes; max 65536)","status":"bad_args","warnings":[]}
    exit 1

    $ muse coord enqueue --json 'Fix it' --run-id orchestrator --ttl 60 --payload '[]' --tags t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t --queue ../x
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 5>",
     "error":"invalid --payload: it must be a JSON object like {\"key\": 1}, not an array",
     "status":"bad_payload","warnings":[]}
    exit 1

    $ muse coord enqueue --json 'Fix it' --run-id orchestrator --ttl 60 --payload '{}' --tags t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t --queue ../x
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 6>",
     "error":"too many tags: 33 (max 32)","status":"bad_args","warnings":[]}
    exit 1

    $ muse coord enqueue --json 'Fix it' --run-id orchestrator --ttl 60 --payload '{}' --tags t --queue ../x
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 7>",
     "error":"invalid queue name \"../x\": use 1 to 64 letters, digits, '_' or '-'","status":"bad_queue",
     "warnings":[]}
    exit 1

    $ muse coord enqueue --json 'Fix it' --run-id orchestrator --ttl 60 --payload '{}' --tags t --queue hotfix
    {"muse_version":"<version>","schema":1,"exit_code":2,"duration_ms":<ms>,"timestamp":"<time 8>",
     "error":"fatal: not a muse repository (or any parent up to mount point /)","status":"not_a_repository",
     "hint":"run `muse coord init` in the repository, or set MUSE_REPO_ROOT to a directory that holds .muse/; under wasmtime, grant it with --dir .muse/coordination",
     "warnings":[]}
    exit 2
    "#);
}

#[test]
fn each_value_is_taken_up_to_its_limit() {
    let repo = Repo::new();
    let title = "é".repeat(512);
    let queue = "q".repeat(64);
    let run_id = "é".repeat(256);
    let tags: Vec<String> = (0..32).map(|n| format!("{n:é>64}")).collect();
    let payload = format!("{{\"a\":\"{}\"}}", "x".repeat(65_536 - 8));
    let words = ["coord", "enqueue", &title, "--queue", &queue, "--run-id", &run_id, "--tags", &tags.join(",")];
    let words = words.into_iter().chain(["--payload", &payload, "--ttl", "315360000", "--json"]);

    let enqueued = repo.muse(words).succeeded().json();

    assert_eq!(payload.len(), 65_536);
    assert_eq!(enqueued["warnings"], serde_json::json!([]));
    let task = with(&repo, "claim --json", "--run-id", &run_id).succeeded().json()["task"].take();
    for task in [&enqueued, &task] {
        assert_eq!(task["title"], title);
        assert_eq!(task["queue"], queue);
        assert_eq!(task["created_by"], run_id);
        assert_eq!(task["tags"], serde_json::json!(tags));
        assert_eq!(task["payload"], serde_json::from_str::<serde_json::Value>(&payload).unwrap());
        assert_eq!(task["ttl_seconds"], 315_360_000);
    }
}

#[test]
fn one_beyond_a_limit_is_refused_with_the_value_and_the_limit() {
    let repo = Repo::new();
    let refused = |flag, values: &[&str]| with_each(&repo, "enqueue t", flag, values.iter().copied());
    assert_snapshot!(refused("--queue", &["", &"q".repeat(65)]), @r#"
    $ muse coord enqueue t --queue ''
    2> ❌ invalid queue name "": use 1 to 64 letters, digits, '_' or '-'
    exit 1

    $ muse coord enqueue t --queue qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq
    2> ❌ invalid queue name "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq": use 1 to 64 letters, digits, '_' or '-'
    exit 1
    "#);
    assert_snapshot!(refused("--run-id", &["", &"é".repeat(257)]), @"
    $ muse coord enqueue t --run-id ''
    2> ❌ --run-id must not be empty: give each agent a name of its own
    exit 1

    $ muse coord enqueue t --run-id 'éééééééééééééééééééé…' (257 characters)
    2> ❌ --run-id is too long (257 characters; max 256)
    exit 1
    ");
    assert_snapshot!(refused("--ttl", &["0", "-1", "315360001"]), @"
    $ muse coord enqueue t --ttl 0
    2> ❌ --ttl must be between 1 and 315360000, got 0
    exit 1

    $ muse coord enqueue t --ttl -1
    2> ❌ --ttl must be between 1 and 315360000, got -1
    exit 1

    $ muse coord enqueue t --ttl 315360001
    2> ❌ --ttl must be between 1 and 315360000, got 315360001
    exit 1
    ");
    assert_snapshot!(refused("--tags", &[&vec!["t"; 33].join(",")]), @"
    $ muse coord enqueue t --tags t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t,t
    2> ❌ too many tags: 33 (max 32)
    exit 1
    ");
    assert_snapshot!(refused("--payload", &[&format!("{{\"a\":\"{}\"}}", "x".repeat(65_537 - 8))]), @r#"
    $ muse coord enqueue t --payload '{\"a\":\"xxxxxxxxxxxxxx…' (65537 characters)
    2> ❌ --payload is too large (65537 bytes; max 65536)
    exit 1
    "#);
    assert_snapshot!(with_each(&repo, "enqueue", "", ["", " \t "]), @r"
    $ muse coord enqueue ''
    2> ❌ title must be non-empty: describe the work in a few words
    exit 1

    $ muse coord enqueue ' \t '
    2> ❌ title must be non-empty: describe the work in a few words
    exit 1
    ");
    assert_eq!(repo.tasks()["total"], 0);
}

#[test]
fn a_title_or_tag_that_is_too_long_is_cut_and_a_warning_says_so() {
    let repo = Repo::new();
    let title = "é".repeat(513);
    let tags = format!("short,{},{}", "a".repeat(65), "b".repeat(64));
    let words = ["coord", "enqueue", &title, "--tags", &tags];
    assert_snapshot!(repo.muse(words), @r#"
    $ muse coord enqueue 'éééééééééééééééééééé…' (513 characters) --tags 'short,aaaaaaaaaaaaaa…' (136 characters)

    ✅ Task enqueued
      Task ID:    <id 1>
      Title:      éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé
      Queue:      default  priority=0
      TTL:        86400s
      Tags:       short, aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb

      (<s>)
    2> ⚠️  title was cut from 513 to 512 characters
    2> ⚠️  tag "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" was cut from 65 to 64 characters
    exit 0
    "#);
    let answer = repo.muse(words.into_iter().chain(["--json"])).succeeded().json();
    assert_eq!(answer["title"], "é".repeat(512));
    assert_eq!(answer["tags"], serde_json::json!(["short", "a".repeat(64), "b".repeat(64)]));
    let tag = "a".repeat(64);
    let warnings =
        ["title was cut from 513 to 512 characters", &format!("tag \"{tag}\" was cut from 65 to 64 characters")];
    assert_eq!(answer["warnings"], serde_json::json!(warnings));
}

#[test]
fn white_space_around_titles_and_tags_and_empty_tags_are_dropped() {
    let repo = Repo::new();
    let title = format!("  {}\n", "t".repeat(512));
    let answer = repo.muse(["coord", "enqueue", &title, "--tags", " a b ,, c,", "--json"]).succeeded().json();
    assert_eq!(answer["title"], "t".repeat(512));
    assert_eq!(answer["tags"], serde_json::json!(["a b", "c"]));
    assert_eq!(answer["warnings"], serde_json::json!([]));
}

#[test]
fn a_priority_is_any_i64_and_nothing_else() {
    let repo = Repo::new();
    for priority in ["-9223372036854775808", "0", "9223372036854775807"] {
        let answer = with(&repo, "enqueue t --json", "--priority", priority).succeeded();
        assert!(answer.stdout.contains(&format!("\"priority\":{priority},")), "{answer}");
    }
    let bad = ["9223372036854775808", "-9223372036854775809", "1.0", "high", ""];
    assert_snapshot!(with_each(&repo, "enqueue t", "--priority", bad), @"
    $ muse coord enqueue t --priority 9223372036854775808
    2> ❌ --priority must be between -9223372036854775808 and 9223372036854775807, got 9223372036854775808
    exit 1

    $ muse coord enqueue t --priority -9223372036854775809
    2> ❌ --priority must be between -9223372036854775808 and 9223372036854775807, got -9223372036854775809
    exit 1

    $ muse coord enqueue t --priority 1.0
    2> error: invalid value '1.0' for '--priority <N>': give a whole number, like 5
    2> 
    2> For more information, try '--help'.
    exit 2

    $ muse coord enqueue t --priority high
    2> error: invalid value 'high' for '--priority <N>': give a whole number, like 5
    2> 
    2> For more information, try '--help'.
    exit 2

    $ muse coord enqueue t --priority ''
    2> error: invalid value '' for '--priority <N>': give a whole number, like 5
    2> 
    2> For more information, try '--help'.
    exit 2
    ");
}

#[test]
fn numbers_come_back_digit_for_digit_in_every_answer() {
    let digits = r#"{"big":12345678901234567890123,"money":1.10,"e":1E+2,"minus":-0.0}"#;
    let repo = Repo::new();
    let id = with(&repo, "enqueue t --json", "--payload", digits).succeeded().text_of("task_id");
    let claimed = repo.coord("claim --run-id agent-1 --json").succeeded();
    assert!(claimed.stdout.contains(&format!("\"payload\":{digits}")), "{claimed}");
    let completed = with(&repo, &format!("complete {id} --run-id agent-1 --json"), "--result", digits).succeeded();
    assert!(completed.stdout.contains(&format!("\"result\":{digits}")), "{completed}");
    let listed = repo.coord("tasks --json").succeeded();
    assert!(listed.stdout.contains(&format!("\"payload\":{digits}")), "{listed}");
    assert!(listed.stdout.contains(&format!("\"result\":{digits}")), "{listed}");
}

#[test]
fn equal_tasks_are_different_tasks() {
    let repo = Repo::new();
    let ids = [repo.enqueue("Fix it"), repo.enqueue("Fix it")];
    assert_ne!(ids[0], ids[1]);
    assert_eq!(repo.tasks()["pending"], 2);
}

#[test]
fn when_and_how_often_a_task_is_tried_shows_in_the_answer() {
    let repo = Repo::new();
    let parent = repo.enqueue("parent");
    let flags = format!(
        "--max-attempts 3 --backoff 2s:10m --at 2100-01-01T00:00:00+01:00 --after {parent} --if-parent-fails run --unique k"
    );
    assert_snapshot!(repo.session([format!("enqueue child {flags}"), format!("enqueue other {flags} --json")]), @r#"
    $ muse coord enqueue child --max-attempts 3 --backoff 2s:10m --at 2100-01-01T00:00:00+01:00 --after <id 1> --if-parent-fails run --unique k

    ✅ Task enqueued
      Task ID:    <id 2>
      Title:      child
      Queue:      default  priority=0
      TTL:        86400s
      Attempts:   at most 3  backoff=2s:600s
      Scheduled:  <time 1>
      After:      <id 1>
      If failed:  run
      Unique key: k

      (<s>)
    exit 0

    $ muse coord enqueue other --max-attempts 3 --backoff 2s:10m --at 2100-01-01T00:00:00+01:00 --after <id 1> --if-parent-fails run --unique k --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 3>",
     "task_id":"<id 2>","title":"child","priority":0,"queue":"default","ttl_seconds":86400,
     "created_by":"unknown","created_at":"<time 2>","tags":[],"payload":{},"max_attempts":3,"backoff_seconds":2,
     "backoff_max_seconds":600,"scheduled_at":"<time 1>","after":["<id 1>"],"if_parent_fails":"run","unique":"k",
     "deduplicated":true,"warnings":[]}
    exit 0
    "#);
}

#[test]
fn a_task_that_is_put_off_is_scheduled_until_it_is_due() {
    let repo = Repo::new();
    repo.given(["enqueue soon --delay 1s", "enqueue past --at 2020-01-01T00:00:00Z", "enqueue later --delay 1h"]);
    assert_eq!(titles_claimed(&repo, ["claim --run-id a --json"]), ["past"]);
    assert_eq!(repo.tasks()["scheduled"], 2);
    assert_eq!(titles_claimed(&repo, ["claim --run-id a --wait 30 --json"]), ["soon"]);
    repo.coord("claim --run-id a").ended_with(1);
}

#[test]
fn a_task_waits_for_its_parents_and_by_default_is_cancelled_with_one_that_fails() {
    let repo = Repo::new();
    let [good, bad] = ["good", "bad"].map(|title| repo.enqueue(title));
    let child = |title: &str, parents: &str, fate: &str| {
        repo.coord(&format!("enqueue {title} --after {parents} {fate} --json")).succeeded().text_of("task_id")
    };
    let waits = child("waits", &good, "");
    let [cancelled, blocked, runs] = [
        child("cancelled", &bad, ""),
        child("blocked", &format!("{good},{bad}"), "--if-parent-fails block"),
        child("runs", &bad, "--if-parent-fails run"),
    ];
    assert_eq!(repo.tasks()["blocked"], 4);
    repo.given(["claim --run-id a"; 2]);
    repo.coord("claim --run-id a").ended_with(1);
    repo.given([format!("complete {good} --run-id a"), format!("fail-task {bad} --run-id a")]);
    let status = |id: &str| repo.coord(&format!("show {id} --json")).succeeded().json();
    assert_eq!([&waits, &runs].map(|id| status(id)["status"].clone()), ["pending", "pending"]);
    let why = status(&cancelled);
    assert_eq!(
        (&why["status"], &why["reason"]),
        (&"cancelled".into(), &format!("it waited for {bad}, which was failed").into())
    );
    assert_eq!((&status(&blocked)["status"], &status(&blocked)["blocked_on"]), (&"blocked".into(), &bad.into()));
}

#[test]
fn a_parent_that_is_not_there_is_refused() {
    let repo = Repo::new();
    assert_snapshot!(with_each(&repo, "enqueue t --json", "--after", [crate::NO_TASK, "7", ","]), @r#"
    $ muse coord enqueue t --json --after <id 1>
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"no task <id 1> to wait for: enqueue it first; nothing was enqueued","status":"not_found",
     "warnings":[]}
    exit 1

    $ muse coord enqueue t --json --after 7
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 2>",
     "error":"invalid task id \"7\": it must be \"sha256:\" and 64 lower-case hexadecimal digits, as `enqueue` printed it",
     "status":"bad_task_id","warnings":[]}
    exit 1

    $ muse coord enqueue t --json --after ,
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 3>",
     "error":"invalid task id \"\": it must be \"sha256:\" and 64 lower-case hexadecimal digits, as `enqueue` printed it",
     "status":"bad_task_id","warnings":[]}
    exit 1
    "#);
    assert_eq!(repo.tasks()["total"], 0);
}

#[test]
fn of_one_key_there_is_one_task_at_a_time_in_a_queue() {
    let repo = Repo::new();
    assert_snapshot!(repo.session(["enqueue first --unique k", "enqueue second --unique k", "enqueue third --unique k --json"]), @r#"
    $ muse coord enqueue first --unique k

    ✅ Task enqueued
      Task ID:    <id 1>
      Title:      first
      Queue:      default  priority=0
      TTL:        86400s
      Unique key: k

      (<s>)
    exit 0

    $ muse coord enqueue second --unique k

    ✅ A task with this unique key exists already
      Task ID:    <id 1>
      Title:      first
      Queue:      default  priority=0
      TTL:        86400s
      Unique key: k

      (<s>)
    exit 0

    $ muse coord enqueue third --unique k --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 2>",
     "task_id":"<id 1>","title":"first","priority":0,"queue":"default","ttl_seconds":86400,
     "created_by":"unknown","created_at":"<time 1>","tags":[],"payload":{},"unique":"k","deduplicated":true,
     "warnings":[]}
    exit 0
    "#);
    repo.given(["enqueue elsewhere --unique k --queue other", "claim --run-id a --queue default"]);
    let again = repo.coord("enqueue again --unique k --json").succeeded().json();
    let id = again["task_id"].as_str().unwrap();
    assert_eq!((&again["deduplicated"], repo.tasks()["total"].as_i64()), (&true.into(), Some(2)));
    repo.coord(&format!("complete {id} --run-id a")).succeeded();
    assert_eq!(repo.coord("enqueue anew --unique k --json").succeeded().json()["deduplicated"], false);
}

#[test]
fn bad_plans_are_refused() {
    let repo = Repo::new();
    let refused = |flag, values: &[&str]| with_each(&repo, "enqueue t", flag, values.iter().copied());
    assert_snapshot!(refused("--max-attempts", &["0", "1001", "many"]), @"
    $ muse coord enqueue t --max-attempts 0
    2> ❌ --max-attempts must be between 1 and 1000, got 0
    exit 1

    $ muse coord enqueue t --max-attempts 1001
    2> ❌ --max-attempts must be between 1 and 1000, got 1001
    exit 1

    $ muse coord enqueue t --max-attempts many
    2> error: invalid value 'many' for '--max-attempts <N>': give a whole number, like 5
    2> 
    2> For more information, try '--help'.
    exit 2
    ");
    assert_snapshot!(with_each(&repo, "enqueue t --max-attempts 2", "--backoff", ["-1", "2592001", "1:2592001"]), @"
    $ muse coord enqueue t --max-attempts 2 --backoff -1
    2> ❌ --backoff must be between 0 and 2592000, got -1
    exit 1

    $ muse coord enqueue t --max-attempts 2 --backoff 2592001
    2> ❌ --backoff must be between 0 and 2592000, got 2592001
    exit 1

    $ muse coord enqueue t --max-attempts 2 --backoff 1:2592001
    2> ❌ --backoff must be between 0 and 2592000, got 2592001
    exit 1
    ");
    assert_snapshot!(refused("--delay", &["-1", "315360001"]), @"
    $ muse coord enqueue t --delay -1
    2> ❌ --delay must be between 0 and 315360000, got -1
    exit 1

    $ muse coord enqueue t --delay 315360001
    2> ❌ --delay must be between 0 and 315360000, got 315360001
    exit 1
    ");
    assert_snapshot!(refused("--at", &["tomorrow", "2026-11-24", "2026-11-24T18:00:00", "2200-01-01T00:00:00Z"]), @r#"
    $ muse coord enqueue t --at tomorrow
    2> ❌ invalid time "tomorrow": give a time like 2026-11-24T18:00:00Z
    exit 1

    $ muse coord enqueue t --at 2026-11-24
    2> ❌ invalid time "2026-11-24": give a time like 2026-11-24T18:00:00Z
    exit 1

    $ muse coord enqueue t --at 2026-11-24T18:00:00
    2> ❌ invalid time "2026-11-24T18:00:00": give a time like 2026-11-24T18:00:00Z
    exit 1

    $ muse coord enqueue t --at 2200-01-01T00:00:00Z
    2> ❌ time must be between 1970-01-01T00:00:00Z and 2112-09-17T23:53:47Z, got "2200-01-01T00:00:00Z"
    exit 1
    "#);
    assert_snapshot!(refused("--unique", &["", &"k".repeat(257)]), @"
    $ muse coord enqueue t --unique ''
    2> ❌ a unique key must have 1 to 256 characters, got 0
    exit 1

    $ muse coord enqueue t --unique 'kkkkkkkkkkkkkkkkkkkk…' (257 characters)
    2> ❌ a unique key must have 1 to 256 characters, got 257
    exit 1
    ");
    assert_snapshot!(repo.session([
        "enqueue t --backoff 3",
        "enqueue t --delay 1 --at 2026-11-24T18:00:00Z",
        "enqueue t --if-parent-fails run",
        &format!("enqueue t --after {} --if-parent-fails panic", crate::NO_TASK),
    ]), @"
    $ muse coord enqueue t --backoff 3
    2> error: the following required arguments were not provided:
    2>   --max-attempts <N>
    2> 
    2> Usage: muse coord enqueue [OPTIONS] <TITLE>
    2>        muse coord enqueue [OPTIONS] --batch <FILE>
    2> 
    2> For more information, try '--help'.
    exit 2

    $ muse coord enqueue t --delay 1 --at 2026-11-24T18:00:00Z
    2> error: the argument '--delay <DURATION>' cannot be used with '--at <TIME>'
    2> 
    2> Usage: muse coord enqueue [OPTIONS] <TITLE>
    2>        muse coord enqueue [OPTIONS] --batch <FILE>
    2> 
    2> For more information, try '--help'.
    exit 2

    $ muse coord enqueue t --if-parent-fails run
    2> ❌ --if-parent-fails is for a task that waits for others: give --after too
    exit 1

    $ muse coord enqueue t --after <id 1> --if-parent-fails panic
    2> error: invalid value 'panic' for '--if-parent-fails <WHAT>'
    2>   [possible values: block, cancel, run]
    2> 
    2>   tip: a similar value exists: 'cancel'
    2> 
    2> For more information, try '--help'.
    exit 2
    ");
    let parents = vec![crate::NO_TASK; 1_001].join(",");
    let many = with(&repo, "enqueue t --json", "--after", &parents).ended_with(1);
    assert_eq!(
        many.text_of("error"),
        "too many tasks to wait for: 1001 (max 1000); wait for another task that waits for them"
    );
    assert_eq!(repo.tasks()["total"], 0);
}

fn titles_claimed<const N: usize>(repo: &Repo, lines: [&str; N]) -> [String; N] {
    lines.map(|line| repo.coord(line).succeeded().json()["task"]["title"].as_str().unwrap().to_string())
}
