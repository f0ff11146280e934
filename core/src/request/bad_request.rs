//! Why a request is not taken, in words for the face that it came by.

use alloc::string::{String, ToString};
use core::fmt;

use super::field::{Field, OutOfRange};
use crate::id::BadTaskId;
use crate::json::BadJson;
use crate::limits;
use crate::name::BadName;
use crate::queue::Sort;
use crate::spelling::shortened;

/// A value that is not taken. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadRequest {
    /// The run id of the acting agent is missing.
    NoRunId,
    /// A title, run id, tag, queue, claim nonce or error message outside its limits.
    Name(BadName),
    /// More tags than [`limits::TAGS`].
    TooManyTags {
        /// How many.
        given: usize,
    },
    /// A number beyond the range of its field.
    OutOfRange(OutOfRange),
    /// A back-off whose longest wait is shorter than its first.
    BackoffShrinks {
        /// The first wait, in seconds.
        seconds: i64,
        /// The longest wait, in seconds.
        max_seconds: i64,
    },
    /// A back-off without a number of attempts.
    BackoffAlone,
    /// Both a delay and a time.
    DelayAndTime,
    /// More tasks to wait for than [`limits::PARENTS`].
    TooManyParents {
        /// How many.
        given: usize,
    },
    /// Not what to do if a parent fails.
    IfParentFails {
        /// As given.
        given: String,
    },
    /// `if_parent_fails` for a task without parents.
    IfParentFailsAlone,
    /// A time before the first or after the last that a name can say.
    Time {
        /// The face's word for it.
        what: &'static str,
        /// As given.
        given: String,
    },
    /// A progress that is not between 0 and 1.
    Progress {
        /// As given.
        given: String,
    },
    /// A text that is none of the words, times or durations that are taken.
    Word(BadWord),
    /// A cursor of a listing in another order.
    CursorOfAnotherSort {
        /// The order that it is of.
        of: Sort,
        /// The order that was asked for.
        sort: Sort,
    },
    /// A field of another kind, in a draft that is read from JSON.
    FieldKind {
        /// The field.
        name: &'static str,
        /// The JSON that stands there.
        given: String,
        /// The expected kind.
        kind: Kind,
    },
    /// A text that is no draft in JSON, by its form or by the names of its fields.
    Malformed {
        /// Where, counted from one.
        column: usize,
        /// The parser's words.
        reason: String,
    },
    /// A payload that is too large or no JSON object.
    Payload(BadJson),
    /// A result that is too large or no JSON object.
    Result(BadJson),
    /// Not a task id.
    TaskId(BadTaskId),
}

/// The kind of a field of a draft that is read from JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A list of strings.
    Texts,
    /// A whole number from the first to the second.
    Whole(i64, i64),
}

/// A text that is not of the kind that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadWord {
    /// The expected kind.
    pub what: &'static str,
    /// As given.
    pub given: String,
    /// The accepted values.
    pub taken: &'static str,
}

impl BadRequest {
    /// The stable word for programs, as that of [`crate::Error`].
    pub fn code(&self) -> &'static str {
        match self {
            BadRequest::Name(BadName::Queue { .. }) => "bad_queue",
            // The contract counts a payload's size among the arguments.
            BadRequest::Payload(BadJson::TooLarge { .. }) => "bad_args",
            BadRequest::Payload(_) => "bad_payload",
            BadRequest::TaskId(_) => "bad_task_id",
            BadRequest::NoRunId
            | BadRequest::Name(_)
            | BadRequest::TooManyTags { .. }
            | BadRequest::OutOfRange(_)
            | BadRequest::BackoffShrinks { .. }
            | BadRequest::BackoffAlone
            | BadRequest::DelayAndTime
            | BadRequest::TooManyParents { .. }
            | BadRequest::IfParentFails { .. }
            | BadRequest::IfParentFailsAlone
            | BadRequest::Time { .. }
            | BadRequest::Progress { .. }
            | BadRequest::Word(_)
            | BadRequest::CursorOfAnotherSort { .. }
            | BadRequest::FieldKind { .. }
            | BadRequest::Malformed { .. }
            | BadRequest::Result(_) => "bad_args",
        }
    }

    /// Names the value by what a face calls its field, the limit and the way out.
    pub fn message(&self, name_of: fn(Field) -> String) -> String {
        fmt::from_fn(|f| self.describe(f, name_of)).to_string()
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>, name_of: fn(Field) -> String) -> fmt::Result {
        match self {
            BadRequest::NoRunId => write!(
                f,
                "{} is missing: name the agent that acts, in 1 to {} characters",
                name_of(Field::RunId),
                limits::RUN_ID_CHARS
            ),
            BadRequest::Name(problem) => problem.describe(f, &name_of(Field::RunId), &name_of(Field::Error)),
            BadRequest::TooManyTags { given } => write!(f, "too many tags: {given} (max {})", limits::TAGS),
            BadRequest::OutOfRange(number) => number.describe(f, &name_of(number.field)),
            BadRequest::BackoffShrinks { seconds, max_seconds } => {
                let (word, most) = (name_of(Field::BackoffSeconds), limits::BACKOFF_SECONDS.end());
                write!(f, "{word} begins at {seconds} seconds, so its maximum cannot be {max_seconds}: ")?;
                write!(f, "give a maximum of {seconds} to {most}")
            }
            BadRequest::BackoffAlone => {
                write!(
                    f,
                    "{} is for tasks with several attempts: give {} too",
                    name_of(Field::BackoffSeconds),
                    name_of(Field::MaxAttempts)
                )
            }
            BadRequest::DelayAndTime => write!(f, "a delay and a start time exclude each other: give one of them"),
            BadRequest::TooManyParents { given } => {
                write!(
                    f,
                    "too many tasks to wait for: {given} (max {}); wait for another task that waits for them",
                    limits::PARENTS
                )
            }
            BadRequest::IfParentFails { given } => {
                write!(f, "{} must be block, cancel or run, got {:?}", name_of(Field::IfParentFails), shortened(given))
            }
            BadRequest::IfParentFailsAlone => {
                let (word, after) = (name_of(Field::IfParentFails), name_of(Field::After));
                write!(f, "{word} is for a task that waits for others: give {after} too")
            }
            BadRequest::Time { what, given } => {
                write!(f, "{what} must be between 1970-01-01T00:00:00Z and 2112-09-17T23:53:47Z, ")?;
                write!(f, "got {:?}", shortened(given))
            }
            BadRequest::Progress { given } => write!(f, "progress must be between 0 and 1, got {given}"),
            BadRequest::FieldKind { name, given, kind } => {
                let given = shortened(given);
                match kind {
                    Kind::Text => write!(f, "{name} must be a string, got {given}"),
                    Kind::Texts => write!(f, "{name} must be a list of strings, got {given}"),
                    Kind::Whole(least, most) => {
                        write!(f, "{name} must be a whole number between {least} and {most}, got {given}")
                    }
                }
            }
            BadRequest::Malformed { column, reason } => write!(f, "column {column}: {reason}"),
            BadRequest::Word(BadWord { what, given, taken }) => {
                write!(f, "invalid {what} {:?}: give {taken}", shortened(given))
            }
            BadRequest::CursorOfAnotherSort { of, sort } => write!(
                f,
                "the cursor is of a listing with sort {}, and this one has sort {}: give the same sort, or leave the \
                 cursor out to begin anew",
                of.as_str(),
                sort.as_str()
            ),
            BadRequest::Payload(problem) => bad_json(problem, &name_of(Field::Payload), f),
            BadRequest::Result(problem) => bad_json(problem, &name_of(Field::Result), f),
            BadRequest::TaskId(problem) => fmt::Display::fmt(problem, f),
        }
    }
}

impl From<BadName> for BadRequest {
    fn from(problem: BadName) -> BadRequest {
        BadRequest::Name(problem)
    }
}

fn bad_json(problem: &BadJson, word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match problem {
        BadJson::TooLarge { .. } => write!(f, "{word} is {problem}"),
        BadJson::NotAnObject { .. } | BadJson::TooDeep | BadJson::NotTaken { .. } | BadJson::Malformed { .. } => {
            write!(f, "invalid {word}: {problem}")
        }
    }
}
