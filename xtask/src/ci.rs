//! `cargo xtask ci`: what decides whether a change lands, `lint` and `test`. At the end it says what each part took,
//! also when a part has failed.

use crate::lint;
use crate::test;
use crate::workspace::Workspace;
use anyhow::Result;
use std::time::Duration;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many seconds it took to build xtask itself
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    after: u64,
}

pub(crate) fn run(workspace: &mut Workspace, options: &Options) -> Result<()> {
    workspace.parts.after("xtask itself", Duration::from_secs(options.after));
    let done = lint::run(workspace).and_then(|()| test::run(workspace, &test::Options::default()));
    println!("\n{}", workspace.parts.table());
    done
}
