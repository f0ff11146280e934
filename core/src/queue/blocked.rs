//! Tasks that wait for others. A blocked task stands in the directory of the one that it waits for now, `blocked/<aa>/<parent>/`.
//!
//! Whoever ends a task looks into that directory and moves on what stands there: to the next parent that has not ended, to
//! the ready shelf, or to `done/` as cancelled, because of how the parent ended. Whoever links or moves a task into such a
//! directory looks at the parent afterwards. So of an end and a task that comes to wait for it at the same time, one is
//! seen by the other. If an agent dies in between, a sweep makes up for it.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::Queue;
use super::files::Located;
use super::reports::{Report, ReportKind};
use crate::entry::{Ending, Entry, Outcome, State};
use crate::error::Error;
use crate::id::TaskId;
use crate::layout::{self, Dir, Shelf};
use crate::limits;
use crate::name::Nonce;
use crate::sorted;
use crate::store::{Moved, Store};
use crate::task::{IfParentFails, Record, Task};
use crate::time::Timestamp;
use crate::transition::{Command, Fate, decide};

impl<S: Store> Queue<S> {
    /// Moves on what waits for a task that has ended, and what waits for those that thereby end. How many it moved.
    pub(super) fn wake(&self, ended: TaskId, now: Timestamp, nonce: Nonce) -> Result<u64, Error> {
        let (mut ended, mut moved) = (Vec::from([ended]), 0);
        while let Some(parent) = ended.pop() {
            let dir = layout::blocked_on(parent);
            // Nobody waits for most tasks: to look is cheaper than to be refused a listing, which JavaScript throws.
            if self.store.stamp(&dir)?.is_none() {
                continue;
            }
            let Some(names) = self.store.list(&dir)? else { continue };
            for entry in names.iter().filter_map(|name| Entry::parse(name)) {
                let located = Located { dir: dir.clone(), entry };
                match self.move_on(&located, now, nonce) {
                    Ok(Some(next)) => {
                        moved += u64::from(next.version > located.entry.version);
                        ended.extend(next.has_ended().then_some(next.id));
                    }
                    Ok(None) => {}
                    Err(Error::Corrupt { problem, .. }) => {
                        self.set_aside(&located, problem)?;
                    }
                    Err(error) => return Err(error),
                }
            }
            self.store.remove_dir(&dir)?;
        }
        Ok(moved)
    }

    /// Draws the consequence of what a blocked task's parents are, until there is none. The entry that it has then; `None`:
    /// another agent moves it.
    pub(super) fn move_on(&self, located: &Located, now: Timestamp, nonce: Nonce) -> Result<Option<Entry>, Error> {
        let mut located = located.clone();
        while let State::Blocked { on } = located.entry.state {
            let Some(task) = self.task_at(&located)? else { return Ok(None) };
            let (fate, reason) = self.fate(&task, on)?;
            if fate == Fate::WaitFor(on) {
                break;
            }
            let report = reason.map(|reason| {
                let report = Report::by("", ReportKind::Cancelled, now);
                Report { reason: reason.parse().ok(), ..report }
            });
            let terms = task.record.terms();
            let command = Command::Unblock { fate, terms, report: report.as_ref().map(|_| nonce) };
            let Ok(next) = decide(&located.entry, &command, now) else { return Ok(None) };
            let home = layout::home(&next, &task.record.queue);
            if self.rename_with(report.as_ref(), &located, &next, &home)? == Moved::Gone {
                return Ok(None);
            }
            located = Located { dir: home, entry: next };
        }
        Ok(Some(located.entry))
    }

    /// What becomes of a task that waits for `on`, and the reason if it is cancelled. Those before `on` have been dealt with.
    fn fate(&self, Task { id, record, .. }: &Task, on: TaskId) -> Result<(Fate, Option<String>), Error> {
        let first = record.after.iter().position(|parent| *parent == on).unwrap_or(0);
        for (place, parent) in record.after.iter().enumerate().skip(first) {
            // The first one is that whose completion enqueued it, if one did: any other end of that means that it never was.
            let completion = record.follows.filter(|_| place == 0);
            match self.end_of(*parent)? {
                Parent::Lives => return Ok((Fate::WaitFor(*parent), None)),
                Parent::Ended(entry, outcome)
                    if let Some(completion) = completion
                        && (outcome != Outcome::Completed || !self.enqueues(&entry, completion, *id)?) =>
                {
                    let reason = format!("the completion of {parent} that would have enqueued it was refused");
                    return Ok((Fate::Cancel, Some(reason)));
                }
                Parent::Ended(_, Outcome::Completed) => {}
                Parent::Ended(_, outcome) => {
                    if let Some(fate) = if_parent(record, *parent, outcome.as_str()) {
                        return Ok(fate);
                    }
                }
                Parent::Purged => {
                    if let Some(fate) = if_parent(record, *parent, "removed") {
                        return Ok(fate);
                    }
                }
            }
        }
        Ok((Fate::GoOn, None))
    }

    /// True if the task was completed by the completion that was to enqueue `follow_up`, or by one that says that it does.
    fn enqueues(&self, completed: &Entry, completion: Nonce, follow_up: TaskId) -> Result<bool, Error> {
        let adopts = |(_, report): (_, Report)| report.adopts.contains(&follow_up);
        Ok(completed.report == Some(completion) || self.latest_report(completed)?.is_some_and(adopts))
    }

    fn end_of(&self, parent: TaskId) -> Result<Parent, Error> {
        match self.find(parent) {
            Ok(Some(Located { entry, .. })) => Ok(match entry.state {
                State::Ended(Ending { outcome, .. }) => Parent::Ended(entry, outcome),
                _ => Parent::Lives,
            }),
            Ok(None) if self.record_of(parent)?.is_none() => Ok(Parent::Purged),
            // A doctor will find its entry, or its record.
            Ok(None) | Err(Error::Corrupt { .. }) => Ok(Parent::Lives),
            Err(error) => Err(error),
        }
    }

    /// Wakes tasks whose parent has ended without their having been told: CM-12. Looks at some parts of the shelf each time,
    /// and at all of them if there are few names. How many it moved.
    pub(super) fn wake_forgotten(&self, now: Timestamp, nonce: Nonce) -> Result<u64, Error> {
        let parts = self.parts_of(Shelf::Blocked)?;
        let turn = usize::try_from(now.micros() / *limits::SWEEP_MICROS.start()).unwrap_or(0);
        let first = turn % parts.len().max(1);
        let (mut moved, mut names_read) = (0, 0);
        for part in parts.iter().cycle().skip(first).take(parts.len()) {
            if names_read >= limits::BLOCKED_NAMES_PER_SWEEP {
                break;
            }
            for parent in self.ended_parents(part, &mut names_read)? {
                moved += self.wake(parent, now, nonce)?;
            }
        }
        Ok(moved)
    }

    /// The tasks that others wait for in this part of the blocked shelf, and that have ended. Names alone tell: a task and those
    /// that wait for it are fanned out by the same digits.
    fn ended_parents(&self, part: &Dir, names_read: &mut usize) -> Result<Vec<TaskId>, Error> {
        let waited_for = self.store.list(part)?.unwrap_or_default();
        let Some((_, digits)) = part.split().filter(|_| !waited_for.is_empty()) else { return Ok(Vec::new()) };
        let done = self.store.list(&layout::shelf(Shelf::Done).child(digits))?.unwrap_or_default();
        *names_read += waited_for.len() + done.len();
        let ended = sorted::set(done.iter().filter_map(|name| name.split('.').nth(1)));
        let forgotten = waited_for.iter().filter(|parent| ended.contains(parent.as_str()));
        Ok(forgotten.filter_map(|parent| TaskId::from_hex(parent)).collect())
    }
}

/// What a task that others wait for has come to.
enum Parent {
    Lives,
    Ended(Entry, Outcome),
    Purged,
}

/// What a parent that did not complete means to a task; `None`: nothing.
fn if_parent(record: &Record, parent: TaskId, became: &str) -> Option<(Fate, Option<String>)> {
    match record.if_parent_fails.unwrap_or_default() {
        IfParentFails::Run => None,
        IfParentFails::Block => Some((Fate::WaitFor(parent), None)),
        IfParentFails::Cancel => Some((Fate::Cancel, Some(format!("it waited for {parent}, which was {became}")))),
    }
}
