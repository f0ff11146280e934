//! The state machine: the next entry for each entry and command. Pure, total, and all of it in one match.
//!
//! ```text
//!   blocked ──▶ scheduled       a blocked or scheduled task moves on when what it waits for is there
//!      └───┬──────┘ ▲
//!          ▼        │ fail with attempts left, release for later
//!            claim  │             complete, fail, cancel
//!   ready ──────────▶ claimed ──────────────────────────▶ ended
//!     │ ▲              │  ▲  │                              ▲ │
//!     │ │       expire │  │  └─ heartbeat (same lease),     │ │ retry: as when it was enqueued, unless it completed
//!     │ │              │  │     cancel: its holder is asked │ ▼
//!     │ │ release      ▼  │     to stop                     │
//!     │ │              │  │ claim, or heartbeat             │
//!     │ └────────── timed_out ──────────────────────────────┤ complete, fail (last holder), cancel
//!     └─────────────────────────────────────────────────────┘ cancel, expire (pending TTL)
//! ```
//!
//! `release` leads from claimed as well as from `timed_out`. It keeps the generation, so that the next holder has
//! another, and takes the attempt back. A task that was claimed once has met its pending TTL, so a released task waits
//! without limit.
//!
//! Every command that may lead back to a waiting state carries the [`TaskPolicy`] of the task's record: its tags, its
//! attempts, its times.
//!
//! Time never goes back: `now` counts as no earlier than the latest time in the name itself.
//!
//! A change by time alone happens at the time in the name, whenever an agent gets to write it down. For example, a task
//! expires when its pending TTL ends, even if a sweep sees it later. [`as_of`] computes a task's state with all such
//! changes made.

mod command;

use crate::entry::{Ending, Entry, Holder, Lease, Outcome, State};
use crate::limits;
use crate::name::Nonce;
use crate::task::TaskPolicy;
use crate::time::Timestamp;

pub use crate::refusal::{CurrentHolder, Refusal, Standing};
pub use command::{Claimant, Command, IfHeld, ParentVerdict, Restart, Verdict};

/// The entry after `command` at `now`: always one version later, so its name was never used before.
pub fn decide(entry: &Entry, command: &Command, now: Timestamp) -> Result<Entry, Refusal> {
    let (now, is_over) = (now.max(latest_time(entry)), is_over(entry, now));
    match (&entry.state, command) {
        (State::Ready { pending_until, .. }, Command::Timeout { .. }) if is_over => {
            end(entry, Outcome::Expired, *pending_until, None, None)
        }
        // It has ended, although nobody has moved it yet.
        (State::Ready { pending_until, .. }, _) if is_over => {
            Err(Refusal::AlreadyEnded { outcome: Outcome::Expired, ended_at: *pending_until, by: None })
        }
        (State::Ready { .. } | State::TimedOut { .. }, Command::Claim { run_id, lease_seconds, nonce }) => {
            claimed(entry, Lease::new(entry.holder(run_id), now, now.plus_seconds(*lease_seconds), *nonce))
        }
        (State::Claimed(lease) | State::Cancelling(lease), Command::Claim { .. }) => Err(held(entry, lease, now)),
        (State::Scheduled { .. } | State::Blocked { .. }, Command::Claim { .. }) => Err(Refusal::NotDue),

        (
            State::Scheduled { .. } | State::Blocked { .. } | State::Ready { .. },
            Command::Heartbeat { .. } | Command::Settle { .. } | Command::Release { .. },
        ) => Err(Refusal::NotClaimed(Standing::of(entry, now))),
        (
            State::Claimed(lease) | State::Cancelling(lease) | State::TimedOut { lease, .. },
            Command::Heartbeat { claimant, lease_seconds, report },
        ) => {
            owned(entry, lease, claimant, now)?;
            let renewed = lease.renewed(now, *lease_seconds);
            let cancelling = matches!(entry.state, State::Cancelling(_));
            next(entry, if cancelling { State::Cancelling(renewed) } else { State::Claimed(renewed) }, *report)
        }
        (
            State::Claimed(lease) | State::Cancelling(lease) | State::TimedOut { lease, .. },
            Command::Settle { claimant, verdict, report },
        ) => {
            owned(entry, lease, claimant, now)?;
            settled(entry, lease, verdict, now, *report)
        }
        (
            State::Claimed(lease) | State::Cancelling(lease) | State::TimedOut { lease, .. },
            Command::Release { claimant, delay_seconds, policy, report },
        ) => {
            owned(entry, lease, claimant, now)?;
            released(entry, lease, now, *delay_seconds, policy, *report)
        }

        (
            State::Scheduled { .. } | State::Blocked { .. } | State::Ready { .. },
            Command::Cancel { run_id, nonce, report, .. },
        ) => {
            let lease = Lease::new(entry.holder(run_id), now, now, *nonce);
            end(entry, Outcome::Cancelled, now, *report, Some(lease))
        }
        (
            State::Claimed(lease) | State::Cancelling(lease) | State::TimedOut { lease, .. },
            Command::Cancel { run_id, if_held, report, .. },
        ) => {
            let holder = entry.holder(run_id);
            let held_by_another = lease.holder != holder && entry.state.lease_is_live(now);
            match if_held {
                IfHeld::Refuse if held_by_another => Err(Refusal::WrongOwner(CurrentHolder::of(entry, lease, now))),
                IfHeld::Request if held_by_another => next(entry, State::Cancelling(lease.clone()), *report),
                IfHeld::Refuse | IfHeld::Request | IfHeld::Force => {
                    end(entry, Outcome::Cancelled, now, *report, Some(Lease { holder, ..lease.clone() }))
                }
            }
        }

        (State::Scheduled { due }, Command::Timeout { policy, .. }) if is_over => {
            next(entry, ready(entry, policy, *due), None)
        }
        (State::Claimed(lease), Command::Timeout { policy, report }) if is_over => {
            // Out of attempts; with attempts left its last holder may still come back.
            match policy.max_attempts.is_some_and(|max| entry.attempt >= max) {
                true => end(entry, Outcome::Failed, lease.expires_at, *report, Some(lease.clone())),
                false => next(entry, State::TimedOut { lease: lease.clone(), tags: policy.tags.clone() }, *report),
            }
        }
        // Its holder was asked to stop, and was not heard of any more.
        (State::Cancelling(lease), Command::Timeout { report, .. }) if is_over => {
            end(entry, Outcome::Cancelled, lease.expires_at, *report, Some(lease.clone()))
        }
        (State::Blocked { .. }, Command::Unblock { verdict, policy, report }) => match verdict {
            ParentVerdict::WaitFor(on) => next(entry, State::Blocked { on: *on }, None),
            ParentVerdict::GoOn => next(entry, unblocked(entry, policy, now), None),
            ParentVerdict::Cancel => end(entry, Outcome::Cancelled, now, *report, None),
        },
        (State::Ended(ending), Command::Retry { policy, restart }) if ending.outcome != Outcome::Completed => {
            let pending_until = now.plus_seconds(policy.ttl_seconds);
            let ready = State::Ready { pending_until, tags: policy.tags.clone() };
            let state = match (restart, policy.scheduled_at) {
                (Restart::Blocked(on), _) => State::Blocked { on: *on },
                (Restart::Planned, Some(due)) if due > now => State::Scheduled { due },
                (Restart::Planned | Restart::Now, _) => ready,
            };
            Ok(Entry { attempt: 0, ..next(entry, state, None)? })
        }
        (State::Ended(ending), _) => Err(Refusal::AlreadyEnded {
            outcome: ending.outcome,
            ended_at: ending.ended_at,
            by: ending.lease.as_ref().map(|lease| lease.holder.clone()),
        }),
        (_, Command::Retry { .. }) => Err(Refusal::NotEnded(Standing::of(entry, now))),
        (_, Command::Timeout { .. } | Command::Unblock { .. }) => Err(Refusal::NotDue),
    }
}

/// True if a time of the entry has passed, so that [`Command::Timeout`] changes it.
pub fn is_over(entry: &Entry, now: Timestamp) -> bool {
    let now = now.max(latest_time(entry));
    match &entry.state {
        State::Scheduled { due } => *due <= now,
        State::Ready { pending_until, .. } => *pending_until <= now,
        State::Claimed(lease) | State::Cancelling(lease) => lease.expires_at <= now,
        State::Blocked { .. } | State::TimedOut { .. } | State::Ended(_) => false,
    }
}

/// The entry at `now` with every change made that is due by time, whether or not an agent has made it yet.
///
/// `policy` is the task's. It is needed if the entry is over and [`needs_policy`].
pub fn as_of(entry: &Entry, policy: &TaskPolicy, now: Timestamp) -> Entry {
    let timeout = Command::Timeout { policy: policy.clone(), report: None };
    let mut entry = entry.clone();
    while let Ok(next) = decide(&entry, &timeout, now) {
        entry = next;
    }
    entry
}

/// True if the name alone does not determine what time makes of the task. The maximum of attempts after an expired
/// lease, and how long a due task may wait, are in its record.
pub fn needs_policy(entry: &Entry) -> bool {
    matches!(entry.state, State::Claimed(_) | State::Scheduled { .. })
}

impl Lease {
    fn new(holder: Holder, now: Timestamp, expires_at: Timestamp, nonce: Nonce) -> Lease {
        Lease { holder, claimed_at: now, heartbeat_at: now, expires_at, nonce }
    }

    fn renewed(&self, now: Timestamp, lease_seconds: Option<i64>) -> Lease {
        let expires_at = match lease_seconds {
            Some(seconds) => now.plus_seconds(seconds),
            None => now.plus_micros(self.expires_at.micros_since(self.heartbeat_at)),
        };
        Lease { heartbeat_at: now, expires_at, ..self.clone() }
    }
}

/// The latest past time in the name.
fn latest_time(entry: &Entry) -> Timestamp {
    match &entry.state {
        State::Scheduled { .. } | State::Blocked { .. } | State::Ready { .. } => entry.created_at,
        State::Claimed(lease) | State::Cancelling(lease) => lease.heartbeat_at,
        State::TimedOut { lease, .. } => lease.expires_at,
        State::Ended(ending) => ending.ended_at,
    }
}

fn owned(entry: &Entry, lease: &Lease, claimant: &Claimant, now: Timestamp) -> Result<(), Refusal> {
    let same_lease = claimant.nonce.is_none_or(|nonce| nonce == lease.nonce);
    match (lease.holder == entry.holder(&claimant.run_id), same_lease) {
        (true, true) => Ok(()),
        // The run id had this task under another lease: the nonce says so.
        (true, false) => Err(Refusal::LeaseLost(CurrentHolder::of(entry, lease, now))),
        (false, _) => Err(held(entry, lease, now)),
    }
}

fn held(entry: &Entry, lease: &Lease, now: Timestamp) -> Refusal {
    let current = CurrentHolder::of(entry, lease, now);
    // The first holder never took the task from another agent, so the caller has never had it.
    if entry.generation <= 1 { Refusal::WrongOwner(current) } else { Refusal::LeaseLost(current) }
}

fn claimed(entry: &Entry, lease: Lease) -> Result<Entry, Refusal> {
    if entry.generation >= limits::GENERATION || entry.attempt >= limits::GENERATION {
        return Err(Refusal::TooManyTransitions);
    }
    let claimed = next(entry, State::Claimed(lease), None)?;
    Ok(Entry { generation: entry.generation + 1, attempt: entry.attempt + 1, ..claimed })
}

fn settled(
    entry: &Entry,
    lease: &Lease,
    verdict: &Verdict,
    now: Timestamp,
    report: Option<Nonce>,
) -> Result<Entry, Refusal> {
    let Verdict::Fail { policy, is_final, random } = verdict else {
        return end(entry, Outcome::Completed, now, report, Some(lease.clone()));
    };
    let is_cancelling = matches!(entry.state, State::Cancelling(_));
    let attempts_left = policy.max_attempts.is_some_and(|max| entry.attempt < max);
    if *is_final || is_cancelling || !attempts_left {
        return end(entry, Outcome::Failed, now, report, Some(lease.clone()));
    }
    let due = now.plus_micros(policy.backoff.micros_after(entry.attempt, *random));
    next(entry, State::Scheduled { due }, report)
}

/// The attempt is not counted, but the generation stays: a guard that has seen this holder's generation must refuse it
/// from now on.
fn released(
    entry: &Entry,
    lease: &Lease,
    now: Timestamp,
    delay_seconds: i64,
    policy: &TaskPolicy,
    report: Option<Nonce>,
) -> Result<Entry, Refusal> {
    if matches!(entry.state, State::Cancelling(_)) {
        return end(entry, Outcome::Cancelled, now, report, Some(lease.clone()));
    }
    let state = match delay_seconds {
        ..=0 => ready(entry, policy, now),
        _ => State::Scheduled { due: now.plus_seconds(delay_seconds) },
    };
    let released = next(entry, state, report)?;
    Ok(Entry { attempt: entry.attempt.saturating_sub(1), ..released })
}

/// A task that was claimed once has met its pending TTL; for another one it begins when it can be claimed, at `from`.
fn ready(entry: &Entry, policy: &TaskPolicy, from: Timestamp) -> State {
    let pending_until = match entry.generation {
        0 => from.plus_seconds(policy.ttl_seconds),
        _ => Timestamp::from_micros(limits::TIME_MICROS),
    };
    State::Ready { pending_until, tags: policy.tags.clone() }
}

fn unblocked(entry: &Entry, policy: &TaskPolicy, now: Timestamp) -> State {
    match policy.scheduled_at {
        Some(due) if due > now => State::Scheduled { due },
        _ => ready(entry, policy, now),
    }
}

fn end(
    entry: &Entry,
    outcome: Outcome,
    ended_at: Timestamp,
    report: Option<Nonce>,
    lease: Option<Lease>,
) -> Result<Entry, Refusal> {
    next(entry, State::Ended(Ending { outcome, ended_at, lease }), report)
}

fn next(entry: &Entry, state: State, report: Option<Nonce>) -> Result<Entry, Refusal> {
    let version = entry.next_version().ok_or(Refusal::TooManyTransitions)?;
    let queue = entry.queue.clone().filter(|_| matches!(state, State::Claimed(_) | State::Cancelling(_)));
    Ok(Entry { version, state, report: report.or(entry.report), queue, ..entry.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::QueueLabel;
    use crate::id::TaskId;
    use crate::name::{QueueName, RunId};
    use crate::status::Status;
    use crate::tags::TagSet;
    use crate::task::Backoff;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    const T0: u64 = 1_795_336_200_000_000;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(T0 + seconds * 1_000_000)
    }

    fn run(run_id: &str) -> RunId {
        run_id.parse().unwrap()
    }

    fn claimant(run_id: &str) -> Claimant {
        Claimant { run_id: run(run_id), nonce: None }
    }

    fn claim(run_id: &str) -> Command {
        Command::Claim { run_id: run(run_id), lease_seconds: 10, nonce: Nonce::from_bits(run_id.len() as u64) }
    }

    fn heartbeat(run_id: &str) -> Command {
        Command::Heartbeat { claimant: claimant(run_id), lease_seconds: None, report: None }
    }

    fn settle(run_id: &str, verdict: Verdict) -> Command {
        Command::Settle { claimant: claimant(run_id), verdict, report: None }
    }

    fn standing(status: Status) -> Standing {
        Standing { status, due: None, blocked_on: None }
    }

    fn policy() -> TaskPolicy {
        TaskPolicy { ttl_seconds: 100, ..TaskPolicy::default() }
    }

    fn twice() -> TaskPolicy {
        TaskPolicy { max_attempts: Some(2), backoff: Backoff { seconds: 4, max_seconds: 4 }, ..policy() }
    }

    fn fail() -> Verdict {
        Verdict::Fail { policy: policy(), is_final: false, random: 0 }
    }

    fn fail_of_two() -> Verdict {
        Verdict::Fail { policy: twice(), is_final: false, random: u64::MAX }
    }

    fn release(run_id: &str) -> Command {
        release_for(run_id, 0)
    }

    fn release_for(run_id: &str, delay_seconds: i64) -> Command {
        Command::Release { claimant: claimant(run_id), delay_seconds, policy: policy(), report: None }
    }

    fn cancel(run_id: &str, force: bool) -> Command {
        cancel_if(run_id, if force { IfHeld::Force } else { IfHeld::Refuse })
    }

    fn cancel_if(run_id: &str, if_held: IfHeld) -> Command {
        Command::Cancel { run_id: run(run_id), if_held, nonce: Nonce::from_bits(9), report: Some(Nonce::from_bits(8)) }
    }

    fn timeout() -> Command {
        Command::Timeout { policy: policy(), report: None }
    }

    fn retry() -> Command {
        Command::Retry { policy: policy(), restart: Restart::Planned }
    }

    fn unblock(verdict: ParentVerdict) -> Command {
        Command::Unblock { verdict, policy: policy(), report: None }
    }

    fn parent() -> TaskId {
        TaskId::of_canonical(b"{\"parent\":1}")
    }

    fn ready() -> Entry {
        let tags = TagSet::of(&["tag".parse().unwrap()]);
        Entry {
            id: TaskId::of_canonical(b"{}"),
            created_at: at(0),
            priority: 0,
            version: 1,
            generation: 0,
            attempt: 0,
            state: State::Ready { pending_until: at(100), tags },
            report: None,
            queue: Some(QueueLabel::of(&QueueName::default_queue())),
        }
    }

    fn blocked() -> Entry {
        Entry { state: State::Blocked { on: parent() }, ..ready() }
    }

    fn after(entry: &Entry, commands: &[(&Command, u64)]) -> Entry {
        commands.iter().fold(entry.clone(), |entry, (command, s)| decide(&entry, command, at(*s)).unwrap())
    }

    /// Every entry that up to three commands can lead to, from a task claimed by "a" or "bb".
    fn reachable() -> Vec<Entry> {
        let mut all = Vec::from([ready(), blocked()]);
        let mut newest = all.clone();
        for _ in 0..3 {
            newest = newest
                .iter()
                .flat_map(|entry| every_command().into_iter().map(move |command| (entry.clone(), command)))
                .flat_map(|(entry, command)| [0, 5, 50, 500].map(|s| decide(&entry, &command, at(s)).ok()))
                .flatten()
                .collect();
            newest.dedup();
            all.extend(newest.iter().cloned());
        }
        all
    }

    fn every_command() -> Vec<Command> {
        let of = |run_id| {
            Vec::from([
                claim(run_id),
                heartbeat(run_id),
                settle(run_id, Verdict::Complete),
                settle(run_id, fail()),
                settle(run_id, fail_of_two()),
                cancel(run_id, false),
                cancel_if(run_id, IfHeld::Request),
                release(run_id),
                release_for(run_id, 7),
                cancel(run_id, true),
            ])
        };
        let fates = [ParentVerdict::WaitFor(parent()), ParentVerdict::GoOn, ParentVerdict::Cancel].map(unblock);
        let of_nobody = [timeout(), Command::Timeout { policy: twice(), report: None }, retry()];
        [of("a"), of("bb"), of_nobody.to_vec(), fates.to_vec()].concat()
    }

    #[test]
    fn whatever_happens_versions_and_generations_only_grow_and_ended_is_ended() {
        let entries = reachable();
        assert!(entries.len() > 1_000);
        for entry in &entries {
            for command in every_command() {
                for seconds in [0, 5, 50, 500] {
                    let Ok(next) = decide(entry, &command, at(seconds)) else { continue };
                    let put_back = matches!(command, Command::Retry { .. });
                    assert!(put_back || !matches!(entry.state, State::Ended(_)), "{entry:?} {command:?}");
                    let completed =
                        matches!(&entry.state, State::Ended(ending) if ending.outcome == Outcome::Completed);
                    assert!(!completed, "{entry:?} {command:?}");
                    assert_eq!(next.version, entry.version + 1);
                    let new_holder = matches!(command, Command::Claim { .. });
                    assert_eq!(next.generation, entry.generation + u32::from(new_holder));
                    let given_back =
                        matches!(command, Command::Release { .. }) && !matches!(next.state, State::Ended(_));
                    let attempt = if put_back { 0 } else { entry.attempt + u32::from(new_holder) };
                    assert_eq!(next.attempt + u32::from(given_back), attempt);
                    assert_eq!((next.id, next.created_at, next.priority), (entry.id, entry.created_at, entry.priority));
                    assert_eq!(Entry::parse(&next.to_string()), Some(next));
                }
            }
        }
    }

    #[test]
    fn only_its_holder_ends_a_live_task_without_force_under_any_clock() {
        for entry in reachable() {
            let (State::Claimed(lease) | State::Cancelling(lease)) = &entry.state else { continue };
            let other = if lease.holder.as_str() == "a" { "bb" } else { "a" };
            for seconds in [0, 5, 50, 500] {
                for verdict in [Verdict::Complete, fail(), fail_of_two()] {
                    assert!(decide(&entry, &settle(other, verdict), at(seconds)).is_err());
                }
                assert!(decide(&entry, &heartbeat(other), at(seconds)).is_err());
                assert!(decide(&entry, &release(other), at(seconds)).is_err());
                assert!(decide(&entry, &claim(other), at(seconds)).is_err());
                let cancelled = decide(&entry, &cancel(other, false), at(seconds));
                assert_eq!(cancelled.is_ok(), lease.expires_at <= at(seconds).max(lease.heartbeat_at));
                let asked = decide(&entry, &cancel_if(other, IfHeld::Request), at(seconds)).unwrap();
                let still_held = matches!(&asked.state, State::Cancelling(kept) if kept == lease);
                assert_eq!(still_held, cancelled.is_err());
            }
        }
    }

    #[test]
    fn an_expired_lease_still_counts_until_somebody_takes_over() {
        let claimed = decide(&ready(), &claim("a"), at(1)).unwrap();
        assert_eq!(decide(&claimed, &timeout(), at(10)), Err(Refusal::NotDue));
        let timed_out = decide(&claimed, &timeout(), at(11)).unwrap();
        assert!(decide(&timed_out, &settle("a", Verdict::Complete), at(12)).is_ok());
        let revived = decide(&timed_out, &heartbeat("a"), at(12)).unwrap();
        assert_eq!(revived.generation, 1);
        assert_eq!(revived.lease().unwrap().expires_at, at(22));

        let taken = decide(&timed_out, &claim("bb"), at(12)).unwrap();
        let Err(Refusal::LeaseLost(current)) = decide(&taken, &settle("a", Verdict::Complete), at(13)) else {
            panic!("the late holder was not refused")
        };
        assert_eq!((current.holder.as_str(), current.generation, current.expires_at), ("bb", 2, at(22)));
    }

    #[test]
    fn a_released_task_waits_for_ever_and_costs_no_attempt_but_its_next_holder_is_another() {
        let claimed = decide(&ready(), &claim("a"), at(1)).unwrap();
        let timed_out = decide(&claimed, &timeout(), at(11)).unwrap();
        for held in [claimed, timed_out] {
            let released = decide(&held, &release("a"), at(12)).unwrap();
            assert_eq!((released.version, released.generation, released.attempt), (held.version + 1, 1, 0));
            assert_eq!(decide(&released, &timeout(), at(1_000_000)), Err(Refusal::NotDue));
            for late in [heartbeat("a"), settle("a", Verdict::Complete), settle("a", fail()), release("a")] {
                assert_eq!(decide(&released, &late, at(13)), Err(Refusal::NotClaimed(standing(Status::Pending))));
            }
            let taken = decide(&released, &claim("bb"), at(1_000_000)).unwrap();
            assert_eq!((taken.generation, taken.attempt), (2, 1));
            assert!(matches!(decide(&taken, &settle("a", Verdict::Complete), at(13)), Err(Refusal::LeaseLost(_))));
            assert!(matches!(decide(&taken, &release("a"), at(13)), Err(Refusal::LeaseLost(_))));
        }
        let ended = decide(&ready(), &cancel("a", false), at(1)).unwrap();
        assert!(matches!(decide(&ended, &release("a"), at(2)), Err(Refusal::AlreadyEnded { .. })));
        assert_eq!(decide(&ready(), &release("a"), at(2)), Err(Refusal::NotClaimed(standing(Status::Pending))));
    }

    #[test]
    fn a_stranger_is_told_that_the_task_was_never_its_own() {
        let claimed = decide(&ready(), &claim("a"), at(1)).unwrap();
        let refusal = decide(&claimed, &settle("bb", fail()), at(2)).unwrap_err();
        assert!(matches!(refusal, Refusal::WrongOwner(_)));
        assert!(matches!(decide(&claimed, &release("bb"), at(2)), Err(Refusal::WrongOwner(_))));
        assert_eq!(decide(&ready(), &settle("a", fail()), at(2)), Err(Refusal::NotClaimed(standing(Status::Pending))));
    }

    #[test]
    fn a_pinned_nonce_tells_two_leases_of_one_run_id_apart() {
        let claimed = decide(&ready(), &claim("a"), at(1)).unwrap();
        let with = |bits| Command::Heartbeat {
            claimant: Claimant { run_id: run("a"), nonce: Some(Nonce::from_bits(bits)) },
            lease_seconds: Some(60),
            report: None,
        };
        assert_eq!(decide(&claimed, &with(1), at(2)).unwrap().lease().unwrap().expires_at, at(62));
        assert!(matches!(decide(&claimed, &with(2), at(2)), Err(Refusal::LeaseLost(_))));
    }

    #[test]
    fn a_task_that_nobody_claimed_in_time_is_never_claimed() {
        assert!(decide(&ready(), &claim("a"), at(99)).is_ok());
        let Err(Refusal::AlreadyEnded { outcome: Outcome::Expired, .. }) = decide(&ready(), &claim("a"), at(100))
        else {
            panic!("claimed after its time")
        };
        let expired = decide(&ready(), &timeout(), at(100)).unwrap();
        assert!(matches!(&expired.state, State::Ended(ending) if ending.lease.is_none()));
        let timed_out = decide(&decide(&ready(), &claim("a"), at(1)).unwrap(), &timeout(), at(50)).unwrap();
        assert!(decide(&timed_out, &claim("bb"), at(1_000)).is_ok(), "once claimed, the pending TTL is met");
    }

    #[test]
    fn a_failed_attempt_is_tried_again_after_its_back_off_until_none_is_left() {
        let failed = after(&ready(), &[(&claim("a"), 1), (&settle("a", fail_of_two()), 2)]);
        assert!(matches!(failed.state, State::Scheduled { due } if due > at(4) && due <= at(6)), "{failed}");
        for early in [&claim("bb"), &timeout()] {
            assert_eq!(decide(&failed, early, at(3)), Err(Refusal::NotDue));
        }
        let due = failed.due();
        let waits = Standing { due, ..standing(Status::Scheduled) };
        assert_eq!(decide(&failed, &settle("a", Verdict::Complete), at(3)), Err(Refusal::NotClaimed(waits)));
        let again = after(&failed, &[(&timeout(), 6), (&claim("a"), 7)]);
        assert_eq!((again.generation, again.attempt), (2, 2));
        let ended = decide(&again, &settle("a", fail_of_two()), at(8)).unwrap();
        assert!(matches!(&ended.state, State::Ended(ending) if ending.outcome == Outcome::Failed));
        let timed_out = decide(&again, &Command::Timeout { policy: twice(), report: None }, at(17)).unwrap();
        assert!(
            matches!(&timed_out.state, State::Ended(ending) if ending.outcome == Outcome::Failed),
            "it was the last"
        );

        let first = decide(&ready(), &claim("a"), at(1)).unwrap();
        let is_final = Verdict::Fail { policy: twice(), is_final: true, random: 0 };
        let ended = decide(&first, &settle("a", is_final), at(2)).unwrap();
        assert!(matches!(ended.state, State::Ended(_)));
    }

    #[test]
    fn what_failed_or_was_cancelled_can_be_put_back_and_what_completed_cannot() {
        let failed = after(&ready(), &[(&claim("a"), 1), (&settle("a", fail()), 2)]);
        let back = decide(&failed, &retry(), at(5)).unwrap();
        assert_eq!((back.version, back.generation, back.attempt), (4, 1, 0));
        assert!(matches!(back.state, State::Ready { pending_until, .. } if pending_until == at(105)));
        let cancelled = decide(&ready(), &cancel("a", false), at(1)).unwrap();
        assert!(decide(&cancelled, &retry(), at(2)).is_ok());
        let completed = after(&ready(), &[(&claim("a"), 1), (&settle("a", Verdict::Complete), 2)]);
        assert!(matches!(decide(&completed, &retry(), at(3)), Err(Refusal::AlreadyEnded { .. })));
        assert_eq!(decide(&ready(), &retry(), at(3)), Err(Refusal::NotEnded(standing(Status::Pending))));
    }

    #[test]
    fn a_holder_that_is_asked_to_stop_is_obeyed_until_it_stops_or_is_silent() {
        let asked = after(&ready(), &[(&claim("a"), 1), (&cancel_if("boss", IfHeld::Request), 2)]);
        assert_eq!(asked.report, Some(Nonce::from_bits(8)));
        let beaten = decide(&asked, &heartbeat("a"), at(3)).unwrap();
        assert!(matches!(beaten.state, State::Cancelling(_)));
        let outcome = |command: &Command, seconds| match decide(&asked, command, at(seconds)).unwrap().state {
            State::Ended(ending) => Some(ending.outcome),
            _ => None,
        };
        assert_eq!(outcome(&settle("a", Verdict::Complete), 3), Some(Outcome::Completed));
        assert_eq!(outcome(&settle("a", fail_of_two()), 3), Some(Outcome::Failed), "it is not tried again");
        assert_eq!(outcome(&release("a"), 3), Some(Outcome::Cancelled));
        assert_eq!(outcome(&cancel("a", false), 3), Some(Outcome::Cancelled));
        assert_eq!(outcome(&timeout(), 11), Some(Outcome::Cancelled));
        assert_eq!(decide(&asked, &timeout(), at(10)), Err(Refusal::NotDue));
        let waiting = decide(&ready(), &cancel_if("boss", IfHeld::Request), at(1)).unwrap();
        assert!(matches!(waiting.state, State::Ended(_)), "nobody is there to be asked");
    }

    #[test]
    fn a_blocked_task_becomes_what_its_parents_and_its_own_time_allow() {
        let on = TaskId::of_canonical(b"{\"other\":1}");
        let next = decide(&blocked(), &unblock(ParentVerdict::WaitFor(on)), at(1)).unwrap();
        assert_eq!(next.state, State::Blocked { on });
        let ready = decide(&blocked(), &unblock(ParentVerdict::GoOn), at(50)).unwrap();
        assert!(matches!(ready.state, State::Ready { pending_until, .. } if pending_until == at(150)));
        let later = TaskPolicy { scheduled_at: Some(at(60)), ..policy() };
        let later = Command::Unblock { verdict: ParentVerdict::GoOn, policy: later, report: None };
        assert_eq!(decide(&blocked(), &later, at(50)).unwrap().state, State::Scheduled { due: at(60) });
        assert!(matches!(decide(&blocked(), &later, at(60)).unwrap().state, State::Ready { .. }));
        let cancelled = decide(&blocked(), &unblock(ParentVerdict::Cancel), at(1)).unwrap();
        assert!(matches!(&cancelled.state, State::Ended(ending) if ending.lease.is_none()));
        for early in [&claim("a"), &timeout()] {
            assert_eq!(decide(&blocked(), early, at(1_000)), Err(Refusal::NotDue));
        }
        assert!(matches!(decide(&blocked(), &cancel("a", false), at(1)).unwrap().state, State::Ended(_)));
    }

    #[test]
    fn a_task_that_is_released_for_later_waits_until_then() {
        let put_off = after(&ready(), &[(&claim("a"), 1), (&release_for("a", 7), 2)]);
        assert_eq!((&put_off.state, put_off.attempt), (&State::Scheduled { due: at(9) }, 0));
        let ready = decide(&put_off, &timeout(), at(9)).unwrap();
        assert!(
            matches!(ready.state, State::Ready { pending_until, .. } if pending_until.micros() == limits::TIME_MICROS)
        );
    }

    #[test]
    fn a_clock_that_jumped_back_never_shortens_what_has_happened() {
        let claimed = decide(&ready(), &claim("a"), at(50)).unwrap();
        let beaten = decide(&claimed, &heartbeat("a"), at(0)).unwrap();
        assert_eq!(beaten.lease().unwrap().heartbeat_at, at(50));
        assert_eq!(
            decide(&ready(), &claim("a"), Timestamp::from_micros(0)).unwrap().lease().unwrap().claimed_at,
            at(0)
        );
    }

    #[test]
    fn a_task_that_cannot_change_any_more_says_so() {
        let worn = Entry { version: limits::VERSION, ..ready() };
        assert_eq!(decide(&worn, &cancel("a", true), at(1)), Err(Refusal::TooManyTransitions));
        let worn = Entry { generation: limits::GENERATION, ..ready() };
        assert_eq!(decide(&worn, &claim("a"), at(1)), Err(Refusal::TooManyTransitions));
        assert!(decide(&worn, &cancel("a", true), at(1)).is_ok());
    }
}
