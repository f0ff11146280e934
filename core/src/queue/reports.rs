//! Reports: what does not fit a name. Result, error, reason, progress; each written before the rename that points at it.
//!
//! An entry's name holds the nonce of the latest report, and each report that of the one before: so the ones that count are told
//! from those whose rename was lost to another agent. A result that came too late is kept as a report of version 0, which no
//! entry has; nothing points at it.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::Queue;
use crate::entry::{Entry, State};
use crate::error::Error;
use crate::id::TaskId;
use crate::json::JsonObject;
use crate::layout::{self, Path};
use crate::limits;
use crate::name::{ErrorMessage, Nonce, Note};
use crate::sorted;
use crate::store::{Created, Store, StoreErrorKind};
use crate::time::Timestamp;

/// What somebody reported on a task, as it stands in `records/`.
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

/// The mark of a task that was brought in from elsewhere by [`Queue::import`], in a file of its own to which nothing
/// points. What had been reported on the task by then, who had held it, and that it had ended, is what the line said,
/// and was not seen here.
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
    Lapsed,
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
            ReportKind::Lapsed => "lapsed",
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
}

impl<S: Store> Queue<S> {
    /// Writes what somebody says of `last`, before the name `next` that points at it: CM-4. The report before that was of
    /// progress only is passed over; it is answered, to be removed once the rename has succeeded.
    pub(super) fn write_report(&self, last: &Entry, next: &Entry, report: &Report) -> Result<Written, Error> {
        let Some(nonce) = next.report else { return Ok(Written::default()) };
        let mut report = Report { generation: last.generation, attempt: last.attempt, ..report.clone() };
        report.previous = last.report;
        // A request that ends the task asks nobody: it is the cancel itself.
        if report.kind == ReportKind::CancelRequested && next.has_ended() {
            report.kind = ReportKind::Cancelled;
        }
        if let State::Scheduled { due } = next.state {
            report.scheduled_at = Some(due);
        }
        let mut superseded = None;
        if report.kind == ReportKind::Progress
            && let Some((path, before)) = self.latest_report(last)?
            && before.kind == ReportKind::Progress
        {
            report.previous = before.previous;
            superseded = Some(path);
        }
        let path = layout::report(next.id, next.version, nonce);
        self.create_report(&path, &report)?;
        Ok(Written { path: Some(path), superseded })
    }

    /// Keeps a result that came too late, one for each lease, and of all of them the newest: whoever holds the task now
    /// may want it.
    pub(super) fn keep_orphan(&self, id: TaskId, nonce: Nonce, report: &Report) -> Result<(), Error> {
        let path = layout::report(id, 0, nonce);
        if self.store.exists(&path)? {
            return Ok(());
        }
        self.create_report(&path, report)?;
        let paths = self.orphan_paths(id)?;
        if paths.len() <= limits::LATE_RESULTS {
            return Ok(());
        }
        let mut dated = Vec::new();
        for path in paths {
            // One that is torn is of nobody who was told that it is kept.
            let at = self.unless_in_the_way(self.read_report(&path))?.flatten().map(|report| report.at);
            dated.push((at, path));
        }
        let newest_last = sorted::by_key(dated, |(at, path)| (*at, path.clone()));
        let too_many = newest_last.len().saturating_sub(limits::LATE_RESULTS);
        // Of agents that keep one each at once, each sees its own and removes none but older ones.
        newest_last.iter().take(too_many).try_for_each(|(_, path)| self.store.remove(path).map(drop))?;
        Ok(())
    }

    fn create_report(&self, path: &Path, report: &Report) -> Result<(), Error> {
        let mut content = serde_json::to_vec(report).map_err(|error| Error::Unencodable(error.into()))?;
        content.push(b'\n');
        self.create(path, &content)?;
        Ok(self.store.sync_dir(&path.dir)?)
    }

    /// The results on a task that came too late, oldest first, as far as they can be read. No more than
    /// [`limits::LATE_RESULTS`].
    pub(super) fn orphans(&self, id: TaskId) -> Result<Vec<Report>, Error> {
        let mut orphans: Vec<Report> = Vec::new();
        let paths = self.unless_in_the_way(self.orphan_paths(id))?.unwrap_or_default();
        for path in paths.into_iter().take(limits::LATE_RESULTS_READ) {
            orphans.extend(self.unless_in_the_way(self.read_report(&path))?.flatten());
            if orphans.len() > limits::LATE_RESULTS {
                orphans = sorted::by_key(orphans, |report| report.at);
                orphans.remove(0);
            }
        }
        Ok(sorted::by_key(orphans, |report| report.at))
    }

    /// Where the results on a task are that came too late.
    fn orphan_paths(&self, id: TaskId) -> Result<Vec<Path>, Error> {
        let mark = layout::import_mark(id);
        let names = self.report_names(id)?.into_iter();
        Ok(names.filter(|(version, _, path)| *version == 0 && *path != mark).map(|(_, _, path)| path).collect())
    }

    /// Marks a task as one that was brought in from elsewhere, before its entry is there.
    pub(super) fn mark_as_imported(&self, id: TaskId, mark: &Import) -> Result<(), Error> {
        let mut content = serde_json::to_vec(mark).map_err(|error| Error::Unencodable(error.into()))?;
        content.push(b'\n');
        let path = layout::import_mark(id);
        if self.create(&path, &content)? == Created::Taken && self.imported(id)?.is_none() {
            // An import died that was about to.
            self.store.remove(&path)?;
            self.create(&path, &content)?;
        }
        Ok(self.store.sync_dir(&path.dir)?)
    }

    /// When a task was brought in from elsewhere, if it was.
    pub(super) fn imported(&self, id: TaskId) -> Result<Option<Import>, Error> {
        let content = self.unless_in_the_way(self.store.read(&layout::import_mark(id), limits::RECORD_BYTES))?;
        Ok(content.flatten().and_then(|content| serde_json::from_slice(&content).ok()))
    }

    /// All reports on a task that its entry leads to, newest first, with the nonce of each. The last one is `None` if a report
    /// is missing or torn, or cannot be read. To be told, not to be decided by.
    pub(super) fn history(&self, entry: &Entry) -> Result<Vec<(Nonce, Option<Report>)>, Error> {
        if entry.report.is_none() {
            return Ok(Vec::new());
        }
        let names = self.unless_in_the_way(self.report_names(entry.id))?.unwrap_or_default();
        chain(entry.report, names, |path| Ok(self.unless_in_the_way(self.read_report(&path))?.flatten()))
    }

    /// The latest report that an entry's name points at, and where it is; `None`: there is none, or it is missing or torn.
    pub(super) fn latest_report(&self, entry: &Entry) -> Result<Option<(Path, Report)>, Error> {
        let Some(nonce) = entry.report else { return Ok(None) };
        // Most are of the entry's own version.
        let own = layout::report(entry.id, entry.version, nonce);
        if let Some(report) = self.read_report(&own)? {
            return Ok(Some((own, report)));
        }
        let mut names = self.report_names(entry.id)?;
        let Some(place) = led_to(&names, nonce) else { return Ok(None) };
        let (_, _, path) = names.swap_remove(place);
        Ok(self.read_report(&path)?.map(|report| (path, report)))
    }

    /// When a task was put off to, by any report on it, latest first: where else than its record says it may be scheduled.
    pub(super) fn times_put_off_to(&self, id: TaskId) -> Result<Vec<Timestamp>, Error> {
        let names = sorted::by_key(self.report_names(id)?, |(version, _, _)| core::cmp::Reverse(*version));
        let mut times = Vec::new();
        for (_, _, path) in names {
            times.extend(self.read_report(&path)?.and_then(|report| report.scheduled_at));
        }
        Ok(times)
    }

    /// The version, the nonce and the place of each report on a task.
    pub(super) fn report_names(&self, id: TaskId) -> Result<Vec<(u32, Nonce, Path)>, Error> {
        let dir = layout::reports_of(id);
        let hex = id.hex();
        let mut names = self.store.list(&dir)?.unwrap_or_default();
        names.retain(|name| name.starts_with(&hex));
        let parsed = names.into_iter().filter_map(|name| Some((layout::parse_report(&name)?, name)));
        Ok(parsed.map(|((_, version, nonce), name)| (version, nonce, dir.file(name))).collect())
    }

    fn read_report(&self, path: &Path) -> Result<Option<Report>, Error> {
        let content = match self.store.read(path, limits::RECORD_BYTES) {
            // What is no file is no report, whoever looks.
            Err(error) if error.kind == StoreErrorKind::WrongType => None,
            content => content?,
        };
        Ok(content.and_then(|content| serde_json::from_slice(&content).ok()))
    }
}

/// The reports that a nonce leads to, newest first, each as `read` reads it. The last one is `None` if one is missing.
pub(super) fn chain<T>(
    mut next: Option<Nonce>,
    mut names: Vec<(u32, Nonce, T)>,
    mut read: impl FnMut(T) -> Result<Option<Report>, Error>,
) -> Result<Vec<(Nonce, Option<Report>)>, Error> {
    let mut chain = Vec::new();
    while let Some(nonce) = next {
        // None is led to twice, whatever a report may say.
        let report = match led_to(&names, nonce).map(|place| names.swap_remove(place)) {
            Some((_, _, place)) => read(place)?,
            None => None,
        };
        next = report.as_ref().and_then(|report| report.previous);
        chain.push((nonce, report));
    }
    Ok(chain)
}

/// Which of the reports on a task a nonce leads to. A result that came too late has the nonce of its lease, which another report
/// can have; and a try that lost its race may have left one of the same nonce behind: the one that was led to came later.
fn led_to<T>(names: &[(u32, Nonce, T)], nonce: Nonce) -> Option<usize> {
    let places = names.iter().enumerate().filter(|(_, (version, named, _))| *version > 0 && *named == nonce);
    places.max_by_key(|(_, (version, ..))| *version).map(|(place, _)| place)
}

/// A report that no name points at yet.
#[derive(Debug, Default)]
pub(super) struct Written {
    /// Where it is; `None`: nothing was written.
    pub(super) path: Option<Path>,
    /// The one that it takes the place of.
    pub(super) superseded: Option<Path>,
}
