//! Whatever a power cut leaves, what was acknowledged is there, whole.

use coord_tests::sim::power::{Disk, explore, explore_first_use};

#[test]
fn probe() {
    let arg = |n: &str, d: usize| std::env::var_os(n).and_then(|v| v.to_str().unwrap().parse().ok()).unwrap_or(d);
    let disk = if arg("ORD", 0) == 1 { Disk::Ordered } else { Disk::AnySubset };
    let t = std::time::Instant::now();
    let e = if arg("FIRST", 0) == 1 {
        explore_first_use(disk, arg("LEN", 2), arg("DEATHS", 0) == 1)
    } else {
        explore(disk, arg("LEN", 2), arg("DEATHS", 0) == 1, None)
    };
    println!("{} histories {} moments {} states {:?}", e.histories, e.moments, e.states, t.elapsed());
    if let Some(f) = e.failure {
        panic!("{f}");
    }
}
