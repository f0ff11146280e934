//! The checkers can fail: each classic mistake is planted into the code that ships, and is found. What is printed is the
//! schedule that shows it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use coord_tests::report;
use coord_tests::sim::every::{Kind, Scenario};
use coord_tests::sim::mistake::Mistake;
use coord_tests::sim::power::{self, Disk};
use coord_tests::sim::random::{self, Appearance, Choice, Mix};
use coord_tests::sim::world::World;

/// Says where the mistake is found, and shows how.
fn found(mistake: Mistake, promise: &str, schedule: Option<String>) {
    let schedule = schedule.unwrap_or_else(|| panic!("{mistake:?} was not found"));
    assert!(schedule.contains(&format!("broken: {promise}")), "{mistake:?} was found by another promise:\n{schedule}");
    report(format_args!("planted mistake {mistake:?}: found\n{schedule}\n"));
}

fn in_every_schedule(mistake: Mistake, orders: &[Kind]) -> Option<String> {
    let scenario = Scenario {
        agents: 2,
        errands: 3,
        errands_each: 2,
        mishaps: 0,
        orders: orders.into(),
        clocks: vec![1, 5],
        ttl_seconds: 1_000,
        mistake: Some(mistake),
    };
    scenario.explore().failure
}

/// What a schedule says that panics.
fn panicking(explore: impl FnOnce()) -> Option<String> {
    let payload = catch_unwind(AssertUnwindSafe(explore)).err()?;
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned())
}

#[test]
fn a_claim_by_renaming_and_reading_back_has_two_winners() {
    let mistake = Mistake::RenameAndReadBack;
    found(mistake, "a task has exactly one state entry", in_every_schedule(mistake, &[Kind::Claim]));
}

#[test]
fn an_entry_that_is_created_and_then_written_is_claimed_empty() {
    let mistake = Mistake::CreateThenWrite;
    let schedule = panicking(|| drop(random::explore(Choice::Uniform, Mix::Everything, 1_000, 1, Some(mistake))));
    found(mistake, "versions and generations only grow", schedule);
}

#[test]
fn an_expired_claim_that_is_unlinked_and_made_anew_comes_back() {
    let mistake = Mistake::UnlinkAndRecreate;
    found(mistake, "what was acknowledged is there", in_every_schedule(mistake, &[Kind::Claim]));
}

#[test]
fn an_expiry_decided_by_a_stale_listing_takes_a_lease_that_runs() {
    let mistake = Mistake::ExpireByStaleListing;
    let orders = [Kind::Claim, Kind::Heartbeat];
    found(mistake, "versions and generations only grow", in_every_schedule(mistake, &orders));
}

#[test]
fn a_sync_left_out_loses_an_acknowledged_end() {
    let mistake = Mistake::LeaveSyncOut;
    for disk in [Disk::AnySubset, Disk::Ordered] {
        found(mistake, "what was acknowledged is there", power::explore(disk, &World::new(), 3, Some(mistake)).failure);
    }
}

#[test]
fn a_record_written_after_the_rename_is_missing_when_the_task_has_ended() {
    let mistake = Mistake::RecordAfterRename;
    let orders = [Kind::Claim, Kind::Complete];
    found(mistake, "an ended task's result is there, whole", in_every_schedule(mistake, &orders));
}

#[test]
fn a_release_that_counts_as_an_attempt_is_found_at_once() {
    let mistake = Mistake::KeepAttemptOnRelease;
    let orders = [Kind::Claim, Kind::Release];
    found(mistake, "a claim is an attempt, unless its holder gives", in_every_schedule(mistake, &orders));
}

#[test]
fn a_release_without_an_ownership_check_takes_the_task_from_its_next_holder() {
    let mistake = Mistake::ReleaseWithoutOwnershipCheck;
    let orders = [Kind::Claim, Kind::Release];
    found(mistake, "only the holder of the present lease", in_every_schedule(mistake, &orders));
}

#[test]
fn a_wake_up_lost_lets_an_agent_sleep_beside_a_task() {
    let mistake = Mistake::LoseWakeUp;
    for appearance in [Appearance::Enqueued, Appearance::Released] {
        let schedule = panicking(|| random::explore_wake_ups(appearance, 1_000, 1, Some(mistake)));
        found(mistake, "a waiting agent is woken", schedule);
    }
}

#[test]
fn a_task_shelved_again_without_a_fence_comes_back_when_its_enqueuer_does() {
    let mistake = Mistake::ShelveWithoutFence;
    let schedule = panicking(|| drop(random::explore(Choice::Priorities, Mix::Shelving, 20_000, 1, Some(mistake))));
    found(mistake, "a task has exactly one state entry", schedule);
}
