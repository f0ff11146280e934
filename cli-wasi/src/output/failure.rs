//! Why a command did not do what was asked: as text, as JSON, and as an exit code.

use std::io::{self, IsTerminal};

use coord_core::queue::Status;
use coord_core::time::Timestamp;
use coord_core::transition::Refusal;
use muse_terminal::sanitised;
use schemars::JsonSchema;
use serde::Serialize;

use super::terminal::{RED, complain, painted, print, sanitised_lines, shows_colours};
use super::{Format, NOTHING_CHANGED, Printer};
use crate::host::Stopwatch;
use crate::schema;

/// What a command that did not do what was asked answers.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Failure {
    /// The error, and how to fix it.
    pub error: String,
    /// The stable error code for programs.
    #[schemars(with = "schema::ErrorStatus")]
    pub status: &'static str,
    /// The task's status, if that is the reason.
    #[serde(flatten)]
    pub standing: Option<Box<Standing>>,
    /// What to do next, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<&'static str>,
    /// 1, or 2 for wrong usage and where there is no repository.
    #[serde(skip)]
    pub exit_code: u8,
}

/// A task's status, and the agent that holds it, held it last or ended it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Standing {
    task_status: Status,
    claimer_run_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    /// When the task is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_at: Option<Timestamp>,
    /// The task that this one waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked_on: Option<String>,
    /// The task that has the unique key.
    #[serde(skip_serializing_if = "Option::is_none")]
    live_task_id: Option<String>,
}

impl Failure {
    /// A failure that ends with exit code 1.
    pub fn new(status: &'static str, error: impl ToString) -> Failure {
        Failure { error: error.to_string(), status, standing: None, hint: None, exit_code: 1 }
    }

    /// A value that a command does not take.
    pub fn bad_args(error: impl ToString) -> Failure {
        Failure::new("bad_args", error)
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

impl Printer<'_> {
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
}

/// Answers arguments that do not parse, or a call for help or the version.
pub fn misuse(error: &clap::Error, format: Format, stopwatch: Stopwatch) -> u8 {
    let text = error.render().to_string();
    if !error.use_stderr() {
        return print(&text, 0, || NOTHING_CHANGED.to_string());
    }
    match format {
        Format::Text => {
            complain(sanitised_lines(&text).trim_end());
            2
        }
        Format::Json => {
            let error = text.trim_start_matches("error: ").trim_end().to_string();
            let failure = Failure { error, status: "bad_args", standing: None, hint: None, exit_code: 2 };
            let printer = Printer { format, fields: &[], columns: None, lines: None, changes: false, stopwatch };
            printer.json(2, &[], &failure, || NOTHING_CHANGED.to_string())
        }
    }
}
