//! What an agent may ask of the queue. All that it asks goes through here, and nothing else does.
//!
//! The agent's import `muse:coord/queue` is answered by the library's export of the same name, a call by a call. In
//! between stands this file. Why an agent cannot get around it:
//!
//! 1. **It has no other way.** The directory is granted to the library alone, whose instance the agent has no handle to.
//!    Of ours only `queue` is linked: `admin`, by which a directory is looked after, is not.
//! 2. **It acts under one run id**, the one that it was started with. Four functions take a run id for whom acts, and each
//!    passes on what [`Confined::acting`] returns, which is that run id or a refusal. A lease acts for whoever claimed it,
//!    and handles of leases come from this agent's `claim` and `resume` alone. The filter of `tasks` names whose tasks to
//!    show, not who asks, and is free: who holds what is no secret within a queue.
//! 3. **With `--queue` it works on one queue.** `enqueue`, `claim` and `tasks` pass on what [`Confined::chosen`] returns,
//!    which is that queue or a refusal. `show`, `resume` and `cancel` name a task by its id; they first look at the task
//!    ([`Confined::look`]), and one of another queue is answered as one that does not exist. To look first and act then is
//!    safe, since a task's queue is part of what its id is the hash of: it never changes. `force`, which calls off what
//!    another holds, means within the queue what it means on the command line.
//! 4. **What it is told is of its queue.** The library's counts are of all queues, so those of one queue are counted from its
//!    listing. Warnings and the words of errors may name any task or file: those that are not about what the agent itself
//!    passed in or may look at go to standard error, to whoever runs it, and the agent gets the error's case and no words.
//!
//! Not kept from it: how long a call takes; that the directory as a whole is broken, full or written by a newer version;
//! how many tasks it adds, and so the disk. An agent that knows the id of another queue's task whose record cannot be read
//! could tell by the error that it is there; it can bring about neither.

use std::fmt;

use coord_core::name::{QueueName, RunId};
use wasmtime::component::{Resource, ResourceAny, ResourceTable};

use crate::bindings::exports::muse::coord::queue as library;
use crate::bindings::muse::coord::queue::{self, ClaimOptions, Filter, Listing, NewTask};
use crate::bindings::muse::coord::types::{self, ClaimRecord, Counts, Error, IoError, Item, Status, Task, TaskId};
use crate::held::{Held, Key, LEASES};
use crate::library::{Library, Source};
use crate::report::warn;

/// How many warnings that the agent did not ask for are kept for it.
const WARNINGS_KEPT: usize = 100;

/// From how many tasks of its queue a confined agent's counts are counted, at most: the most that a listing shows.
const COUNTED: u32 = 10_000;

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
    /// Warnings that the agent may read.
    told: Vec<String>,
}

/// A lease that the agent has a handle to.
#[derive(Clone)]
pub struct Lease {
    handle: ResourceAny,
    key: Key,
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
    /// The queue for an agent that runs as `run_id`, and works on `queue` alone if that is given.
    pub(crate) async fn new(
        source: Source,
        run_id: RunId,
        queue: Option<QueueName>,
        held: Held,
    ) -> wasmtime::Result<Confined> {
        let library = source.open().await?;
        Ok(Confined {
            run_id,
            queue,
            source,
            library,
            leases: ResourceTable::new(),
            handles: 0,
            held,
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

    /// A task, if this agent may see it.
    async fn look(&mut self, id: &TaskId) -> Result<Item, Refusal> {
        self.set_warnings_aside().await?;
        let (queue, store) = self.library.queue();
        let item = match queue.call_show(store, id).await? {
            Ok(item) => item,
            Err(error) => return Err(self.look_failed(id, error)),
        };
        if self.queue.as_ref().is_some_and(|own| own.as_str() != item.task.queue) {
            return Err(not_found(id));
        }
        self.tell_warnings().await?;
        Ok(item)
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
        let key = self.held.note(&task, record);
        self.handles += 1;
        Ok(self.leases.push(Lease { handle, key }).map_err(wasmtime::Error::from)?)
    }

    fn lease(&self, lease: &Resource<Lease>) -> Result<Lease, Refusal> {
        Ok(self.leases.get(lease).map_err(wasmtime::Error::from)?.clone())
    }

    /// Nothing, unless the agent has as many leases as it may have.
    fn may_hold_more(&self) -> Result<(), Refusal> {
        if self.held.is_full() || self.handles >= LEASES {
            let full = format!("this agent has {LEASES} leases: settle some and drop their handles first");
            return Err(Refusal::Refused(Error::Error(full)));
        }
        Ok(())
    }

    /// What the library answered to the holder of a lease.
    fn answered<T>(&self, key: &Key, answer: Result<T, Error>) -> Result<T, Refusal> {
        answer.map_err(|error| {
            self.held.learn(key, &error);
            self.veiled(error)
        })
    }

    /// As [`Confined::answered`], where success ends the lease.
    fn settled<T>(&self, key: &Key, answer: Result<T, Error>) -> Result<T, Refusal> {
        let answer = self.answered(key, answer)?;
        self.held.forget(key);
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

impl queue::Host for Confined {
    async fn enqueue(&mut self, new: NewTask) -> Result<Task, Refusal> {
        let new = library::NewTask {
            title: new.title,
            priority: new.priority,
            queue: self.chosen(new.queue)?,
            ttl_seconds: new.ttl_seconds,
            run_id: Some(self.acting(new.run_id.as_deref())?.to_string()),
            tags: new.tags,
            payload: new.payload,
        };
        self.set_warnings_aside().await?;
        let (queue, store) = self.library.queue();
        let answer = queue.call_enqueue(store, &new).await?;
        self.tell_warnings().await?;
        answer.map_err(|error| self.veiled(error))
    }

    async fn claim(&mut self, options: ClaimOptions) -> Result<Option<Resource<Lease>>, Refusal> {
        self.may_hold_more()?;
        let options = library::ClaimOptions {
            run_id: Some(self.acting(options.run_id.as_deref())?.to_string()),
            queue: self.chosen(options.queue)?,
            lease_seconds: options.lease_seconds,
            wait_seconds: options.wait_seconds,
        };
        let (queue, store) = self.library.queue();
        let answer = queue.call_claim(store, &options).await?;
        let claimed = match answer.map_err(|error| self.veiled(error))? {
            Some(handle) => Some(self.handle(handle).await?),
            None => None,
        };
        self.set_warnings_aside().await?;
        Ok(claimed)
    }

    async fn resume(
        &mut self,
        id: String,
        run_id: Option<String>,
        nonce: Option<String>,
    ) -> Result<Resource<Lease>, Refusal> {
        self.may_hold_more()?;
        let run_id = self.acting(run_id.as_deref())?.to_string();
        self.may_touch(&id).await?;
        let (queue, store) = self.library.queue();
        let answer = queue.call_resume(store, &id, Some(&run_id), nonce.as_deref()).await?;
        let handle = answer.map_err(|error| self.veiled(error))?;
        self.handle(handle).await
    }

    async fn cancel(&mut self, id: String, run_id: Option<String>, force: bool) -> Result<ClaimRecord, Refusal> {
        let run_id = self.acting(run_id.as_deref())?.to_string();
        self.may_touch(&id).await?;
        let (queue, store) = self.library.queue();
        let answer = queue.call_cancel(store, &id, Some(&run_id), force).await?;
        let record = answer.map_err(|error| self.veiled(error))?;
        self.held.forget_task(&id);
        Ok(record)
    }

    async fn show(&mut self, id: String) -> Result<Item, Refusal> {
        self.look(&id).await
    }

    /// By an instance of its own, so that the memory of a long listing is given back.
    async fn tasks(&mut self, filter: Filter) -> Result<Listing, Refusal> {
        let filter = library::Filter {
            status: filter.status,
            queue: self.chosen(filter.queue)?,
            run_id: filter.run_id,
            limit: filter.limit,
        };
        let mut library = self.source.open().await?;
        let (queue, store) = library.queue();
        let answer = queue.call_tasks(store, &filter).await.map_err(too_long)?;
        let mut listing = answer.map_err(|error| self.veiled(error))?;
        if self.queue.is_some() {
            listing.counts = self.count(&mut library, filter.queue).await?;
            library.warnings().await?.iter().for_each(warn);
        } else {
            self.tell(library.warnings().await?);
        }
        let library::Listing { counts, items, truncated } = listing;
        Ok(Listing { counts, items, truncated })
    }

    async fn warnings(&mut self) -> wasmtime::Result<Vec<String>> {
        if self.queue.is_none() {
            let warnings = self.library.warnings().await?;
            self.tell(warnings);
        }
        Ok(std::mem::take(&mut self.told))
    }
}

impl Confined {
    /// The counts of one queue.
    async fn count(&mut self, library: &mut Library, queue_name: Option<String>) -> Result<Counts, Refusal> {
        let all = library::Filter { status: None, queue: queue_name, run_id: None, limit: Some(COUNTED) };
        let (queue, store) = library.queue();
        let answer = queue.call_tasks(store, &all).await.map_err(too_long)?;
        let listing = answer.map_err(|error| self.veiled(error))?;
        Ok(counts(&listing.items))
    }
}

impl queue::HostLease for Confined {
    async fn task(&mut self, lease: Resource<Lease>) -> wasmtime::Result<Task> {
        let handle = self.leases.get(&lease)?.handle;
        let (queue, store) = self.library.queue();
        queue.lease().call_task(store, handle).await
    }

    async fn claim_record(&mut self, lease: Resource<Lease>) -> wasmtime::Result<ClaimRecord> {
        let handle = self.leases.get(&lease)?.handle;
        let (queue, store) = self.library.queue();
        queue.lease().call_claim_record(store, handle).await
    }

    async fn heartbeat(&mut self, lease: Resource<Lease>, seconds: Option<u32>) -> Result<ClaimRecord, Refusal> {
        let Lease { handle, key } = self.lease(&lease)?;
        let (queue, store) = self.library.queue();
        let answer = queue.lease().call_heartbeat(store, handle, seconds).await?;
        self.answered(&key, answer)
    }

    async fn complete(&mut self, lease: Resource<Lease>, result: Option<String>) -> Result<ClaimRecord, Refusal> {
        let Lease { handle, key } = self.lease(&lease)?;
        let (queue, store) = self.library.queue();
        let answer = queue.lease().call_complete(store, handle, result.as_ref()).await?;
        self.settled(&key, answer)
    }

    async fn fail(&mut self, lease: Resource<Lease>, reason: String) -> Result<ClaimRecord, Refusal> {
        let Lease { handle, key } = self.lease(&lease)?;
        let (queue, store) = self.library.queue();
        let answer = queue.lease().call_fail(store, handle, &reason).await?;
        self.settled(&key, answer)
    }

    async fn release(&mut self, lease: Resource<Lease>) -> Result<(), Refusal> {
        let Lease { handle, key } = self.lease(&lease)?;
        let (queue, store) = self.library.queue();
        let answer = queue.lease().call_release(store, handle).await?;
        self.settled(&key, answer)
    }

    /// The lease runs on, and stays on the list of what the agent holds.
    async fn drop(&mut self, lease: Resource<Lease>) -> wasmtime::Result<()> {
        let Lease { handle, .. } = self.leases.delete(lease)?;
        self.handles -= 1;
        let (_, store) = self.library.queue();
        handle.resource_drop_async(store).await
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
            Refusal::Refused(Error::IoError(IoError { message, .. }) | Error::Error(message)) => f.write_str(message),
            Refusal::Refused(error) => write!(f, "{error:?}"),
            Refusal::Broken(error) => write!(f, "{error:#}"),
        }
    }
}

fn not_found(id: &TaskId) -> Refusal {
    Refusal::Refused(Error::NotFound(id.clone()))
}

/// A listing fails in its own instance, and the agent can go on.
fn too_long(error: wasmtime::Error) -> Refusal {
    warn(format!("a listing failed: {:#}", error.root_cause()));
    Refusal::Refused(Error::Error("the listing is too long: ask for fewer tasks at once".to_string()))
}

fn counts(items: &[Item]) -> Counts {
    let of = |status: Status| items.iter().filter(|item| item.status == status).count() as u64;
    Counts {
        scheduled: of(Status::Scheduled),
        blocked: of(Status::Blocked),
        pending: of(Status::Pending),
        claimed: of(Status::Claimed),
        timed_out: of(Status::TimedOut),
        completed: of(Status::Completed),
        failed: of(Status::Failed),
        cancelled: of(Status::Cancelled),
        expired: of(Status::Expired),
    }
}

/// The start of what an agent gave, to be quoted.
fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}
