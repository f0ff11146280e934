//! What must be true of any history, no matter which agents were killed when.
//!
//! 1. One winner: a task's generation has one holder, a nonce one lease, and nobody takes a task whose lease runs.
//! 2. Each task's history is linearizable ([`task`]).
//! 3. What went in comes out: an acknowledged task ends, by one accepted ending, and stands so in the listing.
//! 4. Ended is ended: nothing about the task is accepted that began later, unless it was put back.
//! 5. Of the tasks with one key one lives, and no more are held than are allowed ([`keys`]).
//!
//! A task that is not there any more, and may have been removed by a `gc` after its end, is not lost.
//!
//! Each is checked by itself, from the evidence alone: 1, 3 and 4 by plain comparisons that anybody can follow, and 2
//! by a search, which would find what they overlook.

mod ends;
mod figures;
mod keys;
mod leases;
mod task;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

pub(super) use figures::Figures;

use super::agent::LIMITED;
use super::history::{Action, Answer, Label, Lease, Listing, Op, Task};

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) task: Option<Task>,
    pub(super) what: String,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    pub(super) violations: Vec<Violation>,
    pub(super) figures: Figures,
}

/// Checks everything.
pub(super) fn check(actions: &[Action], listing: &Listing) -> Findings {
    let evidence = Evidence::new(actions, listing);
    let mut findings = Findings { figures: evidence.figures(), ..Findings::default() };
    evidence.answers_are_foreseen(&mut findings);
    evidence.generations_have_one_holder(&mut findings);
    evidence.nonces_are_unique(&mut findings);
    evidence.holders_have_asked(&mut findings);
    evidence.books_balance(&mut findings);
    evidence.keys_have_one_task(&mut findings);
    evidence.told_of_the_living(&mut findings);
    evidence.limits_hold(&mut findings);
    for (task, actions) in &evidence.by_task {
        let suspects = findings.violations.len();
        leases::are_kept(task, actions, &mut findings);
        ends::ended_is_ended(task, actions, &mut findings);
        evidence.ending_is_listed(task, actions, &mut findings);
        // The search for an order that does not exist takes long, and would say less.
        if findings.violations.len() == suspects {
            evidence.is_linearizable(task, actions, &mut findings);
        }
    }
    findings
}

impl Findings {
    pub(super) fn report(&mut self, task: Option<&Task>, what: String) {
        self.violations.push(Violation { task: task.cloned(), what });
    }
}

/// The history, sorted.
struct Evidence<'a> {
    actions: &'a [Action],
    listing: &'a Listing,
    by_task: BTreeMap<&'a Task, Vec<&'a Action>>,
    /// Who tried to enqueue what, and the task that it was acknowledged as.
    enqueues: HashMap<&'a Label, &'a Action>,
    /// The enqueues that were acknowledged, and those that were told of this task, which has their key.
    acknowledged: HashMap<&'a Task, &'a Action>,
    told_of: HashMap<&'a Task, Vec<&'a Action>>,
}

impl<'a> Evidence<'a> {
    fn new(actions: &'a [Action], listing: &'a Listing) -> Evidence<'a> {
        let mut by_task: BTreeMap<&Task, Vec<&Action>> = listing.keys().map(|task| (task, Vec::new())).collect();
        let (mut enqueues, mut acknowledged, mut told_of) = (HashMap::new(), HashMap::new(), HashMap::new());
        for action in actions {
            if let Some(task) = action.task() {
                by_task.entry(task).or_default().push(action);
            }
            if let Op::Enqueue { label, .. } = &action.op {
                enqueues.insert(label, action);
            }
            match action.answer() {
                Some(Answer::Enqueued { task }) => drop(acknowledged.insert(task, action)),
                Some(Answer::Deduplicated { task }) => told_of.entry(task).or_insert_with(Vec::new).push(action),
                _ => {}
            }
        }
        Evidence { actions, listing, by_task, enqueues, acknowledged, told_of }
    }

    /// No failing medium, no warning, and no task that cannot be found.
    fn answers_are_foreseen(&self, findings: &mut Findings) {
        for action in self.actions {
            match &action.ended {
                Some((_, Answer::Broken { what })) => {
                    findings.report(action.task(), format!("{} was answered: {what}", action.run_id));
                }
                Some((_, Answer::Refused { status, .. }))
                    if status == "not_found" && !action.task().is_some_and(|task| self.is_removed(task)) =>
                {
                    findings.report(action.task(), format!("{} was told that there is no such task", action.run_id));
                }
                _ => {}
            }
        }
    }

    /// All evidence of who held which generation of a task: claims, heartbeats, endings, refusals, the listing.
    fn holders(&self) -> impl Iterator<Item = (&'a Task, u32, &'a String)> {
        let told = self.actions.iter().filter_map(|action| match (action.task()?, &action.op, action.answer()?) {
            (task, _, Answer::Claimed { lease, .. } | Answer::Kept(lease)) => {
                Some((task, lease.generation, &action.run_id))
            }
            (task, Op::Settle { .. }, Answer::Ended { generation }) => Some((task, *generation, &action.run_id)),
            (task, _, Answer::Refused { holder: Some(holder), .. }) => Some((task, holder.generation?, &holder.run_id)),
            _ => None,
        });
        // An agent that cancelled a task need not have held it.
        let settled = self.listing.iter().filter(|(_, listed)| listed.status != "cancelled");
        told.chain(settled.filter_map(|(task, listed)| Some((task, listed.generation, listed.by.as_ref()?))))
    }

    fn generations_have_one_holder(&self, findings: &mut Findings) {
        let mut known: HashMap<(&Task, u32), &String> = HashMap::new();
        for (task, generation, holder) in self.holders() {
            let first = *known.entry((task, generation)).or_insert(holder);
            if first != holder {
                findings.report(Some(task), format!("generation {generation} was held by both {first} and {holder}"));
            }
        }
        // One agent that was given the same generation twice was given it wrongly, too.
        let mut won: HashSet<(&Task, u32)> = HashSet::new();
        for (_, _, task, lease) in claims(self.actions.iter()) {
            if !won.insert((task, lease.generation)) {
                findings.report(Some(task), format!("generation {} was claimed twice", lease.generation));
            }
        }
    }

    fn nonces_are_unique(&self, findings: &mut Findings) {
        let mut known: HashMap<&String, (&Task, u32)> = HashMap::new();
        for action in self.actions {
            let (Some(task), Some(Answer::Claimed { lease, .. } | Answer::Kept(lease))) =
                (action.task(), action.answer())
            else {
                continue;
            };
            let this = (task, lease.generation);
            let first = *known.entry(&lease.nonce).or_insert(this);
            if first != this {
                findings.report(Some(task), format!("nonce {} tells of two leases: {first:?} too", lease.nonce));
            }
        }
    }

    /// A holder whose claim has no answer must have asked for a task, and dies with that question, so has one task.
    fn holders_have_asked(&self, findings: &mut Findings) {
        let answered: HashSet<(&Task, u32)> =
            claims(self.actions.iter()).map(|(_, _, task, lease)| (task, lease.generation)).collect();
        let mut silent: HashMap<&String, usize> = HashMap::new();
        for action in self.actions.iter().filter(|action| action.answer().is_none()) {
            if matches!(action.op, Op::Claim { .. }) {
                *silent.entry(&action.run_id).or_default() += 1;
            }
        }
        let told: BTreeSet<(&Task, u32, &String)> =
            self.holders().filter(|(task, generation, _)| !answered.contains(&(*task, *generation))).collect();
        // An agent that backed off for others got another task, or none.
        let told = told.into_iter().filter(|(task, ..)| !self.is_limited(task));
        for (task, generation, holder) in told {
            match silent.get_mut(holder) {
                Some(left @ 1..) => *left -= 1,
                _ => findings.report(Some(task), format!("{holder} holds generation {generation}, but never asked")),
            }
        }
        let (unheard, asked) = (self.silent_generations(), self.silent_claims());
        if unheard > asked {
            findings.report(None, format!("{unheard} claims took effect unheard, but {asked} were made"));
        }
    }

    /// What went in comes out.
    fn books_balance(&self, findings: &mut Findings) {
        let mut known: HashMap<&Label, &Task> = HashMap::new();
        for (task, listed) in self.listing {
            let label = listed.label.as_ref().filter(|label| self.enqueues.contains_key(label));
            let Some(label) = label else {
                findings.figures.unexpected += 1;
                findings.report(Some(task), "nobody enqueued it".to_string());
                continue;
            };
            if let Some(first) = known.insert(label, task) {
                findings.figures.unexpected += 1;
                findings.report(Some(task), format!("it was enqueued once, but is there twice: {first} too"));
            }
            if !["completed", "failed", "cancelled"].contains(&listed.status.as_str()) {
                findings.figures.lost += 1;
                findings.report(Some(task), format!("it was never worked off: it is {} for good", listed.status));
            }
        }
        for (label, action) in &self.enqueues {
            let Some(Answer::Enqueued { task }) = action.answer() else { continue };
            if self.is_removed(task) {
                findings.figures.removed += 1;
            } else if !self.is_listed(task, label) {
                findings.figures.lost += 1;
                findings.report(Some(task), format!("it was acknowledged to {}, and is not there", action.run_id));
            }
        }
        for (action, label, task, _) in claims(self.actions.iter()) {
            if !self.is_listed(task, label) && !self.is_removed(task) {
                findings.figures.unexpected += 1;
                findings.report(Some(task), format!("{} got it, and it is not there", action.run_id));
            }
        }
    }

    fn is_listed(&self, task: &Task, label: &Label) -> bool {
        self.listing.get(task).is_some_and(|listed| listed.label.as_ref() == Some(label))
    }

    /// True if the task is not there any more, and may have been removed after its end.
    fn is_removed(&self, task: &Task) -> bool {
        if self.listing.contains_key(task) {
            return false;
        }
        let actions = self.by_task.get(task).map(Vec::as_slice).unwrap_or_default();
        let ended = actions.iter().filter(|action| is_ending(action) && !is_refused(action)).map(|end| end.began.nanos);
        let Some(ended) = ended.min() else { return false };
        let collects = |action: &&Action| matches!(action.op, Op::Gc { .. });
        let mut collected = self.actions.iter().filter(collects);
        collected.any(|gc| gc.ended_at().is_none_or(|at| at.nanos > ended))
    }

    /// True if the task is of the queue whose claims may be given back by those who made them.
    fn is_limited(&self, task: &Task) -> bool {
        self.enqueue_of(task).is_none_or(|action| matches!(&action.op, Op::Enqueue { queue, .. } if queue == LIMITED))
    }

    /// The enqueue that made the task, as far as is known.
    fn enqueue_of(&self, task: &Task) -> Option<&'a Action> {
        let listed = self.listing.get(task).and_then(|listed| listed.label.as_ref());
        let actions = self.by_task.get(task).map(Vec::as_slice).unwrap_or_default();
        let label = listed.or_else(|| claims(actions.iter().copied()).map(|(_, label, ..)| label).next());
        label.and_then(|label| self.enqueues.get(label)).or_else(|| self.acknowledged.get(task)).copied()
    }
}

fn claims<'a>(
    actions: impl Iterator<Item = &'a Action>,
) -> impl Iterator<Item = (&'a Action, &'a Label, &'a Task, &'a Lease)> {
    actions.filter_map(|action| match action.answer()? {
        Answer::Claimed { task, label, lease } => Some((action, label, task, lease)),
        _ => None,
    })
}

fn is_ending(action: &Action) -> bool {
    matches!(action.op, Op::Settle { .. } | Op::Cancel { .. })
}

fn is_accepted(action: &Action) -> bool {
    matches!(action.answer(), Some(Answer::Ended { .. }))
}

/// True if somebody put the task back after its end, or may have done so.
fn was_put_back(actions: &[&Action]) -> bool {
    actions.iter().any(|action| matches!(action.op, Op::Retry { .. }) && !is_refused(action))
}

fn is_refused(action: &Action) -> bool {
    matches!(action.answer(), Some(Answer::Refused { .. }))
}

#[cfg(test)]
mod tests;
