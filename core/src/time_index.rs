//! Times in names: the time itself, and the directories that are cut out of its microsecond, so that none has many
//! names and they sort as the times do.

use alloc::format;
use alloc::string::String;
use core::fmt;

use crate::spelling::{Digit, Hex, is_lower_hex};
use crate::time::Timestamp;

/// A time in a name: thirteen hexadecimal digits of microseconds.
pub(crate) struct Time(pub(crate) Timestamp);

impl Time {
    /// Reads the thirteen digits.
    pub(crate) fn parse(digits: &str) -> Option<Timestamp> {
        let good = digits.len() == TIME_BYTES && digits.bytes().all(is_lower_hex);
        let micros = u64::from_str_radix(digits, 16).ok()?;
        good.then(|| Timestamp::from_micros(micros))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex::<TIME_BYTES>(self.0.micros()).fmt(f)
    }
}

/// How many bytes a time takes in a name.
pub(crate) const TIME_BYTES: usize = 13;

/// A span of time on the way to a time bucket: so many digits of it are known, from none to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    depth: usize,
    /// The known digits as a number.
    prefix: u64,
}

impl Span {
    /// All of time.
    pub(crate) const ALL: Span = Span { depth: 0, prefix: 0 };

    /// The part of this span whose directory has this name; `None`: a foreign name, or this is a time bucket.
    pub(crate) fn child(self, name: &str) -> Option<Span> {
        let digit = TIME_DIGITS.get(self.depth)?;
        Some(Span { depth: self.depth + 1, prefix: (self.prefix << digit.bits) | digit.parse(name)? })
    }

    /// True for a time bucket.
    pub(crate) fn is_bucket(self) -> bool {
        self.depth == TIME_DIGITS.len()
    }

    /// Its beginning; `None`: it has none.
    pub(crate) fn begins_at(self) -> Option<Timestamp> {
        (self.depth > 0).then(|| Timestamp::from_micros(self.prefix << bits_below(self.depth)))
    }

    /// Its end; `None`: it has none, or it is far away.
    pub(crate) fn ends_at(self) -> Option<Timestamp> {
        (self.depth > 0).then(|| Timestamp::from_micros((self.prefix + 1) << bits_below(self.depth)))
    }
}

/// The names of the directories on the way to the time bucket of a time, and of that.
pub(crate) fn bucket_names(at: Timestamp) -> impl Iterator<Item = String> {
    TIME_DIGITS
        .iter()
        .enumerate()
        .map(move |(depth, digit)| digit.name((at.micros() >> bits_below(depth + 1)) & ((1 << digit.bits) - 1)))
}

/// The names of the two directories that a deadline is in, of 13 days and of two minutes. They sort as the times do.
pub(crate) fn deadline_digits(at: Timestamp) -> [String; 2] {
    [format!("{:04x}", at.micros() >> 40), format!("{:04x}", (at.micros() >> 27) & 0x1fff)]
}

/// A time bucket spans 2^13 µs: 8 ms.
const BUCKET_BITS: u32 = 13;

/// Then come 1 s, 2 min and 5 h to a directory, 128 of each in the next; the first level counts the spans of 5 h.
const TIME_DIGITS: [Digit; 4] = [Digit { bits: 18 }, Digit { bits: 7 }, Digit { bits: 7 }, Digit { bits: 7 }];

const _: () = assert!(BUCKET_BITS + 18 + 3 * 7 == 52 && crate::limits::TIME_MICROS == (1 << 52) - 1);

/// How many bits of the microsecond of enqueuing are still open below a directory with `depth` digits.
fn bits_below(depth: usize) -> u32 {
    BUCKET_BITS + TIME_DIGITS.iter().skip(depth).map(|digit| digit.bits).sum::<u32>()
}
