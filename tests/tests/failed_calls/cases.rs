//! The operations, each with the queue that it meets.

use std::cell::{Cell, RefCell};

use coord_core::entry::Entry;
use coord_core::name::QueueName;
use coord_core::store::StoreErrorKind;
use coord_core::store::mem::Tree;
use coord_core::task::IfParentFails;
use coord_core::{Task, TaskId, layout};
use coord_tests::sim::agent::{Answer, Invocation, after};
use coord_tests::sim::call::{Answered, Call, failed};
use coord_tests::sim::operation::{New, Operation};
use coord_tests::sim::oracle::{Oracle, entries};
use coord_tests::sim::world::World;

use super::{Case, invocation, run};

/// A queue with three tasks: one waits, one may wait three seconds, one is held for three.
fn busy() -> (World, TaskId) {
    let mut world = World::new();
    for (number, ttl_seconds) in [(0, 500), (1, 100_000), (2, 3)] {
        run(&mut world, Operation::Enqueue(New { number, priority: -i64::from(number), ttl_seconds, ..TASK }), 1);
    }
    let Answer::Claimed(held, ..) = run(&mut world, Operation::Claim, 2) else { panic!("there are three") };
    (world, held)
}

/// A queue with one task, which is held.
fn holding(new: New) -> (World, TaskId) {
    let mut world = World::new();
    run(&mut world, Operation::Enqueue(new), 1);
    let Answer::Claimed(held, ..) = run(&mut world, Operation::Claim, 2) else { panic!("there is one") };
    (world, held)
}

/// The queue after one more operation of the same agent.
fn then(world: &World, operation: Operation, seconds: u64) -> World {
    let mut world = world.clone();
    run(&mut world, operation, seconds);
    world
}

const TASK: New = New {
    number: 7,
    priority: 0,
    ttl_seconds: 100_000,
    max_attempts: None,
    delay_seconds: 0,
    after: [None, None],
    if_parent_fails: IfParentFails::Cancel,
    is_unique: false,
    key: 0,
};

pub(super) fn cases() -> Vec<Case> {
    let (busy, held) = busy();
    let empty = World::empty();
    let case = |name, world: &World, operation, seconds| Case {
        name,
        world: world.clone(),
        invocation: invocation(operation, seconds, 0xbbbb),
    };
    vec![
        case("the first enqueue of all", &empty, Operation::Enqueue(TASK), 3),
        case("enqueue", &busy, Operation::Enqueue(TASK), 3),
        case("claim", &busy, Operation::Claim, 3),
        case("claim, and sweep up a lease and a waiting task whose time ran out", &busy, Operation::Claim, 10),
        case("heartbeat", &busy, Operation::Heartbeat(held), 3),
        case("complete", &busy, Operation::Complete(held), 3),
        case("fail", &busy, Operation::Fail(held), 3),
        case("release", &busy, Operation::Release(held), 3),
        case("release to a place that is gone", &emptied(&busy, held), Operation::Release(held), 13),
        case("cancel", &busy, Operation::ForceCancel(held), 3),
        case("doctor", &damaged(&busy, held), Operation::Repair, 400),
    ]
}

/// As [`cases`], of what needs a plan.
pub(super) fn planned_cases() -> Vec<Case> {
    let case = |name, world: &World, operation, seconds| Case {
        name,
        world: world.clone(),
        invocation: invocation(operation, seconds, 0xbbbb),
    };
    let (trying, tried) = holding(New { max_attempts: Some(2), ..TASK });
    let failed = then(&trying, Operation::Fail(tried), 3);
    let progressed = then(&trying, Operation::Progress(tried), 3);
    let (holding, held) = holding(TASK);
    let child = New { number: 8, after: [Some(held), None], ..TASK };
    let waiting = then(&holding, Operation::Enqueue(child), 3);
    let asked = by_another(&holding, Operation::RequestCancel(held));
    let unique = New { is_unique: true, ..TASK };
    let mut keyed = World::new();
    let Answer::Enqueued(one) = run(&mut keyed, Operation::Enqueue(unique), 1) else { panic!("nobody is in the way") };
    let ended = then(&keyed, Operation::Cancel(one), 2);
    let unkeyed = then(&holding, Operation::FailFinally(held), 3);
    let later = New { delay_seconds: 2, ..TASK };
    let scheduled = then(&World::new(), Operation::Enqueue(later), 1);
    let limited = then(&then(&World::new(), Operation::Enqueue(TASK), 1), Operation::Limit(Some(1)), 1);
    vec![
        case("enqueue for later", &holding, Operation::Enqueue(later), 3),
        case("claim what was put off", &scheduled, Operation::Claim, 5),
        case("enqueue what waits for another", &holding, Operation::Enqueue(child), 3),
        case("enqueue what waits for one that has failed", &unkeyed, Operation::Enqueue(child), 4),
        case("complete, and wake who waits", &waiting, Operation::Complete(held), 4),
        case("fail, and cancel who waits", &waiting, Operation::Fail(held), 4),
        case("complete, and enqueue what follows", &holding, Operation::CompleteAndEnqueue(held, TASK), 3),
        case("fail with attempts left", &trying, Operation::Fail(tried), 3),
        case("claim what failed", &failed, Operation::Claim, 6),
        case("claim a task that timed out", &trying, Operation::Claim, 9),
        case("fail finally", &trying, Operation::FailFinally(tried), 3),
        case("progress", &trying, Operation::Progress(tried), 3),
        case("progress again", &progressed, Operation::Progress(tried), 4),
        case("release for later", &trying, Operation::ReleaseLater(tried, 2), 3),
        case("retry", &unkeyed, Operation::Retry(held), 4),
        case("retry one with a key", &ended, Operation::Retry(one), 4),
        case("enqueue with a key", &World::new(), Operation::Enqueue(unique), 3),
        case("enqueue with a key again", &keyed, Operation::Enqueue(New { number: 8, ..unique }), 3),
        case("enqueue with a key that was another's", &ended, Operation::Enqueue(New { number: 8, ..unique }), 3),
        case("heartbeat when asked to stop", &asked, Operation::Heartbeat(held), 4),
        case("release when asked to stop", &asked, Operation::Release(held), 4),
        case("sweep when asked to stop", &asked, Operation::Sweep, 9),
        case("sweep", &then(&waiting, Operation::ReleaseLater(held, 2), 4), Operation::Sweep, 9),
        case("sweep an end that is not finished", &half_ended(), Operation::Sweep, 9),
        case("pause", &holding, Operation::Pause, 3),
        case("resume", &then(&holding, Operation::Pause, 3), Operation::Resume, 3),
        case("limit", &holding, Operation::Limit(Some(2)), 3),
        case("claim within a limit", &limited, Operation::Claim, 3),
        case("ask to stop", &holding_of_another(), Operation::RequestCancel(held), 3),
    ]
}

/// A queue with a task whose holder died after it had renamed it to its end, where names are ordered.
pub(super) fn half_ended() -> World {
    let (world, held) = holding(TASK);
    let (world, is_dead) = (RefCell::new(world), Cell::new(false));
    let complete = invocation(Operation::Complete(held), 3, 0xdddd);
    let store = Answered::by(|call: Call| {
        if is_dead.get() {
            return failed(StoreErrorKind::Other);
        }
        is_dead.set(matches!(call, Call::Rename(..)));
        world.borrow_mut().call(&call, &complete).unwrap()
    });
    assert_eq!(complete.run(store.ordering_names(true)), Answer::Unknown);
    world.into_inner()
}

/// As [`cases`], of what is done with many tasks, or with what has ended.
pub(super) fn cases_of_many() -> Vec<Case> {
    let case = |name, world: &World, operation, seconds| Case {
        name,
        world: world.clone(),
        invocation: invocation(operation, seconds, 0xbbbb),
    };
    let [one, other] = [8, 9].map(|number| New { number, ..TASK });
    let [keyed, same_key, other_key] =
        [(8, 0), (9, 0), (10, 1)].map(|(number, key)| New { number, is_unique: true, key, ..TASK });
    let (holding, held) = holding(TASK);
    let completed = then(&holding, Operation::Complete(held), 3);
    let mut both = then(&holding, Operation::Enqueue(one), 3);
    let Answer::Claimed(second, ..) = run(&mut both, Operation::Claim, 3) else { panic!("there is one") };
    // It waits for the one that has not ended, and lists the one that is to be removed.
    let child = New { number: 11, after: [Some(held), Some(second)], ..TASK };
    let waiting = then(&then(&both, Operation::Enqueue(child), 4), Operation::Complete(second), 4);
    vec![
        case("enqueue a batch", &holding, Operation::EnqueueBoth([one, other]), 3),
        case("enqueue a batch with keys", &holding, Operation::EnqueueBoth([keyed, other_key]), 3),
        case("enqueue a batch with one key", &holding, Operation::EnqueueBoth([keyed, same_key]), 3),
        case("gc", &completed, Operation::Gc, 4),
        case("gc of what is waited for", &waiting, Operation::Gc, 5),
        case(
            "fail what is one of two that are waited for",
            &then(&both, Operation::Enqueue(child), 4),
            Operation::Fail(second),
            4,
        ),
        case("export", &waiting, Operation::Export, 5),
        case("import", &holding, Operation::Import(one, after(0)), 3),
        case("import one with a key", &holding, Operation::Import(keyed, after(0)), 3),
        case(
            "import what is there",
            &then(&holding, Operation::Import(one, after(0)), 3),
            Operation::Import(one, after(0)),
            4,
        ),
    ]
}

/// The queue after one operation of another agent.
fn by_another(world: &World, operation: Operation) -> World {
    let mut world = world.clone();
    world.run(&Invocation { agent: 0, ..invocation(operation, 3, 0xaaaa) }).unwrap();
    world
}

/// A queue with the one task, which another agent holds.
fn holding_of_another() -> World {
    let mut world = World::new();
    run(&mut world, Operation::Enqueue(TASK), 1);
    by_another(&world, Operation::Claim)
}

/// The queue later, when the directory that the held task had waited in was empty for long and has been removed.
fn emptied(world: &World, held: TaskId) -> World {
    let mut world = world.clone();
    run(&mut world, Operation::Heartbeat(held), 12);
    run(&mut world, Operation::Claim, 12);
    let bucket = layout::ready_bucket(&QueueName::default_queue(), 0, after(1));
    assert!(world.tree.list(&bucket).is_none(), "{bucket:?} is there");
    world
}

/// A queue with a defect of each kind that the doctor repairs.
fn damaged(world: &World, held: TaskId) -> World {
    let mut tree = Tree::clone(&world.tree);
    let lost = entries(&tree).find(|(_, entry)| entry.id != held).unwrap();
    tree.remove(&lost.0).unwrap();
    tree.remove(&layout::record(held)).unwrap();
    let misplaced = entries(&tree).find(|(_, entry)| entry.id != held && entry.id != lost.1.id).unwrap().0;
    tree.rename(&misplaced, &layout::shard_of(layout::StateDir::Claimed, held).file(misplaced.name.as_str())).unwrap();
    let (held_path, _) = entries(&tree).find(|(_, entry)| entry.id == held).unwrap();
    let task = serde_json::from_slice(tree.content(&held_path).unwrap()).unwrap();
    let older = Entry::first(&Task { id: held, record: task });
    tree.link(&held_path, &layout::home(&older, &QueueName::default_queue()).file(older.to_string()));
    let torn = layout::record(TaskId::of_canonical(b"torn"));
    tree.make_dir(&torn.dir).unwrap();
    for leftover in [layout::tmp().file("draft"), torn] {
        tree.create(&leftover, b"{");
    }
    World { oracle: Oracle::of(&tree), tree: tree.into(), orders_names: false }
}
