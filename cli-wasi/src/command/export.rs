//! `muse coord export`: each task, with all that was reported of it, and what is set for queues, as lines of JSON.

use clap::Args;
use coord_core::queue::Finding;

use super::context::{Context, OpenQueue, turn};
use crate::output::{Ended, Failure, Stopped, Stream};

/// Print each task as a line of JSON, with everything reported about it
///
/// The lines are always JSON; --format applies to errors only.
#[derive(Debug, Args)]
pub struct Arguments {}

pub(super) fn run(context: &Context<'_>, stream: &mut Stream<'_>) -> Result<Ended, Failure> {
    let OpenQueue { queue, .. } = context.open()?;
    let exported = queue.export(&turn()?, |line| if stream.line(&line) { Ok(()) } else { Err(Stopped::NobodyReads) });
    match exported {
        Ok(findings) => {
            stream.warn(findings.iter().map(Finding::to_string));
            Ok(if stream.flush() { Ended::Whole } else { Ended::NobodyReads })
        }
        Err(Stopped::NobodyReads) => Ok(Ended::NobodyReads),
        Err(Stopped::Queue(error)) => Err(error.into()),
    }
}
