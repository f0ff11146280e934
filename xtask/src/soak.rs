//! `cargo xtask soak`: agents on one real queue, killed and stopped at random; nothing may be lost or held by two.
//!
//! The program is `tests/src/soak.rs`, which says what is done and what is checked. Here the product is built for it.

use crate::build;
use crate::workspace::Workspace;
use anyhow::Result;
use xshell::cmd;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many minutes the agents work
    #[arg(long, default_value_t = 2.0)]
    minutes: f64,
    /// How many agents there are: half run `muse`, half are native threads
    #[arg(long, default_value_t = 24)]
    agents: usize,
    /// How often one of them is killed
    #[arg(long, default_value_t = 50)]
    kill_every_ms: u64,
    /// What all choices follow from [default: another each time]
    #[arg(long)]
    seed: Option<u64>,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let sh = &workspace.shell;
    let muse = build::product(workspace)?.muse;
    let Options { minutes, agents, kill_every_ms, seed } = options;
    let (minutes, agents, kill_every_ms) = (minutes.to_string(), agents.to_string(), kill_every_ms.to_string());
    let seed = seed.map(|seed| ["--seed".to_string(), seed.to_string()]);
    let seed = seed.iter().flatten();
    let soak = ["--release", "--package", "coord-tests", "--bin", "soak", "--", "run"];
    cmd!(sh, "cargo run {soak...} --minutes {minutes} --agents {agents} --kill-every-ms {kill_every_ms} {seed...}")
        .env("MUSE_BIN", muse)
        .run()?;
    Ok(())
}
