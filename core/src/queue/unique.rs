//! Unique keys: of the tasks of a queue with one key, one lives.
//!
//! Who has a key stands in `unique/<queue>/<digest>/<n>.json`, which names a task. The highest number counts, and it is only
//! raised once the task before has ended; of those who raise it at once, one makes the file, and the others look again. So the
//! highest file is never removed, not even with its task: from an empty directory somebody would begin at 1 while another, who
//! has read it before, goes on at n + 1, and both would have the key. A task
//! gets its key before its entry. So one that has the key and no entry is of an agent that is just about to link it, or has
//! died; whoever comes then shelves it as a doctor does, which is safe beside a living one, and answers it. So it is with one that
//! is put back after its end: that is announced in a file with the next number, and whoever finds it announced does it.

use serde::{Deserialize, Serialize};

use super::Queue;
use super::doctor::Mender;
use crate::error::Error;
use crate::id::TaskId;
use crate::layout::{self, Dir};
use crate::limits;
use crate::name::{Nonce, QueueName, UniqueKey};
use crate::store::Store;
use crate::task::Task;
use crate::time::Timestamp;
use crate::transition::{Command, decide};

/// What a file in a unique key's directory says.
#[derive(Debug, Serialize, Deserialize)]
struct Holder {
    task_id: TaskId,
    /// If the task has the key because it is put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    again: Option<Again>,
}

/// A task that is put back: the version that its end had, and when. So whoever does it gives it the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Again {
    pub(super) version: u32,
    pub(super) at: Timestamp,
}

impl<S: Store> Queue<S> {
    /// The task that has the key and has not ended; `None`: there is none.
    pub(super) fn live_holder(&self, queue: &QueueName, key: &UniqueKey, nonce: Nonce) -> Result<Option<Task>, Error> {
        let dir = layout::unique_key(queue, key);
        let (_, Some(holder)) = self.last_holder(&dir)? else { return Ok(None) };
        let alive = self.if_alive(&holder, nonce)?;
        alive.iter().try_for_each(|_| self.make_key_durable(&dir))?;
        Ok(alive)
    }

    /// Whoever made the directories of a key, or a file in there, may have died before their names were on disk.
    fn make_key_durable(&self, dir: &Dir) -> Result<(), Error> {
        self.make_all_dirs(dir.split().map(|(queue, _)| queue).into_iter().chain([dir.clone()]))?;
        Ok(self.store.sync_dir(dir)?)
    }

    /// Gives the task the key that it asks for, if it asks for one; else the live task that has it. One that is put back gets it
    /// anew, since others may have seen that it had ended.
    pub(super) fn take_key(&self, task: &Task, again: Option<Again>, nonce: Nonce) -> Result<Option<Task>, Error> {
        let Some(key) = &task.record.unique else { return Ok(None) };
        let dir = layout::unique_key(&task.record.queue, key);
        for _ in 0..limits::RACES {
            let (last, holder) = self.last_holder(&dir)?;
            match &holder {
                Some(holder) if holder.task_id == task.id && (again.is_none() || holder.again == again) => {
                    self.remove_holders_before(last, &dir)?;
                    return Ok(None);
                }
                Some(holder) => {
                    if let Some(live) = self.if_alive(holder, nonce)? {
                        self.make_key_durable(&dir)?;
                        return Ok(Some(live));
                    }
                }
                None => {}
            }
            let holder = Holder { task_id: task.id, again };
            let mut content = serde_json::to_vec(&holder).map_err(|error| Error::Unencodable(error.into()))?;
            content.push(b'\n');
            self.make_key_durable(&dir)?;
            // CM-14: if the agent dies from here on, the next one who asks for the key shelves the task.
            // A listing that missed names may have led to an old number: then there is a higher one.
            self.publish(&layout::key_holder(&dir, last + 1), &content, nonce)?;
        }
        Err(Error::Contended)
    }

    /// False if the task asks for a key that another one has, or that it never got.
    pub(super) fn has_its_key(&self, task: &Task) -> Result<bool, Error> {
        let Some(key) = &task.record.unique else { return Ok(true) };
        let (_, holder) = self.last_holder(&layout::unique_key(&task.record.queue, key))?;
        Ok(holder.is_some_and(|holder| holder.task_id == task.id))
    }

    /// Removes the numbers of tasks that have ended. Whoever still makes one of them sees the higher one afterwards.
    fn remove_holders_before(&self, last: u64, dir: &Dir) -> Result<(), Error> {
        let names = self.store.list(dir)?.unwrap_or_default();
        for number in names.iter().filter_map(|name| layout::parse_key_holder(name)).filter(|number| *number < last) {
            self.store.remove(&layout::key_holder(dir, number))?;
        }
        Ok(())
    }

    /// The highest number in a key's directory, 0 if there is none, and what that file says. One whose text is torn has no task to
    /// stand for, nor has one that is gone by now: whoever goes on from its number meets the one that took its place.
    fn last_holder(&self, dir: &Dir) -> Result<(u64, Option<Holder>), Error> {
        let names = self.store.list(dir)?.unwrap_or_default();
        let Some(last) = names.iter().filter_map(|name| layout::parse_key_holder(name)).max() else {
            return Ok((0, None));
        };
        let content = self.store.read(&layout::key_holder(dir, last), limits::RECORD_BYTES)?;
        Ok((last, content.and_then(|content| serde_json::from_slice(&content).ok())))
    }

    /// The task, if it has not ended. One that has the key and no entry is shelved, and one that is put back is put back.
    fn if_alive(&self, holder: &Holder, nonce: Nonce) -> Result<Option<Task>, Error> {
        let id = holder.task_id;
        for _ in 0..3 {
            let Some(task) = self.task(id)? else { return Ok(None) };
            if let Some(located) = self.find(id)? {
                // Whoever made this entry may have died before it was on disk, and what is done or answered now relies on it.
                self.store.sync_dir(&located.dir)?;
                if !located.entry.has_ended() {
                    return Ok(Some(task));
                }
                let Some(Again { at, .. }) = holder.again.filter(|again| again.version == located.entry.version) else {
                    return Ok(None);
                };
                let command = Command::Retry { terms: task.record.terms() };
                let next = decide(&located.entry, &command, at).map_err(|refusal| self.refused(id, refusal))?;
                self.step(&located, &next, None, at, nonce)?;
                continue;
            }
            let mut nonces = nonce.counted_on();
            Mender::new(self, &mut nonces).shelve_again(id)?;
        }
        Ok(None)
    }
}
