//! The checks of each single task in an examination.

use super::examination::Examination;
use super::present::{Present, Whole, home_of, which_counts};
use super::scan::TaskFiles;
use super::{Note, Problem};
use crate::entry::Entry;
use crate::error::Error;
use crate::id::TaskId;
use crate::layout;
use crate::limits;
use crate::name::Nonce;
use crate::queue::agreement::{Disagreement, disagreement};
use crate::store::Store;
use crate::task::{BadRecord, Task};
use crate::tree::{Fence, Located, Quarantine, Repair, Repairer, Report};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// The reports that an entry leads to, newest first; the last is `None` if it is lost.
type History = Vec<(Nonce, Option<Report>)>;

impl<'a, S: Store> Examination<'a, S> {
    pub(super) fn check_task(&mut self, id: TaskId, files: &TaskFiles, quarantine: &Quarantine) -> Result<(), Error> {
        let mut present = self.queue.present(id, &files.sightings)?;
        if present.is_empty() {
            present = self.queue.present(id, &files.strays)?;
        }
        let (alone, any) = (present.len() == 1, present.first().map(|(located, _)| located.clone()));
        let (whole, bad): (Vec<_>, Vec<_>) = present.into_iter().partition(|(_, content)| content.is_ok());
        let left_bad = self.check_contents(bad)?;
        let mut whole: Vec<Whole> = whole
            .into_iter()
            .filter_map(|(located, content)| content.ok().map(|task| Whole { located, task }))
            .collect();
        whole.sort_by(which_counts);
        let mut whole = whole.into_iter();
        match (whole.next(), any) {
            (Some(kept), _) => {
                self.check_others(&kept.located, whole)?;
                self.check_kept(kept, files, quarantine, alone)
            }
            (None, Some(bad)) if left_bad => self.count(&bad),
            (None, _) => self.check_without_entry(id),
        }
    }

    /// Quarantines entries that do not hold their task. True if one was left.
    fn check_contents(&mut self, bad: Vec<Present>) -> Result<bool, Error> {
        let mut left = false;
        for (located, content) in bad {
            let Err(problem) = content else { continue };
            let quarantine = |repairer: &mut Repairer<'_, S>| repairer.quarantine(&located.path());
            let became = match &problem {
                BadRecord::Unreadable(error) => self.repaired_for_good(error, quarantine)?,
                _ => self.repaired(quarantine)?,
            };
            left |= became == Repair::Left;
            self.found(Some(located.entry.id), located.path(), Problem::RecordBad(problem), became);
        }
        Ok(left)
    }

    /// Quarantines entries beside the one that counts.
    fn check_others(&mut self, kept: &Located, others: impl Iterator<Item = Whole>) -> Result<(), Error> {
        for Whole { located: other, .. } in others {
            let became = self.repaired(|repairer| repairer.quarantine(&other.path()))?;
            self.found(Some(other.entry.id), other.path(), Problem::TwoEntries { kept: kept.path() }, became);
        }
        Ok(())
    }

    /// Looks at the entry that counts, and at what belongs to it. `alone`: the task has no other.
    fn check_kept(
        &mut self,
        kept: Whole,
        files: &TaskFiles,
        quarantine: &Quarantine,
        alone: bool,
    ) -> Result<(), Error> {
        let Whole { mut located, task } = kept;
        if located.dir.is_below(&layout::unique_keys()) {
            return self.check_staged(&located, &task);
        }
        self.count(&located)?;
        if located.is_unfinished() {
            // Its holder is at it, or a sweep will be.
            let queue = self.queue;
            self.repaired(|repairer| repairer.finish(queue, &located))?;
            return Ok(());
        }
        let home = home_of(&located.entry, &task);
        if located.dir != home {
            let misplaced = located.path();
            let became = self.repaired(|repairer| repairer.bring_home(&mut located, &home))?;
            let home = home.file(misplaced.name.as_str());
            self.found(Some(task.id), misplaced, Problem::WrongPlace { home }, became);
        }
        self.check_record(&located)?;
        let Some(history) = self.check_reports(&located)? else { return Ok(()) };
        self.check_run(&located.entry)?;
        if self.check_agreement(&mut located, &task, &history)? == Repair::Quarantined {
            return Ok(());
        }
        self.note_times(&located);
        let needed = history.into_iter().map(|(nonce, _)| nonce).collect();
        if alone { self.clear_reports(&located.entry, files, &needed, quarantine) } else { Ok(()) }
    }

    /// Looks at a task that has asked for a key and stands nowhere else. If it has got the key it goes to where it
    /// belongs. Else its enqueuer is at work or has died, and nobody ever knew of it.
    fn check_staged(&mut self, staged: &Located, task: &Task) -> Result<(), Error> {
        if self.age(task) < limits::ENQUEUE_MICROS {
            self.note(Note::Enqueuing { task_id: task.id });
        } else if self.queue.has_its_key(task)? {
            let queue = self.queue;
            let became = self.repaired(|repairer| repairer.unlock(queue, task))?;
            self.found(Some(task.id), staged.path(), Problem::NoEntry, became);
        } else {
            self.diagnosis.leftovers.torn_records += 1;
            // Its enqueuer, if it lives after all, may give the task its key and move it at any time before this
            // rename. So only the record of a staged entry that this doctor has quarantined goes with it.
            let became = self.repaired(|repairer| repairer.quarantine(&staged.path()))?;
            let record = self.queue.tree.record_of(task.id)?.filter(|_| became == Repair::Quarantined);
            record.map(|(record, _)| self.clear_away(&record)).transpose()?;
        }
        Ok(())
    }

    /// How far the time at which a task was enqueued is from now, in microseconds.
    fn age(&self, task: &Task) -> u64 {
        let created_at = task.record.created_at;
        self.now.micros_since(created_at).max(created_at.micros_since(self.now))
    }

    /// Looks at the record in `tasks/`, which is the same file as the entry, unless something happened to it.
    fn check_record(&mut self, located: &Located) -> Result<(), Error> {
        let id = located.entry.id;
        let Some((path, record)) = self.queue.tree.record_file(id)? else {
            let became = self.repaired(|repairer| repairer.link_record_back(located))?;
            self.found(Some(id), layout::record(id), Problem::RecordMissing, became);
            return Ok(());
        };
        if let Err(problem) = record {
            let became = self.repaired(|repairer| match repairer.quarantine_record(id, &path)? {
                Repair::Quarantined => repairer.link_record_back(located),
                became => Ok(became),
            })?;
            self.found(Some(id), path, Problem::RecordBad(problem), became);
            return Ok(());
        }
        if self.queue.tree.store().links(&located.path())? == Some(1)
            && self.repaired(|repairer| repairer.join_record(located))? == Repair::Left
        {
            self.note(Note::RecordApart(path));
        }
        Ok(())
    }

    /// Looks at the reports that the entry leads to, and tells them. `None`: the task has moved on meanwhile, and what
    /// its next name leads to is not known.
    fn check_reports(&mut self, located: &Located) -> Result<Option<History>, Error> {
        let (id, file) = (located.entry.id, layout::record(located.entry.id));
        let told = self.queue.tree.told_of(id)?;
        if told.noise > 0 {
            self.note(Note::Noise { path: file.clone(), lines: told.noise });
        }
        let history = self.queue.tree.history_in(&located.entry, &told)?;
        if let Some((_, None)) = history.last() {
            // One of progress is removed once another has taken its place: then the entry has another name, too.
            if !self.queue.tree.store().exists(&located.path())? {
                return Ok(None);
            }
            self.found(Some(id), file, Problem::ReportLost, Repair::Left);
        }
        Ok(Some(history))
    }

    /// Checks that the task's files agree. A contradiction means that somebody put the files there, or altered them. An
    /// agent could not work with them, or would read false reports, so they wait in `quarantine/` for a person.
    fn check_agreement(
        &mut self,
        located: &mut Located,
        task: &Task,
        history: &[(Nonce, Option<Report>)],
    ) -> Result<Repair, Error> {
        let is_put_off = located.entry.due().is_some();
        let put_off_to = if is_put_off { self.queue.tree.times_put_off_to(task.id)? } else { Vec::new() };
        let Some(disagreement) = disagreement(&located.entry, task, history, &put_off_to, self.now) else {
            return Ok(Repair::Left);
        };
        // It has moved on meanwhile, and what was read last is of its next name.
        if !self.queue.tree.store().exists(&located.path())? {
            return Ok(Repair::Left);
        }
        let (path, now) = (located.path(), self.now);
        let became = match disagreement {
            // The report that told it is lost, which is told: it goes on when it is due.
            Disagreement::Due { .. } if history.iter().any(|(_, report)| report.is_none()) => return Ok(Repair::Left),
            Disagreement::Ahead { .. } => self.repaired(|repairer| repairer.date_back(located, task, now))?,
            _ => self.repaired(|repairer| repairer.quarantine(&path))?,
        };
        self.found(Some(task.id), path, Problem::Disagrees(disagreement), became);
        Ok(became)
    }

    /// Looks at a task without an entry: a record that is cut off is one that was never acknowledged; a whole one is a
    /// task to be linked again, once it is certain that it has no entry anywhere.
    fn check_without_entry(&mut self, id: TaskId) -> Result<(), Error> {
        let Some((path, record)) = self.queue.tree.record_file(id)? else { return Ok(()) };
        let task = match record {
            Ok(task) => task,
            Err(problem) => {
                let quarantine = |repairer: &mut Repairer<'_, S>| repairer.quarantine_record(id, &path);
                let became = match &problem {
                    BadRecord::Unreadable(error) => self.repaired_for_good(error, quarantine)?,
                    _ => self.repaired(quarantine)?,
                };
                match problem {
                    BadRecord::Unreadable(_) => self.found(Some(id), path, Problem::RecordBad(problem), became),
                    _ => self.diagnosis.leftovers.torn_records += 1,
                }
                return Ok(());
            }
        };
        // A task of which an entry is in `quarantine/` has been in a person's or a doctor's hands. It waits for a
        // person.
        if let Some(lost) = self.queue.tree.scan_quarantine()?.tasks.remove(&id) {
            if self.queue.tree.relocate(id)?.is_none() {
                // A doctor has quarantined its staged entry, as it never got its key, and died before this.
                if self.age(&task) >= limits::ENQUEUE_MICROS && !self.queue.has_its_key(&task)? {
                    self.diagnosis.leftovers.torn_records += 1;
                    return self.clear_away(&path);
                }
                // Unless what is in `quarantine/` is no name of the record, but something that had taken the place of
                // one.
                if self.queue.tree.store().links(&path)? == Some(1) {
                    let queue = self.queue;
                    let became = self.repaired(|repairer| repairer.reinstate(queue, &lost))?;
                    self.found(Some(id), path, Problem::NoEntry, became);
                    return self.check_run(&lost);
                }
                self.note(Note::EntryQuarantined { task_id: id });
                self.found(Some(id), path, Problem::NoEntry, Repair::Left);
            }
            return Ok(());
        }
        if self.queue.tree.is_purged(id)? {
            return Ok(());
        }
        match self.queue.tree.store().links(&path)? {
            // It is being enqueued or linked again this very moment.
            None => {}
            Some(1) if self.age(&task) < limits::ENQUEUE_MICROS => self.note(Note::Enqueuing { task_id: id }),
            // Another task has its key: its enqueuer died before it could know.
            Some(1) if !self.queue.has_its_key(&task)? => {
                self.diagnosis.leftovers.torn_records += 1;
                // Its enqueuer, if it lives after all, may stage it until the record has another name.
                self.repaired(|repairer| match repairer.fence(id)? {
                    Fence::Mine(path, _) => repairer.quarantine(&path),
                    Fence::HasEntry | Fence::Gone | Fence::Torn(_) | Fence::SeveralNames => Ok(Repair::Left),
                })?;
            }
            Some(1) => {
                let queue = self.queue;
                let became = self.repaired(|repairer| queue.relink(repairer, id))?;
                self.found(Some(id), path, Problem::NoEntry, became);
            }
            Some(_) if self.queue.tree.relocate(id)?.is_some() => {}
            Some(links) => {
                self.note(Note::SeveralNames { task_id: id, links });
                if self.foreign_names_of(id, links)? + 1 == links {
                    self.found(Some(id), path, Problem::NoEntry, Repair::Left);
                }
            }
        }
        Ok(())
    }

    /// How many of the names that no queue gives are links to the record of a task, which has so many names. No agent
    /// moves them: so if they are all of its names but one, it has no entry.
    fn foreign_names_of(&self, id: TaskId, links: u64) -> Result<u64, Error> {
        let store = self.queue.tree.store();
        let mut names = 0;
        for path in &self.diagnosis.foreign {
            let may_be = store.links(path).is_ok_and(|there| there == Some(links));
            let content = if may_be { store.read(path, limits::RECORD_BYTES).ok().flatten() } else { None };
            names += u64::from(content.is_some_and(|content| Task::decode(id, &content).is_ok()));
        }
        Ok(names)
    }

    /// Quarantines reports whose rename can succeed no more: it would need the exact name that the task had before
    /// this version, and that one is gone. One of a higher version may be in the hands of an agent about to rename.
    fn clear_reports(
        &mut self,
        present: &Entry,
        files: &TaskFiles,
        needed: &BTreeSet<Nonce>,
        quarantine: &Quarantine,
    ) -> Result<(), Error> {
        for (path, version, nonce) in &files.reports {
            let kept = needed.contains(nonce) || quarantine.reports.contains(&(present.id, *nonce));
            if *version <= present.version && !kept {
                self.diagnosis.leftovers.reports += 1;
                self.clear_away(path)?;
            }
        }
        Ok(())
    }
}
