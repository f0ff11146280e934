//! What the agents asked and were answered: the evidence.
//!
//! Each agent notes an operation before it begins and again when it has its answer, so one that was killed leaves a
//! beginning without an end: it may have taken effect or not. One run id does one thing at a time, and whoever was
//! killed comes back under another run id.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::log;

/// A task's id, as the command line prints it.
pub(super) type Task = String;

/// A moment by two clocks: one that never jumps and is the same for all processes, and the one that leases go by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Moment {
    pub(super) nanos: u64,
    pub(super) wall_micros: u64,
}

/// What tells a task from all others before it has an id: who enqueued it, as that agent's how many-th.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct Label {
    pub(super) by: String,
    pub(super) number: u64,
}

/// What an agent asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Op {
    /// With a key, only unless a task with it lives in the queue.
    Enqueue {
        label: Label,
        queue: String,
        priority: i64,
        key: Option<String>,
    },
    Claim {
        queue: Option<String>,
        lease_seconds: i64,
        wait_seconds: i64,
    },
    Heartbeat {
        task: Task,
        nonce: Option<String>,
    },
    Settle {
        task: Task,
        verdict: Verdict,
        report: String,
        nonce: Option<String>,
    },
    Release {
        task: Task,
        nonce: Option<String>,
    },
    Cancel {
        task: Task,
        force: bool,
    },
    Retry {
        task: Task,
    },
    /// Removes what ended so long ago.
    Gc {
        older_than_seconds: i64,
    },
    /// So many tasks of the queue may be claimed at once, or any number.
    Limit {
        queue: String,
        max: Option<u32>,
    },
}

/// A holder's two verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Verdict {
    Complete,
    Fail,
}

/// What it was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Answer {
    Enqueued {
        task: Task,
    },
    /// This task has the key.
    Deduplicated {
        task: Task,
    },
    Claimed {
        task: Task,
        label: Label,
        lease: Lease,
    },
    Empty,
    Kept(Lease),
    Ended {
        generation: u32,
    },
    Released {
        generation: u32,
    },
    /// The task is tried again after its end.
    PutBack,
    Done,
    Refused {
        status: String,
        holder: Option<Holder>,
    },
    /// Nothing that the contract foresees: a medium that fails, a warning, no answer at all.
    Broken {
        what: String,
    },
}

/// A lease as its holder knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lease {
    pub(super) generation: u32,
    pub(super) nonce: String,
    pub(super) claimed_micros: u64,
    pub(super) expires_micros: u64,
}

/// Whom a refusal names, with the generation unless the task has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holder {
    pub(super) run_id: String,
    pub(super) generation: Option<u32>,
}

/// One line of an agent's log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) run_id: String,
    pub(super) at: Moment,
    pub(super) said: Said,
}

pub(super) type Said = log::Said<Op, Answer>;

/// An operation: whole, or begun only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Action {
    pub(super) run_id: String,
    pub(super) began: Moment,
    pub(super) op: Op,
    pub(super) ended: Option<(Moment, Answer)>,
}

/// All operations, in the order in which their beginnings became known.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) actions: Vec<Action>,
    under_way: HashMap<String, usize>,
    /// Which tasks are thought to be there still.
    open: HashMap<Task, bool>,
    backlog: usize,
}

/// How a task stands when all is over, as the queue lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Listed {
    pub(super) label: Option<Label>,
    pub(super) status: String,
    pub(super) generation: u32,
    pub(super) attempt: u32,
    pub(super) by: Option<String>,
    pub(super) report: Option<String>,
}

/// The queue at the end.
pub(super) type Listing = BTreeMap<Task, Listed>;

impl Moment {
    pub(super) fn now() -> Moment {
        Moment { nanos: log::nanos(), wall_micros: log::wall_micros() }
    }
}

impl History {
    /// Takes down one line of a log.
    pub(super) fn note(&mut self, note: Note) {
        let Note { run_id, at, said } = note;
        self.keep_count(&run_id, &said);
        match said {
            Said::Began(op) => {
                let earlier = self.under_way.insert(run_id.clone(), self.actions.len());
                assert!(earlier.is_none(), "{run_id} does two things at once");
                self.actions.push(Action { run_id, began: at, op, ended: None });
            }
            Said::Got(answer) => {
                let index = self.under_way.remove(&run_id);
                let action = index.and_then(|index| self.actions.get_mut(index));
                action.expect("an answer comes after a question").ended = Some((at, answer));
            }
        }
    }

    /// The tasks whose enqueuing was acknowledged.
    pub(super) fn acknowledged(&self) -> impl Iterator<Item = &Task> {
        self.actions.iter().filter_map(Action::enqueued)
    }

    /// About how many tasks wait or are held.
    pub(super) fn backlog(&self) -> usize {
        self.backlog
    }

    /// A task counts as ended when somebody sets out to end it, for the answer may never come. If it is claimed after
    /// all, it was not. A task may be claimed before its enqueue is answered; the answer does not count it again. A
    /// task that is to be put back counts once that is answered: most retries are refused, and orchestrators would wait
    /// for those tasks.
    fn keep_count(&mut self, run_id: &str, said: &Said) {
        match said {
            Said::Began(Op::Settle { task, .. } | Op::Cancel { task, .. }) => self.set_open(task, false),
            Said::Got(Answer::Enqueued { task }) if !self.open.contains_key(task) => self.set_open(task, true),
            Said::Got(Answer::Claimed { task, .. }) => self.set_open(task, true),
            Said::Got(Answer::PutBack) => {
                let asked = self.under_way.get(run_id).and_then(|index| self.actions.get(*index));
                if let Some(Op::Retry { task }) = asked.map(|action| action.op.clone()) {
                    self.set_open(&task, true);
                }
            }
            Said::Began(_) | Said::Got(_) => {}
        }
    }

    fn set_open(&mut self, task: &Task, open: bool) {
        let before = self.open.insert(task.clone(), open).unwrap_or(false);
        self.backlog = self.backlog + usize::from(open) - usize::from(before);
    }
}

impl Action {
    /// The answer, if there was one that tells what happened.
    pub(super) fn answer(&self) -> Option<&Answer> {
        match &self.ended {
            Some((_, Answer::Broken { .. })) | None => None,
            Some((_, answer)) => Some(answer),
        }
    }

    /// The task that it is about, as far as is known.
    pub(super) fn task(&self) -> Option<&Task> {
        match (&self.op, self.answer()) {
            (
                Op::Heartbeat { task, .. }
                | Op::Settle { task, .. }
                | Op::Release { task, .. }
                | Op::Cancel { task, .. }
                | Op::Retry { task },
                _,
            ) => Some(task),
            (_, Some(Answer::Enqueued { task } | Answer::Claimed { task, .. })) => Some(task),
            _ => None,
        }
    }

    /// The task that was enqueued by it, as far as is known.
    pub(super) fn enqueued(&self) -> Option<&Task> {
        match self.answer()? {
            Answer::Enqueued { task } => Some(task),
            _ => None,
        }
    }

    /// When its answer was there.
    pub(super) fn ended_at(&self) -> Option<Moment> {
        self.answer().and(self.ended.as_ref()).map(|(at, _)| *at)
    }
}

impl Verdict {
    /// The status that it leads to.
    pub(super) fn status(self) -> &'static str {
        match self {
            Verdict::Complete => "completed",
            Verdict::Fail => "failed",
        }
    }
}
