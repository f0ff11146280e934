//! `muse coord complete`: report success.

use coord_core::request;
use schemars::JsonSchema;
use serde::Serialize;

use super::claim_record::{Changed, start_of};
use super::{OpenQueue, Repository, lease, nonce};
use crate::args;
use crate::host;
use crate::output::{Answer, Answered, Failure, Page};

#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
pub(super) struct Completed(Changed);

pub(super) fn run(args: &args::Complete, repository: &Repository) -> Result<Answered<Completed>, Failure> {
    let (id, claimant, result) = lease(&args.lease, || request::result(&args.result))?;
    let OpenQueue { queue, .. } = repository.open()?;
    let record = queue.complete(id, claimant, Some(result), host::now(), nonce()?)?;
    Ok(Answered { answer: Completed(Changed::new(record, &queue)), warnings: Vec::new() })
}

impl Answer for Completed {
    fn text(&self, page: &mut Page) {
        self.0.text("✅ Task completed", page);
        if let Some(result) = &self.0.record.result {
            page.field("Result", start_of(result.text(), 120));
        }
    }
}
