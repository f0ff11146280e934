//! Expiry: what time alone does to tasks. Nobody is in charge of it; whoever comes by does it.
//!
//! The name of the file in `sweep/` is the time of the next sweep. Agents that claim look at it; whoever renames it to
//! the time after that sweeps, so that a thousand agents sweep as often as one. It is an economy, not a lock: if two
//! sweep at once, each expired entry is still moved by one rename.
//!
//! A waiting task that expires is moved by the claim that meets it. That can take long where nobody claims from its queue. So of a task
//! that others wait for a file in `deadlines/` tells when it expires. A sweep reads the head of that.

use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::files::Located;
use super::reports::{Report, ReportKind};
use super::shelves::{Empties, Onward, Walk};
use super::{Finding, Queue};
use crate::entry::{Entry, State};
use crate::error::Error;
use crate::id::TaskId;
use crate::layout::{self, Dir, Shelf, TimedShelf};
use crate::limits;
use crate::name::Nonce;
use crate::sorted;
use crate::store::{Created, Moved, Store};
use crate::task::Terms;
use crate::time::Timestamp;
use crate::transition::{Command, as_of, decide, is_over, needs_terms};

/// What a sweep on demand did.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// How many leases it took back.
    pub taken_back: u64,
    /// What was not as it should be on the way.
    pub findings: Vec<Finding>,
}

/// What a sweep met.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Swept {
    /// How many claimed tasks it read.
    pub(super) leases: u64,
    /// How many it took back.
    pub(super) moved: u64,
}

impl<S: Store> Queue<S> {
    /// Takes back every lease that has run out, and moves on what has waited long enough, now. Agents that claim do so by themselves, about once a second.
    pub fn sweep(&self, now: Timestamp, nonce: Nonce) -> Result<Sweep, Error> {
        let mut findings = Vec::new();
        let taken_back = self.sweep_claimed(now, nonce, &mut findings)?.moved;
        self.sweep_waiting(now, nonce, &mut findings)?;
        findings.extend(self.take_findings());
        Ok(Sweep { taken_back, findings })
    }

    /// Sweeps if the token says that it is time and nobody else was faster to take it.
    pub(super) fn sweep_if_due(&self, now: Timestamp, nonce: Nonce) -> Result<Vec<Finding>, Error> {
        let mut findings = Vec::new();
        if self.memory.borrow().sweeps_later(now) {
            return Ok(findings);
        }
        let names = self.names_in(&layout::sweep())?;
        let tokens = names.iter().filter_map(|name| layout::parse_sweep_token(name)).collect();
        let tokens: Vec<Timestamp> = sorted::by_key(tokens, |token| *token);
        let Some((latest, earlier)) = tokens.split_last() else {
            if self.formatted.get() {
                // CM-8: the token was lost, or never made durable.
                self.place_sweep_token(now)?;
                self.sweep_all(now, nonce, &mut findings)?;
            }
            return Ok(findings);
        };
        for token in earlier {
            // Two agents made the first token at the same time. One is enough.
            self.unless_in_the_way(self.store.remove(&layout::sweep_token(*token)))?;
        }
        // A token further ahead than any sweep puts it was written by a clock that has been set back since.
        let stray = latest.micros_since(now) > *limits::SWEEP_MICROS.end();
        if *latest > now && !stray {
            self.memory.borrow_mut().sweep_at(*latest, now);
            return Ok(findings);
        }
        let shortest = now.plus_micros(*limits::SWEEP_MICROS.start());
        if self.store.rename(&layout::sweep_token(*latest), &layout::sweep_token(shortest))? == Moved::Here {
            // CM-8: if the agent dies here, the next sweep is a second late.
            let swept = self.sweep_all(now, nonce, &mut findings)?;
            self.postpone_sweep(now, shortest, swept.leases)?;
        }
        Ok(findings)
    }

    /// Draws every consequence of time having passed that no claim meets on its way.
    pub(super) fn sweep_all(&self, now: Timestamp, nonce: Nonce, findings: &mut Vec<Finding>) -> Result<Swept, Error> {
        let mut swept = self.sweep_claimed(now, nonce, findings)?;
        swept.moved += self.sweep_waiting(now, nonce, findings)?;
        Ok(swept)
    }

    /// Takes back every lease that has run out.
    fn sweep_claimed(&self, now: Timestamp, nonce: Nonce, findings: &mut Vec<Finding>) -> Result<Swept, Error> {
        let mut swept = Swept::default();
        for part in self.parts_of(Shelf::Claimed)? {
            for located in self.entries_in(&part)? {
                swept.leases += 1;
                swept.moved += u64::from(self.elapse(&located, now, nonce, findings)? == Moved::Here);
            }
        }
        Ok(swept)
    }

    /// Moves scheduled tasks that are due to the ready shelf and expired ones that others wait for to `done/`, and wakes blocked ones
    /// that were forgotten. Reads the heads of the first two and a few names of the third. How many it moved.
    fn sweep_waiting(&self, now: Timestamp, nonce: Nonce, findings: &mut Vec<Finding>) -> Result<u64, Error> {
        let mut walk = Walk { until: Some(now), ..Walk::all(Empties::Remove(now)) };
        let mut moved = 0;
        let mut ripen = |_: &TimedShelf, located| {
            moved += u64::from(self.elapse(&located, now, nonce, findings)? == Moved::Here);
            Ok(if moved < limits::DUE_PER_SWEEP { Onward::Next } else { Onward::Stop })
        };
        let _ended_early = self.visit_below(&[TimedShelf::scheduled()], &mut walk, &mut ripen)?;
        moved += self.sweep_deadlines(now, nonce, findings)?;
        Ok(moved + self.wake_forgotten(now, nonce)?)
    }

    /// Moves the tasks whose deadline has passed, if they have expired. How many it moved.
    fn sweep_deadlines(&self, now: Timestamp, nonce: Nonce, findings: &mut Vec<Finding>) -> Result<u64, Error> {
        let [first, second] = layout::deadline_digits(now);
        let (whole, mut moved) = (layout::deadlines(), 0);
        for (outer, order) in self.names_until(&whole, &first)? {
            let outer = whole.child(&outer);
            let last = if order == Ordering::Less { "~" } else { &second };
            for (inner, _) in self.names_until(&outer, last)? {
                let inner = outer.child(&inner);
                for name in self.names_in(&inner)? {
                    let Some((at, id)) = layout::parse_deadline(&name).filter(|(at, _)| *at <= now) else { continue };
                    moved += u64::from(self.pass_deadline(id, now, nonce, findings)? == Moved::Here);
                    // CM-20: if the agent dies before this, the next sweep looks at the task again.
                    self.unless_in_the_way(self.store.remove(&layout::deadline(id, at)))?;
                    if moved >= limits::DUE_PER_SWEEP {
                        return Ok(moved);
                    }
                }
                self.unless_in_the_way(self.store.remove_dir(&inner))?;
            }
            self.unless_in_the_way(self.store.remove_dir(&outer))?;
        }
        Ok(moved)
    }

    fn names_until(&self, dir: &Dir, last: &str) -> Result<Vec<(String, Ordering)>, Error> {
        let names = self.names_in(dir)?.into_iter();
        let compared = names.map(|name| (name.as_str().cmp(last), name)).filter(|(order, _)| order.is_le());
        Ok(compared.map(|(order, name)| (name, order)).collect())
    }

    fn pass_deadline(
        &self,
        id: TaskId,
        now: Timestamp,
        nonce: Nonce,
        findings: &mut Vec<Finding>,
    ) -> Result<Moved, Error> {
        let mut moved = Moved::Gone;
        // One that was not yet due becomes ready first.
        for _ in 0..2 {
            match self.unless_in_the_way(self.find(id)) {
                Ok(Some(Some(located))) if self.elapse(&located, now, nonce, findings)? == Moved::Here => {
                    moved = Moved::Here;
                }
                // A claim or a doctor sets it aside.
                Ok(_) | Err(Error::Corrupt { .. }) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(moved)
    }

    /// Tells the sweeps when a task expires, if others wait for it. Not synced: CM-20.
    pub(super) fn note_deadline(&self, entry: &Entry, ttl_seconds: i64) -> Result<(), Error> {
        let at = match entry.state {
            State::Ready { pending_until, .. } if pending_until.micros() < limits::TIME_MICROS => pending_until,
            State::Scheduled { due } if entry.generation == 0 => due.plus_seconds(ttl_seconds),
            _ => return Ok(()),
        };
        if self.store.stamp(&layout::blocked_on(entry.id))?.is_none() {
            return Ok(());
        }
        let deadline = layout::deadline(entry.id, at);
        for _ in 0..limits::RACES {
            match self.store.create(&deadline, b"")? {
                Created::NoDir => self.make_dirs_unsynced(&deadline.dir)?,
                Created::Now | Created::Taken => return Ok(()),
            }
        }
        Err(Error::Contended)
    }

    /// The entry as time has made it by `now`, whether or not an agent has drawn the consequence.
    pub(super) fn as_it_stands(&self, located: &Located, now: Timestamp) -> Result<Entry, Error> {
        if !is_over(&located.entry, now) {
            return Ok(located.entry.clone());
        }
        Ok(as_of(&located.entry, &self.terms_at(located)?, now))
    }

    /// Draws what consequence time has had for a task, so that all agents see it, whatever their clocks say. False: none.
    pub(super) fn settled_by_time(&self, located: &Located, now: Timestamp, nonce: Nonce) -> Result<bool, Error> {
        let is_over = is_over(&located.entry, now);
        if is_over {
            // The errand may report on the same task, and would take this report for its own.
            self.try_elapse(located, now, nonce.beside(located.entry.version))?;
        }
        Ok(is_over)
    }

    /// The terms of the task, as far as what time makes of it depends on them.
    pub(super) fn terms_at(&self, located: &Located) -> Result<Terms, Error> {
        if !needs_terms(&located.entry) {
            return Ok(Terms::default());
        }
        let task = match self.task_at(located) {
            // It has moved on since it was seen; its record has not.
            Ok(None) => self.task(located.entry.id),
            task => task,
        };
        match task {
            // Nothing says how often it may be tried.
            Err(Error::Corrupt { .. }) => Ok(Terms::default()),
            task => Ok(task?.map(|task| task.record.terms()).unwrap_or_default()),
        }
    }

    /// Draws the consequence if the entry's time has run out. `Gone`: it has not, or somebody else was faster.
    pub(super) fn elapse(
        &self,
        located: &Located,
        now: Timestamp,
        nonce: Nonce,
        findings: &mut Vec<Finding>,
    ) -> Result<Moved, Error> {
        if !is_over(&located.entry, now) {
            return Ok(Moved::Gone);
        }
        match self.try_elapse(located, now, nonce) {
            Err(Error::Corrupt { problem, .. }) => {
                findings.extend(self.set_aside(located, problem)?);
                Ok(Moved::Gone)
            }
            // It must not keep this agent from all other tasks.
            moved => Ok(self.unless_in_the_way(moved)?.unwrap_or(Moved::Gone)),
        }
    }

    fn try_elapse(&self, located: &Located, now: Timestamp, nonce: Nonce) -> Result<Moved, Error> {
        let terms = match located.entry.state {
            // It ends, whatever its record says.
            State::Ready { .. } | State::Recalled(_) => Terms::default(),
            _ => match self.task_at(located)? {
                Some(task) => task.record.terms(),
                None => return Ok(Moved::Gone),
            },
        };
        // Where attempts count, one that ended so is told of as the others are.
        let counts = terms.max_attempts.is_some() && matches!(located.entry.state, State::Claimed(_));
        let report = counts.then(|| {
            let holder = located.entry.lease().map(|lease| self.run_id_text(&lease.holder)).unwrap_or_default();
            let error = "the lease ran out, and nothing was heard of its holder".parse().ok();
            Report { error, ..Report::by(holder, ReportKind::Lapsed, now) }
        });
        let reports = if counts { self.report_names(located.entry.id)? } else { Vec::new() };
        if reports.iter().any(|(version, of, _)| *version > 0 && *of == nonce) {
            // It has lapsed on this very errand before. Of two reports with one nonce, one would be taken for the other.
            return Ok(Moved::Gone);
        }
        let command = Command::Elapse { terms, report: report.as_ref().map(|_| nonce) };
        match decide(&located.entry, &command, now) {
            Ok(next) => self.step(located, &next, report.as_ref(), now, nonce),
            Err(_) => Ok(Moved::Gone),
        }
    }

    /// Makes the token, where there is none.
    pub(super) fn place_sweep_token(&self, now: Timestamp) -> Result<(), Error> {
        self.create(&layout::sweep_token(now), b"").map(|_| ())
    }

    /// With many leases a sweep takes longer, so the next one comes later.
    fn postpone_sweep(&self, now: Timestamp, token: Timestamp, leases: u64) -> Result<(), Error> {
        let pause = leases.saturating_mul(limits::SWEEP_MICROS_PER_LEASE);
        let later = now.plus_micros(pause.clamp(*limits::SWEEP_MICROS.start(), *limits::SWEEP_MICROS.end()));
        if later > token {
            self.store.rename(&layout::sweep_token(token), &layout::sweep_token(later))?;
        }
        Ok(())
    }
}
