//! A claim as a whole process from a few tasks that wait, beside many others that do not concern it.

use std::time::Duration;

use anyhow::{Context, Result};
use coord_core::queue::NewTask;
use coord_store::Sync;

use crate::contender::{Contender, open};
use crate::figures::{Comparison, Turn};
use crate::options::{Bench, Part};
use crate::report::{Report, Shown};
use crate::repository::Repository;
use crate::task;
use crate::team::Team;

const NAME: &str = "beside many others";
const FEW: usize = 10;

pub(super) fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    if bench.programs.muse.is_none() || !bench.wants(NAME, Part::More) {
        return Ok(());
    }
    let leases = bench.size(100_000, 100);
    let alone = Repository::with(bench, FEW)?;
    let held = Repository::with(bench, leases)?;
    held.hold(leases)?;
    held.fill(FEW)?;
    let (queues, ended) = (in_queues(bench, 100)?, all_ended(bench)?);
    ended.fill(FEW)?;
    let crowds = [("alone", &alone), ("100 queues", &queues), ("live leases", &held), ("ended tasks", ended)];
    let turns = crowds
        .map(|(name, repository)| -> Turn<'_> { (name.to_owned(), Box::new(|| repository.claim(&bench.programs))) });
    let comparison = Comparison::of("claim from a few", bench.size(61, 3), turns.into())?;
    report.costs(NAME, &[comparison], Shown::Milliseconds);
    Ok(())
}

/// A few tasks in each of so many queues.
fn in_queues(bench: &Bench, queues: usize) -> Result<Repository> {
    let repository = Repository::with(bench, FEW)?;
    let queue = open(&repository.coordination(), Sync::Off)?;
    for number in 0..queues {
        for task in 0..FEW {
            let new: NewTask = task::new(task as u64, format!("queue-{number}").parse()?)?;
            queue.enqueue(new, &task::turn()?)?;
        }
    }
    Ok(repository)
}

/// The million, worked off.
fn all_ended(bench: &Bench) -> Result<&Repository> {
    let million = bench.million()?;
    let drained = Team::Here.drain(Contender::CoordUnsynced, &million.coordination(), Duration::ZERO, &bench.programs);
    drained.map(|_| million).context("cannot work the million off")
}
