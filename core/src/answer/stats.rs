//! The figures of queues.

use alloc::vec::Vec;

use serde::Serialize;

use crate::name::QueueName;
use crate::queue::{self, Counts, Status};
use crate::time::Timestamp;

/// How many tasks there are, where they stand, and how long they take.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stats {
    /// How many tasks there are.
    pub total: u64,
    /// Where they stand, whenever they ended.
    #[serde(flatten)]
    pub counts: Counts,
    /// How many seconds back ended tasks were looked at one by one.
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
    /// Where its tasks stand; of those that have ended, those that did in the window.
    pub counts: Counts,
    /// Since when the oldest task waits that can be claimed.
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

/// How a number of times is spread, in seconds: so many per cent of them are at most as long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Percentiles {
    /// How many times there are.
    pub count: u64,
    /// Half of them.
    pub p50: f64,
    /// Nine tenths.
    pub p90: f64,
    /// Ninety-nine hundredths.
    pub p99: f64,
    /// All.
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
