//! `muse coord pause`, `resume` and `limit`: what is set for a queue as a whole.

use coord_core::name::QueueName;
use coord_core::queue::Settings;
use coord_core::request;
use schemars::JsonSchema;
use serde::Serialize;

use super::{OpenQueue, Repository, nonce};
use crate::args::{self, InFlight};
use crate::host;
use crate::output::{Answer, Answered, Failure, Page};
use crate::schema;

/// What is set for a queue now.
#[derive(Serialize, JsonSchema)]
pub(super) struct QueueSettings {
    #[schemars(with = "schema::QueueName")]
    queue: QueueName,
    paused: bool,
    max_in_flight: Option<u32>,
    /// False if it was so before.
    changed: bool,
}

/// What to set.
#[derive(Clone, Copy)]
pub(super) enum Setting {
    Paused,
    Resumed,
    InFlight(Option<u32>),
}

impl Setting {
    /// The limit that was asked for, checked.
    pub(super) fn in_flight(InFlight(given): InFlight) -> Result<Setting, Failure> {
        let range = 1..=i64::from(u32::MAX);
        let max = given.map(|max| request::between("--max-in-flight", max, &range)).transpose();
        let max = max.map_err(|bad| match Failure::from(bad) {
            failure if given == Some(0) => {
                let error = failure.error + ": with 0 nothing would be claimed, which `muse coord pause` says";
                Failure { error, ..failure }
            }
            failure => failure,
        })?;
        Ok(Setting::InFlight(max.map(|max| u32::try_from(max).unwrap_or(u32::MAX))))
    }
}

pub(super) fn run(
    args: &args::QueueName,
    setting: Setting,
    repository: &Repository,
) -> Result<Answered<QueueSettings>, Failure> {
    let name = request::queue(&args.queue)?;
    let OpenQueue { queue, .. } = repository.open()?;
    let before = queue.settings()?;
    match setting {
        Setting::Paused => _ = queue.pause(&name, host::now(), nonce()?)?,
        Setting::Resumed => _ = queue.resume(&name)?,
        Setting::InFlight(max) => queue.limit_in_flight(&name, max, host::now(), nonce()?)?,
    }
    let changed = QueueSettings::new(&before, &name, false);
    let answer = QueueSettings::new(&queue.settings()?, &name, false);
    let changed = (changed.paused, changed.max_in_flight) != (answer.paused, answer.max_in_flight);
    Ok(Answered { answer: QueueSettings { changed, ..answer }, warnings: Vec::new() })
}

impl QueueSettings {
    fn new(settings: &Settings, queue: &QueueName, changed: bool) -> QueueSettings {
        let max_in_flight = settings.max_in_flight.get(queue).copied();
        QueueSettings { queue: queue.clone(), paused: settings.paused.contains(queue), max_in_flight, changed }
    }
}

impl Answer for QueueSettings {
    fn text(&self, page: &mut Page) {
        let already = if self.changed { "" } else { ", as before" };
        let what = if self.paused { "⏸️  Queue paused: nothing of it is claimed" } else { "▶️  Queue open" };
        page.line(format_args!("{what}{already}"));
        page.field("Queue", &self.queue);
        let max = self.max_in_flight.map_or("any number".to_string(), |max| format!("at most {max}"));
        page.field("In flight", max);
    }
}
