//! Values that are no good: JSON, names, ids, and characters that act on a terminal.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;

use coord_tests::{Outcome, Repo, transcript};
use insta::assert_snapshot;
use muse_terminal::{Piece, pieces};

use crate::Bystanders;

/// What a terminal would act on, and what nobody would see there: controls, overrides of the writing direction, tags; a
/// zero-width space, a soft hyphen, fillers, selectors of variations, a letter for private use; a mark on nothing.
const NASTY: &str = "\u{301}a\u{1b}[31mred\u{7}\u{1b}]0;title\u{7}\u{9b}2J\u{7f}\r\u{202e}\u{2066}\u{200f}\u{e0041}\
                     \u{200b}\u{ad}\u{3164}\u{115f}\u{fe0f}\u{e0101}\u{e000}b";

#[test]
fn json_that_is_none_is_refused_with_the_place_or_the_reason() {
    let repo = Repo::new();
    let bystanders = Bystanders::of(&repo);
    let bad = [
        "",
        "{",
        "{'a':1}",
        r#"{"a":1,}"#,
        r#"{"a":1} {}"#,
        r#"{"a":NaN}"#,
        r#"{"a":01}"#,
        r#"{"a":1e999}"#,
        r#"{"a":"\x41"}"#,
        "{\"a\":\"\u{1}\"}",
        r#"{"a":"\ud800"}"#,
        r#"{"a":"\udc00\ud800"}"#,
        "[]",
        r#"[{"a":1}]"#,
        "7",
        "null",
        "true",
        r#""{}""#,
    ];
    assert_snapshot!(transcript(bad.map(|payload| enqueued(&repo, payload).ended_with(1))), @r#"
    $ muse coord enqueue t --payload ''
    2> ❌ invalid --payload: not JSON: EOF while parsing a value at line 1 column 0
    exit 1

    $ muse coord enqueue t --payload '{'
    2> ❌ invalid --payload: not JSON: EOF while parsing an object at line 1 column 1
    exit 1

    $ muse coord enqueue t --payload '{'a':1}'
    2> ❌ invalid --payload: not JSON: key must be a string at line 1 column 2
    exit 1

    $ muse coord enqueue t --payload '{"a":1,}'
    2> ❌ invalid --payload: not JSON: trailing comma at line 1 column 8
    exit 1

    $ muse coord enqueue t --payload '{"a":1} {}'
    2> ❌ invalid --payload: not JSON: trailing characters at line 1 column 9
    exit 1

    $ muse coord enqueue t --payload '{"a":NaN}'
    2> ❌ invalid --payload: not JSON: expected value at line 1 column 6
    exit 1

    $ muse coord enqueue t --payload '{"a":01}'
    2> ❌ invalid --payload: not JSON: invalid number at line 1 column 7
    exit 1

    $ muse coord enqueue t --payload '{"a":1e999}'
    2> ❌ invalid --payload: a number is beyond 1.8e308, which JSON parsers cannot hold, at line 1 column 10: give it as a string
    exit 1

    $ muse coord enqueue t --payload '{"a":"\x41"}'
    2> ❌ invalid --payload: not JSON: invalid escape at line 1 column 8
    exit 1

    $ muse coord enqueue t --payload '{"a":"\u{1}"}'
    2> ❌ invalid --payload: not JSON: control character (\u0000-\u001F) found while parsing a string at line 1 column 7
    exit 1

    $ muse coord enqueue t --payload '{"a":"\ud800"}'
    2> ❌ invalid --payload: a string holds half a character (a lone surrogate) at line 1 column 13: give both halves
    exit 1

    $ muse coord enqueue t --payload '{"a":"\udc00\ud800"}'
    2> ❌ invalid --payload: a string holds half a character (a lone surrogate) at line 1 column 12: give both halves
    exit 1

    $ muse coord enqueue t --payload '[]'
    2> ❌ invalid --payload: it must be a JSON object like {"key": 1}, not an array
    exit 1

    $ muse coord enqueue t --payload '[{"a":1}]'
    2> ❌ invalid --payload: it must be a JSON object like {"key": 1}, not an array
    exit 1

    $ muse coord enqueue t --payload 7
    2> ❌ invalid --payload: it must be a JSON object like {"key": 1}, not a number
    exit 1

    $ muse coord enqueue t --payload null
    2> ❌ invalid --payload: it must be a JSON object like {"key": 1}, not null
    exit 1

    $ muse coord enqueue t --payload true
    2> ❌ invalid --payload: it must be a JSON object like {"key": 1}, not a boolean
    exit 1

    $ muse coord enqueue t --payload '"{}"'
    2> ❌ invalid --payload: it must be a JSON object like {"key": 1}, not a string
    exit 1
    "#);
    for payload in bad {
        let refused = repo.muse(["coord", "enqueue", "t", "--json", "--payload", payload]).ended_with(1);
        assert_eq!(refused.text_of("status"), "bad_payload");
    }
    bystanders.are_unharmed(&repo);
}

#[test]
fn one_name_twice_in_an_object_is_refused_for_readers_would_differ_on_its_value() {
    let repo = Repo::new();
    let bystanders = Bystanders::of(&repo);
    for payload in [r#"{"a":1,"a":2}"#, r#"{"a":[{"b":1,"c":2,"b":1}]}"#, r#"{"a":1,"\u0061":2}"#] {
        let refused = repo.muse(["coord", "enqueue", "t", "--json", "--payload", payload]).ended_with(1);
        assert_eq!(refused.text_of("status"), "bad_payload");
    }
    bystanders.are_unharmed(&repo);
}

#[test]
fn json_is_taken_as_deep_as_the_message_says_and_no_deeper() {
    let repo = Repo::new();
    let bystanders = Bystanders::of(&repo);
    for (open, close) in [("{\"a\":", "}"), ("[", "]")] {
        let nested = |levels: usize| format!("{{\"a\":{}1{}}}", open.repeat(levels - 1), close.repeat(levels - 1));
        let refused = enqueued(&repo, &nested(129)).ended_with(1);
        let limit = refused.stderr.split_once("max ").unwrap().1.split(' ').next().unwrap().parse().unwrap();
        assert_eq!(refused.stderr, format!("❌ invalid --payload: nested too deep (max {limit} levels)\n"));
        enqueued(&repo, &nested(limit + 1)).ended_with(1);
        enqueued(&repo, &nested(10_000)).ended_with(1);

        enqueued(&repo, &nested(limit)).succeeded();
        let claimed = repo.coord("claim --run-id a --queue default --json").succeeded();
        assert!(claimed.stdout.contains(&nested(limit)), "{claimed}");
        let words = ["coord", "complete", &task_id(&claimed), "--run-id", "a", "--result", &nested(limit)];
        repo.muse(words).succeeded();
        assert!(repo.coord("tasks --json").succeeded().stdout.contains(&format!("\"result\":{}", nested(limit))));
    }
    bystanders.are_unharmed(&repo);
}

fn enqueued(repo: &Repo, payload: &str) -> Outcome {
    repo.muse(["coord", "enqueue", "t", "--payload", payload])
}

#[test]
fn a_value_that_looks_like_a_path_is_refused_wherever_a_name_is_wanted() {
    let repo = Repo::new();
    let bystanders = Bystanders::of(&repo);
    let hex = "0".repeat(64);
    let ids = ["../../etc/passwd", "/etc/passwd", ".", "", "sha256:", "sha256:../x", &hex[1..]].map(String::from);
    let upper = "A".repeat(64);
    let spoilt =
        [format!("sha256:{hex}0"), format!("{hex}0"), format!("sha256:{upper}"), upper, format!("SHA256:{hex}")];
    let queues = ["../x", "/tmp", ".", "..", "a/b", "a\\b", "a b", "a.b", "é", "%2e%2e", "a\n"];
    for queue in queues {
        for command in [&["enqueue", "t"][..], &["claim", "--run-id", "a"], &["tasks"]] {
            let words = ["coord"].iter().chain(command).chain(&["--json", "--queue"]).chain([&queue]);
            assert_eq!(repo.muse(words).ended_with(1).text_of("status"), "bad_queue", "{queue}");
        }
    }
    for id in ids.iter().chain(&spoilt) {
        for command in ["heartbeat", "complete", "fail-task", "release", "cancel-task"] {
            let refused = repo.muse(["coord", command, id, "--run-id", "a", "--json"]).ended_with(1);
            assert_eq!(refused.text_of("status"), "bad_task_id", "{id}");
        }
    }
    for nonce in ["../x", "", "0123456789ABCDEF", "0123456789abcdef0"] {
        let id = format!("sha256:{hex}");
        let words = ["coord", "complete", &id, "--run-id", "a", "--json", "--claim-nonce", nonce];
        assert_eq!(repo.muse(words).ended_with(1).text_of("status"), "bad_args", "{nonce}");
    }
    bystanders.are_unharmed(&repo);
}

#[test]
fn a_run_id_that_looks_like_a_path_is_just_a_run_id() {
    let repo = Repo::new();
    let bystanders = Bystanders::of(&repo);
    for run_id in ["../../x", "/etc/passwd", ".", "..", "~0123456789abcdef0123", "%2e%2e", "a b\tc\n", "-r"] {
        let id = repo.enqueue("t");
        let claim =
            repo.muse(["coord", "claim", "--queue", "default", "--json", &format!("--run-id={run_id}")]).succeeded();
        assert_eq!(claim.text_of("claimer_run_id"), run_id);
        repo.muse(["coord", "complete", &id, &format!("--run-id={run_id}")]).succeeded();
    }
    bystanders.are_unharmed(&repo);
}

#[test]
fn nothing_in_any_answer_acts_on_a_terminal_and_json_still_means_what_was_given() {
    let repo = Repo::new();
    let bystanders = Bystanders::of(&repo);
    let payload = "{\"a\":\"\u{9b}\u{202e}\u{e0041}\"}";
    let enqueue = ["coord", "enqueue", NASTY, "--tags", NASTY, "--run-id", NASTY, "--payload", payload];
    let [first, second] = [(); 2].map(|()| {
        let json = harmless(repo.muse(enqueue.iter().chain(&["--json"])));
        let task = json.json();
        assert_eq!(
            (&task["title"], &task["tags"][0], &task["created_by"]),
            (&NASTY.into(), &NASTY.into(), &NASTY.into())
        );
        task_id(&json)
    });
    harmless(repo.muse(enqueue));
    let by = |command: &[&str]| {
        let words: Vec<&str> = ["coord"].iter().chain(command).chain(&["--run-id", NASTY]).copied().collect();
        let json = harmless(repo.muse(words.iter().chain(&["--json"])));
        assert_eq!(json.text_of("claimer_run_id"), NASTY);
        harmless(repo.muse(&words))
    };
    by(&["claim", "--queue", "default"]);
    by(&["heartbeat", &first]);
    let wrong_owner = ["coord", "complete", &first, "--run-id", "other"];
    harmless(repo.muse(wrong_owner));
    assert!(harmless(repo.muse(wrong_owner.iter().chain(&["--json"]))).text_of("error").contains("\\u{1b}"));
    harmless(repo.muse(["coord", "tasks"]));
    assert_eq!(harmless(repo.muse(["coord", "tasks", "--json"])).json()["items"][3]["title"], NASTY);
    harmless(repo.muse(["coord", "tasks", "--run-id", NASTY]));
    harmless(repo.muse(["coord", "complete", &first, "--run-id", NASTY, "--result", payload]));
    harmless(repo.muse(["coord", "fail-task", &second, "--run-id", NASTY, "--error", NASTY]));
    harmless(repo.muse(["coord", "tasks"]));
    harmless(repo.muse(["coord", "cancel-task", &second, "--run-id", "a"]));
    bystanders.are_unharmed(&repo);
}

#[test]
fn nothing_in_any_complaint_acts_on_a_terminal() {
    let repo = Repo::new();
    let flag = format!("--{NASTY}");
    let root = repo.path(NASTY);
    for words in [
        &["enqueue", "t", "--queue", NASTY][..],
        &["enqueue", "t", "--payload", NASTY],
        &["enqueue", "t", "--priority", NASTY],
        &["enqueue", "t", &flag],
        &["enqueue", "t", NASTY],
        &["claim", "--run-id", "a", "--queue", NASTY],
        &["complete", NASTY, "--run-id", "a"],
        &["complete", "sha256:", "--run-id", "a", "--claim-nonce", NASTY],
        &["tasks", "--status", NASTY],
        &["tasks", "--format", NASTY],
        &[NASTY],
    ] {
        for format in [&[][..], &["--json"]] {
            let refused = harmless(repo.muse(["coord"].iter().chain(words).chain(format)));
            assert!(matches!(refused.code, Some(1 | 2)), "{refused}");
        }
    }
    for line in ["tasks", "tasks --json", "init", "init --json", "tasks"] {
        harmless(repo.coord_call(line).env("MUSE_REPO_ROOT", &root).run());
        harmless(repo.coord_call(line).env("MUSE_COORD_SYNC", NASTY).run());
    }
}

#[test]
fn an_argument_or_variable_that_is_not_utf_8_is_wrong_usage() {
    let repo = Repo::new();
    let bystanders = Bystanders::of(&repo);
    let latin = OsStr::from_bytes(b"caf\xe9");
    let words =
        |words: &[&str]| -> Vec<OsString> { words.iter().map(OsString::from).chain([latin.to_owned()]).collect() };
    let run_id = repo.coord_call("claim").env("MUSE_RUN_ID", latin).run();
    assert_snapshot!(transcript([
        repo.muse(words(&["coord", "enqueue"])),
        repo.muse(words(&["coord", "claim", "--run-id"])),
        run_id,
    ]), @r#"
    $ muse coord enqueue 'caf�'
    2> ❌ argument 3 is not valid UTF-8: "caf\xE9"; write it as UTF-8
    exit 2

    $ muse coord claim --run-id 'caf�'
    2> ❌ argument 4 is not valid UTF-8: "caf\xE9"; write it as UTF-8
    exit 2

    $ MUSE_RUN_ID='caf�' muse coord claim
    2> error: the value of MUSE_RUN_ID is not valid UTF-8: "caf\xE9"; set it to valid UTF-8, or give --run-id
    exit 2
    "#);
    let refused = repo.muse(words(&["coord", "enqueue", "--json"])).ended_with(2).json();
    assert_eq!(
        (&refused["status"], &refused["exit_code"], &refused["schema"]),
        (&"bad_args".into(), &2.into(), &1.into())
    );
    bystanders.are_unharmed(&repo);
}

#[test]
fn a_setting_that_is_no_setting_is_refused_before_anything_is_done() {
    let repo = Repo::new();
    let bystanders = Bystanders::of(&repo);
    let nonsense = |line: &str| repo.coord_call(line).env("MUSE_COORD_SYNC", "nonsense").run();
    assert_snapshot!(transcript([nonsense("enqueue t"), nonsense("claim --run-id a --json"), nonsense("tasks")]), @r#"
    $ MUSE_COORD_SYNC=nonsense muse coord enqueue t
    2> ❌ MUSE_COORD_SYNC must be on, posix or off, not "nonsense"
    exit 1

    $ MUSE_COORD_SYNC=nonsense muse coord claim --run-id a --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"MUSE_COORD_SYNC must be on, posix or off, not \"nonsense\"","status":"bad_args","warnings":[]}
    exit 1

    $ MUSE_COORD_SYNC=nonsense muse coord tasks
    2> ❌ MUSE_COORD_SYNC must be on, posix or off, not "nonsense"
    exit 1
    "#);
    for fine in ["on", "off", ""] {
        repo.coord_call("claim --run-id a --queue none").env("MUSE_COORD_SYNC", fine).run().ended_with(1);
    }
    bystanders.are_unharmed(&repo);
}

fn harmless(outcome: Outcome) -> Outcome {
    for output in [&outcome.stdout, &outcome.stderr] {
        let hidden = pieces(output).find(|piece| matches!(piece, Piece::Hidden(c) if *c != '\n'));
        assert_eq!(hidden, None, "in {output:?}");
    }
    outcome
}

fn task_id(answer: &Outcome) -> String {
    answer.text_of("task_id")
}
