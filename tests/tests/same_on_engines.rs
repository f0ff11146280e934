//! Random operations have the same outcome in a directory and in an engine: the same answers, and the same files.

use coord_tests::report;
use coord_tests::sim::same::{Shared, compare};

/// How many operations come one after the other.
const OPERATIONS: usize = 25;

#[test]
fn fused_operations_do_what_calls_do() {
    let is_thorough = std::env::var_os("MUSE_THOROUGH").is_some_and(|value| value == "1");
    let sequences = if is_thorough { 100_000 } else { 5_000 };
    for seed in 0..sequences {
        let engine = Shared::whole();
        let compared = compare(seed, OPERATIONS, || engine.store(), || engine.files());
        assert!(compared.is_ok(), "{}", compared.unwrap_err());
    }
    report(format_args!("{sequences} sequences of {OPERATIONS} operations: the same in a directory and in an engine"));
}
