//! The task as it was enqueued: an immutable record whose content is its id.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::id::TaskId;
use crate::json::{self, JsonObject};
use crate::name::{QueueName, RunId, Tag, Title};
use crate::time::Timestamp;

/// A task: its id and what was enqueued under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The SHA-256 of the record's canonical form.
    pub id: TaskId,
    /// What was enqueued.
    pub record: Record,
}

/// What `enqueue` writes, field by field as it stands in `tasks/<aa>/<id>.json`.
///
/// Fields that this version does not know are ignored. A field whose loss would change what a task means needs a new
/// number in `format.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What is to be done, for people.
    pub title: Title,
    /// Higher is claimed first.
    pub priority: i64,
    /// The queue that the task waits in.
    pub queue: QueueName,
    /// How many seconds the task may wait to be claimed.
    pub ttl_seconds: i64,
    /// Who enqueued it.
    pub created_by: RunId,
    /// When; the order within a priority.
    pub created_at: Timestamp,
    /// Words to choose by.
    pub tags: Vec<Tag>,
    /// What the agent needs to know, untouched.
    pub payload: JsonObject,
}

impl Task {
    /// The task of a new record, and the bytes to store.
    pub fn encode(record: Record) -> Result<(Task, Vec<u8>), BadRecord> {
        let mut bytes = serde_json::to_vec(&record)?;
        let canonical = json::canonical(&bytes)?;
        // The last byte, so that `cat` ends its line; not part of the canonical form.
        bytes.push(b'\n');
        Ok((Task { id: TaskId::of_canonical(&canonical), record }, bytes))
    }

    /// The task that `bytes` hold, which must be the one called `id`.
    pub fn decode(id: TaskId, bytes: &[u8]) -> Result<Task, BadRecord> {
        // `serde` would also take a list of the fields' values.
        if bytes.first() != Some(&b'{') {
            return Err(BadRecord::Malformed { reason: "not a JSON object".to_string() });
        }
        let canonical = json::canonical(bytes)?;
        let found = TaskId::of_canonical(&canonical);
        if found != id {
            return Err(BadRecord::OtherContent { found });
        }
        Ok(Task { id, record: serde_json::from_slice(bytes)? })
    }
}

/// Why stored bytes are not the task that they are filed under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadRecord {
    /// Not a record: torn by a crash, or written by something else.
    Malformed {
        /// The parser's words.
        reason: String,
    },
    /// A whole record, but of another task: altered after it was written.
    OtherContent {
        /// The id that the content has.
        found: TaskId,
    },
}

impl From<serde_json::Error> for BadRecord {
    fn from(error: serde_json::Error) -> BadRecord {
        BadRecord::Malformed { reason: error.to_string() }
    }
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadRecord::Malformed { reason } => write!(f, "torn or not a task record ({reason})"),
            BadRecord::OtherContent { found } => write!(f, "altered: its content is that of {found}"),
        }
    }
}

impl core::error::Error for BadRecord {}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            title: "Refactor billing".parse().unwrap(),
            priority: 5,
            queue: QueueName::default_queue(),
            ttl_seconds: 86_400,
            created_by: "orchestrator".parse().unwrap(),
            created_at: Timestamp::from_micros(1_795_336_200_000_001),
            tags: alloc::vec!["billing".parse().unwrap()],
            payload: JsonObject::parse(r#"{"z":12345678901234567890123,"a":1.50}"#).unwrap(),
        }
    }

    #[test]
    fn a_task_reads_back_whole_and_digit_for_digit() {
        let (task, bytes) = Task::encode(record()).unwrap();
        assert_eq!(Task::decode(task.id, &bytes), Ok(task));
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.ends_with("\"payload\":{\"z\":12345678901234567890123,\"a\":1.50}}\n"), "{text}");
    }

    #[test]
    fn the_id_is_that_of_the_canonical_form() {
        // Computed apart from this crate: keys sorted, no white space, numbers as doubles, then SHA-256.
        let canonical = r#"{"created_at":"2026-11-22T08:30:00.000001+00:00","created_by":"orchestrator","payload":{"a":1.5,"z":1.2345678901234568e+22},"priority":5,"queue":"default","tags":["billing"],"title":"Refactor billing","ttl_seconds":86400}"#;
        assert_eq!(Task::encode(record()).unwrap().0.id, TaskId::of_canonical(canonical.as_bytes()));
    }

    #[test]
    fn torn_altered_and_foreign_bytes_are_told_apart_from_the_task() {
        let (task, bytes) = Task::encode(record()).unwrap();
        for end in 0..bytes.len() - 1 {
            assert!(matches!(Task::decode(task.id, &bytes[..end]), Err(BadRecord::Malformed { .. })), "{end}");
        }
        let altered = String::from_utf8(bytes).unwrap().replace("billing", "invoices");
        assert!(matches!(Task::decode(task.id, altered.as_bytes()), Err(BadRecord::OtherContent { .. })));
        let foreign = b"{\"hello\":1}";
        let id = TaskId::of_canonical(foreign);
        assert!(matches!(Task::decode(id, foreign), Err(BadRecord::Malformed { .. })));
    }
}
