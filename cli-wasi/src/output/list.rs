//! An answer with a list that is printed element by element, so that none but the one at hand is held.
//!
//! In JSON it is the one object on one line that every answer is: its beginning is written first, then each element,
//! then its end. So what is only known in the end stands behind the list, and `exit_code` tells what was known when the
//! first element was there.

use std::io::{self, BufWriter, Write};

use muse_terminal::sanitised_json;
use serde::Serialize;

use super::page::Page;
use super::terminal::{complain, warn, without_id_prefix};
use super::{Format, Printer};
use crate::host::{self, reason};
use crate::print::Chosen;

/// A list that is being printed.
#[derive(Debug)]
pub struct List<'a> {
    printer: Printer<'a>,
    stdout: BufWriter<host::Stdout>,
    form: Form<'a>,
    /// How many elements there have been.
    count: usize,
}

#[derive(Debug)]
enum Form<'a> {
    Json,
    /// The answer's beginning, which is chosen from with its end.
    Fields(Chosen<'a>, String),
    Text(Page),
}

/// What could not be written, and why.
#[derive(Debug)]
pub struct Unwritten(String);

impl<'a> Printer<'a> {
    /// Begins to print an answer: these fields, and then the elements under `name`.
    pub fn list<Head: Serialize>(
        self,
        name: &'static str,
        head: &Head,
        text: impl FnOnce(&mut Page),
    ) -> Result<List<'a>, Unwritten> {
        let mut stdout = BufWriter::new(host::stdout());
        let form = if self.fields.is_empty() && self.format == Format::Text {
            let mut page = Page::new("\n", self.columns);
            text(&mut page);
            Form::Text(page)
        } else {
            let envelope = self.envelope(0, &[], head)?;
            let beginning = envelope.strip_suffix(END_OF_AN_ENVELOPE).unwrap_or(&envelope).to_string();
            if self.fields.is_empty() {
                let beginning = sanitised_json(&beginning);
                stdout.write_all(format!("{beginning}\"{name}\":[").as_bytes())?;
                Form::Json
            } else {
                Form::Fields(Chosen::new(self.fields, name), beginning)
            }
        };
        Ok(List { printer: self, stdout, form, count: 0 })
    }

    fn envelope<T: Serialize>(self, exit_code: u8, warnings: &[String], fields: &T) -> Result<String, Unwritten> {
        Ok(serde_json::to_string(&self.enveloped(exit_code, warnings, fields))?)
    }
}

impl List<'_> {
    /// Prints an element, or holds what is asked for of it.
    pub fn push<T: Serialize>(&mut self, element: &T, text: impl FnOnce(&mut Page)) -> Result<(), Unwritten> {
        match &mut self.form {
            Form::Json => {
                let comma = if self.count > 0 { "," } else { "" };
                let json = sanitised_json(&serde_json::to_string(element)?);
                self.stdout.write_all(format!("{comma}{json}").as_bytes())?;
            }
            Form::Fields(chosen, _) => {
                chosen.push(&serde_json::to_string(element)?)?;
                if chosen.comes_in_order() {
                    self.stdout.write_all(chosen.take().as_bytes())?;
                }
            }
            Form::Text(page) => {
                text(page);
                self.stdout.write_all(std::mem::take(&mut page.text).as_bytes())?;
            }
        }
        self.count += 1;
        Ok(())
    }

    /// Hands over what was printed.
    pub fn flush(&mut self) -> Result<(), Unwritten> {
        Ok(self.stdout.flush()?)
    }

    /// True if all elements so far have been printed. Several fields are printed one after the other, each of all
    /// elements, so these are held.
    pub fn is_printed(&self) -> bool {
        !matches!(&self.form, Form::Fields(chosen, _) if !chosen.comes_in_order())
    }

    /// How many bytes are held until the end.
    pub fn held_bytes(&self) -> usize {
        if let Form::Fields(chosen, _) = &self.form { chosen.bytes() } else { 0 }
    }

    /// Prints the end: the fields that come after the list, and the warnings.
    pub fn end<Tail: Serialize>(
        mut self,
        tail: &Tail,
        warnings: &[String],
        text: impl FnOnce(&mut Page),
    ) -> Result<(), Unwritten> {
        let tail = serde_json::to_string(tail)?;
        let tail = tail.trim_start_matches('{').trim_end_matches('}');
        let tail = if tail.is_empty() { String::new() } else { format!("{tail},") };
        let told: Vec<String> = warnings.iter().map(|warning| without_id_prefix(warning)).collect();
        let told = format!("{tail}\"warnings\":{}}}", serde_json::to_string(&told)?);
        match self.form {
            Form::Json => self.stdout.write_all(format!("],{}\n", sanitised_json(&told)).as_bytes())?,
            Form::Fields(chosen, beginning) => {
                self.stdout.write_all(chosen.end(&(beginning + &told))?.as_bytes())?;
                warnings.iter().for_each(|warning| warn(warning));
            }
            Form::Text(mut page) => {
                text(&mut page);
                page.end(self.printer.stopwatch);
                self.stdout.write_all(page.text.as_bytes())?;
                warnings.iter().for_each(|warning| warn(warning));
            }
        }
        Ok(self.stdout.flush()?)
    }
}

impl Unwritten {
    /// Says so, with what has become of what was asked, and tells the exit code.
    pub fn complain(&self, upshot: &str) -> u8 {
        complain(&format!("❌ {}; {upshot}", self.0));
        1
    }
}

impl From<io::Error> for Unwritten {
    fn from(error: io::Error) -> Unwritten {
        Unwritten(format!("the answer could not be written to stdout ({})", reason(&error)))
    }
}

impl From<serde_json::Error> for Unwritten {
    fn from(error: serde_json::Error) -> Unwritten {
        Unwritten(format!("the answer cannot be written as JSON: {error}"))
    }
}

/// What an answer in JSON ends with if there are no warnings.
const END_OF_AN_ENVELOPE: &str = "\"warnings\":[]}";
