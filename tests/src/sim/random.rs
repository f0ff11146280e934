//! Random schedules of more agents than can be explored to the end, by `shuttle`: the real code on threads, of which
//! one runs at a time, and who is next is chosen at every store operation.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use coord_core::name::Nonce;
use coord_core::queue::{Thoroughness, Watch};
use coord_core::store::StoreErrorKind;
use coord_core::task::IfParentFails;
use coord_core::{Queue, TaskId};
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::{Arc, Mutex};
use shuttle::{Config, Runner, thread};

use super::agent::{self, Answer, Errand, LEASE_SECONDS, New, Order, after};
use super::call::{Call, Reply, failed, repeated};
use super::ledger::Broken;
use super::mistake::{Mistake, answered};
use super::world::World;

/// How many agents, and how many errands each.
const AGENTS: (usize, u64) = (4, 5);

/// The same where agents ask for the same keys.
const AGENTS_WITH_KEYS: (usize, u64) = (8, 3);

/// How many keys these ask for.
const KEYS: u8 = 2;

/// How many tasks there are at most; half of them are there from the beginning.
const TASKS: u16 = 6;

/// When the last lease is over, in seconds after the beginning, and leaves are old enough to be removed.
const LATER: u64 = 1_000;

/// Room for the queue's deepest calls, which parse JSON.
const STACK_BYTES: usize = 0x4_0000;

/// How the next one is chosen.
#[derive(Clone, Copy, Debug)]
pub enum Choice {
    /// Any agent is as likely as any other.
    Uniform,
    /// By priorities that change at a few places: finds bugs that need few switches at the right moments.
    Priorities,
}

/// What agents are told to do.
#[derive(Clone, Copy, Debug)]
pub enum Mix {
    /// Everything, as agents at work do it.
    Everything,
    /// Mostly what makes entries: enqueuing, claiming, and shelving again by doctors who take everybody for dead.
    Shelving,
    /// Twice as many agents, which all enqueue with one of a few keys, and what gives a key up or back.
    Keys,
}

/// What happened in all schedules together.
#[derive(Debug, Default)]
pub struct Tally {
    schedules: AtomicU64,
    calls: AtomicU64,
    mishaps: AtomicU64,
    claims: AtomicU64,
    ends: AtomicU64,
    releases: AtomicU64,
    failures: AtomicU64,
    retries: AtomicU64,
    refusals: AtomicU64,
}

/// Runs so many schedules. Panics at the first that breaks a promise, having printed it; `shuttle` prints below that
/// how to run it again.
pub fn explore(choice: Choice, mix: Mix, schedules: usize, seed: u64, mistake: Option<Mistake>) -> Arc<Tally> {
    let tally = Arc::new(Tally::default());
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    let counting = tally.clone();
    let schedule = move || one_schedule(mix, mistake, &counting);
    match choice {
        Choice::Uniform => Runner::new(RandomScheduler::new_from_seed(seed, schedules), config).run(schedule),
        Choice::Priorities => Runner::new(PctScheduler::new_from_seed(seed, 4, schedules), config).run(schedule),
    };
    tally
}

/// What makes a task appear.
#[derive(Clone, Copy, Debug)]
pub enum Appearance {
    /// It is enqueued.
    Enqueued,
    /// It is released by its holder, who has claimed it at once when it was enqueued.
    Released,
}

/// Runs so many schedules of one agent that finds nothing and one that makes a task appear. Panics if the first is not
/// woken by what it could not see.
pub fn explore_wake_ups(appearance: Appearance, schedules: usize, seed: u64, mistake: Option<Mistake>) {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    let schedule = move || one_wake_up(appearance, mistake);
    Runner::new(RandomScheduler::new_from_seed(seed, schedules), config).run(schedule);
}

fn one_wake_up(appearance: Appearance, mistake: Option<Mistake>) {
    let mut world = World::new();
    let order = match appearance {
        Appearance::Enqueued => enqueue(0),
        Appearance::Released => Order::Release(held(&mut world)),
    };
    let world = Arc::new(Mutex::new(world));
    let store = move |world: Arc<Mutex<World>>, agent, order| {
        let errand = errand(agent, order, 1, 1 + agent as u64, None);
        answered(mistake, move |call: Call| {
            let reply = world.lock().expect("nobody panics").call(&call, &errand);
            reply.unwrap_or_else(|broken| panic!("{broken}"))
        })
    };
    let waiters = world.clone();
    let waiter = thread::spawn(move || {
        let queue = Queue::open(store(waiters, 0, Order::Claim)).expect("a queue");
        let request = agent::claim_by(0);
        let mut watch = Watch::default();
        let nonce = Nonce::from_bits(1);
        let claim = queue.claim_or_watch(&request, Thoroughness::Quick, Some(&mut watch), after(1), nonce);
        let found = claim.expect("the medium works").claimed.is_some();
        (found, watch)
    });
    let others = world.clone();
    let other = thread::spawn(move || errand(1, order, 1, 2, None).run(store(others, 1, order)));
    let (found, watch) = waiter.join().expect("nobody panics");
    assert!(matches!(other.join(), Ok(Answer::Enqueued(_) | Answer::Released(..))), "nobody is in the way");
    let queue = Queue::open(store(world, 0, Order::Claim)).expect("a queue");
    let woken = queue.may_have_changed(&watch, after(1)).expect("the medium works");
    assert!(found || woken, "broken: a waiting agent is woken. Seen: it sleeps on beside a task that was acknowledged");
}

/// A task that agent 1 holds.
fn held(world: &mut World) -> TaskId {
    let mut told = |order, nonce| world.run(&errand(1, order, 1, nonce, None));
    let (Ok(Answer::Enqueued(_)), Ok(Answer::Claimed(id, ..))) = (told(enqueue(0), 3), told(Order::Claim, 4)) else {
        panic!("nobody is in the way")
    };
    id
}

/// The world and all that happened in it.
struct Stage {
    mix: Mix,
    world: World,
    /// Seconds since the beginning, which only ever pass.
    seconds: u64,
    nonces: u64,
    enqueued: u16,
    history: Vec<Happened>,
}

/// One thing that happened.
enum Happened {
    Began(Errand),
    Called(usize, Call, &'static str),
    Answered(usize, Answer),
}

fn one_schedule(mix: Mix, mistake: Option<Mistake>, tally: &Arc<Tally>) {
    let mut world = World::new();
    let (agents, _) = mix.agents();
    for number in 0..TASKS / 2 {
        let enqueue = errand(0, enqueue(number), 0, 0xe0 + u64::from(number), None);
        world.run(&enqueue).unwrap_or_else(|broken| panic!("{broken}"));
    }
    let stage = Stage { mix, world, seconds: 1, nonces: 0x1000, enqueued: TASKS / 2, history: Vec::new() };
    let stage = Arc::new(Mutex::new(stage));
    let live = |agent| {
        let (stage, tally) = (stage.clone(), tally.clone());
        thread::spawn(move || live(agent, mix, mistake, &stage, &tally))
    };
    let agents: Vec<_> = (0..agents).map(live).collect();
    agents.into_iter().for_each(|agent| agent.join().expect("an agent that fails ends the schedule"));
    let mut stage = stage.lock().expect("nobody else is left");
    let end = stage.world.heal(LATER).and_then(|()| stage.world.drain(LATER)).and_then(|()| stage.world.heal(LATER));
    if let Err(broken) = end {
        stage.fail(&broken);
    }
    tally.schedules.fetch_add(1, Ordering::Relaxed);
}

/// An agent's life: one errand after the other, each by another clock and with another fate. Its queue remembers from
/// one to the next, until it dies. Every other agent knows that the medium orders names, and ends tasks by one flush.
fn live(agent: usize, mix: Mix, mistake: Option<Mistake>, stage: &Mutex<Stage>, tally: &Tally) {
    let mut lease: Option<(TaskId, Nonce)> = None;
    let at_hand: RefCell<Option<(Errand, Fate)>> = RefCell::default();
    let calls = Cell::new(0);
    let ask = |call: Call| {
        calls.set(calls.get() + 1);
        let at_hand = at_hand.borrow();
        let (errand, fate) = at_hand.as_ref().expect("an errand is at hand");
        stage.lock().expect("agents do not panic").call(errand, call, fate.at(calls.get()))
    };
    let mut queue = None;
    for _ in 0..mix.agents().1 {
        let errand = stage.lock().expect("agents do not panic").next_errand(agent, lease);
        let fate = Fate::draw(errand.order);
        at_hand.replace(Some((errand, fate)));
        calls.set(0);
        let answer = match &queue {
            Some(queue) => errand.run_on(queue),
            None => match Queue::open(answered(mistake, ask).ordering_names(agent.is_multiple_of(2).then_some(true))) {
                Ok(opened) => errand.run_on(queue.insert(opened)),
                Err(_) => Answer::Unknown,
            },
        };
        tally.calls.fetch_add(calls.get(), Ordering::Relaxed);
        if fate.what != Mishap::None && calls.get() >= fate.when {
            tally.mishaps.fetch_add(1, Ordering::Relaxed);
            if fate.what == Mishap::Death {
                (lease, queue) = (None, None);
                continue;
            }
        }
        match answer {
            Answer::Claimed(id, _, nonce) => lease = Some((id, nonce)),
            Answer::Ended(..) | Answer::Followed(..) | Answer::TriedAgain(..) | Answer::Released(..) => lease = None,
            _ => {}
        }
        tally.count(&answer);
        stage.lock().expect("agents do not panic").told(&errand, &answer);
    }
}

impl Mix {
    /// How many agents there are, and how many errands each has.
    fn agents(self) -> (usize, u64) {
        if matches!(self, Mix::Keys) { AGENTS_WITH_KEYS } else { AGENTS }
    }
}

impl Stage {
    fn next_errand(&mut self, agent: usize, lease: Option<(TaskId, Nonce)>) -> Errand {
        let mut random = thread_rng();
        self.seconds += random.gen_range(0..3);
        let tasks: Vec<TaskId> = self.world.ledger.tasks().collect();
        let any = tasks[random.gen_range(0..tasks.len())];
        let mine = lease.map_or(any, |(id, _)| id);
        let may_enqueue = self.enqueued < TASKS;
        let order = match (self.mix, random.gen_range(0..30), lease) {
            (Mix::Everything, 0..4, _) if may_enqueue => self.enqueue_any(any),
            (Mix::Shelving, 0..12, _) if may_enqueue => {
                self.enqueued += 1;
                enqueue(self.enqueued - 1)
            }
            (Mix::Keys, 0..14, _) => Order::Enqueue(self.unique()),
            (Mix::Keys, 14..17, _) => Order::EnqueueBoth([self.unique(), self.unique()]),
            (Mix::Keys, 17..20, _) => Order::Retry(any),
            (Mix::Keys, 20..22, _) => Order::ForceCancel(any),
            (Mix::Keys, 22, _) => Order::Repair,
            (Mix::Keys, 23, _) => Order::Gc,
            (Mix::Keys, 24, _) => Order::Import(self.unique(), after(0)),
            (Mix::Keys, 25..27, Some(_)) => Order::Complete(mine),
            (Mix::Everything, 0, _) | (Mix::Shelving, 0..21, _) => Order::Repair,
            (Mix::Everything, 1..3, _) => Order::Cancel(any),
            (Mix::Everything, 3, _) => Order::ForceCancel(any),
            (Mix::Everything, 4, _) => Order::Heartbeat(any),
            (Mix::Everything, 5, _) if random.gen_bool(0.5) => Order::Complete(any),
            (Mix::Everything, 5, _) => Order::Release(any),
            (Mix::Everything, 6, _) => Order::RequestCancel(any),
            (Mix::Everything, 7, _) => Order::Retry(any),
            (Mix::Everything, 8, _) => self.rarer(),
            (Mix::Everything, 9..12, Some(_)) => Order::Heartbeat(mine),
            (Mix::Everything, 12..14, Some(_)) => Order::Progress(mine),
            (Mix::Everything, 14..16, Some(_)) if may_enqueue => match self.enqueue_any(any) {
                Order::Enqueue(new) => Order::CompleteAndEnqueue(mine, new),
                other => other,
            },
            (Mix::Everything, 14..18, Some(_)) => Order::Complete(mine),
            (Mix::Everything, 18..21, Some(_)) => Order::Fail(mine),
            (Mix::Everything, 21, Some(_)) => Order::FailFinally(mine),
            (Mix::Everything, 22..24, Some(_)) => Order::Release(mine),
            (Mix::Everything, 24, Some(_)) => Order::ReleaseLater(mine, 2),
            _ => Order::Claim,
        };
        // A clock that is right, or wrong by up to a lease's length.
        let jump =
            if random.gen_bool(0.3) { random.gen_range(0..=2 * LEASE_SECONDS as u64) } else { LEASE_SECONDS as u64 };
        let seconds = (self.seconds + jump).saturating_sub(LEASE_SECONDS as u64);
        // A doctor whose clock is so wrong that it takes every enqueuer at work for dead.
        let seconds = if order == Order::Repair { seconds + 100 } else { seconds };
        self.nonces += 0x1000;
        let meant = lease.filter(|(id, _)| *id == mine && random.gen_bool(0.5)).map(|(_, nonce)| nonce);
        let errand = errand(agent, order, seconds, self.nonces, meant);
        self.history.push(Happened::Began(errand));
        errand
    }

    /// A task with one of the keys.
    fn unique(&mut self) -> New {
        self.enqueued += 1;
        let key = thread_rng().gen_range(0..KEYS);
        New { number: self.enqueued, ttl_seconds: 100_000, is_unique: true, key, ..New::default() }
    }

    /// What agents do now and then, and whoever looks after them.
    fn rarer(&mut self) -> Order {
        let new = |number| New { number, ttl_seconds: 100_000, ..New::default() };
        match thread_rng().gen_range(0..12) {
            0..3 => Order::Gc,
            3 => Order::Export,
            // Some are there already.
            4 => Order::Import(new(1_000 + self.enqueued % 2), after(0)),
            5 if self.enqueued < TASKS => {
                self.enqueued += 2;
                Order::EnqueueBoth([new(self.enqueued - 2), new(self.enqueued - 1)])
            }
            6 => Order::Pause,
            7 => Order::Resume,
            8 => Order::Limit(Some(1)),
            9 => Order::Limit(None),
            _ => Order::Sweep,
        }
    }

    /// A task of any kind; if it waits for others, then for `parent`.
    fn enqueue_any(&mut self, parent: TaskId) -> Order {
        self.enqueued += 1;
        let Order::Enqueue(plain) = enqueue(self.enqueued - 1) else { unreachable!("it enqueues") };
        let mut random = thread_rng();
        let if_parent_fails = IfParentFails::ALL[random.gen_range(0..3)];
        let new = New { if_parent_fails, ..plain };
        let new = match random.gen_range(0..6) {
            0 | 1 => New { after: [Some(parent), None], ..new },
            2 => New { after: [Some(parent), self.world.ledger.tasks().next()], ..new },
            3 | 4 => New { is_unique: true, ..new },
            _ => new,
        };
        let delay_seconds = if random.gen_bool(0.2) { 2 } else { 0 };
        Order::Enqueue(New { delay_seconds, ..new })
    }

    fn call(&mut self, errand: &Errand, call: Call, mishap: Mishap) -> Reply {
        let what = match mishap {
            Mishap::None => "",
            Mishap::Death => " … is dead",
            Mishap::Failure => ": fails",
            Mishap::FailureAfter => ": takes effect, but is reported as failed",
            Mishap::Repetition => ": takes effect, the reply is lost, the call repeated",
        };
        let reply = match mishap {
            Mishap::Death => failed(StoreErrorKind::Other),
            Mishap::Failure => self.world.fail(&call),
            _ => match self.world.call(&call, errand) {
                Ok(reply) if mishap == Mishap::Repetition => repeated(&reply),
                Ok(_) if mishap == Mishap::FailureAfter => failed(StoreErrorKind::Other),
                Ok(reply) => reply,
                Err(broken) => {
                    self.history.push(Happened::Called(errand.agent, call, what));
                    self.fail(&broken)
                }
            },
        };
        self.history.push(Happened::Called(errand.agent, call, what));
        reply
    }

    fn told(&mut self, errand: &Errand, answer: &Answer) {
        self.history.push(Happened::Answered(errand.agent, *answer));
        if let Err(broken) = self.world.told(errand, answer) {
            self.fail(&broken);
        }
    }

    fn fail(&self, broken: &Broken) -> ! {
        let history: Vec<String> = self.history.iter().map(Happened::to_string).collect();
        panic!("{}\n{broken}", history.join("\n"))
    }
}

/// What befalls an agent on one errand, and at which of its calls.
#[derive(Clone, Copy, Debug)]
struct Fate {
    what: Mishap,
    when: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mishap {
    None,
    Death,
    Failure,
    FailureAfter,
    Repetition,
}

impl Fate {
    /// Two errands of three go well.
    fn draw(order: Order) -> Fate {
        let mishaps = [Mishap::Death, Mishap::Failure, Mishap::FailureAfter, Mishap::Repetition];
        let mut random = thread_rng();
        let what = mishaps.get(random.gen_range(0..12)).copied().unwrap_or(Mishap::None);
        // A doctor makes about a hundred calls, and the last of them are those that mend.
        let calls = if order == Order::Repair { 120 } else { 25 };
        Fate { what, when: random.gen_range(1..calls) }
    }

    fn at(self, call: u64) -> Mishap {
        let now = if self.what == Mishap::Death { call >= self.when } else { call == self.when };
        if now { self.what } else { Mishap::None }
    }
}

/// One of three kinds: tried once, tried three times, and of little patience.
fn enqueue(number: u16) -> Order {
    let (ttl_seconds, max_attempts) = (if number % 3 == 2 { 4 } else { 100_000 }, (number % 3 == 1).then_some(3));
    Order::Enqueue(New { number, priority: i64::from(number % 2), ttl_seconds, max_attempts, ..New::default() })
}

fn errand(agent: usize, order: Order, seconds: u64, nonce: u64, lease: Option<Nonce>) -> Errand {
    Errand { agent, order, now: after(seconds), nonce: Nonce::from_bits(nonce), lease }
}

impl Tally {
    fn count(&self, answer: &Answer) {
        let counter = match answer {
            Answer::Claimed(..) => &self.claims,
            Answer::Ended(..) | Answer::Followed(..) => &self.ends,
            Answer::Released(..) => &self.releases,
            Answer::TriedAgain(..) => &self.failures,
            Answer::PutBack(_) => &self.retries,
            Answer::Refused(_) => &self.refusals,
            _ => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (done, told) = (
            [&self.schedules, &self.calls, &self.mishaps],
            [&self.claims, &self.ends, &self.releases, &self.failures, &self.retries, &self.refusals],
        );
        let [schedules, calls, mishaps] = done.map(|counter| counter.load(Ordering::Relaxed));
        let [claims, ends, releases, failures, retries, refusals] = told.map(|counter| counter.load(Ordering::Relaxed));
        write!(f, "{schedules} schedules, {calls} store operations, {mishaps} deaths and failures, {claims} claims, ")?;
        write!(f, "{ends} ends, {releases} releases, {failures} failures with attempts left, {retries} retries, ")?;
        write!(f, "{refusals} refusals")
    }
}

impl fmt::Display for Happened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Happened::Began(errand) => write!(f, "{errand}"),
            Happened::Called(agent, call, what) => write!(f, "  {}: {call}{what}", String::from(agent::name(*agent))),
            Happened::Answered(agent, answer) => {
                write!(f, "  {}: is told {answer:?}", String::from(agent::name(*agent)))
            }
        }
    }
}
