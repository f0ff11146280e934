//! What is not even begun: components that ask for more than agents are given, files that are no agents, wrong usage.

use std::fs;

use coord_tests::wit::interface;
use coord_tests::{Outcome, Repo, transcript};
use insta::assert_snapshot;

#[test]
fn a_component_that_asks_for_what_agents_are_not_given_is_refused_by_the_name_of_it() {
    let repo = Repo::new();
    let importing = |names: &[&str]| {
        let imports: String = names.iter().map(|name| format!("(import \"{name}\" (instance))")).collect();
        run(&repo, &format!("(component {imports})"))
    };
    let sockets = importing(&["wasi:cli/stdout@0.2.6", "wasi:sockets/tcp@0.2.6", "wasi:sockets/udp@0.2.6"]);
    assert_snapshot!(sockets);
    let admin = interface("admin");
    for name in [admin.as_str(), "wasi:http/outgoing-handler@0.2.6", "wasi:sockets/network@0.2.0", "host"] {
        let ended = importing(&[name]).ended_with(2);
        assert!(
            ended.stderr.contains(&format!("it imports {name}; an agent may import muse:coord/queue and")),
            "{ended}"
        );
    }
}

/// It has something to run, and understands something else by a claim.
fn other_claim() -> String {
    let import = format!(r#"(import "{}" (instance (export "claim" (func))))"#, interface("queue"));
    let export = r#"
      (core module $module (func (export "run") (result i32) (i32.const 0)))
      (core instance $instance (instantiate $module))
      (func $run (result (result)) (canon lift (core func $instance "run")))
      (instance (export "wasi:cli/run@0.2.0") (export "run" (func $run)))"#;
    format!("(component {import} {export})")
}

#[test]
fn a_file_that_is_no_agent_is_refused() {
    let repo = Repo::new();
    fs::write(repo.path("agent.js"), "queue.claim()").unwrap();
    assert_snapshot!(transcript([
        run(&repo, "(component)"),
        run(&repo, "(module)"),
        run(&repo, &other_claim()),
        repo.agent_of("agent.js", "--run-id agent-1").run(),
        repo.agent_of("none.wasm", "--run-id agent-1").run(),
    ]));
}

#[test]
fn wrong_usage_is_refused() {
    let repo = Repo::new();
    assert_snapshot!(transcript([
        repo.agent("").run(),
        repo.agent("--run-id ''").run(),
        repo.agent("--run-id agent-1 --queue a/b").run(),
        repo.agent("--run-id agent-1 --memory much").run(),
        repo.agent("--run-id agent-1 --timeout later").run(),
        repo.agent("--run-id agent-1 --max-tasks some").run(),
        repo.agent("--run-id agent-1 --agent-output loud").run(),
        repo.agent("--run-id agent-1").env("MUSE_COORD_SYNC", "nonsense").run(),
        Repo::bare().agent("--run-id agent-1").run(),
    ]));
}

#[test]
fn help_says_what_an_agent_is_given() {
    assert_snapshot!(Repo::bare().agent("--help").run().succeeded());
}

fn run(repo: &Repo, wat: &str) -> Outcome {
    fs::write(repo.path("agent.wasm"), wat::parse_str(wat).unwrap()).unwrap();
    repo.agent_of("agent.wasm", "--run-id agent-1").run()
}
