//! `muse coord retry`: put a task back that failed, expired or was cancelled.

use clap::Args;
use coord_core::queue::{Retried, Retrying, Status};
use coord_core::request;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::{Context, OpenQueue, nonce};
use crate::answer::released::ReleaseAnswer;
use crate::host;
use crate::output::{Answer, Answered, Failure, Page};
use crate::schema;

/// Let a task that failed, expired or was cancelled be claimed again, with all its attempts
#[derive(Debug, Args)]
pub struct Arguments {
    /// The task's id, as `enqueue` printed it
    pub task_id: String,
    /// Do not wait again for the tasks of --after or for a start time
    #[arg(long)]
    pub now: bool,
    /// Also put back the tasks that were cancelled because of this one
    #[arg(long)]
    pub cascade: bool,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct RetryAnswer {
    #[serde(flatten)]
    task: ReleaseAnswer,
    /// With `--cascade`: the tasks that were put back with this one, the oldest first.
    #[schemars(with = "Vec<schema::TaskId>")]
    dependants: Vec<String>,
}

pub(super) fn run(args: &Arguments, context: &Context<'_>) -> Result<Answered<RetryAnswer>, Failure> {
    let id = request::task_id(&args.task_id)?;
    let OpenQueue { queue, .. } = context.open()?;
    let retrying = Retrying { is_now: args.now, cascade: args.cascade };
    let Retried { released, dependants, left } = queue.retry(id, retrying, host::now(), nonce()?)?;
    let answer = RetryAnswer {
        task: ReleaseAnswer::new(released, "🔁 Task put back", &queue),
        dependants: dependants.iter().map(ToString::to_string).collect(),
    };
    Ok(Answered { answer, warnings: left.iter().map(|(_, error)| error.to_string()).collect() })
}

impl Answer for RetryAnswer {
    fn text(&self, page: &mut Page) {
        self.task.text(page);
        if self.task.status != Status::Pending.as_str() {
            page.field("Status", self.task.status);
        }
        self.dependants.iter().for_each(|id| page.field("With it", id));
    }
}
