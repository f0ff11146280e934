//! The core's answers in JavaScript's spelling: the JSON of the command line, with names in camel case, and a payload
//! or a result as a text. JavaScript would round the numbers in them, so it can be given them as they are.

use std::io::{self, Write};

use coord_core::queue::Finding;
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::Formatter;

use crate::thrown::in_camel_case;

/// An answer, and what was not as it should be on the way.
#[derive(Serialize)]
pub(crate) struct Answered<T> {
    pub(crate) answer: T,
    pub(crate) warnings: Vec<String>,
}

impl<T> Answered<T> {
    /// An answer on the way to which all was as it should be.
    pub(crate) fn clean(answer: T) -> Answered<T> {
        Answered::with(answer, &[])
    }

    pub(crate) fn with(answer: T, findings: &[Finding]) -> Answered<T> {
        Answered { answer, warnings: findings.iter().map(ToString::to_string).collect() }
    }
}

impl<T: Serialize> Answered<T> {
    /// The JSON that `js/src/answers.ts` reads.
    pub(crate) fn json(&self) -> Result<String, serde_json::Error> {
        let mut json = Vec::with_capacity(1_024);
        self.serialize(&mut Serializer::with_formatter(&mut json, JavaScript::default()))?;
        // Both the serialiser and the formatter write UTF-8 alone.
        Ok(String::from_utf8(json).unwrap_or_default())
    }
}

/// Spells as JavaScript does.
#[derive(Default)]
struct JavaScript {
    is_in_name: bool,
}

impl Formatter for JavaScript {
    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.is_in_name = true;
        if first { Ok(()) } else { writer.write_all(b",") }
    }

    fn end_object_key<W: ?Sized + Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.is_in_name = false;
        Ok(())
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        if !self.is_in_name {
            return writer.write_all(fragment.as_bytes());
        }
        writer.write_all(in_camel_case(fragment).as_bytes())
    }

    /// A payload or a result.
    fn write_raw_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        serde_json::to_writer(writer, fragment).map_err(io::Error::from)
    }
}
