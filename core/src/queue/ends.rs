//! Waiting until tasks have ended, one step at a time: each host sleeps in its own way.
//!
//! An end adds a name to the task's shard of `done/`. So a look at those shards, one call each, says whether a task may
//! have ended.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use super::Queue;
use super::item::Item;
use super::show::Shown;
use super::wait::Notice;
use crate::entry::State;
use crate::error::Error;
use crate::finding::Finding;
use crate::id::TaskId;
use crate::layout::{self, StateDir};
use crate::limits;
use crate::path::Dir;
use crate::sorted;
use crate::store::{Stamp, Store};
use crate::time::Timestamp;
use crate::tree::there_or_above;
use crate::turn::Turn;

/// How many of the tasks have to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Until {
    /// All of them.
    #[default]
    All,
    /// One of them.
    Any,
}

/// A wait that goes on until tasks have ended or it times out.
///
/// It does not sleep: its caller does. A task that was removed, or never existed, counts as ended.
#[derive(Clone, Debug)]
pub struct WaitingEnd {
    ids: Vec<TaskId>,
    until: Until,
    wait: Duration,
    /// How many different tasks these are.
    asked: usize,
    /// Those that have not ended, by the shard of `done/` that they come to.
    shards: BTreeMap<Dir, Shard>,
    looked_at: Option<Timestamp>,
    notice: Notice,
    findings: Vec<Finding>,
}

/// A shard of `done/`.
#[derive(Clone, Debug, Default)]
struct Shard {
    /// At the last look it was there.
    is_there: bool,
    /// Its stamp then, unless a later change may have the same stamp.
    stamp: Option<Stamp>,
    /// The tasks that are waited for, each with the time before which none ends by itself, once that is known.
    pending: BTreeMap<TaskId, Option<Timestamp>>,
}

/// The next thing to do.
#[derive(Clone, Debug)]
pub enum EndStep {
    /// Nothing: this is the answer.
    Done(Box<Waited>),
    /// Sleep so long, then take the next step.
    Sleep(Duration),
}

/// The answer of a wait: the tasks and their states.
#[derive(Clone, Debug)]
pub struct Waited {
    /// Each of them, in the order in which they were given, as it stands; `None`: there is no such task, or none any
    /// more.
    pub tasks: Vec<(TaskId, Option<Item>)>,
    /// False if the wait timed out.
    pub is_over: bool,
    /// Findings, for warnings.
    pub findings: Vec<Finding>,
}

impl WaitingEnd {
    /// A wait that has not begun. With a `wait` of zero it looks once.
    pub fn new(ids: Vec<TaskId>, until: Until, wait: Duration) -> WaitingEnd {
        let mut shards: BTreeMap<Dir, Shard> = BTreeMap::new();
        for id in &ids {
            shards.entry(layout::shard_of(StateDir::Done, *id)).or_default().pending.insert(*id, None);
        }
        let asked = pending(&shards);
        let notice = Notice::default();
        WaitingEnd { ids, until, wait, asked, shards, looked_at: None, notice, findings: Vec::new() }
    }

    /// Tells the wait whether the host gets reliable notifications of changes in the [`WaitingEnd::watched`]
    /// directories, as [`super::WaitingClaim::notice`] does.
    pub fn notice(&mut self, notice: Notice) {
        self.notice = notice;
    }

    /// The directories that the next end may come into, as far as is known since the last look, as by
    /// [`super::WaitingClaim::watched`].
    pub fn watched(&self) -> impl Iterator<Item = Dir> {
        self.shards.iter().map(|(dir, shard)| there_or_above(dir, shard.is_there))
    }

    /// Looks which tasks have ended, `elapsed` after the wait began. Sweeps as a claim does, so that a task whose last
    /// holder died ends by itself.
    pub fn step<S: Store>(&mut self, queue: &Queue<S>, elapsed: Duration, turn: &Turn<'_>) -> Result<EndStep, Error> {
        // Where this agent may not write, those who work there sweep.
        _ = queue.sweep_if_due(turn, &mut self.findings);
        let now = turn.now();
        self.look(queue, now)?;
        let is_over = self.is_over();
        if !is_over && elapsed < self.wait {
            return Ok(EndStep::Sleep(self.pause(queue).min(self.wait.saturating_sub(elapsed))));
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
            Until::All => self.shards.is_empty(),
            Until::Any => self.asked == 0 || pending(&self.shards) < self.asked,
        }
    }

    /// A look costs a call for each shard, so many shards are looked at less often.
    pub(super) fn pause<S: Store>(&self, queue: &Queue<S>) -> Duration {
        let look_every = self.notice.look_every(queue.untold(limits::LOOK_FOR_ENDS_EVERY));
        look_every.saturating_mul(1 + u32::try_from(self.shards.len() / 16).unwrap_or(u32::MAX))
    }

    fn look<S: Store>(&mut self, queue: &Queue<S>, now: Timestamp) -> Result<(), Error> {
        // Once a second everything: a stamp may be one that cannot be trusted, and a task may have been removed.
        let due = self.looked_at.is_none_or(|at| now < at || now.micros_since(at) >= *limits::SWEEP_MICROS.start());
        for (dir, shard) in &mut self.shards {
            shard.look(dir, due, queue, now)?;
        }
        self.shards.retain(|_, shard| !shard.pending.is_empty());
        if due {
            self.looked_at = Some(now);
        }
        Ok(())
    }
}

impl Shard {
    /// Strikes off what has ended. If it is not `due` and nothing has changed it costs one call.
    fn look<S: Store>(&mut self, dir: &Dir, due: bool, queue: &Queue<S>, now: Timestamp) -> Result<(), Error> {
        let stamp = queue.tree.unless_in_the_way(queue.tree.store().stamp(dir))?.flatten();
        self.is_there = stamp.is_some();
        let was = core::mem::replace(&mut self.stamp, stamp.filter(|stamp| !stamp.is_young(now)));
        if was == stamp && !due {
            return Ok(());
        }
        let names = queue.tree.names_in(dir)?;
        let ended = sorted::set(names.iter().filter_map(|name| TaskId::from_hex(name.split('.').nth(1)?)));
        self.pending.retain(|id, _| !ended.contains(id));
        let mut gone = Vec::new();
        for (id, not_before) in &mut self.pending {
            if has_gone_by_itself(queue, *id, not_before, now)? {
                gone.push(*id);
            }
        }
        self.pending.retain(|id, _| !gone.contains(id));
        Ok(())
    }
}

/// True for a task that was removed, or that time alone has ended, though nobody has moved it.
fn has_gone_by_itself<S: Store>(
    queue: &Queue<S>,
    id: TaskId,
    not_before: &mut Option<Timestamp>,
    now: Timestamp,
) -> Result<bool, Error> {
    if not_before.is_some_and(|at| at > now) {
        return Ok(queue.tree.record_of(id)?.is_none());
    }
    let located = match queue.tree.find_named(id) {
        Err(Error::NotFound { .. }) => return Ok(queue.tree.record_of(id)?.is_none()),
        located => located?,
    };
    let entry = queue.tree.as_it_stands(&located, now)?;
    *not_before = match entry.state {
        State::Ready { pending_until, .. } => Some(pending_until),
        State::Claimed(lease) | State::Cancelling(lease) => Some(lease.expires_at),
        State::Scheduled { due } => Some(due),
        State::Blocked { .. } | State::TimedOut { .. } => None,
        State::Ended(_) => return Ok(true),
    };
    Ok(false)
}

/// How many tasks have not ended.
fn pending(shards: &BTreeMap<Dir, Shard>) -> usize {
    shards.values().map(|shard| shard.pending.len()).sum()
}
