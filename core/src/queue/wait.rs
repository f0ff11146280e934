//! A claim that waits for a task, one step at a time: for hosts that sleep each in their own way.

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

/// A claim that goes on until there is a task or its time is over.
///
/// It does not sleep: whoever drives it does.
#[derive(Debug)]
pub struct WaitingClaim {
    request: ClaimRequest,
    wait: Duration,
    notice: Notice,
    watch: Option<Watch>,
    /// At the last look not all was done that time had made due.
    more_is_due: bool,
    findings: Vec<Finding>,
}

/// What a host is told by its system of what comes into the directories that are watched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Notice {
    /// Nothing that it could rely on: a network filesystem does not tell what others do.
    #[default]
    None,
    /// All of it, whoever puts it there.
    Every,
}

impl Notice {
    /// How long who is told so may sleep, if that is `untold` for who is told nothing.
    pub(super) fn look_every(self, untold: Duration) -> Duration {
        match self {
            Notice::None => untold,
            Notice::Every => limits::LOOK_EVERY_WHEN_TOLD,
        }
    }
}

/// What to do next.
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

    /// What is asked for.
    pub fn request(&self) -> &ClaimRequest {
        &self.request
    }

    /// Says what the host is told from now on. Who is told of all that comes, and takes the next step then, may sleep
    /// for longer.
    pub fn notice(&mut self, notice: Notice) {
        self.notice = notice;
    }

    /// The directories that the next task may come into, as far as is known since the last look. Whoever begins to
    /// watch one has to look once more, as it may have changed before. One may be told several times.
    pub fn watched(&self) -> impl Iterator<Item = Dir> {
        self.watch.iter().flat_map(Watch::dirs)
    }

    /// Looks for a task, `elapsed` after the claim began.
    pub fn step<S: Store>(&mut self, queue: &Queue<S>, elapsed: Duration, turn: &Turn<'_>) -> Result<Step, Error> {
        let thoroughness = match &self.watch {
            // Who waits has the time to go on with what is due, until that is done.
            Some(watch) if elapsed < self.wait && !self.more_is_due => {
                if !queue.tree.may_have_changed(watch, turn.now())? {
                    return Ok(self.sleep(elapsed));
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
            return Ok(self.sleep(elapsed));
        }
        let findings = core::mem::take(&mut self.findings);
        Ok(Step::Done(Box::new(Claim { findings, ..claim })))
    }

    fn sleep(&self, elapsed: Duration) -> Step {
        let notice = if self.more_is_due { Notice::None } else { self.notice };
        let look_every = notice.look_every(limits::LOOK_EVERY);
        Step::Sleep(look_every.min(self.wait.saturating_sub(elapsed)))
    }
}
