//! The directory store: the one store that there is so far.
//!
//! A *store* is what the queue keeps its files in: core's trait [`Store`], seventeen operations such as create, link,
//! rename and list, whose meaning core's conformance suite tests (`coord_core::store::conformance`). This one keeps
//! them in a real directory, natively and as WebAssembly, and passes the suite on both.
//!
//! Guaranteed, beyond the trait:
//! - no call follows a path or a symbolic link out of the directory;
//! - unless [`Sync::Off`] is asked for, all that the trait calls durable survives a power cut;
//! - new files and directories get the mode of the coordination directory;
//! - a [`DirStore`] has at most about thirty descriptors open.
//!
//! Not guaranteed: order between machines. On a network filesystem, an operation is one step for all machines only if
//! that filesystem makes it one.
//!
//! This crate is the only code that touches the queue's files. What differs between platforms (the calls, and how they
//! fail) is a [`Handle`], chosen here once: `native.rs` uses `cap-std`, `wasi.rs` uses WASI descriptors.
//! `repository.rs` finds the directory, `trust.rs` decides whether to trust it, and `sleep.rs` waits for changes in it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use coord_core::layout::{Dir, Path};
use coord_core::store::{
    Appended, Created, DirRemoved, Flushed, Linked, Made, Moved, Removed, Stamp, Store, StoreError, create_one_by_one,
};

mod failure;
#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(not(target_family = "wasm"))]
pub mod process;
#[cfg(not(target_family = "wasm"))]
pub mod repository;
mod sleep;
#[cfg(not(target_family = "wasm"))]
mod trust;
#[cfg(target_family = "wasm")]
mod wasi;

use failure::{Failure, absent_is_none};
#[cfg(not(target_family = "wasm"))]
use native as platform;
#[cfg(target_family = "wasm")]
use wasi as platform;

#[cfg(not(target_family = "wasm"))]
pub use native::{orders_names, syncs_as_a_whole};
pub use platform::Handle;
pub use sleep::LightSleep;
#[cfg(target_family = "wasm")]
pub use wasi::{Grant, grants, words};

/// A directory as a store, for one thread. Threads that share a queue each open their own.
///
/// It holds the few directories open that are used most and never removed, and names everything else relative to them,
/// so that most operations are one call.
#[derive(Debug)]
pub struct DirStore {
    root: Rc<Handle>,
    sync: Sync,
    kept: RefCell<HashMap<Dir, Rc<Handle>>>,
    /// The directory that was listed or linked into last: what is taken out of it or put into it next need not be
    /// looked for from above.
    recent: RefCell<Option<(Dir, Rc<Handle>)>>,
}

/// The most that most files hold, in bytes: they are read by two calls.
const READ_AT_ONCE: usize = 8_192;

/// A host that syncs the whole filesystem when a component syncs the data of a directory says so by this variable.
/// Others need not, and WASI has no call for it.
pub const SYNCS_FILESYSTEM: &str = "MUSE_COORD_HOST_SYNCS_FILESYSTEM";

/// A host that knows whether the filesystem makes a name durable before what was done earlier says so by this
/// variable, 1 if it never does, 0 if it may: see `orders_names`.
pub const ORDERS_NAMES: &str = "MUSE_COORD_HOST_ORDERS_NAMES";

/// A host that opens a file which is there for writing at its end only, so that one call adds to it in one piece, says
/// so by this variable. WASI can add only through a stream, which may take several.
pub const APPENDS: &str = "MUSE_COORD_HOST_APPENDS";

/// A host that can tell who else may look into the directory says so by this variable, in words. WASI has no modes.
pub const OPEN_TO_OTHERS: &str = "MUSE_COORD_HOST_OPEN_TO_OTHERS";

/// So many files are not synced one by one where their whole filesystem can be.
const SYNCED_TOGETHER: usize = 64;

/// Whether what is written is made durable before an operation returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Files and directories are synced where the protocol says so, and by one flush where the filesystem is known to
    /// order names.
    On,
    /// As [`Sync::On`], but nothing is relied on that POSIX does not promise.
    Posix,
    /// Nothing is synced: after a power cut the queue may be gone. For throw-away queues and for measuring.
    Off,
}

impl DirStore {
    /// The store in an open directory.
    pub fn new(root: Handle, sync: Sync) -> DirStore {
        DirStore { root: Rc::new(root), sync, kept: RefCell::default(), recent: RefCell::default() }
    }

    /// The open directory to start from and the rest of the path; `None` if a directory on the way is missing.
    fn resolve(&self, dir: &Dir) -> Result<Option<(Rc<Handle>, String)>, StoreError> {
        if let Some(handle) = self.kept.borrow().get(dir) {
            return Ok(Some((handle.clone(), String::new())));
        }
        let Some((parent, name)) = dir.split() else { return Ok(Some((self.root.clone(), String::new()))) };
        if !dir.is_kept() {
            let resolved = self.resolve(&parent)?;
            return Ok(resolved.map(|(handle, path)| (handle, join(&path, name))));
        }
        let Some((above, path)) = self.resolve(&parent)? else { return Ok(None) };
        match above.open_dir(&join(&path, name)) {
            Ok(handle) => {
                let handle = Rc::new(handle);
                self.kept.borrow_mut().insert(dir.clone(), handle.clone());
                Ok(Some((handle, String::new())))
            }
            Err(Failure::NotFound) => Ok(None),
            Err(failure) => Err(failure.at("open", dir.as_str())),
        }
    }

    /// The open directory and the rest of the path for a file.
    fn resolve_file(&self, path: &Path) -> Result<Option<(Rc<Handle>, String)>, StoreError> {
        Ok(self.resolve(&path.dir)?.map(|(handle, dir)| (handle, join(&dir, &path.name))))
    }

    /// As [`DirStore::resolve_file`], but by the parent's path alone: the last component may be a directory to be made.
    fn resolve_dir_name(&self, dir: &Dir) -> Result<Option<(Rc<Handle>, String)>, StoreError> {
        let Some((parent, name)) = dir.split() else { return Ok(None) };
        Ok(self.resolve(&parent)?.map(|(handle, path)| (handle, join(&path, name))))
    }

    /// Opens a directory, and holds it open until this opens another.
    fn open_recent(&self, above: &Handle, path: &str, dir: &Dir) -> Result<Rc<Handle>, Failure> {
        let handle = Rc::new(above.open_dir(path)?);
        *self.recent.borrow_mut() = Some((dir.clone(), handle.clone()));
        Ok(handle)
    }

    /// A directory that is held open, as it was then: it may have been removed since, and made anew. So where it fails,
    /// its path is to be tried.
    fn recent(&self, dir: &Dir) -> Option<Rc<Handle>> {
        self.recent.borrow().as_ref().filter(|(recent, _)| recent == dir).map(|(_, handle)| handle.clone())
    }

    /// The names that come into a directory from now on.
    fn arrivals(&self, dir: &Dir) -> Result<platform::Arrivals, Failure> {
        match self.resolve(dir) {
            Ok(Some((handle, path))) => handle.arrivals(if path.is_empty() { "." } else { &path }),
            Ok(None) => Err(Failure::NotFound),
            Err(error) => Err(Failure::Other(error.kind, error.detail)),
        }
    }

    /// Removes a file that could not be written whole. Failing to is harmless: nothing points at it.
    fn discard_torn(handle: &Handle, name: &str, failure: Failure) -> Failure {
        match handle.remove(name) {
            Ok(()) | Err(_) => failure,
        }
    }

    fn create_with(&self, path: &Path, content: &[u8], sync: Sync) -> Result<Created, StoreError> {
        let Some((handle, name)) = self.resolve_file(path)? else { return Ok(Created::NoDir) };
        match handle.create(&name) {
            Ok(file) => match file.fill(content, sync) {
                Ok(()) => Ok(Created::Now),
                Err(failure) => Err(Self::discard_torn(&handle, &name, failure).at("write", &path.to_string())),
            },
            Err(Failure::Exists) => Ok(Created::Taken),
            Err(Failure::NotFound) => Ok(Created::NoDir),
            Err(failure) => Err(failure.at("create", &path.to_string())),
        }
    }
}

impl Store for DirStore {
    fn create(&self, path: &Path, content: &[u8]) -> Result<Created, StoreError> {
        // All that an empty file has is its name.
        let sync = if content.is_empty() { Sync::Off } else { self.sync };
        self.create_with(path, content, sync)
    }

    fn create_unflushed(&self, path: &Path, content: &[u8]) -> Result<Created, StoreError> {
        self.create_with(path, content, Sync::Off)
    }

    /// Few files are synced one by one: with its whole filesystem all that others have written lately is synced, too.
    fn create_all(&self, files: &[(Path, Vec<u8>)]) -> Result<Vec<Created>, StoreError> {
        let many = self.sync != Sync::Off && files.len() >= SYNCED_TOGETHER;
        // Opened before the first file is written: what fails on it from then on is told.
        let Some(filesystem) = many.then(|| self.root.filesystem()).flatten() else {
            return create_one_by_one(self, files);
        };
        let create = |(path, content): &(Path, Vec<u8>)| self.create_with(path, content, Sync::Off);
        let created = files.iter().map(create).collect::<Result<_, _>>()?;
        filesystem.sync().map_err(|failure| failure.at("sync the filesystem of", ""))?;
        Ok(created)
    }

    fn append(&self, path: &Path, line: &[u8], most: usize) -> Result<Appended, StoreError> {
        let Some((handle, name)) = self.resolve_file(path)? else { return Ok(Appended::Gone) };
        match handle.append(&name, line, most) {
            Err(Failure::NotFound) => Ok(Appended::Gone),
            appended => appended.map_err(|failure| failure.at("add to", &path.to_string())),
        }
    }

    fn link(&self, from: &Path, to: &Path) -> Result<Linked, StoreError> {
        let Some((source, name)) = self.resolve_file(from)? else { return Ok(Linked::Gone) };
        let linked = |target: &Handle| match source.link(&name, target, &to.name) {
            Ok(()) => Ok(Linked::Now),
            Err(Failure::Exists) => Ok(Linked::Taken),
            Err(Failure::NotFound) => Ok(Linked::Gone),
            Err(failure) => Err(failure.at("link", &to.to_string())),
        };
        if let Some(target) = self.recent(&to.dir)
            && let Ok(outcome @ (Linked::Now | Linked::Taken)) = linked(&target)
        {
            return Ok(outcome);
        }
        match self.resolve(&to.dir)? {
            None => Ok(Linked::Gone),
            Some((target, path)) if path.is_empty() => linked(&target),
            Some((above, path)) => match self.open_recent(&above, &path, &to.dir) {
                Ok(target) => linked(&target),
                Err(Failure::NotFound) => Ok(Linked::Gone),
                Err(failure) => Err(failure.at("open", to.dir.as_str())),
            },
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<Moved, StoreError> {
        let Some((target, new)) = self.resolve_file(to)? else { return Ok(Moved::Gone) };
        let renamed = |source: &Handle, old: &str| match source.rename(old, &target, &new) {
            Ok(()) => Ok(Moved::Here),
            Err(Failure::NotFound) => Ok(Moved::Gone),
            Err(failure) => Err(failure.at("rename", &from.to_string())),
        };
        if let Some(source) = self.recent(&from.dir)
            && renamed(&source, &from.name).is_ok_and(|moved| moved == Moved::Here)
        {
            return Ok(Moved::Here);
        }
        let Some((source, old)) = self.resolve_file(from)? else { return Ok(Moved::Gone) };
        renamed(&source, &old)
    }

    fn read(&self, path: &Path, max_bytes: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let Some((handle, name)) = self.resolve_file(path)? else { return Ok(None) };
        absent_is_none(handle.read(&name, max_bytes)).map_err(|failure| failure.at("read", &path.to_string()))
    }

    fn first_line(&self, path: &Path, max_bytes: usize) -> Result<Option<Vec<u8>>, StoreError> {
        // Most files are read just after their directory was listed.
        if let Some(recent) = self.recent(&path.dir)
            && let Ok(line) = recent.first_line(&path.name, max_bytes)
        {
            return Ok(Some(line));
        }
        let Some((handle, name)) = self.resolve_file(path)? else { return Ok(None) };
        absent_is_none(handle.first_line(&name, max_bytes)).map_err(|failure| failure.at("read", &path.to_string()))
    }

    fn links(&self, path: &Path) -> Result<Option<u64>, StoreError> {
        let Some((handle, name)) = self.resolve_file(path)? else { return Ok(None) };
        absent_is_none(handle.links(&name)).map_err(|failure| failure.at("look at", &path.to_string()))
    }

    fn exists(&self, path: &Path) -> Result<bool, StoreError> {
        let Some((handle, name)) = self.resolve_file(path)? else { return Ok(false) };
        let found = absent_is_none(handle.stat(&name)).map_err(|failure| failure.at("look at", &path.to_string()))?;
        Ok(found.is_some())
    }

    fn list(&self, dir: &Dir) -> Result<Option<Vec<String>>, StoreError> {
        let Some((handle, path)) = self.resolve(dir)? else { return Ok(None) };
        let names = match path.is_empty() {
            true => handle.list(),
            false => self.open_recent(&handle, &path, dir).and_then(|handle| handle.list()),
        };
        absent_is_none(names).map_err(|failure| failure.at("list", dir.as_str()))
    }

    fn stamp(&self, dir: &Dir) -> Result<Option<Stamp>, StoreError> {
        let Some((handle, path)) = self.resolve(dir)? else { return Ok(None) };
        absent_is_none(handle.stamp(if path.is_empty() { "." } else { &path }))
            .map_err(|failure| failure.at("look at", dir.as_str()))
    }

    fn remove(&self, path: &Path) -> Result<Removed, StoreError> {
        let Some((handle, name)) = self.resolve_file(path)? else { return Ok(Removed::Gone) };
        match handle.remove(&name) {
            Ok(()) => Ok(Removed::Now),
            Err(Failure::NotFound) => Ok(Removed::Gone),
            Err(failure) => Err(failure.at("remove", &path.to_string())),
        }
    }

    fn make_dir(&self, dir: &Dir) -> Result<Made, StoreError> {
        let Some((handle, name)) = self.resolve_dir_name(dir)? else { return Ok(Made::NoParent) };
        match handle.make_dir(&name) {
            Ok(()) => Ok(Made::Now),
            Err(Failure::Exists) => Ok(Made::Taken),
            Err(Failure::NotFound) => Ok(Made::NoParent),
            Err(failure) => Err(failure.at("make directory", dir.as_str())),
        }
    }

    fn remove_dir(&self, dir: &Dir) -> Result<DirRemoved, StoreError> {
        let Some((handle, name)) = self.resolve_dir_name(dir)? else { return Ok(DirRemoved::Gone) };
        match handle.remove_dir(&name) {
            Ok(()) => Ok(DirRemoved::Now),
            Err(Failure::NotEmpty | Failure::Exists) => Ok(DirRemoved::NotEmpty),
            Err(Failure::NotFound) => Ok(DirRemoved::Gone),
            Err(failure) => Err(failure.at("remove directory", dir.as_str())),
        }
    }

    fn flush(&self, path: &Path) -> Result<Flushed, StoreError> {
        if self.sync == Sync::Off {
            return Ok(Flushed::Now);
        }
        let Some((handle, name)) = self.resolve_file(path)? else { return Ok(Flushed::Gone) };
        match handle.flush(&name) {
            Ok(()) => Ok(Flushed::Now),
            Err(Failure::NotFound) => Ok(Flushed::Gone),
            Err(failure) => Err(failure.at("sync", &path.to_string())),
        }
    }

    /// With [`Sync::Posix`] the caller does not rely on it, but others may.
    fn orders_names(&self) -> Option<bool> {
        match self.sync {
            Sync::On => self.root.orders_names(),
            Sync::Posix => None,
            // Nothing has to be durable, so no flush is needed.
            Sync::Off => Some(false),
        }
    }

    fn sync_dir(&self, dir: &Dir) -> Result<(), StoreError> {
        if self.sync == Sync::Off {
            return Ok(());
        }
        let synced = match self.resolve(dir)? {
            None => Err(Failure::NotFound),
            Some((handle, path)) => handle.sync(if path.is_empty() { "." } else { &path }),
        };
        let synced = absent_is_none(synced).map_err(|failure| failure.at("sync", dir.as_str()))?;
        match (synced, dir.split()) {
            (None, Some((above, _))) => self.sync_dir(&above),
            _ => Ok(()),
        }
    }
}

fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_string() } else { format!("{dir}/{name}") }
}
