//! Programs of others that the tests need and no package registry of a toolchain holds ready-made.
//!
//! The stock wasmtime is the judge of the component: what runs there, with nothing of ours around it, keeps to WASI
//! 0.2.

use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::env;
use std::path::{Path, PathBuf};
use xshell::{Shell, cmd};

/// The line of releases that the launcher embeds, too.
const WASMTIME: &str = "48.0.8";

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    println!("{}", wasmtime(workspace)?.display());
    Ok(())
}

/// An absolute path of a wasmtime that is at least as new as ours: one built before, one on the PATH, or one built now.
pub(crate) fn wasmtime(workspace: &Workspace) -> Result<PathBuf> {
    let root = workspace.cache.join(format!("wasmtime-{WASMTIME}"));
    let built = root.join("bin/wasmtime");
    if built.exists() {
        return Ok(built);
    }
    if let Some(found) = new_enough_on_path(&workspace.shell) {
        return Ok(found);
    }
    let _lock = workspace.lock("wasmtime")?;
    if !built.exists() {
        install(workspace, &root)?;
    }
    Ok(built)
}

fn new_enough_on_path(sh: &Shell) -> Option<PathBuf> {
    let program = on_path("wasmtime")?;
    let answer = cmd!(sh, "{program} --version").quiet().read().ok()?;
    let version = answer.split_whitespace().nth(1)?;
    (numbers(version)? >= numbers(WASMTIME)?).then_some(program)
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

fn install(workspace: &Workspace, root: &Path) -> Result<()> {
    eprintln!("┌ The tests run the component in a stock wasmtime {WASMTIME}, and this machine has none.");
    eprintln!("│ It is compiled now from crates.io, once for all clones: about 10 minutes on 2 cores.");
    eprintln!("└ It goes to {}; an interrupted build goes on from there.", root.display());
    let sh = &workspace.shell;
    let target = workspace.cache.join("wasmtime-target");
    let features = "run,component-model,cranelift,compile,wat";
    cmd!(sh, "cargo install wasmtime-cli@{WASMTIME} --locked --no-default-features --features {features}")
        .args(["--root".as_ref(), root.as_os_str()])
        .args(["--target-dir".as_ref(), target.as_os_str()])
        .run()
        .context("a wasmtime on the PATH, of this version or a newer one, is used as well")?;
    Ok(sh.remove_path(target)?)
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
