//! `muse-agent AGENT.wasm --run-id R`: runs an agent that has the queue and nothing else.
//!
//! Two components meet here and never touch. The agent is anybody's (world `agent` of `wit/`): it is given no file, no
//! network, no argument and no variable but its run id (`sandbox.rs`), and it is bounded in memory and time
//! (`bounds.rs`, `watch.rs`), as is what is done for it before it runs (`compile.rs`). The queue is the library,
//! which is part of this program and alone is granted the coordination directory: `muse-coord.wasm`, or on an engine
//! `muse-coord-store.wasm`, which is granted that (`library.rs`). What the agent asks of the queue goes through
//! `confine.rs`, which decides what it may ask.
//!
//! Guaranteed: whatever the agent does, it acts under the one run id that it was started with and, with `--queue`, on
//! that one queue. When it ends, in whichever way but SIGKILL, it is cut off from the queue (`leash.rs`), and each task
//! that it holds then, as the queue has it, is given back with a line on standard error (`give_back.rs`). Nothing
//! of that takes time without a limit, and a second signal ends this program at once. After SIGKILL the lease runs out,
//! as everybody's does. Not guaranteed: that the agent does its work, nor that it heartbeats. That is up to the agent.

mod args;
mod bindings;
mod bounds;
mod compile;
mod config;
mod confine;
mod give_back;
mod held;
mod leash;
mod library;
mod medium;
mod output;
mod quota;
mod report;
mod run;
mod sandbox;
mod watch;

use std::ffi::OsString;

use clap::Parser as _;

use crate::agent::args::Arguments;

/// Does what the words behind the program's name say, and tells the exit code.
pub(crate) fn run(words: impl Iterator<Item = OsString>) -> i32 {
    watch::run(&Arguments::parse_from([OsString::from("muse-agent")].into_iter().chain(words)))
}

/// Compiles an agent, if this process was started for that, and tells the exit code.
pub(crate) fn compile_if_ordered() -> Option<i32> {
    compile::Order::of_this_process().as_ref().map(compile::run)
}
