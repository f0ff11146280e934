//! The queue by the library: `coord-core` on `coord-store`, and its answers as `coord_core::answer` has them.

use std::path::Path;
use std::time::Duration;

use coord_core::answer;
use coord_core::queue::{
    Batch, Cancelling, EndStep, Failing, Gc, NewTask, Renewing, Retrying, Thoroughness, Until, WaitingEnd,
};
use coord_core::request::{self, BadRequest, ClaimDraft, Draft, Field, FilterDraft};
use coord_core::time::Clock;
use coord_core::transition::{Claimant, IfHeld, Refusal};
use coord_core::{Error, Queue, Store, TaskId, Timestamp, Turn};
use coord_store::{DirStore, Handle, Sync};
use muse_cli::host;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::call::{Call, Outcome, Refused, Verb};

/// The library's own queue, and how far its clock is ahead.
pub struct Native<S> {
    queue: Queue<S>,
    ahead: i64,
}

impl From<BadRequest> for Refused {
    fn from(bad: BadRequest) -> Refused {
        let message = bad.message(|field| field.name().to_string());
        Refused { code: bad.code().to_string(), message: Some(message), facts: Map::new() }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Refused {
        let (code, message) = (error.code().to_string(), Some(error.to_string()));
        Refused { code, message, facts: facts(&error) }
    }
}

impl Native<DirStore> {
    /// In a coordination directory, by a clock that is `ahead` seconds ahead.
    pub fn open(directory: &Path, ahead: i64) -> Native<DirStore> {
        let handle = Handle::open(directory).unwrap();
        Native::on(DirStore::new(handle, Sync::On), ahead)
    }
}

impl<S: Store> Native<S> {
    /// In any store.
    pub fn on(store: S, ahead: i64) -> Native<S> {
        Native { queue: Queue::open(store).unwrap(), ahead }
    }

    /// Makes a call.
    pub fn call(&self, call: &Call) -> Outcome {
        let Native { queue, .. } = self;
        let (now, turn) = (self.now(), &self.turn());
        match call.verb {
            Verb::Enqueue => told(answer::Enqueued::from(queue.enqueue(new_task(&call.with)?, turn)?)),
            Verb::EnqueueAll => {
                let (mut batch, mut enqueued) = (Batch::new(new_tasks(call.list("tasks"))?), Vec::new());
                while let Some(some) = batch.step(queue, &self.turn())? {
                    enqueued.extend(some.into_iter().map(answer::Enqueued::from));
                }
                told(enqueued)
            }
            Verb::Claim => told(self.claimed(&call.with)?),
            Verb::ClaimMany => self.claim_many(call),
            Verb::TakeUp | Verb::Heartbeat | Verb::Complete | Verb::Fail | Verb::Release => self.by_holder(call),
            Verb::Cancel => {
                let run_id = request::run_id(call.text("run_id"))?;
                let id = request::task_id(call.task_id())?;
                let if_held = match call.text("if_held") {
                    Some("request") => IfHeld::Request,
                    Some("force") => IfHeld::Force,
                    _ => IfHeld::Refuse,
                };
                let reason = call.text("reason").map(request::note).transpose()?;
                let cancelling = Cancelling { run_id, if_held, reason };
                told(queue.cancel(id, cancelling, turn)?)
            }
            Verb::Retry => {
                let retrying = Retrying { is_now: call.flag("now"), cascade: call.flag("cascade") };
                told(queue.retry(request::task_id(call.task_id())?, retrying, turn)?)
            }
            Verb::Show => told(answer::Shown::from(queue.show(request::task_id(call.task_id())?, now)?)),
            Verb::Tasks => {
                let filter = read::<FilterDraft>(&call.with).check()?;
                told(answer::Listing::new(queue.tasks(&filter, now)?, filter.limit, queue.settings()?))
            }
            Verb::Wait => self.wait(call),
            Verb::Pause => told(queue.pause(&request::queue(call.text("queue").unwrap())?, turn)?),
            Verb::Resume => told(queue.resume(&request::queue(call.text("queue").unwrap())?)?),
            Verb::Limit => {
                let name = request::queue(call.text("queue").unwrap())?;
                let max = call.number("max_in_flight").map(|max| Field::MaxInFlight.check(max)).transpose()?;
                told(queue.limit_in_flight(&name, max.map(|max| u32::try_from(max).unwrap()), turn)?)
            }
            Verb::Stats => {
                let window = Field::WindowSeconds.check(call.number("window_seconds").unwrap_or(3_600))?;
                told(answer::Stats::new(queue.stats(window, now)?, now))
            }
            Verb::Gc => {
                let older_than_seconds = Field::OlderThanSeconds.check(call.number("older_than_seconds").unwrap())?;
                let keep_last = usize::try_from(call.number("keep_last").unwrap_or(0)).unwrap();
                let gc = Gc { older_than_seconds, keep_last, dry_run: call.flag("dry_run") };
                told(queue.gc(gc, turn)?)
            }
        }
    }

    fn turn(&self) -> Turn<'_> {
        Turn::new(self, host::nonce().unwrap())
    }

    fn now(&self) -> Timestamp {
        let micros = host::now().micros().checked_add_signed(self.ahead * 1_000_000);
        Timestamp::from_micros(micros.unwrap())
    }

    fn claimed(&self, with: &Value) -> Result<Option<answer::Claimed>, Refused> {
        // What a scenario claims is there or never comes: no call of this list waits.
        let waiting = read::<ClaimDraft>(with).check()?;
        let claim = self.queue.claim(waiting.request(), Thoroughness::Full, &self.turn())?;
        Ok(claim.claimed.map(answer::Claimed::from))
    }

    fn claim_many(&self, call: &Call) -> Outcome {
        let mut with = call.with.clone();
        let max = with.as_object_mut().unwrap().remove("max").unwrap().as_i64().unwrap();
        read::<ClaimDraft>(&with).check()?;
        let max = usize::try_from(Field::Max.check(max)?).unwrap();
        let mut claims = Vec::new();
        while claims.len() < max
            && let Some(claimed) = self.claimed(&with)?
        {
            claims.push(claimed);
        }
        told(claims)
    }

    fn by_holder(&self, call: &Call) -> Outcome {
        let Native { queue, .. } = self;
        let run_id = request::run_id(call.text("run_id"))?;
        let id = request::task_id(call.task_id())?;
        let claimant = Claimant { run_id: run_id.clone(), nonce: request::claim_nonce(call.text("claim_nonce"))? };
        let (now, turn) = (self.now(), &self.turn());
        match call.verb {
            Verb::TakeUp => {
                let record = queue.heartbeat(id, claimant, Renewing::default(), turn)?;
                let shown = queue.show(id, now)?;
                let task = answer::Task::from(shown.item.task.clone());
                let late_results = answer::Shown::from(shown).late_results;
                told(answer::Claimed { record, task, late_results })
            }
            Verb::Heartbeat => {
                let seconds = request::lease_seconds(call.number("lease_seconds"))?;
                let progress = request::progress(call.with["progress"].as_f64(), call.text("note"))?;
                told(queue.heartbeat(id, claimant, Renewing { lease_seconds: seconds, progress }, turn)?)
            }
            Verb::Complete => {
                let result = call.with.get("result").map(|result| request::result(&result.to_string())).transpose()?;
                let Some(follow_ups) = call.with.get("follow_ups").and_then(Value::as_array) else {
                    return told(queue.complete(id, claimant, result, turn)?);
                };
                let follow_ups: Vec<Value> = follow_ups.iter().map(|new| by(new, run_id.as_str())).collect();
                let follow_ups = new_tasks(&follow_ups)?;
                let completed = queue.complete_and_enqueue(id, claimant, result, follow_ups, turn)?;
                told(answer::Completed::from(completed))
            }
            Verb::Fail => {
                let error = request::error(call.text("reason").unwrap_or_default())?;
                let failing = Failing { error, is_final: call.flag("is_final") };
                told(queue.fail(id, claimant, failing, turn)?)
            }
            _ => {
                let delay = Field::DelaySeconds.check(call.number("delay_seconds").unwrap_or(0))?;
                told(queue.release(id, claimant, delay, turn)?)
            }
        }
    }

    fn wait(&self, call: &Call) -> Outcome {
        let ids = call.list("task_ids").iter().map(|id| request::task_id(id.as_str().unwrap()));
        let ids = ids.collect::<Result<Vec<TaskId>, _>>()?;
        Field::TimeoutSeconds.check(call.number("timeout_seconds").unwrap())?;
        let until = if call.text("until") == Some("any") { Until::Any } else { Until::All };
        match WaitingEnd::new(ids, until, Duration::ZERO).step(&self.queue, Duration::ZERO, &self.turn())? {
            EndStep::Done(waited) => told(answer::Waited::from(*waited)),
            EndStep::Sleep(_) => panic!("it was asked to look once"),
        }
    }
}

impl<S: Store> Clock for Native<S> {
    fn now(&self) -> Timestamp {
        Native::now(self)
    }
}

fn told(answer: impl Serialize) -> Outcome {
    Ok(serde_json::to_value(answer).unwrap())
}

fn read<T: serde::de::DeserializeOwned>(with: &Value) -> T {
    serde_json::from_value(with.clone()).unwrap()
}

fn new_task(with: &Value) -> Result<NewTask, BadRequest> {
    Ok(Draft::from_json(&with.to_string())?.check()?.0)
}

fn new_tasks(tasks: &[Value]) -> Result<Vec<NewTask>, BadRequest> {
    tasks.iter().map(new_task).collect()
}

/// The task, enqueued by the holder if nobody else is named.
fn by(new: &Value, run_id: &str) -> Value {
    let mut new = new.clone();
    if new.get("run_id").is_none() {
        new["run_id"] = run_id.into();
    }
    new
}

/// What a program may act on.
fn facts(error: &Error) -> Map<String, Value> {
    let status = error.task_status();
    let facts = match error {
        Error::NotFound { id } | Error::NoParent { id } => json!({ "task_id": id }),
        Error::KeyTaken { id, by, .. } => json!({ "task_id": id, "status": status, "live_task_id": by }),
        Error::Refused { id, refusal, who } => {
            let mut facts = match refusal {
                Refusal::WrongOwner(holder) | Refusal::LeaseLost(holder) => json!({
                    "generation": holder.generation,
                    "claimed_at": holder.claimed_at,
                    "expires_at": holder.expires_at,
                }),
                Refusal::AlreadyEnded { ended_at, .. } => json!({ "ended_at": ended_at }),
                Refusal::NotClaimed(stands) | Refusal::NotEnded(stands) => {
                    json!({ "scheduled_at": stands.due, "blocked_on": stands.blocked_on })
                }
                _ => json!({}),
            };
            facts["task_id"] = json!(id);
            facts["status"] = json!(status);
            facts["run_id"] = json!(who);
            facts
        }
        _ => json!({}),
    };
    facts.as_object().unwrap().clone()
}
