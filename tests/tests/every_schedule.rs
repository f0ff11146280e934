//! Every schedule of a few agents on one task keeps every invariant. Each invocation may be run by any of a few clocks, so
//! that an agent's clock jumps both ways by about a lease's length, and a lease runs out between any two store
//! operations.

use coord_core::task::IfParentFails;
use coord_tests::report;
use coord_tests::sim::operation::New;
use coord_tests::sim::every::{Explored, Kind, Scenario};

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
        given: Vec::new(),
        orders_names: false,
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

fn explored(what: &str, scenario: &Scenario) -> Explored {
    let explored = scenario.explore();
    let Explored { states, steps, depth, time, failure, .. } = &explored;
    report(format_args!("every schedule of {what}: {states} states, {steps} steps, {depth} deep, {time:.0?}"));
    assert!(failure.is_none(), "{}", failure.as_deref().unwrap_or_default());
    explored
}

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
    let seen = explored("two agents and an attempt that lapses", &scenario).seen;
    assert!(seen.contains(&"a task is claimed that was released"), "{seen:?}");
    let with_a_mishap = Scenario { invocations: 2, mishaps: 1, ..scenario };
    explored("two agents and an attempt that lapses, with two invocations and a mishap", &with_a_mishap);
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
