//! The figures of queues.

use alloc::vec::Vec;

use serde::Serialize;

use crate::counts::Counts;
use crate::name::QueueName;
use crate::time::Timestamp;

/// How many tasks there are by status, how long they wait, and how long they run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stats {
    /// How many tasks there are.
    pub total: u64,
    /// How many tasks have each status, whenever they ended.
    #[serde(flatten)]
    pub counts: Counts,
    /// The window: ended tasks of this many past seconds were examined one by one.
    pub window_seconds: i64,
    /// By name.
    pub queues: Vec<QueueStats>,
}

/// The figures of one queue.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct QueueStats {
    /// The queue.
    pub queue: QueueName,
    /// How many of its tasks have each status; of ended tasks, those that ended in the window.
    pub counts: Counts,
    /// When the oldest claimable task began to wait.
    pub oldest_pending_since: Option<Timestamp>,
    /// The same in seconds until now.
    pub oldest_pending_seconds: Option<f64>,
    /// Tasks completed in the window, for each of its seconds.
    pub completed_per_second: f64,
    /// From enqueuing to the last claim, of tasks that were claimed and ended in the window.
    pub wait_seconds: Option<Percentiles>,
    /// From the last claim to the end, of the same.
    pub run_seconds: Option<Percentiles>,
    /// True if nothing is claimed from it.
    pub paused: bool,
    /// How many of its tasks may be claimed at once.
    pub max_in_flight: Option<u32>,
}

/// Percentiles of a set of times, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Percentiles {
    /// How many times there are.
    pub count: u64,
    /// The median.
    pub p50: f64,
    /// The 90th percentile.
    pub p90: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The maximum.
    pub max: f64,
}
