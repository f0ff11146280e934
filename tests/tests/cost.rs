//! What a command costs as a whole process, as ratios measured side by side in one run.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::process::Command;
use std::time::{Duration, Instant};

use coord_core::name::QueueName;
use coord_core::queue::NewTask;
use coord_core::{JsonObject, Queue};
use coord_store::{DirStore, Handle, Sync};
use coord_tests::Repo;
use muse_cli::host;

#[test]
fn a_claim_costs_the_same_on_ten_and_on_a_hundred_thousand_tasks() {
    const ROUNDS: usize = 41;
    let [few, many] = [Repo::new(), Repo::new()];
    fill(&many, 100_000);
    let claim = |repo: &Repo| {
        let call = repo.coord_call("claim --run-id agent --json").env("MUSE_COORD_SYNC", "off");
        let began = Instant::now();
        call.run().succeeded();
        began.elapsed()
    };
    let [on_few, on_many] = medians(
        ROUNDS,
        [
            &|| {
                fill(&few, 10 - pending(&few));
                claim(&few)
            },
            &|| claim(&many),
        ],
    );
    let ratio = on_many / on_few;
    report(&format!(
        "claim: {:.2} ms on 10 pending tasks, {:.2} ms on 100,000: {ratio:.2}x",
        on_few * 1e3,
        on_many * 1e3
    ));
    assert!(ratio <= 1.3, "{ratio}");
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
    std::fs::create_dir_all(repo.coordination("")).unwrap();
    let store = DirStore::new(Handle::open(&repo.coordination("")).unwrap(), Sync::Off);
    let queue = Queue::open(store).unwrap();
    for i in 0..tasks {
        let new = NewTask {
            title: format!("task {i}").parse().unwrap(),
            priority: 0,
            queue: QueueName::default_queue(),
            ttl_seconds: 86_400,
            created_by: "filler".parse().unwrap(),
            tags: Vec::new(),
            payload: JsonObject::parse(r#"{"file":"src/lib.rs"}"#).unwrap(),
        };
        queue.enqueue(new, host::now(), host::nonce().unwrap()).unwrap();
    }
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
