//! What a session keeps, and what does not depend on it: poolers, statements that are prepared, the engine's clock.

use std::time::Duration;

use coord_core::name::Nonce;
use coord_core::queue::{ClaimRequest, Thoroughness};
use coord_core::store::conformance;
use coord_core::{Queue, Timestamp, Turn};
use coord_postgres::{Passwords, PostgresStore};
use coord_tests::postgres::{Server, Setup};
use coord_tests::sim::same::compare;
use muse_cli::host::now;

use super::{OPERATIONS, work};

#[test]
fn a_pooler_by_transactions_changes_nothing() {
    let Some(server) = Server::start() else { return };
    let pooler = server.pooler();
    let open = |schema: &str| coord_postgres::create(&pooler.address(schema), Passwords::default()).unwrap();
    assert!(!open(&server.schema()).server().is_direct());
    assert!(server.store(&server.schema()).server().is_direct());
    assert_eq!(conformance::findings(|| open(&server.schema())), Vec::<String>::new());
    for seed in 0..20 {
        let schema = server.schema();
        let onlooker = server.store(&schema);
        let files = || onlooker.files().unwrap().into_iter().collect();
        let compared = compare(seed, OPERATIONS, || open(&schema), files);
        assert!(compared.is_ok(), "{}", compared.unwrap_err());
    }
}

#[test]
fn nobody_elses_tables_are_taken_for_the_queues() {
    let Some(server) = Server::start() else { return };
    // A schema with a name that has to be quoted, beside tables of the same names that would be found first.
    server
        .sql("create table public.name (path int); create table public.body (x int); create table public.meta (y int)");
    server.sql("create schema muse; create table muse.meta (z int)");
    let queue = Queue::open(server.store("a%20%22b%27;c%7Bs%7D")).unwrap();
    queue.init(&Turn::new(&now, Nonce::from_bits(1))).unwrap();
    assert_eq!(server.sql("select version from \"a \"\"b';c{s}\".meta"), "1");
    assert_eq!(server.sql("select count(*) from \"a \"\"b';c{s}\".name where path = 'format.json'"), "1");
}

#[test]
fn what_a_queue_waits_for_is_durable_whatever_the_server_does_otherwise() {
    let setup =
        Setup { settings: vec!["synchronous_commit=off".into(), "log_statement=all".into()], ..Setup::default() };
    let Some(server) = Server::with(&setup) else { return };
    let schema = server.schema();
    let queue = Queue::open(server.store(&schema)).unwrap();
    queue.init(&Turn::new(&now, Nonce::from_bits(1))).unwrap();
    // What is inserted into the log is flushed by the time that a durable change is answered.
    let unflushed = || -> i64 {
        server.sql("select (pg_current_wal_insert_lsn() - pg_current_wal_flush_lsn())::int8").parse().unwrap()
    };
    assert_eq!(unflushed(), 0);
}

#[test]
fn a_statement_that_is_asked_again_and_again_is_prepared() {
    let setup = Setup { settings: vec!["log_statement=all".into()], ..Setup::default() };
    let Some(server) = Server::with(&setup) else { return };
    let schema = server.schema();
    Queue::open(server.store(&schema)).unwrap().init(&Turn::new(&now, Nonce::from_bits(1))).unwrap();
    let request = ClaimRequest::any("agent".parse().unwrap(), 100);
    let claim = |queue: &Queue<PostgresStore>, first: u64| {
        queue.claim(&request, Thoroughness::Full, &Turn::new(&now, Nonce::from_bits(first))).unwrap();
    };
    // Those that the first sweep asks.
    claim(&Queue::open(server.store(&schema)).unwrap(), 2);
    let by_name = || server.log().matches("execute s").count();
    let before = by_name();
    claim(&Queue::open(server.store(&schema)).unwrap(), 3);
    assert_eq!(by_name(), before, "a process for one operation prepares nothing");
    let queue = Queue::open(server.store(&schema)).unwrap();
    (4..9).for_each(|first| claim(&queue, first));
    let after = by_name();
    assert!(after > before, "an agent that goes on prepares");
    (9..12).for_each(|first| claim(&queue, first));
    assert!(by_name() > after, "and goes on with what is prepared");
}

#[test]
fn the_time_is_the_servers() {
    let Some(server) = Server::start() else { return };
    // An hour ahead of this machine: whatever asks for the time finds this function first.
    server.sql(
        "create schema ahead; create function ahead.clock_timestamp() returns timestamptz language sql volatile \
         as $$ select pg_catalog.clock_timestamp() + interval '1 hour' $$; \
         alter role muse set search_path = ahead, pg_catalog, public",
    );
    let store = server.store(&server.schema());
    let told =
        || -> u64 { server.sql("select (extract(epoch from clock_timestamp()) * 1000000)::int8").parse().unwrap() };
    let (before, given, after) = (told(), store.server().now().micros(), told());
    let slack = 100_000;
    assert!((before - slack..=after + slack).contains(&given), "{before} {given} {after}");
    let ahead = Duration::from_micros(given - now().micros());
    assert!(ahead > Duration::from_secs(3_500), "{ahead:?}");
    // Leases run by it: a task claimed by one agent is not expired for another, whatever their hosts' clocks say.
    let queue = Queue::open(store).unwrap();
    let clock = || -> Timestamp { queue.store().server().now() };
    queue.init(&Turn::new(&clock, Nonce::from_bits(1))).unwrap();
    assert!(clock().micros() >= given);
}

#[test]
fn a_lost_connection_is_made_anew_with_the_time_of_the_server() {
    let Some(server) = Server::start() else { return };
    let schema = server.schema();
    assert_eq!(work(&server, &schema, 1), Vec::new());
    let queue = Queue::open(server.store(&schema)).unwrap();
    queue.init(&Turn::new(&now, Nonce::from_bits(1))).unwrap();
    let before = queue.store().server().now();
    server.sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'muse coord'");
    let request = ClaimRequest::any("agent".parse().unwrap(), 100);
    let mut claims =
        (2..5).map(|first| queue.claim(&request, Thoroughness::Full, &Turn::new(&now, Nonce::from_bits(first))));
    assert!(claims.any(|claim| claim.is_ok()));
    assert!(queue.store().server().now() >= before);
}
