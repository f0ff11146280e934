//! What the agent holds, so that it is given back when the agent ends.
//!
//! The list is kept outside the agent, by the thread that watches it, and has what is needed to give a task back: its id
//! and the nonce of its lease. A lease is on it from the moment at which the library answered until the library answered
//! that it is settled or lost, whether the agent kept the handle or not.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coord_core::name::RunId;

use crate::bindings::muse::coord::types::{ClaimRecord, Error, Task, TaskId};
use crate::confine::Refusal;
use crate::library::{Library, Source};

/// How many tasks an agent may hold at once.
pub(crate) const LEASES: usize = 1_000;

/// The leases that the agent took and neither settled nor lost, as far as it was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held(Arc<Mutex<BTreeMap<Key, Named>>>);

/// One lease: the task's id and the lease's nonce.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    task_id: TaskId,
    nonce: String,
}

/// What people call the task.
#[derive(Clone, Debug)]
struct Named {
    title: String,
    queue: String,
}

/// What became of a task that the agent held at its end.
pub(crate) struct GivenBack {
    run_id: RunId,
    task_id: TaskId,
    named: Named,
    outcome: Result<(), Refusal>,
}

impl Held {
    /// Notes a lease that was taken, or taken up again.
    pub(crate) fn note(&self, task: &Task, record: ClaimRecord) -> Key {
        let key = Key { task_id: record.task_id, nonce: record.claim_nonce };
        self.list().insert(key.clone(), Named { title: task.title.clone(), queue: task.queue.clone() });
        key
    }

    /// Forgets a lease if what the library answered to its holder means that it is over.
    pub(crate) fn learn(&self, key: &Key, error: &Error) {
        use Error::{AlreadyTerminal, LeaseLost, NotClaimed, NotFound, WrongOwner};
        let is_over = match error {
            AlreadyTerminal(_) | LeaseLost(_) | NotClaimed(_) | WrongOwner(_) => true,
            // It may also be one that a follow-up was to wait for.
            NotFound(id) => *id == key.task_id,
            _ => false,
        };
        if is_over {
            self.forget(key);
        }
    }

    /// Forgets a lease that is settled.
    pub(crate) fn forget(&self, key: &Key) {
        self.list().remove(key);
    }

    /// Forgets a task that was called off.
    pub(crate) fn forget_task(&self, task_id: &str) {
        self.list().retain(|key, _| key.task_id != task_id);
    }

    /// How many leases the agent has.
    pub(crate) fn len(&self) -> usize {
        self.list().len()
    }

    /// Gives every task back that is on the list. By a new instance of the library, for the one that the agent used may
    /// still be in a call. Each is tried, whatever becomes of the others.
    pub(crate) async fn give_back(&self, source: &Source, run_id: &RunId) -> Vec<GivenBack> {
        let leases = std::mem::take(&mut *self.list());
        let mut given_back = Vec::new();
        if leases.is_empty() {
            return given_back;
        }
        let mut library = source.open().await;
        for (Key { task_id, nonce }, named) in leases {
            let outcome = match &mut library {
                Ok(library) => release(library, &task_id, run_id.as_str(), &nonce).await,
                Err(error) => Err(Refusal::Broken(wasmtime::Error::msg(error.to_string()))),
            };
            given_back.push(GivenBack { run_id: run_id.clone(), task_id, named, outcome });
        }
        given_back
    }

    fn list(&self) -> MutexGuard<'_, BTreeMap<Key, Named>> {
        // Nothing that holds the lock can leave the list half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn release(library: &mut Library, task_id: &TaskId, run_id: &str, nonce: &str) -> Result<(), Refusal> {
    let (queue, store) = library.queue();
    let lease = queue.call_resume(&mut *store, task_id, Some(run_id), Some(nonce)).await??;
    queue.lease().call_release(store, lease, None).await??;
    Ok(())
}

/// Which task, what happened to it, who had it, and what to do. Titles and run ids are escaped, in quotes.
impl fmt::Display for GivenBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GivenBack { run_id, task_id, named: Named { title, queue }, outcome } = self;
        let run_id = run_id.as_str();
        write!(f, "{run_id:?} left the task {task_id} ({title:?}, queue {queue}) unfinished; ")?;
        match outcome {
            Ok(()) => f.write_str("it was given back, and waits to be claimed"),
            Err(Refusal::Refused(Error::LeaseLost(now) | Error::WrongOwner(now))) => {
                write!(f, "its lease had run out, and {:?} has it now: nothing is to be done", now.run_id)
            }
            Err(Refusal::Refused(Error::AlreadyTerminal(_) | Error::NotClaimed(_))) => {
                f.write_str("it was settled by another hand meanwhile: nothing is to be done")
            }
            Err(refusal) => write!(
                f,
                "it could not be given back: {refusal}; it can be claimed when its lease has run out, or called off by \
                 `muse coord cancel-task {task_id} --force`"
            ),
        }
    }
}
