//! After a power cut at any moment of a history, all that was acknowledged is there, whole, and can be worked off.

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

/// The same histories on each kind of disk.
fn explored_on_each_disk(what: &str, start: &World, histories: Histories) {
    explored(what, Disk::AnySubset, start, histories);
    explored(&format!("{what}, with an ordered journal"), Disk::Ordered, start, histories);
    let own_names = format!("{what}, with an ordered journal that keeps a file's own names");
    explored(&own_names, Disk::OwnNames, start, histories);
    explored(&format!("{what}, in an engine with a log"), Disk::Log, &World::whole(), histories);
}

#[test]
fn of_what_an_engine_keeps_nothing_is_missing() {
    explored("the end of the log is lost", Disk::Log, &World::whole(), Histories::PLAIN);
}

#[test]
fn what_was_enqueued_into_an_empty_directory_survives_too() {
    let histories = Histories { length: 3, ..Histories::PLAIN };
    explored_on_each_disk("in the first uses of a directory", &World::empty(), histories);
}

#[test]
fn attempts_that_failed_and_tasks_that_were_put_off_are_not_lost() {
    explored_on_each_disk("around attempts", &World::new(), Histories::ATTEMPTS);
}

#[test]
fn tasks_that_wait_for_others_and_those_that_follow_are_not_lost() {
    explored_on_each_disk("around dependants", &World::new(), Histories::DEPENDANTS);
}

#[test]
fn what_another_agent_does_before_a_flush_takes_nothing() {
    explored_on_each_disk("with another agent amid", &World::new(), Histories::AMID);
}

#[test]
fn the_one_task_with_a_key_is_not_lost() {
    explored_on_each_disk("around a key", &World::new(), Histories::UNIQUE);
}
