//! How `muse` comes to the engine, and what it says where it does not.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use coord_tests::{Repo, required};

use crate::{Engine, init};

#[test]
fn the_variable_names_the_queue_wherever_the_command_runs() {
    let Some(engine) = Engine::start() else { return };
    let repo = Repo::bare().on(engine.made());
    let id = repo.enqueue("no repository is around");
    assert_eq!(repo.claim("a"), id);
    let with_another = Repo::new();
    with_another.enqueue("in the directory");
    let there = with_another.coord_call("tasks --json").env("MUSE_COORD_STORE", &engine.address).run().succeeded();
    assert_eq!(there.json()["claimed"], 1);
    let made = repo.coord("init --json").succeeded().json();
    assert_eq!((&made["path"], &made["created"]), (&engine.address.as_str().into(), &false.into()));
    assert!(made.get("pointed").is_none() && !repo.path(".muse").exists());
}

#[test]
fn of_sixteen_processes_each_task_is_one_ones() {
    let Some(engine) = Engine::start() else { return };
    let repo = Repo::bare().on(engine.made());
    let tasks: String = (0..48).map(|n| format!("{{\"title\":\"task {n}\"}}\n")).collect();
    fs::write(repo.path("tasks.ndjson"), tasks).unwrap();
    repo.coord("enqueue --batch tasks.ndjson").succeeded();
    let mut won = BTreeSet::new();
    for _ in 0..3 {
        let claims = (0..16).map(|agent| repo.coord_call(&format!("claim --run-id agent-{agent} --json")).start());
        for claim in claims.collect::<Vec<_>>() {
            assert!(won.insert(claim.finish().succeeded().text_of("task_id")), "claimed twice");
        }
    }
    assert_eq!(won.len(), 48);
    assert_eq!(repo.coord("claim --run-id late --json").ended_with(1).json()["status"], "empty");
}

#[test]
fn no_command_but_init_makes_a_queue() {
    let Some(engine) = Engine::start() else { return };
    let repo = Repo::bare().on(&engine.address);
    for line in ["tasks", "enqueue t", "claim --run-id a", "doctor", "export"] {
        let refused = repo.coord(line).ended_with(1);
        assert!(refused.stderr.contains("there is no queue in the schema"), "{line}: {refused}");
    }
    assert_eq!(repo.coord("init --json").succeeded().json()["created"], true);
    repo.enqueue("t");
}

#[test]
fn a_waiting_agent_gets_what_is_enqueued() {
    let Some(engine) = Engine::start() else { return };
    let repo = Repo::bare().on(&engine.address);
    repo.coord("init").succeeded();
    let waiting = repo.coord_call("claim --run-id a --wait 30 --json").start();
    std::thread::sleep(Duration::from_millis(500));
    let id = repo.enqueue("late");
    let began = Instant::now();
    assert_eq!(waiting.finish().succeeded().text_of("task_id"), id);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[test]
fn without_its_companion_muse_says_what_is_missing() {
    let repo = Repo::bare();
    let alone = repo.path("muse");
    fs::copy(required("MUSE_BIN"), &alone).unwrap();
    let script = "MUSE_COORD_STORE=postgres://a@h/d PATH=/nowhere ./muse coord tasks --json";
    let refused = repo.shell(script).ended_with(1);
    assert!(refused.stdout.contains("muse-host, which reaches engines, cannot be run"), "{refused}");
    assert!(refused.stdout.contains("\"status\":\"io_error\""), "{refused}");
    repo.shell("MUSE_COORD_STORE=postgres://a@h/d PATH=/nowhere ./muse coord tasks --help").succeeded();
    repo.shell("MUSE_COORD_STORE=garbage PATH=/nowhere ./muse coord completions bash").succeeded();
}

#[test]
fn what_is_no_address_is_refused_by_name_and_a_password_never_repeated() {
    let repo = Repo::bare();
    for (address, said) in [
        ("mysql://anne@db/work", "MUSE_COORD_STORE: "),
        ("postgres://anne:s3cret@db/work", "PGPASSFILE"),
        ("postgres://anne@db/work?sslmode=disable", "sslmode"),
        ("postgres://anne@db/work?color=red", "color"),
    ] {
        let call = repo.coord_call("tasks --json").env("MUSE_COORD_STORE", address);
        let refused = call.run().ended_with(1);
        assert_eq!(refused.text_of("status"), "bad_args", "{refused}");
        assert!(refused.stdout.contains(said) && !refused.stdout.contains("s3cret"), "{address}: {refused}");
    }
    let refused = init(&repo, "postgres://anne@db/work?sslmode=disable").run().ended_with(1);
    assert!(refused.stdout.contains("--store"), "{refused}");
    assert!(!repo.path(".muse").exists());
}

#[test]
fn a_server_that_is_not_there_is_an_error_in_words_and_changes_nothing() {
    let Some(engine) = Engine::start() else { return };
    let Engine { server, address } = engine;
    drop(server);
    let repo = Repo::bare();
    let refused = init(&repo, &address).run().ended_with(1);
    assert_eq!(refused.text_of("status"), "io_error", "{refused}");
    assert!(refused.text_of("error").contains("no PostgreSQL server can be reached"), "{refused}");
    assert!(!repo.path(".muse/coordination").exists());
    let repo = repo.on(&address);
    let refused = repo.coord("claim --run-id a").ended_with(1);
    assert!(refused.stderr.contains("no PostgreSQL server can be reached"), "{refused}");
    repo.coord("claim --help").succeeded();
    repo.coord("claim --run-id a --claim-ttl 0 --json").ended_with(1).text_of("error").contains("claim-ttl");
}

#[test]
fn what_the_server_refuses_was_not_done_and_is_not_told_as_unknown() {
    let Some(engine) = Engine::start() else { return };
    let repo = Repo::bare().on(engine.made());
    let id = repo.enqueue("t");
    repo.claim("a");
    // As for a user of the server who may only read.
    engine.server.sql("alter role muse set default_transaction_read_only = on");
    for command in [format!("complete {id} --run-id a --json"), "enqueue u --json".to_string()] {
        let refused = repo.coord(&command).ended_with(1);
        assert_eq!(refused.text_of("status"), "io_error", "{refused}");
        assert!(refused.text_of("error").contains("no standby"), "{refused}");
    }
}

#[test]
fn doctor_finds_the_queue_whole_and_says_what_the_server_does_not_promise() {
    let Some(engine) = Engine::start() else { return };
    let repo = Repo::bare().on(engine.made());
    repo.enqueue("t");
    repo.claim("a");
    let doctor = repo.coord("doctor --json").succeeded().json();
    assert_eq!((&doctor["healthy"], &doctor["tasks"]), (&true.into(), &1.into()), "{doctor}");
}
