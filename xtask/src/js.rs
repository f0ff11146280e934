//! `cargo xtask js`: the npm package `@muse/coord`, built in `js/dist` and packed in `target/dist`.
//!
//! The queue is compiled to WebAssembly; wasm-bindgen, as a library of the version that the crate is compiled with,
//! writes the glue around it to `js/generated`; then `js/build.mjs` makes the WebAssembly small and JavaScript and
//! declarations of the TypeScript. No tool is installed anywhere but in `js/node_modules`.
//!
//! With `--test` its tests are run, too, in every runtime: `js/test.rs`. With `--bench` it is measured: `js/bench.rs`.

mod bench;
pub(crate) mod test;

use crate::build;
use crate::components;
use crate::fresh::unless_made_of;
use crate::hosts;
use crate::setup;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use xshell::cmd;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run its tests in Node and Deno
    #[arg(long)]
    test: bool,
    /// Measure it beside a queue in better-sqlite3 and the native one; what follows `--` is for `js/bench/bench.mjs`,
    /// as `--goals --dir DIRECTORY`
    #[arg(long, conflicts_with = "test")]
    bench: bool,
    #[arg(last = true, requires = "bench")]
    bench_arguments: Vec<String>,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    if options.bench {
        return bench::run(workspace, &options.bench_arguments);
    }
    if !options.test {
        println!("{}", pack(workspace)?.display());
        return Ok(());
    }
    let muse = build::muse(workspace)?;
    test::run(workspace, &test::ready(workspace)?, &muse)
}

/// Builds the package and packs it as `npm publish` would; the tarball.
pub(crate) fn pack(workspace: &Workspace) -> Result<PathBuf> {
    let _lock = workspace.lock("js")?;
    let sh = &workspace.shell;
    let js = workspace.root.join("js");
    let dist = workspace.target()?.join("dist");
    fs::create_dir_all(&dist).with_context(|| format!("cannot make {}", dist.display()))?;
    bind(workspace, &[], &js.join("generated"))?;
    let node = hosts::node(workspace)?;
    let _there = sh.push_dir(&js);
    install(workspace, &js)?;
    cmd!(sh, "{node} build.mjs").run()?;
    let packed = cmd!(sh, "npm pack --json --pack-destination {dist}").quiet().read()?;
    let packed: serde_json::Value = serde_json::from_str(&packed).context("npm pack did not answer with JSON")?;
    let name = packed.pointer("/0/filename").and_then(|name| name.as_str()).context("npm pack names no file")?;
    Ok(dist.join(name))
}

/// Compiles the binding with these features of it, and writes glue and WebAssembly to `output`.
pub(crate) fn bind(workspace: &Workspace, features: &[&str], output: &Path) -> Result<()> {
    setup::ensure(workspace)?;
    let sh = &workspace.shell;
    let features = features.iter().map(|feature| format!("--features={feature}"));
    cmd!(sh, "cargo build --locked --profile module --package coord-js --target wasm32-unknown-unknown {features...}")
        .run()?;
    let module = workspace.target()?.join("wasm32-unknown-unknown/module/muse_coord_js.wasm");
    components::bind(workspace, &module, output)
}

/// The packages of `directory`, as its lock says.
pub(crate) fn install(workspace: &Workspace, directory: &Path) -> Result<()> {
    let sh = &workspace.shell;
    let lock = fs::read(directory.join("package-lock.json"))?;
    unless_made_of(&lock, &directory.join("node_modules"), || {
        cmd!(sh, "npm ci --ignore-scripts --no-audit --no-fund --prefix {directory}").run()?;
        Ok(())
    })
}
