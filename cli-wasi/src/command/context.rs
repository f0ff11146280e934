//! What every command gets: the queue that was granted, the clock and fresh nonces, the time that has passed, and where
//! to print.

use std::time::Duration;

use coord_core::{Error, Queue, Turn};
use coord_store::Sync;

use crate::host;
use crate::medium::{self, QueueStore};
use crate::output::{Failure, Printer};

/// What a command gets beside its arguments.
pub(super) struct Context<'a> {
    /// Where and how to print.
    pub(super) printer: Printer<'a>,
    /// The text of `MUSE_COORD_SYNC`.
    pub(super) sync: Option<String>,
}

/// A queue, and what people call the place where it is.
pub(super) struct OpenQueue {
    pub(super) queue: Queue<QueueStore>,
    pub(super) place: String,
}

impl Context<'_> {
    /// Opens the queue: only once all values have been checked.
    pub(super) fn open(&self) -> Result<OpenQueue, Failure> {
        self.open_by(Queue::open)
    }

    /// Opens a queue of which parts may be missing.
    pub(super) fn open_for_doctor(&self) -> Result<OpenQueue, Failure> {
        self.open_by(Queue::open_for_doctor)
    }

    fn open_by(&self, open: fn(QueueStore) -> Result<Queue<QueueStore>, Error>) -> Result<OpenQueue, Failure> {
        let (store, place) = medium::open(self.sync()?)?.ok_or_else(no_repository)?;
        Ok(OpenQueue { queue: open(store)?, place })
    }

    /// What `MUSE_COORD_SYNC` says.
    pub(super) fn sync(&self) -> Result<Sync, Failure> {
        match self.sync.as_deref() {
            None | Some("on") => Ok(Sync::On),
            Some("posix") => Ok(Sync::Posix),
            Some("off") => Ok(Sync::Off),
            Some(other) => Err(Failure::bad_args(format!("MUSE_COORD_SYNC must be on, posix or off, not {other:?}"))),
        }
    }

    /// The time since the command was started.
    pub(super) fn elapsed(&self) -> Duration {
        self.printer.stopwatch.elapsed()
    }
}

/// The clock and fresh nonces for what a command does.
pub(super) fn turn() -> Result<Turn<'static>, Failure> {
    host::turn().ok_or_else(|| Failure::new("io_error", "the host gives no random numbers; nothing was changed"))
}

fn no_repository() -> Failure {
    Failure {
        error: "fatal: not a muse repository (or any parent up to mount point /)".to_string(),
        status: "not_a_repository",
        standing: None,
        hint: Some(
            "run `muse coord init` in the repository, or set MUSE_REPO_ROOT to a directory that holds .muse/; \
             under wasmtime, grant it with --dir .muse/coordination",
        ),
        exit_code: 2,
    }
}
