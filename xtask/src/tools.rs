//! Programs of others that the tests need and no package registry of a toolchain holds ready-made.
//!
//! The stock wasmtime is the judge of the component: what runs there, with nothing of ours around it, keeps to WASI
//! 0.2.

use crate::suites;
use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use std::env;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use xshell::{Shell, cmd};

/// The line of releases that the launcher embeds, too.
const WASMTIME: &str = "48.0.8";

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    println!("{}", wasmtime(workspace)?.display());
    Ok(())
}

/// An absolute path of a wasmtime that is at least as new as ours: one built before, one on the PATH, or one built now.
pub(crate) fn wasmtime(workspace: &Workspace) -> Result<PathBuf> {
    if let Some(ahead) = workspace.wasmtime.take() {
        ahead.finish(workspace)?;
    }
    if let Some(found) = found(workspace) {
        return Ok(found);
    }
    let _lock = workspace.lock("wasmtime")?;
    let built = program(workspace);
    if !built.exists() {
        install(workspace)?;
    }
    Ok(built)
}

/// A stock wasmtime that is being built beside something else.
pub(crate) struct Ahead {
    cargo: Child,
    log: PathBuf,
    _lock: File,
}

/// Begins to build a stock wasmtime, if this machine has none. [`wasmtime`] waits for it.
pub(crate) fn ahead(workspace: &Workspace) -> Result<Option<Ahead>> {
    if found(workspace).is_some() {
        return Ok(None);
    }
    let lock = workspace.lock("wasmtime")?;
    if program(workspace).exists() {
        return Ok(None);
    }
    let target = workspace.target()?;
    fs::create_dir_all(&target).with_context(|| format!("cannot make {}", target.display()))?;
    let log = target.join("wasmtime.log");
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut cargo = installation(workspace);
    suites::be_nice(&mut cargo);
    eprintln!("A stock wasmtime {WASMTIME} is compiled meanwhile, since this machine has none: {}", log.display());
    let cargo = cargo.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).spawn();
    Ok(Some(Ahead { cargo: cargo.context("cannot run cargo")?, log, _lock: lock }))
}

impl Ahead {
    /// Waits. If it fails it is tried again where one sees it.
    fn finish(mut self, workspace: &Workspace) -> Result<()> {
        let status = self.cargo.wait().context("cannot wait for cargo")?;
        if status.success() {
            workspace.shell.remove_path(build_directory(workspace))?;
        } else {
            eprintln!("The stock wasmtime was not built ({status}); what cargo said is in {}", self.log.display());
        }
        Ok(())
    }
}

impl Drop for Ahead {
    /// Where something else has failed nobody waits for it. A later build goes on from there.
    fn drop(&mut self) {
        if let Ok(None) = self.cargo.try_wait()
            && self.cargo.kill().is_ok()
        {
            self.cargo.wait().ok();
        }
    }
}

fn found(workspace: &Workspace) -> Option<PathBuf> {
    let built = program(workspace);
    if built.exists() { Some(built) } else { new_enough_on_path(&workspace.shell) }
}

/// Where it is built to.
fn root(workspace: &Workspace) -> PathBuf {
    workspace.cache.join(format!("wasmtime-{WASMTIME}"))
}

fn program(workspace: &Workspace) -> PathBuf {
    root(workspace).join("bin/wasmtime")
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

fn install(workspace: &Workspace) -> Result<()> {
    eprintln!("┌ The tests run the component in a stock wasmtime {WASMTIME}, and this machine has none.");
    eprintln!("│ It is compiled now from crates.io, once for all clones: about 6 minutes on 2 cores.");
    eprintln!("└ It goes to {}; an interrupted build goes on from there.", root(workspace).display());
    let status = installation(workspace).status().context("cannot run cargo")?;
    ensure!(
        status.success(),
        "cargo install: {status}; a wasmtime on the PATH that is as new or newer is used as well"
    );
    Ok(workspace.shell.remove_path(build_directory(workspace))?)
}

/// The command that builds it, with little optimisation: each test runs it for a moment, on small components.
fn installation(workspace: &Workspace) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args(["install", &format!("wasmtime-cli@{WASMTIME}"), "--locked", "--no-default-features"]);
    cargo.args(["--features", "run,component-model,cranelift,compile,wat"]);
    cargo.args(["--config", "profile.release.opt-level=1"]);
    cargo.arg("--root").arg(root(workspace)).arg("--target-dir").arg(build_directory(workspace));
    cargo.current_dir(&workspace.root);
    cargo
}

fn build_directory(workspace: &Workspace) -> PathBuf {
    workspace.cache.join("wasmtime-target")
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
