//! Sweeps: changes of tasks by time alone. No agent is in charge of them; any agent that comes by makes them.
//!
//! The name of the file in `sweep/` is the time of the next sweep. Agents that claim look at it. The agent that renames
//! it to the following time sweeps, so a thousand agents sweep as often as one. This saves work and is no lock: if two
//! sweep at once, each expired entry is still moved by one rename.
//!
//! A waiting task that expires is moved by the claim that meets it. That can take long where nobody claims from its
//! queue. So a task that others wait for has a file in `deadlines/` with the time when it expires. A sweep reads the
//! first of those files.

mod by_look;

use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;

use super::Queue;
use super::budget::Budget;
use crate::error::Error;
use crate::finding::Finding;
use crate::id::TaskId;
use crate::layout::{self, StateDir, TimedDir};
use crate::limits::{self, Allowance};
use crate::path::Dir;
use crate::sorted;
use crate::store::fused::Look;
use crate::store::{Moved, Store};
use crate::time::Timestamp;
use crate::transition::is_over;
use crate::tree::{Empties, Onward, Walk, due};
use crate::turn::Turn;

/// The answer to a sweep on demand.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// How many expired leases it ended.
    pub timed_out: u64,
    /// Findings on the way, for warnings.
    pub findings: Vec<Finding>,
}

/// The counts of one sweep.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Swept {
    /// How many claimed tasks it read.
    pub(super) leases: u64,
    /// How many tasks it moved.
    pub(super) moved: u64,
    /// True if there may be more to move.
    pub(super) is_cut: bool,
}

impl Swept {
    /// True if it moved tasks, and left some to move. One that could move nothing of all that it looked at would not do
    /// better a moment later.
    pub(super) fn leaves_more(&self) -> bool {
        self.is_cut && self.moved > 0
    }

    /// Both.
    fn and(self, other: Swept) -> Swept {
        Swept {
            leases: self.leases + other.leases,
            moved: self.moved + other.moved,
            is_cut: self.is_cut || other.is_cut,
        }
    }

    /// When to sweep again: the later the longer a sweep takes, and soon if it has left something that is due.
    fn next_sweep(self, began: Timestamp, now: Timestamp) -> Timestamp {
        let (took, longest) = (now.micros_since(began), *limits::SWEEP_MICROS.end());
        let pause = match self.leaves_more() {
            true => took.saturating_mul(limits::SWEEP_PAUSE_IF_DUE).max(limits::SWEEP_MICROS_IF_DUE),
            false => took
                .saturating_mul(limits::SWEEP_PAUSE)
                .max(self.leases.saturating_mul(limits::SWEEP_MICROS_PER_LEASE))
                .max(*limits::SWEEP_MICROS.start()),
        };
        now.plus_micros(pause.min(longest))
    }
}

impl<S: Store> Queue<S> {
    /// Ends every expired lease and moves every task that is due, now. Agents that claim do some of that by themselves,
    /// about once a second.
    pub fn sweep(&self, turn: &Turn<'_>) -> Result<Sweep, Error> {
        let mut findings = Vec::new();
        let (leases, _) = self.sweep_due(limits::ON_DEMAND, turn, &mut findings)?;
        self.sweep_blocked(limits::ON_DEMAND, turn)?;
        findings.extend(self.tree.take_findings());
        Ok(Sweep { timed_out: leases.moved, findings })
    }

    /// Sweeps a little if the token says that it is time and nobody else was faster to take it.
    pub(super) fn sweep_if_due(&self, turn: &Turn<'_>, findings: &mut Vec<Finding>) -> Result<Swept, Error> {
        let now = turn.now();
        if self.tree.sweeps_later(now) {
            return Ok(Swept::default());
        }
        let names = self.tree.names_in(&layout::sweep())?;
        let tokens = names.iter().filter_map(|name| layout::parse_sweep_token(name)).collect();
        let tokens: Vec<Timestamp> = sorted::by_key(tokens, |token| *token);
        let Some((latest, earlier)) = tokens.split_last() else {
            if self.tree.is_formatted() {
                // CM-8: the token was lost, or never made durable.
                self.tree.place_sweep_token(now)?;
                return self.sweep_all(limits::BEFORE_A_CLAIM, turn, findings);
            }
            return Ok(Swept::default());
        };
        for token in earlier {
            // Two agents made the first token at the same time. One is enough.
            self.tree.unless_in_the_way(self.tree.store().remove(&layout::sweep_token(*token)))?;
        }
        // A token further ahead than any sweep puts it was written by a clock that has been set back since.
        let stray = latest.micros_since(now) > *limits::SWEEP_MICROS.end();
        if *latest > now && !stray {
            self.tree.sweep_at(*latest, now);
            return Ok(Swept::default());
        }
        let shortest = now.plus_micros(*limits::SWEEP_MICROS.start());
        if self.tree.store().rename(&layout::sweep_token(*latest), &layout::sweep_token(shortest))? == Moved::Gone {
            return Ok(Swept::default());
        }
        // CM-8: if the agent dies here, the next sweep is a second late.
        let swept = self.sweep_all(limits::BEFORE_A_CLAIM, turn, findings)?;
        let later = swept.next_sweep(now, turn.now());
        if later.micros_since(shortest).max(shortest.micros_since(later)) > limits::SWEEP_SLACK_MICROS {
            self.tree.store().rename(&layout::sweep_token(shortest), &layout::sweep_token(later))?;
        }
        Ok(swept)
    }

    /// Makes the changes by time that no claim meets on its way: of each kind as many as `allowance` says.
    pub(super) fn sweep_all(
        &self,
        allowance: Allowance,
        turn: &Turn<'_>,
        findings: &mut Vec<Finding>,
    ) -> Result<Swept, Error> {
        let looks = || Vec::from([due(turn.now(), None), Look::Names(layout::state_dir(StateDir::Blocked))]);
        let _at_work = self.tree.look_further_ahead(looks)?;
        let (leases, waiting) = self.sweep_due(allowance, turn, findings)?;
        let woken = self.sweep_blocked(allowance, turn)?;
        Ok(leases.and(waiting).and(woken))
    }

    /// Ends expired leases; and moves scheduled tasks that are due to `ready/`, and expired ones that others wait for
    /// to `done/`. The first count is that of the leases.
    fn sweep_due(
        &self,
        allowance: Allowance,
        turn: &Turn<'_>,
        findings: &mut Vec<Finding>,
    ) -> Result<(Swept, Swept), Error> {
        if let Some(fused) = self.tree.fused() {
            return self.sweep_by_looks(fused, allowance, turn, findings);
        }
        let leases = self.sweep_claimed(allowance, turn, findings)?;
        let ripened = self.sweep_scheduled(turn, findings, &mut Budget::of(allowance, turn))?;
        let expired = self.sweep_deadlines(turn, findings, &mut Budget::of(allowance, turn))?;
        Ok((leases, ripened.and(expired)))
    }

    /// Wakes blocked tasks that were forgotten. Reads a few names.
    fn sweep_blocked(&self, allowance: Allowance, turn: &Turn<'_>) -> Result<Swept, Error> {
        let mut budget = Budget::of(allowance, turn);
        let moved = self.wake_forgotten(turn, &mut budget)?;
        Ok(Swept { leases: 0, moved, is_cut: budget.is_spent() })
    }

    /// Ends expired leases. Begins at a random place, so that several sweeps do not always leave the same ones.
    fn sweep_claimed(
        &self,
        allowance: Allowance,
        turn: &Turn<'_>,
        findings: &mut Vec<Finding>,
    ) -> Result<Swept, Error> {
        let (mut budget, mut swept) = (Budget::of(allowance, turn), Swept::default());
        let shards = self.tree.shards_of(StateDir::Claimed)?;
        let first = usize::try_from(turn.chance() % 16).unwrap_or(0);
        for shard in shards.iter().cycle().skip(first).take(shards.len()) {
            if !budget.step() {
                break;
            }
            let (entries, now) = (self.tree.entries_in(shard)?, turn.now());
            for located in entries {
                swept.leases += 1;
                if located.is_due(now)
                    && !located.is_at_its_flush(now)
                    && budget.goes_on()
                    && self.time_out(&located, turn, findings, &mut budget)? == Moved::Here
                {
                    budget.spend(1);
                    swept.moved += 1;
                }
            }
        }
        Ok(Swept { is_cut: budget.is_spent(), ..swept })
    }

    fn sweep_scheduled(
        &self,
        turn: &Turn<'_>,
        findings: &mut Vec<Finding>,
        budget: &mut Budget<'_>,
    ) -> Result<Swept, Error> {
        let now = turn.now();
        let mut walk = Walk { until: Some(now), ..Walk::all(Empties::Remove(now)) };
        let mut moved = 0;
        let mut ripen = |_: &TimedDir, located| {
            // Tasks at the head that this agent may not move do not block the others.
            if !budget.goes_on() {
                return Ok(Onward::Stop);
            }
            if self.time_out(&located, turn, findings, budget)? == Moved::Here {
                budget.spend(1);
                moved += 1;
            }
            Ok(Onward::Next)
        };
        let _ended_early = self.tree.visit_scheduled(&mut walk, &mut ripen)?;
        Ok(Swept { leases: 0, moved, is_cut: budget.is_spent() })
    }

    /// Moves the tasks whose deadline has passed, if they have expired.
    fn sweep_deadlines(
        &self,
        turn: &Turn<'_>,
        findings: &mut Vec<Finding>,
        budget: &mut Budget<'_>,
    ) -> Result<Swept, Error> {
        let now = turn.now();
        let [first, second] = layout::deadline_digits(now);
        let (whole, mut moved) = (layout::deadlines(), 0);
        for (outer, order) in self.names_until(&whole, &first)? {
            let outer = whole.child(&outer);
            let last = if order == Ordering::Less { "~" } else { &second };
            for (inner, _) in self.names_until(&outer, last)? {
                let inner = outer.child(&inner);
                for name in self.tree.names_in(&inner)? {
                    let Some((at, id)) = layout::parse_deadline(&name).filter(|(at, _)| *at <= now) else { continue };
                    if !budget.goes_on() {
                        return Ok(Swept { leases: 0, moved, is_cut: true });
                    }
                    moved += u64::from(self.pass_deadline(id, at, turn, findings, budget)? == Moved::Here);
                }
                self.tree.unless_in_the_way(self.tree.store().remove_dir(&inner))?;
            }
            self.tree.unless_in_the_way(self.tree.store().remove_dir(&outer))?;
        }
        Ok(Swept { leases: 0, moved, is_cut: false })
    }

    fn names_until(&self, dir: &Dir, last: &str) -> Result<Vec<(String, Ordering)>, Error> {
        let names = self.tree.names_in(dir)?.into_iter();
        let compared = names.map(|name| (name.as_str().cmp(last), name)).filter(|(order, _)| order.is_le());
        Ok(compared.map(|(order, name)| (name, order)).collect())
    }

    /// Moves a task whose deadline has passed, if it has expired. The deadline is removed then, unless the task has
    /// expired and could not be moved: then it stays for the next sweep.
    fn pass_deadline(
        &self,
        id: TaskId,
        at: Timestamp,
        turn: &Turn<'_>,
        findings: &mut Vec<Finding>,
        budget: &mut Budget<'_>,
    ) -> Result<Moved, Error> {
        let Some(passed) = self.move_expired_parent(id, turn, findings, budget)? else { return Ok(Moved::Gone) };
        budget.spend(1);
        // CM-20: if the agent dies before this, the next sweep looks at the task again.
        self.tree.unless_in_the_way(self.tree.store().remove(&layout::deadline(id, at)))?;
        Ok(passed)
    }

    /// Whether the task was moved; `None`: it has expired and could not be moved.
    fn move_expired_parent(
        &self,
        id: TaskId,
        turn: &Turn<'_>,
        findings: &mut Vec<Finding>,
        budget: &mut Budget<'_>,
    ) -> Result<Option<Moved>, Error> {
        let mut moved = Moved::Gone;
        // One that was not yet due becomes ready first.
        for _ in 0..2 {
            match self.tree.unless_in_the_way(self.tree.find(id)) {
                Ok(Some(Some(located))) if is_over(&located.entry, turn.now()) => {
                    moved = self.time_out(&located, turn, findings, budget)?;
                    if moved == Moved::Gone {
                        return Ok(None);
                    }
                }
                Ok(Some(_)) => break,
                // A claim or a doctor quarantines it.
                Ok(None) | Err(Error::Corrupt { .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(moved))
    }
}
