//! What the writers asked and were answered, and when. It is kept outside of the images, so no cut takes any of it.

use coord_core::queue::Status;
use serde::{Deserialize, Serialize};

use crate::log;

/// A task's id, as the command line prints it.
pub(super) type Task = String;

/// What tells a task from all others before it has an id. It is in the task's payload.
pub(super) type Label = String;

/// So every error begins that a writer reports.
pub(super) const FAILED: &str = "failed as ";

/// A moment of the clock that never jumps and is the same for all processes, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Moment(u64);

/// A line of a writer's log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) at: Moment,
    pub(super) said: Said,
}

pub(super) type Said = log::Said<Op, Answer>;

/// What a writer asks for. Claims, heartbeats and releases are not noted: nothing of them has to survive.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Op {
    Enqueue(Vec<Label>),
    Complete { task: Task, result: Option<String>, follow_ups: Vec<Label> },
    Fail { task: Task, error: String },
    Cancel { task: Task },
    Wait,
}

/// What a writer was answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// These tasks are in the queue, be it that one of them was there before, under the same key.
    Enqueued(Vec<Task>),
    /// The task stands so now, and these were enqueued in the same step.
    Settled { status: Status, enqueued: Vec<Task> },
    /// These tasks have ended, by whomever.
    Saw(Vec<Seen>),
    /// The state of the task did not allow it.
    Refused,
    /// Nothing that a sound filesystem is a reason for.
    Broken(String),
}

/// An end that was seen by a writer that waited for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) task: Task,
    pub(super) status: Status,
    pub(super) result: Option<String>,
}

/// One operation of one writer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Action {
    pub(super) began: Moment,
    pub(super) op: Op,
    /// Nothing if the writer was killed before.
    pub(super) got: Option<(Moment, Answer)>,
}

impl Moment {
    pub(super) fn now() -> Moment {
        Moment(log::nanos())
    }

    pub(super) fn nanos(self) -> u64 {
        self.0
    }
}

impl Note {
    pub(super) fn now(said: Said) -> Note {
        Note { at: Moment::now(), said }
    }
}

impl Action {
    /// The answer, if the writer had it by then.
    pub(super) fn answer_before(&self, moment: Moment) -> Option<&Answer> {
        self.got.as_ref().filter(|(at, _)| *at < moment).map(|(_, answer)| answer)
    }
}

/// The operations of one writer, from its notes in order.
pub(super) fn actions(notes: impl IntoIterator<Item = Note>) -> Vec<Action> {
    let mut actions: Vec<Action> = Vec::new();
    for Note { at, said } in notes {
        match said {
            Said::Began(op) => actions.push(Action { began: at, op, got: None }),
            Said::Got(answer) => actions.last_mut().expect("an answer comes after a question").got = Some((at, answer)),
        }
    }
    actions
}
