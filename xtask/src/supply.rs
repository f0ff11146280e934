//! What the product, its tests and its tools are made of: a part of `cargo xtask lint`.
//!
//! Guaranteed: every crate in `Cargo.lock` is from the registry and under a licence that `deny.toml` allows, and every
//! package in a `package-lock.json` is known by a digest of its content. Advisories are looked at where `cargo-deny` is
//! installed and reaches its database; else it is said that they were not.
//!
//! Licences and sources are checked here, by the lists of `cargo-deny` and by the library that it reads licences with.
//! `cargo-deny` itself would be 211 crates more to compile on a cold machine.

use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;
use spdx::{Expression, Licensee, ParseMode};
use std::collections::BTreeMap;
use std::fs;
use xshell::cmd;

pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let sh = &workspace.shell;
    let allowed: Allowed = toml::from_str(&fs::read_to_string(workspace.root.join("deny.toml"))?)?;
    let metadata = cmd!(sh, "cargo metadata --locked --format-version 1").quiet().read()?;
    let metadata: Metadata = serde_json::from_str(&metadata).context("cargo metadata did not answer as it does")?;
    let mut defects = allowed.defects(&metadata)?;
    for lock in cmd!(sh, "git ls-files *package-lock.json").quiet().read()?.lines() {
        defects.extend(without_digest(&fs::read_to_string(workspace.root.join(lock))?, lock)?);
    }
    ensure!(
        defects.is_empty(),
        "deny.toml does not allow this, or it is not certain what it is:\n{}",
        defects.join("\n")
    );
    advisories(workspace)
}

/// `deny.toml`, as far as it is held here.
#[derive(Deserialize)]
struct Allowed {
    licenses: Licenses,
    sources: Sources,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    license: Option<String>,
    /// Where it comes from; none for a directory of this machine.
    source: Option<String>,
}

impl Allowed {
    fn defects(&self, metadata: &Metadata) -> Result<Vec<String>> {
        let licensees = self.licenses.allow.iter().map(|licence| Licensee::parse(licence));
        let licensees = licensees.collect::<Result<Vec<_>, _>>()?;
        let others = metadata.packages.iter().filter(|package| !metadata.workspace_members.contains(&package.id));
        Ok(others.flat_map(|package| [self.bad_source(package), bad_licence(package, &licensees)]).flatten().collect())
    }

    fn bad_source(&self, Package { id, source, .. }: &Package) -> Option<String> {
        let registry = source.as_deref().and_then(|source| source.strip_prefix("registry+"));
        let known = registry.is_some_and(|registry| self.sources.allow_registry.iter().any(|known| known == registry));
        (!known).then(|| format!("{id}: its source is {}", source.as_deref().unwrap_or("a directory of this machine")))
    }
}

fn bad_licence(Package { id, license, .. }: &Package, allowed: &[Licensee]) -> Option<String> {
    let Some(license) = license else { return Some(format!("{id}: it names no licence")) };
    let is_allowed = Expression::parse_mode(license, ParseMode::LAX)
        .is_ok_and(|it| it.evaluate(|asked| allowed.iter().any(|licensee| licensee.satisfies(asked))));
    (!is_allowed).then(|| format!("{id}: its licence is {license}"))
}

/// The packages of a lock of npm that could be another thing tomorrow.
fn without_digest(lock: &str, name: &str) -> Result<Vec<String>> {
    let lock: Value = serde_json::from_str(lock).with_context(|| format!("{name} is no JSON"))?;
    let packages =
        lock.get("packages").and_then(Value::as_object).with_context(|| format!("{name} has no packages"))?;
    let by_place: BTreeMap<&String, &Value> = packages.iter().collect();
    // The first one is the package that the lock is for.
    let others = by_place.into_iter().filter(|(place, _)| !place.is_empty());
    let unknown = others.filter(|(_, package)| package.get("integrity").and_then(Value::as_str).is_none());
    Ok(unknown.map(|(place, _)| format!("{name}: {place} has no digest")).collect())
}

fn advisories(workspace: &Workspace) -> Result<()> {
    let sh = &workspace.shell;
    if cmd!(sh, "cargo deny --version").quiet().ignore_stdout().ignore_stderr().run().is_err() {
        eprintln!("┌ Advisories of known faults in the crates were NOT looked at: cargo-deny is not installed.");
        eprintln!("└ `cargo install --locked cargo-deny` has this done next time.");
        return Ok(());
    }
    if let Err(error) = cmd!(sh, "cargo deny --locked fetch db").run() {
        eprintln!("┌ Advisories of known faults in the crates were NOT looked at: their database cannot be reached:");
        eprintln!("└ {error}");
        return Ok(());
    }
    Ok(cmd!(sh, "cargo deny --locked --offline check advisories").run()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

    fn defects_of(license: Option<&str>, source: Option<&str>) -> Vec<String> {
        let allowed: Allowed = toml::from_str(include_str!("../../deny.toml")).unwrap();
        let package =
            Package { id: "thing".to_owned(), license: license.map(str::to_owned), source: source.map(str::to_owned) };
        allowed.defects(&Metadata { packages: vec![package], workspace_members: vec!["own".to_owned()] }).unwrap()
    }

    #[test]
    fn a_licence_is_read_as_the_choice_that_it_gives() {
        for fine in ["MIT", "MIT/Apache-2.0", "GPL-3.0-only OR MIT", "(MIT OR GPL-2.0-only) AND Unicode-3.0"] {
            assert_eq!(defects_of(Some(fine), Some(CRATES_IO)), [""; 0], "{fine}");
        }
        for bad in [Some("GPL-3.0-only"), Some("MIT AND AGPL-3.0-only"), Some("my own"), Some(""), None] {
            assert_eq!(defects_of(bad, Some(CRATES_IO)).len(), 1, "{bad:?}");
        }
    }

    #[test]
    fn a_crate_comes_from_the_registry_or_is_refused() {
        for source in [Some("git+https://example.org/thing#0123"), Some("registry+https://example.org/index"), None] {
            assert_eq!(defects_of(Some("MIT"), source).len(), 1, "{source:?}");
        }
    }

    #[test]
    fn a_package_of_npm_without_a_digest_is_refused() {
        let lock =
            r#"{"packages":{"":{},"node_modules/a":{"integrity":"sha512-x"},"node_modules/b":{"resolved":"git+x"}}}"#;
        assert_eq!(without_digest(lock, "lock").unwrap(), ["lock: node_modules/b has no digest"]);
    }

    /// Cargo without `--locked` resolves anew what a manifest has changed, npm runs what packages bring along, and pip
    /// installs what the registry has today.
    #[test]
    fn every_call_of_a_package_manager_installs_what_was_locked_and_nothing_else() {
        let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
        let mut calls = 0;
        for file in files_below(sources.as_ref()) {
            let text = fs::read_to_string(&file).unwrap();
            for call in text.split("cmd!(").skip(1).filter_map(|rest| rest.split('"').nth(1)) {
                let wanted: &[&str] = match call.split(' ').collect::<Vec<_>>()[..] {
                    ["cargo", "fmt" | "deny", ..] => continue,
                    // These have it from there.
                    ["cargo", _, "{NATIVE...}", ..] => continue,
                    ["cargo", ..] => &["--locked"],
                    ["npm" | "{npm}", "ci", ..] => &["--ignore-scripts"],
                    ["{python}", "-m", "pip", ..] => &["--require-hashes"],
                    _ => continue,
                };
                calls += 1;
                assert!(wanted.iter().all(|flag| call.contains(flag)), "{}: {call}", file.display());
            }
        }
        assert!(calls > 10, "{calls}");
        assert!(crate::build::NATIVE.contains(&"--locked"));
    }

    fn files_below(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
    }
}
