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
mod unfinished;
mod what_is_answered;
mod work_for_others;
mod world;
