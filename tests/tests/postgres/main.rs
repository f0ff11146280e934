//! The queue on PostgreSQL, on a server of the tests' own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod promises;
mod session;
mod tls;
mod waiting;

use std::collections::BTreeSet;
use std::thread;

use coord_core::name::Nonce;
use coord_core::queue::{Batch, ClaimRequest, Thoroughness};
use coord_core::store::conformance;
use coord_core::transition::Claimant;
use coord_core::{JsonObject, Queue, TaskId, Turn};
use coord_tests::postgres::Server;
use coord_tests::report;
use coord_tests::sim::operation::{New, task};
use coord_tests::sim::same::compare;
use muse_cli::host::now;

/// How many operations come one after the other.
const OPERATIONS: usize = 25;

/// How many agents claim at once, each by a connection of its own.
const AGENTS: u64 = 16;

/// How many tasks they claim.
const TASKS: u16 = 640;

#[test]
fn the_store_on_postgresql_conforms() {
    for server in Server::of_each_version() {
        assert_eq!(conformance::findings(|| server.store(&server.schema())), Vec::<String>::new());
    }
}

#[test]
fn operations_do_what_they_do_in_a_directory() {
    let is_thorough = std::env::var_os("MUSE_THOROUGH").is_some_and(|value| value == "1");
    let sequences = if is_thorough { 10_000 } else { 100 };
    for server in Server::of_each_version() {
        (0..sequences).for_each(|seed| compare_on(&server, seed));
    }
    report(format_args!("{sequences} sequences of {OPERATIONS} operations: the same in a directory and on PostgreSQL"));
}

fn compare_on(server: &Server, seed: u64) {
    let schema = server.schema();
    let onlooker = server.store(&schema);
    let files = || onlooker.files().unwrap().into_iter().collect();
    let compared = compare(seed, OPERATIONS, || server.store(&schema), files);
    assert!(compared.is_ok(), "{}", compared.unwrap_err());
}

#[test]
fn of_sixteen_agents_that_claim_and_complete_at_once_each_task_has_one() {
    let Some(server) = Server::start() else { return };
    let schema = server.schema();
    let queue = Queue::open(server.store(&schema)).unwrap();
    let new = |number| task(New { number, ttl_seconds: 1_000, ..New::default() });
    let mut batch = Batch::new((0..TASKS).map(new).collect());
    let enqueued = Turn::new(&now, Nonce::from_bits(1));
    let mut tasks = BTreeSet::new();
    while let Some(step) = batch.step(&queue, &enqueued).unwrap() {
        tasks.extend(step.into_iter().map(|enqueued| enqueued.task.id));
    }
    assert_eq!(tasks.len(), usize::from(TASKS));
    let done: Vec<TaskId> = thread::scope(|scope| {
        let (server, schema) = (&server, &schema);
        let agents: Vec<_> = (0..AGENTS).map(|agent| scope.spawn(move || work(server, schema, agent))).collect();
        agents.into_iter().flat_map(|agent| agent.join().unwrap()).collect()
    });
    assert_eq!(done.len(), usize::from(TASKS), "no task is done twice");
    assert_eq!(done.into_iter().collect::<BTreeSet<_>>(), tasks);
}

/// Claims and completes until there is nothing to claim.
fn work(server: &Server, schema: &str, agent: u64) -> Vec<TaskId> {
    let queue = Queue::open(server.store(schema)).unwrap();
    let request = ClaimRequest::any(format!("agent-{agent}").parse().unwrap(), 100);
    let mut done = Vec::new();
    for call in 0.. {
        let turn = Turn::new(&now, Nonce::from_bits((agent + 2) * 0x1_0000 + call * 0x10));
        let claim = queue.claim(&request, Thoroughness::Full, &turn).unwrap();
        let Some(claimed) = claim.claimed else { break };
        let claimant = Claimant { run_id: request.run_id.clone(), nonce: Some(claimed.record.claim_nonce) };
        queue.complete(claimed.task.id, claimant, JsonObject::parse("{\"n\":1}").ok(), &turn).unwrap();
        done.push(claimed.task.id);
    }
    done
}

#[test]
fn a_server_that_is_gone_is_an_error_and_no_empty_queue() {
    let Some(server) = Server::start() else { return };
    let queue = Queue::open(server.store(&server.schema())).unwrap();
    queue.init(&Turn::new(&now, Nonce::from_bits(1))).unwrap();
    drop(server);
    let request = ClaimRequest::any("agent".parse().unwrap(), 100);
    for first in 2..4 {
        let claim = queue.claim(&request, Thoroughness::Full, &Turn::new(&now, Nonce::from_bits(first)));
        assert!(claim.is_err(), "{claim:?}");
    }
    assert!(queue.held_by(&request.run_id).is_err());
}
