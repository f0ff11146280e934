//! `cargo xtask install`: puts `muse`, `muse-host` and its other name `muse-agent` where the shell finds them.
//! Each program is one file, which needs nothing else of this repository. Beside them, in `share/`, go man pages and
//! completions. `man` and bash-completion (2.12 or newer) look there for those of a program in `bin/`; the other shells
//! look where they are told.

use crate::build;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use xshell::cmd;

/// Where each shell's completions of `muse` go, below the root.
const COMPLETIONS: [(&str, &str); 4] = [
    ("bash", "share/bash-completion/completions/muse"),
    ("zsh", "share/zsh/site-functions/_muse"),
    ("fish", "share/fish/vendor_completions.d/muse.fish"),
    // A place of our own: PowerShell has none, its profile names the file.
    ("powershell", "share/powershell/muse.ps1"),
];

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Install to DIR/bin and DIR/share, as `cargo install --root` does, and not to cargo's own directory
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
    let host = build::publish(&built.host, root.join("bin/muse-host"))?;
    let agent = build::alias(&host, "muse-agent")?;
    let beside = TempDir::new()?;
    let pages = man_pages(workspace, beside.path(), &root)?;
    completions(workspace, &muse, beside.path(), &root)?;
    println!("installed {}, {} and {}", muse.display(), host.display(), agent.display());
    println!(
        "installed {pages} man pages and completions for bash, zsh, fish and PowerShell in {}",
        root.join("share").display()
    );
    if let Some(warning) = warning(&muse, first_on_path("muse").as_deref()) {
        eprintln!("warning: {warning}");
    }
    Ok(())
}

/// Writes the man pages, and tells how many.
fn man_pages(workspace: &Workspace, beside: &Path, root: &Path) -> Result<usize> {
    let sh = &workspace.shell;
    let muse_man = build::native(workspace, "muse-man")?;
    let made = beside.join("man");
    fs::create_dir(&made)?;
    cmd!(sh, "{muse_man} {made}").run()?;
    let mut pages = 0;
    for page in fs::read_dir(made)? {
        let page = page?;
        build::publish(&page.path(), root.join("share/man/man1").join(page.file_name()))?;
        pages += 1;
    }
    Ok(pages)
}

/// Has the installed program write its completions.
fn completions(workspace: &Workspace, muse: &Path, beside: &Path, root: &Path) -> Result<()> {
    let sh = &workspace.shell;
    for (shell, place) in COMPLETIONS {
        let script = beside.join(shell);
        fs::write(&script, cmd!(sh, "{muse} coord completions {shell}").output()?.stdout)?;
        build::publish(&script, root.join(place))?;
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
