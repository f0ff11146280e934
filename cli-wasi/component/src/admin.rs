//! The interface `admin`.

use coord_core::queue::{Became, Defect, Diagnosis, Note, Problem};
use coord_store::Sync;

use crate::Coord;
use crate::bindings::exports::muse::coord::admin as wit;
use crate::bindings::exports::muse::coord::admin::{Durability, Error, Guest, Treatment};
use crate::instance::{Instance, nonce, now};

impl Guest for Coord {
    fn init() -> Result<bool, Error> {
        Instance::with(|instance| Ok(instance.queue()?.init(now(), nonce())?))
    }

    fn sweep() -> Result<u64, Error> {
        Instance::with(|instance| {
            let swept = instance.queue()?.sweep(now(), nonce())?;
            instance.warn_of(&swept.findings);
            Ok(swept.taken_back)
        })
    }

    fn doctor(treatment: Treatment) -> Result<wit::Diagnosis, Error> {
        Instance::with(|instance| {
            let queue = instance.queue()?;
            let diagnosis = match treatment {
                Treatment::Examine => queue.examine(now())?,
                Treatment::Repair => queue.repair(now(), &mut nonce().counted_on())?,
            };
            let medium = queue.probe(now(), nonce())?;
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

fn told(diagnosis: Diagnosis, degraded: Vec<String>) -> wit::Diagnosis {
    wit::Diagnosis {
        healthy: diagnosis.is_healthy(),
        defects: diagnosis.defects.iter().map(Into::into).collect(),
        leftovers: diagnosis.leftovers.total() as u64,
        aside: diagnosis.aside as u64,
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
        }
    }
}

impl From<Became> for wit::Became {
    fn from(became: Became) -> wit::Became {
        match became {
            Became::Left => wit::Became::Left,
            Became::Mended => wit::Became::Mended,
            Became::SetAside => wit::Became::SetAside,
        }
    }
}
