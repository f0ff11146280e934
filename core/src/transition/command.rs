//! The commands that a task can be given.

use crate::id::TaskId;
use crate::name::{Nonce, RunId};
use crate::task::TaskPolicy;

/// A command to a task. `report` is the nonce of a report with details; without one the last report stays current.
#[derive(Clone, Debug)]
pub enum Command {
    /// Hold it from now on.
    Claim {
        /// Who.
        run_id: RunId,
        /// For how long, in seconds.
        lease_seconds: i64,
        /// Distinguishes this lease from any other.
        nonce: Nonce,
    },
    /// Go on holding it.
    Heartbeat {
        /// The agent that claims to hold the task.
        claimant: Claimant,
        /// For how long from now, in seconds; `None`: as long as before.
        lease_seconds: Option<i64>,
        /// Of the progress.
        report: Option<Nonce>,
    },
    /// End it in success, or end this attempt in failure.
    Settle {
        /// The agent that claims to hold the task.
        claimant: Claimant,
        /// Success or failure.
        verdict: Verdict,
        /// Of the result or error.
        report: Option<Nonce>,
    },
    /// Give it back, without an end and without having used an attempt.
    Release {
        /// The agent that claims to hold the task.
        claimant: Claimant,
        /// For how many seconds nobody is to claim it.
        delay_seconds: i64,
        /// The task's.
        policy: TaskPolicy,
        /// Of when it is due, if it is delayed.
        report: Option<Nonce>,
    },
    /// Cancel it.
    Cancel {
        /// Who.
        run_id: RunId,
        /// The behaviour if another agent holds it.
        if_held: IfHeld,
        /// The nonce for the cancel record of a task without a lease.
        nonce: Nonce,
        /// Of the reason.
        report: Option<Nonce>,
    },
    /// Make the change that is due because time has passed.
    Timeout {
        /// The task's.
        policy: TaskPolicy,
        /// The report of an expired lease.
        report: Option<Nonce>,
    },
    /// Make the change that is due because of the parents' states.
    Unblock {
        /// The next state, as the parents demand it.
        verdict: ParentVerdict,
        /// The task's.
        policy: TaskPolicy,
        /// Of why it is cancelled.
        report: Option<Nonce>,
    },
    /// Put a task that failed, expired or was cancelled back, as if it had not been tried.
    Retry {
        /// The task's.
        policy: TaskPolicy,
        /// Where it begins again.
        restart: Restart,
    },
}

/// Where a task that is put back begins again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// It waits for this task first.
    Blocked(TaskId),
    /// It waits for its time, if that is still to come.
    Planned,
    /// It can be claimed at once.
    Now,
}

/// A holder's verdicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Success.
    Complete,
    /// Failure: of this attempt if others are left, else of the task.
    Fail {
        /// The task's.
        policy: TaskPolicy,
        /// Of the task, whatever attempts are left.
        is_final: bool,
        /// The random value that spreads the back-off.
        random: u64,
    },
}

/// The effect of a cancel on a task that another agent holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfHeld {
    /// Nothing.
    Refuse,
    /// Asks its holder to stop.
    Request,
    /// Takes it away.
    Force,
}

/// The next state of a blocked task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParentVerdict {
    /// It waits for this one next.
    WaitFor(TaskId),
    /// It waits for no other any more.
    GoOn,
    /// It will never run, because of one that it waited for.
    Cancel,
}

/// The agent that claims to hold a task.
#[derive(Clone, Debug)]
pub struct Claimant {
    /// Its run id.
    pub run_id: RunId,
    /// The nonce of one certain lease; `None`: any lease that the run id has.
    pub nonce: Option<Nonce>,
}
