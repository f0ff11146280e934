//! The coordination directory, as this program itself looks at it: what the agent holds, which it gives back, and how
//! many tasks wait. All that the agent asks goes through the library instead (`library.rs`).

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, io};

use coord_core::name::{Nonce, QueueName, RunId};
use coord_core::queue::{Finding, Holding, Status};
use coord_core::store::StoreError;
use coord_core::task::Task;
use coord_core::transition::Claimant;
use coord_core::{Error, Queue, Timestamp, Turn};
use coord_store::repository::{self, Purpose, Start};
use coord_store::{DirStore, Handle, Sync, process};

use crate::report::Failure;

/// Where the queue is, and how surely what is written there is written.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    sync: Sync,
}

/// The directory, opened by one thread to look at the queue.
pub(crate) struct View(Queue<DirStore>);

impl Directory {
    /// The coordination directory of the repository that this process is in, which is made if it is missing.
    pub(crate) fn of_this_process() -> Result<Directory, Failure> {
        let start = Start::of_this_process().map_err(Failure::CurrentDirectory)?;
        let path = start.found(Purpose::Work).map_err(Failure::Directory)?.ok_or(Failure::NoRepository)?;
        repository::ready(&path).map_err(Failure::Directory)?;
        process::share_as(&path);
        Ok(Directory { path, sync: sync()? })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn sync(&self) -> Sync {
        self.sync
    }

    /// Opens it. Fails as the library does if it is no queue, or one of a newer format.
    pub(crate) fn open(&self) -> Result<View, Error> {
        let handle = Handle::open(&self.path).map_err(|error| self.unusable(error))?;
        Ok(View(Queue::open(DirStore::new(handle, self.sync))?))
    }

    fn unusable(&self, error: io::Error) -> StoreError {
        repository::unusable(&self.path, error)
    }
}

impl View {
    /// Every lease that the agent has, and what could not be looked at.
    pub(crate) fn held_by(&self, run_id: &RunId) -> Result<(Vec<Holding>, Vec<Finding>), Error> {
        self.0.held_by(run_id)
    }

    /// Gives a task back that the agent holds, and tells where it stands then.
    pub(crate) fn release(&self, holding: &Holding, run_id: &RunId) -> Result<Status, Error> {
        let claimant = Claimant { run_id: run_id.clone(), nonce: Some(holding.nonce) };
        Ok(self.0.release(holding.task_id, claimant, 0, &turn())?.status)
    }

    /// The task of a lease.
    pub(crate) fn task(&self, holding: &Holding) -> Result<Task, Error> {
        Ok(self.0.show(holding.task_id, now())?.item.task)
    }

    /// How many tasks wait to be claimed, in one queue or in all of them. It counts no further than `most`.
    pub(crate) fn count_waiting(&self, queue: Option<&QueueName>, most: usize) -> Result<usize, Error> {
        self.0.count_waiting(queue, most)
    }
}

/// What `MUSE_COORD_SYNC` says: all who share a directory must agree.
fn sync() -> Result<Sync, Failure> {
    match env::var_os("MUSE_COORD_SYNC").unwrap_or_default().to_string_lossy().as_ref() {
        "" | "on" => Ok(Sync::On),
        "posix" => Ok(Sync::Posix),
        "off" => Ok(Sync::Off),
        other => Err(Failure::Sync(other.to_string())),
    }
}

#[expect(clippy::disallowed_methods, reason = "here it becomes an argument")]
fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX))
}

/// The clock and nonces that no other agent has: the keys of the standard library's hash tables come from the system.
fn turn() -> Turn<'static> {
    Turn::new(&now, Nonce::from_bits(RandomState::new().build_hasher().finish()))
}
