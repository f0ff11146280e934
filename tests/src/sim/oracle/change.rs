//! A store operation changed a name: what that means for the task that the name is of.

use std::sync::Arc;

use coord_core::TaskId;
use coord_core::entry::State;
use coord_core::layout::{self, Path};
use coord_core::store::fused::{First, Move, Stepped};
use coord_core::store::mem::Tree;
use coord_core::store::{Created, Linked, Moved, Removed};

use super::entries::{in_state_dir, is_kept, is_unfinished};
use super::invariant::{Broken, Invariant, expect};
use super::reports::chain;
use super::{End, Life, Oracle, Plan, owner_of};
use crate::sim::agent::Invocation;
use crate::sim::call::{Call, Outcome, Reply};
use crate::sim::operation::Operation;

impl Oracle {
    /// Notes an operation that was done on an invocation; of an engine's step, all that it changed.
    pub fn done(&mut self, call: &Call, reply: &Reply, tree: &Tree, invocation: &Invocation) -> Result<(), Broken> {
        let (Call::Step(steps), Ok(Outcome::Stepped(outcomes))) = (call, reply) else {
            return self.done_by_call(call, reply, tree, invocation);
        };
        for (step, outcome) in steps.iter().zip(outcomes.iter()) {
            let Stepped::Done { by, .. } = outcome else { continue };
            if let First::Create(path, content) = &step.first {
                let create = Call::Create(path.clone(), content.as_slice().into());
                self.done_by_call(&create, &Ok(Outcome::Created(Created::Now)), tree, invocation)?;
            }
            let (call, outcome) = match step.moves[*by].clone() {
                Move::Rename(from, to) => (Call::Rename(from, to), Outcome::Moved(Moved::Here)),
                Move::Link(from, to) => (Call::Link(from, to), Outcome::Linked(Linked::Now)),
            };
            self.done_by_call(&call, &Ok(outcome), tree, invocation)?;
        }
        Ok(())
    }

    fn done_by_call(&mut self, call: &Call, reply: &Reply, tree: &Tree, invocation: &Invocation) -> Result<(), Broken> {
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
        if let (Operation::Retry(id), Some(to)) = (invocation.operation, come)
            && layout::parse_key_holder(&to.name).is_some()
        {
            let life = self.life(id);
            life.put_back_by = Some((invocation.nonce, life.version()));
        }
        if let Some((id, ..)) = gone.and_then(|path| layout::parse_report(&path.name)) {
            self.lives.get(&id).map_or(Ok(()), |life| life.check_reports(id, tree))?;
        }
        if let (None, Some(path)) = (come, gone) {
            self.check_removed(path)?;
        }
        let before = gone.and_then(|path| Some((path, in_state_dir(path)?)));
        let after = come.and_then(|path| Some((path, in_state_dir(path)?)));
        let Some(id) = before.iter().chain(&after).map(|(_, entry)| entry.id).next() else { return Ok(()) };
        let life = self.life(id);
        if let Some((path, _)) = &before {
            life.entries.remove(*path);
        }
        if let (Some((_, entry)), true) = (&before, come.is_some_and(|path| path.dir == layout::purged())) {
            let ended = matches!(entry.state, State::Ended(_));
            expect(ended, Invariant::WhatIsWaitedForStays, || format!("{invocation} removes {entry}"))?;
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
            life.begun = Some(*invocation);
            return Ok(());
        }
        let (mut invocation, mut was_cut) = (*invocation, false);
        if gone.is_some_and(is_unfinished) {
            (invocation, was_cut) = life.begun.take().map_or((invocation, true), |begun| (begun, false));
        }
        let invocation = &invocation;
        if let (true, Some((path, entry))) = (was_cut || gone.is_some_and(is_unfinished), &after)
            && (was_cut || !matches!(entry.state, State::Ended(_)))
        {
            // The power was cut at it: it is finished, or taken back.
            if let State::Ended(ending) = &entry.state {
                let by = ending.lease.as_ref().map(owner_of);
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
                life.enqueued_by = Some(invocation.nonce);
            }
            let last = life.last_entry();
            life.follow(&entry, invocation)?;
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
        expect(life.purged, Invariant::NothingLost, || format!("{path} is removed; the task is {:?}", life.last))?;
        for (child, life) in &mut self.lives {
            let waits = life.plan.after.contains(&id)
                && life.last_entry().is_some_and(|entry| matches!(entry.state, State::Blocked { .. }));
            let invariant = Invariant::WhatIsWaitedForStays;
            let came_late = !life.acknowledged || life.gone.contains(&id);
            expect(!waits || came_late, invariant, || format!("{id} is removed, and {child} waits for it"))?;
            if waits {
                Arc::make_mut(life).gone.insert(id);
            }
        }
        Ok(())
    }
}
