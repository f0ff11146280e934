//! An examination, and a repair: a doctor at work. Its checks are in `check` and `whole`.

use super::scan::Scan;
use super::{Defect, Diagnosis, Note, Problem};
use crate::error::Error;
use crate::id::TaskId;
use crate::layout;
use crate::path::Path;
use crate::queue::Queue;
use crate::status::Status;
use crate::store::{Store, StoreError, StoreErrorKind};
use crate::time::Timestamp;
use crate::tree::{Located, Repair, Repairer};
use crate::turn::Turn;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// A doctor at work.
pub(super) struct Examination<'a, S> {
    pub(super) queue: &'a Queue<S>,
    pub(super) now: Timestamp,
    /// An examination has none, and changes nothing.
    pub(super) repairer: Option<Repairer<'a, S>>,
    pub(super) diagnosis: Diagnosis,
    /// Files of run ids that have been looked at.
    pub(super) runs: BTreeSet<Path>,
    /// The latest time that a name tells, and the name.
    pub(super) latest: Option<(Timestamp, Path)>,
}

impl<S: Store> Queue<S> {
    /// Reads everything, changes nothing.
    ///
    /// Costs a few look-ups for each task that ever was. A queue at work is never told to have a defect, except that an
    /// enqueuer which stands still between its two steps for [`crate::limits::ENQUEUE_MICROS`] leaves
    /// [`Problem::NoEntry`] that long.
    pub fn examine(&self, now: Timestamp) -> Result<Diagnosis, Error> {
        Examination::new(self, now, None).run()
    }

    /// Examines the queue, repairs what it can, quarantines the rest, and reports what it did about each defect.
    ///
    /// May run at any moment, beside agents and other doctors, and may die at any.
    pub fn repair(&self, turn: &Turn<'_>) -> Result<Diagnosis, Error> {
        Examination::new(self, turn.now(), Some(turn)).run()
    }
}

impl<'a, S: Store> Examination<'a, S> {
    fn new(queue: &'a Queue<S>, now: Timestamp, turn: Option<&'a Turn<'a>>) -> Examination<'a, S> {
        let repairer = turn.map(|turn| Repairer::new(&queue.tree, turn));
        Examination { queue, now, repairer, diagnosis: Diagnosis::default(), runs: BTreeSet::new(), latest: None }
    }

    fn run(mut self) -> Result<Diagnosis, Error> {
        let Scan { tasks, drafts, tokens, mut foreign, mut in_the_way, .. } = self.queue.scan()?;
        foreign.sort();
        self.diagnosis.foreign = foreign;
        // First everything that is in the way of quarantining.
        in_the_way.sort_by_key(|(path, _)| path.dir.child(&path.name) != layout::quarantine_dir());
        for (path, error) in in_the_way {
            let became = self.repaired_for_good(&error, |repairer| repairer.clear_the_way(&path))?;
            self.found(None, path, Problem::InTheWay(error), became);
        }
        let quarantine = self.queue.tree.scan_quarantine()?;
        // To link a task again is to look at those that it waits for, which moves them on. So these come last: the
        // others are as they were seen.
        let (standing, without_entry): (Vec<_>, Vec<_>) = tasks.iter().partition(|(_, files)| files.stands());
        for (id, files) in standing.into_iter().chain(without_entry) {
            match self.check_task(*id, files, &quarantine) {
                Err(Error::Store(error) | Error::Unknown(error)) => self.note(Note::Failed(error)),
                // Another task's record, which is reported there.
                Err(Error::Corrupt { .. }) => {}
                checked => checked?,
            }
        }
        self.check_format(!tasks.is_empty())?;
        for draft in &drafts {
            self.check_draft(draft)?;
        }
        self.note_tokens(&tokens)?;
        self.note_clock();
        self.diagnosis.quarantine = self.queue.tree.scan_quarantine()?.files;
        Ok(self.diagnosis)
    }

    /// Moves a leftover to `quarantine/`, in a repair. That it is gone is as good.
    pub(super) fn clear_away(&mut self, path: &Path) -> Result<(), Error> {
        self.repaired(|repairer| repairer.quarantine(path)).map(|_| ())
    }

    /// Repairs a defect, in a repair. If the medium fails, the defect stays, and the others are still tried.
    pub(super) fn repaired(
        &mut self,
        mend: impl FnOnce(&mut Repairer<'a, S>) -> Result<Repair, Error>,
    ) -> Result<Repair, Error> {
        match self.repairer.as_mut().map(mend) {
            None => Ok(Repair::Left),
            Some(Err(Error::Store(error) | Error::Unknown(error))) => {
                self.note(Note::Failed(error));
                Ok(Repair::Left)
            }
            // Another task's record, which is reported there.
            Some(Err(Error::Corrupt { .. })) => Ok(Repair::Left),
            Some(became) => became,
        }
    }

    /// The same, unless this is why: an error of the medium, which may be gone the next time. What is moved then may be
    /// sound.
    pub(super) fn repaired_for_good(
        &mut self,
        why: &StoreError,
        mend: impl FnOnce(&mut Repairer<'a, S>) -> Result<Repair, Error>,
    ) -> Result<Repair, Error> {
        if why.kind == StoreErrorKind::Other { Ok(Repair::Left) } else { self.repaired(mend) }
    }

    pub(super) fn found(&mut self, task_id: Option<TaskId>, path: Path, problem: Problem, became: Repair) {
        self.diagnosis.defects.push(Defect { task_id, path, problem, became });
    }

    pub(super) fn note(&mut self, note: Note) {
        self.diagnosis.notes.push(note);
    }

    pub(super) fn count(&mut self, located: &Located) -> Result<(), Error> {
        self.diagnosis.counts.add(Status::of(&self.queue.tree.as_it_stands(located, self.now)?, self.now));
        Ok(())
    }
}
