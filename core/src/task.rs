//! The task as it was enqueued: an immutable record whose content is its id.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::id::TaskId;
use crate::json::{self, JsonObject};
use crate::limits;
use crate::name::{Nonce, QueueName, RunId, Tag, Title, UniqueKey};
use crate::store::{StoreError, StoreErrorKind};
use crate::tags::TagSet;
use crate::time::Timestamp;

/// A task: its id and what was enqueued under it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The SHA-256 of the record's canonical form.
    pub id: TaskId,
    /// The record.
    pub record: Record,
}

/// The record that `enqueue` writes, field by field as it stands in `tasks/<aa>/<id>.json`.
///
/// The fields are sorted by name, so the written text is its own canonical form (unless the payload is not), and a
/// reader can verify it by its hash alone. Fields that this version does not know are ignored. A field whose loss would
/// change what a task means needs a new number in `format.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The tasks that must have ended before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<TaskId>,
    /// How long to wait between two attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// When it was enqueued; the order within a priority.
    pub created_at: Timestamp,
    /// The enqueuer's run id.
    pub created_by: RunId,
    /// For a follow-up, enqueued by the completion of the task in `after`: the nonce of that completion's report. If
    /// that task ended by another report, this task is cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<Nonce>,
    /// The reaction if a parent does not complete. `None`: the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_parent_fails: Option<IfParentFails>,
    /// Maximum number of attempts. `None`: a failure is final, and a task whose lease expires can be claimed any number
    /// of times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// The payload: the agent's input, unchanged.
    pub payload: JsonObject,
    /// Higher is claimed first.
    pub priority: i64,
    /// The queue that the task waits in.
    pub queue: QueueName,
    /// Not to be claimed before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_at: Option<Timestamp>,
    /// The tags.
    pub tags: Vec<Tag>,
    /// The title: the work in a few words, for people.
    pub title: Title,
    /// How many seconds the task may wait to be claimed.
    pub ttl_seconds: i64,
    /// The unique key: only one task with it can be live in its queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique: Option<UniqueKey>,
}

/// How long a task waits after a failed attempt: twice as long each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backoff {
    /// At most, in seconds.
    pub max_seconds: i64,
    /// After the first, in seconds.
    pub seconds: i64,
}

/// The task's reaction to a parent that ends without completing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IfParentFails {
    /// Keep waiting until the other task is retried and completes, or this one is cancelled.
    Block,
    /// End as cancelled.
    #[default]
    Cancel,
    /// Run anyway.
    Run,
}

/// The fields of a task's record that govern its transitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskPolicy {
    /// Its tags, by which a claim can choose it while it waits.
    pub tags: TagSet,
    /// How many seconds it may wait to be claimed.
    pub ttl_seconds: i64,
    /// Maximum number of attempts; `None`: any number of leases, and one failure.
    pub max_attempts: Option<u32>,
    /// How long it waits between two.
    pub backoff: Backoff,
    /// Not to be claimed before.
    pub scheduled_at: Option<Timestamp>,
}

impl Record {
    /// The policy that the record sets.
    pub fn policy(&self) -> TaskPolicy {
        TaskPolicy {
            tags: TagSet::of(&self.tags),
            ttl_seconds: self.ttl_seconds,
            max_attempts: self.max_attempts,
            backoff: self.backoff.unwrap_or_default(),
            scheduled_at: self.scheduled_at,
        }
    }
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { seconds: limits::BACKOFF_SECONDS_DEFAULT, max_seconds: limits::BACKOFF_MAX_SECONDS_DEFAULT }
    }
}

impl Backoff {
    /// How long to wait after the attempt of this number, in microseconds: between half and all of the doubled time.
    /// `random` decides, so that tasks which failed together are not retried together.
    pub fn micros_after(&self, attempt: u32, random: u64) -> u64 {
        let doubled = 1_i64.checked_shl(attempt.saturating_sub(1)).filter(|times| *times > 0).unwrap_or(i64::MAX);
        let seconds = self.seconds.saturating_mul(doubled).min(self.max_seconds.max(self.seconds));
        let micros = u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000);
        micros / 2 + random % (micros / 2 + 1)
    }
}

impl IfParentFails {
    /// All of them.
    pub const ALL: [IfParentFails; 3] = [IfParentFails::Block, IfParentFails::Cancel, IfParentFails::Run];

    /// Its word, the same in records, options and documentation.
    pub fn as_str(self) -> &'static str {
        match self {
            IfParentFails::Block => "block",
            IfParentFails::Cancel => "cancel",
            IfParentFails::Run => "run",
        }
    }
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

    /// The task that `bytes` hold, which must be the one called `id`, that this queue has given.
    pub fn decode(id: TaskId, bytes: &[u8]) -> Result<Task, BadRecord> {
        // The id is the hash of the canonical form: text with that hash is in that form.
        let bytes = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
        if bytes.first() == Some(&b'{') && TaskId::of_canonical(bytes) == id {
            return Ok(Task { id, record: serde_json::from_slice(bytes)? });
        }
        Task::decode_foreign(id, bytes)
    }

    /// As [`Task::decode`], for an id from an untrusted source: it must be that of the canonical form.
    pub fn decode_foreign(id: TaskId, bytes: &[u8]) -> Result<Task, BadRecord> {
        // `serde` would also take a list of the fields' values.
        if bytes.first() != Some(&b'{') {
            return Err(BadRecord::Malformed { reason: "not a JSON object".to_string() });
        }
        let found = TaskId::of_canonical(&json::canonical(bytes)?);
        if found != id {
            return Err(BadRecord::OtherContent { found });
        }
        Ok(Task { id, record: serde_json::from_slice(bytes)? })
    }
}

/// Why stored bytes are not the task whose id they are stored under.
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
    /// It cannot be read.
    Unreadable(StoreError),
}

impl BadRecord {
    /// True if another agent may be able to read it: then it stays where it is.
    pub(crate) fn is_for_others(&self) -> bool {
        matches!(self, BadRecord::Unreadable(error) if error.kind != StoreErrorKind::WrongType)
    }
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
            BadRecord::Unreadable(error) => write!(f, "unreadable ({error})"),
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
            max_attempts: None,
            backoff: None,
            scheduled_at: None,
            after: Vec::new(),
            if_parent_fails: None,
            unique: None,
            follows: None,
            payload: JsonObject::parse(r#"{"z":12345678901234567890123,"a":1.50}"#).unwrap(),
        }
    }

    #[test]
    fn a_task_reads_back_whole_and_digit_for_digit() {
        let (task, bytes) = Task::encode(record()).unwrap();
        assert_eq!(Task::decode(task.id, &bytes), Ok(task));
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("\"payload\":{\"z\":12345678901234567890123,\"a\":1.50}"), "{text}");
        assert!(text.ends_with("}\n"), "{text}");
    }

    #[test]
    fn a_record_is_canonical_as_it_is_written_if_its_payload_is() {
        let id = TaskId::of_canonical(b"{}");
        let record = Record {
            after: alloc::vec![id],
            backoff: Some(Backoff::default()),
            follows: Some(Nonce::from_bits(7)),
            if_parent_fails: Some(IfParentFails::Run),
            max_attempts: Some(3),
            payload: JsonObject::parse(r#"{"a":1.5,"z":"é\n"}"#).unwrap(),
            scheduled_at: Some(Timestamp::from_micros(1_795_336_200_000_002)),
            unique: Some("billing".parse().unwrap()),
            ..record()
        };
        let (task, bytes) = Task::encode(record).unwrap();
        assert_eq!(TaskId::of_canonical(bytes.trim_ascii_end()), task.id);
    }

    #[test]
    fn the_id_is_that_of_the_canonical_form() {
        // Computed independently of this crate: keys sorted, no white space, numbers as doubles, then SHA-256.
        let canonical = r#"{"created_at":"2026-11-22T08:30:00.000001+00:00","created_by":"orchestrator","payload":{"a":1.5,"z":1.2345678901234568e+22},"priority":5,"queue":"default","tags":["billing"],"title":"Refactor billing","ttl_seconds":86400}"#;
        assert_eq!(Task::encode(record()).unwrap().0.id, TaskId::of_canonical(canonical.as_bytes()));
    }

    #[test]
    fn a_back_off_doubles_up_to_its_longest_and_is_spread_over_its_second_half() {
        let backoff = Backoff { seconds: 2, max_seconds: 10 };
        for (attempt, most) in [(1, 2_000_000), (2, 4_000_000), (3, 8_000_000), (4, 10_000_000), (u32::MAX, 10_000_000)]
        {
            assert_eq!(backoff.micros_after(attempt, 0), most / 2);
            assert_eq!(backoff.micros_after(attempt, most / 2), most);
            assert!((most / 2..=most).contains(&backoff.micros_after(attempt, u64::MAX)));
        }
        assert_eq!(Backoff { seconds: 0, max_seconds: 0 }.micros_after(9, 7), 0);
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
