//! The queue, as this program itself looks at it: what the agent holds, which it gives back, and how many tasks wait.
//! All that the agent asks goes through the library instead (`library.rs`).

use std::collections::hash_map::RandomState;
use std::env;
use std::hash::{BuildHasher as _, Hasher as _};
use std::path::PathBuf;

use coord_core::name::{Nonce, QueueName, RunId};
use coord_core::queue::{Finding, Holding, Status};
use coord_core::store::{StoreError, StoreErrorKind};
use coord_core::task::Task;
use coord_core::time::Clock;
use coord_core::transition::Claimant;
use coord_core::{Error, Queue, Turn};
use coord_postgres::PostgresStore;
use coord_store::repository::{self, Purpose, Start};
use coord_store::{DirStore, Handle, Sync, process};

use crate::agent::report::Failure;
use crate::coord::{self, Connecting, Engine, own_time};

/// Where the queue is, and how surely what is written there is written.
#[derive(Clone, Debug)]
pub(crate) struct Medium {
    place: Place,
    sync: Sync,
}

/// Where the queue is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// In a coordination directory.
    Directory(PathBuf),
    /// On an engine.
    Engine(coord::Place),
}

/// The queue, opened by one thread to look at it.
pub(crate) enum View {
    Directory(Box<Queue<DirStore>>),
    Engine(Engine<Queue<PostgresStore>>),
}

impl Medium {
    /// The engine that `MUSE_COORD_STORE` names, or what the repository that this process is in has: an engine, or a
    /// coordination directory, which is made if it is missing.
    pub(crate) fn of_this_process() -> Result<Medium, Failure> {
        let sync = sync()?;
        if let Some(engine) = coord::Place::named().map_err(Failure::Engine)? {
            return Ok(Medium { place: Place::Engine(engine), sync });
        }
        let start = Start::of_this_process().map_err(Failure::CurrentDirectory)?;
        let path = start.found(Purpose::Work).map_err(Failure::Directory)?.ok_or(Failure::NoRepository)?;
        if let Some(engine) = coord::Place::led_to_by(&path).map_err(Failure::Engine)? {
            return Ok(Medium { place: Place::Engine(engine), sync });
        }
        repository::ready(&path).map_err(Failure::Directory)?;
        process::share_as(&path);
        Ok(Medium { place: Place::Directory(path), sync })
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    pub(crate) fn sync(&self) -> Sync {
        self.sync
    }

    /// Opens it. Fails as the library does if it is no queue, or one of a newer format; on an engine with its words.
    pub(crate) fn open(&self) -> Result<View, Error> {
        match &self.place {
            Place::Directory(path) => {
                let handle = Handle::open(path).map_err(|error| repository::unusable(path, error))?;
                Ok(View::Directory(Box::new(Queue::open(DirStore::new(handle, self.sync))?)))
            }
            Place::Engine(place) => {
                let opened = Connecting::to_make(place, Queue::open).and_then(Connecting::opened);
                Ok(View::Engine(opened.map_err(|why| of_engine("open", StoreErrorKind::EngineRefused, why))?))
            }
        }
    }
}

impl View {
    /// Every lease that the agent has, and what could not be looked at.
    pub(crate) fn held_by(&self, run_id: &RunId) -> Result<(Vec<Holding>, Vec<Finding>), Error> {
        let run_id = run_id.clone();
        match self {
            View::Directory(queue) => queue.held_by(&run_id),
            View::Engine(engine) => asked(engine, move |queue| queue.held_by(&run_id)),
        }
    }

    /// Gives a task back that the agent holds, and tells where it stands then.
    pub(crate) fn release(&self, holding: &Holding, run_id: &RunId) -> Result<Status, Error> {
        let claimant = Claimant { run_id: run_id.clone(), nonce: Some(holding.nonce) };
        let id = holding.task_id;
        match self {
            View::Directory(queue) => Ok(queue.release(id, claimant, 0, &turn(&own_time))?.status),
            View::Engine(engine) => asked(engine, move |queue| {
                let now = || queue.store().server().now();
                Ok(queue.release(id, claimant, 0, &turn(&now))?.status)
            }),
        }
    }

    /// The task of a lease.
    pub(crate) fn task(&self, holding: &Holding) -> Result<Task, Error> {
        let id = holding.task_id;
        match self {
            View::Directory(queue) => Ok(queue.show(id, own_time())?.item.task),
            View::Engine(engine) => {
                asked(engine, move |queue| Ok(queue.show(id, queue.store().server().now())?.item.task))
            }
        }
    }

    /// How many tasks wait to be claimed, in one queue or in all of them. It counts no further than `most`.
    pub(crate) fn count_waiting(&self, queue: Option<&QueueName>, most: usize) -> Result<usize, Error> {
        let name = queue.cloned();
        match self {
            View::Directory(queue) => queue.count_waiting(name.as_ref(), most),
            View::Engine(engine) => asked(engine, move |queue| queue.count_waiting(name.as_ref(), most)),
        }
    }
}

/// What the engine answers.
fn asked<T: Send + 'static>(
    engine: &Engine<Queue<PostgresStore>>,
    question: impl FnOnce(&Queue<PostgresStore>) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    engine.ask(question).map_err(|why| of_engine("ask", StoreErrorKind::EngineLost, why))?
}

fn of_engine(operation: &'static str, kind: StoreErrorKind, detail: String) -> Error {
    StoreError { operation, path: String::new(), kind, detail }.into()
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

/// A clock, and nonces that no other agent has: the keys of the standard library's hash tables come from the system.
fn turn(clock: &dyn Clock) -> Turn<'_> {
    Turn::new(clock, Nonce::from_bits(RandomState::new().build_hasher().finish()))
}
