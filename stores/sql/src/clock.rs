//! The engine's clock, which all agents of a queue share, however far their hosts' clocks are off.

use std::cell::Cell;
use std::time::Duration;

use coord_core::Timestamp;

/// The server's time as it was told, moved on by a clock that never jumps.
///
/// It is never ahead of the server's, or an agent would take over a task whose lease still runs. The server tells its
/// time while a request is on its way there and back, and it is taken for that of the answer's arrival; so it is behind
/// by a round trip at most, and by what two clocks drift apart since. Two things are noticed when the time is told
/// again, a minute later at most: a clock of the server that was set, as that of another server is, and a machine that
/// slept, which may stop the other clock.
///
/// A moment is a time of that other clock, which began at any time.
#[derive(Debug, Default)]
pub struct EngineClock {
    told: Cell<Option<Told>>,
    /// When it was told last, though not better than before.
    heard: Cell<Duration>,
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
    /// Takes what the server told between sending and answering. A slow answer says less than what is known, and does
    /// not count; but where both cannot be right, the clocks have changed.
    pub fn learn(&self, micros: i64, sent: Duration, answered: Duration) {
        let told = Told::new(micros, sent, answered);
        match self.told.get() {
            Some(before) if told.contradicts(&before) => self.learn_anew(micros, sent, answered),
            Some(before) if told.error > before.error_at(answered) => {}
            _ => self.told.set(Some(told)),
        }
        self.heard.set(answered);
    }

    /// The same from another connection, perhaps to a server with another clock.
    pub fn learn_anew(&self, micros: i64, sent: Duration, answered: Duration) {
        self.told.set(Some(Told::new(micros, sent, answered)));
        self.heard.set(answered);
        self.latest.set(0);
    }

    /// True if it is time to ask again.
    pub fn is_old(&self, moment: Duration) -> bool {
        self.told.get().is_none() || moment.saturating_sub(self.heard.get()) >= LEARN_EVERY
    }

    /// The server's time at a moment.
    pub fn time_at(&self, moment: Duration) -> Timestamp {
        let now = self.told.get().map_or(0, |told| told.micros_at(moment));
        self.latest.set(self.latest.get().max(now));
        Timestamp::from_micros(self.latest.get())
    }
}

impl Told {
    fn new(micros: i64, sent: Duration, answered: Duration) -> Told {
        let error = answered.saturating_sub(sent);
        Told { micros: u64::try_from(micros).unwrap_or(0), at: answered, error }
    }

    fn micros_at(&self, moment: Duration) -> u64 {
        let since = moment.saturating_sub(self.at);
        let since = since - since / DRIFT;
        self.micros.saturating_add(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }

    /// How much it may be behind at a later moment, as two clocks drift apart in both directions.
    fn error_at(&self, moment: Duration) -> Duration {
        self.error + 2 * (moment.saturating_sub(self.at) / DRIFT)
    }

    /// True if the server's time cannot be what this says and what was known before.
    fn contradicts(&self, before: &Told) -> bool {
        let known = Duration::from_micros(before.micros_at(self.at));
        let told = Duration::from_micros(self.micros);
        told > known + before.error_at(self.at) || known > told + self.error
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
        assert!(!clock.is_old(at(61.9)) && clock.is_old(at(62.0)), "a slow answer is an answer");
        for other in [TOLD + 60_000_000, TOLD - 60_000_000] {
            clock.learn(other, at(1.0), at(2.0));
            assert_eq!(error(&clock, at(2.0), other), 0);
        }
    }

    #[test]
    fn time_does_not_go_back_on_one_connection_and_is_another_ones_on_the_next() {
        let clock = EngineClock::default();
        clock.learn(TOLD, at(1.0), at(1.0));
        let first = clock.time_at(at(1.0));
        clock.learn(TOLD - 100_000, at(0.5), at(1.0));
        assert_eq!(clock.time_at(at(1.0)), first);
        clock.learn_anew(TOLD - 5_000_000, at(1.0), at(1.0));
        assert!(clock.time_at(at(1.0)) < first);
    }
}
