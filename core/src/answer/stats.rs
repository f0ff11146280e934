//! The figures of queues.

use alloc::vec::Vec;

use serde::Serialize;

use crate::name::QueueName;
use crate::queue::{self, Counts, Status};
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

impl Stats {
    /// The figures as they are at `now`.
    pub fn new(stats: queue::Stats, now: Timestamp) -> Stats {
        let window = stats.window_seconds;
        let queues = stats.queues.into_iter().map(|(name, stats)| QueueStats::new(name, stats, window, now)).collect();
        Stats { total: stats.counts.total(), counts: stats.counts, window_seconds: window, queues }
    }
}

impl QueueStats {
    fn new(queue: QueueName, stats: queue::QueueStats, window: i64, now: Timestamp) -> QueueStats {
        let completed = stats.counts.of(Status::Completed) as f64;
        QueueStats {
            queue,
            counts: stats.counts,
            oldest_pending_since: stats.oldest_pending_since,
            oldest_pending_seconds: stats.oldest_pending_since.map(|since| seconds(now.micros_since(since))),
            completed_per_second: if window > 0 { completed / window as f64 } else { 0.0 },
            wait_seconds: stats.wait.map(Percentiles::from),
            run_seconds: stats.run.map(Percentiles::from),
            paused: stats.is_paused,
            max_in_flight: stats.max_in_flight,
        }
    }
}

impl From<queue::Percentiles> for Percentiles {
    fn from(queue::Percentiles { count, p50, p90, p99, max }: queue::Percentiles) -> Percentiles {
        Percentiles { count, p50: seconds(p50), p90: seconds(p90), p99: seconds(p99), max: seconds(max) }
    }
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1_000_000.0
}
