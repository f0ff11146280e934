//! What the example hosts in `wit/examples/` need to run, for the tests of them.
//!
//! The host in Rust is built; the one in Python gets wasmtime in an environment of its own in the target directory; the
//! one in Node gets jco in `node_modules` beside it, as is the habit there, and jco makes JavaScript of the component.
//! The versions are those of `requirements.txt` and `package-lock.json`. What is up to date is not done again.

use crate::build;
use crate::fresh::unless_made_of;
use crate::python;
use crate::tools;
use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use xshell::cmd;

/// What can be run, by absolute paths.
pub(crate) struct Hosts {
    /// The host in Rust.
    pub(crate) rust: PathBuf,
    /// A Python that has wasmtime.
    pub(crate) python: PathBuf,
    /// A Node that is new enough.
    pub(crate) node: PathBuf,
}

/// Gets everything ready for the hosts to run `component`.
pub(crate) fn ready(workspace: &Workspace, component: &Path) -> Result<Hosts> {
    let _lock = workspace.lock("hosts")?;
    Ok(Hosts { rust: rust(workspace)?, python: python(workspace)?, node: translated(workspace, component)? })
}

/// Built among the same packages as the tests, so that wasmtime has the same features and is compiled once.
fn rust(workspace: &Workspace) -> Result<PathBuf> {
    build::native(workspace, "coord-host")
}

/// One that has wasmtime, and pip.
pub(crate) fn python(workspace: &Workspace) -> Result<PathBuf> {
    python::with(workspace, "host-python", "wit/examples/host-python/requirements.txt", "the host in Python needs")
}

/// The Node on the PATH, which must be new enough for the package `@muse/coord` and for jco.
pub(crate) fn node(workspace: &Workspace) -> Result<PathBuf> {
    let sh = &workspace.shell;
    let node = tools::on_path("node")
        .context("node, 20 or newer, and npm are needed: on Debian the packages nodejs and npm")?;
    let version = cmd!(sh, "{node} --version").quiet().read()?;
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    ensure!(major >= Some(20), "node 20 or newer is needed; {} is {version}", node.display());
    Ok(node)
}

/// As Node runs it: translated by jco.
fn translated(workspace: &Workspace, component: &Path) -> Result<PathBuf> {
    let sh = &workspace.shell;
    let node = node(workspace)?;
    let example = workspace.root.join("wit/examples/host-node");
    let _there = sh.push_dir(&example);
    let packages = fs::read(example.join("package-lock.json"))?;
    unless_made_of(&packages, &example.join("node_modules"), || {
        let npm = tools::on_path("npm").context("the host in Node needs npm, too: on Debian the package npm")?;
        cmd!(sh, "{npm} ci --ignore-scripts --no-audit --no-fund").run()?;
        Ok(())
    })?;
    let translated = [packages, fs::read(component)?].concat();
    unless_made_of(&translated, &example.join("generated"), || {
        cmd!(sh, "{node} transpile.mjs {component}").run()?;
        Ok(())
    })?;
    Ok(node)
}
