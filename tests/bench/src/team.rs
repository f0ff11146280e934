//! Who works a backlog off: this thread, threads, or processes that all begin at one signal.
//!
//! An agent process says `ready` when it has opened the queue, waits for a line, works until there is nothing to claim, and tells how
//! many tasks it completed. `python/agent.py` does the same.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

use crate::contender::{Agent, Contender};
use crate::program::Programs;

/// How the agents of a batch are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Team {
    /// One, on the thread that measures.
    Here,
    Threads(usize),
    Processes(usize),
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
            Team::Processes(count) => by_processes(count, contender, directory, work, programs),
        }
    }
}

/// Is one agent of a batch.
pub(crate) fn agent(options: &AgentOptions) -> Result<()> {
    let mut agent = options.contender.agent(&options.directory, &options.run_id)?;
    println!("ready");
    std::io::stdin().read_line(&mut String::new())?;
    println!("{}", drain(agent.as_mut(), Duration::from_micros(options.work_micros))?);
    Ok(())
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

fn by_processes(
    count: usize,
    contender: Contender,
    directory: &Path,
    work: Duration,
    programs: &Programs,
) -> Result<(Duration, u64)> {
    let start = |number| Running::start(number, contender, directory, work, programs);
    let mut agents = (0..count).map(start).collect::<Result<Vec<_>>>()?;
    for agent in &mut agents {
        ensure!(agent.line()? == "ready", "an agent did not get ready");
    }
    let began = Instant::now();
    for agent in &mut agents {
        writeln!(agent.orders, "start")?;
    }
    let mut completed = 0;
    for agent in &mut agents {
        completed += agent.line()?.parse::<u64>().context("an agent told no number")?;
    }
    let took = began.elapsed();
    for mut agent in agents {
        ensure!(agent.child.wait()?.success(), "an agent failed");
    }
    Ok((took, completed))
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
        work: Duration,
        programs: &Programs,
    ) -> Result<Running> {
        let mut command = match contender.package() {
            Some(package) => programs.package(package, "agent")?,
            None => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["agent", "--contender", &contender.to_string()]);
                command
            }
        };
        command.arg("--directory").arg(directory).args(["--run-id", &format!("agent-{number}")]);
        command.arg(format!("--work-micros={}", work.as_micros()));
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
