//! The queue's functions, as `js/src/queue.ts` and `js/src/lease.ts` call them.

use std::time::Duration;

use coord_core::layout::Dir;
use coord_core::queue::{Cancelling, Claim, Failing, Filter, Notice, Sort, Step, WaitingClaim};
use coord_core::request::{self, BadRequest, ClaimDraft, Draft, FilterDraft, Words};
use coord_core::transition::{Claimant, IfHeld};
use coord_core::{Error, Queue, TaskId, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::answer::{Answered, ClaimRecord, Item, Lease, Stats, Task, Tasks};
use crate::host::{Host, HostStore};
use crate::thrown::Thrown;

/// What the values are called here.
pub(crate) const WORDS: Words = Words {
    run_id: "runId",
    ttl_seconds: "ttlSeconds",
    lease_seconds: "leaseSeconds",
    wait_seconds: "wait",
    limit: "limit",
    max_attempts: "maxAttempts",
    backoff: "backoffSeconds",
    delay: "delaySeconds",
    payload: "payload",
    result: "result",
    error: "the reason",
};

/// A queue in the directory of a [`Host`].
#[wasm_bindgen]
pub struct CoordQueue(Queue<HostStore>);

/// A claim that goes on until there is a task or its time is over.
#[wasm_bindgen]
pub struct Waiting {
    claim: WaitingClaim,
    /// The directories that JavaScript was last told to watch.
    watched: Vec<Dir>,
}

#[wasm_bindgen]
impl CoordQueue {
    /// Opens it. Writes nothing.
    #[wasm_bindgen(constructor)]
    pub fn new(host: Host) -> Result<CoordQueue, Thrown> {
        Ok(CoordQueue(Queue::open(HostStore(host))?))
    }

    /// Makes the directory a queue if it is none yet. True if this call did.
    pub fn init(&self) -> Result<bool, Thrown> {
        Ok(self.0.init(self.now(), self.store().nonce())?)
    }

    /// Checks drafts, without adding them.
    pub fn check(&self, drafts: &str) -> Result<(), Thrown> {
        Ok(read::<Vec<Draft>>(drafts)?.iter().try_for_each(|draft| draft.check().map(drop))?)
    }

    /// Adds a task.
    pub fn enqueue(&self, draft: &str) -> Result<String, Thrown> {
        let (new, warnings) = read::<Draft>(draft)?.check()?;
        let answer = Task::from(self.0.enqueue(new, self.now(), self.store().nonce())?.task);
        told(Answered { answer, warnings })
    }

    /// Begins a claim.
    pub fn claim(&self, draft: &str) -> Result<Waiting, Thrown> {
        Ok(Waiting { claim: read::<ClaimDraft>(draft)?.check()?, watched: Vec::new() })
    }

    /// Takes up the lease of a task that was claimed earlier. It is a heartbeat, too.
    pub fn resume(&self, task_id: &str, run_id: Option<String>, claim_nonce: Option<String>) -> Result<String, Thrown> {
        let (id, claimant) = held(task_id, run_id.as_deref(), claim_nonce.as_deref())?;
        let record = self.0.heartbeat(id, claimant, None, None, self.now(), self.store().nonce())?;
        let task = self.0.task(id)?.ok_or(Error::NotFound { id })?;
        told(Answered::clean(Lease::new(task, record)))
    }

    pub fn heartbeat(
        &self,
        task_id: &str,
        run_id: &str,
        claim_nonce: &str,
        lease_seconds: Option<f64>,
    ) -> Result<String, Thrown> {
        let lease_seconds = request::lease_seconds(lease_seconds.map(|seconds| seconds as i64))?;
        let (id, claimant) = held(task_id, Some(run_id), Some(claim_nonce))?;
        let record = self.0.heartbeat(id, claimant, lease_seconds, None, self.now(), self.store().nonce())?;
        told(Answered::clean(ClaimRecord::from(record)))
    }

    /// What a heartbeat would be answered, without one.
    #[wasm_bindgen(js_name = stillHeld)]
    pub fn still_held(&self, task_id: &str, run_id: &str, claim_nonce: &str) -> Result<String, Thrown> {
        let (id, claimant) = held(task_id, Some(run_id), Some(claim_nonce))?;
        told(Answered::clean(ClaimRecord::from(self.0.still_held(id, claimant, self.now())?)))
    }

    pub fn complete(
        &self,
        task_id: &str,
        run_id: &str,
        claim_nonce: &str,
        result: Option<String>,
    ) -> Result<String, Thrown> {
        let result = result.as_deref().map(request::result).transpose()?;
        let (id, claimant) = held(task_id, Some(run_id), Some(claim_nonce))?;
        let record = self.0.complete(id, claimant, result, self.now(), self.store().nonce())?;
        told(Answered::clean(ClaimRecord::from(record)))
    }

    pub fn fail(&self, task_id: &str, run_id: &str, claim_nonce: &str, reason: &str) -> Result<String, Thrown> {
        let failing = Failing { error: request::error(reason)?, is_final: false };
        let (id, claimant) = held(task_id, Some(run_id), Some(claim_nonce))?;
        let record = self.0.fail(id, claimant, failing, self.now(), self.store().nonce())?;
        told(Answered::clean(ClaimRecord::from(record)))
    }

    pub fn release(&self, task_id: &str, run_id: &str, claim_nonce: &str) -> Result<String, Thrown> {
        let (id, claimant) = held(task_id, Some(run_id), Some(claim_nonce))?;
        self.0.release(id, claimant, 0, self.now(), self.store().nonce())?;
        told(Answered::clean(()))
    }

    pub fn cancel(&self, task_id: &str, run_id: Option<String>, force: bool) -> Result<String, Thrown> {
        let run_id = request::run_id(run_id.as_deref())?;
        let id = request::task_id(task_id)?;
        let if_held = if force { IfHeld::Force } else { IfHeld::Refuse };
        let cancelling = Cancelling { run_id, if_held, reason: None };
        let record = self.0.cancel(id, cancelling, self.now(), self.store().nonce())?;
        told(Answered::clean(ClaimRecord::from(record)))
    }

    /// One task and where it stands.
    pub fn show(&self, task_id: &str) -> Result<String, Thrown> {
        let shown = self.0.show(request::task_id(task_id)?, self.now())?;
        told(Answered::with(Item::from(shown.item), &shown.findings))
    }

    pub fn tasks(&self, filter: &str) -> Result<String, Thrown> {
        let filter = read::<FilterDraft>(filter)?.check()?;
        let mut listing = self.0.tasks(&filter, self.now())?;
        let findings = std::mem::take(&mut listing.findings);
        told(Answered::with(Tasks::new(listing, filter.limit), &findings))
    }

    /// How many tasks there are and where they stand. Opens no record.
    pub fn stats(&self) -> Result<String, Thrown> {
        let counts_only = Filter {
            status: None,
            queue: None,
            run_id: None,
            tags: Vec::new(),
            since: None,
            ended_since: None,
            sort: Sort::Claim,
            cursor: None,
            limit: 0,
        };
        told(Answered::clean(Stats::from(self.0.tasks(&counts_only, self.now())?.counts)))
    }

    fn store(&self) -> &HostStore {
        self.0.store()
    }

    fn now(&self) -> Timestamp {
        self.store().now()
    }
}

#[wasm_bindgen]
impl Waiting {
    /// Whether whoever takes the steps is told of every change in the directories, and so looks less often.
    #[wasm_bindgen(js_name = toldOfChanges)]
    pub fn told_of_changes(&mut self, every: bool) {
        self.claim.notice(if every { Notice::Every } else { Notice::None });
    }

    /// Looks for a task, `elapsed` milliseconds after the claim began. A number: so many milliseconds until the next look. A
    /// text: the answer.
    pub fn step(&mut self, queue: &CoordQueue, elapsed: f64) -> Result<JsValue, Thrown> {
        let elapsed = Duration::try_from_secs_f64(elapsed / 1_000.0).unwrap_or_default();
        match self.claim.step(&queue.0, elapsed, queue.now(), queue.store().nonce())? {
            Step::Sleep(time) => Ok(JsValue::from_f64(time.as_secs_f64() * 1_000.0)),
            Step::Done(claim) => {
                let Claim { claimed, findings } = *claim;
                let lease = claimed.map(|claimed| Lease::new(claimed.task, claimed.record));
                told(Answered::with(lease, &findings)).map(JsValue::from)
            }
        }
    }

    /// The directories in which a task that comes would be noticed, if they are others than they were the last time.
    #[wasm_bindgen(js_name = newlyWatched)]
    pub fn newly_watched(&mut self) -> Option<Vec<String>> {
        if self.claim.watched().eq(&self.watched) {
            return None;
        }
        self.watched = self.claim.watched().cloned().collect();
        Some(self.watched.iter().map(|dir| dir.as_str().to_string()).collect())
    }
}

/// The request in a JSON text. It says which field is not as it should be.
fn read<T: DeserializeOwned>(text: &str) -> Result<T, Thrown> {
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(text)).map_err(Thrown::malformed)
}

fn held(task_id: &str, run_id: Option<&str>, claim_nonce: Option<&str>) -> Result<(TaskId, Claimant), BadRequest> {
    let run_id = request::run_id(run_id)?;
    let id = request::task_id(task_id)?;
    Ok((id, Claimant { run_id, nonce: request::claim_nonce(claim_nonce)? }))
}

fn told<T: Serialize>(answer: Answered<T>) -> Result<String, Thrown> {
    serde_json::to_string(&answer).map_err(|error| Thrown::from(Error::Unencodable(error.into())))
}
