//! The only place that prints: the JSON envelope, the text for people, errors, and what must not reach a terminal.

mod list;

use std::io::{self, BufWriter, IsTerminal, Write};

use coord_core::queue::Status;
use coord_core::time::Timestamp;
use coord_core::transition::Refusal;
use muse_terminal::{sanitised, sanitised_json};
use schemars::{JsonSchema, Schema};
use serde::Serialize;

use crate::args::{self, Format, Misuse};
use crate::host::{self, Stopwatch};
use crate::print::{FieldPath, values};
use crate::schema;

pub use list::{List, Unwritten};

/// What a command that did what was asked answers. Its JSON fields are those of `Serialize`, and `--schema` tells them.
pub trait Answer: Serialize + JsonSchema {
    /// The answer for people, one line each.
    fn text(&self, page: &mut Page);

    /// 0, or 1 for an answer that is none, such as an empty queue.
    fn exit_code(&self) -> u8 {
        0
    }

    /// Undoes what was done for whoever gets the answer, as nobody got it, and says so. None: there is nothing to undo.
    fn take_back(&self) -> Option<String> {
        None
    }

    /// True if nothing was found of which a field could be printed.
    fn is_nothing(&self) -> bool {
        false
    }
}

/// An answer and what the caller should know besides.
#[derive(Debug)]
pub struct Answered<T> {
    /// The answer.
    pub answer: T,
    /// What was cut, quarantined or left out.
    pub warnings: Vec<String>,
}

/// What a command that did not do what was asked answers.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Failure {
    /// What is wrong, and the way out.
    pub error: String,
    /// The stable word for programs.
    #[schemars(with = "schema::ErrorStatus")]
    pub status: &'static str,
    /// Where the task stands, if that is why.
    #[serde(flatten)]
    pub standing: Option<Box<Standing>>,
    /// What to type next, if that is a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<&'static str>,
    /// 1, or 2 for wrong usage and where there is no repository.
    #[serde(skip)]
    pub exit_code: u8,
}

/// Where a task stands, and who has it, had it last or ended it: what a script needs of a refusal.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Standing {
    #[schemars(with = "schema::StatusName")]
    task_status: Status,
    claimer_run_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Time>")]
    claimed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Time>")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Time>")]
    ended_at: Option<Timestamp>,
    /// When the task is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Time>")]
    scheduled_at: Option<Timestamp>,
    /// The task that it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::TaskId>")]
    blocked_on: Option<String>,
    /// The task that has its unique key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::TaskId>")]
    live_task_id: Option<String>,
}

impl Failure {
    /// A failure that ends with exit code 1.
    pub fn new(status: &'static str, error: impl ToString) -> Failure {
        Failure { error: error.to_string(), status, standing: None, hint: None, exit_code: 1 }
    }

    /// The same, with the place where it is in front.
    pub fn within(self, place: &str) -> Failure {
        Failure { error: format!("{place}: {}", self.error), ..self }
    }
}

impl From<coord_core::Error> for Failure {
    fn from(error: coord_core::Error) -> Failure {
        let standing = Standing::of(&error).map(Box::new);
        Failure { standing, ..Failure::new(error.code(), error) }
    }
}

impl Standing {
    fn of(error: &coord_core::Error) -> Option<Standing> {
        let standing = Standing {
            task_status: error.task_status()?,
            claimer_run_id: None,
            generation: None,
            claimed_at: None,
            expires_at: None,
            ended_at: None,
            scheduled_at: None,
            blocked_on: None,
            live_task_id: None,
        };
        let (refusal, who) = match error {
            coord_core::Error::Refused { refusal, who, .. } => (refusal, who),
            coord_core::Error::KeyTaken { by, .. } => {
                return Some(Standing { live_task_id: Some(by.to_string()), ..standing });
            }
            _ => return Some(standing),
        };
        let standing = Standing { claimer_run_id: who.clone(), ..standing };
        Some(match refusal {
            Refusal::WrongOwner(current) | Refusal::LeaseLost(current) => Standing {
                generation: Some(current.generation),
                claimed_at: Some(current.claimed_at),
                expires_at: Some(current.expires_at),
                ..standing
            },
            Refusal::AlreadyEnded { ended_at, .. } => Standing { ended_at: Some(*ended_at), ..standing },
            Refusal::NotClaimed(stands) | Refusal::NotEnded(stands) => Standing {
                scheduled_at: stands.due,
                blocked_on: stands.blocked_on.map(|id| id.to_string()),
                ..standing
            },
            Refusal::NotDue | Refusal::TooManyTransitions => standing,
        })
    }
}

/// Where and how to print.
#[derive(Clone, Copy, Debug)]
pub struct Printer<'a> {
    /// As JSON or as text.
    pub format: Format,
    /// The fields of an answer to print, instead of the whole; none: the whole. The format is then that of errors.
    pub fields: &'a [FieldPath],
    /// The terminal's width, if there is one.
    pub columns: Option<usize>,
    /// The terminal's height, if there is one.
    pub lines: Option<usize>,
    /// Whether the command is one that changes something.
    pub changes: bool,
    /// Started when the command was.
    pub stopwatch: Stopwatch,
}

impl Printer<'_> {
    /// Prints what came of a command, and tells the exit code.
    pub fn finish<T: Answer>(self, outcome: Result<Answered<T>, Failure>) -> u8 {
        match (outcome, self.format) {
            (Ok(Answered { answer, warnings }), _) if !self.fields.is_empty() => {
                warnings.iter().for_each(|warning| warn(warning));
                let exit_code = answer.exit_code();
                if answer.is_nothing() {
                    return exit_code;
                }
                self.json(exit_code, &warnings, &answer, || self.upshot_of(&answer))
            }
            (Ok(Answered { answer, warnings }), Format::Json) => {
                let exit_code = answer.exit_code();
                self.json(exit_code, &warnings, &answer, || self.upshot_of(&answer))
            }
            (Ok(Answered { answer, warnings }), Format::Text) => {
                let mut page = Page::new("\n", self.columns);
                answer.text(&mut page);
                page.end(self.stopwatch);
                warnings.iter().for_each(|warning| warn(warning));
                print(&page.text, answer.exit_code(), || self.upshot_of(&answer))
            }
            (Err(failure), _) => self.fail(&failure),
        }
    }

    fn upshot_of<T: Answer>(self, answer: &T) -> String {
        answer.take_back().unwrap_or_else(|| self.upshot(answer.exit_code()).to_string())
    }

    /// What has become of what was asked, for whoever does not get the answer.
    fn upshot(self, exit_code: u8) -> &'static str {
        match (self.changes, exit_code) {
            (false, _) => NOTHING_CHANGED,
            (true, 0) => "what was asked has been done: `muse coord tasks` shows it",
            (true, _) => "what was asked has not been done",
        }
    }

    /// True if text goes to a terminal, so that it can be drawn anew.
    pub fn is_live(self) -> bool {
        self.format == Format::Text && self.fields.is_empty() && io::stdout().is_terminal()
    }

    /// Draws a page over the one before, as much of it as the terminal has room for; `draw` tells its warnings. False
    /// if it cannot be written.
    pub fn redraw(self, draw: impl FnOnce(&mut Page) -> Result<Vec<String>, Failure>) -> Result<bool, Failure> {
        let mut page = Page::new("", self.columns);
        let warnings = draw(&mut page)?;
        page.line(format_args!("\n  {}", host::now()));
        warnings.iter().for_each(|warning| page.line(format_args!("⚠️  {}", sanitised(&without_id_prefix(warning)))));
        let room = self.lines.unwrap_or(LINES).saturating_sub(1);
        let all = page.text.lines().count();
        let shown = if all > room { room.saturating_sub(1) } else { all };
        // To the first line; each line, and what the one before it left behind it; then what is left below.
        let mut frame = String::from("\x1b[H");
        page.text.lines().take(shown).for_each(|line| frame.push_str(&format!("{line}\x1b[K\r\n")));
        if shown < all {
            frame.push_str(&format!("  … and {} lines more\x1b[K\r\n", all - shown));
        }
        Ok(print(&(frame + "\x1b[J"), 0, || NOTHING_CHANGED.to_string()) == 0)
    }

    /// Prints a text in a format of its own.
    pub fn plain(self, outcome: Result<Answered<String>, Failure>) -> u8 {
        match outcome {
            Ok(Answered { answer, warnings }) => {
                warnings.iter().for_each(|warning| warn(warning));
                print(&answer, 0, || NOTHING_CHANGED.to_string())
            }
            Err(failure) => self.fail(&failure),
        }
    }

    /// Runs a command that prints line by line.
    pub fn stream(self, run: impl FnOnce(&mut Stream<'_>) -> Result<Ended, Failure>) -> u8 {
        let mut stream = Stream { fields: self.fields, stdout: BufWriter::new(host::stdout()) };
        match run(&mut stream) {
            Ok(Ended::Whole) => 0,
            Ok(Ended::NobodyReads) => 1,
            Err(failure) => {
                stream.flush();
                drop(stream);
                self.fail(&failure)
            }
        }
    }

    /// Prints why a command did not do what was asked, and tells the exit code.
    pub fn fail(self, failure: &Failure) -> u8 {
        match self.format {
            Format::Json => self.json(failure.exit_code, &[], failure, || self.upshot(failure.exit_code).to_string()),
            Format::Text => {
                let mark = if failure.error.starts_with("fatal: ") { "" } else { "❌ " };
                let error = format!("{mark}{}", sanitised(&failure.error));
                complain(&if shows_colours(io::stderr().is_terminal()) { painted(&error, RED) } else { error });
                if let Some(hint) = failure.hint {
                    complain(&format!("hint: {hint}"));
                }
                failure.exit_code
            }
        }
    }

    /// Prints a schema, which is JSON in either format: on one line if JSON is asked for. It stands in no envelope, so
    /// that what reads schemas can read it.
    pub fn schema(self, schema: &Schema) -> u8 {
        let written = match self.format {
            Format::Json => serde_json::to_string(schema),
            Format::Text => serde_json::to_string_pretty(schema),
        };
        match written {
            Ok(text) => print(&(text + "\n"), 0, || NOTHING_CHANGED.to_string()),
            Err(error) => {
                complain(&format!("❌ the schema cannot be written as JSON: {error}"));
                1
            }
        }
    }

    fn json<T: Serialize>(self, exit_code: u8, warnings: &[String], fields: &T, upshot: impl FnOnce() -> String) -> u8 {
        let warnings: Vec<String> = warnings.iter().map(|warning| without_id_prefix(warning)).collect();
        let envelope = self.enveloped(exit_code, &warnings, fields);
        match serde_json::to_string(&envelope).and_then(|line| chosen(&line, self.fields)) {
            Ok(text) => print(&text, exit_code, upshot),
            Err(error) => {
                complain(&format!("❌ the answer cannot be written as JSON: {error}; {}", upshot()));
                1
            }
        }
    }

    fn enveloped<'e, T>(self, exit_code: u8, warnings: &'e [String], fields: &'e T) -> Envelope<'e, T> {
        Envelope {
            muse_version: env!("CARGO_PKG_VERSION"),
            schema: 1,
            exit_code,
            duration_ms: self.stopwatch.elapsed().as_secs_f64() * 1_000.0,
            timestamp: host::now(),
            fields,
            warnings,
        }
    }
}

/// How many bytes an envelope has without the command's own fields and warnings, at most.
pub const ENVELOPE_BYTES: usize = 160;

/// What every JSON answer begins and ends with: what a script takes first is the command's own.
#[derive(Serialize, JsonSchema)]
pub struct Envelope<'a, T> {
    muse_version: &'static str,
    schema: u32,
    exit_code: u8,
    duration_ms: f64,
    #[schemars(with = "schema::Time")]
    timestamp: Timestamp,
    #[serde(flatten)]
    fields: &'a T,
    warnings: &'a [String],
}

/// Answers arguments that do not parse, or a call for help or the version.
pub fn misuse(misuse: &Misuse, stopwatch: Stopwatch) -> u8 {
    let text = misuse.error.render().to_string();
    if !misuse.error.use_stderr() {
        return print(&text, 0, || NOTHING_CHANGED.to_string());
    }
    match misuse.format {
        Format::Text => {
            complain(sanitised_lines(&text).trim_end());
            2
        }
        Format::Json => {
            let error = text.trim_start_matches("error: ").trim_end().to_string();
            let failure = Failure { error, status: "bad_args", standing: None, hint: None, exit_code: 2 };
            let printer =
                Printer { format: misuse.format, fields: &[], columns: None, lines: None, changes: false, stopwatch };
            printer.json(2, &[], &failure, || NOTHING_CHANGED.to_string())
        }
    }
}

/// Lines of JSON, each written as it comes, or the fields of each that are asked for.
#[derive(Debug)]
pub struct Stream<'a> {
    fields: &'a [FieldPath],
    stdout: BufWriter<host::Stdout>,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All was said.
    Whole,
    /// What was to be said could not be written, which is told.
    NobodyReads,
}

impl Stream<'_> {
    /// Writes a value as a line. False if it cannot be written.
    pub fn json<T: Serialize>(&mut self, value: &T) -> bool {
        self.write(serde_json::to_string(value).and_then(|line| chosen(&line, self.fields)))
    }

    /// Writes a line of JSON. False if it cannot be written.
    pub fn line(&mut self, json: &str) -> bool {
        self.write(chosen(json, self.fields))
    }

    fn write(&mut self, text: Result<String, serde_json::Error>) -> bool {
        match text {
            Ok(text) => Stream::told(self.stdout.write_all(text.as_bytes())),
            Err(error) => {
                complain(&format!("❌ a line cannot be written as JSON: {error}"));
                false
            }
        }
    }

    /// Hands over what was written. False if that is not possible.
    pub fn flush(&mut self) -> bool {
        let flushed = self.stdout.flush();
        Stream::told(flushed)
    }

    /// Says what was not as it should be, beside the lines.
    pub fn warn(&mut self, warnings: impl Iterator<Item = String>) {
        warnings.for_each(|warning| warn(&warning));
    }

    fn told(written: io::Result<()>) -> bool {
        if let Err(error) = &written {
            complain(&format!("❌ the lines could not be written to stdout ({}): not all was said", reason(error)));
        }
        written.is_ok()
    }
}

/// What is said of a command that only reads, and of one that was not understood.
pub const NOTHING_CHANGED: &str = "nothing was changed";

/// The height of a terminal that does not say it.
const LINES: usize = 24;

/// Text for people, line by line.
#[derive(Debug)]
pub struct Page {
    text: String,
    /// The terminal's width, if there is one.
    pub columns: Option<usize>,
    verbatim: bool,
    coloured: bool,
}

impl Page {
    fn new(text: &str, columns: Option<usize>) -> Page {
        let coloured = shows_colours(io::stdout().is_terminal());
        Page { text: text.to_string(), columns, verbatim: false, coloured }
    }

    /// A line that begins with `start`, which tells a status: that part has the status's colour, where there are any.
    pub fn tinted(&self, line: &str, start: &str, status: Status) -> String {
        match (line.strip_prefix(start), colour_of(status)) {
            (Some(rest), Some(colour)) if self.coloured => format!("{}{rest}", painted(start, colour)),
            _ => line.to_string(),
        }
    }

    /// Makes the page a text for another program: as it is, with nothing before and after it.
    pub fn verbatim(&mut self, text: &str) {
        self.text = text.to_string();
        self.verbatim = true;
    }

    fn end(&mut self, stopwatch: Stopwatch) {
        if !self.verbatim {
            self.line(format_args!("\n  ({:.3}s)", stopwatch.elapsed().as_secs_f64()));
        }
    }

    /// Adds a line. What comes from outside must have been [`sanitised`].
    pub fn line(&mut self, line: impl std::fmt::Display) {
        self.text.push_str(&line.to_string());
        self.text.push('\n');
    }

    /// Adds a line with a label in front of a value from anywhere.
    pub fn field(&mut self, label: &str, value: impl std::fmt::Display) {
        self.line(format_args!("  {:<11} {}", format!("{label}:"), sanitised(&value.to_string())));
    }
}

/// Colours are for a terminal, and for people who have not said no to them: <https://no-color.org>.
fn shows_colours(is_terminal: bool) -> bool {
    is_terminal && args::environment("NO_COLOR").is_none()
}

fn painted(text: &str, colour: &str) -> String {
    format!("\x1b[{colour}m{text}\x1b[0m")
}

const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";

fn colour_of(status: Status) -> Option<&'static str> {
    match status {
        Status::Scheduled | Status::Blocked | Status::Pending | Status::Cancelled => None,
        Status::Claimed => Some(CYAN),
        Status::TimedOut => Some(YELLOW),
        Status::Completed => Some(GREEN),
        Status::Failed | Status::Expired => Some(RED),
    }
}

/// As [`sanitised`], for a text of several lines that this program composed.
fn sanitised_lines(text: &str) -> String {
    text.lines().map(|line| sanitised(line) + "\n").collect()
}

/// A line of JSON as it is printed: whole, or the fields that are asked for.
fn chosen(json: &str, fields: &[FieldPath]) -> Result<String, serde_json::Error> {
    if fields.is_empty() { Ok(sanitised_json(json) + "\n") } else { values(json, fields) }
}

/// A warning in which a script that looks for `sha256:…` finds no id: the ones that it is after are the answer's own.
fn without_id_prefix(warning: &str) -> String {
    let mut parts = warning.split(ID_PREFIX);
    let mut text = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let is_id = part.len() >= 64 && part.bytes().take(64).all(|byte| byte.is_ascii_hexdigit());
        text.push_str(if is_id { "" } else { ID_PREFIX });
        text.push_str(part);
    }
    text
}

/// What an id begins with.
const ID_PREFIX: &str = "sha256:";

/// Writes the answer to stdout. An answer that could not be written is not an answer, and `upshot` says what has
/// become of what was asked.
fn print(text: &str, exit_code: u8, upshot: impl FnOnce() -> String) -> u8 {
    let mut stdout = host::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => exit_code,
        Err(error) => {
            let reason = reason(&error);
            complain(&format!("❌ the answer could not be written to stdout ({reason}); {}", upshot()));
            1
        }
    }
}

/// Without the number, which is WASI's own and means something else to whoever looks it up.
fn reason(error: &io::Error) -> String {
    error.to_string().split(" (os error").next().unwrap_or_default().to_string()
}

fn warn(warning: &str) {
    complain(&format!("⚠️  {}", sanitised(&without_id_prefix(warning))));
}

/// Writes a line to stderr. If even that is closed there is nobody left to tell.
fn complain(line: &str) {
    match writeln!(io::stderr(), "{line}") {
        Ok(()) | Err(_) => {}
    }
}
