//! The ledger watches every change of every name, and every answer, and says which promise was broken.
//!
//! It knows the promises of `PROTOCOL.md` and nothing of how the queue keeps them: it never calls `decide`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use coord_core::entry::{Entry, Lease, Outcome as Ending, State};
use coord_core::layout::{self, Path};
use coord_core::limits;
use coord_core::name::Nonce;
use coord_core::queue::{Report, ReportKind};
use coord_core::store::mem::Tree;
use coord_core::store::{Created, Linked, Moved, Removed};
use coord_core::task::{IfParentFails, Record};
use coord_core::{TaskId, Timestamp};
use serde::Deserialize;

use super::agent::{Answer, BACKOFF, Errand, Order, name, result_of};
use super::call::{Call, Outcome, Reply};

/// What is promised. Each is checked at every step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Promise {
    /// A task has exactly one state entry.
    OneEntry,
    /// Each generation of a task is granted to one holder.
    OneHolder,
    /// Versions and generations only grow.
    OnlyGrow,
    /// A task that has ended stays as it ended, until somebody orders that it is tried again.
    EndedIsEnded,
    /// Only the holder of the present lease keeps the task or reports its end; every other is refused.
    OnlyTheHolder,
    /// No lease is taken from its holder before it has run out by the clock of whoever takes it.
    NotBeforeItsTime,
    /// A claim is an attempt, unless its holder gives the task back; nothing else counts.
    AttemptsAreCounted,
    /// No task is tried more often than it may be, and a failure is final only when no attempt is left.
    AttemptsAreLimited,
    /// A task that was put off becomes ready when it is due, and not before.
    NotBeforeItIsDue,
    /// A task that waits for others goes on when they have ended in a way that it allows, and not before.
    ParentsFirst,
    /// Nobody waits for what has happened.
    NobodyIsForgotten,
    /// Of the tasks of a queue with one key one lives.
    OneForAKey,
    /// An agent that enqueues a task is told which one it is. An agent that puts a task back is told so.
    EachIsAnswered,
    /// Time that has passed counts at once: nobody is told of a task that has expired as one that lives.
    TimeCounts,
    /// There are no more leases than are allowed at once.
    NoMoreThanAllowed,
    /// Of those who claim at once from a limited queue, as many get a task as there is room for.
    NobodyLeavesWhatIsFree,
    /// A holder that is asked to stop is told so, and nobody else is.
    HoldersAreAsked,
    /// No task is removed that has not ended, or that a blocked one waits for.
    WhatIsWaitedForStays,
    /// What a completion enqueues runs if the completion is accepted, and only then.
    AllOrNothing,
    /// What was acknowledged is there.
    NothingLost,
    /// An ended task's result is there, whole, from the moment at which the task has ended.
    ResultsAreWhole,
    /// Whatever was reported of a task stays, whole, and leads to what was reported before.
    ReportsStay,
    /// What goes in comes out, and nothing else does.
    CountsAddUp,
    /// The highest priority comes first, then the oldest, when nobody else is about.
    InOrder,
    /// Nothing is left behind but what `doctor` knows.
    BoundedGarbage,
}

/// A broken promise, and how.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Broken {
    /// Which.
    pub promise: Promise,
    /// What was seen.
    pub seen: String,
}

/// What is known of each task.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ledger {
    lives: BTreeMap<TaskId, Life>,
    /// How many leases there may be at once. Agents with different clocks count different leases, so this is for worlds
    /// in which all clocks are equal.
    pub limit: Option<usize>,
    /// It watches nothing.
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
    leases: BTreeMap<u32, Tenure>,
    /// The generations whose holders were told that they hold the task.
    told: BTreeSet<u32>,
    /// How often each lease was kept without its holder having been told so yet, not asked to stop and asked.
    kept: BTreeMap<(Nonce, bool), u32>,
    /// The generations whose holders gave the task back, and whether they were told so.
    released: BTreeMap<u32, bool>,
    /// The generations whose attempts failed with others left, and whether their holders were told so.
    failed: BTreeMap<u32, bool>,
    /// How the task ended, each time.
    ends: Vec<End>,
    /// How often its holder was asked to stop, without whoever asked having been told so yet.
    asked: u32,
    /// The errand that has begun its end, which is not finished.
    begun: Option<Errand>,
    /// The reports that its name leads to, oldest first.
    reports: Vec<Reported>,
    /// The errand that announced last that the task is put back, and so has done it, whoever renames it; and the
    /// version that the task had then.
    put_back_by: Option<(Nonce, u32)>,
    /// The results that came too late, and whose senders were told so.
    orphans: BTreeSet<Nonce>,
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

type Tenure = (Nonce, String);

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
    by: Option<Tenure>,
    report: Option<Nonce>,
    /// It was a completion that enqueues a task with the key, so also one that waits for an earlier holder's
    /// completion, and has it.
    enqueues_key: bool,
    /// It was called off while the lease of another ran, which takes force.
    forced: bool,
    /// The generation whose holder was asked to stop, and gave it back or was not heard of any more: both give it one
    /// name.
    given_back: Option<u32>,
    /// Somebody was told that the task has ended as it ordered.
    told: bool,
}

/// One report on a task.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Reported {
    version: u32,
    pub(super) nonce: Nonce,
    is_progress: bool,
}

impl Ledger {
    /// A ledger of what is in the tree already, all of it acknowledged.
    pub fn of(tree: &Tree) -> Ledger {
        let mut ledger = Ledger::default();
        let mut entries: Vec<(Path, Entry)> = entries(tree).collect();
        entries.sort_by_key(|(_, entry)| entry.version);
        for (path, entry) in entries {
            // Of an enqueue that nobody was told of, and whose record a power cut took: it goes aside.
            if record_at(tree, &path).is_none() {
                continue;
            }
            let life = ledger.lives.entry(entry.id).or_default();
            life.acknowledged = true;
            life.plan = Plan::of(tree, &path);
            life.last = Some(before_its_end(&path).map_or(path.name.clone(), |held| held.name()));
            life.leases.extend(entry.lease().map(|lease| (entry.generation, tenure(lease))));
            life.reports = chain(tree, &entry);
            if let State::Ended(ending) = &entry.state
                && !is_unfinished(&path)
            {
                let by = ending.lease.as_ref().map(tenure);
                life.ends.push(End { outcome: ending.outcome, by, report: entry.report, ..End::default() });
            }
            life.entries.insert(path);
        }
        ledger
    }

    /// A ledger that watches nothing: until what a power cut has left is mended, a task may have several entries.
    pub fn blind() -> Ledger {
        Ledger { is_blind: true, ..Ledger::default() }
    }

    /// The tasks that were seen.
    pub fn tasks(&self) -> impl Iterator<Item = TaskId> {
        self.lives.keys().copied()
    }

    /// The place of a task in the order in which tasks are claimed.
    pub fn place(&self, id: TaskId) -> (Reverse<i64>, Timestamp, TaskId) {
        let entry = self.lives.get(&id).and_then(Life::last_entry).expect("a task that was seen");
        (Reverse(entry.priority), entry.created_at, id)
    }

    /// The tasks that can be claimed as they stand.
    pub fn claimable(&self) -> BTreeSet<TaskId> {
        let waits = |life: &Life| {
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

    /// Notes an operation that was done on an errand.
    pub fn done(&mut self, call: &Call, reply: &Reply, tree: &Tree, errand: &Errand) -> Result<(), Broken> {
        let (gone, come) = match (call, reply) {
            _ if self.is_blind => return Ok(()),
            (Call::Rename(from, to), Ok(Outcome::Moved(Moved::Here))) => (Some(from), Some(to)),
            (Call::Link(_, to), Ok(Outcome::Linked(Linked::Now))) => (None, Some(to)),
            (Call::Create(to, _) | Call::CreateUnflushed(to, _), Ok(Outcome::Created(Created::Now))) => {
                (None, Some(to))
            }
            (Call::Remove(from), Ok(Outcome::Removed(Removed::Now))) => (Some(from), None),
            _ => return Ok(()),
        };
        if let (Order::Retry(id), Some(to)) = (errand.order, come)
            && layout::parse_key_holder(&to.name).is_some()
        {
            let life = self.life(id);
            life.put_back_by = Some((errand.nonce, life.version()));
        }
        if let Some((id, ..)) = gone.and_then(|path| layout::parse_report(&path.name)) {
            self.lives.get(&id).map_or(Ok(()), |life| life.check_reports(id, tree))?;
        }
        if let (None, Some(path)) = (come, gone) {
            self.check_removed(path)?;
        }
        let before = gone.and_then(|path| Some((path, on_a_shelf(path)?)));
        let after = come.and_then(|path| Some((path, on_a_shelf(path)?)));
        let Some(id) = before.iter().chain(&after).map(|(_, entry)| entry.id).next() else { return Ok(()) };
        let life = self.lives.entry(id).or_default();
        if let Some((path, _)) = &before {
            life.entries.remove(*path);
        }
        if let (Some((_, entry)), true) = (&before, come.is_some_and(|path| path.dir == layout::purged())) {
            let ended = matches!(entry.state, State::Ended(_));
            expect(ended, Promise::WhatIsWaitedForStays, || format!("{errand} removes {entry}"))?;
            life.purged = true;
        }
        if let Some((path, _)) = &after {
            let comes_back = gone.is_some_and(|path| path.dir == layout::purged());
            if life.purged && !comes_back {
                // It comes again, as a line that was exported before.
                *life = Life::default();
            }
            (life.being_removed, life.purged) = (life.purged, false);
            life.entries.insert((*path).clone());
        }
        life.check_entries(id)?;
        if come.is_some_and(is_unfinished) {
            life.begun = Some(*errand);
            return Ok(());
        }
        let (mut errand, mut was_cut) = (*errand, false);
        if gone.is_some_and(is_unfinished) {
            (errand, was_cut) = life.begun.take().map_or((errand, true), |begun| (begun, false));
        }
        let errand = &errand;
        if let (true, Some((path, entry))) = (was_cut || gone.is_some_and(is_unfinished), &after)
            && (was_cut || !matches!(entry.state, State::Ended(_)))
        {
            // The power was cut at it: it is finished, or taken back.
            if let State::Ended(ending) = &entry.state {
                let by = ending.lease.as_ref().map(tenure);
                life.ends.push(End { outcome: ending.outcome, by, report: entry.report, ..End::default() });
            }
            life.last = Some(path.name.clone());
            life.reports = chain(tree, entry);
            return Ok(());
        }
        // A doctor that brings an entry to where it belongs changes nothing of what its name says.
        // Nor does a collection that puts back what it is not to remove.
        let brought_home = gone
            .is_some_and(|path| !is_unfinished(path) && come.is_some_and(|to| to.name == path.name && is_kept(path)));
        if let (Some((path, entry)), false) = (after, brought_home) {
            let is_first = life.last.is_none();
            if is_first {
                life.plan = Plan::of(tree, path);
            }
            let last = life.last_entry();
            life.follow(&entry, errand)?;
            life.note_report(last.as_ref(), &entry, tree)?;
            life.last = Some(path.name.clone());
            life.check_reports(id, tree)?;
            let waits_again = last.as_ref().is_some_and(|last| matches!(last.state, State::Ended(_)))
                && matches!(entry.state, State::Blocked { .. });
            if is_first || waits_again {
                self.note_gone(id);
            }
            self.check_parents(id, last.as_ref(), &entry)?;
            self.check_key(id)?;
        }
        Ok(())
    }

    /// Notes which parents of a new task, or of one that is put back, have been removed.
    fn note_gone(&mut self, id: TaskId) {
        let is_gone = |parent: &TaskId| self.lives.get(parent).is_none_or(|life| life.purged);
        let gone = self.lives[&id].plan.after.iter().copied().filter(is_gone).collect();
        self.life(id).gone = gone;
    }

    /// A record is removed, if it is one: with its task, which is over, or of an enqueuer that has lost the race for
    /// a key.
    fn check_removed(&mut self, path: &Path) -> Result<(), Broken> {
        let Some(id) = layout::parse_record(&path.name).filter(|_| path.dir.as_str().starts_with("tasks/")) else {
            return Ok(());
        };
        let Some(life) = self.lives.get(&id).filter(|life| life.last.is_some()) else { return Ok(()) };
        expect(life.purged, Promise::NothingLost, || format!("{path} is removed; the task is {:?}", life.last))?;
        for (child, life) in &mut self.lives {
            let waits = life.plan.after.contains(&id)
                && life.last_entry().is_some_and(|entry| matches!(entry.state, State::Blocked { .. }));
            let promise = Promise::WhatIsWaitedForStays;
            let came_late = !life.acknowledged || life.gone.contains(&id);
            expect(!waits || came_late, promise, || format!("{id} is removed, and {child} waits for it"))?;
            if waits {
                life.gone.insert(id);
            }
        }
        Ok(())
    }

    /// A task that waited for others goes on, or is called off, because of how they ended.
    fn check_parents(&self, id: TaskId, last: Option<&Entry>, next: &Entry) -> Result<(), Broken> {
        let plan = &self.lives[&id].plan;
        let step =
            || format!("{next}; it waits for {:?}", plan.after.iter().map(|id| id.to_string()).collect::<Vec<_>>());
        let Some(Entry { state: State::Blocked { on }, .. }) = last else {
            let waits = last.is_none() && !plan.after.is_empty();
            return expect(!waits || matches!(next.state, State::Blocked { .. }), Promise::ParentsFirst, step);
        };
        match &next.state {
            State::Blocked { on: other } => {
                let moves_on = self.allows(plan, *on) && plan.after.contains(other);
                expect(moves_on, Promise::ParentsFirst, step)
            }
            // By somebody who called it off.
            State::Ended(ending) if ending.lease.is_some() => Ok(()),
            State::Ended(_) => {
                // Or of one that is being removed, before anybody was told that this one waits for it.
                let told = self.lives[&id].acknowledged;
                let removed = |parent: &TaskId| !told && self.lives.get(parent).is_some_and(|life| life.purged);
                let gone = |parent: &TaskId| self.lives[&id].gone.contains(parent) || removed(parent);
                let forbidden = plan.after.iter().any(|parent| self.forbids(plan, *parent) || gone(parent));
                let promise = if plan.follows.is_some() { Promise::AllOrNothing } else { Promise::ParentsFirst };
                expect(forbidden, promise, step)
            }
            _ => expect(plan.after.iter().all(|parent| self.allows(plan, *parent)), Promise::ParentsFirst, step),
        }
    }

    /// True if a task with this plan may run as far as this parent has come.
    fn allows(&self, plan: &Plan, parent: TaskId) -> bool {
        self.ends_of(parent).any(|end| match plan.completion_of(parent) {
            Some(completion) => end.enqueues(plan, completion),
            None => end.outcome == Ending::Completed || plan.if_parent_fails == IfParentFails::Run,
        })
    }

    /// True if a task with this plan will not run, because of how this parent has ended.
    fn forbids(&self, plan: &Plan, parent: TaskId) -> bool {
        self.ends_of(parent).any(|end| end.forbids(plan, parent))
    }

    fn ends_of(&self, id: TaskId) -> impl Iterator<Item = &End> {
        self.lives.get(&id).into_iter().flat_map(|life| &life.ends)
    }

    /// Of the tasks with one key one lives: from its first entry to its end.
    fn check_key(&self, id: TaskId) -> Result<(), Broken> {
        let Some(key) = &self.lives[&id].plan.key else { return Ok(()) };
        let live = self.lives.iter().filter(|(_, life)| life.plan.key.as_ref() == Some(key) && life.is_alive());
        let live: Vec<String> = live.map(|(id, _)| id.to_string()).collect();
        expect(live.len() <= 1, Promise::OneForAKey, || format!("{live:?} live"))
    }

    /// Notes what an agent was told.
    pub fn told(&mut self, errand: &Errand, answer: &Answer, tree: &Tree) -> Result<(), Broken> {
        match *answer {
            Answer::Enqueued(id) => self.acknowledge(id),
            Answer::Deduplicated(id) => {
                let key = self.lives.get(&id).and_then(|life| life.plan.key.as_ref());
                expect(key.is_some(), Promise::OneForAKey, || format!("{errand} was told of {id}"))?;
                // Under its first name it has been there as it is since it was enqueued.
                let expired = self.lives.get(&id).and_then(Life::last_entry).is_some_and(|entry| {
                    entry.version == 1
                        && matches!(entry.state, State::Ready { pending_until, .. } if pending_until <= errand.now)
                });
                expect(!expired, Promise::TimeCounts, || format!("{errand} was told of {id}, which has expired"))?;
                self.acknowledge(id)
            }
            Answer::Both(both) => both.into_iter().try_for_each(|(id, deduplicated)| {
                let answer = if deduplicated { Answer::Deduplicated(id) } else { Answer::Enqueued(id) };
                self.told(errand, &answer, tree)
            }),
            Answer::Imported(id) => self.acknowledge(id),
            Answer::Already(id) => {
                // Whoever brings it in may be just about to link it.
                self.life(id).acknowledged = true;
                Ok(())
            }
            Answer::Claimed(id, generation, nonce) => {
                let life = self.lives.entry(id).or_default();
                let mine = life.tenure_of(errand, nonce);
                expect(life.leases.get(&generation) == Some(&mine), Promise::OneHolder, || {
                    format!("{errand} was granted generation {generation}, but its lease is another")
                })?;
                expect(life.told.insert(generation), Promise::OneHolder, || {
                    format!("generation {generation} was granted twice")
                })?;
                self.check_limit(errand)
            }
            Answer::Kept(id, nonce) => self.life(id).check_kept(errand, nonce, false),
            Answer::AskedToStop(id, nonce) => self.life(id).check_kept(errand, nonce, true),
            Answer::Ended(id, nonce) => self.life(id).check_end(errand, nonce),
            Answer::Followed(id, nonce, follower) => {
                self.life(id).check_end(errand, nonce)?;
                self.acknowledge(follower)?;
                let life = self.life(follower);
                life.is_wanted |= life.plan.follows == Some(errand.nonce) || life.plan.completion_of(id).is_some();
                Ok(())
            }
            Answer::TriedAgain(id, nonce) => self.life(id).check_tried_again(errand, nonce),
            Answer::Released(id, generation) => self.life(id).check_released(errand, generation),
            Answer::Requested(id) => self.life(id).check_requested(errand),
            Answer::PutBack(id) => {
                let again = self.ends(id) > 0;
                expect(again, Promise::EndedIsEnded, || format!("{errand} was accepted, and it has not ended"))
            }
            Answer::Refused(code) => {
                self.note_orphan(errand, code, tree)?;
                self.check_refusal(errand, code)
            }
            Answer::Nothing | Answer::Done | Answer::Failed | Answer::Unknown => Ok(()),
        }
    }

    fn life(&mut self, id: TaskId) -> &mut Life {
        self.lives.entry(id).or_default()
    }

    fn acknowledge(&mut self, id: TaskId) -> Result<(), Broken> {
        let life = self.life(id);
        life.acknowledged = true;
        life.check_entries(id)
    }

    /// Whoever is told that it has a task is one of as many as may have one.
    fn check_limit(&self, errand: &Errand) -> Result<(), Broken> {
        let Some(limit) = self.limit else { return Ok(()) };
        let leases = self.leases_told(errand.now);
        expect(leases <= limit, Promise::NoMoreThanAllowed, || format!("{leases} leases, of {limit} allowed"))
    }

    /// Everybody who claimed has been told what came of it, by clocks that say `now`: as many have a task as may have
    /// one, as far as there are tasks. So of those who gave way to each other somebody got what was free.
    pub fn limit_is_used(&self, now: Timestamp) -> Result<(), Broken> {
        let Some(limit) = self.limit else { return Ok(()) };
        let (leases, wanted) = (self.leases_told(now), limit.min(self.lives.len()));
        let all = leases >= wanted;
        expect(all, Promise::NobodyLeavesWhatIsFree, || format!("{leases} leases, and {wanted} could be had"))
    }

    /// The highest version that a task has.
    pub fn highest_version(&self) -> u32 {
        self.lives.values().filter_map(|life| Some(life.last_entry()?.version)).max().unwrap_or(0)
    }

    /// How many leases run of which their holders were told.
    fn leases_told(&self, now: Timestamp) -> usize {
        let held = |life: &&Life| {
            life.last_entry().is_some_and(|entry| match &entry.state {
                State::Claimed(lease) | State::Cancelling(lease) => {
                    lease.expires_at > now && life.told.contains(&entry.generation)
                }
                _ => false,
            })
        };
        self.lives.values().filter(held).count()
    }

    /// A result that was refused because the lease was lost is kept.
    fn note_orphan(&mut self, errand: &Errand, code: &str, tree: &Tree) -> Result<(), Broken> {
        let (Order::Complete(id) | Order::CompleteAndEnqueue(id, _), "lease_lost") = (errand.order, code) else {
            return Ok(());
        };
        let life = self.life(id);
        life.orphans.insert(errand.lease.unwrap_or_else(|| Nonce::of_run_id(&name(errand.agent))));
        life.check_reports(id, tree)
    }

    /// Whoever is refused is told why: by the state of the task, which is there.
    fn check_refusal(&self, errand: &Errand, code: &str) -> Result<(), Broken> {
        if let Order::Enqueue(_) | Order::EnqueueBoth(_) = errand.order {
            let seen = || format!("{errand} was refused: {code}");
            // What it is to wait for has been removed.
            let gone = |id: &TaskId| self.lives.get(id).is_none_or(|life| life.purged);
            let in_vain = matches!(errand.order, Order::Enqueue(new) if new.after.iter().flatten().any(gone));
            return expect(in_vain && code == "not_found", Promise::EachIsAnswered, seen);
        }
        let Some(id) = errand.order.task() else { return Ok(()) };
        let by_state = match errand.order {
            // Also one that would wait in vain.
            Order::Retry(_) => {
                // One that was removed before anybody renamed it is not put back.
                let stayed = |life: &Life, version| life.purged && life.version() <= version;
                let was_put_back = |life: &Life| {
                    life.put_back_by.is_some_and(|(by, version)| by == errand.nonce && !stayed(life, version))
                };
                let told = !self.lives.get(&id).is_some_and(was_put_back);
                expect(told || code == "not_found", Promise::EachIsAnswered, || {
                    format!("{errand} was refused: {code}, and it had put the task back")
                })?;
                ["not_terminal", "already_terminal", "key_taken", "error"].contains(&code)
            }
            // A doctor that takes its enqueuer for dead may take what is to follow away.
            Order::CompleteAndEnqueue(..) if code == "not_found" => true,
            _ => ["not_claimed", "wrong_owner", "lease_lost", "already_terminal"].contains(&code),
        };
        let there = self.lives.get(&id).is_some_and(|life| life.acknowledged && !life.purged);
        expect(by_state || !there, Promise::NothingLost, || format!("{errand} was refused: {code}"))
    }

    /// What must hold when all agents are at rest and the directory was swept: nobody waits for what has happened.
    pub fn rested(&self, now: Timestamp) -> Result<(), Broken> {
        for (id, life) in &self.lives {
            let forgotten = life.last_entry().is_some_and(|entry| match entry.state {
                State::Scheduled { due } => due <= now,
                State::Claimed(lease) | State::Cancelling(lease) => lease.expires_at <= now,
                _ => false,
            });
            expect(!forgotten, Promise::NobodyIsForgotten, || format!("{id} still waits: {:?}", life.last))?;
        }
        self.awake()
    }

    /// What must hold when all agents are at rest, and none has died or failed: nobody waits for a task that has ended.
    pub fn awake(&self) -> Result<(), Broken> {
        for (id, life) in &self.lives {
            let Some(Entry { state: State::Blocked { on }, .. }) = life.last_entry() else { continue };
            let over = !self.lives.get(&on).is_some_and(Life::is_alive);
            // Whichever is listed first: it is not to run, whatever becomes of the others.
            let ended = |parent: &&TaskId| !self.lives.get(*parent).is_some_and(Life::is_alive);
            // A parent may have been put back since an earlier end.
            let last_forbids =
                |parent: &TaskId| self.ends_of(*parent).last().is_some_and(|end| end.forbids(&life.plan, *parent));
            let in_vain = life.plan.after.iter().filter(ended).any(last_forbids);
            // One that was removed before the task came to wait for it counts as not completed.
            let goes_on = over && self.allows(&life.plan, on) && !life.gone.contains(&on);
            let forgotten = in_vain || goes_on;
            expect(!forgotten, Promise::NobodyIsForgotten, || format!("{id} still waits: {:?}", life.last))?;
        }
        Ok(())
    }

    /// True if the task waits of its own will for one that did not complete, or for one that does so itself.
    fn stays_blocked(&self, id: TaskId) -> bool {
        let Some(life) = self.lives.get(&id) else { return false };
        let Some(Entry { state: State::Blocked { on }, .. }) = life.last_entry() else { return false };
        life.plan.if_parent_fails == IfParentFails::Block && self.ends(on) > 0 || self.stays_blocked(on)
    }

    /// What must hold when all agents are at rest and every task that can end has ended.
    pub fn closed(&self) -> Result<(), Broken> {
        for (id, life) in self.lives.iter().filter(|(_, life)| !life.purged) {
            let state = life.last_entry().map(|entry| entry.state);
            let stays = self.stays_blocked(*id);
            let ended = matches!(state, Some(State::Ended(_))) || stays;
            expect(ended || !life.acknowledged, Promise::CountsAddUp, || format!("{id} never ended: {life:?}"))?;
            expect(life.entries.len() == 1 || !life.acknowledged, Promise::NothingLost, || format!("{id}: {life:?}"))?;
            let called_off = life.ends.iter().any(|end| end.by.is_some() || end.outcome == Ending::Expired);
            let is_gone =
                |parent: &TaskId| life.gone.contains(parent) || self.lives.get(parent).is_none_or(|life| life.purged);
            let others =
                life.plan.after.iter().skip(1).any(|parent| self.forbids(&life.plan, *parent) || is_gone(parent));
            let ran = !life.leases.is_empty() || called_off || others || stays;
            expect(ran || !life.is_wanted, Promise::AllOrNothing, || format!("{id} never ran: {life:?}"))?;
        }
        Ok(())
    }
}

impl Order {
    /// The task that it is about, if it is about one that is there.
    fn task(self) -> Option<TaskId> {
        match self {
            Order::Heartbeat(id)
            | Order::Progress(id)
            | Order::Complete(id)
            | Order::CompleteAndEnqueue(id, _)
            | Order::Fail(id)
            | Order::FailFinally(id)
            | Order::Release(id)
            | Order::ReleaseLater(id, _)
            | Order::Cancel(id)
            | Order::RequestCancel(id)
            | Order::ForceCancel(id)
            | Order::Retry(id) => Some(id),
            Order::Enqueue(_) | Order::EnqueueBoth(_) | Order::Import(..) | Order::Claim | Order::Sweep => None,
            Order::Repair | Order::Gc | Order::Export | Order::Pause | Order::Resume | Order::Limit(_) => None,
        }
    }

    fn cancels(self, id: TaskId) -> bool {
        matches!(self, Order::Cancel(of) | Order::RequestCancel(of) | Order::ForceCancel(of) if of == id)
    }
}

/// The record that an entry leads to.
fn record_at(tree: &Tree, entry: &Path) -> Option<Record> {
    let content = tree.content(entry)?;
    serde_json::from_slice(content.split(|byte| *byte == b'\n').next()?).ok()
}

impl Plan {
    fn of(tree: &Tree, entry: &Path) -> Plan {
        let Some(record) = record_at(tree, entry) else { return Plan::default() };
        Plan {
            max_attempts: record.max_attempts,
            due: record.scheduled_at,
            after: record.after,
            if_parent_fails: record.if_parent_fails.unwrap_or_default(),
            key: record.unique.map(|key| key.as_str().to_string()),
            follows: record.follows,
        }
    }

    /// The nonce of the parent's completion that enqueued the task, if one did.
    fn completion_of(&self, parent: TaskId) -> Option<Nonce> {
        self.follows.filter(|_| self.after.first() == Some(&parent))
    }

    /// True if this attempt is not the last.
    fn leaves_attempts(&self, attempt: u32) -> bool {
        self.max_attempts.is_some_and(|max| attempt < max)
    }
}

impl End {
    /// True if a task with this plan will not run, because this parent has ended so.
    fn forbids(&self, plan: &Plan, parent: TaskId) -> bool {
        match plan.completion_of(parent) {
            // Whoever is told that it is enqueued must see it run. One that came to its key later is of a completion
            // that was refused.
            Some(completion) => self.outcome != Ending::Completed || self.report != Some(completion),
            None => self.outcome != Ending::Completed && plan.if_parent_fails == IfParentFails::Cancel,
        }
    }

    /// True if a task that was to be enqueued by this completion is enqueued by this end.
    fn enqueues(&self, plan: &Plan, completion: Nonce) -> bool {
        let adopts = self.enqueues_key && plan.key.is_some();
        self.outcome == Ending::Completed && (self.report == Some(completion) || adopts)
    }
}

impl Default for End {
    fn default() -> End {
        End {
            outcome: Ending::Expired,
            by: None,
            report: None,
            enqueues_key: false,
            forced: false,
            given_back: None,
            told: false,
        }
    }
}

impl Life {
    fn check_entries(&self, id: TaskId) -> Result<(), Broken> {
        expect(self.entries.len() <= 1, Promise::OneEntry, || format!("{id} has {:?}", self.entries))?;
        expect(!self.acknowledged || self.purged || !self.entries.is_empty(), Promise::NothingLost, || {
            format!("{id} is on no shelf, and was acknowledged")
        })
    }

    /// The task gets the name `next` on an errand.
    fn follow(&mut self, next: &Entry, errand: &Errand) -> Result<(), Broken> {
        let now = errand.now;
        let Some(last) = self.last_entry() else {
            // The second one is that of a task that is brought in: it waits from then on.
            let first = next.version <= 2 && next.generation == 0 && next.attempt == 0;
            expect(first, Promise::OnlyGrow, || format!("the first name is {next}"))?;
            return self.check_first(next);
        };
        let step = || format!("{last} became {next}");
        // A collection puts a task back that another one has come to wait for.
        if matches!((&last.state, &next.state), (State::Ended(was), State::Ended(is)) if was == is) {
            let same = Entry { version: last.version + 1, ..last.clone() } == *next;
            return expect(same && self.being_removed, Promise::EndedIsEnded, step);
        }
        let waits_again = matches!(next.state, State::Ready { .. } | State::Scheduled { .. } | State::Blocked { .. });
        let again = matches!(last.state, State::Ended(_)) && waits_again;
        let in_success = self.ends.iter().any(|end| end.outcome == Ending::Completed);
        expect(!matches!(last.state, State::Ended(_)) || again && !in_success, Promise::EndedIsEnded, step)?;
        let taken = matches!(next.state, State::Claimed(_)) && next.generation != last.generation;
        let grown = next.version == last.version + 1 && next.generation == last.generation + u32::from(taken);
        expect(grown, Promise::OnlyGrow, step)?;
        if again {
            return expect(next.attempt == 0, Promise::AttemptsAreCounted, step);
        }
        let was_held = matches!(last.state, State::Claimed(_) | State::Cancelling(_) | State::TimedOut { .. });
        let released = was_held
            && match next.state {
                State::Ready { .. } => true,
                State::Scheduled { .. } => matches!(errand.order, Order::ReleaseLater(..)),
                _ => false,
            };
        let counted = next.attempt + u32::from(released) == last.attempt + u32::from(taken);
        expect(counted, Promise::AttemptsAreCounted, step)?;
        let within = self.plan.max_attempts.is_none_or(|max| next.attempt <= max);
        expect(within, Promise::AttemptsAreLimited, step)?;
        let same_lease = next.lease().map(|lease| lease.nonce) == last.lease().map(|lease| lease.nonce);
        let same_holder = next.lease().map(|lease| &lease.holder) == last.lease().map(|lease| &lease.holder);
        let late = last.lease().is_some_and(|lease| lease.expires_at <= now.max(lease.heartbeat_at));
        match (&last.state, &next.state) {
            (State::Ready { .. } | State::TimedOut { .. }, State::Claimed(lease)) if taken => {
                let waited_too_long = matches!(last.state, State::Ready { pending_until, .. } if pending_until <= now);
                expect(!waited_too_long, Promise::EndedIsEnded, step)?;
                let other = self.leases.insert(next.generation, tenure(lease));
                expect(other.is_none(), Promise::OneHolder, step)
            }
            (State::Claimed(_) | State::Cancelling(_), State::Claimed(_)) if taken => {
                Err(Broken::new(Promise::OneHolder, step()))
            }
            (State::Claimed(_) | State::TimedOut { .. }, State::Claimed(lease))
            | (State::Cancelling(_), State::Cancelling(lease)) => {
                if errand.order == Order::RequestCancel(last.id) && matches!(last.state, State::Cancelling(_)) {
                    // Another one asks, too. The holder keeps the lease as it was.
                    self.asked += 1;
                    return expect(last.lease() == Some(lease), Promise::OnlyTheHolder, step);
                }
                let is_asked = matches!(next.state, State::Cancelling(_));
                *self.kept.entry((lease.nonce, is_asked)).or_default() += 1;
                let heard_of = last.lease().map(|lease| lease.heartbeat_at);
                expect(heard_of <= Some(lease.heartbeat_at), Promise::OnlyGrow, step)?;
                expect(same_lease && same_holder, Promise::OnlyTheHolder, step)
            }
            (State::Cancelling(_), State::Claimed(_)) => Err(Broken::new(Promise::HoldersAreAsked, step())),
            (State::Claimed(_), State::Cancelling(lease)) => {
                self.asked += 1;
                let asked = errand.order == Order::RequestCancel(last.id);
                expect(asked, Promise::HoldersAreAsked, step)?;
                expect(last.lease() == Some(lease), Promise::OnlyTheHolder, step)
            }
            (State::Claimed(_) | State::TimedOut { .. }, State::Ready { pending_until, .. }) => {
                let again = self.released.insert(last.generation, false);
                expect(again.is_none(), Promise::OneHolder, step)?;
                // A task that was claimed in time does not run out of it.
                expect(pending_until.micros() == limits::TIME_MICROS, Promise::NotBeforeItsTime, step)
            }
            (State::Claimed(_) | State::TimedOut { .. }, State::Scheduled { due }) if released => {
                let again = self.released.insert(last.generation, false);
                expect(again.is_none(), Promise::OneHolder, step)?;
                expect(*due > now, Promise::NotBeforeItIsDue, step)
            }
            (State::Claimed(_) | State::TimedOut { .. }, State::Scheduled { due }) => {
                let again = self.failed.insert(last.generation, false);
                expect(again.is_none(), Promise::OneHolder, step)?;
                expect(errand.order == Order::Fail(last.id), Promise::OnlyTheHolder, step)?;
                expect(self.plan.leaves_attempts(last.attempt), Promise::AttemptsAreLimited, step)?;
                let waits = due.micros_since(now.max(latest(&last)));
                let doubled = BACKOFF.seconds << (last.attempt - 1).min(8);
                let most = 1_000_000 * doubled.min(BACKOFF.max_seconds).unsigned_abs();
                expect((most / 2..=most).contains(&waits), Promise::NotBeforeItIsDue, step)
            }
            (State::Claimed(_), State::TimedOut { .. }) => {
                expect(same_lease && same_holder, Promise::OnlyTheHolder, step)?;
                let left = self.plan.max_attempts.is_none() || self.plan.leaves_attempts(last.attempt);
                expect(left, Promise::AttemptsAreLimited, step)?;
                expect(late, Promise::NotBeforeItsTime, step)
            }
            (State::Scheduled { due }, State::Ready { .. }) => expect(*due <= now, Promise::NotBeforeItIsDue, step),
            (State::Blocked { .. }, State::Blocked { .. }) => Ok(()),
            (State::Blocked { .. }, State::Scheduled { due }) => {
                expect(Some(*due) == self.plan.due, Promise::NotBeforeItIsDue, step)
            }
            (State::Blocked { .. }, State::Ready { .. }) => {
                let is_due = self.plan.due.is_none_or(|due| due <= now.max(last.created_at));
                expect(is_due, Promise::NotBeforeItIsDue, step)
            }
            (_, State::Ended(ending)) => {
                let is_held = matches!(last.state, State::Claimed(_) | State::Cancelling(_));
                let by = ending.lease.as_ref().map(tenure);
                let mut end = End { outcome: ending.outcome, by, report: next.report, ..End::default() };
                end.enqueues_key = matches!(errand.order, Order::CompleteAndEnqueue(_, new) if new.is_unique);
                end.forced = is_held && !late && !same_holder;
                let by_nobody = matches!(last.state, State::Cancelling(_)) && !errand.order.cancels(last.id);
                end.given_back = by_nobody.then_some(last.generation);
                let allowed = self.may_end(&last, &end, late, same_lease && same_holder, errand);
                self.ends.push(end);
                expect(same_lease || !was_held, Promise::OnlyTheHolder, step)?;
                allowed.map_or(Ok(()), |promise| Err(Broken::new(promise, step())))
            }
            _ => Err(Broken::new(Promise::OnlyTheHolder, step())),
        }
    }

    /// Where a task begins its life follows from its record.
    fn check_first(&self, first: &Entry) -> Result<(), Broken> {
        let (promise, right) = match first.state {
            State::Ready { .. } => (Promise::NotBeforeItIsDue, self.plan.due.is_none_or(|due| due <= first.created_at)),
            State::Scheduled { due } => (Promise::NotBeforeItIsDue, self.plan.due == Some(due)),
            State::Blocked { on } => (Promise::ParentsFirst, self.plan.after.contains(&on)),
            _ => (Promise::OnlyGrow, false),
        };
        expect(right, promise, || format!("the first name is {first}"))
    }

    /// Which promise an end breaks, if it does, of a task that was `last`.
    fn may_end(&self, last: &Entry, end: &End, late: bool, same: bool, errand: &Errand) -> Option<Promise> {
        let of_its_holder = same && errand.order.task() == Some(last.id);
        let was_held = matches!(last.state, State::Claimed(_) | State::Cancelling(_) | State::TimedOut { .. });
        let (kept, promise) = match (&last.state, end.outcome) {
            (_, Ending::Completed) => (was_held && of_its_holder, Promise::OnlyTheHolder),
            (State::Claimed(_), Ending::Failed) if !of_its_holder || errand.order.cancels(last.id) => {
                let out = self.plan.max_attempts.is_some_and(|max| last.attempt >= max);
                let promise = if out { Promise::NotBeforeItsTime } else { Promise::AttemptsAreLimited };
                (same && late && out, promise)
            }
            (State::Cancelling(_), Ending::Failed) => (of_its_holder, Promise::OnlyTheHolder),
            (_, Ending::Failed) => {
                let last_one =
                    !self.plan.leaves_attempts(last.attempt) || matches!(errand.order, Order::FailFinally(_));
                let promise = if of_its_holder { Promise::AttemptsAreLimited } else { Promise::OnlyTheHolder };
                (was_held && of_its_holder && last_one, promise)
            }
            (State::Cancelling(_), Ending::Cancelled) if !errand.order.cancels(last.id) => {
                let given_back =
                    matches!(errand.order, Order::Release(of) | Order::ReleaseLater(of, _) if of == last.id);
                // A claim gives back at once what is one too many of a limited queue.
                let too_many =
                    errand.order == Order::Claim && last.lease().is_some_and(|lease| lease.nonce == errand.nonce);
                (same && (late || given_back || too_many), Promise::NotBeforeItsTime)
            }
            // Because of one that it waited for: that is seen where those are known.
            (State::Blocked { .. }, Ending::Cancelled) if end.by.is_none() => (true, Promise::ParentsFirst),
            (_, Ending::Cancelled) => (errand.order.cancels(last.id), Promise::OnlyTheHolder),
            (State::Ready { pending_until, .. }, Ending::Expired) => {
                (*pending_until <= errand.now, Promise::NotBeforeItsTime)
            }
            (_, Ending::Expired) => (false, Promise::NotBeforeItsTime),
        };
        (!kept).then_some(promise)
    }

    /// Notes the report that the name `next` leads to, if it is a new one: it is there, whole, and says what the name
    /// says.
    fn note_report(&mut self, last: Option<&Entry>, next: &Entry, tree: &Tree) -> Result<(), Broken> {
        let (Some(nonce), Some(last)) = (next.report, last) else { return Ok(()) };
        if last.report == Some(nonce) {
            let is_told_of = !matches!(next.state, State::Cancelling(_)) || matches!(last.state, State::Cancelling(_));
            return expect(is_told_of, Promise::ReportsStay, || format!("{next} has no report of its own"));
        }
        let report =
            reports_on(tree, next.id).into_iter().find(|told| (told.version, told.nonce) == (next.version, nonce));
        let report = report.map(|told| told.report);
        let seen = || format!("{next}: its report is {report:?}");
        let promise = match next.state {
            State::Ended(_) => Promise::ResultsAreWhole,
            _ => Promise::ReportsStay,
        };
        let report = report.as_ref().ok_or_else(|| Broken::new(promise, seen()))?;
        let said = report.result.as_ref().map(|result| result.text().to_string());
        let right = match &next.state {
            State::Ended(ending) => match ending.outcome {
                Ending::Completed => report.kind == ReportKind::Completed && said == Some(result_of(nonce)),
                Ending::Failed => matches!(report.kind, ReportKind::Failed | ReportKind::TimedOut),
                // Given back for later by a holder that was asked to stop.
                Ending::Cancelled if report.kind == ReportKind::Released => matches!(last.state, State::Cancelling(_)),
                Ending::Cancelled => matches!(report.kind, ReportKind::Cancelled | ReportKind::CancelRequested),
                Ending::Expired => false,
            },
            State::Scheduled { due } => {
                matches!(report.kind, ReportKind::Failed | ReportKind::Released) && report.scheduled_at == Some(*due)
            }
            State::TimedOut { .. } => report.kind == ReportKind::TimedOut,
            State::Cancelling(_) if report.kind == ReportKind::Progress => matches!(last.state, State::Cancelling(_)),
            State::Cancelling(_) => report.kind == ReportKind::CancelRequested,
            State::Claimed(_) => report.kind == ReportKind::Progress,
            State::Ready { .. } | State::Blocked { .. } => false,
        };
        expect(right, promise, seen)?;
        let is_progress = report.kind == ReportKind::Progress;
        if is_progress && self.reports.last().is_some_and(|before| before.is_progress) {
            self.reports.pop();
        }
        let leads_on = report.previous == self.reports.last().map(|before| before.nonce);
        expect(leads_on, Promise::ReportsStay, seen)?;
        self.reports.push(Reported { version: next.version, nonce, is_progress });
        Ok(())
    }

    /// Whatever was reported is there.
    fn check_reports(&self, id: TaskId, tree: &Tree) -> Result<(), Broken> {
        if self.purged || self.reports.is_empty() && self.orphans.is_empty() {
            return Ok(());
        }
        let told = reports_on(tree, id);
        let is_there = |version, nonce| told.iter().any(|told| (told.version, told.nonce) == (version, nonce));
        for Reported { version, nonce, .. } in &self.reports {
            expect(is_there(*version, *nonce), Promise::ReportsStay, || format!("{nonce} is not among {told:?}"))?;
        }
        // Of results that came too late a few are kept.
        let late = self.orphans.iter().filter(|nonce| is_there(0, **nonce)).count();
        let all_that_stay = late >= self.orphans.len().min(limits::LATE_RESULTS_KEPT);
        expect(all_that_stay, Promise::ReportsStay, || format!("of {:?} there are {late}", self.orphans))
    }

    /// Whoever was told that it keeps the task has that lease, and has kept it: once for each time that it was told. It
    /// was told to stop if somebody had asked by then.
    fn check_kept(&mut self, errand: &Errand, nonce: Nonce, is_asked: bool) -> Result<(), Broken> {
        let mine = self.tenure_of(errand, nonce);
        let held = self.leases.values().any(|lease| *lease == mine) && errand.lease.is_none_or(|lease| lease == nonce);
        let mut told = |is_asked| {
            self.kept.get_mut(&(nonce, is_asked)).is_some_and(|times| {
                let untold = *times > 0;
                *times = times.saturating_sub(1);
                untold
            })
        };
        let (kept, otherwise) = (told(is_asked), !is_asked && told(true));
        let promise = if otherwise { Promise::HoldersAreAsked } else { Promise::OnlyTheHolder };
        expect(held && kept, promise, || format!("{errand} was accepted; the leases are {:?}", self.leases))
    }

    /// Whoever was told that the task is given back had it, by the lease that it meant, and has given it back: it was
    /// told so once, and has the task no more.
    fn check_released(&mut self, errand: &Errand, generation: u32) -> Result<(), Broken> {
        let seen = || format!("{errand} was accepted as generation {generation}; the leases are {:?}", self.leases);
        let lease = self.leases.get(&generation);
        let mine = lease.is_some_and(|(nonce, _)| lease == Some(&self.tenure_of(errand, *nonce)));
        let meant = errand.lease.is_none_or(|meant| lease.is_some_and(|(nonce, _)| *nonce == meant));
        expect(mine && meant, Promise::OnlyTheHolder, seen)?;
        let end = self.ends.iter().position(|end| end.given_back == Some(generation) && !end.told);
        let untold = self.released.get(&generation) == Some(&false) || end.is_some();
        expect(untold, Promise::OnlyTheHolder, seen)?;
        match end {
            Some(end) => self.ends[end].told = true,
            None => drop(self.released.insert(generation, true)),
        }
        Ok(())
    }

    /// Whoever was told that the task is tried again held it, and told so once.
    fn check_tried_again(&mut self, errand: &Errand, nonce: Nonce) -> Result<(), Broken> {
        let seen = || format!("{errand} was accepted; the leases are {:?}", self.leases);
        let mine = self.tenure_of(errand, nonce);
        // A claim can get the task twice, if it was taken from it before it came to read it: then two leases are alike.
        let mut of_lease = self.leases.iter().filter(|(_, lease)| **lease == mine).map(|(generation, _)| *generation);
        let untold = of_lease.find(|generation| self.failed.get(generation) == Some(&false));
        let meant = errand.lease.is_none_or(|lease| lease == nonce);
        let reported = self.reports.iter().any(|report| report.nonce == errand.nonce);
        expect(reported, Promise::ReportsStay, seen)?;
        expect(untold.is_some() && meant, Promise::OnlyTheHolder, seen)?;
        self.failed.extend(untold.map(|generation| (generation, true)));
        Ok(())
    }

    /// Whoever was told that the holder is asked has asked it: once for each time that it was told.
    fn check_requested(&mut self, errand: &Errand) -> Result<(), Broken> {
        let asked = self.asked.checked_sub(1);
        self.asked = asked.unwrap_or(0);
        expect(asked.is_some(), Promise::HoldersAreAsked, || format!("{errand} was accepted, and nobody is asked"))
    }

    /// Whoever was told that the task has ended has ended it, and by its own lease. Nobody else was told so.
    fn check_end(&mut self, errand: &Errand, nonce: Nonce) -> Result<(), Broken> {
        let seen = || format!("{errand} was accepted; the task is {}", self.last.as_deref().unwrap_or("nowhere"));
        expect(!self.ends.is_empty(), Promise::NothingLost, seen)?;
        let outcome = match errand.order {
            Order::Complete(_) | Order::CompleteAndEnqueue(..) => Ending::Completed,
            Order::Fail(_) | Order::FailFinally(_) => Ending::Failed,
            _ => Ending::Cancelled,
        };
        let mine = Some(self.tenure_of(errand, nonce));
        let end = self.ends.iter().rposition(|end| end.outcome == outcome && end.by == mine && !end.told);
        let any = self.ends.iter().any(|end| end.outcome == outcome && !end.told);
        let promise = if any { Promise::OnlyTheHolder } else { Promise::EndedIsEnded };
        let end = end.ok_or_else(|| Broken::new(promise, seen()))?;
        let allowed = !self.ends[end].forced || matches!(errand.order, Order::ForceCancel(_));
        expect(allowed, Promise::NotBeforeItsTime, seen)?;
        let meant = errand.lease.is_none_or(|lease| lease == nonce) || outcome == Ending::Cancelled;
        expect(meant, Promise::OnlyTheHolder, seen)?;
        let settled = outcome != Ending::Completed || self.ends[end].report == Some(errand.nonce);
        expect(settled, Promise::ResultsAreWhole, seen)?;
        self.ends[end].told = true;
        Ok(())
    }

    /// A lease of whoever runs the errand, as names tell of it.
    fn tenure_of(&self, errand: &Errand, nonce: Nonce) -> Tenure {
        let holder = self.last_entry().map(|entry| entry.holder(&name(errand.agent)).as_str().to_string());
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

fn tenure(lease: &Lease) -> Tenure {
    (lease.nonce, lease.holder.as_str().to_string())
}

/// The latest time that a held task's name tells to have passed.
fn latest(entry: &Entry) -> Timestamp {
    let lapsed = matches!(entry.state, State::TimedOut { .. });
    let of_lease = |lease: &Lease| if lapsed { lease.expires_at } else { lease.heartbeat_at };
    entry.lease().map_or(entry.created_at, of_lease)
}

/// A report on a task, wherever it stands.
#[derive(Clone, Debug)]
pub(super) struct Told {
    version: u32,
    nonce: Nonce,
    pub(super) report: Report,
}

/// What a task's file holds behind its first line.
#[derive(Deserialize)]
struct Line {
    task: TaskId,
    version: u32,
    nonce: Nonce,
    report: Report,
}

/// The reports on a task: the lines of its file, and those that are files of their own.
fn reports_on(tree: &Tree, id: TaskId) -> Vec<Told> {
    let mut told = Vec::new();
    let mut seen: Vec<&Arc<[u8]>> = Vec::new();
    for (path, content) in tree.files() {
        if let Some((of, version, nonce)) = layout::parse_report(&path.name).filter(|(of, ..)| *of == id) {
            let report = serde_json::from_slice(content).ok();
            told.extend(report.filter(|_| of == id).map(|report| Told { version, nonce, report }));
        }
        let is_of_task = layout::parse_record(&path.name) == Some(id)
            || Entry::parse(&path.name).is_some_and(|entry| entry.id == id);
        if is_of_task && !seen.iter().any(|seen| Arc::ptr_eq(seen, content)) {
            seen.push(content);
            let lines = content.split(|byte| *byte == b'\n').skip(1).filter(|line| !line.is_empty());
            let lines = lines.filter_map(|line| serde_json::from_slice::<Line>(line).ok());
            let lines = lines.filter(|line| line.task == id);
            told.extend(lines.map(|Line { version, nonce, report, .. }| Told { version, nonce, report }));
        }
    }
    told
}

/// The reports that an entry leads to, oldest first, as far as they can be read.
pub(super) fn chain(tree: &Tree, entry: &Entry) -> Vec<Reported> {
    let (mut reports, mut next) = (Vec::new(), entry.report);
    if next.is_none() {
        return reports;
    }
    let mut all = BTreeMap::new();
    for told in reports_on(tree, entry.id) {
        if told.version > 0 {
            all.insert(told.nonce, told);
        }
    }
    while let Some((nonce, Told { version, report, .. })) = next.and_then(|nonce| all.remove_entry(&nonce)) {
        reports.push(Reported { version, nonce, is_progress: report.kind == ReportKind::Progress });
        next = report.previous;
    }
    reports.reverse();
    reports
}

/// What was reported last on a task, as text.
pub(super) fn last_report(tree: &Tree, entry: &Entry) -> Option<String> {
    let last = chain(tree, entry).pop()?;
    let told =
        reports_on(tree, entry.id).into_iter().find(|told| (told.version, told.nonce) == (last.version, last.nonce));
    told.map(|told| format!("{:?}", told.report))
}

/// The state entries that are on shelves.
pub fn entries(tree: &Tree) -> impl Iterator<Item = (Path, Entry)> {
    tree.files().filter_map(|(path, _)| Some((path.clone(), on_a_shelf(&path)?)))
}

/// True for an entry that is on a shelf, or on its way to be removed.
fn is_kept(path: &Path) -> bool {
    path.dir == layout::purged() || on_a_shelf(path).is_some()
}

fn on_a_shelf(path: &Path) -> Option<Entry> {
    let shelf = path.dir.as_str().split('/').next()?;
    let shelves = ["scheduled", "blocked", "ready", "claimed", "done"];
    if shelves.contains(&shelf) { Entry::parse(&path.name) } else { None }
}

/// True for the name of an end that is not finished.
fn is_unfinished(path: &Path) -> bool {
    before_its_end(path).is_some()
}

/// What the task was before such a name.
fn before_its_end(path: &Path) -> Option<Entry> {
    let entry = on_a_shelf(path).filter(|_| path.dir.as_str().starts_with("claimed/"))?;
    let State::Ended(coord_core::entry::Ending { lease: Some(lease), .. }) = &entry.state else { return None };
    Some(Entry { version: entry.version - 1, state: State::Claimed(lease.clone()), report: None, ..entry.clone() })
}

/// The promise holds if `kept`.
pub fn expect(kept: bool, promise: Promise, seen: impl FnOnce() -> String) -> Result<(), Broken> {
    if kept { Ok(()) } else { Err(Broken::new(promise, seen())) }
}

impl Broken {
    /// A promise was broken, as was seen.
    pub fn new(promise: Promise, seen: String) -> Broken {
        Broken { promise, seen }
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Promise::OneEntry => "a task has exactly one state entry",
            Promise::OneHolder => "each generation of a task is granted to one holder",
            Promise::OnlyGrow => "versions and generations only grow",
            Promise::EndedIsEnded => "a task that has ended stays as it ended",
            Promise::OnlyTheHolder => "only the holder of the present lease keeps the task or reports its end",
            Promise::NotBeforeItsTime => "no lease is taken from its holder before it has run out",
            Promise::AttemptsAreCounted => "a claim is an attempt, unless its holder gives the task back",
            Promise::AttemptsAreLimited => "no task is tried more often than it may be, nor given up before",
            Promise::NotBeforeItIsDue => "a task that was put off becomes ready when it is due",
            Promise::ParentsFirst => "a task goes on when those that it waits for have ended as it allows",
            Promise::NobodyIsForgotten => "nobody waits for what has happened",
            Promise::OneForAKey => "of the tasks with one key one lives",
            Promise::TimeCounts => "time that has passed counts at once",
            Promise::EachIsAnswered => "whoever enqueues, or puts a task back, is told so",
            Promise::NoMoreThanAllowed => "there are no more leases than are allowed",
            Promise::NobodyLeavesWhatIsFree => {
                "nobody is told that there is nothing while there is room for one more lease"
            }
            Promise::HoldersAreAsked => "a holder that is asked to stop is told so",
            Promise::WhatIsWaitedForStays => "no task is removed that has not ended, or that a blocked one waits for",
            Promise::AllOrNothing => "what a completion enqueues runs if it is accepted, and only then",
            Promise::NothingLost => "what was acknowledged is there",
            Promise::ResultsAreWhole => "an ended task's result is there, whole",
            Promise::ReportsStay => "whatever was reported of a task stays, whole",
            Promise::CountsAddUp => "what goes in comes out, and nothing else does",
            Promise::InOrder => "the highest priority comes first, then the oldest",
            Promise::BoundedGarbage => "nothing is left behind but what `doctor` knows",
        })
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken: {}. Seen: {}", self.promise, self.seen)
    }
}
