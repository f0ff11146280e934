//! Enqueue: write the record, link it under its first entry. The link is the moment at which the task exists.
//!
//! Several tasks go the same way side by side: all records, then their directories, then all links, then theirs. So a
//! batch syncs each directory once, and one task is a batch of one.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::{self, Vec};
use core::mem;

use super::Queue;
use super::doctor::Repairer;
use super::files::Located;
use super::unique::Keyed;
use crate::entry::Entry;
use crate::error::Error;
use crate::id::TaskId;
use crate::json::JsonObject;
use crate::layout::{self, Path};
use crate::limits;
use crate::name::{Nonce, QueueName, RunId, Tag, Title, UniqueKey};
use crate::sorted;
use crate::store::{Created, Linked, Store, StoreError};
use crate::tags::TagSet;
use crate::task::{Backoff, IfParentFails, Record, Task};
use crate::time::Timestamp;

/// A task to be enqueued.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// What is to be done, for people.
    pub title: Title,
    /// Higher is claimed first.
    pub priority: i64,
    /// The queue to wait in.
    pub queue: QueueName,
    /// How many seconds it may wait to be claimed, from when it can be.
    pub ttl_seconds: i64,
    /// Who enqueues it.
    pub created_by: RunId,
    /// Words to choose by.
    pub tags: Vec<Tag>,
    /// When and how often it is to be tried.
    pub plan: Plan,
    /// What the agent needs to know.
    pub payload: JsonObject,
}

/// When and how often a task is to be tried. By default: at once, and once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// How many attempts there may be; `None`: a failure is final, and a lease that ran out can be taken over without
    /// end.
    pub max_attempts: Option<u32>,
    /// How long to wait between two.
    pub backoff: Option<Backoff>,
    /// When it can be claimed.
    pub start: Start,
    /// The tasks that must have ended before.
    pub after: Vec<TaskId>,
    /// What to do if one of them does not complete.
    pub if_parent_fails: Option<IfParentFails>,
    /// If another task with this key has not ended in the queue, that one is answered, and this one is not enqueued.
    pub unique: Option<UniqueKey>,
}

/// When a task can be claimed first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// At once.
    #[default]
    Now,
    /// After so many seconds.
    After(i64),
    /// Not before this time.
    At(Timestamp),
}

/// A task that is in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enqueued {
    /// The task.
    pub task: Task,
    /// True if it was there before, under the same unique key.
    pub deduplicated: bool,
}

/// Many tasks, enqueued a few at a time: for whoever has a clock, so that each is dated when it is written.
#[derive(Debug)]
pub struct Batch {
    rest: vec::IntoIter<NewTask>,
    step: usize,
    is_checked: bool,
    /// No task of the next step is dated earlier.
    next_at: Timestamp,
}

impl Batch {
    /// A batch that has not begun.
    pub fn new(tasks: Vec<NewTask>) -> Batch {
        Batch { rest: tasks.into_iter(), step: limits::BATCH_STEP, is_checked: false, next_at: Timestamp::default() }
    }

    /// As many tasks in each step, at most [`limits::BATCH_STEP`]: for a host that does other things in between.
    /// Smaller steps sync more often.
    pub fn in_steps_of(self, step: usize) -> Batch {
        Batch { step: step.clamp(1, limits::BATCH_STEP), ..self }
    }

    /// Enqueues the next ones, in order; `None`: that was all. Each step needs a new nonce.
    ///
    /// The first step looks whether there are all the tasks that any of them is to wait for, and writes nothing if not.
    /// If a later one fails, those before are enqueued: with unique keys the same batch can be given again.
    pub fn step<S: Store>(
        &mut self,
        queue: &Queue<S>,
        now: Timestamp,
        nonce: Nonce,
    ) -> Result<Option<Vec<Enqueued>>, Error> {
        if !self.is_checked {
            queue.check_parents(self.rest.as_slice().iter())?;
            self.is_checked = true;
        }
        let step: Vec<_> = self.rest.by_ref().take(self.step).map(|new| (new, None)).collect();
        if step.is_empty() {
            return Ok(None);
        }
        let (is_first, now) = (self.next_at == Timestamp::default(), now.max(self.next_at));
        self.next_at = apart(now, step.len());
        let enqueued = queue.enqueue_all(step, now, nonce);
        enqueued.map(Some).map_err(|error| if is_first { error } else { error.after_the_change() })
    }
}

impl<S: Store> Queue<S> {
    /// Adds a task. When this returns the task survives a power cut, by POSIX's rules for synced files and directories.
    ///
    /// If it fails the task may exist all the same, when the medium failed after the link, or when a doctor links the
    /// task of an agent that it took for dead; it never exists in part.
    pub fn enqueue(&self, new: NewTask, now: Timestamp, nonce: Nonce) -> Result<Enqueued, Error> {
        self.check_parents([&new].into_iter())?;
        let enqueued = self.enqueue_all(Vec::from([(new, None)]), now, nonce)?;
        enqueued.into_iter().next().ok_or(Error::Contended)
    }

    /// Adds tasks, each with the nonce of the completion that it follows, if it does. All are durable when this
    /// returns.
    pub(super) fn enqueue_all(
        &self,
        new: Vec<(NewTask, Option<Nonce>)>,
        now: Timestamp,
        nonce: Nonce,
    ) -> Result<Vec<Enqueued>, Error> {
        self.init(now, nonce)?;
        let mut drafts = Vec::new();
        for (place, (new, follows)) in new.into_iter().enumerate() {
            drafts.push(self.draft(new, follows, apart(now, place), now, nonce)?);
        }
        self.write_records(&mut drafts)?;
        self.mark_parents(drafts.iter().filter(|draft| draft.is_new()).map(|draft| &draft.enqueued.task))?;
        // CM-1: until here the tasks are records that no entry points at.
        let mut linked = Vec::new();
        for draft in &mut drafts {
            let of_the_change = if linked.is_empty() { Error::of_the_change } else { Error::after_the_change };
            linked.extend(self.link_first(draft, now, nonce).map_err(of_the_change)?);
        }
        // CM-2: from here on the tasks can be claimed, acknowledged or not.
        match linked.as_slice() {
            [located] => self.keep_name(located).map_err(Error::after_the_change)?,
            _ => {
                for dir in sorted::set(linked.iter().map(|located| &located.dir)) {
                    self.store.sync_dir(dir).map_err(|error| Error::from(error).after_the_change())?;
                }
            }
        }
        for located in &linked {
            // CM-13: if the agent dies before, a sweep does.
            self.or_leave(self.look_at_parents(located, now, nonce));
        }
        Ok(drafts.into_iter().map(|draft| draft.enqueued).collect())
    }

    /// Fails if there is none of the tasks that these are to wait for.
    pub(super) fn check_parents<'a>(&self, new: impl Iterator<Item = &'a NewTask>) -> Result<(), Error> {
        let parents = sorted::set(new.flat_map(|new| new.plan.after.iter().copied()));
        for id in parents {
            self.record_of(id)?.ok_or(Error::NoParent { id })?;
            if self.store.orders_names() != Some(false) {
                // Its enqueuer may be about to.
                self.flush_record(id)?;
            }
        }
        Ok(())
    }

    /// The record to be written, unless there is a live task with the same key.
    fn draft(
        &self,
        new: NewTask,
        follows: Option<Nonce>,
        at: Timestamp,
        now: Timestamp,
        nonce: Nonce,
    ) -> Result<Draft, Error> {
        if let Some(key) = &new.plan.unique
            && let Some(task) = self.live_holder(&new.queue, key, now, nonce)?
        {
            return Ok(Draft { enqueued: Enqueued { task, deduplicated: true }, content: Vec::new(), record: None });
        }
        self.overflow_tags(&new.tags, nonce)?;
        let (task, content) = Task::encode(new.record(follows, at)).map_err(Error::Unencodable)?;
        Ok(Draft { enqueued: Enqueued { task, deduplicated: false }, content, record: None })
    }

    /// Links a record under its first entry, if it gets its key. Where the entry then is; `None`: another task has the
    /// key.
    fn link_first(&self, draft: &mut Draft, now: Timestamp, nonce: Nonce) -> Result<Option<Located>, Error> {
        for _ in 0..limits::RACES {
            let Some(record) = draft.record.take() else { return Ok(None) };
            let task = &draft.enqueued.task;
            match self.link_first_entry(task, &record, now, nonce)? {
                Placed::At(located) => return Ok(Some(located)),
                Placed::KeyTaken(task) => {
                    draft.enqueued = Enqueued { task: *task, deduplicated: true };
                    return Ok(None);
                }
                // A doctor took this agent for dead. Nobody knows of the task: another one takes its place.
                Placed::TakenAway => {
                    draft.put_off(1)?;
                    self.write_durably(draft)?;
                    self.mark_parents([&draft.enqueued.task].into_iter())?;
                }
            }
        }
        Err(Error::Contended)
    }

    /// Makes the first entry of a task whose record is written. The task exists from then on, unless another one has
    /// its key.
    fn link_first_entry(&self, task: &Task, record: &Path, now: Timestamp, nonce: Nonce) -> Result<Placed, Error> {
        let entry = Entry::first(task);
        if task.record.unique.is_some() {
            return self.link_with_key(task, record, &entry, now, nonce);
        }
        let home = layout::home(&entry, &task.record.queue);
        match self.link(record, &home.file(entry.name()))? {
            // Taken: the reply of this very link was lost and it was sent again; nobody else links this task.
            Linked::Now | Linked::Taken => Ok(Placed::At(Located { dir: home, entry })),
            Linked::Gone => self.relinked_by_a_doctor(task.id, now, nonce),
        }
    }

    /// Makes the entry of a task that asks for a key, once it has that.
    pub(super) fn link_with_key(
        &self,
        task: &Task,
        record: &Path,
        entry: &Entry,
        now: Timestamp,
        nonce: Nonce,
    ) -> Result<Placed, Error> {
        if self.stage(task, record, entry)? == Linked::Gone {
            return Ok(Placed::TakenAway);
        }
        // From here on any agent that asks for the key may give it to this task.
        match self.take_key(task, None, now, nonce).map_err(Error::after_the_change)? {
            Keyed::Held => Ok(self
                .unlock(task, now, nonce)
                .map_err(Error::after_the_change)?
                .map_or(Placed::TakenAway, Placed::At)),
            Keyed::By(other) => {
                if self.unstage(task, record, entry).map_err(Error::after_the_change)? {
                    self.or_leave(self.unmark_parents(task));
                    return Ok(Placed::KeyTaken(other));
                }
                Ok(self.find(task.id)?.map_or(Placed::TakenAway, Placed::At))
            }
        }
    }

    /// A doctor took this agent for dead and renamed the record under it, to link the task in its stead. Both do so
    /// then, and one succeeds.
    fn relinked_by_a_doctor(&self, id: TaskId, now: Timestamp, nonce: Nonce) -> Result<Placed, Error> {
        let mut nonces = nonce.counted_on();
        for _ in 0..limits::RACES {
            if let Some(located) = self.find(id)? {
                self.store.sync_dir(&layout::record(id).dir)?;
                return Ok(Placed::At(located));
            }
            if self.record_of(id)?.is_none() {
                return Ok(Placed::TakenAway);
            }
            Repairer::new(self, &mut nonces).relink(id, now)?;
        }
        Err(Error::Contended)
    }

    /// Writes down tags that are too long for a name, before a name points at them.
    pub(super) fn overflow_tags(&self, tags: &[Tag], nonce: Nonce) -> Result<(), Error> {
        let set = TagSet::of(tags);
        let path = layout::tag_text(&set);
        if !set.overflows() || self.store.exists(&path)? {
            return Ok(());
        }
        let content = serde_json::to_vec(tags).map_err(|error| Error::Unencodable(error.into()))?;
        self.publish(&path, &content, nonce).map(|_| ())
    }

    /// Writes the records of all that are new. They are durable when this returns, with their names; but where names
    /// are ordered, a single one without a key is only once the flush behind its link has made it so.
    fn write_records(&self, drafts: &mut [Draft]) -> Result<(), Error> {
        let mut new: Vec<&mut Draft> = drafts.iter_mut().filter(|draft| draft.is_new()).collect();
        if let [draft] = new.as_mut_slice()
            && !draft.asks_for_a_key()
            && self.store.orders_names() == Some(true)
        {
            // The one flush comes after its link.
            return self.write_record(draft, |path, content| self.store.create_unflushed(path, content));
        }
        self.prepare(new.iter().map(|draft| draft.enqueued.task.id))?;
        let file = |draft: &mut &mut Draft| (layout::record(draft.enqueued.task.id), mem::take(&mut draft.content));
        let files: Vec<(Path, Vec<u8>)> = new.iter_mut().map(file).collect();
        let created = self.store.create_all(&files)?;
        for ((draft, (path, content)), created) in new.into_iter().zip(files).zip(created) {
            draft.content = content;
            match created {
                Created::Now => draft.record = Some(path),
                Created::NoDir => self.write_durably(draft)?,
                // Not under this id again: who has it may be this very agent, whose reply was lost, and a doctor may
                // have moved that record to link it again.
                Created::Taken => {
                    draft.put_off(1)?;
                    self.prepare([draft.enqueued.task.id])?;
                    self.write_durably(draft)?;
                }
            }
        }
        Ok(())
    }

    fn write_durably(&self, draft: &mut Draft) -> Result<(), Error> {
        self.write_record(draft, |path, content| {
            let created = self.store.create(path, content)?;
            if created == Created::Now {
                self.store.sync_dir(&path.dir)?;
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
            match self.store.orders_names() {
                // Nothing has to be said to those who come later.
                Some(true) => self.make_all_dirs(layout::dirs_for_task(id))?,
                Some(false) | None => self.prepare([id])?,
            }
        }
        Err(Error::Contended)
    }

    /// Makes the directories that the tasks come to, also later: so that a claim need not make one, and a completion
    /// need not ask whether they will survive a power cut.
    ///
    /// That a directory is there does not say that its name is on disk: whoever made it may have died before syncing.
    /// The file that is made when all is synced says it, for one look instead of three syncs. Where names are ordered
    /// nothing is synced here, and the file is made all the same: their names become durable before anything in them,
    /// by any sync of any agent, also of one that goes by POSIX (`PROTOCOL.md`, *directories*).
    pub(super) fn prepare(&self, ids: impl IntoIterator<Item = TaskId>) -> Result<(), Error> {
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

/// When the task at this place of a call that began at `now` counts as enqueued: in order, however coarse the clock,
/// and so that no time bucket of `ready/` has many names, since whoever claims reads all of one.
fn apart(now: Timestamp, place: usize) -> Timestamp {
    now.plus_micros(u64::try_from(place).unwrap_or(0).saturating_mul(limits::BATCH_MICROS_APART))
}

/// A task on its way into the queue.
struct Draft {
    enqueued: Enqueued,
    /// What its record holds.
    content: Vec<u8>,
    /// Where its record is, once that is written.
    record: Option<Path>,
}

impl Draft {
    /// False for a task that was there before.
    fn is_new(&self) -> bool {
        !self.enqueued.deduplicated
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

/// What came of making a task's first entry.
pub(super) enum Placed {
    /// The task stands here, or did a moment ago.
    At(Located),
    /// This live task has its key. Nothing of the other one is left.
    KeyTaken(Box<Task>),
    /// A doctor quarantined the record. Nobody ever knew of the task.
    TakenAway,
}

impl NewTask {
    /// The record of the task, enqueued at `at`.
    pub fn record(self, follows: Option<Nonce>, at: Timestamp) -> Record {
        let NewTask { title, priority, queue, ttl_seconds, created_by, tags, plan, payload } = self;
        let Plan { max_attempts, backoff, start, after, if_parent_fails, unique } = plan;
        let scheduled_at = match start {
            Start::Now => None,
            Start::After(seconds) => Some(at.plus_seconds(seconds)),
            Start::At(time) => Some(time),
        };
        Record {
            title,
            priority,
            queue,
            ttl_seconds,
            created_by,
            created_at: at,
            tags,
            max_attempts,
            backoff,
            scheduled_at,
            after,
            if_parent_fails,
            unique,
            follows,
            payload,
        }
    }
}
