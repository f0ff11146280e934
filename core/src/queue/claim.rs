//! Claim: take the smallest name of `ready/`. One rename; nothing is written.

mod by_step;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::Cell;

use super::Queue;
use super::budget::Budget;
use super::claim_request::ClaimRequest;
use super::settings::{Closed, ClosedQueues};
use crate::answer::ClaimRecord;
use crate::entry::{Entry, QueueLabel};
use crate::error::Error;
use crate::finding::Finding;
use crate::layout;
use crate::limits;
use crate::path::Dir;
use crate::status::Status;
use crate::store::{Moved, Store, StoreErrorKind};
use crate::task::Task;
use crate::time::Timestamp;
use crate::transition::{Claimant, Command, Refusal, decide, is_over};
use crate::tree::{Located, Onward, Report, Search, Watch};
use crate::turn::Turn;

/// How hard to look before answering that there is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thoroughness {
    /// Look through the claimed tasks for expired leases before answering.
    Full,
    /// Leave them to the sweep, which is due about once a second: for an agent that asks again soon.
    Quick,
}

/// The answer to a claim.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The task, which belongs to the caller alone until the lease expires; `None`: there is nothing to claim.
    pub claimed: Option<Claimed>,
    /// Why there may be nothing although tasks wait. It names closed queues only if the last look was
    /// [`Thoroughness::Full`].
    pub closed: Closed,
    /// Findings on the way, for warnings.
    pub findings: Vec<Finding>,
}

/// A task that was claimed.
#[derive(Clone, Debug, PartialEq)]
pub struct Claimed {
    /// The task.
    pub task: Task,
    /// The claim.
    pub record: ClaimRecord,
    /// Late results of earlier holders, oldest first: the work may be done already.
    pub late_results: Vec<Report>,
}

impl<S: Store> Queue<S> {
    /// Claims the task of the highest priority, the oldest among those of one priority.
    ///
    /// If several agents claim at once, exactly one of them gets each task. The cost does not depend on how many tasks
    /// wait, are held or have ended. A claim is not synced: after a power cut the task may be free again.
    ///
    /// The clock is asked for each task that is tried, so the lease starts when its holder gets the task.
    pub fn claim(&self, request: &ClaimRequest, thoroughness: Thoroughness, turn: &Turn<'_>) -> Result<Claim, Error> {
        self.claim_or_watch(request, thoroughness, None, turn)
    }

    /// As [`Queue::claim`]. If there is nothing, [`Queue::may_have_changed`] with this `watch` says when to ask again.
    pub fn claim_or_watch(
        &self,
        request: &ClaimRequest,
        thoroughness: Thoroughness,
        mut watch: Option<&mut Watch>,
        turn: &Turn<'_>,
    ) -> Result<Claim, Error> {
        let (_at_work, is_fresh) = self.look_ahead_of_claim(request, thoroughness, turn.now())?;
        let mut command = claim_command(request, turn);
        // A fault of the directory of the sweeps is no reason to claim nothing.
        let mut findings = Vec::new();
        let swept = self.tree.unless_in_the_way(self.sweep_if_due(turn, &mut findings))?.unwrap_or_default();
        let (mut claimed, mut closed) =
            self.take_head(request, &mut command, watch.as_deref_mut(), turn, &mut findings)?;
        // Before an agent is told that there is nothing, nothing is taken from the cache.
        if claimed.is_none() && (self.tree.look_anew() || !is_fresh) {
            (claimed, closed) = self.take_head(request, &mut command, watch.as_deref_mut(), turn, &mut findings)?;
        }
        let (is_full, mut more_is_due) = (thoroughness == Thoroughness::Full, swept.leaves_more());
        if claimed.is_none() && is_full {
            let swept = self.sweep_all(limits::BEFORE_EMPTY, turn, &mut findings)?;
            more_is_due = swept.leaves_more();
            if swept.moved > 0 {
                self.tree.look_anew();
                (claimed, closed) = self.take_head(request, &mut command, watch, turn, &mut findings)?;
            }
        }
        self.tree.begin_to_remember();
        let is_told = claimed.is_none() && is_full;
        let closed = if is_told { self.closed_to(request, &closed, turn.now())? } else { Closed::default() };
        let closed = Closed { more_is_due: claimed.is_none() && more_is_due, ..closed };
        findings.extend(self.tree.take_findings());
        Ok(Claim { claimed, closed, findings })
    }

    /// Goes through `ready/` until an entry could be taken. Looks again if others took some on the way, since
    /// more may have come meanwhile. Also answers which queues were closed at the last look.
    fn take_head(
        &self,
        request: &ClaimRequest,
        command: &mut Command,
        mut watch: Option<&mut Watch>,
        turn: &Turn<'_>,
        findings: &mut Vec<Finding>,
    ) -> Result<(Option<Claimed>, ClosedQueues), Error> {
        let mut closed = self.closed_queues(request, turn.now())?;
        let now = Cell::new(turn.now());
        let mut attempt = Attempt::new(request, command, &now, findings, turn);
        for _ in 0..limits::RACES {
            let before = (attempt.lost_races, attempt.expired);
            let search = Search {
                queues: &request.queues,
                except: &closed.queues,
                choice: &request.choice,
                chance: turn.chance(),
            };
            let watch = watch.as_deref_mut();
            match self.tree.fused() {
                Some(fused) => self.take_by_step(fused, &search, watch, &mut attempt)?,
                None => {
                    self.tree
                        .visit_head(&search, &now, watch, &mut |located| self.try_entry(&mut attempt, &located))?;
                }
            }
            match attempt.claimed.take() {
                Some(taken) if self.gives_way(&taken, &closed, turn)? => {
                    closed = self.closed_queues(request, turn.now())?;
                    // The lease that was given back had that nonce. The next one gets its own.
                    *attempt.command = claim_command(request, turn);
                }
                Some(taken) => return Ok((Some(taken), closed)),
                // A task that waited for an expired one may be ready now.
                None if (attempt.lost_races, attempt.expired) == before => return Ok((None, closed)),
                None => {}
            }
        }
        Err(Error::Contended)
    }

    fn try_entry(&self, attempt: &mut Attempt<'_>, located: &Located) -> Result<Onward, Error> {
        match self.take(located, attempt)? {
            Take::Mine(mine) => {
                attempt.claimed = Some(*mine);
                return Ok(Onward::Stop);
            }
            Take::Not(WhyNot::Gone) => {
                attempt.lost_races += 1;
                return Ok(Onward::Elsewhere);
            }
            Take::Not(WhyNot::Expired) => self.move_expired(located, attempt)?,
            Take::Not(WhyNot::Unfit) => {}
        }
        Ok(Onward::Next)
    }

    /// Moves a task whose time has run out, as far as the budget goes.
    fn move_expired(&self, located: &Located, attempt: &mut Attempt<'_>) -> Result<(), Error> {
        if attempt.budget.step() {
            attempt.expired += 1;
            self.time_out(located, attempt.turn, attempt.findings, &mut attempt.budget)?;
        }
        Ok(())
    }

    /// Takes a task, if it is one that the agent asked for. A task that cannot be taken stays where it is, and does not
    /// block the next one.
    fn take(&self, located: &Located, attempt: &mut Attempt<'_>) -> Result<Take, Error> {
        let candidate = match self.candidate(located, attempt)? {
            Ok(candidate) => *candidate,
            Err(why_not) => return Ok(Take::Not(why_not)),
        };
        match self.tree.shift(located, &candidate.next, &candidate.home()) {
            Ok(Moved::Here) => self.claimed(candidate, attempt.request),
            Ok(Moved::Gone) => Ok(Take::Not(WhyNot::Gone)),
            // It belongs to another user, who lets nobody move it; or something is in the place of its lease.
            Err(Error::Store(error)) if [StoreErrorKind::Denied, StoreErrorKind::WrongType].contains(&error.kind) => {
                self.tree.pass_over(error);
                Ok(Take::Not(WhyNot::Unfit))
            }
            Err(error) => Err(error.of_the_change()),
        }
    }

    /// The task behind an entry with the name that it gets by the claim, if it is one that the agent asked for. Every
    /// step that can fail comes here, before the rename, so that after an error nobody has the task.
    fn candidate(&self, located: &Located, attempt: &mut Attempt<'_>) -> Result<Result<Box<Candidate>, WhyNot>, Error> {
        let Attempt { request, command, turn, .. } = attempt;
        if !self.tree.admits(&request.choice, located)? {
            return Ok(Err(WhyNot::Unfit));
        }
        if is_over(&located.entry, attempt.now.get()) {
            return Ok(Err(WhyNot::Expired));
        }
        let task = match self.tree.task_at(located) {
            Ok(Some(task)) => task,
            Ok(None) => return Ok(Err(WhyNot::Gone)),
            Err(Error::Corrupt { problem, .. }) => {
                attempt.findings.extend(self.tree.quarantine(located, problem)?);
                return Ok(Err(WhyNot::Unfit));
            }
            Err(error) => return Err(error),
        };
        self.tree.overflow(&located.entry.holder(&request.run_id), &request.run_id, turn)?;
        // The lease begins now, however long it took to come here.
        attempt.now.set(attempt.turn.now());
        let queue = Some(QueueLabel::of(&task.record.queue));
        let next = match decide(&Entry { queue, ..located.entry.clone() }, command, attempt.now.get()) {
            Ok(next) => next,
            Err(Refusal::AlreadyEnded { .. }) => return Ok(Err(WhyNot::Expired)),
            Err(_) => return Ok(Err(WhyNot::Unfit)),
        };
        Ok(Ok(Box::new(Candidate { task, next })))
    }

    /// The answer about a task that was taken. CM-3: if the agent dies from here on, the lease expires and another
    /// agent takes over.
    fn claimed(&self, candidate: Candidate, request: &ClaimRequest) -> Result<Take, Error> {
        let located = Located { dir: candidate.home(), entry: candidate.next };
        let task = candidate.task;
        let claimer = request.run_id.as_str().into();
        let record = ClaimRecord::of(&located.entry, claimer, Status::Claimed);
        // No report can be late for the first holder. `show` reports a file that cannot be read now.
        let is_first = located.entry.generation == 1;
        let late_results = if is_first { Vec::new() } else { self.tree.late_results(task.id).unwrap_or_default() };
        self.tree.hold(located);
        Ok(record
            .map_or(Take::Not(WhyNot::Unfit), |record| Take::Mine(Box::new(Claimed { task, record, late_results }))))
    }

    /// Gives a task back that is one too many of its queue. True if it was.
    ///
    /// If several agents claim at once, the last to count sees the tasks of all, so the limit holds. An agent that gave
    /// its task back counts once more. The last one to count then sees only kept tasks, so not all agents leave without
    /// one.
    pub(super) fn gives_way(
        &self,
        claimed: &Claimed,
        ClosedQueues { settings, .. }: &ClosedQueues,
        turn: &Turn<'_>,
    ) -> Result<bool, Error> {
        let queue = &claimed.task.record.queue;
        let Some(max) = settings.max_in_flight.get(queue) else { return Ok(false) };
        let in_flight = self.in_flight(turn.now());
        if in_flight.as_ref().is_ok_and(|in_flight| in_flight.of(queue) <= u64::from(*max)) {
            return Ok(false);
        }
        // CM-17: if the agent dies here, it is one too many no longer than its lease.
        let run_id = claimed.record.claimer_run_id.parse().map_err(|_| Error::Contended)?;
        let claimant = Claimant { run_id, nonce: Some(claimed.record.claim_nonce) };
        match self.release(claimed.task.id, claimant, 0, turn) {
            // Refused: somebody has called it off, or taken it over, meanwhile.
            Ok(_) | Err(Error::Refused { .. }) => in_flight.map(|_| true),
            // It is held, and its holder does not know.
            Err(error) => Err(error.after_the_change()),
        }
    }
}

/// One claim on its way through `ready/`.
struct Attempt<'a> {
    request: &'a ClaimRequest,
    command: &'a mut Command,
    turn: &'a Turn<'a>,
    /// When it was looked at last.
    now: &'a Cell<Timestamp>,
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
        command: &'a mut Command,
        now: &'a Cell<Timestamp>,
        findings: &'a mut Vec<Finding>,
        turn: &'a Turn<'a>,
    ) -> Attempt<'a> {
        Attempt {
            request,
            command,
            turn,
            now,
            claimed: None,
            lost_races: 0,
            expired: 0,
            budget: Budget::of(limits::BEFORE_A_CLAIM, turn),
            findings,
        }
    }
}

fn claim_command(request: &ClaimRequest, turn: &Turn<'_>) -> Command {
    let ClaimRequest { run_id, lease_seconds, .. } = request;
    Command::Claim { run_id: run_id.clone(), lease_seconds: *lease_seconds, nonce: turn.nonce() }
}

/// A task that may be taken.
struct Candidate {
    task: Task,
    /// The name that it gets.
    next: Entry,
}

impl Candidate {
    /// Where it goes.
    fn home(&self) -> Dir {
        layout::shard_of(layout::StateDir::Claimed, self.next.id)
    }
}

/// The result of trying to take a task.
enum Take {
    Mine(Box<Claimed>),
    Not(WhyNot),
}

/// Why a task cannot be taken.
enum WhyNot {
    /// Another agent was faster.
    Gone,
    /// Its time has run out.
    Expired,
    /// It is not what was asked for, or its record cannot be trusted.
    Unfit,
}
