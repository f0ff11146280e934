//! On an engine an operation is one or two calls. So more agents can be explored to the end than in a directory.

use coord_tests::sim::every::{Kind, Scenario};

use super::{explored_in, two_agents};

fn on_an_engine() -> Scenario {
    Scenario { is_whole: true, ..two_agents() }
}

#[test]
fn three_agents_with_three_invocations_keep_every_promise() {
    let operations = vec![Kind::Claim, Kind::Heartbeat, Kind::Complete, Kind::Release];
    let scenario = Scenario { agents: 3, invocations: 3, invocations_each: 3, operations, ..on_an_engine() };
    explored_in("three agents and three invocations", &scenario);
    let scenario = Scenario { mishaps: 1, ..scenario };
    explored_in("three agents and three invocations, with a reply that is lost", &scenario);
}

#[test]
fn four_agents_claim_a_task_whose_lease_runs_out() {
    let operations = vec![Kind::Claim];
    let scenario = Scenario { agents: 4, invocations: 4, invocations_each: 1, operations, ..on_an_engine() };
    explored_in("four agents and four claims", &scenario);
}

#[test]
fn two_replies_may_be_lost() {
    let scenario = Scenario { invocations: 3, invocations_each: 2, mishaps: 2, ..on_an_engine() };
    explored_in("two agents and three invocations, with two replies that are lost", &scenario);
}

/// One agent keeps its queue open, and with it the watermarks of what it has seen. The other one releases a task that
/// stands before what the first one takes.
#[test]
fn an_agent_that_goes_on_is_never_told_that_there_is_nothing_beside_a_task_that_is_free() {
    let scenario = Scenario {
        goes_on: true,
        operations: vec![Kind::Claim, Kind::Release, Kind::Complete],
        invocations: 5,
        invocations_each: 3,
        clocks: vec![1],
        given: vec![(1, Kind::Claim)],
        ..on_an_engine()
    };
    let seen = explored_in("an agent that goes on, and one that releases a task", &scenario).seen;
    assert!(seen.contains(&"a task is claimed that was released"), "{seen:?}");
    let scenario = Scenario { invocations: 3, ..scenario };
    let by_two_clocks = Scenario { invocations: 4, clocks: vec![1, 5], ..scenario.clone() };
    explored_in("an agent that goes on, and one that releases a task, by two clocks", &by_two_clocks);
    let with_a_mishap = Scenario { mishaps: 1, ..scenario };
    explored_in("an agent that goes on, and one that releases a task, with a mishap", &with_a_mishap);
}
