//! `muse-coord.wasm` as a plugin host has it, on real directories that `muse` shares: what each function does, and what
//! an attacker who has the interface or can write into the directory cannot do.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test ends where it finds something")]

mod attacks;
mod component;
mod functions;
mod looking;
mod plans;

use std::path::PathBuf;
use std::sync::LazyLock;

use component::{Compiled, Library};
use coord_tests::{Repo, required};
use wasmtime_wasi::FsPerms;

static COMPILED: LazyLock<Compiled> = LazyLock::new(|| Compiled::new(&required("MUSE_COORD_WASM")).unwrap());

/// The coordination directory of a repository, made if it is not there.
fn directory(repo: &Repo) -> PathBuf {
    let directory = repo.path(".muse/coordination");
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

/// An instance that is granted the repository's coordination directory.
fn library(repo: &Repo) -> Library {
    COMPILED.instance(&[(&directory(repo), FsPerms::ReadWrite)]).unwrap()
}
