//! Whether what belongs to a task agrees: its name, its record, and the reports that the name leads to.
//!
//! One function, [`disagreement`], is asked before a task is brought in from elsewhere and by doctors; it has what was
//! read, and reads nothing. [`places_to_wait`] is where `find` looks, so what it says of a place is what `find` does.

use alloc::string::String;
use core::fmt;

use crate::entry::{Entry, Lease, Outcome, QueueLabel, State};
use crate::id::TaskId;
use crate::layout;
use crate::limits;
use crate::name::{Nonce, RunId};
use crate::task::{Record, Task};
use crate::time::Timestamp;
use crate::tree::{Report, ReportKind, places_to_wait};

/// How a task's name contradicts its files. No queue makes such a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disagreement {
    /// Its name tells another time of enqueuing, or another priority, than its record.
    Record,
    /// Its name tells another queue than its record.
    Queue,
    /// It waits for a task that its record does not list, so nobody finds it or wakes it.
    Parent {
        /// That one.
        on: TaskId,
    },
    /// It is scheduled for a time that is neither in its record nor in a report, so nobody finds it.
    Due {
        /// The time.
        due: Timestamp,
    },
    /// Its counters are so close to their ends that nobody could go on with it.
    TooManyTransitions {
        /// How many names it says it has had.
        version: u32,
        /// How many holders.
        generation: u32,
    },
    /// Its counters do not fit each other: more holders than names, more attempts than holders, or held by nobody.
    Counters {
        /// How many names it says it has had.
        version: u32,
        /// How many holders.
        generation: u32,
        /// How many attempts.
        attempt: u32,
    },
    /// It has been completed by one agent, as its name says, and by another, as the report does.
    CompletedBy {
        /// The one that the report tells.
        reported: String,
    },
    /// It was reported as completed, which is final, and has not ended so.
    Completed,
    /// A report on it is of a later holder than the name tells of.
    Report {
        /// The report's.
        generation: u32,
    },
    /// The text of its holder's run id is that of another run id.
    RunId,
    /// Something is said to have happened more than a day from now.
    Ahead {
        /// When.
        at: Timestamp,
    },
}

/// The reports that a task's name leads to, newest first, with the nonce of each; a last one of `None` is lost.
pub(super) type Chain = [(Nonce, Option<Report>)];

/// The contradiction; `None`: there is none. `put_off_to` are the start times in the reports on the task.
pub(super) fn disagreement(
    entry: &Entry,
    task: &Task,
    chain: &Chain,
    put_off_to: &[Timestamp],
    now: Timestamp,
) -> Option<Disagreement> {
    let record = &task.record;
    if (entry.id, entry.created_at, entry.priority) != (task.id, record.created_at, record.priority) {
        return Some(Disagreement::Record);
    }
    if entry.queue.as_ref().is_some_and(|queue| *queue != QueueLabel::of(&record.queue)) {
        return Some(Disagreement::Queue);
    }
    counters(entry).or_else(|| place(entry, record, put_off_to)).or_else(|| reports(entry, chain)).or_else(|| {
        let at = latest_time(entry, chain).filter(|at| at.micros_since(now) > limits::AHEAD_MICROS)?;
        Some(Disagreement::Ahead { at })
    })
}

fn place(entry: &Entry, record: &Record, put_off_to: &[Timestamp]) -> Option<Disagreement> {
    let disagreement = match entry.state {
        State::Blocked { on } => Disagreement::Parent { on },
        State::Scheduled { due } => Disagreement::Due { due },
        State::Ready { .. } | State::TimedOut { .. } | State::Claimed(_) | State::Cancelling(_) | State::Ended(_) => {
            return None;
        }
    };
    let home = layout::home(entry, &record.queue);
    let is_found = places_to_wait(record, put_off_to.iter().copied()).any(|place| place == home);
    (!is_found).then_some(disagreement)
}

/// Each holder is a new name, and each attempt a new holder.
fn counters(entry: &Entry) -> Option<Disagreement> {
    let Entry { version, generation, attempt, .. } = *entry;
    if version > limits::VERSION_CREDIBLE || generation > limits::GENERATION_CREDIBLE {
        return Some(Disagreement::TooManyTransitions { version, generation });
    }
    let was_held = match &entry.state {
        State::TimedOut { .. } | State::Claimed(_) | State::Cancelling(_) => true,
        State::Ended(ending) => matches!(ending.outcome, Outcome::Completed | Outcome::Failed),
        State::Scheduled { .. } | State::Blocked { .. } | State::Ready { .. } => false,
    };
    let fit = generation < version && attempt <= generation && (generation > 0 || !was_held);
    (!fit).then_some(Disagreement::Counters { version, generation, attempt })
}

fn reports(entry: &Entry, chain: &Chain) -> Option<Disagreement> {
    let completion = match &entry.state {
        State::Ended(ending) if ending.outcome == Outcome::Completed => ending.lease.as_ref(),
        _ => None,
    };
    for (place, report) in chain.iter().filter_map(|(_, report)| report.as_ref()).enumerate() {
        if report.generation > entry.generation {
            return Some(Disagreement::Report { generation: report.generation });
        }
        if report.kind != ReportKind::Completed {
            continue;
        }
        match completion.filter(|_| place == 0) {
            Some(lease) if is_by(report, lease) => {}
            Some(_) => return Some(Disagreement::CompletedBy { reported: report.run_id.clone() }),
            None => return Some(Disagreement::Completed),
        }
    }
    None
}

fn is_by(report: &Report, lease: &Lease) -> bool {
    report.run_id.parse::<RunId>().is_ok_and(|run_id| lease.holder.is_of(&run_id))
}

/// The latest time at which anything is said to have happened. When a lease ends, or a task is due, is to come.
fn latest_time(entry: &Entry, chain: &Chain) -> Option<Timestamp> {
    let lease = entry.lease().map(|lease| lease.claimed_at.max(lease.heartbeat_at));
    let reported = chain.iter().filter_map(|(_, report)| Some(report.as_ref()?.at)).max();
    [Some(entry.created_at), lease, entry.ended_at(), reported].into_iter().flatten().max()
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Disagreement::Record => f.write_str("its name has another enqueue time or priority than its record"),
            Disagreement::Queue => f.write_str("its name has another queue than its record"),
            Disagreement::Parent { on } => write!(f, "it waits for {on}, which its record does not list"),
            Disagreement::Due { due } => {
                write!(f, "it is scheduled for {due}, but neither its record nor a report says so")
            }
            Disagreement::TooManyTransitions { version, generation } => write!(
                f,
                "it says that it has had {version} names (max {}) and {generation} holders (max {})",
                limits::VERSION_CREDIBLE,
                limits::GENERATION_CREDIBLE
            ),
            Disagreement::Counters { version, generation, attempt } => write!(
                f,
                "its counters contradict each other: {version} name(s), {generation} holder(s), {attempt} attempt(s)"
            ),
            Disagreement::CompletedBy { reported } => {
                let reported = crate::spelling::shortened(reported);
                write!(f, "its name and the report name different agents that completed it (the report: {reported})")
            }
            Disagreement::Completed => f.write_str("it was reported as completed, and its name says something else"),
            Disagreement::Report { generation } => {
                write!(f, "a report on it is of holder {generation}, later than the last one that its name tells of")
            }
            Disagreement::RunId => f.write_str("the text of its holder's run id is that of another run id"),
            Disagreement::Ahead { at } => {
                write!(f, "it says that something happened at {at}, more than a day ahead of this machine's clock")
            }
        }
    }
}
