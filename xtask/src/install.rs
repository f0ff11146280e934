//! `cargo xtask install`: puts `muse` and `muse-agent` where the shell finds them. Each is one file, which needs nothing
//! else of this repository.

use crate::build;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::env;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Install to DIR/bin, as `cargo install --root` does, and not to cargo's own bin directory
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let root = match &options.root {
        Some(root) => std::path::absolute(root)?,
        None => cargo_home()?,
    };
    let built = build::product(workspace)?;
    let muse = build::publish(&built.muse, root.join("bin/muse"))?;
    let agent = build::publish(&built.agent, root.join("bin/muse-agent"))?;
    println!("installed {} and {}", muse.display(), agent.display());
    if let Some(warning) = warning(&muse, first_on_path("muse").as_deref()) {
        eprintln!("warning: {warning}");
    }
    Ok(())
}

fn cargo_home() -> Result<PathBuf> {
    env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(env::home_dir()?.join(".cargo")))
        .context("no home directory: name a directory with --root DIR")
}

fn first_on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(program)).find(|candidate| candidate.is_file())
}

/// Whether typing `muse` runs something else than what was just installed.
fn warning(installed: &Path, found: Option<&Path>) -> Option<String> {
    match found {
        Some(found) if found == installed => None,
        Some(found) => Some(format!("{} comes first on PATH", found.display())),
        None => {
            let directory = installed.parent().unwrap_or(installed);
            Some(format!("{} is not on PATH: add it to call `muse` by its name", directory.display()))
        }
    }
}
