//! `muse coord gc`: remove tasks that ended long ago.

use clap::Args;
use coord_core::answer::Collected;
use coord_core::queue::Gc;
use coord_core::request::Field;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::{Context, OpenQueue, turn};
use super::values;
use crate::output::{Answer, Answered, Failure, Page};

/// Remove tasks that ended long ago, with everything reported about them
///
/// They cannot be brought back, unless `export` wrote them to a file before. A task that others still wait for is kept.
#[derive(Debug, Args)]
#[command(after_help = values::DURATION_HELP)]
pub struct Arguments {
    #[arg(
        long,
        help = values::help(
            "Remove tasks that ended at least this long ago (RANGE seconds)",
            Field::OlderThanSeconds
        ),
        value_name = "DURATION",
        value_parser = values::seconds(Field::OlderThanSeconds),
        allow_negative_numbers = true,
    )]
    pub older_than: i64,
    /// Always keep the N most recently ended tasks
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        value_parser = values::whole(Field::KeepLast),
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
    #[serde(flatten)]
    collected: Collected,
}

pub(super) fn run(args: &Arguments, context: &Context<'_>) -> Result<Answered<GcAnswer>, Failure> {
    let older_than_seconds = Field::OlderThanSeconds.check(args.older_than)?;
    let keep_last = Field::KeepLast.check(args.keep_last)?;
    let keep_last = usize::try_from(keep_last).unwrap_or(usize::MAX);
    let OpenQueue { queue, .. } = context.open()?;
    let gc = Gc { older_than_seconds, keep_last, dry_run: args.dry_run };
    let collected = queue.gc(gc, &turn()?)?;
    Ok(Answered { answer: GcAnswer { dry_run: args.dry_run, collected }, warnings: Vec::new() })
}

impl Answer for GcAnswer {
    fn text(&self, page: &mut Page) {
        let Collected { removed, kept } = &self.collected;
        let would = if self.dry_run { "would be removed; nothing was changed" } else { "removed" };
        page.line(format_args!("🧹 {removed} ended task(s) {would}"));
        page.field("Kept", format_args!("{kept} ended task(s)"));
    }
}
