//! What of a damaged directory still works, in directories with fixed seeds. More of them: `cargo run --bin damage`.

use coord_tests::{damage, report};

#[test]
fn in_damaged_directories_every_undamaged_task_is_given_out_and_the_doctor_knows() {
    let outcome = damage::run(damage::Options { directories: 500, seed: 1, only: None });
    report(&outcome);
    assert!(outcome.passed(), "{outcome}");
}
