//! The queue's interface to a filesystem: seventeen operations on files in directories.
//!
//! The trait is the seam between the protocol and the world. Its reference implementation is [`mem::MemStore`]; the
//! conformance suite (feature `conformance`) tests any implementation. There are no paths of an operating system here
//! and no handles, so that an engine with ordered keys and a compare-and-swap can stand behind it, too. One that is far
//! away has [`fused`] operations, which take several of these in one trip.
//!
//! Every implementation guarantees:
//! - an operation has taken effect for everybody when it returns, and is atomic for every reader;
//! - a lost race is an outcome ([`Moved::Gone`], [`Created::Taken`]), an `Err` means that the medium failed;
//! - nothing is followed out of the root: no symbolic link, no `..`;
//! - it works under many concurrent writers, none of which it can see.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::limits;
use crate::path::{Dir, Path};
use crate::sorted;
use crate::time::Timestamp;

pub mod by_calls;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod fused;
pub mod mem;

/// A directory tree that many agents change at once.
pub trait Store {
    /// Makes a file with this content, which is durable when the call returns; the name is after [`Store::sync_dir`].
    /// An empty file costs no sync, so on a filesystem without a journal its name may be gone after a power cut.
    ///
    /// If the machine or the agent dies in the middle, the file may be there with only the first part of its content.
    /// If the call fails, the file is removed again as far as that is possible.
    fn create(&self, path: &Path, content: &[u8]) -> Result<Created, StoreError>;

    /// As [`Store::create`], but the content is durable only after [`Store::flush`].
    fn create_unflushed(&self, path: &Path, content: &[u8]) -> Result<Created, StoreError> {
        self.create(path, content)
    }

    /// Makes many files, each as [`Store::create`] does. Their names are durable, too, when the call returns. After an
    /// error some may exist, and none is known to be durable. A medium may have a quicker way than one after the other.
    fn create_all(&self, files: &[(Path, Vec<u8>)]) -> Result<Vec<Created>, StoreError> {
        create_one_by_one(self, files)
    }

    /// Appends to a file, atomically with respect to concurrent appends; durable after [`Store::flush`]. The file must
    /// exist: none is made. [`Appended::Full`] if it would then hold more than `most` bytes; concurrent appends may
    /// exceed that.
    ///
    /// If the machine or the agent dies in the middle, or the call fails, only the first part of `line` may be there,
    /// or as many other bytes in its place. So every caller begins its text with a line break.
    fn append(&self, path: &Path, line: &[u8], most: usize) -> Result<Appended, StoreError>;

    /// Gives a file a second name, which must be free.
    fn link(&self, from: &Path, to: &Path) -> Result<Linked, StoreError>;

    /// Renames a file: the compare-and-swap. If several agents rename the same name, exactly one gets [`Moved::Here`].
    ///
    /// `to` must be a name that no file ever had. On an existing name the outcome is not defined: POSIX replaces it,
    /// and does nothing at all when both names are links to one file.
    fn rename(&self, from: &Path, to: &Path) -> Result<Moved, StoreError>;

    /// The content of a file, cut after `max_bytes`; `None` if there is no such file.
    fn read(&self, path: &Path, max_bytes: usize) -> Result<Option<Vec<u8>>, StoreError>;

    /// The first line of a file, with its end, cut after `max_bytes`; `None` if there is no such file.
    fn first_line(&self, path: &Path, max_bytes: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let mut content = self.read(path, max_bytes)?;
        content.iter_mut().for_each(cut_after_first_line);
        Ok(content)
    }

    /// How many names the file has, in all directories and outside of the queue too; `None` if there is no such file.
    ///
    /// For `doctor --repair` it proves that a record has no entry. A look through several directories proves nothing,
    /// since a task may move from one not yet read to one already read.
    fn links(&self, path: &Path) -> Result<Option<u64>, StoreError>;

    /// True if there is such a name in the directory.
    fn exists(&self, path: &Path) -> Result<bool, StoreError>;

    /// The names in a directory, in any order; `None` if there is no such directory.
    ///
    /// A name that exists during the whole call is in the answer. A name that is added or removed during the call may
    /// be missing, and so may a file that is renamed within this directory. Names that are not UTF-8 are left out.
    fn list(&self, dir: &Dir) -> Result<Option<Vec<String>>, StoreError>;

    /// A value that changes whenever a name is added to or removed from the directory (its modification time); `None`
    /// if there is no such directory. If something else has the name, a store may fail: the queue makes no symbolic
    /// links.
    ///
    /// Two changes within [`crate::limits::STAMP_GRAIN_MICROS`] may leave the same stamp.
    fn stamp(&self, dir: &Dir) -> Result<Option<Stamp>, StoreError>;

    /// Removes a name.
    fn remove(&self, path: &Path) -> Result<Removed, StoreError>;

    /// Makes a directory, whose parent must be there.
    fn make_dir(&self, dir: &Dir) -> Result<Made, StoreError>;

    /// Removes a directory if it is empty.
    fn remove_dir(&self, dir: &Dir) -> Result<DirRemoved, StoreError>;

    /// Makes a file's content durable. If the medium orders names, this also covers the file's own names, and the
    /// removal of older ones. A store that makes nothing durable always returns [`Flushed::Now`].
    fn flush(&self, path: &Path) -> Result<Flushed, StoreError>;

    /// True if a name is never durable before earlier links, removals and flushes. Then one [`Store::flush`] of a file
    /// after its rename does the work of a flush before and a [`Store::sync_dir`] after it. `None`: this agent does not
    /// know, and others may rely on it.
    fn orders_names(&self) -> Option<bool> {
        None
    }

    /// Makes the names in a directory durable. If the directory is gone, this syncs the nearest existing one above it:
    /// with the removal, an ordered journal has written the earlier content.
    fn sync_dir(&self, dir: &Dir) -> Result<(), StoreError>;

    /// The operations that take several of these in one trip, if the medium has them.
    fn fused(&self) -> Option<&dyn fused::Fused> {
        None
    }
}

/// Leaves of a content what is up to the end of its first line.
pub fn cut_after_first_line(content: &mut Vec<u8>) {
    if let Some(end) = content.iter().position(|byte| *byte == b'\n') {
        content.truncate(end + 1);
    }
}

/// [`Store::create_all`] for a medium that has no quicker way.
pub fn create_one_by_one<S: Store + ?Sized>(store: &S, files: &[(Path, Vec<u8>)]) -> Result<Vec<Created>, StoreError> {
    let mut created = Vec::new();
    for (path, content) in files {
        created.push(store.create(path, content)?);
    }
    for dir in sorted::set(files.iter().map(|(path, _)| &path.dir)) {
        store.sync_dir(dir)?;
    }
    Ok(created)
}

/// The outcome of making a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Created {
    /// It is there now.
    Now,
    /// The name was taken; nothing changed.
    Taken,
    /// There is no such directory.
    NoDir,
}

/// The outcome of adding to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Appended {
    /// The text is at the end of the file now. The value is the number of the file's names; 0 if unknown.
    Now(u64),
    /// There is no such file (any more).
    Gone,
    /// The file would hold more than it may; nothing changed.
    Full,
    /// The medium cannot append atomically; nothing changed.
    Unable,
}

/// The outcome of making a file's content durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flushed {
    /// It is.
    Now,
    /// There is no such file (any more).
    Gone,
}

/// The outcome of linking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Linked {
    /// The new name is there now.
    Now,
    /// The name was taken; nothing changed.
    Taken,
    /// There is no such file, or no such directory to link into.
    Gone,
}

/// The outcome of renaming.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moved {
    /// The file now has the new name, and this call gave it.
    Here,
    /// There is no such file (any more), or no such directory to move it into.
    Gone,
}

/// The outcome of removing a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Removed {
    /// This call removed it.
    Now,
    /// There is no such file (any more).
    Gone,
}

/// The outcome of making a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Made {
    /// It is there now.
    Now,
    /// It was there before.
    Taken,
    /// There is no directory to make it in.
    NoParent,
}

/// The outcome of removing a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DirRemoved {
    /// This call removed it.
    Now,
    /// It is not empty, and is left alone.
    NotEmpty,
    /// There is no such directory (any more).
    Gone,
}

/// When a directory last changed, by the medium's own clock, in whole seconds and nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    seconds: u64,
    nanos: u32,
}

impl Stamp {
    /// The stamp of a time.
    pub fn from_parts(seconds: u64, nanos: u32) -> Stamp {
        Stamp { seconds, nanos }
    }

    /// True if the directory may change once more without getting another stamp: two changes in quick succession can
    /// leave one, so a stamp that is young says nothing.
    pub fn is_young(self, now: Timestamp) -> bool {
        self.micros().saturating_add(limits::STAMP_GRAIN_MICROS) > now.micros()
    }

    /// Whole microseconds since 1970.
    pub fn micros(self) -> u64 {
        self.seconds.saturating_mul(1_000_000).saturating_add(u64::from(self.nanos) / 1_000)
    }
}

/// The medium failed. The change may or may not have happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoreError {
    /// The failed operation: "create", "rename" and so on.
    pub operation: &'static str,
    /// On which name, relative to the root.
    pub path: String,
    /// The kind of error, as far as programs can distinguish it.
    pub kind: StoreErrorKind,
    /// The medium's own words.
    pub detail: String,
}

/// The kinds of errors of a medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StoreErrorKind {
    /// The directory or its filesystem may not be written.
    ReadOnly,
    /// This user or this sandbox may not read the directory.
    Denied,
    /// The disk, or a quota on it, is full.
    Full,
    /// A name of the queue is taken by something of another type: a file where a directory belongs, a symbolic link.
    WrongType,
    /// This process, or the whole system, may open no more files.
    TooManyOpen,
    /// The store is on an engine, which cannot be reached, or refuses what it is asked. Nothing was changed. The detail
    /// says what to do.
    EngineRefused,
    /// The store is on an engine, which went away in the middle. What it was asked may have taken effect, or may do so
    /// later.
    EngineLost,
    /// Anything else.
    Other,
}

impl StoreError {
    /// True if only one name is at fault: it is skipped, and the rest goes on. False if this agent can do nothing at
    /// all for now.
    pub fn is_of_one_place(&self) -> bool {
        match self.kind {
            StoreErrorKind::Denied | StoreErrorKind::WrongType => !self.path.is_empty(),
            // Of a directory or a file right below the root: then it is the medium.
            StoreErrorKind::Other => self.path.contains('/'),
            StoreErrorKind::ReadOnly
            | StoreErrorKind::Full
            | StoreErrorKind::TooManyOpen
            | StoreErrorKind::EngineRefused
            | StoreErrorKind::EngineLost => false,
        }
    }

    /// Of a flush that failed: true if what was written may be lost, false if this agent could not even begin.
    pub(crate) fn may_be_of_a_lost_write(&self) -> bool {
        matches!(self.kind, StoreErrorKind::Other | StoreErrorKind::Full | StoreErrorKind::EngineLost)
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let advice = match self.kind {
            StoreErrorKind::ReadOnly => {
                "; the coordination directory is read-only here: make it writable, or grant it for writing"
            }
            StoreErrorKind::Denied => "; give this user access to the coordination directory",
            StoreErrorKind::Full => "; free some space and try again",
            StoreErrorKind::WrongType => "; move what is in the way to another place",
            StoreErrorKind::TooManyOpen => "; raise the limit on open files (`ulimit -n`)",
            StoreErrorKind::Other | StoreErrorKind::EngineRefused | StoreErrorKind::EngineLost => "",
        };
        let path = match (self.path.as_str(), self.kind) {
            ("", StoreErrorKind::EngineRefused | StoreErrorKind::EngineLost) => "the queue",
            ("", _) => "the coordination directory",
            (path, _) => path,
        };
        write!(f, "cannot {} {path}: {}{advice}", self.operation, self.detail)
    }
}

impl core::error::Error for StoreError {}
