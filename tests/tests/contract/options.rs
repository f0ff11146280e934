//! How options and their values are read: given twice, in which format, with a dash in front, out of range.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::fs;

use coord_tests::{Outcome, Repo, transcript};
use insta::assert_snapshot;
use unicode_width::UnicodeWidthStr as _;

use crate::NO_TASK;
use crate::schema::commands;

#[test]
fn an_option_that_is_given_twice_counts_as_given_last_and_one_that_takes_a_list_adds_up() {
    let repo = Repo::new();
    let task = repo.coord(
        "enqueue t --priority 1 --queue a --queue b --priority 2 --tags x --unique k --tags y,z --unique l --json --json",
    );
    let task = task.succeeded().json();
    assert_eq!((&task["priority"], &task["queue"], &task["unique"]), (&2.into(), &"b".into(), &"l".into()));
    assert_eq!(task["tags"], serde_json::json!(["x", "y", "z"]));
    for line in ["tasks --limit 1 --limit 2 --json", "--json tasks --limit=1 -j --limit=2"] {
        assert_eq!(repo.coord(line).succeeded().json()["limit"], 2);
    }
    let batch = ["one", "other"].map(|name| {
        fs::write(repo.path(name), format!("{{\"title\":\"{name}\"}}")).unwrap();
        repo.path(name)
    });
    let [one, other] = batch.map(|path| path.to_str().unwrap().to_string());
    repo.coord(&format!("enqueue --batch {one} --batch {other}")).succeeded();
    assert_eq!(repo.coord("tasks --queue default --json").succeeded().json()["items"][0]["title"], "other");
}

#[test]
fn the_format_is_the_one_that_is_asked_for_last() {
    let repo = Repo::new();
    for line in [
        "coord tasks --format json --format json",
        "coord tasks --format text --format json",
        "coord tasks --format text --json",
        "--format text coord --json tasks",
        "--json coord tasks --json -j",
        "coord tasks --format text --json --limit 0",
        "coord tasks --format text --json --bogus",
    ] {
        repo.muse(line.split(' ')).json();
    }
    for line in [
        "coord tasks --json --format text",
        "--json coord tasks --format=text",
        "coord tasks -j --format text --limit 0",
        "coord tasks -j --format text --bogus",
    ] {
        let outcome = repo.muse(line.split(' '));
        assert!(!outcome.stdout.starts_with('{') && outcome.code != Some(101), "{outcome}");
    }
    let lines = repo.coord("export --format text").succeeded();
    assert_eq!(lines.stdout, "");
    repo.enqueue("t");
    let exported = repo.coord("export --format text").succeeded().stdout;
    assert!(serde_json::from_str::<serde_json::Value>(&exported).is_ok(), "{exported}");
}

#[test]
fn json_is_asked_for_by_an_option_and_by_no_other_word() {
    let repo = Repo::new();
    for line in ["enqueue --bogus -- --json", "enqueue --bogus -- -j", "claim --bogus -- --format json", "tasks -xj"] {
        let outcome = repo.coord(line).ended_with(2);
        assert!(outcome.stdout.is_empty() && outcome.stderr.starts_with("error: "), "{outcome}");
    }
    let unusable = Repo::new();
    fs::write(unusable.path(".muse/coordination"), "").unwrap();
    let outcome = unusable.coord("enqueue -- --json").ended_with(1);
    assert!(outcome.stdout.is_empty() && !outcome.stderr.is_empty(), "{outcome}");
    for line in ["tasks -jx", "enqueue --bogus --json --", "tasks --bogus --format=json"] {
        assert_eq!(repo.coord(line).ended_with(2).text_of("status"), "bad_args");
    }
}

#[test]
fn an_option_is_no_value_of_another_unless_it_stands_behind_its_equals_sign() {
    let repo = Repo::new();
    let id = repo.enqueue("t");
    repo.claim("a");
    assert_snapshot!(transcript([
        repo.coord(&format!("fail-task {id} --run-id a --error --json")),
        repo.coord(&format!("fail-task {id} --run-id a --error --final --format text")),
        repo.coord("claim --run-id --format text"),
    ]), @r#"
    $ muse coord fail-task <id 1> --run-id a --error --json
    {"muse_version":"<version>","schema":1,"exit_code":2,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"a value is required for '--error <MESSAGE>' but none was supplied\n\n  tip: to give --error the value '--json', write '--error=--json'\n\nFor more information, try '--help'.",
     "status":"bad_args","warnings":[]}
    exit 2

    $ muse coord fail-task <id 1> --run-id a --error --final --format text
    2> error: a value is required for '--error <MESSAGE>' but none was supplied
    2> 
    2>   tip: to give --error the value '--final', write '--error=--final'
    2> 
    2> For more information, try '--help'.
    exit 2

    $ muse coord claim --run-id --format text
    2> error: a value is required for '--run-id <RUNID>' but none was supplied
    2> 
    2>   tip: to give --run-id the value '--format', write '--run-id=--format'
    2> 
    2> For more information, try '--help'.
    exit 2
    "#);
    for line in [
        "heartbeat ID --run-id a --note --claim-ttl=5",
        "cancel-task ID --run-id a --reason --force",
        "cancel-task ID --run-id a --reason --help",
        "tasks --sort --limit",
    ] {
        let outcome = repo.coord(&line.replace("ID", &id)).ended_with(2);
        assert!(outcome.stderr.contains("but none was supplied"), "{outcome}");
    }
    // What is no option of the command is a value as any other.
    let failed = repo.coord(&format!("fail-task {id} --run-id a --error --jsonl --json")).succeeded();
    assert_eq!(failed.text_of("error"), "--jsonl");
    repo.coord(&format!("retry {id}")).succeeded();
    repo.claim("a");
    let failed = repo.coord(&format!("fail-task {id} --run-id a --error=--json --json")).succeeded();
    assert_eq!(failed.text_of("error"), "--json");
}

#[test]
fn the_tip_for_a_value_that_begins_with_a_dash_works() {
    let repo = Repo::new();
    for line in ["claim --run-id -x", "claim --run-id --json", "enqueue t --unique --x", "enqueue t --delay -5m"] {
        let refused = repo.coord(line).ended_with(2);
        let said = refused.stderr.clone() + &refused.stdout.replace("\\n", "\n");
        assert!(!said.contains("use '-- "), "{refused}");
        let tip =
            said.lines().find(|line| line.trim_start().starts_with("tip: ")).unwrap_or_else(|| panic!("{refused}"));
        let way_out = tip.split("write '").nth(1).unwrap().trim_end_matches('\'');
        let (start, _) = line.split_once(" --").unwrap();
        let followed = repo.coord(&format!("{start} {way_out}"));
        assert_ne!(followed.code, Some(2), "{refused}{followed}");
    }
    let title = repo.coord("enqueue -x").ended_with(2);
    assert!(title.stderr.contains("tip: to pass '-x' as a value, use '-- -x'"), "{title}");
    repo.coord("enqueue -- -x").succeeded();
}

#[test]
fn a_task_is_named_with_or_without_the_name_of_its_hash() {
    let repo = Repo::new();
    let named = |line: &str, id: &str| repo.coord(&format!("{line} --json").replace("ID", id)).succeeded();
    let bare = || repo.enqueue("t").trim_start_matches("sha256:").to_string();
    for lines in [
        &["claim --run-id a", "heartbeat ID --run-id a", "complete ID --run-id a"][..],
        &["claim --run-id a", "fail-task ID --run-id a", "retry ID", "cancel-task ID --run-id a"],
        &[
            "claim --run-id a",
            "release ID --run-id a",
            "show ID",
            "enqueue child --after ID",
            "cancel-task ID --run-id a",
        ],
    ] {
        let id = bare();
        for line in lines {
            named(line, &id);
        }
        let waited = named("wait ID --timeout 1", &id).json();
        assert_eq!(waited["items"][0]["task_id"], format!("sha256:{id}"));
    }
}

#[test]
fn a_batch_may_begin_with_a_byte_order_mark_and_say_null_for_what_it_leaves_out() {
    let repo = Repo::new();
    let line = concat!(
        r#"{"title":"t","priority":null,"queue":null,"ttl_seconds":null,"run_id":null,"payload":null,"tags":null,"#,
        r#""max_attempts":null,"backoff_seconds":null,"backoff_max_seconds":null,"delay_seconds":null,"at":null,"#,
        r#""after":null,"if_parent_fails":null,"unique":null}"#
    );
    let enqueued = repo.coord_call("enqueue --batch - --json").input(format!("\u{feff}{line}\n")).run().succeeded();
    assert_eq!(enqueued.json()["enqueued"], 1);
    let exported = repo.coord("export").succeeded().stdout;
    let other = Repo::new();
    let imported = other.coord_call("import --json").input(format!("\u{feff}{exported}")).run().succeeded();
    assert_eq!(imported.json()["imported"], 1);
    let untitled = repo.coord_call("enqueue --batch -").input(r#"{"title":null}"#).run().ended_with(1);
    assert!(untitled.stderr.contains("title must be non-empty"), "{untitled}");
}

#[test]
fn what_to_do_if_a_parent_fails_is_refused_without_a_parent_in_a_flag_and_in_a_batch() {
    let repo = Repo::new();
    let line = r#"{"title":"t","if_parent_fails":"run"}"#;
    assert_snapshot!(transcript([
        repo.coord("enqueue t --if-parent-fails run"),
        repo.coord_call("enqueue --batch -").input(line).run(),
    ]), @"
    $ muse coord enqueue t --if-parent-fails run
    2> ❌ --if-parent-fails is for a task that waits for others: give --after too
    exit 1

    $ muse coord enqueue --batch -
    2> ❌ --batch line 1: if_parent_fails is for a task that waits for others: give after too
    exit 1
    ");
    assert!(!repo.path(".muse/coordination").exists());
}

#[test]
fn a_tag_that_is_too_long_for_any_task_is_refused_in_a_filter_for_that() {
    let repo = Repo::new();
    let long = "y".repeat(65);
    for line in
        ["claim --run-id a --tags", "claim --run-id a --any-tag", "claim --run-id a --exclude-tags", "tasks --tags"]
    {
        let refused = repo.coord(&format!("{line} ok,{long} --json")).ended_with(1);
        let message = format!("tag \"{long}\" is too long (65 characters; max 64): give its first 64 characters");
        assert_eq!(refused.text_of("error"), message);
    }
    repo.coord(&format!("claim --run-id a --tags {}", &long[1..])).ended_with(1);
}

/// A line, an option of it that takes a number or a time, and values that are out of its range but of the right form.
const OUT_OF_RANGE: [(&str, &str, &[&str]); 21] = [
    ("enqueue t", "--priority", &[]),
    ("enqueue t", "--ttl", &["0", "315360001", "9999999999999999d", "3651d"]),
    ("enqueue t", "--max-attempts", &["0", "1001"]),
    ("enqueue t --max-attempts 2", "--backoff", &["-1", "31d", "9999999999999999d", "1:31d"]),
    ("enqueue t", "--delay", &["-1", "315360001", "9999999999999999h"]),
    ("enqueue t", "--at", &["2200-01-01T00:00:00Z", "1969-12-31T23:59:59Z"]),
    ("claim --run-id a", "--claim-ttl", &["0", "86401", "2d"]),
    ("claim --run-id a", "--wait", &["-1", "3601", "2h"]),
    ("claim --run-id a", "--max", &["0", "100001"]),
    ("claim --run-id a", "--max-bytes", &[]),
    ("heartbeat ID --run-id a", "--claim-ttl", &["0", "86401"]),
    ("heartbeat ID --run-id a", "--progress", &["-1", "1.5"]),
    ("release ID --run-id a", "--delay", &["-1", "315360001"]),
    ("tasks", "--since", &["2200-01-01T00:00:00Z"]),
    ("tasks", "--ended-since", &["2200-01-01T00:00:00Z", "0001-01-01T00:00:00Z"]),
    ("tasks", "--limit", &["0", "10001"]),
    ("wait ID", "--timeout", &["-1", "315360001"]),
    ("stats", "--window", &["-1", "315360001"]),
    ("gc", "--older-than", &["-1", "315360001", "3651d"]),
    ("gc --older-than 1", "--keep-last", &["-1"]),
    ("limit q", "--max-in-flight", &["0", "-1", "4294967296"]),
];

#[test]
fn a_value_out_of_range_is_named_with_its_limits_and_ends_with_exit_code_1() {
    let repo = Repo::new();
    let beyond_64_bits = ["99999999999999999999", "-99999999999999999999"];
    for (line, option, values) in OUT_OF_RANGE {
        let is_time = values.first().is_some_and(|value| value.ends_with('Z'));
        let beyond = beyond_64_bits.iter().filter(|_| !is_time && option != "--progress");
        for value in values.iter().chain(beyond) {
            let line = line.replace("ID", NO_TASK) + &format!(" {option} {value} --json");
            let refused = repo.coord(&line).ended_with(1);
            let (error, status) = (refused.text_of("error"), refused.text_of("status"));
            let name = if is_time { "time" } else { option.trim_start_matches("--progress") };
            let shown = value.rsplit(':').next().filter(|_| option == "--backoff").unwrap_or(value);
            let shown = if shown.ends_with(|unit: char| unit.is_ascii_digit()) { shown } else { &shown[..0] };
            assert!(status == "bad_args" && error.contains(name), "{refused}");
            assert!(error.contains(" must be ") && error.contains(shown) && error.contains(", got "), "{refused}");
        }
    }
    assert!(!repo.path(".muse/coordination").exists(), "nothing was touched");
}

#[test]
fn every_option_that_takes_a_number_or_a_time_is_tried_out_of_its_range() {
    let repo = Repo::bare();
    for command in commands(&repo) {
        let help = repo.coord(&format!("{command} -h")).succeeded().stdout;
        let options = help.lines().filter_map(|line| line.trim_start().strip_prefix("--"));
        for (option, rest) in options.filter_map(|line| line.split_once(' ')) {
            let kinds = ["<N>", "<DURATION", "<TIME>", "<FRACTION>"];
            if kinds.iter().any(|kind| rest.starts_with(kind)) {
                let is_tried = |(line, tried, _): &(&str, &str, &[&str])| {
                    line.split(' ').next() == Some(command.as_str()) && tried.trim_start_matches('-') == option
                };
                assert!(OUT_OF_RANGE.iter().any(is_tried), "{command} --{option}");
            }
        }
    }
}

#[test]
fn help_fits_the_page_tells_a_commands_own_options_first_and_says_what_a_duration_and_a_time_are() {
    let repo = Repo::bare();
    for command in commands(&repo) {
        for flag in ["-h", "--help"] {
            let help = repo.coord(&format!("{command} {flag}")).succeeded();
            assert!(help.stdout.lines().all(|line| line.width() <= 100), "{help}");
            let (own, every) = help.stdout.split_once("\nOptions of every command:\n").unwrap();
            assert!(!["-j, --json", "--format <", "-h, --help"].iter().any(|option| own.contains(option)), "{help}");
            assert!(
                every.contains("-j, --json") && every.contains("--format <") && every.contains("-h, --help"),
                "{help}"
            );
            for (kind, told) in
                [("<DURATION", "DURATION is a number of seconds, or"), ("<TIME>", "TIME is a date and time")]
            {
                assert_eq!(own.contains(kind), every.contains(told), "{help}");
            }
        }
    }
}

#[test]
fn nothing_of_the_machine_shows_in_what_is_said_of_a_file_or_of_a_line() {
    let repo = Repo::new();
    let directory = || fs::File::open("/tmp").unwrap();
    let read = |line: &str| repo.coord_call(line).stdin(directory()).run().ended_with(1);
    let given = |line: &str, text: &str| repo.coord_call(line).input(text).run().ended_with(1);
    let told = [
        read("import"),
        read("enqueue --batch -"),
        repo.coord("enqueue --batch /tmp").ended_with(1),
        given("enqueue --batch -", r#"{"title":"t","priority":"5"}"#),
        given("enqueue --batch -", r#"{"title":"t","ttl_seconds":1.5}"#),
        given("enqueue --batch -", r#"{"title":"t","max_attempts":99999999999999999999}"#),
        given("enqueue --batch -", r#"{"title":["t"]}"#),
        given("enqueue --batch -", r#"{"title":"t","tags":"a"}"#),
        given("enqueue --batch -", r#"{"title":"t","after":[7]}"#),
        given("enqueue --batch -", r#"{"title":"t","if_parent_fails":"x"}"#),
        given("enqueue --batch -", r#"{"title":"t","if_parent_fails":"run"}"#),
        given("enqueue --batch -", r#"{"title":"\ud800"}"#),
        given("enqueue --batch -", r#"{"title":"t","payload":{"a":1e400}}"#),
        given("import", "[1]"),
        given("import", "{}"),
        given("import", r#"{"task_id":7}"#),
        given("import", r#"{"task_id":"x"}"#),
        given("import", "{\"task_id\":"),
    ];
    for outcome in &told {
        let machine = ["os error", "expected i64", "struct", "invalid type", "u32", "borrowed", "what to do if"];
        assert!(!machine.iter().any(|word| outcome.stderr.contains(word)), "{outcome}");
    }
    let said: Vec<String> = told.iter().map(|outcome: &Outcome| outcome.stderr.trim_end().to_string()).collect();
    assert_snapshot!(said.join("\n"), @r#"
    ❌ line 1: cannot read standard input: I/O error; give a file or a pipe with lines of JSON; the 0 line(s) before it are imported, and are skipped if you import everything again
    ❌ cannot read --batch: I/O error; give a file or a pipe with lines of JSON
    ❌ cannot read "/tmp": is a directory; name a file that can be read, or - for standard input
    ❌ --batch line 1: priority must be a whole number between -9223372036854775808 and 9223372036854775807, got "5"
    ❌ --batch line 1: ttl_seconds must be a whole number between 1 and 315360000, got 1.5
    ❌ --batch line 1: max_attempts must be a whole number between 1 and 1000, got 99999999999999999999
    ❌ --batch line 1: title must be a string, got ["t"]
    ❌ --batch line 1: tags must be a list of strings, got "a"
    ❌ --batch line 1: after must be a list of strings, got [7]
    ❌ --batch line 1: if_parent_fails must be block, cancel or run, got "x"
    ❌ --batch line 1: if_parent_fails is for a task that waits for others: give after too
    ❌ --batch line 1: column 17: a string holds half a character (a lone surrogate): give both halves
    ❌ --batch line 1: invalid payload: a number is beyond 1.8e308, which JSON parsers cannot hold, at line 1 column 10: give it as a string
    ❌ line 1: not a line that `export` prints: it must be a JSON object; the 0 line(s) before it are imported, and are skipped if you import everything again
    ❌ line 1: not a line that `export` prints: task_id is missing; the 0 line(s) before it are imported, and are skipped if you import everything again
    ❌ line 1: not a line that `export` prints: task_id must be a task id, got 7; the 0 line(s) before it are imported, and are skipped if you import everything again
    ❌ line 1: not a line that `export` prints: task_id must be a task id, got "x"; the 0 line(s) before it are imported, and are skipped if you import everything again
    ❌ line 1: not a line that `export` prints: column 11: EOF while parsing a value; the 0 line(s) before it are imported, and are skipped if you import everything again
    "#);
}
