//! Compiles the command component to machine code, so that `muse` only has to map it.
//!
//! In: the component. Out: `$OUT_DIR/muse.cwasm`, made for the target of this build and not for the machine of this
//! build, so that it runs on every processor of the target.

#[path = "src/config.rs"]
mod config;

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use wasmtime::Engine;

fn main() -> ExitCode {
    match compile() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={error}");
            ExitCode::FAILURE
        }
    }
}

fn compile() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=MUSE_COMPONENT");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/config.rs");
    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?);
    let target = env::var_os("TARGET").ok_or("TARGET is not set")?;

    let component = component(&out)?;
    println!("cargo::rerun-if-changed={}", component.display());
    let wasm = fs::read(&component).map_err(|error| format!("cannot read {}: {error}", component.display()))?;

    let mut config = config::config();
    config.target(&target.to_string_lossy())?;
    let compiled = Engine::new(&config)?.precompile_component(&wasm)?;
    fs::write(out.join("muse.cwasm"), compiled)?;
    Ok(())
}

/// `$MUSE_COMPONENT`, else where `cargo xtask build` leaves the component: in the target directory, which is above
/// `out`.
fn component(out: &Path) -> Result<PathBuf, &'static str> {
    if let Some(named) = env::var_os("MUSE_COMPONENT") {
        return Ok(PathBuf::from(named));
    }
    let built = |directory: &Path| directory.join("wasm32-wasip2/component/muse-cli.wasm");
    out.ancestors().map(built).find(|path| path.exists()).ok_or(
        "the component that `muse` embeds is not built yet: `cargo xtask build` builds both in the right order \
         (or name a component in MUSE_COMPONENT, as an absolute path)",
    )
}
