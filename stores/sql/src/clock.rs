//! The engine's clock, which all agents of a queue share, however far their hosts' clocks are off.

use std::cell::Cell;
use std::time::Duration;

use coord_core::Timestamp;

/// The server's time as it was told, moved on by a clock that never jumps.
///
/// The server tells its time while a request is on its way there and back, so what is known is off by half a round trip
/// at most. A machine that sleeps may stop the other clock: then the time is behind until it is told again.
///
/// A moment is a time of that other clock, which began at any time.
#[derive(Debug, Default)]
pub struct EngineClock {
    told: Cell<Option<Told>>,
    /// What was given last: time does not go back.
    latest: Cell<u64>,
}

/// A time of the server, and the moment here that it belongs to.
#[derive(Clone, Copy, Debug)]
struct Told {
    micros: u64,
    at: Duration,
    /// At most so much off.
    error: Duration,
}

/// The time is asked for again after so long.
const LEARN_EVERY: Duration = Duration::from_mins(1);

/// Two clocks drift apart by less than one part in so many.
const DRIFT: u32 = 5_000;

impl EngineClock {
    /// Takes what the server told between sending and answering.
    pub fn learn(&self, micros: i64, sent: Duration, answered: Duration) {
        let error = answered.saturating_sub(sent) / 2;
        let told = Told { micros: u64::try_from(micros).unwrap_or(0), at: sent + error, error };
        if self.told.get().is_none_or(|before| told.is_better_than(&before)) {
            self.told.set(Some(told));
        }
    }

    /// The same from another connection, perhaps to a server with another clock.
    pub fn learn_anew(&self, micros: i64, sent: Duration, answered: Duration) {
        self.told.set(None);
        self.latest.set(0);
        self.learn(micros, sent, answered);
    }

    /// True if it is time to ask again.
    pub fn is_old(&self, moment: Duration) -> bool {
        self.told.get().is_none_or(|told| moment.saturating_sub(told.at) >= LEARN_EVERY)
    }

    /// The server's time at a moment.
    pub fn time_at(&self, moment: Duration) -> Timestamp {
        let now = self.told.get().map_or(0, |told| told.micros_at(moment));
        self.latest.set(self.latest.get().max(now));
        Timestamp::from_micros(self.latest.get())
    }
}

impl Told {
    fn micros_at(&self, moment: Duration) -> u64 {
        let since = moment.saturating_sub(self.at);
        self.micros.saturating_add(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }

    /// A slow answer says less than what is known. But where both cannot be right, the clocks have changed.
    fn is_better_than(&self, before: &Told) -> bool {
        let error = before.error + self.at.saturating_sub(before.at) / DRIFT;
        let apart = Duration::from_micros(self.micros.abs_diff(before.micros_at(self.at)));
        self.error <= error || apart > self.error + error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: i64 = 1_795_336_200_000_000;

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    fn error(clock: &EngineClock, moment: Duration, micros: i64) -> u64 {
        clock.time_at(moment).micros().abs_diff(u64::try_from(micros).unwrap())
    }

    #[test]
    fn it_goes_on_from_what_the_server_told() {
        let clock = EngineClock::default();
        assert!(clock.is_old(at(0.0)));
        clock.learn(TOLD, at(0.996), at(1.0));
        assert!(!clock.is_old(at(60.9)) && clock.is_old(at(61.0)));
        assert_eq!(error(&clock, at(11.0), TOLD + 10_002_000), 0);
    }

    #[test]
    fn a_slow_answer_counts_only_where_it_contradicts() {
        let clock = EngineClock::default();
        clock.learn(TOLD, at(1.0), at(1.0));
        // Half a second off at most, and told 0.4 s from what is known.
        clock.learn(TOLD + 900_000, at(1.0), at(2.0));
        assert_eq!(error(&clock, at(11.0), TOLD + 10_000_000), 0);
        clock.learn(TOLD + 60_000_000, at(1.0), at(2.0));
        assert_eq!(error(&clock, at(11.0), TOLD + 69_500_000), 0);
    }

    #[test]
    fn time_does_not_go_back_on_one_connection_and_is_another_ones_on_the_next() {
        let clock = EngineClock::default();
        clock.learn(TOLD, at(1.0), at(1.0));
        let first = clock.time_at(at(1.0));
        clock.learn(TOLD - 5_000_000, at(1.0), at(1.0));
        assert!(clock.time_at(at(1.0)) >= first);
        clock.learn_anew(TOLD - 5_000_000, at(1.0), at(1.0));
        assert!(clock.time_at(at(1.0)) < first);
    }
}
