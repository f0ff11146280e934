//! Claims on a medium with fused operations: one trip reads the head, and one takes a task of several.
//!
//! Agents that come at once read the same head. So each names several candidates in one step, and the medium gives it
//! the first that is still there: nobody goes back for another.

use alloc::vec::Vec;

use super::{Attempt, Candidate, Take, Thoroughness, WhyNot};
use crate::error::Error;
use crate::layout::{self, StateDir, TimedDir};
use crate::limits;
use crate::queue::Queue;
use crate::queue::claim_request::ClaimRequest;
use crate::store::Store;
use crate::store::fused::{First, Fused, Look, Move, Step, Stepped};
use crate::time::Timestamp;
use crate::tree::{AtWork, Located, Search, Watch, due};

impl<S: Store> Queue<S> {
    /// Asks in one trip for what a claim is going to need, unless an earlier claim has left names over. False if it
    /// has: then there may be more than those.
    pub(super) fn look_ahead_of_claim(
        &self,
        request: &ClaimRequest,
        thoroughness: Thoroughness,
        now: Timestamp,
    ) -> Result<(AtWork<'_, S>, bool), Error> {
        let search = Search { queues: &request.queues, except: &[], choice: &request.choice, chance: 0 };
        if self.tree.fused().is_none() || self.tree.has_leftovers(&search, now) {
            return Ok((self.tree.at_work(), self.tree.fused().is_none()));
        }
        self.tree.forget_head();
        let head = self.tree.head_of(&request.queues, now);
        let mut looks = Vec::from([Look::Names(layout::queue_settings()), Look::Head(head)]);
        if !self.tree.sweeps_later(now) {
            looks.push(Look::Names(layout::sweep()));
        }
        if thoroughness == Thoroughness::Full {
            looks.extend([due(now, None), Look::Names(layout::state_dir(StateDir::Blocked))]);
        }
        Ok((self.tree.look_ahead(|| looks)?, true))
    }

    /// Takes the first task that can be taken.
    pub(super) fn take_by_step(
        &self,
        fused: &dyn Fused,
        search: &Search<'_>,
        watch: Option<&mut Watch>,
        attempt: &mut Attempt<'_>,
    ) -> Result<(), Error> {
        if let Some(watch) = watch {
            watch.begin(attempt.now.get());
            let dirs = match search.queues {
                [] => Vec::from([TimedDir::ready()]),
                queues => queues.iter().map(|queue| TimedDir::queue(queue).dir).collect(),
            };
            for dir in &dirs {
                watch.note(dir, self.tree.store().stamp(dir)?);
            }
        }
        let now = attempt.now.get();
        let mut head = match attempt.lost_races {
            0 => self.tree.head_left_over(search, now)?,
            _ => self.tree.head_in_a_crowd(search, now)?,
        };
        let is_left_over = !head.is_unread();
        loop {
            let seen = self.tree.next_at_head(fused, &mut head, search.except, limits::CANDIDATES)?;
            if seen.is_empty() && head.has_passed_over() {
                head = self.tree.head_left_over(search, attempt.now.get())?;
                continue;
            }
            if seen.is_empty() {
                return Ok(());
            }
            let (mut candidates, mut later) = (Vec::new(), Vec::new());
            for located in seen {
                let is_at_hand = candidates.is_empty() || later.is_empty() && self.tree.has_seen(&located);
                if !is_at_hand {
                    // Its record is long: to read it would take a trip.
                    later.push(located);
                    continue;
                }
                match self.candidate(&located, attempt)? {
                    Ok(candidate) => candidates.push((located, *candidate)),
                    Err(WhyNot::Gone) => attempt.lost_races += 1,
                    // One that comes after a candidate is in nobody's way.
                    Err(WhyNot::Expired) if candidates.is_empty() => self.move_expired(&located, attempt)?,
                    Err(WhyNot::Expired | WhyNot::Unfit) => {}
                }
            }
            let Some(by) = self.shift_first(fused, &candidates)? else {
                attempt.lost_races += candidates.len();
                if is_left_over && !candidates.is_empty() {
                    // The others that were left over are likely to be gone, too.
                    return Ok(());
                }
                head.put_back(later);
                continue;
            };
            let mut rest = candidates.into_iter().skip(by);
            if let Some((_, mine)) = rest.next()
                && let Take::Mine(mine) = self.claimed(mine, attempt.request)?
            {
                attempt.claimed = Some(*mine);
            }
            head.put_back(later);
            self.tree.leave_over(search, head, rest.map(|(located, _)| located).collect());
            return Ok(());
        }
    }

    /// Gives the first candidate that is still there its next name. Which one; `None`: others were faster with all.
    fn shift_first(&self, fused: &dyn Fused, candidates: &[(Located, Candidate)]) -> Result<Option<usize>, Error> {
        let to = |candidate: &Candidate| candidate.home().file(candidate.next.name());
        let moves: Vec<Move> =
            candidates.iter().map(|(located, candidate)| Move::Rename(located.path(), to(candidate))).collect();
        if moves.is_empty() {
            return Ok(None);
        }
        let step = Step { first: First::Nothing, moves, durable: false, then: None };
        match self.tree.step(fused, step)? {
            Stepped::Done { by, .. } => Ok(Some(by)),
            Stepped::Gone | Stepped::Taken | Stepped::Full => Ok(None),
        }
    }
}
