//! Claim: take the smallest name of `ready/`. One rename; nothing is written.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::ControlFlow;

use super::budget::Budget;
use super::files::Located;
use super::reports::Report;
use super::settings::{Closed, ClosedQueues};
use super::walk::{Empties, Onward, Walk};
use super::watch::Watch;
use super::{ClaimRecord, Finding, Queue, Status};
use crate::entry::{Entry, QueueLabel, State};
use crate::error::Error;
use crate::layout::{self, TimedDir};
use crate::limits;
use crate::name::{Nonce, QueueName, RunId, Tag};
use crate::store::{Moved, Store, StoreErrorKind};
use crate::tags::{Choice, TagSet};
use crate::task::Task;
use crate::time::{Clock, Timestamp};
use crate::transition::{Command, Refusal, decide, is_over};

/// What an agent asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRequest {
    /// Who asks.
    pub run_id: RunId,
    /// From which queues; none: from any.
    pub queues: Vec<QueueName>,
    /// Which tags the task must have and must not have. Choosing reads names alone.
    pub choice: Choice,
    /// For how many seconds the agent wants to hold the task without being heard of.
    pub lease_seconds: i64,
}

impl ClaimRequest {
    /// For any task of any queue.
    pub fn any(run_id: RunId, lease_seconds: i64) -> ClaimRequest {
        ClaimRequest { run_id, queues: Vec::new(), choice: Choice::default(), lease_seconds }
    }

    /// True if the agent asks for tasks of this queue.
    pub(super) fn means(&self, queue: &QueueName) -> bool {
        self.queues.is_empty() || self.queues.contains(queue)
    }
}

/// How hard to look before answering that there is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thoroughness {
    /// Look through the claimed tasks for leases that ran out before answering.
    Full,
    /// Leave them to the sweep, which is due about once a second: for an agent that asks again soon.
    Quick,
}

/// The answer to a claim.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The task, which is the caller's and nobody else's until the lease expires; `None`: there is nothing to claim.
    pub claimed: Option<Claimed>,
    /// Why there may be nothing although tasks wait. Which queues were closed is told if the last look was
    /// [`Thoroughness::Full`].
    pub closed: Closed,
    /// What was not as it should be on the way.
    pub findings: Vec<Finding>,
}

/// A task that was claimed.
#[derive(Clone, Debug, PartialEq)]
pub struct Claimed {
    /// The task.
    pub task: Task,
    /// The claim.
    pub record: ClaimRecord,
    /// Results that earlier holders reported too late, oldest first: the work may be done already.
    pub late_results: Vec<Report>,
}

impl<S: Store> Queue<S> {
    /// Claims the task of the highest priority, the oldest among those of one priority.
    ///
    /// Of all who claim at once exactly one gets a task; the others get the next ones. The cost does not depend on how
    /// many tasks wait, are held or have ended. A claim is not synced: after a power cut the task may be free again.
    ///
    /// `clock` is read for each task that is tried, so a lease lasts as long as was asked from when its holder has it.
    pub fn claim(
        &self,
        request: &ClaimRequest,
        thoroughness: Thoroughness,
        clock: impl Clock,
        nonce: Nonce,
    ) -> Result<Claim, Error> {
        self.claim_or_watch(request, thoroughness, None, clock, nonce)
    }

    /// As [`Queue::claim`]; if there is nothing, `watch` then tells by [`Queue::may_have_changed`] when to ask again.
    pub fn claim_or_watch(
        &self,
        request: &ClaimRequest,
        thoroughness: Thoroughness,
        mut watch: Option<&mut Watch>,
        clock: impl Clock,
        nonce: Nonce,
    ) -> Result<Claim, Error> {
        let clock = &clock;
        // What is wrong with the directory of the sweeps is no reason to claim nothing.
        let mut findings = Vec::new();
        let swept = self.unless_in_the_way(self.sweep_if_due(clock, nonce, &mut findings))?.unwrap_or_default();
        let (mut claimed, mut closed) = self.take_head(request, watch.as_deref_mut(), clock, nonce, &mut findings)?;
        // Before an agent is told that there is nothing, nothing is taken from the cache.
        if claimed.is_none() && self.cache.borrow_mut().forget_dirs() {
            (claimed, closed) = self.take_head(request, watch.as_deref_mut(), clock, nonce, &mut findings)?;
        }
        let (is_full, mut more_is_due) = (thoroughness == Thoroughness::Full, swept.leaves_more());
        if claimed.is_none() && is_full {
            let swept = self.sweep_all(clock, limits::BEFORE_EMPTY, nonce, &mut findings)?;
            more_is_due = swept.leaves_more();
            if swept.moved > 0 {
                self.cache.borrow_mut().forget_dirs();
                (claimed, closed) = self.take_head(request, watch, clock, nonce, &mut findings)?;
            }
        }
        self.cache.borrow_mut().walked = true;
        let is_told = claimed.is_none() && is_full;
        let closed = if is_told { self.closed_to(request, &closed, clock.now())? } else { Closed::default() };
        let closed = Closed { more_is_due: claimed.is_none() && more_is_due, ..closed };
        findings.extend(self.take_findings());
        Ok(Claim { claimed, closed, findings })
    }

    /// Goes through `ready/` until an entry could be taken. Looks again if others took some on the way, since
    /// more may have come meanwhile. Also answers which queues were closed at the last look.
    fn take_head(
        &self,
        request: &ClaimRequest,
        mut watch: Option<&mut Watch>,
        clock: &dyn Clock,
        nonce: Nonce,
        findings: &mut Vec<Finding>,
    ) -> Result<(Option<Claimed>, ClosedQueues), Error> {
        let mut closed = self.closed_queues(request, clock.now())?;
        let mut attempt = Attempt::new(request, clock, nonce, findings);
        for _ in 0..limits::RACES {
            let before = (attempt.lost_races, attempt.expired);
            if self.try_leftovers(&mut attempt, &closed.queues)?.is_continue() {
                self.try_ready(&mut attempt, &closed.queues, watch.as_deref_mut())?;
            }
            match attempt.claimed.take() {
                Some(taken) if self.gives_way(&taken, &closed, clock.now(), nonce)? => {
                    closed = self.closed_queues(request, clock.now())?;
                }
                Some(taken) => return Ok((Some(taken), closed)),
                // What waited for one that expired may be ready now.
                None if (attempt.lost_races, attempt.expired) == before => return Ok((None, closed)),
                None => {}
            }
        }
        Err(Error::Contended)
    }

    /// True if a task waits in the queue that would do.
    pub(super) fn has_for(&self, request: &ClaimRequest, queue: &QueueName, now: Timestamp) -> Result<bool, Error> {
        let mut walk = Walk { queues: core::slice::from_ref(queue), ..Walk::all(Empties::Keep) };
        let mut would_do = |_: &TimedDir, located: Located| {
            let does = !is_over(&located.entry, now) && self.admits(&request.choice, &located)?;
            Ok(if does { Onward::Stop } else { Onward::Next })
        };
        Ok(self.visit_ready(&mut walk, &mut would_do)?.is_break())
    }

    /// Tries the names that were read before and not come to, at most until some races are lost.
    fn try_leftovers(&self, attempt: &mut Attempt<'_>, except: &[QueueName]) -> Result<ControlFlow<()>, Error> {
        let most_lost = attempt.lost_races + limits::RACES_AMONG_LEFTOVERS;
        while attempt.lost_races < most_lost {
            let next = self.cache.borrow_mut().next_leftover(attempt.request, attempt.now);
            let Some((bucket, name)) = next else { return Ok(ControlFlow::Continue(())) };
            let Some(entry) = Entry::parse(&name).filter(|_| !bucket.is_of(except)) else { continue };
            match self.try_entry(attempt, &Located { dir: bucket.dir, entry })? {
                Onward::Stop => return Ok(ControlFlow::Break(())),
                Onward::Next => {}
                Onward::Elsewhere => self.cache.borrow_mut().pass_over_leftovers(attempt.nonce),
            }
        }
        self.cache.borrow_mut().forget_leftovers();
        Ok(ControlFlow::Continue(()))
    }

    fn try_ready(
        &self,
        attempt: &mut Attempt<'_>,
        except: &[QueueName],
        mut watch: Option<&mut Watch>,
    ) -> Result<(), Error> {
        if let Some(watch) = &mut watch {
            watch.begin(attempt.now);
        }
        let (request, now, chance) = (attempt.request, attempt.now, attempt.nonce);
        let mut leftovers = Vec::new();
        let keep = self.cache.borrow().walked.then_some(&mut leftovers);
        let empties = Empties::Remove(now);
        let mut walk = Walk { queues: &request.queues, except, until: None, empties, chance, watch, leftovers: keep };
        let flow = self.visit_ready(&mut walk, &mut |_, located| self.try_entry(attempt, &located))?;
        if flow.is_break() {
            self.cache.borrow_mut().keep_leftovers(leftovers, request, now);
        }
        Ok(())
    }

    fn try_entry(&self, attempt: &mut Attempt<'_>, located: &Located) -> Result<Onward, Error> {
        match self.take(located, attempt)? {
            Take::Mine(mine) => {
                attempt.claimed = Some(*mine);
                return Ok(Onward::Stop);
            }
            Take::Gone => {
                attempt.lost_races += 1;
                return Ok(Onward::Elsewhere);
            }
            Take::Expired if attempt.budget.step() => {
                attempt.expired += 1;
                self.time_out(located, attempt.now, attempt.nonce, attempt.findings, &mut attempt.budget)?;
            }
            Take::Expired | Take::Unfit => {}
        }
        Ok(Onward::Next)
    }

    /// Takes a task, if it is one that the agent asked for. What can fail is done before the rename, so that after an
    /// error nobody has the task; one that cannot be taken stays where it is, and keeps nobody from the next.
    fn take(&self, located: &Located, attempt: &mut Attempt<'_>) -> Result<Take, Error> {
        let Attempt { request, command, nonce, .. } = attempt;
        if !self.admits(&request.choice, located)? {
            return Ok(Take::Unfit);
        }
        if is_over(&located.entry, attempt.now) {
            return Ok(Take::Expired);
        }
        let task = match self.task_at(located) {
            Ok(Some(task)) => task,
            Ok(None) => return Ok(Take::Gone),
            Err(Error::Corrupt { problem, .. }) => {
                attempt.findings.extend(self.quarantine(located, problem)?);
                return Ok(Take::Unfit);
            }
            Err(error) => return Err(error),
        };
        self.overflow(&located.entry.holder(&request.run_id), &request.run_id, *nonce)?;
        // The lease begins now, however long it took to come here.
        attempt.now = attempt.clock.now();
        let queue = Some(QueueLabel::of(&task.record.queue));
        let next = match decide(&Entry { queue, ..located.entry.clone() }, command, attempt.now) {
            Ok(next) => next,
            Err(Refusal::AlreadyEnded { .. }) => return Ok(Take::Expired),
            Err(_) => return Ok(Take::Unfit),
        };
        let home = layout::shard_of(layout::StateDir::Claimed, next.id);
        match self.shift(located, &next, &home) {
            Ok(Moved::Here) => {}
            Ok(Moved::Gone) => return Ok(Take::Gone),
            // Another user's, who lets nobody move it; or something is where its lease would stand.
            Err(Error::Store(error)) if [StoreErrorKind::Denied, StoreErrorKind::WrongType].contains(&error.kind) => {
                self.cache.borrow_mut().pass_over(error);
                return Ok(Take::Unfit);
            }
            Err(error) => return Err(error.of_the_change()),
        }
        // CM-3: if the agent dies from here on, the lease runs out and another takes over.
        self.claimed(task, Located { dir: home, entry: next }, request)
    }

    /// True if the task behind an entry has the tags that are asked for. No record is opened, unless the text of its
    /// tags is lost.
    fn admits(&self, choice: &Choice, located: &Located) -> Result<bool, Error> {
        if choice.is_any() {
            return Ok(true);
        }
        let (State::Ready { tags, .. } | State::TimedOut { tags, .. }) = &located.entry.state else { return Ok(false) };
        if let Some(tags) = tags.inline() {
            return Ok(choice.admits(&tags));
        }
        if let Some(tags) = self.overflowed_tags(tags)? {
            return Ok(choice.admits(&tags));
        }
        // What is wrong with the record is told when the task is claimed.
        Ok(self.task_at(located).ok().flatten().is_some_and(|task| choice.admits(&task.record.tags)))
    }

    /// The tags in `tags/` that a name points at; `None` if their text is missing or torn. Many tasks have the same.
    fn overflowed_tags(&self, tags: &TagSet) -> Result<Option<Rc<Vec<Tag>>>, Error> {
        if let Some(known) = self.cache.borrow().tags(tags) {
            return Ok(Some(known));
        }
        let content = self.unless_in_the_way(self.store.read(&layout::tag_text(tags), limits::RECORD_BYTES))?.flatten();
        let read: Option<Vec<Tag>> = content.and_then(|content| serde_json::from_slice(&content).ok());
        let read = read.filter(|read| TagSet::of(read) == *tags).map(Rc::new);
        if let Some(read) = &read {
            self.cache.borrow_mut().know_tags(tags, read.clone());
        }
        Ok(read)
    }

    fn claimed(&self, task: Task, located: Located, request: &ClaimRequest) -> Result<Take, Error> {
        let claimer = request.run_id.as_str().into();
        let record = ClaimRecord::of(&located.entry, claimer, Status::Claimed);
        // The first holder comes before anybody who could be late. What cannot be read now is told by `show`.
        let is_first = located.entry.generation == 1;
        let late_results = if is_first { Vec::new() } else { self.late_results(task.id).unwrap_or_default() };
        self.cache.borrow_mut().hold(located);
        Ok(record.map_or(Take::Unfit, |record| Take::Mine(Box::new(Claimed { task, record, late_results }))))
    }
}

/// One claim on its way through `ready/`.
struct Attempt<'a> {
    request: &'a ClaimRequest,
    command: Command,
    clock: &'a dyn Clock,
    /// When it was looked at last.
    now: Timestamp,
    nonce: Nonce,
    claimed: Option<Claimed>,
    /// How many entries others were faster with.
    lost_races: usize,
    /// How many entries it met, and moved, whose time had run out.
    expired: usize,
    /// How many more of them it moves; it passes by the others.
    budget: Budget<'a>,
    findings: &'a mut Vec<Finding>,
}

impl Attempt<'_> {
    fn new<'a>(
        request: &'a ClaimRequest,
        clock: &'a dyn Clock,
        nonce: Nonce,
        findings: &'a mut Vec<Finding>,
    ) -> Attempt<'a> {
        let command = Command::Claim { run_id: request.run_id.clone(), lease_seconds: request.lease_seconds, nonce };
        Attempt {
            request,
            command,
            clock,
            now: clock.now(),
            nonce,
            claimed: None,
            lost_races: 0,
            expired: 0,
            budget: Budget::of(limits::BEFORE_A_CLAIM, clock),
            findings,
        }
    }
}

enum Take {
    Mine(Box<Claimed>),
    Gone,
    Expired,
    Unfit,
}

impl ClaimRecord {
    /// What a name says of its claim; `None` if it tells of none.
    pub(super) fn of(entry: &Entry, claimer_run_id: String, status: Status) -> Option<ClaimRecord> {
        let lease = entry.lease()?;
        Some(ClaimRecord {
            task_id: entry.id,
            claimer_run_id,
            claimed_at: lease.claimed_at,
            expires_at: lease.expires_at,
            status,
            heartbeat_at: lease.heartbeat_at,
            claim_nonce: lease.nonce,
            result: None,
            error: None,
            reason: None,
            cancel_request: None,
            scheduled_at: None,
            generation: entry.generation,
            attempt: entry.attempt,
        })
    }
}
