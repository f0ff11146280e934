//! `muse coord export` and `muse coord import`: tasks as lines of JSON, with all that was reported of them.

use coord_core::Error;
use coord_core::limits;
use coord_core::queue::{Finding, ImportError, Imported};
use schemars::JsonSchema;
use serde::Serialize;

use super::batch::{strip_byte_order_mark, unreadable};
use super::{OpenQueue, Repository, bad_args, nonce};
use crate::host;
use crate::output::{Answer, Answered, Ended, Failure, Page, Stream};

/// What became of the lines.
#[derive(Serialize, JsonSchema)]
pub(super) struct Import {
    imported: usize,
    /// How many were there before: nothing was changed.
    already: usize,
    /// How many were left out, since another task has their unique key.
    key_taken: usize,
}

/// Why an export stopped.
enum Stopped {
    Queue(Error),
    NobodyReads,
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Stopped {
        Stopped::Queue(error)
    }
}

pub(super) fn export(repository: &Repository, stream: &mut Stream) -> Result<Ended, Failure> {
    let OpenQueue { queue, .. } = repository.open()?;
    let exported = queue.export(|line| if stream.line(&line) { Ok(()) } else { Err(Stopped::NobodyReads) });
    match exported {
        Ok(findings) => {
            stream.warn(findings.iter().map(Finding::to_string));
            Ok(if stream.flush() { Ended::Whole } else { Ended::NobodyReads })
        }
        Err(Stopped::NobodyReads) => Ok(Ended::NobodyReads),
        Err(Stopped::Queue(error)) => Err(error.into()),
    }
}

pub(super) fn import(repository: &Repository) -> Result<Answered<Import>, Failure> {
    let OpenQueue { queue, .. } = repository.open()?;
    let mut nonces = nonce()?.counted_on();
    let (mut import, mut warnings) = (Import { imported: 0, already: 0, key_taken: 0 }, Vec::new());
    let mut input = host::stdin();
    for number in 1.. {
        let line = input.next_line(limits::BATCH_BYTES);
        let line = line.map_err(|error| import.stopped(unreadable("standard input", &error), number))?;
        let Some(mut line) = line else { break };
        if number == 1 {
            strip_byte_order_mark(&mut line);
        }
        let text = match str::from_utf8(&line) {
            Ok(text) => text.trim(),
            Err(_) => return Err(import.stopped(bad_args("not UTF-8"), number)),
        };
        if text.is_empty() {
            continue;
        }
        match queue.import(text, host::now(), nonces()) {
            Ok(Imported::Now(_)) => import.imported += 1,
            Ok(Imported::Already(_)) => import.already += 1,
            Ok(Imported::KeyTaken(id)) => {
                import.key_taken += 1;
                warnings.push(format!("line {number}: task {id} was left out: another task has its unique key"));
            }
            Err(ImportError::Line(bad)) => {
                // The parser counts lines of its own.
                let reason = bad.to_string();
                let reason = reason.split(" at line ").next().unwrap_or_default();
                return Err(import.stopped(bad_args(reason), number));
            }
            Err(ImportError::Queue(error)) => return Err(import.stopped(error.into(), number)),
        }
    }
    Ok(Answered { answer: import, warnings })
}

impl Import {
    /// Says where an import stopped. It can be given again as a whole.
    fn stopped(&self, failure: Failure, number: usize) -> Failure {
        let Failure { error, .. } = failure;
        let done =
            format!("the {} line(s) before are done, and are passed over when all is imported again", number - 1);
        Failure { error: format!("line {number}: {error}; {done}"), ..failure }
    }
}

impl Answer for Import {
    fn text(&self, page: &mut Page) {
        page.line(if self.key_taken == 0 { "📥 Imported" } else { "❌ Imported, but for some" });
        page.field("Imported", self.imported);
        page.field("Already", format_args!("{} were there and stay as they are", self.already));
        if self.key_taken > 0 {
            page.field("Left out", format_args!("{}: another task has their unique key", self.key_taken));
        }
    }

    fn exit_code(&self) -> u8 {
        u8::from(self.key_taken > 0)
    }
}
