//! One task from its claim to its end: leases, attempts, releases, requests to stop and retries.

use coord_tests::sim::every::{Kind, Scenario};
use coord_tests::sim::operation::New;

use super::{TASK, explored, explored_both_ways, two_agents};

#[test]
fn two_agents_claim_keep_take_over_and_end_a_task() {
    let scenario = Scenario { operations: Kind::TO_AN_END.into(), ..two_agents() };
    let seen = explored("two agents and four invocations", &scenario).seen;
    for happening in ["a second holder completes the task", "a late holder is refused", "an ended task refuses"] {
        assert!(seen.contains(&happening), "it never happens that {happening}");
    }
}

#[test]
fn two_agents_end_a_task_by_one_flush() {
    let operations = vec![Kind::Claim, Kind::Complete, Kind::Fail, Kind::ForceCancel];
    let scenario = Scenario { operations, orders_names: true, ..two_agents() };
    let seen = explored("two agents and four invocations, by one flush", &scenario).seen;
    for happening in ["a second holder completes the task", "a late holder is refused", "an ended task refuses"] {
        assert!(seen.contains(&happening), "it never happens that {happening}");
    }
    let scenario = Scenario { invocations: 3, invocations_each: 2, mishaps: 1, ..scenario };
    explored("two agents and three invocations with a mishap, by one flush", &scenario);
}

#[test]
fn two_agents_claim_give_back_and_complete_a_task() {
    let operations = vec![Kind::Claim, Kind::Release, Kind::Complete];
    let seen =
        explored("two agents and four invocations, one to give back", &Scenario { operations, ..two_agents() }).seen;
    for happening in
        ["a task is claimed that was released", "a second holder completes the task", "a late holder is refused"]
    {
        assert!(seen.contains(&happening), "it never happens that {happening}");
    }
}

#[test]
fn a_lease_that_was_taken_over_runs_out_too() {
    let scenario = Scenario { invocations: 3, invocations_each: 2, clocks: vec![1, 5, 9], ..two_agents() };
    explored("two agents and three invocations by three clocks", &scenario);
}

#[test]
fn a_call_may_fail_or_lose_its_reply_and_an_agent_may_die_anywhere() {
    let scenario = Scenario { invocations: 3, invocations_each: 2, mishaps: 1, ..two_agents() };
    explored("two agents and three invocations with a mishap", &scenario);
}

#[test]
fn three_agents_claim_a_task_whose_lease_runs_out() {
    let scenario =
        Scenario { agents: 3, invocations: 3, invocations_each: 1, operations: vec![Kind::Claim], ..two_agents() };
    explored("three agents and three claims", &scenario);
}

#[test]
fn nobody_claims_a_task_that_has_waited_too_long() {
    let operations = vec![Kind::Claim, Kind::Cancel, Kind::Complete];
    explored(
        "two agents and a task that expires",
        &Scenario { invocations: 3, operations, task: New { ttl_seconds: 3, ..TASK }, ..two_agents() },
    );
}

#[test]
fn an_attempt_that_fails_is_made_again_as_often_as_allowed() {
    let scenario = Scenario {
        invocations: 3,
        invocations_each: 2,
        operations: vec![Kind::Claim, Kind::Fail, Kind::Sweep],
        task: New { max_attempts: Some(2), ..TASK },
        given: vec![(0, Kind::Claim)],
        ..two_agents()
    };
    let seen = explored("two agents and attempts that fail", &scenario).seen;
    assert!(seen.contains(&"a task is claimed that failed"), "{seen:?}");
    let with_a_mishap = Scenario { invocations: 2, mishaps: 1, ..scenario };
    explored("two agents and attempts that fail, with two invocations and a mishap", &with_a_mishap);
}

#[test]
fn a_lease_that_runs_out_is_an_attempt_and_progress_takes_the_place_of_progress() {
    let scenario = Scenario {
        invocations: 3,
        invocations_each: 2,
        operations: vec![Kind::Claim, Kind::Progress, Kind::ReleaseLater],
        task: New { max_attempts: Some(1), ..TASK },
        given: vec![(0, Kind::Claim), (0, Kind::Progress)],
        ..two_agents()
    };
    let seen = explored("two agents and an attempt that times out", &scenario).seen;
    assert!(seen.contains(&"a task is claimed that was released"), "{seen:?}");
    let with_a_mishap = Scenario { invocations: 2, mishaps: 1, ..scenario };
    explored("two agents and an attempt that times out, with two invocations and a mishap", &with_a_mishap);
}

#[test]
fn a_holder_is_asked_to_stop() {
    let scenario = Scenario {
        invocations: 3,
        invocations_each: 2,
        operations: vec![Kind::RequestCancel, Kind::Heartbeat, Kind::Complete, Kind::Release, Kind::Sweep],
        given: vec![(0, Kind::Claim)],
        ..two_agents()
    };
    let seen = explored("two agents, one to ask the other to stop", &scenario).seen;
    assert!(seen.contains(&"a holder is asked to stop"), "{seen:?}");
    let with_a_mishap = Scenario { invocations: 2, mishaps: 1, ..scenario };
    explored("two agents, one to ask the other to stop, with two invocations and a mishap", &with_a_mishap);
}

#[test]
fn a_task_is_put_back_after_its_end() {
    let scenario = Scenario {
        invocations: 3,
        invocations_each: 2,
        operations: vec![Kind::Claim, Kind::Fail, Kind::Retry],
        given: vec![(0, Kind::Claim), (0, Kind::Fail)],
        ..two_agents()
    };
    explored_both_ways("two agents and a task that is put back", &scenario, &["a task is claimed that has ended"]);
}

#[test]
fn a_doctor_leaves_what_is_still_needed_when_progress_takes_the_place_of_progress() {
    // The request stands between them, so each is needed.
    let scenario = Scenario {
        invocations: 2,
        invocations_each: 1,
        begun: vec![Kind::Progress, Kind::Repair],
        operations: Vec::new(),
        clocks: vec![1],
        given: vec![(0, Kind::Claim), (0, Kind::Progress), (1, Kind::RequestCancel), (0, Kind::Progress)],
        ..two_agents()
    };
    explored("a holder that tells how far it is and a doctor", &scenario);
}
