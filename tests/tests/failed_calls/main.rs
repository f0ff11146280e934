//! Each operation of the queue, with its first store operation failing, then its second, and so on until it succeeds:
//! in each way in which a store can fail, and with effect as well as without. Whatever happens, nothing that was
//! acknowledged is missing, and the doctor has nothing to complain of; and an answer that is an error, unless it says
//! that the outcome is unknown, has left the task as it was.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod cases;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use cases::{cases, cases_of_many, half_ended, planned_cases};
use coord_core::entry::{Entry, State};
use coord_core::layout::{self, Path, StateDir};
use coord_core::name::Nonce;
use coord_core::store::StoreErrorKind;
use coord_core::store::mem::Tree;
use coord_core::transition::is_over;
use coord_tests::report;
use coord_tests::sim::agent::{Answer, Invocation, LONG_NAMED, after};
use coord_tests::sim::call::{Answered, Call, FAILURES, failed, repeated};
use coord_tests::sim::operation::Operation;
use coord_tests::sim::oracle::entries;
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
    invocation: Invocation,
}

const LATER: u64 = 1_000;

fn invocation(operation: Operation, seconds: u64, nonce: u64) -> Invocation {
    // One whose run id is too long for a name, so that it has to be written down apart.
    Invocation { agent: LONG_NAMED, operation, now: after(seconds), nonce: Nonce::from_bits(nonce), lease: None }
}

fn run(world: &mut World, operation: Operation, seconds: u64) -> Answer {
    let nonce = seconds * 0x1_0000 + world.oracle.tasks().count() as u64;
    world.run(&invocation(operation, seconds, nonce)).unwrap()
}

/// Runs the case with its n-th call failing; `None` if it has no n-th call.
fn fail(case: &Case, n: usize, failing: Failing) -> Option<(World, Answer)> {
    let (world, calls) = (RefCell::new(case.world.clone()), Cell::new(0));
    let store = Answered::by(|call: Call| {
        calls.set(calls.get() + 1);
        if let (true, Failing::Without(kind)) = (calls.get() == n, failing) {
            return failed(kind);
        }
        let reply =
            world.borrow_mut().call(&call, &case.invocation).unwrap_or_else(|broken| panic!("{call}: {broken}"));
        match failing {
            Failing::After(kind) if calls.get() == n => failed(kind),
            Failing::Repeated if calls.get() == n => repeated(&reply),
            _ => reply,
        }
    });
    let answer = case.invocation.run(store.ordering_names(case.world.orders_names));
    (calls.get() >= n).then(|| (world.into_inner(), answer))
}

/// Fails if the task has changed as asked for, although the answer says that nothing has changed. Changes that an agent
/// makes for others on its way, and follow-ups of a completion, do not count.
fn check_nothing_changed(case: &Case, world: &World) {
    let now = case.invocation.now;
    let live = |tree: &Tree| -> Vec<Entry> {
        let in_state_dirs = entries(tree).filter(|(path, _)| !path.dir.is_below(&layout::unique_keys()));
        in_state_dirs.map(|(_, entry)| entry).collect()
    };
    let before = live(&case.world.tree);
    for after in live(&world.tree).iter().filter(|after| !before.contains(after)) {
        let claimed = layout::state_dir(StateDir::Claimed);
        // Any agent that meets an unfinished end finishes it, or takes it back.
        let is_unfinished = |before: &Entry| {
            let here = |(path, entry): &(Path, Entry)| entry == before && path.dir.is_below(&claimed);
            before.has_ended() && entries(&case.world.tree).any(|found| here(&found))
        };
        let by_others = |before: &&Entry| {
            let is_others = is_over(before, now) || matches!(before.state, State::Blocked { .. });
            before.id == after.id && (is_others || is_unfinished(before))
        };
        // A claim that was given back again.
        let is_undone =
            matches!(case.invocation.operation, Operation::Claim) && matches!(after.state, State::Ready { .. });
        let is_follow_up = matches!(case.invocation.operation, Operation::CompleteAndEnqueue(..)) && after.version == 1;
        assert!(is_undone || is_follow_up || before.iter().any(|before| by_others(&before)), "{after} has come to be");
    }
}

/// What must hold after any failure.
fn check(case: &Case, mut world: World, answer: Answer, failing: Failing) {
    // No medium refuses what it has done.
    let refused_and_done = matches!(failing, Failing::After(kind) if kind != StoreErrorKind::Other);
    let is_of_tasks = !matches!(case.invocation.operation, Operation::Repair | Operation::Gc);
    if answer == Answer::Failed && is_of_tasks && !refused_and_done {
        check_nothing_changed(case, &world);
    }
    world.told(&case.invocation, &answer).unwrap();
    if case.invocation.operation != Operation::Repair {
        let now = world.examine(11);
        assert!(now.is_healthy(), "{now:?}");
    }
    world.heal(LATER).unwrap();
    // An agent that tries again does so later: of one microsecond there are no two equal tasks.
    let now = case.invocation.now.plus_micros(1);
    let again = Invocation { nonce: Nonce::from_bits(0xcccc), now, ..case.invocation };
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
    let sweep = invocation(Operation::Sweep, 9, 0xeeee);
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
    let is_move =
        |call: &Call| matches!(call, Call::Rename(_, to) if to.dir.is_below(&layout::state_dir(StateDir::Done)));
    assert!(end_stands(StoreErrorKind::Denied, is_move));
    assert!(end_stands(StoreErrorKind::Other, is_move));
}

#[test]
fn without_a_failure_each_operation_succeeds() {
    for case in cases().into_iter().chain(planned_cases()).chain(cases_of_many()) {
        let answer = case.world.clone().run(&case.invocation).unwrap();
        assert!(!matches!(answer, Answer::Refused(_) | Answer::Failed | Answer::Unknown), "{}: {answer:?}", case.name);
    }
}

#[test]
fn a_store_of_answered_calls_conforms() {
    for is_whole in [false, true] {
        let store = || {
            let tree = RefCell::new(if is_whole { Tree::whole() } else { Tree::default() });
            Answered::by(move |call: Call| call.apply(&mut tree.borrow_mut())).whole(is_whole)
        };
        assert_eq!(coord_core::store::conformance::findings(store), Vec::<String>::new());
    }
}
