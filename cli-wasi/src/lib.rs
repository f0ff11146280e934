//! The command line of `muse coord`: what was typed becomes typed commands on a [`coord_core::Queue`].
//!
//! Built for `wasm32-wasip2` this is a WASI command component that works in the one directory that its host grants.
//! Built natively it serves tests and measurements.

mod answer;
mod args;
mod command;
pub mod host;
mod input;
mod medium;
mod output;
mod print;
mod schema;

pub use args::command_line;

use args::Misuse;

/// Runs the command line that the process was started with, prints its answer, and tells the exit code.
///
/// 0: done. 1: a bad value, not found, nothing to claim, refused, or the medium failed. 2: wrong usage, or no
/// repository.
pub fn run() -> u8 {
    let stopwatch = host::Stopwatch::start();
    match args::parse(std::env::args_os()) {
        Ok(args) => command::run(args, stopwatch),
        Err(Misuse { error, format }) => output::misuse(&error, format, stopwatch),
    }
}
