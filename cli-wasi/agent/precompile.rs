//! `muse-agent-precompile LIBRARY.wasm OUT.cwasm`: compiles the library component to machine code, at build time, so
//! that `muse-agent` need not do so each time it starts.
//!
//! It is made for the target of this build and not for the machine of this build, so that it runs on every processor of
//! the target.

#[path = "src/config.rs"]
mod config;

use std::error::Error;
use std::process::ExitCode;
use std::{env, fs};

use wasmtime::Engine;

fn main() -> ExitCode {
    match precompile() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(error);
            ExitCode::FAILURE
        }
    }
}

fn precompile() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1);
    let (Some(library), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err("two files are to be named: the library, and the compiled one that is to be written".into());
    };
    let mut config = config::config();
    config.target(env!("MUSE_TARGET"))?;
    let compiled = Engine::new(&config)?.precompile_component(&fs::read(library)?)?;
    // A file that is as it should be stays as old as it is, so that what is built with it is not built anew.
    if fs::read(&out).ok().as_ref() != Some(&compiled) {
        fs::write(out, compiled)?;
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "a build step talks to the person who builds")]
fn complain(error: Box<dyn Error>) {
    eprintln!("error: {error}");
}
