//! Whatever a power cut leaves of a history, what was acknowledged is there, whole, and can be worked off.

use coord_tests::report;
use coord_tests::sim::power::{Disk, Explored, Histories, explore};
use coord_tests::sim::world::World;

fn explored(what: &str, disk: Disk, start: &World, histories: Histories) {
    let Explored { histories, moments, states, failure } = explore(disk, start, histories, None);
    report(format_args!(
        "power cuts, {what}: {histories} histories, {moments} crash points, {states} states of the disk"
    ));
    assert!(failure.is_none(), "{}", failure.unwrap_or_default());
}

#[test]
fn of_what_posix_leaves_a_doctor_makes_a_queue_in_which_nothing_is_missing() {
    explored("any part of what was not synced is lost", Disk::AnySubset, &World::new(), Histories::PLAIN);
}

#[test]
fn of_what_an_ordered_journal_leaves_nothing_is_missing() {
    explored("the end of what was not synced is lost", Disk::Ordered, &World::new(), Histories::PLAIN);
    explored(
        "the end of what was not synced is lost, and a file's own names are kept",
        Disk::OwnNames,
        &World::new(),
        Histories::PLAIN,
    );
}

#[test]
fn what_was_enqueued_into_an_empty_directory_survives_too() {
    let histories = Histories { length: 3, ..Histories::PLAIN };
    explored("in the first uses of a directory", Disk::AnySubset, &World::empty(), histories);
    explored("in the first uses, with an ordered journal", Disk::Ordered, &World::empty(), histories);
    explored(
        "in the first uses, with an ordered journal that keeps a file's own names",
        Disk::OwnNames,
        &World::empty(),
        histories,
    );
}

#[test]
fn attempts_that_failed_and_tasks_that_were_put_off_are_not_lost() {
    explored("around attempts", Disk::AnySubset, &World::new(), Histories::ATTEMPTS);
    explored("around attempts, with an ordered journal", Disk::Ordered, &World::new(), Histories::ATTEMPTS);
    explored(
        "around attempts, with an ordered journal that keeps a file's own names",
        Disk::OwnNames,
        &World::new(),
        Histories::ATTEMPTS,
    );
}

#[test]
fn tasks_that_wait_for_others_and_those_that_follow_are_not_lost() {
    explored("around dependants", Disk::AnySubset, &World::new(), Histories::DEPENDANTS);
    explored("around dependants, with an ordered journal", Disk::Ordered, &World::new(), Histories::DEPENDANTS);
    explored(
        "around dependants, with an ordered journal that keeps a file's own names",
        Disk::OwnNames,
        &World::new(),
        Histories::DEPENDANTS,
    );
}

#[test]
fn what_another_agent_does_before_a_flush_takes_nothing() {
    explored("with another agent amid", Disk::AnySubset, &World::new(), Histories::AMID);
    explored("with another agent amid, and an ordered journal", Disk::Ordered, &World::new(), Histories::AMID);
    explored(
        "with another agent amid, and an ordered journal that keeps a file's own names",
        Disk::OwnNames,
        &World::new(),
        Histories::AMID,
    );
}

#[test]
fn the_one_task_with_a_key_is_not_lost() {
    explored("around a key", Disk::AnySubset, &World::new(), Histories::UNIQUE);
    explored("around a key, with an ordered journal", Disk::Ordered, &World::new(), Histories::UNIQUE);
    explored(
        "around a key, with an ordered journal that keeps a file's own names",
        Disk::OwnNames,
        &World::new(),
        Histories::UNIQUE,
    );
}
