//! All faces at once on one server.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use coord_tests::{Repo, report, required};
use serde_json::{Value, json};

use super::Engine;

const TASKS: usize = 1_000;

#[test]
fn of_all_faces_at_once_each_task_is_one_ones() {
    let Some(engine) = Engine::start() else { return };
    let repo = Repo::bare().on(engine.made());
    let tasks: String = (0..TASKS).map(|number| format!("{}\n", line(number))).collect();
    fs::write(repo.path("tasks.ndjson"), tasks).unwrap();
    repo.coord("enqueue --batch tasks.ndjson").succeeded();
    let began = Instant::now();
    let done: BTreeMap<&str, usize> = thread::scope(|scope| {
        let muse = ["muse-1", "muse-2"].map(|run_id| (run_id, scope.spawn(|| by_commands(&repo, run_id))));
        let agent = ["agent-1", "agent-2"].map(|run_id| (run_id, scope.spawn(|| by_agent(&repo, run_id))));
        let npm = [("node-1", "NODE"), ("deno-1", "DENO")];
        let npm = npm.map(|(run_id, runtime)| (run_id, scope.spawn(|| by_package(&engine.address, run_id, runtime))));
        let all = muse.into_iter().chain(agent).chain(npm);
        all.map(|(run_id, done)| (run_id, done.join().unwrap())).collect()
    });
    report(format_args!("{TASKS} tasks in {:.1} s: {done:?}", began.elapsed().as_secs_f64()));
    assert_eq!(done.values().sum::<usize>(), TASKS);
    assert!(done.values().all(|done| *done > 0), "{done:?}");
    let listing = repo.coord("tasks --limit 1000 --json").succeeded().json();
    let items = listing["items"].as_array().unwrap();
    assert_eq!(items.len(), TASKS);
    for (run_id, done) in done {
        let own = items.iter().filter(|item| item["claimer_run_id"] == run_id);
        let own: Vec<_> = own.map(|item| json!([item["status"], item["generation"]])).collect();
        assert_eq!(own, vec![json!(["completed", 1]); done], "{run_id}");
    }
    repo.coord("doctor").succeeded();
}

fn line(number: usize) -> Value {
    json!({ "title": format!("task {number}"), "payload": { "do": "complete" } })
}

/// Claims and completes with one process each.
fn by_commands(repo: &Repo, run_id: &str) -> usize {
    let mut done = 0;
    loop {
        let claimed = repo.coord(&format!("claim --run-id {run_id} --json"));
        if claimed.code == Some(1) {
            return done;
        }
        let id = claimed.succeeded().text_of("task_id");
        repo.coord(&format!("complete {id} --run-id {run_id} --result {{\"by\":1}}")).succeeded();
        done += 1;
    }
}

/// Has a confined component do so, which prints a line for each.
fn by_agent(repo: &Repo, run_id: &str) -> usize {
    repo.agent(&format!("--run-id {run_id}")).run().succeeded().stdout.lines().count()
}

/// Has an agent with the npm package do so.
fn by_package(address: &str, run_id: &str, runtime: &str) -> usize {
    let program = Path::new(&required("JS_AGENTS")).join("beyond.mjs");
    let grants: &[&str] = if runtime == "DENO" { &["run", "--no-prompt", "--quiet", "--allow-all"] } else { &[] };
    let mut command = Command::new(required(runtime));
    command.args(grants).arg(program).args([run_id, address]).stderr(Stdio::inherit());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{runtime}");
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}
