//! `muse coord gc`: remove tasks that ended long ago.

use coord_core::limits;
use coord_core::queue::{Collected, Gc};
use coord_core::request;
use schemars::JsonSchema;
use serde::Serialize;

use super::{OpenQueue, Repository, nonce};
use crate::args;
use crate::host;
use crate::output::{Answer, Answered, Failure, Page};

#[derive(Serialize, JsonSchema)]
pub(super) struct Removal {
    dry_run: bool,
    /// How many tasks were removed, or would have been.
    removed: u64,
    /// How many that have ended stay.
    kept: u64,
}

pub(super) fn run(args: &args::Gc, repository: &Repository) -> Result<Answered<Removal>, Failure> {
    let older_than_seconds = request::between("--older-than", args.older_than, &limits::DELAY_SECONDS)?;
    let keep_last = request::between("--keep-last", args.keep_last, &(0..=i64::MAX))?;
    let keep_last = usize::try_from(keep_last).unwrap_or(usize::MAX);
    let OpenQueue { queue, .. } = repository.open()?;
    let gc = Gc { older_than_seconds, keep_last, dry_run: args.dry_run };
    let Collected { removed, kept } = queue.gc(gc, host::now(), nonce()?)?;
    Ok(Answered { answer: Removal { dry_run: args.dry_run, removed, kept }, warnings: Vec::new() })
}

impl Answer for Removal {
    fn text(&self, page: &mut Page) {
        let Removal { removed, kept, .. } = self;
        let would = if self.dry_run { "would be removed; nothing was changed" } else { "removed" };
        page.line(format_args!("🧹 {removed} ended task(s) {would}"));
        page.field("Kept", format_args!("{kept} that have ended"));
    }
}
