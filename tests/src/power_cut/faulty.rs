//! The product's own store, and what a red control does wrong. The mistake is here, and nowhere in the product.

use std::fs::File;
use std::io;
use std::path::{Path as SystemPath, PathBuf};

use coord_core::layout::{self, Dir, Path, StateDir};
use coord_core::store::{
    Appended, Created, DirRemoved, Flushed, Linked, Made, Moved, Removed, Stamp, Store, StoreError, StoreErrorKind,
};
use coord_store::{DirStore, Handle, Sync};

/// What a red control does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Mistake {
    /// Nothing is synced at all.
    NoSync,
    /// An end without a report is not flushed.
    ForgottenEnd,
    /// An end without a report is flushed by `fdatasync`, which leaves its rename out.
    DataOnly,
}

impl Mistake {
    /// All of them.
    pub(super) const ALL: [Mistake; 3] = [Mistake::NoSync, Mistake::ForgottenEnd, Mistake::DataOnly];

    /// What it is, for people. Also its word on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Mistake::NoSync => "no-sync",
            Mistake::ForgottenEnd => "forgotten-end",
            Mistake::DataOnly => "data-only",
        }
    }
}

/// A store that is the product's, but for the mistake.
pub(super) struct Faulty {
    store: DirStore,
    directory: PathBuf,
    mistake: Option<Mistake>,
}

impl Faulty {
    pub(super) fn open(directory: &SystemPath, posix: bool, mistake: Option<Mistake>) -> io::Result<Faulty> {
        let sync = match mistake {
            Some(Mistake::NoSync) => Sync::Off,
            _ if posix => Sync::Posix,
            _ => Sync::On,
        };
        let store = DirStore::new(Handle::open(directory)?, sync);
        Ok(Faulty { store, directory: directory.to_owned(), mistake })
    }

    /// As [`Store::flush`], but by `fdatasync`.
    fn flush_data(&self, path: &Path) -> Result<Flushed, StoreError> {
        match File::open(self.directory.join(path.to_string())).and_then(|file| file.sync_data()) {
            Ok(()) => Ok(Flushed::Now),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Flushed::Gone),
            Err(error) => {
                let (kind, detail) = (StoreErrorKind::Other, error.to_string());
                Err(StoreError { operation: "sync", path: path.to_string(), kind, detail })
            }
        }
    }
}

impl Store for Faulty {
    /// An end with a report is flushed in `claimed/`, before it comes to `done/`.
    fn flush(&self, path: &Path) -> Result<Flushed, StoreError> {
        match self.mistake {
            Some(Mistake::DataOnly) if is_of_ends(&path.dir) => self.flush_data(path),
            Some(Mistake::ForgottenEnd) if is_of_ends(&path.dir) => Ok(Flushed::Now),
            _ => self.store.flush(path),
        }
    }

    /// Where the store goes by POSIX, this is what keeps an end.
    fn sync_dir(&self, dir: &Dir) -> Result<(), StoreError> {
        match self.mistake {
            Some(Mistake::ForgottenEnd) if is_of_ends(dir) => Ok(()),
            _ => self.store.sync_dir(dir),
        }
    }

    fn create(&self, path: &Path, content: &[u8]) -> Result<Created, StoreError> {
        self.store.create(path, content)
    }

    fn create_unflushed(&self, path: &Path, content: &[u8]) -> Result<Created, StoreError> {
        self.store.create_unflushed(path, content)
    }

    fn create_all(&self, files: &[(Path, Vec<u8>)]) -> Result<Vec<Created>, StoreError> {
        self.store.create_all(files)
    }

    fn append(&self, path: &Path, line: &[u8], most: usize) -> Result<Appended, StoreError> {
        self.store.append(path, line, most)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<Linked, StoreError> {
        self.store.link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<Moved, StoreError> {
        self.store.rename(from, to)
    }

    fn read(&self, path: &Path, max_bytes: usize) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.read(path, max_bytes)
    }

    fn first_line(&self, path: &Path, max_bytes: usize) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.first_line(path, max_bytes)
    }

    fn links(&self, path: &Path) -> Result<Option<u64>, StoreError> {
        self.store.links(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, StoreError> {
        self.store.exists(path)
    }

    fn list(&self, dir: &Dir) -> Result<Option<Vec<String>>, StoreError> {
        self.store.list(dir)
    }

    fn stamp(&self, dir: &Dir) -> Result<Option<Stamp>, StoreError> {
        self.store.stamp(dir)
    }

    fn remove(&self, path: &Path) -> Result<Removed, StoreError> {
        self.store.remove(path)
    }

    fn make_dir(&self, dir: &Dir) -> Result<Made, StoreError> {
        self.store.make_dir(dir)
    }

    fn remove_dir(&self, dir: &Dir) -> Result<DirRemoved, StoreError> {
        self.store.remove_dir(dir)
    }

    fn orders_names(&self) -> Option<bool> {
        self.store.orders_names()
    }
}

fn is_of_ends(dir: &Dir) -> bool {
    dir.is_below(&layout::state_dir(StateDir::Done))
}
