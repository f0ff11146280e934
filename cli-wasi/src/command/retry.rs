//! `muse coord retry`: put a task back that failed, expired or was cancelled.

use clap::Args;
use coord_core::answer::Retried;
use coord_core::queue::{Retrying, Status};
use coord_core::request;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::{Context, OpenQueue, turn};
use crate::answer::changed::Subject;
use crate::output::{Answer, Answered, Failure, Page};

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
    retried: Retried,
    #[serde(skip)]
    subject: Subject,
}

pub(super) fn run(args: &Arguments, context: &Context<'_>) -> Result<Answered<RetryAnswer>, Failure> {
    let id = request::task_id(&args.task_id)?;
    let OpenQueue { queue, .. } = context.open()?;
    let retrying = Retrying { is_now: args.now, cascade: args.cascade };
    let retried = queue.retry(id, retrying, &turn()?)?;
    let warnings = retried.left.iter().map(|left| left.message.clone()).collect();
    Ok(Answered { answer: RetryAnswer { retried, subject: Subject::new(id, &queue) }, warnings })
}

impl Answer for RetryAnswer {
    fn text(&self, page: &mut Page) {
        let Retried { released, dependants, .. } = &self.retried;
        self.subject.text("🔁 Task put back", page);
        if let Some(at) = released.scheduled_at {
            page.field("Scheduled", at);
        }
        if released.status != Status::Pending {
            page.field("Status", released.status.as_str());
        }
        dependants.iter().for_each(|id| page.field("With it", id));
    }
}
