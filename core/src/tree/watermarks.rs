//! From where on a queue that is used repeatedly reads the head, on a medium with fused operations.
//!
//! Many engines keep names that have left for a while, and go through all of them to find the first that is there. So
//! an open queue remembers for each priority when the first task was enqueued of those that it saw waiting, and reads
//! from there on. The watermark stays a little behind the clock, since a task comes to its place a little after its
//! time.
//!
//! What comes back below a watermark is a task that was released, that is tried again or no longer waits for another,
//! or one whose enqueuer's clock is behind. It is seen a second later at most: then a look goes through all of the
//! head. A look that finds nothing above the watermarks goes through all of it at once ([`Head`]). A task that this
//! queue puts back itself lowers the watermark.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::entry::Entry;
use crate::layout::{TimedDir, first_path_from, place_of, ready_priority};
use crate::limits;
use crate::path::{Dir, Path};
use crate::store::fused::{Head, SeenEntry, TimedDirs, Watermark};
use crate::time::Timestamp;

/// The priorities that were seen at the head.
#[derive(Clone, Debug, Default)]
pub(super) struct Watermarks {
    known: BTreeMap<Dir, Known>,
    /// True if something may be below a watermark that was passed over since the last look at all of the head.
    passed_over: bool,
}

/// A priority of a queue.
#[derive(Clone, Copy, Debug)]
struct Known {
    from: Timestamp,
    /// When all of it was looked at last; `None`: it has to be.
    whole_at: Option<Timestamp>,
}

impl Known {
    fn is_recent(&self, now: Timestamp) -> bool {
        self.whole_at.is_some_and(|at| at <= now && now.micros_since(at) < limits::WATERMARK_MICROS)
    }
}

impl Watermarks {
    /// Those of these directories.
    pub(super) fn of(&self, dirs: &TimedDirs, now: Timestamp) -> Vec<Watermark> {
        let known = self.known.iter().filter(|(priority, known)| known.is_recent(now) && is_in(priority, dirs));
        let mark = |(priority, known): (&Dir, &Known)| Watermark {
            priority: priority.clone(),
            first: first_path_from(priority, known.from),
        };
        known.map(mark).collect()
    }

    /// Learns from what was seen at the head.
    pub(super) fn learn(&mut self, asked: &Head, seen: &[SeenEntry], at: Timestamp) {
        let is_whole = seen.first().is_none_or(|first| asked.watermarks.is_empty() || asked.passes_over(&first.path));
        if asked.after.is_some() {
            self.passed_over |= !is_whole;
            return;
        }
        self.passed_over = !is_whole;
        let latest = Timestamp::from_micros(at.micros().saturating_sub(limits::BEHIND_THE_CLOCK_MICROS));
        for (priority, from) in self.first_of_each(asked, seen, latest) {
            let is_passed_over = !is_whole && asked.watermarks.iter().any(|mark| mark.priority == priority);
            let known = self.known.get(&priority).filter(|_| is_passed_over);
            let whole_at = known.map_or(Some(at), |known| known.whole_at);
            self.known.insert(priority, Known { from: from.min(latest), whole_at });
        }
        if self.known.len() > limits::WATERMARKS {
            self.known.clear();
        }
    }

    /// For each priority that was looked at, before which time nothing waits: that of the first task there, or
    /// `latest`.
    fn first_of_each(&self, asked: &Head, seen: &[SeenEntry], latest: Timestamp) -> BTreeMap<Dir, Timestamp> {
        let last = seen.last().filter(|_| seen.len() >= asked.most);
        let before_which = |priority: &Dir| match last.map(|last| &last.path) {
            None => Some(latest),
            // Of another queue's tasks of this priority those were seen that come before the last one.
            Some(last) if place_of(last)?.starts_with(&place_of(&priority.file(""))?) => created_at(last),
            Some(last) => (place_of(&priority.file("")) < place_of(last)).then_some(latest),
        };
        let looked_at = self.known.keys().filter(|priority| is_in(priority, &asked.of));
        let none_seen = looked_at.filter_map(|priority| Some((priority.clone(), before_which(priority)?)));
        let mut first: BTreeMap<Dir, Timestamp> = none_seen.collect();
        for SeenEntry { path, .. } in seen.iter().rev() {
            let queue = TimedDir::queue_of(&path.dir);
            if let Some((queue, entry)) = queue.zip(Entry::parse(&path.name)) {
                first.insert(ready_priority(&queue, entry.priority), entry.created_at);
            }
        }
        first
    }

    /// Notices that this queue has put something into a time bucket.
    pub(super) fn come_down_to(&mut self, bucket: &Dir) {
        let begin = TimedDir::at(bucket).and_then(|timed| timed.begins_at());
        let above = self.known.iter_mut().filter(|(priority, _)| bucket.is_below(priority));
        above.for_each(|(_, known)| known.from = known.from.min(begin.unwrap_or_default()));
    }

    /// Has the next look go through all of the head. True if the last one did not.
    pub(super) fn forget(&mut self) -> bool {
        self.known.values_mut().for_each(|known| known.whole_at = None);
        core::mem::take(&mut self.passed_over)
    }
}

fn is_in(priority: &Dir, dirs: &TimedDirs) -> bool {
    match dirs {
        TimedDirs::AllQueues => true,
        TimedDirs::These(dirs) => dirs.iter().any(|dir| priority.is_below(dir)),
    }
}

fn created_at(path: &Path) -> Option<Timestamp> {
    Entry::parse(&path.name).map(|entry| entry.created_at)
}
