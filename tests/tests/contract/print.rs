//! `--print FIELD`: what a script takes of an answer, and nothing else on standard output.

use std::fs;
use std::time::{Duration, Instant};

use coord_tests::{Outcome, Repo};

use crate::schema::commands;
use crate::with;

#[test]
fn each_field_is_a_line_and_nothing_else_is_printed() {
    let repo = Repo::new();
    let payload = r#"{"part":7,"n":1.50,"list":[{"a":1},{"a":2}],"none":null,"yes":true}"#;
    let added = with(&repo, "enqueue work --tags x,y --print task_id", "--payload", payload).succeeded();
    let id = repo.tasks()["items"][0]["task_id"].as_str().unwrap().to_string();
    assert_eq!((added.stdout.as_str(), added.stderr.as_str()), (&*format!("{id}\n"), ""));
    let fields = "task_id,task.payload.part,task.payload.n,task.payload.list.*.a,task.payload.list.1,task.payload.none,\
                  task.payload.yes,task.tags,result,exit_code";
    let claimed = repo.coord(&format!("claim --run-id a --print {fields} --print attempt")).succeeded();
    assert_eq!(claimed.stdout, format!("{id}\n7\n1.50\n1\n2\n{{\"a\":2}}\n\ntrue\n[\"x\",\"y\"]\n\n0\n1\n"));
    for line in
        [format!("--print status coord show {id} --json"), format!("coord --print=status show {id} --format json")]
    {
        let shown = repo.muse(line.split(' ')).succeeded();
        assert_eq!((shown.stdout.as_str(), shown.stderr.as_str()), ("claimed\n", ""), "{shown}");
    }
}

#[test]
fn a_text_is_one_line_in_which_nothing_acts_on_a_terminal() {
    let repo = Repo::new();
    with(&repo, "enqueue", "", "a \"b\" \\ ü\nc\u{1b}[31m\u{202e}").succeeded();
    let printed = repo.coord("tasks --print items.0.title,total").succeeded();
    assert_eq!(printed.stdout, "a \"b\" \\ ü\\nc\\u001b[31m\\u202e\n1\n");
}

#[test]
fn a_field_that_is_never_answered_is_refused_before_anything_is_done() {
    let repo = Repo::new();
    for line in [
        "enqueue work --print task.title",
        "enqueue work --json --print task_id,nope",
        "enqueue work --print tasks.*.task_id",
        "enqueue --batch - --print task_id",
        "claim --run-id a --print task.titel",
        "claim --run-id a --print claims.*.task_id",
        "claim --run-id a --max 2 --print task_id",
        "tasks --print items.title",
        "tasks --print total.x",
        "tasks --print=total,",
        "watch --print nope",
        "export --print nope",
        "stats --prometheus --print total",
        "--schema claim --print task_id",
    ] {
        let refused = repo.coord_call(line).input("{\"title\":\"work\"}\n").run().ended_with(1);
        assert!(refused.stdout.is_empty() && refused.stderr.contains("❌ "), "{refused}");
    }
    assert_eq!(repo.tasks()["total"], 0);
    let refused = repo.coord("claim --run-id a --print task.titel").ended_with(1);
    assert!(refused.stderr.contains(r#"no field "task.titel" to print: "task" has after, "#), "{refused}");
}

#[test]
fn what_is_wrong_goes_to_standard_error_with_the_exit_code_that_it_has_otherwise() {
    let repo = Repo::new();
    let id = repo.enqueue("work");
    for (line, code) in [
        (format!("complete {id} --run-id a --print status --json"), 1),
        (format!("complete {id} --run-id a --bogus --print status --json"), 2),
    ] {
        let refused = repo.coord(&line).ended_with(code);
        assert!(refused.stdout.is_empty() && !refused.stderr.starts_with('{'), "{refused}");
    }
    let elsewhere = Repo::bare().coord("tasks --print total -j").ended_with(2);
    assert!(elsewhere.stdout.is_empty() && elsewhere.stderr.starts_with("fatal: "), "{elsewhere}");
}

#[test]
fn a_claim_that_finds_nothing_prints_nothing_and_warnings_stand_beside() {
    let repo = Repo::new();
    repo.given(["enqueue work", "pause default"]);
    for line in ["claim --run-id a --print task_id,status", "claim --run-id a --max 3 --print claims.*.task_id"] {
        let nothing = repo.coord(line).ended_with(1);
        assert!(nothing.stdout.is_empty() && nothing.stderr.is_empty(), "{nothing}");
    }
    let cut = with(&repo, "enqueue --print title", "", &"x".repeat(600)).succeeded();
    assert_eq!(cut.stdout, "x".repeat(512) + "\n");
    assert!(cut.stderr.starts_with("⚠️"), "{cut}");
}

#[test]
fn of_a_batch_and_of_several_claims_each_element_is_a_line() {
    let repo = Repo::new();
    let batch: String = (0..5).map(|number| format!("{{\"title\":\"t\",\"payload\":{{\"n\":{number}}}}}\n")).collect();
    fs::write(repo.path("batch"), batch).unwrap();
    let added = repo.coord("--print tasks.*.task_id,enqueued enqueue --batch batch").succeeded();
    assert_eq!((added.stdout.lines().count(), added.stdout.lines().last()), (6, Some("5")), "{added}");
    let claimed = repo.coord("claim --run-id a --max 9 --print claims.*.task.payload.n").succeeded();
    assert_eq!(claimed.stdout, "0\n1\n2\n3\n4\n");
    let parent = added.stdout.lines().next().unwrap();
    let completed = repo
        .coord_call(&format!("complete {parent} --run-id a --enqueue - --print tasks.*.deduplicated"))
        .input("{\"title\":\"next\"}\n{\"title\":\"last\"}\n")
        .run()
        .succeeded();
    assert_eq!(completed.stdout, "false\nfalse\n");
}

#[test]
fn of_what_comes_line_by_line_each_line_is_taken_apart() {
    let repo = Repo::new();
    let [first, second] = ["a", "b"].map(|title| repo.enqueue(title));
    let exported = repo.coord("export --print task_id,record.title").succeeded();
    let lines: Vec<&str> = exported.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{exported}");
    assert!(lines.contains(&&*first) && lines.contains(&&*second) && lines.contains(&"a"), "{exported}");

    let log = repo.path("log");
    let watching = repo.coord_call("watch --print title,status").stdout(fs::File::create(&log).unwrap()).start();
    let begin = Instant::now();
    while fs::read_to_string(&log).unwrap().lines().count() < 4 && begin.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(20));
    }
    watching.kill();
    assert_eq!(fs::read_to_string(&log).unwrap(), "a\npending\nb\npending\n");
}

#[test]
fn every_command_prints_a_field_of_its_answer() {
    let repo = Repo::new();
    let id = repo.enqueue("work");
    let lines = [
        ("init", "path", String::new()),
        ("enqueue", "deduplicated", "other --queue q".to_string()),
        ("claim", "status", "--run-id a --queue default".to_string()),
        ("heartbeat", "cancel_requested", format!("{id} --run-id a")),
        ("release", "status", format!("{id} --run-id a")),
        ("cancel-task", "status", format!("{id} --run-id a --reason no")),
        ("retry", "attempt", id.clone()),
        ("show", "history.0.kind", id.clone()),
        ("tasks", "pending", String::new()),
        ("wait", "timed_out", format!("{id} --timeout 0")),
        ("stats", "queues.default.counts.pending", String::new()),
        ("export", "entry", String::new()),
        ("pause", "paused", "q".to_string()),
        ("resume", "paused", "q".to_string()),
        ("limit", "max_in_flight", "q --max-in-flight 2".to_string()),
        ("gc", "removed", "--older-than 0".to_string()),
        ("import", "imported", String::new()),
        ("doctor", "healthy", String::new()),
        ("completions", "shell", "bash".to_string()),
    ];
    for (command, field, rest) in &lines {
        let printed: Outcome = repo.coord_call(&format!("{command} --print {field} {rest}")).input("").run();
        assert!(printed.stdout.lines().all(|line| !line.is_empty() && !line.starts_with('{')), "{printed}");
        assert!(printed.stdout.ends_with('\n') && printed.stderr.is_empty(), "{printed}");
    }
    // The rest are in the other tests.
    let shown = lines.iter().map(|(command, ..)| *command).chain(["complete", "fail-task", "watch"]);
    let mut shown: Vec<String> = shown.map(String::from).collect();
    let mut all = commands(&repo);
    shown.sort();
    all.sort();
    assert_eq!(shown, all);
}
