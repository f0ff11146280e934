//! A face for `tests/tests/faces`: each line of standard input asks for a call, `{"call": "show", "with": {…}}`, and
//! is answered by a line: `{"answer": …}`, or `{"refused": …}`, or `{"broken": "why"}` if it was no call.
//!
//! The records of `wit/` are read and written as serde derives it, so that a new field needs no line here.
#![allow(clippy::print_stdout, reason = "what it prints is its answer")]

use std::collections::BTreeMap;
use std::io;
use std::process::ExitCode;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::bindings::muse::coord::queue::{self, Error, IfHeld, Lease, NewTask, Until};

/// By task id and run id.
type Leases = BTreeMap<(String, String), Lease>;

/// Why there is no answer.
enum Refusal {
    /// The queue refused.
    Refused(Error),
    /// The line asked for nothing that there is.
    Broken(String),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        Refusal::Refused(error)
    }
}

impl From<serde_json::Error> for Refusal {
    fn from(error: serde_json::Error) -> Refusal {
        Refusal::Broken(error.to_string())
    }
}

type Answer = Result<Value, Refusal>;

/// Answers until there is no further line.
pub(crate) fn answer() -> ExitCode {
    let mut leases = Leases::new();
    for line in io::stdin().lines() {
        let answer =
            match line.map_err(|error| Refusal::Broken(error.to_string())).and_then(|line| one(&line, &mut leases)) {
                Ok(answer) => json!({ "answer": answer }),
                Err(Refusal::Refused(error)) => json!({ "refused": error }),
                Err(Refusal::Broken(why)) => json!({ "broken": why }),
            };
        println!("{answer}");
    }
    ExitCode::SUCCESS
}

fn one(line: &str, leases: &mut Leases) -> Answer {
    let question: Value = serde_json::from_str(line)?;
    let with = question.get("with").unwrap_or(&Value::Null);
    match question.get("call").and_then(Value::as_str).unwrap_or_default() {
        "enqueue" => told(queue::enqueue(&read(with)?)),
        "enqueue_all" => told(queue::enqueue_all(&field::<Vec<NewTask>>(with, "tasks")?)),
        "claim" => match queue::claim(&read(with)?)? {
            Some(lease) => kept(lease, leases),
            None => Ok(Value::Null),
        },
        "claim_many" => {
            let claimed = queue::claim_many(&read(with)?, field(with, "max")?)?;
            claimed.into_iter().map(|lease| kept(lease, leases)).collect()
        }
        "take_up" => {
            let (id, run_id, nonce) =
                (field::<String>(with, "task_id")?, text(with, "run_id")?, text(with, "claim_nonce")?);
            kept(queue::resume(&id, run_id.as_deref(), nonce.as_deref())?, leases)
        }
        "cancel" => {
            let (id, run_id, reason) =
                (field::<String>(with, "task_id")?, text(with, "run_id")?, text(with, "reason")?);
            let if_held: IfHeld = field(with, "if_held")?;
            told(queue::cancel(&id, run_id.as_deref(), if_held, reason.as_deref()))
        }
        "retry" => told(queue::retry(&field::<String>(with, "task_id")?, read(with)?)),
        "show" => told(queue::show(&field::<String>(with, "task_id")?)),
        "tasks" => told(queue::tasks(&read(with)?)),
        "wait" => {
            let ids: Vec<String> = field(with, "task_ids")?;
            let until = field::<Option<Until>>(with, "until")?.unwrap_or(Until::All);
            told(queue::wait(&ids, until, field(with, "timeout_seconds")?))
        }
        call => by_holder(call, with, leases),
    }
}

/// A call of a holder: by the lease that it was given here, else by one that it takes up again.
fn by_holder(call: &str, with: &Value, leases: &Leases) -> Answer {
    let of = (field::<String>(with, "task_id")?, field::<String>(with, "run_id")?);
    let resumed;
    let lease = match leases.get(&of) {
        Some(lease) => lease,
        None => {
            let nonce = text(with, "claim_nonce")?;
            resumed = queue::resume(&of.0, Some(&of.1), nonce.as_deref())?;
            &resumed
        }
    };
    match call {
        "heartbeat" => told(lease.heartbeat(field(with, "lease_seconds")?, Some(&read(with)?))),
        "complete" => match field::<Option<Vec<NewTask>>>(with, "follow_ups")? {
            Some(follow_ups) => told(lease.complete_and_enqueue(text(with, "result")?.as_deref(), &follow_ups)),
            None => told(lease.complete(text(with, "result")?.as_deref())),
        },
        "fail" => told(lease.fail(&field::<String>(with, "reason")?, field(with, "is_final")?)),
        "release" => told(lease.release(field(with, "delay_seconds")?)),
        other => Err(Refusal::Broken(format!("no such call: {other:?}"))),
    }
}

/// The claim of a lease, as one answer.
fn kept(lease: Lease, leases: &mut Leases) -> Answer {
    let record = lease.claim_record();
    let of = (record.task_id.clone(), record.claimer_run_id.clone());
    let mut claimed = serde_json::to_value(record)?;
    if let Some(fields) = claimed.as_object_mut() {
        fields.insert("task".to_string(), serde_json::to_value(lease.task())?);
        fields.insert("late_results".to_string(), serde_json::to_value(lease.late_results())?);
    }
    leases.insert(of, lease);
    Ok(claimed)
}

fn told<T: Serialize>(answer: Result<T, Error>) -> Answer {
    Ok(serde_json::to_value(answer?)?)
}

/// A record of all arguments.
fn read<T: DeserializeOwned>(with: &Value) -> Result<T, Refusal> {
    Ok(serde_json::from_value(with.clone())?)
}

/// An argument by itself.
fn field<T: DeserializeOwned>(with: &Value, name: &str) -> Result<T, Refusal> {
    let value = with.get(name).cloned().unwrap_or_default();
    serde_json::from_value(value).map_err(|error| Refusal::Broken(format!("{name}: {error}")))
}

fn text(with: &Value, name: &str) -> Result<Option<String>, Refusal> {
    field(with, name)
}
