//! A claim that waits for a task, one step at a time: each host sleeps in its own way.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use super::Queue;
use super::claim::{Claim, Thoroughness};
use super::claim_request::ClaimRequest;
use crate::error::Error;
use crate::finding::Finding;
use crate::limits;
use crate::path::Dir;
use crate::store::Store;
use crate::tree::Watch;
use crate::turn::Turn;

/// A claim that goes on until there is a task or it times out.
///
/// It does not sleep: its caller does.
#[derive(Clone, Debug)]
pub struct WaitingClaim {
    request: ClaimRequest,
    wait: Duration,
    notice: Notice,
    watch: Option<Watch>,
    /// At the last look not all was done that time had made due.
    more_is_due: bool,
    findings: Vec<Finding>,
}

/// How reliably the system notifies the host of new names in the watched directories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Notice {
    /// Not reliably: a network filesystem does not report other machines' changes.
    #[default]
    None,
    /// Of every change, by any process.
    Every,
}

impl Notice {
    /// How long a host may sleep between looks, where `untold` is the time without notifications.
    pub(super) fn look_every(self, untold: Duration) -> Duration {
        match self {
            Notice::None => untold,
            Notice::Every => limits::LOOK_EVERY_WHEN_TOLD,
        }
    }
}

/// The next thing to do.
#[derive(Clone, Debug)]
pub enum Step {
    /// Nothing: this is the answer.
    Done(Box<Claim>),
    /// Sleep so long, then take the next step.
    Sleep(Duration),
}

impl WaitingClaim {
    /// A claim that has not begun. With a `wait` of zero it does not wait.
    pub fn new(request: ClaimRequest, wait: Duration) -> WaitingClaim {
        let notice = Notice::default();
        WaitingClaim { request, wait, notice, watch: None, more_is_due: false, findings: Vec::new() }
    }

    /// The claim request.
    pub fn request(&self) -> &ClaimRequest {
        &self.request
    }

    /// Tells the wait whether the host gets reliable change notifications. If it does, and takes the next step on each,
    /// it may sleep longer.
    pub fn notice(&mut self, notice: Notice) {
        self.notice = notice;
    }

    /// The directories that the next task may come into, as known since the last look. After beginning to watch one,
    /// the caller must look once more, as it may have changed before. A directory may be listed several times.
    pub fn watched(&self) -> impl Iterator<Item = Dir> {
        self.watch.iter().flat_map(Watch::dirs)
    }

    /// Looks for a task, `elapsed` after the claim began.
    pub fn step<S: Store>(&mut self, queue: &Queue<S>, elapsed: Duration, turn: &Turn<'_>) -> Result<Step, Error> {
        let thoroughness = match &self.watch {
            // A waiting agent has the time to do all that is due.
            Some(watch) if elapsed < self.wait && !self.more_is_due => {
                if !queue.tree.may_have_changed(watch, turn.now())? {
                    return Ok(self.sleep(queue, elapsed));
                }
                Thoroughness::Quick
            }
            _ => Thoroughness::Full,
        };
        let last = elapsed >= self.wait;
        let watch = (!last).then(|| self.watch.get_or_insert_default());
        let claim = queue.claim_or_watch(&self.request, thoroughness, watch, turn)?;
        self.findings.extend(claim.findings);
        self.more_is_due = claim.closed.more_is_due;
        if claim.claimed.is_none() && !last {
            return Ok(self.sleep(queue, elapsed));
        }
        let findings = core::mem::take(&mut self.findings);
        Ok(Step::Done(Box::new(Claim { findings, ..claim })))
    }

    fn sleep<S: Store>(&self, queue: &Queue<S>, elapsed: Duration) -> Step {
        let look_every = match self.more_is_due {
            true => limits::LOOK_EVERY,
            false => self.notice.look_every(queue.untold(limits::LOOK_EVERY)),
        };
        Step::Sleep(look_every.min(self.wait.saturating_sub(elapsed)))
    }
}

impl<S: Store> Queue<S> {
    /// How long a host sleeps between looks that nobody tells of changes: on a directory `here`.
    pub(super) fn untold(&self, here: Duration) -> Duration {
        if self.tree.fused().is_some() { limits::LOOK_EVERY_ON_ENGINE } else { here }
    }
}
