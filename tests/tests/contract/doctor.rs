//! `doctor`: what is wrong, what became of it, and what the filesystem gives.

use std::fs;
use std::path::PathBuf;

use coord_tests::{Repo, transcript};
use insta::assert_snapshot;

/// The file of a task below one of the directories that are sorted by id; no path if there is none.
fn file_of(repo: &Repo, state_dir: &str, id: &str) -> PathBuf {
    let hex = id.trim_start_matches("sha256:");
    let files_in = |dir: PathBuf| fs::read_dir(dir).into_iter().flatten().flatten().map(|file| file.path());
    let mut files = files_in(repo.coordination(state_dir)).flat_map(files_in);
    files.find(|path| path.to_string_lossy().contains(hex)).unwrap_or_default()
}

#[test]
fn a_queue_is_healthy_before_its_first_task_and_at_work() {
    let repo = Repo::new();
    assert_snapshot!(repo.session(["doctor", "doctor --json", "tasks --json"]), @r#"
    $ muse coord doctor

    ✅ The queue is healthy: 0 task(s)

      (<s>)
    exit 0

    $ muse coord doctor --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 1>","healthy":true,
     "repair":false,"tasks":0,"counts":{"scheduled":0,"blocked":0,"pending":0,"claimed":0,"timed_out":0,
     "completed":0,"failed":0,"cancelled":0,"expired":0},"defects":[],"leftovers":{"drafts":0,"reports":0,
     "torn_records":0},"quarantine":0,"foreign":[],"notes":[],"filesystem":{"exclusive_create":true,
     "hard_links":true,"link_counts":true,"renames":true,"renames_between_directories":true,"listings":true,
     "directory_sync":true,"case_sensitive":true,"directory_stamps":true,"clock_offset_seconds":0.0,
     "not_tried":null},"degraded":[],"warnings":[]}
    exit 0

    $ muse coord tasks --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 2>","total":0,
     "scheduled":0,"blocked":0,"pending":0,"claimed":0,"timed_out":0,"completed":0,"failed":0,"cancelled":0,
     "expired":0,"limit":200,"truncated":false,"items":[],"warnings":[]}
    exit 0
    "#);
    assert!(!repo.coordination("format.json").exists(), "doctor makes no queue");
    repo.given(["enqueue one", "enqueue two", "enqueue three", "claim --run-id a", "claim --run-id b"]);
    assert_snapshot!(repo.session(["doctor", "doctor --repair --json"]), @r#"
    $ muse coord doctor

    ✅ The queue is healthy: 3 task(s)

      (<s>)
    exit 0

    $ muse coord doctor --repair --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 3>","healthy":true,
     "repair":true,"tasks":3,"counts":{"scheduled":0,"blocked":0,"pending":1,"claimed":2,"timed_out":0,
     "completed":0,"failed":0,"cancelled":0,"expired":0},"defects":[],"leftovers":{"drafts":0,"reports":0,
     "torn_records":0},"quarantine":0,"foreign":[],"notes":[],"filesystem":{"exclusive_create":true,
     "hard_links":true,"link_counts":true,"renames":true,"renames_between_directories":true,"listings":true,
     "directory_sync":true,"case_sensitive":true,"directory_stamps":true,"clock_offset_seconds":0.0,
     "not_tried":null},"degraded":[],"warnings":[]}
    exit 0
    "#);
}

#[test]
fn a_defect_is_told_repaired_and_gone() {
    let repo = Repo::new();
    let id = repo.enqueue("Fix it");
    repo.claim("agent-1");
    fs::remove_file(file_of(&repo, "tasks", &id)).unwrap();
    assert_snapshot!(repo.session(["doctor", "doctor --json", "doctor --repair", "doctor"]), @r#"
    $ muse coord doctor

    ❌ The queue has 1 defect(s): 1 task(s)
      record_missing tasks/<aa>/<id 1>.json: the task's record is missing; its entry still holds it; to repair it: muse coord doctor --repair

      (<s>)
    exit 1

    $ muse coord doctor --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "healthy":false,"repair":false,"tasks":1,"counts":{"scheduled":0,"blocked":0,"pending":0,"claimed":1,
     "timed_out":0,"completed":0,"failed":0,"cancelled":0,"expired":0},"defects":[{"code":"record_missing",
     "task_id":"<id 1>","path":"tasks/<aa>/<id 1>.json",
     "problem":"the task's record is missing; its entry still holds it","became":"left"}],
     "leftovers":{"drafts":0,"reports":0,"torn_records":0},"quarantine":0,"foreign":[],"notes":[],
     "filesystem":{"exclusive_create":true,"hard_links":true,"link_counts":true,"renames":true,
     "renames_between_directories":true,"listings":true,"directory_sync":true,"case_sensitive":true,
     "directory_stamps":true,"clock_offset_seconds":0.0,"not_tried":null},"degraded":[],"warnings":[]}
    exit 1

    $ muse coord doctor --repair

    ✅ The queue is healthy again: 1 task(s), 1 defect(s) repaired or quarantined
      record_missing tasks/<aa>/<id 1>.json: the task's record is missing; its entry still holds it; repaired

      (<s>)
    exit 0

    $ muse coord doctor

    ✅ The queue is healthy: 1 task(s)

      (<s>)
    exit 0
    "#);
    repo.coord(&format!("complete {id} --run-id agent-1 --result '{{\"a\":1}}'")).succeeded();

    // A result that is lost cannot be made up.
    let file = file_of(&repo, "tasks", &id);
    let told = fs::read_to_string(&file).unwrap();
    fs::write(&file, told.lines().next().unwrap().to_owned() + "\n").unwrap();
    assert_snapshot!(repo.session(["doctor --repair", "doctor --json"]), @r#"
    $ muse coord doctor --repair

    ❌ The queue has 1 defect(s): 1 task(s)
      report_lost tasks/<aa>/<id 1>.json: the result or error of the task is missing or torn; it cannot be repaired; the task stays ended

      (<s>)
    exit 1

    $ muse coord doctor --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 2>",
     "healthy":false,"repair":false,"tasks":1,"counts":{"scheduled":0,"blocked":0,"pending":0,"claimed":0,
     "timed_out":0,"completed":1,"failed":0,"cancelled":0,"expired":0},"defects":[{"code":"report_lost",
     "task_id":"<id 1>","path":"tasks/<aa>/<id 1>.json",
     "problem":"the result or error of the task is missing or torn","became":"left"}],"leftovers":{"drafts":0,
     "reports":0,"torn_records":0},"quarantine":0,"foreign":[],"notes":[],"filesystem":{"exclusive_create":true,
     "hard_links":true,"link_counts":true,"renames":true,"renames_between_directories":true,"listings":true,
     "directory_sync":true,"case_sensitive":true,"directory_stamps":true,"clock_offset_seconds":0.0,
     "not_tried":null},"degraded":[],"warnings":[]}
    exit 1
    "#);
}

#[test]
fn what_cannot_be_repaired_is_quarantined() {
    let repo = Repo::new();
    let id = repo.enqueue("Fix it");
    repo.claim("agent-1");
    let record = file_of(&repo, "tasks", &id);
    fs::write(&record, "{\"title\":\"Fix").unwrap();
    let repaired = repo.coord("doctor --repair --json").succeeded().json();
    let defect = &repaired["defects"][0];
    assert_eq!((&defect["code"], &defect["became"]), (&"record_bad".into(), &"quarantined".into()), "{repaired}");
    assert!(defect["path"].as_str().unwrap().starts_with("claimed/"), "{repaired}");
    assert_eq!((&repaired["leftovers"]["torn_records"], &repaired["quarantine"]), (&1.into(), &2.into()), "{repaired}");
    assert_snapshot!(repo.session(["doctor", "claim --run-id agent-2"]), @"
    $ muse coord doctor

    ✅ The queue is healthy: 0 task(s)
      Quarantine: 2 file(s) in quarantine/, for you to look at

      (<s>)
    exit 0

    $ muse coord claim --run-id agent-2

      Queue [any] is empty — no pending tasks.

      (<s>)
    exit 1
    ");
}

#[test]
fn leftovers_and_foreign_names_are_healthy() {
    let repo = Repo::new();
    repo.given(["enqueue one"]);
    fs::write(repo.coordination("tmp/0123456789abcdef.json"), "\"hal").unwrap();
    fs::write(repo.coordination("tasks/README"), "").unwrap();
    fs::write(repo.coordination("evil\u{1b}[31m"), "").unwrap();
    assert_snapshot!(repo.session(["doctor", "doctor --repair", "doctor --json"]), @r#"
    $ muse coord doctor

    ✅ The queue is healthy: 1 task(s)
      Leftovers:  1 draft(s), 0 report(s), 0 torn record(s): harmless; --repair quarantines them
      Foreign:    evil\u{1b}[31m
      Foreign:    tasks/README

      (<s>)
    exit 0

    $ muse coord doctor --repair

    ✅ The queue is healthy: 1 task(s)
      Leftovers:  1 draft(s), 0 report(s), 0 torn record(s): quarantined
      Quarantine: 1 file(s) in quarantine/, for you to look at
      Foreign:    evil\u{1b}[31m
      Foreign:    tasks/README

      (<s>)
    exit 0

    $ muse coord doctor --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 1>","healthy":true,
     "repair":false,"tasks":1,"counts":{"scheduled":0,"blocked":0,"pending":1,"claimed":0,"timed_out":0,
     "completed":0,"failed":0,"cancelled":0,"expired":0},"defects":[],"leftovers":{"drafts":0,"reports":0,
     "torn_records":0},"quarantine":1,"foreign":["evil\u001b[31m","tasks/README"],"notes":[],
     "filesystem":{"exclusive_create":true,"hard_links":true,"link_counts":true,"renames":true,
     "renames_between_directories":true,"listings":true,"directory_sync":true,"case_sensitive":true,
     "directory_stamps":true,"clock_offset_seconds":0.0,"not_tried":null},"degraded":[],"warnings":[]}
    exit 0
    "#);
}

#[test]
fn a_queue_that_is_not_synced_is_told_so() {
    let repo = Repo::new();
    let unsynced = |line: &str| repo.coord_call(line).env("MUSE_COORD_SYNC", "off").run();
    assert_snapshot!(transcript([unsynced("doctor")]), @"
    $ MUSE_COORD_SYNC=off muse coord doctor

    ✅ The queue is healthy: 0 task(s)
      Filesystem: MUSE_COORD_SYNC is off: nothing is synced, so a power cut can lose anything

      (<s>)
    exit 0
    ");
}

#[test]
fn there_is_no_doctor_without_a_repository() {
    assert_snapshot!(Repo::bare().session(["doctor", "doctor --repair --json"]), @r#"
    $ muse coord doctor
    2> fatal: not a muse repository (or any parent up to mount point /)
    2> hint: run `muse coord init` in the repository, or set MUSE_REPO_ROOT to a directory that holds .muse/; under wasmtime, grant it with --dir .muse/coordination
    exit 2

    $ muse coord doctor --repair --json
    {"muse_version":"<version>","schema":1,"exit_code":2,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"fatal: not a muse repository (or any parent up to mount point /)","status":"not_a_repository",
     "hint":"run `muse coord init` in the repository, or set MUSE_REPO_ROOT to a directory that holds .muse/; under wasmtime, grant it with --dir .muse/coordination",
     "warnings":[]}
    exit 2
    "#);
}

#[test]
fn a_read_only_queue_is_examined_and_not_tried() {
    let repo = Repo::new();
    let id = repo.enqueue("Fix it");
    let read_only = r#"mount --bind "$1" "$1" && mount -o remount,bind,ro "$1""#;
    let Some(there) = repo.mounted("doctor in a read-only coordination directory", read_only) else { return };
    assert_snapshot!(there.coord("doctor").succeeded(), @"
    $ muse coord doctor

    ✅ The queue is healthy: 1 task(s)
      Filesystem: the filesystem was not tried: cannot make directory tmp/<nonce 1>: Operation not permitted; the coordination directory is read-only here: make it writable, or grant it for writing

      (<s>)
    exit 0
    ");
    fs::remove_file(file_of(&repo, "tasks", &id)).unwrap();
    assert_snapshot!(there.coord("doctor --repair").ended_with(1), @"
    $ muse coord doctor --repair

    ❌ The queue has 1 defect(s): 1 task(s)
      record_missing tasks/<aa>/<id 1>.json: the task's record is missing; its entry still holds it; not repaired: another agent changed it meanwhile, or see the notes; try again
      Note:       not changed: cannot link tasks/<aa>/<id 1>.<nonce 2>.json: Operation not permitted; the coordination directory is read-only here: make it writable, or grant it for writing
      Filesystem: the filesystem was not tried: cannot make directory tmp/<nonce 3>: Operation not permitted; the coordination directory is read-only here: make it writable, or grant it for writing

      (<s>)
    exit 1
    ");
}
