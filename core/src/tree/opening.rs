//! Whether a directory is a queue, and of which format; and how it becomes one.

use alloc::format;
use alloc::string::{String, ToString};
use core::cell::{Cell, RefCell};

use super::Tree;
use crate::error::Error;
use crate::layout::{self, TimedDir};
use crate::limits;
use crate::path::{Dir, Path};
use crate::spelling::shortened;
use crate::store::{Linked, Store, StoreError, StoreErrorKind};
use crate::time::Timestamp;
use crate::turn::Turn;

impl<S: Store> Tree<S> {
    /// The queue in `store`, which may be empty: then the first `enqueue` or `init` makes it a queue.
    ///
    /// Writes nothing. Fails with [`Error::UnsupportedFormat`] if the directory is of another format, with
    /// [`Error::UnsupportedFeature`] if it uses a feature that this version does not know, and with
    /// [`Error::NotAQueue`] if it holds other things than a queue.
    pub(crate) fn open(store: S) -> Result<Tree<S>, Error> {
        let formatted = is_formatted(&store)?;
        Ok(Tree { store, formatted: Cell::new(formatted), cache: RefCell::default(), ahead: RefCell::default() })
    }

    /// As [`Tree::open`], for a doctor: succeeds even if `format.json` is torn or unreadable. The doctor reports that
    /// as a defect, and [`crate::Queue::repair`] writes the file again. Do not use such a queue for anything else.
    pub(crate) fn open_for_doctor(store: S) -> Result<Tree<S>, Error> {
        let formatted = match is_formatted(&store) {
            Err(Error::NoFormat { .. }) => false,
            Err(Error::Store(error)) if error.is_of_one_place() && error.path == layout::format().to_string() => false,
            // Somebody's hand has renamed it: what is beside it is a queue's.
            Err(Error::NotAQueue { .. }) if holds_a_queue(&store)? => false,
            formatted => formatted?,
        };
        Ok(Tree { store, formatted: Cell::new(formatted), cache: RefCell::default(), ahead: RefCell::default() })
    }

    /// Makes the store a queue unless it is one already. True if this call did.
    pub(crate) fn init(&self, turn: &Turn<'_>) -> Result<bool, Error> {
        if self.formatted.get() {
            return Ok(false);
        }
        // Before the format, so that an agent that sees the format knows that these are on disk.
        self.make_all_dirs(layout::root_dirs())?;
        self.place_sweep_token(turn.now())?;
        let content = format!("{}\n", layout::format_json());
        self.publish(&layout::anchor(), content.as_bytes(), turn)?;
        let made = self.link(&layout::anchor(), &layout::format())? == Linked::Now;
        self.store.sync_dir(&Dir::root())?;
        self.formatted.set(true);
        Ok(made)
    }

    /// True if `format.json` has one name only, as it has in a copy of the directory.
    pub(crate) fn is_copy(&self) -> Result<bool, Error> {
        Ok(self.store.links(&layout::format())? == Some(1))
    }

    /// Makes a queue that came with a copy count as made here: gives `format.json` its second name again. True if this
    /// call did.
    pub(crate) fn adopt(&self) -> Result<bool, Error> {
        let (format, anchor) = (layout::format(), layout::anchor());
        if !self.is_copy()? {
            return Ok(false);
        }
        self.store.remove(&anchor)?;
        let adopted = self.link(&format, &anchor)? == Linked::Now;
        self.store.sync_dir(&Dir::root())?;
        Ok(adopted)
    }

    /// Fails if the queue that was opened has been removed since. For callers that poll: an empty queue and a removed
    /// one look the same.
    pub(crate) fn check_is_there(&self) -> Result<(), Error> {
        if self.formatted.get() && !self.store.exists(&layout::format())? {
            return Err(gone("read", &layout::format().to_string()));
        }
        Ok(())
    }

    /// Makes the token, where there is none.
    pub(crate) fn place_sweep_token(&self, now: Timestamp) -> Result<(), Error> {
        self.create(&layout::sweep_token(now), b"").map(|_| ())
    }

    /// True if a file says, as `format.json` does, that the queue is of this version's format; false if it says
    /// nothing, or cannot be read.
    pub(crate) fn says_format(&self, path: &Path) -> Result<bool, Error> {
        match self.store.read(path, limits::RECORD_BYTES) {
            Ok(Some(content)) => match check_format(&content) {
                Err(Error::NoFormat { .. }) => Ok(false),
                said => said.map(|()| true),
            },
            Ok(None) => Ok(false),
            Err(error) if error.is_of_one_place() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// False: it is empty, except harmless things.
fn is_formatted<S: Store>(store: &S) -> Result<bool, Error> {
    let content = match store.fused() {
        Some(fused) => fused.format(),
        None => store.read(&layout::format(), limits::RECORD_BYTES)?,
    };
    match &content {
        Some(content) => check_format(content)?,
        None => check_holds_nothing_else(store)?,
    }
    Ok(content.is_some())
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

/// Fails if the directory uses a feature that this version does not know. A value that is no list of names counts as
/// one, too: a version that does not understand it must not go on.
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

pub(crate) fn gone(operation: &'static str, path: &str) -> Error {
    let detail =
        "the coordination directory is gone; run the command where it is now, or create one with `muse coord init`";
    Error::Store(StoreError { operation, path: path.into(), kind: StoreErrorKind::Other, detail: detail.into() })
}
