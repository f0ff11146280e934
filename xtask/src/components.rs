//! The WebAssembly components, each where it is built in the target directory.
//!
//! Programs are compiled for `wasm32-wasip2`, whose linker makes components. A library that must import no more than
//! its world says is compiled for `wasm32-unknown-unknown`, whose `std` imports nothing, and made a component here.

use crate::build;
use crate::setup;
use crate::workspace::Workspace;
use anyhow::Result;
use std::path::{Path, PathBuf};
use xshell::cmd;

/// The command line.
pub(crate) fn command(workspace: &Workspace) -> Result<PathBuf> {
    setup::ensure(workspace)?;
    let sh = &workspace.shell;
    cmd!(sh, "cargo build --locked --profile component --package muse-cli --bin muse-cli --target wasm32-wasip2")
        .run()?;
    Ok(built(workspace, "wasm32-wasip2")?.join("muse-cli.wasm"))
}

/// The command line on an engine, world `command-on-store` of `wit/`.
pub(crate) fn on_store(workspace: &Workspace) -> Result<PathBuf> {
    setup::ensure(workspace)?;
    let sh = &workspace.shell;
    let what = ["--package", "muse-cli", "--features", "engine", "--bin", "muse-on-store"];
    cmd!(sh, "cargo build --locked --profile component {what...} --target wasm32-wasip2").run()?;
    Ok(built(workspace, "wasm32-wasip2")?.join("muse-on-store.wasm"))
}

/// The library, world `coord` of `wit/`.
pub(crate) fn library(workspace: &Workspace) -> Result<PathBuf> {
    library_with(workspace, &[], "muse-coord.wasm")
}

/// The library on an engine, world `coord-on-store`.
pub(crate) fn library_on_store(workspace: &Workspace) -> Result<PathBuf> {
    library_with(workspace, &["engine"], "muse-coord-store.wasm")
}

/// The library on a server that the host asks, world `coord-on-sql`.
pub(crate) fn library_on_sql(workspace: &Workspace) -> Result<PathBuf> {
    library_with(workspace, &["sql"], "muse-coord-sql.wasm")
}

/// Each takes the place of the others, where cargo puts the module.
fn library_with(workspace: &Workspace, features: &[&str], name: &str) -> Result<PathBuf> {
    setup::ensure(workspace)?;
    let sh = &workspace.shell;
    let what = ["--package=muse-component", "--target=wasm32-unknown-unknown"];
    let features = features.iter().map(|feature| format!("--features={feature}"));
    cmd!(sh, "cargo build --locked --profile component {what...} {features...}").run()?;
    let directory = built(workspace, "wasm32-unknown-unknown")?;
    let component = directory.join(name);
    encode(workspace, &directory.join("muse_coord.wasm"), &component)?;
    Ok(component)
}

/// The example programs of the store; the directory that they are in.
pub(crate) fn examples(workspace: &Workspace) -> Result<PathBuf> {
    setup::ensure(workspace)?;
    let sh = &workspace.shell;
    cmd!(sh, "cargo build --locked --profile component --package coord-store --examples --target wasm32-wasip2")
        .run()?;
    Ok(built(workspace, "wasm32-wasip2")?.join("examples"))
}

/// The tests' agents: the one that does what tasks say, and the one that makes the calls it is asked for.
pub(crate) fn guest_agents(workspace: &Workspace) -> Result<[PathBuf; 2]> {
    setup::ensure(workspace)?;
    let sh = &workspace.shell;
    cmd!(sh, "cargo build --locked --profile component --package coord-guest-agent --target wasm32-wasip2").run()?;
    let built = built(workspace, "wasm32-wasip2")?;
    Ok(["coord-guest-agent.wasm", "coord-guest-lines.wasm"].map(|name| built.join(name)))
}

/// Makes a component of a core module that carries its world in a custom section, as `wit-bindgen` puts it there.
fn encode(workspace: &Workspace, module: &Path, component: &Path) -> Result<()> {
    let sh = &workspace.shell;
    let program = program(workspace)?;
    Ok(cmd!(sh, "{program} encode {module} {component}").quiet().run()?)
}

/// Fills in an agent's import of the queue by the library.
pub(crate) fn compose(workspace: &Workspace, agent: &Path, library: &Path, component: &Path) -> Result<()> {
    let sh = &workspace.shell;
    let program = program(workspace)?;
    Ok(cmd!(sh, "{program} compose {agent} {library} {component}").quiet().run()?)
}

/// Writes glue and WebAssembly of a compiled binding to a directory.
pub(crate) fn bind(workspace: &Workspace, module: &Path, directory: &Path) -> Result<()> {
    let sh = &workspace.shell;
    let program = program(workspace)?;
    Ok(cmd!(sh, "{program} bind {module} {directory}").quiet().run()?)
}

/// What does these three. It stands in `xtask/wasm`.
fn program(workspace: &Workspace) -> Result<PathBuf> {
    build::native(workspace, "xtask-wasm")
}

fn built(workspace: &Workspace, target: &str) -> Result<PathBuf> {
    Ok(workspace.target()?.join(target).join("component"))
}
