//! `cargo xtask setup`: lets this machine's Rust toolchain compile for WebAssembly.
//!
//! After it, plain `cargo build --target wasm32-wasip2` works. It takes one of two ways and says which:
//! 1. `rustup target add`, which is what works nearly everywhere;
//! 2. where rustup can't download, or isn't there, the standard library is built from Debian's source packages into
//!    the toolchain's own directory, just where rustup would have put it. This takes minutes, once.
//!
//! When nothing is missing it costs one call of rustc, so that every other task can begin with it.

mod debian;

use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use xshell::cmd;

/// A platform that this repository compiles for, besides the one it is on.
pub(super) struct Target {
    pub(super) triple: &'static str,
    /// The directory in Debian's `wasi-libc` with the C library and start-up code that programs are linked with.
    pub(super) libc: Option<&'static str>,
}

const TARGETS: &[Target] = &[
    // The command line, and programs of tests.
    Target { triple: "wasm32-wasip2", libc: Some("usr/lib/wasm32-wasip2") },
    // The library component: its std imports nothing.
    Target { triple: "wasm32-unknown-unknown", libc: None },
];

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    ensure(workspace)?;
    for target in TARGETS {
        println!("{}: ready", target.triple);
    }
    Ok(())
}

/// Does nothing, silently, if every target can be compiled for already.
pub(crate) fn ensure(workspace: &Workspace) -> Result<()> {
    let sysroot = sysroot(workspace)?;
    if missing(&sysroot).is_empty() {
        return Ok(());
    }
    let _lock = workspace.lock("setup")?;
    let wanted = missing(&sysroot);
    if wanted.is_empty() {
        return Ok(());
    }
    add_with_rustup(workspace, &wanted);
    let left = missing(&sysroot);
    if left.is_empty() {
        eprintln!("setup: rustup added {}", names(&wanted));
    } else {
        let names = names(&left);
        eprintln!("setup: rustup can't add {names}: building std from Debian's source packages");
        debian::build_std(workspace, &sysroot, &left)
            .with_context(|| format!("neither rustup nor Debian's source packages give the target {names}"))?;
        eprintln!("setup: built std for {names} from Debian's source packages");
    }
    wanted.iter().try_for_each(|it| try_out(workspace, it))
}

/// The directory of a target in the toolchain, which is all that rustc knows of it.
pub(super) fn target_directory(sysroot: &Path, target: &Target) -> PathBuf {
    sysroot.join("lib/rustlib").join(target.triple)
}

fn sysroot(workspace: &Workspace) -> Result<PathBuf> {
    let sh = &workspace.shell;
    let path = cmd!(sh, "rustc --print sysroot").quiet().read()?;
    Ok(PathBuf::from(path))
}

fn missing(sysroot: &Path) -> Vec<&'static Target> {
    let absent = |target: &&Target| !is_complete(&target_directory(sysroot, target), target);
    TARGETS.iter().filter(absent).collect()
}

fn is_complete(directory: &Path, target: &Target) -> bool {
    let library = directory.join("lib");
    let has_libc = library.join("self-contained/libc.a").exists();
    has_std(&library) && (has_libc || target.libc.is_none())
}

/// A directory that can't be read holds no standard library either.
fn has_std(library: &Path) -> bool {
    let Ok(entries) = fs::read_dir(library) else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".rlib")
    })
}

/// Whether it worked is seen from the toolchain, so that a rustup that fails and no rustup at all are the same here.
fn add_with_rustup(workspace: &Workspace, targets: &[&Target]) {
    let sh = &workspace.shell;
    let triples = targets.iter().map(|target| target.triple);
    if let Err(error) = cmd!(sh, "rustup target add {triples...}").run() {
        eprintln!("setup: {error}");
    }
}

fn names(targets: &[&Target]) -> String {
    let triples: Vec<_> = targets.iter().map(|target| target.triple).collect();
    triples.join(", ")
}

/// Compiles and links an empty program as a release is: whole-program optimisation needs the libraries' bitcode.
fn try_out(workspace: &Workspace, target: &Target) -> Result<()> {
    let sh = &workspace.shell;
    let directory = sh.create_temp_dir()?;
    let program = directory.path().join("empty.wasm");
    let triple = target.triple;
    cmd!(sh, "rustc --crate-name empty --target {triple} -C opt-level=s -C lto -C panic=abort -o {program} -")
        .quiet()
        .stdin("fn main() {}")
        .run()
        .with_context(|| {
            format!("{triple} is installed, but an empty program doesn't compile for it: remove and set up again")
        })
}
