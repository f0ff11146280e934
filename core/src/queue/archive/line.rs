//! The lines of an export, and whether one can be.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::num::NonZeroU32;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::entry::Entry;
use crate::error::Error;
use crate::id::TaskId;
use crate::json::without_white_space;
use crate::limits;
use crate::name::{Nonce, QueueName, RunId};
use crate::queue::agreement::{Disagreement, disagreement};
use crate::sorted;
use crate::spelling::shortened;
use crate::task::{BadRecord, Task};
use crate::time::Timestamp;
use crate::tree::{LATE, Line, Place, Report, chain};

/// A task as one line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TaskLine {
    pub(super) task_id: TaskId,
    /// The name that it has: all that is to be known of where it stands.
    pub(super) entry: String,
    /// The record, digit for digit.
    pub(super) record: Box<RawValue>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) reports: Vec<ReportLine>,
    /// The holder's run id, if it is too long for the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) run_id: Option<RunId>,
    /// Of a blocked task: those that it was to wait for and that had been removed when it was exported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) removed: Vec<TaskId>,
}

/// A report as part of a line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ReportLine {
    pub(super) version: u32,
    pub(super) nonce: Nonce,
    pub(super) content: Box<RawValue>,
}

/// A queue's settings, as one line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SettingsLine {
    pub(super) queue: QueueName,
    #[serde(default)]
    pub(super) paused: bool,
    #[serde(default)]
    pub(super) max_in_flight: Option<NonZeroU32>,
}

/// A line that no export writes, or a task that contradicts itself. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadLine {
    /// More than an export writes of one task. It was not looked into.
    TooLong {
        /// The line, or a part of it.
        what: &'static str,
        /// How long it is at least, in bytes.
        bytes: usize,
        /// How long it may be.
        max: usize,
    },
    /// Not what an export writes.
    Malformed {
        /// The parser's words.
        reason: String,
    },
    /// The record is not that of the id.
    Record(BadRecord),
    /// The name is none that a task of that id has.
    Entry,
    /// The name, the record, the reports and the run id do not agree.
    Disagrees(Disagreement),
}

/// The reports among these that an entry leads to.
pub(super) fn chain_of(entry: &Entry, reports: &[ReportLine]) -> Result<Vec<(Nonce, Option<Report>)>, Error> {
    let line = |line: &ReportLine| Line::of_raw(entry.id, line.version, line.nonce, line.content.clone());
    let lines: Vec<Line> = reports.iter().map(line).collect();
    chain(entry.report, lines.iter().map(Place::of_line), || Ok(Vec::new()), |place| Ok(place.report()))
}

fn read(content: &RawValue) -> Option<Report> {
    serde_json::from_str(content.get()).ok()
}

impl TaskLine {
    /// Whether what the line says can be: the same that a doctor looks at, once the task is there.
    pub(super) fn check(&self, task: &Task, entry: &Entry, now: Timestamp) -> Result<(), BadLine> {
        self.check_lines()?;
        let mut put_off_to = Vec::new();
        for line in &self.reports {
            check_length("a report", line.content.get(), limits::RECORD_BYTES)?;
            let report: Report = serde_json::from_str(line.content.get()).map_err(|error| BadLine::Malformed {
                reason: format!("the report with nonce {} is invalid: {error}", line.nonce),
            })?;
            if report.at.micros_since(now) > limits::AHEAD_MICROS {
                return Err(BadLine::Disagrees(Disagreement::Ahead { at: report.at }));
            }
            put_off_to.extend(report.scheduled_at);
        }
        let chain = chain_of(entry, &self.reports).unwrap_or_default();
        let holder = entry.lease().map(|lease| &lease.holder).filter(|holder| holder.overflows());
        let is_another = |run_id: &RunId| holder.is_some_and(|holder| !holder.is_of(run_id));
        let disagreement = match &self.run_id {
            Some(run_id) if is_another(run_id) => Some(Disagreement::RunId),
            _ => disagreement(entry, task, &chain, &put_off_to, now),
        };
        disagreement.map_or(Ok(()), |disagreement| Err(BadLine::Disagrees(disagreement)))
    }

    /// Whether the lines fit into the task's file, each once.
    fn check_lines(&self) -> Result<(), BadLine> {
        let (mut known, mut bytes) = (BTreeSet::new(), self.record.get().len());
        for line in self.reports_to_keep() {
            let text = line.to_text().map_err(|error| BadLine::Malformed { reason: error.to_string() })?;
            check_bytes("a report", text.len(), limits::LINE_OF_FILE_BYTES)?;
            bytes += text.len();
            if !known.insert((line.version, line.nonce)) {
                let Line { version, nonce, .. } = line;
                return Err(BadLine::Malformed {
                    reason: format!("two reports of version {version} and nonce {nonce}"),
                });
            }
        }
        check_bytes("all that it tells of the task", bytes, limits::FILE_BYTES)
    }

    /// The reports, of those that came too late the newest.
    pub(super) fn reports_to_keep(&self) -> impl Iterator<Item = Line> {
        let (late, others): (Vec<_>, Vec<_>) = self.reports.iter().partition(|line| line.version == LATE);
        let late = sorted::by_key(late, |line| Reverse(read(&line.content).map(|report| report.at)));
        let kept = others.into_iter().chain(late.into_iter().take(limits::LATE_RESULTS));
        kept.map(|line| Line::of_raw(self.task_id, line.version, line.nonce, on_one_line(&line.content)))
    }
}

pub(super) fn check_length(what: &'static str, text: &str, max: usize) -> Result<(), BadLine> {
    check_bytes(what, text.len(), max)
}

fn check_bytes(what: &'static str, bytes: usize, max: usize) -> Result<(), BadLine> {
    if bytes > max { Err(BadLine::TooLong { what, bytes, max }) } else { Ok(()) }
}

/// The fault of a line, for people: the first field that cannot be read, or where the line is no JSON.
pub(super) fn malformed(line: &str, error: &serde_json::Error) -> BadLine {
    fn reads<T: DeserializeOwned>(json: &str) -> bool {
        serde_json::from_str::<T>(json).is_ok()
    }
    type Reads = fn(&str) -> bool;
    let fields: [(&str, &str, Reads); 6] = [
        ("task_id", "a task id", reads::<TaskId>),
        ("entry", "a string", reads::<String>),
        ("record", "the task's record", reads::<Box<RawValue>>),
        ("reports", "a list of reports", reads::<Vec<ReportLine>>),
        ("run_id", "a run id", reads::<Option<RunId>>),
        ("removed", "a list of task ids", reads::<Vec<TaskId>>),
    ];
    let is_optional = |name| matches!(name, "reports" | "run_id" | "removed");
    let bad = |found: &BTreeMap<String, Box<RawValue>>| {
        fields.iter().find_map(|(name, wanted, reads)| match found.get(*name).map(|json| json.get()) {
            Some(json) if !reads(json) => Some(format!("{name} must be {wanted}, got {}", shortened(json))),
            None if !is_optional(*name) => Some(format!("{name} is missing")),
            Some(_) | None => None,
        })
    };
    let reason = if !line.starts_with('{') {
        "it must be a JSON object".to_owned()
    } else {
        let found = serde_json::from_str(line).ok();
        found.and_then(|found| bad(&found)).unwrap_or_else(|| format!("column {}: {error}", error.column()))
    };
    BadLine::Malformed { reason }
}

/// The same JSON without a line's end in it.
fn on_one_line(content: &RawValue) -> Box<RawValue> {
    RawValue::from_string(without_white_space(content.get())).unwrap_or_else(|_| content.to_owned())
}

impl core::fmt::Display for BadLine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            BadLine::Malformed { reason } => write!(f, "not a line that `export` prints: {reason}"),
            BadLine::Record(problem) => write!(f, "its record is {problem}"),
            BadLine::Entry => f.write_str("its entry belongs to another task"),
            BadLine::TooLong { what, bytes, max } => {
                write!(f, "{what} has {bytes} bytes or more, and an export writes at most {max}")
            }
            BadLine::Disagrees(disagreement) => write!(f, "its task contradicts itself: {disagreement}"),
        }
    }
}
