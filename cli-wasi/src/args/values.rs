//! Values that have a form of their own.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use coord_core::queue::{Sort, Status};
use coord_core::request::{self, BadRequest};
use coord_core::task::IfParentFails;

/// How long to wait between two attempts, as `30s` or `30s:10m`: after the first, and at most.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// After the first failed attempt, in seconds.
    pub seconds: i64,
    /// At most, in seconds, if that is said.
    pub max_seconds: Option<i64>,
}

/// How many tasks of a queue may be claimed at once; `None`: any number.
#[derive(Clone, Copy, Debug)]
pub struct InFlight(pub Option<u32>);

/// A duration, in seconds.
pub(super) fn seconds(text: &str) -> Result<i64, String> {
    request::seconds("duration", text).map_err(|bad| match bad {
        BadRequest::Word(word) => format!("give {}", word.taken),
        _ => "give a duration".to_string(),
    })
}

pub(super) fn backoff(text: &str) -> Result<Backoff, String> {
    match text.split_once(':') {
        None => Ok(Backoff { seconds: seconds(text)?, max_seconds: None }),
        Some((first, most)) => Ok(Backoff { seconds: seconds(first)?, max_seconds: Some(seconds(most)?) }),
    }
}

pub(super) fn in_flight(text: &str) -> Result<InFlight, String> {
    match text {
        "none" => Ok(InFlight(None)),
        "0" => Err("with 0 nothing would be claimed: `muse coord pause` says that".to_string()),
        _ => {
            let max = text.parse().map_err(|_| format!("give a number from 1 to {}, or none", u32::MAX))?;
            Ok(InFlight(Some(max)))
        }
    }
}

/// The words that `--status` takes.
pub(super) fn statuses() -> impl TypedValueParser<Value = Status> {
    let status = |word: String| Status::ALL.into_iter().find(|status| status.as_str() == word);
    PossibleValuesParser::new(Status::ALL.map(Status::as_str)).try_map(move |word| status(word).ok_or("no status"))
}

/// The words that `--sort` takes.
pub(super) fn orders() -> PossibleValuesParser {
    PossibleValuesParser::new(Sort::ALL.map(Sort::as_str))
}

/// The words that `--if-parent-fails` takes.
pub(super) fn fates() -> PossibleValuesParser {
    PossibleValuesParser::new(IfParentFails::ALL.map(IfParentFails::as_str))
}
