//! Runs the command line of `muse coord`, a component, as a program of this machine: in `muse`, on the directory that
//! it finds, and in `muse-host`, on an engine.
//!
//! Everything that `muse coord` does is in the component. What stands here decides what else it is granted
//! (`sandbox.rs`), and what is said when it cannot be run (`failure.rs`).
//!
//! Guaranteed: the exit code is the component's own. Not guaranteed: anything about the queue.

pub mod config;
mod failure;
mod invocation;
mod sandbox;

use std::convert::Infallible;
use std::process::exit;

use coord_store::process;
use tokio::runtime;
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p2::bindings::Command;

pub use failure::Failure;
pub use invocation::Invocation;
pub use sandbox::{Sandbox, link};

/// The component that a program embeds.
pub struct Embedded<M: 'static> {
    /// Makes an engine of wasmtime that can run it.
    pub engine: fn() -> wasmtime::Result<Engine>,
    /// Loads it.
    pub component: fn(&Engine) -> wasmtime::Result<Component>,
    /// Links what it imports beyond WASI.
    pub link: fn(&mut Linker<Sandbox<M>>) -> wasmtime::Result<()>,
}

/// Fails where a component could not be run at all: for want of memory, of which so many bytes are needed, or of random
/// numbers.
pub fn check_surroundings(least_memory: u64) -> Result<(), Failure> {
    check_memory(least_memory)?;
    process::check_randomness().map_err(|source| Failure::Randomness { source })
}

/// Runs the component, and ends this process with its exit code.
pub fn launch<M: Send + 'static>(
    invocation: &Invocation,
    sandbox: Sandbox<M>,
    embedded: &Embedded<M>,
) -> Result<Infallible, Failure> {
    // A command that waits is told of what comes, unless it can open too few files: there the runtime would panic.
    let tells = invocation.waits && process::check_room_for(FILES_TO_TELL).is_ok();
    let mut runtime = runtime::Builder::new_current_thread();
    runtime.enable_time();
    if tells {
        runtime.enable_io();
    }
    let runtime = runtime.build().map_err(|error| Failure::Start { source: error.into() })?;
    runtime.block_on(run(sandbox, embedded, tells))
}

/// How many files the runtime opens to hear of what comes, and some to spare.
const FILES_TO_TELL: usize = 10;

/// As much memory as this process has to be allowed, in bytes. The component's takes 128 MiB of addresses, which are
/// reserved twice (`config.rs`); the rest is what the runtime takes, with room. Less is refused, since there any
/// allocation may fail, by which Rust ends a process, and wasmtime panics where it cannot have a stack for signals.
pub const LEAST_MEMORY: u64 = 160_000 << 10;

fn check_memory(least: u64) -> Result<(), Failure> {
    match process::memory_limit() {
        Some(limit) if limit < least => Err(Failure::Memory { limit, least }),
        _ => Ok(()),
    }
}

/// Runs the component and ends the process with its exit code. Nothing is taken down first: the kernel takes the memory
/// back at once, while destructors would cost a tenth of the time that a whole command takes.
async fn run<M: Send + 'static>(
    sandbox: Sandbox<M>,
    embedded: &Embedded<M>,
    tells: bool,
) -> Result<Infallible, Failure> {
    let start_failed = |source| Failure::Start { source };
    let engine = (embedded.engine)().map_err(start_failed)?;
    let component = (embedded.component)(&engine).map_err(start_failed)?;
    let mut linker = Linker::new(&engine);
    link(&mut linker).map_err(start_failed)?;
    (embedded.link)(&mut linker).map_err(start_failed)?;
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
