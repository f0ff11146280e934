//! Requests as callers write them: the one place where texts from outside become values of the queue.
//!
//! Each face fills in a draft and has it checked before any file is touched. So a value has one limit, one default and
//! one complaint everywhere; only what it is called differs: a face spells the name of each [`Field`].
//!
//! A draft can also be read from JSON. There `null` is as left out in every field, and a field that no draft has is an
//! error.

mod bad_request;
mod claim;
mod field;
mod filter;
mod new_task;
#[cfg(test)]
mod tests;

use alloc::borrow::ToOwned;
use alloc::string::ToString;

use serde::{Deserialize, Deserializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::id::TaskId;
use crate::json::JsonObject;
use crate::limits;
use crate::name::{ErrorMessage, Nonce, Note, QueueName, RunId};
use crate::queue::Progress;
use crate::time::Timestamp;

pub use bad_request::{BadRequest, BadWord, Kind};
pub use claim::ClaimDraft;
pub use field::{Field, OutOfRange};
pub use filter::FilterDraft;
pub use new_task::Draft;

/// The run id of the acting agent, where it is required.
pub fn run_id(given: Option<&str>) -> Result<RunId, BadRequest> {
    Ok(given.ok_or(BadRequest::NoRunId)?.parse()?)
}

/// Which task is meant, by its id with or without the `sha256:`.
pub fn task_id(given: &str) -> Result<TaskId, BadRequest> {
    TaskId::from_hex(given).map_or_else(|| given.parse().map_err(BadRequest::TaskId), Ok)
}

/// Which lease is meant; `None`: any of who acts.
pub fn claim_nonce(given: Option<&str>) -> Result<Option<Nonce>, BadRequest> {
    Ok(given.map(str::parse).transpose()?)
}

/// How long a lease is to last from now; `None`: as long again as it was given for.
pub fn lease_seconds(given: Option<i64>) -> Result<Option<i64>, BadRequest> {
    given.map(|seconds| Field::LeaseSeconds.check(seconds)).transpose()
}

/// The reason of a cancellation, or a note on progress.
pub fn note(given: &str) -> Result<Note, BadRequest> {
    Ok(given.parse()?)
}

/// How far a holder is. `None`: it does not say.
pub fn progress(progress: Option<f64>, note: Option<&str>) -> Result<Option<Progress>, BadRequest> {
    if let Some(given) = progress.filter(|given| !(0.0..=1.0).contains(given)) {
        return Err(BadRequest::Progress { given: given.to_string() });
    }
    let note = note.map(self::note).transpose()?;
    let says_something = progress.is_some() || note.is_some();
    Ok(says_something.then_some(Progress { progress, note }))
}

/// A queue that is meant.
pub fn queue(given: &str) -> Result<QueueName, BadRequest> {
    Ok(given.parse()?)
}

/// A time in RFC 3339: `2026-11-24T18:00:00Z`, with or without a fraction of the second, in any offset; from 1970 to
/// the last whole second that a name can say.
pub fn time(what: &'static str, given: &str) -> Result<Timestamp, BadRequest> {
    let bad = |_| bad_word(what, given, "a time like 2026-11-24T18:00:00Z");
    let at = OffsetDateTime::parse(given, &Rfc3339).map_err(bad)?;
    match u64::try_from(at.unix_timestamp_nanos().div_euclid(1_000)) {
        Ok(micros) if micros <= limits::TIME_MICROS => Ok(Timestamp::from_micros(micros)),
        _ => Err(BadRequest::Time { what, given: given.to_owned() }),
    }
}

/// A holder's result, in JSON.
pub fn result(given: &str) -> Result<JsonObject, BadRequest> {
    JsonObject::parse(given).map_err(BadRequest::Result)
}

/// A holder's error message.
pub fn error(given: &str) -> Result<ErrorMessage, BadRequest> {
    Ok(given.parse()?)
}

fn bad_word(what: &'static str, given: &str, taken: &'static str) -> BadRequest {
    BadRequest::Word(BadWord { what, given: given.to_owned(), taken })
}

fn null_as_left_out<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}
