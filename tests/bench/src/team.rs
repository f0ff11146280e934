//! Who works a backlog off: this thread, threads, or processes that all begin at one signal.
//!
//! An agent process says `ready` when it has opened the queue, waits for a line, works until there is nothing to claim,
//! and tells how many tasks it completed, or enqueued. `python/agent.py` does the same for the queues from PyPI.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

use crate::contender::{Agent, Contender};
use crate::program::{Build, Programs};
use crate::task;

/// How the agents of a batch are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Team {
    /// One, on the thread that measures.
    Here,
    Threads(usize),
    Processes(usize),
}

/// What each agent of a batch does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Claims and completes until there is nothing left. Each task takes so long.
    Complete(Duration),
    /// The same with a result for each task, which takes no time.
    CompleteWithResults,
    /// Enqueues so many tasks.
    Enqueue(u64),
}

impl Deed {
    /// How it is told to an agent process.
    fn words(self, number: usize) -> Vec<String> {
        let work = if let Deed::Complete(work) = self { work } else { Duration::ZERO };
        let mut words = vec![format!("--work-micros={}", work.as_micros())];
        match self {
            Deed::Complete(_) => {}
            Deed::CompleteWithResults => words.push("--results".to_owned()),
            Deed::Enqueue(count) => {
                words.extend([format!("--enqueue={count}"), format!("--first={}", count * number as u64)]);
            }
        }
        words
    }
}

/// One agent process.
#[derive(Debug, clap::Args)]
pub(crate) struct AgentOptions {
    #[arg(long)]
    contender: Contender,
    #[arg(long)]
    directory: PathBuf,
    #[arg(long)]
    run_id: String,
    /// How long each task takes
    #[arg(long)]
    work_micros: u64,
    /// End each task with a result; then it takes no time
    #[arg(long)]
    results: bool,
    /// Enqueue so many tasks, and claim none
    #[arg(long)]
    enqueue: Option<u64>,
    /// The number of the first one
    #[arg(long, default_value_t = 0)]
    first: u64,
}

impl Team {
    /// Works off all that is there. How long it took, and how many tasks were completed.
    pub(crate) fn drain(
        self,
        contender: Contender,
        directory: &Path,
        work: Duration,
        programs: &Programs,
    ) -> Result<(Duration, u64)> {
        match self {
            Team::Here => {
                let mut agent = contender.agent(directory, "agent-0")?;
                let began = Instant::now();
                let completed = drain(agent.as_mut(), work)?;
                Ok((began.elapsed(), completed))
            }
            Team::Threads(count) => by_threads(count, contender, directory, work),
            Team::Processes(count) => {
                by_processes(count, contender, directory, Deed::Complete(work), &Build::this()?, programs)
            }
        }
    }
}

/// Is one agent of a batch.
pub(crate) fn agent(options: &AgentOptions) -> Result<()> {
    let mut agent = options.contender.agent(&options.directory, &options.run_id)?;
    println!("ready");
    std::io::stdin().read_line(&mut String::new())?;
    let done = match options.enqueue {
        Some(count) => enqueue(agent.as_mut(), options.first, count)?,
        None if options.results => drain_with_results(agent.as_mut())?,
        None => drain(agent.as_mut(), Duration::from_micros(options.work_micros))?,
    };
    println!("{done}");
    Ok(())
}

fn enqueue(agent: &mut dyn Agent, first: u64, count: u64) -> Result<u64> {
    (first..first + count).try_for_each(|number| agent.enqueue(number))?;
    Ok(count)
}

/// Claims and completes each task with a result until there is none. How many it completed.
pub(crate) fn drain_with_results(agent: &mut dyn Agent) -> Result<u64> {
    let mut completed = 0;
    while agent.claim()? {
        agent.complete_with(&task::result(completed))?;
        completed += 1;
    }
    Ok(completed)
}

fn drain(agent: &mut dyn Agent, work: Duration) -> Result<u64> {
    let mut completed = 0;
    while agent.claim()? {
        if !work.is_zero() {
            thread::sleep(work);
        }
        agent.complete()?;
        completed += 1;
    }
    Ok(completed)
}

/// From when the first begins to when the last has ended: this thread may be woken late.
fn by_threads(count: usize, contender: Contender, directory: &Path, work: Duration) -> Result<(Duration, u64)> {
    let start = Barrier::new(count);
    let one = |number| -> Result<(Instant, Instant, u64)> {
        let agent = contender.agent(directory, &format!("agent-{number}"));
        // Also if that failed, for the others wait.
        start.wait();
        let began = Instant::now();
        let completed = drain(agent?.as_mut(), work)?;
        Ok((began, Instant::now(), completed))
    };
    let done = thread::scope(|scope| {
        let one = &one;
        let threads: Vec<_> = (0..count).map(|number| scope.spawn(move || one(number))).collect();
        let joined = threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("an agent panicked"))?);
        joined.collect::<Result<Vec<_>>>()
    })?;
    let began = done.iter().map(|(began, ..)| *began).min().context("no threads")?;
    let ended = done.iter().map(|(_, ended, _)| *ended).max().context("no threads")?;
    Ok((ended.duration_since(began), done.iter().map(|(.., completed)| completed).sum()))
}

/// From the signal to when the last agent has told that it is done. How long that took, and how many tasks it was.
pub(crate) fn by_processes(
    count: usize,
    contender: Contender,
    directory: &Path,
    deed: Deed,
    build: &Build,
    programs: &Programs,
) -> Result<(Duration, u64)> {
    let start = |number| Running::start(number, contender, directory, deed, build, programs);
    let mut agents = (0..count).map(start).collect::<Result<Vec<_>>>()?;
    for agent in &mut agents {
        ensure!(agent.line()? == "ready", "an agent did not get ready");
    }
    let began = Instant::now();
    for agent in &mut agents {
        writeln!(agent.orders, "start")?;
    }
    let mut done = 0;
    for agent in &mut agents {
        done += agent.line()?.parse::<u64>().context("an agent told no number")?;
    }
    let took = began.elapsed();
    for mut agent in agents {
        ensure!(agent.child.wait()?.success(), "an agent failed");
    }
    Ok((took, done))
}

/// An agent process.
struct Running {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Running {
    fn start(
        number: usize,
        contender: Contender,
        directory: &Path,
        deed: Deed,
        build: &Build,
        programs: &Programs,
    ) -> Result<Running> {
        let mut command = match contender.package() {
            Some(package) => programs.package(package, "agent")?,
            None => build.job("agent", contender),
        };
        command.arg("--directory").arg(directory).args(["--run-id", &format!("agent-{number}")]);
        command.args(deed.words(number));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let orders = child.stdin.take().context("an agent has no input")?;
        let answers = BufReader::new(child.stdout.take().context("an agent has no output")?);
        Ok(Running { child, orders, answers })
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.answers.read_line(&mut line)? > 0, "an agent ended early");
        Ok(line.trim_end().to_owned())
    }
}
