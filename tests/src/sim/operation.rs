//! The operations that an agent may be told to run, and the tasks that they enqueue.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

use coord_core::name::{Nonce, QueueName};
use coord_core::queue::{NewTask, Plan, Start};
use coord_core::task::{Backoff, IfParentFails};
use coord_core::{JsonObject, Task, TaskId, Timestamp};

/// How long a task with several attempts waits after the first that failed, and after any, in seconds.
pub const BACKOFF: Backoff = Backoff { seconds: 2, max_seconds: 4 };

/// A task to be added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct New {
    /// Distinguishes it from other tasks.
    pub number: u16,
    /// Higher is claimed first.
    pub priority: i64,
    /// How many seconds it may wait to be claimed.
    pub ttl_seconds: i64,
    /// How many attempts there may be.
    pub max_attempts: Option<u32>,
    /// For how many seconds it cannot be claimed.
    pub delay_seconds: i64,
    /// What it waits for.
    pub after: [Option<TaskId>; 2],
    /// What it does if one of them does not complete.
    pub if_parent_fails: IfParentFails,
    /// It has a key.
    pub is_unique: bool,
    /// Which key, of a few.
    pub key: u8,
}

/// What an agent is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Add a task.
    Enqueue(New),
    /// Take the first task.
    Claim,
    /// Extend the lease.
    Heartbeat(TaskId),
    /// Extend the lease and report progress.
    Progress(TaskId),
    /// End the task in success, with a result.
    Complete(TaskId),
    /// The same, and add a task in the same step.
    CompleteAndEnqueue(TaskId, New),
    /// End this attempt in failure, with nothing to say.
    Fail(TaskId),
    /// End the task in failure, whatever attempts are left.
    FailFinally(TaskId),
    /// Release the task.
    Release(TaskId),
    /// Release the task, with a delay of so many seconds.
    ReleaseLater(TaskId, i64),
    /// Cancel the task.
    Cancel(TaskId),
    /// Cancel the task, or ask its holder to stop.
    RequestCancel(TaskId),
    /// Cancel the task, also while an agent holds it.
    ForceCancel(TaskId),
    /// Retry the task after its end.
    Retry(TaskId),
    /// Sweep: apply what is due by now.
    Sweep,
    /// Let nothing be claimed.
    Pause,
    /// Let everything be claimed again.
    Resume,
    /// Let so many tasks be claimed at once, or any number.
    Limit(Option<u32>),
    /// Add two tasks in one batch.
    EnqueueBoth([New; 2]),
    /// Remove every task that has ended.
    Gc,
    /// Write all tasks down, and see that another queue takes each of them.
    Export,
    /// Bring a task in that was enqueued in another queue then.
    Import(New, Timestamp),
    /// Examine and repair the directory.
    Repair,
}

impl Operation {
    /// The task that it concerns, unless it concerns none or a new one.
    pub fn task(self) -> Option<TaskId> {
        match self {
            Operation::Heartbeat(id)
            | Operation::Progress(id)
            | Operation::Complete(id)
            | Operation::CompleteAndEnqueue(id, _)
            | Operation::Fail(id)
            | Operation::FailFinally(id)
            | Operation::Release(id)
            | Operation::ReleaseLater(id, _)
            | Operation::Cancel(id)
            | Operation::RequestCancel(id)
            | Operation::ForceCancel(id)
            | Operation::Retry(id) => Some(id),
            Operation::Enqueue(_)
            | Operation::EnqueueBoth(_)
            | Operation::Import(..)
            | Operation::Claim
            | Operation::Sweep => None,
            Operation::Repair
            | Operation::Gc
            | Operation::Export
            | Operation::Pause
            | Operation::Resume
            | Operation::Limit(_) => None,
        }
    }

    /// True if it cancels this task.
    pub fn cancels(self, id: TaskId) -> bool {
        matches!(self, Operation::Cancel(of) | Operation::RequestCancel(of) | Operation::ForceCancel(of) if of == id)
    }
}

/// A task to be enqueued.
pub fn task(new: New) -> NewTask {
    let start = if new.delay_seconds > 0 { Start::After(new.delay_seconds) } else { Start::Now };
    let plan = Plan {
        max_attempts: new.max_attempts,
        backoff: new.max_attempts.map(|_| BACKOFF),
        start,
        after: new.after.into_iter().flatten().collect(),
        if_parent_fails: Some(new.if_parent_fails),
        unique: new.is_unique.then(|| format!("key{}", new.key).parse().expect("a key")),
    };
    NewTask {
        title: format!("task {}", new.number).parse().expect("a title"),
        priority: new.priority,
        queue: QueueName::default_queue(),
        ttl_seconds: new.ttl_seconds,
        created_by: "orchestrator".parse().expect("a run id"),
        tags: Vec::new(),
        plan,
        payload: JsonObject::parse("{}").expect("JSON"),
    }
}

/// The task with the next number whose id begins with these digits, so that it shares directories with others that do.
/// It is enqueued at `now`, by the completion with the nonce `follows` if there is one. Results are cached.
pub fn numbered(new: New, digits: &str, now: Timestamp, follows: Option<Nonce>) -> New {
    type Asked = (New, String, Timestamp, Option<Nonce>);
    static FOUND: Mutex<BTreeMap<u64, Vec<(Asked, New)>>> = Mutex::new(BTreeMap::new());
    let asked = (new, digits.to_string(), now, follows);
    let mut found = FOUND.lock().expect("nobody panics here");
    let known = found.entry(now.micros()).or_default();
    if let Some((_, new)) = known.iter().find(|(known, _)| *known == asked) {
        return *new;
    }
    let id_of = |new: &New| Task::encode(task(*new).record(follows, now)).expect("JSON").0.id;
    let mut all = (new.number..).map(|number| New { number, ..new });
    let new = all.find(|new| id_of(new).hex().starts_with(digits)).expect("one of a few hundred");
    known.push((asked, new));
    new
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Operation::Enqueue(new) => write!(f, "enqueue {new}"),
            Operation::Claim => f.write_str("claim"),
            Operation::Heartbeat(id) => write!(f, "heartbeat {}", short(id)),
            Operation::Progress(id) => write!(f, "heartbeat {} with progress", short(id)),
            Operation::Complete(id) => write!(f, "complete {}", short(id)),
            Operation::CompleteAndEnqueue(id, new) => write!(f, "complete {} and enqueue {new}", short(id)),
            Operation::Fail(id) => write!(f, "fail {}", short(id)),
            Operation::FailFinally(id) => write!(f, "fail --final {}", short(id)),
            Operation::Release(id) => write!(f, "release {}", short(id)),
            Operation::ReleaseLater(id, seconds) => write!(f, "release {} for {seconds} s", short(id)),
            Operation::Cancel(id) => write!(f, "cancel {}", short(id)),
            Operation::RequestCancel(id) => write!(f, "cancel --request {}", short(id)),
            Operation::ForceCancel(id) => write!(f, "cancel --force {}", short(id)),
            Operation::Retry(id) => write!(f, "retry {}", short(id)),
            Operation::Sweep => f.write_str("sweep"),
            Operation::Pause => f.write_str("pause"),
            Operation::Resume => f.write_str("resume"),
            Operation::Limit(max) => write!(f, "limit to {max:?}"),
            Operation::EnqueueBoth([one, other]) => write!(f, "enqueue a batch of {one} and {other}"),
            Operation::Gc => f.write_str("gc"),
            Operation::Export => f.write_str("export"),
            Operation::Import(new, _) => write!(f, "import {new}"),
            Operation::Repair => f.write_str("doctor --repair"),
        }
    }
}

impl fmt::Display for New {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task {}, priority {}, ttl {}", self.number, self.priority, self.ttl_seconds)?;
        self.max_attempts.iter().try_for_each(|max| write!(f, ", {max} attempts"))?;
        if self.delay_seconds > 0 {
            write!(f, ", in {} s", self.delay_seconds)?;
        }
        self.after.iter().flatten().try_for_each(|id| write!(f, ", after {}", short(*id)))?;
        if self.after.iter().any(Option::is_some) {
            write!(f, ", {} if that fails", self.if_parent_fails.as_str())?;
        }
        if self.is_unique { write!(f, ", unique by key{}", self.key) } else { Ok(()) }
    }
}

/// The beginning of an id, enough to tell a few tasks apart.
pub fn short(id: TaskId) -> String {
    id.fan_out(8)
}
