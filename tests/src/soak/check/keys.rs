//! Keys and limits: what must not be at one moment.
//!
//! Only what is certain counts. A task certainly lives from the moment at which somebody was told that it does, to
//! the moment at which somebody sets out to end it; a lease certainly is one from the answer to the claim to the
//! moment at which it runs out, or somebody sets out to do something about the task. So whatever is found is wrong,
//! and of what is wrong most is found.

use std::collections::BTreeMap;

use super::{Evidence, Findings, claims, is_ending, is_refused};
use crate::soak::history::{Action, Answer, Moment, Op, Task};

/// For how long a command goes on at most whose agent was killed.
const LAST_GASP_NANOS: u64 = 15_000_000_000;

/// A time in which something certainly is so, by the clock that never jumps.
#[derive(Clone, Copy, Debug)]
struct Certain {
    from: u64,
    to: u64,
}

impl Evidence<'_> {
    /// At most one task with a given key in a queue lives.
    pub(super) fn keys_have_one_task(&self, findings: &mut Findings) {
        let mut lives: BTreeMap<(&str, &str), Vec<(Certain, &Task)>> = BTreeMap::new();
        for (task, actions) in &self.by_task {
            let Some(Op::Enqueue { queue, key: Some(key), .. }) = self.enqueue_of(task).map(|action| &action.op) else {
                continue;
            };
            let told_of = self.told_of.get(task).map(Vec::as_slice).unwrap_or_default();
            let certain = certain_lives(actions, told_of).into_iter().map(|life| (life, *task));
            lives.entry((queue, key)).or_default().extend(certain);
        }
        findings.figures.keys = lives.len();
        for ((queue, key), mut lives) in lives {
            lives.sort_by_key(|(life, _)| life.from);
            let mut last: Option<(Certain, &Task)> = None;
            for (life, task) in lives {
                match last {
                    Some((before, other)) if life.from < before.to && other != task => {
                        findings.figures.keys_held_by_two += 1;
                        findings.report(Some(task), format!("it has {key} of {queue}, while {other} lives and has it"));
                    }
                    _ => {}
                }
                if last.is_none_or(|(before, _)| before.to < life.to) {
                    last = Some((life, task));
                }
            }
        }
    }

    /// An agent that was told of another task with its key was told of one that lived meanwhile.
    pub(super) fn told_of_the_living(&self, findings: &mut Findings) {
        for action in self.actions {
            let Some(Answer::Deduplicated { task }) = action.answer() else { continue };
            findings.figures.deduplicated += 1;
            let actions = self.by_task.get(task).map(Vec::as_slice).unwrap_or_default();
            let put_back = actions.iter().any(|action| matches!(action.op, Op::Retry { .. }) && !is_refused(action));
            let ended = actions.iter().filter(|other| is_ending(other) && !is_refused(other));
            let over = ended.filter_map(|other| other.ended_at()).any(|at| at.nanos < action.began.nanos);
            if over && !put_back {
                findings.report(Some(task), format!("{} was told that it lives, and it had ended", action.run_id));
            }
        }
    }

    /// No more tasks of a queue are held than were allowed all the while.
    pub(super) fn limits_hold(&self, findings: &mut Findings) {
        let mut changes: Vec<&Action> =
            self.actions.iter().filter(|action| matches!(action.op, Op::Limit { .. })).collect();
        changes.sort_by_key(|action| action.began.nanos);
        for action in &changes {
            let (Op::Limit { queue, max: Some(max) }, Some(set)) = (&action.op, action.ended_at()) else { continue };
            let others = changes.iter().filter(|other| !std::ptr::eq(**other, *action));
            // One that was under way at the same time may have come after.
            let overlaps = |other: &&&Action| {
                let over = other.ended_at().map_or(other.began.nanos.saturating_add(LAST_GASP_NANOS), |at| at.nanos);
                over > action.began.nanos
            };
            let until = others.filter(overlaps).map(|other| other.began.nanos).min().unwrap_or(u64::MAX);
            if until <= set.nanos {
                continue;
            }
            findings.figures.limits += 1;
            let held = self.certain_leases(queue, set.nanos, until);
            let most = most_at_once(&held);
            if most > *max as usize {
                findings.figures.limits_exceeded += 1;
                findings.report(None, format!("{most} tasks of {queue} were held at once, and {max} were allowed"));
            }
        }
    }

    /// The leases of a queue that were asked for and given within this time, as far as they certainly ran in it.
    fn certain_leases(&self, queue: &str, from: u64, until: u64) -> Vec<Certain> {
        let mut held = Vec::new();
        for (action, label, task, lease) in claims(self.actions.iter()) {
            let of_queue = self
                .enqueues
                .get(label)
                .is_some_and(|enqueue| matches!(&enqueue.op, Op::Enqueue { queue: of, .. } if of == queue));
            let Some(told) = action.ended_at().filter(|told| of_queue && told.nanos < until) else { continue };
            if action.began.nanos < from {
                continue;
            }
            let actions = self.by_task.get(task).map(Vec::as_slice).unwrap_or_default();
            let touched = actions.iter().filter(|other| !std::ptr::eq(**other, action));
            let touched = touched.filter(|other| other.ended_at().is_none_or(|at| at.nanos > told.nanos));
            let touched = touched.filter(|other| !matches!(other.op, Op::Heartbeat { .. }));
            let touched = touched.map(|other| other.began.nanos).min().unwrap_or(u64::MAX);
            let to = touched.min(runs_out(told, lease.expires_micros)).min(until);
            held.extend((to > told.nanos).then_some(Certain { from: told.nanos, to }));
        }
        held
    }
}

/// When a lease has run out, by the clock that never jumps.
fn runs_out(told: Moment, expires_micros: u64) -> u64 {
    told.nanos.saturating_add(expires_micros.saturating_sub(told.wall_micros).saturating_mul(1_000))
}

/// When the task certainly lives: once from its enqueuing, and again each time that it was put back.
fn certain_lives(actions: &[&Action], told_of: &[&Action]) -> Vec<Certain> {
    let ends: Vec<&&Action> = actions.iter().filter(|action| is_ending(action) && !is_refused(action)).collect();
    let first_end = |after: u64| {
        let later = ends.iter().filter(|end| end.ended_at().is_none_or(|at| at.nanos > after));
        later.map(|end| end.began.nanos).min().unwrap_or(u64::MAX)
    };
    let is_first = |answer: &Answer| matches!(answer, Answer::Enqueued { .. } | Answer::Claimed { .. });
    let told = actions.iter().filter(|action| action.answer().is_some_and(is_first));
    let born = told.chain(told_of).copied().filter_map(Action::ended_at).map(|at| at.nanos).min();
    let first = born.map(|from| Certain { from, to: ends.iter().map(|end| end.began.nanos).min().unwrap_or(u64::MAX) });
    let again = actions.iter().filter(|action| matches!(action.answer(), Some(Answer::PutBack))).filter_map(|action| {
        let from = action.ended_at()?.nanos;
        Some(Certain { from, to: first_end(action.began.nanos) })
    });
    first.into_iter().chain(again).filter(|life| life.to > life.from).collect()
}

/// How many of these are at one moment.
fn most_at_once(held: &[Certain]) -> usize {
    let at = |moment: u64| held.iter().filter(|other| other.from <= moment && moment < other.to).count();
    held.iter().map(|one| at(one.from)).max().unwrap_or(0)
}
