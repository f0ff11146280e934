//! What the system does not give: devices, streams, open files, memory, a directory to work in. `muse` says so, or does
//! without; it never panics, and no signal ends it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use coord_tests::{Outcome, Repo, report};

/// Every way to start a process with standard streams that are closed.
const CLOSED: [&str; 8] = ["", "<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-"];

fn has_no_stdout(closed: &str) -> bool {
    closed.split(' ').any(|closed| closed == ">&-")
}

/// Exit code 0, or another of the contract with something said. Never that of a panic or of a signal.
#[track_caller]
fn works_or_says_why(outcome: &Outcome) {
    match outcome.code {
        Some(0) => {}
        Some(1 | 2) => assert!(!format!("{}{}", outcome.stdout, outcome.stderr).is_empty(), "{outcome}"),
        _ => panic!("{outcome}"),
    }
    assert!(!outcome.stderr.contains("panicked"), "{outcome}");
}

#[test]
fn muse_needs_nothing_but_the_directory_in_which_it_works() {
    let repo = Repo::new();
    fs::create_dir_all(repo.path("root/repo/.muse")).unwrap();
    let chroot = r#"
        cp "$MUSE" root/muse
        chroot=chroot
        [ "$(id -u)" = 0 ] || chroot="unshare --map-root-user chroot"
        export MUSE_REPO_ROOT=/repo
    "#;
    let tried = repo.shell(&format!("{chroot} $chroot root /muse --version"));
    if tried.code != Some(0) && (tried.stderr.contains("unshare: ") || tried.stderr.contains("/muse': No such file")) {
        // Without leave to change the root, or with a program that needs a C library beside it.
        report(format_args!("NOT RUN: muse in an empty root directory: {}", tried.stderr.trim()));
        return;
    }
    for line in ["--version", "--help", "coord enqueue t --json", "coord claim --run-id a --json", "coord tasks"] {
        repo.shell(&format!("{chroot} $chroot root /muse {line}")).succeeded();
    }
    for closed in CLOSED {
        for line in ["--version", "coord enqueue t --json", "coord tasks"] {
            let outcome = repo.shell(&format!("{chroot} exec $chroot root /muse {line} {closed}"));
            assert_eq!(outcome.code, Some(i32::from(has_no_stdout(closed))), "{closed}\n{outcome}");
        }
    }
    assert!(!repo.path("root/dev").exists());
}

#[test]
fn a_stream_that_is_closed_takes_no_answer_and_no_file_in_its_place() {
    let repo = Repo::new();
    repo.enqueue("t");
    for closed in CLOSED {
        for line in ["coord enqueue more --json", "coord tasks --json", "coord claim --run-id a", "--version"] {
            let outcome = repo.shell(&format!(r#""$MUSE" {line} {closed}"#));
            let is_lost = has_no_stdout(closed);
            assert_eq!(outcome.code, Some(i32::from(is_lost)), "{closed}\n{outcome}");
            if is_lost && !closed.contains("2>&-") {
                assert!(outcome.stderr.starts_with("❌ the answer could not be written to stdout ("), "{outcome}");
            }
        }
    }
    // An output that is open the wrong way round takes no answer, either.
    repo.shell(r#""$MUSE" coord tasks 1< /dev/null"#).ended_with(1);
    assert_eq!(repo.coord("doctor --json").succeeded().json()["healthy"], true);
}

#[test]
fn what_is_read_from_a_closed_standard_input_is_nothing() {
    let repo = Repo::new();
    works_or_says_why(&repo.shell(r#""$MUSE" coord import <&-"#));
    works_or_says_why(&repo.shell(r#""$MUSE" coord enqueue --batch - <&-"#));
    fs::write(repo.path("batch"), r#"{"title":"t"}"#).unwrap();
    repo.shell(r#""$MUSE" coord enqueue --batch batch <&-"#).succeeded();
}

#[test]
fn a_claim_whose_answer_reaches_nobody_is_taken_back() {
    let repo = Repo::new();
    let ids = [repo.enqueue("first"), repo.enqueue("second")];
    for unread in [">&-", "1< /dev/null", "> /dev/full"] {
        for options in ["", "--json", "--max 2", "--max 5 --json", "--wait 1 --json"] {
            let lost = repo.shell(&format!(r#""$MUSE" coord claim --run-id a {options} {unread}"#)).ended_with(1);
            let said = "❌ the answer could not be written to stdout (";
            assert!(lost.stderr.starts_with(said) && lost.stderr.lines().count() == 1, "{lost}");
            let reason = if unread == "> /dev/full" { "(No space left on device)" } else { "(Broken pipe)" };
            assert!(
                lost.stderr.contains(&format!("{reason}; the claim was undone, and any agent can claim ")),
                "{lost}"
            );
            let named = ids.iter().filter(|id| lost.stderr.contains(id.as_str())).count();
            // The next one is not claimed before the first is printed.
            assert_eq!(named, 1, "{lost}");
            let tasks = repo.tasks();
            for task in tasks["items"].as_array().unwrap() {
                assert_eq!((&task["status"], &task["attempt"]), (&"pending".into(), &0.into()), "{tasks}");
            }
        }
    }
    // The lease is to be had at once, and is no second attempt.
    let claimed = repo.coord("claim --run-id b --json").succeeded().json();
    assert_eq!((&claimed["task_id"], &claimed["attempt"]), (&ids[0].as_str().into(), &1.into()));
}

#[test]
fn few_open_files_are_enough_or_named_as_what_is_wrong() {
    let repo = Repo::new();
    repo.enqueue("t");
    for files in 3..=32 {
        for line in ["enqueue t --json", "claim --run-id a", "tasks", "doctor --json", "init", "--help"] {
            let outcome = repo.shell(&format!(r#"ulimit -n {files}; exec "$MUSE" coord {line}"#));
            works_or_says_why(&outcome);
            let said = format!("{}{}", outcome.stdout, outcome.stderr);
            let says_why = said.contains("too many files are open") || said.contains("Too many open files");
            if outcome.code != Some(0) {
                assert!(says_why && said.contains("ulimit -n"), "{files}: {outcome}");
                assert!(!said.contains("os error") && !said.contains("I/O error"), "{files}: {outcome}");
            }
        }
    }
    for files in 32..=44 {
        let words =
            format!(r#"ulimit -n {files}; exec "$WASMTIME" run --dir .muse/coordination "$MUSE_WASM" coord tasks"#);
        let outcome = repo.shell(&words);
        assert!(!outcome.stderr.contains("cannot list") || outcome.stderr.contains("ulimit -n"), "{files}: {outcome}");
    }
}

#[test]
fn too_little_memory_is_named_as_what_is_wrong() {
    let repo = Repo::new();
    // With less the kernel itself ends the process, before any of it runs.
    for kilobytes in (10_000..240_000).step_by(6_000) {
        for line in ["enqueue t --json", "tasks"] {
            let outcome = repo.shell(&format!(r#"ulimit -v {kilobytes}; exec "$MUSE" coord {line}"#));
            works_or_says_why(&outcome);
            let said = format!("{}{}", outcome.stdout, outcome.stderr);
            assert!(outcome.code == Some(0) || said.contains("ulimit -v"), "{kilobytes}: {outcome}");
        }
    }
    repo.coord("tasks").succeeded();
}

#[test]
fn a_coordination_directory_that_is_none_is_named_with_a_way_out() {
    type Make = fn(&Path);
    let kinds: [(&str, &str, Make); 3] = [
        ("❌ cannot trust \"", "it is a link to \"nowhere\"", |path| symlink("nowhere", path).unwrap()),
        ("❌ cannot trust the file \"", "which may lead to an engine", |path| fs::write(path, "mine").unwrap()),
        ("❌ cannot trust \"", "it is a link to \"coordination\"", |path| symlink("coordination", path).unwrap()),
    ];
    for (what, why, make) in kinds {
        let repo = Repo::new();
        make(&repo.path(".muse/coordination"));
        for line in ["init", "enqueue t", "claim --run-id a", "tasks"] {
            let text = repo.coord(line).ended_with(1);
            assert!(text.stderr.starts_with(what) && text.stderr.contains(why), "{text}");
            let ways_out = [
                "to use the queue there: `muse coord init --store URL`",
                "; if you trust it, name it: MUSE_REPO_ROOT=",
            ];
            assert!(ways_out.iter().any(|way| text.stderr.contains(way)), "{text}");
            assert!(!text.stderr.contains("os error"), "{text}");
            let json = repo.coord(&format!("{line} --json")).ended_with(1);
            assert_eq!(json.text_of("status"), "io_error");
            assert_eq!(format!("❌ {}\n", json.text_of("error")), text.stderr);
        }
        repo.coord("--help").succeeded();
        assert!(!repo.path(".muse/nowhere").exists());
    }
}

#[test]
fn a_coordination_directory_that_is_a_link_to_another_is_that_other_if_it_is_named() {
    let repo = Repo::new();
    fs::create_dir(repo.path("elsewhere")).unwrap();
    symlink("../elsewhere", repo.path(".muse/coordination")).unwrap();
    for line in ["enqueue t", "claim --run-id a"] {
        repo.coord_call(line).env("MUSE_REPO_ROOT", repo.path("")).run().succeeded();
    }
    assert!(repo.path("elsewhere/format.json").is_file());
}

#[test]
fn what_is_made_is_open_to_those_who_may_write_in_the_directory_whatever_the_umask() {
    for (above, directory, file, umask) in
        [(0o2775, 0o2770, 0o660, "022"), (0o2777, 0o2777, 0o666, "077"), (0o755, 0o700, 0o600, "0")]
    {
        let repo = Repo::new();
        fs::set_permissions(repo.path(".muse"), Permissions::from_mode(above)).unwrap();
        let script = r#"
            export MUSE_REPO_ROOT=.
            id() { grep -o 'sha256:[0-9a-f]*' | head -n 1; }
            a=$("$MUSE" coord enqueue a --run-id a --unique k --tags one,two,three,four,five,six --json | id)
            "$MUSE" coord enqueue b --run-id a --after "$a"
            "$MUSE" coord claim --run-id a && "$MUSE" coord complete "$a" --run-id a --result '{"pr":42}'
        "#;
        repo.shell(&format!("umask {umask}; {script}")).succeeded();
        let mut pending = vec![repo.coordination("")];
        while let Some(path) = pending.pop() {
            let metadata = path.symlink_metadata().unwrap();
            let expected = if metadata.is_dir() { directory } else { file };
            assert_eq!(metadata.mode() & 0o7777, expected, "umask {umask}: {path:?} {:o}", metadata.mode());
            pending.extend(fs::read_dir(&path).into_iter().flatten().map(|entry| entry.unwrap().path()));
        }
    }
}

#[test]
fn the_members_of_a_group_share_a_queue_whatever_their_umasks() {
    let repo = Repo::new();
    let member = |uid: u32, umask: &str, line: &str| {
        let user = format!("setpriv --reuid {uid} --regid {uid} --groups 4242");
        repo.shell(&format!(r#"umask {umask}; exec {user} ./muse coord {line} --run-id member-{uid} --json"#))
    };
    let share = r#"chmod 755 . && chgrp 4242 .muse && chmod 2775 .muse && cp "$MUSE" muse && "#;
    let tried = repo.shell(&format!("{share} setpriv --reuid 4201 --regid 4201 --groups 4242 ./muse --version"));
    if tried.code != Some(0) {
        report(format_args!("NOT RUN: two users at one queue, for which one must be root: {}", tried.stderr.trim()));
        return;
    }
    let (careless, strict) = ((4_201, "022"), (4_202, "077"));
    for ((one, one_umask), (other, other_umask)) in [(careless, strict), (strict, careless)] {
        let id = member(one, one_umask, "enqueue t --unique k").succeeded().text_of("task_id");
        assert_eq!(member(other, other_umask, "claim").succeeded().text_of("task_id"), id);
        member(other, other_umask, &format!(r#"heartbeat {id} --note half"#)).succeeded();
        member(other, other_umask, &format!(r#"complete {id} --result '{{"pr":42}}'"#)).succeeded();
        let id = member(other, other_umask, "enqueue t").succeeded().text_of("task_id");
        assert_eq!(member(one, one_umask, "claim").succeeded().text_of("task_id"), id);
        member(one, one_umask, &format!(r#"fail-task {id} --error broken"#)).succeeded();
    }
}

#[test]
fn help_is_given_whatever_is_wrong_with_the_run_id() {
    let repo = Repo::new();
    repo.shell(r#"MUSE_RUN_ID=$(printf 'caf\351') "$MUSE" coord claim --help"#).succeeded();
    let refused = repo.shell(r#"MUSE_RUN_ID=$(printf 'caf\351') "$MUSE" coord claim --json"#).ended_with(2);
    assert!(
        refused.stdout.contains(r#"the value of MUSE_RUN_ID is not valid UTF-8: \"caf\\xE9\"; set it to valid UTF-8"#)
    );
}

#[test]
fn whoever_watches_learns_that_the_directory_is_gone() {
    let repo = Repo::new();
    repo.enqueue("t");
    let watch = r#"(sleep 1; rm -r .muse/coordination) & timeout 8 "$MUSE" coord"#;
    let ended = repo.shell(&format!("{watch} watch"));
    assert_eq!(ended.code, Some(1), "{ended}");
    assert!(ended.stderr.contains("the coordination directory is gone; run the command where it is now"), "{ended}");
}

#[test]
fn a_live_table_follows_the_size_of_its_terminal_and_ends_with_the_directory() {
    let repo = Repo::new();
    repo.enqueue(&"long ".repeat(30));
    let within = r#"stty cols 150 rows 20; (sleep 1.7; stty cols 70 < /dev/tty; sleep 1.7; rm -r .muse/coordination) &
        timeout 9 "$MUSE" coord tasks --watch; echo "exit $?""#;
    fs::write(repo.path("within"), within).unwrap();
    let shown = repo.shell("script -qec 'sh within' /dev/null < /dev/null").succeeded().stdout;
    let frames: Vec<&str> = shown.split("\x1b[H").skip(1).collect();
    let width = |frame: &str| frame.lines().filter(|line| line.contains("long")).map(|line| line.len()).max();
    let (first, last) = (width(frames[0]), width(frames[frames.len() - 1]));
    assert!(first > Some(100) && last < Some(90), "{first:?} {last:?}\n{shown}");
    assert!(shown.contains("❌ cannot ") && shown.contains("the coordination directory is gone"), "{shown}");
    assert!(shown.contains("exit 1"), "{shown}");
}
