//! What the tests take from PyPI: each of the version, and with the digests, that a `requirements.txt` names.

use crate::fresh::unless_made_of;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use xshell::cmd;

/// A Python of its own, in this directory below the target, that has these packages. `needs` says who asks for one.
pub(crate) fn with(
    workspace: &Workspace,
    environment: &str,
    requirements: &str,
    needs: &'static str,
) -> Result<PathBuf> {
    let sh = &workspace.shell;
    let environment = workspace.target()?.join(environment);
    let python = environment.join("bin/python");
    let requirements = workspace.root.join(requirements);
    unless_made_of(&read(&requirements)?, &environment, || {
        cmd!(sh, "python3 -m venv --clear {environment}").run().with_context(|| {
            format!("{needs} python3, 3.10 or newer, with venv: on Debian the packages python3 and python3-venv")
        })?;
        install(workspace, &python, &requirements, &[])
    })?;
    Ok(python)
}

/// Unpacks a package into a directory, for the programs in it. No Python has it then.
pub(crate) fn unpack(workspace: &Workspace, python: &Path, requirements: &str, directory: &Path) -> Result<()> {
    let requirements = workspace.root.join(requirements);
    unless_made_of(&read(&requirements)?, directory, || {
        workspace.shell.remove_path(directory)?;
        let target = directory.to_str().context("the cache's path is no text")?;
        install(workspace, python, &requirements, &["--no-deps", "--target", target])
    })
}

fn install(workspace: &Workspace, python: &Path, requirements: &Path, how: &[&str]) -> Result<()> {
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"];
    Ok(cmd!(workspace.shell, "{python} {pip...} {how...} --requirement {requirements}").run()?)
}

fn read(requirements: &Path) -> Result<Vec<u8>> {
    fs::read(requirements).with_context(|| format!("cannot read {}", requirements.display()))
}
