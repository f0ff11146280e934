//! What is measured, one file each.

mod backlog;
mod batch;
mod commands;
mod component;
mod contention;
mod counts;
mod crowd;
mod footprint;
mod one_agent;
mod processes;
mod waiting;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::contender::Contender;
use crate::figures::each;
use crate::options::Bench;
use crate::report::Report;
use crate::team::Team;

/// All that was asked for.
pub(crate) fn all(bench: &Bench) -> Result<Report> {
    let mut report = Report::new(bench.root(), &bench.programs)?;
    one_agent::run(bench, &mut report)?;
    processes::run(bench, &mut report)?;
    contention::run(bench, &mut report)?;
    component::run(bench, &mut report)?;
    batch::run(bench, &mut report)?;
    footprint::run(bench, &mut report)?;
    commands::run(bench, &mut report)?;
    waiting::run(bench, &mut report)?;
    backlog::run(bench, &mut report)?;
    counts::run(bench, &mut report)?;
    crowd::run(bench, &mut report)?;
    Ok(report)
}

/// Makes a backlog in a fresh directory, has a team work it off, and checks that every task ended once: seconds for
/// each.
fn batch(bench: &Bench, contender: Contender, team: Team, work: Duration, count: usize) -> Result<f64> {
    let count = count as u64;
    let directory = bench.directory()?;
    let _server = contender.serve(&directory, &bench.programs)?;
    contender.fill(&directory, count, &bench.programs)?;
    settle(&directory)?;
    let (took, completed) = team.drain(contender, &directory, work, &bench.programs)?;
    check(bench, contender, &directory, count, completed)?;
    Ok(each(took, count))
}

/// A batch counts only if every task of it ended, and nobody's end was accepted twice.
fn check(bench: &Bench, contender: Contender, directory: &Path, count: u64, completed: u64) -> Result<()> {
    ensure!(completed == count, "of {count} tasks {completed} were completed");
    let ended = contender.ended(directory, &bench.programs)?;
    ensure!(ended == count, "of {count} tasks {ended} have ended");
    Ok(())
}

/// What the backlog left for the disk to do is done before, not by the first completion.
fn settle(directory: &Path) -> Result<()> {
    let directory = std::fs::File::open(directory).context("the directory is gone")?;
    rustix::fs::syncfs(directory)?;
    Ok(())
}
