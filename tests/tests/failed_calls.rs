//! Each operation of the queue, with its first store operation failing, then its second, and so on until it succeeds: in
//! each way in which a store can fail, and with effect as well as without. Whatever happens, nothing that was acknowledged
//! is missing, and the doctor has nothing to complain of.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use coord_core::TaskId;
use coord_core::entry::Entry;
use coord_core::layout;
use coord_core::name::{Nonce, QueueName};
use coord_core::store::StoreErrorKind;
use coord_core::store::mem::Tree;
use coord_tests::report;
use coord_tests::sim::agent::{Answer, Errand, LONG_NAMED, Order, after};
use coord_tests::sim::call::{Answered, Call, FAILURES, failed, repeated};
use coord_tests::sim::ledger::{Ledger, entries};
use coord_tests::sim::world::World;

/// How a call fails.
#[derive(Clone, Copy, Debug)]
enum Failing {
    /// Nothing is changed.
    Without(StoreErrorKind),
    /// It took effect all the same.
    After(StoreErrorKind),
    /// It took effect, the reply was lost, and the call was sent once more.
    Repeated,
}

/// An operation, and the queue that it meets.
struct Case {
    name: &'static str,
    world: World,
    errand: Errand,
}

const LATER: u64 = 1_000;

fn errand(order: Order, seconds: u64, nonce: u64) -> Errand {
    // One whose run id is too long for a name, so that it has to be written down apart.
    Errand { agent: LONG_NAMED, order, now: after(seconds), nonce: Nonce::from_bits(nonce), lease: None }
}

fn run(world: &mut World, order: Order, seconds: u64) -> Answer {
    let nonce = seconds * 0x1_0000 + world.ledger.tasks().count() as u64;
    world.run(&errand(order, seconds, nonce)).unwrap()
}

/// A queue with three tasks: one waits, one may wait three seconds, one is held for three.
fn busy() -> (World, TaskId) {
    let mut world = World::new();
    for (number, ttl) in [(0, 500), (1, 100_000), (2, 3)] {
        run(&mut world, Order::Enqueue(number, -i64::from(number), ttl), 1);
    }
    let Answer::Claimed(held, ..) = run(&mut world, Order::Claim, 2) else { panic!("there are three") };
    (world, held)
}

fn cases() -> Vec<Case> {
    let (busy, held) = busy();
    let empty = World::empty();
    let case = |name, world: &World, order, seconds| Case {
        name,
        world: world.clone(),
        errand: errand(order, seconds, 0xbbbb),
    };
    vec![
        case("the first enqueue of all", &empty, Order::Enqueue(7, 0, 500), 3),
        case("enqueue", &busy, Order::Enqueue(7, 0, 500), 3),
        case("claim", &busy, Order::Claim, 3),
        case("claim, and sweep up a lease and a waiting task whose time ran out", &busy, Order::Claim, 10),
        case("heartbeat", &busy, Order::Heartbeat(held), 3),
        case("complete", &busy, Order::Complete(held), 3),
        case("fail", &busy, Order::Fail(held), 3),
        case("release", &busy, Order::Release(held), 3),
        case("release to a place that is gone", &emptied(&busy, held), Order::Release(held), 13),
        case("cancel", &busy, Order::ForceCancel(held), 3),
        case("doctor", &damaged(&busy, held), Order::Repair, 400),
    ]
}

/// The queue later, when the directory that the held task had waited in was empty for long and has been removed.
fn emptied(world: &World, held: TaskId) -> World {
    let mut world = world.clone();
    run(&mut world, Order::Heartbeat(held), 12);
    run(&mut world, Order::Claim, 12);
    let leaf = layout::ready_leaf(&QueueName::default_queue(), 0, after(1));
    assert!(world.tree.list(&leaf).is_none(), "{leaf:?} is there");
    world
}

/// A queue with something for each of the doctor's hands to do.
fn damaged(world: &World, held: TaskId) -> World {
    let mut tree = Tree::clone(&world.tree);
    let lost = entries(&tree).find(|(_, entry)| entry.id != held).unwrap();
    tree.remove(&lost.0).unwrap();
    tree.remove(&layout::record(held)).unwrap();
    let misplaced = entries(&tree).find(|(_, entry)| entry.id != held && entry.id != lost.1.id).unwrap().0;
    tree.rename(&misplaced, &layout::shelf_of(layout::Shelf::Claimed, held).file(misplaced.name.as_str())).unwrap();
    let (held_path, entry) = entries(&tree).find(|(_, entry)| entry.id == held).unwrap();
    let older = Entry::first(held, entry.created_at, entry.priority, 500);
    tree.link(&held_path, &layout::home(&older, &QueueName::default_queue()).file(older.to_string()));
    let torn = layout::record(TaskId::of_canonical(b"torn"));
    tree.make_dir(&torn.dir).unwrap();
    for leftover in [layout::tmp().file("draft"), torn] {
        tree.create(&leftover, b"{");
    }
    World { ledger: Ledger::of(&tree), tree: tree.into() }
}

/// Runs the case with its n-th call failing; `None` if it has no n-th call.
fn fail(case: &Case, n: usize, failing: Failing) -> Option<(World, Answer)> {
    let (world, calls) = (RefCell::new(case.world.clone()), Cell::new(0));
    let answer = case.errand.run(Answered(|call: Call| {
        calls.set(calls.get() + 1);
        if let (true, Failing::Without(kind)) = (calls.get() == n, failing) {
            return failed(kind);
        }
        let reply = world.borrow_mut().call(&call, case.errand.now).unwrap_or_else(|broken| panic!("{call}: {broken}"));
        match failing {
            Failing::After(kind) if calls.get() == n => failed(kind),
            Failing::Repeated if calls.get() == n => repeated(&reply),
            _ => reply,
        }
    }));
    (calls.get() >= n).then(|| (world.into_inner(), answer))
}

/// What must hold after any failure.
fn check(case: &Case, mut world: World, answer: Answer) {
    world.ledger.told(&case.errand, &answer).unwrap();
    if case.errand.order != Order::Repair {
        let now = world.examine(11);
        assert!(now.is_healthy(), "{now:?}");
    }
    world.heal(LATER).unwrap();
    let again = Errand { nonce: Nonce::from_bits(0xcccc), ..case.errand };
    let answer = world.run(&again).unwrap();
    assert!(!matches!(answer, Answer::Unknown | Answer::Refused("error" | "not_found")), "{answer:?}");
    world.drain(LATER).unwrap();
    world.heal(LATER).unwrap();
}

#[test]
fn every_call_may_fail_in_every_way() {
    let mut ways = vec![Failing::Repeated];
    ways.extend(FAILURES.into_iter().flat_map(|kind| [Failing::Without(kind), Failing::After(kind)]));
    let (mut failures, mut told) = (0, BTreeSet::new());
    for case in cases() {
        for failing in &ways {
            for n in 1.. {
                let Some((world, answer)) = fail(&case, n, *failing) else { break };
                let context = format!("{}, call {n}, {failing:?}, answered {answer:?}", case.name);
                let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&case, world, answer)));
                assert!(checked.is_ok(), "{context}");
                told.insert((case.name, answer == Answer::Unknown));
                failures += 1;
            }
        }
    }
    assert!(cases().iter().all(|case| told.contains(&(case.name, true))), "each operation meets a failure: {told:?}");
    report(format_args!("failed calls: {failures}, in {} operations and {} ways", cases().len(), ways.len()));
}

#[test]
fn without_a_failure_each_operation_succeeds() {
    for case in cases() {
        let answer = case.world.clone().run(&case.errand).unwrap();
        assert!(!matches!(answer, Answer::Refused(_) | Answer::Unknown), "{}: {answer:?}", case.name);
    }
}
