//! Where a task stands, in one word.

use serde::{Deserialize, Serialize};

use crate::entry::{Entry, Outcome, State};
use crate::time::Timestamp;

/// Where a task stands, in the words of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not yet due: it was delayed, or waits for another attempt.
    Scheduled,
    /// Waits for another task.
    Blocked,
    /// Waiting; never claimed, or released by its last holder.
    Pending,
    /// Held, and the lease runs.
    Claimed,
    /// Its lease expired and no other agent has claimed it yet.
    TimedOut,
    /// Ended in success.
    Completed,
    /// Ended in failure.
    Failed,
    /// Called off.
    Cancelled,
    /// It was not claimed within its pending TTL.
    Expired,
}

impl Status {
    /// All of them, in the order of a task's life.
    pub const ALL: [Status; 9] = [
        Status::Scheduled,
        Status::Blocked,
        Status::Pending,
        Status::Claimed,
        Status::TimedOut,
        Status::Completed,
        Status::Failed,
        Status::Cancelled,
        Status::Expired,
    ];

    /// The status of `entry` at `now`, whether or not a sweep has written the change yet.
    pub fn of(entry: &Entry, now: Timestamp) -> Status {
        match &entry.state {
            // Due, although nobody has moved it yet.
            State::Scheduled { due } if *due <= now => Status::Pending,
            State::Scheduled { .. } => Status::Scheduled,
            State::Blocked { .. } => Status::Blocked,
            State::Ready { pending_until, .. } if *pending_until <= now => Status::Expired,
            State::Ready { .. } => Status::Pending,
            state @ (State::Claimed(_) | State::Cancelling(_)) if state.lease_is_live(now) => Status::Claimed,
            State::Claimed(_) | State::Cancelling(_) | State::TimedOut { .. } => Status::TimedOut,
            State::Ended(ending) => ending.outcome.into(),
        }
    }

    /// The word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Scheduled => "scheduled",
            Status::Blocked => "blocked",
            Status::Pending => "pending",
            Status::Claimed => "claimed",
            Status::TimedOut => "timed_out",
            Status::Completed => "completed",
            Status::Failed => "failed",
            Status::Cancelled => "cancelled",
            Status::Expired => "expired",
        }
    }
}

impl From<Outcome> for Status {
    fn from(outcome: Outcome) -> Status {
        match outcome {
            Outcome::Completed => Status::Completed,
            Outcome::Failed => Status::Failed,
            Outcome::Cancelled => Status::Cancelled,
            Outcome::Expired => Status::Expired,
        }
    }
}
