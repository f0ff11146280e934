//! `muse coord release` and `muse coord retry`: a task waits again, because its holder gives it back or somebody puts
//! it back.

use coord_core::Queue;
use coord_core::queue::{self, Retried, Retrying, Status};
use coord_core::request;
use coord_core::time::Timestamp;
use coord_store::DirStore;
use schemars::JsonSchema;
use serde::Serialize;

use super::claim_record::Subject;
use super::{OpenQueue, Repository, lease, nonce};
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
    /// When it can be claimed, if not at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Time>")]
    scheduled_at: Option<Timestamp>,
    #[serde(skip)]
    subject: Subject,
    #[serde(skip)]
    heading: &'static str,
}

pub(super) fn run(args: &args::Release, repository: &Repository) -> Result<Answered<Released>, Failure> {
    let (id, claimant, delay) = lease(&args.lease, || request::delay_seconds(args.delay))?;
    let OpenQueue { queue, .. } = repository.open()?;
    let released = queue.release(id, claimant, delay, host::now(), nonce()?)?;
    let heading = if released.status == Status::Cancelled {
        "🚫 Task cancelled, as was asked for"
    } else {
        "↩️  Task released"
    };
    Ok(Answered { answer: Released::new(released, heading, &queue), warnings: Vec::new() })
}

#[derive(Serialize, JsonSchema)]
pub(super) struct PutBack {
    #[serde(flatten)]
    task: Released,
    /// With `--cascade`: the tasks that were put back with it, the oldest first.
    #[schemars(with = "Vec<schema::TaskId>")]
    dependants: Vec<String>,
}

pub(super) fn run_retry(args: &args::Retry, repository: &Repository) -> Result<Answered<PutBack>, Failure> {
    let id = request::task_id(&args.task_id)?;
    let OpenQueue { queue, .. } = repository.open()?;
    let retrying = Retrying { is_now: args.now, cascade: args.cascade };
    let Retried { released, dependants, left } = queue.retry(id, retrying, host::now(), nonce()?)?;
    let answer = PutBack {
        task: Released::new(released, "🔁 Task put back", &queue),
        dependants: dependants.iter().map(ToString::to_string).collect(),
    };
    Ok(Answered { answer, warnings: left.iter().map(|(_, error)| error.to_string()).collect() })
}

impl Answer for PutBack {
    fn text(&self, page: &mut Page) {
        self.task.text(page);
        if self.task.status != Status::Pending.as_str() {
            page.field("Status", self.task.status);
        }
        self.dependants.iter().for_each(|id| page.field("With it", id));
    }
}

impl Released {
    fn new(released: queue::Released, heading: &'static str, queue: &Queue<DirStore>) -> Released {
        let queue::Released { task_id, status, generation, attempt, scheduled_at } = released;
        let subject = Subject::new(task_id, queue);
        let (task_id, status) = (task_id.to_string(), status.as_str());
        Released { task_id, status, generation, attempt, scheduled_at, subject, heading }
    }
}

impl Answer for Released {
    fn text(&self, page: &mut Page) {
        self.subject.text(self.heading, page);
        if let Some(at) = self.scheduled_at {
            page.field("Scheduled", at);
        }
    }
}
