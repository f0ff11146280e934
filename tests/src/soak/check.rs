//! What must be true of any history, whoever was killed when.
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

mod keys;
mod leases;
mod task;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::agent::LIMITED;
use super::history::{Action, Answer, Label, Lease, Listed, Listing, Op, Task};

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

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) commands: usize,
    /// Operations whose agent died before it had the answer.
    pub(super) unknown: usize,
    pub(super) enqueued: usize,
    /// Enqueues without an answer that took effect.
    pub(super) recovered: usize,
    pub(super) claims: usize,
    /// Claims without an answer that took effect.
    pub(super) silent_claims: usize,
    /// Claims of tasks that had been held before.
    pub(super) takeovers: usize,
    pub(super) releases: usize,
    pub(super) completions: usize,
    pub(super) failures: usize,
    pub(super) cancellations: usize,
    /// Endings that are in the listing, but whose agent died before it had the answer.
    pub(super) silent_endings: usize,
    /// Reports of holders that came too late, and those of them that came while another held the task.
    pub(super) late_refused: usize,
    pub(super) lease_lost: usize,
    /// Enqueues that were told of another task with their key, and different keys, each of a queue.
    pub(super) deduplicated: usize,
    pub(super) keys: usize,
    pub(super) keys_held_by_two: usize,
    /// Times in which a limit held for certain.
    pub(super) limits: usize,
    pub(super) limits_exceeded: usize,
    /// Tasks that were put back after their end, and tasks that were removed.
    pub(super) put_back: usize,
    pub(super) removed: usize,
    pub(super) lost: usize,
    pub(super) unexpected: usize,
    /// Histories that were searched for an order, and those that were too long to be.
    pub(super) searched: usize,
    pub(super) too_long: usize,
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
        ended_is_ended(task, actions, &mut findings);
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

    /// Whoever says who holds which generation of a task: a claim, a heartbeat, an ending, a refusal, the listing.
    fn holders(&self) -> impl Iterator<Item = (&'a Task, u32, &'a String)> {
        let told = self.actions.iter().filter_map(|action| match (action.task()?, &action.op, action.answer()?) {
            (task, _, Answer::Claimed { lease, .. } | Answer::Kept(lease)) => {
                Some((task, lease.generation, &action.run_id))
            }
            (task, Op::Settle { .. }, Answer::Ended { generation }) => Some((task, *generation, &action.run_id)),
            (task, _, Answer::Refused { holder: Some(holder), .. }) => Some((task, holder.generation?, &holder.run_id)),
            _ => None,
        });
        // Who called a task off need not have held it.
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
        // Whoever gave way to others got another task, or none.
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

    /// At most one ending is accepted, and it is the one that is listed. One that nobody was told of was asked for.
    fn ending_is_listed(&self, task: &Task, actions: &[&Action], findings: &mut Findings) {
        let Some(listed) = self.listing.get(task) else { return };
        let endings = || actions.iter().filter(|action| is_ending(action));
        let accepted: Vec<&&Action> = endings().filter(|action| is_accepted(action)).collect();
        // Whether each end came after the task was put back, the search tells.
        if was_put_back(actions) && endings().any(|action| !is_refused(action) && ends_as(action, listed)) {
            return;
        }
        match accepted.as_slice() {
            [] if endings().any(|action| action.answer().is_none() && ends_as(action, listed)) => {}
            [action] if ends_as(action, listed) => {}
            [] => findings.report(Some(task), format!("it ended as nobody asked: {listed:?}")),
            [action] => {
                let what = format!("its end was acknowledged to {}, but another is listed: {listed:?}", action.run_id);
                findings.report(Some(task), what);
            }
            many => {
                let who: Vec<&String> = many.iter().map(|action| &action.run_id).collect();
                findings.report(Some(task), format!("it ended more than once: by {who:?}"));
            }
        }
    }

    fn is_linearizable(&self, task: &Task, actions: &[&Action], findings: &mut Findings) {
        let Some(listed) = self.listing.get(task) else { return };
        let enqueue = listed.label.as_ref().and_then(|label| self.enqueues.get(label));
        // A claim that gives way to others makes a generation that nobody is told of.
        let Some(enqueue) = enqueue.filter(|_| !self.is_limited(task)) else { return };
        match task::is_linearizable(enqueue, actions, listed) {
            None => findings.figures.too_long += 1,
            Some(true) => findings.figures.searched += 1,
            Some(false) => {
                findings.report(Some(task), "no order of what happened to it explains all answers".to_string());
            }
        }
    }

    /// Generations that somebody must have claimed, but whose claim has no answer.
    fn silent_generations(&self) -> usize {
        let answered: BTreeSet<(&Task, u32)> =
            claims(self.actions.iter()).map(|(_, _, task, lease)| (task, lease.generation)).collect();
        let told = |task: &Task, listed: &Listed| {
            let answered = answered.iter().filter(|(of, generation)| *of == task && *generation <= listed.generation);
            answered.count()
        };
        let unlimited = self.listing.iter().filter(|(task, _)| !self.is_limited(task));
        unlimited.map(|(task, listed)| (listed.generation as usize).saturating_sub(told(task, listed))).sum()
    }

    fn silent_claims(&self) -> usize {
        let silent = self.actions.iter().filter(|action| action.answer().is_none());
        silent.filter(|action| matches!(action.op, Op::Claim { .. })).count()
    }

    fn figures(&self) -> Figures {
        let answers = || self.actions.iter().filter_map(Action::answer);
        let acknowledged: HashSet<&Task> = answers()
            .filter_map(|answer| match answer {
                Answer::Enqueued { task } => Some(task),
                _ => None,
            })
            .collect();
        let accepted = self.actions.iter().filter(|action| is_accepted(action) && is_ending(action)).count();
        let ended = |status: &str| self.listing.values().filter(|listed| listed.status == status).count();
        let late = |words: &[&str]| self.actions.iter().filter(|action| is_refused_as(action, words)).count();
        let [completions, failures, cancellations] = ["completed", "failed", "cancelled"].map(ended);
        Figures {
            commands: self.actions.len(),
            unknown: self.actions.iter().filter(|action| action.answer().is_none()).count(),
            enqueued: acknowledged.len(),
            recovered: self.listing.keys().filter(|task| !acknowledged.contains(task)).count(),
            claims: claims(self.actions.iter()).count(),
            silent_claims: self.silent_generations(),
            releases: answers().filter(|answer| matches!(answer, Answer::Released { .. })).count(),
            takeovers: self.listing.values().map(|listed| listed.generation.saturating_sub(1) as usize).sum(),
            completions,
            failures,
            cancellations,
            silent_endings: (completions + failures + cancellations).saturating_sub(accepted),
            put_back: answers().filter(|answer| matches!(answer, Answer::PutBack)).count(),
            late_refused: late(&["lease_lost", "already_terminal"]),
            lease_lost: late(&["lease_lost"]),
            ..Figures::default()
        }
    }
}

/// After an accepted end nothing more is accepted.
fn ended_is_ended(task: &Task, actions: &[&Action], findings: &mut Findings) {
    if was_put_back(actions) {
        return;
    }
    let endings = actions.iter().filter(|action| is_ending(action) && is_accepted(action));
    let Some(end) = endings.filter_map(|action| action.ended_at()).min_by_key(|at| at.nanos) else { return };
    let is_alive = |answer: &Answer| {
        matches!(answer, Answer::Claimed { .. } | Answer::Kept(_) | Answer::Released { .. } | Answer::Ended { .. })
    };
    for action in actions.iter().filter(|action| action.began.nanos > end.nanos) {
        if let Some(answer) = action.answer().filter(|answer| is_alive(answer)) {
            findings.report(Some(task), format!("it had ended, and {} was answered {answer:?}", action.run_id));
        }
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

/// A report that was refused with one of these words.
fn is_refused_as(action: &Action, words: &[&str]) -> bool {
    let Some(Answer::Refused { status, .. }) = action.answer() else { return false };
    matches!(action.op, Op::Settle { .. }) && words.contains(&status.as_str())
}

/// True if what is listed is what this ending says, result and all.
fn ends_as(action: &Action, listed: &Listed) -> bool {
    let (status, report) = match &action.op {
        Op::Settle { verdict, report, .. } => (verdict.status(), Some(report)),
        Op::Cancel { .. } => ("cancelled", None),
        _ => return false,
    };
    let same_generation = match action.answer() {
        Some(Answer::Ended { generation }) => *generation == listed.generation,
        _ => true,
    };
    listed.status == status
        && listed.by.as_ref() == Some(&action.run_id)
        && listed.report.as_ref() == report
        && same_generation
}

#[cfg(test)]
mod tests;
