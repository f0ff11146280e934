//! `muse coord import`: the tasks and settings that `export` printed, from standard input.

use clap::Args;
use coord_core::limits;
use coord_core::queue::{ImportError, Imported};
use coord_core::{Queue, TaskId, Turn};
use schemars::JsonSchema;
use serde::Serialize;

use super::context::{Context, OpenQueue, turn};
use crate::host;
use crate::input::{strip_byte_order_mark, unreadable};
use crate::medium::QueueStore;
use crate::output::{Answer, Answered, Failure, Page};

/// Add the tasks that `export` printed, from standard input, under their ids
///
/// A task that exists already is not changed. A task that was claimed can be claimed again; if its holder was asked to
/// stop, it ends as cancelled. A task that waits for one which is neither here nor in the input is left out, with a
/// warning and exit code 1. Queues are paused and limited as they were, unless they already have another limit here.
#[derive(Debug, Args)]
pub struct Arguments {}

/// What became of the lines.
#[derive(Default, Serialize, JsonSchema)]
pub(super) struct ImportAnswer {
    imported: usize,
    /// How many existed already, and were not changed.
    already: usize,
    /// How many were left out, because another task has their unique key.
    key_taken: usize,
    /// How many were left out, because they wait for tasks that are not in the queue.
    parents_missing: usize,
    /// How many queues were paused or limited by this import.
    settings: usize,
}

/// A line that waits for others of the same input.
struct Deferred {
    number: usize,
    text: String,
    id: TaskId,
    parent: TaskId,
}

pub(super) fn run(context: &Context<'_>) -> Result<Answered<ImportAnswer>, Failure> {
    let OpenQueue { queue, .. } = context.open()?;
    let turn = turn()?;
    let (mut import, mut warnings, mut deferred) = (ImportAnswer::default(), Vec::new(), DeferredLines::default());
    let mut input = host::stdin();
    for number in 1.. {
        let line = input.next_line(limits::LINE_BYTES);
        let line = line.map_err(|error| import.stopped(unreadable("standard input", &error), number))?;
        let Some(mut line) = line else { break };
        if number == 1 {
            strip_byte_order_mark(&mut line);
        }
        if line.len() > limits::LINE_BYTES {
            let max = limits::LINE_BYTES;
            let failure = Failure::bad_args(format!(
                "too long: more than {max} bytes, and no exported task has as many: \
                 give the lines as `muse coord export` prints them"
            ));
            return Err(import.stopped(failure, number));
        }
        let text = match str::from_utf8(&line) {
            Ok(text) => text.trim(),
            Err(_) => return Err(import.stopped(Failure::bad_args("not UTF-8"), number)),
        };
        if !text.is_empty() {
            deferred.extend(import.take(&queue, text, number, &turn, &mut warnings)?);
        }
    }
    // What a task waits for may have come after it.
    let mut last = usize::MAX;
    while deferred.lines.len() < last {
        last = deferred.lines.len();
        for Deferred { number, text, .. } in std::mem::take(&mut deferred.lines) {
            deferred.lines.extend(import.take(&queue, &text, number, &turn, &mut warnings)?);
        }
    }
    import.parents_missing = deferred.lines.len() + deferred.dropped.len();
    warnings
        .extend(deferred.lines.into_iter().chain(deferred.dropped).map(|Deferred { number, id, parent, .. }| {
        format!(
            "line {number}: task {id} was left out: it waits for {parent}, which is not in this queue: import that one \
             first, then this line again"
        )
    }));
    Ok(Answered { answer: import, warnings })
}

/// The lines that wait for others, as many as are held.
#[derive(Default)]
struct DeferredLines {
    lines: Vec<Deferred>,
    bytes: usize,
    /// Those for which there was no room, without their text.
    dropped: Vec<Deferred>,
}

impl DeferredLines {
    fn extend(&mut self, line: Option<Deferred>) {
        let Some(line) = line else { return };
        self.bytes += line.text.len();
        if self.bytes <= limits::DEFERRED_BYTES {
            self.lines.push(line);
        } else {
            self.bytes -= line.text.len();
            self.dropped.push(Deferred { text: String::new(), ..line });
        }
    }
}

impl ImportAnswer {
    /// Imports a line, unless it is to wait for others.
    fn take(
        &mut self,
        queue: &Queue<QueueStore>,
        text: &str,
        number: usize,
        turn: &Turn<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Deferred>, Failure> {
        match queue.import(text, turn) {
            Ok(Imported::Now(_)) => self.imported += 1,
            Ok(Imported::Cancelled(id)) => {
                self.imported += 1;
                warnings.push(format!(
                    "line {number}: task {id} was imported as cancelled: its holder had been asked to stop"
                ));
            }
            Ok(Imported::Already(_)) => self.already += 1,
            Ok(Imported::KeyTaken(id)) => {
                self.key_taken += 1;
                warnings.push(format!("line {number}: task {id} was left out: another task has its unique key"));
            }
            Ok(Imported::NoParent { id, parent }) => {
                return Ok(Some(Deferred { number, text: text.to_string(), id, parent }));
            }
            Ok(Imported::Set(_, is_new)) => self.settings += usize::from(is_new),
            Ok(Imported::OtherLimit { queue, given, kept }) => warnings.push(format!(
                "line {number}: queue {queue} keeps its limit of {kept} task(s) at once: \
                 `muse coord limit {queue} --max-in-flight {given}` sets that of the export"
            )),
            Err(ImportError::Line(bad)) => {
                // The parser counts lines of its own.
                let reason = bad.to_string();
                let reason = reason.split(" at line ").next().unwrap_or_default();
                return Err(self.stopped(Failure::bad_args(reason), number));
            }
            Err(ImportError::Queue(error)) => return Err(self.stopped(error.into(), number)),
        }
        Ok(None)
    }

    /// Says where an import stopped. It can be given again as a whole.
    fn stopped(&self, failure: Failure, number: usize) -> Failure {
        let Failure { error, .. } = failure;
        let done = format!(
            "the {} line(s) before it are imported, and are skipped if you import everything again",
            number - 1
        );
        Failure { error: format!("line {number}: {error}; {done}"), ..failure }
    }
}

impl Answer for ImportAnswer {
    fn text(&self, page: &mut Page) {
        page.line(if self.exit_code() == 0 { "📥 Imported" } else { "❌ Imported in part" });
        page.field("Imported", self.imported);
        page.field("Already", format_args!("{} existed and were not changed", self.already));
        if self.key_taken > 0 {
            page.field("Left out", format_args!("{}: another task has their unique key", self.key_taken));
        }
        if self.parents_missing > 0 {
            page.field("Left out", format_args!("{}: they wait for tasks that are not here", self.parents_missing));
        }
        if self.settings > 0 {
            page.field("Settings", format_args!("of {} queue(s)", self.settings));
        }
    }

    fn exit_code(&self) -> u8 {
        u8::from(self.key_taken + self.parents_missing > 0)
    }
}
