//! Reports: the data that does not fit into a name. Result, error, reason, progress.
//!
//! A report is a line of the task's file, after the record in the first line. Lines are only ever added, so a report
//! stays even if its rename failed. An entry's name has the nonce of the latest report, and each report has that of the
//! one before. A report outside of this chain does not count. A late result is a line of version 0, which no entry has;
//! nothing points at it. A report of progress is a separate file, since the next one replaces it.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::entry::Outcome;
use crate::error::Error;
use crate::id::TaskId;
use crate::json::JsonObject;
use crate::limits;
use crate::name::{ErrorMessage, Nonce, Note};
use crate::path::Path;
use crate::sorted;
use crate::time::Timestamp;

/// A report on a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Of what.
    pub kind: ReportKind,
    /// The author's run id; for an expired lease, its holder's. Empty: the end of another task caused it.
    pub run_id: String,
    /// When.
    pub at: Timestamp,
    /// Which holder the task had.
    pub generation: u32,
    /// Which attempt at it that was.
    pub attempt: u32,
    /// The result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<JsonObject>,
    /// The error message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorMessage>,
    /// Why it is cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Note>,
    /// The fraction done, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<f64>,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
    /// When it can be claimed again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduled_at: Option<Timestamp>,
    /// Tasks that earlier holders were about to enqueue by their completions, and that this completion enqueues.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adopts: Vec<TaskId>,
    /// The report before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Nonce>,
}

/// The mark of a task that [`crate::Queue::import`] has added. Its earlier reports, its holders and its end come from
/// the imported line, and were not seen here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Import {
    /// When.
    #[serde(rename = "imported_at")]
    pub at: Timestamp,
    /// The latest report that came with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Nonce>,
}

/// The kind of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportKind {
    /// The task's success.
    #[default]
    Completed,
    /// The failure of an attempt, of the task if it was the last.
    Failed,
    /// An expired lease; only tasks with limited attempts have these.
    TimedOut,
    /// A task that was given back for later.
    Released,
    /// A task that was cancelled.
    Cancelled,
    /// A holder that was asked to stop.
    CancelRequested,
    /// The holder's progress. The next report of it replaces this one.
    Progress,
}

impl ReportKind {
    /// All of them.
    pub const ALL: [ReportKind; 7] = [
        ReportKind::Completed,
        ReportKind::Failed,
        ReportKind::TimedOut,
        ReportKind::Released,
        ReportKind::Cancelled,
        ReportKind::CancelRequested,
        ReportKind::Progress,
    ];

    /// The word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            ReportKind::Completed => "completed",
            ReportKind::Failed => "failed",
            ReportKind::TimedOut => "timed_out",
            ReportKind::Released => "released",
            ReportKind::Cancelled => "cancelled",
            ReportKind::CancelRequested => "cancel_requested",
            ReportKind::Progress => "progress",
        }
    }

    /// True if a report of this kind belongs to such an end.
    pub(crate) fn tells_the_end(self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Completed => self == ReportKind::Completed,
            Outcome::Failed => matches!(self, ReportKind::Failed | ReportKind::TimedOut),
            Outcome::Cancelled => matches!(self, ReportKind::Cancelled | ReportKind::CancelRequested),
            Outcome::Expired => false,
        }
    }
}

impl Report {
    /// A report by an agent, at `at`. Its task is filled in when it is written.
    pub(crate) fn by(run_id: impl ToString, kind: ReportKind, at: Timestamp) -> Report {
        Report { kind, run_id: run_id.to_string(), at, ..Report::default() }
    }

    /// True if no agent made it: it records a change by time, or by the end of another task.
    pub(crate) fn is_dispensable(&self) -> bool {
        self.kind == ReportKind::TimedOut || self.run_id.is_empty()
    }
}

/// The version of a late result. No entry has it.
pub(crate) const LATE: u32 = 0;

/// A line of a task's file after the first: a report, or the mark of an import.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    /// The task: leftovers of another file on the disk are no lines of this one.
    pub(super) task: TaskId,
    /// Which entry's name points at it.
    pub(crate) version: u32,
    /// By this.
    pub(crate) nonce: Nonce,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    report: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    import: Option<Import>,
}

impl Line {
    pub(super) fn of(task: TaskId, version: u32, nonce: Nonce, report: &Report) -> Result<Line, Error> {
        let report = serde_json::value::to_raw_value(report).map_err(|error| Error::Unencodable(error.into()))?;
        Ok(Line::of_raw(task, version, nonce, report))
    }

    /// A report as its JSON, on one line.
    pub(crate) fn of_raw(task: TaskId, version: u32, nonce: Nonce, report: Box<RawValue>) -> Line {
        Line { task, version, nonce, report: Some(report), import: None }
    }

    /// The mark of an import.
    pub(crate) fn of_import(task: TaskId, import: Import) -> Line {
        Line { task, version: LATE, nonce: Nonce::from_bits(0), report: None, import: Some(import) }
    }

    /// As it stands in the file. It begins with the end of a line, for the one before may be torn.
    pub(crate) fn to_text(&self) -> Result<String, Error> {
        let text = serde_json::to_string(self).map_err(|error| Error::Unencodable(error.into()))?;
        Ok(format!("\n{text}\n"))
    }

    /// The report as JSON; empty if it is none.
    pub(crate) fn text(&self) -> &str {
        self.report.as_ref().map_or("", |report| report.get())
    }

    pub(crate) fn report(&self) -> Option<Report> {
        serde_json::from_str(self.text()).ok()
    }
}

/// The content of a task's file after its first line.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The reports, as they came, each once.
    pub(crate) reports: Vec<Line>,
    /// Versions and nonces of the reports.
    known: BTreeSet<(u32, Nonce)>,
    /// When the task was imported, if it was.
    pub(crate) import: Option<Import>,
    /// How many lines are no reports on this task: torn or zeroed by a crash, or written by another program.
    pub(crate) noise: usize,
}

impl Told {
    pub(crate) fn read(id: TaskId, content: &[u8]) -> Told {
        let mut told = Told::default();
        for text in content.split(|byte| *byte == b'\n').skip(1).filter(|text| !text.is_empty()) {
            match serde_json::from_slice::<Line>(text) {
                // One that was sent twice is there twice.
                Ok(line) if line.task == id && told.tells(&line) => {}
                Ok(line) if line.task == id && line.report.is_some() => {
                    told.known.insert((line.version, line.nonce));
                    told.reports.push(line);
                }
                Ok(Line { task, import: Some(import), .. }) if task == id => told.import = Some(import),
                Ok(_) | Err(_) => told.noise += 1,
            }
        }
        told
    }

    /// Where the reports are.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place<'_>> {
        self.reports.iter().map(Place::of_line)
    }

    pub(super) fn tells(&self, line: &Line) -> bool {
        match line.import {
            Some(_) => self.import.is_some(),
            None => self.known.contains(&(line.version, line.nonce)),
        }
    }

    /// The late results.
    pub(super) fn late(&self) -> impl Iterator<Item = &Line> + Clone {
        self.reports.iter().filter(|line| line.version == LATE)
    }

    /// The late results, oldest first: the newest [`limits::LATE_RESULTS`].
    pub(crate) fn late_results(&self) -> Vec<Report> {
        let late_results = sorted::by_key(self.late().filter_map(Line::report).collect(), |report: &Report| report.at);
        let older = late_results.len().saturating_sub(limits::LATE_RESULTS);
        late_results.into_iter().skip(older).collect()
    }
}

/// Where a report on a task is, and its version and nonce.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pub(crate) version: u32,
    pub(crate) nonce: Nonce,
    pub(super) at: At<'a>,
}

#[derive(Debug)]
pub(super) enum At<'a> {
    Line(&'a Line),
    File(Path),
}

impl Place<'_> {
    pub(crate) fn of_line(line: &Line) -> Place<'_> {
        Place { version: line.version, nonce: line.nonce, at: At::Line(line) }
    }

    /// The report, if it is a line and whole.
    pub(crate) fn report(&self) -> Option<Report> {
        if let At::Line(line) = &self.at { line.report() } else { None }
    }

    /// Its separate file, if it has one.
    pub(crate) fn file(self) -> Option<Path> {
        match self.at {
            At::Line(_) => None,
            At::File(path) => Some(path),
        }
    }
}

/// The reports on a task by the nonces that lead to them. A result that came too late has the nonce of its lease, which
/// another report can have; and a try that lost its race may have left one of the same nonce behind: the one that was
/// led to came later.
#[derive(Debug, Default)]
pub(super) struct Places<'a>(pub(super) BTreeMap<Nonce, Place<'a>>);

impl<'a> Places<'a> {
    pub(super) fn of(places: impl IntoIterator<Item = Place<'a>>) -> Places<'a> {
        let mut by_nonce = Places::default();
        by_nonce.extend(places);
        by_nonce
    }

    pub(super) fn extend(&mut self, places: impl IntoIterator<Item = Place<'a>>) {
        for place in places.into_iter().filter(|place| place.version != LATE) {
            if self.0.get(&place.nonce).is_none_or(|other| other.version <= place.version) {
                self.0.insert(place.nonce, place);
            }
        }
    }
}

/// The reports that a nonce leads to, newest first, each as `read` reads it. The last one is `None` if one is missing.
/// `more` are looked through once one is not among `places`.
pub(crate) fn chain<'a>(
    mut next: Option<Nonce>,
    places: impl IntoIterator<Item = Place<'a>>,
    more: impl FnOnce() -> Result<Vec<Place<'a>>, Error>,
    mut read: impl FnMut(Place<'a>) -> Result<Option<Report>, Error>,
) -> Result<Vec<(Nonce, Option<Report>)>, Error> {
    let (mut chain, mut places, mut more) = (Vec::new(), Places::of(places), Some(more));
    while let Some(nonce) = next {
        if !places.0.contains_key(&nonce)
            && let Some(more) = more.take()
        {
            places.extend(more()?);
        }
        // None is led to twice, whatever a report may say.
        let report = match places.0.remove(&nonce) {
            Some(place) => read(place)?,
            None => None,
        };
        next = report.as_ref().and_then(|report| report.previous);
        chain.push((nonce, report));
    }
    Ok(chain)
}

/// The report that an entry's name points at.
#[derive(Debug)]
pub(crate) struct Latest {
    pub(crate) report: Report,
    /// Its separate file, if it has one.
    pub(crate) file: Option<Path>,
}

/// A report that was written, but to which no name points yet.
#[derive(Debug)]
pub(crate) enum Written {
    /// There was nothing to say.
    Nothing,
    /// A line of the task's file, which stays.
    Line,
    /// A separate file.
    File {
        /// Where.
        file: Path,
        /// The report that it replaces.
        superseded: Option<Path>,
    },
    /// The entry has moved on, and nothing was written.
    Gone,
}
