//! An entry and where it was seen.

use crate::entry::{Ending, Entry, Outcome, QueueLabel, State};
use crate::layout::{self, StateDir, TimedDir};
use crate::limits;
use crate::path::{Dir, Path};
use crate::time::Timestamp;
use crate::transition::is_over;

/// An entry and the directory that it was seen in.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    pub(crate) dir: Dir,
    pub(crate) entry: Entry,
}

impl Located {
    /// An entry that was seen in `dir`. Of one in `ready/` that tells the queue.
    pub(crate) fn at(dir: Dir, entry: Entry) -> Located {
        let queue = TimedDir::queue_of(&dir).map(|queue| QueueLabel::of(&queue)).or(entry.queue);
        Located { dir, entry: Entry { queue, ..entry } }
    }

    pub(crate) fn path(&self) -> Path {
        self.dir.file(self.entry.name())
    }

    /// True for an end that is not finished: a holder's, which says something.
    pub(crate) fn is_unfinished(&self) -> bool {
        self.before_its_end().is_some()
    }

    /// True if a change of the task is not written down yet: one of its times has passed, or its end is not finished.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.is_unfinished() || is_over(&self.entry, now)
    }

    /// True for an end so young that its holder is most likely at the flush: other agents leave it alone.
    pub(crate) fn is_at_its_flush(&self, now: Timestamp) -> bool {
        let ended_at = self.entry.ended_at().filter(|_| self.is_unfinished());
        ended_at.is_some_and(|at| at.micros_since(now).max(now.micros_since(at)) < limits::FLUSH_MICROS)
    }

    /// The entry as it was, except its version, before an unfinished end: an ended name that is still in `claimed/`.
    pub(crate) fn before_its_end(&self) -> Option<Entry> {
        match &self.entry.state {
            State::Ended(Ending { outcome: Outcome::Completed | Outcome::Failed, lease: Some(lease), .. })
                if self.entry.report.is_some() && self.dir.is_below(&layout::state_dir(StateDir::Claimed)) =>
            {
                Some(Entry { state: State::Claimed(lease.clone()), ..self.entry.clone() })
            }
            _ => None,
        }
    }
}
