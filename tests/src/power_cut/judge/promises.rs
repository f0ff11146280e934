//! What was asked and acknowledged before a cut, and what that allows after it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use coord_core::TaskId;
use coord_core::queue::{Defect, Item, Problem, Status};

use super::Cut;
use crate::power_cut::filesystem::Rules;
use crate::power_cut::history::{Action, Answer, FAILED, Label, Op, Task};

/// What was asked and promised by the time of a cut.
#[derive(Debug, Default)]
pub(super) struct Promises<'a> {
    /// Tasks that have to be there, in whatever state.
    pub(super) there: BTreeSet<&'a Task>,
    /// Ends that have to be there.
    pub(super) ended: BTreeMap<&'a Task, End<'a>>,
    /// Failures of attempts that have to be in the history of the task.
    pub(super) failures: Vec<(&'a Task, &'a str)>,
    /// Follow-ups of completions that were accepted: they go on.
    pub(super) follow_ups: BTreeSet<&'a Task>,
    /// Whatever may be there, acknowledged or not.
    pub(super) ends: HashMap<&'a Task, Vec<End<'a>>>,
    pub(super) cancelled: BTreeSet<&'a Task>,
    pub(super) labels: BTreeSet<&'a Label>,
    /// Which follow-ups a completion with this result has.
    pub(super) followers: HashMap<&'a str, &'a [Label]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End<'a> {
    pub(super) status: Status,
    pub(super) text: Option<&'a str>,
}

impl<'a> Promises<'a> {
    pub(super) fn of(actions: &'a [Action], cut: Cut, rules: Rules) -> Promises<'a> {
        let mut promises = Promises::default();
        for action in actions.iter().filter(|action| action.began < cut.ended) {
            promises.ask(&action.op);
            if let Some(answer) = action.answer_before(cut.began) {
                promises.acknowledge(&action.op, answer, rules);
            }
        }
        promises
    }

    fn ask(&mut self, op: &'a Op) {
        match op {
            Op::Enqueue(labels) => self.labels.extend(labels),
            Op::Complete { task, result, follow_ups } => {
                self.labels.extend(follow_ups);
                let text = result.as_deref();
                self.ends.entry(task).or_default().push(End { status: Status::Completed, text });
                self.followers.extend(text.map(|text| (text, follow_ups.as_slice())));
            }
            Op::Fail { task, error } => {
                self.ends.entry(task).or_default().push(End { status: Status::Failed, text: Some(error) });
            }
            Op::Cancel { task } => {
                self.cancelled.insert(task);
            }
            Op::Wait => {}
        }
    }

    fn acknowledge(&mut self, op: &'a Op, answer: &'a Answer, rules: Rules) {
        match (op, answer) {
            (_, Answer::Enqueued(tasks)) => self.there.extend(tasks),
            (Op::Complete { task, result, .. }, Answer::Settled { status, enqueued }) => {
                self.ended.insert(task, End { status: *status, text: result.as_deref() });
                self.there.extend(enqueued);
                self.follow_ups.extend(enqueued);
            }
            (Op::Fail { task, error }, Answer::Settled { status: status @ Status::Failed, .. }) => {
                self.ended.insert(task, End { status: *status, text: Some(error) });
            }
            (Op::Fail { task, error }, Answer::Settled { .. }) => self.failures.push((task, error)),
            (Op::Cancel { task }, Answer::Settled { status: status @ Status::Cancelled, .. }) => {
                self.ended.insert(task, End { status: *status, text: None });
            }
            // By one flush, an end with a result is on disk before anybody sees it. Otherwise it need not be.
            (Op::Wait, Answer::Saw(seen)) if rules.one_flush => {
                let whole = seen.iter().filter(|seen| seen.result.is_some());
                self.ended
                    .extend(whole.map(|seen| (&seen.task, End { status: seen.status, text: seen.result.as_deref() })));
            }
            _ => {}
        }
    }

    pub(super) fn is_there(&self, id: TaskId) -> bool {
        self.there.contains(&id.to_string())
    }

    /// True for what the crash matrix says that a cut may leave.
    pub(super) fn explains(&self, defect: &Defect, rules: Rules) -> bool {
        let is_unknown = defect.task_id.is_some_and(|id| !self.is_there(id));
        match defect.problem {
            // CM-1.
            Problem::NoEntry | Problem::RecordBad(_) if is_unknown => true,
            // CM-7.
            Problem::NoEntry | Problem::TwoEntries { .. } => rules.doctor_first,
            _ => false,
        }
    }

    /// True if somebody has asked for the end that the task has, result and all.
    pub(super) fn may_end(&self, task: &Task, item: &Item) -> bool {
        let asked = || self.ends.get(task).is_some_and(|ends| ends.contains(&End::of(item)));
        match item.status {
            Status::Completed => asked(),
            // Or its last attempt was a lease that ran out, which no writer says.
            Status::Failed => asked() || !End::of(item).text.unwrap_or_default().starts_with(FAILED),
            Status::Cancelled => self.cancelled.contains(task) || !item.task.record.after.is_empty(),
            Status::Expired => false,
            _ => true,
        }
    }
}

impl End<'_> {
    pub(super) fn of(item: &Item) -> End<'_> {
        let text = match item.status {
            Status::Completed => item.result.as_ref().map(|result| result.text()),
            Status::Failed => item.error.as_ref().map(|error| error.as_str()),
            _ => None,
        };
        End { status: item.status, text }
    }
}
