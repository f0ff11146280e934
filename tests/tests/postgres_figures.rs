//! What the queue on PostgreSQL reaches, beside `pgbench` with the same statements on equal data, in turn in one run;
//! and that a look at the head costs the same however many tasks wait, and however many have left. Ratios of medians
//! count: absolute figures are the machine's.
//!
//! `cargo xtask test -- --test postgres_figures -- --ignored --nocapture --test-threads=1`
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use coord_core::layout::{self, ready_priority};
use coord_core::name::{Nonce, QueueName};
use coord_core::queue::{Batch, ClaimRequest, NewTask, Plan, Thoroughness};
use coord_core::store::fused::{Fused, Head, Look, Seen, TimedDirs, Watermark};
use coord_core::transition::Claimant;
use coord_core::{JsonObject, Queue, Timestamp, Turn};
use coord_postgres::PostgresStore;
use coord_sql::script;
use coord_tests::postgres::Server;
use coord_tests::{medians, report};
use muse_cli::host::now;

/// How many agents work at once, each by a connection of its own.
const AGENTS: u64 = 16;

/// How long they do, each time.
const ROUND: Duration = Duration::from_secs(4);

/// How often each contender has its turn.
const ROUNDS: usize = 5;

/// What they report.
const RESULT: &str = r#"{"exit_code":0,"summary":"all 42 tests passed","commit":"5f3c1e0"}"#;

static NONCES: AtomicU64 = AtomicU64::new(1);

fn turn() -> Turn<'static> {
    Turn::new(&now, Nonce::from_bits(NONCES.fetch_add(0x100, Ordering::Relaxed)))
}

fn new_task(number: usize) -> NewTask {
    NewTask {
        title: format!("task {number}").parse().unwrap(),
        priority: 0,
        queue: QueueName::default_queue(),
        ttl_seconds: 100_000,
        created_by: "orchestrator".parse().unwrap(),
        tags: Vec::new(),
        plan: Plan::default(),
        payload: JsonObject::parse(r#"{"repo":"muse","ref":"main","cmd":["cargo","test"]}"#).unwrap(),
    }
}

/// Enqueues so many tasks. How many a second.
fn fill(store: PostgresStore, many: usize) -> f64 {
    let queue = Queue::open(store).unwrap();
    let mut batch = Batch::new((0..many).map(new_task).collect());
    let began = Instant::now();
    while batch.step(&queue, &turn()).unwrap().is_some() {}
    many as f64 / began.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// How many tasks a second the agents claim and complete, in each round; and `pgbench`, by the same statements.
fn rates(server: &Server) -> [f64; 2] {
    let [ours, theirs] = [server.schema(), server.schema()];
    let per_round = 6_000 * ROUND.as_secs() as usize;
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for schema in [&ours, &theirs] {
            fill(server.store(schema), 1);
            let waiting: usize = server
                .sql(&format!("select count(*) from {schema}.name where path like 'ready/%'"))
                .parse()
                .unwrap_or_default();
            fill(server.store(schema), per_round.saturating_sub(waiting));
            server.sql("checkpoint");
        }
        rates[0].push(agents(server, &ours) as f64 / ROUND.as_secs_f64());
        rates[1].push(benchmark(server, &theirs) as f64 / ROUND.as_secs_f64());
    }
    rates.map(median)
}

fn agents(server: &Server, schema: &str) -> u64 {
    let all_are_there = Barrier::new(AGENTS as usize);
    thread::scope(|scope| {
        let all_are_there = &all_are_there;
        let work = |agent| scope.spawn(move || work(server.store(schema), agent, all_are_there));
        let agents: Vec<_> = (0..AGENTS).map(work).collect();
        agents.into_iter().map(|agent| agent.join().unwrap()).sum()
    })
}

fn work(store: PostgresStore, agent: u64, all_are_there: &Barrier) -> u64 {
    let queue = Queue::open(store).unwrap();
    let queues = vec![QueueName::default_queue()];
    let request = ClaimRequest { queues, ..ClaimRequest::any(format!("agent-{agent}").parse().unwrap(), 100) };
    all_are_there.wait();
    let until = Instant::now() + ROUND;
    let mut done = 0;
    while Instant::now() < until {
        let turn = turn();
        let claimed = queue.claim(&request, Thoroughness::Full, &turn).unwrap().claimed.unwrap();
        let claimant = Claimant { run_id: request.run_id.clone(), nonce: Some(claimed.record.claim_nonce) };
        queue.complete(claimed.task.id, claimant, JsonObject::parse(RESULT).ok(), &turn).unwrap();
        done += 1;
    }
    done
}

fn benchmark(server: &Server, schema: &str) -> u64 {
    let ended = || -> u64 {
        server.sql(&format!("select count(*) from {schema}.name where path like 'done/%'")).parse().unwrap()
    };
    let before = ended();
    let clients = AGENTS as usize;
    server.pgbench(&script::claim_and_complete(schema, RESULT), clients, ROUND, &script::VARIABLES);
    ended() - before
}

#[test]
#[ignore = "takes a minute"]
fn sixteen_agents_do_as_much_as_a_benchmark_by_the_same_statements() {
    let Some(server) = Server::start() else { return };
    let [agents, benchmark] = rates(&server);
    report(format_args!(
        "claim and complete, {AGENTS} agents: {agents:.0}/s, pgbench {benchmark:.0}/s: {:.0} %",
        100.0 * agents / benchmark
    ));
    assert!(agents >= 0.6 * benchmark, "{agents:.0} of {benchmark:.0}");
}

#[test]
#[ignore = "takes a minute"]
fn sixteen_agents_do_as_much_beside_two_standbys_that_are_waited_for() {
    let Some(server) = Server::start().map(Server::with_two_standbys) else { return };
    let [agents, benchmark] = rates(&server);
    report(format_args!(
        "claim and complete, {AGENTS} agents, two standbys: {agents:.0}/s, pgbench {benchmark:.0}/s: {:.0} %",
        100.0 * agents / benchmark
    ));
    assert!(agents >= 0.6 * benchmark, "{agents:.0} of {benchmark:.0}");
}

/// The look of a claim: of one that is the first of its agent, or of one that comes after others.
fn look(store: &PostgresStore, from: Option<Timestamp>) -> Duration {
    let dir = ready_priority(&QueueName::default_queue(), 0);
    let queue = dir.split().unwrap().0;
    let watermarks =
        from.map(|from| Watermark { first: layout::first_path_from(&dir, from), priority: dir }).into_iter().collect();
    let head = Look::Head(Head { of: TimedDirs::These(vec![queue]), after: None, watermarks, most: 16 });
    let began = Instant::now();
    let seen = store.look(&[head]).unwrap();
    let took = began.elapsed();
    assert!(matches!(&seen[0], Seen::Entries(entries) if entries.len() == 16));
    took
}

/// When the first task was enqueued that waits.
fn first(server: &Server, schema: &str) -> Option<Timestamp> {
    let name = server.sql(&format!(
        "select substring(path from '[^/]*$') from {schema}.name where path like 'ready/%' order by path limit 1"
    ));
    Some(Timestamp::from_micros(u64::from_str_radix(name.get(..13)?, 16).ok()?))
}

#[test]
#[ignore = "takes minutes"]
fn a_look_at_the_head_costs_the_same_however_many_tasks_wait() {
    let Some(server) = Server::start() else { return };
    let [few, many] = [server.schema(), server.schema()];
    fill(server.store(&few), 100);
    let rate = fill(server.store(&many), 1_000_000);
    report(format_args!("enqueued in batches: {rate:.0} tasks a second"));
    server.sql(&format!("vacuum analyze {few}.name; "));
    server.sql(&format!("vacuum analyze {many}.name"));
    let looks = [&few, &many].map(|schema| (server.store(schema), first(&server, schema)));
    for is_warm in [false, true] {
        let looked = looks.each_ref().map(|(store, first)| move || look(store, first.filter(|_| is_warm)));
        let [few, many] = medians(1_001, [&looked[0], &looked[1]]);
        let (kind, ratio) = (if is_warm { "warm" } else { "cold" }, many / few);
        let [few, many] = [few, many].map(|seconds| seconds * 1e6);
        report(format_args!("a {kind} look: {few:.0} µs of 100, {many:.0} µs of 1,000,000 that wait: {ratio:.2}x"));
        assert!(ratio <= 1.3, "{ratio:.2}");
    }
}

#[test]
#[ignore = "takes a minute"]
fn a_look_at_the_head_costs_the_same_beside_an_old_snapshot() {
    const LEAVE: usize = 50_000;
    let Some(server) = Server::start() else { return };
    let [still, left] = [server.schema(), server.schema()];
    fill(server.store(&still), 100);
    fill(server.store(&left), LEAVE + 100);
    let _snapshot = server.snapshot(&left);
    server.sql(&format!(
        "update {left}.name set path = 'claimed/' || substr(path, 7) where path in \
         (select path from {left}.name where path like 'ready/%' order by path limit {LEAVE})"
    ));
    let looks = [&still, &left].map(|schema| (server.store(schema), first(&server, schema)));
    let mut ratios = Vec::new();
    for is_warm in [false, true] {
        let looked = looks.each_ref().map(|(store, first)| move || look(store, first.filter(|_| is_warm)));
        let [still, left] = medians(201, [&looked[0], &looked[1]]);
        let kind = if is_warm { "warm" } else { "cold" };
        let [before, after] = [still, left].map(|seconds| seconds * 1e6);
        let ratio = left / still;
        let beside = format_args!("beside {LEAVE} that have left {after:.0} µs: {ratio:.2}x");
        report(format_args!("a {kind} look: {before:.0} µs, {beside}"));
        ratios.push(ratio);
    }
    assert!(ratios[1] <= 2.0, "{ratios:?}");
}
