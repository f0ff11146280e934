//! A command prints lines of JSON one by one, until nobody reads them any more.

use std::io::{self, BufWriter, Write};

use serde::Serialize;

use super::Printer;
use super::failure::Failure;
use super::terminal::{complain, warn};
use crate::host::{self, reason};
use crate::print::{FieldPath, chosen};

/// Lines of JSON, each written as it comes, or the fields of each that are asked for.
#[derive(Debug)]
pub struct Stream<'a> {
    fields: &'a [FieldPath],
    stdout: BufWriter<host::Stdout>,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All was said.
    Whole,
    /// A line could not be written, and the error says so.
    NobodyReads,
}

/// Why what prints line by line stopped.
#[derive(Debug)]
pub enum Stopped {
    /// The queue could not go on.
    Queue(coord_core::Error),
    /// A line could not be written, which is told.
    NobodyReads,
}

impl From<coord_core::Error> for Stopped {
    fn from(error: coord_core::Error) -> Stopped {
        Stopped::Queue(error)
    }
}

impl Printer<'_> {
    /// Runs a command that prints line by line.
    pub fn stream(self, run: impl FnOnce(&mut Stream<'_>) -> Result<Ended, Failure>) -> u8 {
        let mut stream = Stream { fields: self.fields, stdout: BufWriter::new(host::stdout()) };
        match run(&mut stream) {
            Ok(Ended::Whole) => 0,
            Ok(Ended::NobodyReads) => 1,
            Err(failure) => {
                stream.flush();
                drop(stream);
                self.fail(&failure)
            }
        }
    }
}

impl Stream<'_> {
    /// Writes a value as a line. False if it cannot be written.
    pub fn json<T: Serialize>(&mut self, value: &T) -> bool {
        self.write(serde_json::to_string(value).and_then(|line| chosen(&line, self.fields)))
    }

    /// Writes a line of JSON. False if it cannot be written.
    pub fn line(&mut self, json: &str) -> bool {
        self.write(chosen(json, self.fields))
    }

    fn write(&mut self, text: Result<String, serde_json::Error>) -> bool {
        match text {
            Ok(text) => Stream::told(self.stdout.write_all(text.as_bytes())),
            Err(error) => {
                complain(&format!("❌ a line cannot be written as JSON: {error}"));
                false
            }
        }
    }

    /// Hands over what was written. False if that is not possible.
    pub fn flush(&mut self) -> bool {
        let flushed = self.stdout.flush();
        Stream::told(flushed)
    }

    /// Says what was not as it should be, beside the lines.
    pub fn warn(&mut self, warnings: impl Iterator<Item = String>) {
        warnings.for_each(|warning| warn(&warning));
    }

    fn told(written: io::Result<()>) -> bool {
        if let Err(error) = &written {
            complain(&format!(
                "❌ the lines could not be written to stdout ({}): the output is incomplete",
                reason(error)
            ));
        }
        written.is_ok()
    }
}
