//! Two faces, one directory: the native `muse`, and `muse.wasm` under a stock wasmtime, which is run as the README says
//! it: `wasmtime run --argv0 muse --dir .muse/coordination muse.wasm coord …`.
//!
//! Proven: they work one queue together, answer alike, and the component cannot be led to write where no queue is.

use std::fs;

use coord_tests::{Outcome, Repo, transcript};
use insta::assert_snapshot;

const GRANT: [&str; 2] = ["--dir", ".muse/coordination"];

#[test]
fn what_one_face_enqueues_the_other_claims_and_completes() {
    let repo = Repo::new();
    let by_muse = repo.enqueue("for wasmtime");
    let claimed = stock(&repo, &["claim", "--run-id", "agent-1", "--json"]).succeeded();
    assert_eq!(claimed.text_of("task_id"), by_muse);
    repo.given([format!(r#"complete {by_muse} --run-id agent-1 --result {{"pr":42}}"#)]);

    let by_stock = stock(&repo, &["enqueue", "for muse", "--json"]).succeeded().text_of("task_id");
    assert_eq!(repo.claim("agent-2"), by_stock);
    assert_snapshot!(stock(&repo, &["complete", &by_stock, "--run-id", "agent-2", "--result", r#"{"pr":43}"#]), @r#"
    $ wasmtime run … muse.wasm coord complete <id 1> --run-id agent-2 --result '{"pr":43}'

    ✅ Task completed
      Task ID:    <id 1>
      Title:      for muse
      Queue:      default
      By:         agent-2
      Result:     {"pr":43}

      (<s>)
    exit 0
    "#);

    let tasks = ["coord", "tasks", "--json"];
    let (native, stock) = (repo.muse(tasks).succeeded(), repo.stock(GRANT, tasks).run().succeeded());
    let fields = |outcome: &Outcome| outcome.stdout.split_once("\"warnings\"").unwrap().1.to_string();
    assert_eq!(fields(&native), fields(&stock));
}

#[test]
fn exit_codes_come_through_a_stock_wasmtime_in_text_and_in_json() {
    let repo = Repo::new();
    repo.given(["init"]);
    assert_snapshot!(transcript([
        stock(&repo, &["tasks", "--json"]).ended_with(0),
        stock(&repo, &["claim", "--run-id", "agent-1", "--json"]).ended_with(1),
        stock(&repo, &["claim", "--nope"]).ended_with(2),
    ]), @r#"
    $ wasmtime run … muse.wasm coord tasks --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 1>","total":0,
     "scheduled":0,"blocked":0,"pending":0,"claimed":0,"timed_out":0,"completed":0,"failed":0,"cancelled":0,
     "expired":0,"limit":200,"truncated":false,"items":[],"warnings":[]}
    exit 0

    $ wasmtime run … muse.wasm coord claim --run-id agent-1 --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 2>",
     "status":"empty","queue":null,"warnings":[]}
    exit 1

    $ wasmtime run … muse.wasm coord claim --nope
    2> error: unexpected argument '--nope' found
    2> 
    2> Usage: muse coord claim [OPTIONS] --run-id <RUNID>
    2> 
    2> For more information, try '--help'.
    exit 2
    "#);
}

#[test]
fn variables_that_are_given_by_flag_are_read() {
    let repo = Repo::new();
    let id = repo.enqueue("Fix it");
    let claim = |variable: &'static str, more: &[&'static str]| {
        let words = ["coord", "claim", "--json"].iter().chain(more);
        repo.stock(GRANT.iter().chain(&["--env", variable]), words).run()
    };
    let refused = claim("MUSE_COORD_SYNC=nonsense", &["--run-id", "agent-1"]).ended_with(1);
    assert_eq!(refused.text_of("status"), "bad_args");
    let claimed = claim("MUSE_RUN_ID=agent-1", &[]).succeeded();
    assert_eq!([claimed.text_of("claimer_run_id"), claimed.text_of("task_id")], [String::from("agent-1"), id]);
}

#[test]
fn without_a_granted_directory_there_is_no_repository() {
    let repo = Repo::new();
    let ungranted = |words: [&'static str; 3]| repo.stock::<&str, _>([], words).run();
    assert_snapshot!(transcript([ungranted(["coord", "tasks", "--format=text"]), ungranted(["coord", "tasks", "-j"])]), @r#"
    $ wasmtime run … muse.wasm coord tasks --format=text
    2> fatal: not a muse repository (or any parent up to mount point /)
    2> hint: run `muse coord init` in the repository, or set MUSE_REPO_ROOT to a directory that holds .muse/; under wasmtime, grant it with --dir .muse/coordination
    exit 2

    $ wasmtime run … muse.wasm coord tasks -j
    {"muse_version":"<version>","schema":1,"exit_code":2,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"fatal: not a muse repository (or any parent up to mount point /)","status":"not_a_repository",
     "hint":"run `muse coord init` in the repository, or set MUSE_REPO_ROOT to a directory that holds .muse/; under wasmtime, grant it with --dir .muse/coordination",
     "warnings":[]}
    exit 2
    "#);
}

#[test]
fn two_granted_directories_are_refused_for_it_is_not_said_which() {
    let repo = Repo::new();
    repo.given(["init"]);
    fs::create_dir(repo.path("other")).unwrap();
    let grants = GRANT.iter().chain(&["--dir", "other"]);
    assert_snapshot!(repo.stock(grants, ["coord", "enqueue", "t"]).run(), @"
    $ wasmtime run … muse.wasm coord enqueue t
    2> ❌ more than one directory was granted: grant .muse/coordination alone
    exit 1
    ");
    assert!(fs::read_dir(repo.path("other")).unwrap().next().is_none());
    assert_eq!(repo.tasks()["total"], 0);
}

#[test]
fn a_granted_directory_that_is_no_queue_is_refused_and_left_untouched() {
    let repo = Repo::new();
    repo.given(["init"]);
    fs::create_dir(repo.path("papers")).unwrap();
    fs::write(repo.path("papers/notes.txt"), "mine").unwrap();
    let wrong = |directory: &str, words: [&str; 3]| repo.stock(["--dir", directory], words).run();
    assert_snapshot!(transcript([
        wrong("papers", ["coord", "enqueue", "t"]),
        wrong(".muse", ["coord", "init", "--json"]),
    ]), @r#"
    $ wasmtime run … muse.wasm coord enqueue t
    2> ❌ this directory is not a queue: it has no format.json, but "notes.txt"; grant .muse/coordination itself
    exit 1

    $ wasmtime run … muse.wasm coord init --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"this directory is not a queue: it has no format.json, but \"coordination\"; grant .muse/coordination itself",
     "status":"error","warnings":[]}
    exit 1
    "#);
    for (directory, name) in [("papers", "notes.txt"), (".muse", "coordination")] {
        let names: Vec<_> =
            fs::read_dir(repo.path(directory)).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [name]);
    }
}

fn stock(repo: &Repo, words: &[&str]) -> Outcome {
    repo.stock(GRANT, ["coord"].iter().chain(words)).run()
}
