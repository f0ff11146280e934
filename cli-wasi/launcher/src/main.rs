//! `muse`: finds the repository, grants its coordination directory, and runs the embedded component on it.
//!
//! Everything that `muse coord` does is in the component. This program decides four things: which directory is granted
//! (`repository.rs`), what else is (`sandbox.rs`), how the component is loaded (`artifact.rs`), and what is said when
//! that cannot be done (`failure.rs`).
//!
//! Guaranteed: the exit code is the component's own; the component sees no other file than those below the coordination
//! directory; nothing is compiled when it starts. Not guaranteed: anything about the queue.

mod artifact;
mod config;
mod failure;
mod invocation;
mod repository;
mod sandbox;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

use tokio::runtime;
use wasmtime::Store;
use wasmtime::component::Linker;
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p2::bindings::Command;

use crate::failure::Failure;
use crate::invocation::Invocation;
use crate::repository::Start;
use crate::sandbox::Sandbox;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    let invocation = Invocation::read(&arguments);
    launch(&arguments, invocation).unwrap_or_else(|failure| failure.report(invocation.json))
}

fn launch(arguments: &[OsString], Invocation { purpose, .. }: Invocation) -> Result<ExitCode, Failure> {
    let directory = Start::of_this_process()?.coordination_directory(purpose);
    let sandbox = Sandbox::new(arguments, directory.as_deref(), purpose)?;
    let start_failed = |source| Failure::Start { source };
    // Timers need the runtime; sockets, which would need its driver of I/O, are not granted.
    let waiting =
        runtime::Builder::new_current_thread().enable_time().build().map_err(|error| start_failed(error.into()))?;
    waiting.block_on(async {
        let (command, mut store) = start(sandbox).await.map_err(start_failed)?;
        exit_code(command.wasi_cli_run().call_run(&mut store).await)
    })
}

async fn start(sandbox: Sandbox) -> wasmtime::Result<(Command, Store<Sandbox>)> {
    let engine = artifact::engine()?;
    let component = artifact::component(&engine)?;
    let mut linker = Linker::new(&engine);
    sandbox::link(&mut linker)?;
    let mut store = Store::new(&engine, sandbox);
    let command = Command::instantiate_async(&mut store, &component, &linker).await?;
    Ok((command, store))
}

/// The component ends by returning, or by calling `exit`, which unwinds it as an error. Any other error is a trap.
fn exit_code(ended: wasmtime::Result<Result<(), ()>>) -> Result<ExitCode, Failure> {
    match ended {
        Ok(Ok(())) => Ok(ExitCode::SUCCESS),
        Ok(Err(())) => Ok(ExitCode::FAILURE),
        Err(source) => match source.downcast_ref() {
            Some(&I32Exit(code)) => Ok(u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from)),
            None => Err(Failure::Stopped { source }),
        },
    }
}
