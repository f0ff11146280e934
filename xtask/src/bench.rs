//! `cargo xtask bench`: the queue beside what people use instead, side by side in one run.
//!
//! The program is `tests/bench`, which says what is compared and how. Here everything is built for it and a Python
//! environment made with the packages of `requirements.txt`. Where beanstalkd is not installed it is left out. The npm
//! package has a benchmark of its own, `cargo xtask js --bench`, which compares it with the native queue, too: `--npm`
//! runs that afterwards.

use crate::build;
use crate::python;
use crate::tools;
use crate::workspace::Workspace;
use anyhow::Result;
use std::path::PathBuf;
use xshell::cmd;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The directory to measure in: its filesystem is what is measured [default: the system's for temporary files]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Measure only what matches this regular expression, by the names that are told as they begin
    #[arg(long)]
    only: Option<String>,
    /// Measure only what the table of goals needs
    #[arg(long)]
    goals: bool,
    /// Measure almost nothing, to see that everything works
    #[arg(long)]
    quick: bool,
    /// Leave what was measured, and tell where it is
    #[arg(long)]
    keep: bool,
    /// Measure on images of ext4 with a journal and of XFS, too: they are made and mounted in the directory, which
    /// needs root
    #[arg(long)]
    images: bool,
    /// Have another build take turns with this one: the directory with its `coord-bench`, and maybe its `muse`
    #[arg(long, value_name = "PATH")]
    against: Option<PathBuf>,
    /// Measure the goals of the npm package beside better-sqlite3 and the native queue, too, on the directory's disk
    #[arg(long)]
    npm: bool,
    /// Write what was measured into docs/benchmarks.md, too, and the chart beside it
    #[arg(long)]
    write: bool,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let sh = &workspace.shell;
    let built = build::product(workspace)?;
    let program = build::native(workspace, "coord-bench")?;
    build::native(workspace, "hello")?;
    let target = workspace.target()?;
    let (muse, library, output) = (built.muse, built.library, target.join("bench"));
    let mut more = words(options, workspace);
    let python =
        python::with(workspace, "bench-python", "tests/bench/python/requirements.txt", "the queues from PyPI need")?;
    more.push(format!("--python={}", python.display()));
    more.extend(beanstalkd().map(|path| format!("--beanstalkd={}", path.display())));
    cmd!(sh, "{program} run --muse {muse} --library {library} --output {output} {more...}").run()?;
    if options.npm {
        let dir = options.dir.iter().map(|dir| format!("--dir={}", dir.display()));
        let xtask = std::env::current_exe()?;
        cmd!(sh, "{xtask} js --bench -- --goals {dir...}").run()?;
    }
    Ok(())
}

/// The same for the program.
fn words(options: &Options, workspace: &Workspace) -> Vec<String> {
    let Options { dir, only, goals, quick, keep, images, against, npm: _, write } = options;
    let flags = [(*goals, "--goals"), (*quick, "--quick"), (*keep, "--keep"), (*images, "--images")];
    let mut words: Vec<String> =
        flags.iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| (*flag).to_owned()).collect();
    words.extend(dir.as_ref().map(|dir| format!("--dir={}", dir.display())));
    words.extend(against.as_ref().map(|against| format!("--against={}", against.display())));
    words.extend(only.as_ref().map(|only| format!("--only={only}")));
    words.extend(write.then(|| format!("--write={}", workspace.root.display())));
    words
}

/// The server, if it is installed.
fn beanstalkd() -> Option<PathBuf> {
    let found = tools::on_path("beanstalkd");
    if found.is_none() {
        eprintln!("beanstalkd is not installed, and is left out: apt-get install beanstalkd");
    }
    found
}
