//! `cargo xtask agents`: the example agents of `wit/examples/`, each by itself and composed with the library component,
//! in `target/dist/examples`.
//!
//! Composing is what `wac plug AGENT.wasm --plug muse-coord.wasm` does: the agent's import of the queue becomes the
//! library's export, and what runs is one component which needs a WASI runtime and nothing else.
//!
//! A composed component has one set of preopens, which the library takes the coordination directory from. An agent that
//! itself imports a filesystem would have that directory, too, past the queue. It is refused.

use crate::components;
use crate::fresh::unless_made_of;
use crate::setup;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions, plug};
use wit_component::DecodedWasm;
use xshell::cmd;

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let library = components::library(workspace)?;
    println!("{}", build(workspace, &library)?.display());
    Ok(())
}

/// Builds what is out of date: `agent-*.wasm` and `agent-*-composed.wasm`. The answer is the directory that they are
/// in.
pub(crate) fn build(workspace: &Workspace, library: &Path) -> Result<PathBuf> {
    let directory = workspace.target()?.join("dist/examples");
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    let rust = directory.join("agent-rust.wasm");
    let js = directory.join("agent-js.wasm");
    build_rust(workspace, &rust)?;
    build_js(workspace, &js)?;
    for agent in [rust, js] {
        let composed =
            agent.with_file_name(format!("{}-composed.wasm", agent.file_stem().unwrap_or_default().display()));
        unless_made_of(&digest(&[&agent, library])?, &composed, || compose(&agent, library, &composed))?;
    }
    Ok(directory)
}

fn build_rust(workspace: &Workspace, output: &Path) -> Result<()> {
    setup::ensure(workspace)?;
    let sh = &workspace.shell;
    cmd!(sh, "cargo build --locked --profile component --package coord-agent-example --target wasm32-wasip2").run()?;
    let built = workspace.target()?.join("wasm32-wasip2/component/agent-rust.wasm");
    fs::copy(&built, output).with_context(|| format!("cannot copy {}", built.display()))?;
    Ok(())
}

/// An engine goes into it, which takes half a minute.
fn build_js(workspace: &Workspace, output: &Path) -> Result<()> {
    let sh = &workspace.shell;
    cmd!(sh, "npm --version").quiet().ignore_stdout().run().context("install Node.js 20 or later, with npm")?;
    let _lock = workspace.lock("npm")?;
    let source = workspace.root.join("wit/examples/agent-js");
    let [program, build, packages, lock, world] =
        ["agent.js", "build.mjs", "node_modules", "package-lock.json", "wit"].map(|name| source.join(name));
    let wit = workspace.root.join("wit");
    unless_made_of(&digest(&[&lock])?, &packages, || {
        cmd!(sh, "npm ci --ignore-scripts --no-audit --no-fund --prefix {source}").run()?;
        Ok(())
    })?;
    let sources: [&Path; 6] = [&program, &build, &lock, &world, &wit, &wit.join("deps")];
    unless_made_of(&digest(&sources)?, output, || {
        cmd!(sh, "node {build} {output}").run()?;
        Ok(())
    })
}

/// Of each file, or of the WIT files that are right in a directory: name and content.
fn digest(paths: &[&Path]) -> Result<Vec<u8>> {
    let mut hash = Sha256::new();
    for path in paths {
        for file in files(path).with_context(|| format!("cannot read {}", path.display()))? {
            hash.update(file.as_os_str().as_encoded_bytes());
            hash.update(Sha256::digest(fs::read(file)?));
        }
    }
    Ok(hash.finalize().to_vec())
}

fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let mut files: Vec<_> =
        entries.into_iter().filter(|entry| entry.extension().is_some_and(|it| it == "wit")).collect();
    files.sort();
    Ok(files)
}

/// Fills in the agent's import of the queue.
fn compose(agent: &Path, library: &Path, output: &Path) -> Result<()> {
    let context = || format!("cannot compose {} with {}", agent.display(), library.display());
    refuse_filesystem(agent).with_context(context)?;
    let mut graph = CompositionGraph::new();
    let library = Package::from_file("muse:coord-library", None, library, graph.types_mut()).with_context(context)?;
    let agent = Package::from_file("muse:agent", None, agent, graph.types_mut()).with_context(context)?;
    let library = graph.register_package(library)?;
    let agent = graph.register_package(agent)?;
    plug(&mut graph, vec![library], agent).with_context(context)?;
    fs::write(output, graph.encode(EncodeOptions::default())?).with_context(context)?;
    Ok(())
}

fn refuse_filesystem(agent: &Path) -> Result<()> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(&fs::read(agent)?)? else {
        bail!("it is a WIT package, and no component");
    };
    let world = resolve.worlds.get(world).context("it has no world")?;
    let imports: Vec<_> = world.imports.keys().map(|key| resolve.name_world_key(key)).collect();
    let filesystem = imports.iter().find(|import| import.starts_with("wasi:filesystem/"));
    ensure!(
        filesystem.is_none(),
        "the agent imports {}: composed, it would have the coordination directory past the queue; build it without files",
        filesystem.map_or("", String::as_str)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{compose, refuse_filesystem};
    use crate::components::encode;
    use std::fs;
    use std::path::Path;
    use wit_component::{StringEncoding, dummy_module, embed_component_metadata};
    use wit_parser::{ManglingAndAbi, Resolve};

    /// A component of a world of `wit/` that imports all that the world does.
    fn component_of(world: &str, directory: &Path) -> std::path::PathBuf {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")).unwrap();
        let world = resolve.select_world(&[package], Some(world)).unwrap();
        let mut module = dummy_module(&resolve, world, ManglingAndAbi::Standard32);
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        fs::write(directory.join("module.wasm"), module).unwrap();
        encode(&directory.join("module.wasm"), directory.join("component.wasm")).unwrap()
    }

    #[test]
    fn an_agent_that_could_open_files_is_not_composed() {
        let directory = tempfile::tempdir().unwrap();
        let with_files = component_of("command", directory.path());
        let error = compose(&with_files, Path::new("unused"), Path::new("unused")).unwrap_err();
        assert!(format!("{error:#}").contains("the agent imports wasi:filesystem/"), "{error:#}");
    }

    #[test]
    fn an_agent_of_world_agent_is_not_refused() {
        let directory = tempfile::tempdir().unwrap();
        refuse_filesystem(&component_of("agent", directory.path())).unwrap();
    }
}
