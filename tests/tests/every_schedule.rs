//! Every schedule of a few agents on one task keeps every promise. Each errand may be run by any of a few clocks, so that
//! an agent's clock jumps both ways by about a lease's length, and a lease runs out between any two store operations.

use coord_tests::report;
use coord_tests::sim::every::{Explored, Kind, Scenario};

/// Two agents, all that can be done to a task, no mishaps.
fn two_agents() -> Scenario {
    Scenario {
        agents: 2,
        errands: 4,
        errands_each: 3,
        mishaps: 0,
        orders: Kind::ALL.into(),
        clocks: vec![1, 5],
        ttl_seconds: 1_000,
        mistake: None,
    }
}

fn explored(what: &str, scenario: &Scenario) -> Explored {
    let explored = scenario.explore();
    let Explored { states, steps, depth, time, failure, .. } = &explored;
    report(format_args!("every schedule of {what}: {states} states, {steps} steps, {depth} deep, {time:.0?}"));
    assert!(failure.is_none(), "{}", failure.as_deref().unwrap_or_default());
    explored
}

#[test]
fn two_agents_claim_keep_take_over_and_end_a_task() {
    let scenario = Scenario { orders: Kind::TO_AN_END.into(), ..two_agents() };
    let seen = explored("two agents and four errands", &scenario).seen;
    for happening in ["a second holder completes the task", "a late holder is refused", "an ended task refuses"] {
        assert!(seen.contains(&happening), "it never happens that {happening}");
    }
}

#[test]
fn two_agents_claim_give_back_and_complete_a_task() {
    let orders = vec![Kind::Claim, Kind::Release, Kind::Complete];
    let seen = explored("two agents and four errands, one to give back", &Scenario { orders, ..two_agents() }).seen;
    for happening in
        ["a task is claimed that was released", "a second holder completes the task", "a late holder is refused"]
    {
        assert!(seen.contains(&happening), "it never happens that {happening}");
    }
}

#[test]
fn a_lease_that_was_taken_over_runs_out_too() {
    let scenario = Scenario { errands: 3, errands_each: 2, clocks: vec![1, 5, 9], ..two_agents() };
    explored("two agents and three errands by three clocks", &scenario);
}

#[test]
fn a_call_may_fail_or_lose_its_reply_and_an_agent_may_die_anywhere() {
    let scenario = Scenario { errands: 3, errands_each: 2, mishaps: 1, ..two_agents() };
    explored("two agents and three errands with a mishap", &scenario);
}

#[test]
fn three_agents_claim_a_task_whose_lease_runs_out() {
    let scenario = Scenario { agents: 3, errands: 3, errands_each: 1, orders: vec![Kind::Claim], ..two_agents() };
    explored("three agents and three claims", &scenario);
}

#[test]
fn nobody_claims_a_task_that_has_waited_too_long() {
    let orders = vec![Kind::Claim, Kind::Cancel, Kind::Complete];
    explored("two agents and a task that expires", &Scenario { errands: 3, orders, ttl_seconds: 3, ..two_agents() });
}
