//! `cargo xtask lint`: format, clippy on both platforms, and documentation, with every warning an error.
//!
//! Everything is checked in the release profile: the launcher's build script runs a compiler that `build` has already
//! compiled in this profile, and compiling it anew for another one takes minutes.

use crate::build;
use crate::workspace::Workspace;
use anyhow::Result;
use xshell::cmd;

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let sh = &workspace.shell;
    cmd!(sh, "cargo fmt --all --check").run()?;

    let component = build::component(workspace)?;
    let _component = sh.push_env("MUSE_COMPONENT", component);
    cmd!(sh, "cargo clippy --release --workspace --all-targets --all-features -- -D warnings").run()?;
    // The native checks above don't see what is compiled for the component alone.
    cmd!(sh, "cargo clippy --release --package muse-cli --bins --examples --target wasm32-wasip2 -- -D warnings")
        .run()?;
    cmd!(sh, "cargo doc --release --no-deps --package coord-core --package muse-cli")
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()?;
    Ok(())
}
