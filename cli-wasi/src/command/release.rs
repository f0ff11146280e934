//! `muse coord release`: give a claimed task back.

use coord_core::queue;
use schemars::JsonSchema;
use serde::Serialize;

use super::claim_record::Subject;
use super::{OpenQueue, Repository, lease};
use crate::args;
use crate::host;
use crate::output::{Answer, Answered, Failure, Page};
use crate::schema;

#[derive(Serialize, JsonSchema)]
pub(super) struct Released {
    #[schemars(with = "schema::TaskId")]
    task_id: String,
    #[schemars(with = "schema::StatusName")]
    status: &'static str,
    generation: u32,
    attempt: u32,
    #[serde(skip)]
    subject: Subject,
}

pub(super) fn run(args: &args::Release, repository: &Repository) -> Result<Answered<Released>, Failure> {
    let (id, claimant, ()) = lease(&args.lease, || Ok(()))?;
    let OpenQueue { queue, .. } = repository.open()?;
    let queue::Released { task_id, status, generation, attempt } = queue.release(id, claimant, host::now())?;
    let subject = Subject::new(task_id, &queue);
    let answer = Released { task_id: task_id.to_string(), status: status.as_str(), generation, attempt, subject };
    Ok(Answered { answer, warnings: Vec::new() })
}

impl Answer for Released {
    fn text(&self, page: &mut Page) {
        self.subject.text("↩️  Task released", page);
    }
}
