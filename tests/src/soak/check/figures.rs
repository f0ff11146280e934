//! What is counted in a history.

use std::collections::{BTreeSet, HashSet};

use super::{Evidence, claims, is_accepted, is_ending};
use crate::soak::history::{Action, Answer, Listed, Op, Task};

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::soak) struct Figures {
    pub(in crate::soak) commands: usize,
    /// Operations whose agent died before it had the answer.
    pub(in crate::soak) unknown: usize,
    pub(in crate::soak) enqueued: usize,
    /// Enqueues without an answer that took effect.
    pub(in crate::soak) recovered: usize,
    pub(in crate::soak) claims: usize,
    /// Claims without an answer that took effect.
    pub(in crate::soak) silent_claims: usize,
    /// Claims of tasks that had been held before.
    pub(in crate::soak) takeovers: usize,
    pub(in crate::soak) releases: usize,
    pub(in crate::soak) completions: usize,
    pub(in crate::soak) failures: usize,
    pub(in crate::soak) cancellations: usize,
    /// Endings that are in the listing, but whose agent died before it had the answer.
    pub(in crate::soak) silent_endings: usize,
    /// Reports of holders that came too late, and those of them that came while another held the task.
    pub(in crate::soak) late_refused: usize,
    pub(in crate::soak) lease_lost: usize,
    /// Enqueues that were told of another task with their key, and different keys, each of a queue.
    pub(in crate::soak) deduplicated: usize,
    pub(in crate::soak) keys: usize,
    pub(in crate::soak) keys_held_by_two: usize,
    /// Times in which a limit held for certain.
    pub(in crate::soak) limits: usize,
    pub(in crate::soak) limits_exceeded: usize,
    /// Tasks that were put back after their end, and tasks that were removed.
    pub(in crate::soak) put_back: usize,
    pub(in crate::soak) removed: usize,
    pub(in crate::soak) lost: usize,
    pub(in crate::soak) unexpected: usize,
    /// Histories that were searched for an order, and those that were too long to be.
    pub(in crate::soak) searched: usize,
    pub(in crate::soak) too_long: usize,
}

impl Evidence<'_> {
    /// Generations that somebody must have claimed, but whose claim has no answer.
    pub(super) fn silent_generations(&self) -> usize {
        let answered: BTreeSet<(&Task, u32)> =
            claims(self.actions.iter()).map(|(_, _, task, lease)| (task, lease.generation)).collect();
        let told = |task: &Task, listed: &Listed| {
            let answered = answered.iter().filter(|(of, generation)| *of == task && *generation <= listed.generation);
            answered.count()
        };
        let unlimited = self.listing.iter().filter(|(task, _)| !self.is_limited(task));
        unlimited.map(|(task, listed)| (listed.generation as usize).saturating_sub(told(task, listed))).sum()
    }

    pub(super) fn silent_claims(&self) -> usize {
        let silent = self.actions.iter().filter(|action| action.answer().is_none());
        silent.filter(|action| matches!(action.op, Op::Claim { .. })).count()
    }

    pub(super) fn figures(&self) -> Figures {
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

/// A report that was refused with one of these words.
fn is_refused_as(action: &Action, words: &[&str]) -> bool {
    let Some(Answer::Refused { status, .. }) = action.answer() else { return false };
    matches!(action.op, Op::Settle { .. }) && words.contains(&status.as_str())
}
