//! The interface `queue`.

use std::cell::RefCell;

use coord_core::name::RunId;
use coord_core::queue::{Cancelling, Claim, ClaimRecord, Claimed, Enqueued, Failing, Shown, Step, WaitingClaim};
use coord_core::request::{self, ClaimDraft, Draft, FilterDraft};
use coord_core::task::Task;
use coord_core::transition::{Claimant, IfHeld};
use coord_core::{Queue, TaskId};
use coord_store::DirStore;

use crate::Coord;
use crate::bindings::exports::muse::coord::queue as wit;
use crate::bindings::exports::muse::coord::queue::{Error, Guest, GuestLease};
use crate::instance::{self, Instance, Stopwatch, nonce, now};

impl Guest for Coord {
    type Lease = Lease;

    fn enqueue(new: wit::NewTask) -> Result<wit::Task, Error> {
        let (new, warnings) = Draft::from(new).check()?;
        Instance::with(|instance| {
            let Enqueued { task, .. } = instance.queue()?.enqueue(new, now(), nonce())?;
            instance.warn(warnings);
            Ok(task.into())
        })
    }

    fn claim(options: wit::ClaimOptions) -> Result<Option<wit::Lease>, Error> {
        let stopwatch = Stopwatch::start();
        let mut waiting = ClaimDraft::from(options).check()?;
        loop {
            // The instance is let go while the agent sleeps.
            match Instance::with(|instance| take_step(instance, &mut waiting, &stopwatch))? {
                Step::Sleep(time) => instance::sleep(time),
                Step::Done(claim) => {
                    let Claim { claimed, findings } = *claim;
                    Instance::with(|instance| instance.warn_of(&findings));
                    let run_id = &waiting.request().run_id;
                    return Ok(claimed.map(|claimed| Lease::handle(claimed, run_id.clone())));
                }
            }
        }
    }

    fn resume(id: String, run: Option<String>, claim_nonce: Option<String>) -> Result<wit::Lease, Error> {
        let run_id = request::run_id(run.as_deref())?;
        let id = request::task_id(&id)?;
        let claimant = Claimant { run_id: run_id.clone(), nonce: request::claim_nonce(claim_nonce.as_deref())? };
        Instance::with(|instance| {
            let queue = instance.queue()?;
            let record = queue.heartbeat(id, claimant, None, None, now(), nonce())?;
            let task = queue.task(id)?.ok_or(coord_core::Error::NotFound { id })?;
            Ok(Lease::handle(Claimed { task, record, orphans: Vec::new() }, run_id))
        })
    }

    fn cancel(id: String, run: Option<String>, force: bool) -> Result<wit::ClaimRecord, Error> {
        let run_id = request::run_id(run.as_deref())?;
        let id = request::task_id(&id)?;
        let if_held = if force { IfHeld::Force } else { IfHeld::Refuse };
        let cancelling = Cancelling { run_id, if_held, reason: None };
        Instance::with(|instance| Ok(instance.queue()?.cancel(id, cancelling, now(), nonce())?.into()))
    }

    fn show(id: String) -> Result<wit::Item, Error> {
        let id = request::task_id(&id)?;
        Instance::with(|instance| {
            let Shown { item, findings, .. } = instance.queue()?.show(id, now())?;
            instance.warn_of(&findings);
            Ok(item.into())
        })
    }

    fn tasks(filter: wit::Filter) -> Result<wit::Listing, Error> {
        let filter = FilterDraft::from(filter).check()?;
        Instance::with(|instance| {
            let listing = instance.queue()?.tasks(&filter, now())?;
            instance.warn_of(&listing.findings);
            Ok(listing.into())
        })
    }

    fn warnings() -> Vec<String> {
        Instance::with(Instance::take_warnings)
    }
}

fn take_step(instance: &mut Instance, waiting: &mut WaitingClaim, stopwatch: &Stopwatch) -> Result<Step, Error> {
    Ok(waiting.step(instance.queue()?, stopwatch.elapsed(), now(), nonce())?)
}

/// A task that was claimed. It acts only under the nonce of that very claim.
pub(crate) struct Lease {
    task: Task,
    claimant: Claimant,
    record: RefCell<ClaimRecord>,
}

impl Lease {
    /// A handle for whoever claimed.
    fn handle(Claimed { task, record, .. }: Claimed, run_id: RunId) -> wit::Lease {
        let claimant = Claimant { run_id, nonce: Some(record.claim_nonce) };
        wit::Lease::new(Lease { task, claimant, record: RefCell::new(record) })
    }

    /// Does something as the holder, and keeps what came of it.
    fn act(
        &self,
        act: impl FnOnce(&Queue<DirStore>, TaskId, Claimant) -> Result<ClaimRecord, coord_core::Error>,
    ) -> Result<wit::ClaimRecord, Error> {
        let record =
            Instance::with(|instance| Ok::<_, Error>(act(instance.queue()?, self.task.id, self.claimant.clone())?))?;
        self.record.replace(record.clone());
        Ok(record.into())
    }
}

impl GuestLease for Lease {
    fn task(&self) -> wit::Task {
        self.task.clone().into()
    }

    fn claim_record(&self) -> wit::ClaimRecord {
        self.record.borrow().clone().into()
    }

    fn heartbeat(&self, lease_seconds: Option<u32>) -> Result<wit::ClaimRecord, Error> {
        let lease_seconds = request::lease_seconds(lease_seconds.map(i64::from))?;
        self.act(|queue, id, claimant| queue.heartbeat(id, claimant, lease_seconds, None, now(), nonce()))
    }

    fn complete(&self, result: Option<String>) -> Result<wit::ClaimRecord, Error> {
        let result = result.as_deref().map(request::result).transpose()?;
        self.act(|queue, id, claimant| queue.complete(id, claimant, result, now(), nonce()))
    }

    fn fail(&self, reason: String) -> Result<wit::ClaimRecord, Error> {
        let failing = Failing { error: request::error(&reason)?, is_final: false };
        self.act(|queue, id, claimant| queue.fail(id, claimant, failing, now(), nonce()))
    }

    fn release(&self) -> Result<(), Error> {
        Instance::with(|instance| {
            instance.queue()?.release(self.task.id, self.claimant.clone(), 0, now(), nonce())?;
            Ok(())
        })
    }
}
