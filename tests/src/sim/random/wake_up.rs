//! A waiting agent is woken by a task that it could not see when it looked.

use coord_core::name::Nonce;
use coord_core::queue::{Thoroughness, Watch};
use coord_core::{Queue, TaskId, Turn};
use shuttle::scheduler::RandomScheduler;
use shuttle::sync::{Arc, Mutex};
use shuttle::{Config, Runner, thread};

use super::STACK_BYTES;
use super::stage::{enqueue, invocation};
use crate::sim::agent::{self, Answer, after};
use crate::sim::call::Call;
use crate::sim::operation::Operation;
use crate::sim::seeded_bug::{SeededBug, answered};
use crate::sim::world::World;

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
pub fn explore_wake_ups(appearance: Appearance, schedules: usize, seed: u64, bug: Option<SeededBug>) {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    let schedule = move || one_wake_up(appearance, bug);
    Runner::new(RandomScheduler::new_from_seed(seed, schedules), config).run(schedule);
}

fn one_wake_up(appearance: Appearance, bug: Option<SeededBug>) {
    let mut world = World::new();
    let operation = match appearance {
        Appearance::Enqueued => enqueue(0),
        Appearance::Released => Operation::Release(held(&mut world)),
    };
    let world = Arc::new(Mutex::new(world));
    let store = move |world: Arc<Mutex<World>>, agent, operation| {
        let invocation = invocation(agent, operation, 1, 1 + agent as u64, None);
        answered(bug, move |call: Call| {
            let reply = world.lock().expect("nobody panics").call(&call, &invocation);
            reply.unwrap_or_else(|broken| panic!("{broken}"))
        })
    };
    let waiters = world.clone();
    let waiter = thread::spawn(move || {
        let queue = Queue::open(store(waiters, 0, Operation::Claim)).expect("a queue");
        let request = agent::claim_by(0);
        let mut watch = Watch::default();
        let now = after(1);
        let turn = Turn::new(&now, Nonce::from_bits(1));
        let claim = queue.claim_or_watch(&request, Thoroughness::Quick, Some(&mut watch), &turn);
        let found = claim.expect("the medium works").claimed.is_some();
        (found, watch)
    });
    let others = world.clone();
    let other = thread::spawn(move || invocation(1, operation, 1, 2, None).run(store(others, 1, operation)));
    let (found, watch) = waiter.join().expect("nobody panics");
    assert!(matches!(other.join(), Ok(Answer::Enqueued(_) | Answer::Released(..))), "nobody is in the way");
    let queue = Queue::open(store(world, 0, Operation::Claim)).expect("a queue");
    let woken = queue.may_have_changed(&watch, after(1)).expect("the medium works");
    assert!(found || woken, "broken: a waiting agent is woken. Seen: it sleeps on beside a task that was acknowledged");
}

/// A task that agent 1 holds.
fn held(world: &mut World) -> TaskId {
    let mut told = |operation, nonce| world.run(&invocation(1, operation, 1, nonce, None));
    let (Ok(Answer::Enqueued(_)), Ok(Answer::Claimed(id, ..))) = (told(enqueue(0), 3), told(Operation::Claim, 4))
    else {
        panic!("nobody is in the way")
    };
    id
}
