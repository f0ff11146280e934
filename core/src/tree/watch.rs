//! Looking out for a task without reading `ready/` over and over.
//!
//! An agent that found nothing has seen every directory of `ready/`. A task enqueued later changes a directory whose
//! time is not past: it comes into one, or a new directory for it does. So a look at a handful of directories, one call
//! each, says whether there may be a task.

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
    /// Begins again with a look at `now`.
    pub(crate) fn begin(&mut self, now: Timestamp) {
        self.seen.clear();
        self.looked_at = now;
    }

    /// False for a directory whose span of time is past. Only a task whose lease expired, or that was released, still
    /// comes there. The look after a second finds it; the sweep that moves the former comes once a second, too.
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
    /// True if there may be something new to claim since the last look, or if that look is a second ago. After a second
    /// a sweep may be due; and a filesystem whose stamps cannot be trusted then delays a task by a second at most.
    pub(crate) fn may_have_changed(&self, watch: &Watch, now: Timestamp) -> Result<bool, Error> {
        if now.micros_since(watch.looked_at) >= *limits::SWEEP_MICROS.start() || now < watch.looked_at {
            return Ok(true);
        }
        if self.fused().is_some() {
            // Its stamps say nothing, and a claim costs no more than a look at them would.
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
