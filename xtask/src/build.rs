//! `cargo xtask build`: the product, `muse`, `muse.wasm` and `muse-coord.wasm` in `target/dist`.
//!
//! `muse-coord.wasm` is the library. The other two are two forms of one program. The command line is compiled to a WASI 0.2 component, and the launcher `muse`
//! embeds that very component; so the component has to come first, and the launcher learns where it is by the
//! environment variable `MUSE_COMPONENT`.

use crate::components;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use xshell::cmd;

/// How cargo is told to build, test or check the launcher: always alone and in one profile. Another choice of packages or
/// profile is another choice of features and settings for all of wasmtime, which takes minutes to compile.
pub(crate) const LAUNCHER: [&str; 4] = ["--package", "muse-launcher", "--profile", "product"];

/// What has been built, by absolute paths.
pub(crate) struct Built {
    /// The component where cargo put it, as the launcher's build script was told.
    pub(crate) embedded: PathBuf,
    /// The same component, for people.
    pub(crate) component: PathBuf,
    /// The library component.
    pub(crate) library: PathBuf,
    /// The program for this machine, with the component inside.
    pub(crate) muse: PathBuf,
}

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let built = product(workspace)?;
    println!("{}", built.muse.display());
    println!("{}", built.component.display());
    println!("{}", built.library.display());
    Ok(())
}

/// Builds what is out of date. A `muse` that is running goes on as it was.
pub(crate) fn product(workspace: &Workspace) -> Result<Built> {
    let sh = &workspace.shell;
    let embedded = components::command(workspace)?;
    cmd!(sh, "cargo build {LAUNCHER...}").env("MUSE_COMPONENT", &embedded).run()?;
    let target = workspace.target()?;
    let dist = target.join("dist");
    Ok(Built {
        component: publish(&embedded, dist.join("muse.wasm"))?,
        library: publish(&components::library(workspace)?, dist.join("muse-coord.wasm"))?,
        muse: publish(&target.join("product/muse"), dist.join("muse"))?,
        embedded,
    })
}

/// Copies a file so that its new place has the old content or the new one at every moment, never a part.
pub(crate) fn publish(file: &Path, place: PathBuf) -> Result<PathBuf> {
    let context = || format!("cannot copy {} to {}", file.display(), place.display());
    let directory = place.parent().with_context(context)?;
    fs::create_dir_all(directory).with_context(context)?;
    let beside = NamedTempFile::new_in(directory).with_context(context)?;
    fs::copy(file, beside.path()).with_context(context)?;
    beside.persist(&place).with_context(context)?;
    Ok(place)
}
