//! The settings of a queue, as `pause`, `resume` and `limit` answer them.

use coord_core::Queue;
use coord_core::name::QueueName;
use coord_core::queue::Settings;
use schemars::JsonSchema;
use serde::Serialize;

use crate::medium::QueueStore;
use crate::output::{Answer, Answered, Failure, Page};

/// The settings of a queue after the command.
#[derive(Serialize, JsonSchema)]
pub struct SettingsAnswer {
    queue: QueueName,
    paused: bool,
    max_in_flight: Option<u32>,
    /// False if the settings were the same before.
    changed: bool,
}

impl SettingsAnswer {
    /// Changes the settings of a queue, and returns the new ones.
    pub fn after(
        queue: &Queue<QueueStore>,
        name: &QueueName,
        change: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<Answered<SettingsAnswer>, Failure> {
        let before = SettingsAnswer::new(&queue.settings()?, name);
        change()?;
        let answer = SettingsAnswer::new(&queue.settings()?, name);
        let changed = (before.paused, before.max_in_flight) != (answer.paused, answer.max_in_flight);
        Ok(Answered { answer: SettingsAnswer { changed, ..answer }, warnings: Vec::new() })
    }

    fn new(settings: &Settings, queue: &QueueName) -> SettingsAnswer {
        let max_in_flight = settings.max_in_flight.get(queue).copied();
        SettingsAnswer { queue: queue.clone(), paused: settings.paused.contains(queue), max_in_flight, changed: false }
    }
}

impl Answer for SettingsAnswer {
    fn text(&self, page: &mut Page) {
        let already = if self.changed { "" } else { ", as before" };
        let what = if self.paused { "⏸️  Queue paused: no new claims" } else { "▶️  Queue open" };
        page.line(format_args!("{what}{already}"));
        page.field("Queue", &self.queue);
        let max = self.max_in_flight.map_or("any number".to_string(), |max| format!("at most {max}"));
        page.field("In flight", max);
    }
}
