//! One task as answers show it: its record, its state, and its latest report.

use alloc::string::String;
use alloc::vec::Vec;

use super::Queue;
use super::settle::Progress;
use crate::answer::CancelRequest;
use crate::entry::{Entry, Outcome, State};
use crate::error::Error;
use crate::finding::Finding;
use crate::id::TaskId;
use crate::json::JsonObject;
use crate::name::{ErrorMessage, Note};
use crate::status::Status;
use crate::store::Store;
use crate::task::Task;
use crate::time::Timestamp;
use crate::tree::{LOOKS, Report, ReportKind, Told};

/// One task of a listing.
#[derive(Clone, Debug)]
pub struct Item {
    /// The task.
    pub task: Task,
    /// Where it stands.
    pub status: Status,
    /// The run id of its holder, its last holder or its canceller.
    pub claimer_run_id: Option<String>,
    /// When its lease ends or ended.
    pub expires_at: Option<Timestamp>,
    /// How many holders it has had.
    pub generation: u32,
    /// Attempts started so far. A release does not count as one.
    pub attempt: u32,
    /// When it is due, if it is scheduled.
    pub scheduled_at: Option<Timestamp>,
    /// The parent that it waits for, if it is blocked.
    pub blocked_on: Option<TaskId>,
    /// The request to its holder to stop, if there is one.
    pub cancel_request: Option<CancelRequest>,
    /// Why it was cancelled, if a reason was given.
    pub reason: Option<Note>,
    /// Its holder's progress, if reported.
    pub progress: Option<Progress>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// The result, if its holder completed the task.
    pub result: Option<JsonObject>,
    /// The error, if its holder failed the task.
    pub error: Option<ErrorMessage>,
}

impl<S: Store> Queue<S> {
    pub(super) fn item(
        &self,
        task: Task,
        entry: &Entry,
        told: &Told,
        now: Timestamp,
        findings: &mut Vec<Finding>,
    ) -> Result<Item, Error> {
        let latest = self.latest_shown(entry, told, findings)?;
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
        let is_its_progress =
            |report: &Report| report.kind == ReportKind::Progress && report.generation == entry.generation;
        let progress = latest.filter(|report| ending.is_none() && is_its_progress(report));
        Ok(Item {
            task,
            status: Status::of(entry, now),
            claimer_run_id: lease.map(|lease| self.tree.run_id_text(&lease.holder)),
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

    /// The latest report on a task that stood at `entry` when it was seen. One of progress is removed once the next has
    /// taken its place: then it is that one. A report that is missing though the task has not moved on is a finding.
    fn latest_shown(&self, entry: &Entry, told: &Told, findings: &mut Vec<Finding>) -> Result<Option<Report>, Error> {
        let look = |entry: &Entry, told: &Told| {
            let latest = self.tree.unless_in_the_way(self.tree.latest_in(entry, told))?.flatten();
            Ok::<_, Error>(latest.map(|latest| latest.report))
        };
        let (mut latest, mut at) = (look(entry, told)?, entry.clone());
        for _ in 1..LOOKS {
            if latest.is_some() || at.report.is_none() {
                break;
            }
            let Some(located) = self.tree.relocate(entry.id)? else { break };
            if located.entry.version == at.version {
                findings.push(Finding::ReportLost { id: entry.id });
                break;
            }
            at = located.entry;
            latest = look(&at, &self.tree.told_by(&at)?)?;
        }
        Ok(latest)
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
            return Ok(Some(latest.clone()).filter(|latest| latest.kind.tells_the_end(outcome)));
        }
        let before = self.tree.history_in(entry, told)?.into_iter().nth(1).and_then(|(_, report)| report);
        let asked_this_holder =
            |report: &Report| report.kind == ReportKind::CancelRequested && report.generation == entry.generation;
        Ok(before.filter(asked_this_holder))
    }
}
