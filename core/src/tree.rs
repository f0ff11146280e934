//! The directory of a queue: its store, and a cache of what was read from it. It makes, links, renames, appends, finds
//! and walks files. It knows no operation; `queue` does.
//!
//! Its methods are short sequences of store steps. Each may be interrupted at any point.

mod ahead;
mod cache;
mod choose;
mod every;
mod files;
mod find;
mod head;
mod located;
mod looked;
mod marks;
mod opening;
mod overflow;
mod purged;
mod quarantined;
mod records;
mod repair;
mod report;
mod reports;
mod walk;
mod watch;
mod watermarks;

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use crate::error::Error;
use crate::finding::Finding;
use crate::id::TaskId;
use crate::layout;
use crate::path::Dir;
use crate::store::{Store, StoreError};
use crate::time::Timestamp;
use ahead::Ahead;
use cache::Cache;

pub(crate) use ahead::{AtWork, due};
pub(crate) use every::Seen;
pub(crate) use find::{LOOKS, places_to_wait};
pub(crate) use head::Search;
pub(crate) use located::Located;
pub(crate) use marks::Marked;
pub(crate) use quarantined::Quarantine;
pub(crate) use records::Decoded;
pub use repair::Repair;
pub(crate) use repair::{Fence, Relinked, Repairer};
pub use report::{Import, Report, ReportKind};
pub(crate) use report::{LATE, Latest, Line, Place, Told, Written, chain};
pub(crate) use walk::{Empties, Onward, Walk};
pub use watch::Watch;
pub(crate) use watch::there_or_above;

/// A queue's directory.
#[derive(Clone, Debug)]
pub(crate) struct Tree<S> {
    store: S,
    formatted: Cell<bool>,
    cache: RefCell<Cache>,
    ahead: RefCell<Ahead>,
}

impl<S: Store> Tree<S> {
    /// The store that it is in.
    pub(crate) fn store(&self) -> &S {
        &self.store
    }

    /// True if `format.json` was there, or has been made by now.
    pub(crate) fn is_formatted(&self) -> bool {
        self.formatted.get()
    }

    /// The names in a directory; none if it is not there. A directory that cannot be listed is skipped and reported, so
    /// only its own content is lost. Every walk over names uses this. Only code that must be sure of one task asks the
    /// store itself.
    pub(crate) fn names_in(&self, dir: &Dir) -> Result<Vec<String>, Error> {
        let mut names = self.unless_in_the_way(self.list(dir))?.flatten().unwrap_or_default();
        names.retain(|name| !layout::is_quarantined(name));
        Ok(names)
    }

    /// The store's answer; `None`: something is in the way, or this agent may not read it, which is noted as a finding.
    pub(crate) fn unless_in_the_way<T>(&self, answer: Result<T, impl Into<Error>>) -> Result<Option<T>, Error> {
        match answer.map_err(Into::into) {
            Ok(answer) => Ok(Some(answer)),
            Err(Error::Store(error) | Error::Unknown(error)) if error.is_of_one_place() => {
                self.cache.borrow_mut().pass_over(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Notes a thing that was in the way, as a finding.
    pub(crate) fn pass_over(&self, error: StoreError) {
        self.cache.borrow_mut().pass_over(error);
    }

    /// For a step after a change: a failure is only noted, since the next sweeps do the step. The answer to the change
    /// stays as it is.
    pub(crate) fn or_leave<T>(&self, answer: Result<T, impl Into<Error>>) -> Option<T> {
        match answer.map_err(Into::into) {
            Ok(answer) => Some(answer),
            Err(Error::Store(error) | Error::Unknown(error)) => {
                self.cache.borrow_mut().pass_over(error);
                None
            }
            Err(_) => None,
        }
    }

    /// The files and directories that were in the way of operations, and were skipped, since the last call of this.
    pub(crate) fn take_findings(&self) -> Vec<Finding> {
        self.cache.borrow_mut().take_passed_over().into_iter().map(Finding::PassedOver).collect()
    }

    /// Remembers the name of a lease that this queue gave.
    pub(crate) fn hold(&self, located: Located) {
        self.cache.borrow_mut().hold(located);
    }

    /// The name of the lease on a task, as it was when the lease was given or extended. The cache forgets it.
    pub(crate) fn take_lease(&self, id: TaskId) -> Option<Located> {
        self.cache.borrow_mut().take_lease(id)
    }

    /// As [`Tree::take_lease`], of any lease.
    pub(crate) fn take_any_lease(&self) -> Option<Located> {
        self.cache.borrow_mut().take_any_lease()
    }

    /// True if this queue has put something where tasks are claimed from since the last call of this.
    pub(crate) fn take_filled(&self) -> bool {
        self.cache.borrow_mut().take_filled()
    }

    /// Notes that a name in a directory has gone by another step than a claim.
    pub(crate) fn changed(&self, dir: &Dir) {
        self.cache.borrow_mut().changed(dir);
    }

    /// Forgets what is set for queues: this queue has changed it.
    pub(crate) fn forget_settings(&self) {
        self.cache.borrow_mut().forget_settings();
    }

    /// Notes that this queue has put a name into a directory.
    pub(crate) fn came_to(&self, dir: &Dir) {
        self.cache.borrow_mut().filled(dir);
    }

    /// Remembers that the next sweep is due at `due`, as seen `now`.
    pub(crate) fn sweep_at(&self, due: Timestamp, now: Timestamp) {
        self.cache.borrow_mut().sweep_at(due, now);
    }

    /// True if a sweep was seen to be due later than `now`. It can only have been postponed since.
    pub(crate) fn sweeps_later(&self, now: Timestamp) -> bool {
        self.cache.borrow().sweeps_later(now)
    }
}
