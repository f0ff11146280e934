//! The benchmark of the npm package, on its tarball: `js/bench/bench.mjs` beside a queue in better-sqlite3, and beside
//! the native queue, whose agents are those of `coord-bench`.
//!
//! better-sqlite3 is compiled here where no compiled one can be downloaded, which takes a minute or two, once. No other
//! package's scripts are run.

use super::test::unpack;
use super::{install, pack};
use crate::build;
use crate::fresh::unless_made_of;
use crate::hosts;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use xshell::cmd;

/// What the benchmark is told: `node bench.mjs` lists it.
pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<()> {
    let sh = &workspace.shell;
    let tarball = pack(workspace)?;
    let node = hosts::node(workspace)?;
    let bench = workspace.root.join("js/bench");
    install(workspace, &bench)?;
    compile(workspace, &bench, &node)?;
    unpack(workspace, &tarball, &bench.join("node_modules/@muse/coord"))?;
    let native = build::native(workspace, "coord-bench")?;
    let program = bench.join("bench.mjs");
    cmd!(sh, "{node} {program} --native {native} {arguments...}").run()?;
    Ok(())
}

/// Once for a version of the package and of Node.
fn compile(workspace: &Workspace, bench: &Path, node: &Path) -> Result<()> {
    let sh = &workspace.shell;
    let version = cmd!(sh, "{node} --version").quiet().read()?;
    let lock = fs::read(bench.join("package-lock.json"))?;
    let built = bench.join("node_modules/better-sqlite3/build");
    unless_made_of(&[version.as_bytes(), &lock].concat(), &built, || {
        let headers = headers(node).map(|prefix| sh.push_env("npm_config_nodedir", prefix));
        cmd!(sh, "npm rebuild better-sqlite3 --ignore-scripts=false --foreground-scripts --prefix {bench}")
            .run()
            .context(
                "better-sqlite3 needs a C++ compiler, make and python3: on Debian the packages g++, make and python3",
            )?;
        drop(headers);
        Ok(())
    })
}

/// Node's own headers, where they came with it: npm would download them.
fn headers(node: &Path) -> Option<PathBuf> {
    let prefix = fs::canonicalize(node).ok()?.parent()?.parent()?.to_owned();
    prefix.join("include/node/node.h").exists().then_some(prefix)
}
