//! One task gets its next name: whether its last name and its record allow that.

use coord_core::entry::{Entry, Lease, Outcome as Ending, State};
use coord_core::{Timestamp, limits};

use super::invariant::{Broken, Invariant, expect};
use super::{End, Life, owner_of};
use crate::sim::agent::Invocation;
use crate::sim::operation::{BACKOFF, Operation};

impl Life {
    /// An invocation gives the task the name `next`.
    pub(super) fn follow(&mut self, next: &Entry, invocation: &Invocation) -> Result<(), Broken> {
        let now = invocation.now;
        let Some(last) = self.last_entry() else {
            // The second one is that of a task that is brought in: it waits from then on.
            let first = next.version <= 2 && next.generation == 0 && next.attempt == 0;
            expect(first, Invariant::OnlyGrow, || format!("the first name is {next}"))?;
            return self.check_first(next);
        };
        let step = || format!("{last} became {next}");
        // A collection puts a task back that another one has come to wait for.
        if matches!((&last.state, &next.state), (State::Ended(was), State::Ended(is)) if was == is) {
            let same = Entry { version: last.version + 1, ..last.clone() } == *next;
            return expect(same && self.being_removed, Invariant::EndedIsEnded, step);
        }
        let waits_again = matches!(next.state, State::Ready { .. } | State::Scheduled { .. } | State::Blocked { .. });
        let again = matches!(last.state, State::Ended(_)) && waits_again;
        let in_success = self.ends.iter().any(|end| end.outcome == Ending::Completed);
        expect(!matches!(last.state, State::Ended(_)) || again && !in_success, Invariant::EndedIsEnded, step)?;
        let taken = matches!(next.state, State::Claimed(_)) && next.generation != last.generation;
        let grown = next.version == last.version + 1 && next.generation == last.generation + u32::from(taken);
        expect(grown, Invariant::OnlyGrow, step)?;
        if again {
            return expect(next.attempt == 0, Invariant::AttemptsAreCounted, step);
        }
        let was_held = matches!(last.state, State::Claimed(_) | State::Cancelling(_) | State::TimedOut { .. });
        let released = was_held
            && match next.state {
                State::Ready { .. } => true,
                State::Scheduled { .. } => matches!(invocation.operation, Operation::ReleaseLater(..)),
                _ => false,
            };
        let counted = next.attempt + u32::from(released) == last.attempt + u32::from(taken);
        expect(counted, Invariant::AttemptsAreCounted, step)?;
        let within = self.plan.max_attempts.is_none_or(|max| next.attempt <= max);
        expect(within, Invariant::AttemptsAreLimited, step)?;
        let same_lease = next.lease().map(|lease| lease.nonce) == last.lease().map(|lease| lease.nonce);
        let same_holder = next.lease().map(|lease| &lease.holder) == last.lease().map(|lease| &lease.holder);
        let late = last.lease().is_some_and(|lease| lease.expires_at <= now.max(lease.heartbeat_at));
        match (&last.state, &next.state) {
            (State::Ready { .. } | State::TimedOut { .. }, State::Claimed(lease)) if taken => {
                let waited_too_long = matches!(last.state, State::Ready { pending_until, .. } if pending_until <= now);
                expect(!waited_too_long, Invariant::EndedIsEnded, step)?;
                let other = self.leases.insert(next.generation, owner_of(lease));
                expect(other.is_none(), Invariant::OneHolder, step)
            }
            (State::Claimed(_) | State::Cancelling(_), State::Claimed(_)) if taken => {
                Err(Broken::new(Invariant::OneHolder, step()))
            }
            (State::Claimed(_) | State::TimedOut { .. }, State::Claimed(lease))
            | (State::Cancelling(_), State::Cancelling(lease)) => {
                if invocation.operation == Operation::RequestCancel(last.id)
                    && matches!(last.state, State::Cancelling(_))
                {
                    // Another agent asks as well. The lease stays as it was.
                    self.asked += 1;
                    return expect(last.lease() == Some(lease), Invariant::OnlyTheHolder, step);
                }
                let is_asked = matches!(next.state, State::Cancelling(_));
                *self.kept.entry((lease.nonce, is_asked)).or_default() += 1;
                let heard_of = last.lease().map(|lease| lease.heartbeat_at);
                expect(heard_of <= Some(lease.heartbeat_at), Invariant::OnlyGrow, step)?;
                expect(same_lease && same_holder, Invariant::OnlyTheHolder, step)
            }
            (State::Cancelling(_), State::Claimed(_)) => Err(Broken::new(Invariant::HoldersAreAsked, step())),
            (State::Claimed(_), State::Cancelling(lease)) => {
                self.asked += 1;
                let asked = invocation.operation == Operation::RequestCancel(last.id);
                expect(asked, Invariant::HoldersAreAsked, step)?;
                expect(last.lease() == Some(lease), Invariant::OnlyTheHolder, step)
            }
            (State::Claimed(_) | State::TimedOut { .. }, State::Ready { pending_until, .. }) => {
                let again = self.released.insert(last.generation, false);
                expect(again.is_none(), Invariant::OneHolder, step)?;
                // A task that was claimed in time does not run out of it.
                expect(pending_until.micros() == limits::TIME_MICROS, Invariant::NotBeforeItsTime, step)
            }
            (State::Claimed(_) | State::TimedOut { .. }, State::Scheduled { due }) if released => {
                let again = self.released.insert(last.generation, false);
                expect(again.is_none(), Invariant::OneHolder, step)?;
                expect(*due > now, Invariant::NotBeforeItIsDue, step)
            }
            (State::Claimed(_) | State::TimedOut { .. }, State::Scheduled { due }) => {
                let again = self.failed.insert(last.generation, false);
                expect(again.is_none(), Invariant::OneHolder, step)?;
                expect(invocation.operation == Operation::Fail(last.id), Invariant::OnlyTheHolder, step)?;
                expect(self.plan.leaves_attempts(last.attempt), Invariant::AttemptsAreLimited, step)?;
                let waits = due.micros_since(now.max(latest(&last)));
                let doubled = BACKOFF.seconds << (last.attempt - 1).min(8);
                let most = 1_000_000 * doubled.min(BACKOFF.max_seconds).unsigned_abs();
                expect((most / 2..=most).contains(&waits), Invariant::NotBeforeItIsDue, step)
            }
            (State::Claimed(_), State::TimedOut { .. }) => {
                expect(same_lease && same_holder, Invariant::OnlyTheHolder, step)?;
                let left = self.plan.max_attempts.is_none() || self.plan.leaves_attempts(last.attempt);
                expect(left, Invariant::AttemptsAreLimited, step)?;
                expect(late, Invariant::NotBeforeItsTime, step)
            }
            (State::Scheduled { due }, State::Ready { .. }) => expect(*due <= now, Invariant::NotBeforeItIsDue, step),
            (State::Blocked { .. }, State::Blocked { .. }) => Ok(()),
            (State::Blocked { .. }, State::Scheduled { due }) => {
                expect(Some(*due) == self.plan.due, Invariant::NotBeforeItIsDue, step)
            }
            (State::Blocked { .. }, State::Ready { .. }) => {
                let is_due = self.plan.due.is_none_or(|due| due <= now.max(last.created_at));
                expect(is_due, Invariant::NotBeforeItIsDue, step)
            }
            (_, State::Ended(ending)) => {
                let is_held = matches!(last.state, State::Claimed(_) | State::Cancelling(_));
                let by = ending.lease.as_ref().map(owner_of);
                let mut end = End { outcome: ending.outcome, by, report: next.report, ..End::default() };
                end.enqueues_key =
                    matches!(invocation.operation, Operation::CompleteAndEnqueue(_, new) if new.is_unique);
                end.forced = is_held && !late && !same_holder;
                let by_nobody = matches!(last.state, State::Cancelling(_)) && !invocation.operation.cancels(last.id);
                end.given_back = by_nobody.then_some(last.generation);
                let allowed = self.may_end(&last, &end, late, same_lease && same_holder, invocation);
                self.ends.push(end);
                expect(same_lease || !was_held, Invariant::OnlyTheHolder, step)?;
                allowed.map_or(Ok(()), |invariant| Err(Broken::new(invariant, step())))
            }
            _ => Err(Broken::new(Invariant::OnlyTheHolder, step())),
        }
    }

    /// A task's first state follows from its record.
    fn check_first(&self, first: &Entry) -> Result<(), Broken> {
        let (invariant, right) = match first.state {
            State::Ready { .. } => {
                (Invariant::NotBeforeItIsDue, self.plan.due.is_none_or(|due| due <= first.created_at))
            }
            State::Scheduled { due } => (Invariant::NotBeforeItIsDue, self.plan.due == Some(due)),
            State::Blocked { on } => (Invariant::ParentsFirst, self.plan.after.contains(&on)),
            _ => (Invariant::OnlyGrow, false),
        };
        expect(right, invariant, || format!("the first name is {first}"))
    }

    /// Which invariant an end breaks, if it does, of a task that was `last`.
    fn may_end(&self, last: &Entry, end: &End, late: bool, same: bool, invocation: &Invocation) -> Option<Invariant> {
        let of_its_holder = same && invocation.operation.task() == Some(last.id);
        let was_held = matches!(last.state, State::Claimed(_) | State::Cancelling(_) | State::TimedOut { .. });
        let (kept, invariant) = match (&last.state, end.outcome) {
            (_, Ending::Completed) => (was_held && of_its_holder, Invariant::OnlyTheHolder),
            (State::Claimed(_), Ending::Failed) if !of_its_holder || invocation.operation.cancels(last.id) => {
                let out = self.plan.max_attempts.is_some_and(|max| last.attempt >= max);
                let invariant = if out { Invariant::NotBeforeItsTime } else { Invariant::AttemptsAreLimited };
                (same && late && out, invariant)
            }
            (State::Cancelling(_), Ending::Failed) => (of_its_holder, Invariant::OnlyTheHolder),
            (_, Ending::Failed) => {
                let last_one = !self.plan.leaves_attempts(last.attempt)
                    || matches!(invocation.operation, Operation::FailFinally(_));
                let invariant = if of_its_holder { Invariant::AttemptsAreLimited } else { Invariant::OnlyTheHolder };
                (was_held && of_its_holder && last_one, invariant)
            }
            (State::Cancelling(_), Ending::Cancelled) if !invocation.operation.cancels(last.id) => {
                let operation = invocation.operation;
                let given_back =
                    matches!(operation, Operation::Release(of) | Operation::ReleaseLater(of, _) if of == last.id);
                // A claim gives back at once what is one too many of a limited queue.
                let too_many = invocation.operation == Operation::Claim
                    && last.lease().is_some_and(|lease| lease.nonce == invocation.nonce);
                (same && (late || given_back || too_many), Invariant::NotBeforeItsTime)
            }
            // Because of one that it waited for: that is seen where those are known.
            (State::Blocked { .. }, Ending::Cancelled) if end.by.is_none() => (true, Invariant::ParentsFirst),
            (_, Ending::Cancelled) => (invocation.operation.cancels(last.id), Invariant::OnlyTheHolder),
            (State::Ready { pending_until, .. }, Ending::Expired) => {
                (*pending_until <= invocation.now, Invariant::NotBeforeItsTime)
            }
            (_, Ending::Expired) => (false, Invariant::NotBeforeItsTime),
        };
        (!kept).then_some(invariant)
    }
}

/// The latest time that a held task's name tells to have passed.
fn latest(entry: &Entry) -> Timestamp {
    let timed_out = matches!(entry.state, State::TimedOut { .. });
    let of_lease = |lease: &Lease| if timed_out { lease.expires_at } else { lease.heartbeat_at };
    entry.lease().map_or(entry.created_at, of_lease)
}
