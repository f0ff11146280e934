//! The standard library from Debian's source packages, for a machine whose rustup can't download.
//!
//! Debian carries the library's source for several versions of Rust at once (`rust-src`), and the C library of WASI
//! (`wasi-libc`). They are fetched from whatever mirror the machine's apt is set to, and apt checks their signatures;
//! nothing is installed, and apt's own lists and settings stay as they are. rustc-build-sysroot compiles the library.
//!
//! A target appears in the toolchain by one rename of a complete directory, so an interrupted run leaves none behind.

use super::{Target, target_directory};
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail, ensure};
use rustc_build_sysroot::SysrootBuilder;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use xshell::{Cmd, Shell, cmd};

/// Where Debian publishes newer versions of Rust than its stable release has, in the order in which they are tried.
const SUITES: &[&str] = &["trixie-backports", "sid"];

/// Debian's package `debian-archive-keyring`, part of every Debian, holds the keys that its archive is signed with.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

pub(super) fn build_std(workspace: &Workspace, sysroot: &Path, targets: &[&Target]) -> Result<()> {
    let sh = &workspace.shell;
    let compiler = Compiler::of(sh)?;
    let work = workspace.cache.join("std");
    sh.remove_path(&work)?;
    let packages = sh.create_dir(work.join("packages"))?;
    fetch_packages(workspace, &compiler.release, &packages)?;
    let library = packages.join(format!("usr/src/rustc-{}/library", compiler.release));
    for target in targets {
        let built = sh.create_dir(work.join(target.triple))?;
        compile(&compiler, &library, target, &built)?;
        add_libc(sh, &packages, target, &built)?;
        publish(sh, &target_directory(&built, target), &target_directory(sysroot, target))?;
    }
    Ok(sh.remove_path(&work)?)
}

/// The standard library must come from the very version of the compiler that compiles it.
struct Compiler {
    /// Such as `1.95.0`.
    release: String,
    commit: String,
}

impl Compiler {
    fn of(sh: &Shell) -> Result<Self> {
        let version = cmd!(sh, "rustc --version --verbose").quiet().read()?;
        let field = |name: &str| {
            let value = version.lines().find_map(|line| line.strip_prefix(name));
            value.map(str::to_owned).with_context(|| format!("`rustc --version --verbose` has no line `{name}…`"))
        };
        Ok(Self { release: field("release: ")?, commit: field("commit-hash: ")? })
    }
}

/// Downloads and unpacks `rust-src` of this release and `wasi-libc` into `packages`.
fn fetch_packages(workspace: &Workspace, release: &str, packages: &Path) -> Result<()> {
    let sh = &workspace.shell;
    let (apt, version) = find_rust_src(workspace, release)?;
    let _inside = sh.push_dir(packages);
    apt.command(sh, "apt-get").args(["download", &format!("rust-src={version}"), "wasi-libc"]).run()?;
    for package in sh.read_dir(".")? {
        cmd!(sh, "dpkg-deb --extract {package} .").run()?;
        sh.remove_path(package)?;
    }
    Ok(())
}

/// Looks through the suites, at each of the machine's mirrors, for the package whose upstream version is `release`.
fn find_rust_src(workspace: &Workspace, release: &str) -> Result<(Apt, String)> {
    let sh = &workspace.shell;
    let mirrors = mirrors(sh)?;
    let mut tried = Vec::new();
    for suite in SUITES {
        for mirror in &mirrors {
            eprintln!("setup: looking for rust-src {release} in {suite} at {mirror}");
            let apt = Apt::new(workspace, mirror, suite)?;
            match apt.version_of_rust_src(sh, release) {
                Ok(version) => return Ok((apt, version)),
                Err(error) => tried.push(format!("{mirror} {suite}: {error:#}")),
            }
        }
    }
    bail!("found the source of this rustc nowhere:\n{}", tried.join("\n"))
}

/// Every repository that the machine's apt is set to, also before its first `apt-get update`.
fn mirrors(sh: &Shell) -> Result<Vec<String>> {
    let uris = cmd!(sh, "apt-get indextargets --no-release-info --format $(REPO_URI)")
        .quiet()
        .read()
        .context("this machine has no apt: install Rust by rustup, with access to its downloads")?;
    let mut mirrors: Vec<_> = uris.lines().map(str::to_owned).collect();
    mirrors.sort();
    mirrors.dedup();
    Ok(mirrors)
}

/// An apt with one source, and lists and caches of its own; all else (a proxy, say) is as the machine has it set.
struct Apt {
    options: Vec<String>,
}

impl Apt {
    fn new(workspace: &Workspace, mirror: &str, suite: &str) -> Result<Self> {
        let sh = &workspace.shell;
        let home = workspace.cache.join("apt");
        let (lists, cache) = (home.join("lists"), home.join("cache"));
        sh.create_dir(lists.join("partial"))?;
        sh.create_dir(cache.join("archives/partial"))?;
        let source = home.join("sources.list");
        let line = format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n");
        sh.write_file(&source, line)?;
        let option = |name: &str, path: &Path| format!("--option={name}={}", path.display());
        Ok(Self {
            options: vec![
                option("Dir::Etc::SourceList", &source),
                option("Dir::Etc::SourceParts", Path::new("-")),
                option("Dir::State::Lists", &lists),
                option("Dir::Cache", &cache),
                // Root's apt downloads as a user of its own, who may not write to a private cache.
                "--option=APT::Sandbox::User=root".to_owned(),
                "--quiet".to_owned(),
            ],
        })
    }

    /// The package's full version, fetched lists and all.
    fn version_of_rust_src(&self, sh: &Shell, release: &str) -> Result<String> {
        self.update(sh)?;
        let known = self.command(sh, "apt-cache").args(["show", "rust-src"]);
        let known = known.quiet().ignore_status().ignore_stderr().read()?;
        known
            .lines()
            .filter_map(|line| line.strip_prefix("Version: "))
            .find(|version| upstream(version) == release)
            .map(str::to_owned)
            .with_context(|| format!("has no rust-src {release}"))
    }

    /// Not every repository has every suite, so a failure is the caller's to judge: nothing is printed.
    fn update(&self, sh: &Shell) -> Result<()> {
        let update = self.command(sh, "apt-get").args(["--error-on=any", "update"]);
        let output = update.quiet().ignore_status().output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}", errors.trim());
        Ok(())
    }

    fn command<'sh>(&self, sh: &'sh Shell, program: &str) -> Cmd<'sh> {
        sh.cmd(program).args(&self.options)
    }
}

/// `1.95.0` of `1.95.0+dfsg1-2~bpo13+1`: what precedes Debian's own marks.
fn upstream(version: &str) -> &str {
    version.split(['+', '-']).next().unwrap_or(version)
}

/// Compiles the library into the sysroot `built`, with the bitcode that whole-program optimisation reads, and with the
/// paths that rustup's copy has too (they end up in panic messages).
fn compile(compiler: &Compiler, library: &Path, target: &Target, built: &Path) -> Result<()> {
    let source = library.parent().unwrap_or(library).display();
    let mut cargo = Command::new("cargo");
    cargo.env("RUSTC_BOOTSTRAP", "1").stdout(Stdio::inherit()).stderr(Stdio::inherit());
    SysrootBuilder::new(built, target.triple)
        .cargo(cargo)
        .rustflag("-Cembed-bitcode=yes")
        .rustflag(format!("--remap-path-prefix={source}=/rustc/{}", compiler.commit))
        .build_from_source(library)
        .with_context(|| format!("cannot compile std for {}", target.triple))?;
    Ok(())
}

/// Puts the C library where rustc looks for a target's own linker inputs.
fn add_libc(sh: &Shell, packages: &Path, target: &Target, built: &Path) -> Result<()> {
    let Some(libc) = target.libc else {
        return Ok(());
    };
    let place = target_directory(built, target).join("lib/self-contained");
    sh.create_dir(&place)?;
    for file in sh.read_dir(packages.join(libc))? {
        sh.copy_file(file, &place)?;
    }
    Ok(())
}

/// Makes the complete target visible to the toolchain at once, in the place of an incomplete one.
fn publish(sh: &Shell, built: &Path, place: &Path) -> Result<()> {
    let beside = place.with_extension("new");
    sh.remove_path(&beside)?;
    cmd!(sh, "cp --recursive {built} {beside}").quiet().run()?;
    sh.remove_path(place)?;
    fs::rename(&beside, place).with_context(|| format!("cannot make {}", place.display()))
}

#[cfg(test)]
mod tests {
    use super::upstream;

    #[test]
    fn the_upstream_version_ends_where_debians_marks_begin() {
        for (version, release) in [
            ("1.95.0+dfsg1-2~bpo13+1", "1.95.0"),
            ("1.95.0-1", "1.95.0"),
            ("1.96.0~beta.3+dfsg1-1~exp1", "1.96.0~beta.3"),
            ("1.95.0", "1.95.0"),
        ] {
            assert_eq!(upstream(version), release);
        }
    }
}
