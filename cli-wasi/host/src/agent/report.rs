//! What is said to whoever runs the agent, on standard error, and the exit codes. The only place that prints, but for
//! what the agent itself prints (`output.rs`).
//!
//! Guaranteed: a line for each thing, in which nothing is hidden or acts on a terminal. The agent writes to standard
//! error, too, what it likes.

use std::fmt;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use coord_core::Error;
use coord_core::store::StoreError;
use coord_store::process::words;
use muse_terminal::sanitised;

use crate::agent::sandbox::GRANTED_IN_WORDS;

/// How long the last words may take. Standard error may be a pipe that nobody reads.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why the agent was not even started.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The search for the repository has nowhere to begin.
    CurrentDirectory(io::Error),
    /// There is no repository.
    NoRepository,
    /// `MUSE_COORD_SYNC` is not one of on, posix and off.
    Sync(String),
    /// The coordination directory can be neither opened nor made.
    Directory(StoreError),
    /// It cannot be told which engine the queue is on.
    Engine(muse_launcher::Failure),
    /// The system does not give what this program needs before anything else.
    System(&'static str, io::Error),
    /// The agent can't be read.
    Unreadable(PathBuf, io::Error),
    /// What was named is no agent, for this reason.
    NoAgent(PathBuf, String),
    /// It is an agent, but asks for what agents are not given.
    Imports(PathBuf, Vec<String>),
    /// It cannot be compiled within the bounds, for this reason.
    NotCompiled(PathBuf, String),
    /// What the process that compiles agents said.
    Told {
        /// In its words.
        words: String,
        /// Whether it is up to who named the agent.
        is_usage: bool,
    },
    /// The queue cannot be looked at.
    Queue(Error),
    /// This program can't do its work.
    Start(wasmtime::Error),
}

/// How the agent ended.
#[derive(Debug)]
pub(crate) enum End {
    /// It was not started.
    NotStarted(Failure),
    /// By itself, with this exit code.
    Exited {
        /// Its own, or 0 or 1 if it returned.
        code: i32,
        /// Whether it had asked for more memory than it may have.
        at_limit: bool,
    },
    /// By a fault.
    Faulted {
        /// In words of the runtime.
        fault: String,
        /// As above.
        at_limit: bool,
    },
    /// It was stopped.
    Stopped(Stop),
    /// A second signal came before all was given back that it held.
    Killed {
        /// The first.
        first: &'static str,
        /// The second.
        second: &'static str,
    },
}

/// Why an agent was stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It ran for as long as it may.
    Timeout(Duration),
    /// By this signal.
    Signal(&'static str),
}

impl Failure {
    /// Whether whoever started this program can mend it by naming something else.
    pub(crate) fn is_usage(&self) -> bool {
        match self {
            Failure::CurrentDirectory(_)
            | Failure::NoRepository
            | Failure::Sync(_)
            | Failure::Engine(muse_launcher::Failure::Address(_))
            | Failure::Unreadable(..)
            | Failure::NoAgent(..)
            | Failure::Imports(..) => true,
            Failure::Directory(_)
            | Failure::Engine(_)
            | Failure::System(..)
            | Failure::NotCompiled(..)
            | Failure::Queue(_)
            | Failure::Start(_) => false,
            Failure::Told { is_usage, .. } => *is_usage,
        }
    }
}

impl End {
    /// The end of an agent whose thread has gone: this program is at fault.
    pub(crate) fn crashed() -> End {
        End::Faulted { fault: "the thread that ran it broke down".to_string(), at_limit: false }
    }

    /// What the process exits with.
    pub(crate) fn exit_code(&self) -> i32 {
        match self {
            End::Exited { code, .. } => *code,
            End::Faulted { .. } | End::Stopped(_) | End::Killed { .. } => 1,
            End::NotStarted(failure) => 1 + i32::from(failure.is_usage()),
        }
    }

    /// In words; none if the agent ended well, or has spoken for itself.
    pub(crate) fn complaint(&self, run_id: &str) -> Option<String> {
        let too_much = "it had asked for more memory than --memory lets it have";
        match self {
            End::Exited { code: 0, .. } | End::Exited { at_limit: false, .. } => None,
            End::Exited { code, at_limit: true } => Some(format!("{run_id:?} ended with exit code {code}: {too_much}")),
            End::NotStarted(failure) => Some(failure.to_string()),
            End::Faulted { fault, at_limit: false } => Some(format!("{run_id:?} was stopped by a fault: {fault}")),
            End::Faulted { fault, at_limit: true } => {
                Some(format!("{run_id:?} was stopped by a fault: {fault}; {too_much}"))
            }
            End::Stopped(Stop::Timeout(time)) => {
                let time = humantime::format_duration(*time);
                Some(format!("{run_id:?} was stopped: it ran for {time}, as long as --timeout lets it"))
            }
            End::Stopped(Stop::Signal(name)) => Some(format!("{run_id:?} was stopped by {name}")),
            End::Killed { first, second } => Some(format!(
                "{run_id:?} was stopped by {first}, and {second} ended this program before all that it held was given \
                 back"
            )),
        }
    }
}

/// Says something while the agent runs.
pub(crate) fn warn(message: impl fmt::Display) {
    say(&format!("warning: {message}"));
}

/// Says the last things, and waits for it, but not for ever.
pub(crate) fn last_words(lines: Vec<String>) {
    let (said, all_said) = mpsc::channel();
    let lines = Arc::new(lines);
    let speaker = {
        let lines = lines.clone();
        thread::Builder::new().spawn(move || {
            lines.iter().for_each(|line| say(line));
            // Nobody listens any more if it took too long.
            _ = said.send(());
        })
    };
    match speaker {
        Ok(_) => _ = all_said.recv_timeout(LAST_WORDS),
        Err(_) => lines.iter().for_each(|line| say(line)),
    }
}

fn say(line: &str) {
    // If it can't be said there is nowhere left to say so. The exit code still tells.
    _ = writeln!(io::stderr(), "{}", harmless(line));
}

/// A line without what acts on a terminal.
pub(crate) fn harmless(line: &str) -> String {
    sanitised(line)
}

/// Paths and names are escaped, in quotes.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::CurrentDirectory(error) => write!(f, "cannot find the current directory: {error}"),
            Failure::NoRepository => f.write_str(
                "not a muse repository (or any parent up to mount point /): run `muse coord init` where the repository is \
                 to be, or set MUSE_REPO_ROOT to a directory that holds .muse/",
            ),
            Failure::Sync(value) => write!(f, "MUSE_COORD_SYNC must be on, posix or off, not {value:?}"),
            Failure::Directory(error) => error.fmt(f),
            Failure::Engine(failure) => failure.fmt(f),
            Failure::System(what, error) => write!(f, "{what}: {}", words(error)),
            Failure::Unreadable(path, error) => write!(f, "cannot read {path:?}: {error}"),
            Failure::NoAgent(path, why) => {
                write!(f, "{path:?} is no agent: {why}; an agent is a WebAssembly component of world muse:coord/agent")
            }
            Failure::Imports(path, imports) => {
                write!(f, "{path:?} is not run: it imports {}; an agent may import {GRANTED_IN_WORDS}", imports.join(", "))
            }
            Failure::NotCompiled(path, why) => write!(f, "{path:?} cannot be compiled: {why}"),
            Failure::Told { words, .. } => f.write_str(words),
            Failure::Queue(error) => write!(f, "cannot look at the queue: {error}"),
            Failure::Start(error) => write!(f, "cannot start: {error:#}"),
        }
    }
}
