//! What happens to one task by its id: heartbeat, complete, fail, release, cancel, retry. Find its entry, decide,
//! rename.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use super::budget::Budget;
use super::enqueue::Enqueued;
use super::files::Located;
use super::reports::{Report, ReportKind, Written};
use super::unfinished::is_unfinished;
use super::unique::{Again, Keyed};
use super::{ClaimRecord, NewTask, Queue, Status};
use crate::entry::{Ending, Entry, Outcome, State};
use crate::error::Error;
use crate::id::TaskId;
use crate::json::JsonObject;
use crate::layout::{self, Dir, StateDir};
use crate::limits;
use crate::name::{ErrorMessage, Nonce, Note, RunId};
use crate::sorted;
use crate::store::{Moved, Store};
use crate::task::{Task, TaskPolicy};
use crate::time::Timestamp;
use crate::transition::{Claimant, Command, IfHeld, Refusal, Verdict, decide, is_over};

/// A task that waits again: its holder gave it back, or it was put back after it had ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Released {
    /// The task.
    pub task_id: TaskId,
    /// Where the task stands.
    pub status: Status,
    /// How many holders the task has had; the next one makes it one more.
    pub generation: u32,
    /// How many attempts at the task have begun, but for those that were given back, as this one.
    pub attempt: u32,
    /// When it can be claimed, if not at once.
    pub scheduled_at: Option<Timestamp>,
}

/// How far the holder of a task is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// How much of it is done, from 0 to 1.
    pub progress: Option<f64>,
    /// In words.
    pub note: Option<Note>,
}

/// How to put a task back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retrying {
    /// It waits for no task and no time.
    pub is_now: bool,
    /// What was cancelled because of it is put back, too.
    pub cascade: bool,
}

/// A task that was put back, and others with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retried {
    /// The task.
    pub released: Released,
    /// Those that had been cancelled because of it and wait again, the oldest first.
    pub dependants: Vec<TaskId>,
    /// Those that had been cancelled because of it and stay so, and why.
    pub left: Vec<(TaskId, Error)>,
}

/// Who fails a task, and how.
#[derive(Clone, Debug)]
pub struct Failing {
    /// What went wrong.
    pub error: ErrorMessage,
    /// Also if there are attempts left.
    pub is_final: bool,
}

impl From<ErrorMessage> for Failing {
    fn from(error: ErrorMessage) -> Failing {
        Failing { error, is_final: false }
    }
}

/// How to call a task off.
#[derive(Clone, Debug)]
pub struct Cancelling {
    /// Who does.
    pub run_id: RunId,
    /// What to do if another agent holds it.
    pub if_held: IfHeld,
    /// Why.
    pub reason: Option<Note>,
}

impl Cancelling {
    /// A cancel without a reason.
    pub fn new(run_id: RunId, if_held: IfHeld) -> Cancelling {
        Cancelling { run_id, if_held, reason: None }
    }
}

/// A task that was completed, and those that its completion enqueued.
#[derive(Clone, Debug)]
pub struct Completed {
    /// The claim, as it ended.
    pub record: ClaimRecord,
    /// In the order in which they were given.
    pub enqueued: Vec<Enqueued>,
}

impl<S: Store> Queue<S> {
    /// Tells that the holder is alive: the lease now ends `lease_seconds` from now, or is as long again as it was.
    ///
    /// Also takes a lease that ran out up again, as long as nobody has taken the task over. Not synced. The answer
    /// tells whether somebody asks the holder to stop. With progress it costs a report, which takes the place of the
    /// one before.
    pub fn heartbeat(
        &self,
        id: TaskId,
        claimant: Claimant,
        lease_seconds: Option<i64>,
        progress: Option<Progress>,
        now: Timestamp,
        nonce: Nonce,
    ) -> Result<ClaimRecord, Error> {
        let report = progress.map(|Progress { progress, note }| {
            let report = Report::by(&claimant.run_id, ReportKind::Progress, now);
            Report { progress, note, ..report }
        });
        let command = Command::Heartbeat { claimant, lease_seconds, report: report.as_ref().map(|_| nonce) };
        let Changed { next: entry, .. } = self.transition(id, &command, now, nonce, report.as_ref())?;
        self.claim_record(&entry, now)
    }

    /// What a heartbeat would be answered, without one: the claim as it stands, or why the task is not the claimant's.
    ///
    /// For a holder at work who wants to know soon that its task was called off. Writes nothing.
    pub fn still_held(&self, id: TaskId, claimant: Claimant, now: Timestamp) -> Result<ClaimRecord, Error> {
        let located = self.find(id)?.ok_or(Error::NotFound { id })?;
        let entry = self.as_it_stands(&located, now)?;
        match decide(&entry, &Command::Heartbeat { claimant, lease_seconds: None, report: None }, now) {
            Ok(_) => self.claim_record(&entry, now),
            Err(refusal) => Err(self.refused(id, refusal)),
        }
    }

    /// Ends the task in success. Survives a power cut when it returns, result and all.
    ///
    /// Refused if the task was taken over, waits for another attempt, or has ended; the task and its new holder are
    /// then unaffected, and the result, if there is one, is kept in the task's file for whoever holds it next, unless
    /// the task completed: the first [`limits::LATE_RESULTS_KEPT`] of a task, one for each lease, within
    /// [`limits::FILE_BYTES_LATE`].
    pub fn complete(
        &self,
        id: TaskId,
        claimant: Claimant,
        result: Option<JsonObject>,
        now: Timestamp,
        nonce: Nonce,
    ) -> Result<ClaimRecord, Error> {
        let result = result.filter(|result| !result.is_empty());
        let report = result.map(|result| {
            let report = Report::by(&claimant.run_id, ReportKind::Completed, now);
            Report { result: Some(result), ..report }
        });
        self.complete_with(id, claimant, report, now, nonce)
    }

    /// As [`Queue::complete`], and enqueues these tasks in the same step: all of them if the completion is accepted,
    /// else none.
    ///
    /// Until then they are blocked on the task, so of an agent that dies in the middle they run if its completion
    /// counts. If it does not, they end as cancelled when the task ends otherwise.
    pub fn complete_and_enqueue(
        &self,
        id: TaskId,
        claimant: Claimant,
        result: Option<JsonObject>,
        follow_ups: Vec<NewTask>,
        now: Timestamp,
        nonce: Nonce,
    ) -> Result<Completed, Error> {
        let after = |mut new: NewTask| {
            new.plan.after.insert(0, id);
            (new, Some(nonce))
        };
        let report = Report { result, ..Report::by(&claimant.run_id, ReportKind::Completed, now) };
        if let Err(error) = self.still_held(id, claimant.clone(), now) {
            self.keep_if_late(id, &claimant, &report, &error)?;
            return Err(error);
        }
        self.check_parents(follow_ups.iter())?;
        let enqueued = self.enqueue_all(follow_ups.into_iter().map(after).collect(), now, nonce)?;
        // Of an earlier holder who died or was too late, but under the same key: they are this completion's now.
        let of_another = |task: &Task| task.record.follows.is_some() && task.record.after.first() == Some(&id);
        let adopted = enqueued.iter().filter(|follow_up| follow_up.deduplicated && of_another(&follow_up.task));
        let report = Report { adopts: adopted.map(|follow_up| follow_up.task.id).collect(), ..report };
        // CM-15: if the agent dies here, or the completion is refused, they wait for an end of the task that is not
        // theirs, and are cancelled by it.
        let record = self.complete_with(id, claimant, Some(report), now, nonce)?;
        Ok(Completed { record, enqueued })
    }

    /// Ends the attempt in failure, and the task, unless it has attempts left. Otherwise as [`Queue::complete`].
    pub fn fail(
        &self,
        id: TaskId,
        claimant: Claimant,
        failing: Failing,
        now: Timestamp,
        nonce: Nonce,
    ) -> Result<ClaimRecord, Error> {
        let policy = match self.task(id) {
            Ok(task) => task.ok_or(Error::NotFound { id })?.record.policy(),
            // Nobody can try it again, but its holder, who has read it, can end it.
            Err(Error::Corrupt { .. }) => TaskPolicy::default(),
            Err(error) => return Err(error),
        };
        let Failing { error, is_final } = failing;
        // Of each attempt there is a report, if there can be several.
        let says_something = policy.max_attempts.is_some() || !error.as_str().is_empty();
        let report = Report { error: Some(error.clone()), ..Report::by(&claimant.run_id, ReportKind::Failed, now) };
        let report = says_something.then_some(report);
        let verdict = Verdict::Fail { policy, is_final, random: nonce.bits() };
        let command = Command::Settle { claimant, verdict, report: report.as_ref().map(|_| nonce) };
        let changed = self.transition(id, &command, now, nonce, report.as_ref())?;
        let record = self.failed_claim(&changed, now)?;
        Ok(ClaimRecord { error: Some(error), ..record })
    }

    /// Gives the task back, so that anybody may claim it at once, or after `delay_seconds`. It has not failed, and this
    /// was no attempt. If its holder was asked to stop, it ends as cancelled.
    ///
    /// Also gives back a task whose lease ran out, as long as nobody has taken it over. Not synced: after a power cut
    /// the task may still be claimed, until its lease ends. Refused with [`Error::Corrupt`] if the task's record cannot
    /// be trusted: nothing says then where the task would wait, and its holder, who has read it, may still end it.
    pub fn release(
        &self,
        id: TaskId,
        claimant: Claimant,
        delay_seconds: i64,
        now: Timestamp,
        nonce: Nonce,
    ) -> Result<Released, Error> {
        let policy = self.task(id)?.ok_or(Error::NotFound { id })?.record.policy();
        // Only a report tells where to look for it.
        let report = (delay_seconds > 0).then(|| Report::by(&claimant.run_id, ReportKind::Released, now));
        let command = Command::Release { claimant, delay_seconds, policy, report: report.as_ref().map(|_| nonce) };
        let Changed { next: entry, .. } = self.transition(id, &command, now, nonce, report.as_ref())?;
        // CM-11: the task waits, whether or not the agent lives to tell.
        Ok(Released::of(&entry, now))
    }

    /// Calls the task off: a waiting one, one's own, one whose lease has run out, or with [`IfHeld::Force`] anybody's.
    /// With [`IfHeld::Request`] the holder of a claimed one is asked to stop: its next heartbeat says so, and if it is
    /// not heard of again, the task ends as cancelled when its lease runs out.
    ///
    /// A holder of a task that was called off learns it when it next speaks. Survives a power cut when it returns, but
    /// for a request, which may be forgotten by one.
    pub fn cancel(
        &self,
        id: TaskId,
        cancelling: Cancelling,
        now: Timestamp,
        nonce: Nonce,
    ) -> Result<ClaimRecord, Error> {
        let Cancelling { run_id, if_held, reason } = cancelling;
        let kind = if if_held == IfHeld::Request { ReportKind::CancelRequested } else { ReportKind::Cancelled };
        let report = (reason.is_some() || if_held == IfHeld::Request)
            .then(|| Report { reason: reason.clone(), ..Report::by(&run_id, kind, now) });
        let command = Command::Cancel { run_id, if_held, nonce, report: report.as_ref().map(|_| nonce) };
        let Changed { next: entry, .. } = self.transition(id, &command, now, nonce, report.as_ref())?;
        // Where its holder was asked to stop, the request in the record tells the reason.
        Ok(ClaimRecord { reason: reason.filter(|_| entry.has_ended()), ..self.claim_record(&entry, now)? })
    }

    /// Puts a task that failed, expired or was cancelled back, with all its attempts before it. It waits again for the
    /// tasks and the time that it was enqueued to wait for, unless `retrying` says otherwise. What was reported of it
    /// stays. Survives a power cut as far as a release does.
    ///
    /// Refused with [`Error::WaitsInVain`] if it waits for one that did not complete, and with [`Error::KeyTaken`]
    /// while another task has its unique key.
    pub fn retry(&self, id: TaskId, retrying: Retrying, now: Timestamp, nonce: Nonce) -> Result<Retried, Error> {
        let entry = self.retry_one(id, retrying.is_now, now, nonce)?;
        let mut retried = Retried { released: Released::of(&entry, now), dependants: Vec::new(), left: Vec::new() };
        if retrying.cascade {
            self.retry_dependants(&mut retried, now, nonce).map_err(Error::after_the_change)?;
        }
        Ok(retried)
    }

    fn retry_one(&self, id: TaskId, is_now: bool, now: Timestamp, nonce: Nonce) -> Result<Entry, Error> {
        let task = self.task(id)?.ok_or(Error::NotFound { id })?;
        let mut announced: Option<Entry> = None;
        for _ in 0..limits::RACES {
            let located = self.find(id)?.ok_or(Error::NotFound { id })?;
            // The key says that this agent puts it back, so another one that asked for the key has done that in its
            // stead.
            if let Some(next) = announced.take().filter(|next| next.version <= located.entry.version) {
                return Ok(next);
            }
            if self.settled_by_time(&located, now, nonce)? {
                continue;
            }
            let again = Again { version: located.entry.version, at: now, is_now };
            let next =
                decide(&located.entry, &again.command(&task), now).map_err(|refusal| self.refused(id, refusal))?;
            if !is_now {
                self.check_parents_can_complete(&task, now, nonce)?;
            }
            // Once it is in the key's file that the task is put back, any agent that asks for the key may do it.
            let with_key = |error: Error| if task.record.unique.is_some() { error.after_the_change() } else { error };
            match self.take_key(&task, Some(again), now, nonce).map_err(with_key)? {
                Keyed::By(other) if other.id != id => {
                    return Err(Error::KeyTaken { id, status: Status::of(&located.entry, now), by: other.id });
                }
                // Another agent puts it back at the same time.
                Keyed::By(_) => {}
                // If the agent dies here, the next one that asks for its key puts it back.
                Keyed::Held => {
                    if let Some(next) = self.put_back(&located, again, nonce).map_err(with_key)? {
                        return Ok(next);
                    }
                    announced = task.record.unique.is_some().then_some(next);
                }
            }
        }
        Err(Error::Contended)
    }

    /// Puts a task back as `again` says. The entry that it has then; `None`: another agent was faster.
    pub(super) fn put_back(&self, located: &Located, again: Again, nonce: Nonce) -> Result<Option<Entry>, Error> {
        let Some(task) = self.task_at(located)? else { return Ok(None) };
        let command = again.command(&task);
        let next = decide(&located.entry, &command, again.at).map_err(|refusal| self.refused(task.id, refusal))?;
        if matches!(next.state, State::Blocked { .. }) {
            self.mark_parents([&task].into_iter())?;
        }
        let home = layout::home(&next, &task.record.queue);
        if self.rename_with(None, located, &next, &home)? == Moved::Gone {
            return Ok(None);
        }
        self.or_leave(self.note_deadline(&next, task.record.ttl_seconds));
        let moved_on =
            self.or_leave(self.look_at_parents(&Located { dir: home, entry: next.clone() }, again.at, nonce));
        Ok(Some(moved_on.flatten().unwrap_or(next)))
    }

    /// Puts back what was cancelled because of tasks that are put back, and what was cancelled because of that.
    fn retry_dependants(&self, retried: &mut Retried, now: Timestamp, nonce: Nonce) -> Result<(), Error> {
        let mut cancelled: Vec<Task> = Vec::new();
        for shard in self.shards_of(StateDir::Done)? {
            for located in self.entries_in(&shard)? {
                // Nobody in particular cancelled it.
                if matches!(&located.entry.state, State::Ended(Ending { outcome: Outcome::Cancelled, lease: None, .. }))
                {
                    // One whose record cannot be trusted is left.
                    cancelled.extend(self.task_at(&located).ok().flatten());
                }
            }
        }
        let mut put_back = BTreeSet::from([retried.released.task_id]);
        // A task is enqueued after those that it waits for.
        for task in sorted::by_key(cancelled, |task| (task.record.created_at, task.id)) {
            // The completion that was to enqueue a follow-up was refused, so it was never meant to be.
            if task.record.follows.is_some() || !task.record.after.iter().any(|parent| put_back.contains(parent)) {
                continue;
            }
            match self.retry_one(task.id, false, now, nonce) {
                Ok(_) => {
                    put_back.insert(task.id);
                    retried.dependants.push(task.id);
                }
                // Another agent put it back, or removed it.
                Err(Error::Refused { .. } | Error::NotFound { .. }) => {}
                Err(error) => retried.left.push((task.id, error)),
            }
        }
        Ok(())
    }

    fn complete_with(
        &self,
        id: TaskId,
        claimant: Claimant,
        report: Option<Report>,
        now: Timestamp,
        nonce: Nonce,
    ) -> Result<ClaimRecord, Error> {
        let (meant, reported) = (claimant.clone(), report.as_ref().map(|_| nonce));
        let command = Command::Settle { claimant: meant, verdict: Verdict::Complete, report: reported };
        match self.transition(id, &command, now, nonce, report.as_ref()) {
            Ok(Changed { next, .. }) => {
                let record = self.claim_record(&next, now)?;
                Ok(ClaimRecord { result: report.and_then(|report| report.result), ..record })
            }
            Err(error) => {
                report.map(|report| self.keep_if_late(id, &claimant, &report, &error)).transpose()?;
                Err(error)
            }
        }
    }

    /// Keeps a result that came too late: the task has another holder, had one since, or has failed meanwhile.
    /// If the medium fails meanwhile that is the answer, so that it is tried again.
    fn keep_if_late(&self, id: TaskId, claimant: &Claimant, report: &Report, refused: &Error) -> Result<(), Error> {
        let Error::Refused { refusal, .. } = refused else { return Ok(()) };
        let is_late = match refusal {
            Refusal::LeaseLost(_) | Refusal::AlreadyEnded { outcome: Outcome::Failed, .. } => true,
            // Where attempts count, a task whose lease ran out waits for the next one.
            Refusal::NotClaimed(_) => self.find(id)?.is_some_and(|located| located.entry.generation > 0),
            _ => false,
        };
        if !is_late || report.result.is_none() {
            return Ok(());
        }
        let nonce = claimant.nonce.unwrap_or_else(|| Nonce::of_run_id(&claimant.run_id));
        self.keep_late_result(id, nonce, report)
    }

    /// Finds the task and renames its entry to what `command` makes of it, as often as others are faster. A lease that
    /// this queue gave is tried first by the name that it had then.
    pub(super) fn transition(
        &self,
        id: TaskId,
        command: &Command,
        now: Timestamp,
        nonce: Nonce,
        report: Option<&Report>,
    ) -> Result<Changed, Error> {
        let mut known = self.cache.borrow_mut().take_lease(id);
        for _ in 0..limits::RACES {
            let known = known.take().filter(|located| decide(&located.entry, command, now).is_ok());
            let located = match known {
                Some(located) => located,
                None => self.find(id)?.ok_or(Error::NotFound { id })?,
            };
            // The task has ended, although nobody has moved it yet.
            let is_over = is_unfinished(&located)
                || is_over(&located.entry, now) && self.as_it_stands(&located, now)?.has_ended();
            if is_over && self.settled_by_time(&located, now, nonce)? {
                continue;
            }
            let next = match decide(&located.entry, command, now) {
                Ok(next) => next,
                Err(refusal) => return Err(self.refused(id, refusal)),
            };
            if let (Command::Cancel { run_id, nonce, .. }, Some(lease)) = (command, next.lease()) {
                self.overflow(&lease.holder, run_id, *nonce)?;
            }
            let mut budget = Budget::of_steps(limits::WOKEN_PER_END);
            if self.step(&located, &next, report, now, nonce, &mut budget)? == Moved::Here {
                if matches!(next.state, State::Claimed(_) | State::Cancelling(_)) {
                    let dir = layout::shard_of(StateDir::Claimed, id);
                    self.cache.borrow_mut().hold(Located { dir, entry: next.clone() });
                }
                return Ok(Changed { last: located.entry, next });
            }
        }
        Err(Error::Contended)
    }

    /// Renames, and wakes who waited for a task that ended, as far as `budget` allows.
    pub(super) fn step(
        &self,
        located: &Located,
        next: &Entry,
        report: Option<&Report>,
        now: Timestamp,
        nonce: Nonce,
        budget: &mut Budget<'_>,
    ) -> Result<Moved, Error> {
        let Some(home) = self.next_home(located, next)? else { return Ok(Moved::Gone) };
        let moved = self.rename_with(report, located, next, &home)?;
        if moved == Moved::Here && next.has_ended() {
            // CM-12: if the agent dies here, the next sweeps wake them.
            self.or_leave(self.wake(next, now, nonce, budget));
        }
        if moved == Moved::Here && matches!(located.entry.state, State::Blocked { .. }) {
            let unmarked = self.task(next.id).and_then(|task| task.map_or(Ok(()), |task| self.unmark_parents(&task)));
            self.or_leave(unmarked);
        }
        Ok(moved)
    }

    /// Writes the report, renames, and makes an ending durable. A report that nobody gave is left out where there is no
    /// room for it.
    pub(super) fn rename_with(
        &self,
        report: Option<&Report>,
        located: &Located,
        next: &Entry,
        home: &Dir,
    ) -> Result<Moved, Error> {
        let by_one_flush = report.is_some_and(|report| self.ends_by_one_flush(located, next, report.kind));
        let written = match report.map(|report| self.write_report(located, next, report, !by_one_flush)).transpose() {
            // It goes on all the same.
            Err(Error::TooMuchReported { .. }) if report.is_some_and(Report::is_dispensable) => {
                let silent = Entry { report: located.entry.report, ..next.clone() };
                return self.rename_with(None, located, &silent, home);
            }
            written => written?,
        };
        let (file, superseded) = match &written {
            Some(Written::Gone) => return Ok(Moved::Gone),
            Some(Written::File { file, superseded }) => (Some(file.clone()), superseded.clone()),
            Some(Written::Line | Written::Nothing) | None => (None, None),
        };
        let by_one_flush = by_one_flush && matches!(written, Some(Written::Line));
        let shifted = match by_one_flush {
            true => self.shift_by_one_flush(located, next, home),
            false => self.shift(located, next, home).map_err(Error::of_the_change),
        }?;
        let took_effect = match (shifted, next.report.filter(|_| report.is_some())) {
            (Moved::Here, _) => Some(true),
            (Moved::Gone, None) => Some(false),
            (Moved::Gone, Some(nonce)) => self.leads_to(next.id, nonce),
        };
        let moved = if took_effect == Some(true) { Moved::Here } else { Moved::Gone };
        self.cache.borrow_mut().changed(&located.dir);
        let says_something = next.has_ended() || report.is_some() && next.due().is_some();
        // A report whose place was taken goes only when no power cut can bring the name back that leads to it.
        if moved == Moved::Here && !by_one_flush && (says_something || superseded.is_some()) {
            // CM-6: the ending, or the failure of an attempt, is there for everybody, and survives a power cut once
            // this returns.
            let ended = Located { dir: home.clone(), entry: next.clone() };
            self.keep_name(&ended).map_err(Error::after_the_change)?;
        }
        // CM-5: progress whose rename was lost to another agent is garbage, and so is that whose place was taken.
        let garbage = match took_effect {
            Some(true) => superseded,
            Some(false) => file,
            None => None,
        };
        garbage.map(|path| self.or_leave(self.store.remove(&path)));
        Ok(moved)
    }

    /// True if the task's name leads to this report, so that the rename took effect: one whose reply was lost looks
    /// like one that another agent was faster with, once the task has moved on. `None`: it is not known.
    pub(super) fn leads_to(&self, id: TaskId, nonce: Nonce) -> Option<bool> {
        let located = self.find(id).ok()??;
        let history = self.history(&located.entry).ok()?;
        Some(history.iter().any(|(of, _)| *of == nonce))
    }

    /// The claim as the name tells of it; if somebody asks its holder to stop, by whom and why.
    fn claim_record(&self, entry: &Entry, now: Timestamp) -> Result<ClaimRecord, Error> {
        let lease = entry.lease().ok_or(Error::NotFound { id: entry.id })?;
        let who = self.run_id_text(&lease.holder);
        let record = ClaimRecord::of(entry, who, Status::of(entry, now)).ok_or(Error::NotFound { id: entry.id })?;
        Ok(ClaimRecord { cancel_request: self.cancel_request(entry)?, ..record })
    }

    /// The claim of an attempt that failed. If the task waits for another one, its name tells no more of the lease.
    fn failed_claim(&self, Changed { last, next }: &Changed, now: Timestamp) -> Result<ClaimRecord, Error> {
        let entry = if next.lease().is_some() { next } else { last };
        let record = self.claim_record(entry, now)?;
        Ok(ClaimRecord { status: Status::of(next, now), scheduled_at: next.due(), cancel_request: None, ..record })
    }

    /// Who asks the task's holder to stop, if somebody does.
    pub(super) fn cancel_request(&self, entry: &Entry) -> Result<Option<CancelRequest>, Error> {
        if !matches!(entry.state, State::Cancelling(_)) {
            return Ok(None);
        }
        let requests =
            |(_, report): (Nonce, Option<Report>)| report.filter(|of| of.kind == ReportKind::CancelRequested);
        // Whoever asked said so before the name did; the text may be lost, or unreadable, all the same.
        let report =
            self.or_leave(self.history(entry)).unwrap_or_default().into_iter().find_map(requests).unwrap_or_default();
        Ok(Some(CancelRequest { run_id: report.run_id, reason: report.reason.map(String::from) }))
    }

    pub(super) fn refused(&self, id: TaskId, refusal: Refusal) -> Error {
        let who = refusal.holder().map(|holder| self.run_id_text(holder));
        Error::Refused { id, refusal, who }
    }
}

/// Who asks the holder of a task to stop, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CancelRequest {
    /// Who.
    pub run_id: String,
    /// Why, if they said so.
    pub reason: Option<String>,
}

/// What a transition did.
pub(super) struct Changed {
    /// What the entry was.
    pub(super) last: Entry,
    /// What it is.
    pub(super) next: Entry,
}

impl Released {
    fn of(entry: &Entry, now: Timestamp) -> Released {
        let Entry { id: task_id, generation, attempt, .. } = *entry;
        Released { task_id, status: Status::of(entry, now), generation, attempt, scheduled_at: entry.due() }
    }
}

/// True for the end that a report of this kind tells of.
pub(super) fn tells_the_end(kind: ReportKind, outcome: Outcome) -> bool {
    match outcome {
        Outcome::Completed => kind == ReportKind::Completed,
        Outcome::Failed => matches!(kind, ReportKind::Failed | ReportKind::TimedOut),
        Outcome::Cancelled => matches!(kind, ReportKind::Cancelled | ReportKind::CancelRequested),
        Outcome::Expired => false,
    }
}
