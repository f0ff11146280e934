//! What the tests take from Debian: packages that are fetched and unpacked into the cache.
//!
//! Nothing is installed and no service is started, as both happen when a package is installed.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use xshell::{Shell, cmd};

/// Fetches a package, and all that it needs and this machine has not, and unpacks them into a directory, which appears
/// by one rename.
pub(crate) fn unpack(sh: &Shell, package: &str, directory: &Path) -> Result<()> {
    let work = directory.with_extension("new");
    sh.remove_path(&work)?;
    let packages = sh.create_dir(work.join("packages"))?;
    let needed = cmd!(sh, "apt-get install --yes --no-install-recommends --print-uris {package}").quiet().read()?;
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
    sh.remove_path(directory)?;
    fs::rename(&work, directory).with_context(|| format!("cannot make {}", directory.display()))
}
