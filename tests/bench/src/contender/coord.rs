//! The queue in process, as a program uses it.

use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use coord_core::name::{QueueName, RunId};
use coord_core::queue::{Batch, ClaimRequest, Filter, Status, Thoroughness};
use coord_core::transition::Claimant;
use coord_core::{JsonObject, Queue, TaskId};
use coord_store::{DirStore, Handle, Sync};
use muse_cli::host;

use super::Agent;
use crate::task;

/// An agent with a queue of its own.
pub(crate) struct Coord {
    queue: Queue<DirStore>,
    request: ClaimRequest,
    held: Option<(TaskId, Claimant)>,
}

impl Coord {
    pub(crate) fn open(directory: &Path, sync: Sync, run_id: &str) -> Result<Coord> {
        let run_id: RunId = run_id.parse()?;
        let request = ClaimRequest::any(run_id, task::LEASE_SECONDS);
        Ok(Coord { queue: open(directory, sync)?, request, held: None })
    }

    fn end(&mut self, result: Option<JsonObject>) -> Result<()> {
        let (id, claimant) = self.held.take().context("nothing is claimed")?;
        self.queue.complete(id, claimant, result, &task::turn()?)?;
        Ok(())
    }

    /// The task that it claimed last.
    pub(crate) fn held(&self) -> Option<TaskId> {
        self.held.as_ref().map(|(id, _)| *id)
    }
}

impl Agent for Coord {
    fn enqueue(&mut self, number: u64) -> Result<()> {
        let new = task::new(number, QueueName::default_queue())?;
        self.queue.enqueue(new, &task::turn()?)?;
        Ok(())
    }

    fn claim(&mut self) -> Result<bool> {
        let claim = self.queue.claim(&self.request, Thoroughness::Full, &task::turn()?)?;
        ensure!(claim.findings.is_empty(), "the queue is damaged: {:?}", claim.findings);
        self.held = claim.claimed.map(|claimed| {
            let nonce = Some(claimed.record.claim_nonce);
            (claimed.task.id, Claimant { run_id: self.request.run_id.clone(), nonce })
        });
        Ok(self.held.is_some())
    }

    fn complete(&mut self) -> Result<()> {
        self.end(None)
    }

    fn complete_with(&mut self, result: &str) -> Result<()> {
        self.end(Some(JsonObject::parse(result)?))
    }
}

/// A queue in a directory, which may not be there yet.
pub(crate) fn open(directory: &Path, sync: Sync) -> Result<Queue<DirStore>> {
    std::fs::create_dir_all(directory)?;
    let root = Handle::open(directory).context("cannot open the queue's directory")?;
    Ok(Queue::open(DirStore::new(root, sync))?)
}

/// Enqueues so many tasks unsynced.
pub(crate) fn fill_queue(directory: &Path, numbers: Range<u64>) -> Result<()> {
    let queue = open(directory, Sync::Off)?;
    // The tasks of one batch are in memory at once, which a million should not be.
    let mut first = numbers.start;
    while first < numbers.end {
        let last = numbers.end.min(first + 10_000);
        let tasks = (first..last).map(|number| task::new(number, QueueName::default_queue()));
        let mut batch = Batch::new(tasks.collect::<Result<_>>()?);
        while batch.step(&queue, &task::turn()?)?.is_some() {}
        first = last;
    }
    Ok(())
}

pub(super) fn ended(directory: &Path) -> Result<u64> {
    let (waiting, completed) = counts(directory)?;
    ensure!(waiting == 0, "beside {completed} tasks that are completed {waiting} wait");
    Ok(completed)
}

pub(super) fn counts(directory: &Path) -> Result<(u64, u64)> {
    let queue = open(directory, Sync::Off)?;
    let counts = queue.tasks(&Filter { limit: 1, ..Filter::default() }, host::now())?.counts;
    let (waiting, completed) = (counts.of(Status::Pending), counts.of(Status::Completed));
    ensure!(
        waiting + completed == counts.total(),
        "of {} tasks {waiting} wait and {completed} are completed",
        counts.total()
    );
    Ok((waiting, completed))
}
