//! Tasks with one key.

use coord_tests::sim::every::{Kind, Scenario};
use coord_tests::sim::operation::New;

use super::{TASK, explored, explored_both_ways, two_agents};

#[test]
fn a_key_is_that_of_one_task() {
    let unique = New { is_unique: true, ..TASK };
    let scenario = Scenario {
        invocations: 2,
        invocations_each: 1,
        operations: vec![Kind::Enqueue, Kind::Retry],
        clocks: vec![0],
        task: unique,
        adds: unique,
        given: vec![(0, Kind::Cancel)],
        ..two_agents()
    };
    explored_both_ways("two agents and one key", &scenario, &["a key is another's"]);
}

#[test]
fn of_three_who_enqueue_with_one_key_one_task_lives_and_each_is_answered() {
    let unique = New { is_unique: true, ..TASK };
    let scenario = Scenario {
        agents: 3,
        invocations: 3,
        invocations_each: 1,
        begun: vec![Kind::Enqueue; 3],
        operations: Vec::new(),
        clocks: vec![0],
        task: unique,
        adds: unique,
        given: vec![(0, Kind::Cancel)],
        ..two_agents()
    };
    // Two are about to take it, and one comes; or all three are, and one of them may die at any call.
    explored("three agents and one key", &Scenario { ahead: 2, ..scenario.clone() });
    let one_dies = Scenario { ahead: 3, mishaps: 1, only_deaths: true, ..scenario };
    explored("three agents and one key, one of which may die", &one_dies);
}

#[test]
fn a_doctor_who_takes_those_who_enqueue_with_one_key_for_dead_gives_it_to_nobody_else() {
    let unique = New { is_unique: true, ..TASK };
    let scenario = Scenario {
        agents: 2,
        invocations: 2,
        invocations_each: 1,
        begun: vec![Kind::Enqueue, Kind::Repair],
        ahead: 1,
        clocks: vec![0],
        operations: Vec::new(),
        task: unique,
        adds: unique,
        given: vec![(0, Kind::Cancel)],
        ..two_agents()
    };
    explored("an agent, its key and a doctor", &scenario);
}

#[test]
fn an_expired_task_has_no_key_whoever_has_moved_it() {
    let unique = New { is_unique: true, ttl_seconds: 3, ..TASK };
    let scenario = Scenario {
        invocations: 2,
        invocations_each: 1,
        operations: vec![Kind::Enqueue],
        task: unique,
        adds: unique,
        ..two_agents()
    };
    explored("two agents and a key of a task that expires", &scenario);
}
