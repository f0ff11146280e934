//! The repairs of a doctor, except those of single files (`tree/repair`).

use crate::entry::{Ending, Entry, Lease, State};
use crate::error::Error;
use crate::layout;
use crate::limits;
use crate::path::{Dir, Path};
use crate::queue::Queue;
use crate::queue::budget::Budget;
use crate::store::{Linked, Moved, Store};
use crate::task::{Record, Task};
use crate::time::Timestamp;
use crate::tree::{Fence, Located, Repair, Repairer};

impl<S: Store> Repairer<'_, S> {
    /// Gives `format.json` its second name again.
    pub(super) fn take_over(&mut self) -> Result<Repair, Error> {
        let anchor = layout::anchor();
        if self.tree().store().exists(&anchor)? {
            self.quarantine(&anchor)?;
        }
        Ok(if self.tree().adopt()? { Repair::Mended } else { Repair::Left })
    }

    /// Moves what is in the way of a directory to `quarantine/`, and makes the directory if there always has to be one.
    pub(super) fn clear_the_way(&mut self, path: &Path) -> Result<Repair, Error> {
        let dir = path.dir.child(&path.name);
        let became = match dir == layout::quarantine_dir() {
            false => self.quarantine(path)?,
            true => self.moved_beside(path)?.map_or(Repair::Left, |_| Repair::Quarantined),
        };
        if layout::root_dirs().any(|of_root| of_root == dir) {
            self.tree().make_dirs(&dir)?;
        }
        Ok(became)
    }

    /// Moves an entry to where agents look for it. If there is another entry of the task, it is a second one.
    pub(super) fn bring_home(&mut self, located: &mut Located, home: &Dir) -> Result<Repair, Error> {
        let (from, to) = (located.path(), home.file(located.entry.name()));
        // Where a report cannot be read, which may tell of one more place: this doctor has seen all names there are.
        let other = self.tree().unless_in_the_way(self.tree().relocate(located.entry.id))?.flatten();
        if other.is_some_and(|other| other.path() != from) || self.tree().store().exists(&to)? {
            return self.quarantine(&from);
        }
        if self.tree().shift_file(&from, &to)? == Moved::Gone {
            return Ok(Repair::Left);
        }
        self.tree().store().sync_dir(home)?;
        located.dir = home.clone();
        Ok(Repair::Mended)
    }

    /// Says of what is said to have happened ahead of the clock that it happened now: as the next name of the task.
    /// When it was enqueued is part of its record, and stays.
    pub(super) fn date_back(&mut self, located: &mut Located, task: &Task, now: Timestamp) -> Result<Repair, Error> {
        let next = dated_back(&located.entry, now);
        if next.state == located.entry.state {
            return Ok(Repair::Left);
        }
        let home = layout::home(&next, &task.record.queue);
        if self.tree().shift(located, &next, &home)? == Moved::Gone {
            return Ok(Repair::Left);
        }
        self.tree().store().sync_dir(&home)?;
        *located = Located { dir: home, entry: next };
        Ok(Repair::Mended)
    }

    /// Finishes an end, or takes it back.
    pub(super) fn finish(&mut self, queue: &Queue<S>, located: &Located) -> Result<Repair, Error> {
        let mut budget = Budget::of_steps(limits::WOKEN_PER_END);
        let moved = queue.finish(located, self.turn(), &mut budget)?;
        Ok(if moved == Moved::Here { Repair::Mended } else { Repair::Left })
    }

    /// Moves a task that has its key, and stands only in the key's directory, to where it belongs.
    pub(super) fn unlock(&mut self, queue: &Queue<S>, task: &Task) -> Result<Repair, Error> {
        let Some(located) = queue.unlock(task, self.turn())? else { return Ok(Repair::Left) };
        self.tree().store().sync_dir(&located.dir)?;
        Ok(Repair::Mended)
    }

    /// Gives a task an entry again whose last one is in `quarantine/` and is no link to its record: something else had
    /// taken its place.
    ///
    /// It stands as that name told, under the next version: so a doctor that is late and quarantines the old name does
    /// not meet it.
    pub(super) fn reinstate(&mut self, queue: &Queue<S>, lost: &Entry) -> Result<Repair, Error> {
        let Fence::Mine(fenced, task) = self.fence(lost.id)? else { return Ok(Repair::Left) };
        let Record { priority, created_at, queue: ref name, .. } = task.record;
        let Some(version) = lost.next_version() else { return Ok(Repair::Left) };
        let entry = Entry { version, priority, created_at, ..lost.clone() };
        let home = layout::home(&entry, name);
        if self.tree().link(&fenced, &home.file(entry.name()))? == Linked::Gone {
            return Ok(Repair::Left);
        }
        self.tree().store().sync_dir(&home)?;
        queue.look_at_parents(&Located { dir: home, entry }, self.turn())?;
        Ok(Repair::Mended)
    }
}

/// The entry with no time in it at which something has happened that is later than now.
fn dated_back(entry: &Entry, now: Timestamp) -> Entry {
    let back = |lease: &Lease| {
        let lasts = lease.expires_at.micros_since(lease.heartbeat_at);
        let (claimed_at, heartbeat_at) = (lease.claimed_at.min(now), lease.heartbeat_at.min(now));
        Lease { claimed_at, heartbeat_at, expires_at: heartbeat_at.plus_micros(lasts), ..lease.clone() }
    };
    let state = match &entry.state {
        State::Scheduled { .. } | State::Blocked { .. } | State::Ready { .. } => entry.state.clone(),
        State::TimedOut { lease, tags } => State::TimedOut { lease: back(lease), tags: tags.clone() },
        State::Claimed(lease) => State::Claimed(back(lease)),
        State::Cancelling(lease) => State::Cancelling(back(lease)),
        State::Ended(ending) => State::Ended(Ending {
            ended_at: ending.ended_at.min(now),
            lease: ending.lease.as_ref().map(back),
            ..ending.clone()
        }),
    };
    Entry { state, version: entry.version_after(), ..entry.clone() }
}
