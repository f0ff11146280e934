//! Every schedule of a few agents on one task keeps every promise.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use coord_tests::sim::every::{Kind, Scenario};

const ALL: [Kind; 6] = [Kind::Claim, Kind::Heartbeat, Kind::Complete, Kind::Fail, Kind::Cancel, Kind::ForceCancel];

fn scenario() -> Scenario {
    Scenario {
        agents: 2,
        errands: 4,
        errands_each: 3,
        mishaps: 0,
        orders: ALL.into(),
        clocks: vec![1, 5, 9],
        ttl_seconds: 1_000,
        mistake: None,
    }
}

#[test]
fn probe() {
    let arg = |name: &str, default: u8| {
        std::env::var_os(name).and_then(|v| v.to_str().unwrap().parse().ok()).unwrap_or(default)
    };
    let s = Scenario {
        errands: arg("ERR", 3),
        errands_each: arg("EACH", 2),
        mishaps: arg("MIS", 0),
        agents: arg("AG", 2) as usize,
        clocks: if arg("CL", 3) == 2 { vec![1, 5] } else { vec![1, 5, 9] },
        orders: if arg("ORD", 6) == 1 { vec![Kind::Claim] } else { ALL.into() },
        ..scenario()
    };
    let e = s.explore();
    println!("{} states {} steps depth {} {:?} {:?}", e.states, e.steps, e.depth, e.time, e.seen);
    if let Some(f) = e.failure {
        panic!("{f}");
    }
}
