//! Import: reads what an export has written.

use alloc::vec::Vec;
use core::num::NonZeroU32;

use super::line;
use super::line::{BadLine, SettingsLine, TaskLine, check_length};
use crate::entry::{Ending, Entry, Outcome, State};
use crate::error::Error;
use crate::id::TaskId;
use crate::json::without_white_space;
use crate::layout;
use crate::limits;
use crate::name::QueueName;
use crate::path::Path;
use crate::queue::Queue;
use crate::queue::budget::Budget;
use crate::queue::enqueue::Placed;
use crate::queue::unique::Keyed;
use crate::store::{Created, Linked, Moved, Store};
use crate::tags::TagSet;
use crate::task::Task;
use crate::time::Timestamp;
use crate::tree::{Fence, Import, LOOKS, Line, Located, Repairer};
use crate::turn::Turn;

/// The outcome of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imported {
    /// The task is in the queue now.
    Now(TaskId),
    /// The task is in the queue now and has ended as cancelled: its former holder had been asked to stop.
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
        /// The limit in the line.
        given: u32,
        /// The queue's own limit.
        kept: u32,
    },
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
    /// Those that a blocked task is to wait for and that are not in the queue.
    pub(super) fn absent_parents(&self, entry: &Entry, task: &Task) -> Result<Vec<TaskId>, Error> {
        let mut absent = Vec::new();
        if matches!(entry.state, State::Blocked { .. }) {
            for parent in &task.record.after {
                if self.tree.record_of(*parent)?.is_none() {
                    absent.push(*parent);
                }
            }
        }
        Ok(absent)
    }

    /// Imports one line that [`Queue::export`] has written, durably: a task, or a queue's settings.
    ///
    /// A held task becomes a waiting one: a lease is for one directory. If its holder was asked to stop, it ends as
    /// cancelled. The pending TTL of a waiting task begins again. A task whose name, record and reports contradict each
    /// other is refused, as a doctor would report it. Its holders and its end cannot be proven, so they are marked as
    /// imported.
    pub fn import(&self, line: &str, turn: &Turn<'_>) -> Result<Imported, ImportError> {
        check_length("the line", line, limits::LINE_BYTES)?;
        let line: TaskLine = match serde_json::from_str(line) {
            Ok(line) => line,
            Err(error) => {
                let settings: Result<SettingsLine, _> = serde_json::from_str(line);
                let settings = settings.map_err(|_| line::malformed(line, &error))?;
                return Ok(self.set(settings, turn)?);
            }
        };
        check_length("its record", line.record.get(), limits::RECORD_BYTES)?;
        let task = Task::decode_foreign(line.task_id, line.record.get().as_bytes()).map_err(BadLine::Record)?;
        let entry = Entry::parse(&line.entry).filter(|entry| entry.id == task.id).ok_or(BadLine::Entry)?;
        line.check(&task, &entry, turn.now())?;
        Ok(self.bring_back(&task, entry, &line, turn)?)
    }

    fn set(&self, line: SettingsLine, turn: &Turn<'_>) -> Result<Imported, Error> {
        let SettingsLine { queue, paused, max_in_flight } = line;
        let given = max_in_flight.map(NonZeroU32::get);
        let mut is_new = paused && self.pause(&queue, turn)?;
        let kept = self.settings()?.max_in_flight.get(&queue).copied();
        if let (Some(given), Some(kept)) = (given, kept.filter(|kept| given != Some(*kept))) {
            return Ok(Imported::OtherLimit { queue, given, kept });
        }
        if given.is_some() && kept.is_none() {
            self.limit_in_flight(&queue, given, turn)?;
            is_new = true;
        }
        Ok(Imported::Set(queue, is_new))
    }

    fn bring_back(&self, task: &Task, entry: Entry, line: &TaskLine, turn: &Turn<'_>) -> Result<Imported, Error> {
        let id = task.id;
        self.tree.init(turn)?;
        if self.tree.relocate(id)?.is_some() {
            return Ok(Imported::Already(id));
        }
        if let Some(parent) = self.absent_parents(&entry, task)?.into_iter().find(|id| !line.removed.contains(id)) {
            return Ok(Imported::NoParent { id, parent });
        }
        self.tree.prepare([id])?;
        let is_cancelling = matches!(entry.state, State::Cancelling(_));
        let now = turn.now();
        let entry = restored(entry, task, now);
        if let Some(key) = task.record.unique.as_ref().filter(|_| !entry.has_ended())
            && let Some(live) = self.live_holder(&task.record.queue, key, turn)?
        {
            return Ok(if live.id == id { Imported::Already(id) } else { Imported::KeyTaken(id) });
        }
        let mut lines: Vec<Line> = line.reports_to_keep().collect();
        if entry.generation > 0 || entry.has_ended() || !line.reports.is_empty() {
            lines.push(Line::of_import(id, Import { at: now, report: entry.report }));
        }
        let Some(record) = self.record_of_its_own(id, line, &lines, turn)? else {
            return self.bring_back_staged(task, turn);
        };
        self.tree.add_missing_lines(id, &record, &lines)?;
        self.tree.overflow_tags(&task.record.tags, turn)?;
        if let (Some(lease), Some(run_id)) = (entry.lease(), &line.run_id) {
            self.tree.overflow(&lease.holder, run_id, turn)?;
        }
        if matches!(entry.state, State::Blocked { .. }) {
            self.tree.mark_parents([task].into_iter())?;
        }
        // CM-18: until here the task is a record that no entry points at, as in an enqueue, and a line that was not
        // acknowledged.
        let mut located = Located { dir: layout::home(&entry, &task.record.queue), entry };
        if task.record.unique.is_some() && !located.entry.has_ended() {
            match self.link_with_key(task, &record, &located.entry, turn)? {
                Placed::At(at) => located = at,
                Placed::KeyTaken(_) => return Ok(Imported::KeyTaken(id)),
                // A doctor took this agent for dead, or another import goes on with the task.
                Placed::TakenAway => return Err(Error::Contended),
            }
        } else if self.tree.link(&record, &located.path()).map_err(Error::of_the_change)? == Linked::Gone
            && !self.take_place_of_first(task, &mut located).map_err(Error::of_the_change)?
        {
            return Ok(Imported::Already(id));
        }
        self.tree.store().sync_dir(&located.dir).map_err(|error| Error::from(error).after_the_change())?;
        match located.entry.state {
            // As in an enqueue, no end goes unnoticed.
            State::Blocked { .. } => drop(self.tree.or_leave(self.look_at_parents(&located, turn))),
            State::Ended(_) => {
                let mut budget = Budget::of_steps(limits::WOKEN_PER_END);
                self.tree.or_leave(self.wake(&located.entry, turn, &mut budget));
            }
            _ => {}
        }
        Ok(if is_cancelling { Imported::Cancelled(id) } else { Imported::Now(id) })
    }

    /// The record is in other hands. If those are of an import that died once all was written and the task had asked
    /// for its key, this one goes on.
    fn bring_back_staged(&self, task: &Task, turn: &Turn<'_>) -> Result<Imported, Error> {
        if !self.is_staged(task)? {
            return Ok(Imported::Already(task.id));
        }
        match self.take_key(task, None, turn).map_err(Error::after_the_change)? {
            Keyed::Held => {
                let unlocked = self.unlock(task, turn).map_err(Error::after_the_change)?;
                let located = unlocked.ok_or(Error::Contended)?;
                self.tree.store().sync_dir(&located.dir).map_err(|error| Error::from(error).after_the_change())?;
                self.tree.or_leave(self.look_at_parents(&located, turn));
                Ok(Imported::Now(task.id))
            }
            Keyed::By(_) => Ok(Imported::KeyTaken(task.id)),
        }
    }

    /// Writes the record, or takes over what an import left that died; `None`: the task is in other hands.
    ///
    /// Another import of the line may be at work, and give the task another name at another time. So the record is
    /// renamed, as by a doctor: an import that knew the old name cannot link it.
    fn record_of_its_own(
        &self,
        id: TaskId,
        line: &TaskLine,
        lines: &[Line],
        turn: &Turn<'_>,
    ) -> Result<Option<Path>, Error> {
        let path = layout::record(id);
        let mut content = without_white_space(line.record.get()) + "\n";
        for line in lines {
            content += &line.to_text()?;
        }
        let mut repairer = Repairer::new(&self.tree, turn);
        for _ in 0..LOOKS {
            if self.tree.record_of(id)?.is_none() && self.tree.create(&path, content.as_bytes())? == Created::Now {
                self.tree.store().sync_dir(&path.dir)?;
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
        let found = self.tree.find(task.id)?.ok_or(Error::NotFound { id: task.id })?;
        if found.entry != Entry::first(task) {
            return Ok(false);
        }
        located.entry.version = located.entry.version.max(found.entry.version_after());
        Ok(self.tree.shift(&found, &located.entry, &located.dir)? == Moved::Here)
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
