//! An agent was told what came of its invocation: whether that is so.

use std::sync::Arc;

use coord_core::entry::{Outcome as Ending, State};
use coord_core::name::Nonce;
use coord_core::store::mem::Tree;
use coord_core::{TaskId, Timestamp};

use super::invariant::{Broken, Invariant, expect};
use super::{Life, Oracle};
use crate::sim::agent::{Answer, Invocation, name};
use crate::sim::operation::{New, Operation};

impl Oracle {
    /// Notes what an agent was told.
    pub fn told(&mut self, invocation: &Invocation, answer: &Answer, tree: &Tree) -> Result<(), Broken> {
        match *answer {
            Answer::Enqueued(id) => {
                let by_it = |(other, life): (&TaskId, &Arc<Life>)| {
                    *other != id && life.enqueued_by == Some(invocation.nonce) && tree.is_whole()
                };
                // Where it takes several calls, a doctor may link the record of an enqueuer that it takes for dead.
                let by_step = |new: New| !new.is_unique && new.after[1].is_none();
                let by_step = matches!(invocation.operation, Operation::Enqueue(new) if by_step(new));
                let is_one = !by_step || !self.lives.iter().any(by_it);
                expect(is_one, Invariant::CountsAddUp, || format!("{invocation} added more than {id}"))?;
                self.acknowledge(id)
            }
            Answer::Deduplicated(id) => {
                let key = self.lives.get(&id).and_then(|life| life.plan.key.as_ref());
                expect(key.is_some(), Invariant::OneForAKey, || format!("{invocation} was told of {id}"))?;
                // Under its first name it has been there as it is since it was enqueued.
                let expired = self.lives.get(&id).and_then(|life| life.last_entry()).is_some_and(|entry| {
                    entry.version == 1
                        && matches!(entry.state, State::Ready { pending_until, .. } if pending_until <= invocation.now)
                });
                expect(!expired, Invariant::TimeCounts, || {
                    format!("{invocation} was told of {id}, which has expired")
                })?;
                self.acknowledge(id)
            }
            Answer::Both(both) => both.into_iter().try_for_each(|(id, deduplicated)| {
                let answer = if deduplicated { Answer::Deduplicated(id) } else { Answer::Enqueued(id) };
                self.told(invocation, &answer, tree)
            }),
            Answer::Imported(id) => self.acknowledge(id),
            Answer::Already(id) => {
                // The import that brings it in may be just about to link it.
                self.life(id).acknowledged = true;
                Ok(())
            }
            Answer::Claimed(id, generation, nonce) => {
                let life = self.life(id);
                let mine = life.own_lease(invocation, nonce);
                expect(life.leases.get(&generation) == Some(&mine), Invariant::OneHolder, || {
                    format!("{invocation} was granted generation {generation}, but its lease is another")
                })?;
                expect(life.told.insert(generation), Invariant::OneHolder, || {
                    format!("generation {generation} was granted twice")
                })?;
                self.check_limit(invocation)
            }
            Answer::Kept(id, nonce) => self.life(id).check_kept(invocation, nonce, false),
            Answer::AskedToStop(id, nonce) => self.life(id).check_kept(invocation, nonce, true),
            Answer::Ended(id, nonce) => self.life(id).check_end(invocation, nonce),
            Answer::Followed(id, nonce, follower) => {
                self.life(id).check_end(invocation, nonce)?;
                self.acknowledge(follower)?;
                let life = self.life(follower);
                life.is_wanted |= life.plan.follows == Some(invocation.nonce) || life.plan.completion_of(id).is_some();
                Ok(())
            }
            Answer::TriedAgain(id, nonce) => self.life(id).check_tried_again(invocation, nonce),
            Answer::Released(id, generation) => self.life(id).check_released(invocation, generation),
            Answer::Requested(id) => self.life(id).check_requested(invocation),
            Answer::PutBack(id) => {
                let again = self.ends(id) > 0;
                expect(again, Invariant::EndedIsEnded, || format!("{invocation} was accepted, and it has not ended"))
            }
            Answer::Refused(code) => {
                self.note_late_result(invocation, code, tree)?;
                self.check_refusal(invocation, code)
            }
            Answer::Nothing | Answer::Done | Answer::Failed | Answer::Unknown => Ok(()),
        }
    }

    fn acknowledge(&mut self, id: TaskId) -> Result<(), Broken> {
        let life = self.life(id);
        life.acknowledged = true;
        life.check_entries(id)
    }

    /// An agent that is told of a claim is within the limit.
    fn check_limit(&self, invocation: &Invocation) -> Result<(), Broken> {
        let Some(limit) = self.limit else { return Ok(()) };
        let leases = self.leases_told(invocation.now);
        expect(leases <= limit, Invariant::NoMoreThanAllowed, || format!("{leases} leases, of {limit} allowed"))
    }

    /// All claims have been answered, by clocks that say `now`. As many leases run as the limit allows, unless there
    /// are fewer tasks: so claims that backed off for each other left no room unused.
    pub fn limit_is_used(&self, now: Timestamp) -> Result<(), Broken> {
        let Some(limit) = self.limit else { return Ok(()) };
        let (leases, wanted) = (self.leases_told(now), limit.min(self.lives.len()));
        let all = leases >= wanted;
        expect(all, Invariant::NobodyLeavesWhatIsFree, || format!("{leases} leases, and {wanted} could be had"))
    }

    /// How many leases run of which their holders were told.
    fn leases_told(&self, now: Timestamp) -> usize {
        let held = |life: &&Arc<Life>| {
            life.last_entry().is_some_and(|entry| match &entry.state {
                State::Claimed(lease) | State::Cancelling(lease) => {
                    lease.expires_at > now && life.told.contains(&entry.generation)
                }
                _ => false,
            })
        };
        self.lives.values().filter(held).count()
    }

    /// A result that was refused because the lease was lost is kept.
    fn note_late_result(&mut self, invocation: &Invocation, code: &str, tree: &Tree) -> Result<(), Broken> {
        let (Operation::Complete(id) | Operation::CompleteAndEnqueue(id, _), "lease_lost") =
            (invocation.operation, code)
        else {
            return Ok(());
        };
        let life = self.life(id);
        life.late_results.insert(invocation.lease.unwrap_or_else(|| Nonce::of_run_id(&name(invocation.agent))));
        life.check_reports(id, tree)
    }

    /// A refusal has a reason: the state of the task, which is there.
    fn check_refusal(&self, invocation: &Invocation, code: &str) -> Result<(), Broken> {
        if let Operation::Enqueue(_) | Operation::EnqueueBoth(_) = invocation.operation {
            let seen = || format!("{invocation} was refused: {code}");
            // The parent has been removed.
            let gone = |id: &TaskId| self.lives.get(id).is_none_or(|life| life.purged);
            let in_vain =
                matches!(invocation.operation, Operation::Enqueue(new) if new.after.iter().flatten().any(gone));
            return expect(in_vain && code == "not_found", Invariant::EachIsAnswered, seen);
        }
        let Some(id) = invocation.operation.task() else { return Ok(()) };
        let by_state = match invocation.operation {
            // Also one that would wait in vain.
            Operation::Retry(_) => {
                // One that was removed before anybody renamed it is not put back.
                let stayed = |life: &Life, version| life.purged && life.version() <= version;
                let was_put_back = |life: &Arc<Life>| {
                    life.put_back_by.is_some_and(|(by, version)| by == invocation.nonce && !stayed(life, version))
                };
                let told = !self.lives.get(&id).is_some_and(was_put_back);
                expect(told || code == "not_found", Invariant::EachIsAnswered, || {
                    format!("{invocation} was refused: {code}, and it had put the task back")
                })?;
                ["not_terminal", "already_terminal", "key_taken", "error"].contains(&code)
            }
            // A doctor that takes its enqueuer for dead may take what is to follow away.
            Operation::CompleteAndEnqueue(..) if code == "not_found" => true,
            _ => ["not_claimed", "wrong_owner", "lease_lost", "already_terminal"].contains(&code),
        };
        let there = self.lives.get(&id).is_some_and(|life| life.acknowledged && !life.purged);
        expect(by_state || !there, Invariant::NothingLost, || format!("{invocation} was refused: {code}"))
    }
}

impl Life {
    /// Whoever was told that it keeps the task has that lease, and has kept it: once for each time that it was told. It
    /// was told to stop if somebody had asked by then.
    fn check_kept(&mut self, invocation: &Invocation, nonce: Nonce, is_asked: bool) -> Result<(), Broken> {
        let mine = self.own_lease(invocation, nonce);
        let held =
            self.leases.values().any(|lease| *lease == mine) && invocation.lease.is_none_or(|lease| lease == nonce);
        let mut told = |is_asked| {
            self.kept.get_mut(&(nonce, is_asked)).is_some_and(|times| {
                let untold = *times > 0;
                *times = times.saturating_sub(1);
                untold
            })
        };
        let (kept, otherwise) = (told(is_asked), !is_asked && told(true));
        let invariant = if otherwise { Invariant::HoldersAreAsked } else { Invariant::OnlyTheHolder };
        expect(held && kept, invariant, || format!("{invocation} was accepted; the leases are {:?}", self.leases))
    }

    /// Whoever was told that the task is given back had it, by the lease that it meant, and has given it back: it was
    /// told so once, and has the task no more.
    fn check_released(&mut self, invocation: &Invocation, generation: u32) -> Result<(), Broken> {
        let seen = || format!("{invocation} was accepted as generation {generation}; the leases are {:?}", self.leases);
        let lease = self.leases.get(&generation);
        let mine = lease.is_some_and(|(nonce, _)| lease == Some(&self.own_lease(invocation, *nonce)));
        let meant = invocation.lease.is_none_or(|meant| lease.is_some_and(|(nonce, _)| *nonce == meant));
        expect(mine && meant, Invariant::OnlyTheHolder, seen)?;
        let end = self.ends.iter().position(|end| end.given_back == Some(generation) && !end.told);
        let untold = self.released.get(&generation) == Some(&false) || end.is_some();
        expect(untold, Invariant::OnlyTheHolder, seen)?;
        match end {
            Some(end) => self.ends[end].told = true,
            None => drop(self.released.insert(generation, true)),
        }
        Ok(())
    }

    /// Whoever was told that the task is tried again held it, and told so once.
    fn check_tried_again(&mut self, invocation: &Invocation, nonce: Nonce) -> Result<(), Broken> {
        let seen = || format!("{invocation} was accepted; the leases are {:?}", self.leases);
        let mine = self.own_lease(invocation, nonce);
        // A claim can get the task twice, if it was taken from it before it came to read it: then two leases are alike.
        let mut of_lease = self.leases.iter().filter(|(_, lease)| **lease == mine).map(|(generation, _)| *generation);
        let untold = of_lease.find(|generation| self.failed.get(generation) == Some(&false));
        let meant = invocation.lease.is_none_or(|lease| lease == nonce);
        let reported = self.reports.iter().any(|report| report.nonce == invocation.nonce);
        expect(reported, Invariant::ReportsStay, seen)?;
        expect(untold.is_some() && meant, Invariant::OnlyTheHolder, seen)?;
        self.failed.extend(untold.map(|generation| (generation, true)));
        Ok(())
    }

    /// Whoever was told that the holder is asked has asked it: once for each time that it was told.
    fn check_requested(&mut self, invocation: &Invocation) -> Result<(), Broken> {
        let asked = self.asked.checked_sub(1);
        self.asked = asked.unwrap_or(0);
        expect(asked.is_some(), Invariant::HoldersAreAsked, || {
            format!("{invocation} was accepted, and nobody is asked")
        })
    }

    /// Whoever was told that the task has ended has ended it, and by its own lease. Nobody else was told so.
    fn check_end(&mut self, invocation: &Invocation, nonce: Nonce) -> Result<(), Broken> {
        let seen = || format!("{invocation} was accepted; the task is {}", self.last.as_deref().unwrap_or("nowhere"));
        expect(!self.ends.is_empty(), Invariant::NothingLost, seen)?;
        let outcome = match invocation.operation {
            Operation::Complete(_) | Operation::CompleteAndEnqueue(..) => Ending::Completed,
            Operation::Fail(_) | Operation::FailFinally(_) => Ending::Failed,
            _ => Ending::Cancelled,
        };
        let mine = Some(self.own_lease(invocation, nonce));
        let end = self.ends.iter().rposition(|end| end.outcome == outcome && end.by == mine && !end.told);
        let any = self.ends.iter().any(|end| end.outcome == outcome && !end.told);
        let invariant = if any { Invariant::OnlyTheHolder } else { Invariant::EndedIsEnded };
        let end = end.ok_or_else(|| Broken::new(invariant, seen()))?;
        let allowed = !self.ends[end].forced || matches!(invocation.operation, Operation::ForceCancel(_));
        expect(allowed, Invariant::NotBeforeItsTime, seen)?;
        let meant = invocation.lease.is_none_or(|lease| lease == nonce) || outcome == Ending::Cancelled;
        expect(meant, Invariant::OnlyTheHolder, seen)?;
        let settled = outcome != Ending::Completed || self.ends[end].report == Some(invocation.nonce);
        expect(settled, Invariant::ResultsAreWhole, seen)?;
        self.ends[end].told = true;
        Ok(())
    }
}
