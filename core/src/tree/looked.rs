//! The directories that are sorted by time, on a medium with fused operations: one trip reads the head of them,
//! whichever time buckets it stands in.

use alloc::vec::Vec;
use core::ops::ControlFlow;

use super::Tree;
use super::cache::{Leftover, Leftovers, passed_over};
use super::head::Search;
use super::located::Located;
use super::walk::{Onward, Visit};
use crate::entry::Entry;
use crate::error::Error;
use crate::layout::{TimedDir, place_of};
use crate::limits;
use crate::name::QueueName;
use crate::path::Dir;
use crate::store::Store;
use crate::store::fused::{Fused, Head, Look, SeenEntry, TimedDirs};
use crate::time::Timestamp;

/// The head of the queues, as one claim goes through it.
pub(crate) struct HeadOfQueues {
    /// What nobody has looked at yet, the last one first.
    names: Leftovers,
    /// When they were read for a claim; `None`: something else goes through them.
    read_at: Option<Timestamp>,
    /// The question for what comes next; `None`: nothing does.
    next: Option<Head>,
    /// Others were faster: this decides at which of the names that are read first to begin.
    chance: Option<u64>,
    /// True if it did not begin at the first name.
    has_passed_over: bool,
}

fn dirs_of(queues: &[QueueName], except: &[QueueName]) -> Vec<Dir> {
    queues.iter().filter(|queue| !except.contains(queue)).map(|queue| TimedDir::queue(queue).dir).collect()
}

impl<S: Store> Tree<S> {
    /// The question for the head of the queues; of all, if none is named.
    pub(crate) fn head_of(&self, queues: &[QueueName], now: Timestamp) -> Head {
        let of = if queues.is_empty() { TimedDirs::AllQueues } else { TimedDirs::These(dirs_of(queues, &[])) };
        self.head_of_dirs(of, now)
    }

    fn head_of_dirs(&self, of: TimedDirs, now: Timestamp) -> Head {
        let watermarks = self.cache.borrow().watermarks.of(&of, now);
        Head { of, after: None, watermarks, most: limits::HEAD_ENTRIES }
    }

    /// The directories of these queues, or of all, but for some.
    pub(super) fn timed_dirs(&self, queues: &[QueueName], except: &[QueueName]) -> Result<TimedDirs, Error> {
        Ok(match queues {
            [] if except.is_empty() => TimedDirs::AllQueues,
            [] => {
                let names = self.names_in(&TimedDir::ready())?;
                let queues: Vec<QueueName> = names.iter().filter_map(|name| name.parse().ok()).collect();
                TimedDirs::These(dirs_of(&queues, except))
            }
            queues => TimedDirs::These(dirs_of(queues, except)),
        })
    }

    /// Shows each entry to `visit`, in order, until it stops.
    pub(super) fn visit_by_looks(
        &self,
        fused: &dyn Fused,
        of: TimedDirs,
        visit: &mut Visit<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let first = Head { of, after: None, watermarks: Vec::new(), most: limits::ENTRIES_PER_TRIP };
        let mut head = HeadOfQueues::beginning(first, None);
        loop {
            while let Some(Leftover { bucket, name, .. }) = head.names.pop() {
                let Some(entry) = Entry::parse(&name) else { continue };
                if matches!(visit(&bucket, Located { dir: bucket.dir.clone(), entry })?, Onward::Stop) {
                    return Ok(ControlFlow::Break(()));
                }
            }
            if !self.read_on(fused, &mut head)? {
                return Ok(ControlFlow::Continue(()));
            }
        }
    }

    /// True if an earlier claim of the same kind left names over, a moment ago.
    pub(crate) fn has_leftovers(&self, search: &Search<'_>, now: Timestamp) -> bool {
        let mut cache = self.cache.borrow_mut();
        cache.leftovers(search.queues, search.choice, now).is_some_and(|leftovers| !leftovers.is_empty())
    }

    /// The head of the queues, as far as an earlier claim left it over.
    pub(crate) fn head_left_over(&self, search: &Search<'_>, now: Timestamp) -> Result<HeadOfQueues, Error> {
        let left_over = self.cache.borrow_mut().take_leftovers(search.queues, search.choice, now);
        let (names, read_at) = left_over.unwrap_or_else(|| (Vec::new(), now));
        let of = self.timed_dirs(search.queues, search.except)?;
        Ok(HeadOfQueues { names, ..HeadOfQueues::beginning(self.head_of_dirs(of, now), Some(read_at)) })
    }

    /// The head of the queues for a claim to which others came first.
    pub(crate) fn head_in_a_crowd(&self, search: &Search<'_>, now: Timestamp) -> Result<HeadOfQueues, Error> {
        let of = self.timed_dirs(search.queues, search.except)?;
        let first = Head { most: limits::HEAD_ENTRIES_IN_A_CROWD, ..self.head_of_dirs(of, now) };
        Ok(HeadOfQueues { chance: Some(search.chance), ..HeadOfQueues::beginning(first, Some(now)) })
    }

    /// The next entries at the head, at most so many. Reads on if there are none at hand.
    pub(crate) fn next_at_head(
        &self,
        fused: &dyn Fused,
        head: &mut HeadOfQueues,
        except: &[QueueName],
        most: usize,
    ) -> Result<Vec<Located>, Error> {
        let mut next = Vec::new();
        while next.is_empty() && (!head.names.is_empty() || self.read_on(fused, head)?) {
            let from = head.names.len().saturating_sub(most);
            for Leftover { bucket, name, line } in head.names.split_off(from).into_iter().rev() {
                let Some(entry) = Entry::parse(&name).filter(|_| !bucket.is_of(except)) else { continue };
                line.into_iter().for_each(|line| self.see_line(entry.id, line));
                next.push(Located { dir: bucket.dir, entry });
            }
        }
        Ok(next)
    }

    /// Leaves what a claim did not need to the next ones, first what it had in hand: no more than is read at a time,
    /// and for no longer.
    pub(crate) fn leave_over(&self, search: &Search<'_>, mut head: HeadOfQueues, in_hand: Vec<Located>) {
        head.put_back(in_hand);
        for leftover in &mut head.names {
            let id = leftover.line.is_none().then(|| Entry::parse(&leftover.name)).flatten().map(|entry| entry.id);
            leftover.line = leftover.line.take().or_else(|| self.line_seen(id?));
        }
        let names = head.names.split_off(head.names.len().saturating_sub(limits::HEAD_ENTRIES_IN_A_CROWD));
        let (read_at, lasts) = (head.read_at.unwrap_or_default(), limits::HEAD_MICROS_OF_A_TRIP);
        self.cache.borrow_mut().keep_leftovers(names, search.queues, search.choice, read_at, lasts);
    }

    /// Reads what comes next. False: nothing does.
    fn read_on(&self, fused: &dyn Fused, head: &mut HeadOfQueues) -> Result<bool, Error> {
        let Some(asked) = head.next.take() else { return Ok(false) };
        let seen = self.entries_seen(fused, Look::Head(asked.clone()))?;
        head.read_at.iter().for_each(|at| self.cache.borrow_mut().watermarks.learn(&asked, &seen, *at));
        let last = seen.last().filter(|_| seen.len() >= asked.most).and_then(|last| place_of(&last.path));
        head.next = last.map(|last| Head { after: Some(last), most: limits::ENTRIES_PER_TRIP, ..asked });
        let name = |SeenEntry { path, line }: SeenEntry| {
            Some(Leftover { bucket: TimedDir::at(&path.dir)?, name: path.name, line })
        };
        head.names = seen.into_iter().rev().filter_map(name).collect();
        if let Some(chance) = head.chance.take() {
            head.pass_over_some(chance);
        }
        Ok(true)
    }
}

impl HeadOfQueues {
    fn beginning(first: Head, read_at: Option<Timestamp>) -> HeadOfQueues {
        HeadOfQueues { names: Vec::new(), read_at, next: Some(first), chance: None, has_passed_over: false }
    }

    /// True if it was not read yet.
    pub(crate) fn is_unread(&self) -> bool {
        self.names.is_empty()
    }

    /// True if there may be something before the first name that was seen.
    pub(crate) fn has_passed_over(&self) -> bool {
        self.has_passed_over
    }

    /// Passes over some of the first names, of which one is as good as the other: those of the priority of the first.
    fn pass_over_some(&mut self, chance: u64) {
        let priority = |name: &Leftover| Entry::parse(&name.name).map(|entry| entry.priority);
        let Some(first) = self.names.last().map(priority) else { return };
        let alike = self.names.iter().rev().take_while(|name| priority(name) == first).count();
        let passed_over = passed_over(alike, chance);
        if passed_over > 0 {
            // Before it comes to those of a lower priority, it begins anew.
            self.names.drain(..self.names.len() - alike);
            self.names.truncate(alike - passed_over);
            (self.next, self.has_passed_over) = (None, true);
        }
    }

    /// Puts entries back in front, in their order.
    pub(crate) fn put_back(&mut self, entries: Vec<Located>) {
        for Located { dir, entry } in entries.into_iter().rev() {
            self.names.extend(TimedDir::at(&dir).map(|bucket| Leftover::of(&bucket, &entry.name())));
        }
    }
}
