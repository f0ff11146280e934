//! `cargo xtask build`: the product, `muse`, `muse.wasm`, `muse-coord.wasm`, `muse-coord-store.wasm` and `muse-host` in
//! `target/dist`, the last also by its name `muse-agent`.
//!
//! `muse` and `muse.wasm` are two forms of one program. The command line is compiled to a WASI 0.2 component, and the
//! launcher `muse` embeds that very component. `muse-host` embeds three: the library, `muse-coord.wasm`, the library
//! for engines, `muse-coord-store.wasm`, and the command line for engines. Each program embeds them compiled to machine
//! code. So there is an order: the component, then what `muse-precompile` makes of it, then the program, which learns
//! by an environment variable where that is ([`Embedded::variables`]).

use crate::components;
use crate::setup;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::panic;
use std::path::{Path, PathBuf};
use std::thread;
use tempfile::NamedTempFile;
use xshell::cmd;

/// How cargo is told to build, test or check what runs natively: always together and in one profile. Another choice is
/// another choice of features and settings for all of wasmtime, which takes minutes to compile. To build `muse` alone
/// less is needed: see [`compiler`].
pub(crate) const NATIVE: [&str; 4] = ["--locked", "--release", "--workspace", "--all-features"];

/// What has been built, by absolute paths.
pub(crate) struct Built {
    /// The command component.
    pub(crate) component: PathBuf,
    /// The library component.
    pub(crate) library: PathBuf,
    /// The library component on an engine.
    pub(crate) library_on_store: PathBuf,
    /// The library component on a server that its host asks.
    pub(crate) library_on_sql: PathBuf,
    /// The program for this machine, with the command component inside.
    pub(crate) muse: PathBuf,
    /// The program beside it, with the library and the command line on an engine inside.
    pub(crate) host: PathBuf,
    /// The same by the name by which it runs agents.
    pub(crate) agent: PathBuf,
    /// The components as the two programs embed them.
    pub(crate) embedded: Embedded,
}

/// Their names, where the native programs are built.
const COMMAND: &str = "muse.cwasm";
const LIBRARY: &str = "muse-coord.cwasm";
const ON_STORE: &str = "muse-on-store.cwasm";
const LIBRARY_ON_STORE: &str = "muse-coord-store.cwasm";

/// The components, compiled to machine code.
pub(crate) struct Embedded {
    command: PathBuf,
    library: PathBuf,
    on_store: PathBuf,
    library_on_store: PathBuf,
}

impl Embedded {
    /// What was compiled before, or else any file: for what checks the two programs and does not run them.
    pub(crate) fn or_any_file(workspace: &Workspace) -> Result<Self> {
        let release = workspace.target()?.join("release");
        let any = || workspace.root.join("Cargo.toml");
        let file = |name| Some(release.join(name)).filter(|compiled| compiled.exists()).unwrap_or_else(any);
        let [command, library, on_store, library_on_store] = [COMMAND, LIBRARY, ON_STORE, LIBRARY_ON_STORE].map(file);
        Ok(Self { command, library, on_store, library_on_store })
    }

    /// The variables by which the two programs learn where these are.
    pub(crate) fn variables(&self) -> [(&'static str, &Path); 4] {
        [
            ("MUSE_CWASM", &self.command),
            ("MUSE_COORD_CWASM", &self.library),
            ("MUSE_ON_STORE_CWASM", &self.on_store),
            ("MUSE_COORD_STORE_CWASM", &self.library_on_store),
        ]
    }
}

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let built = product(workspace)?;
    println!("{}", built.muse.display());
    println!("{}", built.component.display());
    println!("{}", built.library.display());
    println!("{}", built.library_on_store.display());
    println!("{}", built.library_on_sql.display());
    println!("{}", built.host.display());
    println!("{}", built.agent.display());
    Ok(())
}

/// Builds what is out of date. A program that is running goes on as it was.
pub(crate) fn product(workspace: &Workspace) -> Result<Built> {
    let dist = workspace.target()?.join("dist");
    setup::ensure(workspace)?;
    let all = |workspace: &Workspace| {
        let [library, library_on_store, library_on_sql] =
            [library(workspace)?, components::library_on_store(workspace)?, components::library_on_sql(workspace)?];
        let [command, on_store] = [components::command(workspace)?, components::on_store(workspace)?];
        Ok([command, on_store, library, library_on_store, library_on_sql])
    };
    let ([command, on_store, library, library_on_store, library_on_sql], compiler) =
        beside(all, || native(workspace, "muse-precompile"))?;
    let embedded = Embedded {
        command: precompiled(workspace, &compiler, "command", &command, COMMAND)?,
        library: precompiled(workspace, &compiler, "library", &library, LIBRARY)?,
        on_store: precompiled(workspace, &compiler, "command", &on_store, ON_STORE)?,
        library_on_store: precompiled(workspace, &compiler, "library", &library_on_store, LIBRARY_ON_STORE)?,
    };
    let (muse, host) = beside(|workspace| launcher(workspace, &embedded.command), || host(workspace, &embedded))?;
    let host = publish(&host, dist.join("muse-host"))?;
    Ok(Built {
        component: publish(&command, dist.join("muse.wasm"))?,
        library,
        library_on_store: publish(&library_on_store, dist.join("muse-coord-store.wasm"))?,
        library_on_sql: publish(&library_on_sql, dist.join("muse-coord-sql.wasm"))?,
        muse,
        agent: alias(&host, "muse-agent")?,
        host,
        embedded,
    })
}

/// Builds `muse` alone.
pub(crate) fn muse(workspace: &Workspace) -> Result<PathBuf> {
    setup::ensure(workspace)?;
    let (command, compiler) = beside(components::command, || compiler(workspace))?;
    launcher(workspace, &precompiled(workspace, &compiler, "command", &command, COMMAND)?)
}

/// Does two things at once, the first in a thread of its own. Cargo compiles each in a directory of its own, and while
/// one of them waits for its longest crate, the other uses the second processor.
fn beside<A: Send, B>(
    first: impl FnOnce(&Workspace) -> Result<A> + Send,
    second: impl FnOnce() -> Result<B>,
) -> Result<(A, B)> {
    thread::scope(|scope| {
        let first = scope.spawn(|| first(&Workspace::open()?));
        let second = second();
        match first.join() {
            Ok(first) => Ok((first?, second?)),
            Err(cause) => panic::resume_unwind(cause),
        }
    })
}

/// Builds a native program, among all the others.
pub(crate) fn native(workspace: &Workspace, program: &str) -> Result<PathBuf> {
    let sh = &workspace.shell;
    cmd!(sh, "cargo build {NATIVE...} --bin {program}").run()?;
    Ok(workspace.target()?.join("release").join(program))
}

fn host(workspace: &Workspace, embedded: &Embedded) -> Result<PathBuf> {
    let sh = &workspace.shell;
    let _variables = embedded.variables().map(|(name, path)| sh.push_env(name, path));
    native(workspace, "muse-host")
}

/// The program that compiles components: the one among the other programs, if it was built before, or else one that is
/// built by itself.
///
/// By itself it takes a fraction of the time: it has nothing of wasmtime that runs components, and its profile asks for
/// little optimisation. The code that it makes is the same.
fn compiler(workspace: &Workspace) -> Result<PathBuf> {
    let target = workspace.target()?;
    if target.join("release/muse-precompile").exists() {
        return native(workspace, "muse-precompile");
    }
    let sh = &workspace.shell;
    cmd!(sh, "cargo build --locked --profile tool --package muse-precompile").run()?;
    Ok(target.join("tool/muse-precompile"))
}

/// Compiles the component that a program embeds to machine code. It lies at one place, whichever compiler made it, so
/// that the program is not built anew.
fn precompiled(workspace: &Workspace, compiler: &Path, kind: &str, component: &Path, name: &str) -> Result<PathBuf> {
    let sh = &workspace.shell;
    let release = sh.create_dir(workspace.target()?.join("release"))?;
    let compiled = release.join(name);
    cmd!(sh, "{compiler} {kind} {component} {compiled}").run()?;
    Ok(compiled)
}

/// Builds the launcher as people get it, which is the one program that is built in a profile of its own.
///
/// Where this machine can link the launcher statically, it does: it then starts in an eighth less time, and runs
/// beside any C library. There `getrandom` looks for its system call by `dlsym`, which finds nothing in such a
/// program, and falls back on `/dev/urandom`, which may not be there: so it is told.
fn launcher(workspace: &Workspace, compiled: &Path) -> Result<PathBuf> {
    let sh = &workspace.shell;
    let _variable = sh.push_env("MUSE_CWASM", compiled);
    let target = workspace.target()?;
    let mut arguments = Vec::new();
    let mut directory = target.clone();
    if let Some(triple) = links_statically(workspace)? {
        directory.push(&triple);
        let flags = ["-Ctarget-feature=+crt-static", r#"--cfg=getrandom_backend="linux_getrandom""#];
        let flags = format!("target.{triple}.rustflags=['{}']", flags.join("', '"));
        arguments = vec!["--target".to_owned(), triple, "--config".to_owned(), flags];
    }
    cmd!(sh, "cargo build --locked --package muse-launcher --profile product {arguments...}").run()?;
    publish(&directory.join("product/muse"), target.join("dist/muse"))
}

/// This machine's target, if an empty program can be linked statically for it, as it can be where glibc's static
/// library is installed.
fn links_statically(workspace: &Workspace) -> Result<Option<String>> {
    if !cfg!(all(target_os = "linux", target_env = "gnu")) {
        return Ok(None);
    }
    let sh = &workspace.shell;
    let triple = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    let directory = sh.create_temp_dir()?;
    let program = directory.path().join("empty");
    let linked = cmd!(sh, "rustc --crate-name empty --target {triple} -C target-feature=+crt-static -o {program} -")
        .quiet()
        .ignore_stderr()
        .stdin("fn main() {}")
        .run();
    Ok(linked.is_ok().then_some(triple))
}

/// Builds the library component.
pub(crate) fn library(workspace: &Workspace) -> Result<PathBuf> {
    publish(&components::library(workspace)?, workspace.target()?.join("dist/muse-coord.wasm"))
}

/// Another name for a program, beside it.
pub(crate) fn alias(program: &Path, name: &str) -> Result<PathBuf> {
    let place = program.with_file_name(name);
    let context = || format!("cannot make {}", place.display());
    let target = program.file_name().with_context(context)?;
    let directory = program.parent().with_context(context)?;
    let beside = tempfile::Builder::new().make_in(directory, |new| symlink(target, new)).with_context(context)?;
    beside.into_temp_path().persist(&place).with_context(context)?;
    Ok(place)
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
