//! The file operations of a repair. Each step is a rename from an exact old name, or a link to a name that must be
//! free. A new name is durable before the next step relies on it.

use alloc::boxed::Box;

use super::Tree;
use super::find::LOOKS;
use super::located::Located;
use crate::entry::Entry;
use crate::error::Error;
use crate::id::TaskId;
use crate::layout;
use crate::limits;
use crate::path::{Dir, Path};
use crate::store::{DirRemoved, Linked, Moved, Store, StoreErrorKind};
use crate::task::Task;
use crate::turn::Turn;

/// The outcome of a repair for a defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Nothing: it was only examined, or cannot be repaired, or another agent changed it meanwhile.
    Left,
    /// It is as it should be.
    Mended,
    /// It was moved to `quarantine/`.
    Quarantined,
}

impl Repair {
    /// The stable word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Repair::Left => "left",
            Repair::Mended => "mended",
            Repair::Quarantined => "quarantined",
        }
    }
}

/// The result of a fence around a record.
pub(crate) enum Fence {
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

/// The result of linking a task again.
pub(crate) enum Relinked {
    /// Its first entry stands here.
    At(Located),
    /// It has an entry, made by another agent.
    HasEntry,
    /// Nothing: its record is torn, or has several names.
    Left,
}

/// The state of a repair.
pub(crate) struct Repairer<'a, S> {
    tree: &'a Tree<S>,
    turn: &'a Turn<'a>,
    /// Where this repair quarantines things, once it has.
    quarantine: Option<Dir>,
}

impl<'a, S: Store> Repairer<'a, S> {
    pub(crate) fn new(tree: &'a Tree<S>, turn: &'a Turn<'a>) -> Repairer<'a, S> {
        Repairer { tree, turn, quarantine: None }
    }

    /// The directory that is repaired.
    pub(crate) fn tree(&self) -> &'a Tree<S> {
        self.tree
    }

    /// The clock and the nonces of the agent that repairs.
    pub(crate) fn turn(&self) -> &'a Turn<'a> {
        self.turn
    }

    /// Moves a file to `quarantine/`.
    pub(crate) fn quarantine(&mut self, path: &Path) -> Result<Repair, Error> {
        Ok(self.moved_to_quarantine(path)?.map_or(Repair::Left, |_| Repair::Quarantined))
    }

    /// Moves a record to `quarantine/` that does not hold its task. If it does by now, it is given back.
    ///
    /// A writer that was stopped in the middle may go on; what it writes is then in `quarantine/`, and its link fails.
    pub(crate) fn quarantine_record(&mut self, id: TaskId, path: &Path) -> Result<Repair, Error> {
        let Some(quarantine) = self.moved_to_quarantine(path)? else { return Ok(Repair::Left) };
        // A thing that is no file, or that nobody may read, holds no task.
        let content = self.tree.store.read(&quarantine, limits::RECORD_BYTES).ok().flatten().unwrap_or_default();
        if Task::decode(id, &content).is_err() {
            return Ok(Repair::Quarantined);
        }
        let back = layout::record_again(id, self.turn.nonce());
        self.rename(&quarantine, &back)?;
        Ok(Repair::Mended)
    }

    /// Links the record back from an entry that is another file. CM-22: an agent that dies in between leaves a task
    /// without its record in `tasks/`.
    pub(crate) fn join_record(&mut self, located: &Located) -> Result<Repair, Error> {
        let Some((record, _)) = self.tree.record_of(located.entry.id)? else { return Ok(Repair::Left) };
        match self.quarantine(&record)? {
            Repair::Quarantined => self.link_record_back(located),
            became => Ok(became),
        }
    }

    /// Gives a task's record its name in `tasks/` back, by a link from the entry, which holds the task.
    pub(crate) fn link_record_back(&mut self, located: &Located) -> Result<Repair, Error> {
        let record = layout::record_linked_back(located.entry.id);
        let mut source = located.clone();
        for _ in 0..LOOKS {
            match self.tree.link(&source.path(), &record)? {
                // Taken: by another doctor.
                Linked::Now | Linked::Taken => {
                    self.tree.store.sync_dir(&record.dir)?;
                    return Ok(Repair::Mended);
                }
                Linked::Gone => match self.tree.relocate(located.entry.id)? {
                    Some(moved_on) => source = moved_on,
                    None => break,
                },
            }
        }
        Ok(Repair::Left)
    }

    /// Links a task again that has a record and no entry, as its first entry. The caller looks at its parents then.
    ///
    /// An enqueuer or another doctor may have been paused just before it links the entry, and may go on when the task
    /// is long claimed: the old name would come back. Renaming the record first is a fence: a paused process still
    /// holds the old path, so its link fails. One of several doctors succeeds; if it dies, the next one begins with the
    /// new name. From then on nobody else can make an entry. So if the record has no other name, this entry is the only
    /// one.
    pub(crate) fn relink(&mut self, id: TaskId) -> Result<Relinked, Error> {
        for _ in 0..LOOKS {
            let (fenced, task) = match self.fence(id)? {
                Fence::Mine(fenced, task) => (fenced, task),
                Fence::Gone => continue,
                Fence::HasEntry => return Ok(Relinked::HasEntry),
                Fence::Torn(_) | Fence::SeveralNames => break,
            };
            // The marks come first and the look at the parents last, as in an enqueue.
            self.tree.mark_parents([&*task].into_iter())?;
            let entry = Entry::first(&task);
            let home = layout::home(&entry, &task.record.queue);
            if self.tree.link(&fenced, &home.file(entry.name()))? != Linked::Gone {
                self.tree.store.sync_dir(&home)?;
                return Ok(Relinked::At(Located { dir: home, entry }));
            }
        }
        Ok(Relinked::Left)
    }

    /// Gives the record of a task without an entry a name that no other agent knows.
    pub(crate) fn fence(&mut self, id: TaskId) -> Result<Fence, Error> {
        let store = &self.tree.store;
        let Some((path, record)) = self.tree.record_file(id)? else { return Ok(Fence::Gone) };
        let Ok(task) = record else { return Ok(Fence::Torn(path)) };
        let fenced = layout::record_again(id, self.turn.nonce());
        if self.rename(&path, &fenced)? == Moved::Gone {
            return Ok(Fence::Gone);
        }
        // The enqueuer, or another doctor, may have linked it just before.
        if self.tree.relocate(id)?.is_some() {
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
        if self.tree.store.remove_dir(&quarantine.dir)? == DirRemoved::Now {
            self.quarantine = None;
        }
        Ok(None)
    }

    /// Renames something, within its directory, to a name that no queue uses and nobody looks for.
    pub(crate) fn moved_beside(&mut self, path: &Path) -> Result<Option<Path>, Error> {
        let name = layout::quarantine_in_place(self.turn.nonce(), &path.name);
        let short = name.get(..limits::NAME_BYTES).unwrap_or(&name);
        let beside = path.dir.file(short);
        Ok((self.rename(path, &beside)? == Moved::Here).then_some(beside))
    }

    /// A free name in a directory that only this repair uses.
    fn place_in_quarantine(&mut self, name: &str) -> Result<Path, Error> {
        if let Some(dir) = &self.quarantine {
            let path = dir.file(name);
            if !self.tree.store.exists(&path)? {
                return Ok(path);
            }
        }
        let dir = layout::quarantine_by(self.turn.nonce());
        self.tree.make_dirs(&dir)?;
        let path = dir.file(name);
        self.quarantine = Some(dir);
        Ok(path)
    }

    /// Renames to a name that only this repair uses, in a directory that stays. The new name is durable.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> Result<Moved, Error> {
        let store = &self.tree.store;
        // A network filesystem can lose the reply of a rename that took effect, and answer "gone" to the next.
        if store.rename(from, to)? == Moved::Gone && !store.exists(to)? {
            return Ok(Moved::Gone);
        }
        store.sync_dir(&to.dir)?;
        Ok(Moved::Here)
    }
}
