//! What a command costs as a whole process, as ratios measured side by side in one run.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::process::Command;
use std::time::{Duration, Instant};

use coord_core::name::QueueName;
use coord_core::queue::{Cancelling, NewTask, Plan, Start};
use coord_core::transition::IfHeld;
use coord_core::{JsonObject, Queue, TaskId};
use coord_store::{DirStore, Handle, Sync};
use coord_tests::Repo;
use muse_cli::host;

#[test]
fn a_claim_costs_the_same_on_ten_and_on_a_hundred_thousand_tasks() {
    let many = Repo::new();
    fill(&many, 100_000);
    assert_claims_cost_as_on_ten_tasks(&many, 100_000, "pending");
}

#[test]
fn a_claim_costs_the_same_beside_a_hundred_thousand_tasks_that_cannot_be_claimed() {
    for kind in ["scheduled", "blocked", "ended"] {
        let repo = Repo::new();
        fill_with(&repo, kind, 100_000);
        assert_claims_cost_as_on_ten_tasks(&repo, 10, kind);
    }
}

/// A claim as a whole process, from as many pending tasks as are to be kept there, against one on ten tasks and nothing else.
fn assert_claims_cost_as_on_ten_tasks(many: &Repo, pending_there: usize, kind: &str) {
    const ROUNDS: usize = 41;
    let few = Repo::new();
    let claim = |repo: &Repo, keep: usize| {
        if keep <= 10 {
            fill(repo, keep - pending(repo));
        }
        let call = repo.coord_call("claim --run-id agent --json").env("MUSE_COORD_SYNC", "off");
        let began = Instant::now();
        call.run().succeeded();
        began.elapsed()
    };
    let [on_few, on_many] = medians(ROUNDS, [&|| claim(&few, 10), &|| claim(many, pending_there)]);
    let ratio = on_many / on_few;
    report(&format!(
        "claim: {:.2} ms on 10 pending tasks, {:.2} ms beside 100,000 {kind}: {ratio:.2}x",
        on_few * 1e3,
        on_many * 1e3
    ));
    assert!(ratio <= 1.3, "{kind}: {ratio}");
}

#[test]
fn listing_an_empty_queue_takes_at_most_four_times_a_native_hello_world() {
    let repo = Repo::new();
    repo.coord("init").succeeded();
    let [hello, tasks] = medians(
        101,
        [&|| timed(&mut Command::new(env!("CARGO_BIN_EXE_hello"))), &|| {
            timed(
                Command::new(std::env::var_os("MUSE_BIN").unwrap())
                    .args(["coord", "tasks"])
                    .current_dir(repo.path(".")),
            )
        }],
    );
    let ratio = tasks / hello;
    report(&format!("tasks on an empty queue: {:.2} ms, hello world: {:.2} ms: {ratio:.2}x", tasks * 1e3, hello * 1e3));
    assert!(ratio <= 4.0, "{ratio}");
}

/// Enqueues so many tasks by the library, unsynced, which is faster than as many processes.
fn fill(repo: &Repo, tasks: usize) {
    let queue = open(repo);
    for i in 0..tasks {
        enqueue(&queue, i, Plan::default());
    }
}

/// Enqueues so many tasks that cannot be claimed: scheduled over a day, blocked on a hundred others, or ended.
fn fill_with(repo: &Repo, kind: &str, tasks: usize) {
    let queue = open(repo);
    let later = || Plan { start: Start::After(86_400), ..Plan::default() };
    let parents: Vec<TaskId> = (0..100).map(|i| enqueue(&queue, i, later())).collect();
    for i in 0..tasks {
        match kind {
            "scheduled" => {
                let start = Start::After(86_400 + i64::try_from(i % 86_400).unwrap());
                enqueue(&queue, i, Plan { start, ..Plan::default() });
            }
            "blocked" => {
                enqueue(&queue, i, Plan { after: vec![parents[i % 100]], ..Plan::default() });
            }
            _ => {
                let id = enqueue(&queue, i, Plan::default());
                let by = Cancelling::new("filler".parse().unwrap(), IfHeld::Refuse);
                queue.cancel(id, by, host::now(), host::nonce().unwrap()).unwrap();
            }
        }
    }
}

fn open(repo: &Repo) -> Queue<DirStore> {
    std::fs::create_dir_all(repo.coordination("")).unwrap();
    Queue::open(DirStore::new(Handle::open(&repo.coordination("")).unwrap(), Sync::Off)).unwrap()
}

fn enqueue(queue: &Queue<DirStore>, number: usize, plan: Plan) -> TaskId {
    let new = NewTask {
        title: format!("task {number}").parse().unwrap(),
        priority: 0,
        queue: QueueName::default_queue(),
        ttl_seconds: 86_400,
        created_by: "filler".parse().unwrap(),
        tags: Vec::new(),
        plan,
        payload: JsonObject::parse(r#"{"file":"src/lib.rs"}"#).unwrap(),
    };
    queue.enqueue(new, host::now(), host::nonce().unwrap()).unwrap().task.id
}

fn pending(repo: &Repo) -> usize {
    let tasks = repo.coordination("format.json").exists().then(|| repo.tasks());
    tasks.map_or(0, |tasks| tasks["pending"].as_u64().unwrap() as usize)
}

fn timed(command: &mut Command) -> Duration {
    let began = Instant::now();
    assert!(command.output().unwrap().status.success());
    began.elapsed()
}

/// The medians, in seconds, of two things measured in turn; one measurement of anything runs at a time.
fn medians(rounds: usize, measured: [&dyn Fn() -> Duration; 2]) -> [f64; 2] {
    static ONE_AT_A_TIME: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock();
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (times, measure) in times.iter_mut().zip(measured) {
            times.push(measure());
        }
    }
    times.map(|mut times| {
        times.sort();
        times[times.len() / 2].as_secs_f64()
    })
}

#[expect(clippy::print_stderr, reason = "measured figures are for whoever reads the test's log")]
fn report(line: &str) {
    eprintln!("{line}");
}
