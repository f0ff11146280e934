//! Making, linking and renaming files and directories.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;

use super::Tree;
use super::located::Located;
use super::opening::gone;
use crate::entry::Entry;
use crate::error::Error;
use crate::id::TaskId;
use crate::layout;
use crate::limits;
use crate::path::{Dir, Path};
use crate::store::{Created, Flushed, Linked, Made, Moved, Store, StoreError, StoreErrorKind};
use crate::turn::Turn;

impl<S: Store> Tree<S> {
    /// Renames an entry to its next name in `home`: the compare-and-swap of every transition.
    pub(crate) fn shift(&self, from: &Located, next: &Entry, home: &Dir) -> Result<Moved, Error> {
        self.shift_file(&from.path(), &home.file(next.name()))
    }

    /// Renames a file to a name that only those make who want the very same, and makes the directories above it.
    pub(crate) fn shift_file(&self, from: &Path, to: &Path) -> Result<Moved, Error> {
        for _ in 0..limits::RACES {
            if self.store.rename(from, to)? == Moved::Here {
                self.cache.borrow_mut().filled(&to.dir);
                return Ok(Moved::Here);
            }
            if self.fused().is_some() {
                // It loses no reply without saying so, and no directory is missing.
                return Ok(Moved::Gone);
            }
            if !self.store.exists(from)? {
                // A network filesystem can lose the reply of a rename that took effect, and answer "gone" when the
                // rename is sent again. The new name of a claim, an end or a cancel has this agent's nonce, so nobody
                // else has made it. The name of an expiry is the same whichever agent makes it, and only the holder
                // makes that of a release.
                return Ok(if self.store.exists(to)? { Moved::Here } else { Moved::Gone });
            }
            self.make_dirs(&to.dir)?;
        }
        Err(Error::Contended)
    }

    /// Makes the name of an entry durable, with what the task's file holds.
    pub(crate) fn keep_name(&self, located: &Located) -> Result<(), Error> {
        let names = self.store.orders_names();
        // Its enqueuer may not have flushed it yet.
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
    pub(crate) fn flush_record(&self, id: TaskId) -> Result<(), Error> {
        for _ in 0..limits::RACES {
            match self.record_of(id)? {
                Some((record, _)) if self.store.flush(&record)? == Flushed::Gone => {}
                Some(_) | None => return Ok(()),
            }
        }
        Err(Error::Contended)
    }

    /// Makes a directory and those above it. The names of those that this call met missing are durable when it returns.
    pub(crate) fn make_dirs(&self, dir: &Dir) -> Result<(), Error> {
        self.make_all_dirs([dir.clone()])
    }

    /// Makes directories and those above them. Their own names are durable when the call returns, even if another agent
    /// made them; where names are ordered, once anything in them is.
    ///
    /// Syncing comes last: it takes long, and until the lowest is there, others may remove what is still empty.
    pub(crate) fn make_all_dirs(&self, dirs: impl IntoIterator<Item = Dir>) -> Result<(), Error> {
        let mut changed = BTreeSet::new();
        dirs.into_iter().try_for_each(|dir| self.make_chain(&dir, &mut changed))?;
        if self.store.orders_names() == Some(true) {
            // No name in them is durable before theirs.
            return Ok(());
        }
        changed.iter().try_for_each(|parent| Ok(self.store.sync_dir(parent)?))
    }

    /// Makes a directory and those above it, whose names a power cut may take.
    pub(crate) fn make_dirs_unsynced(&self, dir: &Dir) -> Result<(), Error> {
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
        let (kind, detail) = (StoreErrorKind::WrongType, "it is a dangling symbolic link".into());
        Err(Error::Store(StoreError { operation: "make directory", path: dir.as_str().into(), kind, detail }))
    }

    /// Makes a file under a name that only this agent uses, and the directories above it.
    pub(crate) fn create(&self, path: &Path, content: &[u8]) -> Result<Created, Error> {
        for _ in 0..limits::RACES {
            match self.store.create(path, content)? {
                Created::NoDir => self.make_dirs(&path.dir)?,
                created => return Ok(created),
            }
        }
        Err(Error::Contended)
    }

    /// Links a file that only this agent knows of, and makes the directories above the new name.
    pub(crate) fn link(&self, from: &Path, to: &Path) -> Result<Linked, Error> {
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
    pub(crate) fn publish(&self, path: &Path, content: &[u8], turn: &Turn<'_>) -> Result<bool, Error> {
        let draft = layout::tmp().file(format!("{}.json", turn.nonce()));
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

    /// Makes the directories that the tasks come to, also later: so that a claim need not make one, and a completion
    /// need not ask whether they will survive a power cut.
    ///
    /// An existing directory's name may not be on disk: its maker may have died before syncing. The file that is made
    /// when all is synced proves it, with one look instead of three syncs. If names are ordered, nothing is synced
    /// here, and the file is made anyway: their names become durable before anything in them, by any sync of any agent,
    /// also of one that goes by POSIX (`PROTOCOL.md`, *directories*).
    pub(crate) fn prepare(&self, ids: impl IntoIterator<Item = TaskId>) -> Result<(), Error> {
        if self.fused().is_some() {
            // There are none to be made.
            return Ok(());
        }
        let mut unprepared: BTreeMap<Path, TaskId> = BTreeMap::new();
        for id in ids {
            let prepared = layout::prepared(id);
            if !unprepared.contains_key(&prepared) && !self.store.exists(&prepared)? {
                unprepared.insert(prepared, id);
            }
        }
        self.make_all_dirs(unprepared.values().flat_map(|id| layout::dirs_for_task(*id)))?;
        unprepared.keys().try_for_each(|prepared| self.store.create(prepared, b"").map(drop))?;
        Ok(())
    }
}
