//! Export: tasks and settings as lines.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::num::NonZeroU32;

use serde::Serialize;
use serde_json::value::RawValue;

use super::line::{ReportLine, SettingsLine, TaskLine, chain_of};
use crate::entry::{Entry, State};
use crate::error::Error;
use crate::finding::Finding;
use crate::id::TaskId;
use crate::limits;
use crate::name::{Nonce, QueueName};
use crate::queue::Queue;
use crate::queue::budget::Budget;
use crate::queue::settings::Settings;
use crate::sorted;
use crate::store::{Moved, Store};
use crate::task::Task;
use crate::time::Timestamp;
use crate::transition::{Command, decide};
use crate::tree::{LOOKS, Located, Report};
use crate::turn::Turn;

impl<S: Store> Queue<S> {
    /// Passes the settings of queues, and then each task, to `take`: each as a line of JSON without a line break. Tasks
    /// come oldest first, parents before their dependents. Not a snapshot: each task is as it was when read, with all
    /// changes made that are due now, as by a sweep. Returns findings.
    pub fn export<E: From<Error>>(
        &self,
        turn: &Turn<'_>,
        mut take: impl FnMut(String) -> Result<(), E>,
    ) -> Result<Vec<Finding>, E> {
        let mut findings = Vec::new();
        for line in self.settings()?.lines() {
            take(text_of(&line)?)?;
        }
        let entries = self.entries_as_of_now(turn, &mut findings)?;
        let now = turn.now();
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
        findings.extend(self.tree.take_findings());
        Ok(findings)
    }

    /// Every task's entry, after all changes that are due by time, as far as this agent may write.
    fn entries_as_of_now(
        &self,
        turn: &Turn<'_>,
        findings: &mut Vec<Finding>,
    ) -> Result<BTreeMap<TaskId, Entry>, Error> {
        let (mut found, mut told, mut moved) = (self.tree.every_entry()?, Vec::new(), false);
        for seen in found.values() {
            let mut budget = Budget::of_steps(limits::WOKEN_PER_END);
            moved |= self.time_out(seen.located(), turn, &mut told, &mut budget) == Ok(Moved::Here);
        }
        if moved {
            found = self.tree.every_entry()?;
        }
        findings.extend(told.into_iter().filter(|finding| matches!(finding, Finding::Quarantined { .. })));
        found.iter().map(|(id, seen)| Ok((*id, self.as_told(seen.located())?))).collect()
    }

    /// The entry of a task as an export tells it: of an end that another agent has to finish, the end if its report
    /// is there, else as if it were taken back.
    fn as_told(&self, located: &Located) -> Result<Entry, Error> {
        let Some(held) = located.before_its_end() else { return Ok(located.entry.clone()) };
        let is_told = self.tree.latest_report(&located.entry)?.is_some();
        Ok(if is_told { located.entry.clone() } else { Entry { report: None, ..held } })
    }

    /// The parents of a blocked task that are not in the export yet.
    fn parents_to_give<'a>(
        &self,
        entry: &Entry,
        entries: &'a BTreeMap<TaskId, Entry>,
        given: &BTreeSet<TaskId>,
    ) -> Result<Vec<&'a Entry>, Error> {
        if !matches!(entry.state, State::Blocked { .. }) {
            return Ok(Vec::new());
        }
        let after = match self.tree.task(entry.id) {
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
        match self.tree.unless_in_the_way(self.line_of(entry.clone(), now, findings)) {
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
        let Some((_, content)) = self.tree.record_of(id)? else { return Ok(None) };
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
            let moved_on = if told.is_whole { None } else { self.tree.find(id)?.filter(|found| found.entry != entry) };
            let Some(next) = moved_on.map(|located| self.as_told(&located)).transpose()? else { break };
            (entry, told) = (next.clone(), self.report_lines(&next, room)?);
        }
        let ReportLines { reports, is_whole, left_out } = told;
        if left_out > 0 {
            findings.push(Finding::HistoryCut { id, reports: left_out });
        }
        let holder = entry.lease().map(|lease| &lease.holder).filter(|holder| holder.overflows());
        let run_id = holder.map(|holder| self.tree.overflowed(holder)).transpose()?;
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
        let in_file = self.tree.told_of(entry.id)?;
        // Those that came too late, then the others, newest first.
        let places =
            sorted::by_key(self.tree.all_places(entry.id, &in_file)?, |place| Reverse(place.version.wrapping_sub(1)));
        let all = places.len();
        for (index, place) in places.into_iter().enumerate() {
            let (version, nonce) = (place.version, place.nonce);
            let Some(report) = self.tree.unless_in_the_way(self.tree.read_report(&place))?.flatten() else {
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
}

/// The reports on a task, as a line tells them.
struct ReportLines {
    reports: Vec<ReportLine>,
    /// False if one is torn, or missing in the chain that the entry begins.
    is_whole: bool,
    /// How many there was no room for.
    left_out: usize,
}

/// The most bytes that a report takes beside its content, in a line and in a task's file.
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

fn text_of(line: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(line).map_err(|error| Error::Unencodable(error.into()))
}

fn raw(content: &[u8]) -> Option<Box<RawValue>> {
    let text = core::str::from_utf8(content).ok()?;
    RawValue::from_string(text.trim_end().to_owned()).ok()
}
