//! The engine's clock, which all agents of a queue share, however far their hosts' clocks are off.

use std::cell::Cell;
use std::time::Duration;

use coord_core::Timestamp;

/// The server's time as it was told, moved on by a clock that never jumps.
///
/// It is never ahead of the server's, or an agent would take over a task whose lease still runs; unless somebody sets
/// the server's clock back: then it stands still. The server tells its time while a request is on its way there and
/// back, and it is taken for that of the answer's arrival; so it is behind by a round trip at most, and by what two
/// clocks drift apart since. A machine that sleeps may stop the other clock: then the time is behind until it is told
/// again.
///
/// A moment is a time of that other clock, which began at any time.
#[derive(Debug, Default)]
pub struct EngineClock {
    told: Cell<Option<Told>>,
    /// What was given last: time does not go back.
    latest: Cell<u64>,
}

/// A time of the server, and a moment here that was not before it.
#[derive(Clone, Copy, Debug)]
struct Told {
    micros: u64,
    at: Duration,
    /// The moment was at most so much later.
    error: Duration,
}

/// The time is asked for again after so long.
const LEARN_EVERY: Duration = Duration::from_mins(1);

/// Two clocks drift apart by less than one part in so many.
const DRIFT: u32 = 5_000;

impl EngineClock {
    /// Takes what the server told between sending and answering.
    pub fn learn(&self, micros: i64, sent: Duration, answered: Duration) {
        let error = answered.saturating_sub(sent);
        let told = Told { micros: u64::try_from(micros).unwrap_or(0), at: answered, error };
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
        let since = since - since / DRIFT;
        self.micros.saturating_add(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }

    /// A slow answer says less than what is known. But where both cannot be right, the clocks have changed.
    fn is_better_than(&self, before: &Told) -> bool {
        // What is known is behind by its error at most, and by what the clocks may have drifted in both directions.
        let drift = self.at.saturating_sub(before.at) / DRIFT;
        let error = before.error + 2 * drift;
        let known = Duration::from_micros(before.micros_at(self.at));
        let told = Duration::from_micros(self.micros);
        self.error <= error || told > known + error || known > told + self.error
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
        clock.learn(TOLD, at(1.0), at(1.0));
        assert!(!clock.is_old(at(60.9)) && clock.is_old(at(61.0)));
        assert_eq!(error(&clock, at(11.0), TOLD + 10_000_000), 2_000);
    }

    #[test]
    fn it_is_behind_by_a_round_trip_and_never_ahead() {
        // The server told it at once, and the answer was on its way for 2 s.
        let clock = EngineClock::default();
        clock.learn(TOLD, at(1.0), at(3.0));
        assert_eq!(clock.time_at(at(3.0)).micros(), TOLD.unsigned_abs());
        // The request was: what is known now is right.
        let clock = EngineClock::default();
        clock.learn(TOLD + 2_000_000, at(1.0), at(3.0));
        assert_eq!(clock.time_at(at(3.0)).micros(), TOLD.unsigned_abs() + 2_000_000);
    }

    #[test]
    fn a_slow_answer_counts_only_where_it_contradicts() {
        let clock = EngineClock::default();
        clock.learn(TOLD, at(1.0), at(1.0));
        // A second behind at most, and told 0.1 s behind what is known.
        clock.learn(TOLD + 900_000, at(1.0), at(2.0));
        assert_eq!(error(&clock, at(2.0), TOLD + 1_000_000), 200);
        clock.learn(TOLD + 60_000_000, at(1.0), at(2.0));
        assert_eq!(error(&clock, at(2.0), TOLD + 60_000_000), 0);
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
