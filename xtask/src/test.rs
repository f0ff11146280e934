//! `cargo xtask test`: every test of the workspace, on the product as it is built for people.
//!
//! The tests of the built programs find them by environment variables, each an absolute path:
//! - `MUSE_BIN`: the launcher, `MUSE_WASM`: the command component by itself, `MUSE_COORD_WASM`: the library component;
//! - `MUSE_COORD_CWASM`: the library as `muse-agent` embeds it, for that is compiled again with its own tests;
//! - `MUSE_AGENT`: `muse-agent`, `MUSE_GUEST_AGENT`: the agent of the tests, a component;
//! - `MUSE_EXAMPLES`: the directory of the example components;
//! - `AGENT_EXAMPLES`: the directory of the example agents, each by itself and composed with the library;
//! - `WASMTIME`: a stock wasmtime;
//! - `HOST_RUST`, `PYTHON`, `NODE`: what runs the example hosts;
//! - `NODE` and `DENO` also run the agents in `JS_AGENTS`, a directory with the npm package beside them.
//!
//! The tests of the npm package are JavaScript, and come first.

use crate::agents;
use crate::build::{self, OTHERS};
use crate::components;
use crate::hosts;
use crate::js;
use crate::power_cut;
use crate::tools;
use crate::workspace::Workspace;
use anyhow::Result;
use xshell::cmd;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Passed on to `cargo test` of all but the launcher: `cargo xtask test -- --test races -- --nocapture`
    #[arg(last = true)]
    cargo_arguments: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let sh = &workspace.shell;
    power_cut::ensure_filesystems(workspace);
    let wasmtime = tools::wasmtime(workspace)?;
    let built = build::product(workspace)?;
    let examples = components::examples(workspace)?;
    let agents = agents::build(workspace, &built.library)?;
    let guest = components::guest_agent(workspace)?;
    let hosts = hosts::ready(workspace, &built.library)?;
    let javascript = js::test::ready(workspace)?;
    let arguments = &options.cargo_arguments;
    if arguments.is_empty() {
        js::test::run(workspace, &javascript, &built.muse)?;
    }
    let launcher = built.launcher.arguments;
    cmd!(sh, "cargo test {launcher...}").env("MUSE_COMPONENT", built.embedded).run()?;
    cmd!(sh, "cargo test {OTHERS...} {arguments...}")
        .env("MUSE_BIN", built.muse)
        .env("MUSE_WASM", built.component)
        .env("MUSE_COORD_WASM", built.library)
        .env("MUSE_COORD_CWASM", built.compiled)
        .env("MUSE_AGENT", built.agent)
        .env("MUSE_GUEST_AGENT", guest)
        .env("MUSE_EXAMPLES", examples)
        .env("AGENT_EXAMPLES", agents)
        .env("WASMTIME", wasmtime)
        .env("HOST_RUST", hosts.rust)
        .env("PYTHON", hosts.python)
        .env("NODE", hosts.node)
        .env("DENO", javascript.deno)
        .env("JS_AGENTS", javascript.agents)
        // A snapshot that differs fails its test and leaves no file behind.
        .env("INSTA_UPDATE", "no")
        .run()?;
    Ok(())
}
