//! What a repair does. Each step is a rename from an exact old name, or a link to a name that must be free, and what
//! came to a directory is durable before the next step relies on it.

use alloc::boxed::Box;

use super::super::Queue;
use super::super::budget::Budget;
use super::super::files::Located;
use super::super::find::LOOKS;
use super::Repair;
use crate::entry::{Ending, Entry, Lease, State};
use crate::error::Error;
use crate::id::TaskId;
use crate::layout::{self, Dir, Path};
use crate::limits;
use crate::name::Nonce;
use crate::store::{DirRemoved, Linked, Moved, Store, StoreErrorKind};
use crate::task::{Record, Task};
use crate::time::Timestamp;

/// What came of a fence around a record.
pub(in super::super) enum Fence {
    /// It is under this name, which nobody else knows, and the task has no entry.
    Mine(Path, Box<Task>),
    /// It has an entry.
    HasEntry,
    /// There is none, or another one was faster.
    Gone,
    /// It does not hold its task.
    Torn(Path),
    /// It is linked to a place where no agent looks.
    SeveralNames,
}

/// What a repair works with.
pub(in super::super) struct Repairer<'a, S> {
    queue: &'a Queue<S>,
    nonces: &'a mut dyn FnMut() -> Nonce,
    /// Where this repair quarantines things, once it has.
    quarantine: Option<Dir>,
}

impl<'a, S: Store> Repairer<'a, S> {
    pub(in super::super) fn new(queue: &'a Queue<S>, nonces: &'a mut dyn FnMut() -> Nonce) -> Repairer<'a, S> {
        Repairer { queue, nonces, quarantine: None }
    }

    pub(super) fn nonce(&mut self) -> Nonce {
        (self.nonces)()
    }

    /// Gives `format.json` its second name again.
    pub(super) fn take_over(&mut self) -> Result<Repair, Error> {
        let anchor = layout::anchor();
        if self.queue.store().exists(&anchor)? {
            self.quarantine(&anchor)?;
        }
        Ok(if self.queue.adopt()? { Repair::Mended } else { Repair::Left })
    }

    /// Moves a file to `quarantine/`.
    pub(super) fn quarantine(&mut self, path: &Path) -> Result<Repair, Error> {
        Ok(self.moved_to_quarantine(path)?.map_or(Repair::Left, |_| Repair::Quarantined))
    }

    /// Moves what is in the way of a directory to `quarantine/`, and makes the directory if there always has to be one.
    pub(super) fn clear_the_way(&mut self, path: &Path) -> Result<Repair, Error> {
        let dir = path.dir.child(&path.name);
        let became = match dir == layout::quarantine_dir() {
            false => self.quarantine(path)?,
            true => self.moved_beside(path)?.map_or(Repair::Left, |_| Repair::Quarantined),
        };
        if layout::root_dirs().any(|of_root| of_root == dir) {
            self.queue.make_dirs(&dir)?;
        }
        Ok(became)
    }

    /// Moves a record to `quarantine/` that does not hold its task. If it does by now, it is given back.
    ///
    /// A writer that was stopped in the middle may go on; what it writes is then in `quarantine/`, and its link fails.
    pub(in super::super) fn quarantine_record(&mut self, id: TaskId, path: &Path) -> Result<Repair, Error> {
        let Some(quarantine) = self.moved_to_quarantine(path)? else { return Ok(Repair::Left) };
        // What is no file, or shown to nobody, holds no task.
        let content = self.queue.store().read(&quarantine, limits::RECORD_BYTES).ok().flatten().unwrap_or_default();
        if Task::decode(id, &content).is_err() {
            return Ok(Repair::Quarantined);
        }
        let back = layout::record_again(id, self.nonce());
        self.rename(&quarantine, &back)?;
        Ok(Repair::Mended)
    }

    /// Moves an entry to where agents look for it. If there is another entry of the task, it is a second one.
    pub(super) fn bring_home(&mut self, located: &mut Located, home: &Dir) -> Result<Repair, Error> {
        let (from, to) = (located.path(), home.file(located.entry.name()));
        // Where a report cannot be read, which may tell of one more place: this doctor has seen all names there are.
        let other = self.queue.unless_in_the_way(self.queue.relocate(located.entry.id))?.flatten();
        if other.is_some_and(|other| other.path() != from) || self.queue.store().exists(&to)? {
            return self.quarantine(&from);
        }
        if self.queue.shift_file(&from, &to)? == Moved::Gone {
            return Ok(Repair::Left);
        }
        self.queue.store().sync_dir(home)?;
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
        if self.queue.shift(located, &next, &home)? == Moved::Gone {
            return Ok(Repair::Left);
        }
        self.queue.store().sync_dir(&home)?;
        *located = Located { dir: home, entry: next };
        Ok(Repair::Mended)
    }

    /// Links the record back from an entry that is another file. CM-22: an agent that dies in between leaves a task
    /// without its record in `tasks/`.
    pub(in super::super) fn join_record(&mut self, located: &Located) -> Result<Repair, Error> {
        let Some((record, _)) = self.queue.record_of(located.entry.id)? else { return Ok(Repair::Left) };
        match self.quarantine(&record)? {
            Repair::Quarantined => self.link_record_back(located),
            became => Ok(became),
        }
    }

    /// Finishes an end, or takes it back.
    pub(super) fn finish(&mut self, located: &Located, now: Timestamp) -> Result<Repair, Error> {
        let mut budget = Budget::of_steps(limits::WOKEN_PER_END);
        let nonce = self.nonce();
        let moved = self.queue.finish(located, now, nonce, &mut budget)?;
        Ok(if moved == Moved::Here { Repair::Mended } else { Repair::Left })
    }

    /// Moves a task that has its key, and stands only in the key's directory, to where it belongs.
    pub(super) fn unlock(&mut self, task: &Task, now: Timestamp) -> Result<Repair, Error> {
        let nonce = self.nonce();
        let Some(located) = self.queue.unlock(task, now, nonce)? else { return Ok(Repair::Left) };
        self.queue.store().sync_dir(&located.dir)?;
        Ok(Repair::Mended)
    }

    /// Gives a task's record its name in `tasks/` back, by a link from the entry, which holds the task.
    pub(super) fn link_record_back(&mut self, located: &Located) -> Result<Repair, Error> {
        let record = layout::record_linked_back(located.entry.id);
        let mut source = located.clone();
        for _ in 0..LOOKS {
            match self.queue.link(&source.path(), &record)? {
                // Taken: by another doctor.
                Linked::Now | Linked::Taken => {
                    self.queue.store().sync_dir(&record.dir)?;
                    return Ok(Repair::Mended);
                }
                Linked::Gone => match self.queue.relocate(located.entry.id)? {
                    Some(moved_on) => source = moved_on,
                    None => break,
                },
            }
        }
        Ok(Repair::Left)
    }

    /// Links a task again that has a record and no entry as its first entry.
    ///
    /// An enqueuer or another doctor may have been stopped just before it links the entry, and may go on at any time
    /// later, when the task is long claimed: the old name would come back. So the record is renamed first. Whoever
    /// holds the old name links nothing any more; of several doctors one succeeds; and if it dies the next one begins
    /// with the new name. From then on nobody else can make an entry, so if the record has no other name there is none
    /// anywhere, and there will be none but this one.
    pub(in super::super) fn relink(&mut self, id: TaskId, now: Timestamp) -> Result<Repair, Error> {
        for _ in 0..LOOKS {
            let (fenced, task) = match self.fence(id)? {
                Fence::Mine(fenced, task) => (fenced, task),
                Fence::Gone => continue,
                Fence::HasEntry => return Ok(Repair::Mended),
                Fence::Torn(_) | Fence::SeveralNames => break,
            };
            // The marks come first and the look at the parents last, as in an enqueue.
            self.queue.mark_parents([&*task].into_iter())?;
            let entry = Entry::first(&task);
            let home = layout::home(&entry, &task.record.queue);
            if self.queue.link(&fenced, &home.file(entry.name()))? != Linked::Gone {
                self.queue.store().sync_dir(&home)?;
                let nonce = self.nonce();
                self.queue.look_at_parents(&Located { dir: home, entry }, now, nonce)?;
                return Ok(Repair::Mended);
            }
        }
        Ok(Repair::Left)
    }

    /// Gives a task an entry again whose last one is in `quarantine/` and is no link to its record: something else had
    /// taken its place.
    ///
    /// It stands as that name told, under the next version: so a doctor that is late and quarantines the old name does
    /// not meet it.
    pub(super) fn reinstate(&mut self, lost: &Entry, now: Timestamp) -> Result<Repair, Error> {
        let Fence::Mine(fenced, task) = self.fence(lost.id)? else { return Ok(Repair::Left) };
        let Record { priority, created_at, ref queue, .. } = task.record;
        let Some(version) = lost.next_version() else { return Ok(Repair::Left) };
        let entry = Entry { version, priority, created_at, ..lost.clone() };
        let home = layout::home(&entry, queue);
        if self.queue.link(&fenced, &home.file(entry.name()))? == Linked::Gone {
            return Ok(Repair::Left);
        }
        self.queue.store().sync_dir(&home)?;
        let nonce = self.nonce();
        self.queue.look_at_parents(&Located { dir: home, entry }, now, nonce)?;
        Ok(Repair::Mended)
    }

    /// Takes the record of a task that has no entry away from everybody else.
    pub(in super::super) fn fence(&mut self, id: TaskId) -> Result<Fence, Error> {
        let store = self.queue.store();
        let Some((path, record)) = self.queue.record_file(id)? else { return Ok(Fence::Gone) };
        let Ok(task) = record else { return Ok(Fence::Torn(path)) };
        let fenced = layout::record_again(id, self.nonce());
        if self.rename(&path, &fenced)? == Moved::Gone {
            return Ok(Fence::Gone);
        }
        // The enqueuer, or another doctor, may have linked it just before.
        if self.queue.relocate(id)?.is_some() {
            return Ok(Fence::HasEntry);
        }
        Ok(match store.links(&fenced)? {
            Some(1) => Fence::Mine(fenced, Box::new(task)),
            Some(_) => Fence::SeveralNames,
            None => Fence::Gone,
        })
    }

    /// Where the file went; `None`: it was gone.
    fn moved_to_quarantine(&mut self, path: &Path) -> Result<Option<Path>, Error> {
        let quarantine = self.place_in_quarantine(&path.name)?;
        match self.rename(path, &quarantine) {
            Ok(Moved::Here) => return Ok(Some(quarantine)),
            Ok(Moved::Gone) => {}
            // A directory that this agent may not write gets no other directory above it. Another name it can get.
            Err(Error::Store(error)) if error.kind == StoreErrorKind::Denied => return self.moved_beside(path),
            Err(error) => return Err(error),
        }
        // Only this repair knows of the directory, which is empty unless it has quarantined something before.
        if self.queue.store().remove_dir(&quarantine.dir)? == DirRemoved::Now {
            self.quarantine = None;
        }
        Ok(None)
    }

    /// Gives something a name, in the directory that it is in, which no queue gives and which nobody looks for.
    fn moved_beside(&mut self, path: &Path) -> Result<Option<Path>, Error> {
        let name = layout::quarantine_in_place(self.nonce(), &path.name);
        let short = name.get(..limits::NAME_BYTES).unwrap_or(&name);
        let beside = path.dir.file(short);
        Ok((self.rename(path, &beside)? == Moved::Here).then_some(beside))
    }

    /// A free name in a directory that only this repair uses.
    fn place_in_quarantine(&mut self, name: &str) -> Result<Path, Error> {
        if let Some(dir) = &self.quarantine {
            let path = dir.file(name);
            if !self.queue.store().exists(&path)? {
                return Ok(path);
            }
        }
        let dir = layout::quarantine_by(self.nonce());
        self.queue.make_dirs(&dir)?;
        let path = dir.file(name);
        self.quarantine = Some(dir);
        Ok(path)
    }

    /// Renames to a name that only this repair uses, in a directory that stays. The new name is durable.
    fn rename(&self, from: &Path, to: &Path) -> Result<Moved, Error> {
        let store = self.queue.store();
        // A network filesystem can lose the reply of a rename that took effect, and answer "gone" to the next.
        if store.rename(from, to)? == Moved::Gone && !store.exists(to)? {
            return Ok(Moved::Gone);
        }
        store.sync_dir(&to.dir)?;
        Ok(Moved::Here)
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
