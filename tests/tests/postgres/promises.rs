//! What a server promises, as it is found out from one.

use coord_postgres::{HolderKind, Passwords};
use coord_tests::postgres::{Server, Setup};

#[test]
fn a_server_as_it_comes_gives_no_finding() {
    let Some(server) = Server::start() else { return };
    let promises = server.store(&server.schema()).server().promises().unwrap();
    assert_eq!(promises.findings(), Vec::<String>::new());
    assert!(promises.to_string().contains("acknowledged when it is on disk"), "{promises}");
    assert!(promises.sees_all && promises.oldest.is_none() && promises.standbys.is_empty());
}

#[test]
fn a_server_that_is_set_up_for_speed_is_found_out() {
    let settings = ["fsync=off", "full_page_writes=off", "autovacuum=off", "synchronous_commit=off"];
    let settings = settings.map(ToString::to_string).to_vec();
    let Some(server) = Server::with(&Setup { settings, ..Setup::default() }) else { return };
    let promises = server.store(&server.schema()).server().promises().unwrap();
    let findings = promises.findings().join("\n");
    for words in ["fsync is off", "full_page_writes is off", "autovacuum is off"] {
        assert!(findings.contains(words), "{findings}");
    }
    assert_eq!(promises.synchronous_commit, "on", "a queue waits for the log all the same");
}

#[test]
fn an_old_transaction_is_found_unless_the_user_may_not_see_it() {
    let setup = Setup { settings: vec!["max_prepared_transactions=2".into()], ..Setup::default() };
    let Some(server) = Server::with(&setup) else { return };
    let schema = server.schema();
    let store = server.store(&schema);
    server.sql("create table t (x int); begin; insert into t values (1); prepare transaction 'left'");
    let holder = store.server().promises().unwrap().oldest.unwrap();
    assert_eq!((holder.kind, holder.name.as_str()), (HolderKind::Prepared, "left"));
    server.sql("rollback prepared 'left'");
    let _open = server.hold_a_snapshot();
    let holder = store.server().promises().unwrap().oldest.unwrap();
    assert_eq!((holder.kind, holder.program.as_str()), (HolderKind::Transaction, "holder"));

    server.sql(&format!(
        "create role few login; grant all on schema {schema} to few; \
        grant all on all tables in schema {schema} to few"
    ));
    let address = server.address(&schema).to_string().replace("muse@", "few@").parse().unwrap();
    let promises = coord_postgres::create(&address, Passwords::default()).unwrap().server().promises().unwrap();
    assert!(!promises.sees_all && promises.oldest.is_none());
    assert!(promises.findings().iter().any(|finding| finding.contains("grant pg_read_all_stats")));
}
