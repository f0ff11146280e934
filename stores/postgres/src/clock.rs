//! The engine's clock, moved on by one of this machine that never jumps.

use std::time::Instant;

use coord_core::Timestamp;
use coord_sql::EngineClock;

/// The engine's clock, by moments of this machine.
pub(crate) struct SteadyClock {
    began: Instant,
    clock: EngineClock,
}

impl Default for SteadyClock {
    fn default() -> SteadyClock {
        SteadyClock { began: Instant::now(), clock: EngineClock::default() }
    }
}

impl SteadyClock {
    /// Takes what the server told between sending and answering.
    pub(crate) fn learn(&self, micros: i64, sent: Instant, answered: Instant) {
        self.clock.learn(micros, sent - self.began, answered - self.began);
    }

    /// The same from another connection, perhaps to a server with another clock.
    pub(crate) fn learn_anew(&self, micros: i64, sent: Instant, answered: Instant) {
        self.clock.learn_anew(micros, sent - self.began, answered - self.began);
    }

    /// True if it is time to ask again.
    pub(crate) fn is_old(&self) -> bool {
        self.clock.is_old(self.began.elapsed())
    }

    /// The server's time now.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.time_at(self.began.elapsed())
    }
}
