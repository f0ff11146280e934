//! `muse coord complete`: report success.

use coord_core::json::{BadJson, JsonObject};
use serde::Serialize;

use super::claim_record::{Changed, start_of};
use super::{OpenQueue, Repository, bad_args, lease, nonce};
use crate::args;
use crate::host;
use crate::output::{Answer, Answered, Failure, Page};

#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Completed(Changed);

pub(super) fn run(args: &args::Complete, repository: &Repository) -> Result<Answered<Completed>, Failure> {
    let (id, claimant, result) = lease(&args.lease, || JsonObject::parse(&args.result).map_err(bad_result))?;
    let OpenQueue { queue, .. } = repository.open()?;
    let record = queue.complete(id, claimant, Some(result), host::now(), nonce()?)?;
    Ok(Answered { answer: Completed(Changed::new(record, &queue)), warnings: Vec::new() })
}

fn bad_result(error: BadJson) -> Failure {
    bad_args(match error {
        BadJson::TooLarge { .. } => format!("--result is {error}"),
        BadJson::NotAnObject { .. } | BadJson::TooDeep | BadJson::Malformed { .. } => {
            format!("invalid --result: {error}")
        }
    })
}

impl Answer for Completed {
    fn text(&self, page: &mut Page) {
        self.0.text("✅ Task completed", page);
        if let Some(result) = &self.0.record.result {
            page.field("Result", start_of(result.text(), 120));
        }
    }
}
