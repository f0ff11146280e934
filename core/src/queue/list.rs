//! Listing: who is where, told from names; records are opened only for the tasks that are shown.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::{self, Vec};
use core::fmt;

use super::files::Located;
use super::find::LOOKS;
use super::reports::{Import, Report, ReportKind, Told};
use super::settle::tells_the_end;
use super::unfinished::is_due;
use super::walk::{Empties, Onward, Walk};
use super::{CancelRequest, Finding, Progress, Queue, Status};
use crate::entry::{Entry, Outcome, State};
use crate::error::Error;
use crate::id::TaskId;
use crate::json::JsonObject;
use crate::layout::{self, StateDir, TimedDir};
use crate::limits;
use crate::name::{ErrorMessage, Nonce, Note, QueueName, RunId, Tag};
use crate::sorted;
use crate::store::Store;
use crate::task::Task;
use crate::time::Timestamp;

/// Which tasks to show. The counts are of all tasks, whatever the filter.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Only those that stand so.
    pub status: Option<Status>,
    /// Only those of this queue.
    pub queue: Option<QueueName>,
    /// Only those whose claim is this agent's.
    pub run_id: Option<RunId>,
    /// Only those that have all these tags.
    pub tags: Vec<Tag>,
    /// Only those that were enqueued then or later.
    pub since: Option<Timestamp>,
    /// Only those that ended then or later. To catch up with what ended: ask again with the latest time seen, as tasks
    /// of one moment may be seen one by one.
    pub ended_since: Option<Timestamp>,
    /// In which order.
    pub sort: Sort,
    /// Only those behind this one, which is of the same order.
    pub cursor: Option<Cursor>,
    /// At most so many.
    pub limit: usize,
}

impl Default for Filter {
    fn default() -> Filter {
        Filter {
            status: None,
            queue: None,
            run_id: None,
            tags: Vec::new(),
            since: None,
            ended_since: None,
            sort: Sort::default(),
            cursor: None,
            limit: usize::try_from(limits::LIST_ITEMS_DEFAULT).unwrap_or(usize::MAX),
        }
    }
}

/// An order of tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// In which they are claimed: the highest priority first, then the oldest.
    #[default]
    Claim,
    /// The oldest first.
    Created,
    /// The newest first.
    CreatedLast,
    /// Those that ended first come first, those that have not ended last.
    Ended,
    /// Those that ended last come first, after those that have not ended.
    EndedLast,
}

/// Where a listing stopped, and the next one in the same order goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    sort: Sort,
    place: Place,
}

/// A task's place in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    first: u64,
    second: u64,
    id: TaskId,
}

impl Sort {
    /// All of them.
    pub const ALL: [Sort; 5] = [Sort::Claim, Sort::Created, Sort::CreatedLast, Sort::Ended, Sort::EndedLast];

    /// The word for it, the same in options and documentation.
    pub fn as_str(self) -> &'static str {
        match self {
            Sort::Claim => "claim",
            Sort::Created => "created",
            Sort::CreatedLast => "-created",
            Sort::Ended => "ended",
            Sort::EndedLast => "-ended",
        }
    }

    /// The one of this word.
    pub fn parse(word: &str) -> Option<Sort> {
        Sort::ALL.into_iter().find(|sort| sort.as_str() == word)
    }

    fn place(self, entry: &Entry) -> Place {
        let created = entry.created_at.micros();
        let ended = entry.ended_at().map_or(limits::TIME_MICROS, Timestamp::micros);
        let (first, second) = match self {
            // The sign turns the order of the integers into that of their bits.
            Sort::Claim => (!(entry.priority.cast_unsigned() ^ (1 << 63)), created),
            Sort::Created => (created, 0),
            Sort::CreatedLast => (!created, 0),
            Sort::Ended => (ended, created),
            Sort::EndedLast => (!ended, !created),
        };
        Place { first, second, id: entry.id }
    }
}

impl Cursor {
    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Cursor> {
        let mut fields = text.split('.');
        let mut number = || u64::from_str_radix(fields.next()?, 16).ok();
        let (first, second) = (number()?, number()?);
        let place = Place { first, second, id: TaskId::from_hex(fields.next()?)? };
        let cursor = Cursor { sort: Sort::parse(fields.next()?)?, place };
        (cursor.to_string() == text).then_some(cursor)
    }

    /// The order of the listing that it is of.
    pub fn sort(&self) -> Sort {
        self.sort
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cursor { sort, place: Place { first, second, id } } = self;
        write!(f, "{first:016x}.{second:016x}.{}.{}", id.hex(), sort.as_str())
    }
}

/// The tasks there are.
#[derive(Clone, Debug)]
pub struct Listing {
    /// How many tasks stand where, over all queues.
    pub counts: Counts,
    /// Those that match, highest priority first, then oldest first, up to the limit.
    pub items: Vec<Item>,
    /// How many match, and stand behind the cursor. With a queue or tags to filter by, counting stops one above the
    /// limit, for those of a claimed or ended task stand only in its record.
    pub matching: Matching,
    /// Where the next listing goes on, if there are more.
    pub next: Option<Cursor>,
    /// What was not as it should be.
    pub findings: Vec<Finding>,
}

/// A listing that gives its tasks one by one, so that whoever passes them on holds no more than one.
#[derive(Debug)]
pub struct TaskList {
    /// How many tasks stand where, over all queues.
    pub counts: Counts,
    /// Where the next listing goes on, if there are more.
    pub next_cursor: Option<Cursor>,
    page: vec::IntoIter<Listed>,
    now: Timestamp,
    matching: Matching,
    /// How many there were on the page that could not be given.
    left_out: usize,
    findings: Vec<Finding>,
}

/// A task of a page. What had to be read to know that it matches is held, if it is small.
#[derive(Debug)]
struct Listed {
    seen: Seen,
    task: Option<Box<Task>>,
}

/// How much of payloads a page holds whose tasks had to be read to be chosen, in bytes.
const PAGE_BYTES: usize = 4 << 20;

impl TaskList {
    /// The next task; `None`: that was all, or as many as were asked for. `queue` is the one that the list is of.
    pub fn next<S: Store>(&mut self, queue: &Queue<S>) -> Result<Option<Item>, Error> {
        for Listed { seen, task } in self.page.by_ref() {
            let task = match task {
                Some(task) => Some(Ok(*task)),
                None => queue.task_of(&seen)?,
            };
            match task {
                None => self.left_out += 1,
                Some(Err(finding)) => {
                    self.left_out += 1;
                    self.findings.push(finding);
                }
                Some(Ok(task)) => {
                    let told = queue.told_by(seen.entry())?;
                    return queue.item(task, seen.entry(), &told, self.now, &mut self.findings).map(Some);
                }
            }
        }
        Ok(None)
    }

    /// How many match, as far as they can be read, and what was not as it should be.
    pub fn end<S: Store>(self, queue: &Queue<S>) -> (Matching, Vec<Finding>) {
        let TaskList { matching, left_out, mut findings, .. } = self;
        findings.extend(queue.take_findings());
        let matching = match matching {
            Matching::Exactly(count) => Matching::Exactly(count.saturating_sub(left_out)),
            more @ Matching::MoreThan(_) => more,
        };
        (matching, findings)
    }
}

/// How many tasks match a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    /// So many.
    Exactly(usize),
    /// More than so many.
    MoreThan(usize),
}

/// How many tasks have each status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts([u64; Status::ALL.len()]);

/// One task, and all that was reported of it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The task.
    pub item: Item,
    /// What was reported of it, oldest first: each attempt that failed, and how it ended.
    pub history: Vec<Report>,
    /// Results that were reported too late, oldest first. They do not count. No more than [`limits::LATE_RESULTS`].
    pub late_results: Vec<Report>,
    /// When the task was brought in from elsewhere, if it was and had been held or had ended by then.
    pub imported: Option<Import>,
    /// How many of the history, the oldest, came with it.
    pub imported_reports: usize,
    /// What was not as it should be.
    pub findings: Vec<Finding>,
}

/// One task of a listing.
#[derive(Clone, Debug)]
pub struct Item {
    /// The task.
    pub task: Task,
    /// Where it stands.
    pub status: Status,
    /// Who holds it, held it or called it off.
    pub claimer_run_id: Option<String>,
    /// When its lease ends or ended.
    pub expires_at: Option<Timestamp>,
    /// How many holders it has had.
    pub generation: u32,
    /// How many attempts at it have begun, but for those that were given back.
    pub attempt: u32,
    /// When it is due, if it is scheduled.
    pub scheduled_at: Option<Timestamp>,
    /// What it waits for, if it is blocked.
    pub blocked_on: Option<TaskId>,
    /// Who asks its holder to stop, if somebody does.
    pub cancel_request: Option<CancelRequest>,
    /// Why it was called off, if somebody said so.
    pub reason: Option<Note>,
    /// How far its holder is, if it says so.
    pub progress: Option<Progress>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// What its holder reported, if it completed the task.
    pub result: Option<JsonObject>,
    /// What its holder reported, if it failed the task.
    pub error: Option<ErrorMessage>,
}

impl Filter {
    /// True if a task's record has to be read to know whether it matches.
    fn reads_records(&self) -> bool {
        self.queue.is_some() || !self.tags.is_empty()
    }

    /// True if a task matches by its record.
    fn admits(&self, task: &Task) -> bool {
        let has = |tag: &Tag| task.record.tags.contains(tag);
        self.queue.as_ref().is_none_or(|queue| *queue == task.record.queue) && self.tags.iter().all(has)
    }
}

impl Counts {
    /// How many tasks there are.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// How many tasks stand so.
    pub fn of(&self, status: Status) -> u64 {
        self.0.get(status as usize).copied().unwrap_or(0)
    }

    pub(super) fn add(&mut self, status: Status) {
        if let Some(count) = self.0.get_mut(status as usize) {
            *count += 1;
        }
    }
}

impl<S: Store> Queue<S> {
    /// One task and where it stands at `now`, and all that was reported of it. Writes nothing.
    pub fn show(&self, id: TaskId, now: Timestamp) -> Result<Shown, Error> {
        let mut shown = self.look_at(id, now)?;
        for _ in 1..LOOKS {
            // A report of progress is removed once another has taken its place.
            if shown.findings.is_empty() {
                break;
            }
            shown = self.look_at(id, now)?;
        }
        Ok(shown)
    }

    fn look_at(&self, id: TaskId, now: Timestamp) -> Result<Shown, Error> {
        let mut findings = Vec::new();
        let located = self.find(id)?.ok_or(Error::NotFound { id })?;
        let entry = self.as_it_stands(&located, now)?;
        let (task, told) = self.task_and_told(id)?.ok_or(Error::NotFound { id })?;
        let item = self.item(task, &entry, &told, now, &mut findings)?;
        let chain = self.history_in(&entry, &told)?;
        let late_results = told.late_results();
        let imported = told.import;
        let imported_reports = imported.as_ref().map_or(0, |mark| imported_of(&chain, mark));
        let mut history: Vec<Report> = chain.into_iter().filter_map(|(_, report)| report).collect();
        history.reverse();
        findings.extend(self.take_findings());
        Ok(Shown { item, history, late_results, imported, imported_reports, findings })
    }

    /// The tasks there are at `now`. Writes nothing. Not a snapshot: a task that moves while the directories are read
    /// counts once, where it was seen at its highest version.
    ///
    /// Holds all that is listed: payloads and results of 10,000 tasks may be more than a sandbox has memory for.
    /// [`Queue::list`] gives them one by one.
    pub fn tasks(&self, filter: &Filter, now: Timestamp) -> Result<Listing, Error> {
        let (mut list, mut items) = (self.list(filter, now)?, Vec::new());
        while let Some(item) = list.next(self)? {
            items.push(item);
        }
        let (counts, next) = (list.counts.clone(), list.next_cursor);
        let (matching, findings) = list.end(self);
        Ok(Listing { counts, items, matching, next, findings })
    }

    /// As [`Queue::tasks`], each task to be read when it is asked for.
    pub fn list(&self, filter: &Filter, now: Timestamp) -> Result<TaskList, Error> {
        let seen = self.every_entry_as_of(now)?;
        let mut counts = Counts::default();
        let mut matching: Vec<Seen> = Vec::new();
        for seen in seen.into_values() {
            let status = Status::of(seen.entry(), now);
            counts.add(status);
            if seen.matches(filter, status) {
                matching.push(seen);
            }
        }
        let matching = sorted::by_key(matching, |seen| filter.sort.place(seen.entry()));
        let mut findings = Vec::new();
        let (mut page, matching) = if filter.reads_records() {
            self.page_of_records(matching, filter, &mut findings)?
        } else {
            let count = Matching::Exactly(matching.len());
            let page = matching.into_iter().take(filter.limit.saturating_add(1));
            (page.map(|seen| Listed { seen, task: None }).collect(), count)
        };
        // One more than was asked for says that there are more.
        let is_more = page.len() > filter.limit;
        page.truncate(filter.limit);
        let last = page.last().filter(|_| is_more).map(|listed| filter.sort.place(listed.seen.entry()));
        let next_cursor = last.map(|place| Cursor { sort: filter.sort, place });
        Ok(TaskList { counts, next_cursor, page: page.into_iter(), now, matching, left_out: 0, findings })
    }

    /// The first tasks that match by their records, one more than the limit if there are so many.
    fn page_of_records(
        &self,
        matching: Vec<Seen>,
        filter: &Filter,
        findings: &mut Vec<Finding>,
    ) -> Result<(Vec<Listed>, Matching), Error> {
        let (mut page, mut room) = (Vec::new(), PAGE_BYTES);
        for seen in matching {
            match self.task_of(&seen)? {
                Some(Ok(task)) if filter.admits(&task) => {
                    if page.len() == filter.limit {
                        page.push(Listed { seen, task: None });
                        return Ok((page, Matching::MoreThan(filter.limit)));
                    }
                    let bytes = task.record.payload.text().len();
                    let is_held = bytes <= room;
                    room -= if is_held { bytes } else { 0 };
                    page.push(Listed { seen, task: is_held.then(|| Box::new(task)) });
                }
                Some(Err(finding)) => findings.push(finding),
                Some(Ok(_)) | None => {}
            }
        }
        let count = Matching::Exactly(page.len());
        Ok((page, count))
    }

    /// Every task's newest entry. `claimed/` is read twice, for a task that goes back to `ready/` or is
    /// claimed while the other is read.
    pub(super) fn every_entry(&self) -> Result<BTreeMap<TaskId, Seen>, Error> {
        let mut newest: BTreeMap<TaskId, Seen> = BTreeMap::new();
        let mut note = |located: Located, queue: Option<QueueName>| {
            let older =
                newest.get(&located.entry.id).is_none_or(|seen| seen.located.entry.version < located.entry.version);
            if older {
                newest.insert(located.entry.id, Seen { located: Box::new(located), stands: None, queue });
            }
        };
        self.entries_of(StateDir::Claimed)?.into_iter().for_each(|located| note(located, None));
        // In the order in which tasks go from one state directory to the next.
        self.blocked_entries()?.into_iter().for_each(|located| note(located, None));
        let mut walk = Walk::all(Empties::Keep);
        let mut note_timed = |timed: &TimedDir, located| {
            note(located, timed.queue.clone());
            Ok(Onward::Next)
        };
        let _all = self.visit_below(&[TimedDir::scheduled()], &mut walk, &mut note_timed)?;
        let _all = self.visit_ready(&mut walk, &mut note_timed)?;
        self.entries_of(StateDir::Claimed)?.into_iter().for_each(|located| note(located, None));
        self.entries_of(StateDir::Done)?.into_iter().for_each(|located| note(located, None));
        Ok(newest)
    }

    /// As [`Queue::every_entry`], each as time has made it by `now`.
    pub(super) fn every_entry_as_of(&self, now: Timestamp) -> Result<BTreeMap<TaskId, Seen>, Error> {
        let mut entries = self.every_entry()?;
        for seen in entries.values_mut() {
            if is_due(&seen.located, now) {
                seen.stands = Some(Box::new(self.as_it_stands(&seen.located, now)?));
            }
        }
        Ok(entries)
    }

    fn blocked_entries(&self) -> Result<Vec<Located>, Error> {
        let mut entries = Vec::new();
        for shard in self.shards_of(StateDir::Blocked)? {
            let names = self.names_in(&shard)?;
            for parent in names.iter().filter_map(|name| TaskId::from_hex(name)) {
                entries.extend(self.entries_in(&layout::blocked_on(parent))?);
            }
        }
        Ok(entries)
    }

    fn entries_of(&self, state_dir: StateDir) -> Result<Vec<Located>, Error> {
        let mut entries = Vec::new();
        for shard in self.shards_of(state_dir)? {
            entries.extend(self.entries_in(&shard)?);
        }
        Ok(entries)
    }

    /// The task behind an entry; `None` if there is no record, so that nothing can be shown.
    pub(super) fn task_of(&self, seen: &Seen) -> Result<Option<Result<Task, Finding>>, Error> {
        let id = seen.located.entry.id;
        let found = match self.task_at(&seen.located) {
            // It has moved on since it was listed; its record has not.
            Ok(None) => self.task(id),
            found => found,
        };
        match found {
            Ok(task) => Ok(task.map(Ok)),
            Err(Error::Corrupt { problem, .. }) => Ok(Some(Err(Finding::LeftOut { id, problem }))),
            Err(error) => Err(error),
        }
    }

    pub(super) fn item(
        &self,
        task: Task,
        entry: &Entry,
        told: &Told,
        now: Timestamp,
        findings: &mut Vec<Finding>,
    ) -> Result<Item, Error> {
        let latest = self.unless_in_the_way(self.latest_in(entry, told))?.flatten().map(|latest| latest.report);
        if entry.report.is_some() && latest.is_none() {
            findings.push(Finding::ReportLost { id: entry.id });
        }
        let lease = entry.lease();
        let (ending, blocked_on) = match &entry.state {
            State::Ended(ending) => (Some(ending), None),
            State::Blocked { on } => (None, Some(*on)),
            _ => (None, None),
        };
        let end = match (ending, &latest) {
            (Some(ending), Some(latest)) => {
                self.told_of_the_end(entry, told, ending.outcome, latest)?.unwrap_or_default()
            }
            _ => Report::default(),
        };
        let progress = latest.filter(|report| ending.is_none() && report.kind == ReportKind::Progress);
        Ok(Item {
            task,
            status: Status::of(entry, now),
            claimer_run_id: lease.map(|lease| self.run_id_text(&lease.holder)),
            expires_at: lease.map(|lease| lease.expires_at),
            generation: entry.generation,
            attempt: entry.attempt,
            scheduled_at: entry.due(),
            blocked_on,
            cancel_request: self.cancel_request(entry)?,
            reason: end.reason,
            progress: progress.map(|Report { progress, note, .. }| Progress { progress, note }),
            ended_at: entry.ended_at(),
            result: end.result,
            error: end.error,
        })
    }

    /// The report that tells of a task's end. A holder that was asked to stop may have told how far it was before it
    /// gave the task back.
    fn told_of_the_end(
        &self,
        entry: &Entry,
        told: &Told,
        outcome: Outcome,
        latest: &Report,
    ) -> Result<Option<Report>, Error> {
        if outcome != Outcome::Cancelled || latest.kind != ReportKind::Progress {
            return Ok(Some(latest.clone()).filter(|latest| tells_the_end(latest.kind, outcome)));
        }
        let before = self.history_in(entry, told)?.into_iter().nth(1).and_then(|(_, report)| report);
        let asked_this_holder =
            |report: &Report| report.kind == ReportKind::CancelRequested && report.generation == entry.generation;
        Ok(before.filter(asked_this_holder))
    }
}

/// How many reports came with an import: those from the one that was the latest then. That may have been of progress
/// and be gone.
fn imported_of(chain: &[(Nonce, Option<Report>)], mark: &Import) -> usize {
    let Some(latest) = mark.report else { return 0 };
    let reports = chain.iter().filter_map(|(nonce, report)| Some((*nonce, report.as_ref()?.at)));
    let later = reports.clone().take_while(|(nonce, _)| *nonce != latest).count();
    let all = reports.clone().count();
    if later < all { all - later } else { reports.filter(|(_, at)| *at < mark.at).count() }
}

/// An entry as the listing saw it, and the queue if its place told. There may be millions, to be sorted: what is moved
/// is small.
#[derive(Debug)]
pub(super) struct Seen {
    located: Box<Located>,
    /// What time has made of it, if that is something else.
    stands: Option<Box<Entry>>,
    queue: Option<QueueName>,
}

impl Seen {
    /// How the task stands.
    pub(super) fn entry(&self) -> &Entry {
        self.stands.as_deref().unwrap_or(&self.located.entry)
    }

    /// Where it was seen, and under which name.
    pub(super) fn located(&self) -> &Located {
        &self.located
    }

    pub(super) fn queue(&self) -> Option<&QueueName> {
        self.queue.as_ref()
    }

    fn matches(&self, filter: &Filter, status: Status) -> bool {
        let entry = self.entry();
        let is_holder = |run_id: &RunId| entry.lease().is_some_and(|lease| lease.holder == entry.holder(run_id));
        filter.status.is_none_or(|wanted| wanted == status)
            && filter.run_id.as_ref().is_none_or(is_holder)
            && filter.since.is_none_or(|since| entry.created_at >= since)
            && filter.ended_since.is_none_or(|since| entry.ended_at().is_some_and(|at| at >= since))
            && filter.cursor.is_none_or(|cursor| filter.sort.place(entry) > cursor.place)
            && (filter.queue.is_none() || self.queue.is_none() || self.queue == filter.queue)
    }
}
