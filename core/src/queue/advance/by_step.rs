//! Changes on a medium with fused operations: the report and the rename are one step, and so is the look for those who
//! wait for a task that ends.

use super::says_something;
use crate::entry::Entry;
use crate::error::Error;
use crate::layout;
use crate::path::Dir;
use crate::queue::Queue;
use crate::store::fused::{Fused, Move, Step, Stepped};
use crate::store::{Moved, Store};
use crate::tree::{Located, Report};

impl<S: Store> Queue<S> {
    /// Renames an entry, with its report. Whether it was there, and whether the task has ended and others may wait for
    /// it. A report that no agent sent is left out if there is no room for it.
    pub(super) fn change_by_step(
        &self,
        fused: &dyn Fused,
        report: Option<&Report>,
        located: &Located,
        next: &Entry,
        home: &Dir,
    ) -> Result<(Moved, bool), Error> {
        let stepped = match self.try_change(fused, report, located, next, home) {
            // It goes on anyway.
            Err(Error::TooMuchReported { .. }) if report.is_some_and(Report::is_dispensable) => {
                let silent = Entry { report: located.entry.report, ..next.clone() };
                self.try_change(fused, None, located, &silent, home)?
            }
            stepped => stepped?,
        };
        self.tree.changed(&located.dir);
        self.tree.came_to(home);
        Ok(stepped)
    }

    fn try_change(
        &self,
        fused: &dyn Fused,
        report: Option<&Report>,
        located: &Located,
        next: &Entry,
        home: &Dir,
    ) -> Result<(Moved, bool), Error> {
        let (first, superseded) = match report {
            Some(report) => self.tree.report_of_step(located, next, report)?,
            None => Default::default(),
        };
        let moves = [Move::Rename(located.path(), home.file(next.name()))].into();
        let durable = says_something(next, report) || superseded.is_some();
        let then = next.has_ended().then(|| layout::blocked_on(next.id));
        match self.tree.step(fused, Step { first, moves, durable, then })? {
            Stepped::Done { found, .. } => {
                // CM-5: progress is garbage if it was replaced.
                superseded.map(|path| self.tree.or_leave(self.tree.store().remove(&path)));
                Ok((Moved::Here, found))
            }
            Stepped::Gone | Stepped::Taken => Ok((Moved::Gone, false)),
            Stepped::Full => Err(Error::TooMuchReported { id: next.id }),
        }
    }
}
