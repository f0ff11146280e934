//! Points in time. The crate has no clock of its own: an agent lends one to each operation, in a [`crate::Turn`].

use alloc::string::{String, ToString};
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::limits;

/// A point in time, in whole microseconds since 1970-01-01T00:00:00 UTC, at most [`limits::TIME_MICROS`].
///
/// Written as ISO 8601 in UTC with six decimals: `2026-11-22T08:30:00.000000+00:00`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Timestamp(u64);

impl Timestamp {
    /// The point `micros` microseconds after the start of 1970; a later one than a name can say becomes the latest.
    pub fn from_micros(micros: u64) -> Timestamp {
        Timestamp(micros.min(limits::TIME_MICROS))
    }

    /// Microseconds since the start of 1970.
    pub fn micros(self) -> u64 {
        self.0
    }

    /// This point and `seconds` more; negative seconds count as none.
    pub fn plus_seconds(self, seconds: i64) -> Timestamp {
        self.plus_micros(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000))
    }

    /// This point and `micros` more.
    pub fn plus_micros(self, micros: u64) -> Timestamp {
        Timestamp::from_micros(self.0.saturating_add(micros))
    }

    /// Microseconds from `earlier` to here; zero when it is not earlier.
    pub fn micros_since(self, earlier: Timestamp) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A clock: reads the time on each call. A function can be one, and so can a [`Timestamp`], which stands still.
pub trait Clock {
    /// The time now.
    fn now(&self) -> Timestamp;
}

impl Clock for Timestamp {
    fn now(&self) -> Timestamp {
        *self
    }
}

impl<F: Fn() -> Timestamp> Clock for F {
    fn now(&self) -> Timestamp {
        self()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = time::UtcDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000).map_err(|_| fmt::Error)?;
        write!(f, "{:04}-{:02}-{:02}T", at.year(), u8::from(at.month()), at.day())?;
        write!(f, "{:02}:{:02}:{:02}.{:06}+00:00", at.hour(), at.minute(), at.second(), at.microsecond())
    }
}

/// A text that is not a timestamp as this crate writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadTimestamp {
    /// The text as given.
    pub given: String,
}

impl fmt::Display for BadTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let given = crate::spelling::shortened(&self.given);
        write!(f, "invalid time {given:?}: it must look like 2026-11-22T08:30:00.000000+00:00")
    }
}

impl core::error::Error for BadTimestamp {}

impl TryFrom<String> for Timestamp {
    type Error = BadTimestamp;

    fn try_from(text: String) -> Result<Timestamp, BadTimestamp> {
        // Only the very text that `Display` writes is accepted, so a record has one form.
        match parse(&text) {
            Some(at) if at.to_string() == text => Ok(at),
            _ => Err(BadTimestamp { given: text }),
        }
    }
}

impl From<Timestamp> for String {
    fn from(at: Timestamp) -> String {
        at.to_string()
    }
}

fn parse(text: &str) -> Option<Timestamp> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<u32>().ok();
    let month = time::Month::try_from(u8::try_from(number(5, 7)?).ok()?).ok()?;
    let day = u8::try_from(number(8, 10)?).ok()?;
    let date = time::Date::from_calendar_date(i32::try_from(number(0, 4)?).ok()?, month, day).ok()?;
    let [hour, minute, second] = [number(11, 13)?, number(14, 16)?, number(17, 19)?].map(u8::try_from);
    let clock = time::Time::from_hms_micro(hour.ok()?, minute.ok()?, second.ok()?, number(20, 26)?).ok()?;
    let nanos = time::UtcDateTime::new(date, clock).unix_timestamp_nanos();
    let micros = u64::try_from(nanos / 1_000).ok()?;
    (micros <= limits::TIME_MICROS).then_some(Timestamp(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_back_as_it_was_written() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000+00:00"),
            (1_795_336_200_000_001, "2026-11-22T08:30:00.000001+00:00"),
            (951_782_399_999_999, "2000-02-28T23:59:59.999999+00:00"),
            (951_782_400_000_000, "2000-02-29T00:00:00.000000+00:00"),
            (limits::TIME_MICROS, "2112-09-17T23:53:47.370495+00:00"),
        ] {
            let at = Timestamp::from_micros(micros);
            assert_eq!(at.to_string(), text);
            assert_eq!(Timestamp::try_from(text.to_string()), Ok(at));
        }
    }

    #[test]
    fn other_spellings_of_a_time_are_refused() {
        for bad in [
            "",
            "2026-11-22",
            "2026-11-22T08:30:00+00:00",
            "2026-11-22T08:30:00.000001Z",
            "2026-11-22T08:30:00.000001+01:00",
            "2026-02-30T08:30:00.000001+00:00",
            "2026-11-22 08:30:00.000001+00:00",
            "+026-11-22T08:30:00.000001+00:00",
            "2212-11-22T08:30:00.000001+00:00",
            "1969-12-31T23:59:59.999999+00:00",
            "2026-11-22T08:30:0é.00001+00:00",
        ] {
            assert!(Timestamp::try_from(bad.to_string()).is_err(), "{bad}");
        }
        let long = Timestamp::try_from("é".repeat(100_000)).unwrap_err().to_string();
        assert!(long.chars().count() < 200, "a long value is quoted short");
    }
}
