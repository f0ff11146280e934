//! Whether everything that was acknowledged is there after a power cut.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use coord_core::TaskId;
use coord_core::name::Nonce;
use coord_core::store::mem::Tree;
use rustc_hash::FxHashMap;

use super::{Disk, Explorer, digest_of};
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

/// What comes of a state of the disk when the machine is on again. It depends on nothing but that state: so what was
/// acknowledged in each of the histories that lead to it is held against one recovery.
#[derive(Debug)]
pub(super) struct Recovery {
    /// What is there when a doctor has been, where one has to come.
    healed: Arc<Tree>,
    /// What is there when that was worked off.
    drained: Result<Arc<Tree>, Broken>,
    /// Then there is nothing to mend, and nothing left behind.
    is_clean: Result<(), Broken>,
}

/// The recoveries that were carried out. Many states of the disk are the same when a doctor has been: those are worked
/// off once.
#[derive(Debug, Default)]
pub(super) struct Recoveries {
    of: FxHashMap<u64, Result<Arc<Recovery>, Broken>>,
    healed: FxHashMap<u64, Arc<Recovery>>,
}

impl Recoveries {
    /// What comes of a tree with this digest.
    pub(super) fn of(&mut self, tree: &Tree, digest: u64, disk: Disk) -> Result<Arc<Recovery>, Broken> {
        let Recoveries { of, healed } = self;
        let recovered = || {
            let mut world = world_of(tree, Oracle::blind(), disk);
            if disk == Disk::AnySubset {
                world.heal(LATER)?;
            }
            let recovery = healed.entry(digest_of(&world.tree));
            Ok(recovery.or_insert_with(|| Arc::new(Recovery::of(world.tree, disk))).clone())
        };
        of.entry(digest).or_insert_with(recovered).clone()
    }
}

impl Recovery {
    fn of(healed: Arc<Tree>, disk: Disk) -> Recovery {
        let mut world = world_of(&healed, Oracle::of(&healed), disk);
        let drained = world.drain(LATER).map(|()| world.tree.clone());
        let is_clean = if drained.is_ok() { world.heal(LATER) } else { Ok(()) };
        Recovery { healed, drained, is_clean }
    }
}

fn world_of(tree: &Tree, oracle: Oracle, disk: Disk) -> World {
    World { tree: Arc::new(tree.clone()), oracle, orders_names: disk.orders_names() }
}

impl Acknowledged {
    /// All this is there, whole, in what comes of the tree.
    pub(super) fn recovered(
        &self,
        tree: &Tree,
        digest: u64,
        clock: u64,
        explorer: &mut Explorer,
    ) -> Result<(), Broken> {
        let disk = explorer.disk;
        if disk == Disk::AnySubset {
            self.is_told(&world_of(tree, Oracle::blind(), disk), clock)?;
        }
        let recovery = explorer.recoveries.of(tree, digest, disk)?;
        self.is_in(&recovery.healed)?;
        if disk.keeps_order() {
            // Else a task of which no name was left begins anew.
            self.are_reported(&recovery.healed)?;
        }
        self.is_in(recovery.drained.as_ref().map_err(Broken::clone)?)?;
        recovery.is_clean.clone()
    }

    /// A doctor that comes at once may not repair yet, but it names every task that is in no state directory. Where
    /// there is no such task, it is not asked.
    fn is_told(&self, world: &World, clock: u64) -> Result<(), Broken> {
        let there: BTreeSet<TaskId> = entries(&world.tree).map(|(_, entry)| entry.id).collect();
        let missing: Vec<&TaskId> = self.enqueued.difference(&there).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let diagnosis = format!("{:?}", world.examine(clock));
        missing.into_iter().try_for_each(|id| {
            let told = diagnosis.contains(&id.to_string());
            expect(told, Invariant::NothingLost, || format!("{id} was acknowledged, and a doctor says {diagnosis}"))
        })
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
