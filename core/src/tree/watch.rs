//! Looking out for a task without reading `ready/` over and over.
//!
//! An agent that found nothing has seen every directory of `ready/`. Whatever is enqueued later changes one of
//! those whose time is not past: it comes into one, or a new directory for it does. So looking whether one has changed
//! is looking whether there may be a task, at the price of one call for each of a handful of directories.

use alloc::vec::Vec;

use super::Tree;
use crate::error::Error;
use crate::limits;
use crate::path::Dir;
use crate::store::{Stamp, Store};
use crate::time::Timestamp;

/// How `ready/` was when nothing was found in it.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    seen: Vec<(Dir, Option<Stamp>)>,
    looked_at: Timestamp,
}

impl Watch {
    /// Begins anew with a look at `now`.
    pub(crate) fn begin(&mut self, now: Timestamp) {
        self.seen.clear();
        self.looked_at = now;
    }

    /// False for a directory whose span of time is past. What still comes there is a task whose lease ran out, or that
    /// was released, and is found by the look after a second, as the sweep that moves the former comes once a second,
    /// too.
    pub(crate) fn expects_changes(&self, filled_until: Option<Timestamp>) -> bool {
        filled_until.is_none_or(|end| end.plus_micros(*limits::SWEEP_MICROS.start()) > self.looked_at)
    }

    /// The directories in which whatever comes next is noticed. One that was not there comes into the one above it.
    pub(crate) fn dirs(&self) -> impl Iterator<Item = Dir> {
        self.seen.iter().map(|(dir, stamp)| there_or_above(dir, stamp.is_some()))
    }

    pub(crate) fn note(&mut self, dir: &Dir, stamp: Option<Stamp>) {
        self.seen.push((dir.clone(), stamp));
    }
}

/// Where it is noticed that something comes into a directory, or that the directory itself comes.
pub(crate) fn there_or_above(dir: &Dir, is_there: bool) -> Dir {
    match dir.split() {
        Some((above, _)) if !is_there => above,
        _ => dir.clone(),
    }
}

impl<S: Store> Tree<S> {
    /// True if there may be something to claim that was not there at the last look, or if the last look is a second
    /// ago: a sweep may be due then, and a filesystem whose stamps cannot be trusted costs a second, not the task.
    pub(crate) fn may_have_changed(&self, watch: &Watch, now: Timestamp) -> Result<bool, Error> {
        if now.micros_since(watch.looked_at) >= *limits::SWEEP_MICROS.start() || now < watch.looked_at {
            return Ok(true);
        }
        for (dir, seen) in &watch.seen {
            let was_young = seen.is_some_and(|stamp| stamp.is_young(watch.looked_at));
            if was_young || self.unless_in_the_way(self.store.stamp(dir))?.flatten() != *seen {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
