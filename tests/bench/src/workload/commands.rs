//! Each command as a whole process, and what memory it needs.

use std::process::Command;

use anyhow::{Context, Result};
use coord_core::TaskId;

use crate::contender::Agent;
use crate::figures::{Comparison, Samples, Turn, timed};
use crate::goals::Key;
use crate::options::{Bench, Part};
use crate::program::{coord_of, hello, peak_memory, succeeded};
use crate::report::{Report, Shown};
use crate::repository::Repository;

const TASKS: &str = "tasks as a process on an empty queue";
const COMMANDS: &str = "commands";
const OTHER: &str = "the same by the other build";

pub(super) fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    if bench.programs.muse.is_none() {
        return Ok(());
    }
    if bench.wants(TASKS, Part::Goal) {
        let comparison = on_nothing(bench)?;
        report.reach(Key::Hello, comparison.cost("`muse coord tasks`", "hello world"));
        report.reach(Key::HelloAgainstBefore, comparison.cost("`muse coord tasks`", OTHER));
        report.costs("hello world", &[comparison], Shown::Milliseconds);
    }
    if bench.wants(COMMANDS, Part::More) {
        commands(bench, report)?;
    }
    Ok(())
}

fn on_nothing(bench: &Bench) -> Result<Comparison> {
    let repository = Repository::with(bench, 0)?;
    succeeded(&mut bench.programs.coord(repository.root(), "init")?)?;
    let mut turns: Vec<Turn<'_>> = vec![
        ("hello world".to_owned(), Box::new(|| measured(&mut hello()?))),
        (
            "`muse coord tasks`".to_owned(),
            Box::new(|| measured(&mut bench.programs.coord(repository.root(), "tasks")?)),
        ),
    ];
    if let Some(muse) = &bench.other_muse {
        let root = bench.directory()?;
        std::fs::create_dir_all(root.join(".muse"))?;
        succeeded(&mut coord_of(muse, &root, "init"))?;
        turns.push((OTHER.to_owned(), Box::new(move || measured(&mut coord_of(muse, &root, "tasks")))));
    }
    Comparison::of("an empty queue", bench.size(101, 3), turns)
}

fn measured(command: &mut Command) -> Result<f64> {
    Ok(timed(|| succeeded(command))?.0)
}

/// A command, and what it needs a task for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    Nothing,
    /// One that its agent holds.
    Held,
}

const CALLS: [(&str, Needs); 7] = [
    ("tasks --json", Needs::Nothing),
    ("stats --json", Needs::Nothing),
    ("enqueue Review --run-id agent --json", Needs::Nothing),
    ("claim --run-id agent --json", Needs::Nothing),
    ("show ID --json", Needs::Held),
    ("heartbeat ID --run-id agent --json", Needs::Held),
    ("complete ID --run-id agent --result {} --json", Needs::Held),
];

fn commands(bench: &Bench, report: &mut Report) -> Result<()> {
    let repository = Repository::with(bench, bench.size(1_000, 10))?;
    let mut rows = Vec::new();
    let (hello_memory, hello) = (peak_memory(&hello()?)?, on_hello(bench)?);
    rows.push(row("hello world", [&hello, &hello], &hello, hello_memory));
    for (call, needs) in CALLS {
        let measure = |sync: &str| measured(&mut prepared(bench, &repository, call, needs, sync)?);
        let turns: [Turn<'_>; 2] =
            [("on".to_owned(), Box::new(|| measure("on"))), ("off".to_owned(), Box::new(|| measure("off")))];
        let comparison = Comparison::of(call, bench.size(31, 2), turns.into())?;
        let samples = |name| comparison.samples(name).context("both were measured");
        let memory = peak_memory(&prepared(bench, &repository, call, needs, "off")?)?;
        rows.push(row(call, [samples("on")?, samples("off")?], &hello, memory));
    }
    report.table(COMMANDS, &["", "ms, sync on", "ms, sync off", "sync off against hello world", "peak MB"], rows);
    Ok(())
}

fn on_hello(bench: &Bench) -> Result<Samples> {
    let turns: [Turn<'_>; 1] = [("hello world".to_owned(), Box::new(|| measured(&mut hello()?)))];
    let comparison = Comparison::of("hello world", bench.size(31, 2), turns.into())?;
    comparison.samples("hello world").cloned().context("it was measured")
}

/// The command, and the task that it needs.
fn prepared(bench: &Bench, repository: &Repository, call: &str, needs: Needs, sync: &str) -> Result<Command> {
    let call = match needs {
        Needs::Nothing => call.to_owned(),
        Needs::Held => call.replace("ID", &held(repository)?.to_string()),
    };
    repository.fill(1)?;
    let mut command = bench.programs.coord(repository.root(), &call)?;
    command.env("MUSE_COORD_SYNC", sync);
    Ok(command)
}

fn held(repository: &Repository) -> Result<TaskId> {
    repository.fill(1)?;
    let mut agent = repository.agent("agent")?;
    agent.claim()?;
    agent.held().context("there is a task to claim")
}

fn row(call: &str, [on, off]: [&Samples; 2], hello: &Samples, memory: u64) -> Vec<String> {
    let told = |samples| Shown::Milliseconds.told(samples);
    let megabytes = format!("{:.1}", memory as f64 / 1e6);
    vec![format!("`{call}`"), told(on), told(off), off.over(hello).to_string(), megabytes]
}
