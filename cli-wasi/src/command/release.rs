//! `muse coord release`: give a claimed task back.

use clap::Args;
use coord_core::queue::Status;
use coord_core::request::Field;

use super::context::{Context, OpenQueue, turn};
use super::flags::Lease;
use super::values;
use crate::answer::released::ReleaseAnswer;
use crate::output::{Answered, Failure};

/// Give a claimed task back: it can be claimed again, and does not use up an attempt
#[derive(Debug, Args)]
#[command(after_help = values::DURATION_HELP)]
pub struct Arguments {
    #[command(flatten)]
    pub lease: Lease,
    #[arg(
        long,
        help = values::help(
            "Nobody can claim the task for this long (RANGE seconds)",
            Field::DelaySeconds
        ),
        value_name = "DURATION",
        default_value_t = 0,
        value_parser = values::seconds(Field::DelaySeconds),
        allow_negative_numbers = true,
    )]
    pub delay: i64,
}

pub(super) fn run(args: &Arguments, context: &Context<'_>) -> Result<Answered<ReleaseAnswer>, Failure> {
    let (id, claimant, delay) = args.lease.check(|| Field::DelaySeconds.check(args.delay))?;
    let OpenQueue { queue, .. } = context.open()?;
    let released = queue.release(id, claimant, delay, &turn()?)?;
    let heading = if released.status == Status::Cancelled {
        "🚫 Task cancelled, as requested"
    } else {
        "↩️  Task released"
    };
    Ok(Answered { answer: ReleaseAnswer::new(released, heading, &queue), warnings: Vec::new() })
}
