//! The steps that operations are made of: small sequences of store operations, each safe to be cut off anywhere.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::find::LOOKS;
use super::{Finding, Queue};
use crate::entry::{Entry, Holder, QueueLabel, State};
use crate::error::Error;
use crate::id::TaskId;
use crate::layout::{self, Dir, Path, TimedDir};
use crate::limits;
use crate::name::{Nonce, QueueName, RunId};
use crate::sorted;
use crate::store::{Created, Flushed, Linked, Made, Moved, Store, StoreError, StoreErrorKind};
use crate::task::{BadRecord, Task};

/// What a file that should hold a task holds.
pub(super) type Decoded = Result<Task, BadRecord>;

/// An entry and the directory that it was seen in.
#[derive(Clone, Debug)]
pub(super) struct Located {
    pub(super) dir: Dir,
    pub(super) entry: Entry,
}

impl Located {
    /// An entry that was seen in `dir`. Of one in `ready/` that tells the queue.
    pub(super) fn at(dir: Dir, entry: Entry) -> Located {
        let queue = TimedDir::queue_of(&dir).map(|queue| QueueLabel::of(&queue)).or(entry.queue);
        Located { dir, entry: Entry { queue, ..entry } }
    }

    pub(super) fn path(&self) -> Path {
        self.dir.file(self.entry.name())
    }
}

impl<S: Store> Queue<S> {
    /// Renames an entry to its next name in `home`: the compare-and-swap of every transition.
    pub(super) fn shift(&self, from: &Located, next: &Entry, home: &Dir) -> Result<Moved, Error> {
        self.shift_file(&from.path(), &home.file(next.name()))
    }

    /// Renames a file to a name that only those make who want the very same, and makes the directories above it.
    pub(super) fn shift_file(&self, from: &Path, to: &Path) -> Result<Moved, Error> {
        for _ in 0..limits::RACES {
            if self.store.rename(from, to)? == Moved::Here {
                self.cache.borrow_mut().filled(&to.dir);
                return Ok(Moved::Here);
            }
            if !self.store.exists(from)? {
                // A network filesystem can lose the reply of a rename that took effect, and answer "gone" when it is
                // sent again. The new name of a claim, an end or a cancel holds this agent's nonce, so nobody
                // else has made it; that of an expiry or a release says only what whoever made it would say, and none
                // but the holder makes that of a release.
                return Ok(if self.store.exists(to)? { Moved::Here } else { Moved::Gone });
            }
            self.make_dirs(&to.dir)?;
        }
        Err(Error::Contended)
    }

    /// Makes the name of an entry durable, with what the task's file holds.
    pub(super) fn keep_name(&self, located: &Located) -> Result<(), Error> {
        let names = self.store.orders_names();
        // Whoever enqueued it may not have come to its flush.
        if names != Some(false) && self.store.flush(&located.path())? == Flushed::Gone {
            // It has moved on by now. The file is the same under its other name.
            self.flush_record(located.entry.id)?;
        }
        if names != Some(true) {
            self.store.sync_dir(&located.dir)?;
        }
        Ok(())
    }

    /// Makes what a task's file holds durable, by its name in `tasks/`.
    pub(super) fn flush_record(&self, id: TaskId) -> Result<(), Error> {
        for _ in 0..limits::RACES {
            match self.record_of(id)? {
                Some((record, _)) if self.store.flush(&record)? == Flushed::Gone => {}
                Some(_) | None => return Ok(()),
            }
        }
        Err(Error::Contended)
    }

    /// Makes a directory and those above it. The names of those that this call met missing are durable when it returns.
    pub(super) fn make_dirs(&self, dir: &Dir) -> Result<(), Error> {
        self.make_all_dirs([dir.clone()])
    }

    /// Makes directories and those above them. Their own names are durable when the call returns, whoever made them;
    /// where names are ordered, once anything in them is.
    ///
    /// Syncing comes last: it takes long, and until the lowest is there, others may remove what is still empty.
    pub(super) fn make_all_dirs(&self, dirs: impl IntoIterator<Item = Dir>) -> Result<(), Error> {
        let mut changed = BTreeSet::new();
        dirs.into_iter().try_for_each(|dir| self.make_chain(&dir, &mut changed))?;
        if self.store.orders_names() == Some(true) {
            // No name in them is durable before theirs.
            return Ok(());
        }
        changed.iter().try_for_each(|parent| Ok(self.store.sync_dir(parent)?))
    }

    /// Makes a directory and those above it, whose names a power cut may take.
    pub(super) fn make_dirs_unsynced(&self, dir: &Dir) -> Result<(), Error> {
        self.make_chain(dir, &mut BTreeSet::new())
    }

    fn make_chain(&self, dir: &Dir, changed: &mut BTreeSet<Dir>) -> Result<(), Error> {
        for _ in 0..limits::RACES {
            match (self.store.make_dir(dir)?, dir.split()) {
                // Something has the name, and is no directory: a link that leads nowhere.
                (Made::Taken, Some(_)) if self.store.stamp(dir)?.is_none() => {}
                (Made::Now | Made::Taken, Some((parent, _))) => {
                    changed.insert(parent);
                    return Ok(());
                }
                (Made::NoParent, Some((parent, _))) if parent == Dir::root() => {
                    return Err(gone("make directory", dir.as_str()));
                }
                (Made::NoParent, Some((parent, _))) => self.make_chain(&parent, changed)?,
                (_, None) => return Ok(()),
            }
        }
        let (kind, detail) = (StoreErrorKind::WrongType, "it is a link that leads nowhere".into());
        Err(Error::Store(StoreError { operation: "make directory", path: dir.as_str().into(), kind, detail }))
    }

    /// Fails if the queue that was opened has been taken away since. For those who look again and again: an empty
    /// queue and one that is gone look the same.
    pub fn check_is_there(&self) -> Result<(), Error> {
        if self.formatted.get() && !self.store.exists(&layout::format())? {
            return Err(gone("read", &layout::format().to_string()));
        }
        Ok(())
    }

    /// Makes a file under a name that only this agent uses, and the directories above it.
    pub(super) fn create(&self, path: &Path, content: &[u8]) -> Result<Created, Error> {
        for _ in 0..limits::RACES {
            match self.store.create(path, content)? {
                Created::NoDir => self.make_dirs(&path.dir)?,
                created => return Ok(created),
            }
        }
        Err(Error::Contended)
    }

    /// Links a file that only this agent knows of, and makes the directories above the new name.
    pub(super) fn link(&self, from: &Path, to: &Path) -> Result<Linked, Error> {
        for _ in 0..limits::RACES {
            match self.store.link(from, to)? {
                Linked::Gone if self.store.exists(from)? => self.make_dirs(&to.dir)?,
                linked => {
                    self.cache.borrow_mut().filled(&to.dir);
                    return Ok(linked);
                }
            }
        }
        Err(Error::Contended)
    }

    /// Makes a file that appears under its name whole, for those who may read it at once. True if this call made it.
    pub(super) fn publish(&self, path: &Path, content: &[u8], nonce: Nonce) -> Result<bool, Error> {
        let draft = layout::tmp().file(format!("{nonce}.json"));
        for _ in 0..limits::RACES {
            self.create(&draft, content)?;
            let linked = self.link(&draft, path)?;
            if linked == Linked::Gone {
                // A doctor took the draft for that of a dead agent and quarantined it.
                continue;
            }
            // CM-9: if the agent dies before this, the draft stays in tmp/ and is garbage.
            self.store.remove(&draft)?;
            self.store.sync_dir(&path.dir)?;
            return Ok(linked == Linked::Now);
        }
        Err(Error::Contended)
    }

    /// Writes down a run id that is too long for a name, before a name points at it. A text that is torn, or not the
    /// one that the digest is of, is moved out of the way.
    pub(super) fn overflow(&self, holder: &Holder, run_id: &RunId, nonce: Nonce) -> Result<(), Error> {
        if !holder.overflows() {
            return Ok(());
        }
        let path = layout::run(holder);
        // One that this agent may not read only serves to be shown.
        let Some(found) = self.unless_in_the_way(self.store.read(&path, limits::RECORD_BYTES))? else { return Ok(()) };
        match found.map(|content| serde_json::from_slice::<RunId>(&content)) {
            Some(Ok(found)) if holder.is_of(&found) => return Ok(()),
            Some(_) => drop(self.shift_file(&path, &layout::quarantine_by(nonce).file(path.name.as_str()))?),
            None => {}
        }
        let content = serde_json::Value::from(run_id.as_str()).to_string();
        self.publish(&path, content.as_bytes(), nonce).map(|_| ())
    }

    /// The run id of a holder; the letters of the name if the text is missing or cannot be trusted. It only serves to
    /// be shown, so it is no reason to fail what has taken effect already.
    pub(super) fn run_id_text(&self, holder: &Holder) -> String {
        let overflowed = || self.overflowed(holder).ok()?;
        holder.run_id().or_else(overflowed).map_or_else(|| holder.as_str().into(), String::from)
    }

    /// The run id in `runs/` that a holder points at; `None` if it is missing, torn, or not the one that the digest is
    /// of.
    pub(super) fn overflowed(&self, holder: &Holder) -> Result<Option<RunId>, Error> {
        Ok(self.overflow_text(holder)?.filter(|run_id| holder.is_of(run_id)))
    }

    /// The run id in the file in `runs/` that a holder points at, whosever it is; `None` if it is missing or torn.
    pub(super) fn overflow_text(&self, holder: &Holder) -> Result<Option<RunId>, Error> {
        let content = self.unless_in_the_way(self.store.read(&layout::run(holder), limits::RECORD_BYTES))?.flatten();
        Ok(content.and_then(|content| serde_json::from_slice(&content).ok()))
    }

    /// A task as it was enqueued; `None` if there is no such task.
    pub fn task(&self, id: TaskId) -> Result<Option<Task>, Error> {
        self.record_of(id)?.map(|(_, content)| decoded(id, &content)).transpose()
    }

    /// Where a task's record is and what it holds; `None` if there is none.
    ///
    /// Under another name than its first one it only is after a repair. Looks again when it found nothing, since a
    /// listing may miss a name that becomes another in the same directory.
    pub(super) fn record_of(&self, id: TaskId) -> Result<Option<(Path, Vec<u8>)>, Error> {
        self.file_by(id, |path| self.store.first_line(path, limits::RECORD_BYTES))
    }

    /// As [`Queue::record_of`], with all that was reported of the task.
    pub(super) fn whole_file_of(&self, id: TaskId) -> Result<Option<(Path, Vec<u8>)>, Error> {
        self.file_by(id, |path| self.store.read(path, limits::FILE_BYTES_READ))
    }

    fn file_by(
        &self,
        id: TaskId,
        read: impl Fn(&Path) -> Result<Option<Vec<u8>>, StoreError>,
    ) -> Result<Option<(Path, Vec<u8>)>, Error> {
        let first = layout::record(id);
        for _ in 0..LOOKS {
            if let Some(content) = unless_unreadable(id, read(&first))? {
                return Ok(Some((first, content)));
            }
            let mut names = self.store.list(&first.dir)?.unwrap_or_default();
            names.retain(|name| layout::parse_record(name) == Some(id));
            for path in sorted::by(names, String::cmp).into_iter().map(|name| first.dir.file(name)) {
                if let Some(content) = unless_unreadable(id, read(&path))? {
                    return Ok(Some((path, content)));
                }
            }
        }
        Ok(None)
    }

    /// Where a task's record is, and the task or why it holds none: [`Queue::record_of`] for whoever has something to
    /// say of each record.
    pub(super) fn record_file(&self, id: TaskId) -> Result<Option<(Path, Decoded)>, Error> {
        match self.record_of(id) {
            Ok(found) => Ok(found.map(|(path, content)| (path, Task::decode(id, &content)))),
            Err(Error::Corrupt { problem: BadRecord::Unreadable(error), .. }) => {
                let name = error.path.rsplit('/').next().unwrap_or_default();
                Ok(Some((layout::record(id).dir.file(name), Err(BadRecord::Unreadable(error)))))
            }
            Err(error) => Err(error),
        }
    }

    /// The task behind an entry, read where the entry stands; `None` if the entry has moved on.
    pub(super) fn task_at(&self, located: &Located) -> Result<Option<Task>, Error> {
        let id = located.entry.id;
        let content = unless_unreadable(id, self.store.first_line(&located.path(), limits::RECORD_BYTES))?;
        content.map(|content| decoded(id, &content)).transpose()
    }

    /// The names in a directory; none if it is not there. One that cannot be listed is passed over and told of, so that
    /// it costs only what is in it. Every walk over names goes by this; only who has to be sure of one task asks the
    /// store itself.
    pub(super) fn names_in(&self, dir: &Dir) -> Result<Vec<String>, Error> {
        let mut names = self.unless_in_the_way(self.store.list(dir))?.flatten().unwrap_or_default();
        names.retain(|name| !layout::is_quarantined(name));
        Ok(names)
    }

    /// What the store answered; `None`: something is in the way, or not open to this agent, which is noted to be told.
    pub(super) fn unless_in_the_way<T>(&self, answer: Result<T, impl Into<Error>>) -> Result<Option<T>, Error> {
        match answer.map_err(Into::into) {
            Ok(answer) => Ok(Some(answer)),
            Err(Error::Store(error) | Error::Unknown(error)) if error.is_of_one_place() => {
                self.cache.borrow_mut().pass_over(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Notes what was in the way, to be told.
    pub(super) fn pass_over(&self, error: StoreError) {
        self.cache.borrow_mut().pass_over(error);
    }

    /// What comes after a change and is left undone if it fails: the next sweeps do it, so the change is answered as it
    /// is.
    pub(super) fn or_leave<T>(&self, answer: Result<T, impl Into<Error>>) -> Option<T> {
        match answer.map_err(Into::into) {
            Ok(answer) => Some(answer),
            Err(Error::Store(error) | Error::Unknown(error)) => {
                self.cache.borrow_mut().pass_over(error);
                None
            }
            Err(_) => None,
        }
    }

    /// What was in the way of the operations since this was asked last, and was passed over.
    pub fn take_findings(&self) -> Vec<Finding> {
        self.cache.borrow_mut().take_passed_over().into_iter().map(Finding::PassedOver).collect()
    }

    /// Where an entry goes that is to become `next`; `None` if it has moved on. Only a place in `ready/` depends
    /// on the task's queue, so only for that the record is read, where the entry stands.
    pub(super) fn next_home(&self, located: &Located, next: &Entry) -> Result<Option<Dir>, Error> {
        let queue = match next.state {
            State::Ready { .. } | State::TimedOut { .. } => self.task_at(located)?.map(|task| task.record.queue),
            State::Scheduled { .. }
            | State::Blocked { .. }
            | State::Claimed(_)
            | State::Cancelling(_)
            | State::Ended(_) => Some(QueueName::default_queue()),
        };
        Ok(queue.map(|queue| layout::home(next, &queue)))
    }

    /// Takes an entry whose record cannot be trusted out of the way, so that it holds up nobody. One that another agent
    /// may be able to read stays.
    pub(super) fn quarantine(&self, located: &Located, problem: BadRecord) -> Result<Option<Finding>, Error> {
        if problem.is_for_others() {
            return Ok(Some(Finding::LeftOut { id: located.entry.id, problem }));
        }
        let quarantine = layout::quarantine(&located.entry);
        let moved = self.unless_in_the_way(self.shift(located, &located.entry, &quarantine.dir))?;
        Ok((moved == Some(Moved::Here)).then_some(Finding::Quarantined { id: located.entry.id, problem }))
    }
}

fn gone(operation: &'static str, path: &str) -> Error {
    let detail = "the coordination directory is gone; begin again where it is now, or make one by `muse coord init`";
    Error::Store(StoreError { operation, path: path.into(), kind: StoreErrorKind::Other, detail: detail.into() })
}

/// What a task's file holds. One that cannot be read is as bad as one that is torn.
fn unless_unreadable<T>(id: TaskId, read: Result<T, StoreError>) -> Result<T, Error> {
    read.map_err(|error| match error.is_of_one_place() {
        true => Error::Corrupt { id, problem: BadRecord::Unreadable(error) },
        false => error.into(),
    })
}

fn decoded(id: TaskId, content: &[u8]) -> Result<Task, Error> {
    Task::decode(id, content).map_err(|problem| Error::Corrupt { id, problem })
}
