//! The errors of the queue's operations.

use alloc::string::{String, ToString};
use core::fmt;

use crate::id::TaskId;
use crate::limits;
use crate::refusal::Refusal;
use crate::status::Status;
use crate::store::{StoreError, StoreErrorKind};
use crate::task::BadRecord;

/// Why an operation failed. Unless a variant says otherwise, nothing changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No task has this id.
    NotFound {
        /// The id that was looked for.
        id: TaskId,
    },
    /// A parent of the new task does not exist.
    NoParent {
        /// The id that was looked for.
        id: TaskId,
    },
    /// Another live task has the unique key of a task to be retried.
    KeyTaken {
        /// The task.
        id: TaskId,
        /// How it ended.
        status: Status,
        /// The task that has its key.
        by: TaskId,
    },
    /// A task to be retried waits for a parent that did not complete.
    WaitsInVain {
        /// The task.
        id: TaskId,
        /// The parent.
        parent: TaskId,
        /// The parent's end: "failed", "removed" and so on.
        became: &'static str,
    },
    /// The state of the task does not allow it.
    Refused {
        /// The task.
        id: TaskId,
        /// Why.
        refusal: Refusal,
        /// The run id of the holder that the refusal names.
        who: Option<String>,
    },
    /// The task's record is torn or was altered.
    Corrupt {
        /// The task.
        id: TaskId,
        /// The defect.
        problem: BadRecord,
    },
    /// The record cannot be written as JSON.
    Unencodable(BadRecord),
    /// The directory follows a protocol that this version does not know.
    UnsupportedFormat {
        /// The content of `format.json`, shortened.
        found: String,
    },
    /// The directory uses something that this version does not know. Nothing in it was changed.
    UnsupportedFeature {
        /// The feature that `format.json` lists, shortened.
        feature: String,
    },
    /// `format.json` does not say which protocol the directory follows.
    NoFormat {
        /// Its content, shortened.
        found: String,
    },
    /// The directory was granted as the queue's, but holds something else.
    NotAQueue {
        /// One of the names in it that no queue has.
        found: String,
    },
    /// The task's report file is full. Nothing changed.
    TooMuchReported {
        /// The task.
        id: TaskId,
    },
    /// This agent lost every race for a change, because too many others changed the same thing. Nothing changed.
    Contended,
    /// The medium failed before anything was changed that was asked for.
    Store(StoreError),
    /// The medium failed during the change, or before it was durable: it may have taken effect or not. An end or a
    /// heartbeat can be repeated safely. A repeated claim, or a repeated enqueue without a unique key, may happen
    /// twice.
    Unknown(StoreError),
}

/// The stable words for programs, all there are: those of [`Error::code`], of [`crate::request::BadRequest::code`], and
/// of what a face finds wrong by itself. `status` in JSON, and the error's name on every other face.
pub const CODES: [&str; 16] = [
    "bad_args",
    "bad_payload",
    "bad_queue",
    "bad_task_id",
    "not_found",
    "not_claimed",
    "wrong_owner",
    "lease_lost",
    "already_terminal",
    "not_terminal",
    "key_taken",
    "not_a_repository",
    "unsupported_format",
    "io_error",
    "unknown",
    "error",
];

impl Error {
    /// The same for a call that makes the change that was asked for: unless the medium has refused it, it may have
    /// taken effect.
    pub(crate) fn of_the_change(self) -> Error {
        match self {
            Error::Store(error) if matches!(error.kind, StoreErrorKind::Other | StoreErrorKind::EngineLost) => {
                Error::Unknown(error)
            }
            error => error,
        }
    }

    /// The same for a call that comes after the change.
    pub(crate) fn after_the_change(self) -> Error {
        match self {
            Error::Store(error) => Error::Unknown(error),
            error @ (Error::Contended | Error::Corrupt { .. }) => {
                let (operation, detail) = ("finish the change", error.to_string());
                Error::Unknown(StoreError { operation, path: String::new(), kind: StoreErrorKind::Other, detail })
            }
            error => error,
        }
    }

    /// The task's status, if that is the reason for the error.
    pub fn task_status(&self) -> Option<Status> {
        match self {
            Error::Refused { refusal, .. } => refusal.task_status(),
            Error::KeyTaken { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// One of [`CODES`].
    pub fn code(&self) -> &'static str {
        match self {
            Error::NotFound { .. } | Error::NoParent { .. } => "not_found",
            Error::KeyTaken { .. } => "key_taken",
            Error::Refused { refusal, .. } => refusal.code(),
            Error::UnsupportedFormat { .. } | Error::UnsupportedFeature { .. } | Error::NoFormat { .. } => {
                "unsupported_format"
            }
            Error::Store(_) => "io_error",
            Error::Unknown(_) => "unknown",
            Error::WaitsInVain { .. }
            | Error::Corrupt { .. }
            | Error::Unencodable(_)
            | Error::NotAQueue { .. }
            | Error::TooMuchReported { .. }
            | Error::Contended => "error",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotFound { id } => {
                write!(f, "no task {id} in this queue directory: `muse coord tasks` lists the tasks")
            }
            Error::NoParent { id } => {
                write!(f, "no task {id} to wait for: enqueue it first; nothing was enqueued")
            }
            Error::KeyTaken { id, by, .. } => {
                write!(f, "task {id}: task {by}, which has not ended, has the same unique key; nothing was changed")
            }
            Error::WaitsInVain { id, parent, became: "removed" } => write!(
                f,
                "task {id}: it waits for {parent}, which was removed: put it back without waiting (retry --now); \
                 nothing was changed"
            ),
            Error::WaitsInVain { id, parent, became } => write!(
                f,
                "task {id}: it waits for {parent}, which was {became}: put that one back first (retry --cascade does \
                 both), or this one without waiting (retry --now); nothing was changed"
            ),
            Error::Refused { id, refusal, who } => {
                write!(f, "task {id}: ")?;
                refusal.describe(f, who)
            }
            Error::Corrupt { id, problem } => {
                write!(f, "task {id}: its record {} is {problem}; nothing was changed", crate::layout::record(*id))
            }
            Error::Unencodable(problem) => write!(f, "the record to write is {problem}"),
            Error::UnsupportedFormat { found } => {
                let ours = crate::layout::FORMAT;
                write!(f, "this directory has format {found}, and this version of muse reads format {ours}; ")?;
                match found.parse::<u32>() {
                    Ok(found) if found < ours => f.write_str(
                        "to move its tasks, run `muse coord export` with the version that made it, and `muse coord \
                         import` in another directory with this one",
                    ),
                    _ => f.write_str("use a newer muse for it"),
                }
            }
            Error::UnsupportedFeature { feature } => write!(
                f,
                "this directory uses {feature:?}, which this version does not know; use a version of muse that knows \
                 it. Nothing was changed"
            ),
            Error::NoFormat { found } => write!(
                f,
                "format.json names no format: it contains {found:?}, and this version writes {}; restore it. Nothing \
                 was changed",
                crate::layout::format_json()
            ),
            Error::NotAQueue { found } => write!(
                f,
                "this directory is not a queue: it has no format.json, but {found:?}; grant .muse/coordination itself"
            ),
            Error::TooMuchReported { id } => write!(
                f,
                "the report file of task {id} is full (max {most} bytes before the task ends, {all} in all, {line} per \
                 report); end the task with a short report (complete it without a result, fail it for good or cancel \
                 it), and enqueue the remaining work as a new task",
                most = limits::FILE_BYTES_BEFORE_THE_END,
                all = limits::FILE_BYTES,
                line = limits::LINE_OF_FILE_BYTES,
            ),
            Error::Contended => write!(f, "too many agents changed the same task at once; try again"),
            Error::Store(error) => fmt::Display::fmt(error, f),
            Error::Unknown(error) => {
                write!(f, "{error}; the change may have taken effect anyway: check with `muse coord tasks` or `show`")
            }
        }
    }
}

impl core::error::Error for Error {}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        Error::Store(error)
    }
}
