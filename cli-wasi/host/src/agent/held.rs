//! The leases that the agent was told of and neither settled nor lost, and what people call their tasks.
//!
//! The list bounds how many leases an agent may have. When the agent ends, the queue tells what it holds
//! (`give_back.rs`); the list adds names for people, leases from before the start that the agent took up again, and
//! leases that ran out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coord_core::queue::Holding;

use crate::agent::bindings::muse::coord::types::{ClaimRecord, Error, Task};

/// How many tasks an agent may hold at once.
pub(crate) const LEASES: usize = 1_000;

/// The list. It is kept outside the agent's thread, which may not come to its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held(Arc<Mutex<BTreeMap<Holding, Named>>>);

/// What people call a task.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) title: String,
    pub(crate) queue: String,
}

impl Named {
    /// The names of a task as the queue has it.
    pub(crate) fn of(task: coord_core::Task) -> Named {
        Named { title: task.record.title.as_str().to_string(), queue: task.record.queue.as_str().to_string() }
    }
}

impl Held {
    /// Notes a lease that was taken, or taken up again.
    pub(crate) fn note(&self, task: &Task, record: &ClaimRecord) -> wasmtime::Result<Holding> {
        let (Ok(task_id), Ok(nonce)) = (record.task_id.parse(), record.claim_nonce.parse()) else {
            return Err(wasmtime::Error::msg("the queue named a lease in an unknown way"));
        };
        let holding = Holding { task_id, nonce };
        self.list().insert(holding, Named { title: task.title.clone(), queue: task.queue.clone() });
        Ok(holding)
    }

    /// Forgets a lease if what the library answered to its holder means that it is over.
    pub(crate) fn learn(&self, holding: &Holding, error: &Error) {
        use Error::{AlreadyTerminal, LeaseLost, NotClaimed, NotFound, WrongOwner};
        let is_over = match error {
            AlreadyTerminal(_) | LeaseLost(_) | NotClaimed(_) | WrongOwner(_) => true,
            // It may also be one that a follow-up was to wait for.
            NotFound(id) => *id == holding.task_id.to_string(),
            _ => false,
        };
        if is_over {
            self.forget(holding);
        }
    }

    /// Forgets a lease that is settled.
    pub(crate) fn forget(&self, holding: &Holding) {
        self.list().remove(holding);
    }

    /// Forgets a task that was called off.
    pub(crate) fn forget_task(&self, task_id: &str) {
        self.list().retain(|holding, _| holding.task_id.to_string() != task_id);
    }

    /// How many leases the agent has.
    pub(crate) fn len(&self) -> usize {
        self.list().len()
    }

    /// What is on the list now.
    pub(crate) fn to_map(&self) -> BTreeMap<Holding, Named> {
        self.list().clone()
    }

    fn list(&self) -> MutexGuard<'_, BTreeMap<Holding, Named>> {
        // Nothing that holds the lock can leave the list half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
