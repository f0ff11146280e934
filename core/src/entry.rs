//! The state entry: a file name that contains everything needed for a decision about a task.
//!
//! ```text
//! 0667c8dd1b2c3.<id>.p5.v1.g0.a0.ready.x0667c9f1….tbilling             waiting, never claimed or given back
//! 0667c8dd1b2c3.<id>.p5.v2.g1.a1.claimed.qbilling.c….h….e….n….agent-7         held by agent-7
//! 0667c8dd1b2c3.<id>.p5.v3.g1.a1.cancelling.qbilling.r….c….h….e….n….agent-7   the same, and agent-7 is asked to stop
//! 0667c8dd1b2c3.<id>.p5.v3.g1.a1.timed_out.tbilling.c….h….e….n….agent-7   its lease ran out; claimable again
//! 0667c8dd1b2c3.<id>.p5.v3.g1.a1.scheduled.u….r….                      waits for its time: a delay, a back-off
//! 0667c8dd1b2c3.<id>.p5.v1.g0.a0.blocked.o<id>                         waits for another task
//! 0667c8dd1b2c3.<id>.p5.v4.g1.a1.completed.d….r….c….h….e….n….agent-7   ended
//! ```
//!
//! The fields, in order: when the task was enqueued, id, priority, version (every rename adds one), generation (every
//! new holder adds one), attempt (a release takes it back), state; then `x` until when it may wait, `t` its tags, `u`
//! when it is due, `o` the task that it waits for, `q` the queue, so that the claimed tasks of one can be counted by
//! names, `d` when it ended, `r` the nonce of the latest report on it, `c` when it was claimed, `h` the last heartbeat,
//! `e` when the lease expires, `n` the lease's nonce, and the holder. Times are microseconds since 1970 and all numbers
//! but the priority are lower-case hexadecimal. Times, ids and nonces have a fixed width, so names sort by the time of
//! enqueuing.
//!
//! One name has one meaning and one spelling: what [`Entry::parse`] accepts, `Display` writes back letter for letter.

mod name;

use alloc::format;
use alloc::string::{String, ToString};

use crate::id::TaskId;
use crate::limits;
use crate::name::{Nonce, QueueName, RunId};
use crate::spelling::{escaped, short_digest, unescaped};
use crate::tags::TagSet;
use crate::task::Task;
use crate::time::Timestamp;

/// Everything that a task's file name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which task.
    pub id: TaskId,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// Higher is claimed first.
    pub priority: i64,
    /// How many names the task has had. It only grows, so an old name never comes back.
    pub version: u32,
    /// How many holders the task has had: the fencing token.
    pub generation: u32,
    /// Attempts started since the task was enqueued or retried. A release does not count as one.
    pub attempt: u32,
    /// The state, which decides what may happen next.
    pub state: State,
    /// The nonce of the latest report on the task; each report names the one before.
    pub report: Option<Nonce>,
    /// The queue. The name contains it while the task is held; before that, the directory does.
    pub queue: Option<QueueLabel>,
}

/// Where a task is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not to be claimed before a time.
    Scheduled {
        /// When it becomes ready.
        due: Timestamp,
    },
    /// Not to be claimed before another task has ended.
    Blocked {
        /// The one that it waits for now; its record tells whether there are more.
        on: TaskId,
    },
    /// Waiting; never claimed, or released by its last holder.
    Ready {
        /// Until when it may be claimed; once it was claimed, the latest possible time.
        pending_until: Timestamp,
        /// Its tags, by which a claim can choose it.
        tags: TagSet,
    },
    /// Waiting again, because this lease expired. Until another agent claims the task, its holder may still settle it.
    TimedOut {
        /// The lease.
        lease: Lease,
        /// Its tags, by which a claim can choose it.
        tags: TagSet,
    },
    /// Held under this lease, which may have expired without anyone having noticed yet.
    Claimed(Lease),
    /// As [`State::Claimed`], and its holder is asked to stop. The latest report that is not progress says by whom and
    /// why.
    Cancelling(Lease),
    /// Over for good.
    Ended(Ending),
}

/// One holder's time with a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The agent that holds it.
    pub holder: Holder,
    /// Since when.
    pub claimed_at: Timestamp,
    /// When the holder was last heard of.
    pub heartbeat_at: Timestamp,
    /// When another may take the task.
    pub expires_at: Timestamp,
    /// Distinguishes this lease from any other.
    pub nonce: Nonce,
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// In which way.
    pub outcome: Outcome,
    /// When.
    pub ended_at: Timestamp,
    /// The lease under which it ended; for a cancelled task the holder is the canceller. `None` if the task expired, or
    /// was cancelled because of its parent.
    pub lease: Option<Lease>,
}

/// The four ways for a task to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Its holder reported success.
    Completed,
    /// Its holder reported failure.
    Failed,
    /// An agent cancelled it.
    Cancelled,
    /// Nobody claimed it in time.
    Expired,
}

/// A run id as a name can hold it: escaped if it is short, else `~` and its digest, with the text in `runs/`.
///
/// The same run id on tasks of the same priority always gives the same holder, so holders compare without the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder(String);

/// A queue as the name of a claimed task can hold it: its own name if that is short, else `~` and a digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueueLabel(String);

impl QueueLabel {
    /// The label of a queue.
    pub fn of(queue: &QueueName) -> QueueLabel {
        let name = queue.as_str();
        if name.len() <= limits::QUEUE_LABEL_BYTES {
            return QueueLabel(name.to_string());
        }
        QueueLabel("~".chars().chain(short_digest(name).chars()).take(limits::QUEUE_LABEL_BYTES).collect())
    }
}

impl Entry {
    /// The first entry of a task, made by `enqueue`. The record alone decides what it is.
    pub fn first(task: &Task) -> Entry {
        let Task { id, record } = task;
        let state = match (record.after.first(), record.scheduled_at) {
            (Some(parent), _) => State::Blocked { on: *parent },
            (None, Some(due)) if due > record.created_at => State::Scheduled { due },
            (None, _) => State::Ready {
                pending_until: record.created_at.plus_seconds(record.ttl_seconds),
                tags: TagSet::of(&record.tags),
            },
        };
        let (created_at, priority) = (record.created_at, record.priority);
        Entry { id: *id, created_at, priority, version: 1, generation: 0, attempt: 0, state, report: None, queue: None }
    }

    /// The version of the task's next name; `None`: the task has had the maximum number of names.
    pub fn next_version(&self) -> Option<u32> {
        (self.version < limits::VERSION).then(|| self.version + 1)
    }

    /// As [`Entry::next_version`], for a step that must not fail: at the maximum, the name has the last version again.
    pub(crate) fn version_after(&self) -> u32 {
        self.next_version().unwrap_or(limits::VERSION)
    }

    /// The holder that `run_id` is on this task.
    pub fn holder(&self, run_id: &RunId) -> Holder {
        Holder::of(run_id, self.priority)
    }

    /// True for a task that is over.
    pub fn has_ended(&self) -> bool {
        self.ended_at().is_some()
    }

    /// When the task ended, if it has.
    pub fn ended_at(&self) -> Option<Timestamp> {
        if let State::Ended(ending) = &self.state { Some(ending.ended_at) } else { None }
    }

    /// When a scheduled task becomes ready.
    pub fn due(&self) -> Option<Timestamp> {
        if let State::Scheduled { due } = self.state { Some(due) } else { None }
    }

    /// The tags in the name, if there are any: a task that waits to be claimed has them there.
    fn tags(&self) -> Option<&TagSet> {
        match &self.state {
            State::Ready { tags, .. } | State::TimedOut { tags, .. } => Some(tags).filter(|tags| !tags.is_empty()),
            State::Scheduled { .. }
            | State::Blocked { .. }
            | State::Claimed(_)
            | State::Cancelling(_)
            | State::Ended(_) => None,
        }
    }

    /// The queue, if the name contains it: while the task is held.
    fn queue_told(&self) -> Option<&QueueLabel> {
        match &self.state {
            State::Claimed(_) | State::Cancelling(_) => self.queue.as_ref(),
            State::Scheduled { .. }
            | State::Blocked { .. }
            | State::Ready { .. }
            | State::TimedOut { .. }
            | State::Ended(_) => None,
        }
    }

    /// The lease in the name: the current or the last one.
    pub fn lease(&self) -> Option<&Lease> {
        match &self.state {
            State::Scheduled { .. } | State::Blocked { .. } | State::Ready { .. } => None,
            State::TimedOut { lease, .. } | State::Claimed(lease) | State::Cancelling(lease) => Some(lease),
            State::Ended(ending) => ending.lease.as_ref(),
        }
    }
}

impl Holder {
    /// The run id, if the name itself holds it.
    pub fn run_id(&self) -> Option<RunId> {
        if self.overflows() { None } else { unescaped(&self.0)?.parse().ok() }
    }

    /// True if the run id was too long for a name, so that its text is in `runs/`.
    pub fn overflows(&self) -> bool {
        self.0.starts_with('~')
    }

    /// True if this holder is the agent with this run id. A long run id is compared by its digest.
    pub fn is_of(&self, run_id: &RunId) -> bool {
        match self.0.strip_prefix('~') {
            Some(digest) => short_digest(run_id.as_str()) == digest,
            None => self.0 == escaped(run_id.as_str()),
        }
    }

    /// The holder's letters in the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of(run_id: &RunId, priority: i64) -> Holder {
        let escaped = escaped(run_id.as_str());
        if fits(&escaped, priority) { Holder(escaped) } else { Holder(format!("~{}", short_digest(run_id.as_str()))) }
    }
}

impl Outcome {
    /// The outcome's word, the same in names, answers and documentation.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Completed => "completed",
            Outcome::Failed => "failed",
            Outcome::Cancelled => "cancelled",
            Outcome::Expired => "expired",
        }
    }
}

impl State {
    /// True while another agent must not take the task from its holder.
    pub(crate) fn lease_is_live(&self, now: Timestamp) -> bool {
        matches!(self, State::Claimed(lease) | State::Cancelling(lease) if lease.expires_at > now)
    }
}

/// True if there is room for this holder beside the priority's digits; a longer one overflows to a side file.
fn fits(escaped: &str, priority: i64) -> bool {
    escaped.len() + priority.to_string().len() <= limits::PRIORITY_AND_HOLDER_BYTES
}
