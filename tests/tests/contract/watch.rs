//! `watch`: the tasks as they stand, then each that changes; and `tasks --watch`, which needs a terminal.
#![allow(clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::fs::{self, File};
use std::thread::sleep;
use std::time::{Duration, Instant};

use coord_tests::Repo;
use insta::assert_snapshot;
use serde_json::{Value, json};

#[test]
fn the_state_comes_first_and_then_each_change_with_the_latest_state() {
    let repo = Repo::new();
    let id = repo.coord("enqueue first --queue code --tags a,b --json").succeeded().text_of("task_id");
    repo.given(["enqueue other --queue docs --tags a", "enqueue untagged --queue code"]);
    let log = repo.path("log");
    let watching = repo.coord_call("watch --queue code --tags a").stdout(File::create(&log).unwrap()).start();
    let seen = |count: usize| {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let lines = lines_of(&fs::read_to_string(&log).unwrap());
            if lines.len() >= count {
                return lines;
            }
            assert!(Instant::now() < deadline, "{lines:?}");
            sleep(Duration::from_millis(20));
        }
    };
    seen(1);
    repo.coord("claim --run-id agent-1 --queue code").succeeded();
    seen(2);
    repo.coord(&format!(r#"complete {id} --run-id agent-1 --result {{"pr":42}}"#)).succeeded();
    seen(3);
    repo.coord("gc --older-than 0").succeeded();
    let lines = seen(4);
    watching.kill();

    assert!(lines.iter().all(|line| line["task_id"] == id.as_str() && line["timestamp"].is_string()), "{lines:?}");
    let statuses: Vec<_> = lines.iter().map(|line| &line["status"]).collect();
    assert_eq!(statuses, ["pending", "claimed", "completed", "removed"]);
    assert_eq!((&lines[1]["claimer_run_id"], &lines[2]["result"]), (&json!("agent-1"), &json!({"pr": 42})));
    assert_eq!((&lines[0]["title"], &lines[0]["payload"]), (&json!("first"), &json!({})));
}

fn lines_of(text: &str) -> Vec<Value> {
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn bad_values_are_refused() {
    let repo = Repo::new();
    assert_snapshot!(repo.session(["watch --queue ../x", "watch --queue ../x --json"]), @r#"
    $ muse coord watch --queue ../x
    2> ❌ invalid queue name "../x": use 1 to 64 letters, digits, '_' or '-'
    exit 1

    $ muse coord watch --queue ../x --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>","warnings":[],
     "error":"invalid queue name \"../x\": use 1 to 64 letters, digits, '_' or '-'","status":"bad_queue"}
    exit 1
    "#);
}

#[test]
fn a_live_table_is_for_a_terminal_and_for_people() {
    let repo = Repo::new();
    assert_snapshot!(repo.session(["tasks --watch", "tasks --watch --json"]), @r#"
    $ muse coord tasks --watch
    2> ❌ --watch draws on a terminal, as text: pipe `muse coord tasks`, or follow the changes by `muse coord watch`
    exit 1

    $ muse coord tasks --watch --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>","warnings":[],
     "error":"--watch draws on a terminal, as text: pipe `muse coord tasks`, or follow the changes by `muse coord watch`",
     "status":"bad_args"}
    exit 1
    "#);
}
