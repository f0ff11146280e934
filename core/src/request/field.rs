//! The values that somebody gives with a request: each with its name, its range and what is said beyond it.

use alloc::string::{String, ToString};
use core::fmt;
use core::ops::RangeInclusive;

use super::BadRequest;
use crate::limits;
use crate::spelling::shortened;

/// A value of a request, on every face.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The run id of the acting agent.
    RunId,
    /// How long a task may wait to be claimed.
    TtlSeconds,
    /// How long a lease lasts.
    LeaseSeconds,
    /// How long a claim waits for a task.
    WaitSeconds,
    /// How many tasks to list.
    Limit,
    /// How many attempts there may be.
    MaxAttempts,
    /// How long to wait between two attempts.
    BackoffSeconds,
    /// How long nobody is to claim a task.
    DelaySeconds,
    /// Which tasks must have ended before.
    After,
    /// The reaction if a parent does not complete.
    IfParentFails,
    /// The payload: the agent's input.
    Payload,
    /// A holder's result.
    Result,
    /// A holder's error message.
    Error,
    /// How many tasks to claim.
    Max,
    /// How long to wait for tasks to end.
    TimeoutSeconds,
    /// How far back ended tasks are looked at.
    WindowSeconds,
    /// How long ago a task ended, at least, that is to be removed.
    OlderThanSeconds,
    /// How many of the tasks that ended last are kept.
    KeepLast,
    /// How many tasks of a queue may be claimed at once.
    MaxInFlight,
    /// Which tasks are claimed first.
    Priority,
    /// How long an answer may be.
    MaxBytes,
}

impl Field {
    /// Its name, as it is spelt in JSON. A face that spells otherwise makes its own of it.
    pub fn name(self) -> &'static str {
        match self {
            Field::RunId => "run_id",
            Field::TtlSeconds => "ttl_seconds",
            Field::LeaseSeconds => "lease_seconds",
            Field::WaitSeconds => "wait_seconds",
            Field::Limit => "limit",
            Field::MaxAttempts => "max_attempts",
            Field::BackoffSeconds => "backoff_seconds",
            Field::DelaySeconds => "delay_seconds",
            Field::After => "after",
            Field::IfParentFails => "if_parent_fails",
            Field::Payload => "payload",
            Field::Result => "result",
            Field::Error => "error",
            Field::Max => "max",
            Field::TimeoutSeconds => "timeout_seconds",
            Field::WindowSeconds => "window_seconds",
            Field::OlderThanSeconds => "older_than_seconds",
            Field::KeepLast => "keep_last",
            Field::MaxInFlight => "max_in_flight",
            Field::Priority => "priority",
            Field::MaxBytes => "max_bytes",
        }
    }

    /// The least and the most that it may be, of a number: as it is, or of seconds.
    pub const fn range(self) -> RangeInclusive<i64> {
        match self {
            Field::TtlSeconds => limits::PENDING_TTL_SECONDS,
            Field::LeaseSeconds => limits::CLAIM_TTL_SECONDS,
            Field::WaitSeconds => limits::WAIT_SECONDS,
            Field::Limit => limits::LIST_ITEMS,
            Field::MaxAttempts => limits::MAX_ATTEMPTS,
            Field::BackoffSeconds => limits::BACKOFF_SECONDS,
            Field::DelaySeconds | Field::TimeoutSeconds | Field::WindowSeconds | Field::OlderThanSeconds => {
                limits::DELAY_SECONDS
            }
            Field::Max => 1..=limits::BATCH as i64,
            Field::MaxInFlight => 1..=u32::MAX as i64,
            Field::KeepLast | Field::MaxBytes => 0..=i64::MAX,
            Field::Priority
            | Field::RunId
            | Field::After
            | Field::IfParentFails
            | Field::Payload
            | Field::Result
            | Field::Error => i64::MIN..=i64::MAX,
        }
    }

    /// The number, if it is within the field's range.
    pub fn check(self, given: i64) -> Result<i64, BadRequest> {
        if self.range().contains(&given) { Ok(given) } else { Err(self.out_of_range(&given.to_string())) }
    }

    /// The refusal of a number beyond the field's range, as somebody typed it: one that has no room in 64 bits, too.
    pub fn out_of_range(self, given: &str) -> BadRequest {
        BadRequest::OutOfRange(OutOfRange { field: self, given: shortened(given) })
    }

    /// A duration, as people write it: `90` or `90s` are seconds, `15m`, `2h`, `7d`, and `1h30m` is their sum. Whether
    /// the field takes so many is not checked, unless they have no room in 64 bits.
    pub fn seconds(self, given: &str) -> Result<i64, BadRequest> {
        let seconds = seconds(given).ok_or_else(|| {
            super::bad_word("duration", given, "seconds, or numbers with s, m, h or d, like 90, 30s, 15m, 1h30m or 7d")
        })?;
        i64::try_from(seconds).map_err(|_| self.out_of_range(given))
    }

    /// A whole number. Whether it is within the field's range is not checked, unless it has no room in 64 bits.
    pub fn whole(self, given: &str) -> Result<i64, BadRequest> {
        if !is_whole(given) {
            return Err(super::bad_word("number", given, "a whole number, like 5"));
        }
        given.parse().map_err(|_| self.out_of_range(given))
    }
}

/// A number that is beyond the range of its field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutOfRange {
    /// The field.
    pub field: Field,
    /// As given. It may have no room in 64 bits.
    pub given: String,
}

impl OutOfRange {
    pub(super) fn describe(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        let range = self.field.range();
        write!(f, "{name} must be between {} and {}, got {}", range.start(), range.end(), self.given)
    }
}

/// The sum of numbers, each with its unit, from the longest unit to the shortest; a number alone is seconds. It is not
/// beyond 128 bits: what is, is counted as the most.
fn seconds(given: &str) -> Option<i128> {
    let (sign, mut rest) = match given.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, given.strip_prefix('+').unwrap_or(given)),
    };
    if rest.is_empty() {
        return None;
    }
    if rest.bytes().all(|digit| digit.is_ascii_digit()) {
        return Some(sign * number(rest));
    }
    let (mut sum, mut units) = (0_i128, [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)].into_iter());
    while !rest.is_empty() {
        let (digits, unit) = rest.split_at_checked(rest.find(|c: char| !c.is_ascii_digit())?)?;
        let (_, seconds) = units.find(|(letter, _)| unit.starts_with(*letter))?;
        if digits.is_empty() {
            return None;
        }
        sum = sum.saturating_add(number(digits).saturating_mul(seconds));
        rest = unit.get(1..)?;
    }
    Some(sign * sum)
}

/// Digits as a number, less than the most of its kind.
fn number(digits: &str) -> i128 {
    digits.parse().unwrap_or(i128::MAX / 2)
}

fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
}
