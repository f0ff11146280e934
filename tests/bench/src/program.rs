//! Whole processes: `muse`, Python, servers, and what they cost.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use wait4::Wait4;

use crate::contender::Contender;

/// What this machine has, by absolute paths. What is missing is not measured.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    pub(crate) muse: Option<PathBuf>,
    pub(crate) library: Option<PathBuf>,
    pub(crate) python: Option<PathBuf>,
    pub(crate) beanstalkd: Option<PathBuf>,
}

impl Programs {
    pub(crate) fn new(paths: [Option<&Path>; 4]) -> Result<Programs> {
        let absolute = |path: Option<&Path>| path.map(std::path::absolute).transpose();
        let [muse, library, python, beanstalkd] = paths.map(absolute);
        let programs = Programs { muse: muse?, library: library?, python: python?, beanstalkd: beanstalkd? };
        for (name, path) in programs.by_name() {
            match path {
                None => eprintln!("no {name}: what needs it is left out"),
                Some(path) => ensure!(path.exists(), "there is no {}", path.display()),
            }
        }
        Ok(programs)
    }

    fn by_name(&self) -> [(&str, &Option<PathBuf>); 4] {
        let Programs { muse, library, python, beanstalkd } = self;
        [("muse", muse), ("muse-coord.wasm", library), ("Python", python), ("beanstalkd", beanstalkd)]
    }

    /// A script of `python/`, to be told more.
    pub(crate) fn script(&self, name: &str) -> Result<Command> {
        let mut command = Command::new(self.python.as_ref().context("there is no Python")?);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(name));
        Ok(command)
    }

    /// What does a job for a package from PyPI, to be told more.
    pub(crate) fn package(&self, package: &str, job: &str) -> Result<Command> {
        let mut command = self.script("agent.py")?;
        command.args([job, "--contender", package]);
        Ok(command)
    }

    pub(crate) fn fill_package(&self, package: &str, directory: &Path, count: u64) -> Result<()> {
        let mut command = self.package(package, "fill")?;
        succeeded(command.arg("--directory").arg(directory).arg(format!("--count={count}"))).map(drop)
    }

    pub(crate) fn ended_in_package(&self, package: &str, directory: &Path) -> Result<u64> {
        let mut command = self.package(package, "ended")?;
        let output = succeeded(command.arg("--directory").arg(directory))?;
        Ok(String::from_utf8(output.stdout)?.trim().parse()?)
    }

    /// `muse coord` with these arguments, separated by spaces, in a repository.
    pub(crate) fn coord(&self, repository: &Path, arguments: &str) -> Result<Command> {
        let muse = self.muse.as_ref().context("there is no muse")?;
        Ok(coord_of(muse, repository, arguments))
    }
}

/// The same of this `muse`.
pub(crate) fn coord_of(muse: &Path, repository: &Path, arguments: &str) -> Command {
    let mut command = Command::new(muse);
    command.arg("coord").args(arguments.split_whitespace()).env("MUSE_REPO_ROOT", repository);
    command
}

/// A build of this benchmark: its queue is the one that was compiled into it.
#[derive(Clone, Debug)]
pub(crate) struct Build(PathBuf);

impl Build {
    /// The one that is running.
    pub(crate) fn this() -> Result<Build> {
        Ok(Build(std::env::current_exe()?))
    }

    /// The one in a directory of binaries, which must understand all that this one tells its agents.
    pub(crate) fn of(directory: &Path) -> Result<Build> {
        let program = std::path::absolute(directory.join("coord-bench"))?;
        let help = succeeded(Command::new(&program).args(["agent", "--help"]))?;
        let help = String::from_utf8_lossy(&help.stdout).into_owned();
        for option in ["--results", "--enqueue"] {
            ensure!(
                help.contains(option),
                "{} has no `agent {option}`: build it anew with the `tests/bench` of this version on its own core",
                program.display()
            );
        }
        Ok(Build(program))
    }

    /// A hidden job of it for a contender, to be told more.
    pub(crate) fn job(&self, job: &str, contender: Contender) -> Command {
        let mut command = Command::new(&self.0);
        command.args([job, "--contender", &contender.to_string()]);
        command
    }

    /// Makes a backlog, in the format of this build.
    pub(crate) fn fill(&self, contender: Contender, directory: &Path, count: u64) -> Result<()> {
        let mut fill = self.job("fill", contender);
        succeeded(fill.arg("--directory").arg(directory).arg(format!("--count={count}"))).map(drop)
    }

    /// How many tasks wait and how many have ended; there must be no others.
    pub(crate) fn counts(&self, contender: Contender, directory: &Path) -> Result<(u64, u64)> {
        let output = succeeded(self.job("counts", contender).arg("--directory").arg(directory))?;
        let output = String::from_utf8(output.stdout)?;
        let (waiting, ended) = output.trim().split_once(' ').context("no two counts")?;
        Ok((waiting.parse()?, ended.parse()?))
    }
}

/// A directory in which a contender has its tasks.
#[derive(Debug, clap::Args)]
pub(crate) struct PlaceOptions {
    #[arg(long)]
    contender: Contender,
    #[arg(long)]
    directory: PathBuf,
    /// How many tasks to add
    #[arg(long, default_value_t = 0)]
    count: u64,
}

/// Makes a backlog, for a build that is not this one.
pub(crate) fn fill(options: &PlaceOptions) -> Result<()> {
    options.contender.fill(&options.directory, options.count, &Programs::default())
}

/// Tells how many tasks wait and have ended.
pub(crate) fn counts(options: &PlaceOptions) -> Result<()> {
    let (waiting, ended) = options.contender.counts(&options.directory)?;
    println!("{waiting} {ended}");
    Ok(())
}

/// A native program that does almost nothing.
pub(crate) fn hello() -> Result<Command> {
    let this = std::env::current_exe()?;
    let hello = this.with_file_name("hello");
    ensure!(
        hello.exists(),
        "{} is to be built beside this program: cargo build --release --bin hello",
        hello.display()
    );
    Ok(Command::new(hello))
}

/// Runs it to its end.
pub(crate) fn succeeded(command: &mut Command) -> Result<Output> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    let said = || String::from_utf8_lossy(if output.stderr.is_empty() { &output.stdout } else { &output.stderr });
    ensure!(output.status.success(), "{command:?} failed: {}", said());
    Ok(output)
}

/// The JSON that it answers.
pub(crate) fn answered(command: &mut Command) -> Result<Value> {
    let output = succeeded(command)?;
    serde_json::from_slice(&output.stdout).with_context(|| format!("{command:?} did not answer with JSON"))
}

/// A process that is ended with this.
pub(crate) struct Server(Child);

impl Server {
    pub(crate) fn start(mut command: Command) -> Result<Server> {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null());
        Ok(Server(quiet.spawn().with_context(|| format!("cannot run {command:?}"))?))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Until it ends by itself.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus> {
        Ok(self.0.wait()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, and then there is nothing to do.
        if self.0.kill().is_ok() && self.0.wait().is_err() {
            eprintln!("a process that was killed cannot be waited for");
        }
    }
}

/// A program, and what it is told.
#[derive(Debug, clap::Args)]
pub(crate) struct MemoryOptions {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<String>,
}

/// Runs a program, and prints the most memory that it had, in bytes.
///
/// That is counted from before the program is loaded, when the process is still a copy of the one that starts it. So
/// that must be a small one, which this is, and the measuring process is not.
pub(crate) fn memory(options: &MemoryOptions) -> Result<()> {
    let (program, arguments) = options.command.split_first().context("no program")?;
    let mut command = Command::new(program);
    let child = command.args(arguments).stdout(Stdio::null()).spawn()?;
    let ended = child.wait4()?;
    ensure!(ended.status.success(), "{command:?} failed");
    println!("{}", ended.rusage.maxrss);
    Ok(())
}

/// The most memory that a program needs, in bytes.
pub(crate) fn peak_memory(command: &Command) -> Result<u64> {
    let mut measuring = Command::new(std::env::current_exe()?);
    measuring.arg("memory").arg("--").arg(command.get_program()).args(command.get_args());
    measuring.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Ok(String::from_utf8(succeeded(&mut measuring)?.stdout)?.trim().parse()?)
}
