//! `muse coord enqueue`: add a task, or many.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use coord_core::answer::Enqueued;
use coord_core::limits;
use coord_core::queue::Batch;
use coord_core::request::{self, Draft, Field};
use coord_core::task::IfParentFails;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::{Context, OpenQueue, turn};
use super::values::{self, words};
use crate::answer::batch::{self, BatchAnswer};
use crate::answer::task::{plan_text, tags_text};
use crate::input::Lines;
use crate::output::{Answer, Answered, Failure, Page};

/// Add a task to the queue, or many tasks with --batch
#[derive(Debug, Args)]
#[command(
    override_usage = "muse coord enqueue [OPTIONS] <TITLE>\n       muse coord enqueue [OPTIONS] --batch <FILE>",
    after_help = values::DURATION_AND_TIME_HELP
)]
pub struct Arguments {
    /// The work to do, in 1 to 512 characters (a longer title is cut)
    #[arg(required_unless_present = "batch")]
    pub title: Option<String>,
    /// Tasks with a higher priority are claimed first; any 64-bit integer
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        value_parser = values::whole(Field::Priority),
        allow_negative_numbers = true
    )]
    pub priority: i64,
    /// The task's queue: 1 to 64 characters of A-Z a-z 0-9 _ -
    #[arg(long, value_name = "QUEUE", default_value = "default")]
    pub queue: String,
    #[arg(
        long,
        help = values::help(
            "How long the task can wait to be claimed before it expires (RANGE seconds)",
            Field::TtlSeconds
        ),
        value_name = "DURATION",
        default_value_t = limits::PENDING_TTL_SECONDS_DEFAULT,
        value_parser = values::seconds(Field::TtlSeconds),
        allow_negative_numbers = true,
    )]
    pub ttl: i64,
    /// The name of the agent that enqueues, in 1 to 256 characters
    #[arg(long, value_name = "RUNID", default_value = "unknown", env = "MUSE_RUN_ID", hide_env_values = true)]
    pub run_id: String,
    /// Data for the agent that claims the task: a JSON object of at most 65536 bytes
    ///
    /// At most 124 levels deep. JSON that parsers read differently is refused: the same name twice in one object, a
    /// number beyond 1.8e308, half a surrogate pair.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub payload: String,
    /// Up to 32 tags, each of at most 64 characters (a longer tag is cut)
    #[arg(long, value_name = "TAG1,TAG2", value_delimiter = ',')]
    pub tags: Vec<String>,
    #[arg(
        long,
        help = values::help(
            "How many attempts the task has (RANGE); a failure or an expired lease uses one. By default a \
                failed task stays failed, and a task whose lease expires can be claimed again any number of \
                times",
            Field::MaxAttempts
        ), value_name = "N", value_parser = values::whole(Field::MaxAttempts), allow_negative_numbers = true,
    )]
    pub max_attempts: Option<i64>,
    #[arg(
        long,
        help = values::help(
            "How long to wait after the first failed attempt (RANGE seconds). The wait doubles with each \
                further one, up to MAX; jitter makes it up to half shorter [default: 1s:5m]",
            Field::BackoffSeconds
        ),
        value_name = "DURATION[:MAX]",
        requires = "max_attempts",
        value_parser = backoff(),
        allow_negative_numbers = true,
    )]
    pub backoff: Option<Backoff>,
    #[arg(
        long,
        help = values::help(
            "Nobody can claim the task for this long (RANGE seconds)",
            Field::DelaySeconds
        ),
        value_name = "DURATION",
        value_parser = values::seconds(Field::DelaySeconds),
        allow_negative_numbers = true,
    )]
    pub delay: Option<i64>,
    /// Nobody can claim the task before this time
    #[arg(long, value_name = "TIME", conflicts_with = "delay")]
    pub at: Option<String>,
    /// Nobody can claim the task before these tasks have ended; up to 1000
    #[arg(long, value_name = "ID1,ID2", value_delimiter = ',')]
    pub after: Vec<String>,
    /// If a task of --after does not complete: block until it does, cancel this task, or run it anyway [default:
    /// cancel]
    #[arg(long, value_name = "WHAT", value_parser = fates())]
    pub if_parent_fails: Option<String>,
    /// If the queue has a task with this key (1 to 256 characters) that has not ended, answer that task and enqueue
    /// nothing
    #[arg(long, value_name = "KEY")]
    pub unique: Option<String>,
    /// Enqueue many tasks, one per line of FILE (- for standard input). Each line is a JSON object with title and, as
    /// needed, priority, queue, ttl_seconds, run_id, payload, tags, max_attempts, backoff_seconds, backoff_max_seconds,
    /// delay_seconds, at, after, if_parent_fails, unique. All lines are checked before any task is written
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = [
            "title", "priority", "queue", "ttl", "payload", "tags", "max_attempts", "backoff", "delay", "at", "after",
            "if_parent_fails", "unique",
        ]
    )]
    pub batch: Option<String>,
}

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum EnqueueAnswer {
    One(Box<EnqueuedTask>),
    Many(BatchAnswer),
}

#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
pub(super) struct EnqueuedTask(Enqueued);

pub(super) fn run(args: &Arguments, context: &Context<'_>) -> Result<Answered<EnqueueAnswer>, Failure> {
    if let Some(file) = &args.batch {
        return run_batch(file, &args.run_id, context);
    }
    let (new, warnings) = Draft::from(args).check()?;
    let OpenQueue { queue, .. } = context.open()?;
    let enqueued = queue.enqueue(new, &turn()?)?.into();
    Ok(Answered { answer: EnqueueAnswer::One(Box::new(EnqueuedTask(enqueued))), warnings })
}

fn run_batch(file: &str, run_id: &str, context: &Context<'_>) -> Result<Answered<EnqueueAnswer>, Failure> {
    request::run_id(Some(run_id))?;
    let Lines { tasks, warnings, parents } = Lines::read("--batch", file, run_id)?;
    let OpenQueue { queue, .. } = context.open()?;
    let (count, mut added) = (tasks.len(), Vec::new());
    let mut batch = Batch::new(tasks);
    let turn = turn()?;
    loop {
        match batch.step(&queue, &turn) {
            Ok(Some(step)) => added.extend(step.iter().map(batch::outcome)),
            Ok(None) => return Ok(Answered { answer: EnqueueAnswer::Many(BatchAnswer::new(added)), warnings }),
            Err(error) if added.is_empty() => return Err(parents.blame("--batch", error)),
            Err(error) => {
                let failure = Failure::from(error);
                let way_out = "enqueue the rest again, or all of them if each has a unique key";
                let error =
                    format!("{}; the first {} of {count} tasks are enqueued: {way_out}", failure.error, added.len());
                return Err(Failure { error, ..failure });
            }
        }
    }
}

impl From<&Arguments> for Draft {
    fn from(args: &Arguments) -> Draft {
        Draft {
            title: args.title.clone().unwrap_or_default(),
            priority: args.priority,
            run_id: Some(args.run_id.clone()),
            ttl_seconds: Some(args.ttl),
            payload: Some(args.payload.clone()),
            tags: words(&args.tags),
            queue: Some(args.queue.clone()),
            max_attempts: args.max_attempts,
            backoff_seconds: args.backoff.map(|backoff| backoff.seconds),
            backoff_max_seconds: args.backoff.and_then(|backoff| backoff.max_seconds),
            delay_seconds: args.delay,
            at: args.at.clone(),
            after: args.after.clone(),
            if_parent_fails: args.if_parent_fails.clone(),
            unique: args.unique.clone(),
        }
    }
}

impl Answer for EnqueueAnswer {
    fn text(&self, page: &mut Page) {
        match self {
            EnqueueAnswer::One(single) => single.text(page),
            EnqueueAnswer::Many(batched) => {
                page.line("✅ Tasks enqueued");
                batched.text(page);
            }
        }
    }
}

impl EnqueuedTask {
    fn text(&self, page: &mut Page) {
        let EnqueuedTask(Enqueued { task, deduplicated }) = self;
        page.line(if *deduplicated { "✅ A task with this unique key exists already" } else { "✅ Task enqueued" });
        page.field("Task ID", task.task_id);
        page.field("Title", &task.title);
        page.field("Queue", format_args!("{}  priority={}", task.queue, task.priority));
        page.field("TTL", format_args!("{}s", task.ttl_seconds));
        tags_text(task, page);
        plan_text(task, page);
    }
}

/// How long to wait between two attempts, as `30s` or `30s:10m`: after the first, and at most.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// After the first failed attempt, in seconds.
    pub seconds: i64,
    /// At most, in seconds, if that is said.
    pub max_seconds: Option<i64>,
}

/// A [`Backoff`], as it is typed.
fn backoff() -> impl TypedValueParser<Value = Backoff> {
    let seconds = |text: &str| Field::BackoffSeconds.seconds(text);
    values::parser(move |text| match text.split_once(':') {
        None => Ok(Backoff { seconds: seconds(text)?, max_seconds: None }),
        Some((first, most)) => Ok(Backoff { seconds: seconds(first)?, max_seconds: Some(seconds(most)?) }),
    })
}

/// The words that `--if-parent-fails` takes.
fn fates() -> PossibleValuesParser {
    PossibleValuesParser::new(IfParentFails::ALL.map(IfParentFails::as_str))
}
