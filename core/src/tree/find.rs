//! Finding a task by its id, while others move it about.

use super::Tree;
use super::located::Located;
use crate::entry::Entry;
use crate::error::Error;
use crate::id::TaskId;
use crate::layout::{self, StateDir};
use crate::path::Dir;
use crate::store::Store;
use crate::store::fused::{Fused, Look, SeenEntry};
use crate::task::{Record, Task};
use crate::time::Timestamp;

/// How often a look-up looks. A task that moves from a directory not yet read to one already read is missed, and is
/// found by the next look unless it moves back at that very moment.
pub(crate) const LOOKS: usize = 4;

impl<S: Store> Tree<S> {
    /// The present entry of a task; `None` if it has none. Costs a few small listings, whatever the queue holds.
    pub(crate) fn find(&self, id: TaskId) -> Result<Option<Located>, Error> {
        if let Some(fused) = self.fused() {
            return self.find_by_look(fused, id);
        }
        let [claimed, done] = [StateDir::Claimed, StateDir::Done].map(|state_dir| layout::shard_of(state_dir, id));
        for _ in 0..LOOKS {
            // First where a task is while its holder asks about it.
            if let Some(located) = self.newest_in([&claimed], id)? {
                return Ok(Some(located));
            }
            // Without its record nothing tells where the task would wait. That is for `doctor --repair`.
            let Some(Task { record, .. }) = self.task(id)? else { return self.newest_in([&done], id) };
            let ready = layout::ready_bucket(&record.queue, record.priority, record.created_at);
            if let Some(located) = self.newest_in([&ready, &done], id)? {
                return Ok(Some(located));
            }
            if let Some(located) = self.find_waiting(id, &record)? {
                return Ok(Some(located));
            }
        }
        Ok(None)
    }

    /// [`Tree::find`], for somebody who names the task. One that a collection is about to remove is still there, and
    /// may be kept: it stands in `purged/` then, and has ended.
    pub(crate) fn find_named(&self, id: TaskId) -> Result<Located, Error> {
        if let Some(fused) = self.fused() {
            let seen = self.entries_seen(fused, Look::OfTask(id))?;
            return newest_of(seen.into_iter().filter(|seen| seen.path.dir != layout::removing()))
                .ok_or(Error::NotFound { id });
        }
        for _ in 0..LOOKS {
            if let Some(located) = self.find(id)? {
                return Ok(located);
            }
            if let Some(located) = self.about_to_go(id)? {
                return Ok(located);
            }
            // Else it was kept, or removed, just now.
            if self.record_of(id)?.is_none() {
                break;
            }
        }
        Err(Error::NotFound { id })
    }

    /// [`Tree::find`], which takes a record that does not hold the task for none.
    pub(crate) fn relocate(&self, id: TaskId) -> Result<Option<Located>, Error> {
        match self.find(id) {
            Err(Error::Corrupt { .. }) => Ok(None),
            found => found,
        }
    }

    /// Nobody moves the task during a look. But a collection may put it back that is about to remove it, so then
    /// another look follows. There may be several entries, as below.
    fn find_by_look(&self, fused: &dyn Fused, id: TaskId) -> Result<Option<Located>, Error> {
        for _ in 0..LOOKS {
            let seen = self.entries_seen(fused, Look::OfTask(id))?;
            let is_there = !seen.is_empty();
            let newest = newest_of(seen.into_iter().filter(|seen| !is_about_to_go(&seen.path.dir)));
            if newest.is_some() || !is_there {
                return Ok(newest);
            }
        }
        Ok(None)
    }

    /// The entry of a task that is scheduled or blocked. When it is due, and what it waits for, its record tells, or a
    /// report on it.
    fn find_waiting(&self, id: TaskId, record: &Record) -> Result<Option<Located>, Error> {
        match self.first_in(places_to_wait(record, []), id)? {
            None => self.first_in(self.times_put_off_to(id)?.into_iter().map(layout::scheduled_bucket), id),
            found => Ok(found),
        }
    }

    fn first_in(&self, places: impl Iterator<Item = Dir>, id: TaskId) -> Result<Option<Located>, Error> {
        for dir in places {
            if let Some(located) = self.newest_in([&dir], id)? {
                return Ok(Some(located));
            }
        }
        Ok(None)
    }

    /// The task's entry in these directories. After a power cut it can have two: the higher version counts, CM-7.
    fn newest_in<const N: usize>(&self, dirs: [&Dir; N], id: TaskId) -> Result<Option<Located>, Error> {
        let (hex, mut newest) = (id.hex(), None::<Located>);
        for dir in dirs {
            for name in self.store.list(dir)?.unwrap_or_default() {
                // Reading a whole name takes a microsecond, and it is one of many. No holder is as long as an id.
                let Some(entry) = name.contains(&hex).then(|| Entry::parse(&name)).flatten() else { continue };
                if newest.as_ref().is_none_or(|newest| newest.entry.version < entry.version) {
                    newest = Some(Located::at(dir.clone(), entry));
                }
            }
        }
        Ok(newest)
    }
}

/// Of the entries of a task that one look saw, the one that counts.
fn newest_of(entries: impl Iterator<Item = SeenEntry>) -> Option<Located> {
    let entries = entries.filter_map(|seen| Some((seen.path.dir, Entry::parse(&seen.path.name)?)));
    let newest = entries.max_by_key(|(_, entry)| entry.version);
    newest.map(|(dir, entry)| Located::at(dir, entry))
}

fn is_about_to_go(dir: &Dir) -> bool {
    *dir == layout::purged() || *dir == layout::removing()
}

/// The directories where a blocked or scheduled task may wait: its parent and its start time are in its record, or in a
/// report.
pub(crate) fn places_to_wait(
    record: &Record,
    put_off_to: impl IntoIterator<Item = Timestamp>,
) -> impl Iterator<Item = Dir> {
    let parents = record.after.iter().map(|parent| layout::blocked_on(*parent));
    let times = record.scheduled_at.into_iter().chain(put_off_to);
    parents.chain(times.map(layout::scheduled_bucket))
}
