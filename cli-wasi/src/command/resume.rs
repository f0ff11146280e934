//! `muse coord resume`: end a pause.

use clap::Args;
use coord_core::request;

use super::context::{Context, OpenQueue};
use crate::answer::queue_settings::SettingsAnswer;
use crate::output::{Answered, Failure};

/// Allow claims from a paused queue again
#[derive(Debug, Args)]
pub struct Arguments {
    /// The queue
    pub queue: String,
}

pub(super) fn run(args: &Arguments, context: &Context<'_>) -> Result<Answered<SettingsAnswer>, Failure> {
    let name = request::queue(&args.queue)?;
    let OpenQueue { queue, .. } = context.open()?;
    SettingsAnswer::after(&queue, &name, || {
        queue.resume(&name)?;
        Ok(())
    })
}
