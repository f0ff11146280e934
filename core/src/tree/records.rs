//! Reading a task's record, and its state by that.

use alloc::string::String;
use alloc::vec::Vec;

use super::Tree;
use super::find::LOOKS;
use super::located::Located;
use crate::entry::{Entry, State};
use crate::error::Error;
use crate::finding::Finding;
use crate::id::TaskId;
use crate::layout;
use crate::limits;
use crate::name::QueueName;
use crate::path::{Dir, Path};
use crate::sorted;
use crate::store::{Moved, Store, StoreError};
use crate::task::{BadRecord, Task, TaskPolicy};
use crate::time::Timestamp;
use crate::transition::{as_of, is_over, needs_policy};

/// The decoded content of a task's file.
pub(crate) type Decoded = Result<Task, BadRecord>;

impl<S: Store> Tree<S> {
    /// A task as it was enqueued; `None` if there is no such task.
    pub(crate) fn task(&self, id: TaskId) -> Result<Option<Task>, Error> {
        let content = match self.line_seen(id) {
            Some(line) => Some(line),
            None => self.record_of(id)?.map(|(_, content)| content),
        };
        content.map(|content| decoded(id, &content)).transpose()
    }

    /// Where a task's record is and what it holds; `None` if there is none.
    ///
    /// Under another name than its first one it only is after a repair. Looks again when it found nothing, since a
    /// listing may miss a name that becomes another in the same directory.
    pub(crate) fn record_of(&self, id: TaskId) -> Result<Option<(Path, Vec<u8>)>, Error> {
        self.file_by(id, |path| self.first_line(path))
    }

    /// As [`Tree::record_of`], with all that was reported of the task.
    pub(crate) fn whole_file_of(&self, id: TaskId) -> Result<Option<(Path, Vec<u8>)>, Error> {
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

    /// Where a task's record is, and the task or why it holds none: [`Tree::record_of`] for a caller that reports on
    /// each record.
    pub(crate) fn record_file(&self, id: TaskId) -> Result<Option<(Path, Decoded)>, Error> {
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
    pub(crate) fn task_at(&self, located: &Located) -> Result<Option<Task>, Error> {
        let id = located.entry.id;
        let content = match self.line_seen(id) {
            Some(line) => Some(line),
            None => unless_unreadable(id, self.store.first_line(&located.path(), limits::RECORD_BYTES))?,
        };
        content.map(|content| decoded(id, &content)).transpose()
    }

    /// The policy of the task, as far as what time makes of it depends on it; `None`: its record cannot be read.
    pub(crate) fn policy_at(&self, located: &Located) -> Result<Option<TaskPolicy>, Error> {
        if !needs_policy(&located.entry) {
            return Ok(Some(TaskPolicy::default()));
        }
        let task = match self.task_at(located) {
            // It has moved on since it was seen; its record has not.
            Ok(None) => self.task(located.entry.id),
            task => task,
        };
        match task {
            Err(Error::Corrupt { .. }) => Ok(None),
            task => Ok(Some(task?.map(|task| task.record.policy()).unwrap_or_default())),
        }
    }

    /// The entry with all changes made that are due by `now`, whether or not an agent has written them.
    pub(crate) fn as_it_stands(&self, located: &Located, now: Timestamp) -> Result<Entry, Error> {
        if let Some(held) = located.before_its_end() {
            // Time does nothing to it: most likely its end is about to be there.
            return Ok(held);
        }
        if !is_over(&located.entry, now) {
            return Ok(located.entry.clone());
        }
        // Nobody can say so of a task whose record cannot be read.
        let policy = self.policy_at(located)?;
        Ok(policy.map_or_else(|| located.entry.clone(), |policy| as_of(&located.entry, &policy, now)))
    }

    /// Where an entry goes that is to become `next`; `None` if it has moved on. Only a place in `ready/` depends
    /// on the task's queue, so only for that the record is read, where the entry stands.
    pub(crate) fn next_home(&self, located: &Located, next: &Entry) -> Result<Option<Dir>, Error> {
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

    /// Moves an entry whose record cannot be trusted out of the way, so that it blocks nobody. An entry that another
    /// agent may be able to read stays.
    pub(crate) fn quarantine(&self, located: &Located, problem: BadRecord) -> Result<Option<Finding>, Error> {
        if problem.is_for_others() {
            return Ok(Some(Finding::LeftOut { id: located.entry.id, problem }));
        }
        let quarantine = layout::quarantine(&located.entry);
        let moved = self.unless_in_the_way(self.shift(located, &located.entry, &quarantine.dir))?;
        Ok((moved == Some(Moved::Here)).then_some(Finding::Quarantined { id: located.entry.id, problem }))
    }

    /// True if the task has a record.
    pub(crate) fn has_record(&self, id: TaskId) -> Result<bool, Error> {
        // Most are under their first name.
        let record = layout::record(id);
        let is_there =
            if self.fused().is_some() { self.first_line(&record)?.is_some() } else { self.store.exists(&record)? };
        Ok(is_there || self.record_of(id)?.is_some())
    }
}

/// The content of a task's file. A file that cannot be read is as bad as a torn one.
fn unless_unreadable<T>(id: TaskId, read: Result<T, StoreError>) -> Result<T, Error> {
    read.map_err(|error| match error.is_of_one_place() {
        true => Error::Corrupt { id, problem: BadRecord::Unreadable(error) },
        false => error.into(),
    })
}

fn decoded(id: TaskId, content: &[u8]) -> Result<Task, Error> {
    Task::decode(id, content).map_err(|problem| Error::Corrupt { id, problem })
}
