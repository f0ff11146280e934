//! The operations: each reads names, decides, and renames. Generic over the [`Store`], so the same code runs on a
//! directory, in a sandbox, and under a checker that stops it between any two steps.
//!
//! All agents are equal and any may die anywhere: what an operation leaves half done is invisible, or finished by
//! whoever meets it. The rows of the crash matrix in `PROTOCOL.md` are cited as CM-1, CM-2 and so on.

mod agreement;
mod archive;
mod blocked;
mod budget;
mod cache;
mod changes;
mod claim;
mod doctor;
mod ends;
mod enqueue;
mod expire;
mod files;
mod find;
mod gc;
mod hosting;
mod list;
mod reports;
mod settings;
mod settle;
mod stats;
mod unfinished;
mod unique;
mod wait;
mod walk;
mod watch;

use alloc::format;
use alloc::string::{String, ToString};
use core::cell::{Cell, RefCell};

use crate::error::Error;
use crate::id::TaskId;
use crate::json::JsonObject;
use crate::layout::{self, Dir, TimedDir};
use crate::limits;
use crate::name::{self, ErrorMessage, Nonce};
use crate::spelling::shortened;
use crate::store::{Linked, Store};
use crate::time::Timestamp;

use cache::Cache;

pub use crate::finding::Finding;
pub use crate::status::Status;
pub use agreement::Disagreement;
pub use archive::{BadLine, ImportError, Imported};
pub use changes::{Change, TaskWatch};
pub use claim::{Claim, ClaimRequest, Claimed, Thoroughness};
pub use doctor::{Defect, Diagnosis, Leftovers, Medium, Note, Problem, Repair};
pub use ends::{EndStep, Until, Waited, WaitingEnd};
pub use enqueue::{Batch, Enqueued, NewTask, Plan, Start};
pub use expire::Sweep;
pub use gc::{Collected, Gc};
pub use hosting::Holding;
pub use list::{Counts, Cursor, Filter, Item, Listing, Matching, Shown, Sort, TaskList};
pub use reports::{Import, Report, ReportKind};
pub use settings::{Closed, Settings};
pub use settle::{CancelRequest, Cancelling, Completed, Failing, Progress, Released, Retried, Retrying};
pub use stats::{Percentiles, QueueStats, Stats};
pub use wait::{Notice, Step, WaitingClaim};
pub use watch::Watch;

/// A queue in a store.
#[derive(Debug)]
pub struct Queue<S> {
    store: S,
    formatted: Cell<bool>,
    cache: RefCell<Cache>,
}

impl<S: Store> Queue<S> {
    /// The queue in `store`, which may be empty: then the first `enqueue` or `init` makes it a queue.
    ///
    /// Writes nothing. Fails with [`Error::UnsupportedFormat`] if the directory is of another format, with
    /// [`Error::UnsupportedFeature`] if it uses a feature that this version does not know, and with
    /// [`Error::NotAQueue`] if it holds other things than a queue.
    pub fn open(store: S) -> Result<Queue<S>, Error> {
        let formatted = is_formatted(&store)?;
        Ok(Queue { store, formatted: Cell::new(formatted), cache: RefCell::default() })
    }

    /// As [`Queue::open`], for a doctor: also if `format.json` is torn, or cannot be read. It tells of that as a
    /// defect, and [`Queue::repair`] writes the file anew. For anything else such a queue is not to be used.
    pub fn open_for_doctor(store: S) -> Result<Queue<S>, Error> {
        let formatted = match is_formatted(&store) {
            Err(Error::NoFormat { .. }) => false,
            Err(Error::Store(error)) if error.is_of_one_place() && error.path == layout::format().to_string() => false,
            // Somebody's hand has renamed it: what is beside it is a queue's.
            Err(Error::NotAQueue { .. }) if holds_a_queue(&store)? => false,
            formatted => formatted?,
        };
        Ok(Queue { store, formatted: Cell::new(formatted), cache: RefCell::default() })
    }

    /// Makes the store a queue if it is none yet. True if this call did.
    pub fn init(&self, now: Timestamp, nonce: Nonce) -> Result<bool, Error> {
        if self.formatted.get() {
            return Ok(false);
        }
        // Before the format, so that whoever sees that knows that these are on disk.
        self.make_all_dirs(layout::root_dirs())?;
        self.place_sweep_token(now)?;
        let content = format!("{}\n", layout::format_json());
        self.publish(&layout::anchor(), content.as_bytes(), nonce)?;
        let made = self.link(&layout::anchor(), &layout::format())? == Linked::Now;
        self.store.sync_dir(&Dir::root())?;
        self.formatted.set(true);
        Ok(made)
    }

    /// True if `format.json` has one name only, as it has in a copy of the directory.
    pub fn is_copy(&self) -> Result<bool, Error> {
        Ok(self.store.links(&layout::format())? == Some(1))
    }

    /// Has a queue that came with a copy count as made here: `format.json` is given its second name again. True if this
    /// call did.
    pub fn adopt(&self) -> Result<bool, Error> {
        let (format, anchor) = (layout::format(), layout::anchor());
        if !self.is_copy()? {
            return Ok(false);
        }
        self.store.remove(&anchor)?;
        let adopted = self.link(&format, &anchor)? == Linked::Now;
        self.store.sync_dir(&Dir::root())?;
        Ok(adopted)
    }

    /// The store that the queue is in.
    pub fn store(&self) -> &S {
        &self.store
    }
}

/// What every answer about a claimed or ended task says of its claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRecord {
    /// The task.
    pub task_id: TaskId,
    /// Who holds it, held it, or called it off.
    pub claimer_run_id: String,
    /// When that began.
    pub claimed_at: Timestamp,
    /// When the lease ends or ended.
    pub expires_at: Timestamp,
    /// Where the task stands.
    pub status: Status,
    /// When the holder was last heard of.
    pub heartbeat_at: Timestamp,
    /// What tells this lease from any other.
    pub claim_nonce: Nonce,
    /// What the holder reported, if it completed the task.
    pub result: Option<JsonObject>,
    /// What the holder reported, if it failed the task.
    pub error: Option<ErrorMessage>,
    /// Why the task was called off, as the one who did says.
    pub reason: Option<name::Note>,
    /// Who asks the holder to stop, if somebody does.
    pub cancel_request: Option<CancelRequest>,
    /// When the task is tried again, if its holder failed and it has attempts left.
    pub scheduled_at: Option<Timestamp>,
    /// How many holders the task has had: the fencing token.
    pub generation: u32,
    /// How many attempts at the task have begun, but for those that were given back.
    pub attempt: u32,
}

/// False: it is empty, but for harmless things.
fn is_formatted<S: Store>(store: &S) -> Result<bool, Error> {
    let content = store.read(&layout::format(), limits::RECORD_BYTES)?;
    match &content {
        Some(content) => check_format(content)?,
        None => check_holds_nothing_else(store)?,
    }
    Ok(content.is_some())
}

/// True if a file says, as `format.json` does, that the queue is of this version's format; false if it says nothing, or
/// cannot be read.
fn says_format<S: Store>(store: &S, path: &layout::Path) -> Result<bool, Error> {
    match store.read(path, limits::RECORD_BYTES) {
        Ok(Some(content)) => match check_format(&content) {
            Err(Error::NoFormat { .. }) => Ok(false),
            said => said.map(|()| true),
        },
        Ok(None) => Ok(false),
        Err(error) if error.is_of_one_place() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// True if the directory holds records and the directories of those who made them.
fn holds_a_queue<S: Store>(store: &S) -> Result<bool, Error> {
    for dir in [layout::tasks(), layout::sweep(), TimedDir::ready()] {
        if store.list(&dir)?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn check_format(content: &[u8]) -> Result<(), Error> {
    let value: Option<serde_json::Value> = serde_json::from_slice(content).ok();
    match value.as_ref().and_then(|value| value.get("format")?.as_u64()) {
        Some(format) if format == u64::from(layout::FORMAT) => check_features(value.as_ref()),
        Some(format) => Err(Error::UnsupportedFormat { found: format.to_string() }),
        None => {
            let text = String::from_utf8_lossy(content);
            Err(Error::NoFormat { found: shortened(text.trim()) })
        }
    }
}

/// Fails if the directory uses something that this version does not know. What is no list of names tells of such a
/// thing, too: a version that does not know what it says must not go on.
fn check_features(format: Option<&serde_json::Value>) -> Result<(), Error> {
    let Some(listed) = format.and_then(|format| format.get("features")) else { return Ok(()) };
    let unknown = |feature: &&serde_json::Value| !layout::FEATURES.iter().any(|known| feature.as_str() == Some(known));
    let feature = match listed.as_array() {
        Some(features) => features.iter().find(unknown),
        None => Some(listed),
    };
    feature.map_or(Ok(()), |feature| {
        let text = feature.as_str().map_or_else(|| feature.to_string(), ToString::to_string);
        Err(Error::UnsupportedFeature { feature: shortened(&text) })
    })
}

/// Guards against a grant of the wrong directory, which a first `enqueue` would fill with the queue's own.
fn check_holds_nothing_else<S: Store>(store: &S) -> Result<(), Error> {
    let known = |name: &str| layout::ROOT_NAMES.contains(&name) || layout::HARMLESS_NAMES.contains(&name);
    let names = store.list(&Dir::root())?.unwrap_or_default();
    match names.into_iter().find(|name| !known(name)) {
        Some(found) => Err(Error::NotAQueue { found }),
        None => Ok(()),
    }
}
