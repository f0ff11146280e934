//! Values that have a form of their own.

use std::error::Error;
use std::fmt;
use std::ops::RangeInclusive;

use clap::builder::{PossibleValuesParser, StringValueParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue};
use coord_core::limits;
use coord_core::queue::{Sort, Status};
use coord_core::request::{self, BadRequest, BadWord};
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
pub struct InFlight(pub Option<i64>);

/// A value that is refused here already, before there is a draft that it stands in.
#[derive(Clone, Debug)]
struct BadValue(BadRequest);

impl fmt::Display for BadValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            BadRequest::Word(word) => write!(f, "give {}", word.taken),
            // What clap says instead is never told: see `out_of_range`.
            other => write!(f, "{other:?}"),
        }
    }
}

impl Error for BadValue {}

/// A number that is beyond 64 bits: not wrong usage, but out of its range as others are that have as good a form.
/// `None`: the error is another one.
pub(super) fn out_of_range(error: &clap::Error) -> Option<BadRequest> {
    let BadValue(BadRequest::Number { given, range, .. }) = error.source()?.downcast_ref()? else { return None };
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else { return None };
    // `--ttl <DURATION>`
    let what = option.split(' ').next().unwrap_or_default().to_string();
    Some(BadRequest::Number { what, given: given.clone(), range: *range })
}

/// A duration, in seconds.
pub(super) fn seconds(range: RangeInclusive<i64>) -> impl TypedValueParser<Value = i64> {
    parser(move |text| request::seconds("", text, &range))
}

/// A whole number.
pub(super) fn whole(range: RangeInclusive<i64>) -> impl TypedValueParser<Value = i64> {
    parser(move |text| request::whole("", text, &range))
}

pub(super) fn backoff() -> impl TypedValueParser<Value = Backoff> {
    let seconds = |text: &str| request::seconds("", text, &limits::BACKOFF_SECONDS);
    parser(move |text| match text.split_once(':') {
        None => Ok(Backoff { seconds: seconds(text)?, max_seconds: None }),
        Some((first, most)) => Ok(Backoff { seconds: seconds(first)?, max_seconds: Some(seconds(most)?) }),
    })
}

pub(super) fn in_flight() -> impl TypedValueParser<Value = InFlight> {
    let taken = "a whole number from 1 to 4294967295, or none";
    parser(move |text| match text {
        "none" => Ok(InFlight(None)),
        _ => match request::whole("", text, &(1..=i64::from(u32::MAX))) {
            Err(BadRequest::Word(word)) => Err(BadRequest::Word(BadWord { taken, ..word })),
            number => number.map(|number| InFlight(Some(number))),
        },
    })
}

fn parser<T: Clone + Send + Sync + 'static>(
    read: impl Fn(&str) -> Result<T, BadRequest> + Clone + Send + Sync + 'static,
) -> impl TypedValueParser<Value = T> {
    StringValueParser::new().try_map(move |text| read(&text).map_err(BadValue))
}

pub(super) fn fraction(text: &str) -> Result<f64, &'static str> {
    text.parse().map_err(|_| "give a number from 0 to 1, like 0.4")
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
