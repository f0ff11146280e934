//! `muse coord enqueue`: add a task, or many.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use coord_core::limits;
use coord_core::queue::{Batch, Enqueued};
use coord_core::request::{self, Draft};
use coord_core::task::IfParentFails;
use schemars::JsonSchema;
use serde::Serialize;

use super::context::{Context, OpenQueue, nonce};
use super::values::{self, words};
use crate::answer::batch::{self, BatchAnswer};
use crate::answer::task_record::TaskRecord;
use crate::host;
use crate::input::Lines;
use crate::output::{Answer, Answered, Failure, Page};

/// Add a task to the queue, or with --batch many
#[derive(Debug, Args)]
#[command(
    override_usage = "muse coord enqueue [OPTIONS] <TITLE>\n       muse coord enqueue [OPTIONS] --batch <FILE>",
    after_help = values::DURATION_AND_TIME_HELP
)]
pub struct Arguments {
    /// What is to be done, in 1 to 512 characters (a longer title is cut)
    #[arg(required_unless_present = "batch")]
    pub title: Option<String>,
    /// Higher is claimed first; any 64-bit integer
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        value_parser = values::whole(i64::MIN..=i64::MAX),
        allow_negative_numbers = true
    )]
    pub priority: i64,
    /// The queue to wait in: 1 to 64 of A-Z a-z 0-9 _ -
    #[arg(long, value_name = "QUEUE", default_value = "default")]
    pub queue: String,
    /// How long the task may wait to be claimed, else it expires (1 to 315360000 seconds)
    #[arg(
        long,
        value_name = "DURATION",
        default_value_t = limits::PENDING_TTL_SECONDS_DEFAULT,
        value_parser = values::seconds(limits::PENDING_TTL_SECONDS),
        allow_negative_numbers = true
    )]
    pub ttl: i64,
    /// Who enqueues, in 1 to 256 characters
    #[arg(long, value_name = "RUNID", default_value = "unknown", env = "MUSE_RUN_ID", hide_env_values = true)]
    pub run_id: String,
    /// What the agent needs to know: a JSON object of at most 65536 bytes
    ///
    /// At most 124 levels deep, and without what readers differ on: a name twice in one object, a number beyond
    /// 1.8e308, half a surrogate pair.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub payload: String,
    /// Up to 32 words, each of at most 64 characters (a longer one is cut)
    #[arg(long, value_name = "TAG1,TAG2", value_delimiter = ',')]
    pub tags: Vec<String>,
    /// How many attempts there may be (1 to 1000): a failed one, or a lease that runs out, is one. Without it one
    /// failure is final, and a lease that ran out can be taken over without end
    #[arg(long, value_name = "N", value_parser = values::whole(limits::MAX_ATTEMPTS), allow_negative_numbers = true)]
    pub max_attempts: Option<i64>,
    /// How long to wait after the first failed attempt, and at most, which is no less: each wait is twice as long, and
    /// up to a half shorter by chance (0 to 2592000 seconds) [default: 1s:5m]
    #[arg(
        long,
        value_name = "DURATION[:MAX]",
        requires = "max_attempts",
        value_parser = backoff(),
        allow_negative_numbers = true
    )]
    pub backoff: Option<Backoff>,
    /// How long nobody is to claim it (0 to 315360000 seconds)
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = values::seconds(limits::DELAY_SECONDS),
        allow_negative_numbers = true
    )]
    pub delay: Option<i64>,
    /// Before which time nobody is to claim it
    #[arg(long, value_name = "TIME", conflicts_with = "delay")]
    pub at: Option<String>,
    /// The tasks that must have ended before, up to 1000
    #[arg(long, value_name = "ID1,ID2", value_delimiter = ',')]
    pub after: Vec<String>,
    /// What to do if one of those (--after) does not complete: go on waiting until it does, end as cancelled, or run
    /// all the same [default: cancel]
    #[arg(long, value_name = "WHAT", value_parser = fates())]
    pub if_parent_fails: Option<String>,
    /// If another task with this key (1 to 256 characters) has not ended in the queue, answer that one and enqueue
    /// nothing
    #[arg(long, value_name = "KEY")]
    pub unique: Option<String>,
    /// Enqueue many: a task a line of FILE (- for standard input), each a JSON object with title and, as needed,
    /// priority, queue, ttl_seconds, run_id, payload, tags, max_attempts, backoff_seconds, backoff_max_seconds,
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
pub(super) struct EnqueuedTask {
    #[serde(flatten)]
    task: TaskRecord,
    /// True if the task was there before, under the same unique key.
    deduplicated: bool,
}

pub(super) fn run(args: &Arguments, context: &Context<'_>) -> Result<Answered<EnqueueAnswer>, Failure> {
    if let Some(file) = &args.batch {
        return run_batch(file, &args.run_id, context);
    }
    let (new, warnings) = Draft::from(args).check()?;
    let OpenQueue { queue, .. } = context.open()?;
    let Enqueued { task, deduplicated } = queue.enqueue(new, host::now(), nonce()?)?;
    Ok(Answered { answer: EnqueueAnswer::One(Box::new(EnqueuedTask { task: task.into(), deduplicated })), warnings })
}

fn run_batch(file: &str, run_id: &str, context: &Context<'_>) -> Result<Answered<EnqueueAnswer>, Failure> {
    request::run_id(Some(run_id))?;
    let Lines { tasks, warnings, parents } = Lines::read("--batch", file, run_id)?;
    let OpenQueue { queue, .. } = context.open()?;
    let (count, mut added) = (tasks.len(), Vec::new());
    let mut batch = Batch::new(tasks);
    let mut nonces = nonce()?.counted_on();
    loop {
        match batch.step(&queue, host::now(), nonces()) {
            Ok(Some(step)) => added.extend(step.iter().map(batch::outcome)),
            Ok(None) => return Ok(Answered { answer: EnqueueAnswer::Many(BatchAnswer::new(added)), warnings }),
            Err(error) if added.is_empty() => return Err(parents.blame("--batch", error)),
            Err(error) => {
                let failure = Failure::from(error);
                let way_out = "give the rest again, or all of it if each task has a unique key";
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
        let EnqueuedTask { task, deduplicated } = self;
        page.line(if *deduplicated { "✅ There already: a task with this unique key" } else { "✅ Task enqueued" });
        page.field("Task ID", &task.task_id);
        page.field("Title", &task.title);
        page.field("Queue", format_args!("{}  priority={}", task.queue, task.priority));
        page.field("TTL", format_args!("{}s", task.ttl_seconds));
        task.tags_text(page);
        task.plan_text(page);
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
    let seconds = |text: &str| request::seconds("", text, &limits::BACKOFF_SECONDS);
    values::parser(move |text| match text.split_once(':') {
        None => Ok(Backoff { seconds: seconds(text)?, max_seconds: None }),
        Some((first, most)) => Ok(Backoff { seconds: seconds(first)?, max_seconds: Some(seconds(most)?) }),
    })
}

/// The words that `--if-parent-fails` takes.
fn fates() -> PossibleValuesParser {
    PossibleValuesParser::new(IfParentFails::ALL.map(IfParentFails::as_str))
}
