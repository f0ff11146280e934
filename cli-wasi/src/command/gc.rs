//! `muse coord gc`: remove tasks that ended long ago.

use clap::Args;
use coord_core::limits;
use coord_core::queue::{Collected, Gc};
use coord_core::request;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::{Context, OpenQueue, nonce};
use super::values;
use crate::host;
use crate::output::{Answer, Answered, Failure, Page};

/// Remove tasks that ended long ago, with everything reported about them
///
/// They cannot be brought back, unless `export` wrote them to a file before. A task that others still wait for is kept.
#[derive(Debug, Args)]
#[command(after_help = values::DURATION_HELP)]
pub struct Arguments {
    /// Remove tasks that ended at least this long ago (0 to 315360000 seconds)
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = values::seconds(limits::DELAY_SECONDS),
        allow_negative_numbers = true
    )]
    pub older_than: i64,
    /// Always keep the N most recently ended tasks
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        value_parser = values::whole(0..=i64::MAX),
        allow_negative_numbers = true
    )]
    pub keep_last: i64,
    /// Remove nothing, only print how many tasks would be removed
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct GcAnswer {
    dry_run: bool,
    /// How many tasks were removed, or with `--dry-run` would be.
    removed: u64,
    /// How many ended tasks are kept.
    kept: u64,
}

pub(super) fn run(args: &Arguments, context: &Context<'_>) -> Result<Answered<GcAnswer>, Failure> {
    let older_than_seconds = request::between("--older-than", args.older_than, &limits::DELAY_SECONDS)?;
    let keep_last = request::between("--keep-last", args.keep_last, &(0..=i64::MAX))?;
    let keep_last = usize::try_from(keep_last).unwrap_or(usize::MAX);
    let OpenQueue { queue, .. } = context.open()?;
    let gc = Gc { older_than_seconds, keep_last, dry_run: args.dry_run };
    let Collected { removed, kept } = queue.gc(gc, host::now(), nonce()?)?;
    Ok(Answered { answer: GcAnswer { dry_run: args.dry_run, removed, kept }, warnings: Vec::new() })
}

impl Answer for GcAnswer {
    fn text(&self, page: &mut Page) {
        let GcAnswer { removed, kept, .. } = self;
        let would = if self.dry_run { "would be removed; nothing was changed" } else { "removed" };
        page.line(format_args!("🧹 {removed} ended task(s) {would}"));
        page.field("Kept", format_args!("{kept} ended task(s)"));
    }
}
