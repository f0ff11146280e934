//! Programs in three languages that embed `muse-coord.wasm` and work on one directory with `muse`:
//! `wit/examples/host-*`.
//!
//! Proven: each enqueues, claims and completes what `muse` then sees, and is refused what it may not do in the words of
//! `wit/types.wit`; of all faces that claim at once, agents without any file access among them, exactly one gets each
//! task.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use coord_core::name::QueueName;
use coord_core::queue::{NewTask, Plan};
use coord_core::{JsonObject, Queue};
use coord_store::{DirStore, Handle, Sync};
use coord_tests::{Outcome, Repo, report, required};
use muse_cli::host;
use serde_json::json;

const GRANT: [&str; 2] = ["--dir", ".muse/coordination"];

/// How a host is called.
type Host = fn() -> Command;

/// A host by its language: that is the first word of its run id and of the result that it completes tasks with.
const HOSTS: [(&str, Host); 3] = [("rust", rust), ("python", python), ("node", node)];

#[test]
fn a_rust_host_shares_the_directory_with_muse() {
    shares_the_directory_with_muse("rust", rust);
}

#[test]
fn a_python_host_shares_the_directory_with_muse() {
    shares_the_directory_with_muse("python", python);
}

#[test]
fn a_node_host_shares_the_directory_with_muse() {
    shares_the_directory_with_muse("node", node);
}

fn shares_the_directory_with_muse(language: &str, host: Host) {
    let repo = Repo::new();
    let held = repo.enqueue("held by muse");
    assert_eq!(repo.claim("muse-1"), held);
    let of_muse = repo.enqueue("of muse");
    let of_host = said(&call(&repo, host, &["host-1", "enqueue", "of the host"]));
    let done = said(&call(&repo, host, &["host-1", "work"]));
    assert_eq!(done, format!("{of_muse} of muse\n{} of the host\n", of_host.trim_end()));

    repo.given([format!("complete {held} --run-id muse-1")]);
    let tasks = repo.tasks();
    assert_eq!([&tasks["total"], &tasks["completed"]], [3, 3]);
    let item = tasks["items"].as_array().unwrap().iter().find(|item| item["task_id"] == of_host.trim_end()).unwrap();
    assert_eq!(item["result"], json!({ "host": language }));
    assert_eq!([&item["created_by"], &item["claimer_run_id"]], ["host-1", "host-1"]);
    assert_healthy(&repo);
}

#[test]
fn a_host_is_told_why_it_was_refused() {
    for (language, host) in HOSTS {
        let repo = Repo::new();
        repo.given(["init"]);
        let output = call(&repo, host, &["", "enqueue", "by nobody"]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{language}: {stderr}");
        assert!(stderr.contains("run-id must not be empty") && !stderr.contains("--run-id"), "{language}: {stderr}");
        assert_eq!(repo.tasks()["total"], 0);
    }
}

#[test]
fn a_title_that_would_steer_a_terminal_is_printed_without() {
    for (language, host) in HOSTS {
        let repo = Repo::new();
        repo.enqueue("red \u{1b}[31m, bell \u{7}, C1 \u{9b}2J");
        let done = said(&call(&repo, host, &["host-1", "work"]));
        assert!(done.ends_with(" red [31m, bell , C1 2J\n"), "{language}: {done:?}");
    }
}

/// How many tasks each has to have done for its work to count.
const AT_LEAST: usize = 3;

/// So many tasks wait until all are at work: whoever looks for one now and then meets some, beside those who are woken.
const WAITING: usize = 100;

/// The slowest join first, since the others leave them little.
#[test]
fn of_all_faces_at_once_exactly_one_does_each_of_1000_tasks() {
    let repo = Repo::new();
    let shift = &Shift::default();
    shift.fill(&repo, WAITING);
    thread::scope(|scope| {
        scope.spawn(|| shift.work("wasmtime", |words| repo.stock(GRANT, words).run()));
        shift.fill_until_at_work(&repo, "wasmtime");
        for (language, host) in [("node", node as Host), ("python", python)] {
            let working = start(in_directory(&repo, host, &[language, "work"]));
            scope.spawn(move || shift.follow(language, working));
            shift.fill_until_at_work(&repo, language);
        }
        scope.spawn(|| shift.work("muse", |words| repo.muse(words)));
        shift.fill_until_at_work(&repo, "muse");
        let fast = [
            ("composed", composed(&repo)),
            ("confined", confined(&repo)),
            ("rust", in_directory(&repo, rust, &["rust", "work"])),
        ];
        for (worker, command) in fast {
            let working = start(command);
            scope.spawn(move || shift.follow(worker, working));
            shift.fill_until_at_work(&repo, worker);
        }
        let enqueued = shift.enqueued();
        shift.fill(&repo, 1_000_usize.saturating_sub(enqueued));
    });
    let enqueued = shift.enqueued.lock().unwrap();
    assert!(enqueued.len() >= 1_000);
    let done = shift.done.lock().unwrap();
    let shares: BTreeMap<_, _> = done.iter().map(|(worker, ids)| (worker, ids.len())).collect();
    report(format!("tasks done by each: {shares:?}"));
    let took_part = shares.len() == 7 && shares.values().all(|tasks| *tasks >= AT_LEAST);
    assert!(took_part, "somebody was left out: {shares:?}");
    let all: Vec<&String> = done.values().flatten().collect();
    assert_eq!(all.len(), enqueued.len(), "a task was done twice, or not at all");
    assert_eq!(all.into_iter().cloned().collect::<BTreeSet<_>>(), *enqueued);
    let tasks = repo.tasks();
    assert_eq!(tasks["completed"], enqueued.len());
    assert!(tasks["items"].as_array().unwrap().iter().all(|item| item["generation"] == 1), "a task was taken over");
    assert_healthy(&repo);
}

/// Which tasks there are so far, and who has done which, while some work on one queue.
#[derive(Default)]
struct Shift {
    enqueued: Mutex<BTreeSet<String>>,
    done: Mutex<BTreeMap<&'static str, Vec<String>>>,
}

impl Shift {
    fn has_done(&self, worker: &'static str, task_id: &str) {
        self.done.lock().unwrap().entry(worker).or_default().push(task_id.to_owned());
    }

    /// Notes what a host or an agent prints, until it ends. An agent also tells what it claimed.
    fn follow(&self, worker: &'static str, mut process: Child) {
        for line in BufReader::new(process.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if !line.ends_with(" claimed") {
                self.has_done(worker, line.split(' ').next().unwrap());
            }
        }
        assert!(process.wait().unwrap().success(), "{worker}");
    }

    /// Claims and completes, by one process each, until there is nothing left.
    fn work(&self, worker: &'static str, coord: impl Fn(&[&str]) -> Outcome) {
        loop {
            let claim = coord(&["coord", "claim", "--run-id", worker, "--json"]);
            if claim.code != Some(0) {
                assert_eq!(claim.text_of("status"), "empty", "{claim}");
                return;
            }
            let id = claim.text_of("task_id");
            coord(&["coord", "complete", &id, "--run-id", worker]).succeeded();
            self.has_done(worker, &id);
        }
    }

    fn enqueued(&self) -> usize {
        self.enqueued.lock().unwrap().len()
    }

    fn fill(&self, repo: &Repo, tasks: usize) {
        self.enqueued.lock().unwrap().extend(enqueue(repo, tasks));
    }

    /// Keeps [`WAITING`] tasks there until a worker is at work. Who takes longer than two minutes is left out.
    fn fill_until_at_work(&self, repo: &Repo, worker: &str) {
        let began = Instant::now();
        while self.done_by(worker) < AT_LEAST && began.elapsed() < Duration::from_secs(120) {
            self.fill(repo, WAITING.saturating_sub(self.left()));
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn done_by(&self, worker: &str) -> usize {
        self.done.lock().unwrap().get(worker).map_or(0, Vec::len)
    }

    /// How many tasks nobody has done yet.
    fn left(&self) -> usize {
        let done: usize = self.done.lock().unwrap().values().map(Vec::len).sum();
        self.enqueued() - done
    }
}

/// Enqueues so many tasks, unsynced; tells the ids.
fn enqueue(repo: &Repo, tasks: usize) -> BTreeSet<String> {
    fs::create_dir_all(repo.coordination("")).unwrap();
    let store = DirStore::new(Handle::open(&repo.coordination("")).unwrap(), Sync::Off);
    let queue = Queue::open(store).unwrap();
    let new = |number| NewTask {
        title: format!("task {number}").parse().unwrap(),
        priority: 0,
        queue: QueueName::default_queue(),
        ttl_seconds: 86_400,
        created_by: "filler".parse().unwrap(),
        tags: Vec::new(),
        plan: Plan::default(),
        payload: JsonObject::parse(r#"{"texts":["two words"]}"#).unwrap(),
    };
    let one = |number| queue.enqueue(new(number), &host::turn().unwrap()).unwrap().task.id.to_string();
    (0..tasks).map(one).collect()
}

fn assert_healthy(repo: &Repo) {
    let diagnosis = repo.coord("doctor --json").succeeded().json();
    assert_eq!(diagnosis["healthy"], true, "{diagnosis}");
    let leftovers = diagnosis["leftovers"].as_object().unwrap();
    assert!(leftovers.values().all(|count| count == 0) && diagnosis["quarantine"] == 0, "{diagnosis}");
}

fn rust() -> Command {
    let mut command = Command::new(required("HOST_RUST"));
    command.arg(required("MUSE_COORD_WASM"));
    command
}

fn python() -> Command {
    let mut command = Command::new(required("PYTHON"));
    command.arg(example("host-python/host.py")).arg(required("MUSE_COORD_WASM"));
    command
}

/// It runs what jco has made of the component.
fn node() -> Command {
    let mut command = Command::new(required("NODE"));
    command.arg(example("host-node/host.mjs"));
    command
}

/// An agent without a filesystem import that has been composed with the library, under a stock wasmtime.
fn composed(repo: &Repo) -> Command {
    let mut command = Command::new(required("WASMTIME"));
    let run = ["run", "--dir", ".muse/coordination", "--env", "MUSE_RUN_ID=composed"];
    command.args(run).arg(required("AGENT_EXAMPLES").join("agent-rust-composed.wasm")).current_dir(repo.path(""));
    command
}

/// The same agent, not composed, under `muse-agent`.
fn confined(repo: &Repo) -> Command {
    let mut command = Command::new(required("MUSE_AGENT"));
    command.arg(required("AGENT_EXAMPLES").join("agent-rust.wasm")).args(["--run-id", "confined"]);
    command.current_dir(repo.path(""));
    command
}

fn example(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/examples").join(path)
}

fn in_directory(repo: &Repo, host: Host, words: &[&str]) -> Command {
    let mut command = host();
    command.arg(repo.coordination("")).args(words);
    command
}

fn call(repo: &Repo, host: Host, words: &[&str]) -> Output {
    in_directory(repo, host, words).output().unwrap()
}

fn start(mut command: Command) -> Child {
    command.stdout(Stdio::piped()).spawn().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}
