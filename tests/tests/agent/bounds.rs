//! Agents that want too much.

use std::fs;

use coord_tests::Repo;
use serde_json::json;

use super::{assert_given_back, result, task};

#[test]
fn an_agent_that_allocates_without_end_is_stopped() {
    let repo = Repo::new();
    let id = task(&repo, "allocate");
    let ended = repo.agent("--run-id agent-1 --memory 32MiB").run().ended_with(1);
    assert!(ended.stderr.contains("it had asked for more memory than --memory lets it have\n"), "{ended}");
    assert_given_back(&repo, &id, &ended);
}

#[test]
fn an_agent_that_is_told_no_goes_on_with_what_it_has() {
    for (memory, at_least, at_most) in [("16MiB", 8, 16), ("64MiB", 48, 64)] {
        let repo = Repo::new();
        let id = task(&repo, "allocate with care");
        let ended = repo.agent(&format!("--run-id agent-1 --memory {memory}")).run().succeeded();
        assert_eq!(ended.stderr, "");
        let got = result(&repo, &id)["mib"].as_u64().unwrap();
        assert!((at_least..=at_most).contains(&got), "{got} MiB of {memory}");
    }
}

#[test]
fn an_agent_that_does_not_fit_is_not_begun() {
    let repo = Repo::new();
    let id = task(&repo, "complete");
    let ended = repo.agent("--run-id agent-1 --memory 64KiB").run().ended_with(1);
    assert!(ended.stderr.contains("it had asked for more memory than --memory lets it have\n"), "{ended}");
    assert_eq!(ended.stdout, "");
    assert_eq!(repo.claim("agent-2"), id);
}

/// An agent whose table grows until it is told no, and which then reports a failure.
const TABLE: &str = r#"
    (component
      (core module $module
        (table 1 funcref)
        (func (export "run") (result i32)
          (loop $more
            (br_if $more (i32.ne (table.grow 0 (ref.null func) (i32.const 10000)) (i32.const -1))))
          (i32.const 1)))
      (core instance $instance (instantiate $module))
      (func $run (result (result)) (canon lift (core func $instance "run")))
      (instance (export "wasi:cli/run@0.2.0") (export "run" (func $run))))"#;

#[test]
fn tables_count_as_memory() {
    let repo = Repo::new();
    fs::write(repo.path("table.wasm"), wat::parse_str(TABLE).unwrap()).unwrap();
    let ended = repo.agent_of("table.wasm", "--run-id agent-1 --memory 8MiB").run().ended_with(1);
    let said = "error: \"agent-1\" ended with exit code 1: it had asked for more memory than --memory lets it have\n";
    assert_eq!(ended.stderr, said);
}

#[test]
fn what_goes_through_one_call_is_bounded() {
    let repo = Repo::new();
    let id = task(&repo, "a title of 20 MiB");
    let ended = repo.agent("--run-id agent-1").run().ended_with(1);
    assert!(ended.stderr.starts_with("error: \"agent-1\" was stopped by a fault: "), "{ended}");
    assert_given_back(&repo, &id, &ended);
    assert_eq!(repo.tasks()["total"], json!(1));
}
