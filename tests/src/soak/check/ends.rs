//! The end of each task: one was accepted, it is the one that is listed, and nothing was accepted after it.

use super::{Evidence, Findings, is_accepted, is_ending, is_refused, task, was_put_back};
use crate::soak::history::{Action, Answer, Listed, Op, Task};

impl Evidence<'_> {
    /// At most one ending is accepted, and it is the one that is listed. One that nobody was told of was asked for.
    pub(super) fn ending_is_listed(&self, task: &Task, actions: &[&Action], findings: &mut Findings) {
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

    pub(super) fn is_linearizable(&self, task: &Task, actions: &[&Action], findings: &mut Findings) {
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
}

/// After an accepted end nothing more is accepted.
pub(super) fn ended_is_ended(task: &Task, actions: &[&Action], findings: &mut Findings) {
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
