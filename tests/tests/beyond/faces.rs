//! All faces at once on one server.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use coord_tests::{Repo, report, required};
use serde_json::json;

use super::Engine;
use super::hosts::{place, python, rust};

const TASKS: usize = 1_000;

/// So many tasks wait until all are at work: some start slowly.
const WAITING: usize = 400;

const PATIENCE: Duration = Duration::from_mins(2);

#[test]
fn of_all_faces_at_once_exactly_one_does_each_of_1000_tasks() {
    let Some(engine) = Engine::start() else { return };
    let repo = Repo::bare().on(engine.made());
    fill(&repo, WAITING);
    let began = Instant::now();
    let done: BTreeMap<&str, usize> = thread::scope(|scope| {
        let (repo, address) = (&repo, &engine.address);
        let workers: [(&str, Worker<'_>); 8] = [
            ("muse-1", Box::new(|run_id| by_commands(repo, run_id))),
            ("muse-2", Box::new(|run_id| by_commands(repo, run_id))),
            ("agent-1", Box::new(|run_id| by_agent(repo, run_id))),
            ("agent-2", Box::new(|run_id| by_agent(repo, run_id))),
            ("node-1", Box::new(|run_id| by_package(address, run_id, "NODE"))),
            ("deno-1", Box::new(|run_id| by_package(address, run_id, "DENO"))),
            ("python-1", Box::new(|run_id| by_host(address, run_id, python()))),
            ("rust-1", Box::new(|run_id| by_host(address, run_id, rust()))),
        ];
        let all = workers.map(|(run_id, work)| (run_id, scope.spawn(move || some(|| work(run_id)))));
        fill_until_at_work(repo, all.len());
        all.into_iter().map(|(run_id, done)| (run_id, done.join().unwrap())).collect()
    });
    let listing = repo.coord("tasks --limit 10000 --json").succeeded().json();
    let items = listing["items"].as_array().unwrap();
    report(format_args!("{} tasks in {:.1} s: {done:?}", items.len(), began.elapsed().as_secs_f64()));
    assert!(items.len() >= TASKS && done.values().sum::<usize>() == items.len(), "{done:?}");
    for (run_id, done) in done {
        let own = items.iter().filter(|item| item["claimer_run_id"] == run_id);
        let own: Vec<_> = own.map(|item| json!([item["status"], item["generation"]])).collect();
        assert!(done > 0 && own == vec![json!(["completed", 1]); done], "{run_id}: {own:?}");
    }
    repo.coord("doctor").succeeded();
}

/// Works until there is nothing left, and tells how many it has done.
type Worker<'a> = Box<dyn Fn(&str) -> usize + Send + 'a>;

/// How many a worker does that comes again if all were gone. After two minutes it is left out.
fn some(work: impl Fn() -> usize) -> usize {
    let began = Instant::now();
    loop {
        let done = work();
        if done > 0 || began.elapsed() > PATIENCE {
            return done;
        }
    }
}

/// Keeps tasks waiting until so many agents have claimed one, and then fills up.
fn fill_until_at_work(repo: &Repo, agents: usize) {
    let began = Instant::now();
    loop {
        let listing = repo.coord("tasks --limit 10000 --json").succeeded().json();
        let items = listing["items"].as_array().unwrap();
        let at_work: BTreeSet<_> = items.iter().filter_map(|item| item["claimer_run_id"].as_str()).collect();
        if at_work.len() == agents || began.elapsed() > PATIENCE {
            return fill(repo, TASKS.saturating_sub(items.len()));
        }
        let waiting = items.iter().filter(|item| item["status"] == "pending").count();
        fill(repo, WAITING.saturating_sub(waiting));
    }
}

fn fill(repo: &Repo, tasks: usize) {
    let line = |number| json!({ "title": format!("task {number}"), "payload": { "do": "complete" } });
    let lines: String = (0..tasks).map(|number| format!("{}\n", line(number))).collect();
    fs::write(repo.path("tasks.ndjson"), lines).unwrap();
    if tasks > 0 {
        repo.coord("enqueue --batch tasks.ndjson").succeeded();
    }
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

/// Has a host do so, which embeds the library for servers and prints a line for each task.
fn by_host(address: &str, run_id: &str, mut host: Command) -> usize {
    let output = host.args(place(address)).args([run_id, "work"]).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{run_id}");
    String::from_utf8(output.stdout).unwrap().lines().count()
}
