//! `cargo xtask lint`: format, clippy on both platforms, documentation, and the JavaScript, with every warning an
//! error; and what all of it is made of (`supply.rs`).
//!
//! Everything is checked in the profiles that `build` and `test` use, so that what they compile is not compiled anew.

use crate::build::{Embedded, NATIVE};
use crate::js;
use crate::setup;
use crate::supply;
use crate::workspace::Workspace;
use anyhow::Result;
use xshell::cmd;

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let parts = &workspace.parts;
    parts.time("format", || Ok(cmd!(workspace.shell, "cargo fmt --all --check").run()?))?;
    parts.time("licences and sources", || supply::check(workspace))?;
    parts.time("clippy", || clippy(workspace))?;
    parts.time("documentation", || documentation(workspace))?;
    parts.time("the checks of JavaScript", || js::test::lint(workspace))
}

fn clippy(workspace: &Workspace) -> Result<()> {
    let sh = &workspace.shell;
    setup::ensure(workspace)?;
    let embedded = Embedded::or_any_file(workspace)?;
    cmd!(sh, "cargo clippy {NATIVE...} --all-targets -- -D warnings").envs(embedded.variables()).run()?;
    // The native checks above don't see what is compiled for the component alone.
    let programs = ["muse-cli", "coord-store", "coord-agent-example", "coord-guest-agent"];
    let programs = programs.map(|package| format!("--package={package}"));
    let [wasip2, unknown] = ["--target=wasm32-wasip2", "--target=wasm32-unknown-unknown"];
    cmd!(sh, "cargo clippy --locked --profile component {programs...} --bins --examples {wasip2} -- -D warnings")
        .run()?;
    let on_store =
        ["--package=muse-cli", "--package=coord-granted", "--features=muse-cli/engine", "--bin=muse-on-store"];
    cmd!(sh, "cargo clippy --locked --profile component {on_store...} --lib {wasip2} -- -D warnings").run()?;
    for features in ["", "engine", "sql"] {
        let of_library = ["--package=muse-component", "--features", features];
        cmd!(sh, "cargo clippy --locked --profile component {of_library...} {unknown} -- -D warnings").run()?;
    }
    cmd!(sh, "cargo clippy --locked --profile module --package coord-js --all-features {unknown} -- -D warnings")
        .run()?;
    Ok(())
}

fn documentation(workspace: &Workspace) -> Result<()> {
    let sh = &workspace.shell;
    let documented = ["coord-core", "coord-postgres", "coord-sql", "coord-store", "muse-cli"]
        .map(|name| format!("--package={name}"));
    cmd!(sh, "cargo doc --locked --release --no-deps {documented...}").env("RUSTDOCFLAGS", "-D warnings").run()?;
    Ok(())
}
