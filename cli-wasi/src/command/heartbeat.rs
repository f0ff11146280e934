//! `muse coord heartbeat`: keep a claimed task.

use coord_core::request;
use schemars::JsonSchema;
use serde::Serialize;

use super::claim_record::Changed;
use super::{OpenQueue, Repository, lease};
use crate::args;
use crate::host;
use crate::output::{Answer, Answered, Failure, Page};

#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
pub(super) struct Kept(Changed);

pub(super) fn run(args: &args::Heartbeat, repository: &Repository) -> Result<Answered<Kept>, Failure> {
    let (id, claimant, seconds) = lease(&args.lease, || request::lease_seconds(args.claim_ttl))?;
    let OpenQueue { queue, .. } = repository.open()?;
    let record = queue.heartbeat(id, claimant, seconds, host::now())?;
    Ok(Answered { answer: Kept(Changed::new(record, &queue)), warnings: Vec::new() })
}

impl Answer for Kept {
    fn text(&self, page: &mut Page) {
        self.0.text("💓 Lease renewed", page);
        let record = &self.0.record;
        let seconds = record.expires_at.micros_since(record.heartbeat_at) / 1_000_000;
        page.field("Expires in", format_args!("{seconds}s ({})", record.expires_at));
    }
}
