//! The checkers can fail: each finds the classic bugs that are seeded into the code that ships. The schedule that shows
//! a bug is printed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use coord_core::task::IfParentFails;
use coord_tests::report;
use coord_tests::sim::every::{Kind, Scenario};
use coord_tests::sim::operation::New;
use coord_tests::sim::power::{self, Disk, Histories};
use coord_tests::sim::random::{self, Appearance, Choice, Mix, Play};
use coord_tests::sim::seeded_bug::SeededBug;
use coord_tests::sim::world::World;

/// Says where the bug is found, and shows how.
fn found(bug: SeededBug, invariant: &str, schedules: impl IntoIterator<Item = Option<String>>) {
    for (place, schedule) in schedules.into_iter().enumerate() {
        let schedule = schedule.unwrap_or_else(|| panic!("{bug:?} was not found in world {place}"));
        let is_named = schedule.contains(&format!("broken: {invariant}"));
        assert!(is_named, "{bug:?} was found by another invariant in world {place}:\n{schedule}");
        report(format_args!("seeded bug {bug:?}: found\n{schedule}\n"));
    }
}

fn in_every_schedule(bug: SeededBug, operations: &[Kind]) -> [Option<String>; 2] {
    found_in(bug, &Scenario { operations: operations.into(), invocations: 3, invocations_each: 2, ..two_agents() })
}

/// How the bug is found in a directory, and in an engine.
fn found_in(bug: SeededBug, scenario: &Scenario) -> [Option<String>; 2] {
    [false, true].map(|is_whole| Scenario { bug: Some(bug), is_whole, ..scenario.clone() }.explore().failure)
}

/// How a bug is found that only a program for engines can have.
fn found_in_engine(bug: SeededBug, scenario: &Scenario) -> Option<String> {
    Scenario { bug: Some(bug), is_whole: true, ..scenario.clone() }.explore().failure
}

/// Two agents and two invocations, on a task that the first one has claimed.
fn held_by_one() -> Scenario {
    Scenario { given: vec![(0, Kind::Claim)], ..two_agents() }
}

fn two_agents() -> Scenario {
    Scenario {
        agents: 2,
        invocations: 2,
        invocations_each: 1,
        mishaps: 0,
        only_deaths: false,
        begun: Vec::new(),
        ahead: 0,
        operations: Vec::new(),
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

fn of_power_cuts(bug: SeededBug, disk: Disk, histories: Histories) -> Option<String> {
    let start = if disk == Disk::Log { World::whole() } else { World::new() };
    power::explore(disk, &start, Histories { length: 3, ..histories }, Some(bug)).failure
}

/// What a schedule says that panics.
fn panicking(explore: impl FnOnce()) -> Option<String> {
    let payload = catch_unwind(AssertUnwindSafe(explore)).err()?;
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned())
}

#[test]
fn a_claim_by_renaming_and_reading_back_has_two_winners() {
    let bug = SeededBug::RenameAndReadBack;
    found(bug, "a task has exactly one state entry", in_every_schedule(bug, &[Kind::Claim]));
}

#[test]
fn an_entry_that_is_created_and_then_written_is_claimed_empty() {
    let bug = SeededBug::CreateThenWrite;
    let play = Play::new(Choice::Uniform, Mix::Everything).with(bug);
    let schedule = panicking(|| drop(random::explore(play, 1_000, 1)));
    found(bug, "versions and generations only grow", [schedule]);
}

#[test]
fn an_expired_claim_that_is_unlinked_and_made_anew_comes_back() {
    let bug = SeededBug::UnlinkAndRecreate;
    found(bug, "what was acknowledged is there", in_every_schedule(bug, &[Kind::Claim]));
}

#[test]
fn an_expiry_decided_by_a_stale_listing_takes_a_lease_that_runs() {
    let bug = SeededBug::ExpireByStaleListing;
    let operations = [Kind::Claim, Kind::Heartbeat];
    found(bug, "versions and generations only grow", in_every_schedule(bug, &operations));
}

#[test]
fn a_sync_left_out_loses_an_acknowledged_end() {
    let bug = SeededBug::LeaveSyncOut;
    for disk in [Disk::AnySubset, Disk::Ordered] {
        found(bug, "what was acknowledged is there", [of_power_cuts(bug, disk, Histories::PLAIN)]);
    }
}

#[test]
fn a_record_written_after_the_rename_is_missing_when_the_task_has_ended() {
    let bug = SeededBug::RecordAfterRename;
    let operations = [Kind::Claim, Kind::Complete];
    found(bug, "an ended task's result is there, whole", in_every_schedule(bug, &operations));
}

#[test]
fn a_release_that_counts_as_an_attempt_is_found_at_once() {
    let bug = SeededBug::KeepAttemptOnRelease;
    let operations = [Kind::Claim, Kind::Release];
    found(bug, "a claim is an attempt, unless its holder gives", in_every_schedule(bug, &operations));
}

#[test]
fn a_release_without_an_ownership_check_takes_the_task_from_its_next_holder() {
    let bug = SeededBug::ReleaseWithoutOwnershipCheck;
    let operations = [Kind::Claim, Kind::Release];
    found(bug, "only the holder of the present lease", in_every_schedule(bug, &operations));
}

#[test]
fn a_wake_up_lost_lets_an_agent_sleep_beside_a_task() {
    let bug = SeededBug::LoseWakeUp;
    for appearance in [Appearance::Enqueued, Appearance::Released] {
        let schedule = panicking(|| random::explore_wake_ups(appearance, 1_000, 1, Some(bug)));
        found(bug, "a waiting agent is woken", [schedule]);
    }
}

#[test]
fn a_task_relinked_without_a_fence_comes_back_when_its_enqueuer_does() {
    let bug = SeededBug::RelinkWithoutFence;
    let play = Play::new(Choice::Priorities, Mix::Relinking).with(bug);
    let schedule = panicking(|| drop(random::explore(play, 20_000, 1)));
    found(bug, "a task has exactly one state entry", [schedule]);
}

#[test]
fn a_wake_before_the_end_is_there_forgets_who_comes_to_wait_meanwhile() {
    let scenario = Scenario { operations: vec![Kind::EnqueueChild, Kind::Complete], clocks: vec![1], ..held_by_one() };
    for bug in [SeededBug::WakeBeforeTheEnd, SeededBug::LinkWithoutALook] {
        found(bug, "nobody waits for what has happened", found_in(bug, &scenario));
    }
}

#[test]
fn a_task_that_does_not_wait_for_its_parent_is_found_at_once() {
    let bug = SeededBug::LinkAsReady;
    // When the first one was enqueued, so that the directory is there.
    let scenario = Scenario { operations: vec![Kind::EnqueueChild], invocations: 1, clocks: vec![0], ..held_by_one() };
    found(bug, "a task goes on when those that it waits for", found_in(bug, &scenario));
}

#[test]
fn a_key_taken_without_a_look_has_two_winners() {
    let bug = SeededBug::KeyWithoutALook;
    let unique = New { is_unique: true, ..TASK };
    let (operations, clocks, given) = (vec![Kind::Enqueue], vec![1], vec![(0, Kind::Cancel)]);
    let scenario = Scenario { operations, clocks, given, task: unique, adds: unique, ..two_agents() };
    found(bug, "at most one task with a key lives", found_in(bug, &scenario));
}

#[test]
fn a_lease_that_runs_out_and_does_not_count_is_found() {
    let several = |max_attempts| {
        let task = New { max_attempts: Some(max_attempts), ..TASK };
        Scenario { operations: vec![Kind::Sweep], task, ..held_by_one() }
    };
    let bug = SeededBug::ForgiveTimeouts;
    found(bug, "a claim is an attempt", found_in(bug, &several(2)));
    let bug = SeededBug::TimeOutAfterTheLast;
    found(bug, "no task is tried more often than it may be", found_in(bug, &several(1)));
}

#[test]
fn a_failed_attempt_that_is_due_at_once_is_found() {
    let bug = SeededBug::ForgetTheBackOff;
    let task = New { max_attempts: Some(2), ..TASK };
    let scenario = Scenario { operations: vec![Kind::Fail], task, ..held_by_one() };
    found(bug, "a delayed task becomes ready when it is due", found_in(bug, &scenario));
}

#[test]
fn a_report_removed_too_early_is_missed() {
    let bug = SeededBug::RemoveReportTooEarly;
    let scenario = Scenario { operations: vec![Kind::Progress], invocations_each: 2, ..held_by_one() };
    found(bug, "every report on a task stays", found_in(bug, &scenario));
    let bug = SeededBug::SyncNoProgress;
    let histories = Histories { length: 4, ..Histories::ATTEMPTS };
    let failure = power::explore(Disk::AnySubset, &World::new(), histories, Some(bug)).failure;
    found(bug, "nothing is left behind but what", [failure]);
}

#[test]
fn a_request_that_a_heartbeat_forgets_is_found() {
    let bug = SeededBug::ForgetTheRequest;
    let scenario = Scenario { operations: vec![Kind::RequestCancel, Kind::Heartbeat], ..held_by_one() };
    found(bug, "a holder that is asked to stop is told so", found_in(bug, &scenario));
}

#[test]
fn a_limit_that_is_not_looked_at_again_is_exceeded() {
    let bug = SeededBug::KeepOneTooMany;
    let scenario = Scenario { operations: vec![Kind::Claim], clocks: vec![1], limit: Some(1), ..two_agents() };
    found(bug, "there are no more leases than are allowed", found_in(bug, &scenario));
}

#[test]
fn what_follows_and_is_taken_back_is_missed() {
    let bug = SeededBug::TakeBackWhatFollows;
    let scenario = Scenario { operations: vec![Kind::CompleteAndEnqueue], invocations: 1, ..held_by_one() };
    found(bug, "what a completion enqueues runs if it is accepted", found_in(bug, &scenario));
}

#[test]
fn a_key_that_is_not_on_disk_is_another_ones_after_a_power_cut() {
    let bug = SeededBug::SyncNoKey;
    let failure = of_power_cuts(bug, Disk::AnySubset, Histories::UNIQUE);
    found(bug, "a task has exactly one state entry", [failure]);
}

#[test]
fn an_enqueuer_that_is_taken_for_dead_has_a_key_with_another() {
    let bug = SeededBug::TakeTheEnqueuerForDead;
    let unique = New { is_unique: true, ..TASK };
    let scenario = Scenario {
        begun: vec![Kind::Enqueue; 2],
        ahead: 2,
        clocks: vec![0],
        given: vec![(0, Kind::Cancel)],
        task: unique,
        adds: unique,
        ..two_agents()
    };
    found(bug, "at most one task with a key lives", found_in(bug, &scenario));
}

#[test]
fn a_claim_that_backs_off_and_leaves_a_free_task_is_found() {
    let bug = SeededBug::LeaveAfterGivingWay;
    let scenario = Scenario { operations: vec![Kind::Claim], clocks: vec![1], limit: Some(1), ..two_agents() };
    found(bug, "nobody is told that there is nothing", found_in(bug, &scenario));
}

/// Two agents, of which the first holds two tasks. The second one enqueues a task that waits for both.
fn with_another(meanwhile: Kind) -> Scenario {
    Scenario {
        another: true,
        clocks: vec![0],
        begun: vec![meanwhile, Kind::EnqueueChildOfBoth],
        given: vec![(0, Kind::Claim), (0, Kind::Claim)],
        ..two_agents()
    }
}

#[test]
fn a_collection_that_takes_away_what_is_waited_for_is_found() {
    let given = vec![(0, Kind::Claim), (0, Kind::Claim), (0, Kind::CompleteOther)];
    let scenario = Scenario { given, ..with_another(Kind::Gc) };
    for bug in [SeededBug::ForgetTheMarks, SeededBug::CollectWithoutASecondLook] {
        found(bug, "no task is removed that has not ended, or that a blocked one", found_in(bug, &scenario));
    }
}

#[test]
fn a_task_that_waits_on_in_vain_is_found() {
    let bug = SeededBug::ForgetTheMarks;
    found(bug, "nobody waits for what has happened", found_in(bug, &with_another(Kind::FailOther)));
}

#[test]
fn a_step_that_is_sent_again_adds_a_task_twice() {
    let bug = SeededBug::StepTwice;
    let scenario = Scenario { operations: vec![Kind::Enqueue], clocks: vec![0], mishaps: 1, ..two_agents() };
    found(bug, "what goes in comes out", [found_in_engine(bug, &scenario)]);
}

#[test]
fn what_a_step_writes_without_its_move_is_left_behind() {
    let bug = SeededBug::StepInParts;
    let scenario = Scenario { operations: vec![Kind::Progress, Kind::ForceCancel], ..held_by_one() };
    found(bug, "nothing is left behind but what", [found_in_engine(bug, &scenario)]);
}

#[test]
fn a_claim_that_gets_every_candidate_is_told_of_one() {
    let bug = SeededBug::EveryCandidate;
    let scenario = Scenario { operations: vec![Kind::Claim], another: true, clocks: vec![1], ..two_agents() };
    found(bug, "an agent that enqueues, claims or retries a task is told so", [found_in_engine(bug, &scenario)]);
}

#[test]
fn an_end_that_is_acknowledged_before_it_is_on_disk_is_lost() {
    let bug = SeededBug::EndWithoutALog;
    found(bug, "what was acknowledged is there", [of_power_cuts(bug, Disk::Log, Histories::PLAIN)]);
}

#[test]
fn a_watermark_that_hides_a_task_that_was_released_is_found() {
    let bug = SeededBug::NothingBelowTheWatermark;
    let scenario = Scenario {
        goes_on: true,
        operations: vec![Kind::Claim, Kind::Release],
        invocations: 3,
        invocations_each: 2,
        clocks: vec![1],
        given: vec![(1, Kind::Claim)],
        ..two_agents()
    };
    found(bug, "nobody is told that there is nothing", [found_in_engine(bug, &scenario)]);
}
