//! `muse coord fail-task`: report failure.

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
pub(super) struct Failed(Changed);

pub(super) fn run(args: &args::FailTask, repository: &Repository) -> Result<Answered<Failed>, Failure> {
    let (id, claimant, error) = lease(&args.lease, || request::error(&args.error))?;
    let OpenQueue { queue, .. } = repository.open()?;
    let record = queue.fail(id, claimant, error, host::now(), nonce()?)?;
    Ok(Answered { answer: Failed(Changed::new(record, &queue)), warnings: Vec::new() })
}

impl Answer for Failed {
    fn text(&self, page: &mut Page) {
        self.0.text("❌ Task failed", page);
        if let Some(error) = self.0.record.error.as_ref().filter(|error| !error.as_str().is_empty()) {
            page.field("Error", start_of(error.as_str(), 200));
        }
    }
}
