//! Whatever a power cut leaves of a history, what was acknowledged is there, whole, and can be worked off.

use coord_tests::report;
use coord_tests::sim::power::{Disk, Explored, explore};
use coord_tests::sim::world::World;

fn explored(what: &str, disk: Disk, start: &World, length: usize) {
    let Explored { histories, moments, states, failure } = explore(disk, start, length, None);
    report(format_args!(
        "power cuts, {what}: {histories} histories, {moments} crash points, {states} states of the disk"
    ));
    assert!(failure.is_none(), "{}", failure.unwrap_or_default());
}

#[test]
fn of_what_posix_leaves_a_doctor_makes_a_queue_in_which_nothing_is_missing() {
    explored("any part of what was not synced is lost", Disk::AnySubset, &World::new(), 4);
}

#[test]
fn of_what_an_ordered_journal_leaves_nothing_is_missing() {
    explored("the end of what was not synced is lost", Disk::Ordered, &World::new(), 4);
}

#[test]
fn what_was_enqueued_into_an_empty_directory_survives_too() {
    explored("in the first uses of a directory", Disk::AnySubset, &World::empty(), 3);
    explored("in the first uses, with an ordered journal", Disk::Ordered, &World::empty(), 3);
}
