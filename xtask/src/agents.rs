//! `cargo xtask agents`: the example agents of `wit/examples/`, each by itself and composed with the library component,
//! in `target/dist/examples`.
//!
//! Composing fills in the agent's import of the queue by the library's export. What runs then is one component which
//! needs a WASI runtime and nothing else.

use crate::components;
use crate::fresh::unless_made_of;
use crate::setup;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use xshell::cmd;

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let library = components::library(workspace)?;
    println!("{}", build(workspace, &library)?.display());
    Ok(())
}

/// Builds what is out of date: `agent-*.wasm` and `agent-*-composed.wasm`. The answer is the directory that they are
/// in.
pub(crate) fn build(workspace: &Workspace, library: &Path) -> Result<PathBuf> {
    let directory = workspace.target()?.join("dist/examples");
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let rust = directory.join("agent-rust.wasm");
    let js = directory.join("agent-js.wasm");
    build_rust(workspace, &rust)?;
    build_js(workspace, &js)?;
    for agent in [rust, js] {
        let name = format!("{}-composed.wasm", agent.file_stem().unwrap_or_default().display());
        composed(workspace, &agent, library, agent.with_file_name(name))?;
    }
    Ok(directory)
}

/// Composes an agent with the library, if one of them is another than it was. The answer is `output`.
pub(crate) fn composed(workspace: &Workspace, agent: &Path, library: &Path, output: PathBuf) -> Result<PathBuf> {
    unless_made_of(&digest(&[agent, library])?, &output, || components::compose(workspace, agent, library, &output))?;
    Ok(output)
}

fn build_rust(workspace: &Workspace, output: &Path) -> Result<()> {
    setup::ensure(workspace)?;
    let sh = &workspace.shell;
    cmd!(sh, "cargo build --locked --profile component --package coord-agent-example --target wasm32-wasip2").run()?;
    let built = workspace.target()?.join("wasm32-wasip2/component/agent-rust.wasm");
    fs::copy(&built, output).with_context(|| format!("cannot copy {}", built.display()))?;
    Ok(())
}

/// An engine goes into it, which takes half a minute.
fn build_js(workspace: &Workspace, output: &Path) -> Result<()> {
    let sh = &workspace.shell;
    cmd!(sh, "npm --version").quiet().ignore_stdout().run().context("install Node.js 20 or later, with npm")?;
    let _lock = workspace.lock("npm")?;
    let source = workspace.root.join("wit/examples/agent-js");
    let [program, build, packages, lock, world] =
        ["agent.js", "build.mjs", "node_modules", "package-lock.json", "wit"].map(|name| source.join(name));
    let wit = workspace.root.join("wit");
    unless_made_of(&digest(&[&lock])?, &packages, || {
        cmd!(sh, "npm ci --ignore-scripts --no-audit --no-fund --prefix {source}").run()?;
        Ok(())
    })?;
    let sources: [&Path; 6] = [&program, &build, &lock, &world, &wit, &wit.join("deps")];
    unless_made_of(&digest(&sources)?, output, || {
        cmd!(sh, "node {build} {output}").run()?;
        Ok(())
    })
}

/// Of each file, or of the WIT files that are right in a directory: name and content.
fn digest(paths: &[&Path]) -> Result<Vec<u8>> {
    let mut hash = Sha256::new();
    for path in paths {
        for file in files(path).with_context(|| format!("cannot read {}", path.display()))? {
            hash.update(file.as_os_str().as_encoded_bytes());
            hash.update(Sha256::digest(fs::read(file)?));
        }
    }
    Ok(hash.finalize().to_vec())
}

fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let mut files: Vec<_> =
        entries.into_iter().filter(|entry| entry.extension().is_some_and(|it| it == "wit")).collect();
    files.sort();
    Ok(files)
}
