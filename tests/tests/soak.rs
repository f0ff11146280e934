//! Two minutes of `cargo xtask soak`, and twice 20 seconds of it on a server: by agents on three hosts, and by agents
//! on Node and Deno.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::{Command, Output};

use coord_tests::report;

/// The soak is a program, for it is its own agents, too. Its figures go to the test's log.
#[test]
fn nothing_is_lost_and_nothing_is_held_by_two_while_an_agent_is_killed_every_50_ms() {
    let mut soak = Command::new(env!("CARGO_BIN_EXE_soak"));
    soak.args(["run", "--minutes", "2", "--agents", "24", "--javascript", "4", "--kill-every-ms", "50"]);
    assert_passes(soak);
}

#[test]
fn nothing_is_lost_either_where_the_queue_is_on_a_server_that_goes_down_every_4_s() {
    if std::env::var_os("POSTGRES").is_none() {
        report("SKIPPED: `cargo xtask test` sets POSTGRES to the programs of a PostgreSQL server");
        return;
    }
    let mut soak = Command::new(env!("CARGO_BIN_EXE_soak"));
    soak.args(["run", "--store", "postgres", "--minutes", "0.34", "--agents", "24", "--javascript", "0"]);
    soak.args(["--kill-every-ms", "50", "--restart-every-ms", "4000"]);
    match std::env::var_os("LIBFAKETIME") {
        Some(_) => _ = soak.arg("--hosts"),
        None => report("NOT RUN: clocks that are off, for which LIBFAKETIME names Debian's libfaketime.so.1"),
    }
    assert_passes(soak);
}

/// Few others are beside them: an agent that looks for a task now and then gets none where many are told of each.
#[test]
fn nothing_is_lost_where_agents_on_node_and_deno_are_on_that_server() {
    if std::env::var_os("POSTGRES").is_none() {
        report("SKIPPED: `cargo xtask test` sets POSTGRES to the programs of a PostgreSQL server");
        return;
    }
    let mut soak = Command::new(env!("CARGO_BIN_EXE_soak"));
    soak.args(["run", "--store", "postgres", "--minutes", "0.34", "--agents", "4", "--javascript", "4"]);
    soak.args(["--kill-every-ms", "500", "--restart-every-ms", "5000"]);
    assert_passes(soak);
}

/// What a soak says is part of why it failed.
fn assert_passes(mut soak: Command) {
    let Output { status, stdout, stderr } = soak.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{status}\n{said}");
    report(said);
}
