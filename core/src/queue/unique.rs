//! Unique keys: only one task of a queue with the same key is live.
//!
//! The directory `unique/<queue>/<digest>/` is the key. Its files `<n>.json` name tasks: the task of the highest number
//! has the key. If several agents raise the number at once, one makes the file, and the others look again. An agent
//! raises it only once the task before has ended.
//!
//! A task that asks for the key is *staged* before: its first entry is linked into the key's directory, where no agent
//! claims it. Once the key names the task, any agent may rename the staged entry to where it belongs. So no agent has
//! to wait, or to guess whether an enqueuer is alive: the enqueuer and every agent that asks for the key do the same
//! rename, which takes effect once. A staged entry that no key names belongs to an enqueuer that is at work, or has
//! died. Nobody but a doctor looks at it.
//!
//! A retry of an ended task is announced in a file with the next number, too, and any agent that finds the announcement
//! puts the task back.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use super::Queue;
use super::put_back::Again;
use crate::entry::Entry;
use crate::error::Error;
use crate::id::TaskId;
use crate::layout;
use crate::limits;
use crate::name::{QueueName, UniqueKey};
use crate::path::{Dir, Path};
use crate::store::{Linked, Moved, Removed, Store};
use crate::task::{Record, Task};
use crate::tree::{Located, Repairer};
use crate::turn::Turn;

/// The content of a file in a unique key's directory.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    task_id: TaskId,
    /// If the task has the key because it is put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    again: Option<Again>,
}

/// The answer to a request for a key.
pub(super) enum Keyed {
    /// The task has it, or asks for none.
    Held,
    /// This live task has it.
    By(Box<Task>),
}

/// A key's directory as one listing saw it.
struct Key {
    dir: Dir,
    names: Vec<String>,
}

impl Key {
    /// The highest number; 0 if there is none.
    pub(super) fn last(&self) -> u64 {
        self.numbers().max().unwrap_or(0)
    }

    fn numbers(&self) -> impl Iterator<Item = u64> {
        self.names.iter().filter_map(|name| layout::parse_key_holder(name))
    }

    /// The staged entry of a task, if it still stands here.
    fn staged(&self, id: TaskId) -> Option<Located> {
        let entry = self.names.iter().filter_map(|name| Entry::parse(name)).find(|entry| entry.id == id)?;
        Some(Located { dir: self.dir.clone(), entry })
    }
}

impl<S: Store> Queue<S> {
    /// The live task that has the key; `None`: there is none.
    pub(super) fn live_holder(
        &self,
        queue: &QueueName,
        key: &UniqueKey,
        turn: &Turn<'_>,
    ) -> Result<Option<Task>, Error> {
        let key = self.key(layout::unique_key(queue, key))?;
        let Some(holder) = self.holder_of(&key)? else { return Ok(None) };
        let alive = self.if_alive(&holder, key.dir.clone(), turn)?;
        alive.iter().try_for_each(|_| self.make_key_durable(&key.dir))?;
        Ok(alive)
    }

    /// Links a task's record into its key's directory, under the name that the task is to have. `Gone`: a doctor took
    /// the record for that of a dead enqueuer.
    pub(super) fn stage(&self, task: &Task, record: &Path, entry: &Entry) -> Result<Linked, Error> {
        key_of(task).map_or(Ok(Linked::Now), |dir| self.tree.link(record, &dir.file(entry.name())))
    }

    /// Removes what [`Queue::stage`] linked, and the record, of a task that did not get its key. Nobody knows of it.
    /// False: it did get the key, was moved to where it belongs, and has ended before this agent looked again.
    pub(super) fn unstage(&self, task: &Task, record: &Path, entry: &Entry) -> Result<bool, Error> {
        let staged = key_of(task).map(|dir| self.tree.store().remove(&dir.file(entry.name()))).transpose()?;
        let was_staged = staged == Some(Removed::Now);
        if was_staged {
            self.tree.store().remove(record)?;
        }
        Ok(was_staged)
    }

    /// Gives the task the key that it asks for, if it asks for one, or returns the live task that has the key. A
    /// retried task asks again, since others may have seen that it had ended.
    pub(super) fn take_key(&self, task: &Task, again: Option<Again>, turn: &Turn<'_>) -> Result<Keyed, Error> {
        let Some(dir) = key_of(task) else { return Ok(Keyed::Held) };
        let mut made: Option<u64> = None;
        for _ in 0..limits::RACES {
            let key = self.key(dir.clone())?;
            // It was the highest when this call made it: a lower one is not free again before so many have come. The
            // maker of the next one has gone on with this task, and it may have ended since.
            if made.is_some_and(|number| key.last() < number.saturating_add(limits::KEY_NUMBERS_KEPT)) {
                self.remove_old_holders(&key)?;
                return Ok(Keyed::Held);
            }
            let holder = self.holder_of(&key)?;
            if holder
                .as_ref()
                .is_some_and(|holder| holder.task_id == task.id && (again.is_none() || holder.again == again))
            {
                self.remove_old_holders(&key)?;
                return Ok(Keyed::Held);
            }
            if let Some(holder) = &holder
                && let Some(live) = self.if_alive(holder, dir.clone(), turn)?
            {
                self.make_key_durable(&dir)?;
                return Ok(Keyed::By(Box::new(live)));
            }
            let holder = Holder { task_id: task.id, again };
            let mut content = serde_json::to_vec(&holder).map_err(|error| Error::Unencodable(error.into()))?;
            content.push(b'\n');
            self.make_key_durable(&dir)?;
            // CM-14: if the agent dies from here on, the next agent that asks for the key goes on with the task.
            let number = key.last() + 1;
            made = self.tree.publish(&layout::key_holder(&dir, number), &content, turn)?.then_some(number);
        }
        Err(Error::Contended)
    }

    /// Moves a task that has its key from the key's directory to where it belongs. Where it stands then; `None`:
    /// nowhere, as a doctor took it for that of a dead enqueuer.
    pub(super) fn unlock(&self, task: &Task, turn: &Turn<'_>) -> Result<Option<Located>, Error> {
        let Some(dir) = key_of(task) else { return self.tree.find(task.id) };
        match self.key(dir)?.staged(task.id) {
            Some(staged) => self.move_staged(&staged, task, turn),
            None => self.tree.find(task.id),
        }
    }

    /// True if the task has asked for its key and stands in the key's directory.
    pub(super) fn is_staged(&self, task: &Task) -> Result<bool, Error> {
        let Some(dir) = key_of(task) else { return Ok(false) };
        Ok(self.key(dir)?.staged(task.id).is_some())
    }

    fn move_staged(&self, staged: &Located, task: &Task, turn: &Turn<'_>) -> Result<Option<Located>, Error> {
        let home = layout::home(&staged.entry, &task.record.queue);
        match self.tree.shift(staged, &staged.entry, &home)? {
            Moved::Here => {
                let located = Located { dir: home, entry: staged.entry.clone() };
                // As every agent that links an entry does: its enqueuer may be dead.
                self.look_at_parents(&located, turn)?;
                Ok(Some(located))
            }
            // Another agent did, and the task may have moved on since.
            Moved::Gone => self.tree.find(task.id),
        }
    }

    /// False if the task asks for a key that another one has, or that it never got.
    pub(super) fn has_its_key(&self, task: &Task) -> Result<bool, Error> {
        let Some(dir) = key_of(task) else { return Ok(true) };
        let holder = self.holder_of(&self.key(dir)?)?;
        Ok(holder.is_some_and(|holder| holder.task_id == task.id))
    }

    fn key(&self, dir: Dir) -> Result<Key, Error> {
        let names = self.tree.store().list(&dir)?.unwrap_or_default();
        Ok(Key { dir, names })
    }

    /// The content of the file of the highest number. A torn file names no task, nor does one that is gone by now: an
    /// agent that continues from its number meets the one that replaced it.
    fn holder_of(&self, key: &Key) -> Result<Option<Holder>, Error> {
        let content = match key.last() {
            0 => None,
            last => self.tree.store().read(&layout::key_holder(&key.dir, last), limits::RECORD_BYTES)?,
        };
        Ok(content.and_then(|content| serde_json::from_slice(&content).ok()))
    }

    /// An agent that made the directories of a key, or a file in there, may have died before their names were on disk.
    fn make_key_durable(&self, dir: &Dir) -> Result<(), Error> {
        self.tree.make_all_dirs(dir.split().map(|(queue, _)| queue).into_iter().chain([dir.clone()]))?;
        Ok(self.tree.store().sync_dir(dir)?)
    }

    /// Removes the numbers of tasks that ended long ago. The last ones stay: an agent that has read an old number and
    /// makes a file of the next one, which was removed since, has to see one of them in its next listing.
    fn remove_old_holders(&self, key: &Key) -> Result<(), Error> {
        let last = key.last();
        for number in key.numbers().filter(|number| number.saturating_add(limits::KEY_NUMBERS_KEPT) <= last) {
            self.tree.store().remove(&layout::key_holder(&key.dir, number))?;
        }
        Ok(())
    }

    /// The task, if it has not ended. This completes the steps that its enqueuer, or an agent that retries it,
    /// has left, and renames it if it has expired. So no agent with another clock claims it once its key is given away.
    fn if_alive(&self, holder: &Holder, dir: Dir, turn: &Turn<'_>) -> Result<Option<Task>, Error> {
        let id = holder.task_id;
        for _ in 0..limits::RACES {
            let located = match self.key(dir.clone())?.staged(id) {
                Some(staged) => match self.tree.task_at(&staged)? {
                    Some(task) => self.move_staged(&staged, &task, turn)?,
                    None => continue,
                },
                None => self.tree.find(id)?,
            };
            let Some(located) = located else {
                if self.is_nowhere(id, turn)? {
                    return Ok(None);
                }
                continue;
            };
            // The agent that made this entry may have died before it was on disk, and this operation relies on it.
            self.tree.keep_name(&located)?;
            if self.settled_by_time(&located, turn)? {
                continue;
            }
            if !located.entry.has_ended() {
                return self.tree.task(id);
            }
            let Some(again) = holder.again.filter(|again| again.version == located.entry.version) else {
                return Ok(None);
            };
            self.put_back(&located, again, turn)?;
        }
        Err(Error::Contended)
    }

    /// True if a task that has a key and was found in no place has ended and been removed, or is in a person's hands.
    /// Else it is on its way, or a power cut took its entry, which is made again.
    fn is_nowhere(&self, id: TaskId, turn: &Turn<'_>) -> Result<bool, Error> {
        let Some((path, _)) = self.tree.record_of(id)? else { return Ok(true) };
        if self.tree.store().links(&path)? == Some(1) {
            self.relink(&mut Repairer::new(&self.tree, turn), id)?;
            return Ok(false);
        }
        Ok(self.tree.is_purged(id)? || self.tree.scan_quarantine()?.tasks.contains_key(&id))
    }
}

/// The directory of the key that a task asks for.
fn key_of(task: &Task) -> Option<Dir> {
    let Record { queue, unique, .. } = &task.record;
    unique.as_ref().map(|key| layout::unique_key(queue, key))
}
