//! Reports: what does not fit a name. Result, error, reason, progress; each written before the rename that points at
//! it.
//!
//! A report is a line of the task's file, behind the record, which is the first one. Lines are only ever added, so a
//! report whose rename was lost to another agent stays: an entry's name holds the nonce of the latest report, and each
//! report that of the one before, and whatever they do not lead to is of nobody. A result that came too late is a line
//! of version 0, which no entry has; nothing points at it. A report of progress is a file of its own, since the next
//! one takes its place.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Reverse;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Queue;
use super::doctor::Repairer;
use super::files::Located;
use crate::entry::{Entry, State};
use crate::error::Error;
use crate::id::TaskId;
use crate::json::JsonObject;
use crate::layout::{self, Path};
use crate::limits;
use crate::name::{ErrorMessage, Nonce, Note};
use crate::sorted;
use crate::store::{Appended, Flushed, Store, StoreError, StoreErrorKind};
use crate::task::Task;
use crate::time::Timestamp;

/// What somebody reported on a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Of what.
    pub kind: ReportKind,
    /// By whom; for a lease that ran out, whose it was. Empty: nobody, but what became of another task.
    pub run_id: String,
    /// When.
    pub at: Timestamp,
    /// Which holder the task had.
    pub generation: u32,
    /// Which attempt at it that was.
    pub attempt: u32,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<JsonObject>,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorMessage>,
    /// Why it is called off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Note>,
    /// How much of it is done, from 0 to 1.
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

/// The mark of a task that was brought in from elsewhere by [`Queue::import`]. What had been reported on the task by
/// then, who had held it, and that it had ended, is what the line said, and was not seen here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Import {
    /// When.
    #[serde(rename = "imported_at")]
    pub at: Timestamp,
    /// The latest report that came with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Nonce>,
}

/// What a report is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportKind {
    /// The task's success.
    #[default]
    Completed,
    /// The failure of an attempt, of the task if it was the last.
    Failed,
    /// A lease that ran out; tasks with a number of attempts have these.
    TimedOut,
    /// A task that was given back for later.
    Released,
    /// A task that was called off.
    Cancelled,
    /// A holder that was asked to stop.
    CancelRequested,
    /// How far its holder is. The next one takes its place.
    Progress,
}

impl ReportKind {
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
}

impl Report {
    /// A report by somebody, at `at`. What it is on is filled in when it is written.
    pub(super) fn by(run_id: impl ToString, kind: ReportKind, at: Timestamp) -> Report {
        Report { kind, run_id: run_id.to_string(), at, ..Report::default() }
    }

    /// True if nobody gave it: it tells what time, or the end of another task, did.
    pub(super) fn is_dispensable(&self) -> bool {
        self.kind == ReportKind::TimedOut || self.run_id.is_empty()
    }
}

impl<S: Store> Queue<S> {
    /// Writes what somebody says of the task at `located`, before the name `next` that points at it: CM-4.
    ///
    /// It is a line of the task's file, added by the entry's own name: where that is gone, another agent was faster. On
    /// a medium that cannot add lines it is a file of its own, and progress always is, as the next one takes its place:
    /// the one before is passed over, and answered, to be removed once the rename has succeeded.
    ///
    /// A line is durable when this returns if it `flushes`.
    pub(super) fn write_report(
        &self,
        located: &Located,
        next: &Entry,
        report: &Report,
        flushes: bool,
    ) -> Result<Written, Error> {
        let Some(nonce) = next.report else { return Ok(Written::Nothing) };
        let last = &located.entry;
        let mut report = Report { generation: last.generation, attempt: last.attempt, ..report.clone() };
        report.previous = last.report;
        // A request that ends the task asks nobody: it is the cancel itself.
        if report.kind == ReportKind::CancelRequested && next.has_ended() {
            report.kind = ReportKind::Cancelled;
        }
        if let State::Scheduled { due } = next.state {
            report.scheduled_at = Some(due);
        }
        if report.kind == ReportKind::Progress {
            return self.write_progress(last, layout::report(next.id, next.version, nonce), report);
        }
        let line = Line::of(next.id, next.version, nonce, &report)?;
        let most = if next.has_ended() { limits::FILE_BYTES } else { limits::FILE_BYTES_BEFORE_THE_END };
        let at = located.path();
        match self.add_line(&at, &line, most)? {
            Appended::Now(names) => {
                if names == 1 {
                    self.or_leave(self.join_record(located, nonce));
                }
                let moved_on = flushes && self.store.flush(&at)? == Flushed::Gone;
                Ok(if moved_on { Written::Gone } else { Written::Line })
            }
            Appended::Gone => Ok(Written::Gone),
            Appended::Full => Err(Error::TooMuchReported { id: next.id }),
            Appended::Unable => self.write_file(layout::report(next.id, next.version, nonce), &report, None),
        }
    }

    fn write_progress(&self, last: &Entry, file: Path, mut report: Report) -> Result<Written, Error> {
        let mut superseded = None;
        if let Some(Latest { report: before, file }) = self.latest_report(last)?
            && before.kind == ReportKind::Progress
        {
            report.previous = before.previous;
            superseded = file;
        }
        self.write_file(file, &report, superseded)
    }

    fn write_file(&self, file: Path, report: &Report, superseded: Option<Path>) -> Result<Written, Error> {
        let mut content = serde_json::to_vec(&report).map_err(|error| Error::Unencodable(error.into()))?;
        content.push(b'\n');
        self.create(&file, &content)?;
        self.store.sync_dir(&file.dir)?;
        Ok(Written::File { file, superseded })
    }

    /// Has the record in `tasks/`, which is another file than the entry, as in a copy, be the entry's again: what is
    /// reported from now on is read there.
    fn join_record(&self, located: &Located, nonce: Nonce) -> Result<(), Error> {
        let mut nonces = nonce.counted_on();
        Repairer::new(self, &mut nonces).join_record(located).map(drop)
    }

    /// Adds a line to a task's file.
    fn add_line(&self, path: &Path, line: &Line, most: usize) -> Result<Appended, Error> {
        let text = line.to_text()?;
        if text.len() > limits::LINE_OF_FILE_BYTES {
            return Err(Error::TooMuchReported { id: line.task });
        }
        Ok(self.store.append(path, text.as_bytes(), most)?)
    }

    /// Keeps a result that came too late, one for each lease, for whoever holds the task now may want it. Where there
    /// is no room for it, that is told as a warning.
    pub(super) fn keep_late_result(&self, id: TaskId, nonce: Nonce, report: &Report) -> Result<(), Error> {
        let line = Line::of(id, LATE, nonce, report)?;
        for _ in 0..limits::RACES {
            let Some((path, told)) = self.file_of(id)? else { return Ok(()) };
            if told.tells(&line) {
                return Ok(());
            }
            let is_full = told.late().count() >= limits::LATE_RESULTS_KEPT;
            let appended = if is_full { Appended::Full } else { self.add_line(&path, &line, limits::FILE_BYTES_LATE)? };
            let why = match appended {
                Appended::Now(_) => return self.store.flush(&path).map(drop).map_err(Error::from),
                Appended::Full => not_added(&path, "it has no room for more late results"),
                Appended::Unable => unable(&path),
                // A doctor has given the record another name, or a collection has removed the task.
                Appended::Gone => continue,
            };
            self.pass_over(why);
            return Ok(());
        }
        Err(Error::Contended)
    }

    /// The results on a task that came too late, oldest first, as far as they can be read: the newest
    /// [`limits::LATE_RESULTS`].
    pub(super) fn late_results(&self, id: TaskId) -> Result<Vec<Report>, Error> {
        Ok(self.told_of(id)?.late_results())
    }

    /// Adds the lines that an import brings and that an earlier one of the same task has not added before it died.
    pub(super) fn add_missing_lines(&self, id: TaskId, path: &Path, lines: &[Line]) -> Result<(), Error> {
        let content = self.store.read(path, limits::FILE_BYTES_READ)?.unwrap_or_default();
        let told = Told::read(id, &content);
        let missing: Vec<&Line> = lines.iter().filter(|line| !told.tells(line)).collect();
        for line in &missing {
            match self.add_line(path, line, limits::FILE_BYTES)? {
                Appended::Now(_) => {}
                Appended::Gone => return Err(Error::Contended),
                Appended::Full => return Err(Error::TooMuchReported { id }),
                Appended::Unable => return Err(unable(path).into()),
            }
        }
        // Whoever wrote them may have died before it flushed them.
        self.store.flush(path)?;
        Ok(())
    }

    /// All reports on a task that its entry leads to, newest first, with the nonce of each. The last one is `None` if a
    /// report is missing or torn, or cannot be read. To be told, not to be decided by.
    pub(super) fn history(&self, entry: &Entry) -> Result<Vec<(Nonce, Option<Report>)>, Error> {
        self.history_in(entry, &self.told_by(entry)?)
    }

    /// As [`Queue::history`], by what the task's file told.
    pub(super) fn history_in(&self, entry: &Entry, told: &Told) -> Result<Vec<(Nonce, Option<Report>)>, Error> {
        let lines = told.places();
        let files = || Ok(self.unless_in_the_way(self.report_files(entry.id))?.unwrap_or_default());
        chain(entry.report, lines, files, |place| Ok(self.unless_in_the_way(self.read_report(&place))?.flatten()))
    }

    /// The latest report that an entry's name points at; `None`: there is none, or it is missing or torn.
    pub(super) fn latest_report(&self, entry: &Entry) -> Result<Option<Latest>, Error> {
        self.latest_in(entry, &self.told_by(entry)?)
    }

    /// As [`Queue::latest_report`], by what the task's file told.
    pub(super) fn latest_in(&self, entry: &Entry, told: &Told) -> Result<Option<Latest>, Error> {
        let Some(nonce) = entry.report else { return Ok(None) };
        let mut places = Places::of(told.places());
        if !places.0.contains_key(&nonce) {
            // Most that are files of their own are of the entry's own version.
            let own =
                Place { version: entry.version, nonce, at: At::File(layout::report(entry.id, entry.version, nonce)) };
            if let Some(report) = self.read_report(&own)? {
                return Ok(Some(Latest { report, file: own.file() }));
            }
            places.extend(self.report_files(entry.id)?);
        }
        let Some(place) = places.0.remove(&nonce) else { return Ok(None) };
        let report = self.read_report(&place)?;
        Ok(report.map(|report| Latest { report, file: place.file() }))
    }

    /// When a task was put off to, by any report on it, latest first: where else than its record says it may be
    /// scheduled.
    pub(super) fn times_put_off_to(&self, id: TaskId) -> Result<Vec<Timestamp>, Error> {
        let told = self.file_of(id)?.map(|(_, told)| told).unwrap_or_default();
        let mut times = Vec::new();
        // On a host that cannot add lines these are files of their own.
        for place in sorted::by_key(self.all_places(id, &told)?, |place| Reverse(place.version)) {
            if times.len() == limits::TIMES_PUT_OFF_TO {
                break;
            }
            times.extend(self.read_report(&place)?.and_then(|report| report.scheduled_at));
        }
        Ok(times)
    }

    /// What a task's file tells, if the entry's name leads to anything.
    pub(super) fn told_by(&self, entry: &Entry) -> Result<Told, Error> {
        if entry.report.is_none() { Ok(Told::default()) } else { self.told_of(entry.id) }
    }

    /// A task as it was enqueued, and all that its file tells; `None` if there is no such task.
    pub(super) fn task_and_told(&self, id: TaskId) -> Result<Option<(Task, Told)>, Error> {
        let Some((_, content)) = self.whole_file_of(id)? else { return Ok(None) };
        let task = Task::decode(id, &content).map_err(|problem| Error::Corrupt { id, problem })?;
        Ok(Some((task, Told::read(id, &content))))
    }

    /// What a task's file tells behind its first line. To be told, not to be decided by: what cannot be read tells
    /// nothing.
    pub(super) fn told_of(&self, id: TaskId) -> Result<Told, Error> {
        match self.file_of(id) {
            Err(Error::Corrupt { .. }) => Ok(Told::default()),
            file => Ok(file?.map(|(_, told)| told).unwrap_or_default()),
        }
    }

    fn file_of(&self, id: TaskId) -> Result<Option<(Path, Told)>, Error> {
        Ok(self.whole_file_of(id)?.map(|(path, content)| (path, Told::read(id, &content))))
    }

    /// The reports on a task, those that its file tells and those that are files of their own, as far as these can be
    /// listed.
    pub(super) fn all_places<'a>(&self, id: TaskId, told: &'a Told) -> Result<Vec<Place<'a>>, Error> {
        let files = self.unless_in_the_way(self.report_files(id))?.unwrap_or_default();
        Ok(told.places().chain(files).collect())
    }

    /// The reports on a task that are files of their own.
    pub(super) fn report_files(&self, id: TaskId) -> Result<Vec<Place<'static>>, Error> {
        let dir = layout::record(id).dir;
        let hex = id.hex();
        let mut names = self.store.list(&dir)?.unwrap_or_default();
        names.retain(|name| name.starts_with(&hex));
        let parsed = names.into_iter().filter_map(|name| Some((layout::parse_report(&name)?, name)));
        let place = |((_, version, nonce), name)| Place { version, nonce, at: At::File(dir.file(name)) };
        Ok(parsed.map(place).collect())
    }

    /// The report at a place; `None`: it is torn, or gone.
    pub(super) fn read_report(&self, place: &Place<'_>) -> Result<Option<Report>, Error> {
        let At::File(path) = &place.at else { return Ok(place.report()) };
        let content = match self.store.read(path, limits::RECORD_BYTES) {
            // What is no file is no report, whoever looks.
            Err(error) if error.kind == StoreErrorKind::WrongType => None,
            content => content?,
        };
        Ok(content.and_then(|content| serde_json::from_slice(&content).ok()))
    }
}

fn not_added(path: &Path, why: &str) -> StoreError {
    StoreError { operation: "add to", path: path.to_string(), kind: StoreErrorKind::Other, detail: why.into() }
}

/// On the host there is: another face can.
fn unable(path: &Path) -> StoreError {
    not_added(path, "this host cannot add to a file in one piece; do it by the `muse coord` command line")
}

/// The version of a result that came too late. No entry has it.
pub(super) const LATE: u32 = 0;

/// A line of a task's file behind the first: a report, or that the task was brought in from elsewhere.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Line {
    /// Of which task: what is left of another file on the disk is no line of this one.
    task: TaskId,
    /// Which entry's name points at it.
    pub(super) version: u32,
    /// By this.
    pub(super) nonce: Nonce,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    report: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    import: Option<Import>,
}

impl Line {
    fn of(task: TaskId, version: u32, nonce: Nonce, report: &Report) -> Result<Line, Error> {
        let report = serde_json::value::to_raw_value(report).map_err(|error| Error::Unencodable(error.into()))?;
        Ok(Line::of_raw(task, version, nonce, report))
    }

    /// A report as its JSON, on one line.
    pub(super) fn of_raw(task: TaskId, version: u32, nonce: Nonce, report: Box<RawValue>) -> Line {
        Line { task, version, nonce, report: Some(report), import: None }
    }

    /// That the task was brought in from elsewhere.
    pub(super) fn of_import(task: TaskId, import: Import) -> Line {
        Line { task, version: LATE, nonce: Nonce::from_bits(0), report: None, import: Some(import) }
    }

    /// As it stands in the file. It begins with the end of a line, for the one before may be torn.
    pub(super) fn to_text(&self) -> Result<String, Error> {
        let text = serde_json::to_string(self).map_err(|error| Error::Unencodable(error.into()))?;
        Ok(format!("\n{text}\n"))
    }

    /// What was reported, as its JSON; empty if it is no report.
    pub(super) fn text(&self) -> &str {
        self.report.as_ref().map_or("", |report| report.get())
    }

    pub(super) fn report(&self) -> Option<Report> {
        serde_json::from_str(self.text()).ok()
    }
}

/// What a task's file tells behind its first line.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The reports, as they came, each once.
    pub(super) reports: Vec<Line>,
    /// Versions and nonces of the reports.
    known: BTreeSet<(u32, Nonce)>,
    /// When the task was brought in from elsewhere, if it was.
    pub(super) import: Option<Import>,
    /// How many lines say nothing of this task: those that a crash has torn, or of which it left zeros, or a hand has
    /// written.
    pub(super) noise: usize,
}

impl Told {
    pub(super) fn read(id: TaskId, content: &[u8]) -> Told {
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
    pub(super) fn places(&self) -> impl Iterator<Item = Place<'_>> {
        self.reports.iter().map(Place::of_line)
    }

    fn tells(&self, line: &Line) -> bool {
        match line.import {
            Some(_) => self.import.is_some(),
            None => self.known.contains(&(line.version, line.nonce)),
        }
    }

    /// The results that came too late.
    fn late(&self) -> impl Iterator<Item = &Line> + Clone {
        self.reports.iter().filter(|line| line.version == LATE)
    }

    /// The results that came too late, oldest first: the newest [`limits::LATE_RESULTS`].
    pub(super) fn late_results(&self) -> Vec<Report> {
        let late_results = sorted::by_key(self.late().filter_map(Line::report).collect(), |report: &Report| report.at);
        let older = late_results.len().saturating_sub(limits::LATE_RESULTS);
        late_results.into_iter().skip(older).collect()
    }
}

/// Where a report on a task is, and what leads to it.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) version: u32,
    pub(super) nonce: Nonce,
    at: At<'a>,
}

#[derive(Debug)]
enum At<'a> {
    Line(&'a Line),
    File(Path),
}

impl Place<'_> {
    pub(super) fn of_line(line: &Line) -> Place<'_> {
        Place { version: line.version, nonce: line.nonce, at: At::Line(line) }
    }

    /// The report, if it is a line and whole.
    pub(super) fn report(&self) -> Option<Report> {
        if let At::Line(line) = &self.at { line.report() } else { None }
    }

    /// The file that it is, if it is one of its own.
    pub(super) fn file(self) -> Option<Path> {
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
struct Places<'a>(BTreeMap<Nonce, Place<'a>>);

impl<'a> Places<'a> {
    fn of(places: impl IntoIterator<Item = Place<'a>>) -> Places<'a> {
        let mut by_nonce = Places::default();
        by_nonce.extend(places);
        by_nonce
    }

    fn extend(&mut self, places: impl IntoIterator<Item = Place<'a>>) {
        for place in places.into_iter().filter(|place| place.version != LATE) {
            if self.0.get(&place.nonce).is_none_or(|other| other.version <= place.version) {
                self.0.insert(place.nonce, place);
            }
        }
    }
}

/// The reports that a nonce leads to, newest first, each as `read` reads it. The last one is `None` if one is missing.
/// `more` are looked through once one is not among `places`.
pub(super) fn chain<'a>(
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
pub(super) struct Latest {
    pub(super) report: Report,
    /// The file that it is, if it is one of its own.
    pub(super) file: Option<Path>,
}

/// What was written of a task, to which no name points yet.
#[derive(Debug)]
pub(super) enum Written {
    /// There was nothing to say.
    Nothing,
    /// A line of the task's file, which stays.
    Line,
    /// A file of its own.
    File {
        /// Where.
        file: Path,
        /// The one that it takes the place of.
        superseded: Option<Path>,
    },
    /// The entry has moved on, and nothing was written.
    Gone,
}
