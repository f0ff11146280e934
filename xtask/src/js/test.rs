//! The tests of the npm package, on its tarball, in every runtime: the same suite in Node 20, 22 and 24 and in Deno.
//!
//! What the tests need is in `js/test/node_modules`: Deno and further Nodes, which come from npm, too, and the package
//! as its tarball has it. A runtime that has no build for this platform is left out, and that is said.

use super::{bind, install, pack};
use crate::hosts;
use crate::suites::{self, Suite};
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use xshell::cmd;

/// The Nodes that npm has as packages, by the names that `js/test/package.json` gives them.
const FURTHER_NODES: [&str; 2] = ["node22", "node24"];

/// What can be run, by absolute paths.
#[derive(Clone)]
pub(crate) struct JavaScript {
    /// The Nodes, each with a name: the one on the PATH first.
    nodes: Vec<(&'static str, PathBuf)>,
    /// Deno.
    pub(crate) deno: PathBuf,
    /// Programs that use the package.
    pub(crate) agents: PathBuf,
    /// The package.
    tarball: PathBuf,
}

/// Builds the package and gets everything ready. What is ready is not made again: `ci` checks it, and tests it later,
/// and each of the two forms in which the binding is compiled takes the place of the other.
pub(crate) fn ready(workspace: &Workspace) -> Result<JavaScript> {
    if let Some(ready) = &*workspace.javascript.borrow() {
        return Ok(ready.clone());
    }
    let ready = make_ready(workspace)?;
    Ok(workspace.javascript.borrow_mut().insert(ready).clone())
}

fn make_ready(workspace: &Workspace) -> Result<JavaScript> {
    let js = workspace.root.join("js");
    let tarball = pack(workspace)?;
    bind(workspace, &["conformance"], &js.join("generated/conformance"))?;
    let tests = js.join("test");
    install(workspace, &tests)?;
    unpack(workspace, &tarball, &tests.join("node_modules/@muse/coord"))?;
    let modules = tests.join("node_modules");
    let further = FURTHER_NODES.map(|name| (name, modules.join(name).join("bin/node")));
    for (absent, _) in further.iter().filter(|(_, node)| !node.exists()) {
        eprintln!("js: not tested, as npm has no build of it for this platform: {absent}");
    }
    let further = further.into_iter().filter(|(_, node)| node.exists());
    let nodes = [("node", hosts::node(workspace)?)].into_iter().chain(further).collect();
    Ok(JavaScript { nodes, deno: deno(&modules)?, agents: tests.join("agents"), tarball })
}

/// Runs its tests alone.
pub(crate) fn run(workspace: &Workspace, javascript: &JavaScript, muse: &Path) -> Result<()> {
    suites::run(workspace, suites(workspace, javascript, muse)?)
}

/// One suite for each runtime, one for the package as a tarball, and those that PGlite is enough for.
pub(crate) fn suites(workspace: &Workspace, javascript: &JavaScript, muse: &Path) -> Result<Vec<Suite>> {
    let tests = workspace.root.join("js/test");
    let files = suite(&tests)?;
    let JavaScript { nodes, deno, .. } = javascript;
    let node = javascript.node()?;
    let suite = |name: &str, words: Vec<&OsStr>, files: &[PathBuf]| {
        javascript.suite(workspace, muse, name, words.into_iter().chain(files.iter().map(|file| file.as_os_str())))
    };
    let of_node = |(name, node): &(&str, PathBuf)| suite(&format!("js in {name}"), in_node(node), &files);
    let mut suites = nodes.iter().map(of_node).collect::<Result<Vec<_>>>()?;
    suites.push(suite("js in deno", in_deno(deno), &files)?);
    suites.push(suite("js package", in_node(node), &[tests.join("packaging.mjs")])?);
    for (name, words) in [("js on pglite in node", in_node(node)), ("js on pglite in deno", in_deno(deno))] {
        let mut on_pglite = suite(name, words, &on_engines(&files))?;
        on_pglite.command.env("MUSE_JS_STORE", "pglite");
        suites.push(on_pglite);
    }
    Ok(suites)
}

/// The tests with their queues on a server, which `on_postgres` starts: of each version in one runtime.
pub(crate) fn suites_on_servers(
    workspace: &Workspace,
    javascript: &JavaScript,
    muse: &Path,
    on_postgres: &Path,
    [of_15, of_18]: [&Path; 2],
) -> Result<Vec<Suite>> {
    let files = on_engines(&suite(&workspace.root.join("js/test"))?);
    let versions = [
        ("js on postgres 15 in node", of_15, in_node(javascript.node()?)),
        ("js on postgres 18 in deno", of_18, in_deno(&javascript.deno)),
    ];
    let suite = |(name, programs, words): (&str, &Path, Vec<&OsStr>)| {
        let words = [on_postgres.as_os_str()].into_iter().chain(words).chain(files.iter().map(|file| file.as_os_str()));
        let mut suite = javascript.suite(workspace, muse, name, words)?;
        suite.command.env("POSTGRES", programs).env("MUSE_JS_STORE", "pg");
        Ok(suite)
    };
    versions.into_iter().map(suite).collect()
}

impl JavaScript {
    fn node(&self) -> Result<&Path> {
        self.nodes.first().map(|(_, node)| node.as_path()).context("there is a Node")
    }

    fn suite<'a>(
        &self,
        workspace: &Workspace,
        muse: &Path,
        name: &str,
        words: impl IntoIterator<Item = &'a OsStr>,
    ) -> Result<Suite> {
        let mut words = words.into_iter();
        let mut command = Command::new(words.next().context("a suite has a program")?);
        command.args(words).current_dir(workspace.root.join("js/test"));
        command.env("MUSE_BIN", muse).env("MUSE_COORD_TARBALL", &self.tarball);
        command.env("NODE", self.node()?).env("DENO", &self.deno);
        Ok(Suite { name: name.to_owned(), command })
    }
}

fn in_node(node: &Path) -> Vec<&OsStr> {
    vec![node.as_os_str(), OsStr::new("--test")]
}

fn in_deno(deno: &Path) -> Vec<&OsStr> {
    let words = ["test", "--allow-all", "--no-check", "--quiet"].map(OsStr::new);
    [deno.as_os_str()].into_iter().chain(words).collect()
}

/// Tests of directories alone, and of other faces there.
const OF_DIRECTORIES: [&str; 4] = ["conformance.test.mjs", "examples.test.mjs", "faces.test.mjs", "keys.test.mjs"];

fn on_engines(files: &[PathBuf]) -> Vec<PathBuf> {
    let is_of_directories = |file: &&PathBuf| OF_DIRECTORIES.iter().any(|name| file.ends_with(name));
    files.iter().filter(|file| !is_of_directories(file)).cloned().collect()
}

/// Checks format, habits and types, by Deno. What it checks the types against is the built package.
pub(crate) fn lint(workspace: &Workspace) -> Result<()> {
    let sh = &workspace.shell;
    let JavaScript { deno, .. } = ready(workspace)?;
    let _there = sh.push_dir(workspace.root.join("js"));
    cmd!(sh, "{deno} fmt --check --quiet").run()?;
    cmd!(sh, "{deno} lint --quiet").run()?;
    Ok(())
}

/// The files that are run in every runtime.
fn suite(tests: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(tests)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let mut files: Vec<_> = entries.into_iter().filter(|path| path.to_string_lossy().ends_with(".test.mjs")).collect();
    files.sort();
    Ok(files)
}

/// As `npm install` does with a package that needs no others and runs no scripts.
pub(super) fn unpack(workspace: &Workspace, tarball: &Path, place: &Path) -> Result<()> {
    let sh = &workspace.shell;
    sh.remove_path(place)?;
    sh.create_dir(place)?;
    cmd!(sh, "tar -xzf {tarball} -C {place} --strip-components 1").quiet().run()?;
    Ok(())
}

/// The program itself: npm's `deno` starts it as a child, which would outlive what kills that.
fn deno(modules: &Path) -> Result<PathBuf> {
    let platforms = modules.join("@deno");
    let context = || format!("no Deno in {}", platforms.display());
    let entries = fs::read_dir(&platforms).with_context(context)?.map(|entry| Ok(entry?.path().join("deno")));
    let programs = entries.collect::<Result<Vec<_>>>()?;
    programs.into_iter().find(|program| program.exists()).with_context(context)
}
