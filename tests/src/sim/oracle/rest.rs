//! What must hold when all agents are at rest.

use coord_core::entry::{Entry, Outcome as Ending, State};
use coord_core::task::IfParentFails;
use coord_core::{TaskId, Timestamp};

use super::Oracle;
use super::invariant::{Broken, Invariant, expect};

impl Oracle {
    /// What must hold when all agents are at rest and the directory was swept: nobody waits for what has happened.
    pub fn rested(&self, now: Timestamp) -> Result<(), Broken> {
        for (id, life) in &self.lives {
            let forgotten = life.last_entry().is_some_and(|entry| match entry.state {
                State::Scheduled { due } => due <= now,
                State::Claimed(lease) | State::Cancelling(lease) => lease.expires_at <= now,
                _ => false,
            });
            expect(!forgotten, Invariant::NobodyIsForgotten, || format!("{id} still waits: {:?}", life.last))?;
        }
        self.awake()
    }

    /// What must hold when all agents are at rest, and none has died or failed: nobody waits for a task that has ended.
    pub fn awake(&self) -> Result<(), Broken> {
        for (id, life) in &self.lives {
            let Some(Entry { state: State::Blocked { on }, .. }) = life.last_entry() else { continue };
            let over = !self.lives.get(&on).is_some_and(|life| life.is_alive());
            // One such parent is enough: the task is not to run, even if the others complete.
            let ended = |parent: &&TaskId| !self.lives.get(*parent).is_some_and(|life| life.is_alive());
            // A parent may have been put back since an earlier end.
            let last_forbids =
                |parent: &TaskId| self.ends_of(*parent).last().is_some_and(|end| end.forbids(&life.plan, *parent));
            let in_vain = life.plan.after.iter().filter(ended).any(last_forbids);
            // One that was removed before the task came to wait for it counts as not completed.
            let goes_on = over && self.allows(&life.plan, on) && !life.gone.contains(&on);
            let forgotten = in_vain || goes_on;
            expect(!forgotten, Invariant::NobodyIsForgotten, || format!("{id} still waits: {:?}", life.last))?;
        }
        Ok(())
    }

    /// What must hold when all agents are at rest, and none has died or failed: each lease is one that somebody was
    /// told of, or has given back at once.
    pub fn leases_are_told(&self) -> Result<(), Broken> {
        for (id, life) in &self.lives {
            for generation in life.leases.keys() {
                let given_back = life.released.contains_key(generation)
                    || life.ends.iter().any(|end| end.given_back == Some(*generation));
                let is_told = life.told.contains(generation) || given_back;
                expect(is_told, Invariant::EachIsAnswered, || {
                    format!("{id}: nobody was told of {generation}: {life:?}")
                })?;
            }
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
            expect(ended || !life.acknowledged, Invariant::CountsAddUp, || format!("{id} never ended: {life:?}"))?;
            expect(life.entries.len() == 1 || !life.acknowledged, Invariant::NothingLost, || {
                format!("{id}: {life:?}")
            })?;
            let called_off = life.ends.iter().any(|end| end.by.is_some() || end.outcome == Ending::Expired);
            let is_gone =
                |parent: &TaskId| life.gone.contains(parent) || self.lives.get(parent).is_none_or(|life| life.purged);
            let others =
                life.plan.after.iter().skip(1).any(|parent| self.forbids(&life.plan, *parent) || is_gone(parent));
            let ran = !life.leases.is_empty() || called_off || others || stays;
            expect(ran || !life.is_wanted, Invariant::AllOrNothing, || format!("{id} never ran: {life:?}"))?;
        }
        Ok(())
    }
}
