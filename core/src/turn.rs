//! What an agent lends an operation for its turn: a clock and fresh nonces.

use core::cell::Cell;
use core::fmt;

use crate::name::Nonce;
use crate::time::{Clock, Timestamp};

/// An agent's clock and its source of nonces, lent to one operation.
///
/// The clock is asked at each moment of use: so a lease begins when it is given, however long the look for a task took.
/// Each lease, report, draft and quarantine gets a nonce of its own. They follow from one random number, so a turn
/// costs the host one draw. A turn may serve several operations, one after the other.
///
/// ```
/// # use coord_core::{Timestamp, Turn, name::Nonce};
/// let clock = || Timestamp::from_micros(1_795_336_200_000_000); // what the system says
/// let turn = Turn::new(&clock, Nonce::from_bits(0x5eed)); // what the system's random source says
/// assert_ne!(turn.nonce(), turn.nonce());
/// ```
pub struct Turn<'a> {
    clock: &'a dyn Clock,
    first: Nonce,
    drawn: Cell<u64>,
}

/// How far the nonces of a turn are apart. The lower half of their bits stays: so turns that begin with small numbers,
/// as those of a checker do, share none.
const APART: u64 = 1 << 32;

impl<'a> Turn<'a> {
    /// A turn by this clock. `first` comes from a random source, and no other turn has it.
    pub fn new(clock: &'a dyn Clock, first: Nonce) -> Turn<'a> {
        Turn { clock, first, drawn: Cell::new(0) }
    }

    /// The time at this moment. An operation that compares several things with one moment keeps it.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A nonce that this turn has not given before. Where two things must bear the same one, the caller keeps it.
    pub fn nonce(&self) -> Nonce {
        let drawn = self.drawn.get();
        self.drawn.set(drawn.wrapping_add(1));
        Nonce::from_bits(self.first.bits().wrapping_add(drawn.wrapping_mul(APART)))
    }

    /// A random number, the same for the whole turn. It says where to begin in a list, so that not all agents begin at
    /// the same entry.
    pub(crate) fn chance(&self) -> u64 {
        self.first.bits()
    }
}

impl fmt::Debug for Turn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("first", &self.first).field("drawn", &self.drawn).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_nonce_comes_twice_and_the_first_is_the_one_that_was_drawn() {
        let clock = Timestamp::default();
        for first in [0, 1, u64::MAX - 1] {
            let turn = Turn::new(&clock, Nonce::from_bits(first));
            assert_eq!(turn.nonce().bits(), first);
            let later: BTreeSet<u64> = (0..1_000).map(|_| turn.nonce().bits()).collect();
            assert_eq!((later.len(), later.contains(&first)), (1_000, false));
        }
    }

    #[test]
    fn the_clock_is_asked_each_time() {
        let asked = Cell::new(0);
        let clock = || {
            asked.set(asked.get() + 1);
            Timestamp::from_micros(asked.get())
        };
        let turn = Turn::new(&clock, Nonce::from_bits(7));
        assert_eq!([turn.now(), turn.now()].map(Timestamp::micros), [1, 2]);
    }
}
