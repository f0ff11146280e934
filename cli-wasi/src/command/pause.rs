//! `muse coord pause`: claim nothing of a queue until it is resumed.

use clap::Args;
use coord_core::request;

use super::context::{Context, OpenQueue, turn};
use crate::answer::queue_settings::SettingsAnswer;
use crate::output::{Answered, Failure};

/// Stop new claims from a queue until it is resumed; tasks that are claimed stay claimed
#[derive(Debug, Args)]
pub struct Arguments {
    /// The queue
    pub queue: String,
}

pub(super) fn run(args: &Arguments, context: &Context<'_>) -> Result<Answered<SettingsAnswer>, Failure> {
    let name = request::queue(&args.queue)?;
    let OpenQueue { queue, .. } = context.open()?;
    SettingsAnswer::after(&queue, &name, || {
        queue.pause(&name, &turn()?)?;
        Ok(())
    })
}
