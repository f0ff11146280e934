//! Fused operations: several calls in one trip, for a medium that is far away.
//!
//! A directory answers a call in microseconds. An engine beyond this machine is asked over a network, and a claim by
//! ten calls would take ten trips. So an engine offers two more operations. Each has the meaning of a sequence of the
//! others with nobody in between: [`super::by_calls`] has these sequences. None of them decides anything: they compare
//! names.
//!
//! An engine that offers them also differs from a directory in this:
//! - A directory is there as soon as a name is below it, and one right below the root always. Nobody makes or removes
//!   one, so no outcome tells that one is missing.
//! - A [`Stamp`](super::Stamp) says nothing, and is always young.
//! - A change is durable, or is not, as its [`Step`] says, or at once. Nothing has to be flushed.
//! - It never does a change again whose reply it lost: the error says that the outcome is unknown.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Store, StoreError};
use crate::id::TaskId;
use crate::path::{Dir, Path};
use crate::time::Timestamp;

/// A store that answers several questions, and makes a change of a task with all that belongs to it, in one trip.
pub trait Fused: Store {
    /// The content of `format.json`, as it was when the store was opened; `None`: there was none. Costs no trip.
    fn format(&self) -> Option<Vec<u8>>;

    /// Answers several questions, each as if it came alone: as [`by_calls::look`](super::by_calls::look).
    fn look(&self, looks: &[Look]) -> Result<Vec<Seen>, StoreError>;

    /// Makes several changes, each as if it came alone: as [`by_calls::step`](super::by_calls::step).
    fn step(&self, steps: &[Step]) -> Result<Vec<Stepped>, StoreError>;

    /// Waits until a name may have come into one of these directories, or below one, for so long at most.
    ///
    /// It may wait for less. Where it has not told of these directories before it does not wait at all: something may
    /// have come already, so the caller looks before it waits again.
    fn stirred(&self, _dirs: &[Dir], _at_most: Duration) -> Result<Stirred, StoreError> {
        Ok(Stirred::Untold)
    }
}

/// The outcome of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stirred {
    /// The engine tells of changes. There is one, or the time is over, or it tells only from now on.
    Told,
    /// The engine does not tell, and has not waited: its caller sleeps, and looks more often.
    Untold,
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Look {
    /// The names in a directory: [`Seen::Names`].
    Names(Dir),
    /// The first line of a file: [`Seen::Line`].
    Line(Path),
    /// The entries at the head of the directories that are sorted by time, in claim order: [`Seen::Entries`].
    Head(Head),
    /// The entries of a task, wherever they stand: [`Seen::Entries`], in any order.
    OfTask(TaskId),
    /// The names that time has made due, as [`due_at`](crate::layout::due_at) says: [`Seen::Entries`], the earliest
    /// first.
    Due(Due),
}

/// Which entries are at the head: those whose [`place_of`](crate::layout::place_of) comes first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Head {
    /// Of which directories.
    pub of: TimedDirs,
    /// Only what comes after this place.
    pub after: Option<String>,
    /// A look passes over the names below these, and reads them only if no other name is there.
    pub watermarks: Vec<Watermark>,
    /// At most so many.
    pub most: usize,
}

/// From where on a directory of one priority is read. Many engines keep names that have left for a while, and go
/// through all of them to find the first that is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Watermark {
    /// The directory.
    pub priority: Dir,
    /// The first path that is not below it.
    pub first: Path,
}

/// Directories that are sorted by time, and are read side by side as if they were one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TimedDirs {
    /// These: directories of queues, or `scheduled/`.
    These(Vec<Dir>),
    /// Those of all queues.
    AllQueues,
}

impl Head {
    /// True if this path is below a watermark.
    pub fn passes_over(&self, path: &Path) -> bool {
        self.watermarks.iter().any(|mark| path.dir.is_below(&mark.priority) && *path < mark.first)
    }
}

/// Which names are due.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Due {
    /// By when.
    pub by: Timestamp,
    /// Only what comes after this one.
    pub after: Option<Path>,
    /// At most so many.
    pub most: usize,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Seen {
    /// Of [`Look::Names`], as [`Store::list`] answers.
    Names(Option<Vec<String>>),
    /// Of [`Look::Line`], as [`Store::first_line`] answers with [`RECORD_BYTES`](crate::limits::RECORD_BYTES).
    Line(Option<Vec<u8>>),
    /// Names of files that hold a task.
    Entries(Vec<SeenEntry>),
}

/// A name, and what the file holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SeenEntry {
    /// Where.
    pub path: Path,
    /// The first line of the file; `None`: it has more than [`LINE_BYTES_SEEN`](crate::limits::LINE_BYTES_SEEN) bytes,
    /// or none is there.
    pub line: Option<Vec<u8>>,
}

/// A change: what nobody looks at yet, and the move that makes it count. Both happen, or neither.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// What is written.
    pub first: First,
    /// The first of these whose old name is there is made, and no other. An engine may pass over one that another agent
    /// is at.
    pub moves: Vec<Move>,
    /// True if the change has to survive a power cut, and every earlier one of the same file with it.
    pub durable: bool,
    /// Asks whether anything is in this directory right after the move.
    pub then: Option<Dir>,
}

/// What is written with a move.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum First {
    /// Nothing.
    #[default]
    Nothing,
    /// A new file.
    Create(Path, Vec<u8>),
    /// A line at the end of the file that is moved, unless the file would then hold more than so many bytes. There is
    /// one move.
    Append(Vec<u8>, usize),
}

/// A file gets a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Move {
    /// Instead of the one that it has, as by [`Store::rename`].
    Rename(Path, Path),
    /// Besides the one that it has, as by [`Store::link`].
    Link(Path, Path),
}

/// The outcome of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stepped {
    /// It is made.
    Done {
        /// By which of the moves.
        by: usize,
        /// True if something is in the directory that the step asks about.
        found: bool,
    },
    /// None of the old names is there, or other agents are at all that are; nothing changed.
    Gone,
    /// The name of the new file is taken, or that of the link; nothing changed.
    Taken,
    /// The file would hold more than it may; nothing changed.
    Full,
}
