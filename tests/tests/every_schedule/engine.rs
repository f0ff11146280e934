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
