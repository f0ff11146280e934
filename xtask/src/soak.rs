//! `cargo xtask soak`: agents on one real queue, killed and stopped at random; nothing may be lost or held by two.
//!
//! The program is `tests/src/soak.rs`, which says what is done and what is checked. Here the product is built for it,
//! and the npm package with what runs it.

use crate::build;
use crate::hosts;
use crate::js;
use crate::postgres;
use crate::workspace::Workspace;
use anyhow::Result;
use std::path::PathBuf;
use xshell::cmd;

#[derive(Clone, clap::Args)]
pub(crate) struct Options {
    /// How many minutes the agents work
    #[arg(long, default_value_t = 2.0)]
    minutes: f64,
    /// How many agents there are: half run `muse`, half are native threads
    #[arg(long, default_value_t = 24)]
    agents: usize,
    /// How many JavaScript agents there are beside them: half in Node, half in Deno; 0 needs neither
    #[arg(long, default_value_t = 4)]
    javascript: usize,
    /// How often one of them is killed
    #[arg(long, default_value_t = 50)]
    kill_every_ms: u64,
    /// Put something in the way of the queue every second
    #[arg(long)]
    vandal: bool,
    /// Where the queue is: directory, or postgres for a server of the soak's own
    #[arg(long, value_name = "STORE", default_value = "directory")]
    store: String,
    /// How often that server is stopped and started again
    #[arg(long, default_value_t = 5_000)]
    restart_every_ms: u64,
    /// The agents are on three hosts, two of which have clocks that are an hour off; where root allows it, the link of
    /// one of them is cut now and then. Not with standbys
    #[arg(long, conflicts_with = "promote_every_ms")]
    hosts: bool,
    /// How often one of two standbys takes its place; there are none, if not given
    #[arg(long)]
    promote_every_ms: Option<u64>,
    /// What all choices follow from [default: another each time]
    #[arg(long)]
    seed: Option<u64>,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let sh = &workspace.shell;
    let is_on_engine = options.store == "postgres";
    // On an engine `muse` hands over to the program beside it.
    let muse = if is_on_engine { build::product(workspace)?.muse } else { build::muse(workspace)? };
    let soak = build::native(workspace, "soak")?;
    let words = options.words();
    let mut programs = if options.javascript > 0 { javascript(workspace)? } else { Vec::new() };
    if is_on_engine {
        programs.extend(postgres::programs(workspace)?.map(|programs| ("POSTGRES", programs)));
        programs.extend(postgres::libfaketime(workspace)?.map(|library| ("LIBFAKETIME", library)));
    }
    cmd!(sh, "{soak} run {words...}").env("MUSE_BIN", muse).envs(programs).run()?;
    Ok(())
}

/// What runs JavaScript, by the variables that name it.
fn javascript(workspace: &Workspace) -> Result<Vec<(&'static str, PathBuf)>> {
    let js::test::JavaScript { deno, agents, .. } = js::test::ready(workspace)?;
    Ok(vec![("NODE", hosts::node(workspace)?), ("DENO", deno), ("JS_AGENTS", agents)])
}

impl Options {
    /// The same for the program.
    fn words(&self) -> Vec<String> {
        let Options {
            minutes,
            agents,
            javascript,
            kill_every_ms,
            vandal,
            store,
            restart_every_ms,
            hosts,
            promote_every_ms,
            seed,
        } = self;
        let mut words = vec![format!("--minutes={minutes}"), format!("--agents={agents}")];
        words.extend([format!("--javascript={javascript}"), format!("--kill-every-ms={kill_every_ms}")]);
        words.extend([format!("--store={store}"), format!("--restart-every-ms={restart_every_ms}")]);
        words.extend(vandal.then(|| "--vandal".to_string()));
        words.extend(hosts.then(|| "--hosts".to_string()));
        words.extend(promote_every_ms.map(|millis| format!("--promote-every-ms={millis}")));
        words.extend(seed.map(|seed| format!("--seed={seed}")));
        words
    }
}
