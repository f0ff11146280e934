//! An agent and the library component as one component: what `wac plug AGENT.wasm --plug muse-coord.wasm` does.
//!
//! A composed component has one set of preopens, which the library takes the coordination directory from. An agent that
//! itself imports a filesystem would have that directory, too, past the queue. It is refused.

use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::Path;
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions, plug};
use wit_component::DecodedWasm;

/// Fills in the agent's import of the queue.
pub(crate) fn compose(agent: &Path, library: &Path, output: &Path) -> Result<()> {
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
    use crate::encode::encode;
    use std::fs;
    use std::path::Path;
    use wit_component::{StringEncoding, dummy_module, embed_component_metadata};
    use wit_parser::{ManglingAndAbi, Resolve};

    /// A component of a world of `wit/` that imports all that the world does.
    fn component_of(world: &str, directory: &Path) -> std::path::PathBuf {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit")).unwrap();
        let world = resolve.select_world(&[package], Some(world)).unwrap();
        let mut module = dummy_module(&resolve, world, ManglingAndAbi::Standard32);
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        fs::write(directory.join("module.wasm"), module).unwrap();
        let component = directory.join("component.wasm");
        encode(&directory.join("module.wasm"), &component).unwrap();
        component
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
