//! Random operations have the same outcome in a directory and in an engine, and run once or again for each answer: the
//! same answers, and the same files.

use coord_tests::report;
use coord_tests::sim::same::{Shared, compare, compare_replayed};

/// How many operations come one after the other.
const OPERATIONS: usize = 25;

#[test]
fn fused_operations_do_what_calls_do() {
    let sequences = if is_thorough() { 100_000 } else { 5_000 };
    for seed in 0..sequences {
        let engine = Shared::whole();
        let compared = compare(seed, OPERATIONS, || engine.store(), || engine.files());
        assert!(compared.is_ok(), "{}", compared.unwrap_err());
    }
    report(format_args!("{sequences} sequences of {OPERATIONS} operations: the same in a directory and in an engine"));
}

#[test]
fn operations_that_are_run_again_do_what_they_do_when_run_once() {
    let sequences = if is_thorough() { 100_000 } else { 10_000 };
    let calls: usize =
        (0..sequences).map(|seed| compare_replayed(seed, OPERATIONS).unwrap_or_else(|what| panic!("{what}"))).sum();
    report(format_args!(
        "{sequences} sequences of {OPERATIONS} operations, with mishaps among {calls} calls: the same run again"
    ));
}

fn is_thorough() -> bool {
    std::env::var_os("MUSE_THOROUGH").is_some_and(|value| value == "1")
}
