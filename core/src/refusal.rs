//! Why a command is refused, and the message for it.

use alloc::string::String;
use core::fmt;

use crate::entry::{Entry, Holder, Lease, Outcome, State};
use crate::id::TaskId;
use crate::status::Status;
use crate::time::Timestamp;

/// Why a command is refused. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No agent has claimed the task yet, or its last holder has released it.
    NotClaimed(Standing),
    /// Another agent holds the task, and the caller has never held it, or does not act as a holder.
    WrongOwner(CurrentHolder),
    /// The caller's lease is over: the task has had more than one holder.
    LeaseLost(CurrentHolder),
    /// The task has ended.
    AlreadyEnded {
        /// How.
        outcome: Outcome,
        /// When.
        ended_at: Timestamp,
        /// The agent that ended it; `None`: it expired.
        by: Option<Holder>,
    },
    /// Its start time or parent's end has not come, or its lease is not over.
    NotDue,
    /// The task has not ended.
    NotEnded(Standing),
    /// The task has had [`crate::limits::GENERATION`] holders or [`crate::limits::VERSION`] names, which is as many as
    /// it can have.
    TooManyTransitions,
}

/// The state of a task that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its status.
    pub status: Status,
    /// When it is due, if it is scheduled.
    pub due: Option<Timestamp>,
    /// The parent that it waits for, if it is blocked.
    pub blocked_on: Option<TaskId>,
}

/// The current or last holder of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentHolder {
    /// Where the task stands.
    pub status: Status,
    /// Who.
    pub holder: Holder,
    /// The holder's generation.
    pub generation: u32,
    /// Since when.
    pub claimed_at: Timestamp,
    /// When the lease ends; in the past if it has expired and no other agent has claimed the task yet.
    pub expires_at: Timestamp,
}

impl Standing {
    pub(crate) fn of(entry: &Entry, now: Timestamp) -> Standing {
        let status = Status::of(entry, now);
        let blocked_on = if let State::Blocked { on } = entry.state { Some(on) } else { None };
        Standing { status, due: entry.due().filter(|_| status == Status::Scheduled), blocked_on }
    }
}

impl CurrentHolder {
    pub(crate) fn of(entry: &Entry, lease: &Lease, now: Timestamp) -> CurrentHolder {
        CurrentHolder {
            status: Status::of(entry, now),
            holder: lease.holder.clone(),
            generation: entry.generation,
            claimed_at: lease.claimed_at,
            expires_at: lease.expires_at,
        }
    }
}

impl Refusal {
    /// The stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::NotClaimed(_) => "not_claimed",
            Refusal::WrongOwner(_) => "wrong_owner",
            Refusal::LeaseLost(_) => "lease_lost",
            Refusal::AlreadyEnded { .. } => "already_terminal",
            Refusal::NotEnded(_) => "not_terminal",
            Refusal::NotDue | Refusal::TooManyTransitions => "error",
        }
    }

    /// The holder that the refusal names, whose run id may have to be looked up.
    pub fn holder(&self) -> Option<&Holder> {
        match self {
            Refusal::WrongOwner(current) | Refusal::LeaseLost(current) => Some(&current.holder),
            Refusal::AlreadyEnded { by, .. } => by.as_ref(),
            Refusal::NotClaimed(_) | Refusal::NotDue | Refusal::NotEnded(_) | Refusal::TooManyTransitions => None,
        }
    }

    /// Where the task stands.
    pub fn task_status(&self) -> Option<Status> {
        match self {
            Refusal::NotClaimed(standing) | Refusal::NotEnded(standing) => Some(standing.status),
            Refusal::WrongOwner(current) | Refusal::LeaseLost(current) => Some(current.status),
            Refusal::AlreadyEnded { outcome, .. } => Some((*outcome).into()),
            Refusal::NotDue | Refusal::TooManyTransitions => None,
        }
    }

    /// The refusal in words, where `who` is the run id of [`Refusal::holder`].
    pub(crate) fn describe(&self, f: &mut fmt::Formatter<'_>, who: &Option<String>) -> fmt::Result {
        let who = who.as_deref().unwrap_or("nobody");
        match self {
            Refusal::NotClaimed(Standing { due: Some(due), .. }) => {
                write!(f, "it is scheduled for {due}: nobody can claim it before that")
            }
            Refusal::NotClaimed(Standing { blocked_on: Some(parent), .. }) => {
                write!(f, "it is blocked: nobody can claim it before task {parent} has ended")
            }
            Refusal::NotClaimed(_) => write!(f, "it is pending: claim it first"),
            Refusal::NotEnded(Standing { status, .. }) => {
                write!(f, "it is {} and has not ended, so there is nothing to put back", status.as_str())
            }
            Refusal::WrongOwner(current) => write!(f, "it belongs to {who:?}, {current}"),
            Refusal::LeaseLost(current) => {
                write!(
                    f,
                    "the lease is lost: the task belongs to {who:?}, {current}; stop this work and claim another task"
                )
            }
            Refusal::AlreadyEnded { outcome: Outcome::Expired, ended_at, .. } => {
                write!(f, "it expired at {ended_at}, because nobody had claimed it in time")
            }
            Refusal::AlreadyEnded { outcome, ended_at, .. } => {
                let how = if *outcome == Outcome::Failed { "reported as failed" } else { outcome.as_str() };
                write!(f, "it was {how} at {ended_at} by {who:?}")
            }
            Refusal::NotDue => write!(f, "its lease or start time is not over yet"),
            Refusal::TooManyTransitions => write!(f, "it has changed state as often as a task can; enqueue it again"),
        }
    }
}

impl fmt::Display for CurrentHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CurrentHolder { generation, claimed_at, expires_at, .. } = self;
        write!(f, "who claimed it at {claimed_at} as generation {generation} with a lease until {expires_at}")
    }
}
