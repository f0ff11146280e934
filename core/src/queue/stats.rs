//! Figures for operators: how many tasks have each status, how long they wait, and how long they run.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::Queue;
use super::settings::Settings;
use crate::answer::{self, Percentiles};
use crate::counts::Counts;
use crate::entry::Entry;
use crate::error::Error;
use crate::finding::Finding;
use crate::limits;
use crate::name::QueueName;
use crate::sorted;
use crate::status::Status;
use crate::store::Store;
use crate::time::Timestamp;

/// The figures of all queues.
#[derive(Clone, Debug)]
pub struct Stats {
    /// How many tasks have each status, over all queues and times.
    pub counts: Counts,
    /// By queue.
    pub queues: BTreeMap<QueueName, QueueStats>,
    /// The window: ended tasks of this many past seconds were examined one by one.
    pub window_seconds: i64,
    /// Findings, for warnings.
    pub findings: Vec<Finding>,
}

/// The figures of one queue.
#[derive(Clone, Debug, Default)]
pub struct QueueStats {
    /// How many tasks have each status; of ended tasks, those that ended in the window.
    pub counts: Counts,
    /// When the oldest claimable task began to wait.
    pub oldest_pending_since: Option<Timestamp>,
    /// From enqueuing to the last claim, of tasks that were completed or failed in the window.
    pub wait: Option<Percentiles>,
    /// From the last claim to the end, of the same.
    pub run: Option<Percentiles>,
    /// True if the queue is paused.
    pub is_paused: bool,
    /// How many of its tasks may be claimed at once.
    pub max_in_flight: Option<u32>,
}

/// The times of one queue in microseconds, before they are counted.
#[derive(Default)]
struct Times {
    wait: Vec<u64>,
    run: Vec<u64>,
}

impl<S: Store> Queue<S> {
    /// The figures at `now`. Reads all names, and the records of the tasks that have not ended, or ended in the last
    /// `window_seconds`. Writes nothing.
    pub fn stats(&self, window_seconds: i64, now: Timestamp) -> Result<Stats, Error> {
        let window = u64::try_from(window_seconds).unwrap_or(0).saturating_mul(1_000_000);
        let mut stats =
            Stats { counts: Counts::default(), queues: BTreeMap::new(), window_seconds, findings: Vec::new() };
        let mut times: BTreeMap<QueueName, Times> = BTreeMap::new();
        let mut add = |queue: QueueName, entry: &Entry| {
            times.entry(queue.clone()).or_default().add(entry);
            stats.queues.entry(queue).or_default().add(entry, Status::of(entry, now));
        };
        let mut unplaced = Vec::new();
        for (_, seen) in self.tree.every_entry_as_of(now)? {
            stats.counts.add(Status::of(seen.entry(), now));
            if seen.entry().ended_at().is_some_and(|at| now.micros_since(at) > window) {
                continue;
            }
            match seen.queue() {
                Some(queue) => add(queue.clone(), seen.entry()),
                None => unplaced.push(seen),
            }
        }
        for seen in unplaced.chunks(limits::RECORDS_PER_TRIP) {
            let _at_work = self.tree.tasks_ahead(seen)?;
            for seen in seen {
                match self.tree.task_of(seen)? {
                    Some(Ok(task)) => add(task.record.queue, seen.entry()),
                    Some(Err(finding)) => stats.findings.push(finding),
                    None => {}
                }
            }
        }
        for (queue, Times { wait, run }) in times {
            let figures = stats.queues.entry(queue).or_default();
            (figures.wait, figures.run) = (Percentiles::of(wait), Percentiles::of(run));
        }
        let Settings { paused, max_in_flight } = self.settings()?;
        for queue in paused {
            stats.queues.entry(queue).or_default().is_paused = true;
        }
        for (queue, max) in max_in_flight {
            stats.queues.entry(queue).or_default().max_in_flight = Some(max);
        }
        stats.findings.extend(self.tree.take_findings());
        Ok(stats)
    }
}

impl QueueStats {
    pub(super) fn add(&mut self, entry: &Entry, status: Status) {
        self.counts.add(status);
        if matches!(status, Status::Pending | Status::TimedOut) {
            let oldest = self.oldest_pending_since.map_or(entry.created_at, |oldest| oldest.min(entry.created_at));
            self.oldest_pending_since = Some(oldest);
        }
    }

    fn answer(self, queue: QueueName, window: i64, now: Timestamp) -> answer::QueueStats {
        let completed = self.counts.of(Status::Completed) as f64;
        answer::QueueStats {
            queue,
            counts: self.counts,
            oldest_pending_since: self.oldest_pending_since,
            oldest_pending_seconds: self.oldest_pending_since.map(|since| seconds(now.micros_since(since))),
            completed_per_second: if window > 0 { completed / window as f64 } else { 0.0 },
            wait_seconds: self.wait,
            run_seconds: self.run,
            paused: self.is_paused,
            max_in_flight: self.max_in_flight,
        }
    }
}

impl Times {
    pub(super) fn add(&mut self, entry: &Entry) {
        let (Some(ended_at), Some(lease)) = (entry.ended_at(), entry.lease()) else { return };
        // A task that was cancelled before its first claim counts neither as waiting nor as running.
        if entry.generation > 0 {
            self.wait.push(lease.claimed_at.micros_since(entry.created_at));
            self.run.push(ended_at.micros_since(lease.claimed_at));
        }
    }
}

impl Percentiles {
    /// The percentiles of these times; `None`: there are none.
    pub(super) fn of(times: Vec<u64>) -> Option<Percentiles> {
        let times = sorted::by(times, u64::cmp);
        // The nearest rank: the smallest that so many per cent are not above.
        let at = |percent: usize| times.get((times.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        let count = u64::try_from(times.len()).unwrap_or(u64::MAX);
        let seconds = |percent| at(percent).map(seconds);
        Some(Percentiles { count, p50: seconds(50)?, p90: seconds(90)?, p99: seconds(99)?, max: seconds(100)? })
    }
}

impl answer::Stats {
    /// The figures as they are at `now`.
    pub fn new(stats: Stats, now: Timestamp) -> answer::Stats {
        let window = stats.window_seconds;
        let queues = stats.queues.into_iter().map(|(name, stats)| stats.answer(name, window, now)).collect();
        answer::Stats { total: stats.counts.total(), counts: stats.counts, window_seconds: window, queues }
    }
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1_000_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_by_nearest_rank() {
        assert_eq!(Percentiles::of(Vec::new()), None);
        assert_eq!(
            Percentiles::of(Vec::from([7_000_000])),
            Some(Percentiles { count: 1, p50: 7.0, p90: 7.0, p99: 7.0, max: 7.0 })
        );
        let spread = Percentiles::of((1..=200).rev().map(|second| second * 1_000_000).collect());
        assert_eq!(spread, Some(Percentiles { count: 200, p50: 100.0, p90: 180.0, p99: 198.0, max: 200.0 }));
    }
}
