//! Tasks that wait for others. A blocked task is in the directory of its current parent, `blocked/<aa>/<parent>/`. A
//! task with several parents also has a *mark* in the directory of each, an empty file whose name has the task's id and
//! its reaction to a failed parent.
//!
//! An agent that ends a task looks into that directory and moves on the tasks there: to the next parent that has not
//! ended, to `ready/`, or to `done/` as cancelled. If the ended task did not complete, the agent follows the marks,
//! too, and cancels the marked tasks wherever they are. An agent that links or moves a task into such a directory looks
//! at all parents afterwards. So if a parent ends at that very moment, one of the two agents sees the other's change.
//! If an agent dies in between, a sweep does the rest.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::entry::{Ending, Entry, Outcome, State};
use crate::error::Error;
use crate::id::TaskId;
use crate::layout;
use crate::limits;
use crate::name::Nonce;
use crate::queue::Queue;
use crate::queue::budget::Budget;
use crate::store::{Moved, Store};
use crate::task::{IfParentFails, Record, Task};
use crate::transition::{Command, ParentVerdict, decide};
use crate::tree::{Latest, Located, Marked, Report, ReportKind};
use crate::turn::Turn;

impl<S: Store> Queue<S> {
    /// Moves on the tasks that wait for an ended task, and those that wait for tasks which thereby end. The next sweeps
    /// do the rest that `budget` leaves. Returns how many it moved.
    pub(in crate::queue) fn wake(&self, ended: &Entry, turn: &Turn<'_>, budget: &mut Budget<'_>) -> Result<u64, Error> {
        Over::of(ended).map_or(Ok(0), |over| self.wake_those_of(over, turn, budget))
    }

    pub(super) fn wake_those_of(&self, over: Over, turn: &Turn<'_>, budget: &mut Budget<'_>) -> Result<u64, Error> {
        let (mut all_over, mut moved) = (Vec::from([over]), 0);
        while let Some(parent) = all_over.pop() {
            let dir = layout::blocked_on(parent.id);
            // On a medium with fused operations, the listing that follows is that look.
            if self.tree.fused().is_none() && !self.tree.may_be_waited_for(parent.id)? {
                continue;
            }
            // Those that stay blocked for good are not always the first: what several sweeps leave is not always the
            // same.
            let names = turned(self.tree.names_in(&dir)?, turn);
            for entry in names.iter().filter_map(|name| Entry::parse(name)) {
                if !budget.step() {
                    return Ok(moved);
                }
                let located = Located { dir: dir.clone(), entry };
                match self.tree.unless_in_the_way(self.move_on(&located, turn)).map(Option::flatten) {
                    Ok(Some(next)) => {
                        moved += u64::from(next.version > located.entry.version);
                        budget.spend(if next.has_ended() { limits::STEPS_PER_END } else { 0 });
                        all_over.extend(Over::of(&next));
                    }
                    Ok(None) => {}
                    Err(Error::Corrupt { id, problem, .. }) if id == located.entry.id => {
                        self.tree.quarantine(&located, problem)?;
                    }
                    // Another one's, which its own sweep or claim meets.
                    Err(Error::Corrupt { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            for child in names.iter().filter_map(|name| parent.to_cancel(name)) {
                if !budget.step() {
                    return Ok(moved);
                }
                let cancelled = self.tree.unless_in_the_way(self.cancel_marked(child, &parent, turn))?.flatten();
                moved += u64::from(cancelled.is_some());
                budget.spend(if cancelled.is_some() { limits::STEPS_PER_END } else { 0 });
                all_over.extend(cancelled.as_ref().and_then(Over::of));
            }
            self.tree.unless_in_the_way(self.tree.store().remove_dir(&dir))?;
        }
        Ok(moved)
    }

    /// Cancels a task that has a mark in the directory of a parent which did not complete. Returns its new entry;
    /// `None`: it waits no more.
    fn cancel_marked(&self, child: TaskId, parent: &Over, turn: &Turn<'_>) -> Result<Option<Entry>, Error> {
        let Marked::Blocked(blocked) = self.tree.marked(child, parent.id)? else { return Ok(None) };
        let (located, task) = *blocked;
        self.leave_blocked(&located, &task, ParentVerdict::Cancel, Some(in_vain(parent.id, parent.became())), turn)
    }

    /// Looks at all parents of a task that has just become blocked, and moves the task if it may go on. So no end goes
    /// unnoticed, and a sweep knows when a parent expires. Returns the task's new entry; `None`: another agent moves
    /// it.
    pub(in crate::queue) fn look_at_parents(&self, located: &Located, turn: &Turn<'_>) -> Result<Option<Entry>, Error> {
        let State::Blocked { on } = located.entry.state else { return Ok(Some(located.entry.clone())) };
        let Some(task) = self.tree.task_at(located)? else { return Ok(None) };
        let others = task.record.after.iter().filter(|parent| **parent != on);
        if task.record.if_parent_fails.unwrap_or_default() == IfParentFails::Cancel {
            for parent in others {
                let became = match self.end_of(*parent, turn)? {
                    Parent::Lives | Parent::Ended(_, Outcome::Completed) => continue,
                    Parent::Ended(_, outcome) => outcome.as_str(),
                    Parent::Purged => "removed",
                };
                let cancelled =
                    self.leave_blocked(located, &task, ParentVerdict::Cancel, Some(in_vain(*parent, became)), turn)?;
                if cancelled.is_some() {
                    return Ok(cancelled);
                }
            }
        }
        self.move_on(located, turn)
    }

    /// Fails if a task that is to be put back would be cancelled again, or wait without end, because of how a parent
    /// has ended.
    pub(in crate::queue) fn check_parents_can_complete(&self, task: &Task, turn: &Turn<'_>) -> Result<(), Error> {
        let policy = task.record.if_parent_fails.unwrap_or_default();
        for (place, parent) in task.record.after.iter().enumerate() {
            let follows = task.record.follows.filter(|_| place == 0);
            let became = match self.end_of(*parent, turn)? {
                Parent::Lives => continue,
                Parent::Ended(entry, Outcome::Completed) => match follows {
                    Some(completion) if !self.enqueues(&entry, completion, task.id)? => "completed without it",
                    _ => continue,
                },
                Parent::Ended(_, _) if policy != IfParentFails::Cancel => continue,
                Parent::Ended(_, outcome) => outcome.as_str(),
                Parent::Purged if policy == IfParentFails::Run => continue,
                Parent::Purged => "removed",
            };
            return Err(Error::WaitsInVain { id: task.id, parent: *parent, became });
        }
        Ok(())
    }

    /// Moves a blocked task on as its parents' states demand, until nothing is left to do. Returns its entry then;
    /// `None`: another agent moves it.
    pub(in crate::queue) fn move_on(&self, located: &Located, turn: &Turn<'_>) -> Result<Option<Entry>, Error> {
        let mut located = located.clone();
        while let State::Blocked { on } = located.entry.state {
            let Some(task) = self.tree.task_at(&located)? else { return Ok(None) };
            let (verdict, reason) = self.parents_verdict(&task, on, turn)?;
            if verdict == ParentVerdict::WaitFor(on) {
                break;
            }
            let Some(next) = self.leave_blocked(&located, &task, verdict, reason, turn)? else { return Ok(None) };
            located = Located { dir: layout::home(&next, &task.record.queue), entry: next };
        }
        Ok(Some(located.entry))
    }

    /// Renames a blocked task as `verdict` demands. `None`: another agent moved it.
    fn leave_blocked(
        &self,
        located: &Located,
        task: &Task,
        verdict: ParentVerdict,
        reason: Option<String>,
        turn: &Turn<'_>,
    ) -> Result<Option<Entry>, Error> {
        let now = turn.now();
        let report = reason.map(|reason| {
            let report = Report::by("", ReportKind::Cancelled, now);
            Report { reason: reason.parse().ok(), ..report }
        });
        let command =
            Command::Unblock { verdict, policy: task.record.policy(), report: report.as_ref().map(|_| turn.nonce()) };
        let Ok(next) = decide(&located.entry, &command, now) else { return Ok(None) };
        let home = layout::home(&next, &task.record.queue);
        if self.rename_with(report.as_ref(), located, &next, &home, turn)? == Moved::Gone {
            return Ok(None);
        }
        if !matches!(next.state, State::Blocked { .. }) {
            self.tree.or_leave(self.tree.unmark_parents(task));
            self.tree.or_leave(self.note_deadline(&next, task.record.ttl_seconds));
        }
        Ok(Some(next))
    }

    /// The next state of a task that waits for `on`, and the reason if it is cancelled. The parents before `on` have
    /// been dealt with.
    fn parents_verdict(
        &self,
        Task { id, record, .. }: &Task,
        on: TaskId,
        turn: &Turn<'_>,
    ) -> Result<(ParentVerdict, Option<String>), Error> {
        let first = record.after.iter().position(|parent| *parent == on).unwrap_or(0);
        for (place, parent) in record.after.iter().enumerate().skip(first) {
            // For a follow-up the first parent is the task whose completion enqueued it. Any other end of that parent
            // cancels the follow-up.
            let completion = record.follows.filter(|_| place == 0);
            match self.end_of(*parent, turn)? {
                Parent::Lives => return Ok((ParentVerdict::WaitFor(*parent), None)),
                Parent::Ended(entry, outcome)
                    if let Some(completion) = completion
                        && (outcome != Outcome::Completed || !self.enqueues(&entry, completion, *id)?) =>
                {
                    let reason = format!("the completion of {parent} that would have enqueued it was refused");
                    return Ok((ParentVerdict::Cancel, Some(reason)));
                }
                Parent::Ended(_, Outcome::Completed) => {}
                Parent::Ended(_, outcome) => {
                    if let Some(verdict) = if_parent(record, *parent, outcome.as_str()) {
                        return Ok(verdict);
                    }
                }
                Parent::Purged if completion.is_some() => {
                    let reason = format!("{parent}, whose completion would have enqueued it, was removed");
                    return Ok((ParentVerdict::Cancel, Some(reason)));
                }
                Parent::Purged => {
                    if let Some(verdict) = if_parent(record, *parent, "removed") {
                        return Ok(verdict);
                    }
                }
            }
        }
        Ok((ParentVerdict::GoOn, None))
    }

    /// True if the task was completed by the completion that was to enqueue `follow_up`, or by one that says that it
    /// does.
    fn enqueues(&self, completed: &Entry, completion: Nonce, follow_up: TaskId) -> Result<bool, Error> {
        let adopts = |latest: Latest| latest.report.adopts.contains(&follow_up);
        Ok(completed.report == Some(completion) || self.tree.latest_report(completed)?.is_some_and(adopts))
    }

    /// A parent's state. If the parent may expire, a sweep is told when.
    fn end_of(&self, parent: TaskId, turn: &Turn<'_>) -> Result<Parent, Error> {
        for _ in 0..limits::RACES {
            let located = match self.tree.unless_in_the_way(self.tree.find(parent)) {
                Ok(Some(Some(located))) => located,
                Ok(None) => return Ok(Parent::Lives),
                Ok(Some(None)) if self.tree.keep_from_removal(parent)? => continue,
                Ok(Some(None)) if self.tree.is_purged(parent)? || self.tree.record_of(parent)?.is_none() => {
                    return Ok(Parent::Purged);
                }
                // A doctor will find its entry, or its record.
                Ok(Some(None)) | Err(Error::Corrupt { .. }) => return Ok(Parent::Lives),
                Err(error) => return Err(error),
            };
            match self.settled_by_time(&located, turn) {
                Ok(false) => {}
                Ok(true) => continue,
                // A claim or a doctor quarantines it.
                Err(Error::Corrupt { id, .. }) if id == parent => return Ok(Parent::Lives),
                Err(error) => return Err(error),
            }
            if let State::Ended(Ending { outcome, .. }) = located.entry.state {
                return Ok(Parent::Ended(located.entry, outcome));
            }
            if let Some(policy) = self.tree.policy_at(&located)? {
                self.note_deadline(&located.entry, policy.ttl_seconds)?;
            }
            return Ok(Parent::Lives);
        }
        Err(Error::Contended)
    }
}

/// A task that is over, for those that wait for it: how it ended, or `None` if it was removed.
pub(super) struct Over {
    pub(super) id: TaskId,
    pub(super) outcome: Option<Outcome>,
}

impl Over {
    /// `None` if it has not ended.
    pub(in crate::queue) fn of(entry: &Entry) -> Option<Over> {
        match &entry.state {
            State::Ended(Ending { outcome, .. }) => Some(Over { id: entry.id, outcome: Some(*outcome) }),
            _ => None,
        }
    }

    fn became(&self) -> &'static str {
        self.outcome.map_or("removed", Outcome::as_str)
    }

    /// The task that this name in its directory marks, if it is to be cancelled because of how this one ended.
    fn to_cancel(&self, name: &str) -> Option<TaskId> {
        let (child, policy) = layout::parse_mark(name)?;
        (policy == IfParentFails::Cancel && self.outcome != Some(Outcome::Completed)).then_some(child)
    }
}

/// The state of a parent.
enum Parent {
    Lives,
    Ended(Entry, Outcome),
    Purged,
}

/// The effect on a task of a parent that did not complete; `None`: none.
fn if_parent(record: &Record, parent: TaskId, became: &str) -> Option<(ParentVerdict, Option<String>)> {
    match record.if_parent_fails.unwrap_or_default() {
        IfParentFails::Run => None,
        IfParentFails::Block => Some((ParentVerdict::WaitFor(parent), None)),
        IfParentFails::Cancel => Some((ParentVerdict::Cancel, Some(in_vain(parent, became)))),
    }
}

/// Why a task is cancelled that waited for a parent.
fn in_vain(parent: TaskId, became: &str) -> String {
    format!("it waited for {parent}, which was {became}")
}

/// The same in the same order, but from any place on, and then from the first.
pub(super) fn turned<T>(mut all: Vec<T>, turn: &Turn<'_>) -> Vec<T> {
    let places = u64::try_from(all.len()).unwrap_or(u64::MAX).max(1);
    all.rotate_left(usize::try_from(turn.chance() % places).unwrap_or(0));
    all
}
