//! `coord-bench`: the queue beside what people use instead. `cargo xtask bench` builds what it needs and runs it.
//!
//! Guaranteed: the contenders of a comparison take turns, A B C A B C …, on one directory in one run, and what counts
//! is the ratio of their medians, for all then had the same disk and the same neighbours. A batch counts only if every
//! task of it ended exactly once. Not guaranteed: absolute times, which are the machine's.
//!
//! - [`contender`]: what is compared, behind one trait; [`team`]: who works a backlog off, as threads or as processes.
//! - [`image`]: filesystems in files, so that each machine measures the same ones.
//! - [`workload`]: what is measured, one file each. [`figures`]: medians, spreads and ratios of it.
//! - [`report`]: the tables and goals in Markdown, and `docs/benchmarks.md`; [`chart`]: the SVG.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark talks to the person who started it")]

mod chart;
mod contender;
mod figures;
mod goals;
mod image;
mod machine;
mod options;
mod program;
mod report;
mod repository;
mod task;
mod team;
mod workload;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Measure the queue beside what people use instead
#[derive(Parser)]
#[command(disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    job: Job,
}

#[derive(Subcommand)]
enum Job {
    /// Measure, and print tables
    Run(options::Options),
    /// One of the agents of a batch
    #[command(hide = true)]
    Agent(team::AgentOptions),
    /// Makes a backlog
    #[command(hide = true)]
    Fill(program::PlaceOptions),
    /// Tells how many tasks wait, and how many have ended
    #[command(hide = true)]
    Counts(program::PlaceOptions),
    /// Runs a program, and tells the most memory that it had
    #[command(hide = true)]
    Memory(program::MemoryOptions),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().job {
        Job::Run(options) => run(&options),
        Job::Agent(options) => team::agent(&options),
        Job::Fill(options) => program::fill(&options),
        Job::Counts(options) => program::counts(&options),
        Job::Memory(options) => program::memory(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &options::Options) -> Result<()> {
    let bench = options.bench()?;
    let report = workload::all(&bench)?;
    println!("{}", report.markdown());
    report.write_to(&bench.output)?;
    if let Some(root) = &bench.write {
        report.write_into(root)?;
    }
    bench.end()
}
