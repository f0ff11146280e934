//! `muse coord limit`: how many tasks of a queue may be claimed at once.

use clap::Args;
use clap::builder::TypedValueParser;
use coord_core::request::{self, BadRequest, BadWord, Field};

use super::context::{Context, OpenQueue, turn};
use super::values;
use crate::answer::queue_settings::SettingsAnswer;
use crate::output::{Answered, Failure};

/// Set how many tasks of a queue may be claimed at once
#[derive(Debug, Args)]
pub struct Arguments {
    /// The queue
    pub queue: String,
    /// How many tasks may be claimed at once, or none for no limit; tasks that are claimed already stay claimed
    #[arg(long, value_name = "N", value_parser = in_flight(), allow_negative_numbers = true)]
    pub max_in_flight: InFlight,
}

/// How many tasks of a queue may be claimed at once; `None`: any number.
#[derive(Clone, Copy, Debug)]
pub struct InFlight(pub Option<i64>);

pub(super) fn run(args: &Arguments, context: &Context<'_>) -> Result<Answered<SettingsAnswer>, Failure> {
    let max = checked(args.max_in_flight)?;
    let name = request::queue(&args.queue)?;
    let OpenQueue { queue, .. } = context.open()?;
    SettingsAnswer::after(&queue, &name, || Ok(queue.limit_in_flight(&name, max, &turn()?)?))
}

fn checked(InFlight(given): InFlight) -> Result<Option<u32>, Failure> {
    let max = given.map(|max| Field::MaxInFlight.check(max)).transpose();
    let max = max.map_err(|bad| match Failure::from(bad) {
        failure if given == Some(0) => {
            let error = failure.error + ": to stop all claims, use `muse coord pause`";
            Failure { error, ..failure }
        }
        failure => failure,
    })?;
    Ok(max.map(|max| u32::try_from(max).unwrap_or(u32::MAX)))
}

fn in_flight() -> impl TypedValueParser<Value = InFlight> {
    let taken = "a whole number from 1 to 4294967295, or none";
    values::parser(move |text| match text {
        "none" => Ok(InFlight(None)),
        _ => match Field::MaxInFlight.whole(text) {
            Err(BadRequest::Word(word)) => Err(BadRequest::Word(BadWord { taken, ..word })),
            number => number.map(|number| InFlight(Some(number))),
        },
    })
}
