//! `init`: a repository where there was none, and no harm where there is one.

use std::fs;

use coord_tests::Repo;
use insta::assert_snapshot;

#[test]
fn init_makes_the_coordination_directory_once_and_is_harmless_after() {
    let repo = Repo::bare();
    assert_snapshot!(repo.session(["init", "init", "init --json", "enqueue 'Fix it'"]), @r#"
    $ muse coord init

    ✅ Coordination directory made
      Path:       <repo>/.muse/coordination

      (<s>)
    exit 0

    $ muse coord init

    ✅ Coordination directory is there already
      Path:       <repo>/.muse/coordination

      (<s>)
    exit 0

    $ muse coord init --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 1>",
     "path":"<repo>/.muse/coordination","created":false,"adopted":false,"warnings":[]}
    exit 0

    $ muse coord enqueue 'Fix it'

    ✅ Task enqueued
      Task ID:    <id 1>
      Title:      Fix it
      Queue:      default  priority=0
      TTL:        86400s

      (<s>)
    exit 0
    "#);
    assert_eq!(fs::read_to_string(repo.coordination("format.json")).unwrap(), "{\"format\":4,\"features\":[]}\n");
    assert_snapshot!(Repo::bare().session(["init --json", "tasks"]), @r#"
    $ muse coord init --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 1>",
     "path":"<repo>/.muse/coordination","created":true,"adopted":false,"warnings":[]}
    exit 0

    $ muse coord tasks

    Task queue — 0 task(s)
      0 pending  0 claimed  0 timed_out  0 completed  0 failed  0 cancelled
    ────────────────────────────────────────────────────────────────────────────────

      (no tasks matching filter)

      (<s>)
    exit 0
    "#);
}

#[test]
fn init_below_a_repository_is_about_that_repository() {
    let repo = Repo::new();
    fs::create_dir_all(repo.path("src/deep")).unwrap();
    let answer = repo.coord_call("init --json").dir(repo.path("src/deep")).run().succeeded();
    assert_eq!(answer.text_of("path"), repo.coordination("").to_str().unwrap().trim_end_matches('/'));
    assert!(!repo.path("src/deep/.muse").exists());
}

#[test]
fn init_makes_the_repository_that_muse_repo_root_names() {
    let repo = Repo::bare();
    let there = repo.path("there");
    assert_snapshot!(repo.coord_call("init").env("MUSE_REPO_ROOT", &there).run(), @"
    $ MUSE_REPO_ROOT=<repo>/there muse coord init

    ✅ Coordination directory made
      Path:       <repo>/there/.muse/coordination

      (<s>)
    exit 0
    ");
    assert!(there.join(".muse/coordination/format.json").is_file());
    assert!(!repo.path(".muse").exists());
}

#[test]
fn init_loses_nothing_of_a_queue_that_is_there() {
    let repo = Repo::new();
    let id = repo.enqueue("Fix it");
    repo.coord("init").succeeded();
    assert_eq!(repo.claim("agent-1"), id);
}
