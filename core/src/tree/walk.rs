//! Reading the state directories: `ready/` in claim order, the others as they come. Names only; no record is opened.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::ControlFlow;

use super::Tree;
use super::cache::{Leftover, Leftovers, passed_over};
use super::located::Located;
use super::watch::Watch;
use crate::entry::Entry;
use crate::error::Error;
use crate::layout::{self, StateDir, TimedDir};
use crate::limits;
use crate::name::QueueName;
use crate::path::Dir;
use crate::sorted;
use crate::store::Store;
use crate::store::fused::TimedDirs;
use crate::time::Timestamp;

/// How to go through a directory that is sorted by time.
pub(crate) struct Walk<'a> {
    /// Through these queues only; none: through all of them.
    pub(crate) queues: &'a [QueueName],
    /// Not through these.
    pub(crate) except: &'a [QueueName],
    /// Not beyond this time.
    pub(crate) until: Option<Timestamp>,
    /// Whether to remove directories that are found empty on the way.
    pub(crate) empties: Empties,
    /// The random value that decides which names to skip.
    pub(crate) chance: u64,
    /// Notes how each directory is before it is read.
    pub(crate) watch: Option<&'a mut Watch>,
    /// Takes what is left of the time bucket in which the visit ended, last name first.
    pub(crate) leftovers: Option<&'a mut Leftovers>,
}

impl Walk<'_> {
    /// Through everything.
    pub(crate) fn all(empties: Empties) -> Walk<'static> {
        Walk { queues: &[], except: &[], until: None, empties, chance: 0, watch: None, leftovers: None }
    }
}

/// Whether to remove directories that are found empty.
#[derive(Clone, Copy)]
pub(crate) enum Empties {
    /// Leave them.
    Keep,
    /// Remove those that nothing is enqueued into any more at this time.
    Remove(Timestamp),
}

/// Is shown one entry and where it stands, and says how to go on.
pub(crate) type Visit<'a> = dyn FnMut(&TimedDir, Located) -> Result<Onward, Error> + 'a;

/// How to go on after an entry.
pub(crate) enum Onward {
    /// Not at all.
    Stop,
    /// To the next one.
    Next,
    /// Not to the very next ones of this time bucket: another agent is at them.
    Elsewhere,
}

impl<S: Store> Tree<S> {
    /// Shows each entry of `ready/` to `visit`, highest priority first, then oldest first, until it breaks.
    ///
    /// Several queues are read as one. Directories are read as late as possible: to see the head of a queue costs one
    /// small directory per level, however much is behind it.
    pub(crate) fn visit_ready(&self, walk: &mut Walk<'_>, visit: &mut Visit<'_>) -> Result<ControlFlow<()>, Error> {
        if let Some(fused) = self.fused() {
            let of = self.timed_dirs(walk.queues, walk.except)?;
            return self.visit_by_looks(fused, of, visit);
        }
        let queues = match walk.queues {
            [] => self.ready_queues(walk)?,
            queues => queues.to_vec(),
        };
        let dirs: Vec<TimedDir> =
            queues.iter().filter(|queue| !walk.except.contains(queue)).map(TimedDir::queue).collect();
        self.visit_below(&dirs, walk, visit)
    }

    /// Shows each entry of `scheduled/` to `visit`, those that are due first before the others.
    pub(crate) fn visit_scheduled(&self, walk: &mut Walk<'_>, visit: &mut Visit<'_>) -> Result<ControlFlow<()>, Error> {
        let scheduled = TimedDir::scheduled();
        match self.fused() {
            Some(fused) => self.visit_by_looks(fused, TimedDirs::These(Vec::from([scheduled.dir])), visit),
            None => self.visit_below(&[scheduled], walk, visit),
        }
    }

    /// The entries of one of the other state directories, or of the shard of it that is named.
    pub(crate) fn entries_in(&self, dir: &Dir) -> Result<Vec<Located>, Error> {
        let names = self.names_in(dir)?;
        let located = |name: String| Some(Located { dir: dir.clone(), entry: Entry::parse(&name)? });
        Ok(names.into_iter().filter_map(located).collect())
    }

    /// The shards of one of the other state directories.
    pub(crate) fn shards_of(&self, state_dir: StateDir) -> Result<Vec<Dir>, Error> {
        let dir = layout::state_dir(state_dir);
        let names = self.names_in(&dir)?;
        Ok(names.iter().filter(|name| layout::is_shard(name)).map(|name| dir.child(name)).collect())
    }

    fn ready_queues(&self, walk: &mut Walk<'_>) -> Result<Vec<QueueName>, Error> {
        let timed = TimedDir::ready();
        let note = self.note(&timed, None, walk);
        let names = note.and_then(|()| match walk.empties {
            Empties::Keep => self.read_names(&timed),
            Empties::Remove(now) => self.remembered_names(&timed, now),
        });
        let names = self.unless_in_the_way(names)?.unwrap_or_default();
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// `dirs` are all on one level and hold the same range of the order: their children are read side by side.
    /// Names are sorted as they are and understood one by one, since most visits end at the first.
    fn visit_below(
        &self,
        dirs: &[TimedDir],
        walk: &mut Walk<'_>,
        visit: &mut Visit<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let mut lists = Vec::new();
        for timed in dirs {
            lists.push((self.names_on(timed, walk)?, timed));
        }
        let of_dir = |(names, timed)| core::iter::zip(names, core::iter::repeat(timed));
        let names = lists.iter().map(|(names, timed)| (&**names, *timed)).flat_map(of_dir).collect();
        let names: Vec<(&String, &TimedDir)> = sorted::by(names, |(one, _), (other, _)| one.cmp(other));
        let (mut passed, mut go_on_at) = (0, 0);
        for same_name in names.chunk_by(|(one, _), (other, _)| one == other) {
            passed += same_name.len();
            if passed <= go_on_at {
                continue;
            }
            let mut children: Vec<TimedDir> = same_name.iter().filter_map(|(name, timed)| timed.child(name)).collect();
            children
                .retain(|child| walk.until.is_none_or(|until| child.begins_at().is_none_or(|begin| begin <= until)));
            if self.visit_below(&children, walk, visit)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
            for (name, bucket) in same_name.iter().filter(|(_, timed)| timed.is_bucket()) {
                let Some(entry) = Entry::parse(name) else { continue };
                match visit(bucket, Located { dir: bucket.dir.clone(), entry })? {
                    Onward::Next => {}
                    Onward::Elsewhere => go_on_at = passed + passed_over(names.len() - passed, walk.chance),
                    Onward::Stop => {
                        if let Some(leftovers) = &mut walk.leftovers {
                            let rest = names.iter().skip(passed).rev();
                            leftovers.extend(rest.map(|(name, timed)| Leftover::of(timed, name)));
                        }
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The names in a directory. An empty one costs every claim a look, so an agent that meets it removes it once its
    /// time span is past. An enqueuer that still needs it makes it again.
    fn names_on(&self, timed: &TimedDir, walk: &mut Walk<'_>) -> Result<Rc<Vec<String>>, Error> {
        let note = self.note(&timed.dir, timed.filled_until(), walk);
        let names = note.and_then(|()| match walk.empties {
            Empties::Keep => self.read_names(&timed.dir),
            Empties::Remove(now) => self.names_for_claim(timed, now),
        });
        Ok(self.unless_in_the_way(names)?.unwrap_or_default())
    }

    fn names_for_claim(&self, timed: &TimedDir, now: Timestamp) -> Result<Rc<Vec<String>>, Error> {
        let names = match timed.is_bucket() {
            true if self.cache.borrow().saw_empty(&timed.dir, now) => return Ok(Rc::default()),
            // Caching a time bucket would be of no use: each claim changes it.
            true => self.read_names(&timed.dir)?,
            false => self.remembered_names(&timed.dir, now)?,
        };
        if names.is_empty() {
            self.leave_empty(timed, now)?;
        }
        Ok(names)
    }

    fn leave_empty(&self, timed: &TimedDir, now: Timestamp) -> Result<(), Error> {
        if self.is_out_of_use(timed, now)? {
            // An agent that may remove it will.
            self.unless_in_the_way(self.store.remove_dir(&timed.dir))?;
        } else if timed.is_bucket() {
            self.cache.borrow_mut().see_empty(&timed.dir, now);
        }
        Ok(())
    }

    /// The names in a directory, which are not read again as long as its stamp tells that they are the same.
    fn remembered_names(&self, dir: &Dir, now: Timestamp) -> Result<Rc<Vec<String>>, Error> {
        if !self.cache.borrow().walked {
            return self.read_names(dir);
        }
        let Some(stamp) = self.store.stamp(dir)? else { return Ok(Rc::default()) };
        let known = self.cache.borrow().names(dir, stamp, now);
        if let Some(names) = known {
            return Ok(names);
        }
        let names = self.read_names(dir)?;
        self.cache.borrow_mut().remember(dir, stamp, now, names.clone());
        Ok(names)
    }

    /// The names in `queues/`: what is set for queues.
    pub(crate) fn settings_names(&self, now: Timestamp) -> Result<Rc<Vec<String>>, Error> {
        let dir = layout::queue_settings();
        if self.fused().is_none() {
            return self.remembered_names(&dir, now);
        }
        if let Some(names) = self.cache.borrow().settings(now) {
            return Ok(names);
        }
        let names = self.read_names(&dir)?;
        self.cache.borrow_mut().know_settings(names.clone(), now);
        Ok(names)
    }

    fn read_names(&self, dir: &Dir) -> Result<Rc<Vec<String>>, Error> {
        Ok(Rc::new(self.list(dir)?.unwrap_or_default()))
    }

    /// True if nobody enqueues into the directory any more: its span of time is long past, or it is past and nothing
    /// has changed in it for a moment, or, where it has none, nothing has changed in it for a while.
    fn is_out_of_use(&self, timed: &TimedDir, now: Timestamp) -> Result<bool, Error> {
        let passed = |since: u64, micros: u64| since.saturating_add(micros) <= now.micros();
        let stood_still_for = match timed.filled_until() {
            Some(end) if passed(end.micros(), limits::EMPTY_DIR_MICROS) => return Ok(true),
            Some(end) if end > now => return Ok(false),
            Some(_) => limits::EMPTY_BUCKET_MICROS,
            None => limits::EMPTY_DIR_MICROS,
        };
        self.has_stood_still(&timed.dir, stood_still_for, now)
    }

    /// True if nothing has changed in the directory for so many microseconds.
    pub(crate) fn has_stood_still(&self, dir: &Dir, micros: u64, now: Timestamp) -> Result<bool, Error> {
        let changed = self.store.stamp(dir)?;
        Ok(changed.is_some_and(|stamp| stamp.micros().saturating_add(micros) <= now.micros()))
    }

    pub(super) fn note(&self, dir: &Dir, filled_until: Option<Timestamp>, walk: &mut Walk<'_>) -> Result<(), Error> {
        match &mut walk.watch {
            Some(watch) if watch.expects_changes(filled_until) => watch.note(dir, self.store.stamp(dir)?),
            _ => {}
        }
        Ok(())
    }
}
