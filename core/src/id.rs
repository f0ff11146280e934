//! A task's id: the SHA-256 of its record's canonical form, written `sha256:<64 lower-case hexadecimal digits>`.

use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::spelling::{hex, hex_value, shortened};

/// The content-addressed name of a task.
///
/// It can be computed from the record, so a record that was torn, or altered in its canonical form, never passes for
/// the task. (That form has numbers as doubles; digits beyond those are kept, but not part of the id.)
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
            shortened(&self.given)
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
