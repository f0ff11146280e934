//! Figures that count only beside each other.

use std::sync::Mutex;
use std::time::Duration;

/// The medians, in seconds, of two things measured in turn; one measurement of anything runs at a time.
pub fn medians(rounds: usize, measured: [&dyn Fn() -> Duration; 2]) -> [f64; 2] {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock();
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (times, measure) in times.iter_mut().zip(measured) {
            times.push(measure());
        }
    }
    times.map(|mut times| {
        times.sort();
        times.get(times.len() / 2).map_or(f64::NAN, Duration::as_secs_f64)
    })
}
