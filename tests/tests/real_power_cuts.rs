//! A few images of `cargo xtask power-cut` on each filesystem that is there, with its red controls.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::process::Command;

use coord_tests::report;

/// The cuts are a program, for it is its own writers, too. Its table goes to the test's log, and so does what was not
/// run.
#[test]
fn nothing_acknowledged_is_missing_after_the_power_of_a_real_filesystem_was_cut() {
    let mut cuts = Command::new(env!("CARGO_BIN_EXE_power_cut"));
    let output = cuts.args(["run", "--images", "16"]).output().unwrap();
    report(String::from_utf8_lossy(&output.stdout));
    // 2: not run, as the report says.
    assert!(matches!(output.status.code(), Some(0 | 2)), "{}", String::from_utf8_lossy(&output.stderr));
}
