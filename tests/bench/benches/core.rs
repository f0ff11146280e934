//! Pieces of the core by themselves, without an operating system: what is left of a cycle when all calls are free.
//!
//!     cargo bench --package coord-bench
#![allow(clippy::expect_used, reason = "a benchmark that cannot go on has failed")]

use coord_core::entry::Entry;
use coord_core::name::{Nonce, QueueName, RunId};
use coord_core::queue::{ClaimRequest, NewTask, Plan, Thoroughness};
use coord_core::store::mem::MemStore;
use coord_core::transition::{Claimant, Command, decide};
use coord_core::{JsonObject, Queue, Timestamp, Turn};
use divan::{Bencher, black_box};

/// So many tasks are enqueued before the clock runs, and worked off while it does.
const TASKS: u64 = 100;

fn main() {
    divan::main();
}

#[divan::bench]
fn entry_written(bencher: Bencher<'_, '_>) {
    let entry = claimed();
    bencher.bench(|| black_box(&entry).to_string());
}

#[divan::bench]
fn entry_parsed(bencher: Bencher<'_, '_>) {
    let name = claimed().to_string();
    bencher.bench(|| Entry::parse(black_box(&name)));
}

#[divan::bench]
fn claim_decided(bencher: Bencher<'_, '_>) {
    let (entry, command) = (waiting(), claim());
    bencher.bench(|| decide(black_box(&entry), black_box(&command), black_box(now())));
}

/// On a store in memory, so with everything but system calls.
#[divan::bench]
fn hundred_tasks_claimed_and_completed_in_memory(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(|| filled(TASKS)).bench_values(|queue| {
        let request = ClaimRequest::any(run_id(), 3_600);
        let mut nonces = (TASKS..).map(Nonce::from_bits);
        let mut nonce = || nonces.next().expect("there are many numbers");
        for _ in 0..TASKS {
            let claim =
                queue.claim(&request, Thoroughness::Full, &Turn::new(&now(), nonce())).expect("memory does not fail");
            let claimed = claim.claimed.expect("there is a task for each claim");
            let claimant = Claimant { run_id: run_id(), nonce: Some(claimed.record.claim_nonce) };
            queue.complete(claimed.task.id, claimant, None, &Turn::new(&now(), nonce())).expect("nobody else has it");
        }
    });
}

fn filled(tasks: u64) -> Queue<MemStore> {
    let queue = Queue::open(MemStore::new()).expect("an empty store is a queue");
    for number in 0..tasks {
        let at = Timestamp::from_micros(now().micros() - tasks + number);
        queue.enqueue(new(), &Turn::new(&at, Nonce::from_bits(number))).expect("memory does not fail");
    }
    queue
}

/// As it stands in a name.
fn waiting() -> Entry {
    let queue = Queue::open(MemStore::new()).expect("an empty store is a queue");
    Entry::first(&queue.enqueue(new(), &Turn::new(&now(), Nonce::from_bits(1))).expect("memory does not fail").task)
}

fn claimed() -> Entry {
    decide(&waiting(), &claim(), now()).expect("a waiting task can be claimed")
}

fn claim() -> Command {
    Command::Claim { run_id: run_id(), lease_seconds: 3_600, nonce: Nonce::from_bits(1) }
}

fn now() -> Timestamp {
    Timestamp::from_micros(1_795_336_200_000_000)
}

fn run_id() -> RunId {
    "agent-7".parse().expect("it is a run id")
}

fn new() -> NewTask {
    NewTask {
        title: "Review page 7".parse().expect("it is a title"),
        priority: 0,
        queue: QueueName::default_queue(),
        ttl_seconds: 86_400,
        created_by: "planner".parse().expect("it is a run id"),
        tags: Vec::new(),
        plan: Plan::default(),
        payload: JsonObject::parse(r#"{"url":"https://example.org/pages/7","depth":2}"#).expect("it is JSON"),
    }
}
