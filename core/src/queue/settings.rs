//! The settings of a queue: whether it is paused, and how many of its tasks may be claimed at once. They are names
//! again: a file in `queues/` is named after its setting. It contains one line break only: an empty file would not be
//! synced.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::num::NonZeroU32;

use super::Queue;
use super::claim_request::ClaimRequest;
use crate::entry::QueueLabel;
use crate::error::Error;
use crate::layout::{self, StateDir, TimedDir};
use crate::name::QueueName;
use crate::sorted;
use crate::store::{Created, Removed, Store};
use crate::time::Timestamp;
use crate::tree::Located;
use crate::turn::Turn;

/// The settings of all queues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The paused queues.
    pub paused: BTreeSet<QueueName>,
    /// The limits: how many tasks of a queue may be leased at once.
    pub max_in_flight: BTreeMap<QueueName, u32>,
}

/// Queues in which tasks wait that nobody can claim at present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closed {
    /// Those that are paused.
    pub paused: Vec<QueueName>,
    /// The queues whose limit is reached, each with its limit.
    pub full: Vec<(QueueName, u32)>,
    /// True if more tasks are due than one claim handles: expired leases, tasks whose time has come or whose parent has
    /// ended. The next claim goes on with them.
    pub more_is_due: bool,
}

impl Closed {
    /// For each queue, why nothing can be claimed from it, and how to change that.
    pub fn reasons(&self) -> Vec<String> {
        let paused = self.paused.iter();
        let paused = paused.map(|queue| format!("queue {queue} is paused: `muse coord resume {queue}` ends the pause"));
        let full = self.full.iter().map(|(queue, max)| {
            format!(
                "queue {queue} is full: {max} of its tasks are claimed, which is its limit (`muse coord limit {queue}`)"
            )
        });
        let due = self.more_is_due.then(|| "more tasks are due than one claim handles: claim again".into());
        paused.chain(full).chain(due).collect()
    }
}

/// The queues that nothing can be claimed from at present, whether or not tasks wait in them.
pub(super) struct ClosedQueues {
    pub(super) queues: Vec<QueueName>,
    pub(super) settings: Settings,
}

impl Settings {
    pub(super) fn of(names: &[String]) -> Settings {
        let mut settings = Settings::default();
        for (queue, setting) in names.iter().filter_map(|name| parse_setting(name)) {
            match setting {
                Setting::Paused => {
                    settings.paused.insert(queue);
                }
                Setting::MaxInFlight(max) => {
                    let lowest = settings.max_in_flight.entry(queue).or_insert(max);
                    *lowest = max.min(*lowest);
                }
            }
        }
        settings
    }
}

impl<S: Store> Queue<S> {
    /// The settings of all queues. Of several limits for one queue the lowest counts.
    pub fn settings(&self) -> Result<Settings, Error> {
        Ok(Settings::of(&self.tree.names_in(&layout::queue_settings())?))
    }

    /// Stops new claims from this queue until it is resumed; claimed tasks go on. False: it was paused before.
    pub fn pause(&self, queue: &QueueName, turn: &Turn<'_>) -> Result<bool, Error> {
        self.tree.init(turn)?;
        let made = self.tree.create(&layout::paused(queue), b"\n").map_err(Error::of_the_change)?;
        self.sync_settings()?;
        Ok(made == Created::Now)
    }

    /// Ends a pause. False: there was none.
    pub fn resume(&self, queue: &QueueName) -> Result<bool, Error> {
        let removed =
            self.tree.store().remove(&layout::paused(queue)).map_err(|error| Error::from(error).of_the_change())?;
        self.sync_settings()?;
        Ok(removed == Removed::Now)
    }

    /// Limits how many tasks of this queue may be claimed at once; `None`: any number. Tasks that are claimed already
    /// stay so.
    ///
    /// A claim of a limited queue reads the name of every claimed task. It counts before it claims and again
    /// afterwards. If there are too many, it gives the task back and looks again. Expired leases do not count, so a
    /// holder that renews one may exceed the limit.
    pub fn limit_in_flight(&self, queue: &QueueName, max: Option<u32>, turn: &Turn<'_>) -> Result<(), Error> {
        self.tree.init(turn)?;
        if let Some(max) = max {
            self.tree.create(&layout::max_in_flight(queue, max), b"\n").map_err(Error::of_the_change)?;
        }
        for name in self.tree.names_in(&layout::queue_settings()).map_err(Error::after_the_change)? {
            if let Some((of, Setting::MaxInFlight(other))) = parse_setting(&name)
                && of == *queue
                && Some(other) != max
            {
                let removed = self.tree.store().remove(&layout::max_in_flight(queue, other));
                removed.map_err(|error| Error::from(error).after_the_change())?;
            }
        }
        self.sync_settings()
    }

    fn sync_settings(&self) -> Result<(), Error> {
        self.tree.forget_settings();
        self.tree.store().sync_dir(&layout::queue_settings()).map_err(|error| Error::from(error).after_the_change())
    }

    /// The queues that nothing can be claimed from now: those that are paused, and of those that are asked for and not
    /// empty the ones with as many leases as they may have.
    pub(super) fn closed_queues(&self, request: &ClaimRequest, now: Timestamp) -> Result<ClosedQueues, Error> {
        let names = self.tree.unless_in_the_way(self.tree.settings_names(now))?;
        let settings = Settings::of(&names.unwrap_or_default());
        let mut queues: Vec<QueueName> = settings.paused.iter().cloned().collect();
        let mut in_flight = None;
        for (queue, max) in settings.max_in_flight.iter().filter(|(queue, _)| request.means(queue)) {
            if self.tree.unless_in_the_way(self.tree.store().stamp(&TimedDir::queue(queue).dir))?.flatten().is_none() {
                continue;
            }
            let in_flight = match &mut in_flight {
                Some(in_flight) => in_flight,
                none => none.insert(self.in_flight(now)?),
            };
            if in_flight.of(queue) >= u64::from(*max) {
                queues.push(queue.clone());
            }
        }
        Ok(ClosedQueues { queues, settings })
    }

    /// Of the closed queues those that are asked for and in which a task waits that would do.
    pub(super) fn closed_to(
        &self,
        request: &ClaimRequest,
        ClosedQueues { queues, settings }: &ClosedQueues,
        now: Timestamp,
    ) -> Result<Closed, Error> {
        let mut closed = Closed::default();
        for queue in sorted::set(queues.iter().filter(|queue| request.means(queue))) {
            match settings.max_in_flight.get(queue) {
                _ if !self.tree.has_for(&request.choice, queue, now)? => {}
                Some(max) if !settings.paused.contains(queue) => closed.full.push((queue.clone(), *max)),
                _ => closed.paused.push(queue.clone()),
            }
        }
        Ok(closed)
    }

    /// How many leases are live, by queue, from the names of the claimed tasks.
    pub(super) fn in_flight(&self, now: Timestamp) -> Result<InFlight, Error> {
        let mut in_flight = InFlight::default();
        for Located { entry, .. } in self.tree.entries_of(StateDir::Claimed)? {
            if entry.state.lease_is_live(now)
                && let Some(queue) = entry.queue
            {
                *in_flight.0.entry(queue).or_default() += 1;
            }
        }
        Ok(in_flight)
    }
}

#[derive(Default)]
/// How many leases are live, by queue.
pub(super) struct InFlight(BTreeMap<QueueLabel, u64>);

impl InFlight {
    pub(super) fn of(&self, queue: &QueueName) -> u64 {
        self.0.get(&QueueLabel::of(queue)).copied().unwrap_or(0)
    }
}

enum Setting {
    Paused,
    MaxInFlight(u32),
}

/// The setting in a name of `queues/`. No queue has a dot in its name.
fn parse_setting(name: &str) -> Option<(QueueName, Setting)> {
    let (queue, word) = name.split_once('.')?;
    let queue: QueueName = queue.parse().ok()?;
    let (setting, path) = match word.strip_prefix("max") {
        Some(max) => {
            let max: NonZeroU32 = max.parse().ok()?;
            (Setting::MaxInFlight(max.get()), layout::max_in_flight(&queue, max.get()))
        }
        None => (Setting::Paused, layout::paused(&queue)),
    };
    // Only as it is written can it be taken off again.
    (path.name == name).then_some((queue, setting))
}

/// True for a name that stands in `queues/`.
pub(super) fn is_setting(name: &str) -> bool {
    parse_setting(name).is_some()
}
