//! `muse`: finds the repository, grants its coordination directory, and runs the embedded component on it.
//!
//! This program decides three things: which directory is granted (as `coord_store::repository` finds it, and trusts
//! it), how the component is loaded (`artifact.rs`), and that another program is to do it where the queue is on an
//! engine (`handover.rs`). All else stands in the library beside it.
//!
//! Guaranteed: the component sees no other file than those below the coordination directory, and what is on its
//! standard input; nothing is compiled when it starts. Not guaranteed: anything about the queue.

coord_store::look_before_main!();

mod artifact;
mod handover;

use std::convert::Infallible;
use std::env;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use coord_store::repository::Start;
use muse_launcher::{Embedded, Failure, Invocation, LEAST_MEMORY, Sandbox, check_surroundings, launch};

fn main() -> ExitCode {
    let began = Instant::now();
    let invocation = Invocation::read(env::args_os().skip(1).collect());
    let Err(failure) = run(&invocation);
    ExitCode::from(failure.report(invocation.json, began))
}

fn run(invocation: &Invocation) -> Result<Infallible, Failure> {
    check_surroundings(LEAST_MEMORY)?;
    if handover::is_asked_for(invocation) {
        return Err(handover::to_companion());
    }
    let directory = coordination_directory(invocation);
    if handover::is_due(invocation, directory.as_ref()) {
        return Err(handover::to_companion());
    }
    let sandbox = Sandbox::new(invocation, directory, ())?;
    launch(invocation, sandbox, &EMBEDDED)
}

/// The component in this executable, which imports nothing but WASI.
const EMBEDDED: Embedded<()> =
    Embedded { engine: artifact::engine, component: artifact::component, link: |_linker| Ok(()) };

/// The directory that the command works in, whether it exists yet or not; none without a repository. A failure to find
/// it matters only if the component asks for it: help is given even where the current directory is gone.
fn coordination_directory(&Invocation { init, purpose, .. }: &Invocation) -> Option<Result<PathBuf, Failure>> {
    let start = match Start::of_this_process() {
        Ok(start) => start,
        Err(source) => return Some(Err(Failure::CurrentDirectory { source })),
    };
    match start.found(purpose) {
        Ok(None) if init => Some(start.here().map_err(Failure::Directory)),
        found => found.map_err(Failure::Directory).transpose(),
    }
}

#[cfg(test)]
mod tests {
    use wasmtime::component::Linker;

    use super::*;

    #[test]
    fn the_embedded_component_loads_and_imports_nothing_that_is_not_granted() {
        let engine = artifact::engine().unwrap();
        let component = artifact::component(&engine).unwrap();
        let mut linker: Linker<Sandbox> = Linker::new(&engine);
        muse_launcher::link(&mut linker).unwrap();
        linker.instantiate_pre(&component).unwrap();
    }
}
