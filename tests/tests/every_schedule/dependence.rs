//! Tasks that wait for others, and tasks that a completion enqueues.

use coord_core::task::IfParentFails;
use coord_tests::sim::every::{Kind, Scenario};
use coord_tests::sim::operation::New;

use super::{TASK, explored, explored_both_ways, two_agents};

/// Two agents, and another task that the first one holds as well. The second one enqueues a task that waits for both.
fn with_another(meanwhile: Kind) -> Scenario {
    Scenario {
        invocations: 2,
        invocations_each: 1,
        operations: Vec::new(),
        begun: vec![meanwhile, Kind::EnqueueChildOfBoth],
        clocks: vec![0],
        another: true,
        given: vec![(0, Kind::Claim), (0, Kind::Claim)],
        ..two_agents()
    }
}

#[test]
fn a_task_that_waits_for_another_goes_on_when_that_has_ended() {
    for (if_parent_fails, end) in [
        (IfParentFails::Cancel, Kind::Complete),
        (IfParentFails::Cancel, Kind::Fail),
        (IfParentFails::Run, Kind::Fail),
        (IfParentFails::Block, Kind::Fail),
    ] {
        let scenario = Scenario {
            invocations: 3,
            invocations_each: 2,
            operations: vec![Kind::EnqueueChild, end, Kind::Claim],
            clocks: vec![0],
            adds: New { if_parent_fails, ..TASK },
            given: vec![(0, Kind::Claim)],
            ..two_agents()
        };
        let runs = end == Kind::Complete || if_parent_fails == IfParentFails::Run;
        let happening: &[&str] = if runs { &["a task is claimed that waited for another"] } else { &[] };
        let what = format!("two agents, a task that {end:?}s and one that waits, or {}s", if_parent_fails.as_str());
        explored_both_ways(&what, &scenario, happening);
    }
}

#[test]
fn what_a_completion_enqueues_runs_if_it_is_accepted() {
    for adds in [TASK, New { if_parent_fails: IfParentFails::Run, ..TASK }] {
        let scenario = Scenario {
            invocations: 2,
            invocations_each: 1,
            operations: vec![Kind::CompleteAndEnqueue, Kind::Claim, Kind::Complete, Kind::ForceCancel],
            clocks: vec![5],
            adds,
            given: vec![(0, Kind::Claim)],
            ..two_agents()
        };
        let seen = explored("two agents and what follows", &scenario).seen;
        assert!(seen.contains(&"a completion enqueues"), "{seen:?}");
        let operations = vec![Kind::CompleteAndEnqueue, Kind::ForceCancel];
        let with_a_mishap = Scenario { operations, clocks: vec![0], mishaps: 1, ..scenario };
        explored("two agents and what follows, or does not, with a mishap", &with_a_mishap);
    }
}

#[test]
fn what_a_blocked_task_waits_for_is_not_removed() {
    let given = vec![(0, Kind::Claim), (0, Kind::Claim), (0, Kind::CompleteOther)];
    let scenario = Scenario { given, ..with_another(Kind::Gc) };
    // A collection looks at every directory: with a mishap there are too many states, and random schedules have to do.
    let seen = explored("two agents, one that waits for two, and a collection", &scenario).seen;
    assert!(seen.contains(&"a task is removed"), "{seen:?}");
}

#[test]
fn a_task_is_called_off_as_soon_as_one_that_it_waits_for_fails() {
    let scenario = with_another(Kind::FailOther);
    explored_both_ways("two agents, one that waits for two, and a failure", &scenario, &[]);
}
