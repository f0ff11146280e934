//! What can be typed: the options of every command, and the commands, whose own options stand in their files. Values are
//! still as typed here; [`coord_core::request`] checks them.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use coord_core::request::BadRequest;

use crate::command::answers::{Described, described};
use crate::command::{
    cancel_task, claim, complete, completions, doctor, enqueue, export, fail_task, gc, heartbeat, import, init, limit,
    pause, release, resume, retry, show, stats, tasks, values, wait, watch,
};
use crate::host::{environment, terminal_size};
use crate::output::Format;
use crate::print::FieldPath;

mod typed;

use typed::Typed;

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
    let (columns, lines) = terminal_size();
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

/// The commands of `muse coord`.
#[derive(Debug, Subcommand)]
pub enum Command {
    Init(init::Arguments),
    Enqueue(enqueue::Arguments),
    Claim(claim::Arguments),
    Heartbeat(heartbeat::Arguments),
    Complete(complete::Arguments),
    FailTask(fail_task::Arguments),
    Release(release::Arguments),
    CancelTask(cancel_task::Arguments),
    Retry(retry::Arguments),
    Show(show::Arguments),
    Tasks(tasks::Arguments),
    Wait(wait::Arguments),
    Watch(watch::Arguments),
    Stats(stats::Arguments),
    Pause(pause::Arguments),
    Resume(resume::Arguments),
    Limit(limit::Arguments),
    Gc(gc::Arguments),
    Export(export::Arguments),
    Import(import::Arguments),
    Doctor(doctor::Arguments),
    Completions(completions::Arguments),
}
