//! Ends by one flush.
//!
//! A report and the name that points at it are two changes on disk. If the medium orders names, one flush covers both,
//! provided that nobody relies on the end before that flush. So the entry is first renamed to its ended name *in its
//! place*, in `claimed/`, then its file is flushed, and then it goes to `done/`. Every entry in `done/` has its report.
//! An ended name in `claimed/` is an end that is not finished: its holder is at the flush, or has died, or the power
//! was cut. It counts as still held. The next agent that meets it finishes the end if the report is there, else takes
//! it back.

use crate::entry::{Entry, QueueLabel, State};
use crate::error::Error;
use crate::layout;
use crate::limits;
use crate::name::QueueName;
use crate::path::Dir;
use crate::queue::Queue;
use crate::queue::budget::Budget;
use crate::store::{Flushed, Moved, Store};
use crate::tree::{LATE, Line, Located, ReportKind, Told};
use crate::turn::Turn;

impl<S: Store> Queue<S> {
    /// True if an end of the task takes one flush, the report and the name together: one that its holder reports.
    pub(in crate::queue) fn ends_by_one_flush(&self, located: &Located, next: &Entry, kind: ReportKind) -> bool {
        let is_holders = matches!(kind, ReportKind::Completed | ReportKind::Failed);
        let is_held = matches!(located.entry.state, State::Claimed(_));
        is_holders && is_held && next.has_ended() && self.tree.store().orders_names() == Some(true)
    }

    /// Renames an entry to its end, whose report is added and not flushed.
    pub(in crate::queue) fn shift_by_one_flush(
        &self,
        located: &Located,
        next: &Entry,
        home: &Dir,
    ) -> Result<Moved, Error> {
        let ended = Located { dir: located.dir.clone(), entry: next.clone() };
        if self.tree.shift(located, next, &ended.dir).map_err(Error::of_the_change)? == Moved::Gone {
            return Ok(Moved::Gone);
        }
        // CM-21: if the agent dies from here on, or the power is cut, a sweep finishes the end, or takes it back.
        if let Err(error) = self.finish_own(&ended, home) {
            // The next flush may succeed though the report is lost: of a failed write a file is told once. So the
            // task is held again.
            let version = next.version_after();
            self.tree.or_leave(self.tree.shift(&ended, &Entry { version, ..located.entry.clone() }, &ended.dir));
            return Err(error.after_the_change());
        }
        Ok(Moved::Here)
    }

    /// Another agent may have gone on with the end meanwhile. If it has finished it, that counts once the file is
    /// flushed; if it has taken it back, it is not known what became of it.
    fn finish_own(&self, ended: &Located, home: &Dir) -> Result<(), Error> {
        let is_flushed = self.tree.store().flush(&ended.path())? == Flushed::Now;
        if is_flushed && self.tree.shift(ended, &ended.entry, home)? == Moved::Here {
            return Ok(());
        }
        let Some(nonce) = ended.entry.report else { return Err(Error::Contended) };
        match self.leads_to(ended.entry.id, nonce) {
            Some(true) => self.tree.flush_record(ended.entry.id),
            Some(false) | None => Err(Error::Contended),
        }
    }

    /// Finishes an end that another agent began; or takes it back, if its report is not there, which is as if the agent
    /// had died before it.
    pub(in crate::queue) fn finish(
        &self,
        ended: &Located,
        turn: &Turn<'_>,
        budget: &mut Budget<'_>,
    ) -> Result<Moved, Error> {
        let entry = &ended.entry;
        let Some(content) = self.tree.store().read(&ended.path(), limits::FILE_BYTES_READ)? else {
            return Ok(Moved::Gone);
        };
        let reports = Told::read(entry.id, &content).reports;
        // Of an earlier version if the end says nothing of its own: then it was a hand that brought it here.
        let is_there = reports.iter().any(|line| line.version <= entry.version && Some(line.nonce) == entry.report);
        if !is_there {
            return self.take_back(ended, &reports);
        }
        let home = layout::home(entry, &QueueName::default_queue());
        match self.tree.store().flush(&ended.path()) {
            Ok(Flushed::Now) => {}
            Ok(Flushed::Gone) => return Ok(Moved::Gone),
            Err(error) => {
                if error.may_be_of_a_lost_write() {
                    // Only one flush reports that fault. The holder's own flush would succeed now, so it must not
                    // count.
                    self.take_back(ended, &reports)?;
                }
                return Err(error.into());
            }
        }
        // CM-21: an agent that cannot move it leaves it. It may have been acknowledged before a power cut.
        let moved = self.tree.shift(ended, entry, &home)?;
        if moved == Moved::Here {
            self.tree.or_leave(self.wake(entry, turn, budget));
        }
        Ok(moved)
    }

    /// The task is held again, by the lease that it had. Its latest report is lost with the end; the one before is
    /// looked for.
    fn take_back(&self, ended: &Located, reports: &[Line]) -> Result<Moved, Error> {
        let (Some(held), Some(task)) = (ended.before_its_end(), self.tree.task_at(ended)?) else {
            return Ok(Moved::Gone);
        };
        let before = reports.iter().filter(|line| line.version != LATE && line.version < held.version);
        let before = before.filter(|line| line.report().is_some_and(|report| report.kind != ReportKind::Completed));
        let lines = before.map(|line| (line.version, line.nonce));
        let files = self.tree.report_files(ended.entry.id)?.into_iter().map(|file| (file.version, file.nonce));
        let before = lines.chain(files.filter(|(version, _)| *version < held.version));
        let report = before.max_by_key(|(version, _)| *version).map(|(_, nonce)| nonce);
        let queue = Some(QueueLabel::of(&task.record.queue));
        let version = held.version_after();
        self.tree.shift(ended, &Entry { version, report, queue, ..held }, &ended.dir)
    }
}
