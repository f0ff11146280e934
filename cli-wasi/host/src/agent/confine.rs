//! What an agent may ask of the queue. All that it asks goes through here, and nothing else does.
//!
//! The agent's import `muse:coord/queue` is answered by the library's export of the same name, a call by a call. In
//! between stands this file. Why an agent cannot get around it:
//!
//! 1. **It has no other way.** The directory or the engine is granted to the library alone, whose instance the agent
//!    has no handle to. Of ours only `queue` is linked: `admin`, by which a queue is looked after, is not.
//! 2. **It acts under one run id**, the one that it was started with. Each function that takes a run id for whom acts
//!    passes on what [`Confined::acting`] returns, which is that run id or a refusal; so does each task that it adds,
//!    by itself, in a batch or as a follow-up. A lease acts for whoever claimed it, and handles of leases come from
//!    this agent's `claim`, `claim-many` and `resume` alone. The filter of `tasks` names whose tasks to show, not who
//!    asks, and is free: who holds what is no secret within a queue.
//! 3. **With `--queue` it works on one queue.** What adds, claims and lists tasks passes on what [`Confined::chosen`]
//!    returns, which is that queue or a refusal. Wherever a task is named by its id (`show`, `resume`, `cancel`,
//!    `retry`, `wait`, and `after` of a task that is added), it is looked at first ([`Confined::look`]), and one of
//!    another queue is answered as one that does not exist. To look first and act then is safe, since a task's queue is
//!    part of what its id is the hash of: it never changes. What is found by other means is of the queue as well: a
//!    unique key is that of one queue, a cursor only says where in the listing to begin. `force`, which calls off what
//!    another holds, means within the queue what it means on the command line.
//! 4. **What it is told is of its queue.** The library's counts are of all queues, so those of one queue are counted
//!    from its listing. Warnings and the words of errors may name any task or file: those that are not about what the
//!    agent itself passed in or may look at go to standard error, to whoever runs it, and the agent gets the error's
//!    case and no words.
//!
//! 5. **It adds no more than it may.** Whatever adds tasks asks [`Confined::may_add`] first, which refuses all of them
//!    or none, by
//!    `--max-tasks` and `--max-pending`. Agents that add at once to one queue may together go beyond the latter.
//!
//! Not kept from it: how long a call takes; that the queue as a whole is broken, full or written by a newer
//! version. An agent that knows the id of another queue's task whose record cannot be read could tell by the error that
//! it is there; it can bring about neither. Who is not confined may add tasks that wait across queues: then this agent
//! sees the id that a task of its queue waits for, and how that one ended if it takes its own with it; and what it
//! makes of a task lets those go on that wait for it elsewhere.

mod answers;

use std::collections::BTreeSet;
use std::fmt;

use coord_core::name::{QueueName, RunId};
use coord_core::queue::Holding;
use wasmtime::component::{Resource, ResourceAny, ResourceTable};

use crate::agent::args::Arguments;
use crate::agent::bindings::muse::coord::queue::NewTask;
use crate::agent::bindings::muse::coord::types::{self, Error, IoError, TaskId};
use crate::agent::held::{Held, LEASES};
use crate::agent::leash::Leash;
use crate::agent::library::{Library, Source};
use crate::agent::quota::Quota;
use crate::agent::report::warn;

/// How many warnings that the agent did not ask for are kept for it.
const WARNINGS_KEPT: usize = 100;

/// The queue as one agent has it.
pub(crate) struct Confined {
    run_id: RunId,
    queue: Option<QueueName>,
    source: Source,
    library: Library,
    leases: ResourceTable,
    /// How many handles the agent has.
    handles: usize,
    held: Held,
    leash: Leash,
    quota: Quota,
    /// Warnings that the agent may read.
    told: Vec<String>,
}

/// A lease that the agent has a handle to.
#[derive(Clone)]
pub struct Lease {
    handle: ResourceAny,
    holding: Holding,
}

/// Why a call of the agent is not answered as it hoped.
#[derive(Debug)]
pub enum Refusal {
    /// It gets this error.
    Refused(Error),
    /// There is no answer, and the agent is stopped.
    Broken(wasmtime::Error),
}

impl Confined {
    /// The queue for an agent that was started so.
    pub(crate) async fn new(
        source: Source,
        arguments: &Arguments,
        held: Held,
        leash: Leash,
    ) -> wasmtime::Result<Confined> {
        let Arguments { run_id, queue, max_tasks, max_pending, .. } = arguments;
        let library = source.open(&leash).await?;
        Ok(Confined {
            run_id: run_id.clone(),
            queue: queue.clone(),
            source,
            library,
            leases: ResourceTable::new(),
            handles: 0,
            held,
            leash,
            quota: Quota { max_tasks: *max_tasks, max_pending: *max_pending, added: 0 },
            told: Vec::new(),
        })
    }

    /// Who acts, if it is this agent.
    fn acting(&self, given: Option<&str>) -> Result<&str, Refusal> {
        let own = self.run_id.as_str();
        match given {
            Some(other) if other != own => Err(Refusal::Refused(Error::BadArgs(format!(
                "run-id: this agent runs as {own:?} and cannot act as {:?}: leave it out",
                shortened(other)
            )))),
            _ => Ok(own),
        }
    }

    /// Which queue is meant, if it is this agent's; none: all of them, or the default.
    fn chosen(&self, given: Option<String>) -> Result<Option<String>, Refusal> {
        let Some(own) = self.queue.as_ref().map(QueueName::as_str) else { return Ok(given) };
        match given {
            Some(other) if other != own => Err(Refusal::Refused(Error::BadQueue(format!(
                "this agent works on the queue {own:?} and not on {:?}: leave it out",
                shortened(&other)
            )))),
            _ => Ok(Some(own.to_string())),
        }
    }

    /// As [`Confined::chosen`], of several; none: all of them.
    fn all_chosen(&self, given: Vec<String>) -> Result<Vec<String>, Refusal> {
        match (&self.queue, given.is_empty()) {
            (Some(own), true) => Ok(vec![own.as_str().to_string()]),
            _ => given.into_iter().filter_map(|queue| self.chosen(Some(queue)).transpose()).collect(),
        }
    }

    /// A task that this agent may add, but for those that it is to wait for.
    fn own(&self, new: NewTask) -> Result<NewTask, Refusal> {
        let queue = self.chosen(new.queue.clone())?;
        let run_id = self.acting(new.run_id.as_deref())?.to_string();
        Ok(NewTask { queue, run_id: Some(run_id), ..new })
    }

    /// As [`Confined::own`], of several, each of which waits for tasks only that this agent may see.
    async fn all_own(&mut self, new: Vec<NewTask>) -> Result<Vec<NewTask>, Refusal> {
        let new: Vec<_> = new.into_iter().map(|new| self.own(new)).collect::<Result<_, _>>()?;
        let parents: BTreeSet<&TaskId> = new.iter().flat_map(|new| &new.after).collect();
        for parent in parents {
            self.may_touch(parent).await?;
        }
        Ok(new)
    }

    /// A task, if this agent may see it.
    async fn look(&mut self, id: &TaskId) -> Result<types::Shown, Refusal> {
        // An agent that has many looked at can be stopped in between.
        tokio::task::yield_now().await;
        self.set_warnings_aside().await?;
        let (queue, store) = self.library.queue();
        let shown = match queue.call_show(store, id).await? {
            Ok(shown) => shown,
            Err(error) => return Err(self.look_failed(id, error)),
        };
        if self.queue.as_ref().is_some_and(|own| own.as_str() != shown.item.task.queue) {
            return Err(not_found(id));
        }
        self.tell_warnings().await?;
        Ok(shown)
    }

    /// A task whose record is bad is of no queue that could be told.
    fn look_failed(&self, id: &TaskId, error: Error) -> Refusal {
        match (self.veiled(error), &self.queue) {
            (Refusal::Refused(Error::Error(_)), Some(_)) => not_found(id),
            (refusal, _) => refusal,
        }
    }

    /// Nothing, if this agent may see the task. Where it may see all, the call to come finds out by itself.
    async fn may_touch(&mut self, id: &TaskId) -> Result<(), Refusal> {
        if self.queue.is_some() {
            self.look(id).await?;
        }
        Ok(())
    }

    /// A handle to a lease that the library gave, which is on the list from now on.
    async fn handle(&mut self, handle: ResourceAny) -> Result<Resource<Lease>, Refusal> {
        let (queue, store) = self.library.queue();
        let task = queue.lease().call_task(&mut *store, handle).await?;
        let record = queue.lease().call_claim_record(store, handle).await?;
        let holding = self.held.note(&task, &record)?;
        self.handles += 1;
        Ok(self.leases.push(Lease { handle, holding }).map_err(wasmtime::Error::from)?)
    }

    fn lease(&self, lease: &Resource<Lease>) -> Result<Lease, Refusal> {
        Ok(self.leases.get(lease).map_err(wasmtime::Error::from)?.clone())
    }

    /// How many leases more the agent may have; it is refused if that is none.
    fn room(&self) -> Result<usize, Refusal> {
        match LEASES.saturating_sub(self.held.len().max(self.handles)) {
            0 => {
                let full = format!("this agent has {LEASES} leases: settle some and drop their handles first");
                Err(Refusal::Refused(Error::Error(full)))
            }
            room => Ok(room),
        }
    }

    /// Nothing, if the agent may add so many tasks now.
    fn may_add(&self, new: usize) -> Result<(), Refusal> {
        self.quota.check(new, self.source.medium(), self.queue.as_ref())
    }

    /// Counts the tasks that a call added. One that failed may have added all of them: of a batch those before are
    /// there.
    fn count_added<T>(&mut self, given: usize, answer: &Result<T, Error>, added: impl FnOnce(&T) -> usize) {
        self.quota.count(match answer {
            Ok(answer) => added(answer),
            Err(Error::Unknown(_)) => given,
            Err(Error::IoError(_) | Error::Error(_)) if given > 1 => given,
            Err(_) => 0,
        });
    }

    /// What the library answered to the holder of a lease.
    fn answered<T>(&self, holding: &Holding, answer: Result<T, Error>) -> Result<T, Refusal> {
        answer.map_err(|error| {
            self.held.learn(holding, &error);
            self.veiled(error)
        })
    }

    /// As [`Confined::answered`], where success ends the lease.
    fn settled<T>(&self, holding: &Holding, answer: Result<T, Error>) -> Result<T, Refusal> {
        let answer = self.answered(holding, answer)?;
        self.held.forget(holding);
        Ok(answer)
    }

    /// An error without words that could name what the agent may not see. Whoever runs it gets them.
    fn veiled(&self, error: Error) -> Refusal {
        let veil = "it was told to whoever runs this agent";
        Refusal::Refused(match (error, &self.queue) {
            (Error::IoError(IoError { kind, message }), Some(_)) => {
                warn(&message);
                Error::IoError(IoError { kind, message: format!("the medium failed; {veil}") })
            }
            (Error::Unknown(IoError { kind, message }), Some(_)) => {
                warn(&message);
                let message = format!("the medium failed, and it is not known what was changed; {veil}");
                Error::Unknown(IoError { kind, message })
            }
            (Error::Error(message), Some(_)) => {
                warn(&message);
                Error::Error(format!("the queue failed; {veil}"))
            }
            (error, _) => error,
        })
    }

    /// Tells whoever runs a confined agent what the calls so far met. It is not the agent's to know.
    async fn set_warnings_aside(&mut self) -> Result<(), Refusal> {
        if self.queue.is_some() {
            self.library.warnings().await?.iter().for_each(warn);
        }
        Ok(())
    }

    /// Keeps for the agent what the call just made met, of its own queue.
    async fn tell_warnings(&mut self) -> Result<(), Refusal> {
        let warnings = self.library.warnings().await?;
        self.tell(warnings);
        Ok(())
    }

    fn tell(&mut self, warnings: Vec<String>) {
        self.told.extend(warnings);
        let superfluous = self.told.len().saturating_sub(WARNINGS_KEPT);
        self.told.drain(..superfluous);
    }
}

impl types::Host for Confined {
    fn convert_error(&mut self, refusal: Refusal) -> wasmtime::Result<Error> {
        match refusal {
            Refusal::Refused(error) => Ok(error),
            Refusal::Broken(error) => Err(error),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::Refused(error)
    }
}

impl From<wasmtime::Error> for Refusal {
    fn from(error: wasmtime::Error) -> Refusal {
        Refusal::Broken(error.context("the queue failed"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Refused(
                Error::IoError(IoError { message, .. })
                | Error::Unknown(IoError { message, .. })
                | Error::Error(message),
            ) => f.write_str(message),
            Refusal::Refused(error) => write!(f, "{error:?}"),
            Refusal::Broken(error) => write!(f, "{error:#}"),
        }
    }
}

fn not_found(id: &TaskId) -> Refusal {
    Refusal::Refused(Error::NotFound(id.clone()))
}

/// The start of what an agent gave, to be quoted.
fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}
