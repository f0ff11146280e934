//! What `xtask` does with compiled WebAssembly:
//! - `xtask-wasm encode MODULE COMPONENT` makes a component of a library;
//! - `xtask-wasm compose AGENT LIBRARY COMPONENT` fills in an agent's import of the queue;
//! - `xtask-wasm bind MODULE DIRECTORY` writes the JavaScript around the npm package's WebAssembly.
//!
//! It is a program of its own because its libraries take longer to compile than all the rest of `xtask`, and
//! `cargo xtask demo` needs none of them.
#![allow(clippy::print_stderr, reason = "a build task talks to the person who started it")]

mod bind;
mod compose;
mod encode;

use anyhow::{Result, bail};
use std::env;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let words: Vec<_> = env::args_os().skip(1).collect();
    let Some((task, files)) = words.split_first() else { bail!("no task is named") };
    let files: Vec<&Path> = files.iter().map(Path::new).collect();
    match (task.to_str(), &files[..]) {
        (Some("encode"), [module, component]) => encode::encode(module, component),
        (Some("compose"), [agent, library, component]) => compose::compose(agent, library, component),
        (Some("bind"), [module, directory]) => bind::bind(module, directory),
        _ => bail!("no such task, or not its files: {words:?}"),
    }
}
