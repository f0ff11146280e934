//! `muse coord heartbeat`: keep a claimed task, and learn whether somebody asks to stop.

use coord_core::request;
use schemars::JsonSchema;
use serde::Serialize;

use super::claim_record::Changed;
use super::{OpenQueue, Repository, lease, nonce};
use crate::args;
use crate::host;
use crate::output::{Answer, Answered, Failure, Page};

#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
pub(super) struct Kept(Changed);

pub(super) fn run(args: &args::Heartbeat, repository: &Repository) -> Result<Answered<Kept>, Failure> {
    let (id, claimant, (seconds, progress)) = lease(&args.lease, || {
        let seconds = request::lease_seconds(args.claim_ttl)?;
        Ok((seconds, request::progress(args.progress, args.note.as_deref())?))
    })?;
    let OpenQueue { queue, .. } = repository.open()?;
    let record = queue.heartbeat(id, claimant, seconds, progress, host::now(), nonce()?)?;
    Ok(Answered { answer: Kept(Changed::new(record, &queue)), warnings: Vec::new() })
}

impl Answer for Kept {
    fn text(&self, page: &mut Page) {
        let record = &self.0.record;
        record.request.text(page);
        self.0.text("💓 Lease renewed", page);
        let seconds = record.expires_at.micros_since(record.heartbeat_at) / 1_000_000;
        page.field("Expires in", format_args!("{seconds}s ({})", record.expires_at));
    }
}
