//! What tasks mean for each other: a child for its parents, and those with one key.

use coord_core::TaskId;
use coord_core::entry::{Entry, Outcome as Ending, State};
use coord_core::layout::Path;
use coord_core::name::Nonce;
use coord_core::store::mem::Tree;
use coord_core::task::IfParentFails;

use super::entries::record_at;
use super::invariant::{Broken, Invariant, expect};
use super::{End, Oracle, Plan};

impl Oracle {
    /// A task that waited for others goes on, or is called off, because of how they ended.
    pub(super) fn check_parents(&self, id: TaskId, last: Option<&Entry>, next: &Entry) -> Result<(), Broken> {
        let plan = &self.lives[&id].plan;
        let step =
            || format!("{next}; it waits for {:?}", plan.after.iter().map(|id| id.to_string()).collect::<Vec<_>>());
        let Some(Entry { state: State::Blocked { on }, .. }) = last else {
            let waits = last.is_none() && !plan.after.is_empty();
            return expect(!waits || matches!(next.state, State::Blocked { .. }), Invariant::ParentsFirst, step);
        };
        match &next.state {
            State::Blocked { on: other } => {
                let moves_on = self.allows(plan, *on) && plan.after.contains(other);
                expect(moves_on, Invariant::ParentsFirst, step)
            }
            // By somebody who called it off.
            State::Ended(ending) if ending.lease.is_some() => Ok(()),
            State::Ended(_) => {
                // Or of one that is being removed, before anybody was told that this one waits for it.
                let told = self.lives[&id].acknowledged;
                let removed = |parent: &TaskId| !told && self.lives.get(parent).is_some_and(|life| life.purged);
                let gone = |parent: &TaskId| self.lives[&id].gone.contains(parent) || removed(parent);
                let forbidden = plan.after.iter().any(|parent| self.forbids(plan, *parent) || gone(parent));
                let invariant = if plan.follows.is_some() { Invariant::AllOrNothing } else { Invariant::ParentsFirst };
                expect(forbidden, invariant, step)
            }
            _ => expect(plan.after.iter().all(|parent| self.allows(plan, *parent)), Invariant::ParentsFirst, step),
        }
    }

    /// True if a task with this plan may run as far as this parent has come.
    pub(super) fn allows(&self, plan: &Plan, parent: TaskId) -> bool {
        self.ends_of(parent).any(|end| match plan.completion_of(parent) {
            Some(completion) => end.enqueues(plan, completion),
            None => end.outcome == Ending::Completed || plan.if_parent_fails == IfParentFails::Run,
        })
    }

    /// True if a task with this plan will not run, because of how this parent has ended.
    pub(super) fn forbids(&self, plan: &Plan, parent: TaskId) -> bool {
        self.ends_of(parent).any(|end| end.forbids(plan, parent))
    }

    pub(super) fn ends_of(&self, id: TaskId) -> impl Iterator<Item = &End> {
        self.lives.get(&id).into_iter().flat_map(|life| &life.ends)
    }

    /// At most one task with the key lives: from its first entry to its end.
    pub(super) fn check_key(&self, id: TaskId) -> Result<(), Broken> {
        let Some(key) = &self.lives[&id].plan.key else { return Ok(()) };
        let live = self.lives.iter().filter(|(_, life)| life.plan.key.as_ref() == Some(key) && life.is_alive());
        let live: Vec<String> = live.map(|(id, _)| id.to_string()).collect();
        expect(live.len() <= 1, Invariant::OneForAKey, || format!("{live:?} live"))
    }
}

impl Plan {
    pub(super) fn of(tree: &Tree, entry: &Path) -> Plan {
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
    pub(super) fn completion_of(&self, parent: TaskId) -> Option<Nonce> {
        self.follows.filter(|_| self.after.first() == Some(&parent))
    }

    /// True if this attempt is not the last.
    pub(super) fn leaves_attempts(&self, attempt: u32) -> bool {
        self.max_attempts.is_some_and(|max| attempt < max)
    }
}

impl End {
    /// True if a task with this plan will not run, because this parent has ended so.
    pub(super) fn forbids(&self, plan: &Plan, parent: TaskId) -> bool {
        match plan.completion_of(parent) {
            // A task that an agent was told of must run. One that came to its key later is of a completion that was
            // refused.
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
