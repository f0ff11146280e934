//! `cargo xtask lint`: format, clippy on both platforms, documentation, and the JavaScript, with every warning an
//! error; and what all of it is made of (`supply.rs`).
//!
//! Everything is checked in the profiles that `build` and `test` use, so that what they compile is not compiled anew.

use crate::build::{self, OTHERS};
use crate::components;
use crate::js;
use crate::supply;
use crate::workspace::Workspace;
use anyhow::Result;
use xshell::cmd;

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let sh = &workspace.shell;
    cmd!(sh, "cargo fmt --all --check").run()?;
    supply::check(workspace)?;

    let component = components::command(workspace)?;
    let launcher = build::launcher(workspace)?.arguments;
    cmd!(sh, "cargo clippy {launcher...} --all-targets -- -D warnings").env("MUSE_COMPONENT", component).run()?;
    // What `muse-agent` embeds is not run here. So it need not be compiled first, which would take minutes.
    let library = build::library(workspace)?;
    cmd!(sh, "cargo clippy {OTHERS...} --all-targets -- -D warnings").env("MUSE_COORD_CWASM", library).run()?;
    // The native checks above don't see what is compiled for the component alone.
    let programs = ["muse-cli", "coord-store", "coord-agent-example", "coord-guest-agent"];
    let programs = programs.map(|package| format!("--package={package}"));
    let [wasip2, unknown] = ["--target=wasm32-wasip2", "--target=wasm32-unknown-unknown"];
    cmd!(sh, "cargo clippy --locked --profile component {programs...} --bins --examples {wasip2} -- -D warnings")
        .run()?;
    cmd!(sh, "cargo clippy --locked --profile component --package muse-component {unknown} -- -D warnings").run()?;
    cmd!(sh, "cargo clippy --locked --profile module --package coord-js --all-features {unknown} -- -D warnings")
        .run()?;
    cmd!(sh, "cargo doc --locked --release --no-deps --package coord-core --package coord-store --package muse-cli")
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()?;
    js::test::lint(workspace)
}
