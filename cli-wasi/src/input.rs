//! Tasks as lines of JSON on standard input: what `enqueue --batch` and `complete --enqueue` take.
//!
//! Read from standard input alone: the sandbox holds no other file, and the launcher opens the one that is named.

use std::io;

use coord_core::queue::NewTask;
use coord_core::request::{BadRequest, Draft};
use coord_core::{Error, TaskId, limits};

use crate::host;
use crate::output::Failure;

/// The tasks of all lines, checked.
#[derive(Default)]
pub struct Lines {
    /// In the order of the lines.
    pub tasks: Vec<NewTask>,
    /// Values that were cut, each with its line.
    pub warnings: Vec<String>,
    /// Which lines wait for which tasks.
    pub parents: Parents,
}

/// The lines that wait for tasks, each with those.
#[derive(Default)]
pub struct Parents(Vec<(usize, Vec<TaskId>)>);

impl Lines {
    /// Reads what `option` names. A line that names no `run_id` is enqueued by `run_id`.
    pub fn read(option: &str, file: &str, run_id: &str) -> Result<Lines, Failure> {
        if file != "-" {
            return Err(Failure::bad_args(format!(
                "{option} {file:?} is a file outside the sandbox: pass it on standard input, {option} - < FILE"
            )));
        }
        let mut input = host::stdin();
        let (mut lines, mut number, mut bytes) = (Lines::default(), 0, 0);
        loop {
            let read = input.next_line(limits::RECORD_BYTES);
            let line = read.map_err(|error| unreadable(option, &error))?;
            let Some(mut line) = line else { return Ok(lines) };
            if number == 0 {
                strip_byte_order_mark(&mut line);
            }
            (number, bytes) = (number + 1, bytes + line.len());
            if bytes > limits::BATCH_BYTES {
                let max = limits::BATCH_BYTES;
                return Err(Failure::bad_args(format!(
                    "{option} is too large (max {max} bytes): split it into several parts"
                )));
            }
            lines.add(&line, number, run_id).map_err(|failure| failure.within(&format!("{option} line {number}")))?;
        }
    }

    fn add(&mut self, line: &[u8], number: usize, run_id: &str) -> Result<(), Failure> {
        if line.len() > limits::RECORD_BYTES {
            return Err(Failure::bad_args(format!("too long (max {} bytes)", limits::RECORD_BYTES)));
        }
        let text = str::from_utf8(line).map_err(|_| Failure::bad_args("not UTF-8"))?.trim();
        if text.is_empty() {
            return Ok(());
        }
        if self.tasks.len() == limits::BATCH {
            return Err(Failure::bad_args(format!(
                "too many tasks (max {}): split them into several parts",
                limits::BATCH
            )));
        }
        let draft = draft(text)?;
        let draft = Draft { run_id: draft.run_id.or_else(|| Some(run_id.to_string())), ..draft };
        let (task, cuts) = draft.check().map_err(refused)?;
        if !task.plan.after.is_empty() {
            self.parents.0.push((number, task.plan.after.clone()));
        }
        self.warnings.extend(cuts.into_iter().map(|cut| format!("line {number}: {cut}")));
        self.tasks.push(task);
        Ok(())
    }
}

impl Parents {
    /// The failure, with the line that waits for a task that is not there, if it is of that kind.
    pub fn blame(&self, option: &str, error: Error) -> Failure {
        let Error::NoParent { id } = &error else { return error.into() };
        match self.0.iter().find(|(_, after)| after.contains(id)) {
            Some((number, _)) => Failure::from(error).within(&format!("{option} line {number}")),
            None => error.into(),
        }
    }
}

/// The input cannot be read.
pub fn unreadable(what: &str, error: &io::Error) -> Failure {
    Failure::new(
        "io_error",
        format!("cannot read {what}: {}; give a file or a pipe with lines of JSON", host::reason(error)),
    )
}

/// Some editors put one in front of UTF-8.
pub fn strip_byte_order_mark(first_line: &mut Vec<u8>) {
    if first_line.starts_with("\u{feff}".as_bytes()) {
        first_line.drain(.."\u{feff}".len());
    }
}

fn draft(text: &str) -> Result<Draft, Failure> {
    // `serde` would also take a list of the fields' values.
    if !text.starts_with('{') {
        return Err(Failure::bad_args("it must be a JSON object like {\"title\": \"Fix it\"}"));
    }
    Draft::from_json(text).map_err(refused)
}

fn refused(bad: BadRequest) -> Failure {
    Failure::new(bad.code(), bad.message(|field| field.name().to_string()))
}
