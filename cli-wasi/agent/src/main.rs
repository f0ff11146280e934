//! `muse-agent AGENT.wasm --run-id R`: runs an agent that has the queue and nothing else.
//!
//! Two components meet here and never touch. The agent is anybody's (world `agent` of `wit/`): it is given no file, no
//! network, no argument and no variable but its run id (`sandbox.rs`), and it is bounded in memory and time (`bounds.rs`,
//! `watch.rs`). The queue is `muse-coord.wasm`, which is part of this program and alone is granted the coordination
//! directory (`library.rs`). What the agent asks of the queue goes through `confine.rs`, which decides what it may ask.
//!
//! Guaranteed: whatever the agent does, it acts under the one run id that it was started with and, with `--queue`, on that
//! one queue; and when it ends, in whichever way but SIGKILL, it is told on standard error what became of each task that
//! it held and had not settled, which is given back (`held.rs`). After SIGKILL the lease runs out, as everybody's does.
//! Not guaranteed: that the agent does its work, nor that it heartbeats. That is up to the agent.

coord_store::look_before_main!();

mod args;
mod bindings;
mod bounds;
mod config;
mod confine;
mod held;
mod library;
mod report;
mod run;
mod sandbox;
mod watch;

use std::process;

use clap::Parser as _;

use crate::args::Arguments;

fn main() {
    // The process ends here and now, without waiting for what an agent may have left blocked.
    process::exit(watch::run(&Arguments::parse()))
}
