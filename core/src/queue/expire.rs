//! Expiry: what time alone does to tasks. Nobody is in charge of it; whoever comes by does it.
//!
//! The name of the file in `sweep/` is the time of the next sweep. Agents that claim look at it; whoever renames it to
//! the time after that sweeps, so that a thousand agents sweep as often as one. It is an economy, not a lock: if two
//! sweep at once, each expired entry is still moved by one rename.

use alloc::vec::Vec;

use super::files::Located;
use super::reports::{Report, ReportKind};
use super::shelves::{Empties, Onward, Walk};
use super::{Finding, Queue};
use crate::entry::State;
use crate::error::Error;
use crate::layout::{self, Shelf, TimedShelf};
use crate::limits;
use crate::name::Nonce;
use crate::sorted;
use crate::store::{Moved, Store};
use crate::task::Terms;
use crate::time::Timestamp;
use crate::transition::{Command, decide, is_over};

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
        Ok(Sweep { taken_back, findings })
    }

    /// Sweeps if the token says that it is time and nobody else was faster to take it.
    pub(super) fn sweep_if_due(&self, now: Timestamp, nonce: Nonce) -> Result<Vec<Finding>, Error> {
        let mut findings = Vec::new();
        if self.memory.borrow().sweeps_later(now) {
            return Ok(findings);
        }
        let names = self.store.list(&layout::sweep())?.unwrap_or_default();
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
            self.store.remove(&layout::sweep_token(*token))?;
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

    /// Moves scheduled tasks that are due to the ready shelf, and wakes blocked ones that were forgotten. Reads the head of the
    /// one shelf and a few names of the other. How many it moved.
    fn sweep_waiting(&self, now: Timestamp, nonce: Nonce, findings: &mut Vec<Finding>) -> Result<u64, Error> {
        let mut walk = Walk { until: Some(now), ..Walk::all(Empties::Remove(now)) };
        let mut moved = 0;
        let mut ripen = |_: &TimedShelf, located| {
            moved += u64::from(self.elapse(&located, now, nonce, findings)? == Moved::Here);
            Ok(if moved < limits::DUE_PER_SWEEP { Onward::Next } else { Onward::Stop })
        };
        let _ended_early = self.visit_below(&[TimedShelf::scheduled()], &mut walk, &mut ripen)?;
        Ok(moved + self.wake_forgotten(now, nonce)?)
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
            // Perhaps another agent may read it. It must not keep this one from all other tasks.
            Err(Error::Store(error)) => {
                findings.push(Finding::Unreadable { id: located.entry.id, error });
                Ok(Moved::Gone)
            }
            moved => moved,
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
