//! The state machine: what an entry becomes when somebody commands something. Pure, total, and all of it in one match.
//!
//! ```text
//!            claim                complete, fail, cancel
//!   ready ──────────▶ claimed ──────────────────────────▶ ended
//!     │ ▲              │  ▲  │                              ▲
//!     │ │       expire │  │  └─ heartbeat (same lease)      │
//!     │ │ release      ▼  │ claim, or heartbeat             │
//!     │ └──────────── lapsed ───────────────────────────────┤ complete, fail (last holder), cancel
//!     └─────────────────────────────────────────────────────┘ cancel, expire (pending TTL)
//! ```
//!
//! `release` leads from claimed as well as from lapsed. It keeps the generation, so that the next holder has another, and
//! takes the attempt back. A task that was claimed once has met its pending TTL, so a released one waits without an end.
//!
//! A clock is believed only forwards: `now` counts as no earlier than the latest time that the name itself tells.

use alloc::string::String;
use core::fmt;

use crate::entry::{Ending, Entry, Holder, Lease, Outcome, State};
use crate::limits;
use crate::name::{Nonce, RunId};
use crate::time::Timestamp;

/// What somebody wants of a task.
#[derive(Clone, Debug)]
pub enum Command {
    /// Hold it from now on.
    Claim {
        /// Who.
        run_id: RunId,
        /// For how long, in seconds.
        lease_seconds: i64,
        /// What is to tell this lease from any other.
        nonce: Nonce,
    },
    /// Go on holding it.
    Heartbeat {
        /// Who says that it holds the task.
        claimant: Claimant,
        /// For how long from now, in seconds; `None`: as long as before.
        lease_seconds: Option<i64>,
    },
    /// End it in success or failure.
    Settle {
        /// Who says that it holds the task.
        claimant: Claimant,
        /// Success or failure.
        verdict: Verdict,
        /// The nonce of the settlement that holds the result or error, if there is one.
        settlement: Option<Nonce>,
    },
    /// Give it back, without an end and without having used an attempt.
    Release {
        /// Who says that it holds the task.
        claimant: Claimant,
    },
    /// Call it off.
    Cancel {
        /// Who.
        run_id: RunId,
        /// Also if another agent holds it.
        force: bool,
        /// The nonce for the cancel record of a task without a lease.
        nonce: Nonce,
    },
    /// Draw the consequence of time having passed.
    Expire,
}

/// A holder's two verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Success.
    Complete,
    /// Failure.
    Fail,
}

/// Who says that it holds a task.
#[derive(Clone, Debug)]
pub struct Claimant {
    /// Its run id.
    pub run_id: RunId,
    /// The nonce of the very lease it means; `None`: whichever lease the run id has.
    pub nonce: Option<Nonce>,
}

/// Why a command is not obeyed. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody has claimed the task yet, or its last holder has released it.
    NotClaimed,
    /// Another agent holds the task, and whoever asks has never held it, or does not act as a holder.
    WrongOwner(Tenure),
    /// The lease that was meant, if there was one, is over: the task has had more than one holder.
    LeaseLost(Tenure),
    /// The task has ended.
    AlreadyEnded {
        /// How.
        outcome: Outcome,
        /// When.
        ended_at: Timestamp,
        /// Who ended it; `None`: its time ran out.
        by: Option<Holder>,
    },
    /// The lease or the waiting time is not over.
    NotDue,
    /// The task has had [`limits::GENERATION`] holders or [`limits::VERSION`] names, which is as many as it can have.
    WornOut,
}

/// Who has a task, or had it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenure {
    /// Who.
    pub holder: Holder,
    /// The holder's generation.
    pub generation: u32,
    /// Since when.
    pub claimed_at: Timestamp,
    /// Until when; in the past if the lease has run out and nobody took the task over yet.
    pub expires_at: Timestamp,
}

/// What `entry` becomes by `command` at `now`: always one version later, so under a name that never was.
pub fn decide(entry: &Entry, command: &Command, now: Timestamp) -> Result<Entry, Refusal> {
    let now = now.max(latest_time(entry));
    match (&entry.state, command) {
        (State::Ready { pending_until }, Command::Expire) if *pending_until <= now => {
            end(entry, Outcome::Expired, now, None, None)
        }
        // It has ended, although nobody has moved it yet.
        (State::Ready { pending_until }, _) if *pending_until <= now => {
            Err(Refusal::AlreadyEnded { outcome: Outcome::Expired, ended_at: *pending_until, by: None })
        }
        (State::Ready { .. } | State::Lapsed(_), Command::Claim { run_id, lease_seconds, nonce }) => {
            claimed(entry, Lease::new(entry.holder(run_id), now, now.plus_seconds(*lease_seconds), *nonce))
        }
        (State::Claimed(lease), Command::Claim { .. }) => Err(held(entry, lease)),

        (State::Ready { .. }, Command::Heartbeat { .. } | Command::Settle { .. } | Command::Release { .. }) => {
            Err(Refusal::NotClaimed)
        }
        (State::Claimed(lease) | State::Lapsed(lease), Command::Heartbeat { claimant, lease_seconds }) => {
            owned(entry, lease, claimant)?;
            next(entry, State::Claimed(lease.renewed(now, *lease_seconds)))
        }
        (State::Claimed(lease) | State::Lapsed(lease), Command::Settle { claimant, verdict, settlement }) => {
            owned(entry, lease, claimant)?;
            end(entry, verdict.outcome(), now, *settlement, Some(lease.clone()))
        }
        (State::Claimed(lease) | State::Lapsed(lease), Command::Release { claimant }) => {
            owned(entry, lease, claimant)?;
            released(entry)
        }

        (State::Ready { .. }, Command::Cancel { run_id, nonce, .. }) => {
            let lease = Lease::new(entry.holder(run_id), now, now, *nonce);
            end(entry, Outcome::Cancelled, now, None, Some(lease))
        }
        (State::Claimed(lease) | State::Lapsed(lease), Command::Cancel { run_id, force, .. }) => {
            let holder = entry.holder(run_id);
            if !*force && lease.holder != holder && lease_is_live(&entry.state, now) {
                return Err(Refusal::WrongOwner(Tenure::of(entry, lease)));
            }
            end(entry, Outcome::Cancelled, now, None, Some(Lease { holder, ..lease.clone() }))
        }

        (State::Claimed(lease), Command::Expire) if lease.expires_at <= now => {
            next(entry, State::Lapsed(lease.clone()))
        }
        (State::Ready { .. } | State::Claimed(_) | State::Lapsed(_), Command::Expire) => Err(Refusal::NotDue),

        (State::Ended(ending), _) => Err(Refusal::AlreadyEnded {
            outcome: ending.outcome,
            ended_at: ending.ended_at,
            by: ending.lease.as_ref().map(|lease| lease.holder.clone()),
        }),
    }
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

impl Verdict {
    /// How a task ends by this verdict.
    pub fn outcome(self) -> Outcome {
        match self {
            Verdict::Complete => Outcome::Completed,
            Verdict::Fail => Outcome::Failed,
        }
    }
}

/// True while another agent must not take the task from its holder.
pub(crate) fn lease_is_live(state: &State, now: Timestamp) -> bool {
    matches!(state, State::Claimed(lease) if lease.expires_at > now)
}

/// The latest time that is known to have passed, since the name tells of something that happened then.
fn latest_time(entry: &Entry) -> Timestamp {
    match &entry.state {
        State::Ready { .. } => entry.created_at,
        State::Claimed(lease) => lease.heartbeat_at,
        State::Lapsed(lease) => lease.expires_at,
        State::Ended(ending) => ending.ended_at,
    }
}

fn owned(entry: &Entry, lease: &Lease, claimant: &Claimant) -> Result<(), Refusal> {
    let same_lease = claimant.nonce.is_none_or(|nonce| nonce == lease.nonce);
    match (lease.holder == entry.holder(&claimant.run_id), same_lease) {
        (true, true) => Ok(()),
        // The run id had this task under another lease: the nonce says so.
        (true, false) => Err(Refusal::LeaseLost(Tenure::of(entry, lease))),
        (false, _) => Err(held(entry, lease)),
    }
}

fn held(entry: &Entry, lease: &Lease) -> Refusal {
    let tenure = Tenure::of(entry, lease);
    // The first holder never took the task from anybody, so whoever asks has never had it.
    if entry.generation <= 1 { Refusal::WrongOwner(tenure) } else { Refusal::LeaseLost(tenure) }
}

impl Tenure {
    fn of(entry: &Entry, lease: &Lease) -> Tenure {
        Tenure {
            holder: lease.holder.clone(),
            generation: entry.generation,
            claimed_at: lease.claimed_at,
            expires_at: lease.expires_at,
        }
    }
}

fn claimed(entry: &Entry, lease: Lease) -> Result<Entry, Refusal> {
    if entry.generation >= limits::GENERATION || entry.attempt >= limits::GENERATION {
        return Err(Refusal::WornOut);
    }
    let claimed = next(entry, State::Claimed(lease))?;
    Ok(Entry { generation: entry.generation + 1, attempt: entry.attempt + 1, ..claimed })
}

/// The attempt is taken back, the generation is not: a guard that has seen this holder's must refuse it from now on.
fn released(entry: &Entry) -> Result<Entry, Refusal> {
    let released = next(entry, State::Ready { pending_until: Timestamp::from_micros(limits::TIME_MICROS) })?;
    Ok(Entry { attempt: entry.attempt.saturating_sub(1), ..released })
}

fn end(
    entry: &Entry,
    outcome: Outcome,
    ended_at: Timestamp,
    settlement: Option<Nonce>,
    lease: Option<Lease>,
) -> Result<Entry, Refusal> {
    next(entry, State::Ended(Ending { outcome, ended_at, settlement, lease }))
}

fn next(entry: &Entry, state: State) -> Result<Entry, Refusal> {
    let version = entry.version.checked_add(1).ok_or(Refusal::WornOut)?;
    Ok(Entry { version, state, ..entry.clone() })
}

impl Refusal {
    /// The stable word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::NotClaimed => "not_claimed",
            Refusal::WrongOwner(_) => "wrong_owner",
            Refusal::LeaseLost(_) => "lease_lost",
            Refusal::AlreadyEnded { .. } => "already_terminal",
            Refusal::NotDue | Refusal::WornOut => "error",
        }
    }

    /// The holder that the refusal names, whose run id may have to be looked up.
    pub fn holder(&self) -> Option<&Holder> {
        match self {
            Refusal::WrongOwner(tenure) | Refusal::LeaseLost(tenure) => Some(&tenure.holder),
            Refusal::AlreadyEnded { by, .. } => by.as_ref(),
            Refusal::NotClaimed | Refusal::NotDue | Refusal::WornOut => None,
        }
    }

    /// The refusal in words, where `who` is the run id of [`Refusal::holder`].
    pub(crate) fn describe(&self, f: &mut fmt::Formatter<'_>, who: &Option<String>) -> fmt::Result {
        let who = who.as_deref().unwrap_or("nobody");
        match self {
            Refusal::NotClaimed => write!(f, "it is pending: claim it first"),
            Refusal::WrongOwner(tenure) => write!(f, "it belongs to {who:?}, {tenure}"),
            Refusal::LeaseLost(tenure) => {
                write!(f, "the lease is lost: it belongs to {who:?}, {tenure}; drop this work and claim anew")
            }
            Refusal::AlreadyEnded { outcome: Outcome::Expired, ended_at, .. } => {
                write!(f, "it expired at {ended_at}, as nobody had claimed it in time")
            }
            Refusal::AlreadyEnded { outcome, ended_at, .. } => {
                let how = if *outcome == Outcome::Failed { "reported as failed" } else { outcome.as_str() };
                write!(f, "it was {how} at {ended_at} by {who:?}")
            }
            Refusal::NotDue => write!(f, "its time is not over"),
            Refusal::WornOut => write!(f, "it has changed hands as often as a task can; enqueue it anew"),
        }
    }
}

impl fmt::Display for Tenure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tenure { generation, claimed_at, expires_at, .. } = self;
        write!(f, "who claimed it at {claimed_at} as generation {generation} with a lease until {expires_at}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TaskId;
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
        Command::Heartbeat { claimant: claimant(run_id), lease_seconds: None }
    }

    fn settle(run_id: &str, verdict: Verdict) -> Command {
        Command::Settle { claimant: claimant(run_id), verdict, settlement: None }
    }

    fn release(run_id: &str) -> Command {
        Command::Release { claimant: claimant(run_id) }
    }

    fn cancel(run_id: &str, force: bool) -> Command {
        Command::Cancel { run_id: run(run_id), force, nonce: Nonce::from_bits(9) }
    }

    fn ready() -> Entry {
        Entry::first(TaskId::of_canonical(b"{}"), at(0), 0, 100)
    }

    /// Every entry that up to four commands can lead to, from a task claimed by "a" or "bb".
    fn reachable() -> Vec<Entry> {
        let mut all = Vec::from([ready()]);
        let mut newest = all.clone();
        for _ in 0..4 {
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
                settle(run_id, Verdict::Fail),
                cancel(run_id, false),
                release(run_id),
                cancel(run_id, true),
            ])
        };
        [of("a"), of("bb"), Vec::from([Command::Expire])].concat()
    }

    #[test]
    fn whatever_happens_versions_and_generations_only_grow_and_ended_is_ended() {
        let entries = reachable();
        assert!(entries.len() > 1_000);
        for entry in &entries {
            for command in every_command() {
                for seconds in [0, 5, 50, 500] {
                    let Ok(next) = decide(entry, &command, at(seconds)) else { continue };
                    assert!(!matches!(entry.state, State::Ended(_)), "{entry:?} {command:?}");
                    assert_eq!(next.version, entry.version + 1);
                    let new_holder = matches!(command, Command::Claim { .. });
                    assert_eq!(next.generation, entry.generation + u32::from(new_holder));
                    let given_back = matches!(command, Command::Release { .. });
                    assert_eq!(next.attempt + u32::from(given_back), entry.attempt + u32::from(new_holder));
                    assert_eq!((next.id, next.created_at, next.priority), (entry.id, entry.created_at, entry.priority));
                    assert_eq!(Entry::parse(&next.to_string()), Some(next));
                }
            }
        }
    }

    #[test]
    fn only_its_holder_ends_a_live_task_without_force_under_any_clock() {
        for entry in reachable() {
            let State::Claimed(lease) = &entry.state else { continue };
            let other = if lease.holder.as_str() == "a" { "bb" } else { "a" };
            for seconds in [0, 5, 50, 500] {
                for verdict in [Verdict::Complete, Verdict::Fail] {
                    assert!(decide(&entry, &settle(other, verdict), at(seconds)).is_err());
                }
                assert!(decide(&entry, &heartbeat(other), at(seconds)).is_err());
                assert!(decide(&entry, &release(other), at(seconds)).is_err());
                assert!(decide(&entry, &claim(other), at(seconds)).is_err());
                let cancelled = decide(&entry, &cancel(other, false), at(seconds));
                assert_eq!(cancelled.is_ok(), lease.expires_at <= at(seconds).max(lease.heartbeat_at));
            }
        }
    }

    #[test]
    fn a_lapsed_lease_still_counts_until_somebody_takes_over() {
        let claimed = decide(&ready(), &claim("a"), at(1)).unwrap();
        assert_eq!(decide(&claimed, &Command::Expire, at(10)), Err(Refusal::NotDue));
        let lapsed = decide(&claimed, &Command::Expire, at(11)).unwrap();
        assert!(decide(&lapsed, &settle("a", Verdict::Complete), at(12)).is_ok());
        let revived = decide(&lapsed, &heartbeat("a"), at(12)).unwrap();
        assert_eq!(revived.generation, 1);
        assert_eq!(revived.lease().unwrap().expires_at, at(22));

        let taken = decide(&lapsed, &claim("bb"), at(12)).unwrap();
        let Err(Refusal::LeaseLost(tenure)) = decide(&taken, &settle("a", Verdict::Complete), at(13)) else {
            panic!("the late holder was not refused")
        };
        assert_eq!((tenure.holder.as_str(), tenure.generation, tenure.expires_at), ("bb", 2, at(22)));
    }

    #[test]
    fn a_released_task_waits_for_ever_and_costs_no_attempt_but_its_next_holder_is_another() {
        let claimed = decide(&ready(), &claim("a"), at(1)).unwrap();
        let lapsed = decide(&claimed, &Command::Expire, at(11)).unwrap();
        for held in [claimed, lapsed] {
            let released = decide(&held, &release("a"), at(12)).unwrap();
            assert_eq!((released.version, released.generation, released.attempt), (held.version + 1, 1, 0));
            assert_eq!(decide(&released, &Command::Expire, at(1_000_000)), Err(Refusal::NotDue));
            for late in [heartbeat("a"), settle("a", Verdict::Complete), settle("a", Verdict::Fail), release("a")] {
                assert_eq!(decide(&released, &late, at(13)), Err(Refusal::NotClaimed));
            }
            let taken = decide(&released, &claim("bb"), at(1_000_000)).unwrap();
            assert_eq!((taken.generation, taken.attempt), (2, 1));
            assert!(matches!(decide(&taken, &settle("a", Verdict::Complete), at(13)), Err(Refusal::LeaseLost(_))));
            assert!(matches!(decide(&taken, &release("a"), at(13)), Err(Refusal::LeaseLost(_))));
        }
        let ended = decide(&ready(), &cancel("a", false), at(1)).unwrap();
        assert!(matches!(decide(&ended, &release("a"), at(2)), Err(Refusal::AlreadyEnded { .. })));
        assert_eq!(decide(&ready(), &release("a"), at(2)), Err(Refusal::NotClaimed));
    }

    #[test]
    fn a_stranger_is_told_that_the_task_was_never_its_own() {
        let claimed = decide(&ready(), &claim("a"), at(1)).unwrap();
        let refusal = decide(&claimed, &settle("bb", Verdict::Fail), at(2)).unwrap_err();
        assert!(matches!(refusal, Refusal::WrongOwner(_)));
        assert!(matches!(decide(&claimed, &release("bb"), at(2)), Err(Refusal::WrongOwner(_))));
        assert_eq!(decide(&ready(), &settle("a", Verdict::Fail), at(2)), Err(Refusal::NotClaimed));
    }

    #[test]
    fn a_pinned_nonce_tells_two_leases_of_one_run_id_apart() {
        let claimed = decide(&ready(), &claim("a"), at(1)).unwrap();
        let with = |bits| Command::Heartbeat {
            claimant: Claimant { run_id: run("a"), nonce: Some(Nonce::from_bits(bits)) },
            lease_seconds: Some(60),
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
        let expired = decide(&ready(), &Command::Expire, at(100)).unwrap();
        assert!(matches!(&expired.state, State::Ended(ending) if ending.lease.is_none()));
        let lapsed = decide(&decide(&ready(), &claim("a"), at(1)).unwrap(), &Command::Expire, at(50)).unwrap();
        assert!(decide(&lapsed, &claim("bb"), at(1_000)).is_ok(), "once claimed, the pending TTL is met");
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
        assert_eq!(decide(&worn, &cancel("a", true), at(1)), Err(Refusal::WornOut));
        let worn = Entry { generation: limits::GENERATION, ..ready() };
        assert_eq!(decide(&worn, &claim("a"), at(1)), Err(Refusal::WornOut));
        assert!(decide(&worn, &cancel("a", true), at(1)).is_ok());
    }
}
