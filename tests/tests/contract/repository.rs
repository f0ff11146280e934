//! Which repository a command works in: `MUSE_REPO_ROOT`, else the nearest directory upward, else none.

use std::fs;

use coord_tests::{Repo, transcript};
use insta::assert_snapshot;

use crate::NO_TASK;

#[test]
fn without_a_repository_every_command_ends_with_exit_code_2_and_says_what_to_run() {
    let repo = Repo::bare();
    let commands = [
        String::from("enqueue t"),
        String::from("claim --run-id a"),
        format!("heartbeat {NO_TASK} --run-id a"),
        format!("complete {NO_TASK} --run-id a"),
        format!("fail-task {NO_TASK} --run-id a"),
        format!("release {NO_TASK} --run-id a"),
        format!("cancel-task {NO_TASK} --run-id a"),
        String::from("tasks"),
        format!("retry {NO_TASK}"),
        format!("show {NO_TASK}"),
        format!("wait {NO_TASK}"),
        String::from("watch"),
        String::from("stats"),
        String::from("pause q"),
        String::from("resume q"),
        String::from("limit q --max-in-flight 1"),
        String::from("gc --older-than 0"),
        String::from("export"),
        String::from("import"),
        String::from("enqueue --batch -"),
    ];
    assert_snapshot!(repo.session(["tasks", "tasks --json"]), @r#"
    $ muse coord tasks
    2> fatal: not a muse repository (or any parent up to mount point /)
    2> hint: run `muse coord init` in the repository, or set MUSE_REPO_ROOT to a directory that holds .muse/; under wasmtime, grant it with --dir .muse/coordination
    exit 2

    $ muse coord tasks --json
    {"muse_version":"<version>","schema":1,"exit_code":2,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"fatal: not a muse repository (or any parent up to mount point /)","status":"not_a_repository",
     "hint":"run `muse coord init` in the repository, or set MUSE_REPO_ROOT to a directory that holds .muse/; under wasmtime, grant it with --dir .muse/coordination",
     "warnings":[]}
    exit 2
    "#);
    for command in commands {
        let (text, json) = (repo.coord(&command), repo.coord(&format!("{command} --json")));
        assert_eq!((text.code, json.code), (Some(2), Some(2)), "{text}{json}");
        assert!(
            text.stderr.starts_with("fatal: not a muse repository (or any parent up to mount point /)\n"),
            "{text}"
        );
        assert_eq!(
            (json.text_of("status"), &json.stderr),
            (String::from("not_a_repository"), &String::new()),
            "{json}"
        );
    }
    assert!(fs::read_dir(repo.path("")).unwrap().next().is_none(), "nothing was made");
}

#[test]
fn the_nearest_directory_upward_that_holds_muse_is_the_repository() {
    let repo = Repo::new();
    fs::create_dir_all(repo.path("inner/.muse")).unwrap();
    fs::create_dir_all(repo.path("inner/src/deep")).unwrap();
    repo.enqueue("outer");
    repo.coord_call("enqueue inner").dir(repo.path("inner")).run().succeeded();
    let found = |dir: &str| {
        let tasks = repo.coord_call("tasks --json").dir(repo.path(dir)).run().succeeded().json();
        tasks["items"].as_array().unwrap().iter().map(|item| item["title"].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(found("."), ["\"outer\""]);
    assert_eq!(found("inner"), ["\"inner\""]);
    assert_eq!(found("inner/src/deep"), ["\"inner\""]);
}

#[test]
fn muse_repo_root_names_the_repository_and_no_other_is_tried() {
    let repo = Repo::new();
    fs::create_dir_all(repo.path("named/.muse")).unwrap();
    fs::create_dir(repo.path("none")).unwrap();
    repo.enqueue("here");
    let rooted = |line: &str, root: &str| repo.coord_call(line).env("MUSE_REPO_ROOT", root).run();
    rooted("enqueue named", repo.path("named").to_str().unwrap()).succeeded();
    assert_snapshot!(transcript([
        rooted("tasks --json", "named"),
        rooted("tasks", "none"),
        rooted("tasks --json", "missing"),
    ]), @r#"
    $ MUSE_REPO_ROOT=named muse coord tasks --json
    {"muse_version":"<version>","schema":1,"exit_code":0,"duration_ms":<ms>,"timestamp":"<time 2>","total":1,
     "scheduled":0,"blocked":0,"pending":1,"claimed":0,"timed_out":0,"completed":0,"failed":0,"cancelled":0,
     "expired":0,"limit":200,"truncated":false,"items":[{"task_id":"<id 1>","title":"named","priority":0,
     "queue":"default","ttl_seconds":86400,"created_by":"unknown","created_at":"<time 1>","tags":[],"payload":{},
     "status":"pending","claimer_run_id":null,"expires_at":null,"generation":0,"attempt":0,"result":null,
     "error":null}],"warnings":[]}
    exit 0

    $ MUSE_REPO_ROOT=none muse coord tasks
    2> fatal: not a muse repository (or any parent up to mount point /)
    2> hint: run `muse coord init` in the repository, or set MUSE_REPO_ROOT to a directory that holds .muse/; under wasmtime, grant it with --dir .muse/coordination
    exit 2

    $ MUSE_REPO_ROOT=missing muse coord tasks --json
    {"muse_version":"<version>","schema":1,"exit_code":2,"duration_ms":<ms>,"timestamp":"<time 3>",
     "error":"fatal: not a muse repository (or any parent up to mount point /)","status":"not_a_repository",
     "hint":"run `muse coord init` in the repository, or set MUSE_REPO_ROOT to a directory that holds .muse/; under wasmtime, grant it with --dir .muse/coordination",
     "warnings":[]}
    exit 2
    "#);
    assert_eq!(rooted("tasks --json", "").succeeded().json()["items"][0]["title"], "here", "empty counts as unset");
    assert!(!repo.path("none/.muse").exists());
}

#[test]
fn a_file_called_muse_is_no_repository() {
    let repo = Repo::bare();
    fs::write(repo.path(".muse"), "").unwrap();
    repo.coord("tasks").ended_with(2);
}
