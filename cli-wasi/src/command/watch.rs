//! `muse coord watch`: the tasks as they stand, then each that changes, a line of JSON each, until interrupted.

use std::time::Duration;

use clap::Args;
use coord_core::TaskId;
use coord_core::answer::Item;
use coord_core::queue::{Change, Finding, TaskWatch};
use coord_core::request::FilterDraft;
use coord_core::time::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::{Context, OpenQueue};
use super::values::words;
use crate::host::{self, Stopwatch};
use crate::output::{Ended, Failure, Stopped, Stream};

/// Print every task, then each task that changes, as lines of JSON, until interrupted
///
/// A task that changes twice in quick succession may be printed once, with its latest state. To catch up later, use
/// `tasks --ended-since`. The lines are always JSON; --format applies to errors only.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only tasks of this queue
    #[arg(long, value_name = "QUEUE")]
    pub queue: Option<String>,
    /// Only tasks with all these tags
    #[arg(long, value_name = "TAG1,TAG2", value_delimiter = ',')]
    pub tags: Vec<String>,
}

/// A line.
#[derive(Serialize, JsonSchema)]
pub(super) struct WatchLine {
    timestamp: Timestamp,
    #[serde(flatten)]
    task: WatchedTask,
}

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum WatchedTask {
    Stands(Box<Item>),
    Gone {
        task_id: TaskId,
        /// The task is no longer in the queue.
        #[schemars(extend("const" = "removed"))]
        status: &'static str,
    },
}

/// How long to wait between two looks at least.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How much longer to wait than a look takes, so that it costs a fifth of a core at most, however many tasks there are.
const PAUSES_PER_LOOK: u32 = 4;

pub(super) fn run(args: &Arguments, context: &Context<'_>, stream: &mut Stream<'_>) -> Result<Ended, Failure> {
    let draft = FilterDraft { queue: args.queue.clone(), tags: words(&args.tags), ..FilterDraft::default() };
    let filter = draft.check()?;
    let OpenQueue { queue, .. } = context.open()?;
    let mut watch = TaskWatch::new(filter.queue, filter.tags);
    loop {
        let look = Stopwatch::start();
        let told = watch.step_by_step(&queue, host::now(), |change| {
            if stream.json(&WatchLine::from(change)) { Ok(()) } else { Err(Stopped::NobodyReads) }
        });
        let findings = match told {
            Ok(findings) => findings,
            Err(Stopped::NobodyReads) => return Ok(Ended::NobodyReads),
            Err(Stopped::Queue(error)) => return Err(error.into()),
        };
        if !stream.flush() {
            return Ok(Ended::NobodyReads);
        }
        stream.warn(findings.iter().map(Finding::to_string));
        host::sleep(LOOK_EVERY.max(look.elapsed() * PAUSES_PER_LOOK));
    }
}

impl From<Change> for WatchLine {
    fn from(Change { id, item }: Change) -> WatchLine {
        let gone = || WatchedTask::Gone { task_id: id, status: "removed" };
        WatchLine {
            timestamp: host::now(),
            task: item.map_or_else(gone, |item| WatchedTask::Stands(Box::new(item.into()))),
        }
    }
}
