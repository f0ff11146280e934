//! Random schedules of more agents than can be explored to the end, by `shuttle`: the real code on threads, of which
//! one runs at a time, and who is next is chosen at every store operation.

mod stage;
mod wake_up;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use coord_core::name::Nonce;
use coord_core::{Queue, TaskId};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::{Arc, Mutex};
use shuttle::{Config, Runner, thread};
use stage::{Mishap, PlannedMishap, Stage, enqueue, invocation};
pub use wake_up::{Appearance, explore_wake_ups};

use super::agent::{Answer, Invocation};
use super::call::Call;
use super::seeded_bug::{SeededBug, answered};
use super::world::World;

/// How much happens in a schedule.
#[derive(Clone, Copy, Debug)]
struct Size {
    agents: usize,
    invocations_each: u64,
}

impl Size {
    const fn new(agents: usize, invocations_each: u64) -> Size {
        Size { agents, invocations_each }
    }
}

/// The sizes of the schedules, the smallest first: what can break in a small one is shown in a small one.
const SIZES: [Size; 4] = [Size::new(2, 2), Size::new(2, 3), Size::new(3, 3), Size::new(4, 5)];

/// The same where agents ask for the same keys.
const SIZES_WITH_KEYS: [Size; 4] = [Size::new(2, 2), Size::new(3, 2), Size::new(4, 3), Size::new(8, 3)];

/// For so many schedules of the largest size there is one of each smaller size.
const ONE_SMALL_ONE_IN: usize = 10;

/// How many tasks there are at most; half of them are there from the beginning.
const TASKS: u16 = 6;

/// When the last lease is over, in seconds after the beginning, and time buckets are old enough to be removed.
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
    /// Mostly what makes entries: enqueuing, claiming, and relinking by doctors that take all agents for dead.
    Relinking,
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

/// Runs so many schedules, and smaller ones before. Panics at the first that breaks an invariant, having printed it;
/// `shuttle` prints below that how to run it again.
pub fn explore(choice: Choice, mix: Mix, schedules: usize, seed: u64, bug: Option<SeededBug>) -> Arc<Tally> {
    let tally = Arc::new(Tally::default());
    let [small @ .., largest] = mix.sizes();
    for size in small {
        explore_size(choice, mix, size, schedules.div_ceil(ONE_SMALL_ONE_IN), seed, bug, &tally);
    }
    explore_size(choice, mix, largest, schedules, seed, bug, &tally);
    tally
}

fn explore_size(
    choice: Choice,
    mix: Mix,
    size: Size,
    schedules: usize,
    seed: u64,
    bug: Option<SeededBug>,
    tally: &Arc<Tally>,
) {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    let counting = tally.clone();
    let schedule = move || one_schedule(mix, size, bug, &counting);
    match choice {
        Choice::Uniform => Runner::new(RandomScheduler::new_from_seed(seed, schedules), config).run(schedule),
        Choice::Priorities => Runner::new(PctScheduler::new_from_seed(seed, 4, schedules), config).run(schedule),
    };
}

fn one_schedule(mix: Mix, size: Size, bug: Option<SeededBug>, tally: &Arc<Tally>) {
    let mut world = World::new();
    for number in 0..TASKS / 2 {
        let enqueue = invocation(0, enqueue(number), 0, 0xe0 + u64::from(number), None);
        world.run(&enqueue).unwrap_or_else(|broken| panic!("{broken}"));
    }
    let stage = Stage { mix, world, seconds: 1, nonces: 0x1000, enqueued: TASKS / 2, history: Vec::new() };
    let stage = Arc::new(Mutex::new(stage));
    let live = |agent| {
        let (stage, tally) = (stage.clone(), tally.clone());
        thread::spawn(move || live(agent, size, bug, &stage, &tally))
    };
    let agents: Vec<_> = (0..size.agents).map(live).collect();
    agents.into_iter().for_each(|agent| agent.join().expect("an agent that fails ends the schedule"));
    let mut stage = stage.lock().expect("nobody else is left");
    let end = stage.world.heal(LATER).and_then(|()| stage.world.drain(LATER)).and_then(|()| stage.world.heal(LATER));
    if let Err(broken) = end {
        stage.fail(&broken);
    }
    tally.schedules.fetch_add(1, Ordering::Relaxed);
}

/// An agent's life: one invocation after the other, each by another clock and with another mishap or none. Its queue
/// keeps its cache until it dies. Every other agent knows that the medium orders names, and ends tasks by one flush.
fn live(agent: usize, size: Size, bug: Option<SeededBug>, stage: &Mutex<Stage>, tally: &Tally) {
    let mut lease: Option<(TaskId, Nonce)> = None;
    let at_hand: RefCell<Option<(Invocation, PlannedMishap)>> = RefCell::default();
    let calls = Cell::new(0);
    let ask = |call: Call| {
        calls.set(calls.get() + 1);
        let at_hand = at_hand.borrow();
        let (invocation, planned) = at_hand.as_ref().expect("an invocation is at hand");
        stage.lock().expect("agents do not panic").call(invocation, call, planned.at(calls.get()))
    };
    let mut queue = None;
    for _ in 0..size.invocations_each {
        let invocation = stage.lock().expect("agents do not panic").next_invocation(agent, lease);
        let planned = PlannedMishap::draw(invocation.operation);
        at_hand.replace(Some((invocation, planned)));
        calls.set(0);
        let answer = match &queue {
            Some(queue) => invocation.run_on(queue),
            None => match Queue::open(answered(bug, ask).ordering_names(agent.is_multiple_of(2).then_some(true))) {
                Ok(opened) => invocation.run_on(queue.insert(opened)),
                Err(_) => Answer::Unknown,
            },
        };
        tally.calls.fetch_add(calls.get(), Ordering::Relaxed);
        if planned.what != Mishap::None && calls.get() >= planned.when {
            tally.mishaps.fetch_add(1, Ordering::Relaxed);
            if planned.what == Mishap::Death {
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
        stage.lock().expect("agents do not panic").told(&invocation, &answer);
    }
}

impl Mix {
    fn sizes(self) -> [Size; 4] {
        if matches!(self, Mix::Keys) { SIZES_WITH_KEYS } else { SIZES }
    }
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
