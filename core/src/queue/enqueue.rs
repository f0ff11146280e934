//! Enqueue: write the record, link it under its first entry. The link is the moment at which the task exists.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::Queue;
use crate::entry::Entry;
use crate::error::Error;
use crate::id::TaskId;
use crate::json::JsonObject;
use crate::layout;
use crate::limits;
use crate::name::{Nonce, QueueName, RunId, Tag, Title};
use crate::store::{Created, Linked, Store};
use crate::task::{Record, Task};
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
    /// How many seconds it may wait to be claimed.
    pub ttl_seconds: i64,
    /// Who enqueues it.
    pub created_by: RunId,
    /// Words to choose by.
    pub tags: Vec<Tag>,
    /// What the agent needs to know.
    pub payload: JsonObject,
}

impl<S: Store> Queue<S> {
    /// Adds a task. When this returns the task survives a power cut, by POSIX's rules for synced files and directories.
    ///
    /// If it fails the task may exist all the same, when the medium failed after the link, or when a doctor shelves the
    /// task of an agent that it took for dead; it never exists in part.
    pub fn enqueue(&self, new: NewTask, now: Timestamp, nonce: Nonce) -> Result<Task, Error> {
        self.init(now, nonce)?;
        let (task, record) = self.write_record(new, now)?;
        // CM-1: until here the task is a record that no entry points at.
        self.store.sync_dir(&record.dir)?;
        let Record { created_at, priority, ttl_seconds, ref queue, .. } = task.record;
        let entry = Entry::first(task.id, created_at, priority, ttl_seconds);
        let home = layout::home(&entry, queue);
        match self.link(&record, &home.file(entry.to_string()))? {
            // Taken: the reply of this very link was lost and it was sent again; nobody else links this task.
            Linked::Now | Linked::Taken => {}
            Linked::Gone => return self.found_shelved(task),
        }
        // CM-2: from here on the task can be claimed, acknowledged or not.
        self.store.sync_dir(&home)?;
        Ok(task)
    }

    /// The record was taken away under this agent, by a doctor that took it for dead: it is acknowledged if the doctor
    /// has shelved the task in its stead. If not, the task may still be shelved by the next one.
    fn found_shelved(&self, task: Task) -> Result<Task, Error> {
        let located = self.find(task.id)?.ok_or(Error::NotFound { id: task.id })?;
        self.store.sync_dir(&layout::record(task.id).dir)?;
        self.store.sync_dir(&located.dir)?;
        Ok(task)
    }

    /// Writes the record under the id that it has. Equal records of the same microsecond would share an id, so the
    /// later one moves on by a microsecond.
    fn write_record(&self, new: NewTask, now: Timestamp) -> Result<(Task, layout::Path), Error> {
        let mut record = Record {
            title: new.title,
            priority: new.priority,
            queue: new.queue,
            ttl_seconds: new.ttl_seconds,
            created_by: new.created_by,
            created_at: now,
            tags: new.tags,
            payload: new.payload,
        };
        for _ in 0..limits::RACES {
            let (task, bytes) = Task::encode(record).map_err(Error::Unencodable)?;
            let path = layout::record(task.id);
            self.prepare(task.id)?;
            match self.store.create(&path, &bytes)? {
                Created::Now => return Ok((task, path)),
                Created::Taken => {
                    record = Record { created_at: task.record.created_at.plus_micros(1), ..task.record };
                }
                Created::NoDir => record = task.record,
            }
        }
        Err(Error::Contended)
    }

    /// Makes the directories that the task comes to, also later: so that a claim need not make one, and a completion
    /// need not ask whether they will survive a power cut.
    ///
    /// That a directory is there does not say that its name is on disk: whoever made it may have died before syncing.
    /// The file that is made when all is synced says it, for one look instead of three syncs.
    fn prepare(&self, id: TaskId) -> Result<(), Error> {
        let prepared = layout::prepared(id);
        if !self.store.exists(&prepared)? {
            self.make_all_dirs(layout::stations(id))?;
            self.store.create(&prepared, b"")?;
        }
        Ok(())
    }
}
