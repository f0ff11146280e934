//! Writing reports, each before the rename that points at it, and reading them.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::Tree;
use super::located::Located;
use super::repair::Repairer;
use super::report::{At, LATE, Latest, Line, Place, Places, Report, ReportKind, Told, Written, chain};
use crate::entry::{Entry, State};
use crate::error::Error;
use crate::id::TaskId;
use crate::layout;
use crate::limits;
use crate::name::Nonce;
use crate::path::Path;
use crate::sorted;
use crate::store::fused::First;
use crate::store::{Appended, Flushed, Store, StoreError, StoreErrorKind};
use crate::task::Task;
use crate::time::Timestamp;
use crate::turn::Turn;

impl<S: Store> Tree<S> {
    /// Writes a report on the task at `located`, before the name `next` that points at it: CM-4.
    ///
    /// It is a line of the task's file, appended under the entry's own name: if that is gone, another agent was faster.
    /// On a medium that cannot append it is a separate file. Progress always is, as the next one replaces it: the
    /// replaced one is returned, to be removed once the rename has succeeded.
    ///
    /// A line is durable when this returns if it `flushes`.
    pub(crate) fn write_report(
        &self,
        located: &Located,
        next: &Entry,
        report: &Report,
        flushes: bool,
        turn: &Turn<'_>,
    ) -> Result<Written, Error> {
        let Some(nonce) = next.report else { return Ok(Written::Nothing) };
        let file = layout::report(next.id, next.version, nonce);
        let report = report_on(&located.entry, next, report);
        if report.kind == ReportKind::Progress {
            let (report, superseded) = self.in_place_of_progress(&located.entry, report)?;
            return self.write_file(file, &report, superseded);
        }
        let line = Line::of(next.id, next.version, nonce, &report)?;
        let at = located.path();
        match self.add_line(&at, &line, room_for(next))? {
            Appended::Now(names) => {
                if names == 1 {
                    self.or_leave(self.join_record(located, turn));
                }
                let moved_on = flushes && self.store.flush(&at)? == Flushed::Gone;
                Ok(if moved_on { Written::Gone } else { Written::Line })
            }
            Appended::Gone => Ok(Written::Gone),
            Appended::Full => Err(Error::TooMuchReported { id: next.id }),
            Appended::Unable => self.write_file(file, &report, None),
        }
    }

    /// A report as the part of a step that writes it, and the report that it replaces: as [`Tree::write_report`], on a
    /// medium with fused operations.
    pub(crate) fn report_of_step(
        &self,
        located: &Located,
        next: &Entry,
        report: &Report,
    ) -> Result<(First, Option<Path>), Error> {
        let Some(nonce) = next.report else { return Ok((First::Nothing, None)) };
        let report = report_on(&located.entry, next, report);
        if report.kind == ReportKind::Progress {
            let (report, superseded) = self.in_place_of_progress(&located.entry, report)?;
            let file = layout::report(next.id, next.version, nonce);
            return Ok((First::Create(file, content_of(&report)?), superseded));
        }
        let text = text_of(&Line::of(next.id, next.version, nonce, &report)?)?;
        Ok((First::Append(text.into_bytes(), room_for(next)), None))
    }

    /// Progress that takes the place of the latest, if that is progress, too; and the file of that.
    fn in_place_of_progress(&self, last: &Entry, mut report: Report) -> Result<(Report, Option<Path>), Error> {
        let mut superseded = None;
        if let Some(Latest { report: before, file }) = self.latest_report(last)?
            && before.kind == ReportKind::Progress
        {
            report.previous = before.previous;
            superseded = file;
        }
        Ok((report, superseded))
    }

    fn write_file(&self, file: Path, report: &Report, superseded: Option<Path>) -> Result<Written, Error> {
        self.create(&file, &content_of(report)?)?;
        self.store.sync_dir(&file.dir)?;
        Ok(Written::File { file, superseded })
    }

    /// Makes the record in `tasks/` and the entry one file again, if they are two, as in a copy: later reports are read
    /// there.
    pub(super) fn join_record(&self, located: &Located, turn: &Turn<'_>) -> Result<(), Error> {
        Repairer::new(self, turn).join_record(located).map(drop)
    }

    /// Adds a line to a task's file.
    fn add_line(&self, path: &Path, line: &Line, most: usize) -> Result<Appended, Error> {
        Ok(self.store.append(path, text_of(line)?.as_bytes(), most)?)
    }

    /// Keeps a late result, one for each lease, since the current holder may want it. If there is no room for it, a
    /// warning says so.
    pub(crate) fn keep_late_result(&self, id: TaskId, nonce: Nonce, report: &Report) -> Result<(), Error> {
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

    /// The late results of a task, oldest first, as far as they can be read: the newest [`limits::LATE_RESULTS`].
    pub(crate) fn late_results(&self, id: TaskId) -> Result<Vec<Report>, Error> {
        Ok(self.told_of(id)?.late_results())
    }

    /// Adds the lines that an import brings and that an earlier one of the same task has not added before it died.
    pub(crate) fn add_missing_lines(&self, id: TaskId, path: &Path, lines: &[Line]) -> Result<(), Error> {
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
        // Their writer may have died before it flushed them.
        self.store.flush(path)?;
        Ok(())
    }

    /// All reports on a task that its entry leads to, newest first, with the nonce of each. The last one is `None` if a
    /// report is missing or torn, or cannot be read. For answers, not for decisions.
    pub(crate) fn history(&self, entry: &Entry) -> Result<Vec<(Nonce, Option<Report>)>, Error> {
        self.history_in(entry, &self.told_by(entry)?)
    }

    /// As [`Tree::history`], by what the task's file told.
    pub(crate) fn history_in(&self, entry: &Entry, told: &Told) -> Result<Vec<(Nonce, Option<Report>)>, Error> {
        let lines = told.places();
        let files = || Ok(self.unless_in_the_way(self.report_files(entry.id))?.unwrap_or_default());
        chain(entry.report, lines, files, |place| Ok(self.unless_in_the_way(self.read_report(&place))?.flatten()))
    }

    /// The latest report that an entry's name points at; `None`: there is none, or it is missing or torn.
    pub(crate) fn latest_report(&self, entry: &Entry) -> Result<Option<Latest>, Error> {
        self.latest_in(entry, &self.told_by(entry)?)
    }

    /// As [`Tree::latest_report`], by what the task's file told.
    pub(crate) fn latest_in(&self, entry: &Entry, told: &Told) -> Result<Option<Latest>, Error> {
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

    /// The start times in the reports on a task, latest first: where it may be scheduled, other than in its record.
    pub(crate) fn times_put_off_to(&self, id: TaskId) -> Result<Vec<Timestamp>, Error> {
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

    /// The reports in a task's file, if the entry's name leads to any.
    pub(crate) fn told_by(&self, entry: &Entry) -> Result<Told, Error> {
        if entry.report.is_none() { Ok(Told::default()) } else { self.told_of(entry.id) }
    }

    /// A task as it was enqueued, and all that its file tells; `None` if there is no such task.
    pub(crate) fn task_and_told(&self, id: TaskId) -> Result<Option<(Task, Told)>, Error> {
        let Some((_, content)) = self.whole_file_of(id)? else { return Ok(None) };
        let task = Task::decode(id, &content).map_err(|problem| Error::Corrupt { id, problem })?;
        Ok(Some((task, Told::read(id, &content))))
    }

    /// The reports in a task's file, after its first line. They are for answers, not for decisions: lines that cannot
    /// be read are ignored.
    pub(crate) fn told_of(&self, id: TaskId) -> Result<Told, Error> {
        match self.file_of(id) {
            Err(Error::Corrupt { .. }) => Ok(Told::default()),
            file => Ok(file?.map(|(_, told)| told).unwrap_or_default()),
        }
    }

    fn file_of(&self, id: TaskId) -> Result<Option<(Path, Told)>, Error> {
        Ok(self.whole_file_of(id)?.map(|(path, content)| (path, Told::read(id, &content))))
    }

    /// The reports on a task, those in its file and those in separate files, as far as these can be listed.
    pub(crate) fn all_places<'a>(&self, id: TaskId, told: &'a Told) -> Result<Vec<Place<'a>>, Error> {
        let files = self.unless_in_the_way(self.report_files(id))?.unwrap_or_default();
        Ok(told.places().chain(files).collect())
    }

    /// The reports on a task in separate files.
    pub(crate) fn report_files(&self, id: TaskId) -> Result<Vec<Place<'static>>, Error> {
        let dir = layout::record(id).dir;
        let hex = id.hex();
        let mut names = self.store.list(&dir)?.unwrap_or_default();
        names.retain(|name| name.starts_with(&hex));
        let parsed = names.into_iter().filter_map(|name| Some((layout::parse_report(&name)?, name)));
        let place = |((_, version, nonce), name)| Place { version, nonce, at: At::File(dir.file(name)) };
        Ok(parsed.map(place).collect())
    }

    /// The report at a place; `None`: it is torn, or gone.
    pub(crate) fn read_report(&self, place: &Place<'_>) -> Result<Option<Report>, Error> {
        let At::File(path) = &place.at else { return Ok(place.report()) };
        let content = match self.store.read(path, limits::RECORD_BYTES) {
            // A thing that is no file is no report, for every agent.
            Err(error) if error.kind == StoreErrorKind::WrongType => None,
            content => content?,
        };
        Ok(content.and_then(|content| serde_json::from_slice(&content).ok()))
    }
}

/// What a report says, on a task that is about to get its next name.
fn report_on(last: &Entry, next: &Entry, report: &Report) -> Report {
    let mut report = Report { generation: last.generation, attempt: last.attempt, ..report.clone() };
    report.previous = last.report;
    // A request that ends the task asks nobody: it is the cancel itself.
    if report.kind == ReportKind::CancelRequested && next.has_ended() {
        report.kind = ReportKind::Cancelled;
    }
    if let State::Scheduled { due } = next.state {
        report.scheduled_at = Some(due);
    }
    report
}

/// How many bytes the task's file may have with a report.
fn room_for(next: &Entry) -> usize {
    if next.has_ended() { limits::FILE_BYTES } else { limits::FILE_BYTES_BEFORE_THE_END }
}

/// A line as it stands in the file, if it is not too long.
fn text_of(line: &Line) -> Result<String, Error> {
    let text = line.to_text()?;
    if text.len() > limits::LINE_OF_FILE_BYTES { Err(Error::TooMuchReported { id: line.task }) } else { Ok(text) }
}

/// A report as a file of its own.
fn content_of(report: &Report) -> Result<Vec<u8>, Error> {
    let mut content = serde_json::to_vec(report).map_err(|error| Error::Unencodable(error.into()))?;
    content.push(b'\n');
    Ok(content)
}

fn not_added(path: &Path, why: &str) -> StoreError {
    StoreError { operation: "add to", path: path.to_string(), kind: StoreErrorKind::Other, detail: why.into() }
}

/// Only this host cannot: the command line can.
fn unable(path: &Path) -> StoreError {
    not_added(path, "this host cannot append to a file atomically; use the `muse coord` command line for this call")
}
