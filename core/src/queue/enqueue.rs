//! Enqueue: write the record, link it under its first entry. The link is the moment at which the task exists.
//!
//! Several tasks go the same way side by side: all records, then their directories, then all links, then theirs. So a
//! batch syncs each directory once, and one task is a batch of one.

mod by_step;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem;

use super::Queue;
use super::new_task::NewTask;
use super::unique::Keyed;
use crate::entry::Entry;
use crate::error::Error;
use crate::id::TaskId;
use crate::layout;
use crate::limits;
use crate::name::Nonce;
use crate::path::Path;
use crate::sorted;
use crate::store::fused::Look;
use crate::store::{Created, Linked, Store, StoreError};
use crate::task::{Record, Task};
use crate::time::Timestamp;
use crate::tree::{Located, Repairer};
use crate::turn::Turn;

/// A task that is in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enqueued {
    /// The task.
    pub task: Task,
    /// True if it was there before, under the same unique key.
    pub deduplicated: bool,
}

impl<S: Store> Queue<S> {
    /// Adds a task. When this returns, the task survives a power cut, by POSIX's rules for synced files and
    /// directories.
    ///
    /// After an error the task may exist anyway: if the medium failed after the link, or if a doctor linked the task of
    /// an agent that it took for dead. It never exists in part.
    pub fn enqueue(&self, new: NewTask, turn: &Turn<'_>) -> Result<Enqueued, Error> {
        self.check_parents([&new].into_iter())?;
        let enqueued = self.enqueue_all(Vec::from([(new, None)]), &mut Dates::default(), turn)?;
        enqueued.into_iter().next().ok_or(Error::Contended)
    }

    /// Adds tasks, a follow-up with the nonce of the completion that enqueues it. All are durable when this returns.
    pub(super) fn enqueue_all(
        &self,
        new: Vec<(NewTask, Option<Nonce>)>,
        dates: &mut Dates,
        turn: &Turn<'_>,
    ) -> Result<Vec<Enqueued>, Error> {
        self.tree.init(turn)?;
        let mut drafts = Vec::new();
        for (new, follows) in new {
            drafts.push(self.draft(new, follows, dates.next(turn), turn)?);
        }
        let linked = match self.tree.fused() {
            Some(fused) if drafts.iter().all(Draft::is_one_file) => self.link_by_steps(fused, &mut drafts)?,
            _ => self.write_and_link(&mut drafts, turn)?,
        };
        for located in &linked {
            // CM-13: if the agent dies before, a sweep does.
            self.tree.or_leave(self.look_at_parents(located, turn));
        }
        Ok(drafts.into_iter().map(|draft| draft.enqueued).collect())
    }

    /// Writes the records of all that are new, and links each under its first entry. Returns where these are.
    fn write_and_link(&self, drafts: &mut [Draft], turn: &Turn<'_>) -> Result<Vec<Located>, Error> {
        self.write_records(drafts)?;
        self.tree.mark_parents(drafts.iter().filter(|draft| draft.is_new()).map(|draft| &draft.enqueued.task))?;
        // CM-1: until here the tasks are records that no entry points at.
        let mut linked = Vec::new();
        for draft in drafts {
            let of_the_change = if linked.is_empty() { Error::of_the_change } else { Error::after_the_change };
            linked.extend(self.link_first(draft, turn).map_err(of_the_change)?);
        }
        // CM-2: from here on the tasks can be claimed, acknowledged or not.
        match linked.as_slice() {
            [located] => self.tree.keep_name(located).map_err(Error::after_the_change)?,
            _ => {
                for dir in sorted::set(linked.iter().map(|located| &located.dir)) {
                    self.tree.store().sync_dir(dir).map_err(|error| Error::from(error).after_the_change())?;
                }
            }
        }
        Ok(linked)
    }

    /// Fails if a parent of these tasks does not exist.
    pub(super) fn check_parents<'a>(&self, new: impl Iterator<Item = &'a NewTask>) -> Result<(), Error> {
        let parents = sorted::set(new.flat_map(|new| new.plan.after.iter().copied()));
        let _at_work = self.tree.look_ahead(|| parents.iter().map(|id| Look::Line(layout::record(*id))).collect())?;
        for id in parents {
            self.tree.record_of(id)?.ok_or(Error::NoParent { id })?;
            if self.tree.store().orders_names() != Some(false) {
                // Its enqueuer may be about to.
                self.tree.flush_record(id)?;
            }
        }
        Ok(())
    }

    /// The record to be written, unless there is a live task with the same key.
    fn draft(&self, new: NewTask, follows: Option<Nonce>, at: Timestamp, turn: &Turn<'_>) -> Result<Draft, Error> {
        if let Some(key) = &new.plan.unique
            && let Some(task) = self.live_holder(&new.queue, key, turn)?
        {
            return Ok(Draft { enqueued: Enqueued { task, deduplicated: true }, content: Vec::new(), record: None });
        }
        self.tree.overflow_tags(&new.tags, turn)?;
        let (task, content) = Task::encode(new.record(follows, at)).map_err(Error::Unencodable)?;
        Ok(Draft { enqueued: Enqueued { task, deduplicated: false }, content, record: None })
    }

    /// Links a record under its first entry, if the task gets its key. Returns where the entry is; `None`: another task
    /// has the key.
    fn link_first(&self, draft: &mut Draft, turn: &Turn<'_>) -> Result<Option<Located>, Error> {
        for _ in 0..limits::RACES {
            let Some(record) = draft.record.take() else { return Ok(None) };
            let task = &draft.enqueued.task;
            match self.link_first_entry(task, &record, turn)? {
                Placed::At(located) => return Ok(Some(located)),
                Placed::KeyTaken(task) => {
                    draft.enqueued = Enqueued { task: *task, deduplicated: true };
                    return Ok(None);
                }
                // A doctor took this agent for dead. Nobody knows of the task: another one takes its place.
                Placed::TakenAway => {
                    draft.put_off(1)?;
                    self.write_durably(draft)?;
                    self.tree.mark_parents([&draft.enqueued.task].into_iter())?;
                }
            }
        }
        Err(Error::Contended)
    }

    /// Makes the first entry of a task whose record is written. The task exists from then on, unless another one has
    /// its key.
    fn link_first_entry(&self, task: &Task, record: &Path, turn: &Turn<'_>) -> Result<Placed, Error> {
        let entry = Entry::first(task);
        if task.record.unique.is_some() {
            return self.link_with_key(task, record, &entry, turn);
        }
        let home = layout::home(&entry, &task.record.queue);
        match self.tree.link(record, &home.file(entry.name()))? {
            // Taken: the reply of this very link was lost and it was sent again; nobody else links this task.
            Linked::Now | Linked::Taken => Ok(Placed::At(Located { dir: home, entry })),
            Linked::Gone => self.relinked_by_a_doctor(task.id, turn).map_err(Error::after_the_change),
        }
    }

    /// Makes the entry of a task that asks for a key, once it has that.
    pub(super) fn link_with_key(
        &self,
        task: &Task,
        record: &Path,
        entry: &Entry,
        turn: &Turn<'_>,
    ) -> Result<Placed, Error> {
        if self.stage(task, record, entry)? == Linked::Gone {
            return Ok(Placed::TakenAway);
        }
        // From here on any agent that asks for this key may give it to this task.
        match self.take_key(task, None, turn).map_err(Error::after_the_change)? {
            Keyed::Held => {
                Ok(self.unlock(task, turn).map_err(Error::after_the_change)?.map_or(Placed::TakenAway, Placed::At))
            }
            Keyed::By(other) => {
                if self.unstage(task, record, entry).map_err(Error::after_the_change)? {
                    self.tree.or_leave(self.tree.unmark_parents(task));
                    return Ok(Placed::KeyTaken(other));
                }
                let found = self.tree.find(task.id).map_err(Error::after_the_change)?;
                Ok(found.map_or(Placed::TakenAway, Placed::At))
            }
        }
    }

    /// A doctor took this agent for dead and renamed the record under it, to link the task in its stead. Both do so
    /// then, and one succeeds.
    fn relinked_by_a_doctor(&self, id: TaskId, turn: &Turn<'_>) -> Result<Placed, Error> {
        for _ in 0..limits::RACES {
            if let Some(located) = self.tree.find(id)? {
                self.tree.store().sync_dir(&layout::record(id).dir)?;
                return Ok(Placed::At(located));
            }
            if self.tree.record_of(id)?.is_none() {
                return Ok(Placed::TakenAway);
            }
            self.relink(&mut Repairer::new(&self.tree, turn), id)?;
        }
        Err(Error::Contended)
    }

    /// Writes the records of all that are new. They are durable when this returns, with their names; but where names
    /// are ordered, a single one without a key is only once the flush behind its link has made it so.
    fn write_records(&self, drafts: &mut [Draft]) -> Result<(), Error> {
        let mut new: Vec<&mut Draft> = drafts.iter_mut().filter(|draft| draft.is_new()).collect();
        if let [draft] = new.as_mut_slice()
            && !draft.asks_for_a_key()
            && self.tree.store().orders_names() == Some(true)
        {
            // The one flush comes after its link.
            return self.write_record(draft, |path, content| self.tree.store().create_unflushed(path, content));
        }
        self.tree.prepare(new.iter().map(|draft| draft.enqueued.task.id))?;
        let file = |draft: &mut &mut Draft| (layout::record(draft.enqueued.task.id), mem::take(&mut draft.content));
        let files: Vec<(Path, Vec<u8>)> = new.iter_mut().map(file).collect();
        let created = self.tree.store().create_all(&files)?;
        for ((draft, (path, content)), created) in new.into_iter().zip(files).zip(created) {
            draft.content = content;
            match created {
                Created::Now => draft.record = Some(path),
                Created::NoDir => self.write_durably(draft)?,
                // Not under this id again: who has it may be this very agent, whose reply was lost, and a doctor may
                // have moved that record to link it again.
                Created::Taken => {
                    draft.put_off(1)?;
                    self.tree.prepare([draft.enqueued.task.id])?;
                    self.write_durably(draft)?;
                }
            }
        }
        Ok(())
    }

    fn write_durably(&self, draft: &mut Draft) -> Result<(), Error> {
        self.write_record(draft, |path, content| {
            let created = self.tree.store().create(path, content)?;
            if created == Created::Now {
                self.tree.store().sync_dir(&path.dir)?;
            }
            Ok(created)
        })
    }

    /// Writes a record under the id that it has. Equal records of the same microsecond would share an id, so the
    /// later one moves on by a microsecond.
    fn write_record(
        &self,
        draft: &mut Draft,
        create: impl Fn(&Path, &[u8]) -> Result<Created, StoreError>,
    ) -> Result<(), Error> {
        for _ in 0..limits::RACES {
            let path = layout::record(draft.enqueued.task.id);
            match create(&path, &draft.content)? {
                Created::Now => {
                    draft.record = Some(path);
                    return Ok(());
                }
                Created::Taken => draft.put_off(1)?,
                Created::NoDir => {}
            }
            let id = draft.enqueued.task.id;
            match self.tree.store().orders_names() {
                // Nothing has to be said to those who come later.
                Some(true) => self.tree.make_all_dirs(layout::dirs_for_task(id))?,
                Some(false) | None => self.tree.prepare([id])?,
            }
        }
        Err(Error::Contended)
    }
}

/// The enqueue times of tasks that are enqueued together. They are in order, however coarse the clock. They are spread
/// so that no time bucket of `ready/` has many names, since a claim reads all of one.
#[derive(Clone, Debug, Default)]
pub(super) struct Dates {
    /// The next task is dated no earlier.
    not_before: Timestamp,
}

impl Dates {
    /// True until the first task is dated.
    pub(super) fn is_unused(&self) -> bool {
        self.not_before == Timestamp::default()
    }

    fn next(&mut self, turn: &Turn<'_>) -> Timestamp {
        let at = turn.now().max(self.not_before);
        self.not_before = at.plus_micros(limits::BATCH_MICROS_APART);
        at
    }
}

/// A task on its way into the queue.
struct Draft {
    enqueued: Enqueued,
    /// The content of its record.
    content: Vec<u8>,
    /// Where its record is, once that is written.
    record: Option<Path>,
}

impl Draft {
    /// False for a task that was there before.
    fn is_new(&self) -> bool {
        !self.enqueued.deduplicated
    }

    /// True if its record and its entry are all that is written: it asks for no key, and leaves no marks.
    fn is_one_file(&self) -> bool {
        !self.asks_for_a_key() && self.enqueued.task.record.after.len() < 2
    }

    fn asks_for_a_key(&self) -> bool {
        self.enqueued.task.record.unique.is_some()
    }

    /// Makes it a task that is enqueued so many microseconds later, which gives it another id.
    fn put_off(&mut self, micros: u64) -> Result<(), Error> {
        let record = &self.enqueued.task.record;
        let later = Record { created_at: record.created_at.plus_micros(micros), ..record.clone() };
        (self.enqueued.task, self.content) = Task::encode(later).map_err(Error::Unencodable)?;
        Ok(())
    }
}

/// The result of making a task's first entry.
pub(super) enum Placed {
    /// The task stands here, or did a moment ago.
    At(Located),
    /// This live task has its key. Nothing of the other one is left.
    KeyTaken(Box<Task>),
    /// A doctor quarantined the record. Nobody ever knew of the task.
    TakenAway,
}
