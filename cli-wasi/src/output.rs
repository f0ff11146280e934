//! The only place that prints: what a command answers, as JSON or as text for people.

mod envelope;
mod failure;
mod list;
mod page;
mod stream;
mod terminal;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::Serialize;

use crate::host::Stopwatch;
use crate::print::FieldPath;

pub use envelope::{ENVELOPE_BYTES, Envelope};
pub use failure::{Failure, misuse};
pub use list::{List, Unwritten};
pub use page::{Page, start_of};
pub use stream::{Ended, Stopped, Stream};

use terminal::{print, warn};

/// How to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object on one line.
    Json,
    /// Text for people.
    Text,
}

/// What a command that did what was asked answers. Its JSON fields are those of `Serialize`, and `--schema` tells them.
pub trait Answer: Serialize + JsonSchema {
    /// The answer for people, one line each.
    fn text(&self, page: &mut Page);

    /// 0, or 1 for an answer without success, such as an empty queue.
    fn exit_code(&self) -> u8 {
        0
    }

    /// Undoes the change because nobody got the answer, and says so. `None`: there is nothing to undo.
    fn take_back(&self) -> Option<String> {
        None
    }

    /// True if the answer has no field to print, because nothing was found.
    fn is_nothing(&self) -> bool {
        false
    }
}

/// An answer and what the caller should know besides.
#[derive(Debug)]
pub struct Answered<T> {
    /// The answer.
    pub answer: T,
    /// Values that were cut, quarantined or left out.
    pub warnings: Vec<String>,
}

/// Where and how to print.
#[derive(Clone, Copy, Debug)]
pub struct Printer<'a> {
    /// As JSON or as text.
    pub format: Format,
    /// The fields of an answer to print, instead of the whole; none: the whole. The format is then that of errors.
    pub fields: &'a [FieldPath],
    /// The terminal's width, if there is one.
    pub columns: Option<usize>,
    /// The terminal's height, if there is one.
    pub lines: Option<usize>,
    /// Whether the command is one that changes something.
    pub changes: bool,
    /// Started when the command was.
    pub stopwatch: Stopwatch,
}

impl Printer<'_> {
    /// Prints what came of a command, and tells the exit code.
    pub fn finish<T: Answer>(self, outcome: Result<Answered<T>, Failure>) -> u8 {
        match (outcome, self.format) {
            (Ok(Answered { answer, warnings }), _) if !self.fields.is_empty() => {
                warnings.iter().for_each(|warning| warn(warning));
                let exit_code = answer.exit_code();
                if answer.is_nothing() {
                    return exit_code;
                }
                self.json(exit_code, &warnings, &answer, || self.upshot_of(&answer))
            }
            (Ok(Answered { answer, warnings }), Format::Json) => {
                let exit_code = answer.exit_code();
                self.json(exit_code, &warnings, &answer, || self.upshot_of(&answer))
            }
            (Ok(Answered { answer, warnings }), Format::Text) => {
                let mut page = Page::new("\n", self.columns);
                answer.text(&mut page);
                page.end(self.stopwatch);
                warnings.iter().for_each(|warning| warn(warning));
                print(&page.text, answer.exit_code(), || self.upshot_of(&answer))
            }
            (Err(failure), _) => self.fail(&failure),
        }
    }

    /// Prints a text in a format of its own.
    pub fn plain(self, outcome: Result<Answered<String>, Failure>) -> u8 {
        match outcome {
            Ok(Answered { answer, warnings }) => {
                warnings.iter().for_each(|warning| warn(warning));
                print(&answer, 0, || NOTHING_CHANGED.to_string())
            }
            Err(failure) => self.fail(&failure),
        }
    }

    fn upshot_of<T: Answer>(self, answer: &T) -> String {
        answer.take_back().unwrap_or_else(|| self.upshot(answer.exit_code()).to_string())
    }

    /// Tells a caller that does not get the answer whether the command took effect.
    fn upshot(self, exit_code: u8) -> &'static str {
        match (self.changes, exit_code) {
            (false, _) => NOTHING_CHANGED,
            (true, 0) => "the command took effect: `muse coord tasks` shows it",
            (true, _) => "the command did not do what was asked",
        }
    }
}

/// The outcome of a command that only reads, and of a command line that does not parse.
pub const NOTHING_CHANGED: &str = "nothing was changed";
