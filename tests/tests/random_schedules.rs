//! Random schedules of four agents on six tasks, with every operation, keep every promise.

use coord_tests::sim::random::{Choice, explore};

#[test]
fn any_agent_may_be_next() {
    let n = std::env::var_os("N").and_then(|v| v.to_str().unwrap().parse().ok()).unwrap_or(1000);
    let t = std::time::Instant::now();
    println!("{} {:?}", explore(Choice::Uniform, n, 1, None), t.elapsed());
}

#[test]
fn agents_have_changing_priorities() {
    let n = std::env::var_os("N").and_then(|v| v.to_str().unwrap().parse().ok()).unwrap_or(1000);
    let t = std::time::Instant::now();
    println!("{} {:?}", explore(Choice::Priorities, n, 1, None), t.elapsed());
}
