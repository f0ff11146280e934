//! Every command line gets an answer: one of the three exit codes, one of the documented codes, nothing that acts on a
//! terminal, and no panic. The command runs where there is no repository, so no file is touched, and what parses ends
//! where its directory would be opened: with all its values checked.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::process::{Command, Output};

use muse_terminal::{Piece, pieces};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use serde_json::Value;

#[test]
fn any_words_get_an_answer() {
    let empty = tempfile::tempdir().unwrap();
    check((vec(word(), 0..8), environment()), |(words, environment)| {
        let output = muse(empty.path(), &words, &environment);
        assert_answered(&output);
        let asked_for = |word: &OsString| {
            let letters = word.as_bytes();
            let short =
                letters.starts_with(b"-") && !letters.starts_with(b"--") && letters.iter().any(|c| b"hV".contains(c));
            let others = ["help", "--help", "--version", "completions", "--schema"];
            short || others.map(OsStr::new).contains(&word.as_os_str()) || letters.starts_with(b"--schema=")
        };
        assert!(output.status.code() != Some(0) || words.iter().any(asked_for), "nothing can have been done");
    });
}

#[test]
fn any_values_are_checked_before_a_directory_is_opened() {
    let empty = tempfile::tempdir().unwrap();
    check((call(), environment()), |(mut words, environment)| {
        words.insert(1, "--json".into());
        let output = muse(empty.path(), &words, &environment);
        assert_answered(&output);
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["exit_code"].as_i64(), output.status.code().map(i64::from));
        let status = answer["status"].as_str().unwrap();
        assert!(
            ["bad_args", "bad_queue", "bad_payload", "bad_task_id", "not_a_repository"].contains(&status),
            "{answer}"
        );
        assert!(output.stderr.is_empty() && output.stdout.iter().filter(|&&byte| byte == b'\n').count() == 1);
    });
}

/// Tries `property` on eight times as many values as `PROPTEST_CASES` says, whose default is 256.
fn check<S: Strategy>(strategy: S, property: impl Fn(S::Value)) {
    let usual = ProptestConfig::default();
    let cases = usual.cases.saturating_mul(8);
    let config = ProptestConfig { cases, failure_persistence: None, max_local_rejects: u32::MAX, ..usual };
    let holds = TestRunner::new(config).run(&strategy, |value| {
        property(value);
        Ok(())
    });
    holds.unwrap_or_else(|broken| panic!("{broken}"));
}

fn muse(directory: &Path, words: &[OsString], environment: &[(&str, OsString)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_muse-cli"));
    command.current_dir(directory).args(words).env_clear();
    let output = command.envs(environment.iter().map(|(name, value)| (name, value))).output().unwrap();
    assert_eq!(directory.read_dir().unwrap().count(), 0, "a file was made");
    output
}

fn assert_answered(output: &Output) {
    let said = [&output.stdout, &output.stderr].map(|said| String::from_utf8(said.clone()).unwrap());
    assert!(matches!(output.status.code(), Some(0..=2)), "{} {said:?}", output.status);
    assert!(!said.concat().trim().is_empty(), "no answer");
    for text in said {
        let hidden = pieces(&text).find(|piece| matches!(piece, Piece::Hidden(c) if *c != '\n'));
        assert_eq!(hidden, None, "{text:?}");
    }
}

const COMMANDS: [&str; 21] = [
    "init",
    "enqueue",
    "claim",
    "heartbeat",
    "complete",
    "fail-task",
    "release",
    "cancel-task",
    "retry",
    "show",
    "tasks",
    "wait",
    "watch",
    "stats",
    "pause",
    "resume",
    "limit",
    "gc",
    "export",
    "import",
    "completions",
];

const FLAGS: [&str; 45] = [
    "--priority",
    "--queue",
    "--ttl",
    "--run-id",
    "--payload",
    "--tags",
    "--claim-ttl",
    "--wait",
    "--result",
    "--error",
    "--claim-nonce",
    "--status",
    "--limit",
    "--max-bytes",
    "--fields",
    "--schema",
    "--force",
    "--format",
    "--json",
    "--max-attempts",
    "--backoff",
    "--delay",
    "--at",
    "--after",
    "--if-parent-fails",
    "--unique",
    "--batch",
    "--any-tag",
    "--exclude-tags",
    "--max",
    "--progress",
    "--note",
    "--enqueue",
    "--final",
    "--request",
    "--reason",
    "--since",
    "--ended-since",
    "--sort",
    "--cursor",
    "--watch",
    "--timeout",
    "--window",
    "--max-in-flight",
    "--older-than",
];

/// A call of one command with values for what it takes.
fn call() -> impl Strategy<Value = Vec<OsString>> {
    let takes: [(&str, &[&str]); 18] = [
        ("enqueue", &["", "--priority", "--queue", "--ttl", "--run-id", "--payload", "--tags"]),
        ("enqueue", &["", "--run-id", "--max-attempts", "--backoff", "--delay", "--after", "--unique"]),
        ("enqueue", &["--batch", "--run-id"]),
        ("claim", &["--run-id", "--queue", "--claim-ttl", "--wait", "--tags", "--any-tag", "--max", "--max-bytes"]),
        ("heartbeat", &["", "--run-id", "--claim-ttl", "--claim-nonce", "--progress", "--note"]),
        ("complete", &["", "--run-id", "--result", "--claim-nonce", "--enqueue"]),
        ("fail-task", &["", "--run-id", "--error", "--claim-nonce"]),
        ("release", &["", "--run-id", "--claim-nonce", "--delay"]),
        ("cancel-task", &["", "--run-id", "--reason"]),
        ("retry", &[""]),
        ("show", &[""]),
        ("tasks", &["--status", "--queue", "--run-id", "--limit", "--tags", "--since", "--cursor", "--fields"]),
        ("wait", &["", "--timeout"]),
        ("watch", &["--queue", "--tags"]),
        ("stats", &["--window"]),
        ("pause", &[""]),
        ("limit", &["", "--max-in-flight"]),
        ("gc", &["--older-than", "--keep-last"]),
    ];
    let values = vec(proptest::option::weighted(0.8, value()), 8);
    (select(takes.to_vec()), values).prop_map(|((command, flags), values)| {
        let mut words: Vec<OsString> = vec!["coord".into(), command.into()];
        for (flag, value) in flags.iter().zip(values) {
            match (*flag, value) {
                (_, None) => {}
                ("", Some(value)) => words.push(value),
                // Joined, so that a value may look like a flag.
                (flag, Some(value)) => words.push([OsStr::new(flag), OsStr::new("="), &value].into_iter().collect()),
            }
        }
        words
    })
}

fn word() -> impl Strategy<Value = OsString> {
    let others =
        ["coord", "help", "-h", "--help", "-V", "--version", "-j", "--format=json", "--", "-", "--no-such", "-x"];
    prop_oneof![
        3 => Just(OsString::from("coord")),
        3 => select(COMMANDS.to_vec()).prop_map(OsString::from),
        4 => select(FLAGS.to_vec()).prop_map(OsString::from),
        2 => select(others.to_vec()).prop_map(OsString::from),
        3 => value(),
        1 => (select(FLAGS.to_vec()), value()).prop_map(|(flag, value)| {
            [OsStr::new(flag), OsStr::new("="), &value].into_iter().collect()
        }),
    ]
}

/// Something good for one flag or another, or for none.
fn value() -> BoxedStrategy<OsString> {
    let id = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    let good = [
        id,
        "agent-7",
        "default",
        "{}",
        "{\"a\":[1.50]}",
        "a,b",
        "000000000000feed",
        "pending",
        "json",
        "60",
        "1",
        "bash",
        "title,tags",
        "7d",
        "-",
    ];
    let odd = [
        "",
        " ",
        "-1",
        "9223372036854775808",
        "{\"a\":1,\"a\":2}",
        "[",
        "\u{1b}[31m",
        "a\u{202e}b\r\n\u{9b}",
        "..",
        "--",
    ];
    let deep = "[".repeat(200);
    prop_oneof![
        6 => select(good.to_vec()).prop_map(OsString::from),
        3 => select(odd.to_vec()).prop_map(OsString::from),
        2 => vec(any::<char>().prop_filter("no word holds NUL", |c| *c != '\0'), 0..20)
            .prop_map(|chars| String::from_iter(chars).into()),
        2 => vec(1_u8.., 0..20).prop_map(OsString::from_vec),
        1 => any::<i64>().prop_map(|number| number.to_string().into()),
        1 => select(vec![64_usize, 65, 256, 257, 512, 513, 4_097, 60_000]).prop_map(|times| "é".repeat(times).into()),
        1 => Just(OsString::from(format!("{{\"a\":{deep}"))),
    ]
    .boxed()
}

fn environment() -> impl Strategy<Value = Vec<(&'static str, OsString)>> {
    let name = select(vec!["MUSE_RUN_ID", "COLUMNS", "MUSE_COORD_SYNC", "MUSE_REPO_ROOT"]);
    vec((name, value()), 0..3)
}
