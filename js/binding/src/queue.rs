//! The queue's functions, as `js/src/queue.ts` and `js/src/lease.ts` call them.

mod runs;
mod settings;
mod steps;

use std::cell::{Ref, RefCell};
use std::rc::Rc;
use std::time::Duration;

use coord_core::answer::{Claimed, Completed, Enqueued, Listing, Shown, Stats};
use coord_core::layout::{self, Dir, StateDir};
use coord_core::queue::{self, Batch, Cancelling, Failing, Gc, NewTask};
use coord_core::queue::{Renewing, Retrying, TaskWatch, Until, WaitingClaim, WaitingEnd};
use coord_core::request::{self, BadRequest, ClaimDraft, Draft, Field, FilterDraft};
use coord_core::time::Clock;
use coord_core::transition::{Claimant, IfHeld};
use coord_core::{Error, Queue, TaskId, Timestamp, Turn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::answer::Answered;
use crate::engine::Client;
use crate::host::{Host, HostStore};
use crate::medium::Medium;
use crate::thrown::{Thrown, in_camel_case};

/// What a field is called here.
pub(crate) fn name_of(field: Field) -> String {
    match field {
        Field::WaitSeconds => "wait".to_string(),
        Field::Error => "the reason".to_string(),
        field => in_camel_case(field.name()),
    }
}

/// A queue in the directory of a [`Host`], or on an engine.
#[wasm_bindgen]
pub struct CoordQueue {
    /// `None`: it has not been opened. On an engine the first call does that.
    queue: RefCell<Option<Queue<Medium>>>,
    /// On an engine: as it was before the call.
    before: RefCell<Option<Queue<Medium>>>,
    medium: Medium,
    /// What the last claim that found nothing was told of queues that are closed.
    told: Rc<RefCell<Vec<String>>>,
}

/// Where the task of a lease stood at the end of a call: see [`coord_core::queue::LeaseHint`].
#[wasm_bindgen]
pub struct Hint(queue::LeaseHint);

/// How many tasks of a batch are enqueued while nothing else runs in JavaScript: with sync on, some tens of
/// milliseconds.
const STEP: usize = 32;

/// Many tasks that are being enqueued.
#[wasm_bindgen]
pub struct Enqueuing {
    batch: Batch,
    warnings: Vec<String>,
}

/// A claim that goes on until there is a task or its time is over.
#[wasm_bindgen]
pub struct Waiting {
    claim: WaitingClaim,
    /// The directories that JavaScript was last told to watch.
    watched: Vec<Dir>,
    /// How many milliseconds there are until the next look.
    #[wasm_bindgen(readonly)]
    pub pause: f64,
}

/// A wait that goes on until tasks have ended or its time is over.
#[wasm_bindgen]
pub struct Ending {
    wait: WaitingEnd,
    watched: Vec<Dir>,
}

/// A look at what has become of tasks since the last one.
#[wasm_bindgen]
pub struct Watching(TaskWatch);

#[wasm_bindgen]
impl CoordQueue {
    /// Opens it. Writes nothing.
    #[wasm_bindgen(constructor)]
    pub fn new(host: Host) -> Result<CoordQueue, Thrown> {
        let medium = Medium::Directory(Rc::new(HostStore(host)));
        let queue = CoordQueue::of(medium, Rc::default());
        queue.queue()?;
        Ok(queue)
    }

    /// Makes the directory a queue if it is none yet. True if this call did.
    pub fn init(&self) -> Result<bool, Thrown> {
        Ok(self.queue()?.init(&self.turn())?)
    }

    /// Adds a task.
    pub fn enqueue(&self, draft: &str) -> Result<String, Thrown> {
        let (new, warnings) = read::<Draft>(draft)?.check()?;
        let answer = Enqueued::from(self.queue()?.enqueue(new, &self.turn())?);
        told(Answered { answer, warnings })
    }

    /// Checks drafts, a text each, and begins to add them.
    #[wasm_bindgen(js_name = enqueueMany)]
    pub fn enqueue_many(&self, drafts: Vec<String>) -> Result<Enqueuing, Thrown> {
        let (new, warnings) = checked(&drafts)?;
        Ok(Enqueuing { batch: Batch::new(new).in_steps_of(STEP), warnings })
    }

    /// Looks for a task. A text: the answer. Otherwise the claim waits for one.
    ///
    /// `choice` has those fields of a draft that say among which tasks, if it says so: most claims take any, and need
    /// no text.
    #[wasm_bindgen(unchecked_return_type = "string | Waiting")]
    pub fn claim(
        &self,
        run_id: Option<String>,
        lease_seconds: Option<f64>,
        wait_seconds: Option<f64>,
        choice: Option<String>,
    ) -> Result<JsValue, Thrown> {
        let choice = choice.as_deref().map(read::<ClaimDraft>).transpose()?.unwrap_or_default();
        let (lease_seconds, wait_seconds) = (lease_seconds.map(whole), wait_seconds.map(whole));
        let claim = ClaimDraft { run_id, lease_seconds, wait_seconds, ..choice }.check()?;
        let mut waiting = Waiting { claim, watched: Vec::new(), pause: 0.0 };
        Ok(waiting.step(self, 0.0)?.map_or_else(|| JsValue::from(waiting), JsValue::from))
    }

    /// Takes up the lease of a task that was claimed earlier. It is a heartbeat, too.
    pub fn resume(&self, task_id: &str, run_id: Option<String>, claim_nonce: Option<String>) -> Result<String, Thrown> {
        let (id, claimant) = held(task_id, run_id.as_deref(), claim_nonce.as_deref())?;
        let record = self.queue()?.heartbeat(id, claimant, Renewing::default(), &self.turn())?;
        let queue::Shown { item, late_results, findings, .. } = self.queue()?.show(id, self.now())?;
        told(Answered::with(Claimed::from(queue::Claimed { task: item.task, record, late_results }), &findings))
    }

    pub fn heartbeat(
        &self,
        task_id: &str,
        run_id: &str,
        claim_nonce: &str,
        lease_seconds: Option<f64>,
        progress: Option<f64>,
        note: Option<String>,
    ) -> Result<String, Thrown> {
        let lease_seconds = request::lease_seconds(lease_seconds.map(whole))?;
        let progress = request::progress(progress, note.as_deref())?;
        let (id, claimant) = held(task_id, Some(run_id), Some(claim_nonce))?;
        let record = self.queue()?.heartbeat(id, claimant, Renewing { lease_seconds, progress }, &self.turn())?;
        told(Answered::clean(record))
    }

    /// What a heartbeat would be answered, without one.
    #[wasm_bindgen(js_name = stillHeld)]
    pub fn still_held(&self, task_id: &str, run_id: &str, claim_nonce: &str) -> Result<String, Thrown> {
        let (id, claimant) = held(task_id, Some(run_id), Some(claim_nonce))?;
        told(Answered::clean(self.queue()?.still_held(id, claimant, self.now())?))
    }

    /// Completes a task, and with drafts enqueues these in the same step. The result is not told: JavaScript has its
    /// text.
    pub fn complete(
        &self,
        task_id: &str,
        run_id: &str,
        claim_nonce: &str,
        result: Option<String>,
        drafts: Vec<String>,
    ) -> Result<String, Thrown> {
        let result = result.as_deref().map(request::result).transpose()?;
        let (follow_ups, warnings) = checked(&drafts)?;
        let (id, claimant) = held(task_id, Some(run_id), Some(claim_nonce))?;
        let turn = self.turn();
        let mut completed = if follow_ups.is_empty() {
            queue::Completed { record: self.queue()?.complete(id, claimant, result, &turn)?, enqueued: Vec::new() }
        } else {
            self.queue()?.complete_and_enqueue(id, claimant, result, follow_ups, &turn)?
        };
        completed.record.result = None;
        told(Answered { answer: Completed::from(completed), warnings })
    }

    pub fn fail(
        &self,
        task_id: &str,
        run_id: &str,
        claim_nonce: &str,
        reason: &str,
        is_final: bool,
    ) -> Result<String, Thrown> {
        let failing = Failing { error: request::error(reason)?, is_final };
        let (id, claimant) = held(task_id, Some(run_id), Some(claim_nonce))?;
        let record = self.queue()?.fail(id, claimant, failing, &self.turn())?;
        told(Answered::clean(record))
    }

    pub fn release(
        &self,
        task_id: &str,
        run_id: &str,
        claim_nonce: &str,
        delay_seconds: Option<f64>,
    ) -> Result<String, Thrown> {
        let delay_seconds = Field::DelaySeconds.check(delay_seconds.map_or(0, whole))?;
        let (id, claimant) = held(task_id, Some(run_id), Some(claim_nonce))?;
        let released = self.queue()?.release(id, claimant, delay_seconds, &self.turn())?;
        told(Answered::clean(released))
    }

    /// Calls a task off; one that another agent holds only by `force`, or with `request` by asking that agent.
    pub fn cancel(
        &self,
        task_id: &str,
        run_id: Option<String>,
        force: bool,
        request: bool,
        reason: Option<String>,
    ) -> Result<String, Thrown> {
        let run_id = request::run_id(run_id.as_deref())?;
        let id = request::task_id(task_id)?;
        let if_held = match (force, request) {
            (true, _) => IfHeld::Force,
            (false, true) => IfHeld::Request,
            (false, false) => IfHeld::Refuse,
        };
        let cancelling = Cancelling { run_id, if_held, reason: reason.as_deref().map(request::note).transpose()? };
        let record = self.queue()?.cancel(id, cancelling, &self.turn())?;
        told(Answered::clean(record))
    }

    /// Puts a task back, to be claimed at once if `is_now`; with `cascade` what was cancelled because of it, too.
    pub fn retry(&self, task_id: &str, is_now: bool, cascade: bool) -> Result<String, Thrown> {
        let retrying = Retrying { is_now, cascade };
        let retried = self.queue()?.retry(request::task_id(task_id)?, retrying, &self.turn())?;
        told(Answered::clean(retried))
    }

    /// One task, where it stands, and all that was reported of it.
    pub fn show(&self, task_id: &str) -> Result<String, Thrown> {
        let mut shown = self.queue()?.show(request::task_id(task_id)?, self.now())?;
        let findings = std::mem::take(&mut shown.findings);
        told(Answered::with(Shown::from(shown), &findings))
    }

    pub fn tasks(&self, filter: &str) -> Result<String, Thrown> {
        let filter = read::<FilterDraft>(filter)?.check()?;
        let mut listing = self.queue()?.tasks(&filter, self.now())?;
        let findings = std::mem::take(&mut listing.findings);
        let answer = Listing::new(listing, filter.limit, self.queue()?.settings()?);
        told(Answered::with(answer, &findings))
    }

    /// Begins a wait for the end of all these tasks, or of any.
    pub fn wait(&self, task_ids: Vec<String>, any: bool, seconds: f64) -> Result<Ending, Thrown> {
        let ids = task_ids.iter().map(|id| request::task_id(id)).collect::<Result<Vec<_>, _>>()?;
        let until = if any { Until::Any } else { Until::All };
        let watched = ids.iter().map(|id| layout::shard_of(StateDir::Done, *id)).collect();
        let seconds = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        Ok(Ending { wait: WaitingEnd::new(ids, until, seconds), watched })
    }

    /// Begins to follow the tasks of a queue or of all that have these tags.
    pub fn watch(&self, queue: Option<String>, tags: Vec<String>) -> Result<Watching, Thrown> {
        let queue = queue.as_deref().map(request::queue).transpose()?;
        let tags = tags.iter().map(|tag| tag.parse().map_err(BadRequest::Name)).collect::<Result<_, _>>()?;
        Ok(Watching(TaskWatch::new(queue, tags)))
    }

    pub fn stats(&self, window_seconds: f64) -> Result<String, Thrown> {
        let now = self.now();
        let mut stats = self.queue()?.stats(whole(window_seconds), now)?;
        let findings = std::mem::take(&mut stats.findings);
        told(Answered::with(Stats::new(stats, now), &findings))
    }

    pub fn gc(&self, older_than_seconds: f64, keep_last: f64, dry_run: bool) -> Result<String, Thrown> {
        let (older_than_seconds, keep_last) = (whole(older_than_seconds), keep_last as usize);
        let collected = self.queue()?.gc(Gc { older_than_seconds, keep_last, dry_run }, &self.turn())?;
        told(Answered::clean(collected))
    }
}

impl CoordQueue {
    /// A queue that has not been opened.
    pub(crate) fn of(medium: Medium, told: Rc<RefCell<Vec<String>>>) -> CoordQueue {
        CoordQueue { queue: RefCell::default(), before: RefCell::default(), medium, told }
    }

    #[cfg(feature = "conformance")]
    pub(crate) fn medium(&self) -> &Medium {
        &self.medium
    }

    /// Fails as the first call would, if it cannot be opened.
    pub(crate) fn open(&self) -> Result<(), Error> {
        self.queue().map(drop)
    }

    fn queue(&self) -> Result<Ref<'_, Queue<Medium>>, Error> {
        if self.queue.borrow().is_none() {
            let opened = Queue::open(self.medium.clone())?;
            self.queue.replace(Some(opened));
        }
        Ref::filter_map(self.queue.borrow(), Option::as_ref).map_err(|_| Error::Contended)
    }

    fn now(&self) -> Timestamp {
        self.medium.now()
    }

    fn turn(&self) -> Turn<'_> {
        self.medium.turn()
    }

    /// True if what the run has come to counts for nothing.
    fn is_void(&self) -> bool {
        self.medium.client().is_some_and(Client::is_void)
    }

    /// The next run remembers what the first one did.
    fn go_back(&self) {
        self.queue.replace(self.before.borrow().clone());
    }

    /// Has what goes on over several calls take a step. It stays as it was if the run counts for nothing.
    fn step<T: Clone, A>(
        &self,
        going_on: &mut T,
        step: impl FnOnce(&Queue<Medium>, &mut T) -> Result<A, Error>,
    ) -> Result<A, Error> {
        let before = self.medium.client().map(|_| going_on.clone());
        let answer = self.queue().and_then(|queue| step(&queue, going_on));
        if let Some(before) = before.filter(|_| self.is_void()) {
            *going_on = before;
        }
        answer
    }

    /// Why nothing is claimed from queues that are closed, each told once until it is no longer so: a worker claims
    /// again and again.
    fn not_yet_told(&self, reasons: Vec<String>) -> Vec<String> {
        if self.is_void() {
            return Vec::new();
        }
        let before = self.told.replace(reasons.clone());
        reasons.into_iter().filter(|reason| !before.contains(reason)).collect()
    }
}

/// The request in a JSON text that has each of its fields on a line of its own. It says which field is not as it should
/// be.
fn read<T: DeserializeOwned>(text: &str) -> Result<T, Thrown> {
    serde_json::from_str(text).map_err(|error| Thrown::malformed(text, &error))
}

/// The tasks of drafts, a text each, and what was cut off them.
fn checked(drafts: &[String]) -> Result<(Vec<NewTask>, Vec<String>), Thrown> {
    let (mut tasks, mut warnings) = (Vec::new(), Vec::new());
    for (index, draft) in drafts.iter().enumerate() {
        let checked = read(draft).and_then(|draft: Draft| Ok(draft.check()?));
        let (new, cuts) = checked.map_err(|thrown| thrown.of_task(index))?;
        tasks.push(new);
        warnings.extend(cuts);
    }
    Ok((tasks, warnings))
}

fn held(task_id: &str, run_id: Option<&str>, claim_nonce: Option<&str>) -> Result<(TaskId, Claimant), BadRequest> {
    let run_id = request::run_id(run_id)?;
    let id = request::task_id(task_id)?;
    Ok((id, Claimant { run_id, nonce: request::claim_nonce(claim_nonce)? }))
}

fn told<T: Serialize>(answer: Answered<T>) -> Result<String, Thrown> {
    answer.json().map_err(|error| Thrown::from(Error::Unencodable(error.into())))
}

/// JavaScript has seen to it that the number is a whole one.
fn whole(number: f64) -> i64 {
    number as i64
}
