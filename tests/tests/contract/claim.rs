//! `claim`: which task is handed out, what its answer says, what happens when there is none.

use std::time::{Duration, Instant};

use coord_tests::{Repo, transcript};
use insta::assert_snapshot;
use serde_json::json;

use crate::{complaints, with, with_each};

#[test]
fn a_claim_answers_the_lease_and_the_whole_task() {
    let repo = Repo::new();
    repo.given(["enqueue 'Fix it'", "enqueue 'Fix it'"]);
    assert_snapshot!(repo.session(["claim --run-id agent-1", "claim --run-id agent-2 --json"]), @r#"
    $ muse coord claim --run-id agent-1

    🔒 Task claimed
      Task ID:    <id 1>
      Title:      Fix it
      Claimer:    agent-1
      Queue:      default  priority=0
      Expires in: 3600s (<time 1>)

      (<s>)
    exit 0

    $ muse coord claim --run-id agent-2 --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 4>",
     "task_id":"<id 2>","claimer_run_id":"agent-2","claimed_at":"<time 3>","expires_at":"<time 3 + 3600s>",
     "lease_seconds":3600,"status":"claimed","heartbeat_at":"<time 3>","claim_nonce":"<nonce 1>","result":null,
     "error":null,"generation":1,"attempt":1,"cancel_requested":false,"task":{"task_id":"<id 2>",
     "title":"Fix it","priority":0,"queue":"default","ttl_seconds":86400,"created_by":"unknown",
     "created_at":"<time 2>","tags":[],"payload":{}},"warnings":[]}
    exit 0
    "#);
}

#[test]
fn every_flag_of_claim_shows_in_the_answer() {
    let repo = Repo::new();
    repo.given([
        r#"enqueue 'Fix it' --queue hotfix --priority -3 --tags billing,urgent --payload {"file":"a.py"}"#,
        r#"enqueue 'Fix it' --queue hotfix --priority -3 --tags billing,urgent --payload {"file":"a.py"}"#,
    ]);
    assert_snapshot!(repo.session([
        "claim --run-id agent-1 --queue hotfix --claim-ttl 60 --wait 5",
        "claim --run-id agent-1 --queue hotfix --claim-ttl 60 --wait 5 --json",
    ]), @r#"
    $ muse coord claim --run-id agent-1 --queue hotfix --claim-ttl 60 --wait 5

    🔒 Task claimed
      Task ID:    <id 1>
      Title:      Fix it
      Claimer:    agent-1
      Queue:      hotfix  priority=-3
      Expires in: 60s (<time 1>)
      Payload:    {"file":"a.py"}
      Tags:       billing, urgent

      (<s>)
    exit 0

    $ muse coord claim --run-id agent-1 --queue hotfix --claim-ttl 60 --wait 5 --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 4>",
     "task_id":"<id 2>","claimer_run_id":"agent-1","claimed_at":"<time 3>","expires_at":"<time 3 + 60s>",
     "lease_seconds":60,"status":"claimed","heartbeat_at":"<time 3>","claim_nonce":"<nonce 1>","result":null,
     "error":null,"generation":1,"attempt":1,"cancel_requested":false,"task":{"task_id":"<id 2>",
     "title":"Fix it","priority":-3,"queue":"hotfix","ttl_seconds":86400,"created_by":"unknown",
     "created_at":"<time 2>","tags":["billing","urgent"],"payload":{"file":"a.py"}},"warnings":[]}
    exit 0
    "#);
}

#[test]
fn a_long_payload_is_cut_for_people_and_whole_for_programs() {
    let repo = Repo::new();
    let payload = format!("{{\"a\":\"{}\"}}", "é".repeat(200));
    for _ in 0..2 {
        with(&repo, "enqueue t", "--payload", &payload).succeeded();
    }
    let text = repo.coord("claim --run-id agent-1").succeeded();
    let line = text.stdout.lines().find(|line| line.contains("Payload:")).unwrap();
    assert_eq!(line, format!("  Payload:    {{\"a\":\"{}…", "é".repeat(114)));
    let json = repo.coord("claim --run-id agent-1 --json").succeeded();
    assert!(json.stdout.contains(&payload));
}

#[test]
fn the_highest_priority_is_claimed_first_then_the_oldest_from_any_queue_or_the_named_one() {
    let repo = Repo::new();
    repo.given([
        "enqueue low-1 --priority -1 --queue a",
        "enqueue mid-1 --queue b",
        "enqueue high --priority 7 --queue b",
        "enqueue mid-2 --queue a",
        "enqueue other --priority 9 --queue c",
    ]);
    let claim = |flags: &str| -> String {
        let claimed = repo.coord(&format!("claim --run-id agent-1 --json {flags}")).succeeded().json();
        claimed["task"]["title"].to_string()
    };
    let order = ["--queue b", "", "", "", "--queue a"].map(claim);
    assert_eq!(order, ["high", "other", "mid-1", "mid-2", "low-1"].map(|title| format!("\"{title}\"")));
}

#[test]
fn an_empty_queue_is_exit_code_1_and_says_which_queue() {
    let repo = Repo::new();
    repo.coord("enqueue elsewhere --queue other");
    assert_snapshot!(repo.session([
        "claim --run-id agent-1 --queue hotfix",
        "claim --run-id agent-1 --queue hotfix --json",
    ]), @r#"
    $ muse coord claim --run-id agent-1 --queue hotfix

      Queue [hotfix] is empty — no pending tasks.

      (<s>)
    exit 1

    $ muse coord claim --run-id agent-1 --queue hotfix --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "status":"empty","queue":"hotfix","warnings":[]}
    exit 1
    "#);
    repo.claim("agent-1");
    assert_snapshot!(repo.session(["claim --run-id agent-2", "claim --run-id agent-2 --json"]), @r#"
    $ muse coord claim --run-id agent-2

      Queue [any] is empty — no pending tasks.

      (<s>)
    exit 1

    $ muse coord claim --run-id agent-2 --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 2>",
     "status":"empty","queue":null,"warnings":[]}
    exit 1
    "#);
}

#[test]
fn waiting_lasts_as_long_as_was_asked_for_when_nothing_comes() {
    let repo = Repo::new();
    let start = Instant::now();
    let waited = repo.coord("claim --run-id agent-1 --wait 1");
    assert!((1.0..5.0).contains(&start.elapsed().as_secs_f64()), "{waited}");
    assert_snapshot!(waited, @"
    $ muse coord claim --run-id agent-1 --wait 1

      Queue [any] is empty — no pending tasks after <s>.

      (<s>)
    exit 1
    ");
}

#[test]
fn waiting_ends_as_soon_as_a_task_appears() {
    let repo = Repo::new();
    let waiting = repo.coord_call("claim --run-id agent-1 --wait 60 --json").start();
    let id = repo.enqueue("At last");
    let start = Instant::now();
    let claimed = waiting.finish().succeeded();
    assert_eq!(claimed.text_of("task_id"), id);
    assert!(start.elapsed() < Duration::from_secs(5), "it took {:?}", start.elapsed());
}

#[test]
fn values_are_checked_in_the_contracts_order_and_all_of_them_before_the_repository() {
    let long_run_id = "r".repeat(257);
    let values: [(&str, &[&str]); 4] = [
        ("--run-id", &[&long_run_id, "agent-1"]),
        ("--claim-ttl", &["0", "60"]),
        ("--wait", &["3601", "0"]),
        ("--queue", &["../x", "hotfix"]),
    ];
    assert_snapshot!(complaints(&Repo::bare(), "claim", &values), @r#"
    $ muse coord claim --json --run-id 'rrrrrrrrrrrrrrrrrrrr…' (257 characters) --claim-ttl 0 --wait 3601 --queue ../x
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"--run-id is too long (257 characters; max 256)","status":"bad_args","warnings":[]}
    exit 1

    $ muse coord claim --json --run-id agent-1 --claim-ttl 0 --wait 3601 --queue ../x
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 2>",
     "error":"--claim-ttl must be between 1 and 86400, got 0","status":"bad_args","warnings":[]}
    exit 1

    $ muse coord claim --json --run-id agent-1 --claim-ttl 60 --wait 3601 --queue ../x
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 3>",
     "error":"--wait must be between 0 and 3600, got 3601","status":"bad_args","warnings":[]}
    exit 1

    $ muse coord claim --json --run-id agent-1 --claim-ttl 60 --wait 0 --queue ../x
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 4>",
     "error":"invalid queue name \"../x\": use 1 to 64 letters, digits, '_' or '-'","status":"bad_queue",
     "warnings":[]}
    exit 1

    $ muse coord claim --json --run-id agent-1 --claim-ttl 60 --wait 0 --queue hotfix
    {"muse_version":"<version>","schema":1,"exit_code":2,"duration_ms":<ms>,"timestamp":"<time 5>",
     "error":"fatal: not a muse repository (or any parent up to mount point /)","status":"not_a_repository",
     "hint":"run `muse coord init` in the repository, or set MUSE_REPO_ROOT to a directory that holds .muse/; under wasmtime, grant it with --dir .muse/coordination",
     "warnings":[]}
    exit 2
    "#);
}

#[test]
fn each_value_is_taken_up_to_its_limit() {
    let repo = Repo::new();
    let run_id = "é".repeat(256);
    for (flag, value) in [
        ("--run-id", run_id.as_str()),
        ("--run-id", "r"),
        ("--claim-ttl", "1"),
        ("--claim-ttl", "86400"),
        ("--wait", "0"),
        ("--wait", "3600"),
        ("--queue", &"q".repeat(64)),
    ] {
        let queue = if flag == "--queue" { value } else { "default" };
        with(&repo, "enqueue t", "--queue", queue).succeeded();
        let line = if flag == "--run-id" { "claim --json" } else { "claim --json --run-id agent-1" };
        let claimed = with(&repo, line, flag, value).succeeded();
        let expected = if flag == "--run-id" { value } else { "agent-1" };
        assert_eq!(claimed.text_of("claimer_run_id"), expected);
    }
}

#[test]
fn one_beyond_a_limit_is_refused_with_the_value_and_the_limit() {
    let repo = Repo::new();
    repo.enqueue("t");
    let refused = |flag, values: &[&str]| with_each(&repo, "claim --run-id a", flag, values.iter().copied());
    assert_snapshot!(refused("--claim-ttl", &["0", "-1", "86401"]), @"
    $ muse coord claim --run-id a --claim-ttl 0
    2> ❌ --claim-ttl must be between 1 and 86400, got 0
    exit 1

    $ muse coord claim --run-id a --claim-ttl -1
    2> ❌ --claim-ttl must be between 1 and 86400, got -1
    exit 1

    $ muse coord claim --run-id a --claim-ttl 86401
    2> ❌ --claim-ttl must be between 1 and 86400, got 86401
    exit 1
    ");
    assert_snapshot!(refused("--wait", &["-1", "3601"]), @"
    $ muse coord claim --run-id a --wait -1
    2> ❌ --wait must be between 0 and 3600, got -1
    exit 1

    $ muse coord claim --run-id a --wait 3601
    2> ❌ --wait must be between 0 and 3600, got 3601
    exit 1
    ");
    assert_snapshot!(refused("--queue", &["", &"q".repeat(65)]), @r#"
    $ muse coord claim --run-id a --queue ''
    2> ❌ invalid queue name "": use 1 to 64 letters, digits, '_' or '-'
    exit 1

    $ muse coord claim --run-id a --queue qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq
    2> ❌ invalid queue name "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq": use 1 to 64 letters, digits, '_' or '-'
    exit 1
    "#);
    assert_snapshot!(with_each(&repo, "claim", "--run-id", ["", &"é".repeat(257)]), @"
    $ muse coord claim --run-id ''
    2> ❌ --run-id must not be empty: give each agent a name of its own
    exit 1

    $ muse coord claim --run-id 'éééééééééééééééééééé…' (257 characters)
    2> ❌ --run-id is too long (257 characters; max 256)
    exit 1
    ");
    assert_eq!(repo.tasks()["pending"], 1);
}

#[test]
fn a_claim_chooses_by_tags_and_queues_in_the_order_of_all() {
    let repo = Repo::new();
    repo.given([
        "enqueue 1 --queue a --tags rust,billing",
        "enqueue 2 --queue b --tags rust --priority 2",
        "enqueue 3 --queue c --tags python,billing",
        "enqueue 4 --queue a",
        "enqueue 5 --queue b --tags rust,billing,urgent --priority 9",
        "enqueue 6 --queue b --tags a-tag-that-is-too-long-for-a-name",
    ]);
    let claim = |flags: &str| -> String {
        let claimed = repo.coord(&format!("claim --run-id agent-1 --json {flags}"));
        let title = claimed.json()["task"]["title"].as_str().unwrap_or("none").to_string();
        if claimed.code == Some(0) {
            repo.coord(&format!("release {} --run-id agent-1", claimed.text_of("task_id"))).succeeded();
        }
        title
    };
    for (flags, title) in [
        ("", "5"),
        ("--tags rust,billing", "5"),
        ("--tags rust,billing --exclude-tags urgent", "1"),
        ("--any-tag python,rust --exclude-tags urgent", "2"),
        ("--any-tag python --tags billing", "3"),
        ("--exclude-tags rust,python", "4"),
        ("--queue c --queue a", "1"),
        ("--queue c,a --tags billing --exclude-tags rust", "3"),
        ("--tags a-tag-that-is-too-long-for-a-name", "6"),
        ("--tags rust --any-tag python", "none"),
        ("--tags nothing-has-this", "none"),
    ] {
        assert_eq!(claim(flags), title, "{flags}");
    }
    assert_snapshot!(repo.session([
        "claim --run-id a --queue c,d --tags x --wait 1",
        "claim --run-id a --queue c,d --tags x --json",
    ]), @r#"
    $ muse coord claim --run-id a --queue c,d --tags x --wait 1

      Queue [c, d] is empty — no pending tasks with these tags after <s>.

      (<s>)
    exit 1

    $ muse coord claim --run-id a --queue c,d --tags x --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "status":"empty","queue":null,"warnings":[]}
    exit 1
    "#);
}

#[test]
fn several_tasks_are_claimed_at_once_as_a_list() {
    let repo = Repo::new();
    repo.given(["enqueue first --max-attempts 2", "enqueue second --priority 3", "enqueue third"]);
    let two = [repo.coord("claim --run-id a --max 2"), repo.coord("claim --run-id a --max 2 --json")];
    let none = ["claim --run-id a --max 2 --json", "claim --run-id a --max 1"].map(|line| repo.coord(line));
    assert_snapshot!(transcript(two.into_iter().chain(none)), @r#"
    $ muse coord claim --run-id a --max 2

    🔒 Task claimed
      Task ID:    <id 1>
      Title:      second
      Claimer:    a
      Queue:      default  priority=3
      Expires in: 3600s (<time 1>)

    🔒 Task claimed
      Task ID:    <id 2>
      Title:      first
      Claimer:    a
      Queue:      default  priority=0
      Expires in: 3600s (<time 2>)
      Attempt:    1 of 2

      (<s>)
    exit 0

    $ muse coord claim --run-id a --max 2 --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 5>",
     "claims":[{"task_id":"<id 3>","claimer_run_id":"a","claimed_at":"<time 4>","expires_at":"<time 4 + 3600s>",
     "lease_seconds":3600,"status":"claimed","heartbeat_at":"<time 4>","claim_nonce":"<nonce 1>","result":null,
     "error":null,"generation":1,"attempt":1,"cancel_requested":false,"task":{"task_id":"<id 3>","title":"third",
     "priority":0,"queue":"default","ttl_seconds":86400,"created_by":"unknown","created_at":"<time 3>","tags":[],
     "payload":{}}}],"warnings":[]}
    exit 0

    $ muse coord claim --run-id a --max 2 --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 6>",
     "status":"empty","queue":null,"claims":[],"warnings":[]}
    exit 1

    $ muse coord claim --run-id a --max 1

      Queue [any] is empty — no pending tasks.

      (<s>)
    exit 1
    "#);
    repo.enqueue("still there");
    assert_snapshot!(with_each(&repo, "claim --run-id a", "--max", ["0", "-1", "100001", "x"]), @"
    $ muse coord claim --run-id a --max 0
    2> ❌ --max must be between 1 and 100000, got 0
    exit 1

    $ muse coord claim --run-id a --max -1
    2> ❌ --max must be between 1 and 100000, got -1
    exit 1

    $ muse coord claim --run-id a --max 100001
    2> ❌ --max must be between 1 and 100000, got 100001
    exit 1

    $ muse coord claim --run-id a --max x
    2> error: invalid value 'x' for '--max <N>': give a whole number, like 5
    2> 
    2> For more information, try '--help'.
    exit 2
    ");
    assert_eq!(repo.tasks()["pending"], 1);
}

#[test]
fn each_of_several_claims_has_a_nonce_of_its_own() {
    let repo = Repo::new();
    repo.given(["enqueue t"; 3]);
    let claims = repo.coord("claim --run-id a --max 10 --json").succeeded().json()["claims"].take();
    let mut nonces: Vec<_> = claims.as_array().unwrap().iter().map(|claim| claim["claim_nonce"].to_string()).collect();
    nonces.sort();
    nonces.dedup();
    assert_eq!(nonces.len(), 3);
    for claim in claims.as_array().unwrap() {
        let (id, nonce) = (claim["task_id"].as_str().unwrap(), claim["claim_nonce"].as_str().unwrap());
        repo.coord(&format!("complete {id} --run-id a --claim-nonce {nonce}")).succeeded();
    }
}

#[test]
fn what_max_bytes_has_no_room_for_is_left_out_and_the_task_claimed_all_the_same() {
    let repo = Repo::new();
    let payload = r#"{"text":"é"}"#;
    assert_eq!(payload.len(), 13);
    for _ in 0..3 {
        repo.muse(["coord", "enqueue", "t", "--payload", payload, "--tags", "a,b"]).succeeded();
    }
    let fits = repo.coord("claim --run-id a --max-bytes 1000 --json").succeeded().json();
    assert_eq!(fits["task"]["payload"]["text"], "é");
    assert_eq!((fits["task"].get("payload_truncated"), fits.get("left_out")), (None, None));
    assert_eq!(fits["warnings"], json!([]));

    let lines = ["claim --run-id a --max-bytes 12 --json", "claim --run-id a --max-bytes 0"];
    assert_snapshot!(repo.session(lines), @r#"
    $ muse coord claim --run-id a --max-bytes 12 --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 3>",
     "task_id":"<id 1>","claimer_run_id":"a","claimed_at":"<time 2>","expires_at":"<time 2 + 3600s>",
     "lease_seconds":3600,"status":"claimed","heartbeat_at":"<time 2>","claim_nonce":"<nonce 1>","result":null,
     "error":null,"generation":1,"attempt":1,"cancel_requested":false,"task":{"task_id":"<id 1>","title":"t",
     "priority":0,"queue":"default","ttl_seconds":86400,"created_by":"unknown","created_at":"<time 1>","tags":[],
     "payload":null,"payload_truncated":true,"payload_bytes":13},"left_out":[{"field":"payload","bytes":13},
     {"field":"tags","bytes":9,"count":2}],
     "warnings":["--max-bytes 12 leaves out payload (13 bytes), 2 of tags (9 bytes): `muse coord show <bare id 1>` prints all"]}
    exit 0

    $ muse coord claim --run-id a --max-bytes 0

    🔒 Task claimed
      Task ID:    <id 2>
      Title:      t
      Claimer:    a
      Queue:      default  priority=0
      Expires in: 3600s (<time 4>)
      Payload:    13 bytes, left out
      Left out:   2 of tags (9 bytes)

      (<s>)
    2> ⚠️  --max-bytes 0 leaves out payload (13 bytes), 2 of tags (9 bytes): `muse coord show <bare id 2>` prints all
    exit 0
    "#);
    assert_eq!(repo.tasks()["claimed"], 3);
}

#[test]
fn the_whole_answer_of_a_claim_is_bounded_and_what_is_left_out_is_counted() {
    let repo = Repo::new();
    let wide = "\u{e0041}".repeat(256);
    let tags: Vec<String> = (0..32).map(|number| format!("{number}{}", "t".repeat(60))).collect();
    let parent = repo.enqueue("parent");
    let parents: Vec<String> = (0..20).map(|_| repo.enqueue("parent")).collect();
    let (after, title) = ([parent.clone()].into_iter().chain(parents).collect::<Vec<_>>().join(","), wide.repeat(2));
    let payload = json!({"text": "x".repeat(5_000)}).to_string();
    let words =
        ["coord", "enqueue", &title, "--queue", "q", "--run-id", &wide, "--tags", &tags.join(","), "--after", &after];
    repo.muse(words.into_iter().chain(["--if-parent-fails", "run", "--unique", &wide, "--payload", &payload]))
        .succeeded();
    repo.given(["claim --run-id p --queue default --max 21 --json".to_string()]);
    for id in after.split(',') {
        repo.coord(&format!("complete {id} --run-id p")).succeeded();
    }
    // Five leases that are over, and a late result of each.
    let mut leases = Vec::new();
    for agent in 0..5 {
        let claimed = repo.coord(&format!("claim --run-id late-{agent} --queue q --json")).succeeded();
        let (id, nonce) = (claimed.text_of("task_id"), claimed.text_of("claim_nonce"));
        repo.coord(&format!("release {id} --run-id late-{agent}")).succeeded();
        leases.push((id, nonce));
    }
    let claim = repo.coord("claim --run-id last --queue q --json").succeeded().json();
    assert_eq!(claim["task"]["after"].as_array().unwrap().len(), 21);
    for (agent, (id, nonce)) in leases.iter().enumerate() {
        let result = json!({"n": agent, "text": "y".repeat(3_000)}).to_string();
        let run_id = format!("late-{agent}");
        let words = ["coord", "complete", id, "--run-id", &run_id, "--claim-nonce", nonce, "--result", &result];
        repo.muse(words).ended_with(1);
    }
    let (id, mut left_out, mut holder) = (claim["task_id"].as_str().unwrap(), Vec::new(), "last");
    for max in [0, 1_000, 2_048, 4_096, 9_000, 13_000, 20_000, 40_000, 100_000] {
        repo.coord(&format!("release {id} --run-id {holder}")).succeeded();
        holder = "a";
        let claimed = repo.coord(&format!("claim --run-id a --queue q --max-bytes {max} --json")).succeeded();
        let (bytes, answer) = (claimed.stdout.len(), claimed.json());
        assert!(bytes <= max.max(2_048), "{bytes} for --max-bytes {max}: {claimed}");
        let named: Vec<String> = answer["left_out"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|part| {
                let count = part["count"].as_u64().map_or(String::new(), |count| format!("{count} "));
                format!("{count}{}", part["field"].as_str().unwrap())
            })
            .collect();
        left_out.push(format!("{max}: {}", named.join(", ")));
        assert_eq!(answer["warnings"].as_array().unwrap().len(), usize::from(!named.is_empty()));
        let late = answer["late_results"].as_array().map_or(&[][..], Vec::as_slice);
        assert!(late.iter().all(|late| late["result"]["n"].as_u64() > Some(0)), "the newest four are kept");
    }
    assert_snapshot!(left_out.join("\n"), @"
    0: payload, title, created_by, unique, 32 tags, 21 after, 4 late_results
    1000: payload, title, created_by, unique, 32 tags, 21 after, 4 late_results
    2048: payload, title, created_by, unique, 32 tags, 21 after, 4 late_results
    4096: payload, title, created_by, unique, 21 after, 4 late_results
    9000: title, created_by, unique, 21 after, 4 late_results
    13000: created_by, unique, 32 tags, 21 after, 4 late_results
    20000: unique, 4 late_results
    40000: 
    100000:
    ");
}

#[test]
fn max_bytes_counts_a_payload_as_it_is_printed() {
    let repo = Repo::new();
    // A character that acts on a terminal has three bytes, and six as it is printed.
    repo.muse(["coord", "enqueue", "t", "--payload", "{\"a\":\"\u{202e}\"}"]).succeeded();
    let claimed = repo.coord("claim --run-id a --max-bytes 13 --json").succeeded().json();
    assert_eq!(claimed["task"]["payload_bytes"], 14);
}

#[test]
fn each_of_several_claims_is_printed_before_the_next_is_made() {
    let repo = Repo::new();
    let line = json!({"title": "t", "payload": {"text": "x".repeat(65_500)}}).to_string() + "\n";
    repo.coord_call("enqueue --batch - --run-id o").input(line.repeat(4)).run().succeeded();
    // A pipe takes 64 KB: so the first claim is not printed before somebody reads.
    let claiming = repo.coord_call("claim --run-id a --max 3 --json").start();
    let claimed = || repo.coord("stats --json").succeeded().json()["queues"]["default"]["counts"]["claimed"].as_u64();
    while claimed() == Some(0) {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(claimed(), Some(1));
    let claims = claiming.finish().succeeded().json();
    assert_eq!((claims["claims"].as_array().unwrap().len(), claimed()), (3, Some(3)));
}

#[test]
fn of_several_claims_only_what_could_not_be_printed_is_taken_back() {
    let repo = Repo::new();
    let line = json!({"title": "t", "payload": {"text": "x".repeat(65_500)}}).to_string() + "\n";
    repo.coord_call("enqueue --batch - --run-id o").input(line.repeat(4)).run().succeeded();
    // Whoever reads has the first claim, and the start of the second.
    let read = repo.shell(r#""$MUSE" coord claim --run-id a --max 4 --json | head -c 70000 > /dev/null"#);
    assert!(read.stderr.contains("the claim was undone"), "{read}");
    assert_eq!((&repo.tasks()["claimed"], &repo.tasks()["pending"]), (&json!(1), &json!(3)), "{read}");
}

#[test]
fn of_several_claims_fields_are_printed_as_of_a_whole_answer() {
    let repo = Repo::new();
    repo.given(["enqueue a --queue x", "enqueue b --queue x", "enqueue c --queue y", "enqueue d --queue y"]);
    let one = repo.coord("claim --run-id a --queue x --max 9 --print claims.*.task.title").succeeded().stdout;
    let two =
        "claim --run-id a --queue y --max 9 --print claims.*.task.title --print exit_code --print claims.1.task.queue";
    assert_eq!((one.as_str(), repo.coord(two).succeeded().stdout.as_str()), ("a\nb\n", "c\nd\n0\ny\n"));
}

#[test]
fn max_bytes_is_none_or_more_and_checked_before_the_repository() {
    let bare = Repo::bare();
    assert_snapshot!(with_each(&bare, "claim --run-id a", "--max-bytes", ["-1", "9223372036854775807", "all"]), @"
    $ muse coord claim --run-id a --max-bytes -1
    2> ❌ --max-bytes must be 0 or more, got -1
    exit 1

    $ muse coord claim --run-id a --max-bytes 9223372036854775807
    2> fatal: not a muse repository (or any parent up to mount point /)
    2> hint: run `muse coord init` in the repository, or set MUSE_REPO_ROOT to a directory that holds .muse/; under wasmtime, grant it with --dir .muse/coordination
    exit 2

    $ muse coord claim --run-id a --max-bytes all
    2> error: invalid value 'all' for '--max-bytes <N>': give a whole number, like 5
    2> 
    2> For more information, try '--help'.
    exit 2
    ");
}
