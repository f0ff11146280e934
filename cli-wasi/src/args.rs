//! What can be typed. Values are still as typed here; [`coord_core::request`] checks them.

use std::ffi::OsString;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use coord_core::limits;
use coord_core::queue::Status;
use coord_core::request::BadRequest;

use crate::command::{ANSWERS, Described, TASK_FIELDS};
use crate::print::FieldPath;

use typed::Typed;

mod typed;
mod values;

pub use values::{Backoff, InFlight};

/// What was typed, parsed, and what the environment adds.
#[derive(Debug)]
pub struct Invocation {
    /// What is to be done.
    pub asked: Asked,
    /// How to answer.
    pub format: Format,
    /// The fields to print, instead of the whole answer.
    pub fields: Vec<FieldPath>,
    /// The terminal's width, if the answer goes to one: the launcher says so in `COLUMNS`.
    pub columns: Option<usize>,
    /// The terminal's height, likewise in `LINES`.
    pub lines: Option<usize>,
    /// The text of `MUSE_COORD_SYNC`.
    pub sync: Option<String>,
}

/// What is to be done.
#[derive(Debug)]
pub enum Asked {
    /// Run a command, with its arguments.
    Run(Box<Command>),
    /// Tell the schema of a command's JSON answer.
    Schema(Described),
    /// Refuse a number that is out of its range by so much that it is no number of 64 bits.
    Refuse(BadRequest),
}

/// Arguments that do not parse, or a call for help or the version.
#[derive(Debug)]
pub struct Misuse {
    /// The parser's words.
    pub error: clap::Error,
    /// How the caller would like to be answered, as far as can be told.
    pub format: Format,
}

/// Parses a command line.
pub fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Invocation, Misuse> {
    let arguments: Vec<OsString> = arguments.collect();
    let (columns, lines) = crate::host::terminal_size();
    let mut muse = Muse::command().term_width(columns.unwrap_or(HELP_COLUMNS).min(HELP_COLUMNS));
    let matched = muse.try_get_matches_from_mut(&arguments);
    let typed = typed::options(&muse, &arguments);
    let format = format(&typed);
    let matched = match matched {
        Err(help) if !help.use_stderr() => Err(help),
        matched => typed::no_option_as_value(&typed).and(matched),
    };
    let (asked, fields) = match matched.and_then(|matches| read(&matches)) {
        Ok(read) => read,
        Err(error) => match values::out_of_range(&error) {
            Some(bad) => (Asked::Refuse(bad), Vec::new()),
            None => return Err(Misuse { error: typed::with_tips(error, &typed), format }),
        },
    };
    Ok(Invocation { asked, format, fields, columns, lines, sync: environment("MUSE_COORD_SYNC") })
}

/// What is asked for, and which fields of the answer.
fn read(matches: &ArgMatches) -> Result<(Asked, Vec<FieldPath>), clap::Error> {
    run_id_is_text(matches)?;
    let Muse { group: Group::Coord { schema, command }, output } = Muse::from_arg_matches(matches)?;
    Ok((asked(schema, command)?, output.print))
}

/// What is asked for last: `--json` is short for `--format json`. What `--print` prints is no text and no JSON; what is
/// wrong is told beside it, as text.
fn format(typed: &[Typed<'_>]) -> Format {
    if typed.iter().any(|option| option.argument.get_id() == "print") {
        return Format::Text;
    }
    let asks = |option: &Typed<'_>| match option.argument.get_id().as_str() {
        "json" => Some(Format::Json),
        "format" => Format::from_str(option.value()?.to_str()?, false).ok(),
        _ => None,
    };
    typed.iter().rev().find_map(asks).unwrap_or(Format::Text)
}

/// The launcher cannot hand over a variable that is not UTF-8: it hands over what is left of it, and says so by another
/// one. That matters only where nothing else says who acts.
fn run_id_is_text(matches: &ArgMatches) -> Result<(), clap::Error> {
    let command = matches.subcommand().and_then(|(_, coord)| coord.subcommand()).map(|(_, command)| command);
    let source = command.filter(|command| matches!(command.try_contains_id("run_id"), Ok(true)));
    let source = source.and_then(|command| command.value_source("run_id"));
    match environment("MUSE_RUN_ID_NOT_UTF8").filter(|_| source == Some(ValueSource::EnvVariable)) {
        Some(shown) => {
            let message =
                format!("the value of MUSE_RUN_ID is not valid UTF-8: {shown}; give one that is, or --run-id\n");
            Err(clap::Error::raw(ErrorKind::InvalidUtf8, message))
        }
        None => Ok(()),
    }
}

/// A command, or `--schema` instead. Told apart here, since clap counts also `--json` as an argument that a command
/// would conflict with.
fn asked(schema: Option<Described>, command: Option<Command>) -> Result<Asked, clap::Error> {
    match (schema, command) {
        (None, Some(command)) => Ok(Asked::Run(Box::new(command))),
        (Some(described), None) => Ok(Asked::Schema(described)),
        (None, None) => Err(misused(ErrorKind::MissingSubcommand, "a command is missing")),
        (Some(_), Some(_)) => {
            Err(misused(ErrorKind::ArgumentConflict, "--schema COMMAND stands instead of a command, and runs none"))
        }
    }
}

fn misused(kind: ErrorKind, message: &str) -> clap::Error {
    let mut muse = Muse::command();
    muse.build();
    match muse.find_subcommand_mut("coord") {
        Some(coord) => coord.error(kind, message),
        None => muse.error(kind, message),
    }
}

/// The whole command line, for completions and man pages.
pub fn command_line() -> clap::Command {
    Muse::command()
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Tools for many agents at work on one repository.
#[derive(Debug, Parser)]
#[command(name = "muse", version, arg_required_else_help = true, args_override_self = true, disable_help_flag = true)]
struct Muse {
    #[command(subcommand)]
    group: Group,
    #[command(flatten)]
    output: Output,
}

/// The options of every command. In its help they stand behind those of its own. Which of them counts depends on their
/// order: see [`format`].
#[derive(Debug, Args)]
struct Output {
    /// Answer with one JSON object on one line of stdout, errors too: short for --format json
    #[arg(long, short, global = true, help_heading = EVERY_COMMAND)]
    json: bool,
    /// How to answer; of --json and --format the last one counts
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t = Format::Text,
        value_name = "FORMAT",
        help_heading = EVERY_COMMAND
    )]
    format: Format,
    /// Print these fields of the answer, each value on a line of its own, and nothing else on standard output
    ///
    /// FIELD is a name as --json has it, with dots into what it holds: task_id, task.payload.part, items.0.title; * is
    /// each element of a list: tasks.*.task_id. A text stands without quotes; in it line breaks, and what acts on a
    /// terminal, stand as JSON escapes. An object or a list stands as JSON. null, and a field that this answer happens
    /// not to have, is an empty line. A field that the command never answers is refused before anything is done. Errors
    /// go to standard error, with or without --json. A claim that finds nothing prints nothing, with exit code 1.
    #[arg(long, global = true, value_name = "FIELD,FIELD", value_delimiter = ',', help_heading = EVERY_COMMAND)]
    print: Vec<FieldPath>,
    /// Print help: -h in short, --help with all there is to say
    #[arg(long, short, global = true, action = ArgAction::Help, help_heading = EVERY_COMMAND)]
    help: Option<bool>,
}

const EVERY_COMMAND: &str = "Options of every command";

/// How wide help is at most, and where there is no terminal.
const HELP_COLUMNS: usize = 100;

/// How to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One JSON object on one line.
    Json,
    /// For people.
    Text,
}

#[derive(Debug, Subcommand)]
enum Group {
    /// Hand out work: a task queue in the repository's .muse/coordination directory
    #[command(arg_required_else_help = true, override_usage = "muse coord [OPTIONS] <COMMAND>", after_help = COORD_HELP)]
    Coord {
        /// Instead of running COMMAND, tell what it answers with --json, as JSON Schema
        #[arg(long, value_parser = described(), hide_possible_values = true, value_name = "COMMAND")]
        schema: Option<Described>,
        #[command(subcommand)]
        command: Option<Command>,
    },
}

const COORD_HELP: &str = "\
Example:
  muse coord enqueue \"Refactor billing\" --priority 5 --payload '{\"file\":\"billing.py\"}'
  muse coord claim --run-id agent-1 --wait 60 --json
  muse coord complete sha256:… --run-id agent-1 --result '{\"pr\":42}'

A TASK_ID is taken with and without its sha256:.
DURATION is seconds, or a number with s, m, h or d: 90, 30s, 15m, 2h, 7d.
TIME is like 2026-11-24T18:00:00Z, in any offset.
An option that is given twice counts as it is given last; one that takes a list adds up.
A value that begins with a dash is given behind =, as in --error=--json.

Environment:
  MUSE_REPO_ROOT   the repository; else the nearest directory upward that holds .muse/
  MUSE_RUN_ID      the --run-id of commands that act (not the filter of `tasks`)
  MUSE_COORD_SYNC  posix: rely on no journal; off: do not sync to disk, for throw-away queues
  NO_COLOR         no colours on a terminal

Exit codes:
  0 done · 1 bad value, not found, nothing to claim, refused, defects, I/O error · 2 wrong usage or no repository";

const DURATION_HELP: &str = "DURATION is seconds, or a number with s, m, h or d: 90, 30s, 15m, 2h, 7d.";

const TIME_HELP: &str = "TIME is like 2026-11-24T18:00:00Z, in any offset.";

const DURATION_AND_TIME_HELP: &str = "\
DURATION is seconds, or a number with s, m, h or d: 90, 30s, 15m, 2h, 7d.
TIME is like 2026-11-24T18:00:00Z, in any offset.";

/// The commands of `muse coord`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the repository's coordination directory; harmless if it is there
    ///
    /// In $MUSE_REPO_ROOT, else in the repository that this directory is in, else right here. Below another repository,
    /// `MUSE_REPO_ROOT=. muse coord init` makes one right here. A queue that came with a clone or a copy, in which
    /// nothing works until then, is taken over with its tasks.
    Init,
    /// Add a task to the queue, or with --batch many
    #[command(
        override_usage = "muse coord enqueue [OPTIONS] <TITLE>\n       muse coord enqueue [OPTIONS] --batch <FILE>",
        after_help = DURATION_AND_TIME_HELP
    )]
    Enqueue(Enqueue),
    /// Take the task of the highest priority, the oldest first; exactly one agent gets it
    #[command(after_help = DURATION_HELP)]
    Claim(Claim),
    /// Keep a claimed task: start its lease anew, and learn whether somebody asks to stop
    #[command(after_help = DURATION_HELP)]
    Heartbeat(Heartbeat),
    /// Report a claimed task as done
    Complete(Complete),
    /// Report an attempt at a claimed task as failed; it is tried again if it has attempts left
    FailTask(FailTask),
    /// Give a claimed task back: it waits again, and this was no attempt
    #[command(after_help = DURATION_HELP)]
    Release(Release),
    /// Call a task off, or ask its holder to stop
    CancelTask(CancelTask),
    /// Put back a task that failed, expired or was cancelled: it waits again, with as many attempts as at first
    Retry(Retry),
    /// Show a task: its record, where it stands, what was reported of it
    Show(Show),
    /// List tasks, and count all of them by status
    #[command(after_help = TIME_HELP)]
    Tasks(Tasks),
    /// Wait until tasks have ended, and print their results
    ///
    /// Exit code 0 when they have, however they ended; 1 when the time is over before.
    #[command(after_help = DURATION_HELP)]
    Wait(Wait),
    /// Print the tasks as they stand, then each that changes, a line of JSON each, until interrupted
    ///
    /// A task that changed twice between two looks is told once, as it stands then. To catch up later: `tasks
    /// --ended-since`. The lines are JSON whatever --format says; errors are told as it says.
    Watch(Watch),
    /// Print figures by queue: how many tasks stand where, how long they wait and how long they take
    #[command(after_help = DURATION_HELP)]
    Stats(Stats),
    /// Claim nothing of a queue until it is resumed; what is claimed goes on
    Pause(QueueName),
    /// End a pause
    Resume(QueueName),
    /// Say how many tasks of a queue may be claimed at once
    Limit(Limit),
    /// Remove tasks that ended long ago, with all that was reported of them
    ///
    /// For good: `export` keeps them elsewhere. A task that others still wait for stays.
    #[command(after_help = DURATION_HELP)]
    Gc(Gc),
    /// Print each task as a line of JSON, with all that was reported of it
    ///
    /// The lines are JSON whatever --format says; errors are told as it says.
    Export,
    /// Bring back the tasks that `export` printed, from standard input, under their ids
    ///
    /// A task that is there already is left as it is. One that was held waits again, or ends as cancelled if its holder
    /// was asked to stop. One that waits for a task which is neither here nor in the input is left out, with a warning
    /// and exit code 1. Queues are paused and limited as they were, unless they have a limit of their own here.
    Import,
    /// Tell what is wrong in the coordination directory, and what its filesystem gives
    ///
    /// Reads everything: each task costs a few looks. Harmless beside agents at work, and so is --repair. Exit code 1
    /// if there is a defect that was not mended; what dead agents left behind is none.
    Doctor(Doctor),
    /// Print a script by which a shell completes this command line
    #[command(after_help = COMPLETIONS_HELP)]
    Completions(Completions),
}

const COMPLETIONS_HELP: &str = "\
`cargo xtask install` puts the scripts and the man pages beside the program. By hand:
  bash        source <(muse coord completions bash)             in ~/.bashrc
  zsh         muse coord completions zsh > DIR/_muse            where DIR is in $fpath
  fish        muse coord completions fish | source              in ~/.config/fish/config.fish
  PowerShell  muse coord completions powershell | Out-String | Invoke-Expression    in $PROFILE";

/// Arguments of `enqueue`.
#[derive(Debug, Args)]
pub struct Enqueue {
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
        value_parser = values::backoff(),
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
    #[arg(long, value_name = "WHAT", value_parser = values::fates())]
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

/// Arguments of `claim`.
#[derive(Debug, Args)]
pub struct Claim {
    #[command(flatten)]
    pub run: RunId,
    /// Claim only from these queues; else from any
    #[arg(long, value_name = "QUEUE1,QUEUE2", value_delimiter = ',')]
    pub queue: Vec<String>,
    /// Claim only a task with all these tags
    #[arg(long, value_name = "TAG1,TAG2", value_delimiter = ',')]
    pub tags: Vec<String>,
    /// Claim only a task with at least one of these tags
    #[arg(long, value_name = "TAG1,TAG2", value_delimiter = ',')]
    pub any_tag: Vec<String>,
    /// Claim no task with one of these tags
    #[arg(long, value_name = "TAG1,TAG2", value_delimiter = ',')]
    pub exclude_tags: Vec<String>,
    /// How long until another agent may take the task over, unless there is a heartbeat (1 to 86400 seconds)
    #[arg(
        long,
        value_name = "DURATION",
        default_value_t = limits::CLAIM_TTL_SECONDS_DEFAULT,
        value_parser = values::seconds(limits::CLAIM_TTL_SECONDS),
        allow_negative_numbers = true
    )]
    pub claim_ttl: i64,
    /// How long to wait for a task when there is none (0 to 3600 seconds)
    #[arg(
        long,
        value_name = "DURATION",
        default_value_t = 0,
        value_parser = values::seconds(limits::WAIT_SECONDS),
        allow_negative_numbers = true
    )]
    pub wait: i64,
    /// Claim up to N tasks at once (1 to 100000), and answer a list; waits for the first one only
    #[arg(
        long,
        value_name = "N",
        value_parser = values::whole(1..=limits::BATCH as i64),
        allow_negative_numbers = true
    )]
    pub max: Option<i64>,
    /// Leave out of the answer what makes it longer than N bytes as JSON; the task is claimed all the same
    ///
    /// Late results go first, the payload last. `left_out` names what is left out; then `payload` is null,
    /// `payload_truncated` is true and `payload_bytes` says how long it is. `muse coord show ID` prints all. What a
    /// holder cannot do without is always there, up to 2048 bytes. With --max each claim may have N bytes.
    #[arg(long, value_name = "N", value_parser = values::whole(0..=i64::MAX), allow_negative_numbers = true)]
    pub max_bytes: Option<i64>,
}

/// Arguments of `heartbeat`.
#[derive(Debug, Args)]
pub struct Heartbeat {
    #[command(flatten)]
    pub lease: Lease,
    /// How long the lease lasts from now (1 to 86400 seconds); else as long as it was given for
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = values::seconds(limits::CLAIM_TTL_SECONDS),
        allow_negative_numbers = true
    )]
    pub claim_ttl: Option<i64>,
    /// How much of it is done, from 0 to 1
    #[arg(long, value_name = "FRACTION", value_parser = values::fraction, allow_negative_numbers = true)]
    pub progress: Option<f64>,
    /// How far it is, in words, in at most 4096 characters
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub note: Option<String>,
}

/// Arguments of `complete`.
#[derive(Debug, Args)]
pub struct Complete {
    #[command(flatten)]
    pub lease: Lease,
    /// What came of it: a JSON object of at most 65536 bytes, as `enqueue` takes a payload
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub result: String,
    /// Enqueue what follows from it in the same step, a task a line of FILE (- for standard input), as `enqueue
    /// --batch` takes them: all of them if the completion is accepted, else none
    #[arg(long, value_name = "FILE")]
    pub enqueue: Option<String>,
}

/// Arguments of `fail-task`.
#[derive(Debug, Args)]
pub struct FailTask {
    #[command(flatten)]
    pub lease: Lease,
    /// What went wrong, in at most 4096 characters
    #[arg(long, value_name = "MESSAGE", default_value = "", allow_hyphen_values = true)]
    pub error: String,
    /// The task has failed, whatever attempts are left
    #[arg(long = "final")]
    pub is_final: bool,
}

/// Arguments of `release`.
#[derive(Debug, Args)]
pub struct Release {
    #[command(flatten)]
    pub lease: Lease,
    /// How long nobody is to claim it (0 to 315360000 seconds)
    #[arg(
        long,
        value_name = "DURATION",
        default_value_t = 0,
        value_parser = values::seconds(limits::DELAY_SECONDS),
        allow_negative_numbers = true
    )]
    pub delay: i64,
}

/// Arguments of `cancel-task`.
#[derive(Debug, Args)]
pub struct CancelTask {
    /// The task's id, as `enqueue` printed it
    pub task_id: String,
    #[command(flatten)]
    pub run: RunId,
    /// Also if another agent holds it: that agent learns it when it next speaks
    #[arg(long)]
    pub force: bool,
    /// If another agent holds it, ask that one to stop: its next heartbeat says so. A task that nobody holds is
    /// cancelled
    #[arg(long, conflicts_with = "force")]
    pub request: bool,
    /// Why, in at most 4096 characters
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub reason: Option<String>,
}

/// Arguments of `retry`.
#[derive(Debug, Args)]
pub struct Retry {
    /// The task's id, as `enqueue` printed it
    pub task_id: String,
    /// Do not wait for other tasks or a time again
    #[arg(long)]
    pub now: bool,
    /// Also put back the tasks that were cancelled because of this one
    #[arg(long)]
    pub cascade: bool,
}

/// Arguments of `show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The task's id, as `enqueue` printed it
    pub task_id: String,
}

/// Arguments of `tasks`.
#[derive(Debug, Args)]
pub struct Tasks {
    /// Show only tasks that stand so
    #[arg(long, value_parser = values::statuses(), value_name = "STATUS")]
    pub status: Option<Status>,
    /// Show only tasks of this queue
    #[arg(long, value_name = "QUEUE")]
    pub queue: Option<String>,
    /// Show only tasks whose claim is this agent's
    #[arg(long, value_name = "RUNID")]
    pub run_id: Option<String>,
    /// Show only tasks with all these tags
    #[arg(long, value_name = "TAG1,TAG2", value_delimiter = ',')]
    pub tags: Vec<String>,
    /// Show only tasks that were enqueued at this time or later
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Show only tasks that ended at this time or later: to catch up, ask again with the latest `ended_at`
    #[arg(long, value_name = "TIME")]
    pub ended_since: Option<String>,
    /// In which order: as they are claimed, by when they were enqueued or ended, the latest first with -
    #[arg(long, value_name = "ORDER", default_value = "claim", value_parser = values::orders(), allow_hyphen_values = true)]
    pub sort: String,
    /// Show only tasks behind the `next_cursor` of an earlier answer in the same order
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<String>,
    /// Show at most so many (1 to 10000); the counts are always of all tasks
    #[arg(
        long,
        value_name = "N",
        default_value_t = limits::LIST_ITEMS_DEFAULT,
        value_parser = values::whole(limits::LIST_ITEMS),
        allow_negative_numbers = true
    )]
    pub limit: i64,
    /// Of each task show only these fields, in this order; the counts stay
    #[arg(long, value_parser = PossibleValuesParser::new(TASK_FIELDS), value_delimiter = ',', value_name = "FIELD,FIELD")]
    pub fields: Vec<String>,
    /// On a terminal: draw the table anew each second, until interrupted
    #[arg(long)]
    pub watch: bool,
}

/// Arguments of `wait`.
#[derive(Debug, Args)]
pub struct Wait {
    /// The tasks' ids. One that was removed, or never was, counts as ended
    #[arg(value_name = "TASK_ID", required = true)]
    pub task_ids: Vec<String>,
    /// Until all have ended, which is the default
    #[arg(long)]
    pub all: bool,
    /// Until one has ended
    #[arg(long, conflicts_with = "all")]
    pub any: bool,
    /// How long at most (0 to 315360000 seconds); else as long as it takes
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = values::seconds(limits::DELAY_SECONDS),
        allow_negative_numbers = true
    )]
    pub timeout: Option<i64>,
}

/// Arguments of `watch`.
#[derive(Debug, Args)]
pub struct Watch {
    /// Only tasks of this queue
    #[arg(long, value_name = "QUEUE")]
    pub queue: Option<String>,
    /// Only tasks with all these tags
    #[arg(long, value_name = "TAG1,TAG2", value_delimiter = ',')]
    pub tags: Vec<String>,
}

/// Arguments of `stats`.
#[derive(Debug, Args)]
pub struct Stats {
    /// How far back ended tasks are looked at (0 to 315360000 seconds)
    #[arg(
        long,
        value_name = "DURATION",
        default_value_t = 3_600,
        value_parser = values::seconds(limits::DELAY_SECONDS),
        allow_negative_numbers = true
    )]
    pub window: i64,
    /// Answer in Prometheus's text format
    #[arg(long)]
    pub prometheus: bool,
}

/// Arguments of `gc`.
#[derive(Debug, Args)]
pub struct Gc {
    /// Remove tasks that ended at least so long ago (0 to 315360000 seconds)
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = values::seconds(limits::DELAY_SECONDS),
        allow_negative_numbers = true
    )]
    pub older_than: i64,
    /// But for the N that ended last
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        value_parser = values::whole(0..=i64::MAX),
        allow_negative_numbers = true
    )]
    pub keep_last: i64,
    /// Only tell how many
    #[arg(long)]
    pub dry_run: bool,
}

/// A queue.
#[derive(Debug, Args)]
pub struct QueueName {
    /// The queue
    pub queue: String,
}

/// Arguments of `limit`.
#[derive(Debug, Args)]
pub struct Limit {
    #[command(flatten)]
    pub queue: QueueName,
    /// At most so many tasks are claimed at once; those that are claimed already stay so. none: any number
    #[arg(long, value_name = "N", value_parser = values::in_flight(), allow_negative_numbers = true)]
    pub max_in_flight: InFlight,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Mend what can be mended, and move to quarantine/ what cannot: nothing is deleted
    #[arg(long)]
    pub repair: bool,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

/// A shell that completions are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
}

/// Who acts.
#[derive(Debug, Args)]
pub struct RunId {
    /// The name of the agent that acts, in 1 to 256 characters; no two agents may share one
    #[arg(long, value_name = "RUNID", env = "MUSE_RUN_ID", hide_env_values = true)]
    pub run_id: String,
}

/// A claimed task and who says to hold it.
#[derive(Debug, Args)]
pub struct Lease {
    /// The task's id, as `claim` printed it
    pub task_id: String,
    #[command(flatten)]
    pub run: RunId,
    /// The claim_nonce that `claim` printed: act only under that very lease
    #[arg(long, value_name = "NONCE")]
    pub claim_nonce: Option<String>,
}

/// The commands that `--schema` takes.
fn described() -> impl TypedValueParser<Value = Described> {
    let described = |word: String| ANSWERS.iter().find(|described| described.command == word);
    PossibleValuesParser::new(ANSWERS.iter().map(|described| described.command))
        .try_map(move |word| described(word).copied().ok_or("no command"))
}
