//! Each call of the agent: what it may ask for is decided, the library asked, and what it may know is answered.

use std::collections::BTreeMap;

use coord_core::limits;
use wasmtime::component::Resource;

use super::{Confined, Lease, Refusal};
use crate::agent::bindings::muse::coord::queue::{
    self, ClaimOptions, Completed, Enqueued, Filter, IfHeld, Listing, NewTask, Retried, RetryOptions, Shown, Until,
    Waited,
};
use crate::agent::bindings::muse::coord::types::{
    ClaimRecord, Counts, Error, Item, Progress, Released, Report, Status, Task, TaskId, WaitedFor,
};
use crate::agent::library::Library;
use crate::agent::report::warn;

/// From how many tasks of its queue a confined agent's counts are counted, at most: the most that a listing shows.
const COUNTED: u32 = 10_000;

impl queue::Host for Confined {
    async fn enqueue(&mut self, new: NewTask) -> Result<Enqueued, Refusal> {
        let new = self.own(new)?;
        for parent in &new.after {
            self.may_touch(parent).await?;
        }
        self.may_add(1)?;
        self.set_warnings_aside().await?;
        let (queue, store) = self.library.queue();
        let answer = queue.call_enqueue(store, &new).await?;
        self.count_added(1, &answer, |enqueued| usize::from(!enqueued.deduplicated));
        self.tell_warnings().await?;
        answer.map_err(|error| self.veiled(error))
    }

    async fn enqueue_all(&mut self, tasks: Vec<NewTask>) -> Result<Vec<Enqueued>, Refusal> {
        let tasks = self.all_own(tasks).await?;
        self.may_add(tasks.len())?;
        self.set_warnings_aside().await?;
        let (queue, store) = self.library.queue();
        let answer = queue.call_enqueue_all(store, &tasks).await?;
        self.count_added(tasks.len(), &answer, |enqueued| new_among(enqueued));
        self.tell_warnings().await?;
        answer.map_err(|error| self.veiled(error))
    }

    async fn claim(&mut self, options: ClaimOptions) -> Result<Option<Resource<Lease>>, Refusal> {
        self.room()?;
        let options = self.own_claim(options)?;
        let claimed = self.claim_one(&options).await?;
        self.set_warnings_aside().await?;
        Ok(claimed)
    }

    /// No more than the agent may have. One by one, so that an agent which is stopped meanwhile takes no more of them.
    async fn claim_many(&mut self, options: ClaimOptions, max: u32) -> Result<Vec<Resource<Lease>>, Refusal> {
        let room = self.room()?;
        let options = self.own_claim(options)?;
        let most = match usize::try_from(max) {
            Ok(given) if (1..=limits::BATCH).contains(&given) => given.min(room),
            _ => return self.refused_claims(&options, max).await,
        };
        let mut claimed: Vec<Resource<Lease>> = self.claim_one(&options).await?.into_iter().collect();
        let options = ClaimOptions { wait_seconds: None, ..options };
        while !claimed.is_empty() && claimed.len() < most {
            tokio::task::yield_now().await;
            match self.claim_one(&options).await {
                Ok(Some(another)) => claimed.push(another),
                Ok(None) => break,
                // Those before are the agent's, which would not learn of them by an error.
                Err(Refusal::Refused(error)) => {
                    self.tell(vec![format!("no more than {} tasks were claimed: {error:?}", claimed.len())]);
                    break;
                }
                Err(broken) => return Err(broken),
            }
        }
        self.set_warnings_aside().await?;
        Ok(claimed)
    }

    async fn resume(
        &mut self,
        id: String,
        run_id: Option<String>,
        nonce: Option<String>,
    ) -> Result<Resource<Lease>, Refusal> {
        self.room()?;
        let run_id = self.acting(run_id.as_deref())?.to_string();
        self.may_touch(&id).await?;
        let (queue, store) = self.library.queue();
        let answer = queue.call_resume(store, &id, Some(&run_id), nonce.as_deref()).await?;
        let handle = answer.map_err(|error| self.veiled(error))?;
        self.handle(handle).await
    }

    async fn cancel(
        &mut self,
        id: String,
        run_id: Option<String>,
        if_held: IfHeld,
        reason: Option<String>,
    ) -> Result<ClaimRecord, Refusal> {
        let run_id = self.acting(run_id.as_deref())?.to_string();
        self.may_touch(&id).await?;
        let (queue, store) = self.library.queue();
        let answer = queue.call_cancel(store, &id, Some(&run_id), if_held, reason.as_deref()).await?;
        let record = answer.map_err(|error| self.veiled(error))?;
        if record.status == Status::Cancelled {
            self.held.forget_task(&id);
        }
        Ok(record)
    }

    async fn retry(&mut self, id: String, options: RetryOptions) -> Result<Retried, Refusal> {
        // What waits for a task can be in any queue.
        if options.cascade && self.queue.is_some() {
            let message =
                "cascade may put back tasks of other queues, which this agent cannot reach: retry each by its id";
            return Err(Refusal::Refused(Error::BadArgs(message.to_owned())));
        }
        self.may_touch(&id).await?;
        let (queue, store) = self.library.queue();
        let answer = queue.call_retry(store, &id, options).await?;
        answer.map_err(|error| self.veiled(error))
    }

    async fn show(&mut self, id: String) -> Result<Shown, Refusal> {
        self.look(&id).await
    }

    /// By an instance of its own, so that the memory of a long listing is given back.
    async fn tasks(&mut self, filter: Filter) -> Result<Listing, Refusal> {
        let queue_name = self.chosen(filter.queue.clone())?;
        let filter = Filter { queue: queue_name, ..filter };
        let mut library = self.source.open(&self.leash).await?;
        let (queue, store) = library.queue();
        let answer = queue.call_tasks(store, &filter).await.map_err(too_long)?;
        let mut listing = answer.map_err(|error| self.veiled(error))?;
        if self.queue.is_some() {
            listing.counts = self.count(&mut library, filter.queue).await?;
            library.warnings().await?.iter().for_each(warn);
        } else {
            self.tell(library.warnings().await?);
        }
        Ok(listing)
    }

    /// Waits for those that the agent may see. The others are as if there were none, and so have ended.
    async fn wait(&mut self, ids: Vec<TaskId>, until: Until, timeout_seconds: Option<u32>) -> Result<Waited, Refusal> {
        let seen = self.all_seen(&ids).await?;
        let one_is_not_there = seen.len() < ids.len();
        let has_ended = until == Until::Any && one_is_not_there;
        let timeout_seconds = if has_ended { None } else { timeout_seconds };
        let (queue, store) = self.library.queue();
        let answer = queue.call_wait(store, &seen, until, timeout_seconds).await?;
        // It sweeps, as a claim does, and so meets tasks of any queue.
        self.set_warnings_aside().await?;
        let waited = answer.map_err(|error| self.veiled(error))?;
        let found = waited.items.into_iter().filter_map(|of| Some((of.task_id, of.item?)));
        let found: BTreeMap<TaskId, Item> = found.collect();
        let told = |task_id: TaskId| WaitedFor { item: found.get(&task_id).cloned(), task_id };
        Ok(Waited { timed_out: waited.timed_out && !has_ended, items: ids.into_iter().map(told).collect() })
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
    /// Claims a task, and notes it.
    async fn claim_one(&mut self, options: &ClaimOptions) -> Result<Option<Resource<Lease>>, Refusal> {
        let (queue, store) = self.library.queue();
        let answer = queue.call_claim(store, options).await?;
        match answer.map_err(|error| self.veiled(error))? {
            Some(handle) => Ok(Some(self.handle(handle).await?)),
            None => Ok(None),
        }
    }

    /// What the library answers to a number that is out of its limits: an error, in its own words.
    async fn refused_claims(&mut self, options: &ClaimOptions, max: u32) -> Result<Vec<Resource<Lease>>, Refusal> {
        let (queue, store) = self.library.queue();
        match queue.call_claim_many(store, options, max).await? {
            Ok(_) => Err(wasmtime::Error::msg("a claim of no number was answered").into()),
            Err(error) => Err(self.veiled(error)),
        }
    }

    /// A claim by this agent, from queues that it is given.
    fn own_claim(&self, options: ClaimOptions) -> Result<ClaimOptions, Refusal> {
        let run_id = self.acting(options.run_id.as_deref())?.to_string();
        let queues = self.all_chosen(options.queues.clone())?;
        Ok(ClaimOptions { run_id: Some(run_id), queues, ..options })
    }

    /// Those of these tasks that this agent may see. Where it may see all, the call to come finds out by itself.
    async fn all_seen(&mut self, ids: &[TaskId]) -> Result<Vec<TaskId>, Refusal> {
        if self.queue.is_none() {
            return Ok(ids.to_vec());
        }
        let mut seen = Vec::new();
        for id in ids {
            match self.look(id).await {
                Ok(_) => seen.push(id.clone()),
                Err(Refusal::Refused(Error::NotFound(_))) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(seen)
    }

    /// The counts of one queue.
    async fn count(&mut self, library: &mut Library, queue_name: Option<String>) -> Result<Counts, Refusal> {
        let all = every_task(queue_name, COUNTED);
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

    async fn late_results(&mut self, lease: Resource<Lease>) -> wasmtime::Result<Vec<Report>> {
        let handle = self.leases.get(&lease)?.handle;
        let (queue, store) = self.library.queue();
        queue.lease().call_late_results(store, handle).await
    }

    async fn heartbeat(
        &mut self,
        lease: Resource<Lease>,
        seconds: Option<u32>,
        progress: Option<Progress>,
    ) -> Result<ClaimRecord, Refusal> {
        let Lease { handle, holding } = self.lease(&lease)?;
        let (queue, store) = self.library.queue();
        let answer = queue.lease().call_heartbeat(store, handle, seconds, progress.as_ref()).await?;
        self.answered(&holding, answer)
    }

    async fn complete(&mut self, lease: Resource<Lease>, result: Option<String>) -> Result<ClaimRecord, Refusal> {
        let Lease { handle, holding } = self.lease(&lease)?;
        let (queue, store) = self.library.queue();
        let answer = queue.lease().call_complete(store, handle, result.as_ref()).await?;
        self.settled(&holding, answer)
    }

    async fn complete_and_enqueue(
        &mut self,
        lease: Resource<Lease>,
        result: Option<String>,
        follow_ups: Vec<NewTask>,
    ) -> Result<Completed, Refusal> {
        let Lease { handle, holding } = self.lease(&lease)?;
        let follow_ups = self.all_own(follow_ups).await?;
        self.may_add(follow_ups.len())?;
        self.set_warnings_aside().await?;
        let (queue, store) = self.library.queue();
        let answer = queue.lease().call_complete_and_enqueue(store, handle, result.as_ref(), &follow_ups).await?;
        self.count_added(follow_ups.len(), &answer, |completed| new_among(&completed.enqueued));
        self.tell_warnings().await?;
        self.settled(&holding, answer)
    }

    async fn fail(&mut self, lease: Resource<Lease>, reason: String, is_final: bool) -> Result<ClaimRecord, Refusal> {
        let Lease { handle, holding } = self.lease(&lease)?;
        let (queue, store) = self.library.queue();
        let answer = queue.lease().call_fail(store, handle, &reason, is_final).await?;
        self.settled(&holding, answer)
    }

    async fn release(&mut self, lease: Resource<Lease>, delay_seconds: Option<u32>) -> Result<Released, Refusal> {
        let Lease { handle, holding } = self.lease(&lease)?;
        let (queue, store) = self.library.queue();
        let answer = queue.lease().call_release(store, handle, delay_seconds).await?;
        self.settled(&holding, answer)
    }

    /// The lease runs on, and stays on the list of what the agent holds.
    async fn drop(&mut self, lease: Resource<Lease>) -> wasmtime::Result<()> {
        let Lease { handle, .. } = self.leases.delete(lease)?;
        self.handles -= 1;
        let (_, store) = self.library.queue();
        handle.resource_drop_async(store).await
    }
}

/// How many of these were not there before.
fn new_among(enqueued: &[Enqueued]) -> usize {
    enqueued.iter().filter(|enqueued| !enqueued.deduplicated).count()
}

/// All tasks of a queue, up to a number.
fn every_task(queue: Option<String>, limit: u32) -> Filter {
    Filter {
        status: None,
        queue,
        run_id: None,
        tags: Vec::new(),
        since: None,
        ended_since: None,
        sort: None,
        cursor: None,
        limit: Some(limit),
    }
}

/// How many of these have each status.
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

/// A listing fails in its own instance, and the agent can go on.
fn too_long(error: wasmtime::Error) -> Refusal {
    warn(format!("a listing failed: {:#}", error.root_cause()));
    Refusal::Refused(Error::Error("the listing is too long: ask for fewer tasks at once".to_string()))
}
