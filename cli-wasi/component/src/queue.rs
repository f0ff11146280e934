//! The interface `queue`.

use std::cell::RefCell;
use std::time::Duration;

use coord_core::answer::{self, ClaimRecord, Claimed, Enqueued, Listing, Waited};
use coord_core::layout::Dir;
use coord_core::limits;
use coord_core::name::RunId;
use coord_core::queue::{
    self, Batch, Cancelling, Claim, EndStep, Failing, NewTask, Renewing, Retrying, Step, Thoroughness, WaitingClaim,
    WaitingEnd,
};
use coord_core::request::{self, ClaimDraft, Draft, Field, FilterDraft};
use coord_core::transition::Claimant;
use coord_core::{Queue, TaskId};

use crate::Coord;
use crate::bindings::exports::muse::coord::queue as wit;
use crate::bindings::exports::muse::coord::queue::{Error, Guest, GuestLease};
use crate::convert::{at_place, reports};
use crate::instance::{Instance, Stopwatch, turn};
use crate::medium::{QueueStore, Sleep, now};

impl Guest for Coord {
    type Lease = Lease;

    fn enqueue(new: wit::NewTask) -> Result<wit::Enqueued, Error> {
        let (new, warnings) = Draft::from(new).check()?;
        Instance::with(|instance| {
            let enqueued = instance.queue()?.enqueue(new, &turn())?;
            instance.warn(warnings);
            Ok(Enqueued::from(enqueued).into())
        })
    }

    fn enqueue_all(tasks: Vec<wit::NewTask>) -> Result<Vec<wit::Enqueued>, Error> {
        let (new, warnings) = all_checked("tasks", tasks.into_iter().map(Draft::from).collect())?;
        let (mut batch, mut enqueued) = (Batch::new(new), Vec::new());
        Instance::with(|instance| {
            while let Some(some) = batch.step(instance.queue()?, &turn())? {
                enqueued.extend(some.into_iter().map(|one| Enqueued::from(one).into()));
            }
            instance.warn(warnings);
            Ok(enqueued)
        })
    }

    fn claim(options: wit::ClaimOptions) -> Result<Option<wit::Lease>, Error> {
        let mut waiting = ClaimDraft::from(options).check()?;
        let claimed = wait_for_one(&mut waiting)?;
        Ok(claimed.map(|claimed| Lease::handle(claimed, waiting.request().run_id.clone())))
    }

    fn claim_many(options: wit::ClaimOptions, max: u32) -> Result<Vec<wit::Lease>, Error> {
        let mut waiting = ClaimDraft::from(options).check()?;
        let max = usize::try_from(Field::Max.check(max.into())?).unwrap_or(usize::MAX);
        let mut claimed: Vec<queue::Claimed> = wait_for_one(&mut waiting)?.into_iter().collect();
        Instance::with(|instance| {
            while !claimed.is_empty() && claimed.len() < max {
                let Claim { claimed: another, findings, .. } =
                    match instance.queue()?.claim(waiting.request(), Thoroughness::Full, &turn()) {
                        Ok(claim) => claim,
                        // Those before are the caller's, who would not learn of them by an error.
                        Err(error) => {
                            instance.warn([format!("no more than {} tasks were claimed: {error}", claimed.len())]);
                            break;
                        }
                    };
                instance.warn_of(&findings);
                match another {
                    Some(another) => claimed.push(another),
                    None => break,
                }
            }
            Ok::<_, Error>(())
        })?;
        let handle = |claimed| Lease::handle(claimed, waiting.request().run_id.clone());
        Ok(claimed.into_iter().map(handle).collect())
    }

    fn resume(id: String, run: Option<String>, claim_nonce: Option<String>) -> Result<wit::Lease, Error> {
        let run_id = request::run_id(run.as_deref())?;
        let id = request::task_id(&id)?;
        let claimant = Claimant { run_id: run_id.clone(), nonce: request::claim_nonce(claim_nonce.as_deref())? };
        Instance::with(|instance| {
            let queue = instance.queue()?;
            let record = queue.heartbeat(id, claimant, Renewing::default(), &turn())?;
            let queue::Shown { item, late_results, findings, .. } = queue.show(id, now())?;
            instance.warn_of(&findings);
            Ok(Lease::handle(queue::Claimed { task: item.task, record, late_results }, run_id))
        })
    }

    fn cancel(
        id: String,
        run: Option<String>,
        if_held: wit::IfHeld,
        reason: Option<String>,
    ) -> Result<wit::ClaimRecord, Error> {
        let run_id = request::run_id(run.as_deref())?;
        let id = request::task_id(&id)?;
        let reason = reason.as_deref().map(request::note).transpose()?;
        let cancelling = Cancelling { run_id, if_held: if_held.into(), reason };
        Instance::with(|instance| Ok(instance.queue()?.cancel(id, cancelling, &turn())?.into()))
    }

    fn retry(id: String, options: wit::RetryOptions) -> Result<wit::Retried, Error> {
        let id = request::task_id(&id)?;
        let retrying = Retrying { is_now: options.now, cascade: options.cascade };
        let retried = Instance::with(|instance| Ok::<_, Error>(instance.queue()?.retry(id, retrying, &turn())?))?;
        Ok(retried.into())
    }

    fn show(id: String) -> Result<wit::Shown, Error> {
        let id = request::task_id(&id)?;
        Instance::with(|instance| {
            let mut shown = instance.queue()?.show(id, now())?;
            instance.warn_of(&std::mem::take(&mut shown.findings));
            Ok(answer::Shown::from(shown).into())
        })
    }

    fn tasks(filter: wit::Filter) -> Result<wit::Listing, Error> {
        let filter = FilterDraft::from(filter).check()?;
        Instance::with(|instance| {
            let mut listing = instance.queue()?.tasks(&filter, now())?;
            instance.warn_of(&std::mem::take(&mut listing.findings));
            Ok(Listing::new(listing, filter.limit, Default::default()).into())
        })
    }

    fn wait(ids: Vec<String>, until: wit::Until, timeout_seconds: Option<u32>) -> Result<wit::Waited, Error> {
        let stopwatch = Stopwatch::start();
        few_enough("task-ids", ids.len())?;
        let ids = ids.iter().map(|id| request::task_id(id)).collect::<Result<_, _>>()?;
        let timeout = Field::TimeoutSeconds.check(timeout_seconds.unwrap_or(0).into())?;
        let mut sleep = Sleep::default();
        let mut waiting = WaitingEnd::new(ids, until.into(), Duration::from_secs(timeout.unsigned_abs()));
        loop {
            let step = Instance::with(|instance| {
                Ok::<_, Error>(waiting.step(instance.queue()?, stopwatch.elapsed(), &turn())?)
            })?;
            match step {
                EndStep::Sleep(time) => {
                    watch(&mut sleep, waiting.watched())?;
                    waiting.notice(sleep.sleep(time));
                }
                EndStep::Done(mut waited) => {
                    Instance::with(|instance| instance.warn_of(&std::mem::take(&mut waited.findings)));
                    return Ok(Waited::from(*waited).into());
                }
            }
        }
    }

    fn warnings() -> Vec<String> {
        Instance::with(Instance::take_warnings)
    }
}

/// Claims a task, or waits until there is one.
fn wait_for_one(waiting: &mut WaitingClaim) -> Result<Option<queue::Claimed>, Error> {
    let stopwatch = Stopwatch::start();
    let mut sleep = Sleep::default();
    loop {
        // The instance is let go while the agent sleeps.
        match Instance::with(|instance| take_step(instance, waiting, &stopwatch))? {
            Step::Sleep(time) => {
                watch(&mut sleep, waiting.watched())?;
                waiting.notice(sleep.sleep(time));
            }
            Step::Done(claim) => {
                let Claim { claimed, closed, findings } = *claim;
                Instance::with(|instance| {
                    instance.warn_of(&findings);
                    instance.warn(closed.reasons());
                });
                return Ok(claimed);
            }
        }
    }
}

fn watch(sleep: &mut Sleep, dirs: impl Iterator<Item = Dir>) -> Result<(), Error> {
    Instance::with(|instance| {
        sleep.watch(instance.queue()?.store(), dirs);
        Ok(())
    })
}

fn take_step(instance: &mut Instance, waiting: &mut WaitingClaim, stopwatch: &Stopwatch) -> Result<Step, Error> {
    Ok(waiting.step(instance.queue()?, stopwatch.elapsed(), &turn())?)
}

/// The tasks, if each is within its limits, and what was cut off them. Whatever is told of one names its place.
fn all_checked(name: &str, drafts: Vec<Draft>) -> Result<(Vec<NewTask>, Vec<String>), Error> {
    few_enough(name, drafts.len())?;
    let (mut new, mut warnings) = (Vec::new(), Vec::new());
    for (place, draft) in drafts.iter().enumerate() {
        let place = format!("{name}[{place}]");
        let (task, cuts) = draft.check().map_err(|bad| at_place(&place, &bad))?;
        new.push(task);
        warnings.extend(cuts.iter().map(|cut| format!("{place}: {cut}")));
    }
    Ok((new, warnings))
}

fn few_enough(name: &str, given: usize) -> Result<(), Error> {
    match given <= limits::BATCH {
        true => Ok(()),
        false => Err(Error::BadArgs(format!("too many {name}: {given} (max {})", limits::BATCH))),
    }
}

/// A task that was claimed. It acts only under the nonce of that very claim.
pub(crate) struct Lease {
    id: TaskId,
    claimant: Claimant,
    claimed: RefCell<Claimed>,
}

impl Lease {
    /// A handle for whoever claimed.
    fn handle(claimed: queue::Claimed, run_id: RunId) -> wit::Lease {
        let claimed = Claimed::from(claimed);
        let claimant = Claimant { run_id, nonce: Some(claimed.record.claim_nonce) };
        wit::Lease::new(Lease { id: claimed.record.task_id, claimant, claimed: RefCell::new(claimed) })
    }

    /// Does something as the holder, and keeps what came of it.
    fn act(
        &self,
        act: impl FnOnce(&Queue<QueueStore>, TaskId, Claimant) -> Result<ClaimRecord, coord_core::Error>,
    ) -> Result<wit::ClaimRecord, Error> {
        let record =
            Instance::with(|instance| Ok::<_, Error>(act(instance.queue()?, self.id, self.claimant.clone())?))?;
        Ok(self.keep(record))
    }

    /// Keeps the answer, as the claim stands from now on.
    fn keep(&self, record: ClaimRecord) -> wit::ClaimRecord {
        self.claimed.borrow_mut().record = record.clone();
        record.into()
    }
}

impl GuestLease for Lease {
    fn task(&self) -> wit::Task {
        self.claimed.borrow().task.clone().into()
    }

    fn claim_record(&self) -> wit::ClaimRecord {
        self.claimed.borrow().record.clone().into()
    }

    fn late_results(&self) -> Vec<wit::Report> {
        reports(self.claimed.borrow().late_results.clone())
    }

    fn heartbeat(
        &self,
        lease_seconds: Option<u32>,
        progress: Option<wit::Progress>,
    ) -> Result<wit::ClaimRecord, Error> {
        let lease_seconds = request::lease_seconds(lease_seconds.map(i64::from))?;
        let progress = match progress {
            Some(wit::Progress { progress, note }) => request::progress(progress, note.as_deref())?,
            None => None,
        };
        self.act(|queue, id, claimant| queue.heartbeat(id, claimant, Renewing { lease_seconds, progress }, &turn()))
    }

    fn complete(&self, result: Option<String>) -> Result<wit::ClaimRecord, Error> {
        let result = result.as_deref().map(request::result).transpose()?;
        self.act(|queue, id, claimant| queue.complete(id, claimant, result, &turn()))
    }

    fn complete_and_enqueue(
        &self,
        result: Option<String>,
        follow_ups: Vec<wit::NewTask>,
    ) -> Result<wit::Completed, Error> {
        let result = result.as_deref().map(request::result).transpose()?;
        let by_holder = |new: wit::NewTask| {
            let draft = Draft::from(new);
            Draft { run_id: draft.run_id.or_else(|| Some(self.claimant.run_id.as_str().to_string())), ..draft }
        };
        let (follow_ups, warnings) = all_checked("follow-ups", follow_ups.into_iter().map(by_holder).collect())?;
        Instance::with(|instance| {
            let (id, claimant) = (self.id, self.claimant.clone());
            let completed = instance.queue()?.complete_and_enqueue(id, claimant, result, follow_ups, &turn())?;
            instance.warn(warnings);
            let completed = answer::Completed::from(completed);
            self.keep(completed.record.clone());
            Ok(completed.into())
        })
    }

    fn fail(&self, reason: String, is_final: bool) -> Result<wit::ClaimRecord, Error> {
        let failing = Failing { error: request::error(&reason)?, is_final };
        self.act(|queue, id, claimant| queue.fail(id, claimant, failing, &turn()))
    }

    fn release(&self, delay_seconds: Option<u32>) -> Result<wit::Released, Error> {
        let delay_seconds = Field::DelaySeconds.check(delay_seconds.map_or(0, i64::from))?;
        Instance::with(|instance| {
            let (id, claimant) = (self.id, self.claimant.clone());
            let released = instance.queue()?.release(id, claimant, delay_seconds, &turn())?;
            Ok(released.into())
        })
    }
}
