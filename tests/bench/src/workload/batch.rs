//! Many tasks in one batch, against one by one and against one transaction of SQLite, all synced.

use std::fmt::Write as _;
use std::fs::File;
use std::process::Stdio;

use anyhow::Result;
use coord_core::name::QueueName;
use coord_core::queue::Batch;
use coord_store::Sync;

use crate::contender::{fill_durably, open};
use crate::figures::{Comparison, Turn, timed};
use crate::goals::Key;
use crate::options::{Bench, Part};
use crate::program::succeeded;
use crate::report::{Report, Shown};
use crate::repository::Repository;
use crate::task;

const NAME: &str = "batch enqueue";

pub(super) fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    if !bench.wants(NAME, Part::Goal) {
        return Ok(());
    }
    let (batch, singles, processes) = (bench.size(10_000, 100), bench.size(500, 10), bench.size(100, 3));
    let mut turns: Vec<Turn<'_>> = vec![
        (format!("a batch of {batch}, in process"), Box::new(move || in_process(bench, batch))),
        (format!("{singles} one by one, in process"), Box::new(move || one_by_one(bench, singles))),
    ];
    let transaction = format!("SQLite, one transaction of {batch}");
    turns.push((transaction, Box::new(move || in_one_transaction(bench, batch))));
    if bench.programs.muse.is_some() {
        turns.push((format!("`enqueue --batch` of {batch}"), Box::new(move || by_muse(bench, batch))));
        turns.push((format!("`enqueue`, {processes} times"), Box::new(move || by_processes(bench, processes))));
    }
    let names: Vec<String> = turns.iter().map(|(name, _)| name.clone()).collect();
    let comparison = Comparison::of("enqueue, each task, sync on", bench.size(3, 1), turns)?;
    if let [batch, single, _, rest @ ..] = names.as_slice() {
        report.reach(Key::BatchInProcess, comparison.speed(batch, single));
        if let [batch, single] = rest {
            report.reach(Key::BatchByMuse, comparison.speed(batch, single));
        }
    }
    report.costs(NAME, &[comparison], Shown::Microseconds);
    Ok(())
}

fn in_process(bench: &Bench, tasks: usize) -> Result<f64> {
    let directory = bench.directory()?;
    let queue = open(&directory, Sync::On)?;
    let new = (0..tasks as u64).map(|number| task::new(number, QueueName::default_queue()));
    let mut batch = Batch::new(new.collect::<Result<_>>()?);
    let (took, ()) = timed(|| {
        while batch.step(&queue, &task::turn()?)?.is_some() {}
        Ok(())
    })?;
    Ok(took / tasks as f64)
}

fn one_by_one(bench: &Bench, tasks: usize) -> Result<f64> {
    let directory = bench.directory()?;
    let queue = open(&directory, Sync::On)?;
    let (took, ()) = timed(|| {
        for number in 0..tasks as u64 {
            queue.enqueue(task::new(number, QueueName::default_queue())?, &task::turn()?)?;
        }
        Ok(())
    })?;
    Ok(took / tasks as f64)
}

fn in_one_transaction(bench: &Bench, tasks: usize) -> Result<f64> {
    let directory = bench.directory()?;
    // The tables are there, as they are in a database that is in use.
    fill_durably(&directory, 0)?;
    Ok(timed(|| fill_durably(&directory, tasks as u64))?.0 / tasks as f64)
}

fn by_muse(bench: &Bench, tasks: usize) -> Result<f64> {
    let repository = Repository::with(bench, 0)?;
    let mut lines = String::new();
    for number in 0..tasks as u64 {
        writeln!(lines, r#"{{"title":"{}","payload":{}}}"#, task::title(number), task::payload(number))?;
    }
    let path = repository.root().join("batch.ndjson");
    std::fs::write(&path, lines)?;
    let mut command = bench.programs.coord(repository.root(), "enqueue --batch - --run-id planner --json")?;
    command.stdin(Stdio::from(File::open(path)?));
    Ok(timed(|| succeeded(&mut command))?.0 / tasks as f64)
}

fn by_processes(bench: &Bench, tasks: usize) -> Result<f64> {
    let repository = Repository::with(bench, 0)?;
    let (took, ()) = timed(|| {
        for _ in 0..tasks {
            succeeded(&mut bench.programs.coord(repository.root(), "enqueue Review --run-id planner --json")?)?;
        }
        Ok(())
    })?;
    Ok(took / tasks as f64)
}
