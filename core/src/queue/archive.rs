//! Tasks and settings as lines of JSON: to keep them elsewhere, and to bring them back, tasks under their ids and with
//! all that was reported.

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

use super::agreement::{Disagreement, disagreement};
use super::budget::Budget;
use super::doctor::{Fence, Repairer};
use super::enqueue::Placed;
use super::files::Located;
use super::find::LOOKS;
use super::reports::{Import, LATE, Line, Place, Report, chain};
use super::unfinished::before_its_end;
use super::unique::Keyed;
use super::{Finding, Queue, Settings};
use crate::entry::{Ending, Entry, Outcome, State};
use crate::error::Error;
use crate::id::TaskId;
use crate::json::without_white_space;
use crate::layout::{self, Path};
use crate::limits;
use crate::name::{Nonce, QueueName, RunId};
use crate::sorted;
use crate::spelling::shortened;
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
    /// The task is in the queue now and has ended as cancelled: its holder, which it has no more, had been asked to
    /// stop.
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

/// A line that is none of an export, or that tells of a task that no queue makes. Nothing was changed.
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

/// Why a line was not imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportError {
    /// The line is to blame.
    Line(BadLine),
    /// The queue is.
    Queue(Error),
}

impl<S: Store> Queue<S> {
    /// Gives all that is set for queues, and then each task, as a line of JSON, without its end, to `take`. Tasks come
    /// oldest first, but none before those that it waits for. Not a snapshot: each is as it stood when it was read, and
    /// as time makes it stand at `now`, which is made so for everybody, as by a sweep. What was not as it should be is
    /// answered.
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
        let entries = self.entries_as_of_now(now, nonce, &mut findings)?;
        let oldest_first = sorted::by_key(entries.values().collect(), |entry: &&Entry| (entry.created_at, entry.id));
        let mut given = BTreeSet::new();
        for entry in oldest_first {
            let mut due = Vec::from([entry]);
            while let Some(entry) = due.last().copied() {
                let before = self.parents_to_give(entry, &entries, &given)?;
                if given.contains(&entry.id) || before.is_empty() {
                    due.pop();
                    if given.insert(entry.id)
                        && let Some(line) = self.line_unless_bad(entry, now, &mut findings)?
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
    fn entries_as_of_now(
        &self,
        now: Timestamp,
        nonce: Nonce,
        findings: &mut Vec<Finding>,
    ) -> Result<BTreeMap<TaskId, Entry>, Error> {
        let (mut nonces, mut told) = (nonce.counted_on(), Vec::new());
        let (mut found, mut moved) = (self.every_entry()?, false);
        for seen in found.values() {
            let mut budget = Budget::of_steps(limits::WOKEN_PER_END);
            moved |= self.time_out(seen.located(), now, nonces(), &mut told, &mut budget) == Ok(Moved::Here);
        }
        if moved {
            found = self.every_entry()?;
        }
        findings.extend(told.into_iter().filter(|finding| matches!(finding, Finding::Quarantined { .. })));
        found.iter().map(|(id, seen)| Ok((*id, self.as_told(seen.located())?))).collect()
    }

    /// The entry of a task as an export tells it: of an end that another agent has to finish, the end if its report
    /// is there, else as if it were taken back.
    fn as_told(&self, located: &Located) -> Result<Entry, Error> {
        let Some(held) = before_its_end(located) else { return Ok(located.entry.clone()) };
        let is_told = self.latest_report(&located.entry)?.is_some();
        Ok(if is_told { located.entry.clone() } else { Entry { report: None, ..held } })
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

    /// The line of a task; `None`: it has been removed meanwhile, or it cannot be read or trusted, which is told and
    /// keeps no other task out of the export.
    fn line_unless_bad(
        &self,
        entry: &Entry,
        now: Timestamp,
        findings: &mut Vec<Finding>,
    ) -> Result<Option<String>, Error> {
        match self.unless_in_the_way(self.line_of(entry.clone(), now, findings)) {
            Err(Error::Corrupt { id, problem }) => {
                findings.push(Finding::LeftOut { id, problem });
                Ok(None)
            }
            line => Ok(line?.flatten()),
        }
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
        let room = limits::EXPORT_BYTES.saturating_sub(content.len() + limits::RECORD_BYTES);
        let mut told = self.report_lines(&entry, room)?;
        for _ in 0..LOOKS {
            // A report of progress whose place was taken is gone with the name that led to it.
            let moved_on = if told.is_whole { None } else { self.find(id)?.filter(|found| found.entry != entry) };
            let Some(next) = moved_on.map(|located| self.as_told(&located)).transpose()? else { break };
            (entry, told) = (next.clone(), self.report_lines(&next, room)?);
        }
        let ReportLines { reports, is_whole, left_out } = told;
        if left_out > 0 {
            findings.push(Finding::HistoryCut { id, reports: left_out });
        }
        let holder = entry.lease().map(|lease| &lease.holder).filter(|holder| holder.overflows());
        let run_id = holder.map(|holder| self.overflowed(holder)).transpose()?;
        if !is_whole || run_id == Some(None) {
            findings.push(Finding::ReportLost { id });
        }
        // It has expired, although this agent could not move it.
        let over = matches!(entry.state, State::Ready { .. })
            .then(|| decide(&entry, &Command::Timeout { policy: task.record.policy(), report: None }, now).ok());
        let entry = over.flatten().unwrap_or(entry);
        let removed = self.absent_parents(&entry, &task)?;
        let Some(record) = raw(&content) else { return Ok(None) };
        let run_id = run_id.flatten();
        text_of(&TaskLine { task_id: id, entry: entry.to_string(), record, reports, run_id, removed }).map(Some)
    }

    /// The reports on a task that are whole, the newest of them as far as there is room for, those that came too late
    /// first.
    fn report_lines(&self, entry: &Entry, mut room: usize) -> Result<ReportLines, Error> {
        let mut told = ReportLines { reports: Vec::new(), is_whole: true, left_out: 0 };
        // Nobody has reported on a task that nobody has held, unless its name leads there.
        if entry.generation == 0 && entry.report.is_none() {
            return Ok(told);
        }
        let in_file = self.told_of(entry.id)?;
        // Those that came too late, then the others, newest first.
        let places =
            sorted::by_key(self.all_places(entry.id, &in_file)?, |place| Reverse(place.version.wrapping_sub(1)));
        let all = places.len();
        for (index, place) in places.into_iter().enumerate() {
            let (version, nonce) = (place.version, place.nonce);
            let Some(report) = self.unless_in_the_way(self.read_report(&place))?.flatten() else {
                told.is_whole = false;
                continue;
            };
            let content = serde_json::value::to_raw_value(&report).map_err(|error| Error::Unencodable(error.into()))?;
            let bytes = content.get().len() + REPORT_LINE_BYTES;
            if bytes > room {
                told.left_out = all - index;
                break;
            }
            room -= bytes;
            told.reports.push(ReportLine { version, nonce, content });
        }
        let chain = chain_of(entry, &told.reports)?;
        if told.left_out > 0 {
            told.end_chain(&chain)?;
        } else {
            told.is_whole &= chain.iter().all(|(_, report)| report.is_some());
        }
        // As they came.
        told.reports.reverse();
        Ok(told)
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
    /// A task that was held waits now: a lease is for one directory. If its holder was asked to stop, it ends as
    /// cancelled. One that waits to be claimed does so from now on, as long as its record says. A task whose name,
    /// record and reports do not agree is refused, as a doctor would tell of it. What cannot be proven, who has held
    /// the task and how it ended, is marked as imported.
    pub fn import(&self, line: &str, now: Timestamp, nonce: Nonce) -> Result<Imported, ImportError> {
        check_length("the line", line, limits::LINE_BYTES)?;
        let line: TaskLine = match serde_json::from_str(line) {
            Ok(line) => line,
            Err(error) => {
                let settings: Result<SettingsLine, _> = serde_json::from_str(line);
                let settings = settings.map_err(|_| malformed(line, &error))?;
                return Ok(self.set(settings, now, nonce)?);
            }
        };
        check_length("its record", line.record.get(), limits::RECORD_BYTES)?;
        let task = Task::decode_foreign(line.task_id, line.record.get().as_bytes()).map_err(BadLine::Record)?;
        let entry = Entry::parse(&line.entry).filter(|entry| entry.id == task.id).ok_or(BadLine::Entry)?;
        line.check(&task, &entry, now)?;
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
        let is_cancelling = matches!(entry.state, State::Cancelling(_));
        let entry = restored(entry, task, now);
        if let Some(key) = task.record.unique.as_ref().filter(|_| !entry.has_ended())
            && let Some(live) = self.live_holder(&task.record.queue, key, now, nonce)?
        {
            return Ok(if live.id == id { Imported::Already(id) } else { Imported::KeyTaken(id) });
        }
        let mut lines: Vec<Line> = line.reports_to_keep().collect();
        if entry.generation > 0 || entry.has_ended() || !line.reports.is_empty() {
            lines.push(Line::of_import(id, Import { at: now, report: entry.report }));
        }
        let Some(record) = self.record_of_its_own(id, line, &lines, nonce)? else {
            return self.bring_back_staged(task, now, nonce);
        };
        self.add_missing_lines(id, &record, &lines)?;
        self.overflow_tags(&task.record.tags, nonce)?;
        if let (Some(lease), Some(run_id)) = (entry.lease(), &line.run_id) {
            self.overflow(&lease.holder, run_id, nonce)?;
        }
        if matches!(entry.state, State::Blocked { .. }) {
            self.mark_parents([task].into_iter())?;
        }
        // CM-18: until here the task is a record that no entry points at, as in an enqueue, and a line that was not
        // acknowledged.
        let mut located = Located { dir: layout::home(&entry, &task.record.queue), entry };
        if task.record.unique.is_some() && !located.entry.has_ended() {
            match self.link_with_key(task, &record, &located.entry, now, nonce)? {
                Placed::At(at) => located = at,
                Placed::KeyTaken(_) => return Ok(Imported::KeyTaken(id)),
                // A doctor took this agent for dead, or another import goes on with the task.
                Placed::TakenAway => return Err(Error::Contended),
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
        Ok(if is_cancelling { Imported::Cancelled(id) } else { Imported::Now(id) })
    }

    /// The record is in other hands. If those are of an import that died once all was written and the task had asked
    /// for its key, this one goes on.
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
    /// Another import of the line may be at work, and gives the task another name at another time. So the record is
    /// renamed, as by a doctor, and whoever knew the old name links nothing.
    fn record_of_its_own(
        &self,
        id: TaskId,
        line: &TaskLine,
        lines: &[Line],
        nonce: Nonce,
    ) -> Result<Option<Path>, Error> {
        let path = layout::record(id);
        let mut content = without_white_space(line.record.get()) + "\n";
        for line in lines {
            content += &line.to_text()?;
        }
        let mut nonces = nonce.counted_on();
        let mut repairer = Repairer::new(self, &mut nonces);
        for _ in 0..LOOKS {
            if self.record_of(id)?.is_none() && self.create(&path, content.as_bytes())? == Created::Now {
                self.store.sync_dir(&path.dir)?;
                return Ok(Some(path));
            }
            match repairer.fence(id)? {
                Fence::Mine(path, _) => return Ok(Some(path)),
                Fence::Torn(path) => drop(repairer.quarantine_record(id, &path)?),
                Fence::HasEntry | Fence::SeveralNames => return Ok(None),
                Fence::Gone => {}
            }
        }
        Ok(None)
    }

    /// The record was taken away under this import: by another one, which brings the task back, or by a doctor that
    /// took it for that of a dead enqueuer and linked the task as new. That is made good, unless somebody has claimed
    /// it. True if it was.
    fn take_place_of_first(&self, task: &Task, located: &mut Located) -> Result<bool, Error> {
        let found = self.find(task.id)?.ok_or(Error::NotFound { id: task.id })?;
        if found.entry != Entry::first(task) {
            return Ok(false);
        }
        located.entry.version = located.entry.version.max(found.entry.version_after());
        Ok(self.shift(&found, &located.entry, &located.dir)? == Moved::Here)
    }
}

/// The reports on a task, as a line tells them.
struct ReportLines {
    reports: Vec<ReportLine>,
    /// False if one is torn, or missing in the chain that the entry begins.
    is_whole: bool,
    /// How many there was no room for.
    left_out: usize,
}

/// What a report costs beside its content at most, in a line and in a task's file.
const REPORT_LINE_BYTES: usize = 160;

impl ReportLines {
    /// Ends the chain at the last report that there was room for.
    fn end_chain(&mut self, chain: &[(Nonce, Option<Report>)]) -> Result<(), Error> {
        let Some((nonce, report)) = chain.iter().rev().find_map(|(nonce, report)| Some((nonce, report.as_ref()?)))
        else {
            return Ok(());
        };
        let ended = Report { previous: None, ..report.clone() };
        let content = serde_json::value::to_raw_value(&ended).map_err(|error| Error::Unencodable(error.into()))?;
        if let Some(line) = self.reports.iter_mut().find(|line| line.version > 0 && line.nonce == *nonce) {
            line.content = content;
        }
        Ok(())
    }
}

/// The reports among these that an entry leads to.
fn chain_of(entry: &Entry, reports: &[ReportLine]) -> Result<Vec<(Nonce, Option<Report>)>, Error> {
    let line = |line: &ReportLine| Line::of_raw(entry.id, line.version, line.nonce, line.content.clone());
    let lines: Vec<Line> = reports.iter().map(line).collect();
    chain(entry.report, lines.iter().map(Place::of_line), || Ok(Vec::new()), |place| Ok(place.report()))
}

fn read(content: &RawValue) -> Option<Report> {
    serde_json::from_str(content.get()).ok()
}

impl TaskLine {
    /// Whether what the line says can be: the same that a doctor looks at, once the task is there.
    fn check(&self, task: &Task, entry: &Entry, now: Timestamp) -> Result<(), BadLine> {
        self.check_lines()?;
        let mut put_off_to = Vec::new();
        for line in &self.reports {
            check_length("a report", line.content.get(), limits::RECORD_BYTES)?;
            let report: Report = serde_json::from_str(line.content.get()).map_err(|error| BadLine::Malformed {
                reason: format!("the report of nonce {} is none: {error}", line.nonce),
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
    fn reports_to_keep(&self) -> impl Iterator<Item = Line> {
        let (late, others): (Vec<_>, Vec<_>) = self.reports.iter().partition(|line| line.version == LATE);
        let late = sorted::by_key(late, |line| Reverse(read(&line.content).map(|report| report.at)));
        let kept = others.into_iter().chain(late.into_iter().take(limits::LATE_RESULTS));
        kept.map(|line| Line::of_raw(self.task_id, line.version, line.nonce, on_one_line(&line.content)))
    }
}

fn check_length(what: &'static str, text: &str, max: usize) -> Result<(), BadLine> {
    check_bytes(what, text.len(), max)
}

fn check_bytes(what: &'static str, bytes: usize, max: usize) -> Result<(), BadLine> {
    if bytes > max { Err(BadLine::TooLong { what, bytes, max }) } else { Ok(()) }
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

/// The entry of a task as it begins in another directory, where nobody holds it. The attempt at which its holder was is
/// taken back; one that had timed out counts.
fn restored(entry: Entry, task: &Task, now: Timestamp) -> Entry {
    let never = Timestamp::from_micros(limits::TIME_MICROS);
    let from_now = now.plus_seconds(task.record.ttl_seconds);
    let ready = |pending_until| State::Ready { pending_until, tags: TagSet::of(&task.record.tags) };
    let attempt = match entry.state {
        State::Claimed(_) => entry.attempt.saturating_sub(1),
        _ => entry.attempt,
    };
    let version = entry.version_after();
    let state = match entry.state {
        State::Claimed(_) | State::TimedOut { .. } => ready(never),
        State::Cancelling(lease) => {
            State::Ended(Ending { outcome: Outcome::Cancelled, ended_at: now, lease: Some(lease) })
        }
        State::Scheduled { due } if due <= now => ready(if entry.generation == 0 { from_now } else { never }),
        State::Ready { pending_until, .. } if pending_until < never || entry.generation == 0 => ready(from_now),
        State::Scheduled { .. } | State::Blocked { .. } | State::Ready { .. } | State::Ended(_) => {
            return entry;
        }
    };
    Entry { state, attempt, version, ..entry }
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

/// The same JSON without a line's end in it.
fn on_one_line(content: &RawValue) -> Box<RawValue> {
    RawValue::from_string(without_white_space(content.get())).unwrap_or_else(|_| content.to_owned())
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
            BadLine::TooLong { what, bytes, max } => {
                write!(f, "{what} has {bytes} bytes or more, and an export writes at most {max}")
            }
            BadLine::Disagrees(disagreement) => write!(f, "it tells of a task that no queue makes: {disagreement}"),
        }
    }
}
