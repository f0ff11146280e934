//! What can go wrong before, around and instead of the component, and the only place that prints it.
//!
//! Guaranteed: one line, an exit code of the contract, and no panic, whatever has happened to the standard streams.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use coord_core::Timestamp;
use coord_core::store::StoreError;
use coord_store::process::{stream_is_unusable, words};
use muse_terminal::{sanitised, sanitised_json};
use serde::Serialize;

/// A reason why the component did not run, or did not end by itself.
#[derive(Debug)]
pub enum Failure {
    /// WASI passes text, so an argument has to be text.
    Argument {
        /// Its place, from one.
        position: usize,
        /// What it is.
        value: OsString,
    },
    /// This process may have too few bytes of addresses.
    Memory {
        /// How many it may have.
        limit: u64,
        /// How many it needs.
        least: u64,
    },
    /// The system gives no random numbers.
    Randomness {
        /// What the system says.
        source: io::Error,
    },
    /// The search for the repository has nowhere to begin.
    CurrentDirectory {
        /// What the system says.
        source: io::Error,
    },
    /// The file that the command is to read cannot be opened.
    Input {
        /// Its name.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The coordination directory can be neither opened nor made.
    Directory(StoreError),
    /// The queue is on an engine, and the program that reaches engines cannot be run.
    Companion {
        /// Where it should be, if this program knows where it is itself.
        beside: Option<PathBuf>,
        /// What the system says.
        source: io::Error,
    },
    /// The engine cannot be reached, or is not to be.
    Engine(String),
    /// What names the engine is no address of one.
    Address(String),
    /// The embedded component could not be set going.
    Start {
        /// What wasmtime says.
        source: wasmtime::Error,
    },
    /// The component was stopped in its course: a trap.
    Stopped {
        /// What wasmtime says.
        source: wasmtime::Error,
    },
}

impl Failure {
    /// Prints the failure where the caller looks for it, in the form that the component's errors have, and says how
    /// to exit.
    pub fn report(&self, json: bool, began: Instant) -> u8 {
        let answered = match self.status() {
            Some(status) if json && !stream_is_unusable(1) => self.answer(status, began).is_ok(),
            _ => false,
        };
        if !answered {
            // Were this a failure, too, there would be nowhere left to report it. The exit code still tells.
            _ = writeln!(io::stderr(), "❌ {}", sanitised(&self.to_string()));
        }
        self.exit_code()
    }

    /// The envelope that every JSON answer of the component has, too.
    fn answer(&self, status: &str, began: Instant) -> io::Result<()> {
        let answer = Answer {
            muse_version: env!("CARGO_PKG_VERSION"),
            schema: 1,
            exit_code: self.exit_code(),
            duration_ms: began.elapsed().as_secs_f64() * 1_000.0,
            timestamp: now(),
            error: self.to_string(),
            status,
            warnings: [],
        };
        writeln!(io::stdout(), "{}", sanitised_json(&serde_json::to_string(&answer)?))
    }

    /// The status in JSON. None: the component may have answered already, and standard output holds one object.
    fn status(&self) -> Option<&'static str> {
        match self {
            Self::Argument { .. } | Self::Address(_) => Some("bad_args"),
            Self::Randomness { .. }
            | Self::CurrentDirectory { .. }
            | Self::Input { .. }
            | Self::Directory(_)
            | Self::Companion { .. }
            | Self::Engine(_) => Some("io_error"),
            Self::Memory { .. } | Self::Start { .. } => Some("error"),
            Self::Stopped { .. } => None,
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Argument { .. } => 2,
            Self::Memory { .. }
            | Self::Randomness { .. }
            | Self::CurrentDirectory { .. }
            | Self::Input { .. }
            | Self::Directory(_)
            | Self::Companion { .. }
            | Self::Engine(_)
            | Self::Address(_)
            | Self::Start { .. }
            | Self::Stopped { .. } => 1,
        }
    }
}

/// Names and paths are printed escaped, in quotes: nothing is lost, and no control character reaches the terminal.
impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument { position, value } => {
                write!(out, "argument {position} is not valid UTF-8: {value:?}; write it as UTF-8")
            }
            Self::Memory { limit, least } => {
                let (limit, least) = (limit >> 10, least >> 10);
                write!(
                    out,
                    "this process may have {limit} KiB of memory, and needs at least {least}: raise `ulimit -v`"
                )
            }
            Self::Randomness { source } => {
                let why = words(source);
                write!(out, "the system gives no random numbers: {why}; let this process call getrandom(2)")
            }
            Self::CurrentDirectory { source } => {
                let why = words(source);
                write!(out, "cannot find the current directory: {why}; go to one that is there, or set MUSE_REPO_ROOT")
            }
            Self::Input { path, source } => {
                let why = words(source);
                write!(out, "cannot read {path:?}: {why}; name a file that can be read, or - for standard input")
            }
            Self::Directory(error) => error.fmt(out),
            Self::Companion { beside, source } => {
                let why = words(source);
                let places =
                    beside.as_ref().map_or_else(String::new, |beside| format!(" (neither {beside:?} nor on PATH)"));
                write!(
                    out,
                    "the queue is on an engine, and muse-host, which reaches engines, cannot be run{places}: {why}; install it beside muse"
                )
            }
            Self::Engine(why) | Self::Address(why) => out.write_str(why),
            Self::Start { source } => {
                let why = format!("{source:#}");
                let why = why.split(" (os error").next().unwrap_or_default();
                let limits = "memory (`ulimit -v`) and open files (`ulimit -n`)";
                write!(
                    out,
                    "cannot start the embedded component: {why}; see whether this process may have enough {limits}"
                )
            }
            Self::Stopped { source } => write!(
                out,
                "the command was stopped: {}; it may have had too little memory (`ulimit -v`), and what was asked may \
                 have been done: `muse coord tasks` shows it",
                source.root_cause()
            ),
        }
    }
}

/// So it can unwind the component that asked for what there is not.
impl std::error::Error for Failure {}

#[derive(Serialize)]
struct Answer<'a> {
    muse_version: &'a str,
    schema: u32,
    exit_code: u8,
    duration_ms: f64,
    timestamp: Timestamp,
    error: String,
    status: &'a str,
    warnings: [&'a str; 0],
}

#[expect(clippy::disallowed_methods, reason = "the component, which has the clock of all answers, is not running")]
fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn what_is_not_utf_8_is_shown_without_loss() {
        use std::os::unix::ffi::OsStringExt as _;
        let failure = Failure::Argument { position: 3, value: OsString::from_vec(b"caf\xe9".to_vec()) };
        assert_eq!(failure.to_string(), r#"argument 3 is not valid UTF-8: "caf\xE9"; write it as UTF-8"#);
    }
}
