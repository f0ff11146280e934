//! A cache of the directory for a queue that is used repeatedly, so that it need not read everything each time.
//!
//! No decision relies on the cache. A cached lease's name is tried by the rename of the transition, which fails if the
//! name is old. A directory's names are used only while its stamp is the one from before they were read. A time bucket
//! that was empty is not read again for 20 ms. The names at the head of the queue serve the next claims for 10 ms, and
//! for 50 ms on a medium with fused operations. Before an agent is told that there is nothing to claim, everything is
//! read. The cache can only cost order: a task may come after one that it should precede. That holds within a time
//! bucket, or a priority on a medium with fused operations, for an agent that loses a race; for 10 ms, or 50 ms, for a
//! task that another agent enqueues; for 20 ms for a released one, and for a second on a medium with fused operations
//! (`watermarks`); and for a second for any task if the filesystem's stamps cannot be trusted.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem;

use super::located::Located;
use super::watermarks::Watermarks;
use crate::id::TaskId;
use crate::layout::TimedDir;
use crate::limits;
use crate::name::{QueueName, Tag};
use crate::path::Dir;
use crate::store::{Stamp, StoreError};
use crate::tags::{Choice, TagSet};
use crate::time::Timestamp;

/// The cached names, leases and times.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cache {
    /// True once `ready/` has been walked. Most queues are opened for one claim, which has no use for a cache.
    pub(crate) walked: bool,
    dirs: BTreeMap<Dir, Read>,
    empty_buckets: BTreeMap<Dir, Timestamp>,
    head: Option<Head>,
    settings: Option<(Timestamp, Rc<Vec<String>>)>,
    leases: BTreeMap<TaskId, Located>,
    sweep: Option<(Timestamp, Timestamp)>,
    tags: BTreeMap<String, Rc<Vec<Tag>>>,
    passed_over: Vec<StoreError>,
    /// On a medium with fused operations.
    pub(super) watermarks: Watermarks,
    /// This queue has put something where tasks are claimed from, and nobody has asked yet.
    has_filled: bool,
}

/// The names at the head of the queue that a claim read and did not need.
#[derive(Clone, Debug)]
struct Head {
    queues: Vec<QueueName>,
    choice: Choice,
    read_at: Timestamp,
    /// For how many microseconds they serve.
    lasts: u64,
    leftovers: Leftovers,
}

/// A directory as it was read.
#[derive(Clone, Debug)]
struct Read {
    stamp: Stamp,
    at: Timestamp,
    names: Rc<Vec<String>>,
}

impl Cache {
    /// The names in a directory, if they are known to be those that are there now that its stamp is `stamp`.
    pub(crate) fn names(&self, dir: &Dir, stamp: Stamp, now: Timestamp) -> Option<Rc<Vec<String>>> {
        let Read { stamp: before, at, names } = self.dirs.get(dir)?;
        let recent = *at <= now && now.micros_since(*at) < *limits::SWEEP_MICROS.start();
        (recent && *before == stamp).then(|| names.clone())
    }

    /// Remembers what was read `now` in a directory whose stamp was `stamp` before.
    pub(crate) fn remember(&mut self, dir: &Dir, stamp: Stamp, now: Timestamp, names: Rc<Vec<String>>) {
        if stamp.is_young(now) {
            self.dirs.remove(dir);
            return;
        }
        if self.dirs.len() >= limits::REMEMBERED {
            self.dirs.clear();
        }
        self.dirs.insert(dir.clone(), Read { stamp, at: now, names });
    }

    /// True if a time bucket was seen empty a moment ago. A task that came into it since was released, or its enqueuer
    /// is slow.
    pub(crate) fn saw_empty(&self, bucket: &Dir, now: Timestamp) -> bool {
        let recent = |seen: &Timestamp| *seen <= now && now.micros_since(*seen) < limits::STAMP_GRAIN_MICROS;
        self.empty_buckets.get(bucket).is_some_and(recent)
    }

    /// Remembers that a time bucket was seen empty.
    pub(crate) fn see_empty(&mut self, bucket: &Dir, now: Timestamp) {
        if !self.walked {
            return;
        }
        if self.empty_buckets.len() >= limits::REMEMBERED {
            self.empty_buckets.clear();
        }
        self.empty_buckets.insert(bucket.clone(), now);
    }

    /// Remembers what a claim left over.
    pub(crate) fn keep_leftovers(
        &mut self,
        leftovers: Leftovers,
        queues: &[QueueName],
        choice: &Choice,
        read_at: Timestamp,
        lasts: u64,
    ) {
        self.head = Some(Head { queues: queues.to_vec(), choice: choice.clone(), read_at, lasts, leftovers });
    }

    /// The first name that an earlier claim left over, if that asked for the same, a moment ago. It is not remembered
    /// any more.
    pub(crate) fn next_leftover(
        &mut self,
        queues: &[QueueName],
        choice: &Choice,
        now: Timestamp,
    ) -> Option<(TimedDir, String)> {
        self.leftovers(queues, choice, now)?.pop().map(|Leftover { bucket, name, .. }| (bucket, name))
    }

    /// All that is left over for such a claim.
    pub(crate) fn leftovers(
        &mut self,
        queues: &[QueueName],
        choice: &Choice,
        now: Timestamp,
    ) -> Option<&mut Leftovers> {
        let head = self.head.as_mut()?;
        let recent = head.read_at <= now && now.micros_since(head.read_at) < head.lasts;
        let fits = recent && head.queues == queues && head.choice == *choice;
        fits.then_some(&mut head.leftovers)
    }

    /// The same, which the cache forgets, and when it was read.
    pub(crate) fn take_leftovers(
        &mut self,
        queues: &[QueueName],
        choice: &Choice,
        now: Timestamp,
    ) -> Option<(Leftovers, Timestamp)> {
        let leftovers = mem::take(self.leftovers(queues, choice, now)?);
        Some((leftovers, self.head.as_ref()?.read_at))
    }

    /// What is set for queues, if it was read a moment ago, on a medium whose stamps say nothing.
    pub(crate) fn settings(&self, now: Timestamp) -> Option<Rc<Vec<String>>> {
        let (at, names) = self.settings.as_ref()?;
        (*at <= now && now.micros_since(*at) < limits::HEAD_MICROS_OF_A_TRIP).then(|| names.clone())
    }

    /// Remembers what is set for queues.
    pub(crate) fn know_settings(&mut self, names: Rc<Vec<String>>, now: Timestamp) {
        self.settings = Some((now, names));
    }

    /// Forgets what is set for queues.
    pub(crate) fn forget_settings(&mut self) {
        self.settings = None;
    }

    /// Skips some of the names at the head of the queue.
    pub(crate) fn pass_over_leftovers(&mut self, chance: u64) {
        let Some(Head { leftovers, .. }) = &mut self.head else { return };
        leftovers.truncate(leftovers.len() - passed_over(leftovers.len(), chance));
    }

    /// Forgets the names at the head of the queue.
    pub(crate) fn forget_leftovers(&mut self) {
        self.head = None;
    }

    /// Notices that this queue has changed a directory otherwise than by a claim: a name that was read at the head may
    /// be gone, which would look like a race that was lost, and one may have come before them.
    pub(crate) fn changed(&mut self, dir: &Dir) {
        if dir.is_below(&TimedDir::ready()) {
            self.forget_leftovers();
        }
    }

    /// Notices that this queue has put something into a directory.
    pub(crate) fn filled(&mut self, dir: &Dir) {
        self.empty_buckets.remove(dir);
        self.watermarks.come_down_to(dir);
        self.changed(dir);
        self.has_filled |= dir.is_below(&TimedDir::ready());
    }

    /// True if this queue has put something where tasks are claimed from since the last call of this.
    pub(crate) fn take_filled(&mut self) -> bool {
        mem::take(&mut self.has_filled)
    }

    /// Forgets the names at the head of the queue, and what is set for queues.
    pub(crate) fn forget_head(&mut self) {
        self.forget_leftovers();
        self.forget_settings();
    }

    /// Forgets all directories. True if any was cached, or if the last look did not go through all of the head.
    pub(crate) fn forget_dirs(&mut self) -> bool {
        let knew = !(self.dirs.is_empty() && self.empty_buckets.is_empty());
        self.forget_head();
        self.dirs.clear();
        self.empty_buckets.clear();
        self.watermarks.forget() || knew
    }

    /// Remembers the name of a lease that this queue gave.
    pub(crate) fn hold(&mut self, located: Located) {
        if self.leases.len() >= limits::REMEMBERED {
            self.leases.pop_first();
        }
        self.leases.insert(located.entry.id, located);
    }

    /// The name of the lease on a task, as it was when the lease was given or extended. The cache forgets it.
    pub(crate) fn take_lease(&mut self, id: TaskId) -> Option<Located> {
        self.leases.remove(&id)
    }

    /// The name of any lease that is remembered. The cache forgets it.
    pub(crate) fn take_any_lease(&mut self) -> Option<Located> {
        self.leases.pop_first().map(|(_, located)| located)
    }

    /// The tags whose text was read before: it never becomes another.
    pub(crate) fn tags(&self, set: &TagSet) -> Option<Rc<Vec<Tag>>> {
        self.tags.get(set.as_str()).cloned()
    }

    /// Remembers the text of tags.
    pub(crate) fn know_tags(&mut self, set: &TagSet, tags: Rc<Vec<Tag>>) {
        if self.tags.len() >= limits::REMEMBERED {
            self.tags.pop_first();
        }
        self.tags.insert(set.as_str().into(), tags);
    }

    /// Notes a thing that was in the way, to be reported once, however often it is met.
    pub(crate) fn pass_over(&mut self, error: StoreError) {
        let is_known = self.passed_over.iter().any(|known| known.path == error.path);
        if !is_known && self.passed_over.len() < limits::PASSED_OVER {
            self.passed_over.push(error);
        }
    }

    /// The things that were in the way. The cache forgets them.
    pub(crate) fn take_passed_over(&mut self) -> Vec<StoreError> {
        mem::take(&mut self.passed_over)
    }

    /// Remembers that the next sweep is due at `due`, as seen `now`.
    pub(crate) fn sweep_at(&mut self, due: Timestamp, now: Timestamp) {
        self.sweep = Some((due, now));
    }

    /// True if a sweep was seen to be due later than `now`. It can only have been postponed since.
    pub(crate) fn sweeps_later(&self, now: Timestamp) -> bool {
        self.sweep.is_some_and(|(due, seen)| seen <= now && now < due)
    }
}

/// Names at the head of the queue that nobody has looked at yet, the last one first.
pub(crate) type Leftovers = Vec<Leftover>;

/// A name, and its time bucket.
#[derive(Clone, Debug)]
pub(crate) struct Leftover {
    pub(crate) bucket: TimedDir,
    pub(crate) name: String,
    /// The task's record, if it came with the name.
    pub(crate) line: Option<Vec<u8>>,
}

/// How many of these names to skip: at most half; `chance` decides. An agent that is late for one name is late for the
/// next ones, too. Agents that continue at different places do not collide.
pub(crate) fn passed_over(names: usize, chance: u64) -> usize {
    let half = u64::try_from(names / 2).unwrap_or(u64::MAX);
    usize::try_from(chance % half.saturating_add(1)).unwrap_or(0)
}

impl Leftover {
    /// A name without its record.
    pub(crate) fn of(bucket: &TimedDir, name: &str) -> Leftover {
        Leftover { bucket: bucket.clone(), name: name.into(), line: None }
    }
}
