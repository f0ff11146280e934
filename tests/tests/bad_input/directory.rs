//! What lies in the coordination directory and should not: torn and altered records, other people's files, another
//! format, links out of it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use coord_tests::Repo;
use insta::assert_snapshot;

use crate::{Bystanders, NO_TASK};

#[test]
fn a_torn_record_is_quarantined_and_reported_and_holds_up_nobody() {
    let repo = Repo::new();
    let torn = repo.enqueue("torn");
    let bystanders = Bystanders::of(&repo);
    let whole = fs::read(record(&repo, &torn)).unwrap();
    fs::write(record(&repo, &torn), &whole[..40]).unwrap();
    assert_snapshot!(repo.session([
        String::from("tasks --queue default"),
        String::from("tasks --queue default --json"),
        format!("complete {torn} --run-id a --json"),
        format!("cancel-task {torn} --run-id a"),
        String::from("claim --run-id a --queue default --json"),
        String::from("claim --run-id a --queue default --json"),
        String::from("tasks --queue default --json"),
    ]), @r#"
    $ muse coord tasks --queue default

    Task queue — 4 task(s)
      filter: queue=default
      3 pending  1 claimed  0 timed_out  0 completed  0 failed  0 cancelled
    ────────────────────────────────────────────────────────────────────────────────

      (no tasks matching filter)

      (<s>)
    2> ⚠️  task <bare id 1> is left out: its record is torn or not a task record (EOF while parsing a string at line 1 column 40)
    exit 0

    $ muse coord tasks --queue default --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 1>","total":4,
     "scheduled":0,"blocked":0,"pending":3,"claimed":1,"timed_out":0,"completed":0,"failed":0,"cancelled":0,
     "expired":0,"limit":200,"truncated":false,"items":[],
     "warnings":["task <bare id 1> is left out: its record is torn or not a task record (EOF while parsing a string at line 1 column 40)"]}
    exit 0

    $ muse coord complete <id 1> --run-id a --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 2>",
     "error":"task <id 1>: its record tasks/<aa>/<id 1>.json is torn or not a task record (EOF while parsing a string at line 1 column 40); nothing was changed",
     "status":"error","warnings":[]}
    exit 1

    $ muse coord cancel-task <id 1> --run-id a
    2> ❌ task <id 1>: its record tasks/<aa>/<id 1>.json is torn or not a task record (EOF while parsing a string at line 1 column 40); nothing was changed
    exit 1

    $ muse coord claim --run-id a --queue default --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 3>",
     "status":"empty","queue":"default",
     "warnings":["task <bare id 1> was quarantined: its record is torn or not a task record (EOF while parsing a string at line 1 column 40); its entry is in quarantine/, nothing is lost"]}
    exit 1

    $ muse coord claim --run-id a --queue default --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 4>",
     "status":"empty","queue":"default","warnings":[]}
    exit 1

    $ muse coord tasks --queue default --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 5>","total":3,
     "scheduled":0,"blocked":0,"pending":2,"claimed":1,"timed_out":0,"completed":0,"failed":0,"cancelled":0,
     "expired":0,"limit":200,"truncated":false,"items":[],"warnings":[]}
    exit 0
    "#);
    bystanders.are_unharmed(&repo);
}

#[test]
fn an_altered_record_is_quarantined_and_reported_and_never_served() {
    let repo = Repo::new();
    let altered = repo.enqueue("pay-10-to-alice");
    let bystanders = Bystanders::of(&repo);
    let whole = fs::read_to_string(record(&repo, &altered)).unwrap();
    fs::write(record(&repo, &altered), whole.replace("10-to-alice", "99-to-mallo")).unwrap();
    assert_snapshot!(repo.session([
        String::from("tasks --queue default"),
        format!("cancel-task {altered} --run-id a --json"),
        String::from("claim --run-id a --queue default"),
        String::from("claim --run-id a --queue default"),
    ]), @r#"
    $ muse coord tasks --queue default

    Task queue — 4 task(s)
      filter: queue=default
      3 pending  1 claimed  0 timed_out  0 completed  0 failed  0 cancelled
    ────────────────────────────────────────────────────────────────────────────────

      (no tasks matching filter)

      (<s>)
    2> ⚠️  task <bare id 1> is left out: its record is altered: its content is that of <bare id 2>
    exit 0

    $ muse coord cancel-task <id 1> --run-id a --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"task <id 1>: its record tasks/<aa>/<id 1>.json is altered: its content is that of <id 2>; nothing was changed",
     "status":"error","warnings":[]}
    exit 1

    $ muse coord claim --run-id a --queue default

      Queue [default] is empty — no pending tasks.

      (<s>)
    2> ⚠️  task <bare id 1> was quarantined: its record is altered: its content is that of <bare id 2>; its entry is in quarantine/, nothing is lost
    exit 1

    $ muse coord claim --run-id a --queue default

      Queue [default] is empty — no pending tasks.

      (<s>)
    exit 1
    "#);
    bystanders.are_unharmed(&repo);
}

#[test]
fn a_holder_can_finish_a_task_whose_record_was_torn_meanwhile() {
    let repo = Repo::new();
    let torn = repo.enqueue("torn");
    repo.claim("a");
    let bystanders = Bystanders::of(&repo);
    fs::write(record(&repo, &torn), "").unwrap();
    assert_snapshot!(repo.session([
        format!("heartbeat {torn} --run-id a"),
        format!(r#"complete {torn} --run-id a --result {{"pr":42}} --json"#),
        String::from("tasks --queue default --json"),
    ]), @r#"
    $ muse coord heartbeat <id 1> --run-id a

    💓 Lease renewed
      Task ID:    <id 1>
      By:         a
      Expires in: 3600s (<time 1>)

      (<s>)
    exit 0

    $ muse coord complete <id 1> --run-id a --result '{"pr":42}' --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 4>",
     "task_id":"<id 1>","claimer_run_id":"a","claimed_at":"<time 2>","expires_at":"<time 1>",
     "lease_seconds":3600,"status":"completed","heartbeat_at":"<time 3>","claim_nonce":"<nonce 1>",
     "result":{"pr":42},"error":null,"generation":1,"attempt":1,"cancel_requested":false,"warnings":[]}
    exit 0

    $ muse coord tasks --queue default --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 5>","total":4,
     "scheduled":0,"blocked":0,"pending":2,"claimed":1,"timed_out":0,"completed":1,"failed":0,"cancelled":0,
     "expired":0,"limit":200,"truncated":false,"items":[],
     "warnings":["task <bare id 1> is left out: its record is torn or not a task record (not a JSON object)"]}
    exit 0
    "#);
    bystanders.are_unharmed(&repo);
}

#[test]
fn a_result_that_was_torn_is_reported_and_its_task_still_listed() {
    let repo = Repo::new();
    let id = repo.enqueue("t");
    repo.claim("a");
    let bystanders = Bystanders::of(&repo);
    repo.given([format!(r#"complete {id} --run-id a --result {{"pr":42}}"#)]);
    let told = fs::read(record(&repo, &id)).unwrap();
    fs::write(record(&repo, &id), &told[..told.len() - 10]).unwrap();
    assert_snapshot!(repo.session(["tasks --status completed", "tasks --status completed --json"]), @r#"
    $ muse coord tasks --status completed

    Task queue — 4 task(s)
      filter: status=completed
      2 pending  1 claimed  0 timed_out  1 completed  0 failed  0 cancelled
    ────────────────────────────────────────────────────────────────────────────────

    ID                                                                      ST            PRI QUEUE        CLAIMER              TITLE
    ────────────────────────────────────────────────────────────────────────────────
    <id 1> ✅completed     0 default      a                    t

      (<s>)
    2> ⚠️  the result or error of task <bare id 1> is missing or torn
    exit 0

    $ muse coord tasks --status completed --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 3>","total":4,
     "scheduled":0,"blocked":0,"pending":2,"claimed":1,"timed_out":0,"completed":1,"failed":0,"cancelled":0,
     "expired":0,"limit":200,"truncated":false,"items":[{"task_id":"<id 1>","title":"t","priority":0,
     "queue":"default","ttl_seconds":86400,"created_by":"unknown","created_at":"<time 1>","tags":[],"payload":{},
     "status":"completed","claimer_run_id":"a","expires_at":"<time 4>","generation":1,"attempt":1,"result":null,
     "error":null,"ended_at":"<time 2>"}],
     "warnings":["the result or error of task <bare id 1> is missing or torn"]}
    exit 0
    "#);
    bystanders.are_unharmed(&repo);
}

#[test]
fn foreign_files_in_every_directory_are_neither_in_the_way_nor_touched() {
    let repo = Repo::new();
    let held = with_something_in_every_directory(&repo);
    let bystanders = Bystanders::of(&repo);
    let directories: Vec<PathBuf> = tree(&repo.coordination("")).into_keys().filter(|path| path.is_dir()).collect();
    for directory in directories.iter().chain([&repo.coordination("")]) {
        plant_foreign_files(directory);
    }
    let before = foreign_files(&repo);
    let counted = repo.tasks();

    repo.given([
        format!("heartbeat {held} --run-id a"),
        format!(r#"complete {held} --run-id a --result {{"pr":42}}"#),
        String::from("enqueue more"),
        String::from("claim --run-id b --queue default"),
        String::from("init"),
    ]);
    let listed = repo.tasks();

    let total = counted["total"].as_u64().unwrap();
    assert_eq!(listed["total"], total + 1);
    // Beside queues any name is one of a queue. What is no directory there is told.
    let told: Vec<&str> = listed["warnings"].as_array().unwrap().iter().map(|told| told.as_str().unwrap()).collect();
    assert!(told.len() == 2 && told.iter().all(|told| told.starts_with("ready/foreign")), "{told:?}");
    assert_eq!(listed["items"].as_array().unwrap().len() as u64, total + 1);
    bystanders.are_unharmed(&repo);
    assert_eq!(foreign_files(&repo), before);
    let planted: Vec<&str> = ["ready/bystanders", "claimed", "done", "runs", "sweep", "quarantine", "tmp", "tasks"]
        .into_iter()
        .filter(|directory| before.keys().any(|path| path.starts_with(repo.coordination(directory))))
        .collect();
    assert_eq!(planted.len(), 8, "only in {planted:?}");
}

/// Leaves a task that `a` holds, and all the directories that a queue can have.
fn with_something_in_every_directory(repo: &Repo) -> String {
    let [torn, ended, held] = ["torn", "ended", "held"].map(|title| repo.enqueue(title));
    fs::write(record(repo, &torn), "").unwrap();
    let long_run_id = "r".repeat(200);
    repo.given([
        format!("claim --run-id {long_run_id}"),
        format!(r#"complete {ended} --run-id {long_run_id} --result {{"pr":42}}"#),
        String::from("claim --run-id a"),
    ]);
    held
}

fn foreign_files(repo: &Repo) -> BTreeMap<PathBuf, Vec<u8>> {
    let foreign = |path: &PathBuf| path.iter().any(|part| part.as_encoded_bytes().starts_with(b"foreign"));
    tree(&repo.coordination("")).into_iter().filter(|(path, _)| foreign(path)).collect()
}

fn plant_foreign_files(directory: &Path) {
    let latin = OsString::from_vec(b"foreign-caf\xe9".to_vec());
    fs::write(directory.join("foreign"), "").unwrap();
    fs::write(directory.join("foreign.json"), "{}").unwrap();
    fs::write(directory.join("foreign-\u{1b}[31m"), "").unwrap();
    fs::write(directory.join(latin), "").unwrap();
    fs::create_dir(directory.join("foreign-directory")).unwrap();
    symlink("/etc/passwd", directory.join("foreign-link")).unwrap();
}

#[test]
fn a_directory_of_a_newer_format_is_left_untouched_byte_for_byte() {
    let repo = Repo::new();
    let id = repo.enqueue("t");
    fs::write(repo.coordination("format.json"), "{\"format\": 1000}").unwrap();
    let before = tree(&repo.coordination(""));
    assert_snapshot!(repo.session(["tasks", "tasks --json"]), @r#"
    $ muse coord tasks
    2> ❌ this directory has format 1000, and this version of muse reads format 4; use a newer muse for it
    exit 1

    $ muse coord tasks --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"this directory has format 1000, and this version of muse reads format 4; use a newer muse for it",
     "status":"unsupported_format","warnings":[]}
    exit 1
    "#);
    for line in every_command(&id) {
        let refused = repo.coord(&format!("{line} --json")).ended_with(1);
        assert_eq!(refused.text_of("status"), "unsupported_format", "{refused}");
    }
    assert_eq!(tree(&repo.coordination("")), before);
}

#[test]
fn a_format_file_that_says_no_format_is_named_and_everything_left_untouched() {
    let repo = Repo::new();
    let bystanders = Bystanders::of(&repo);
    let good = fs::read(repo.coordination("format.json")).unwrap();
    let huge = "x".repeat(300_000);
    for garbage in [
        &b""[..],
        b"garbage",
        b"{}",
        b"[1]",
        b"{\"format\":\"1\"}",
        b"{\"format\":",
        b"\xff\xfe\x1b[31m",
        huge.as_bytes(),
    ] {
        fs::write(repo.coordination("format.json"), garbage).unwrap();
        let before = tree(&repo.coordination(""));
        for line in ["tasks --json", "enqueue t --json", "init --json", "claim --run-id a --json"] {
            let refused = repo.coord(line).ended_with(1);
            let error = refused.text_of("error");
            assert!(error.contains("format.json"), "the message names the file\n{refused}");
            assert!(!error.contains("newer"), "no newer muse would help\n{refused}");
        }
        assert_eq!(tree(&repo.coordination("")), before);
    }
    fs::write(repo.coordination("format.json"), good).unwrap();
    bystanders.are_unharmed(&repo);
}

#[test]
fn a_coordination_directory_that_is_a_file_is_an_io_error_for_every_command() {
    let repo = Repo::new();
    fs::write(repo.path(".muse/coordination"), "mine").unwrap();
    assert_snapshot!(repo.coord("tasks"), @r#"
    $ muse coord tasks
    2> ❌ cannot trust the file "<repo>/.muse/coordination", which may lead to an engine: it came with a copy of the repository, or `init --store` has not made it: look where it leads; to use the queue there: `muse coord init --store URL` in "<repo>" with that URL, or name the repository for one command by MUSE_REPO_ROOT
    exit 1
    "#);
    for line in every_command(NO_TASK) {
        let refused = repo.coord(&format!("{line} --json")).ended_with(1).json();
        assert_eq!(
            (&refused["status"], &refused["exit_code"], &refused["schema"]),
            (&"io_error".into(), &1.into(), &1.into())
        );
    }
    assert_eq!(fs::read(repo.path(".muse/coordination")).unwrap(), b"mine");
}

#[test]
fn a_directory_that_holds_other_things_than_a_queue_is_refused_and_left_untouched() {
    let repo = Repo::new();
    fs::create_dir(repo.coordination("")).unwrap();
    fs::write(repo.coordination("notes.txt"), "mine").unwrap();
    let before = tree(&repo.coordination(""));
    assert_snapshot!(repo.session(["enqueue t", "init --json"]), @r#"
    $ muse coord enqueue t
    2> ❌ this directory is not a queue: it has no format.json, but "notes.txt"; grant .muse/coordination itself
    exit 1

    $ muse coord init --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"this directory is not a queue: it has no format.json, but \"notes.txt\"; grant .muse/coordination itself",
     "status":"error","warnings":[]}
    exit 1
    "#);
    for line in every_command(NO_TASK) {
        repo.coord(&line).ended_with(1);
    }
    assert_eq!(tree(&repo.coordination("")), before);
}

#[test]
fn nothing_is_followed_out_of_the_directory() {
    for name in ["tasks", "ready", "claimed", "done", "sweep", "tmp", "format.json"] {
        let repo = Repo::new();
        let id = repo.enqueue("ended");
        repo.claim("a");
        repo.given([format!(r#"complete {id} --run-id a --result {{"pr":42}}"#)]);
        let bystanders = Bystanders::of(&repo);
        let (inside, saved, outside) = (repo.coordination(name), repo.path("saved"), repo.path("outside"));
        fs::rename(&inside, &saved).unwrap();
        plant_outside(name, &saved, &outside);
        symlink(&outside, &inside).unwrap();
        let before = tree(&outside);

        for line in every_command(&bystanders.held).iter().chain(&every_command(&id)) {
            let outcome = repo.coord(&format!("{line} --json"));
            assert!(matches!(outcome.code, Some(0 | 1)), "{outcome}");
            assert_eq!(outcome.json()["exit_code"], outcome.code.unwrap());
        }

        assert_eq!(tree(&outside), before, "{name}");
        fs::remove_file(&inside).unwrap();
        fs::rename(&saved, &inside).unwrap();
        let listed = repo.tasks();
        assert!(listed["total"].as_u64() >= Some(4), "{name}: {listed}");
    }
}

/// Outside there is the same as was inside, so that following the link would find what it looks for.
fn plant_outside(name: &str, saved: &Path, outside: &Path) {
    if name == "format.json" {
        fs::copy(saved, outside).unwrap();
        return;
    }
    for (path, content) in tree(saved) {
        let copy = outside.join(path.strip_prefix(saved).unwrap());
        fs::create_dir_all(if path.is_dir() { &copy } else { copy.parent().unwrap() }).unwrap();
        if path.is_file() {
            fs::write(copy, content).unwrap();
        }
    }
    fs::create_dir_all(outside).unwrap();
}

/// All commands, with `id` where one is wanted.
fn every_command(id: &str) -> [String; 8] {
    [
        String::from("init"),
        String::from("enqueue t"),
        String::from("claim --run-id bystander"),
        format!("heartbeat {id} --run-id bystander"),
        format!(r#"complete {id} --run-id bystander --result {{"pr":42}}"#),
        format!("fail-task {id} --run-id bystander --error broken"),
        format!("cancel-task {id} --run-id bystander"),
        String::from("tasks"),
    ]
}

/// Everything below a directory or at a path: the contents of files, nothing for directories and links.
fn tree(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        let kind = entry.file_type().unwrap();
        let content = if kind.is_file() { fs::read(entry.path()).unwrap() } else { Vec::new() };
        found.insert(entry.path(), content);
        if kind.is_dir() {
            found.extend(tree(&entry.path()));
        }
    }
    if path.is_file() {
        found.insert(path.to_owned(), fs::read(path).unwrap());
    }
    found
}

fn record(repo: &Repo, id: &str) -> PathBuf {
    let hex = id.strip_prefix("sha256:").unwrap();
    repo.coordination(format!("tasks/{}/{hex}.json", &hex[..2]))
}
