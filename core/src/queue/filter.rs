//! Which tasks a listing shows, and in which order.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;

use crate::entry::Entry;
use crate::id::TaskId;
use crate::limits;
use crate::name::{QueueName, RunId, Tag};
use crate::sorted;
use crate::status::Status;
use crate::task::Task;
use crate::time::Timestamp;
use crate::tree::Seen;

/// Which tasks to show. The counts are of all tasks, whatever the filter.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Only tasks with this status.
    pub status: Option<Status>,
    /// Only those of this queue.
    pub queue: Option<QueueName>,
    /// Only those whose claim is this agent's.
    pub run_id: Option<RunId>,
    /// Only those that have all these tags.
    pub tags: Vec<Tag>,
    /// Only those that were enqueued then or later.
    pub since: Option<Timestamp>,
    /// Only those that ended then or later. To catch up with ended tasks, ask again with the latest time seen: tasks of
    /// one moment may appear one by one.
    pub ended_since: Option<Timestamp>,
    /// In which order.
    pub sort: Sort,
    /// Only those behind this one, which is of the same order.
    pub cursor: Option<Cursor>,
    /// At most so many.
    pub limit: usize,
}

impl Default for Filter {
    fn default() -> Filter {
        Filter {
            status: None,
            queue: None,
            run_id: None,
            tags: Vec::new(),
            since: None,
            ended_since: None,
            sort: Sort::default(),
            cursor: None,
            limit: usize::try_from(limits::LIST_ITEMS_DEFAULT).unwrap_or(usize::MAX),
        }
    }
}

/// An order of tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// In which they are claimed: the highest priority first, then the oldest.
    #[default]
    Claim,
    /// The oldest first.
    Created,
    /// The newest first.
    CreatedLast,
    /// The first to end comes first; tasks that have not ended come last.
    Ended,
    /// Tasks that have not ended come first, then the last to end.
    EndedLast,
}

/// Where a listing stopped, and the next one in the same order goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    sort: Sort,
    place: Place,
}

/// A task's place in an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    first: u64,
    second: u64,
    id: TaskId,
}

impl Sort {
    /// All of them.
    pub const ALL: [Sort; 5] = [Sort::Claim, Sort::Created, Sort::CreatedLast, Sort::Ended, Sort::EndedLast];

    /// The word for it, the same in options and documentation.
    pub fn as_str(self) -> &'static str {
        match self {
            Sort::Claim => "claim",
            Sort::Created => "created",
            Sort::CreatedLast => "-created",
            Sort::Ended => "ended",
            Sort::EndedLast => "-ended",
        }
    }

    /// The one of this word.
    pub fn parse(word: &str) -> Option<Sort> {
        Sort::ALL.into_iter().find(|sort| sort.as_str() == word)
    }

    fn place(self, entry: &Entry) -> Place {
        let created = entry.created_at.micros();
        let ended = entry.ended_at().map_or(limits::TIME_MICROS, Timestamp::micros);
        let (first, second) = match self {
            // The sign turns the order of the integers into that of their bits.
            Sort::Claim => (!(entry.priority.cast_unsigned() ^ (1 << 63)), created),
            Sort::Created => (created, 0),
            Sort::CreatedLast => (!created, 0),
            Sort::Ended => (ended, created),
            Sort::EndedLast => (!ended, !created),
        };
        Place { first, second, id: entry.id }
    }
}

impl Cursor {
    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Cursor> {
        let mut fields = text.split('.');
        let mut number = || u64::from_str_radix(fields.next()?, 16).ok();
        let (first, second) = (number()?, number()?);
        let place = Place { first, second, id: TaskId::from_hex(fields.next()?)? };
        let cursor = Cursor { sort: Sort::parse(fields.next()?)?, place };
        (cursor.to_string() == text).then_some(cursor)
    }

    /// The order of the listing that it is of.
    pub fn sort(&self) -> Sort {
        self.sort
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cursor { sort, place: Place { first, second, id } } = self;
        write!(f, "{first:016x}.{second:016x}.{}.{}", id.hex(), sort.as_str())
    }
}

impl Filter {
    /// True if a task's record has to be read to know whether it matches.
    pub(super) fn reads_records(&self) -> bool {
        self.queue.is_some() || !self.tags.is_empty()
    }

    /// True if a task matches by its record.
    pub(super) fn admits(&self, task: &Task) -> bool {
        let has = |tag: &Tag| task.record.tags.contains(tag);
        self.queue.as_ref().is_none_or(|queue| *queue == task.record.queue) && self.tags.iter().all(has)
    }

    /// True if a task may match, as far as names tell.
    pub(super) fn may_admit(&self, seen: &Seen, status: Status) -> bool {
        let entry = seen.entry();
        let is_holder = |run_id: &RunId| entry.lease().is_some_and(|lease| lease.holder == entry.holder(run_id));
        self.status.is_none_or(|wanted| wanted == status)
            && self.run_id.as_ref().is_none_or(is_holder)
            && self.since.is_none_or(|since| entry.created_at >= since)
            && self.ended_since.is_none_or(|since| entry.ended_at().is_some_and(|at| at >= since))
            && self.cursor.is_none_or(|cursor| self.sort.place(entry) > cursor.place)
            && self.queue.as_ref().is_none_or(|queue| seen.queue().is_none_or(|seen| seen == queue))
    }

    /// The cursor behind this task.
    pub(super) fn cursor_behind(&self, entry: &Entry) -> Cursor {
        Cursor { sort: self.sort, place: self.sort.place(entry) }
    }

    /// The tasks in the order that is asked for.
    pub(super) fn sorted(&self, tasks: Vec<Seen>) -> Vec<Seen> {
        sorted::by_key(tasks, |seen| self.sort.place(seen.entry()))
    }
}
