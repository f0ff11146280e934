//! `cargo xtask build`: the product, `muse`, `muse.wasm`, `muse-coord.wasm` and `muse-agent` in `target/dist`.
//!
//! `muse` and `muse.wasm` are two forms of one program. The command line is compiled to a WASI 0.2 component, and the
//! launcher `muse` embeds that very component; so the component has to come first, and the launcher learns where it is
//! by the environment variable `MUSE_COMPONENT`. `muse-agent` embeds the library, `muse-coord.wasm`, compiled to
//! machine code (`MUSE_COORD_CWASM`).

use crate::components;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use xshell::cmd;

/// How cargo is told to build, test or check the launcher: always alone, in one profile, and linked in one way. Another
/// choice is another choice of features and settings for all of wasmtime, which takes minutes to compile.
pub(crate) struct Launcher {
    pub(crate) arguments: Vec<String>,
    /// Where cargo puts it.
    directory: PathBuf,
}

/// How cargo is told to build, test or check everything else: always together, for the same reason.
pub(crate) const OTHERS: [&str; 6] =
    ["--locked", "--release", "--workspace", "--exclude", "muse-launcher", "--all-features"];

/// What has been built, by absolute paths.
pub(crate) struct Built {
    /// The component where cargo put it, as the launcher's build script was told.
    pub(crate) embedded: PathBuf,
    /// The same component, for people.
    pub(crate) component: PathBuf,
    /// The library component.
    pub(crate) library: PathBuf,
    /// The library as `muse-agent` embeds it.
    pub(crate) compiled: PathBuf,
    /// The program for this machine, with the component inside.
    pub(crate) muse: PathBuf,
    /// How cargo was told to build that.
    pub(crate) launcher: Launcher,
    /// The program that runs agents, with the library inside.
    pub(crate) agent: PathBuf,
}

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let built = product(workspace)?;
    println!("{}", built.muse.display());
    println!("{}", built.component.display());
    println!("{}", built.library.display());
    println!("{}", built.agent.display());
    Ok(())
}

/// Builds what is out of date. A `muse` that is running goes on as it was.
pub(crate) fn product(workspace: &Workspace) -> Result<Built> {
    let sh = &workspace.shell;
    let library = library(workspace)?;
    let embedded = components::command(workspace)?;
    let launcher = launcher(workspace)?;
    let arguments = &launcher.arguments;
    cmd!(sh, "cargo build {arguments...}").env("MUSE_COMPONENT", &embedded).run()?;
    let target = workspace.target()?;
    let dist = target.join("dist");
    let compiled = compiled(workspace, &library)?;
    cmd!(sh, "cargo build {OTHERS...} --bin muse-agent").env("MUSE_COORD_CWASM", &compiled).run()?;
    Ok(Built {
        component: publish(&embedded, dist.join("muse.wasm"))?,
        library,
        compiled,
        muse: publish(&launcher.directory.join("muse"), dist.join("muse"))?,
        launcher,
        agent: publish(&target.join("release/muse-agent"), dist.join("muse-agent"))?,
        embedded,
    })
}

/// Where this machine can link the launcher statically, it does: it then starts in an eighth less time, and runs
/// beside any C library. There `getrandom` looks for its system call by `dlsym`, which finds nothing in such a
/// program, and falls back on `/dev/urandom`, which may not be there: so it is told.
pub(crate) fn launcher(workspace: &Workspace) -> Result<Launcher> {
    let mut arguments = ["--locked", "--package", "muse-launcher", "--profile", "product"].map(str::to_owned).to_vec();
    let mut directory = workspace.target()?;
    if let Some(triple) = links_statically(workspace)? {
        directory.push(&triple);
        let flags = ["-Ctarget-feature=+crt-static", r#"--cfg=getrandom_backend="linux_getrandom""#];
        let flags = format!("target.{triple}.rustflags=['{}']", flags.join("', '"));
        arguments.extend(["--target".to_owned(), triple, "--config".to_owned(), flags]);
    }
    Ok(Launcher { arguments, directory: directory.join("product") })
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

/// Compiles the library component to machine code, with the wasmtime that `muse-agent` is built with.
fn compiled(workspace: &Workspace, library: &Path) -> Result<PathBuf> {
    let sh = &workspace.shell;
    let release = workspace.target()?.join("release");
    let compiled = release.join("muse-coord.cwasm");
    cmd!(sh, "cargo build {OTHERS...} --bin muse-agent-precompile").run()?;
    let precompile = release.join("muse-agent-precompile");
    cmd!(sh, "{precompile} {library} {compiled}").run()?;
    Ok(compiled)
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
