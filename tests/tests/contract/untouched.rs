//! What a command line that is refused, or asks for help, leaves alone: the directory, the file to read, the
//! environment.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use coord_tests::Repo;

use crate::NO_TASK;

#[test]
fn what_is_refused_or_asks_for_help_touches_no_file_and_needs_no_directory() {
    let lines: [(&str, i32); 20] = [
        ("", 2),
        ("help", 0),
        ("--help", 0),
        ("--version", 0),
        ("coord", 2),
        ("coord help", 0),
        ("coord help claim", 0),
        ("coord --help", 0),
        ("coord claim --help", 0),
        ("coord bogus", 2),
        ("coord --schema claim", 0),
        ("coord completions bash", 0),
        ("coord init --bogus", 2),
        ("coord tasks --limit 0", 1),
        ("coord tasks --limit 0 --json", 1),
        ("coord enqueue t --queue a/b", 1),
        ("coord claim --run-id a --max 0", 1),
        ("coord show x", 1),
        ("coord stats --prometheus --json", 1),
        ("coord limit q --max-in-flight 0", 1),
    ];
    let (fresh, unusable) = (Repo::new(), Repo::new());
    fs::write(unusable.path(".muse/coordination"), "not a directory").unwrap();
    for (line, code) in lines {
        for repo in [&fresh, &unusable] {
            let outcome = repo.muse(line.split_whitespace()).ended_with(code);
            assert!(!(outcome.stdout + &outcome.stderr).contains("coordination directory \""), "{line}");
        }
        assert!(!fresh.path(".muse/coordination").exists(), "{line}");
    }
    assert_eq!(fs::read(unusable.path(".muse/coordination")).unwrap(), b"not a directory");
    let refused = unusable.coord("tasks --json").ended_with(1);
    assert_eq!(refused.text_of("status"), "io_error");
    fresh.coord("tasks").succeeded();
    assert!(fresh.path(".muse/coordination").is_dir());
}

#[test]
fn a_file_is_opened_only_once_everything_else_that_was_typed_is_right() {
    let repo = Repo::new();
    for line in ["enqueue --batch /nonexistent --bogus", "complete x --run-id a --enqueue /nonexistent --bogus"] {
        let outcome = repo.coord(line).ended_with(2);
        assert!(outcome.stderr.contains("unexpected argument '--bogus'"), "{outcome}");
    }
    for line in ["enqueue --run-id= --batch /nonexistent", "complete x --run-id a --enqueue /nonexistent"] {
        let outcome = repo.coord(&format!("{line} --json")).ended_with(1);
        assert!(!outcome.text_of("error").contains("nonexistent"), "{outcome}");
    }
    for line in ["enqueue --batch /nonexistent", &format!("complete {NO_TASK} --run-id a --enqueue /nonexistent")] {
        let outcome = repo.coord(&format!("{line} --json")).ended_with(1);
        let error = outcome.text_of("error");
        assert!(
            error.starts_with("cannot read \"/nonexistent\": ") && outcome.text_of("status") == "io_error",
            "{error}"
        );
    }
    assert!(!repo.path(".muse/coordination").exists());
}

#[test]
fn a_run_id_that_is_not_utf_8_matters_only_where_nothing_else_says_who_acts() {
    let repo = Repo::new();
    let named = |line: &str| repo.coord_call(line).env("MUSE_RUN_ID", OsStr::from_bytes(b"caf\xe9")).run();
    for line in ["--help", "claim --help", "tasks", "enqueue t --run-id a", "claim --run-id a", "completions bash"] {
        named(line).succeeded();
    }
    named("tasks --limit 0").ended_with(1);
    for line in ["claim", "enqueue t", "heartbeat x"] {
        let refused = named(&format!("{line} --json")).ended_with(2);
        let error =
            "the value of MUSE_RUN_ID is not valid UTF-8: \"caf\\xE9\"; set it to valid UTF-8, or give --run-id";
        assert_eq!(refused.text_of("error"), error);
    }
    assert_eq!(repo.tasks()["total"], 1);
    let other = repo.coord_call("--help").env("MUSE_COORD_SYNC", OsStr::from_bytes(b"\xff")).run();
    assert_eq!(other.code, Some(0));
    repo.coord_call("tasks").env("MUSE_COORD_SYNC", OsStr::from_bytes(b"\xff")).run().ended_with(1);
}
