//! Every schedule of a few agents on one task keeps every invariant. Each invocation runs by any of a few clocks. So an
//! agent's clock jumps both ways by about a lease's length, and a lease expires between any two store operations.

mod dependence;
mod engine;
mod keys;
mod lifecycle;
mod queue;

use coord_core::task::IfParentFails;
use coord_tests::report;
use coord_tests::sim::every::{Explored, Kind, Scenario};
use coord_tests::sim::operation::New;

/// Two agents, all that can be done to a task, no mishaps.
fn two_agents() -> Scenario {
    Scenario {
        agents: 2,
        invocations: 4,
        invocations_each: 3,
        mishaps: 0,
        only_deaths: false,
        begun: Vec::new(),
        ahead: 0,
        operations: Kind::PLAIN.into(),
        clocks: vec![1, 5],
        task: TASK,
        adds: TASK,
        limit: None,
        another: false,
        goes_on: false,
        given: Vec::new(),
        orders_names: false,
        is_whole: false,
        bug: None,
    }
}

/// Tried once, and depends on nothing.
const TASK: New = New {
    number: 0,
    priority: 0,
    ttl_seconds: 1_000,
    max_attempts: None,
    delay_seconds: 0,
    after: [None, None],
    if_parent_fails: IfParentFails::Cancel,
    is_unique: false,
    key: 0,
};

/// Explores the scenario, and sees all of this happen; then such in which one call fails, or loses its reply, or an
/// agent dies in the middle and comes back.
fn explored_both_ways(what: &str, scenario: &Scenario, happenings: &[&str]) {
    let seen = explored(what, scenario).seen;
    for happening in happenings {
        assert!(seen.contains(happening), "it never happens that {happening}");
    }
    explored(&format!("{what}, with a mishap"), &Scenario { mishaps: 1, ..scenario.clone() });
}

/// Explores the scenario in a directory, and in an engine. Answers for the former.
fn explored(what: &str, scenario: &Scenario) -> Explored {
    let whole = Scenario { is_whole: true, orders_names: false, ..scenario.clone() };
    explored_in(&format!("{what}, in an engine"), &whole);
    explored_in(what, scenario)
}

fn explored_in(what: &str, scenario: &Scenario) -> Explored {
    let explored = scenario.explore();
    let Explored { states, steps, depth, time, failure, .. } = &explored;
    report(format_args!("every schedule of {what}: {states} states, {steps} steps, {depth} deep, {time:.0?}"));
    assert!(failure.is_none(), "{}", failure.as_deref().unwrap_or_default());
    explored
}
