//! Two minutes of `cargo xtask soak`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Command;

/// The soak is a program, for it is its own agents, too. Its figures go to the test's log.
#[test]
fn nothing_is_lost_and_nothing_is_held_by_two_while_an_agent_is_killed_every_50_ms() {
    let mut soak = Command::new(env!("CARGO_BIN_EXE_soak"));
    soak.args(["run", "--minutes", "2", "--agents", "24", "--javascript", "4", "--kill-every-ms", "50"]);
    assert!(soak.status().unwrap().success());
}
