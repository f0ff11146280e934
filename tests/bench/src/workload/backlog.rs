//! A claim as a whole process, as the backlog grows, and beside a script that loads everything.

use anyhow::Result;

use crate::contender::Contender;
use crate::figures::{Comparison, Turn, timed};
use crate::goals::Key;
use crate::options::{Bench, Part};
use crate::program::{coord_of, succeeded};
use crate::report::{Report, Shown};
use crate::repository::Repository;

const NAME: &str = "backlog";
const BOTH: &str = "backlog, by both builds";
const SCRIPT: &str = "beside a script";

pub(super) fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    if bench.programs.muse.is_none() {
        return Ok(());
    }
    if bench.wants(NAME, Part::Goal) {
        by_size(bench, report)?;
    }
    if bench.wants(BOTH, Part::Goal) {
        by_both_builds(bench, report)?;
    }
    if bench.programs.python.is_some() && bench.wants(SCRIPT, Part::Goal) {
        beside_a_script(bench, report)?;
    }
    Ok(())
}

fn by_size(bench: &Bench, report: &mut Report) -> Result<()> {
    let mut repositories = Vec::new();
    let between: &[usize] = if bench.wants_more() { &[1_000, 10_000, 100_000] } else { &[] };
    for tasks in [100].iter().chain(between).map(|tasks| bench.size(*tasks, tasks / 50)) {
        repositories.push((tasks, Repository::with(bench, tasks)?));
    }
    let million = bench.million()?;
    let sizes = repositories.iter().map(|(tasks, repository)| (*tasks, repository));
    let sizes: Vec<_> = sizes.chain([(bench.size(1_000_000, 5_000), million)]).collect();
    let turns = sizes
        .iter()
        .map(|(tasks, repository)| -> Turn<'_> { (tasks.to_string(), Box::new(|| repository.claim(&bench.programs))) });
    let comparison = Comparison::of("claim, tasks that wait", bench.size(61, 3), turns.collect())?;
    for ((tasks, _), (_, samples)) in sizes.iter().zip(&comparison.measured) {
        report.backlog.push((*tasks, samples.median()));
    }
    if let [(few, _), .., (many, _)] = comparison.measured.as_slice() {
        report.reach(Key::Backlog, comparison.cost(many, few));
    }
    report.costs(NAME, &[comparison], Shown::Milliseconds);
    Ok(())
}

/// The claim from a million tasks by both builds, each from a queue of its own format.
fn by_both_builds(bench: &Bench, report: &mut Report) -> Result<()> {
    let (Some(muse), Some(other)) = (&bench.other_muse, &bench.other) else { return Ok(()) };
    let (tasks, rounds) = (bench.size(1_000_000, 5_000), bench.size(61, 3));
    let million = bench.million()?;
    let root = bench.directory()?;
    other.fill(Contender::CoordUnsynced, &root.join(".muse/coordination"), (tasks + rounds) as u64)?;
    let theirs = "the other build";
    let claim = || Ok(timed(|| succeeded(&mut coord_of(muse, &root, "claim --run-id agent --json")))?.0);
    let turns: [Turn<'_>; 2] =
        [("this build".to_owned(), Box::new(|| million.claim(&bench.programs))), (theirs.to_owned(), Box::new(claim))];
    let comparison = Comparison::of(&format!("claim, {tasks} tasks wait"), rounds, turns.into())?;
    report.reach(Key::BacklogAgainstBefore, comparison.cost("this build", theirs));
    report.costs(BOTH, &[comparison], Shown::Milliseconds);
    Ok(())
}

fn beside_a_script(bench: &Bench, report: &mut Report) -> Result<()> {
    let tasks = bench.size(10_000, 100);
    let (repository, directory) = (Repository::with(bench, tasks)?, bench.directory()?);
    let script = |job: &str| -> Result<_> {
        let mut command = bench.programs.script("load_everything.py")?;
        command.arg(job).arg(&directory);
        Ok(command)
    };
    succeeded(script("fill")?.arg(tasks.to_string()))?;
    let turns: [Turn<'_>; 2] = [
        ("`muse coord claim`".to_owned(), Box::new(|| repository.claim(&bench.programs))),
        ("Python".to_owned(), Box::new(|| Ok(timed(|| succeeded(&mut script("claim")?))?.0))),
    ];
    let name = format!("claim, {tasks} tasks wait");
    let comparison = Comparison::of(&name, bench.size(15, 2), turns.into())?;
    report.reach(Key::PythonScript, comparison.speed("`muse coord claim`", "Python"));
    report.costs(SCRIPT, &[comparison], Shown::Milliseconds);
    Ok(())
}
