//! Ends by one flush.
//!
//! A report and the name that points at it are two changes of the disk. Where the medium orders names, one flush does
//! for both, if nobody takes the end for one before that flush: so the entry is renamed to its ended name *where it
//! stands*, in `claimed/`, then its file is flushed, and then it goes to `done/`. What stands in `done/` has its
//! report. An ended name in `claimed/` is an end that is not finished: its holder is at the flush, or has died, or the
//! power was cut. It counts as still held, and whoever meets it finishes it if the report is there, else takes the end
//! back.

use super::Queue;
use super::budget::Budget;
use super::files::Located;
use super::reports::{LATE, Line, Told};
use crate::entry::{Ending, Entry, Outcome, QueueLabel, State};
use crate::error::Error;
use crate::layout::{self, Dir, StateDir};
use crate::limits;
use crate::name::{Nonce, QueueName};
use crate::queue::ReportKind;
use crate::store::{Flushed, Moved, Store};
use crate::time::Timestamp;
use crate::transition::is_over;

/// True for an end that is not finished: a holder's, which says something.
pub(super) fn is_unfinished(located: &Located) -> bool {
    before_its_end(located).is_some()
}

/// True if something has happened to the task that is not drawn yet: its time has run out, or its end is not finished.
pub(super) fn is_due(located: &Located, now: Timestamp) -> bool {
    is_unfinished(located) || is_over(&located.entry, now)
}

/// True for an end that is so young that its holder is most likely at the flush: whoever comes by leaves it to it.
pub(super) fn is_at_its_flush(located: &Located, now: Timestamp) -> bool {
    let ended_at = located.entry.ended_at().filter(|_| is_unfinished(located));
    ended_at.is_some_and(|at| at.micros_since(now).max(now.micros_since(at)) < limits::FLUSH_MICROS)
}

/// The entry as it was, but for its version, before an end that is not finished.
pub(super) fn before_its_end(located: &Located) -> Option<Entry> {
    match &located.entry.state {
        State::Ended(Ending { outcome: Outcome::Completed | Outcome::Failed, lease: Some(lease), .. })
            if located.entry.report.is_some() && located.dir.is_below(&layout::state_dir(StateDir::Claimed)) =>
        {
            Some(Entry { state: State::Claimed(lease.clone()), ..located.entry.clone() })
        }
        _ => None,
    }
}

impl<S: Store> Queue<S> {
    /// True if an end of the task takes one flush, the report and the name together: one that its holder reports.
    pub(super) fn ends_by_one_flush(&self, located: &Located, next: &Entry, kind: ReportKind) -> bool {
        let is_holders = matches!(kind, ReportKind::Completed | ReportKind::Failed);
        let is_held = matches!(located.entry.state, State::Claimed(_));
        is_holders && is_held && next.has_ended() && self.store.orders_names() == Some(true)
    }

    /// Renames an entry to its end, whose report is added and not flushed.
    pub(super) fn shift_by_one_flush(&self, located: &Located, next: &Entry, home: &Dir) -> Result<Moved, Error> {
        let ended = Located { dir: located.dir.clone(), entry: next.clone() };
        if self.shift(located, next, &ended.dir).map_err(Error::of_the_change)? == Moved::Gone {
            return Ok(Moved::Gone);
        }
        // CM-21: if the agent dies from here on, or the power is cut, a sweep finishes the end, or takes it back.
        if let Err(error) = self.finish_own(&ended, home) {
            // The next flush may succeed though the report is lost: of a failed write a file is told once. So the
            // task is held again.
            let version = next.version_after();
            self.or_leave(self.shift(&ended, &Entry { version, ..located.entry.clone() }, &ended.dir));
            return Err(error.after_the_change());
        }
        Ok(Moved::Here)
    }

    /// Another agent may have gone on with the end meanwhile. If it has finished it, that counts once the file is
    /// flushed; if it has taken it back, it is not known what became of it.
    fn finish_own(&self, ended: &Located, home: &Dir) -> Result<(), Error> {
        let is_flushed = self.store.flush(&ended.path())? == Flushed::Now;
        if is_flushed && self.shift(ended, &ended.entry, home)? == Moved::Here {
            return Ok(());
        }
        let Some(nonce) = ended.entry.report else { return Err(Error::Contended) };
        match self.leads_to(ended.entry.id, nonce) {
            Some(true) => self.flush_record(ended.entry.id),
            Some(false) | None => Err(Error::Contended),
        }
    }

    /// Finishes an end that another agent began; or takes it back, if its report is not there, which is as if the agent
    /// had died before it.
    pub(super) fn finish(
        &self,
        ended: &Located,
        now: Timestamp,
        nonce: Nonce,
        budget: &mut Budget<'_>,
    ) -> Result<Moved, Error> {
        let entry = &ended.entry;
        let Some(content) = self.store.read(&ended.path(), limits::FILE_BYTES_READ)? else { return Ok(Moved::Gone) };
        let reports = Told::read(entry.id, &content).reports;
        // Of an earlier version if the end says nothing of its own: then it was a hand that brought it here.
        let is_there = reports.iter().any(|line| line.version <= entry.version && Some(line.nonce) == entry.report);
        if !is_there {
            return self.take_back(ended, &reports);
        }
        let home = layout::home(entry, &QueueName::default_queue());
        match self.store.flush(&ended.path()) {
            Ok(Flushed::Now) => {}
            Ok(Flushed::Gone) => return Ok(Moved::Gone),
            Err(error) => {
                if error.may_be_of_a_lost_write() {
                    // Of that one flush is told. The holder's own would succeed now, and so it must not count.
                    self.take_back(ended, &reports)?;
                }
                return Err(error.into());
            }
        }
        // CM-21: whoever cannot move it leaves it. It may have been acknowledged before a power cut.
        let moved = self.shift(ended, entry, &home)?;
        if moved == Moved::Here {
            self.or_leave(self.wake(entry, now, nonce, budget));
        }
        Ok(moved)
    }

    /// The task is held again, by the lease that it had. Its latest report is lost with the end; the one before is
    /// looked for.
    fn take_back(&self, ended: &Located, reports: &[Line]) -> Result<Moved, Error> {
        let (Some(held), Some(task)) = (before_its_end(ended), self.task_at(ended)?) else { return Ok(Moved::Gone) };
        let before = reports.iter().filter(|line| line.version != LATE && line.version < held.version);
        let before = before.filter(|line| line.report().is_some_and(|report| report.kind != ReportKind::Completed));
        let lines = before.map(|line| (line.version, line.nonce));
        let files = self.report_files(ended.entry.id)?.into_iter().map(|file| (file.version, file.nonce));
        let before = lines.chain(files.filter(|(version, _)| *version < held.version));
        let report = before.max_by_key(|(version, _)| *version).map(|(_, nonce)| nonce);
        let queue = Some(QueueLabel::of(&task.record.queue));
        let version = held.version_after();
        self.shift(ended, &Entry { version, report, queue, ..held }, &ended.dir)
    }
}
