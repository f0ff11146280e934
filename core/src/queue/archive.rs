//! Tasks as lines of JSON: to keep them elsewhere, and to bring them back, under their ids and with all that was reported.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Finding, Queue};
use crate::entry::{Entry, State};
use crate::error::Error;
use crate::id::TaskId;
use crate::layout;
use crate::limits;
use crate::name::{Nonce, RunId, shortened};
use crate::sorted;
use crate::store::{Created, Linked, Store};
use crate::tags::TagSet;
use crate::task::{BadRecord, Task};
use crate::time::Timestamp;

/// A task as one line.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    task_id: TaskId,
    /// The name that it has: all that is to be known of where it stands.
    entry: String,
    /// The record, digit for digit.
    record: Box<RawValue>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reports: Vec<ReportLine>,
    /// The holder's run id, if it is too long for the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run_id: Option<RunId>,
}

/// A report as part of a line.
#[derive(Debug, Serialize, Deserialize)]
struct ReportLine {
    version: u32,
    nonce: Nonce,
    content: Box<RawValue>,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// The task is in the queue now.
    Now(TaskId),
    /// It was there already, and nothing was changed.
    Already(TaskId),
    /// Another live task has its unique key, and nothing was changed.
    KeyTaken(TaskId),
}

/// A line that is no task. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadLine {
    /// Not what an export writes.
    Malformed {
        /// The parser's words.
        reason: String,
    },
    /// The record is not that of the id.
    Record(BadRecord),
    /// The name is none that a task of that id has.
    Entry,
}

/// Why a line was not imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportError {
    /// The line is to blame.
    Line(BadLine),
    /// The queue is.
    Queue(Error),
}

impl<S: Store> Queue<S> {
    /// Gives each task as a line of JSON, without its end, to `take`, oldest first. Not a snapshot: each is as it stood when it was
    /// read. What was not as it should be is answered.
    pub fn export<E: From<Error>>(&self, mut take: impl FnMut(String) -> Result<(), E>) -> Result<Vec<Finding>, E> {
        let mut findings = Vec::new();
        let entries = self.every_entry()?.into_values().collect();
        let entries = sorted::by_key(entries, |seen| (seen.entry().created_at, seen.entry().id));
        for seen in &entries {
            match self.line_of(seen.entry())? {
                Ok(line) => take(line)?,
                Err(finding) => findings.push(finding),
            }
        }
        Ok(findings)
    }

    fn line_of(&self, entry: &Entry) -> Result<Result<String, Finding>, Error> {
        let id = entry.id;
        let Some((_, content)) = self.record_of(id)? else { return Ok(Err(Finding::ReportLost { id })) };
        let record = match Task::decode(id, &content) {
            Ok(_) => raw(&content),
            Err(problem) => return Ok(Err(Finding::LeftOut { id, problem })),
        };
        let Some(record) = record else { return Ok(Err(Finding::ReportLost { id })) };
        let mut reports = Vec::new();
        for (version, nonce, path) in self.report_names(id)? {
            let content = self.store.read(&path, limits::RECORD_BYTES)?;
            let content = content.and_then(|content| raw(&content));
            reports.extend(content.map(|content| ReportLine { version, nonce, content }));
        }
        let holder = entry.lease().map(|lease| &lease.holder).filter(|holder| holder.spilled());
        let run_id = holder.map(|holder| self.spilled(holder)).transpose()?.flatten();
        let line = Line { task_id: id, entry: entry.to_string(), record, reports, run_id };
        let text = serde_json::to_string(&line).map_err(|error| Error::Unencodable(error.into()))?;
        Ok(Ok(text))
    }

    /// Brings a task back that [`Queue::export`] has written, durably. One that was held waits now: a lease is for one directory.
    pub fn import(&self, line: &str, now: Timestamp, nonce: Nonce) -> Result<Imported, ImportError> {
        let line: Line = serde_json::from_str(line).map_err(|error| malformed(line, &error))?;
        let task = Task::decode_foreign(line.task_id, line.record.get().as_bytes()).map_err(BadLine::Record)?;
        let entry = Entry::parse(&line.entry).filter(|entry| entry.id == task.id).ok_or(BadLine::Entry)?;
        let (created_at, priority) = (task.record.created_at, task.record.priority);
        if (entry.created_at, entry.priority) != (created_at, priority) {
            return Err(BadLine::Entry.into());
        }
        Ok(self.bring_back(&task, entry, &line, now, nonce)?)
    }

    fn bring_back(
        &self,
        task: &Task,
        entry: Entry,
        line: &Line,
        now: Timestamp,
        nonce: Nonce,
    ) -> Result<Imported, Error> {
        self.init(now, nonce)?;
        self.prepare([task.id])?;
        let record = layout::record(task.id);
        let mut content = line.record.get().as_bytes().to_vec();
        content.push(b'\n');
        if self.record_of(task.id)?.is_some() || self.create(&record, &content)? != Created::Now {
            return Ok(Imported::Already(task.id));
        }
        self.store.sync_dir(&record.dir)?;
        let lives = !entry.has_ended();
        if lives && self.take_key(task, None, nonce)?.is_some() {
            self.store.remove(&record)?;
            return Ok(Imported::KeyTaken(task.id));
        }
        for ReportLine { version, nonce, content } in &line.reports {
            let path = layout::report(task.id, *version, *nonce);
            self.create(&path, (content.get().to_owned() + "\n").as_bytes())?;
            self.store.sync_dir(&path.dir)?;
        }
        self.spill_tags(&task.record.tags, nonce)?;
        let entry = without_lease(entry, task);
        if let (Some(lease), Some(run_id)) = (entry.lease(), &line.run_id) {
            self.spill(&lease.holder, run_id, nonce)?;
        }
        // CM-18: until here the task is a record that no entry points at, as in an enqueue, and a line that was not acknowledged.
        let home = layout::home(&entry, &task.record.queue);
        match self.link(&record, &home.file(entry.name()))? {
            Linked::Now | Linked::Taken => {}
            Linked::Gone => return Err(Error::NotFound { id: task.id }),
        }
        self.store.sync_dir(&home)?;
        Ok(Imported::Now(task.id))
    }
}

/// The entry of a task that nobody holds here.
fn without_lease(entry: Entry, task: &Task) -> Entry {
    match entry.state {
        State::Claimed(_) | State::Recalled(_) | State::Lapsed { .. } => {
            let pending_until = Timestamp::from_micros(limits::TIME_MICROS);
            let state = State::Ready { pending_until, tags: TagSet::of(&task.record.tags) };
            Entry { state, version: entry.version.saturating_add(1), ..entry }
        }
        State::Scheduled { .. } | State::Blocked { .. } | State::Ready { .. } | State::Ended(_) => entry,
    }
}

/// What is wrong with a line, in words for people: the first field that cannot be read, or where the line is no JSON.
fn malformed(line: &str, error: &serde_json::Error) -> BadLine {
    fn reads<T: DeserializeOwned>(json: &str) -> bool {
        serde_json::from_str::<T>(json).is_ok()
    }
    type Reads = fn(&str) -> bool;
    let fields: [(&str, &str, Reads); 5] = [
        ("task_id", "a task id", reads::<TaskId>),
        ("entry", "a string", reads::<String>),
        ("record", "the task's record", reads::<Box<RawValue>>),
        ("reports", "a list of reports", reads::<Vec<ReportLine>>),
        ("run_id", "a run id", reads::<Option<RunId>>),
    ];
    let is_optional = |name| matches!(name, "reports" | "run_id");
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

fn raw(content: &[u8]) -> Option<Box<RawValue>> {
    let text = core::str::from_utf8(content).ok()?;
    RawValue::from_string(text.trim_end().to_owned()).ok()
}

impl From<BadLine> for ImportError {
    fn from(bad: BadLine) -> ImportError {
        ImportError::Line(bad)
    }
}

impl From<Error> for ImportError {
    fn from(error: Error) -> ImportError {
        ImportError::Queue(error)
    }
}

impl core::fmt::Display for BadLine {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            BadLine::Malformed { reason } => write!(f, "not a line that `export` prints: {reason}"),
            BadLine::Record(problem) => write!(f, "its record is {problem}"),
            BadLine::Entry => f.write_str("its entry is none of that task"),
        }
    }
}
