//! Tasks and settings as lines of JSON: to keep them elsewhere, and to bring them back, tasks under their ids and with all that
//! was reported.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::num::NonZeroU32;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::budget::Budget;
use super::doctor::{Fence, Mender};
use super::enqueue::Shelved;
use super::files::Located;
use super::find::LOOKS;
use super::reports::Report;
use super::unique::Keyed;
use super::{Finding, Queue, Settings};
use crate::entry::{Ending, Entry, Outcome, State};
use crate::error::Error;
use crate::id::TaskId;
use crate::layout::{self, Path};
use crate::limits;
use crate::name::{Nonce, QueueName, RunId, shortened};
use crate::sorted;
use crate::store::{Created, Linked, Moved, Store};
use crate::tags::TagSet;
use crate::task::{BadRecord, Task};
use crate::time::Timestamp;
use crate::transition::{Command, decide};

/// A task as one line.
#[derive(Debug, Serialize, Deserialize)]
struct TaskLine {
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
    /// Of a blocked task: those that it was to wait for and that had been removed when it was exported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    removed: Vec<TaskId>,
}

/// A report as part of a line.
#[derive(Debug, Serialize, Deserialize)]
struct ReportLine {
    version: u32,
    nonce: Nonce,
    content: Box<RawValue>,
}

/// What is set for a queue, as one line.
#[derive(Debug, Serialize, Deserialize)]
struct SettingsLine {
    queue: QueueName,
    #[serde(default)]
    paused: bool,
    #[serde(default)]
    max_in_flight: Option<NonZeroU32>,
}

/// What became of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imported {
    /// The task is in the queue now.
    Now(TaskId),
    /// The task is in the queue now and has ended as cancelled: its holder, which it has no more, had been asked to stop.
    Cancelled(TaskId),
    /// It was there already, and nothing was changed.
    Already(TaskId),
    /// Another live task has its unique key, and nothing was changed.
    KeyTaken(TaskId),
    /// It waits for a task that is not in the queue, and nothing was changed.
    NoParent {
        /// The task.
        id: TaskId,
        /// The first one that it waits for and that is not there.
        parent: TaskId,
    },
    /// The queue is paused or limited now as the line says. False: it was before.
    Set(QueueName, bool),
    /// The queue has a limit of its own, and keeps it. If the line says so, it is paused now.
    OtherLimit {
        /// The queue.
        queue: QueueName,
        /// What the line says.
        given: u32,
        /// What the queue has.
        kept: u32,
    },
}

/// A line that is none of an export. Nothing was changed.
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
    /// Gives all that is set for queues, and then each task, as a line of JSON, without its end, to `take`. Tasks come oldest first,
    /// but none before those that it waits for. Not a snapshot: each is as it stood when it was read, and as time makes it stand at
    /// `now`, which is made so for everybody, as by a sweep. What was not as it should be is answered.
    pub fn export<E: From<Error>>(
        &self,
        now: Timestamp,
        nonce: Nonce,
        mut take: impl FnMut(String) -> Result<(), E>,
    ) -> Result<Vec<Finding>, E> {
        let mut findings = Vec::new();
        for line in self.settings()?.lines() {
            take(text_of(&line)?)?;
        }
        let entries = self.elapsed_entries(now, nonce, &mut findings)?;
        let oldest_first = sorted::by_key(entries.values().collect(), |entry: &&Entry| (entry.created_at, entry.id));
        let mut given = BTreeSet::new();
        for entry in oldest_first {
            let mut due = Vec::from([entry]);
            while let Some(entry) = due.last().copied() {
                let before = self.parents_to_give(entry, &entries, &given)?;
                if given.contains(&entry.id) || before.is_empty() {
                    due.pop();
                    if given.insert(entry.id)
                        && let Some(line) = self.line_of(entry.clone(), now, &mut findings)?
                    {
                        take(line)?;
                    }
                } else {
                    due.extend(before);
                }
            }
        }
        findings.extend(self.take_findings());
        Ok(findings)
    }

    /// Every task's entry, once all consequences of time having passed have been drawn, as far as this agent may write.
    fn elapsed_entries(
        &self,
        now: Timestamp,
        nonce: Nonce,
        findings: &mut Vec<Finding>,
    ) -> Result<BTreeMap<TaskId, Entry>, Error> {
        let (mut nonces, mut told) = (nonce.counted_on(), Vec::new());
        let (mut found, mut moved) = (self.every_entry()?, false);
        for seen in found.values() {
            let mut budget = Budget::of_steps(limits::WOKEN_PER_END);
            moved |= self.elapse(seen.located(), now, nonces(), &mut told, &mut budget) == Ok(Moved::Here);
        }
        if moved {
            found = self.every_entry()?;
        }
        findings.extend(told.into_iter().filter(|finding| matches!(finding, Finding::SetAside { .. })));
        Ok(found.into_iter().map(|(id, seen)| (id, seen.entry().clone())).collect())
    }

    /// What a blocked task waits for and has not been given yet.
    fn parents_to_give<'a>(
        &self,
        entry: &Entry,
        entries: &'a BTreeMap<TaskId, Entry>,
        given: &BTreeSet<TaskId>,
    ) -> Result<Vec<&'a Entry>, Error> {
        if !matches!(entry.state, State::Blocked { .. }) {
            return Ok(Vec::new());
        }
        let after = match self.task(entry.id) {
            Ok(task) => task.map(|task| task.record.after).unwrap_or_default(),
            // That is told when it is to be given.
            Err(Error::Corrupt { .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        Ok(after.iter().filter(|parent| !given.contains(parent)).filter_map(|parent| entries.get(parent)).collect())
    }

    /// The line of a task; `None`: it has been removed meanwhile, or its record cannot be trusted, which is told.
    fn line_of(&self, mut entry: Entry, now: Timestamp, findings: &mut Vec<Finding>) -> Result<Option<String>, Error> {
        let id = entry.id;
        let Some((_, content)) = self.record_of(id)? else { return Ok(None) };
        let task = match Task::decode(id, &content) {
            Ok(task) => task,
            Err(problem) => {
                findings.push(Finding::LeftOut { id, problem });
                return Ok(None);
            }
        };
        let (mut reports, mut is_whole) = self.report_lines(&entry)?;
        for _ in 0..LOOKS {
            // A report of progress whose place was taken is gone with the name that led to it.
            let moved_on = if is_whole { None } else { self.find(id)?.filter(|found| found.entry != entry) };
            let Some(Located { entry: next, .. }) = moved_on else { break };
            (entry, (reports, is_whole)) = (next.clone(), self.report_lines(&next)?);
        }
        let holder = entry.lease().map(|lease| &lease.holder).filter(|holder| holder.spilled());
        let run_id = holder.map(|holder| self.spilled(holder)).transpose()?;
        if !is_whole || run_id == Some(None) {
            findings.push(Finding::ReportLost { id });
        }
        // It has expired, although this agent could not move it.
        let over = matches!(entry.state, State::Ready { .. })
            .then(|| decide(&entry, &Command::Elapse { terms: task.record.terms(), report: None }, now).ok());
        let entry = over.flatten().unwrap_or(entry);
        let removed = self.absent_parents(&entry, &task)?;
        let Some(record) = raw(&content) else { return Ok(None) };
        let run_id = run_id.flatten();
        text_of(&TaskLine { task_id: id, entry: entry.to_string(), record, reports, run_id, removed }).map(Some)
    }

    /// The reports on a task that are whole. False if one is torn, or missing in the chain that its entry begins.
    fn report_lines(&self, entry: &Entry) -> Result<(Vec<ReportLine>, bool), Error> {
        let (mut lines, mut is_whole) = (Vec::new(), true);
        // Nobody has reported on a task that nobody has held, unless its name leads there.
        if entry.generation == 0 && entry.report.is_none() {
            return Ok((lines, is_whole));
        }
        for (version, nonce, path) in self.report_names(entry.id)? {
            let Some(content) = self.store.read(&path, limits::RECORD_BYTES)? else { continue };
            match raw(&content).filter(|_| serde_json::from_slice::<Report>(&content).is_ok()) {
                Some(content) => lines.push(ReportLine { version, nonce, content }),
                None => is_whole = false,
            }
        }
        let chain_is_whole = self.history(entry)?.iter().all(|(_, report)| report.is_some());
        Ok((lines, is_whole && chain_is_whole))
    }

    /// Those that a blocked task is to wait for and that are not in the queue.
    fn absent_parents(&self, entry: &Entry, task: &Task) -> Result<Vec<TaskId>, Error> {
        let mut absent = Vec::new();
        if matches!(entry.state, State::Blocked { .. }) {
            for parent in &task.record.after {
                if self.record_of(*parent)?.is_none() {
                    absent.push(*parent);
                }
            }
        }
        Ok(absent)
    }

    /// Brings back what [`Queue::export`] has written, durably: a task, or what is set for a queue.
    ///
    /// A task that was held waits now: a lease is for one directory. If its holder was asked to stop, it ends as cancelled. One that
    /// waits to be claimed does so from now on, as long as its record says.
    pub fn import(&self, line: &str, now: Timestamp, nonce: Nonce) -> Result<Imported, ImportError> {
        let line: TaskLine = match serde_json::from_str(line) {
            Ok(line) => line,
            Err(error) => {
                let settings: Result<SettingsLine, _> = serde_json::from_str(line);
                let settings = settings.map_err(|_| malformed(line, &error))?;
                return Ok(self.set(settings, now, nonce)?);
            }
        };
        let task = Task::decode_foreign(line.task_id, line.record.get().as_bytes()).map_err(BadLine::Record)?;
        let entry = Entry::parse(&line.entry).filter(|entry| entry.id == task.id).ok_or(BadLine::Entry)?;
        let (created_at, priority) = (task.record.created_at, task.record.priority);
        if (entry.created_at, entry.priority) != (created_at, priority) {
            return Err(BadLine::Entry.into());
        }
        Ok(self.bring_back(&task, entry, &line, now, nonce)?)
    }

    fn set(&self, line: SettingsLine, now: Timestamp, nonce: Nonce) -> Result<Imported, Error> {
        let SettingsLine { queue, paused, max_in_flight } = line;
        let given = max_in_flight.map(NonZeroU32::get);
        let mut is_new = paused && self.pause(&queue, now, nonce)?;
        let kept = self.settings()?.max_in_flight.get(&queue).copied();
        if let (Some(given), Some(kept)) = (given, kept.filter(|kept| given != Some(*kept))) {
            return Ok(Imported::OtherLimit { queue, given, kept });
        }
        if given.is_some() && kept.is_none() {
            self.limit_in_flight(&queue, given, now, nonce)?;
            is_new = true;
        }
        Ok(Imported::Set(queue, is_new))
    }

    fn bring_back(
        &self,
        task: &Task,
        entry: Entry,
        line: &TaskLine,
        now: Timestamp,
        nonce: Nonce,
    ) -> Result<Imported, Error> {
        let id = task.id;
        self.init(now, nonce)?;
        if self.relocate(id)?.is_some() {
            return Ok(Imported::Already(id));
        }
        if let Some(parent) = self.absent_parents(&entry, task)?.into_iter().find(|id| !line.removed.contains(id)) {
            return Ok(Imported::NoParent { id, parent });
        }
        self.prepare([id])?;
        let is_recalled = matches!(entry.state, State::Recalled(_));
        let entry = restored(entry, task, now);
        if let Some(key) = task.record.unique.as_ref().filter(|_| !entry.has_ended())
            && let Some(live) = self.live_holder(&task.record.queue, key, now, nonce)?
        {
            return Ok(if live.id == id { Imported::Already(id) } else { Imported::KeyTaken(id) });
        }
        let Some(record) = self.record_of_its_own(id, line, nonce)? else {
            return self.bring_back_staged(task, now, nonce);
        };
        for ReportLine { version, nonce, content } in &line.reports {
            let path = layout::report(id, *version, *nonce);
            self.create_whole(&path, content.get())?;
        }
        self.spill_tags(&task.record.tags, nonce)?;
        if let (Some(lease), Some(run_id)) = (entry.lease(), &line.run_id) {
            self.spill(&lease.holder, run_id, nonce)?;
        }
        if matches!(entry.state, State::Blocked { .. }) {
            self.mark_parents([task].into_iter())?;
        }
        // CM-18: until here the task is a record that no entry points at, as in an enqueue, and a line that was not acknowledged.
        let mut located = Located { dir: layout::home(&entry, &task.record.queue), entry };
        if task.record.unique.is_some() && !located.entry.has_ended() {
            match self.shelve_with_key(task, &record, &located.entry, now, nonce)? {
                Shelved::At(at) => located = at,
                Shelved::KeyTaken(_) => {
                    self.report_names(id)?.iter().try_for_each(|(_, _, path)| self.store.remove(path).map(drop))?;
                    return Ok(Imported::KeyTaken(id));
                }
                // A doctor took this agent for dead, or another import goes on with the task.
                Shelved::TakenAway => return Err(Error::Contended),
            }
        } else if self.link(&record, &located.path()).map_err(Error::of_the_change)? == Linked::Gone
            && !self.take_place_of_first(task, &mut located).map_err(Error::of_the_change)?
        {
            return Ok(Imported::Already(id));
        }
        self.store.sync_dir(&located.dir).map_err(|error| Error::from(error).after_the_change())?;
        match located.entry.state {
            // As in an enqueue, no end goes unnoticed.
            State::Blocked { .. } => drop(self.or_leave(self.look_at_parents(&located, now, nonce))),
            State::Ended(_) => {
                let mut budget = Budget::of_steps(limits::WOKEN_PER_END);
                self.or_leave(self.wake(&located.entry, now, nonce, &mut budget));
            }
            _ => {}
        }
        Ok(if is_recalled { Imported::Cancelled(id) } else { Imported::Now(id) })
    }

    /// The record is in other hands. If those are of an import that died once all was written and the task had asked for its key, this
    /// one goes on.
    fn bring_back_staged(&self, task: &Task, now: Timestamp, nonce: Nonce) -> Result<Imported, Error> {
        if !self.is_staged(task)? {
            return Ok(Imported::Already(task.id));
        }
        match self.take_key(task, None, now, nonce).map_err(Error::after_the_change)? {
            Keyed::Held => {
                let unlocked = self.unlock(task, now, nonce).map_err(Error::after_the_change)?;
                let located = unlocked.ok_or(Error::Contended)?;
                self.store.sync_dir(&located.dir).map_err(|error| Error::from(error).after_the_change())?;
                self.or_leave(self.look_at_parents(&located, now, nonce));
                Ok(Imported::Now(task.id))
            }
            Keyed::By(_) => Ok(Imported::KeyTaken(task.id)),
        }
    }

    /// Writes the record, or takes over what an import left that died; `None`: the task is in other hands.
    ///
    /// Another import of the line may be at work, and gives the task another name at another time. So the record is renamed, as by a
    /// doctor, and whoever knew the old name links nothing.
    fn record_of_its_own(&self, id: TaskId, line: &TaskLine, nonce: Nonce) -> Result<Option<Path>, Error> {
        let path = layout::record(id);
        let content = line.record.get().to_owned() + "\n";
        let mut nonces = nonce.counted_on();
        let mut mender = Mender::new(self, &mut nonces);
        for _ in 0..LOOKS {
            if self.record_of(id)?.is_none() && self.create(&path, content.as_bytes())? == Created::Now {
                self.store.sync_dir(&path.dir)?;
                return Ok(Some(path));
            }
            match mender.fence(id)? {
                Fence::Mine(path, _) => return Ok(Some(path)),
                Fence::Torn(path) => drop(mender.set_record_aside(id, &path)?),
                Fence::Shelved | Fence::SeveralNames => return Ok(None),
                Fence::Gone => {}
            }
        }
        Ok(None)
    }

    /// Makes a file, also where an import died that was about to.
    fn create_whole(&self, path: &Path, content: &str) -> Result<(), Error> {
        let content = content.to_owned() + "\n";
        let is_torn = |found: Vec<u8>| found != content.as_bytes();
        if self.create(path, content.as_bytes())? == Created::Taken
            && self.store.read(path, limits::RECORD_BYTES)?.is_some_and(is_torn)
        {
            self.store.remove(path)?;
            self.create(path, content.as_bytes())?;
        }
        Ok(self.store.sync_dir(&path.dir)?)
    }

    /// The record was taken away under this import: by another one, which brings the task back, or by a doctor that took it for that
    /// of a dead enqueuer and shelved the task as new. That is made good, unless somebody has claimed it. True if it was.
    fn take_place_of_first(&self, task: &Task, located: &mut Located) -> Result<bool, Error> {
        let found = self.find(task.id)?.ok_or(Error::NotFound { id: task.id })?;
        if found.entry != Entry::first(task) {
            return Ok(false);
        }
        located.entry.version = located.entry.version.max(found.entry.version.saturating_add(1));
        Ok(self.shift(&found, &located.entry, &located.dir)? == Moved::Here)
    }
}

impl Settings {
    fn lines(&self) -> Vec<SettingsLine> {
        let queues = sorted::set(self.paused.iter().chain(self.max_in_flight.keys()));
        let line = |queue: &QueueName| SettingsLine {
            queue: queue.clone(),
            paused: self.paused.contains(queue),
            max_in_flight: self.max_in_flight.get(queue).copied().and_then(NonZeroU32::new),
        };
        queues.into_iter().map(line).collect()
    }
}

/// The entry of a task as it begins in another directory, where nobody holds it. The attempt at which its holder was is taken back; one
/// that had lapsed counts.
fn restored(entry: Entry, task: &Task, now: Timestamp) -> Entry {
    let never = Timestamp::from_micros(limits::TIME_MICROS);
    let from_now = now.plus_seconds(task.record.ttl_seconds);
    let ready = |pending_until| State::Ready { pending_until, tags: TagSet::of(&task.record.tags) };
    let attempt = match entry.state {
        State::Claimed(_) => entry.attempt.saturating_sub(1),
        _ => entry.attempt,
    };
    let state = match entry.state {
        State::Claimed(_) | State::Lapsed { .. } => ready(never),
        State::Recalled(lease) => {
            State::Ended(Ending { outcome: Outcome::Cancelled, ended_at: now, lease: Some(lease) })
        }
        State::Scheduled { due } if due <= now => ready(if entry.generation == 0 { from_now } else { never }),
        State::Ready { pending_until, .. } if pending_until < never => ready(from_now),
        State::Scheduled { .. } | State::Blocked { .. } | State::Ready { .. } | State::Ended(_) => {
            return entry;
        }
    };
    Entry { state, attempt, version: entry.version.saturating_add(1), ..entry }
}

fn text_of(line: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(line).map_err(|error| Error::Unencodable(error.into()))
}

/// What is wrong with a line, in words for people: the first field that cannot be read, or where the line is no JSON.
fn malformed(line: &str, error: &serde_json::Error) -> BadLine {
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
