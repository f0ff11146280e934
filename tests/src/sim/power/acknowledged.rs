//! Whether everything that was acknowledged is there after a power cut.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use coord_core::TaskId;
use coord_core::name::Nonce;
use coord_core::store::mem::Tree;

use super::Disk;
use crate::sim::oracle::{Broken, Invariant, Oracle, chain, entries, expect, last_report};
use crate::sim::world::World;

/// When every lease is over, in seconds after the beginning.
const LATER: u64 = 100_000;

/// What agents were told, so that it must be there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Acknowledged {
    pub(super) enqueued: BTreeSet<TaskId>,
    pub(super) ended: BTreeMap<TaskId, Ended>,
    /// The reports on attempts that failed, by their nonces.
    pub(super) failed: BTreeSet<(TaskId, Nonce)>,
}

/// An acknowledged end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ended {
    pub(super) name: String,
    pub(super) reported: Option<String>,
}

impl Acknowledged {
    pub(super) fn recovered(&self, tree: &Tree, disk: Disk, clock: u64) -> Result<(), Broken> {
        let mut world =
            World { tree: Arc::new(tree.clone()), oracle: Oracle::blind(), orders_names: disk.orders_names() };
        if disk == Disk::AnySubset {
            self.is_told(&world, clock)?;
            world.heal(LATER)?;
        }
        self.is_in(&world.tree)?;
        if disk.keeps_order() {
            // Else a task of which no name was left begins anew.
            self.are_reported(&world.tree)?;
        }
        world.oracle = Oracle::of(&world.tree);
        world.drain(LATER)?;
        self.is_in(&world.tree)?;
        world.heal(LATER)
    }

    /// A doctor that comes at once may not repair yet, but it names every task that is in no state directory.
    fn is_told(&self, world: &World, clock: u64) -> Result<(), Broken> {
        let diagnosis = format!("{:?}", world.examine(clock));
        for id in &self.enqueued {
            let told = entries(&world.tree).any(|(_, entry)| entry.id == *id) || diagnosis.contains(&id.to_string());
            expect(told, Invariant::NothingLost, || format!("{id} was acknowledged, and a doctor says {diagnosis}"))?;
        }
        Ok(())
    }

    fn is_in(&self, tree: &Tree) -> Result<(), Broken> {
        for id in &self.enqueued {
            let names = entries(tree).filter(|(_, entry)| entry.id == *id).count();
            expect(names == 1, Invariant::OneEntry, || format!("{id} was acknowledged, and has {names} entries"))?;
        }
        for (id, Ended { name, reported }) in &self.ended {
            let entry = entries(tree).map(|(_, entry)| entry).find(|entry| entry.id == *id);
            let same = entry.as_ref().is_some_and(|entry| entry.to_string() == *name);
            expect(same, Invariant::NothingLost, || format!("{name} was acknowledged, and is {entry:?}"))?;
            let found = entry.and_then(|entry| last_report(tree, &entry));
            expect(found == *reported, Invariant::ResultsAreWhole, || format!("the result of {name} is {found:?}"))?;
        }
        Ok(())
    }

    /// The reports on attempts that failed are where the tasks' names lead to.
    fn are_reported(&self, tree: &Tree) -> Result<(), Broken> {
        for (id, nonce) in &self.failed {
            let entry = entries(tree).map(|(_, entry)| entry).find(|entry| entry.id == *id);
            let reports = entry.map(|entry| chain(tree, &entry)).unwrap_or_default();
            let there = reports.iter().any(|report| report.nonce == *nonce);
            expect(there, Invariant::ReportsStay, || format!("{id} does not lead to {nonce}, which was acknowledged"))?;
        }
        Ok(())
    }
}
