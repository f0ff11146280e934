//! `cargo xtask demo [DIR]`: the product's job, on real input.
//!
//! An orchestrator enqueues one task for each file of a directory. Eight agents, each a process of its own that knows
//! the queue by the program `muse` alone, claim tasks, measure the file (SHA-256 and lines), and complete with the
//! result. One agent is killed while it holds a task; its lease runs out, and another agent takes the task over.
//!
//! At the end everything is checked from outside: each file was completed exactly once, by the queue's own word, and
//! each recorded result equals what this process computes from the same file. Only then does it succeed.

pub(crate) mod agent;
mod coord;
mod files;
mod report;

use crate::build;
use crate::workspace::Workspace;
use agent::Event;
use anyhow::{Context, Result, bail, ensure};
use coord::{Coord, LEASE_SECONDS};
use files::{Files, Measure};
use indicatif::{ProgressBar, ProgressStyle};
use report::Report;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread;

const AGENTS: usize = 8;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The directory whose files are measured [default: this repository's own files]
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let files = match &options.directory {
        Some(directory) => Files::of_directory(directory)?,
        None => Files::of_repository(workspace)?,
    };
    ensure!(!files.paths.is_empty(), "no files in {}", files.base.display());
    let muse = build::muse(workspace)?;
    let repository = tempfile::tempdir().context("cannot make a repository for the demo")?;
    let coord = Coord { muse, repository: repository.path().to_owned() };

    introduce(&coord, &files);
    enqueue(&coord, &files)?;
    let report = work_off(&coord, &files)?;
    println!("\n{}\n{}.", report.table(), report.takeover()?);
    println!("A lost race is a result that the queue refused, since the lease had passed to another agent.\n");
    check(&coord, &files, &report)?;
    println!("✔ {} files, each completed exactly once, each with the result that was expected.", files.paths.len());
    Ok(())
}

/// The same by hand: the very command lines that are run below, for the first file.
fn introduce(coord: &Coord, files: &Files) {
    let count = files.paths.len();
    println!("\n{count} files of {}, {AGENTS} agents, leases of {LEASE_SECONDS} s.", files.base.display());
    if files.left_out > 0 {
        println!("({} files more than that are left out.)", files.left_out);
    }
    let bin = coord.muse.parent().unwrap_or(&coord.muse);
    println!("\nBy hand, it is this, once:\n");
    println!("  export PATH={}:$PATH MUSE_REPO_ROOT=$(mktemp -d)", bin.display());
    println!("  {}", coord::command_line(&coord::init()));
    println!("\nfor each file:\n");
    for path in files.paths.iter().take(1) {
        println!("  {}", coord::command_line(&coord::enqueue(path)));
    }
    println!("\nand for each agent, until there are no more tasks:\n");
    let result = r#"{"sha256":"…","lines":1}"#;
    println!("  {}", coord::command_line(&coord::claim("agent-1")));
    println!("  {}\n", coord::command_line(&coord::complete("sha256:…", "agent-1", result)));
}

fn enqueue(coord: &Coord, files: &Files) -> Result<()> {
    coord.must(&coord::init())?;
    let bar = progress_bar("enqueued", files.paths.len());
    for path in &files.paths {
        coord.must(&coord::enqueue(path))?;
        bar.inc(1);
    }
    bar.finish();
    Ok(())
}

/// Runs the agents until all of them have ended by themselves, but for the one that is killed.
fn work_off(coord: &Coord, files: &Files) -> Result<Report> {
    let (sender, inbox) = mpsc::channel();
    // The one to be killed starts first, so that it gets a task in the smallest directory, too.
    let mut stuck = Agent::start(coord, files, 1, sender.clone())?;
    let held = match inbox.recv().context("the first agent ended without a task")? {
        (_, Ok(Event::Claimed { path, .. })) => path,
        (_, event) => bail!("the first agent began with {:?}", event?),
    };
    let mut report = Report::new(&stuck.run_id, &held);
    let agents = (2..=AGENTS).map(|number| Agent::start(coord, files, number, sender.clone()));
    let agents = agents.collect::<Result<Vec<_>>>()?;
    stuck.kill()?;

    drop(sender);
    let bar = progress_bar("completed", files.paths.len());
    for (run_id, event) in inbox {
        report.note(&run_id, event?);
        bar.set_position(report.finished() as u64);
    }
    bar.finish();
    agents.into_iter().try_for_each(Agent::join)?;
    Ok(report)
}

/// A child process, which doesn't outlive this value.
struct Agent {
    run_id: String,
    process: Child,
}

impl Agent {
    /// Its events go to `sender`, which is dropped when the agent has ended. The first agent gets stuck.
    fn start(coord: &Coord, files: &Files, number: usize, sender: Sender<Message>) -> Result<Self> {
        let run_id = format!("agent-{number}");
        let mut command = Command::new(env::current_exe().context("cannot find xtask itself")?);
        command.args(["demo-agent", "--run-id", &run_id]);
        command.arg("--muse").arg(&coord.muse);
        command.arg("--repository").arg(&coord.repository);
        command.arg("--base").arg(&files.base);
        if number == 1 {
            command.arg("--stuck");
        }
        let mut process = command.stdout(Stdio::piped()).spawn().context("cannot start an agent")?;
        let stdout = process.stdout.take().context("an agent has no stdout")?;
        let agent = Self { run_id, process };
        let run_id = agent.run_id.clone();
        thread::spawn(move || listen(&run_id, stdout, &sender));
        Ok(agent)
    }

    /// SIGKILL: it can't put anything in order before it ends.
    fn kill(&mut self) -> Result<()> {
        self.process.kill().with_context(|| format!("cannot kill {}", self.run_id))?;
        self.process.wait().with_context(|| format!("cannot wait for {}", self.run_id))?;
        Ok(())
    }

    fn join(mut self) -> Result<()> {
        let status = self.process.wait()?;
        ensure!(status.success(), "{} failed: {status}", self.run_id);
        Ok(())
    }
}

impl Drop for Agent {
    /// Where the demo itself fails. An agent that ended before can't be killed, and needn't be.
    fn drop(&mut self) {
        if self.process.kill().is_ok() {
            self.process.wait().ok();
        }
    }
}

type Message = (String, Result<Event>);

/// Passes on what an agent tells, until it ends or nobody listens any more.
fn listen(run_id: &str, stdout: ChildStdout, sender: &Sender<Message>) {
    for line in BufReader::new(stdout).lines() {
        let event = line.map_err(Into::into).and_then(|line| Ok(serde_json::from_str(&line)?));
        if sender.send((run_id.to_owned(), event)).is_err() {
            return;
        }
    }
}

/// Every file is in the queue once, as completed, and nothing else is; and its one result is right.
fn check(coord: &Coord, files: &Files, report: &Report) -> Result<()> {
    let count = files.paths.len();
    let queue = coord.must(&coord::tasks(10_000))?;
    for field in ["total", "completed"] {
        ensure!(queue.get(field) == Some(&json!(count)), "not {count} {field}: {queue}");
    }
    let items = queue.get("items").and_then(Value::as_array).context("tasks has no items")?;
    let stored: BTreeMap<&str, &Value> =
        items.iter().filter_map(|item| Some((item.pointer("/payload/path")?.as_str()?, item.get("result")?))).collect();
    ensure!(stored.keys().eq(files.paths.iter()), "the queue has other tasks than one for each file");
    for path in &files.paths {
        let told = report.only_result(path)?;
        let stored = stored.get(path.as_str()).copied().unwrap_or(&Value::Null);
        ensure!(told == stored, "{path}: its agent was told that {told} is recorded, but {stored} is");
        let recorded: Measure = serde_json::from_value(stored.clone())?;
        let direct = Measure::of(&files.base.join(path))?;
        ensure!(recorded == direct, "{path}: recorded {recorded:?}, but it is {direct:?}, unless it has just changed");
    }
    Ok(())
}

fn progress_bar(what: &'static str, length: usize) -> ProgressBar {
    let bar = ProgressBar::new(length as u64).with_message(what);
    // The template is right or wrong for good, so a wrong one costs only its own form.
    if let Ok(style) = ProgressStyle::with_template("  {msg:9} {wide_bar} {pos}/{len} in {elapsed}") {
        bar.set_style(style);
    }
    bar
}
