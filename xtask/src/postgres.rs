//! A PostgreSQL server for the tests of the store on it: one that is installed, or Debian's packages, unpacked.
//!
//! Nothing is installed and no service is started: Debian's packages do both when they are installed, so they are
//! fetched and unpacked into the cache. The tests start servers of their own from there.

use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use xshell::{Shell, cmd};

/// Debian's package, and those that it needs.
const PACKAGE: &str = "postgresql";

/// Leaves the tests out that need a server.
const WITHOUT: &str = "MUSE_WITHOUT_POSTGRES";

/// Of root, where the unprivileged user can read it that runs the server: root itself may not.
const CACHE_OF_ROOT: &str = "/var/tmp/muse-coord-postgres";

/// The directory of the server's programs; `None`: the tests that need them are left out.
pub(crate) fn programs(workspace: &Workspace) -> Result<Option<PathBuf>> {
    if std::env::var_os(WITHOUT).is_some_and(|value| value == "1") {
        eprintln!("┌ {WITHOUT}=1: the store on PostgreSQL is NOT tested.");
        return Ok(None);
    }
    if let Some(installed) = newest(Path::new("/usr/lib/postgresql")) {
        return Ok(Some(installed));
    }
    let _lock = workspace.lock("postgres")?;
    let is_root = cmd!(workspace.shell, "id -u").quiet().read()? == "0";
    let cache = if is_root { CACHE_OF_ROOT.into() } else { workspace.cache.join("postgres") };
    if let Some(unpacked) = unpacked(&cache) {
        return Ok(Some(unpacked));
    }
    let way_out = || format!("the tests need PostgreSQL: install it, or set {WITHOUT}=1 to leave those out that do");
    unpack(&workspace.shell, &cache).with_context(way_out)?;
    unpacked(&cache).context("Debian's packages of PostgreSQL hold no server").map(Some)
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

/// Fetches the package, and all that it needs and this machine has not, and unpacks them. They appear by one rename.
fn unpack(sh: &Shell, cache: &Path) -> Result<()> {
    let work = cache.with_extension("new");
    sh.remove_path(&work)?;
    let packages = sh.create_dir(work.join("packages"))?;
    let needed = cmd!(sh, "apt-get install --yes --no-install-recommends --print-uris {PACKAGE}").quiet().read()?;
    // Such as: 'http://…/libpq5_15.18-0_amd64.deb' libpq5_15.18-0_amd64.deb 190000 MD5Sum:…
    let names: Vec<&str> = needed
        .lines()
        .filter(|line| line.starts_with('\''))
        .filter_map(|line| line.split_whitespace().nth(1)?.split('_').next())
        .collect();
    ensure!(!names.is_empty(), "apt names no package to fetch");
    {
        let _inside = sh.push_dir(&packages);
        cmd!(sh, "apt-get download {names...}").run()?;
    }
    for package in sh.read_dir(&packages)? {
        cmd!(sh, "dpkg-deb --extract {package} {work}").quiet().run()?;
    }
    sh.remove_path(&packages)?;
    sh.remove_path(cache)?;
    fs::rename(&work, cache).with_context(|| format!("cannot make {}", cache.display()))
}
