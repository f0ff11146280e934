//! Tasks as NDJSON, one a line: what `enqueue --batch` and `complete --enqueue` take, and what both answer.
//!
//! Read from standard input alone: the sandbox holds no other file, and the launcher opens the one that is named.

use std::io;

use coord_core::queue::{Enqueued, NewTask};
use coord_core::request::{BadRequest, Draft, FieldNames};
use coord_core::{Error, TaskId, limits};
use schemars::JsonSchema;
use serde::Serialize;

use super::bad_args;
use crate::host;
use crate::output::{Failure, Page};
use crate::schema;

/// What the values are called in a line.
const FIELD_NAMES: FieldNames = FieldNames {
    run_id: "run_id",
    ttl_seconds: "ttl_seconds",
    lease_seconds: "lease_seconds",
    wait_seconds: "wait_seconds",
    limit: "limit",
    max_attempts: "max_attempts",
    backoff: "backoff_seconds",
    delay: "delay_seconds",
    after: "after",
    if_parent_fails: "if_parent_fails",
    payload: "payload",
    result: "result",
    error: "error",
};

/// The tasks of all lines, checked.
#[derive(Default)]
pub(super) struct Lines {
    /// In the order of the lines.
    pub(super) tasks: Vec<NewTask>,
    /// What was cut, and in which line.
    pub(super) warnings: Vec<String>,
    /// Which lines wait for which tasks.
    pub(super) parents: Parents,
}

/// The lines that wait for tasks, each with those.
#[derive(Default)]
pub(super) struct Parents(Vec<(usize, Vec<TaskId>)>);

/// What became of the lines, as JSON has it.
#[derive(Serialize, JsonSchema)]
pub(super) struct Batched {
    /// How many tasks are new.
    enqueued: usize,
    /// How many were there before, under the same unique key.
    deduplicated: usize,
    /// One for each line.
    tasks: Vec<BatchedTask>,
}

#[derive(Serialize, JsonSchema)]
struct BatchedTask {
    #[schemars(with = "schema::TaskId")]
    task_id: String,
    deduplicated: bool,
}

impl Lines {
    /// Reads what `option` names. A line that names no `run_id` is enqueued by `run_id`.
    pub(super) fn read(option: &str, file: &str, run_id: &str) -> Result<Lines, Failure> {
        if file != "-" {
            return Err(bad_args(format!(
                "{option} {file:?} is a file outside the sandbox: hand it over on standard input, {option} - < FILE"
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
                return Err(bad_args(format!("{option} is too large (max {max} bytes): give it in several parts")));
            }
            lines.add(&line, number, run_id).map_err(|failure| failure.within(&format!("{option} line {number}")))?;
        }
    }

    fn add(&mut self, line: &[u8], number: usize, run_id: &str) -> Result<(), Failure> {
        if line.len() > limits::RECORD_BYTES {
            return Err(bad_args(format!("too long (max {} bytes)", limits::RECORD_BYTES)));
        }
        let text = str::from_utf8(line).map_err(|_| bad_args("not UTF-8"))?.trim();
        if text.is_empty() {
            return Ok(());
        }
        if self.tasks.len() == limits::BATCH {
            return Err(bad_args(format!("too many tasks (max {}): give them in several parts", limits::BATCH)));
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
    pub(super) fn blame(&self, option: &str, error: Error) -> Failure {
        let Error::NoParent { id } = &error else { return error.into() };
        match self.0.iter().find(|(_, after)| after.contains(id)) {
            Some((number, _)) => Failure::from(error).within(&format!("{option} line {number}")),
            None => error.into(),
        }
    }
}

/// What cannot be read, and what can.
pub(super) fn unreadable(what: &str, error: &io::Error) -> Failure {
    Failure::new(
        "io_error",
        format!("cannot read {what}: {}; give a file or a pipe with lines of JSON", host::reason(error)),
    )
}

/// Some editors put one in front of UTF-8.
pub(super) fn strip_byte_order_mark(first_line: &mut Vec<u8>) {
    if first_line.starts_with("\u{feff}".as_bytes()) {
        first_line.drain(.."\u{feff}".len());
    }
}

fn draft(text: &str) -> Result<Draft, Failure> {
    // `serde` would also take a list of the fields' values.
    if !text.starts_with('{') {
        return Err(bad_args("it must be a JSON object like {\"title\": \"Fix it\"}"));
    }
    Draft::from_json(text).map_err(refused)
}

fn refused(bad: BadRequest) -> Failure {
    Failure::new(bad.code(), bad.message(&FIELD_NAMES))
}

impl Batched {
    /// What the queue answered, in the order of the lines.
    pub(super) fn new(tasks: Vec<(TaskId, bool)>) -> Batched {
        let deduplicated = tasks.iter().filter(|(_, deduplicated)| *deduplicated).count();
        let tasks: Vec<_> =
            tasks.into_iter().map(|(id, deduplicated)| BatchedTask { task_id: id.to_string(), deduplicated }).collect();
        Batched { enqueued: tasks.len() - deduplicated, deduplicated, tasks }
    }

    /// Says it to people: how many, and which.
    pub(super) fn text(&self, page: &mut Page) {
        page.field("Enqueued", self.enqueued);
        if self.deduplicated > 0 {
            page.field("There", format_args!("{} before, under the same unique key", self.deduplicated));
        }
        for BatchedTask { task_id, deduplicated } in &self.tasks {
            page.line(format_args!("  {task_id}{}", if *deduplicated { " (there before)" } else { "" }));
        }
    }
}

/// What is kept of a task that was enqueued.
pub(super) fn outcome(enqueued: &Enqueued) -> (TaskId, bool) {
    (enqueued.task.id, enqueued.deduplicated)
}
