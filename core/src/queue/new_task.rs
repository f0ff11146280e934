//! A task to be enqueued.

use alloc::vec::Vec;

use crate::id::TaskId;
use crate::json::JsonObject;
use crate::name::{Nonce, QueueName, RunId, Tag, Title, UniqueKey};
use crate::task::{Backoff, IfParentFails, Record};
use crate::time::Timestamp;

/// A task to be enqueued.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// The title: the work in a few words, for people.
    pub title: Title,
    /// Higher is claimed first.
    pub priority: i64,
    /// The queue to wait in.
    pub queue: QueueName,
    /// How many seconds it may wait to be claimed, from when it can be.
    pub ttl_seconds: i64,
    /// The enqueuer's run id.
    pub created_by: RunId,
    /// The tags.
    pub tags: Vec<Tag>,
    /// When and how often it is to be tried.
    pub plan: Plan,
    /// The payload: the agent's input.
    pub payload: JsonObject,
}

/// When and how often a task is to be tried. By default: at once, and once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Maximum number of attempts. `None`: a failure is final, and a task whose lease expires can be claimed any number
    /// of times.
    pub max_attempts: Option<u32>,
    /// How long to wait between two.
    pub backoff: Option<Backoff>,
    /// When it can be claimed.
    pub start: Start,
    /// The tasks that must have ended before.
    pub after: Vec<TaskId>,
    /// The reaction if a parent does not complete.
    pub if_parent_fails: Option<IfParentFails>,
    /// If another task with this key has not ended in the queue, that one is answered, and this one is not enqueued.
    pub unique: Option<UniqueKey>,
}

/// When a task can be claimed first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// At once.
    #[default]
    Now,
    /// After so many seconds.
    After(i64),
    /// Not before this time.
    At(Timestamp),
}

impl NewTask {
    /// The record of the task, enqueued at `at`.
    pub fn record(self, follows: Option<Nonce>, at: Timestamp) -> Record {
        let NewTask { title, priority, queue, ttl_seconds, created_by, tags, plan, payload } = self;
        let Plan { max_attempts, backoff, start, after, if_parent_fails, unique } = plan;
        let scheduled_at = match start {
            Start::Now => None,
            Start::After(seconds) => Some(at.plus_seconds(seconds)),
            Start::At(time) => Some(time),
        };
        Record {
            title,
            priority,
            queue,
            ttl_seconds,
            created_by,
            created_at: at,
            tags,
            max_attempts,
            backoff,
            scheduled_at,
            after,
            if_parent_fails,
            unique,
            follows,
            payload,
        }
    }
}
