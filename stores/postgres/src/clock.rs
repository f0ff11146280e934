//! The engine's clock, which all agents of a queue share, however far their hosts' clocks are off.

use std::cell::Cell;
use std::time::{Duration, Instant};

use coord_core::Timestamp;

/// The server's time as it was told, moved on by a clock that never jumps.
///
/// The server tells its time while a request is on its way there and back, so what is known is off by half a round trip
/// at most. A machine that sleeps may stop the other clock: then the time is behind until it is told again.
#[derive(Default)]
pub(crate) struct EngineClock {
    told: Cell<Option<Told>>,
    /// What was given last: time does not go back.
    latest: Cell<u64>,
}

/// A time of the server, and the moment here that it belongs to.
#[derive(Clone, Copy)]
struct Told {
    micros: u64,
    at: Instant,
    /// At most so much off.
    error: Duration,
}

/// The time is asked for again after so long.
const LEARN_EVERY: Duration = Duration::from_mins(1);

/// Two clocks drift apart by less than one part in so many.
const DRIFT: u32 = 5_000;

impl EngineClock {
    /// Takes what the server told between sending and answering.
    pub(crate) fn learn(&self, micros: i64, sent: Instant, answered: Instant) {
        let error = answered.saturating_duration_since(sent) / 2;
        let told = Told { micros: u64::try_from(micros).unwrap_or(0), at: sent + error, error };
        if self.told.get().is_none_or(|before| told.is_better_than(&before)) {
            self.told.set(Some(told));
        }
    }

    /// The same from another connection, perhaps to a server with another clock.
    pub(crate) fn learn_anew(&self, micros: i64, sent: Instant, answered: Instant) {
        self.told.set(None);
        self.latest.set(0);
        self.learn(micros, sent, answered);
    }

    /// True if it is time to ask again.
    pub(crate) fn is_old(&self) -> bool {
        self.told.get().is_none_or(|told| told.at.elapsed() >= LEARN_EVERY)
    }

    /// The server's time now.
    pub(crate) fn now(&self) -> Timestamp {
        let now = self.told.get().map_or(0, |told| told.micros_at(Instant::now()));
        self.latest.set(self.latest.get().max(now));
        Timestamp::from_micros(self.latest.get())
    }
}

impl Told {
    fn micros_at(&self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.at);
        self.micros.saturating_add(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }

    /// A slow answer says less than what is known. But where both cannot be right, the clocks have changed.
    fn is_better_than(&self, before: &Told) -> bool {
        let error = before.error + self.at.saturating_duration_since(before.at) / DRIFT;
        let apart = Duration::from_micros(self.micros.abs_diff(before.micros_at(self.at)));
        self.error <= error || apart > self.error + error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: i64 = 1_795_336_200_000_000;

    fn within(clock: &EngineClock, micros: i64, error: Duration) -> bool {
        let now = clock.now().micros();
        now.abs_diff(u64::try_from(micros).unwrap()) <= u64::try_from(error.as_micros()).unwrap()
    }

    #[test]
    fn it_goes_on_from_what_the_server_told() {
        let (clock, now) = (EngineClock::default(), Instant::now());
        assert!(clock.is_old());
        let before = now.checked_sub(Duration::from_secs(10)).unwrap();
        clock.learn(TOLD, before - Duration::from_millis(4), before);
        assert!(!clock.is_old());
        assert!(within(&clock, TOLD + 10_002_000, Duration::from_millis(500)));
        let long_ago = now.checked_sub(LEARN_EVERY).unwrap();
        clock.learn_anew(TOLD, long_ago, long_ago);
        assert!(clock.is_old());
    }

    #[test]
    fn a_slow_answer_counts_only_where_it_contradicts() {
        let (clock, second) = (EngineClock::default(), Duration::from_secs(1));
        let before = Instant::now().checked_sub(10 * second).unwrap();
        clock.learn(TOLD, before, before);
        // Half a second off at most, and told 0.4 s from what is known.
        clock.learn(TOLD + 900_000, before, before + second);
        assert!(within(&clock, TOLD + 10_000_000, Duration::from_millis(300)));
        clock.learn(TOLD + 60_000_000, before, before + second);
        assert!(within(&clock, TOLD + 69_500_000, Duration::from_millis(300)));
    }

    #[test]
    fn time_does_not_go_back_on_one_connection_and_is_another_ones_on_the_next() {
        let (clock, now) = (EngineClock::default(), Instant::now());
        clock.learn(TOLD, now, now);
        let first = clock.now();
        clock.learn(TOLD - 5_000_000, now, now);
        assert!(clock.now() >= first);
        clock.learn_anew(TOLD - 5_000_000, now, now);
        assert!(clock.now() < first);
    }
}
