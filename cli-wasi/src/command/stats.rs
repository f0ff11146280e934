//! `muse coord stats`: how many tasks stand where, how long they wait and how long they take.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::mem;

use clap::Args;
use coord_core::answer::{Percentiles, QueueStats, Stats};
use coord_core::queue::{Counts, Finding, Status};
use coord_core::request::Field;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::{Context, OpenQueue};
use super::values;
use crate::host;
use crate::output::{Answer, Answered, Failure, Format, Page, Printer};

/// Print figures for each queue: tasks by status, wait times and run times
#[derive(Debug, Args)]
#[command(after_help = values::DURATION_HELP)]
pub struct Arguments {
    #[arg(
        long,
        help = values::help(
            "How far back ended tasks are counted (RANGE seconds)",
            Field::WindowSeconds
        ),
        value_name = "DURATION",
        default_value_t = 3_600,
        value_parser = values::seconds(Field::WindowSeconds),
        allow_negative_numbers = true,
    )]
    pub window: i64,
    /// Answer in Prometheus's text format
    #[arg(long)]
    pub prometheus: bool,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct StatsAnswer {
    total: u64,
    #[serde(flatten)]
    counts: Counts,
    window_seconds: i64,
    /// By name.
    queues: BTreeMap<String, QueueStats>,
}

/// Prints the figures, with `--prometheus` in its format, and tells the exit code.
pub(super) fn run(args: &Arguments, context: &Context<'_>) -> u8 {
    let printer = context.printer;
    if args.prometheus { printer.plain(prometheus(args, context)) } else { printer.finish(stats(args, context)) }
}

fn prometheus(args: &Arguments, context: &Context<'_>) -> Result<Answered<String>, Failure> {
    let Printer { format, fields, .. } = context.printer;
    if format == Format::Json || !fields.is_empty() {
        return Err(Failure::bad_args("--prometheus is a format of its own: leave --json and --print out"));
    }
    let Answered { answer, warnings } = stats(args, context)?;
    Ok(Answered { answer: answer.prometheus(), warnings })
}

fn stats(args: &Arguments, context: &Context<'_>) -> Result<Answered<StatsAnswer>, Failure> {
    let window = Field::WindowSeconds.check(args.window)?;
    let OpenQueue { queue, .. } = context.open()?;
    let now = host::now();
    let mut stats = queue.stats(window, now)?;
    let warnings = mem::take(&mut stats.findings).iter().map(Finding::to_string).collect();
    let Stats { total, counts, window_seconds, queues } = Stats::new(stats, now);
    let queues = queues.into_iter().map(|stats| (stats.queue.to_string(), stats)).collect();
    Ok(Answered { answer: StatsAnswer { total, counts, window_seconds, queues }, warnings })
}

impl Answer for StatsAnswer {
    fn text(&self, page: &mut Page) {
        let window = self.window_seconds;
        page.line(format_args!("📊 {} task(s); below, ended tasks only of the last {window}s", self.total));
        self.queues.values().for_each(|stats| queue_text(stats, page));
    }
}

fn queue_text(stats: &QueueStats, page: &mut Page) {
    let paused = if stats.paused { "  ⏸️ paused" } else { "" };
    let max = stats.max_in_flight.map_or(String::new(), |max| format!("  at most {max} claimed at once"));
    page.line(format_args!("\n{}{paused}{max}", stats.queue));
    let counted = |status: &Status| stats.counts.of(*status) > 0;
    let counts = Status::ALL.into_iter().filter(counted);
    let counts: Vec<String> = counts.map(|status| format!("{} {}", stats.counts.of(status), status.as_str())).collect();
    if !counts.is_empty() {
        page.field("Tasks", counts.join("  "));
    }
    if let Some(seconds) = stats.oldest_pending_seconds {
        page.field("Oldest", format_args!("waiting for {seconds:.1}s"));
    }
    if stats.counts.of(Status::Completed) > 0 {
        page.field("Completed", format_args!("{:.2} per minute", stats.completed_per_second * 60.0));
    }
    for (label, spread) in [("Wait", &stats.wait_seconds), ("Run", &stats.run_seconds)] {
        if let Some(Percentiles { p50, p90, p99, max, .. }) = spread {
            page.field(label, format_args!("50 % {p50:.3}s  90 % {p90:.3}s  99 % {p99:.3}s  max {max:.3}s"));
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
        help: "Tasks by status; ended tasks only if they ended in the window.",
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
        help: "Tasks completed in the window, per second.",
        samples: |queue| one(queue.completed_per_second),
    },
    Metric {
        name: "wait_seconds",
        help: "From enqueuing to the last claim, for tasks that were claimed and ended in the window.",
        samples: |queue| quantiles(queue.wait_seconds.as_ref()),
    },
    Metric {
        name: "run_seconds",
        help: "From the last claim to the end, for tasks that were claimed and ended in the window.",
        samples: |queue| quantiles(queue.run_seconds.as_ref()),
    },
    Metric {
        name: "queue_paused",
        help: "1 if the queue is paused.",
        samples: |queue| one(f64::from(u8::from(queue.paused))),
    },
    Metric {
        name: "max_in_flight",
        help: "How many tasks may be claimed at once, if the queue has a limit.",
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

impl StatsAnswer {
    /// The figures in Prometheus's text format. All are gauges: they tell of now, or of a window that moves along.
    fn prometheus(&self) -> String {
        let mut text = String::new();
        gauge(&mut text, "window_seconds", "How far back ended tasks are counted.");
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
