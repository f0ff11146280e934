//! Values that several commands take, and what their help says of them.

use std::error::Error;
use std::fmt;

use clap::builder::{StringValueParser, TypedValueParser};
use coord_core::request::{BadRequest, Field};

/// What help says of a `DURATION`.
pub(super) const DURATION_HELP: &str =
    "DURATION is a number of seconds, or numbers with s, m, h or d: 90, 30s, 15m, 1h30m, 7d.";

/// What help says of a `TIME`.
pub(super) const TIME_HELP: &str = "TIME is a date and time with any offset, like 2026-11-24T18:00:00Z.";

/// What help says of both.
pub(super) const DURATION_AND_TIME_HELP: &str = "\
DURATION is a number of seconds, or numbers with s, m, h or d: 90, 30s, 15m, 1h30m, 7d.
TIME is a date and time with any offset, like 2026-11-24T18:00:00Z.";

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
pub fn out_of_range(error: &clap::Error) -> Option<BadRequest> {
    let BadValue(bad @ BadRequest::OutOfRange(_)) = error.source()?.downcast_ref()? else { return None };
    Some(bad.clone())
}

/// The duration of a field, in seconds.
pub(super) fn seconds(field: Field) -> impl TypedValueParser<Value = i64> {
    parser(move |text| field.seconds(text))
}

/// The whole number of a field.
pub(super) fn whole(field: Field) -> impl TypedValueParser<Value = i64> {
    parser(move |text| field.whole(text))
}

/// Help that says the range of its field where it stands for it, as `RANGE`.
pub(super) fn help(text: &str, field: Field) -> String {
    let range = field.range();
    text.replace("RANGE", &format!("{} to {}", range.start(), range.end()))
}

/// A value that `read` reads.
pub(super) fn parser<T: Clone + Send + Sync + 'static>(
    read: impl Fn(&str) -> Result<T, BadRequest> + Clone + Send + Sync + 'static,
) -> impl TypedValueParser<Value = T> {
    StringValueParser::new().try_map(move |text| read(&text).map_err(BadValue))
}

/// Words that were typed with commas between them, without the empty ones.
pub(super) fn words<Word: AsRef<str>>(typed: impl IntoIterator<Item = Word>) -> Vec<String> {
    let words = typed.into_iter().map(|word| word.as_ref().trim().to_string());
    words.filter(|word| !word.is_empty()).collect()
}
