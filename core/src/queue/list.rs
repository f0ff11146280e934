//! Listing: states come from names; records are opened only for the tasks that are shown.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use super::Queue;
use super::filter::{Cursor, Filter};
use super::item::Item;
use crate::counts::Counts;
use crate::error::Error;
use crate::finding::Finding;
use crate::limits;
use crate::status::Status;
use crate::store::Store;
use crate::task::Task;
use crate::time::Timestamp;
use crate::tree::Seen;

/// The tasks there are.
#[derive(Clone, Debug)]
pub struct Listing {
    /// How many tasks have each status, over all queues.
    pub counts: Counts,
    /// Those that match, highest priority first, then oldest first, up to the limit.
    pub items: Vec<Item>,
    /// How many match after the cursor. With a filter by queue or tags, counting stops one above the limit: for a
    /// claimed or ended task these are only in its record.
    pub matching: Matching,
    /// The cursor for the next page, if there are more.
    pub next: Option<Cursor>,
    /// Findings, for warnings.
    pub findings: Vec<Finding>,
}

/// A listing that returns its tasks one by one, so that a caller which passes them on holds only one.
#[derive(Debug)]
pub struct TaskList {
    /// How many tasks have each status, over all queues.
    pub counts: Counts,
    /// The cursor for the next page, if there are more.
    pub next_cursor: Option<Cursor>,
    page: vec::IntoIter<Listed>,
    now: Timestamp,
    matching: Matching,
    /// How many there were on the page that could not be given.
    left_out: usize,
    findings: Vec<Finding>,
}

/// A task of a page. If its record had to be read to decide that it matches, the record is kept, if it is small.
#[derive(Debug)]
struct Listed {
    seen: Seen,
    task: Option<Box<Task>>,
}

/// How much of payloads a page holds whose tasks had to be read to be chosen, in bytes.
const PAGE_BYTES: usize = 4 << 20;

/// A page while it is filled with tasks whose records were read.
struct Page {
    listed: Vec<Listed>,
    limit: usize,
    /// How many bytes of payloads it may hold still.
    room: usize,
}

impl Page {
    /// Takes one more task. False: that is one more than was asked for, which says that there are more.
    fn has_taken(&mut self, seen: Seen, task: Task) -> bool {
        if self.listed.len() == self.limit {
            self.listed.push(Listed { seen, task: None });
            return false;
        }
        let bytes = task.record.payload.text().len();
        let is_held = bytes <= self.room;
        self.room -= if is_held { bytes } else { 0 };
        self.listed.push(Listed { seen, task: is_held.then(|| Box::new(task)) });
        true
    }
}

impl TaskList {
    /// The next task; `None`: that was all, or as many as were asked for. `queue` is the one that the list is of.
    pub fn next<S: Store>(&mut self, queue: &Queue<S>) -> Result<Option<Item>, Error> {
        for Listed { seen, task } in self.page.by_ref() {
            let task = match task {
                Some(task) => Some(Ok(*task)),
                None => queue.tree.task_of(&seen)?,
            };
            match task {
                None => self.left_out += 1,
                Some(Err(finding)) => {
                    self.left_out += 1;
                    self.findings.push(finding);
                }
                Some(Ok(task)) => {
                    let told = queue.tree.told_by(seen.entry())?;
                    return queue.item(task, seen.entry(), &told, self.now, &mut self.findings).map(Some);
                }
            }
        }
        Ok(None)
    }

    /// How many match, as far as they can be read, and what was not as it should be.
    pub fn end<S: Store>(self, queue: &Queue<S>) -> (Matching, Vec<Finding>) {
        let TaskList { matching, left_out, mut findings, .. } = self;
        findings.extend(queue.tree.take_findings());
        let matching = match matching {
            Matching::Exactly(count) => Matching::Exactly(count.saturating_sub(left_out)),
            more @ Matching::MoreThan(_) => more,
        };
        (matching, findings)
    }
}

/// How many tasks match a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    /// So many.
    Exactly(usize),
    /// More than so many.
    MoreThan(usize),
}

impl<S: Store> Queue<S> {
    /// The tasks there are at `now`. Writes nothing. Not a snapshot: a task that moves while the directories are read
    /// counts once, in the state of its highest version.
    ///
    /// Holds the whole listing in memory: payloads and results of 10,000 tasks may be too much for a sandbox.
    /// [`Queue::list`] returns the tasks one by one.
    pub fn tasks(&self, filter: &Filter, now: Timestamp) -> Result<Listing, Error> {
        let (mut list, mut items) = (self.list(filter, now)?, Vec::new());
        while let Some(item) = list.next(self)? {
            items.push(item);
        }
        let (counts, next) = (list.counts.clone(), list.next_cursor);
        let (matching, findings) = list.end(self);
        Ok(Listing { counts, items, matching, next, findings })
    }

    /// As [`Queue::tasks`], each task to be read when it is asked for.
    pub fn list(&self, filter: &Filter, now: Timestamp) -> Result<TaskList, Error> {
        let seen = self.tree.every_entry_as_of(now)?;
        let mut counts = Counts::default();
        let mut matching: Vec<Seen> = Vec::new();
        for seen in seen.into_values() {
            let status = Status::of(seen.entry(), now);
            counts.add(status);
            if filter.may_admit(&seen, status) {
                matching.push(seen);
            }
        }
        let matching = filter.sorted(matching);
        let mut findings = Vec::new();
        let (mut page, matching) = if filter.reads_records() {
            self.page_of_records(matching, filter, &mut findings)?
        } else {
            let count = Matching::Exactly(matching.len());
            let page = matching.into_iter().take(filter.limit.saturating_add(1));
            (page.map(|seen| Listed { seen, task: None }).collect(), count)
        };
        // One more than was asked for says that there are more.
        let is_more = page.len() > filter.limit;
        page.truncate(filter.limit);
        let next_cursor = page.last().filter(|_| is_more).map(|listed| filter.cursor_behind(listed.seen.entry()));
        Ok(TaskList { counts, next_cursor, page: page.into_iter(), now, matching, left_out: 0, findings })
    }

    /// The first tasks that match by their records, one more than the limit if there are so many.
    fn page_of_records(
        &self,
        matching: Vec<Seen>,
        filter: &Filter,
        findings: &mut Vec<Finding>,
    ) -> Result<(Vec<Listed>, Matching), Error> {
        let mut page = Page { listed: Vec::new(), limit: filter.limit, room: PAGE_BYTES };
        let mut left = matching.into_iter();
        loop {
            let next: Vec<Seen> = left.by_ref().take(limits::RECORDS_PER_TRIP).collect();
            if next.is_empty() {
                let count = Matching::Exactly(page.listed.len());
                return Ok((page.listed, count));
            }
            let _at_work = self.tree.tasks_ahead(&next)?;
            for seen in next {
                match self.tree.task_of(&seen)? {
                    Some(Ok(task)) if filter.admits(&task) => {
                        if !page.has_taken(seen, task) {
                            return Ok((page.listed, Matching::MoreThan(filter.limit)));
                        }
                    }
                    Some(Err(finding)) => findings.push(finding),
                    Some(Ok(_)) | None => {}
                }
            }
        }
    }
}
