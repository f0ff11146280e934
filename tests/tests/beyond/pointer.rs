//! `init --store`, and the file that it makes.

use std::fs;
use std::path::Path;

use coord_tests::Repo;
use serde_json::json;

use crate::{Engine, init};

#[test]
fn init_makes_a_file_that_leads_every_later_command_to_the_engine() {
    let Some(engine) = Engine::start() else { return };
    let repo = Repo::bare();
    let made = init(&repo, &engine.address).run().succeeded().json();
    let pointer = repo.path(".muse/coordination");
    assert_eq!(made["path"], pointer.to_str().unwrap());
    assert_eq!(
        (&made["store"], &made["created"], &made["pointed"]),
        (&json!(engine.address), &json!(true), &json!(true))
    );
    assert_eq!(fs::read_to_string(&pointer).unwrap(), format!("{{\"store\":\"{}\"}}\n", engine.address));

    let id = repo.enqueue("far away");
    fs::create_dir(repo.path("below")).unwrap();
    let claimed = repo.coord_call("claim --run-id a --json").dir(repo.path("below")).run().succeeded();
    assert_eq!(claimed.text_of("task_id"), id);
    repo.call(["coord", "complete", &id, "--run-id", "a", "--result", "{\"n\":1}"]).run().succeeded();
    assert_eq!(repo.tasks()["completed"], 1);

    // It is safe to run again, with the address and without.
    for again in [init(&repo, &engine.address).run(), repo.coord("init --json")] {
        let again = again.succeeded().json();
        assert_eq!((&again["created"], &again["pointed"]), (&json!(false), &json!(false)), "{again}");
    }
    assert_eq!(repo.tasks()["completed"], 1);
    // Another repository on the same engine has the same queue, and says so.
    let other = Repo::bare();
    let made = init(&other, &engine.address).run().succeeded().json();
    assert_eq!((&made["created"], &made["pointed"]), (&json!(false), &json!(true)));
    assert_eq!(other.tasks()["completed"], 1);
}

#[test]
fn what_came_with_a_copy_of_the_repository_is_followed_only_when_that_is_allowed() {
    let Some(engine) = Engine::start() else { return };
    let repo = Repo::bare();
    init(&repo, &engine.address).run().succeeded();
    repo.enqueue("t");
    let copy = Repo::bare();
    copied(&repo.path(".muse"), &copy.path(".muse"));
    for line in ["tasks", "claim --run-id a", "doctor", "init", "enqueue t"] {
        let refused = copy.coord(line).ended_with(1);
        assert!(refused.stderr.contains("it came with a copy of the repository"), "{line}: {refused}");
        assert!(refused.stderr.contains("muse coord init --store URL"), "{line}: {refused}");
    }
    let refused = copy.agent("--run-id a").run().ended_with(1);
    assert!(refused.stderr.contains("it came with a copy of the repository"), "{refused}");
    let named = copy.coord_call("tasks --json").env("MUSE_REPO_ROOT", copy.path("")).run().succeeded();
    assert_eq!(named.json()["pending"], 1);
    // Named or not, `init` alone allows nothing.
    copy.coord_call("init").env("MUSE_REPO_ROOT", copy.path("")).run().succeeded();
    copy.coord("tasks").ended_with(1);
    let refused = init(&copy, &engine.another_address()).run().ended_with(1);
    assert!(refused.text_of("error").contains("leads to another engine"), "{refused}");
    assert_eq!(init(&copy, &engine.address).run().succeeded().json()["pointed"], true);
    assert_eq!(copy.tasks()["pending"], 1);
}

#[test]
fn a_queue_in_a_directory_is_not_exchanged_for_one_on_an_engine() {
    let Some(engine) = Engine::start() else { return };
    let repo = Repo::new();
    let id = repo.enqueue("t");
    let refused = init(&repo, &engine.address).run().ended_with(1);
    let said = refused.text_of("error");
    assert!(said.contains("is a directory that holds a queue") && said.contains("muse coord export"), "{said}");
    assert_eq!(repo.tasks()["items"][0]["task_id"], id.as_str());
    let schema = engine.server.sql("select count(*) from pg_namespace where nspname = 'q0'");
    assert_eq!(schema, "0", "nothing was made on the engine either");
    // A directory that holds nothing is none.
    let empty = Repo::new();
    fs::create_dir(empty.path(".muse/coordination")).unwrap();
    init(&empty, &engine.address).run().succeeded();
    assert!(empty.path(".muse/coordination").is_file());
}

/// As `cp -r` does.
fn copied(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::write(to.join(file.file_name()), fs::read(file.path()).unwrap()).unwrap();
    }
}
