//! `muse`: finds the repository, grants its coordination directory, and runs the embedded component on it.
//!
//! Everything that `muse coord` does is in the component. This program decides four things: which directory is granted
//! (as `coord_store::repository` finds it, and trusts it), what else is (`sandbox.rs`), how the component is loaded
//! (`artifact.rs`), and what is said when that cannot be done (`failure.rs`).
//!
//! Guaranteed: the exit code is the component's own; the component sees no other file than those below the coordination
//! directory, and what is on its standard input; nothing is compiled when it starts. Not guaranteed: anything about the
//! queue.

coord_store::look_before_main!();

mod artifact;
mod config;
mod failure;
mod invocation;
mod sandbox;

use std::convert::Infallible;
use std::env;
use std::path::PathBuf;
use std::process::{ExitCode, exit};
use std::time::Instant;

use coord_store::process;
use coord_store::repository::Start;
use tokio::runtime;
use wasmtime::Store;
use wasmtime::component::Linker;
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p2::bindings::Command;

use crate::failure::Failure;
use crate::invocation::Invocation;
use crate::sandbox::Sandbox;

fn main() -> ExitCode {
    let began = Instant::now();
    let invocation = Invocation::read(env::args_os().skip(1).collect());
    let Err(failure) = launch(&invocation);
    failure.report(invocation.json, began)
}

fn launch(invocation: &Invocation) -> Result<Infallible, Failure> {
    check_memory()?;
    process::check_randomness().map_err(|source| Failure::Randomness { source })?;
    let sandbox = Sandbox::new(invocation, coordination_directory(invocation))?;
    // Who waits is told of what comes, unless there are too few files for that, where the runtime would panic.
    let tells = invocation.waits && process::check_room_for(FILES_TO_TELL).is_ok();
    let mut runtime = runtime::Builder::new_current_thread();
    runtime.enable_time();
    if tells {
        runtime.enable_io();
    }
    let runtime = runtime.build().map_err(|error| Failure::Start { source: error.into() })?;
    runtime.block_on(run(sandbox, tells))
}

/// How many files the runtime opens to hear of what comes, and some to spare.
const FILES_TO_TELL: usize = 10;

/// As much memory as this process has to be allowed, in bytes. The component's takes 128 MiB of addresses, which are
/// reserved twice (`config.rs`); the rest is what the runtime takes, with room. Less is refused, since there any
/// allocation may fail, by which Rust ends a process, and wasmtime panics where it cannot have a stack for signals.
const LEAST_MEMORY: u64 = 160_000 << 10;

fn check_memory() -> Result<(), Failure> {
    match process::memory_limit() {
        Some(limit) if limit < LEAST_MEMORY => Err(Failure::Memory { limit, least: LEAST_MEMORY }),
        _ => Ok(()),
    }
}

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

/// Runs the component and ends the process with its exit code. Nothing is taken down first: the kernel takes the memory
/// back at once, while destructors would cost a tenth of the time that a whole command takes.
async fn run(sandbox: Sandbox, tells: bool) -> Result<Infallible, Failure> {
    let start_failed = |source| Failure::Start { source };
    let engine = artifact::engine().map_err(start_failed)?;
    let component = artifact::component(&engine).map_err(start_failed)?;
    let mut linker = Linker::new(&engine);
    sandbox::link(&mut linker).map_err(start_failed)?;
    if tells {
        muse_filesystem::tell_of_arrivals(&mut linker).map_err(start_failed)?;
    }
    let mut store = Store::new(&engine, sandbox);
    let command = Command::instantiate_async(&mut store, &component, &linker).await.map_err(start_failed)?;
    let ended = command.wasi_cli_run().call_run(&mut store).await;
    exit(exit_code(ended)?)
}

/// The component ends by returning, or by calling `exit`, which unwinds it as an error, as does what the sandbox could
/// not give it. Any other error is a trap.
fn exit_code(ended: wasmtime::Result<Result<(), ()>>) -> Result<i32, Failure> {
    match ended {
        Ok(Ok(())) => Ok(0),
        Ok(Err(())) => Ok(1),
        Err(source) => match source.downcast_ref() {
            Some(&I32Exit(code)) => Ok(code),
            None => Err(source.downcast().unwrap_or_else(|source| Failure::Stopped { source })),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_component_loads_and_imports_nothing_that_is_not_granted() {
        let engine = artifact::engine().unwrap();
        let component = artifact::component(&engine).unwrap();
        let mut linker = Linker::new(&engine);
        sandbox::link(&mut linker).unwrap();
        linker.instantiate_pre(&component).unwrap();
    }

    #[test]
    fn the_exit_code_is_the_components_own() {
        assert_eq!(exit_code(Ok(Ok(()))).unwrap(), 0);
        assert_eq!(exit_code(Ok(Err(()))).unwrap(), 1);
        for code in 0..=255 {
            assert_eq!(exit_code(Err(I32Exit(code).into())).unwrap(), code);
        }
        let trap = exit_code(Err(wasmtime::Trap::UnreachableCodeReached.into()));
        assert!(matches!(trap, Err(Failure::Stopped { .. })));
        let missing = Failure::CurrentDirectory { source: std::io::ErrorKind::NotFound.into() };
        assert!(matches!(exit_code(Err(missing.into())), Err(Failure::CurrentDirectory { .. })));
    }
}
