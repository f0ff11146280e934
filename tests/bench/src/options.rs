//! What was asked for, and what all workloads are given.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use regex_lite::Regex;
use tempfile::TempDir;

use crate::program::Programs;
use crate::repository::Repository;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The directory to measure in: its filesystem is what is measured [default: the system's for temporary files]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Measure only what matches, by the names that are told as they begin
    #[arg(long, default_value = "")]
    only: Regex,
    /// Measure only what the table of goals needs
    #[arg(long)]
    goals: bool,
    /// Measure almost nothing, to see that everything works
    #[arg(long)]
    quick: bool,
    /// Leave what was measured, and tell where it is
    #[arg(long)]
    keep: bool,
    /// Where tables and chart are written
    #[arg(long, default_value = "target/bench")]
    output: PathBuf,
    /// The repository whose BENCHMARKS.md and chart are written anew, as far as they were measured
    #[arg(long)]
    write: Option<PathBuf>,
    /// The built `muse`; without it no processes of it are measured
    #[arg(long)]
    muse: Option<PathBuf>,
    /// The built `muse-coord.wasm`; without it no component is measured
    #[arg(long)]
    library: Option<PathBuf>,
    /// A Python that has the packages of `python/requirements.txt`; without it none of them is measured
    #[arg(long)]
    python: Option<PathBuf>,
    /// A built beanstalkd; without it none is measured
    #[arg(long)]
    beanstalkd: Option<PathBuf>,
}

/// What all workloads are given.
pub(crate) struct Bench {
    million: OnceCell<Repository>,
    keep: bool,
    everything: TempDir,
    only: Regex,
    goals: bool,
    quick: bool,
    pub(crate) output: PathBuf,
    pub(crate) write: Option<PathBuf>,
    pub(crate) programs: Programs,
}

impl Options {
    pub(crate) fn bench(&self) -> Result<Bench> {
        let dir = self.dir.clone().unwrap_or_else(std::env::temp_dir);
        let everything = tempfile::Builder::new().prefix("coord-bench-").tempdir_in(&dir);
        let programs = [&self.muse, &self.library, &self.python, &self.beanstalkd].map(Option::as_deref);
        Ok(Bench {
            million: OnceCell::new(),
            keep: self.keep,
            everything: everything.with_context(|| format!("cannot make a directory in {}", dir.display()))?,
            only: self.only.clone(),
            goals: self.goals,
            quick: self.quick,
            output: self.output.clone(),
            write: self.write.clone(),
            programs: Programs::new(programs)?,
        })
    }
}

/// Whether a figure is one of the goals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// It is one of the goals.
    Goal,
    /// It is there to tell more.
    More,
}

impl Bench {
    /// Whether this is to be measured; if so, tells that it begins.
    pub(crate) fn wants(&self, name: &str, part: Part) -> bool {
        let wanted = self.only.is_match(name) && (!self.goals || part == Part::Goal);
        if wanted {
            eprintln!("── {name}");
        }
        wanted
    }

    /// Whether more is wanted than the goals.
    pub(crate) fn wants_more(&self) -> bool {
        !self.goals
    }

    /// One of two sizes: to measure, or only to see that it works.
    pub(crate) fn size(&self, full: usize, quick: usize) -> usize {
        if self.quick { quick } else { full }
    }

    /// The directory that is measured in.
    pub(crate) fn root(&self) -> &Path {
        self.everything.path()
    }

    /// The queue with a million tasks that wait, which takes a minute or two to make.
    pub(crate) fn million(&self) -> Result<&Repository> {
        if let Some(made) = self.million.get() {
            return Ok(made);
        }
        let made = Repository::with(self, self.size(1_000_000, 5_000))?;
        Ok(self.million.get_or_init(|| made))
    }

    /// A fresh directory on the filesystem that is measured. It stays until all is measured: a filesystem has work with what was
    /// deleted for a while, and the next batch would pay for it.
    pub(crate) fn directory(&self) -> Result<PathBuf> {
        Ok(tempfile::tempdir_in(self.root()).context("cannot make a directory to measure in")?.keep())
    }

    /// Removes all that was measured, unless it is to be kept.
    pub(crate) fn end(self) -> Result<()> {
        if self.keep {
            eprintln!("kept: {}", self.everything.keep().display());
            return Ok(());
        }
        eprintln!(
            "removing what was measured; where the filesystem discards what is freed at once that takes long: see --keep"
        );
        Ok(self.everything.close()?)
    }
}
