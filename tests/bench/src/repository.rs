//! A repository of its own with a queue in it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use coord_store::Sync;

use crate::contender::{Agent, Coord, fill_queue};
use crate::figures::timed;
use crate::options::Bench;
use crate::program::{Programs, succeeded};

/// It stays until all is measured.
pub(crate) struct Repository {
    root: PathBuf,
    next: std::cell::Cell<u64>,
}

impl Repository {
    /// With so many tasks that wait.
    pub(crate) fn with(bench: &Bench, tasks: usize) -> Result<Repository> {
        let repository = Repository { root: bench.directory()?, next: std::cell::Cell::default() };
        std::fs::create_dir_all(repository.coordination())?;
        repository.fill(tasks)?;
        Ok(repository)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn coordination(&self) -> PathBuf {
        self.root().join(".muse/coordination")
    }

    /// Adds so many tasks.
    pub(crate) fn fill(&self, tasks: usize) -> Result<()> {
        let first = self.next.get();
        self.next.set(first + tasks as u64);
        fill_queue(&self.coordination(), first..self.next.get())
    }

    /// How long a claim takes as a process; there are as many tasks afterwards as before.
    pub(crate) fn claim(&self, programs: &Programs) -> Result<f64> {
        self.fill(1)?;
        let mut claim = programs.coord(self.root(), "claim --run-id agent --json")?;
        Ok(timed(|| succeeded(&mut claim))?.0)
    }

    /// An agent in this process, unsynced.
    pub(crate) fn agent(&self, run_id: &str) -> Result<Coord> {
        Coord::open(&self.coordination(), Sync::Off, run_id)
    }

    /// Claims so many tasks and leaves them so.
    pub(crate) fn hold(&self, tasks: usize) -> Result<()> {
        let mut agent = self.agent("filler")?;
        for _ in 0..tasks {
            agent.claim()?;
        }
        Ok(())
    }
}
