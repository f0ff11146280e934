//! One examination of the queue: each task by itself, then what belongs to none.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::cmp::{Ordering, Reverse};

use super::super::agreement::{Disagreement, disagreement};
use super::super::files::{Decoded, Located};
use super::super::find::LOOKS;
use super::super::reports::Report;
use super::super::unfinished::is_unfinished;
use super::super::{Queue, Status, says_format};
use super::repairer::{Fence, Repairer};
use super::scan::{Quarantine, Scan, TaskFiles};
use super::{Defect, Diagnosis, Note, Problem, Repair};
use crate::entry::{Entry, State};
use crate::error::Error;
use crate::id::TaskId;
use crate::layout::{self, Dir, Path};
use crate::limits;
use crate::name::Nonce;
use crate::store::{Store, StoreError, StoreErrorKind};
use crate::task::{BadRecord, Record, Task};
use crate::time::Timestamp;

/// A doctor at work.
pub(super) struct Examination<'a, S> {
    queue: &'a Queue<S>,
    now: Timestamp,
    /// An examination has none, and changes nothing.
    repairer: Option<Repairer<'a, S>>,
    diagnosis: Diagnosis,
    /// Files of run ids that have been looked at.
    runs: BTreeSet<Path>,
    /// The latest time that a name tells, and the name.
    latest: Option<(Timestamp, Path)>,
}

/// An entry, and the task that it holds or why it holds none.
type Present = (Located, Decoded);

/// An entry that holds its task.
struct Whole {
    located: Located,
    task: Task,
}

impl<'a, S: Store> Examination<'a, S> {
    pub(super) fn new(
        queue: &'a Queue<S>,
        now: Timestamp,
        nonces: Option<&'a mut dyn FnMut() -> Nonce>,
    ) -> Examination<'a, S> {
        let repairer = nonces.map(|nonces| Repairer::new(queue, nonces));
        Examination { queue, now, repairer, diagnosis: Diagnosis::default(), runs: BTreeSet::new(), latest: None }
    }

    pub(super) fn run(mut self) -> Result<Diagnosis, Error> {
        let Scan { tasks, drafts, tokens, mut foreign, mut in_the_way, .. } = self.queue.scan()?;
        foreign.sort();
        self.diagnosis.foreign = foreign;
        // First what is in the way of quarantining anything.
        in_the_way.sort_by_key(|(path, _)| path.dir.child(&path.name) != layout::quarantine_dir());
        for (path, error) in in_the_way {
            let became = self.repaired_for_good(&error, |repairer| repairer.clear_the_way(&path))?;
            self.found(None, path, Problem::InTheWay(error), became);
        }
        let quarantine = self.queue.scan_quarantine()?;
        // To link a task again is to look at those that it waits for, which moves them on. So these come last: the
        // others are as they were seen.
        let (standing, without_entry): (Vec<_>, Vec<_>) = tasks.iter().partition(|(_, files)| files.stands());
        for (id, files) in standing.into_iter().chain(without_entry) {
            match self.check_task(*id, files, &quarantine) {
                Err(Error::Store(error) | Error::Unknown(error)) => self.note(Note::Failed(error)),
                // Another task's record, which is told of that one.
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
        self.diagnosis.quarantine = self.queue.scan_quarantine()?.files;
        Ok(self.diagnosis)
    }

    fn check_task(&mut self, id: TaskId, files: &TaskFiles, quarantine: &Quarantine) -> Result<(), Error> {
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
        if is_unfinished(&located) {
            // Its holder is at it, or a sweep will be.
            let now = self.now;
            self.repaired(|repairer| repairer.finish(&located, now))?;
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
        let history = self.check_reports(&located)?;
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
            let now = self.now;
            let became = self.repaired(|repairer| repairer.unlock(task, now))?;
            self.found(Some(task.id), staged.path(), Problem::NoEntry, became);
        } else {
            self.diagnosis.leftovers.torn_records += 1;
            // Its enqueuer, if it lives after all, may give the task its key and move it at any time before this
            // rename. So only the record of a staged entry that this doctor has quarantined goes with it.
            let became = self.repaired(|repairer| repairer.quarantine(&staged.path()))?;
            let record = self.queue.record_of(task.id)?.filter(|_| became == Repair::Quarantined);
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
        let Some((path, record)) = self.queue.record_file(id)? else {
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
        if self.queue.store().links(&located.path())? == Some(1)
            && self.repaired(|repairer| repairer.join_record(located))? == Repair::Left
        {
            self.note(Note::RecordApart(path));
        }
        Ok(())
    }

    /// Looks at the reports that the entry leads to, and tells them.
    fn check_reports(&mut self, located: &Located) -> Result<Vec<(Nonce, Option<Report>)>, Error> {
        let (id, file) = (located.entry.id, layout::record(located.entry.id));
        let told = self.queue.told_of(id)?;
        if told.noise > 0 {
            self.note(Note::Noise { path: file.clone(), lines: told.noise });
        }
        let history = self.queue.history_in(&located.entry, &told)?;
        if let Some((_, None)) = history.last() {
            // One of progress is removed once another has taken its place: then the entry has another name, too.
            if self.queue.store().exists(&located.path())? {
                self.found(Some(id), file, Problem::ReportLost, Repair::Left);
            }
        }
        Ok(history)
    }

    /// Looks whether what belongs to the task agrees: what no queue makes was put there by somebody, or altered. No
    /// agent could go on with it, or would be told what nobody did, so it waits in `quarantine/` for a person.
    fn check_agreement(
        &mut self,
        located: &mut Located,
        task: &Task,
        history: &[(Nonce, Option<Report>)],
    ) -> Result<Repair, Error> {
        let is_put_off = located.entry.due().is_some();
        let put_off_to = if is_put_off { self.queue.times_put_off_to(task.id)? } else { Vec::new() };
        let Some(disagreement) = disagreement(&located.entry, task, history, &put_off_to, self.now) else {
            return Ok(Repair::Left);
        };
        // It has moved on meanwhile, and what was read last is of its next name.
        if !self.queue.store().exists(&located.path())? {
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
        let Some((path, record)) = self.queue.record_file(id)? else { return Ok(()) };
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
        if let Some(lost) = self.queue.scan_quarantine()?.tasks.remove(&id) {
            if self.queue.relocate(id)?.is_none() {
                // A doctor has quarantined its staged entry, as it never got its key, and died before this.
                if self.age(&task) >= limits::ENQUEUE_MICROS && !self.queue.has_its_key(&task)? {
                    self.diagnosis.leftovers.torn_records += 1;
                    return self.clear_away(&path);
                }
                // Unless what is in `quarantine/` is no name of the record, but something that had taken the place of
                // one.
                if self.queue.store().links(&path)? == Some(1) {
                    let now = self.now;
                    let became = self.repaired(|repairer| repairer.reinstate(&lost, now))?;
                    self.found(Some(id), path, Problem::NoEntry, became);
                    return self.check_run(&lost);
                }
                self.note(Note::EntryQuarantined { task_id: id });
                self.found(Some(id), path, Problem::NoEntry, Repair::Left);
            }
            return Ok(());
        }
        if self.queue.is_purged(id)? {
            return Ok(());
        }
        match self.queue.store().links(&path)? {
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
                let now = self.now;
                let became = self.repaired(|repairer| repairer.relink(id, now))?;
                self.found(Some(id), path, Problem::NoEntry, became);
            }
            Some(_) if self.queue.relocate(id)?.is_some() => {}
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
        let store = self.queue.store();
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

    /// A draft in `tmp/`. What a doctor tries the filesystem with may be in use, and is a leftover only once it is old.
    fn check_draft(&mut self, draft: &Path) -> Result<(), Error> {
        let Ok(doctor) = draft.name.parse::<Nonce>() else {
            self.diagnosis.leftovers.drafts += 1;
            return self.clear_away(draft);
        };
        let (queue, trial) = (self.queue, layout::trial(doctor));
        let stamp = match queue.store().stamp(&trial) {
            // It is no directory, and so nothing that a doctor has made.
            Err(error) if error.is_of_one_place() => {
                self.diagnosis.leftovers.drafts += 1;
                return self.clear_away(draft);
            }
            stamp => stamp?,
        };
        let Some(stamp) = stamp else { return Ok(()) };
        if stamp.micros().saturating_add(limits::TRIAL_MICROS) <= self.now.micros() {
            self.diagnosis.leftovers.drafts += 1;
            self.repaired(|_| queue.remove_trial(&trial).map(|()| Repair::Mended))?;
        }
        Ok(())
    }

    fn check_format(&mut self, has_tasks: bool) -> Result<(), Error> {
        let (format, queue, now) = (layout::format(), self.queue, self.now);
        let is_there = queue.store().exists(&format)?;
        if queue.formatted.get() {
            return self.check_original();
        }
        if !has_tasks && !is_there {
            return Ok(());
        }
        let became = self.repaired(|repairer| {
            // Since this doctor came another one may have made it.
            for name in [&format, &layout::anchor()] {
                if queue.store().exists(name)? && !says_format(queue.store(), name)? {
                    repairer.quarantine(name)?;
                }
            }
            queue.init(now, repairer.nonce()).map(|_| Repair::Mended)
        })?;
        self.found(None, format, Problem::NoFormat, became);
        Ok(())
    }

    /// Whoever repairs a queue has looked at it, and takes it over.
    fn check_original(&mut self) -> Result<(), Error> {
        let queue = self.queue;
        if queue.is_copy()? {
            let became = self.repaired(|repairer| repairer.take_over())?;
            self.found(None, layout::anchor(), Problem::Copied, became);
        }
        Ok(())
    }

    fn note_tokens(&mut self, tokens: &[Timestamp]) -> Result<(), Error> {
        // A token that becomes another one while the directory is read may be missed, or seen twice.
        let again = self.queue.store().list(&layout::sweep())?.unwrap_or_default();
        let again = again.iter().filter(|name| layout::parse_sweep_token(name).is_some()).count();
        if self.queue.formatted.get() && tokens.len() != 1 && again != 1 {
            self.note(Note::SweepTokens(again));
        }
        for token in tokens {
            self.check_readable(&layout::sweep_token(*token))?;
            self.note_time(*token, layout::sweep_token(*token));
        }
        Ok(())
    }

    /// False: it cannot be read, and so is in the way.
    fn check_readable(&mut self, path: &Path) -> Result<bool, Error> {
        // One byte: a directory can be opened as a file, and refuses only to be read.
        match self.queue.store().read(path, 1) {
            Err(error) if error.is_of_one_place() => {
                let became = self.repaired_for_good(&error, |repairer| repairer.quarantine(path))?;
                self.found(None, path.clone(), Problem::InTheWay(error), became);
                Ok(false)
            }
            read => Ok(read.map(|_| true)?),
        }
    }

    /// Looks at the text of a run id that is too long for a name. It only serves to be shown; but the text of another
    /// run id would be shown for every task of this agent.
    fn check_run(&mut self, entry: &Entry) -> Result<(), Error> {
        let Some(holder) = entry.lease().map(|lease| &lease.holder).filter(|holder| holder.overflows()) else {
            return Ok(());
        };
        let path = layout::run(holder);
        if !self.runs.insert(path.clone()) {
            return Ok(());
        }
        if !self.check_readable(&path)? {
            return Ok(());
        }
        match self.queue.overflow_text(holder)? {
            None => self.note(Note::RunLost(path)),
            Some(run_id) if holder.is_of(&run_id) => {}
            Some(_) => {
                let became = self.repaired(|repairer| repairer.quarantine(&path))?;
                self.found(None, path, Problem::Disagrees(Disagreement::RunId), became);
            }
        }
        Ok(())
    }

    fn note_times(&mut self, located: &Located) {
        let entry = &located.entry;
        let lease = entry.lease().map(|lease| lease.claimed_at.max(lease.heartbeat_at));
        let ended = match &entry.state {
            State::Ended(ending) => Some(ending.ended_at),
            State::Scheduled { .. }
            | State::Blocked { .. }
            | State::Ready { .. }
            | State::Claimed(_)
            | State::Cancelling(_)
            | State::TimedOut { .. } => None,
        };
        let latest = [Some(entry.created_at), lease, ended].into_iter().flatten().max();
        latest.into_iter().for_each(|at| self.note_time(at, located.path()));
    }

    fn note_time(&mut self, at: Timestamp, path: Path) {
        if self.latest.as_ref().is_none_or(|(latest, _)| *latest < at) {
            self.latest = Some((at, path));
        }
    }

    fn note_clock(&mut self) {
        let Some((at, path)) = self.latest.take() else { return };
        let micros = at.micros_since(self.now);
        if micros > limits::CLOCK_AHEAD_MICROS {
            self.note(Note::ClockAhead { path, micros });
        }
    }

    /// Moves a leftover to `quarantine/`, in a repair. That it is gone is as good.
    fn clear_away(&mut self, path: &Path) -> Result<(), Error> {
        self.repaired(|repairer| repairer.quarantine(path)).map(|_| ())
    }

    /// Does something about a defect, in a repair. A medium that fails leaves it as it is, and the others to be tried.
    fn repaired(&mut self, mend: impl FnOnce(&mut Repairer<'a, S>) -> Result<Repair, Error>) -> Result<Repair, Error> {
        match self.repairer.as_mut().map(mend) {
            None => Ok(Repair::Left),
            Some(Err(Error::Store(error) | Error::Unknown(error))) => {
                self.note(Note::Failed(error));
                Ok(Repair::Left)
            }
            // Another task's record, which is told of that one.
            Some(Err(Error::Corrupt { .. })) => Ok(Repair::Left),
            Some(became) => became,
        }
    }

    /// The same, unless this is why: an error of the medium, which may be gone the next time. What is moved then may be
    /// sound.
    fn repaired_for_good(
        &mut self,
        why: &StoreError,
        mend: impl FnOnce(&mut Repairer<'a, S>) -> Result<Repair, Error>,
    ) -> Result<Repair, Error> {
        if why.kind == StoreErrorKind::Other { Ok(Repair::Left) } else { self.repaired(mend) }
    }

    fn found(&mut self, task_id: Option<TaskId>, path: Path, problem: Problem, became: Repair) {
        self.diagnosis.defects.push(Defect { task_id, path, problem, became });
    }

    fn note(&mut self, note: Note) {
        self.diagnosis.notes.push(note);
    }

    fn count(&mut self, located: &Located) -> Result<(), Error> {
        self.diagnosis.counts.add(Status::of(&self.queue.as_it_stands(located, self.now)?, self.now));
        Ok(())
    }
}

impl<S: Store> Queue<S> {
    /// The entries of a task that are there at one time, with what each holds.
    ///
    /// All were seen before the first is read here, and a name that is gone never comes back: so of two that can still
    /// be read, both were there when the first was.
    fn present(&self, id: TaskId, sightings: &[Located]) -> Result<Vec<Present>, Error> {
        let mut seen = sightings.to_vec();
        for _ in 0..LOOKS {
            let mut present = Vec::new();
            for located in seen {
                match self.task_at(&located) {
                    Ok(Some(task)) => present.push((located, Ok(task))),
                    Ok(None) => {}
                    Err(Error::Corrupt { problem, .. }) => present.push((located, Err(problem))),
                    Err(error) => return Err(error),
                }
            }
            if !present.is_empty() {
                return Ok(present);
            }
            // The task has moved on since it was seen, or it has no entry.
            seen = self.relocate(id)?.into_iter().collect();
            if seen.is_empty() {
                break;
            }
        }
        Ok(Vec::new())
    }

    /// [`Queue::find`], which takes a record that does not hold the task for none.
    pub(in super::super) fn relocate(&self, id: TaskId) -> Result<Option<Located>, Error> {
        match self.find(id) {
            Err(Error::Corrupt { .. }) => Ok(None),
            found => found,
        }
    }
}

/// Where agents look for an entry.
fn home_of(entry: &Entry, task: &Task) -> Dir {
    let Record { ref queue, priority, created_at, .. } = task.record;
    match entry.state {
        State::Ready { .. } | State::TimedOut { .. } => layout::ready_bucket(queue, priority, created_at),
        State::Scheduled { .. }
        | State::Blocked { .. }
        | State::Claimed(_)
        | State::Cancelling(_)
        | State::Ended(_) => layout::home(entry, queue),
    }
}

/// Which of two entries counts comes first: that of an ended task, for its end was acknowledged, and of two the one
/// that came there by fewer steps; else the one that came further. None that stays as it is ever comes to stand before
/// one that moves on, so doctors that look at different times agree.
fn which_counts(one: &Whole, other: &Whole) -> Ordering {
    let rank = |Whole { located: Located { entry, .. }, .. }: &Whole| match &entry.state {
        State::Ended(ending) => (0, Some((entry.version, ending.ended_at)), Reverse(0), 0),
        State::Claimed(_) | State::Cancelling(_) => (1, None, Reverse(entry.version), 0),
        State::TimedOut { .. } => (1, None, Reverse(entry.version), 1),
        State::Ready { .. } => (1, None, Reverse(entry.version), 2),
        State::Scheduled { .. } => (1, None, Reverse(entry.version), 3),
        State::Blocked { .. } => (1, None, Reverse(entry.version), 4),
    };
    let place = |Whole { located, task }: &Whole| (home_of(&located.entry, task) != located.dir, located.path());
    rank(one).cmp(&rank(other)).then_with(|| place(one).cmp(&place(other)))
}
