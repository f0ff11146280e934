//! Somebody who puts things in the way while the agents work: where the queue looks for a directory or a file and has
//! none yet, and beside what it has. Nothing that is there is touched, so every task is an undamaged one, and all
//! that is promised is promised still.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;

use crate::damage;

/// Puts something in the way every second until then. How many things.
pub(super) fn vandalise(directory: &Path, end: Instant, rng: &mut SmallRng) -> u64 {
    let mut planted = 0;
    while Instant::now() < end {
        thread::sleep(Duration::from_secs(1));
        if fs::exists(directory.join("format.json")).is_ok_and(|there| there) {
            planted += u64::from(damage::plant(directory, rng));
        }
    }
    planted
}
