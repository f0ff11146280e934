//! Text for people, line by line.

use std::fmt::Display;
use std::io::{self, IsTerminal};

use coord_core::queue::Status;
use muse_terminal::sanitised;

use super::failure::Failure;
use super::terminal::{colour_of, painted, print, shows_colours, without_id_prefix};
use super::{Format, NOTHING_CHANGED, Printer};
use crate::host::{self, Stopwatch};

/// Text for people, line by line.
#[derive(Debug)]
pub struct Page {
    pub(super) text: String,
    /// The terminal's width, if there is one.
    pub columns: Option<usize>,
    verbatim: bool,
    coloured: bool,
}

impl Page {
    /// A page that begins with this text.
    pub(super) fn new(text: &str, columns: Option<usize>) -> Page {
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

    /// Ends the page with the time that the command took.
    pub(super) fn end(&mut self, stopwatch: Stopwatch) {
        if !self.verbatim {
            self.line(format_args!("\n  ({:.3}s)", stopwatch.elapsed().as_secs_f64()));
        }
    }

    /// Adds a line. What comes from outside must have been [`sanitised`].
    pub fn line(&mut self, line: impl Display) {
        self.text.push_str(&line.to_string());
        self.text.push('\n');
    }

    /// Adds a line with a label in front of a value from anywhere.
    pub fn field(&mut self, label: &str, value: impl Display) {
        self.line(format_args!("  {:<11} {}", format!("{label}:"), sanitised(&value.to_string())));
    }
}

/// The height of a terminal that does not say it.
const LINES: usize = 24;

impl Printer<'_> {
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
            frame.push_str(&format!("  … and {} more lines\x1b[K\r\n", all - shown));
        }
        Ok(print(&(frame + "\x1b[J"), 0, || NOTHING_CHANGED.to_string()) == 0)
    }
}

/// The start of a long text, for a line.
pub fn start_of(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some(_) => text.chars().take(chars).chain(['…']).collect(),
        None => text.to_string(),
    }
}
