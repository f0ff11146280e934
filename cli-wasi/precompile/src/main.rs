//! `muse-precompile command|library IN.wasm OUT.cwasm`: compiles a component that `muse` or `muse-host` embeds to
//! machine code, at build time, so that the program only has to map it.
//!
//! It is a program of its own, and no build script of theirs, since a build script would need a wasmtime of its own.
//! This one is built among the other programs, by the wasmtime that they have, or by itself if `muse` alone is wanted.
//!
//! The code is made for the target of this build and not for the machine of this build, so that it runs on every
//! processor of the target.

#[path = "../../host/src/agent/config.rs"]
mod agent;
#[path = "../../launcher/src/config.rs"]
mod launcher;

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
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let [kind, component, out] = &arguments[..] else {
        return Err("three words are needed: the kind of component, its file, and the file to write".into());
    };
    let mut config = match kind.to_str() {
        Some("command") => launcher::config(),
        Some("library") => agent::config(),
        _ => return Err(format!("{} is no kind of component: command or library", kind.display()).into()),
    };
    config.target(env!("MUSE_TARGET"))?;
    let compiled = Engine::new(&config)?.precompile_component(&fs::read(component)?)?;
    // A file that is as it should be stays as old as it is, so that what is built with it is not built anew.
    if fs::read(out).ok().as_ref() != Some(&compiled) {
        fs::write(out, compiled)?;
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "a build step talks to the person who builds")]
fn complain(error: Box<dyn Error>) {
    eprintln!("error: {error}");
}
