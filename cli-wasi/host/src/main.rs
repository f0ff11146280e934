//! `muse-host`: what is not quick, or carries more than a queue in a directory needs.
//!
//! - `muse-host coord …` is the command line on an engine: `muse` becomes it where the queue is on one (`coord.rs`).
//! - `muse-host agent …`, which is also called `muse-agent …`, runs an agent that has the queue and nothing else
//!   (`agent.rs`).
//!
//! Guaranteed: passwords and connections stay in this program. No component is given any.

coord_store::look_before_main!();

mod agent;
mod coord;

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process;

fn main() {
    // The process ends here and now, without waiting for what an agent may have left blocked.
    process::exit(agent::compile_if_ordered().unwrap_or_else(run))
}

fn run() -> i32 {
    let mut words = env::args_os();
    let program = words.next().unwrap_or_default();
    let is_agent = Path::new(&program).file_stem() == Some(OsStr::new("muse-agent"));
    let words: Vec<OsString> = words.collect();
    match words.split_first() {
        _ if is_agent => agent::run(words.into_iter()),
        Some((first, rest)) if first == "agent" => agent::run(rest.iter().cloned()),
        _ => coord::run(words),
    }
}
