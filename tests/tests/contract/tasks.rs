//! `tasks`: every status, every filter, and a table that fits.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::thread::sleep;
use std::time::Duration;

use coord_tests::{Outcome, Repo};
use insta::assert_snapshot;
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use crate::{complaints, with, with_each};

#[test]
fn an_empty_queue_is_a_success() {
    assert_snapshot!(Repo::new().session(["tasks", "tasks --json"]), @r#"
    $ muse coord tasks

    Task queue — 0 task(s)
      0 pending  0 claimed  0 timed_out  0 completed  0 failed  0 cancelled
    ────────────────────────────────────────────────────────────────────────────────

      (no tasks matching filter)

      (<s>)
    exit 0

    $ muse coord tasks --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 1>","total":0,
     "scheduled":0,"blocked":0,"pending":0,"claimed":0,"timed_out":0,"completed":0,"failed":0,"cancelled":0,
     "expired":0,"limit":200,"truncated":false,"items":[],"warnings":[]}
    exit 0
    "#);
}

#[test]
fn each_status_is_listed_counted_and_filtered_by() {
    let repo = with_a_task_of_each_status();
    assert_snapshot!(repo.session(["tasks", "tasks --json"]), @r#"
    $ muse coord tasks

    Task queue — 7 task(s)
      1 pending  1 claimed  1 timed_out  1 completed  1 failed  1 cancelled
      1 expired
    ────────────────────────────────────────────────────────────────────────────────

    ID                                                                      ST            PRI QUEUE        CLAIMER              TITLE
    ────────────────────────────────────────────────────────────────────────────────
    <id 1> ⏳pending       7 default      -                    pending
    <id 2> ⌛expired       0 default      -                    expired
    <id 3> ⏰timed_out     0 timed_out    timed_out-agent      timed_out
    <id 4> 🔒claimed       0 claimed      claimed-agent        claimed
    <id 5> ✅completed     0 completed    completed-agent      completed
    <id 6> ❌failed        0 failed       failed-agent         failed
    <id 7> 🚫cancelled     0 default      orchestrator         cancelled

      (<s>)
    exit 0

    $ muse coord tasks --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 12>","total":7,
     "scheduled":0,"blocked":0,"pending":1,"claimed":1,"timed_out":1,"completed":1,"failed":1,"cancelled":1,
     "expired":1,"limit":200,"truncated":false,"items":[{"task_id":"<id 1>","title":"pending","priority":7,
     "queue":"default","ttl_seconds":86400,"created_by":"unknown","created_at":"<time 10>","tags":["a","b"],
     "payload":{},"status":"pending","claimer_run_id":null,"expires_at":null,"generation":0,"attempt":0,
     "result":null,"error":null},{"task_id":"<id 2>","title":"expired","priority":0,"queue":"default",
     "ttl_seconds":1,"created_by":"unknown","created_at":"<time 1>","tags":[],"payload":{},"status":"expired",
     "claimer_run_id":null,"expires_at":null,"generation":0,"attempt":0,"result":null,"error":null,
     "ended_at":"<time 1 + 1s>"},{"task_id":"<id 3>","title":"timed_out","priority":0,"queue":"timed_out",
     "ttl_seconds":86400,"created_by":"unknown","created_at":"<time 2>","tags":[],"payload":{},
     "status":"timed_out","claimer_run_id":"timed_out-agent","expires_at":"<time 11>","generation":1,"attempt":1,
     "result":null,"error":null},{"task_id":"<id 4>","title":"claimed","priority":0,"queue":"claimed",
     "ttl_seconds":86400,"created_by":"unknown","created_at":"<time 3>","tags":[],"payload":{},
     "status":"claimed","claimer_run_id":"claimed-agent","expires_at":"<time 13>","generation":1,"attempt":1,
     "result":null,"error":null},{"task_id":"<id 5>","title":"completed","priority":0,"queue":"completed",
     "ttl_seconds":86400,"created_by":"unknown","created_at":"<time 4>","tags":[],"payload":{},
     "status":"completed","claimer_run_id":"completed-agent","expires_at":"<time 14>","generation":1,"attempt":1,
     "result":{"pr":42},"error":null,"ended_at":"<time 6>"},{"task_id":"<id 6>","title":"failed","priority":0,
     "queue":"failed","ttl_seconds":86400,"created_by":"unknown","created_at":"<time 5>","tags":[],"payload":{},
     "status":"failed","claimer_run_id":"failed-agent","expires_at":"<time 15>","generation":1,"attempt":1,
     "result":null,"error":"no such file","ended_at":"<time 7>"},{"task_id":"<id 7>","title":"cancelled",
     "priority":0,"queue":"default","ttl_seconds":86400,"created_by":"unknown","created_at":"<time 8>","tags":[],
     "payload":{},"status":"cancelled","claimer_run_id":"orchestrator","expires_at":"<time 9>","generation":0,
     "attempt":0,"result":null,"error":null,"ended_at":"<time 9>"}],"warnings":[]}
    exit 0
    "#);
    for status in ["pending", "claimed", "timed_out", "completed", "failed", "cancelled", "expired"] {
        let listed = repo.coord(&format!("tasks --status {status} --json")).succeeded().json();
        assert_eq!(titles(&listed), [status]);
        assert_eq!((&listed[status], &listed["total"], &listed["truncated"]), (&json!(1), &json!(7), &json!(false)));
    }
}

fn with_a_task_of_each_status() -> Repo {
    let repo = Repo::new();
    let claim = |title: &str, flags: &str| {
        repo.coord(&format!("enqueue {title} --queue {title}")).succeeded();
        repo.coord(&format!("claim --queue {title} --run-id {title}-agent --json {flags}"))
            .succeeded()
            .text_of("task_id")
    };
    repo.coord("enqueue expired --ttl 1").succeeded();
    claim("timed_out", "--claim-ttl 1");
    claim("claimed", "");
    let [completed, failed] = [claim("completed", ""), claim("failed", "")];
    repo.coord(&format!(r#"complete {completed} --run-id completed-agent --result {{"pr":42}}"#)).succeeded();
    repo.coord(&format!("fail-task {failed} --run-id failed-agent --error 'no such file'")).succeeded();
    let cancelled = repo.enqueue("cancelled");
    repo.coord(&format!("cancel-task {cancelled} --run-id orchestrator")).succeeded();
    repo.coord("enqueue pending --priority 7 --tags a,b").succeeded();
    sleep(Duration::from_millis(1_100));
    repo
}

#[test]
fn tasks_are_listed_by_priority_then_age_and_filtered_by_queue_and_claimer_while_counts_are_of_all() {
    let repo = Repo::new();
    repo.given([
        "enqueue low --priority -1 --queue a",
        "enqueue mid-1 --queue b",
        "enqueue high --priority 7 --queue b",
        "enqueue mid-2 --queue a",
        "claim --run-id agent-1 --queue a",
        "claim --run-id agent-2 --queue b",
    ]);
    let listed = |flags: &str| repo.coord(&format!("tasks --json {flags}")).succeeded().json();
    assert_eq!(titles(&listed("")), ["high", "mid-1", "mid-2", "low"]);
    assert_eq!(titles(&listed("--queue a")), ["mid-2", "low"]);
    assert_eq!(titles(&listed("--run-id agent-2")), ["high"]);
    assert_eq!(titles(&listed("--queue a --run-id agent-2")), [""; 0]);
    assert_eq!(titles(&listed("--queue b --status pending")), ["mid-1"]);
    assert_eq!(listed("--queue nobody-uses")["total"], 4);
    assert_snapshot!(repo.session([
        "tasks --queue a --run-id agent-1 --status claimed",
        "tasks --queue a --run-id agent-2",
    ]), @"
    $ muse coord tasks --queue a --run-id agent-1 --status claimed

    Task queue — 4 task(s)
      filter: status=claimed, queue=a, run-id=agent-1
      2 pending  2 claimed  0 timed_out  0 completed  0 failed  0 cancelled
    ────────────────────────────────────────────────────────────────────────────────

    ID                                                                      ST            PRI QUEUE        CLAIMER              TITLE
    ────────────────────────────────────────────────────────────────────────────────
    <id 1> 🔒claimed       0 a            agent-1              mid-2

      (<s>)
    exit 0

    $ muse coord tasks --queue a --run-id agent-2

    Task queue — 4 task(s)
      filter: queue=a, run-id=agent-2
      2 pending  2 claimed  0 timed_out  0 completed  0 failed  0 cancelled
    ────────────────────────────────────────────────────────────────────────────────

      (no tasks matching filter)

      (<s>)
    exit 0
    ");
}

#[test]
fn a_claimer_is_found_by_a_run_id_of_any_length() {
    let repo = Repo::new();
    let run_id = "é".repeat(256);
    repo.enqueue("Fix it");
    repo.enqueue("another");
    with(&repo, "claim", "--run-id", &run_id).succeeded();
    let listed = with(&repo, "tasks --json", "--run-id", &run_id).succeeded().json();
    assert_eq!(titles(&listed), ["Fix it"]);
    assert_eq!(listed["items"][0]["claimer_run_id"], run_id);
}

#[test]
fn a_listing_up_to_its_limit_says_truthfully_how_many_there_are() {
    let repo = Repo::new();
    repo.given(["enqueue 1 --queue a", "enqueue 2 --queue b", "enqueue 3 --queue a"]);
    assert_snapshot!(repo.session([
        "tasks --limit 2",
        "tasks --limit 3",
        "tasks --limit 1 --queue a",
        "tasks --limit 1 --status claimed",
        "tasks --limit 1 --json",
    ]), @r#"
    $ muse coord tasks --limit 2

    Task queue — 3 task(s)
      3 pending  0 claimed  0 timed_out  0 completed  0 failed  0 cancelled
    ────────────────────────────────────────────────────────────────────────────────

    ID                                                                      ST            PRI QUEUE        CLAIMER              TITLE
    ────────────────────────────────────────────────────────────────────────────────
    <id 1> ⏳pending       0 a            -                    1
    <id 2> ⏳pending       0 b            -                    2

      (showing 2 of 3 — use --limit to see more)
      (next page: --cursor <cursor>)

      (<s>)
    exit 0

    $ muse coord tasks --limit 3

    Task queue — 3 task(s)
      3 pending  0 claimed  0 timed_out  0 completed  0 failed  0 cancelled
    ────────────────────────────────────────────────────────────────────────────────

    ID                                                                      ST            PRI QUEUE        CLAIMER              TITLE
    ────────────────────────────────────────────────────────────────────────────────
    <id 1> ⏳pending       0 a            -                    1
    <id 2> ⏳pending       0 b            -                    2
    <id 3> ⏳pending       0 a            -                    3

      (<s>)
    exit 0

    $ muse coord tasks --limit 1 --queue a

    Task queue — 3 task(s)
      filter: queue=a
      3 pending  0 claimed  0 timed_out  0 completed  0 failed  0 cancelled
    ────────────────────────────────────────────────────────────────────────────────

    ID                                                                      ST            PRI QUEUE        CLAIMER              TITLE
    ────────────────────────────────────────────────────────────────────────────────
    <id 1> ⏳pending       0 a            -                    1

      (showing 1, there are more — use --limit to see more)
      (next page: --cursor <cursor>)

      (<s>)
    exit 0

    $ muse coord tasks --limit 1 --status claimed

    Task queue — 3 task(s)
      filter: status=claimed
      3 pending  0 claimed  0 timed_out  0 completed  0 failed  0 cancelled
    ────────────────────────────────────────────────────────────────────────────────

      (no tasks matching filter)

      (<s>)
    exit 0

    $ muse coord tasks --limit 1 --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 2>","total":3,
     "scheduled":0,"blocked":0,"pending":3,"claimed":0,"timed_out":0,"completed":0,"failed":0,"cancelled":0,
     "expired":0,"limit":1,"truncated":true,"next_cursor":"<cursor>","items":[{"task_id":"<id 1>","title":"1",
     "priority":0,"queue":"a","ttl_seconds":86400,"created_by":"unknown","created_at":"<time 1>","tags":[],
     "payload":{},"status":"pending","claimer_run_id":null,"expires_at":null,"generation":0,"attempt":0,
     "result":null,"error":null}],"warnings":[]}
    exit 0
    "#);
}

#[test]
fn values_are_checked_in_the_contracts_order_and_all_of_them_before_the_repository() {
    let long_run_id = "r".repeat(257);
    let values: [(&str, &[&str]); 3] =
        [("--queue", &["../x", "hotfix"]), ("--run-id", &[&long_run_id, "agent-1"]), ("--limit", &["0", "200"])];
    assert_snapshot!(complaints(&Repo::bare(), "tasks", &values), @r#"
    $ muse coord tasks --json --queue ../x --run-id 'rrrrrrrrrrrrrrrrrrrr…' (257 characters) --limit 0
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"invalid queue name \"../x\": use 1 to 64 letters, digits, '_' or '-'","status":"bad_queue",
     "warnings":[]}
    exit 1

    $ muse coord tasks --json --queue hotfix --run-id 'rrrrrrrrrrrrrrrrrrrr…' (257 characters) --limit 0
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 2>",
     "error":"--run-id is too long (257 characters; max 256)","status":"bad_args","warnings":[]}
    exit 1

    $ muse coord tasks --json --queue hotfix --run-id agent-1 --limit 0
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 3>",
     "error":"--limit must be between 1 and 10000, got 0","status":"bad_args","warnings":[]}
    exit 1

    $ muse coord tasks --json --queue hotfix --run-id agent-1 --limit 200
    {"muse_version":"<version>","schema":1,"exit_code":2,"duration_ms":<ms>,"timestamp":"<time 4>",
     "error":"fatal: not a muse repository (or any parent up to mount point /)","status":"not_a_repository",
     "hint":"run `muse coord init` in the repository, or set MUSE_REPO_ROOT to a directory that holds .muse/; under wasmtime, grant it with --dir .muse/coordination",
     "warnings":[]}
    exit 2
    "#);
}

#[test]
fn each_value_is_taken_up_to_its_limit_and_refused_one_beyond() {
    let repo = Repo::new();
    for (flag, value) in
        [("--limit", "1"), ("--limit", "10000"), ("--queue", &*"q".repeat(64)), ("--run-id", &*"é".repeat(256))]
    {
        with(&repo, "tasks", flag, value).succeeded();
    }
    assert_snapshot!(with_each(&repo, "tasks", "--limit", ["0", "-1", "10001"]), @"
    $ muse coord tasks --limit 0
    2> ❌ --limit must be between 1 and 10000, got 0
    exit 1

    $ muse coord tasks --limit -1
    2> ❌ --limit must be between 1 and 10000, got -1
    exit 1

    $ muse coord tasks --limit 10001
    2> ❌ --limit must be between 1 and 10000, got 10001
    exit 1
    ");
    assert_snapshot!(with_each(&repo, "tasks", "--queue", ["", &"q".repeat(65)]), @r#"
    $ muse coord tasks --queue ''
    2> ❌ invalid queue name "": use 1 to 64 letters, digits, '_' or '-'
    exit 1

    $ muse coord tasks --queue qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq
    2> ❌ invalid queue name "qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq": use 1 to 64 letters, digits, '_' or '-'
    exit 1
    "#);
    assert_snapshot!(with_each(&repo, "tasks", "--run-id", ["", &"é".repeat(257)]), @"
    $ muse coord tasks --run-id ''
    2> ❌ --run-id must not be empty: give each agent a name of its own
    exit 1

    $ muse coord tasks --run-id 'éééééééééééééééééééé…' (257 characters)
    2> ❌ --run-id is too long (257 characters; max 256)
    exit 1
    ");
}

#[test]
fn a_table_for_a_terminal_is_cut_to_its_width() {
    let repo = with_wide_tasks();
    let listed = |columns| listed_in(&repo, columns, &[]);
    assert_snapshot!(listed(80), @"
    $ wasmtime run … muse.wasm coord tasks

    Task queue — 2 task(s)
      1 pending  1 claimed  0 timed_out  0 completed  0 failed  0 cancelled
    ────────────────────────────────────────────────────────────────────────────────

    ST            PRI QUEUE        CLAIMER              TITLE
    ────────────────────────────────────────────────────────────────────────────────
    🔒claimed       0 default      an-agent-with-quite… Fix it
    <id 1>
    ⏳pending      -7 a-queue-wit… -                    漢字かな漢字かな漢字かな漢…
    <id 2>

      (<s>)
    exit 0
    ");
    assert_snapshot!(listed(160), @"
    $ wasmtime run … muse.wasm coord tasks

    Task queue — 2 task(s)
      1 pending  1 claimed  0 timed_out  0 completed  0 failed  0 cancelled
    ────────────────────────────────────────────────────────────────────────────────

    ID                                                                      ST            PRI QUEUE        CLAIMER              TITLE
    ────────────────────────────────────────────────────────────────────────────────
    <id 1> 🔒claimed       0 default      an-agent-with-quite… Fix it
    <id 2> ⏳pending      -7 a-queue-wit… -                    漢字かな漢字かな漢字かな漢字かな漢…

      (<s>)
    exit 0
    ");
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let repo = with_wide_tasks();
    for priority in ["-9223372036854775808", "9223372036854775807"] {
        with(&repo, &format!("enqueue --priority {priority}"), "", &"long ".repeat(30)).succeeded();
    }
    for columns in [72, 80, 160] {
        let chosen: &[&str] = &["--fields", "title,created_at,task_id"];
        for listed in [&[], chosen].map(|flags| listed_in(&repo, columns, flags)) {
            for line in listed.stdout.lines() {
                assert!(line.width() <= columns, "{} of {columns} columns: {line}", line.width());
            }
        }
    }
}

#[test]
fn fields_leaves_of_each_task_only_what_was_asked_for_in_that_order() {
    let repo = Repo::new();
    repo.given(["enqueue 'Fix it' --payload '{\"n\":1.50}' --tags a,b", "enqueue Later --priority -1"]);
    let lines = [
        "tasks --fields title,payload --json",
        "tasks --fields title,task_id,expires_at,tags",
        "tasks --fields title,title --limit 1 --json",
    ];
    assert_snapshot!(repo.session(lines), @r#"
    $ muse coord tasks --fields title,payload --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 1>","total":2,
     "scheduled":0,"blocked":0,"pending":2,"claimed":0,"timed_out":0,"completed":0,"failed":0,"cancelled":0,
     "expired":0,"limit":200,"truncated":false,"items":[{"title":"Fix it","payload":{"n":1.50}},{"title":"Later",
     "payload":{}}],"warnings":[]}
    exit 0

    $ muse coord tasks --fields title,task_id,expires_at,tags

    Task queue — 2 task(s)
      2 pending  0 claimed  0 timed_out  0 completed  0 failed  0 cancelled
    ────────────────────────────────────────────────────────────────────────────────

    TITLE   TASK_ID                                                                  EXPIRES_AT  TAGS
    Fix it  <id 1>  -           ["a","b"]
    Later   <id 2>  -           []

      (<s>)
    exit 0

    $ muse coord tasks --fields title,title --limit 1 --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 2>","total":2,
     "scheduled":0,"blocked":0,"pending":2,"claimed":0,"timed_out":0,"completed":0,"failed":0,"cancelled":0,
     "expired":0,"limit":1,"truncated":true,"next_cursor":"<cursor>","items":[{"title":"Fix it"}],"warnings":[]}
    exit 0
    "#);
}

#[test]
fn a_field_that_no_task_has_is_refused_with_those_that_tasks_have() {
    assert_snapshot!(Repo::bare().coord("tasks --fields title,size"), @"
    $ muse coord tasks --fields title,size
    2> error: invalid value 'size' for '--fields <FIELD,FIELD>'
    2>   [possible values: task_id, title, priority, queue, ttl_seconds, created_by, created_at, tags, payload, max_attempts, backoff_seconds, backoff_max_seconds, scheduled_at, after, if_parent_fails, unique, status, claimer_run_id, expires_at, generation, attempt, result, error, blocked_on, cancel_requested, cancel_requested_by, cancel_reason, reason, progress, note, ended_at]
    2> 
    2> For more information, try '--help'.
    exit 2
    ");
}

fn with_wide_tasks() -> Repo {
    let repo = Repo::new();
    let title = "漢字かな".repeat(30);
    repo.muse(["coord", "enqueue", &title, "--priority", "-7", "--queue", "a-queue-with-a-long-name"]).succeeded();
    repo.given(["enqueue 'Fix it'", "claim --run-id an-agent-with-quite-a-long-name"]);
    repo
}

/// The launcher tells the component the terminal's width; under a stock wasmtime a variable does.
fn listed_in(repo: &Repo, columns: usize, flags: &[&str]) -> Outcome {
    let columns = format!("COLUMNS={columns}");
    let words = [&["coord", "tasks"], flags].concat();
    repo.stock(["--dir", ".muse/coordination", "--env", &columns], words).run().succeeded()
}

fn titles(listed: &Value) -> Vec<String> {
    let items = listed.get("items").and_then(Value::as_array).into_iter().flatten();
    items.map(|item| item.get("title").and_then(Value::as_str).unwrap_or_default().to_string()).collect()
}

#[test]
fn tasks_are_filtered_by_tags_and_times_and_sorted_by_what_is_asked() {
    let repo = Repo::new();
    let [first, second] = ["first", "second"]
        .map(|title| repo.coord(&format!("enqueue {title} --tags a,{title} --json")).succeeded().json());
    repo.given(["enqueue third --priority 5"]);
    let id = |task: &Value| task["task_id"].as_str().unwrap().to_string();
    repo.given([format!("cancel-task {} --run-id a", id(&second)), format!("cancel-task {} --run-id a", id(&first))]);
    let listed = |flags: &str| repo.coord(&format!("tasks --json {flags}")).succeeded().json();
    assert_eq!(titles(&listed("--tags a")), ["first", "second"]);
    assert_eq!(titles(&listed("--tags a,second")), ["second"]);
    assert_eq!(titles(&listed(&format!("--since {}", second["created_at"].as_str().unwrap()))), ["third", "second"]);
    for (sort, order) in [
        ("claim", ["third", "first", "second"]),
        ("created", ["first", "second", "third"]),
        ("-created", ["third", "second", "first"]),
        ("ended", ["second", "first", "third"]),
        ("-ended", ["third", "first", "second"]),
    ] {
        assert_eq!(titles(&listed(&format!("--sort {sort}"))), order, "{sort}");
        assert_eq!(paged(&repo, &format!("--sort {sort}")), order, "{sort}");
    }
    let ended = listed("--status cancelled --sort ended");
    let last = ended["items"][1]["ended_at"].as_str().unwrap();
    assert_eq!(titles(&listed(&format!("--ended-since {last}"))), ["first"]);
    assert_eq!(titles(&listed("--ended-since 2100-01-01T00:00:00Z")), [""; 0]);
    let text = repo.coord(&format!("tasks --tags a --since {last} --ended-since {last} --sort created"));
    assert!(
        text.stdout.contains(&format!("filter: tags=a, since={last}, ended-since={last}, sort=created\n")),
        "{text}"
    );
}

/// All titles, one a page.
fn paged(repo: &Repo, flags: &str) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let listed = repo.coord(&format!("tasks --limit 1 --json {flags} {cursor}")).succeeded().json();
        all.extend(titles(&listed));
        match listed.get("next_cursor") {
            Some(next) => cursor = format!("--cursor {}", next.as_str().unwrap()),
            None => return all,
        }
    }
}

#[test]
fn what_is_not_due_or_waits_for_another_says_so() {
    let repo = Repo::new();
    let id = repo.enqueue("parent");
    repo.given([format!("enqueue child --after {id}"), "enqueue later --at 2100-01-01T00:00:00Z".to_string()]);
    assert_snapshot!(repo.session(["tasks", "tasks --status blocked --json", "tasks --status scheduled --json"]), @r#"
    $ muse coord tasks

    Task queue — 3 task(s)
      1 scheduled  1 blocked  1 pending  0 claimed  0 timed_out  0 completed
      0 failed  0 cancelled
    ────────────────────────────────────────────────────────────────────────────────

    ID                                                                      ST            PRI QUEUE        CLAIMER              TITLE
    ────────────────────────────────────────────────────────────────────────────────
    <id 1> ⏳pending       0 default      -                    parent
    <id 2> 🚧blocked       0 default      -                    child
    ↳ after <id 1>
    <id 3> 📅scheduled     0 default      -                    later
    ↳ due <time 1>

      (<s>)
    exit 0

    $ muse coord tasks --status blocked --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 3>","total":3,
     "scheduled":1,"blocked":1,"pending":1,"claimed":0,"timed_out":0,"completed":0,"failed":0,"cancelled":0,
     "expired":0,"limit":200,"truncated":false,"items":[{"task_id":"<id 2>","title":"child","priority":0,
     "queue":"default","ttl_seconds":86400,"created_by":"unknown","created_at":"<time 2>","tags":[],"payload":{},
     "after":["<id 1>"],"status":"blocked","claimer_run_id":null,"expires_at":null,"generation":0,"attempt":0,
     "result":null,"error":null,"blocked_on":"<id 1>"}],"warnings":[]}
    exit 0

    $ muse coord tasks --status scheduled --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 5>","total":3,
     "scheduled":1,"blocked":1,"pending":1,"claimed":0,"timed_out":0,"completed":0,"failed":0,"cancelled":0,
     "expired":0,"limit":200,"truncated":false,"items":[{"task_id":"<id 3>","title":"later","priority":0,
     "queue":"default","ttl_seconds":86400,"created_by":"unknown","created_at":"<time 4>","tags":[],"payload":{},
     "scheduled_at":"<time 1>","status":"scheduled","claimer_run_id":null,"expires_at":null,"generation":0,
     "attempt":0,"result":null,"error":null}],"warnings":[]}
    exit 0
    "#);
}

#[test]
fn a_cursor_of_another_order_is_refused() {
    let repo = Repo::new();
    repo.given(["enqueue a", "enqueue b", "enqueue c"]);
    for (made, asked) in [("created", "claim"), ("-created", "created"), ("claim", "-ended"), ("ended", "-ended")] {
        let cursor = repo.coord(&format!("tasks --limit 1 --sort {made} --json")).text_of("next_cursor");
        let refused = repo.coord(&format!("tasks --sort {asked} --cursor {cursor} --json")).ended_with(1);
        assert_eq!(refused.text_of("status"), "bad_args");
        let says = format!("the cursor is of a listing with sort {made}, and this one has sort {asked}");
        assert!(refused.text_of("error").starts_with(&says), "{refused}");
        let next = repo.coord(&format!("tasks --limit 1 --sort {made} --cursor {cursor} --json")).succeeded().json();
        assert_eq!(next["items"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn bad_times_orders_and_cursors_are_refused() {
    let repo = Repo::new();
    for flag in ["--since", "--ended-since"] {
        let refused = with(&repo, "tasks --json", flag, "yesterday").ended_with(1);
        assert_eq!(refused.text_of("error"), "invalid time \"yesterday\": give a time like 2026-11-24T18:00:00Z");
    }
    assert_snapshot!(with_each(&repo, "tasks", "--cursor", ["", "7"]), @r#"
    $ muse coord tasks --cursor ''
    2> ❌ invalid cursor "": give the next_cursor of an earlier listing
    exit 1

    $ muse coord tasks --cursor 7
    2> ❌ invalid cursor "7": give the next_cursor of an earlier listing
    exit 1
    "#);
    assert_snapshot!(with_each(&repo, "tasks", "--sort", ["size"]), @"
    $ muse coord tasks --sort size
    2> error: invalid value 'size' for '--sort <ORDER>'
    2>   [possible values: claim, created, -created, ended, -ended]
    2> 
    2> For more information, try '--help'.
    exit 2
    ");
    assert_snapshot!(with_each(&repo, "tasks", "--tags", ["t".repeat(65).as_str()]), @r#"
    $ muse coord tasks --tags ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt
    2> ❌ tag "ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt" is too long (65 characters; max 64): give its first 64 characters
    exit 1
    "#);
}
