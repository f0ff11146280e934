//! `muse coord stats`: how many tasks stand where, how long they wait and how long they take.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use coord_core::limits;
use coord_core::queue::{self, Counts, Finding, Status};
use coord_core::request;
use coord_core::time::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::tasks::counts_by_name;
use super::{OpenQueue, Repository};
use crate::args;
use crate::host;
use crate::output::{Answer, Answered, Failure, Page};
use crate::schema;

#[derive(Serialize, JsonSchema)]
pub(super) struct Stats {
    total: u64,
    #[serde(flatten, serialize_with = "counts_by_name")]
    #[schemars(with = "schema::CountsByName")]
    counts: Counts,
    window_seconds: i64,
    /// By name.
    queues: BTreeMap<String, QueueStats>,
}

#[derive(Serialize, JsonSchema)]
struct QueueStats {
    /// Of those that have ended, those that did in the window.
    #[serde(serialize_with = "counts_by_name")]
    #[schemars(with = "schema::CountsByName")]
    counts: Counts,
    #[schemars(with = "Option<schema::Time>")]
    oldest_pending_since: Option<Timestamp>,
    oldest_pending_seconds: Option<f64>,
    completed_per_second: f64,
    /// From enqueuing to the last claim, of tasks that were claimed and ended in the window.
    wait_seconds: Option<Percentiles>,
    /// From the last claim to the end, of the same.
    run_seconds: Option<Percentiles>,
    paused: bool,
    max_in_flight: Option<u32>,
}

/// So many per cent are at most as long.
#[derive(Serialize, JsonSchema)]
struct Percentiles {
    count: u64,
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

pub(super) fn run(args: &args::Stats, repository: &Repository) -> Result<Answered<Stats>, Failure> {
    let window = request::between("--window", args.window, &limits::DELAY_SECONDS)?;
    let OpenQueue { queue, .. } = repository.open()?;
    let now = host::now();
    let stats = queue.stats(window, now)?;
    let queues = stats.queues.into_iter();
    let answer = Stats {
        total: stats.counts.total(),
        counts: stats.counts,
        window_seconds: stats.window_seconds,
        queues: queues.map(|(name, queue)| (name.to_string(), QueueStats::new(queue, window, now))).collect(),
    };
    Ok(Answered { answer, warnings: stats.findings.iter().map(Finding::to_string).collect() })
}

impl QueueStats {
    fn new(stats: queue::QueueStats, window: i64, now: Timestamp) -> QueueStats {
        let completed = stats.counts.of(Status::Completed) as f64;
        QueueStats {
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

impl Answer for Stats {
    fn text(&self, page: &mut Page) {
        let window = self.window_seconds;
        page.line(format_args!("📊 {} task(s); of each queue, the ended ones of the last {window}s", self.total));
        for (name, queue) in &self.queues {
            queue.text(name, page);
        }
    }
}

impl QueueStats {
    fn text(&self, name: &str, page: &mut Page) {
        let paused = if self.paused { "  ⏸️ paused" } else { "" };
        let max = self.max_in_flight.map_or(String::new(), |max| format!("  at most {max} claimed at once"));
        page.line(format_args!("\n{name}{paused}{max}"));
        let counted = |status: &Status| self.counts.of(*status) > 0;
        let counts = Status::ALL.into_iter().filter(counted);
        let counts: Vec<String> =
            counts.map(|status| format!("{} {}", self.counts.of(status), status.as_str())).collect();
        if !counts.is_empty() {
            page.field("Tasks", counts.join("  "));
        }
        if let Some(seconds) = self.oldest_pending_seconds {
            page.field("Oldest", format_args!("waits for {seconds:.1}s"));
        }
        if self.counts.of(Status::Completed) > 0 {
            page.field("Completed", format_args!("{:.2} per minute", self.completed_per_second * 60.0));
        }
        for (label, spread) in [("Wait", &self.wait_seconds), ("Run", &self.run_seconds)] {
            if let Some(Percentiles { p50, p90, p99, max, .. }) = spread {
                page.field(label, format_args!("50 % {p50:.3}s  90 % {p90:.3}s  99 % {p99:.3}s  max {max:.3}s"));
            }
        }
    }
}

/// A metric of each queue.
struct Metric {
    name: &'static str,
    help: &'static str,
    /// What stands behind the queue in the braces, and the value.
    samples: fn(&QueueStats) -> Vec<(String, f64)>,
}

const METRICS: [Metric; 7] = [
    Metric {
        name: "tasks",
        help: "Tasks by status; of ended ones, those that ended in the window.",
        samples: |queue| {
            let sample = |status: Status| (format!(",status=\"{}\"", status.as_str()), queue.counts.of(status) as f64);
            Status::ALL.map(sample).to_vec()
        },
    },
    Metric {
        name: "oldest_pending_age_seconds",
        help: "How long ago the oldest task that can be claimed was enqueued; 0 if there is none.",
        samples: |queue| one(queue.oldest_pending_seconds.unwrap_or(0.0)),
    },
    Metric {
        name: "completed_per_second",
        help: "Tasks completed in the window, for each of its seconds.",
        samples: |queue| one(queue.completed_per_second),
    },
    Metric {
        name: "wait_seconds",
        help: "From enqueuing to the last claim, of tasks that were claimed and ended in the window.",
        samples: |queue| quantiles(queue.wait_seconds.as_ref()),
    },
    Metric {
        name: "run_seconds",
        help: "From the last claim to the end, of tasks that were claimed and ended in the window.",
        samples: |queue| quantiles(queue.run_seconds.as_ref()),
    },
    Metric {
        name: "queue_paused",
        help: "1 if nothing is claimed from the queue.",
        samples: |queue| one(f64::from(u8::from(queue.paused))),
    },
    Metric {
        name: "max_in_flight",
        help: "How many tasks may be claimed at once, where that is limited.",
        samples: |queue| queue.max_in_flight.map(|max| one(f64::from(max))).unwrap_or_default(),
    },
];

fn one(value: f64) -> Vec<(String, f64)> {
    vec![(String::new(), value)]
}

fn quantiles(spread: Option<&Percentiles>) -> Vec<(String, f64)> {
    let quantile = |(quantile, value)| (format!(",quantile=\"{quantile}\""), value);
    let of = |spread: &Percentiles| [("0.5", spread.p50), ("0.9", spread.p90), ("0.99", spread.p99), ("1", spread.max)];
    spread.map(|spread| of(spread).map(quantile).to_vec()).unwrap_or_default()
}

impl Stats {
    /// The figures in Prometheus's text format. All are gauges: they tell of now, or of a window that moves along.
    pub(super) fn prometheus(&self) -> String {
        let mut text = String::new();
        gauge(&mut text, "window_seconds", "How far back ended tasks are looked at.");
        _ = writeln!(text, "muse_coord_window_seconds {}", self.window_seconds);
        gauge(&mut text, "all_tasks", "Tasks of all queues by status, whenever they ended.");
        for status in Status::ALL {
            _ = writeln!(text, "muse_coord_all_tasks{{status=\"{}\"}} {}", status.as_str(), self.counts.of(status));
        }
        for Metric { name, help, samples } in METRICS {
            let mut lines = String::new();
            for (queue, stats) in &self.queues {
                // A queue's name has no character that would have to be escaped.
                for (labels, value) in samples(stats) {
                    _ = writeln!(lines, "muse_coord_{name}{{queue=\"{queue}\"{labels}}} {value}");
                }
            }
            if !lines.is_empty() {
                gauge(&mut text, name, help);
                text.push_str(&lines);
            }
        }
        text
    }
}

/// Writing to a text cannot fail.
fn gauge(text: &mut String, name: &str, help: &str) {
    _ = writeln!(text, "# HELP muse_coord_{name} {help}\n# TYPE muse_coord_{name} gauge");
}
