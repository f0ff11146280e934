//! The operations: each reads names, decides, and renames. Generic over the [`Store`], so the same code runs on a
//! directory, in a sandbox, and under a checker that stops between any two steps.
//!
//! All agents are equal and any may die anywhere: what an operation leaves half done is invisible, or the next agent
//! that meets it finishes it. The rows of the crash matrix in `PROTOCOL.md` are cited as CM-1, CM-2 and so on.

mod advance;
mod agreement;
mod answers;
mod archive;
mod batch;
mod budget;
mod changes;
mod claim;
mod claim_record;
mod claim_request;
mod complete;
mod doctor;
mod ends;
mod enqueue;
mod filter;
mod gc;
mod hosting;
mod item;
mod list;
mod new_task;
mod put_back;
mod relink;
mod retry;
mod settings;
mod settle;
mod show;
mod stats;
mod sweep;
mod unique;
mod wait;

use alloc::vec::Vec;

use crate::error::Error;
use crate::id::TaskId;
use crate::store::Store;
use crate::task::Task;
use crate::time::Timestamp;
use crate::tree::Tree;
use crate::turn::Turn;

pub use crate::counts::Counts;
pub use crate::finding::Finding;
pub use crate::status::Status;
pub use crate::tree::{Import, Report, ReportKind, Watch};
pub use agreement::Disagreement;
pub use archive::{BadLine, ImportError, Imported};
pub use batch::Batch;
pub use changes::{Change, TaskWatch};
pub use claim::{Claim, Claimed, Thoroughness};
pub use claim_request::ClaimRequest;
pub use complete::Completed;
pub use doctor::{Defect, Diagnosis, Leftovers, Medium, Note, Problem, Repair};
pub use ends::{EndStep, Until, Waited, WaitingEnd};
pub use enqueue::Enqueued;
pub use filter::{Cursor, Filter, Sort};
pub use gc::Gc;
pub use hosting::{Holding, LeaseHint};
pub use item::Item;
pub use list::{Listing, Matching, TaskList};
pub use new_task::{NewTask, Plan, Start};
pub use retry::Retrying;
pub use settings::{Closed, Settings};
pub use settle::{Cancelling, Failing, Progress, Renewing};
pub use show::Shown;
pub use stats::{QueueStats, Stats};
pub use sweep::Sweep;
pub use wait::{Notice, Step, WaitingClaim};

/// A queue in a store, with what it remembers of it. A clone remembers the same, and from then on for itself.
#[derive(Clone, Debug)]
pub struct Queue<S> {
    tree: Tree<S>,
}

impl<S: Store> Queue<S> {
    /// The queue in `store`, which may be empty: then the first `enqueue` or `init` makes it a queue.
    ///
    /// Writes nothing. Fails with [`Error::UnsupportedFormat`] if the directory is of another format, with
    /// [`Error::UnsupportedFeature`] if it uses a feature that this version does not know, and with
    /// [`Error::NotAQueue`] if it holds other things than a queue.
    pub fn open(store: S) -> Result<Queue<S>, Error> {
        Ok(Queue { tree: Tree::open(store)? })
    }

    /// As [`Queue::open`], for a doctor: succeeds even if `format.json` is torn or unreadable. The doctor reports that
    /// as a defect, and [`Queue::repair`] writes the file again. Do not use such a queue for anything else.
    pub fn open_for_doctor(store: S) -> Result<Queue<S>, Error> {
        Ok(Queue { tree: Tree::open_for_doctor(store)? })
    }

    /// Makes the store a queue unless it is one already. True if this call did.
    pub fn init(&self, turn: &Turn<'_>) -> Result<bool, Error> {
        self.tree.init(turn)
    }

    /// True if `format.json` has one name only, as it has in a copy of the directory.
    pub fn is_copy(&self) -> Result<bool, Error> {
        self.tree.is_copy()
    }

    /// Makes a queue that came with a copy count as made here: gives `format.json` its second name again. True if this
    /// call did.
    pub fn adopt(&self) -> Result<bool, Error> {
        self.tree.adopt()
    }

    /// Fails if the queue that was opened has been removed since. For callers that poll: an empty queue and a removed
    /// one look the same.
    pub fn check_is_there(&self) -> Result<(), Error> {
        self.tree.check_is_there()
    }

    /// A task as it was enqueued; `None` if there is no such task.
    pub fn task(&self, id: TaskId) -> Result<Option<Task>, Error> {
        self.tree.task(id)
    }

    /// The files and directories that were in the way of operations, and were skipped, since the last call of this.
    pub fn take_findings(&self) -> Vec<Finding> {
        self.tree.take_findings()
    }

    /// True if there may be something new to claim since the last look, or if that look is a second ago. After a second
    /// a sweep may be due; and a filesystem whose stamps cannot be trusted then delays a task by a second at most.
    pub fn may_have_changed(&self, watch: &Watch, now: Timestamp) -> Result<bool, Error> {
        self.tree.may_have_changed(watch, now)
    }

    /// The store that the queue is in.
    pub fn store(&self) -> &S {
        self.tree.store()
    }
}
