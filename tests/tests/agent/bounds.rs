//! Agents that want too much: when they run, and when they are compiled.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use coord_tests::Repo;
use serde_json::json;

use super::{assert_given_back, await_status, result, task};

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

/// A large result is refused by its size, before it is understood, for which the host would need many times as much.
#[test]
fn what_a_large_result_costs_the_host_is_a_few_times_its_size() {
    let repo = Repo::new();
    let id = task(&repo, "a large result");
    let agent = repo.agent("--run-id agent-1 --timeout 20s").start();
    await_status(&repo, &id, "claimed");
    let status = format!("/proc/{}/status", agent.id());
    let mut peak = 0;
    while let Ok(status) = fs::read_to_string(&status) {
        let Some(line) = status.lines().find(|line| line.starts_with("VmHWM:")) else { break };
        peak = line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10;
        thread::sleep(Duration::from_millis(20));
    }
    let ended = agent.finish().ended_with(1);
    coord_tests::report(format!("a result of 15 MiB: {peak} MiB at most"));
    assert!(ended.stdout.contains("is too large (15728653 bytes; max 65536)"), "{ended}");
    assert!(peak < 150, "{peak} MiB");
    assert_given_back(&repo, &id, &ended);
}

/// A component with one function of many loops: little to read, much to compile. `imports` come first.
fn bomb(imports: &str) -> Vec<u8> {
    let step = "(loop (br_if 0 (i32.eqz (local.tee 0 (i32.mul (local.get 0) (i32.add (local.get 1) (local.get 2)))))))";
    let component = format!(
        "(component {imports}
           (core module $module
             (func (param i32 i32 i32) {})
             (func (export \"run\") (result i32) (i32.const 0)))
           (core instance $instance (instantiate $module))
           (func $run (result (result)) (canon lift (core func $instance \"run\")))
           (instance (export \"wasi:cli/run@0.2.0\") (export \"run\" (func $run))))",
        step.repeat(60_000)
    );
    wat::parse_str(component).unwrap()
}

#[test]
fn an_agent_that_needs_too_much_memory_to_be_compiled_is_not_begun() {
    let repo = Repo::new();
    fs::write(repo.path("bomb.wasm"), bomb("")).unwrap();
    let needs = "cannot be compiled: it needs more memory for that than --compile-memory lets it have, which is";
    let ended = repo.agent_of("bomb.wasm", "--run-id agent-1 --compile-memory 48MiB").run().ended_with(1);
    assert_eq!(ended.stderr, format!("error: \"bomb.wasm\" {needs} 48.0 MiB\n"));
    // Not even read.
    let ended = repo.agent_of("bomb.wasm", "--run-id agent-1 --compile-memory 1MiB").run().ended_with(1);
    assert_eq!(ended.stderr, format!("error: \"bomb.wasm\" {needs} 1.0 MiB\n"));
}

#[test]
fn what_an_agent_imports_is_looked_at_before_it_is_compiled() {
    let repo = Repo::new();
    fs::write(repo.path("bomb.wasm"), bomb("(import \"wasi:sockets/tcp@0.2.6\" (instance))")).unwrap();
    let ended = repo.agent_of("bomb.wasm", "--run-id agent-1 --compile-memory 48MiB").run().ended_with(2);
    assert!(ended.stderr.contains("it imports wasi:sockets/tcp@0.2.6; an agent may import"), "{ended}");
}

#[test]
fn compiling_counts_for_the_time_that_an_agent_has_and_ends_with_it() {
    let repo = Repo::new();
    fs::write(repo.path("bomb.wasm"), bomb("")).unwrap();
    let began = Instant::now();
    let agent = repo.agent_of("bomb.wasm", "--run-id agent-1 --compile-memory 4GiB --timeout 3s").start();
    while !compiles(&repo) {
        assert!(began.elapsed() < Duration::from_secs(30), "it is not compiled");
        thread::sleep(Duration::from_millis(2));
    }
    let ended = agent.finish().ended_with(1);
    assert_eq!(ended.stderr, "error: \"agent-1\" was stopped: it ran for 3s, as long as --timeout lets it\n");
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    while compiles(&repo) {
        assert!(began.elapsed() < Duration::from_secs(30), "it goes on compiling");
        thread::sleep(Duration::from_millis(20));
    }
}

/// True if a process compiles an agent in this repository.
fn compiles(repo: &Repo) -> bool {
    fs::read_dir("/proc").unwrap().any(|process| {
        let directory = process.unwrap().path();
        let line = fs::read(directory.join("cmdline")).unwrap_or_default();
        let is_compiler = line.split(|byte| *byte == 0).any(|word| word == b"--compile");
        is_compiler && fs::read_link(directory.join("cwd")).is_ok_and(|cwd| cwd == repo.path(""))
    })
}
