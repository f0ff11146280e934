//! What concerns a queue or many tasks: limits, pauses, batches, removal, export and import.

use coord_tests::sim::every::{Kind, Scenario};
use coord_tests::sim::operation::New;

use super::{TASK, explored, explored_both_ways, two_agents};

#[test]
fn no_more_tasks_are_claimed_at_once_than_are_allowed() {
    let scenario = Scenario {
        invocations: 3,
        invocations_each: 2,
        operations: vec![Kind::Claim, Kind::Complete],
        clocks: vec![1],
        limit: Some(1),
        ..two_agents()
    };
    explored_both_ways("two agents and two tasks of which one is allowed", &scenario, &[]);
}

#[test]
fn nothing_is_removed_that_is_put_back() {
    for task in [TASK, New { is_unique: true, ..TASK }] {
        let scenario = Scenario {
            invocations: 3,
            invocations_each: 2,
            operations: vec![Kind::Retry, Kind::Gc, Kind::Claim],
            clocks: vec![0],
            task,
            given: vec![(0, Kind::Cancel)],
            ..two_agents()
        };
        let what = format!(
            "two agents, a task {}that is put back and a collection",
            if task.is_unique { "with a key " } else { "" }
        );
        let seen = explored(&what, &scenario).seen;
        for happening in ["a task is removed", "a task is claimed that has ended"] {
            assert!(seen.contains(&happening), "it never happens that {happening}");
        }
        // A collection looks at every directory: with three invocations and a mishap there are millions of states.
        if !task.is_unique {
            let scenario = Scenario { invocations: 2, mishaps: 1, ..scenario };
            explored(&format!("{what}, with two invocations and a mishap"), &scenario);
        }
    }
}

#[test]
fn a_task_is_brought_in_once_and_what_is_there_stays() {
    let scenario = Scenario {
        invocations: 2,
        invocations_each: 2,
        operations: vec![Kind::Import, Kind::ImportItself, Kind::Claim],
        clocks: vec![0],
        ..two_agents()
    };
    let seen = explored("two agents that bring a task in", &scenario).seen;
    for happening in ["a task is brought in", "a task was there already"] {
        assert!(seen.contains(&happening), "it never happens that {happening}");
    }
}

#[test]
fn of_two_in_a_batch_each_is_enqueued() {
    let scenario = Scenario {
        invocations: 2,
        invocations_each: 1,
        operations: vec![Kind::EnqueueBoth, Kind::Claim],
        clocks: vec![0],
        ..two_agents()
    };
    explored_both_ways("two agents and batches of two", &scenario, &["both are enqueued"]);
}

#[test]
fn a_pause_and_a_limit_are_set_beside_claims() {
    let scenario = Scenario {
        invocations: 3,
        invocations_each: 2,
        operations: vec![Kind::Pause, Kind::Resume, Kind::LimitToOne, Kind::Claim],
        clocks: vec![1],
        ..two_agents()
    };
    explored_both_ways("two agents, pauses and limits", &scenario, &["there is nothing to claim"]);
    let paused = Scenario {
        operations: vec![Kind::LimitToOne, Kind::Claim, Kind::Sweep],
        given: vec![(0, Kind::Pause)],
        ..scenario
    };
    explored_both_ways("two agents and a pause", &paused, &["there is nothing to claim"]);
}

#[test]
fn what_is_exported_meanwhile_is_whole() {
    let scenario = Scenario {
        invocations: 3,
        invocations_each: 2,
        operations: vec![Kind::Export, Kind::Claim, Kind::Complete, Kind::Progress],
        clocks: vec![1],
        ..two_agents()
    };
    explored_both_ways("two agents and an export", &scenario, &[]);
}

#[test]
fn of_those_who_claim_at_once_from_a_limited_queue_as_many_get_a_task_as_may() {
    let scenario = Scenario {
        invocations: 2,
        invocations_each: 1,
        operations: vec![Kind::Claim],
        clocks: vec![1],
        limit: Some(1),
        ..two_agents()
    };
    explored("two claimers and two tasks of which one is allowed", &scenario);
}
