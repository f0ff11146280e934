//! Claim: take the smallest name of the ready shelf. One rename; nothing is written.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::ControlFlow;

use super::files::Located;
use super::shelves::{Empties, Walk};
use super::watch::Watch;
use super::{ClaimRecord, Finding, Queue, Status};
use crate::entry::Entry;
use crate::error::Error;
use crate::layout::{self, ReadyShelf};
use crate::limits;
use crate::name::{Nonce, QueueName, RunId};
use crate::store::{Moved, Store};
use crate::task::Task;
use crate::time::Timestamp;
use crate::transition::{Command, Refusal, decide};

/// What an agent asks for.
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// Who asks.
    pub run_id: RunId,
    /// From which queue; `None`: from any.
    pub queue: Option<QueueName>,
    /// For how many seconds the agent wants to hold the task without being heard of.
    pub lease_seconds: i64,
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
    /// What was not as it should be on the way.
    pub findings: Vec<Finding>,
}

/// A task that was claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The task.
    pub task: Task,
    /// The claim.
    pub record: ClaimRecord,
}

impl<S: Store> Queue<S> {
    /// Claims the task of the highest priority, the oldest among those of one priority.
    ///
    /// Of all who claim at once exactly one gets a task; the others get the next ones. The cost does not depend on how
    /// many tasks wait, are held or have ended. A claim is not synced: after a power cut the task may be free again.
    pub fn claim(
        &self,
        request: &ClaimRequest,
        thoroughness: Thoroughness,
        now: Timestamp,
        nonce: Nonce,
    ) -> Result<Claim, Error> {
        self.claim_or_watch(request, thoroughness, None, now, nonce)
    }

    /// As [`Queue::claim`]; if there is nothing, `watch` then tells by [`Queue::has_stirred`] when to ask again.
    pub fn claim_or_watch(
        &self,
        request: &ClaimRequest,
        thoroughness: Thoroughness,
        mut watch: Option<&mut Watch>,
        now: Timestamp,
        nonce: Nonce,
    ) -> Result<Claim, Error> {
        let mut findings = self.sweep_if_due(now)?;
        let mut claimed = self.take_head(request, watch.as_deref_mut(), now, nonce, &mut findings)?;
        // Before an agent is told that there is nothing, nothing is taken from memory.
        if claimed.is_none() && self.memory.borrow_mut().forget_dirs() {
            claimed = self.take_head(request, watch.as_deref_mut(), now, nonce, &mut findings)?;
        }
        let look_again = claimed.is_none() && thoroughness == Thoroughness::Full;
        if look_again && self.sweep_claimed(now, &mut findings)?.moved > 0 {
            self.memory.borrow_mut().forget_dirs();
            claimed = self.take_head(request, watch, now, nonce, &mut findings)?;
        }
        self.memory.borrow_mut().walked = true;
        Ok(Claim { claimed, findings })
    }

    /// Goes through the ready shelf until an entry could be taken. Looks again if others took some on the way, since
    /// more may have come meanwhile.
    fn take_head(
        &self,
        request: &ClaimRequest,
        watch: Option<&mut Watch>,
        now: Timestamp,
        nonce: Nonce,
        findings: &mut Vec<Finding>,
    ) -> Result<Option<Claimed>, Error> {
        let mut walk = Walk { queue: request.queue.as_ref(), empties: Empties::Remove(now), watch };
        let command = Command::Claim { run_id: request.run_id.clone(), lease_seconds: request.lease_seconds, nonce };
        for _ in 0..limits::RACES {
            let (mut claimed, mut lost_races, mut expired) = (None, 0, 0);
            let mut take = |_: &ReadyShelf, located| {
                match self.take(&located, &command, request, now, findings)? {
                    Take::Mine(mine) => claimed = Some(*mine),
                    Take::Expired if expired < limits::EXPIRED_PER_CLAIM => {
                        expired += 1;
                        self.expire(&located, now, findings)?;
                    }
                    Take::Expired => {}
                    Take::Gone => lost_races += 1,
                    Take::Unfit => {}
                }
                Ok(if claimed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            };
            if let Some(watch) = &mut walk.watch {
                watch.begin(now);
            }
            let flow = self.visit_ready(&mut walk, &mut take)?;
            if flow.is_break() || lost_races == 0 {
                return Ok(claimed);
            }
        }
        Err(Error::Contended)
    }

    fn take(
        &self,
        located: &Located,
        command: &Command,
        request: &ClaimRequest,
        now: Timestamp,
        findings: &mut Vec<Finding>,
    ) -> Result<Take, Error> {
        let next = match decide(&located.entry, command, now) {
            Ok(next) => next,
            Err(Refusal::AlreadyEnded { .. }) => return Ok(Take::Expired),
            Err(_) => return Ok(Take::Unfit),
        };
        if let (Some(lease), Command::Claim { nonce, .. }) = (next.lease(), command) {
            self.spill(&lease.holder, &request.run_id, *nonce)?;
        }
        let home = layout::shelf_of(layout::Shelf::Claimed, next.id);
        if self.shift(located, &next, &home)? == Moved::Gone {
            return Ok(Take::Gone);
        }
        // CM-3: if the agent dies from here on, the lease runs out and another takes over.
        self.read_claimed(Located { dir: home, entry: next }, request, findings)
    }

    fn read_claimed(
        &self,
        located: Located,
        request: &ClaimRequest,
        findings: &mut Vec<Finding>,
    ) -> Result<Take, Error> {
        match self.task_at(&located) {
            Ok(Some(task)) => {
                let claimer = request.run_id.as_str().into();
                let record = ClaimRecord::of(&located.entry, claimer, Status::Claimed);
                self.memory.borrow_mut().hold(located);
                Ok(record.map_or(Take::Unfit, |record| Take::Mine(Box::new(Claimed { task, record }))))
            }
            Err(Error::Corrupt { problem, .. }) => {
                findings.extend(self.set_aside(&located, problem)?);
                Ok(Take::Unfit)
            }
            // Somebody cancelled the task, or its lease ran out, before this agent came to read it.
            Ok(None) => Ok(Take::Gone),
            Err(error) => Err(error),
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
            generation: entry.generation,
            attempt: entry.attempt,
        })
    }
}
