//! Compiles the command component to machine code, so that `muse` only has to map it.
//!
//! In: the component named by `MUSE_COMPONENT`. Out: `$OUT_DIR/muse.cwasm`, compiled for the target of this build, not
//! for the machine of this build: it uses no processor feature that the target does not promise.

#[path = "src/config.rs"]
mod config;

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use wasmtime::Engine;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=MUSE_COMPONENT");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/config.rs");
    let component = std::env::var_os("MUSE_COMPONENT").map(PathBuf::from).ok_or(
        "MUSE_COMPONENT must name the command component to embed (an absolute path); \
         `cargo xtask build` builds the component and the launcher in this order",
    )?;
    println!("cargo::rerun-if-changed={}", component.display());
    let wasm =
        fs::read(&component).map_err(|error| format!("cannot read the component {}: {error}", component.display()))?;

    let mut config = config::config();
    config.target(&cargo_variable("TARGET")?.to_string_lossy())?;
    let compiled = Engine::new(&config)?.precompile_component(&wasm)?;
    fs::write(PathBuf::from(cargo_variable("OUT_DIR")?).join("muse.cwasm"), compiled)?;
    Ok(())
}

fn cargo_variable(name: &str) -> Result<OsString, String> {
    std::env::var_os(name).ok_or_else(|| format!("cargo sets {name} for build scripts"))
}
