//! Faults of the directory that stop no operation.

use core::fmt;

use crate::id::TaskId;
use crate::limits;
use crate::store::StoreError;
use crate::task::BadRecord;

/// Something in the directory that is not as it should be. The queue goes on without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A task whose record cannot be trusted was moved to `quarantine/`, where nobody claims it.
    Quarantined {
        /// The task.
        id: TaskId,
        /// The fault of its record.
        problem: BadRecord,
    },
    /// A task whose record cannot be trusted is left out of a listing.
    LeftOut {
        /// The task.
        id: TaskId,
        /// The fault of its record.
        problem: BadRecord,
    },
    /// Something is in the way, or this agent may not read it. Everything behind it is skipped.
    PassedOver(StoreError),
    /// A report on a task cannot be read: its result, its error, or what was said before.
    ReportLost {
        /// The task.
        id: TaskId,
    },
    /// A task has so many reports that an export leaves out the oldest.
    HistoryCut {
        /// The task.
        id: TaskId,
        /// How many are left out.
        reports: usize,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Quarantined { id, problem } => {
                write!(
                    f,
                    "task {id} was quarantined: its record is {problem}; its entry is in quarantine/, nothing is lost"
                )
            }
            Finding::LeftOut { id, problem } => write!(f, "task {id} is left out: its record is {problem}"),
            Finding::PassedOver(error) => write!(f, "{} was skipped: {error}", error.path),
            Finding::ReportLost { id } => write!(f, "the result or error of task {id} is missing or torn"),
            Finding::HistoryCut { id, reports } => {
                let max = limits::EXPORT_BYTES;
                write!(
                    f,
                    "the oldest {reports} report(s) on task {id} are left out: its reports have more than {max} bytes"
                )
            }
        }
    }
}
