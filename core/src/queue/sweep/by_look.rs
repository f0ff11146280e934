//! Sweeps on a medium with fused operations: one trip reads what is due, wherever it stands.

use alloc::vec::Vec;

use super::Swept;
use crate::entry::Entry;
use crate::error::Error;
use crate::finding::Finding;
use crate::layout::{self, StateDir};
use crate::limits::{self, Allowance};
use crate::path::Path;
use crate::queue::Queue;
use crate::queue::budget::Budget;
use crate::store::fused::Fused;
use crate::store::{Moved, Store};
use crate::tree::Located;
use crate::turn::Turn;

impl<S: Store> Queue<S> {
    /// Moves what is due, the earliest first: leases, and what waits.
    pub(super) fn sweep_by_looks(
        &self,
        fused: &dyn Fused,
        allowance: Allowance,
        turn: &Turn<'_>,
        findings: &mut Vec<Finding>,
    ) -> Result<(Swept, Swept), Error> {
        let _at_work = self.tree.at_work();
        let (mut leases, mut waiting) = (Swept::default(), Swept::default());
        let (mut for_leases, mut for_waiting) = (Budget::of(allowance, turn), Budget::of(allowance, turn));
        let mut last = None;
        loop {
            let due = self.tree.due(fused, turn.now(), last.take())?;
            for path in &due {
                let is_lease = path.dir.is_below(&layout::state_dir(StateDir::Claimed));
                let (swept, budget) =
                    if is_lease { (&mut leases, &mut for_leases) } else { (&mut waiting, &mut for_waiting) };
                if !budget.goes_on() {
                    swept.is_cut = true;
                    continue;
                }
                swept.leases += u64::from(is_lease);
                swept.moved += u64::from(self.move_due(path, turn, findings, budget)? == Moved::Here);
            }
            last = due.into_iter().nth(limits::ENTRIES_PER_TRIP - 1);
            if last.is_none() || leases.is_cut || waiting.is_cut {
                return Ok((leases, waiting));
            }
        }
    }

    /// Moves the task that a name is of, if it is one that time has made due.
    fn move_due(
        &self,
        path: &Path,
        turn: &Turn<'_>,
        findings: &mut Vec<Finding>,
        budget: &mut Budget<'_>,
    ) -> Result<Moved, Error> {
        if let Some((at, id)) = layout::parse_deadline(&path.name) {
            return self.pass_deadline(id, at, turn, findings, budget);
        }
        let Some(entry) = Entry::parse(&path.name) else { return Ok(Moved::Gone) };
        let moved = self.time_out(&Located::at(path.dir.clone(), entry), turn, findings, budget)?;
        budget.spend(u64::from(moved == Moved::Here));
        Ok(moved)
    }
}
