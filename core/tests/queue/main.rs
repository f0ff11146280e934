//! The tests of the core against its store in memory. They are one program, since each program would compile the queue
//! anew.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

mod arbitrary;
mod archive;
mod collection;
mod doctor;
mod forged;
mod hostile_directory;
mod memory;
mod operations;
mod parsers;
mod plans;
mod time_and_parents;
mod trips;
mod unfinished;
mod watermarks;
mod what_is_answered;
mod work_for_others;
mod world;

/// What is asserted of the operations holds on an engine, too: all of it is run once more.
#[test]
fn all_of_it_holds_on_a_medium_with_fused_operations() {
    if world::is_engine() {
        return;
    }
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    let status = again.env(world::ON_AN_ENGINE, "yes").args(["--test-threads", "2"]).status().unwrap();
    assert!(status.success(), "on an engine: {status}");
}
