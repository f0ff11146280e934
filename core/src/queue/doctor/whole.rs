//! The checks that belong to no task: `format.json`, drafts, the sweep token, run ids, clocks.

use super::examination::Examination;
use super::{Note, Problem};
use crate::entry::{Entry, State};
use crate::error::Error;
use crate::layout;
use crate::limits;
use crate::name::Nonce;
use crate::path::Path;
use crate::queue::agreement::Disagreement;
use crate::store::Store;
use crate::time::Timestamp;
use crate::tree::{Located, Repair};

impl<S: Store> Examination<'_, S> {
    /// A draft in `tmp/`. Files of a doctor's filesystem test may be in use, and are leftovers only once they are old.
    pub(super) fn check_draft(&mut self, draft: &Path) -> Result<(), Error> {
        let Ok(doctor) = draft.name.parse::<Nonce>() else {
            self.diagnosis.leftovers.drafts += 1;
            return self.clear_away(draft);
        };
        let (queue, trial) = (self.queue, layout::trial(doctor));
        let stamp = match queue.tree.store().stamp(&trial) {
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

    pub(super) fn check_format(&mut self, has_tasks: bool) -> Result<(), Error> {
        let (format, queue) = (layout::format(), self.queue);
        let is_there = queue.tree.store().exists(&format)?;
        if queue.tree.is_formatted() {
            return self.check_original();
        }
        if !has_tasks && !is_there {
            return Ok(());
        }
        let became = self.repaired(|repairer| {
            // Since this doctor came another one may have made it.
            for name in [&format, &layout::anchor()] {
                if queue.tree.store().exists(name)? && !queue.tree.says_format(name)? {
                    repairer.quarantine(name)?;
                }
            }
            queue.tree.init(repairer.turn()).map(|_| Repair::Mended)
        })?;
        self.found(None, format, Problem::NoFormat, became);
        Ok(())
    }

    /// A person who repairs a queue has looked at it, and takes it over.
    fn check_original(&mut self) -> Result<(), Error> {
        let queue = self.queue;
        if queue.tree.is_copy()? {
            let became = self.repaired(|repairer| repairer.take_over())?;
            self.found(None, layout::anchor(), Problem::Copied, became);
        }
        Ok(())
    }

    pub(super) fn note_tokens(&mut self, tokens: &[Timestamp]) -> Result<(), Error> {
        // A token that becomes another one while the directory is read may be missed, or seen twice.
        let again = self.queue.tree.store().list(&layout::sweep())?.unwrap_or_default();
        let again = again.iter().filter(|name| layout::parse_sweep_token(name).is_some()).count();
        if self.queue.tree.is_formatted() && tokens.len() != 1 && again != 1 {
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
        match self.queue.tree.store().read(path, 1) {
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
    pub(super) fn check_run(&mut self, entry: &Entry) -> Result<(), Error> {
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
        match self.queue.tree.overflow_text(holder)? {
            None => self.note(Note::RunLost(path)),
            Some(run_id) if holder.is_of(&run_id) => {}
            Some(_) => {
                let became = self.repaired(|repairer| repairer.quarantine(&path))?;
                self.found(None, path, Problem::Disagrees(Disagreement::RunId), became);
            }
        }
        Ok(())
    }

    pub(super) fn note_times(&mut self, located: &Located) {
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

    pub(super) fn note_clock(&mut self) {
        let Some((at, path)) = self.latest.take() else { return };
        let micros = at.micros_since(self.now);
        if micros > limits::CLOCK_AHEAD_MICROS {
            self.note(Note::ClockAhead { path, micros });
        }
    }
}
