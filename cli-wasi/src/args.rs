//! The parser of the command line: the options of every command, and the list of commands. The options of one command
//! are in its file. Values are not checked here, but by [`coord_core::request`].

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

/// The parsed command line, and what the environment adds.
#[derive(Debug)]
pub struct Invocation {
    /// The command to run, or the schema to print.
    pub asked: Asked,
    /// The output format.
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

/// The command to run, or the schema to print.
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
    /// The parser's message.
    pub error: clap::Error,
    /// The output format that the caller asked for, as far as the line can be read.
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

/// The call, and the fields of the answer to print.
fn read(matches: &ArgMatches) -> Result<(Asked, Vec<FieldPath>), clap::Error> {
    run_id_is_text(matches)?;
    let Muse { group: Group::Coord { schema, command }, output } = Muse::from_arg_matches(matches)?;
    Ok((asked(schema, command)?, output.print))
}

/// The last format on the line counts: `--json` is short for `--format json`. With `--print` errors are text, because
/// the fields it prints are neither text nor JSON.
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

/// The launcher cannot pass on a variable that is not UTF-8: it passes on a readable form of it, and sets a second
/// variable. That matters only if `MUSE_RUN_ID` is used, that is, if no `--run-id` is given.
fn run_id_is_text(matches: &ArgMatches) -> Result<(), clap::Error> {
    let command = matches.subcommand().and_then(|(_, coord)| coord.subcommand()).map(|(_, command)| command);
    let source = command.filter(|command| matches!(command.try_contains_id("run_id"), Ok(true)));
    let source = source.and_then(|command| command.value_source("run_id"));
    match environment("MUSE_RUN_ID_NOT_UTF8").filter(|_| source == Some(ValueSource::EnvVariable)) {
        Some(shown) => {
            let message = format!(
                "the value of MUSE_RUN_ID is not valid UTF-8: {shown}; set it to valid UTF-8, or give --run-id\n"
            );
            Err(clap::Error::raw(ErrorKind::InvalidUtf8, message))
        }
        None => Ok(()),
    }
}

/// A command, or `--schema` instead. Checked here, because clap would also count `--json` as an argument that conflicts
/// with a command.
fn asked(schema: Option<Described>, command: Option<Command>) -> Result<Asked, clap::Error> {
    match (schema, command) {
        (None, Some(command)) => Ok(Asked::Run(Box::new(command))),
        (Some(described), None) => Ok(Asked::Schema(described)),
        (None, None) => Err(misused(ErrorKind::MissingSubcommand, "a command is missing")),
        (Some(_), Some(_)) => Err(misused(
            ErrorKind::ArgumentConflict,
            "--schema COMMAND takes the place of a command: leave one of them out",
        )),
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

/// Tools for many agents that work on one repository.
#[derive(Debug, Parser)]
#[command(name = "muse", version, arg_required_else_help = true, args_override_self = true, disable_help_flag = true)]
struct Muse {
    #[command(subcommand)]
    group: Group,
    #[command(flatten)]
    output: Output,
}

/// The options of every command. Help lists them after the command's own. Their order on the line matters: see
/// [`format`].
#[derive(Debug, Args)]
struct Output {
    /// Answer with one JSON object on one line of stdout, errors too; short for --format json
    #[arg(long, short, global = true, help_heading = EVERY_COMMAND)]
    json: bool,
    /// The output format; if --json and --format are both given, the last one counts
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t = Format::Text,
        value_name = "FORMAT",
        help_heading = EVERY_COMMAND
    )]
    format: Format,
    /// Print only these fields of the answer, one value per line
    ///
    /// FIELD is a name in the JSON answer; dots lead into objects and lists: task_id, task.payload.part, items.0.title,
    /// and tasks.*.task_id for every element of a list. A string is printed without quotes; line breaks and control
    /// characters in it are printed as JSON escapes. An object or a list is printed as JSON. null, and a field that
    /// this answer does not have, is an empty line. A field that the command never answers is refused before anything
    /// is done. Errors go to standard error, with or without --json. A claim that finds nothing prints nothing and
    /// exits with 1.
    #[arg(long, global = true, value_name = "FIELD,FIELD", value_delimiter = ',', help_heading = EVERY_COMMAND)]
    print: Vec<FieldPath>,
    /// Print help: -h prints a summary, --help prints everything
    #[arg(long, short, global = true, action = ArgAction::Help, help_heading = EVERY_COMMAND)]
    help: Option<bool>,
}

const EVERY_COMMAND: &str = "Options of every command";

/// The largest width of help, and its width if there is no terminal.
const HELP_COLUMNS: usize = 100;

#[derive(Debug, Subcommand)]
enum Group {
    /// Share work between agents: a task queue in the repository's .muse/coordination directory
    #[command(
        arg_required_else_help = true,
        override_usage = "muse coord [OPTIONS] <COMMAND>",
        after_help = COORD_HELP
    )]
    Coord {
        /// Run nothing; print the JSON Schema of what COMMAND answers with --json
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

A TASK_ID may be given with or without its sha256: prefix.
DURATION is a number of seconds, or numbers with s, m, h or d: 90, 30s, 15m, 1h30m, 7d.
TIME is a date and time with any offset, like 2026-11-24T18:00:00Z.
If an option is given twice, the last one counts; options that take a list add up.
Write a value that begins with a dash after =, as in --error=--json.

Environment:
  MUSE_REPO_ROOT   the repository; by default the nearest directory upward that holds .muse/
  MUSE_COORD_STORE the engine that the queue is on; by default the repository says where it is
  MUSE_RUN_ID      the default of --run-id, except for the filter of `tasks`
  MUSE_COORD_SYNC  posix: do not rely on a journal; off: never sync to disk, for throw-away queues
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
