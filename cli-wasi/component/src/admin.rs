//! The interface `admin`.

use std::collections::BTreeSet;

use coord_core::Timestamp;
use coord_core::answer::{Collected, Percentiles, QueueStats, Stats};
use coord_core::name::QueueName;
use coord_core::queue::{Defect, Diagnosis, Gc, Note, Problem, Repair, Settings};
use coord_core::request::{self, Field};
use coord_store::Sync;

use crate::Coord;
use crate::bindings::exports::muse::coord::admin as wit;
use crate::bindings::exports::muse::coord::admin::{Durability, Error, Guest, Treatment};
use crate::instance::{Instance, turn};
use crate::medium::{self, now};

/// How far figures look back when nothing is said.
const WINDOW_SECONDS: u32 = 3_600;

impl Guest for Coord {
    fn init() -> Result<bool, Error> {
        medium::make()?;
        Instance::with(|instance| Ok(instance.queue()?.init(&turn())?))
    }

    fn sweep() -> Result<u64, Error> {
        Instance::with(|instance| {
            let swept = instance.queue()?.sweep(&turn())?;
            instance.warn_of(&swept.findings);
            Ok(swept.timed_out)
        })
    }

    fn pause(queue: String) -> Result<bool, Error> {
        let name = request::queue(&queue)?;
        Instance::with(|instance| Ok(instance.queue()?.pause(&name, &turn())?))
    }

    fn resume(queue: String) -> Result<bool, Error> {
        let name = request::queue(&queue)?;
        Instance::with(|instance| Ok(instance.queue()?.resume(&name)?))
    }

    fn limit(queue: String, max_in_flight: Option<u32>) -> Result<(), Error> {
        let name = request::queue(&queue)?;
        if let Some(max) = max_in_flight {
            Field::MaxInFlight.check(max.into())?;
        }
        Instance::with(|instance| Ok(instance.queue()?.limit_in_flight(&name, max_in_flight, &turn())?))
    }

    fn settings() -> Result<Vec<wit::QueueSettings>, Error> {
        Instance::with(|instance| Ok(of_each_queue(&instance.queue()?.settings()?)))
    }

    fn stats(window_seconds: Option<u32>) -> Result<wit::Figures, Error> {
        let window = Field::WindowSeconds.check(window_seconds.unwrap_or(WINDOW_SECONDS).into())?;
        Instance::with(|instance| {
            let now = now();
            let mut stats = instance.queue()?.stats(window, now)?;
            instance.warn_of(&std::mem::take(&mut stats.findings));
            Ok(Stats::new(stats, now).into())
        })
    }

    fn gc(options: wit::GcOptions) -> Result<wit::Collected, Error> {
        let older_than_seconds = Field::OlderThanSeconds.check(options.older_than_seconds.into())?;
        let keep_last = usize::try_from(options.keep_last.unwrap_or(0)).unwrap_or(usize::MAX);
        let gc = Gc { older_than_seconds, keep_last, dry_run: options.dry_run };
        Instance::with(|instance| Ok(instance.queue()?.gc(gc, &turn())?.into()))
    }

    fn doctor(treatment: Treatment) -> Result<wit::Diagnosis, Error> {
        Instance::with(|instance| {
            let queue = instance.queue()?;
            let diagnosis = match treatment {
                Treatment::Examine => queue.examine(now())?,
                Treatment::Repair => queue.repair(&turn())?,
            };
            let medium = queue.probe(&turn())?;
            Ok(told(diagnosis, medium.degraded()))
        })
    }

    fn set_durability(durability: Durability) {
        Instance::with(|instance| {
            instance.set_sync(match durability {
                Durability::Synced => Sync::On,
                Durability::Unsynced => Sync::Off,
            });
        });
    }
}

/// What is set for each queue of which anything is.
fn of_each_queue(Settings { paused, max_in_flight }: &Settings) -> Vec<wit::QueueSettings> {
    let queues: BTreeSet<&QueueName> = paused.iter().chain(max_in_flight.keys()).collect();
    let settings = |queue: &QueueName| wit::QueueSettings {
        queue: queue.as_str().to_string(),
        paused: paused.contains(queue),
        max_in_flight: max_in_flight.get(queue).copied(),
    };
    queues.into_iter().map(settings).collect()
}

impl From<Stats> for wit::Figures {
    fn from(Stats { counts, queues, total: _, window_seconds: _ }: Stats) -> wit::Figures {
        wit::Figures { counts: counts.into(), queues: queues.into_iter().map(Into::into).collect() }
    }
}

impl From<QueueStats> for wit::QueueStats {
    fn from(stats: QueueStats) -> wit::QueueStats {
        let QueueStats { queue, counts, oldest_pending_since, oldest_pending_seconds, completed_per_second, .. } =
            stats;
        wit::QueueStats {
            queue: queue.into(),
            counts: counts.into(),
            oldest_pending_since: oldest_pending_since.map(Timestamp::micros),
            oldest_pending_seconds,
            completed_per_second,
            wait_seconds: stats.wait_seconds.map(Into::into),
            run_seconds: stats.run_seconds.map(Into::into),
            paused: stats.paused,
            max_in_flight: stats.max_in_flight,
        }
    }
}

impl From<Percentiles> for wit::Percentiles {
    fn from(Percentiles { count, p50, p90, p99, max }: Percentiles) -> wit::Percentiles {
        wit::Percentiles { count, p50, p90, p99, max }
    }
}

impl From<Collected> for wit::Collected {
    fn from(Collected { removed, kept }: Collected) -> wit::Collected {
        wit::Collected { removed, kept }
    }
}

fn told(diagnosis: Diagnosis, degraded: Vec<String>) -> wit::Diagnosis {
    wit::Diagnosis {
        healthy: diagnosis.is_healthy(),
        defects: diagnosis.defects.iter().map(Into::into).collect(),
        leftovers: diagnosis.leftovers.total() as u64,
        quarantine: diagnosis.quarantine as u64,
        foreign: diagnosis.foreign.iter().map(ToString::to_string).collect(),
        notes: diagnosis.notes.iter().map(Note::to_string).collect(),
        degraded,
        counts: diagnosis.counts.into(),
    }
}

impl From<&Defect> for wit::Defect {
    fn from(defect: &Defect) -> wit::Defect {
        wit::Defect {
            task_id: defect.task_id.map(|id| id.to_string()),
            path: defect.path.to_string(),
            problem: (&defect.problem).into(),
            message: defect.problem.to_string(),
            became: defect.became.into(),
        }
    }
}

impl From<&Problem> for wit::Problem {
    fn from(problem: &Problem) -> wit::Problem {
        match problem {
            Problem::TwoEntries { .. } => wit::Problem::TwoEntries,
            Problem::NoEntry => wit::Problem::NoEntry,
            Problem::RecordMissing => wit::Problem::RecordMissing,
            Problem::RecordBad(_) => wit::Problem::RecordBad,
            Problem::WrongPlace { .. } => wit::Problem::WrongPlace,
            Problem::ReportLost => wit::Problem::ReportLost,
            Problem::NoFormat => wit::Problem::NoFormat,
            Problem::Copied => wit::Problem::Copied,
            Problem::InTheWay(_) => wit::Problem::InTheWay,
            Problem::Disagrees(_) => wit::Problem::Disagrees,
        }
    }
}

impl From<Repair> for wit::Repair {
    fn from(became: Repair) -> wit::Repair {
        match became {
            Repair::Left => wit::Repair::Left,
            Repair::Mended => wit::Repair::Mended,
            Repair::Quarantined => wit::Repair::Quarantined,
        }
    }
}
