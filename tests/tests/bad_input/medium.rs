//! A disk that takes nothing, and an answer that nobody reads.

use std::fs::File;
use std::io;

use coord_tests::{Repo, transcript};
use insta::assert_snapshot;

use crate::Bystanders;

#[test]
fn a_read_only_directory_can_be_listed_and_everything_else_says_what_to_do() {
    let repo = Repo::new();
    let bystanders = Bystanders::of(&repo);
    let read_only = r#"mount --bind "$1" "$1" && mount -o remount,bind,ro "$1""#;
    let Some(there) = repo.mounted("a read-only coordination directory", read_only) else { return };
    let held = &bystanders.held;
    let lines = [
        String::from("enqueue t"),
        String::from("claim --run-id a"),
        format!("heartbeat {held} --run-id bystander"),
        format!("complete {held} --run-id bystander"),
        format!(r#"complete {held} --run-id bystander --result {{"pr":42}}"#),
        format!("fail-task {held} --run-id bystander"),
        format!("cancel-task {held} --run-id bystander --force"),
    ];
    for line in lines {
        let (text, json) = (there.coord(&line).ended_with(1), there.coord(&format!("{line} --json")).ended_with(1));
        assert_eq!(
            (json.text_of("status"), text.stderr.lines().count()),
            (String::from("io_error"), 1),
            "{text}{json}"
        );
        assert!(text.stderr.starts_with("❌ cannot "), "{text}");
        assert!(text.stderr.to_lowercase().contains("read-only"), "the line says why\n{text}");
    }
    assert_eq!(there.coord("tasks --json").succeeded().json()["total"], 3);
    there.coord("init").succeeded();
    bystanders.are_unharmed(&repo);
}

#[test]
fn a_full_disk_refuses_what_must_be_written_and_loses_nothing() {
    let repo = Repo::new();
    repo.given(["init"]);
    let small = r#"mount -t tmpfs -o size=256k tmpfs "$1""#;
    let Some(there) = repo.mounted("a full disk", small) else { return };
    let enqueue = |title: &str| there.coord(&format!("enqueue {title} --json")).succeeded().text_of("task_id");
    let [first, second] = [enqueue("first"), enqueue("second")];
    there.coord("claim --run-id a").succeeded();
    there.shell(r#"dd if=/dev/zero of="$1/filler" bs=1024 2>/dev/null"#).ended_with(1);

    // More than the last page of the task's file has room for.
    let large = format!(r#"complete {first} --run-id a --result {{"log":"{}"}}"#, "x".repeat(10_000));
    let refused = there.coord(&large).ended_with(1);
    assert!(refused.stderr.starts_with("❌ cannot add to claimed/"), "{refused}");
    assert!(refused.stderr.ends_with("No space left on device; free some space and try again\n"), "{refused}");

    assert_snapshot!(transcript([
        there.coord("enqueue third"),
        there.coord("enqueue third --json"),
        there.coord("tasks --json"),
        // A claim writes no file, so it needs no room.
        there.coord("claim --run-id a"),
    ]), @r#"
    $ muse coord enqueue third
    2> ❌ cannot write tasks/<aa>/<id 1>.json: No space left on device; free some space and try again
    exit 1

    $ muse coord enqueue third --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"cannot write tasks/<aa>/<id 2>.json: No space left on device; free some space and try again",
     "status":"io_error","warnings":[]}
    exit 1

    $ muse coord tasks --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 4>","total":2,
     "scheduled":0,"blocked":0,"pending":1,"claimed":1,"timed_out":0,"completed":0,"failed":0,"cancelled":0,
     "expired":0,"limit":200,"truncated":false,"items":[{"task_id":"<id 3>","title":"first","priority":0,
     "queue":"default","ttl_seconds":86400,"created_by":"unknown","created_at":"<time 2>","tags":[],"payload":{},
     "status":"claimed","claimer_run_id":"a","expires_at":"<time 5>","generation":1,"attempt":1,"result":null,
     "error":null},{"task_id":"<id 4>","title":"second","priority":0,"queue":"default","ttl_seconds":86400,
     "created_by":"unknown","created_at":"<time 3>","tags":[],"payload":{},"status":"pending",
     "claimer_run_id":null,"expires_at":null,"generation":0,"attempt":0,"result":null,"error":null}],
     "warnings":[]}
    exit 0

    $ muse coord claim --run-id a

    🔒 Task claimed
      Task ID:    <id 4>
      Title:      second
      Claimer:    a
      Queue:      default  priority=0
      Expires in: 3600s (<time 6>)

      (<s>)
    exit 0
    "#);

    there.shell(r#"rm "$1/filler""#).succeeded();
    there.coord(&format!(r#"complete {first} --run-id a --result {{"pr":42}}"#)).succeeded();
    there.coord(&format!("complete {second} --run-id a")).succeeded();
    enqueue("third");
    let listed = there.coord("tasks --json").succeeded().json();
    assert_eq!(
        (&listed["total"], &listed["completed"], &listed["warnings"]),
        (&3.into(), &2.into(), &serde_json::json!([]))
    );
    there.shell(r#"test -z "$(find "$1/tmp" -type f)""#).succeeded();
}

#[test]
fn a_disk_without_a_free_inode_takes_no_new_task_and_still_hands_out_those_it_has() {
    let repo = Repo::new();
    repo.given(["init"]);
    let few = r#"mount -t tmpfs -o size=4m,nr_inodes=200 tmpfs "$1""#;
    let Some(there) = repo.mounted("a disk without inodes", few) else { return };
    let id = there.coord("enqueue t --json").succeeded().text_of("task_id");
    there.shell(r#"mkdir "$1/filler" && while : > "$1/filler/$((n += 1))"; do :; done 2>/dev/null"#);

    let refused = there.coord("enqueue more --json").ended_with(1);
    assert!(
        refused.text_of("error").ends_with(": No space left on device; free some space and try again"),
        "{refused}"
    );
    assert_eq!(there.coord("tasks --json").succeeded().json()["total"], 1);
    assert_eq!(there.coord("claim --run-id a --json").succeeded().text_of("task_id"), id);
    there.coord(&format!("complete {id} --run-id a")).succeeded();

    there.shell(r#"rm -r "$1/filler""#).succeeded();
    there.coord("enqueue more").succeeded();
    assert_eq!(there.coord("tasks --json").succeeded().json()["total"], 2);
}

#[test]
fn an_answer_that_nobody_reads_is_exit_code_1_and_what_was_done_is_said() {
    let repo = Repo::new();
    let bystanders = Bystanders::of(&repo);
    let unread = |line: &str| {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        repo.coord_call(line).stdout(writer).run()
    };
    let full = |line: &str| repo.coord_call(line).stdout(File::options().write(true).open("/dev/full").unwrap()).run();
    assert_snapshot!(transcript([
        unread("enqueue t"),
        unread("claim --run-id a --queue default --json"),
        unread("tasks"),
        unread("claim --run-id a --queue none"),
        full("tasks --json"),
    ]), @"
    $ muse coord enqueue t
    2> ❌ the answer could not be written to stdout (Broken pipe); the command took effect: `muse coord tasks` shows it
    exit 1

    $ muse coord claim --run-id a --queue default --json
    2> ❌ the answer could not be written to stdout (Broken pipe); the claim was undone, and any agent can claim <id 1>
    exit 1

    $ muse coord tasks
    2> ❌ the answer could not be written to stdout (Broken pipe); nothing was changed
    exit 1

    $ muse coord claim --run-id a --queue none
    2> ❌ the answer could not be written to stdout (Broken pipe); the command did not do what was asked
    exit 1

    $ muse coord tasks --json
    2> ❌ the answer could not be written to stdout (No space left on device); nothing was changed
    exit 1
    ");
    let listed = repo.coord("tasks --queue default --json").succeeded().json();
    assert_eq!(listed["items"][0]["status"], "pending");
    bystanders.are_unharmed(&repo);
}

#[test]
fn a_refusal_that_nobody_reads_does_not_say_that_something_was_done() {
    let repo = Repo::new();
    for line in ["enqueue '' --json", "claim --run-id a", "frobnicate --json"] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let refused = repo.coord_call(line).stdout(writer).run();
        assert!(matches!(refused.code, Some(1 | 2)), "{refused}");
        assert_eq!(refused.stderr.lines().count(), 1, "{refused}");
        assert!(!refused.stderr.contains("has been done"), "{refused}");
    }
}

#[test]
fn a_complaint_that_nobody_reads_keeps_its_exit_code() {
    let repo = Repo::new();
    for (line, code) in [("frobnicate", 2), ("enqueue ''", 1), ("tasks", 0), ("claim --run-id a", 1)] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        repo.coord_call(line).stderr(writer).run().ended_with(code);
    }
}
