//! Each operation of the queue, with its first store operation failing, then its second, and so on until it succeeds:
//! in each way in which a store can fail, and with effect as well as without. Whatever happens, nothing that was
//! acknowledged is missing, and the doctor has nothing to complain of; and an answer that is an error, unless it says
//! that the outcome is unknown, has left the task as it was.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use coord_core::entry::{Entry, State};
use coord_core::layout::{self, Path};
use coord_core::name::{Nonce, QueueName};
use coord_core::store::StoreErrorKind;
use coord_core::store::mem::Tree;
use coord_core::task::IfParentFails;
use coord_core::transition::is_over;
use coord_core::{Task, TaskId};
use coord_tests::report;
use coord_tests::sim::agent::{Answer, Errand, LONG_NAMED, New, Order, after};
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
    for (number, ttl_seconds) in [(0, 500), (1, 100_000), (2, 3)] {
        run(&mut world, Order::Enqueue(New { number, priority: -i64::from(number), ttl_seconds, ..TASK }), 1);
    }
    let Answer::Claimed(held, ..) = run(&mut world, Order::Claim, 2) else { panic!("there are three") };
    (world, held)
}

/// A queue with one task, which is held.
fn holding(new: New) -> (World, TaskId) {
    let mut world = World::new();
    run(&mut world, Order::Enqueue(new), 1);
    let Answer::Claimed(held, ..) = run(&mut world, Order::Claim, 2) else { panic!("there is one") };
    (world, held)
}

/// The queue after one more order of the same agent.
fn then(world: &World, order: Order, seconds: u64) -> World {
    let mut world = world.clone();
    run(&mut world, order, seconds);
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

fn cases() -> Vec<Case> {
    let (busy, held) = busy();
    let empty = World::empty();
    let case = |name, world: &World, order, seconds| Case {
        name,
        world: world.clone(),
        errand: errand(order, seconds, 0xbbbb),
    };
    vec![
        case("the first enqueue of all", &empty, Order::Enqueue(TASK), 3),
        case("enqueue", &busy, Order::Enqueue(TASK), 3),
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

/// As [`cases`], of what needs a plan.
fn planned_cases() -> Vec<Case> {
    let case = |name, world: &World, order, seconds| Case {
        name,
        world: world.clone(),
        errand: errand(order, seconds, 0xbbbb),
    };
    let (trying, tried) = holding(New { max_attempts: Some(2), ..TASK });
    let failed = then(&trying, Order::Fail(tried), 3);
    let progressed = then(&trying, Order::Progress(tried), 3);
    let (holding, held) = holding(TASK);
    let child = New { number: 8, after: [Some(held), None], ..TASK };
    let waiting = then(&holding, Order::Enqueue(child), 3);
    let asked = by_another(&holding, Order::RequestCancel(held));
    let unique = New { is_unique: true, ..TASK };
    let mut keyed = World::new();
    let Answer::Enqueued(one) = run(&mut keyed, Order::Enqueue(unique), 1) else { panic!("nobody is in the way") };
    let ended = then(&keyed, Order::Cancel(one), 2);
    let unkeyed = then(&holding, Order::FailFinally(held), 3);
    let later = New { delay_seconds: 2, ..TASK };
    let scheduled = then(&World::new(), Order::Enqueue(later), 1);
    let limited = then(&then(&World::new(), Order::Enqueue(TASK), 1), Order::Limit(Some(1)), 1);
    vec![
        case("enqueue for later", &holding, Order::Enqueue(later), 3),
        case("claim what was put off", &scheduled, Order::Claim, 5),
        case("enqueue what waits for another", &holding, Order::Enqueue(child), 3),
        case("enqueue what waits for one that has failed", &unkeyed, Order::Enqueue(child), 4),
        case("complete, and wake who waits", &waiting, Order::Complete(held), 4),
        case("fail, and cancel who waits", &waiting, Order::Fail(held), 4),
        case("complete, and enqueue what follows", &holding, Order::CompleteAndEnqueue(held, TASK), 3),
        case("fail with attempts left", &trying, Order::Fail(tried), 3),
        case("claim what failed", &failed, Order::Claim, 6),
        case("claim what lapsed", &trying, Order::Claim, 9),
        case("fail finally", &trying, Order::FailFinally(tried), 3),
        case("progress", &trying, Order::Progress(tried), 3),
        case("progress again", &progressed, Order::Progress(tried), 4),
        case("release for later", &trying, Order::ReleaseLater(tried, 2), 3),
        case("retry", &unkeyed, Order::Retry(held), 4),
        case("retry one with a key", &ended, Order::Retry(one), 4),
        case("enqueue with a key", &World::new(), Order::Enqueue(unique), 3),
        case("enqueue with a key again", &keyed, Order::Enqueue(New { number: 8, ..unique }), 3),
        case("enqueue with a key that was another's", &ended, Order::Enqueue(New { number: 8, ..unique }), 3),
        case("heartbeat when asked to stop", &asked, Order::Heartbeat(held), 4),
        case("release when asked to stop", &asked, Order::Release(held), 4),
        case("sweep when asked to stop", &asked, Order::Sweep, 9),
        case("sweep", &then(&waiting, Order::ReleaseLater(held, 2), 4), Order::Sweep, 9),
        case("sweep an end that is not finished", &half_ended(), Order::Sweep, 9),
        case("pause", &holding, Order::Pause, 3),
        case("resume", &then(&holding, Order::Pause, 3), Order::Resume, 3),
        case("limit", &holding, Order::Limit(Some(2)), 3),
        case("claim within a limit", &limited, Order::Claim, 3),
        case("ask to stop", &holding_of_another(), Order::RequestCancel(held), 3),
    ]
}

/// A queue with a task whose holder died after it had renamed it to its end, where names are ordered.
fn half_ended() -> World {
    let (world, held) = holding(TASK);
    let (world, is_dead) = (RefCell::new(world), Cell::new(false));
    let complete = errand(Order::Complete(held), 3, 0xdddd);
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
fn cases_of_many() -> Vec<Case> {
    let case = |name, world: &World, order, seconds| Case {
        name,
        world: world.clone(),
        errand: errand(order, seconds, 0xbbbb),
    };
    let [one, other] = [8, 9].map(|number| New { number, ..TASK });
    let [keyed, same_key, other_key] =
        [(8, 0), (9, 0), (10, 1)].map(|(number, key)| New { number, is_unique: true, key, ..TASK });
    let (holding, held) = holding(TASK);
    let completed = then(&holding, Order::Complete(held), 3);
    let mut both = then(&holding, Order::Enqueue(one), 3);
    let Answer::Claimed(second, ..) = run(&mut both, Order::Claim, 3) else { panic!("there is one") };
    // It waits for the one that has not ended, and lists the one that is to be removed.
    let child = New { number: 11, after: [Some(held), Some(second)], ..TASK };
    let waiting = then(&then(&both, Order::Enqueue(child), 4), Order::Complete(second), 4);
    vec![
        case("enqueue a batch", &holding, Order::EnqueueBoth([one, other]), 3),
        case("enqueue a batch with keys", &holding, Order::EnqueueBoth([keyed, other_key]), 3),
        case("enqueue a batch with one key", &holding, Order::EnqueueBoth([keyed, same_key]), 3),
        case("gc", &completed, Order::Gc, 4),
        case("gc of what is waited for", &waiting, Order::Gc, 5),
        case(
            "fail what is one of two that are waited for",
            &then(&both, Order::Enqueue(child), 4),
            Order::Fail(second),
            4,
        ),
        case("export", &waiting, Order::Export, 5),
        case("import", &holding, Order::Import(one, after(0)), 3),
        case("import one with a key", &holding, Order::Import(keyed, after(0)), 3),
        case("import what is there", &then(&holding, Order::Import(one, after(0)), 3), Order::Import(one, after(0)), 4),
    ]
}

/// The queue after an order of another agent.
fn by_another(world: &World, order: Order) -> World {
    let mut world = world.clone();
    world.run(&Errand { agent: 0, ..errand(order, 3, 0xaaaa) }).unwrap();
    world
}

/// A queue with the one task, which another agent holds.
fn holding_of_another() -> World {
    let mut world = World::new();
    run(&mut world, Order::Enqueue(TASK), 1);
    by_another(&world, Order::Claim)
}

/// The queue later, when the directory that the held task had waited in was empty for long and has been removed.
fn emptied(world: &World, held: TaskId) -> World {
    let mut world = world.clone();
    run(&mut world, Order::Heartbeat(held), 12);
    run(&mut world, Order::Claim, 12);
    let leaf = layout::ready_bucket(&QueueName::default_queue(), 0, after(1));
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
    World { ledger: Ledger::of(&tree), tree: tree.into(), orders_names: false }
}

/// Runs the case with its n-th call failing; `None` if it has no n-th call.
fn fail(case: &Case, n: usize, failing: Failing) -> Option<(World, Answer)> {
    let (world, calls) = (RefCell::new(case.world.clone()), Cell::new(0));
    let store = Answered::by(|call: Call| {
        calls.set(calls.get() + 1);
        if let (true, Failing::Without(kind)) = (calls.get() == n, failing) {
            return failed(kind);
        }
        let reply = world.borrow_mut().call(&call, &case.errand).unwrap_or_else(|broken| panic!("{call}: {broken}"));
        match failing {
            Failing::After(kind) if calls.get() == n => failed(kind),
            Failing::Repeated if calls.get() == n => repeated(&reply),
            _ => reply,
        }
    });
    let answer = case.errand.run(store.ordering_names(case.world.orders_names));
    (calls.get() >= n).then(|| (world.into_inner(), answer))
}

/// Fails if something has changed that was asked for, although it was answered that nothing has. What an agent does for
/// others on its way, and what the follow-ups of a completion become, is not what was asked for.
fn check_nothing_changed(case: &Case, world: &World) {
    let now = case.errand.now;
    let live = |tree: &Tree| -> Vec<Entry> {
        let on_shelf = entries(tree).filter(|(path, _)| !path.dir.is_below(&layout::unique_keys()));
        on_shelf.map(|(_, entry)| entry).collect()
    };
    let before = live(&case.world.tree);
    for after in live(&world.tree).iter().filter(|after| !before.contains(after)) {
        let claimed = layout::state_dir(layout::StateDir::Claimed);
        // Whoever meets such a one goes on with it, or takes it back.
        let is_unfinished = |before: &Entry| {
            let here = |(path, entry): &(Path, Entry)| entry == before && path.dir.is_below(&claimed);
            before.has_ended() && entries(&case.world.tree).any(|found| here(&found))
        };
        let by_others = |before: &&Entry| {
            let is_others = is_over(before, now) || matches!(before.state, State::Blocked { .. });
            before.id == after.id && (is_others || is_unfinished(before))
        };
        // A claim that was given back again.
        let is_undone = matches!(case.errand.order, Order::Claim) && matches!(after.state, State::Ready { .. });
        let is_follow_up = matches!(case.errand.order, Order::CompleteAndEnqueue(..)) && after.version == 1;
        assert!(is_undone || is_follow_up || before.iter().any(|before| by_others(&before)), "{after} has come to be");
    }
}

/// What must hold after any failure.
fn check(case: &Case, mut world: World, answer: Answer, failing: Failing) {
    // No medium refuses what it has done.
    let refused_and_done = matches!(failing, Failing::After(kind) if kind != StoreErrorKind::Other);
    let is_of_tasks = !matches!(case.errand.order, Order::Repair | Order::Gc);
    if answer == Answer::Failed && is_of_tasks && !refused_and_done {
        check_nothing_changed(case, &world);
    }
    world.told(&case.errand, &answer).unwrap();
    if case.errand.order != Order::Repair {
        let now = world.examine(11);
        assert!(now.is_healthy(), "{now:?}");
    }
    world.heal(LATER).unwrap();
    // An agent that tries again does so later: of one microsecond there are no two equal tasks.
    let now = case.errand.now.plus_micros(1);
    let again = Errand { nonce: Nonce::from_bits(0xcccc), now, ..case.errand };
    let answer = world.run(&again).unwrap();
    assert!(!matches!(answer, Answer::Failed | Answer::Unknown | Answer::Refused("error" | "not_found")), "{answer:?}");
    world.drain(LATER).unwrap();
    world.heal(LATER).unwrap();
}

#[test]
fn every_call_may_fail_in_every_way() {
    all_may_fail("operations", cases);
}

#[test]
fn every_call_of_what_needs_a_plan_may_fail_in_every_way() {
    all_may_fail("operations with a plan", planned_cases);
}

#[test]
fn every_call_of_what_is_done_with_many_may_fail_in_every_way() {
    all_may_fail("operations with many tasks", cases_of_many);
}

/// By the letter of POSIX, and where the medium orders names.
fn all_may_fail(what: &str, cases: fn() -> Vec<Case>) {
    all_may_fail_in(what, &cases());
    let mut cases = cases();
    cases.iter_mut().for_each(|case| case.world.orders_names = true);
    all_may_fail_in(&format!("{what} where names are ordered"), &cases);
}

fn all_may_fail_in(what: &str, cases: &[Case]) {
    let mut ways = vec![Failing::Repeated];
    ways.extend(FAILURES.into_iter().flat_map(|kind| [Failing::Without(kind), Failing::After(kind)]));
    let (mut failures, mut told) = (0, BTreeSet::new());
    for case in cases {
        for failing in &ways {
            for n in 1.. {
                let Some((world, answer)) = fail(case, n, *failing) else { break };
                let context = format!("{}, call {n}, {failing:?}, answered {answer:?}", case.name);
                let checked =
                    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(case, world, answer, *failing)));
                assert!(checked.is_ok(), "{context}");
                told.insert((case.name, matches!(answer, Answer::Failed | Answer::Unknown)));
                failures += 1;
            }
        }
    }
    assert!(cases.iter().all(|case| told.contains(&(case.name, true))), "each operation meets a failure: {told:?}");
    report(format_args!("failed calls: {failures}, in {} {what} and {} ways", cases.len(), ways.len()));
}

/// A sweep meets an end that is not finished, and each call that is `meant` fails so. True if the end stands.
fn end_stands(kind: StoreErrorKind, meant: fn(&Call) -> bool) -> bool {
    let world = RefCell::new(half_ended());
    let sweep = errand(Order::Sweep, 9, 0xeeee);
    sweep.run(Answered::by(|call: Call| match meant(&call) {
        true => failed(kind),
        false => world.borrow_mut().call(&call, &sweep).unwrap(),
    }));
    entries(&world.into_inner().tree).any(|(_, entry)| entry.has_ended())
}

#[test]
fn an_end_is_taken_back_by_who_meets_it_only_if_its_report_may_be_lost() {
    let is_flush = |call: &Call| matches!(call, Call::Flush(_));
    assert!(!end_stands(StoreErrorKind::Other, is_flush));
    assert!(!end_stands(StoreErrorKind::Full, is_flush));
    // It may be one that was acknowledged before a power cut: its report is there.
    assert!(end_stands(StoreErrorKind::TooManyOpen, is_flush));
    assert!(end_stands(StoreErrorKind::Denied, is_flush));
    let is_move = |call: &Call| matches!(call, Call::Rename(_, to) if to.dir.is_below(&layout::state_dir(layout::StateDir::Done)));
    assert!(end_stands(StoreErrorKind::Denied, is_move));
    assert!(end_stands(StoreErrorKind::Other, is_move));
}

#[test]
fn without_a_failure_each_operation_succeeds() {
    for case in cases().into_iter().chain(planned_cases()).chain(cases_of_many()) {
        let answer = case.world.clone().run(&case.errand).unwrap();
        assert!(!matches!(answer, Answer::Refused(_) | Answer::Failed | Answer::Unknown), "{}: {answer:?}", case.name);
    }
}
