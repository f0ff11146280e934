//! The doctor: reads everything, reports defects, and repairs them while agents work.
//!
//! A doctor looks for defects that would cost a claim too much: a task with two names or none after a power cut, a lost
//! or altered record, leftovers of dead agents. It takes no lock and stops nobody. It changes a task by a rename from
//! an exact old name, as every agent does. So one of several doctors succeeds, and an agent that knows the old name
//! finds it gone. It deletes and replaces nothing: a file that cannot be repaired goes to `quarantine/`.
//!
//! Neither a busy queue nor a clock makes a defect. Names read at different moments are a defect only once a single
//! look proves it. Examples: two names of a task exist at one time, since an old name never comes back; or a record has
//! no other name, so that there is no entry anywhere.

mod check;
mod examination;
mod mend;
mod present;
mod probe;
mod scan;
mod whole;

use alloc::vec::Vec;
use core::fmt;

use super::agreement::Disagreement;
use crate::counts::Counts;
use crate::id::TaskId;
use crate::path::Path;
use crate::store::StoreError;
use crate::task::BadRecord;

pub use crate::tree::Repair;
pub use probe::Medium;

/// The report of a doctor.
#[derive(Clone, Debug, Default)]
pub struct Diagnosis {
    /// How many tasks have each status.
    pub counts: Counts,
    /// Defects, in the order of the tasks' ids.
    pub defects: Vec<Defect>,
    /// Leftovers of dead agents. Harmless.
    pub leftovers: Leftovers,
    /// How many files are in `quarantine/`, for a person to look at.
    pub quarantine: usize,
    /// Names that are not the queue's, sorted. They disturb nobody, and nobody touches them.
    pub foreign: Vec<Path>,
    /// Notes that are worth knowing and no defects.
    pub notes: Vec<Note>,
}

impl Diagnosis {
    /// True if there is no defect, or each has been repaired or quarantined.
    pub fn is_healthy(&self) -> bool {
        self.defects.iter().all(|defect| defect.became != Repair::Left)
    }
}

/// A defect, and what the doctor did about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// The task; `None`: the queue as a whole.
    pub task_id: Option<TaskId>,
    /// The file that is meant, or would be where it is missing.
    pub path: Path,
    /// The defect.
    pub problem: Problem,
    /// The outcome.
    pub became: Repair,
}

/// The kinds of defects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A second entry of a task: after a power cut on a filesystem whose rename is two steps on disk, CM-7.
    TwoEntries {
        /// The one that counts.
        kept: Path,
    },
    /// A task that was recorded and has no entry: its enqueuer died, CM-1, or its entry was lost, CM-7.
    NoEntry,
    /// An entry without a record in `tasks/`.
    RecordMissing,
    /// A record, or an entry, that does not hold the task.
    RecordBad(BadRecord),
    /// An entry in the wrong place, where no command looks for it.
    WrongPlace {
        /// Where it belongs.
        home: Path,
    },
    /// A task whose result or error, or what was reported before, is missing or torn.
    ReportLost,
    /// There are tasks, but no `format.json`.
    NoFormat,
    /// `format.json` has one name only. A program that finds the queue by searching takes it for a copy, and does not
    /// work in it.
    Copied,
    /// Something that cannot be listed where a directory of the queue would be, or not read where the text of a run id
    /// would be. Agents pass it over.
    InTheWay(StoreError),
    /// A task whose name, record, reports and run id contradict each other.
    Disagrees(Disagreement),
}

/// Leftovers of dead agents. A repair quarantines them; these are the numbers before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Drafts in `tmp/`, CM-9; that of an agent at work is among them.
    pub drafts: usize,
    /// Reports that no name points at and that none ever will, CM-5.
    pub reports: usize,
    /// Records of tasks that were never acknowledged, cut off while they were written, CM-1; that of an agent at work
    /// can be among them.
    pub torn_records: usize,
}

/// Something worth knowing that is no defect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// There are this many sweep tokens instead of one. The next claim corrects that, CM-8.
    SweepTokens(usize),
    /// The text of a run id that is too long for a name is missing or torn. It only serves to be shown.
    RunLost(Path),
    /// A record that is another file than its entry, as in a copy. The next report on the task makes it the entry's
    /// again, and so does a repair.
    RecordApart(Path),
    /// This many lines of a task's file are no reports: a crash tore them, or another program wrote them.
    Noise {
        /// The task's file.
        path: Path,
        /// How many.
        lines: usize,
    },
    /// A name has a time that is ahead of the doctor's clock.
    ClockAhead {
        /// The name that is furthest ahead.
        path: Path,
        /// By how many microseconds.
        micros: u64,
    },
    /// This task was recorded within the last minute and has no entry: it is being enqueued, or was when its agent or
    /// the machine stopped.
    Enqueuing {
        /// The task.
        task_id: TaskId,
    },
    /// This task has no entry but one in `quarantine/`.
    EntryQuarantined {
        /// The task.
        task_id: TaskId,
    },
    /// No entry of this task was seen, but its record has several names: perhaps in a copy made of links.
    SeveralNames {
        /// The task.
        task_id: TaskId,
        /// How many names its record has.
        links: u64,
    },
    /// A file that this agent cannot read or move. Its task was not changed.
    Failed(StoreError),
}

impl Problem {
    /// The stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Problem::TwoEntries { .. } => "two_entries",
            Problem::NoEntry => "no_entry",
            Problem::RecordMissing => "record_missing",
            Problem::RecordBad(_) => "record_bad",
            Problem::WrongPlace { .. } => "wrong_place",
            Problem::ReportLost => "report_lost",
            Problem::NoFormat => "no_format",
            Problem::Copied => "copied",
            Problem::InTheWay(_) => "in_the_way",
            Problem::Disagrees(_) => "disagrees",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::TwoEntries { kept } => write!(f, "a second entry of the task: the one that counts is {kept}"),
            Problem::NoEntry => {
                f.write_str("the task has no entry: its enqueuer died, or a power cut removed the entry")
            }
            Problem::RecordMissing => f.write_str("the task's record is missing; its entry still holds it"),
            Problem::RecordBad(problem) => write!(f, "the record is {problem}"),
            Problem::WrongPlace { home } => {
                write!(f, "the entry is in the wrong place, where no command looks for it: it belongs in {home}")
            }
            Problem::ReportLost => f.write_str("the result or error of the task is missing or torn"),
            Problem::NoFormat => f.write_str("there are tasks, but no format.json that names their format"),
            Problem::Copied => f.write_str(
                "it is no second name of format.json, so the queue came with a copy, or a hand removed it: nobody who \
                 finds the queue by searching works in it; `muse coord init` \
                 takes it over with its tasks, and so does a repair",
            ),
            Problem::InTheWay(error) => write!(f, "in the way of the queue: {error}"),
            Problem::Disagrees(disagreement) => write!(f, "the task contradicts itself: {disagreement}"),
        }
    }
}

impl Leftovers {
    /// How many there are.
    pub fn total(&self) -> usize {
        self.drafts + self.reports + self.torn_records
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::SweepTokens(0) => f.write_str("there is no sweep token: the next claim makes one"),
            Note::SweepTokens(count) => write!(f, "there are {count} sweep tokens: the next claim leaves one"),
            Note::RunLost(path) => {
                write!(f, "{path} is missing or torn: answers show a digest in place of this agent's run id")
            }
            Note::RecordApart(path) => {
                write!(
                    f,
                    "{path} and the task's entry are two files, as in a copy: the next report on the task repairs this"
                )
            }
            Note::Noise { path, lines } => {
                write!(f, "{lines} line(s) of {path} are no reports: torn, or written by another program")
            }
            Note::ClockAhead { path, micros } => {
                let seconds = micros / 1_000_000;
                write!(f, "{path} shows that an agent's clock is or was {seconds} s ahead of this machine's")
            }
            Note::Enqueuing { task_id } => write!(
                f,
                "task {task_id} was recorded within the last minute and has no entry: it is being enqueued, or its \
                 enqueuer died; run the doctor again in a minute"
            ),
            Note::EntryQuarantined { task_id } => write!(
                f,
                "task {task_id} has no entry but one in quarantine/: move that one back to its old place \
                 to continue the task"
            ),
            Note::SeveralNames { task_id, links } => {
                write!(f, "no entry of task {task_id} was seen, but its record has {links} names: look for the others")
            }
            Note::Failed(error) => write!(f, "not changed: {error}"),
        }
    }
}
