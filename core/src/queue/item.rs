//! One task as it is told: its record, how it stands, and what was reported last.

use alloc::string::String;
use alloc::vec::Vec;

use super::Queue;
use super::claim_record::CancelRequest;
use super::settle::Progress;
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
use crate::tree::{Report, ReportKind, Told};

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

impl<S: Store> Queue<S> {
    pub(super) fn item(
        &self,
        task: Task,
        entry: &Entry,
        told: &Told,
        now: Timestamp,
        findings: &mut Vec<Finding>,
    ) -> Result<Item, Error> {
        let latest =
            self.tree.unless_in_the_way(self.tree.latest_in(entry, told))?.flatten().map(|latest| latest.report);
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
