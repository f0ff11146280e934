//! The only place that prints: the JSON envelope, the text for people, errors, and what must not reach a terminal.

use std::io::{self, BufWriter, IsTerminal, Write};

use coord_core::entry::Outcome;
use coord_core::time::Timestamp;
use coord_core::transition::Refusal;
use schemars::{JsonSchema, Schema};
use serde::Serialize;

use crate::args::{Format, Misuse};
use crate::host::{self, Stopwatch};
use crate::schema;

/// What a command that did what was asked answers. Its JSON fields are those of `Serialize`, and `--schema` tells them.
pub trait Answer: Serialize + JsonSchema {
    /// The answer for people, one line each.
    fn text(&self, page: &mut Page);

    /// 0, or 1 for an answer that is none, such as an empty queue.
    fn exit_code(&self) -> u8 {
        0
    }
}

/// An answer and what the caller should know besides.
#[derive(Debug)]
pub struct Answered<T> {
    /// The answer.
    pub answer: T,
    /// What was cut, set aside or left out.
    pub warnings: Vec<String>,
}

/// What a command that did not do what was asked answers.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Failure {
    /// What is wrong, and the way out.
    pub error: String,
    /// The stable word for programs.
    pub status: &'static str,
    /// Who has the task, if that is why.
    #[serde(flatten)]
    pub tenure: Option<Box<Tenure>>,
    /// What to type next, if that is a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<&'static str>,
    /// 1, or 2 for wrong usage and where there is no repository.
    #[serde(skip)]
    pub exit_code: u8,
}

/// Who has a task, had it last or ended it: what a script needs of a refusal.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Tenure {
    #[schemars(with = "schema::StatusName")]
    task_status: &'static str,
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
}

impl Failure {
    /// A failure that ends with exit code 1.
    pub fn new(status: &'static str, error: impl ToString) -> Failure {
        Failure { error: error.to_string(), status, tenure: None, hint: None, exit_code: 1 }
    }

    /// The same, with the place where it is in front.
    pub fn within(self, place: &str) -> Failure {
        Failure { error: format!("{place}: {}", self.error), ..self }
    }
}

impl From<coord_core::Error> for Failure {
    fn from(error: coord_core::Error) -> Failure {
        let tenure = Tenure::of(&error).map(Box::new);
        Failure { tenure, ..Failure::new(error.code(), error) }
    }
}

impl Tenure {
    fn of(error: &coord_core::Error) -> Option<Tenure> {
        let coord_core::Error::Refused { refusal, who, .. } = error else { return None };
        let ended = |outcome: Outcome, ended_at| Tenure {
            task_status: outcome.as_str(),
            claimer_run_id: who.clone(),
            generation: None,
            claimed_at: None,
            expires_at: None,
            ended_at: Some(ended_at),
        };
        match refusal {
            Refusal::WrongOwner(tenure) | Refusal::LeaseLost(tenure) => Some(Tenure {
                task_status: if tenure.expires_at > host::now() { "claimed" } else { "timed_out" },
                claimer_run_id: who.clone(),
                generation: Some(tenure.generation),
                claimed_at: Some(tenure.claimed_at),
                expires_at: Some(tenure.expires_at),
                ended_at: None,
            }),
            Refusal::AlreadyEnded { outcome, ended_at, .. } => Some(ended(*outcome, *ended_at)),
            Refusal::NotClaimed | Refusal::NotDue | Refusal::NotEnded | Refusal::WornOut => None,
        }
    }
}

/// Where and how to print.
#[derive(Clone, Copy, Debug)]
pub struct Printer {
    /// As JSON or as text.
    pub format: Format,
    /// The terminal's width, if there is one.
    pub columns: Option<usize>,
    /// The terminal's height, if there is one.
    pub lines: Option<usize>,
    /// Started when the command was.
    pub stopwatch: Stopwatch,
}

impl Printer {
    /// Prints what came of a command, and tells the exit code.
    pub fn finish<T: Answer>(self, outcome: Result<Answered<T>, Failure>) -> u8 {
        match (outcome, self.format) {
            (Ok(Answered { answer, warnings }), Format::Json) => self.json(answer.exit_code(), &warnings, &answer),
            (Ok(Answered { answer, warnings }), Format::Text) => {
                let mut page = Page { text: String::from("\n"), columns: self.columns, verbatim: false };
                answer.text(&mut page);
                page.end(self.stopwatch);
                warnings.iter().for_each(|warning| warn(warning));
                print(&page.text, answer.exit_code())
            }
            (Err(failure), _) => self.fail(&failure),
        }
    }

    /// True if text goes to a terminal, so that it can be drawn anew.
    pub fn is_live(self) -> bool {
        self.format == Format::Text && io::stdout().is_terminal()
    }

    /// Draws an answer over the one before, as much of it as the terminal has room for. False if it cannot be written.
    pub fn redraw<T: Answer>(self, Answered { answer, warnings }: &Answered<T>) -> bool {
        let mut page = Page { text: String::new(), columns: self.columns, verbatim: false };
        answer.text(&mut page);
        page.line(format_args!("\n  {}", host::now()));
        warnings.iter().for_each(|warning| page.line(format_args!("⚠️  {}", sanitised(warning))));
        let room = self.lines.unwrap_or(LINES).saturating_sub(1);
        let all = page.text.lines().count();
        let shown = if all > room { room.saturating_sub(1) } else { all };
        // To the first line; each line, and what the one before it left behind it; then what is left below.
        let mut frame = String::from("\x1b[H");
        page.text.lines().take(shown).for_each(|line| frame.push_str(&format!("{line}\x1b[K\r\n")));
        if shown < all {
            frame.push_str(&format!("  … and {} lines more\x1b[K\r\n", all - shown));
        }
        print(&(frame + "\x1b[J"), 0) == 0
    }

    /// Prints a text in a format of its own.
    pub fn plain(self, outcome: Result<Answered<String>, Failure>) -> u8 {
        match outcome {
            Ok(Answered { answer, warnings }) => {
                warnings.iter().for_each(|warning| warn(warning));
                print(&answer, 0)
            }
            Err(failure) => self.fail(&failure),
        }
    }

    /// Runs a command that prints line by line.
    pub fn stream(self, run: impl FnOnce(&mut Stream) -> Result<Ended, Failure>) -> u8 {
        let mut stream = Stream(BufWriter::new(io::stdout().lock()));
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
            Format::Json => self.json(failure.exit_code, &[], failure),
            Format::Text => {
                let mark = if failure.error.starts_with("fatal: ") { "" } else { "❌ " };
                complain(&format!("{mark}{}", sanitised(&failure.error)));
                if let Some(hint) = failure.hint {
                    complain(&format!("hint: {hint}"));
                }
                failure.exit_code
            }
        }
    }

    /// Prints a schema, which is JSON in either format: on one line if JSON is asked for. It stands in no envelope, so that
    /// what reads schemas can read it.
    pub fn schema(self, schema: &Schema) -> u8 {
        let written = match self.format {
            Format::Json => serde_json::to_string(schema),
            Format::Text => serde_json::to_string_pretty(schema),
        };
        match written {
            Ok(text) => print(&(text + "\n"), 0),
            Err(error) => {
                complain(&format!("❌ the schema cannot be written as JSON: {error}"));
                1
            }
        }
    }

    fn json<T: Serialize>(self, exit_code: u8, warnings: &[String], fields: &T) -> u8 {
        let envelope = Envelope {
            muse_version: env!("CARGO_PKG_VERSION"),
            schema: 1,
            exit_code,
            duration_ms: self.stopwatch.elapsed().as_secs_f64() * 1_000.0,
            timestamp: host::now(),
            warnings,
            fields,
        };
        match serde_json::to_string(&envelope) {
            Ok(line) => print(&(without_terminal_controls(&line) + "\n"), exit_code),
            Err(error) => {
                complain(&format!("❌ the answer cannot be written as JSON: {error}"));
                1
            }
        }
    }
}

/// What every JSON answer begins with.
#[derive(Serialize, JsonSchema)]
pub struct Envelope<'a, T> {
    muse_version: &'static str,
    schema: u32,
    exit_code: u8,
    duration_ms: f64,
    #[schemars(with = "schema::Time")]
    timestamp: Timestamp,
    warnings: &'a [String],
    #[serde(flatten)]
    fields: &'a T,
}

/// Answers arguments that do not parse, or a call for help or the version.
pub fn misuse(misuse: &Misuse, stopwatch: Stopwatch) -> u8 {
    let text = misuse.error.render().to_string();
    if !misuse.error.use_stderr() {
        return print(&text, 0);
    }
    match misuse.format {
        Format::Text => {
            complain(sanitised_lines(&text).trim_end());
            2
        }
        Format::Json => {
            let error = text.trim_start_matches("error: ").trim_end().to_string();
            let failure = Failure { error, status: "bad_args", tenure: None, hint: None, exit_code: 2 };
            Printer { format: misuse.format, columns: None, lines: None, stopwatch }.json(2, &[], &failure)
        }
    }
}

/// Lines of JSON, each written as it comes.
#[derive(Debug)]
pub struct Stream(BufWriter<io::StdoutLock<'static>>);

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All was said.
    Whole,
    /// What was to be said could not be written, which is told.
    NobodyReads,
}

impl Stream {
    /// Writes a value as a line. False if it cannot be written.
    pub fn json<T: Serialize>(&mut self, value: &T) -> bool {
        match serde_json::to_string(value) {
            Ok(line) => self.line(&line),
            Err(error) => {
                complain(&format!("❌ a line cannot be written as JSON: {error}"));
                false
            }
        }
    }

    /// Writes a line of JSON. False if it cannot be written.
    pub fn line(&mut self, json: &str) -> bool {
        let written = writeln!(self.0, "{}", without_terminal_controls(json));
        Stream::told(written)
    }

    /// Hands over what was written. False if that is not possible.
    pub fn flush(&mut self) -> bool {
        let flushed = self.0.flush();
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

/// The height of a terminal that does not say it.
const LINES: usize = 24;

/// Text for people, line by line.
#[derive(Debug)]
pub struct Page {
    text: String,
    /// The terminal's width, if there is one.
    pub columns: Option<usize>,
    verbatim: bool,
}

impl Page {
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

/// A text from outside for a terminal: what would act there (escape sequences, C0 and C1 controls, overrides of the
/// writing direction, invisible tag characters) stands as its code point in braces.
pub fn sanitised(text: &str) -> String {
    text.chars()
        .flat_map(|c| if acts_on_a_terminal(c) { Shown::Escaped(c.escape_unicode()) } else { Shown::Plain(Some(c)) })
        .collect()
}

/// As [`sanitised`], for a text of several lines that this program composed.
fn sanitised_lines(text: &str) -> String {
    text.lines().map(|line| sanitised(line) + "\n").collect()
}

enum Shown {
    Plain(Option<char>),
    Escaped(std::char::EscapeUnicode),
}

impl Iterator for Shown {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        match self {
            Shown::Plain(c) => c.take(),
            Shown::Escaped(escape) => escape.next(),
        }
    }
}

fn acts_on_a_terminal(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(c, '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// JSON whose strings hold nothing that acts on a terminal. Such characters only occur in strings, where JSON has an
/// escape for each.
pub fn without_terminal_controls(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    for c in json.chars() {
        if acts_on_a_terminal(c) {
            let mut units = [0; 2];
            line.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            line.push(c);
        }
    }
    line
}

/// Writes the answer to stdout. An answer that could not be written is not an answer.
fn print(text: &str, exit_code: u8) -> u8 {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => exit_code,
        Err(error) => {
            let done = if exit_code == 0 {
                "what was asked has been done: `muse coord tasks` shows it"
            } else {
                "what was asked has not been done"
            };
            let reason = reason(&error);
            complain(&format!("❌ the answer could not be written to stdout ({reason}); {done}"));
            1
        }
    }
}

/// Without the number, which is WASI's own and means something else to whoever looks it up.
fn reason(error: &io::Error) -> String {
    error.to_string().split(" (os error").next().unwrap_or_default().to_string()
}

fn warn(warning: &str) {
    complain(&format!("⚠️  {}", sanitised(warning)));
}

/// Writes a line to stderr. If even that is closed there is nobody left to tell.
fn complain(line: &str) {
    match writeln!(io::stderr(), "{line}") {
        Ok(()) | Err(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_acts_on_a_terminal() {
        let nasty = "a\u{1b}]0;x\u{7}b\u{9b}31mc\u{202e}d\u{2066}e\r\nf\u{e0041}g\u{7f}";
        assert_eq!(
            sanitised(nasty),
            "a\\u{1b}]0;x\\u{7}b\\u{9b}31mc\\u{202e}d\\u{2066}e\\u{d}\\u{a}f\\u{e0041}g\\u{7f}"
        );
        assert_eq!(sanitised("Ünïcödé 漢字 👩‍🚀"), "Ünïcödé 漢字 👩‍🚀");
    }

    #[test]
    fn json_keeps_its_meaning_without_what_acts_on_a_terminal() {
        let nasty = "a\u{1b}\u{9b}\u{202e}\u{e0041}\u{7f}漢";
        let json = serde_json::to_string(nasty).unwrap();
        let line = without_terminal_controls(&json);
        assert!(!line.chars().any(acts_on_a_terminal), "{line}");
        assert_eq!(serde_json::from_str::<String>(&line).unwrap(), nasty);
    }
}
