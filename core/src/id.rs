//! A task's id: the SHA-256 of its record's canonical form, written `sha256:<64 lower-case hexadecimal digits>`.

use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The content-addressed name of a task.
///
/// Whoever has the record can compute it, so a record that was torn, or altered in what its canonical form tells, never
/// passes for the task. (That form has numbers as doubles; digits beyond those are kept, but not part of the id.)
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct TaskId([u8; 32]);

impl TaskId {
    /// The id of a record whose canonical form (RFC 8785) is `canonical`.
    pub fn of_canonical(canonical: &[u8]) -> TaskId {
        TaskId(Sha256::digest(canonical).into())
    }

    /// The 64 digits without the `sha256:` in front, as they stand in file names.
    pub fn hex(&self) -> String {
        hex(&self.0)
    }

    /// The first `digits` of the 64: the directory that a file of the task is sorted into.
    pub fn fan_out(&self, digits: usize) -> String {
        let mut hex = hex(self.0.get(..digits.div_ceil(2)).unwrap_or_default());
        hex.truncate(digits);
        hex
    }

    /// Reads the 64 digits of a file name.
    pub fn from_hex(digits: &str) -> Option<TaskId> {
        let (pairs, []) = digits.as_bytes().as_chunks() else { return None };
        let mut bytes = [0; 32];
        if pairs.len() != bytes.len() {
            return None;
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = hex_value(*high)? << 4 | hex_value(*low)?;
        }
        Some(TaskId(bytes))
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a task id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadTaskId {
    /// The text as given.
    pub given: String,
}

impl fmt::Display for BadTaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "invalid task id {:?}: it must be \"sha256:\" and 64 lower-case hexadecimal digits, as `enqueue` \
             printed it",
            crate::name::shortened(&self.given)
        )
    }
}

impl core::error::Error for BadTaskId {}

impl FromStr for TaskId {
    type Err = BadTaskId;

    fn from_str(text: &str) -> Result<TaskId, BadTaskId> {
        text.strip_prefix("sha256:").and_then(TaskId::from_hex).ok_or_else(|| BadTaskId { given: text.to_string() })
    }
}

impl TryFrom<String> for TaskId {
    type Error = BadTaskId;

    fn try_from(text: String) -> Result<TaskId, BadTaskId> {
        text.parse()
    }
}

impl From<TaskId> for String {
    fn from(id: TaskId) -> String {
        id.to_string()
    }
}

/// The first ten bytes of a text's SHA-256 in hexadecimal: a short name for a run id that is too long for a file name.
pub(crate) fn short_digest(text: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    hex(&digest[..10])
}

/// A number in lower-case hexadecimal, at least so many digits of it: what most of a name is, without the formatting
/// machinery, which is slower, and names are what the queue works on.
pub(crate) struct Hex<const DIGITS: usize>(pub(crate) u64);

impl<const DIGITS: usize> fmt::Display for Hex<DIGITS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let needed = (u64::BITS - self.0.leading_zeros()).div_ceil(4) as usize;
        let mut ascii = [0; 16];
        let mut rest = self.0;
        for digit in ascii.iter_mut().rev() {
            *digit = hex_digit(rest as u8 & 0xf);
            rest >>= 4;
        }
        let digits = ascii.get(16 - needed.max(DIGITS)..).unwrap_or_default();
        f.write_str(core::str::from_utf8(digits).unwrap_or_default())
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |place: usize| {
        let byte = bytes.get(place / 2).copied().unwrap_or(0);
        hex_digit(if place.is_multiple_of(2) { byte >> 4 } else { byte & 0xf })
    };
    // As many as are known beforehand, so that room is made once.
    String::from_utf8((0..2 * bytes.len()).map(digit).collect()).unwrap_or_default()
}

fn hex_digit(value: u8) -> u8 {
    if value < 10 { b'0' + value } else { b'a' - 10 + value }
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

pub(crate) fn is_lower_hex(byte: u8) -> bool {
    hex_value(byte).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn an_id_reads_back_as_it_was_written() {
        let id = TaskId::of_canonical(b"{}");
        assert_eq!(id.to_string(), "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!((id.fan_out(1).as_str(), id.fan_out(2).as_str()), ("4", "44"));
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        let hex = "a".repeat(64);
        for bad in [
            String::new(),
            hex.clone(),
            format!("sha256:{}", &hex[1..]),
            format!("sha256:{hex}a"),
            format!("SHA256:{hex}"),
            format!("sha256:{}", hex.to_uppercase()),
            format!("sha256:../../{}", &hex[6..]),
        ] {
            assert_eq!(bad.parse::<TaskId>(), Err(BadTaskId { given: bad }));
        }
    }
}
