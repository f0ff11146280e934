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
    /// Mostly what removes tasks, and what needs them nevertheless: those that wait for them, and who puts them back.
    Removing,
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

/// What happens in schedules, and where.
#[derive(Clone, Copy, Debug)]
pub struct Play {
    /// How the next one is chosen.
    pub choice: Choice,
    /// What agents are told to do.
    pub mix: Mix,
    /// The queue is in an engine, and replies may be lost: see [`super::every::Scenario::is_whole`].
    pub is_whole: bool,
    /// The bug in the agents' programs.
    pub bug: Option<SeededBug>,
}

impl Play {
    /// Schedules of correct programs in a directory.
    pub fn new(choice: Choice, mix: Mix) -> Play {
        Play { choice, mix, is_whole: false, bug: None }
    }

    /// The same in an engine.
    pub fn whole(self) -> Play {
        Play { is_whole: true, ..self }
    }

    /// The same with a bug.
    pub fn with(self, bug: SeededBug) -> Play {
        Play { bug: Some(bug), ..self }
    }
}

/// Runs so many schedules, and smaller ones before. Panics at the first that breaks an invariant, having printed it;
/// `shuttle` prints below that how to run it again.
pub fn explore(play: Play, schedules: usize, seed: u64) -> Arc<Tally> {
    let tally = Arc::new(Tally::default());
    let [small @ .., largest] = play.mix.sizes();
    for size in small {
        explore_size(play, size, schedules.div_ceil(ONE_SMALL_ONE_IN), seed, &tally);
    }
    explore_size(play, largest, schedules, seed, &tally);
    tally
}

fn explore_size(play: Play, size: Size, schedules: usize, seed: u64, tally: &Arc<Tally>) {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    let counting = tally.clone();
    let schedule = move || one_schedule(play, size, &counting);
    match play.choice {
        Choice::Uniform => Runner::new(RandomScheduler::new_from_seed(seed, schedules), config).run(schedule),
        Choice::Priorities => Runner::new(PctScheduler::new_from_seed(seed, 4, schedules), config).run(schedule),
    };
}

fn one_schedule(play: Play, size: Size, tally: &Arc<Tally>) {
    let Play { mix, is_whole, bug, .. } = play;
    let mut world = if is_whole { World::whole() } else { World::new() };
    for number in 0..TASKS / 2 {
        let enqueue = invocation(0, enqueue(number), 0, 0xe0 + u64::from(number), None);
        world.run(&enqueue).unwrap_or_else(|broken| panic!("{broken}"));
    }
    let (late, history) = (Vec::new(), Vec::new());
    let stage = Stage { mix, world, late, seconds: 1, nonces: 0x1000, enqueued: TASKS / 2, history };
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
    // What has not arrived by then may still.
    if stage.arrive() {
        while stage.arrive() {}
        if let Err(broken) = stage.world.drain(2 * LATER).and_then(|()| stage.world.heal(2 * LATER)) {
            stage.fail(&broken);
        }
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
    let is_whole = stage.lock().expect("agents do not panic").world.tree.is_whole();
    let orders_names = agent.is_multiple_of(2).then_some(true);
    let store = || answered(bug, ask).ordering_names(orders_names).whole(is_whole);
    let mut queue = None;
    for _ in 0..size.invocations_each {
        let invocation = stage.lock().expect("agents do not panic").next_invocation(agent, lease);
        let planned = PlannedMishap::draw(invocation.operation, is_whole);
        at_hand.replace(Some((invocation, planned)));
        calls.set(0);
        let answer = match &queue {
            Some(queue) => invocation.run_on(queue),
            None => match Queue::open(store()) {
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
