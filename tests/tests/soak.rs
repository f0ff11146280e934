//! Two minutes of `cargo xtask soak`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Command;

/// By the program, for it is also its own agents.
#[test]
fn nothing_is_lost_and_nothing_is_held_by_two_while_agents_are_killed_twenty_times_a_second() {
    let mut soak = Command::new(env!("CARGO_BIN_EXE_soak"));
    soak.args(["run", "--minutes", "2", "--agents", "24", "--kill-every-ms", "50"]);
    let output = soak.output().unwrap();
    let report = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{report}");
    show(&report);
}

#[expect(clippy::print_stderr, reason = "the figures are for whoever reads the test's log")]
fn show(report: &str) {
    eprintln!("{report}");
}
