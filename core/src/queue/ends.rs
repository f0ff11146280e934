//! Waiting until tasks have ended, one step at a time: for hosts that sleep each in their own way.
//!
//! An end is a name that comes into the task's part of `done/`. So looking whether one of those parts has changed is looking
//! whether a task may have ended, at the price of one call for each part.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use super::{Finding, Item, Queue, Shown, Status};
use crate::error::Error;
use crate::id::TaskId;
use crate::layout::{self, Dir, Shelf};
use crate::limits;
use crate::name::Nonce;
use crate::sorted;
use crate::store::{Stamp, Store};
use crate::task::Task;
use crate::time::Timestamp;

/// How many of the tasks have to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Until {
    /// All of them.
    #[default]
    All,
    /// One of them.
    Any,
}

/// A wait that goes on until tasks have ended or its time is over.
///
/// It neither sleeps nor looks at a clock: whoever drives it does. A task that was removed, or never was, counts as ended.
#[derive(Debug)]
pub struct WaitingEnd {
    ids: Vec<TaskId>,
    until: Until,
    wait: Duration,
    /// Those that have not ended, each with the time when it will have expired if nobody claims it.
    pending: BTreeMap<TaskId, Option<Timestamp>>,
    parts: BTreeMap<Dir, Option<Stamp>>,
    looked_at: Option<Timestamp>,
    findings: Vec<Finding>,
}

/// What to do next.
#[derive(Clone, Debug)]
pub enum EndStep {
    /// Nothing: this is the answer.
    Done(Box<Waited>),
    /// Sleep so long, then take the next step.
    Sleep(Duration),
}

/// What became of the tasks that were waited for.
#[derive(Clone, Debug)]
pub struct Waited {
    /// Each of them, in the order in which they were given, as it stands; `None`: there is no such task, or none any more.
    pub tasks: Vec<(TaskId, Option<Item>)>,
    /// False if the time was over before.
    pub is_over: bool,
    /// What was not as it should be.
    pub findings: Vec<Finding>,
}

impl WaitingEnd {
    /// A wait that has not begun. With a `wait` of zero it looks once.
    pub fn new(ids: Vec<TaskId>, until: Until, wait: Duration) -> WaitingEnd {
        let mut pending = BTreeMap::new();
        ids.iter().for_each(|id| _ = pending.insert(*id, None));
        WaitingEnd { ids, until, wait, pending, parts: BTreeMap::new(), looked_at: None, findings: Vec::new() }
    }

    /// Looks which tasks have ended, `elapsed` after the wait began. Sweeps as a claim does, so that a task ends by itself whose last
    /// holder died. Each step needs a new nonce.
    pub fn step<S: Store>(
        &mut self,
        queue: &Queue<S>,
        elapsed: Duration,
        now: Timestamp,
        nonce: Nonce,
    ) -> Result<EndStep, Error> {
        // Where this agent may not write, those who work there sweep.
        self.findings.extend(queue.sweep_if_due(now, nonce).unwrap_or_default());
        self.look(queue, now)?;
        let is_over = self.is_over();
        if !is_over && elapsed < self.wait {
            return Ok(EndStep::Sleep(self.pause().min(self.wait.saturating_sub(elapsed))));
        }
        let findings = core::mem::take(&mut self.findings);
        let mut waited = Waited { tasks: Vec::new(), is_over, findings };
        for id in &self.ids {
            let item = match queue.show(*id, now) {
                Ok(Shown { item, findings, .. }) => {
                    waited.findings.extend(findings);
                    Some(item)
                }
                Err(Error::NotFound { .. }) => None,
                Err(error) => return Err(error),
            };
            waited.tasks.push((*id, item));
        }
        Ok(EndStep::Done(Box::new(waited)))
    }

    fn is_over(&self) -> bool {
        match self.until {
            Until::All => self.pending.is_empty(),
            Until::Any => self.pending.len() < sorted::set(&self.ids).len() || self.ids.is_empty(),
        }
    }

    /// A look costs a call for each part, so many parts are looked at less often.
    fn pause(&self) -> Duration {
        limits::LOOK_EVERY.saturating_mul(1 + u32::try_from(self.parts.len() / 16).unwrap_or(u32::MAX))
    }

    /// True for a task that was removed, or whose time to be claimed is over, though nobody has moved it.
    fn has_gone_by_itself<S: Store>(&mut self, queue: &Queue<S>, id: TaskId, now: Timestamp) -> Result<bool, Error> {
        let known = self.pending.get(&id).copied().flatten();
        let expires_at = match known {
            Some(at) => at,
            None => {
                let Some(Task { record, .. }) = queue.task(id)? else { return Ok(true) };
                let begins_at = record.scheduled_at.unwrap_or_default().max(record.created_at);
                let at = begins_at.plus_seconds(record.ttl_seconds);
                self.pending.insert(id, Some(at));
                at
            }
        };
        if expires_at > now {
            return Ok(known.is_some() && queue.record_of(id)?.is_none());
        }
        let located = queue.find(id)?;
        Ok(located.is_none_or(|located| Status::of(&located.entry, now) == Status::Expired))
    }

    fn look<S: Store>(&mut self, queue: &Queue<S>, now: Timestamp) -> Result<(), Error> {
        // Once a second everything: a stamp may be one that cannot be trusted, and a task may have been removed.
        let due = self.looked_at.is_none_or(|at| now < at || now.micros_since(at) >= *limits::SWEEP_MICROS.start());
        let mut parts: BTreeMap<Dir, Vec<TaskId>> = BTreeMap::new();
        for id in self.pending.keys() {
            parts.entry(layout::shelf_of(Shelf::Done, *id)).or_default().push(*id);
        }
        for (part, ids) in &parts {
            let stamp = queue.store().stamp(part)?;
            let changed = self.parts.insert(part.clone(), stamp) != Some(stamp);
            let is_young = stamp.is_some_and(|stamp| stamp.is_young(now));
            if !(due || changed || is_young) {
                continue;
            }
            let names = queue.store().list(part)?.unwrap_or_default();
            let ended = sorted::set(names.iter().filter_map(|name| TaskId::from_hex(name.split('.').nth(1)?)));
            for id in ids {
                if ended.contains(id) || self.has_gone_by_itself(queue, *id, now)? {
                    self.pending.remove(id);
                }
            }
        }
        self.parts.retain(|part, _| parts.contains_key(part));
        if due {
            self.looked_at = Some(now);
        }
        Ok(())
    }
}
