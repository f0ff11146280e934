//! The WebAssembly components, each where it is built in the target directory.
//!
//! Programs are compiled for `wasm32-wasip2`, whose linker makes components. A library that must import no more than
//! its world says is compiled for `wasm32-unknown-unknown`, whose `std` imports nothing, and made a component here.

use crate::setup;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use wit_component::ComponentEncoder;
use xshell::cmd;

/// The command line.
pub(crate) fn command(workspace: &Workspace) -> Result<PathBuf> {
    setup::ensure(workspace)?;
    let sh = &workspace.shell;
    cmd!(sh, "cargo build --locked --profile component --package muse-cli --bin muse-cli --target wasm32-wasip2")
        .run()?;
    Ok(built(workspace, "wasm32-wasip2")?.join("muse-cli.wasm"))
}

/// The library, world `coord` of `wit/`.
pub(crate) fn library(workspace: &Workspace) -> Result<PathBuf> {
    setup::ensure(workspace)?;
    let sh = &workspace.shell;
    cmd!(sh, "cargo build --locked --profile component --package muse-component --target wasm32-unknown-unknown")
        .run()?;
    let directory = built(workspace, "wasm32-unknown-unknown")?;
    encode(&directory.join("muse_coord.wasm"), directory.join("muse-coord.wasm"))
}

/// The example programs of the store; the directory that they are in.
pub(crate) fn examples(workspace: &Workspace) -> Result<PathBuf> {
    setup::ensure(workspace)?;
    let sh = &workspace.shell;
    cmd!(sh, "cargo build --locked --profile component --package coord-store --examples --target wasm32-wasip2")
        .run()?;
    Ok(built(workspace, "wasm32-wasip2")?.join("examples"))
}

/// The tests' agent.
pub(crate) fn guest_agent(workspace: &Workspace) -> Result<PathBuf> {
    setup::ensure(workspace)?;
    let sh = &workspace.shell;
    cmd!(sh, "cargo build --locked --profile component --package coord-guest-agent --target wasm32-wasip2").run()?;
    Ok(built(workspace, "wasm32-wasip2")?.join("coord-guest-agent.wasm"))
}

/// Makes a component of a core module that carries its world in a custom section, as `wit-bindgen` puts it there.
pub(crate) fn encode(module: &Path, component: PathBuf) -> Result<PathBuf> {
    let context = || format!("cannot make a component of {}", module.display());
    let module = fs::read(module).with_context(context)?;
    let encoded = ComponentEncoder::default().module(&module).and_then(|encoder| encoder.validate(true).encode());
    fs::write(&component, encoded.with_context(context)?)?;
    Ok(component)
}

fn built(workspace: &Workspace, target: &str) -> Result<PathBuf> {
    Ok(workspace.target()?.join(target).join("component"))
}
