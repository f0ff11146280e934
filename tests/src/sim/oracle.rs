//! The oracle sees every change of a name and every answer, and says which invariant is violated.
//!
//! It knows the invariants that `PROTOCOL.md` states, and nothing of how the queue keeps them: it never calls `decide`.
//!
//! - [`invariant`]: the invariants;
//! - [`change`]: a store operation changed a name;
//! - [`transition`]: a task gets its next name;
//! - [`dependence`]: parents and children, and tasks with one key;
//! - [`reports`]: the reports on a task;
//! - [`answer`]: an agent was told what came of its invocation;
//! - [`rest`]: what must hold when all agents are at rest.

mod answer;
mod change;
mod dependence;
mod entries;
mod invariant;
mod reports;
mod rest;
mod transition;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use coord_core::entry::{Entry, Lease, Outcome as Ending, State};
use coord_core::layout::Path;
use coord_core::name::Nonce;
use coord_core::store::mem::Tree;
use coord_core::task::IfParentFails;
use coord_core::{TaskId, Timestamp};

use super::agent::{Invocation, name};
pub use entries::entries;
use entries::{before_its_end, is_unfinished, record_at};
pub use invariant::{Broken, Invariant, expect};
pub(super) use reports::{chain, last_report};

/// What is known of each task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Oracle {
    lives: BTreeMap<TaskId, Arc<Life>>,
    /// How many leases there may be at once. Agents with different clocks count different leases, so this is for worlds
    /// in which all clocks are equal.
    pub limit: Option<usize>,
    /// It checks nothing.
    is_blind: bool,
}

/// What was seen of one task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Life {
    /// What its record says.
    plan: Plan,
    /// Where its entries stand.
    entries: BTreeSet<Path>,
    /// The last name that it had.
    last: Option<String>,
    /// The nonce and the holder of each generation's lease.
    leases: BTreeMap<u32, LeaseOwner>,
    /// The generations whose holders were told that they hold the task.
    told: BTreeSet<u32>,
    /// Heartbeats of each lease that the holder has not been told of yet: those not asked to stop, and those asked.
    kept: BTreeMap<(Nonce, bool), u32>,
    /// The generations whose holders released the task, and whether they were told so.
    released: BTreeMap<u32, bool>,
    /// The generations whose attempts failed with others left, and whether their holders were told so.
    failed: BTreeMap<u32, bool>,
    /// How the task ended, each time.
    ends: Vec<End>,
    /// Accepted requests to stop that the requester has not been told of yet.
    asked: u32,
    /// The invocation that has begun its end, which is not finished.
    begun: Option<Invocation>,
    /// The reports that its name leads to, oldest first.
    reports: Vec<Reported>,
    /// The invocation that announced the last retry, and the version that the task had then. The announcement counts,
    /// even if another agent does the rename.
    put_back_by: Option<(Nonce, u32)>,
    /// The results that came too late, and whose senders were told so.
    late_results: BTreeSet<Nonce>,
    /// The invocation that gave it its first name.
    enqueued_by: Option<Nonce>,
    /// A completion that was accepted enqueued it.
    is_wanted: bool,
    /// Somebody was told that the task is in the queue.
    acknowledged: bool,
    /// It is being removed after its end, or was.
    purged: bool,
    /// It was, until this very step.
    being_removed: bool,
    /// Those of its parents that were removed before anybody was told that it is in the queue.
    gone: BTreeSet<TaskId>,
}

type LeaseOwner = (Nonce, String);

/// What a task's record says about its way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Plan {
    max_attempts: Option<u32>,
    due: Option<Timestamp>,
    after: Vec<TaskId>,
    if_parent_fails: IfParentFails,
    key: Option<String>,
    follows: Option<Nonce>,
}

/// One end of a task.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct End {
    outcome: Ending,
    by: Option<LeaseOwner>,
    report: Option<Nonce>,
    /// It was a completion that enqueues a task with the key, so also one that waits for an earlier holder's
    /// completion, and has it.
    enqueues_key: bool,
    /// It was cancelled while another agent's lease ran, which takes force.
    forced: bool,
    /// The generation whose holder was asked to stop, and released the task or lost the lease by time. The name does
    /// not say which.
    given_back: Option<u32>,
    /// An agent was told that its operation has ended the task.
    told: bool,
}

/// One report on a task.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Reported {
    version: u32,
    pub(super) nonce: Nonce,
    is_progress: bool,
}

impl Oracle {
    /// An oracle of what is in the tree already, all of it acknowledged.
    pub fn of(tree: &Tree) -> Oracle {
        let mut oracle = Oracle::default();
        let mut entries: Vec<(Path, Entry)> = entries(tree).collect();
        entries.sort_by_key(|(_, entry)| entry.version);
        for (path, entry) in entries {
            // Its record was lost in a power cut, and nobody was told of the enqueue: a doctor quarantines it.
            if record_at(tree, &path).is_none() {
                continue;
            }
            let life = oracle.life(entry.id);
            life.acknowledged = true;
            life.plan = Plan::of(tree, &path);
            life.last = Some(before_its_end(&path).map_or(path.name.clone(), |held| held.name()));
            life.leases.extend(entry.lease().map(|lease| (entry.generation, owner_of(lease))));
            life.reports = chain(tree, &entry);
            if let State::Ended(ending) = &entry.state
                && !is_unfinished(&path)
            {
                let by = ending.lease.as_ref().map(owner_of);
                life.ends.push(End { outcome: ending.outcome, by, report: entry.report, ..End::default() });
            }
            life.entries.insert(path);
        }
        oracle
    }

    /// An oracle that checks nothing. A task may have several entries after a power cut, until a doctor repairs them.
    pub fn blind() -> Oracle {
        Oracle { is_blind: true, ..Oracle::default() }
    }

    /// The tasks that were seen.
    pub fn tasks(&self) -> impl Iterator<Item = TaskId> {
        self.lives.keys().copied()
    }

    /// The place of a task in the order in which tasks are claimed.
    pub fn place(&self, id: TaskId) -> (Reverse<i64>, Timestamp, TaskId) {
        let entry = self.lives.get(&id).and_then(|life| life.last_entry()).expect("a task that was seen");
        (Reverse(entry.priority), entry.created_at, id)
    }

    /// The tasks that can be claimed as they stand.
    pub fn claimable(&self) -> BTreeSet<TaskId> {
        let waits = |life: &Arc<Life>| {
            life.last_entry().is_some_and(|entry| matches!(entry.state, State::Ready { .. } | State::TimedOut { .. }))
        };
        self.lives.iter().filter(|(_, life)| waits(life)).map(|(id, _)| *id).collect()
    }

    /// How many holders the task has had.
    pub fn holders(&self, id: TaskId) -> usize {
        self.lives.get(&id).map_or(0, |life| life.leases.len())
    }

    /// How often the task was given back.
    pub fn releases(&self, id: TaskId) -> usize {
        self.lives.get(&id).map_or(0, |life| life.released.len())
    }

    /// How often an attempt at the task failed with others left.
    pub fn failures(&self, id: TaskId) -> usize {
        self.lives.get(&id).map_or(0, |life| life.failed.len())
    }

    /// How often the task has ended.
    pub fn ends(&self, id: TaskId) -> usize {
        self.lives.get(&id).map_or(0, |life| life.ends.len())
    }

    /// How many tasks have been removed after their end.
    pub fn removed(&self) -> usize {
        self.lives.values().filter(|life| life.purged && life.entries.is_empty()).count()
    }

    /// True if the task waited for others.
    pub fn is_child(&self, id: TaskId) -> bool {
        self.lives.get(&id).is_some_and(|life| !life.plan.after.is_empty())
    }

    fn life(&mut self, id: TaskId) -> &mut Life {
        Arc::make_mut(self.lives.entry(id).or_default())
    }

    /// The highest version that a task has.
    pub fn highest_version(&self) -> u32 {
        self.lives.values().filter_map(|life| Some(life.last_entry()?.version)).max().unwrap_or(0)
    }
}

impl Life {
    fn check_entries(&self, id: TaskId) -> Result<(), Broken> {
        expect(self.entries.len() <= 1, Invariant::OneEntry, || format!("{id} has {:?}", self.entries))?;
        expect(!self.acknowledged || self.purged || !self.entries.is_empty(), Invariant::NothingLost, || {
            format!("{id} is in no state directory, and was acknowledged")
        })
    }

    /// A lease of the agent that runs the invocation, as names spell it.
    fn own_lease(&self, invocation: &Invocation, nonce: Nonce) -> LeaseOwner {
        let holder = self.last_entry().map(|entry| entry.holder(&name(invocation.agent)).as_str().to_string());
        (nonce, holder.unwrap_or_default())
    }

    fn last_entry(&self) -> Option<Entry> {
        self.last.as_deref().and_then(Entry::parse)
    }

    fn version(&self) -> u32 {
        self.last_entry().map_or(0, |entry| entry.version)
    }

    fn is_alive(&self) -> bool {
        self.last_entry().is_some_and(|entry| !matches!(entry.state, State::Ended(_)))
    }
}

fn owner_of(lease: &Lease) -> LeaseOwner {
    (lease.nonce, lease.holder.as_str().to_string())
}
