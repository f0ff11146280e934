//! How many tasks stand where, of a million, against reading every record.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::figures::{Comparison, Turn, timed};
use crate::goals::Key;
use crate::options::{Bench, Part};
use crate::program::answered;
use crate::report::{Report, Shown};
use crate::repository::Repository;

const NAME: &str = "counts";
const COUNTS: &str = "`tasks --json`";
const EXPORT: &str = "`export`";
const LOOP: &str = "a native loop that reads every record";

pub(super) fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    if bench.programs.muse.is_none() || !bench.wants(NAME, Part::Goal) {
        return Ok(());
    }
    let million = bench.million()?;
    let least = bench.size(1_000_000, 5_000) as u64;
    let turns: [Turn<'_>; 3] = [
        (COUNTS.to_owned(), Box::new(|| count(bench, million, least))),
        (EXPORT.to_owned(), Box::new(|| export(bench, million, least))),
        (LOOP.to_owned(), Box::new(|| read_every_record(&million.coordination(), least))),
    ];
    let comparison = Comparison::of(&format!("{least} tasks"), bench.size(3, 1), turns.into())?;
    report.reach(Key::Counts, comparison.speed(COUNTS, EXPORT));
    report.costs(NAME, &[comparison], Shown::Milliseconds);
    Ok(())
}

fn count(bench: &Bench, repository: &Repository, least: u64) -> Result<f64> {
    let mut tasks = bench.programs.coord(repository.root(), "tasks --json")?;
    let (took, answer) = timed(|| answered(&mut tasks))?;
    let pending = answer.get("pending").and_then(serde_json::Value::as_u64).context("no count")?;
    ensure!(pending >= least, "of {least} tasks {pending} were counted");
    Ok(took)
}

fn export(bench: &Bench, repository: &Repository, least: u64) -> Result<f64> {
    let path = repository.root().join("export.ndjson");
    let mut export = bench.programs.coord(repository.root(), "export")?;
    export.stdout(fs::File::create(&path)?);
    let (took, status) = timed(|| Ok(export.status()?))?;
    let bytes = fs::metadata(&path)?.len();
    ensure!(status.success() && bytes > least * 100, "an export of {least} tasks has {bytes} bytes");
    Ok(took)
}

fn read_every_record(directory: &Path, least: u64) -> Result<f64> {
    let (took, read) = timed(|| {
        let mut read = 0;
        for part in fs::read_dir(directory.join("tasks"))? {
            for record in fs::read_dir(part?.path())? {
                let content = fs::read(record?.path())?;
                read += u64::from(!content.is_empty());
            }
        }
        Ok(read)
    })?;
    ensure!(read >= least, "of {least} records {read} were read");
    Ok(took)
}
