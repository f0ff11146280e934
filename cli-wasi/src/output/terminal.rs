//! Colours, standard output and standard error. No text from outside reaches a terminal with its control characters.

use std::io::{self, Write};

use coord_core::queue::Status;
use muse_terminal::sanitised;

use crate::host::{self, reason};

/// Colours are for a terminal, and for people who have not said no to them: <https://no-color.org>.
pub(super) fn shows_colours(is_terminal: bool) -> bool {
    is_terminal && host::environment("NO_COLOR").is_none()
}

/// The text in a colour.
pub(super) fn painted(text: &str, colour: &str) -> String {
    format!("\x1b[{colour}m{text}\x1b[0m")
}

/// The colour of what went wrong.
pub(super) const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";

/// The colour of a status, if it has one.
pub(super) fn colour_of(status: Status) -> Option<&'static str> {
    match status {
        Status::Scheduled | Status::Blocked | Status::Pending | Status::Cancelled => None,
        Status::Claimed => Some(CYAN),
        Status::TimedOut => Some(YELLOW),
        Status::Completed => Some(GREEN),
        Status::Failed | Status::Expired => Some(RED),
    }
}

/// As [`sanitised`], for a text of several lines that this program composed.
pub(super) fn sanitised_lines(text: &str) -> String {
    text.lines().map(|line| sanitised(line) + "\n").collect()
}

/// A warning without `sha256:` in front of ids. A script that searches the output for `sha256:…` wants the ids of the
/// answer, not those of warnings.
pub(super) fn without_id_prefix(warning: &str) -> String {
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

/// Writes the answer to stdout. If it cannot be written, the exit code is 1, and `upshot` tells whether the command
/// took effect.
pub(super) fn print(text: &str, exit_code: u8, upshot: impl FnOnce() -> String) -> u8 {
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

/// Writes a warning to stderr.
pub(super) fn warn(warning: &str) {
    complain(&format!("⚠️  {}", sanitised(&without_id_prefix(warning))));
}

/// Writes a line to stderr. If even that is closed there is nobody left to tell.
pub(super) fn complain(line: &str) {
    match writeln!(io::stderr(), "{line}") {
        Ok(()) | Err(_) => {}
    }
}
