//! The world of one schedule: what each agent is told next, and its mishaps.

use std::fmt;

use coord_core::TaskId;
use coord_core::name::Nonce;
use coord_core::store::StoreErrorKind;
use coord_core::task::IfParentFails;
use shuttle::rand::{Rng, thread_rng};

use super::{Mix, TASKS};
use crate::sim::agent::{self, Answer, Invocation, LEASE_SECONDS, after};
use crate::sim::call::{Call, Reply, failed, repeated};
use crate::sim::operation::{New, Operation};
use crate::sim::oracle::Broken;
use crate::sim::world::World;

/// How many keys these ask for.
const KEYS: u8 = 2;

/// The world and all that happened in it.
pub(super) struct Stage {
    pub(super) mix: Mix,
    pub(super) world: World,
    /// The changes that are under way to an engine, though nobody waits for their replies.
    pub(super) late: Vec<(Invocation, Call)>,
    /// Seconds since the beginning, which only ever pass.
    pub(super) seconds: u64,
    pub(super) nonces: u64,
    pub(super) enqueued: u16,
    pub(super) history: Vec<Happened>,
}

/// One thing that happened.
pub(super) enum Happened {
    Began(Invocation),
    Called(usize, Call, &'static str),
    Arrived(usize, Call),
    Answered(usize, Answer),
}

impl Stage {
    pub(super) fn next_invocation(&mut self, agent: usize, lease: Option<(TaskId, Nonce)>) -> Invocation {
        let mut random = thread_rng();
        self.seconds += random.gen_range(0..3);
        let tasks: Vec<TaskId> = self.world.oracle.tasks().collect();
        let any = tasks[random.gen_range(0..tasks.len())];
        let mine = lease.map_or(any, |(id, _)| id);
        let may_enqueue = self.enqueued < TASKS;
        let operation = match (self.mix, random.gen_range(0..30), lease) {
            (Mix::Everything, 0..4, _) if may_enqueue => self.enqueue_any(any),
            (Mix::Relinking, 0..12, _) if may_enqueue => {
                self.enqueued += 1;
                enqueue(self.enqueued - 1)
            }
            (Mix::Removing, 0..9, _) if may_enqueue => self.enqueue_any(any),
            (Mix::Removing, 9..15, _) => Operation::ForceCancel(any),
            (Mix::Removing, 15..21, _) => Operation::Gc,
            (Mix::Removing, 21..27, _) => Operation::Retry(any),
            (Mix::Keys, 0..14, _) => Operation::Enqueue(self.unique()),
            (Mix::Keys, 14..17, _) => Operation::EnqueueBoth([self.unique(), self.unique()]),
            (Mix::Keys, 17..20, _) => Operation::Retry(any),
            (Mix::Keys, 20..22, _) => Operation::ForceCancel(any),
            (Mix::Keys, 22, _) => Operation::Repair,
            (Mix::Keys, 23, _) => Operation::Gc,
            (Mix::Keys, 24, _) => Operation::Import(self.unique(), after(0)),
            (Mix::Keys, 25..27, Some(_)) => Operation::Complete(mine),
            (Mix::Everything, 0, _) | (Mix::Relinking, 0..21, _) => Operation::Repair,
            (Mix::Everything, 1..3, _) => Operation::Cancel(any),
            (Mix::Everything, 3, _) => Operation::ForceCancel(any),
            (Mix::Everything, 4, _) => Operation::Heartbeat(any),
            (Mix::Everything, 5, _) if random.gen_bool(0.5) => Operation::Complete(any),
            (Mix::Everything, 5, _) => Operation::Release(any),
            (Mix::Everything, 6, _) => Operation::RequestCancel(any),
            (Mix::Everything, 7, _) => Operation::Retry(any),
            (Mix::Everything, 8, _) => self.rarer(),
            (Mix::Everything, 9..12, Some(_)) => Operation::Heartbeat(mine),
            (Mix::Everything, 12..14, Some(_)) => Operation::Progress(mine),
            (Mix::Everything, 14..16, Some(_)) if may_enqueue => match self.enqueue_any(any) {
                Operation::Enqueue(new) => Operation::CompleteAndEnqueue(mine, new),
                other => other,
            },
            (Mix::Everything, 14..18, Some(_)) => Operation::Complete(mine),
            (Mix::Everything, 18..21, Some(_)) => Operation::Fail(mine),
            (Mix::Everything, 21, Some(_)) => Operation::FailFinally(mine),
            (Mix::Everything, 22..24, Some(_)) => Operation::Release(mine),
            (Mix::Everything, 24, Some(_)) => Operation::ReleaseLater(mine, 2),
            _ => Operation::Claim,
        };
        // A clock that is right, or wrong by up to a lease's length.
        let jump =
            if random.gen_bool(0.3) { random.gen_range(0..=2 * LEASE_SECONDS as u64) } else { LEASE_SECONDS as u64 };
        let seconds = (self.seconds + jump).saturating_sub(LEASE_SECONDS as u64);
        // A doctor whose clock is so wrong that it takes each enqueuer at work for dead.
        let seconds = if operation == Operation::Repair { seconds + 100 } else { seconds };
        self.nonces += 0x1000;
        let meant = lease.filter(|(id, _)| *id == mine && random.gen_bool(0.5)).map(|(_, nonce)| nonce);
        let invocation = invocation(agent, operation, seconds, self.nonces, meant);
        self.history.push(Happened::Began(invocation));
        invocation
    }

    /// A task with one of the keys.
    fn unique(&mut self) -> New {
        self.enqueued += 1;
        let key = thread_rng().gen_range(0..KEYS);
        New { number: self.enqueued, ttl_seconds: 100_000, is_unique: true, key, ..New::default() }
    }

    /// What agents and operators do now and then.
    fn rarer(&mut self) -> Operation {
        let new = |number| New { number, ttl_seconds: 100_000, ..New::default() };
        match thread_rng().gen_range(0..12) {
            0..3 => Operation::Gc,
            3 => Operation::Export,
            // Some are there already.
            4 => Operation::Import(new(1_000 + self.enqueued % 2), after(0)),
            5 if self.enqueued < TASKS => {
                self.enqueued += 2;
                Operation::EnqueueBoth([new(self.enqueued - 2), new(self.enqueued - 1)])
            }
            6 => Operation::Pause,
            7 => Operation::Resume,
            8 => Operation::Limit(Some(1)),
            9 => Operation::Limit(None),
            _ => Operation::Sweep,
        }
    }

    /// A task of any kind; if it waits for others, then for `parent`.
    fn enqueue_any(&mut self, parent: TaskId) -> Operation {
        self.enqueued += 1;
        let Operation::Enqueue(plain) = enqueue(self.enqueued - 1) else { unreachable!("it enqueues") };
        let mut random = thread_rng();
        let if_parent_fails = IfParentFails::ALL[random.gen_range(0..3)];
        let new = New { if_parent_fails, ..plain };
        let new = match random.gen_range(0..6) {
            0 | 1 => New { after: [Some(parent), None], ..new },
            2 => New { after: [Some(parent), self.world.oracle.tasks().next()], ..new },
            3 | 4 => New { is_unique: true, ..new },
            _ => new,
        };
        let delay_seconds = if random.gen_bool(0.2) { 2 } else { 0 };
        Operation::Enqueue(New { delay_seconds, ..new })
    }

    /// A change that is under way takes effect, if there is one.
    pub(super) fn arrive(&mut self) -> bool {
        let Some((invocation, call)) = self.late.pop() else { return false };
        self.history.push(Happened::Arrived(invocation.agent, call.clone()));
        if let Err(broken) = self.world.call(&call, &invocation) {
            self.fail(&broken);
        }
        true
    }

    pub(super) fn call(&mut self, invocation: &Invocation, call: Call, mishap: Mishap) -> Reply {
        if !self.late.is_empty() && thread_rng().gen_bool(0.1) {
            self.arrive();
        }
        let what = match mishap {
            Mishap::None => "",
            Mishap::Death => " … is dead",
            Mishap::Failure => ": fails",
            Mishap::Loss => ": the reply is lost",
            Mishap::FailureAfter => ": takes effect, but is reported as failed",
            Mishap::Repetition => ": takes effect, the reply is lost, the call repeated",
        };
        let reply = match mishap {
            Mishap::Death => failed(StoreErrorKind::Other),
            Mishap::Loss => {
                self.late.extend(Some((*invocation, call.clone())).filter(|_| call.changes()));
                failed(StoreErrorKind::Other)
            }
            Mishap::Failure => self.world.fail(&call),
            _ => match self.world.call(&call, invocation) {
                Ok(reply) if mishap == Mishap::Repetition => repeated(&reply),
                Ok(_) if mishap == Mishap::FailureAfter => failed(StoreErrorKind::Other),
                Ok(reply) => reply,
                Err(broken) => {
                    self.history.push(Happened::Called(invocation.agent, call, what));
                    self.fail(&broken)
                }
            },
        };
        self.history.push(Happened::Called(invocation.agent, call, what));
        reply
    }

    pub(super) fn told(&mut self, invocation: &Invocation, answer: &Answer) {
        self.history.push(Happened::Answered(invocation.agent, *answer));
        if let Err(broken) = self.world.told(invocation, answer) {
            self.fail(&broken);
        }
    }

    pub(super) fn fail(&self, broken: &Broken) -> ! {
        let history: Vec<String> = self.history.iter().map(Happened::to_string).collect();
        panic!("{}\n{broken}", history.join("\n"))
    }
}

/// The mishap of one invocation, and the call at which it happens.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlannedMishap {
    pub(super) what: Mishap,
    pub(super) when: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mishap {
    None,
    Death,
    Failure,
    FailureAfter,
    Repetition,
    /// Of a call to an engine: it may take effect later.
    Loss,
}

impl PlannedMishap {
    /// Two invocations of three go well.
    pub(super) fn draw(operation: Operation, is_whole: bool) -> PlannedMishap {
        // An engine is never sent a call again.
        let in_transit = if is_whole { Mishap::Loss } else { Mishap::Repetition };
        let mishaps = [Mishap::Death, Mishap::Failure, Mishap::FailureAfter, in_transit];
        let mut random = thread_rng();
        let what = mishaps.get(random.gen_range(0..12)).copied().unwrap_or(Mishap::None);
        // A doctor makes about a hundred calls, and the last of them are those that mend.
        let calls = match operation {
            Operation::Repair => 120,
            _ if is_whole => 4,
            _ => 25,
        };
        PlannedMishap { what, when: random.gen_range(1..calls) }
    }

    pub(super) fn at(self, call: u64) -> Mishap {
        let now = if self.what == Mishap::Death { call >= self.when } else { call == self.when };
        if now { self.what } else { Mishap::None }
    }
}

impl fmt::Display for Happened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Happened::Began(invocation) => write!(f, "{invocation}"),
            Happened::Called(agent, call, what) => write!(f, "  {}: {call}{what}", String::from(agent::name(*agent))),
            Happened::Arrived(agent, call) => {
                write!(f, "  {call}, of {}: takes effect", String::from(agent::name(*agent)))
            }
            Happened::Answered(agent, answer) => {
                write!(f, "  {}: is told {answer:?}", String::from(agent::name(*agent)))
            }
        }
    }
}

/// One of three kinds: tried once, tried three times, and of little patience.
pub(super) fn enqueue(number: u16) -> Operation {
    let (ttl_seconds, max_attempts) = (if number % 3 == 2 { 4 } else { 100_000 }, (number % 3 == 1).then_some(3));
    Operation::Enqueue(New { number, priority: i64::from(number % 2), ttl_seconds, max_attempts, ..New::default() })
}

pub(super) fn invocation(
    agent: usize,
    operation: Operation,
    seconds: u64,
    nonce: u64,
    lease: Option<Nonce>,
) -> Invocation {
    Invocation { agent, operation, now: after(seconds), nonce: Nonce::from_bits(nonce), lease }
}
