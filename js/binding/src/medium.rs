//! What a queue's files are in: a directory, or an engine.

use std::rc::Rc;

use coord_core::layout::{Dir, Path};
use coord_core::name::Nonce;
use coord_core::store::fused::Fused;
use coord_core::store::{
    Appended, Created, DirRemoved, Flushed, Linked, Made, Moved, Removed, Stamp, Store, StoreError,
};
use coord_core::time::Clock;
use coord_core::{Timestamp, Turn};
use coord_sql::SqlStore;

use crate::engine::Client;
use crate::host::HostStore;

/// What a queue's files are in, with its clock and its random bits.
#[derive(Clone)]
pub(crate) enum Medium {
    Directory(Rc<HostStore>),
    Engine(SqlStore<Client>),
}

impl Medium {
    /// A clock and fresh nonces for an operation, at the price of one random number.
    pub(crate) fn turn(&self) -> Turn<'_> {
        let bits = match self {
            Medium::Directory(host) => host.0.nonce(),
            Medium::Engine(store) => store.server().nonce(),
        };
        Turn::new(self, Nonce::from_bits(bits))
    }

    /// What asks the engine, if it is one.
    pub(crate) fn client(&self) -> Option<&Client> {
        match self {
            Medium::Directory(_) => None,
            Medium::Engine(store) => Some(store.server()),
        }
    }

    fn store(&self) -> &dyn Store {
        match self {
            Medium::Directory(host) => &**host,
            Medium::Engine(store) => store,
        }
    }
}

impl Clock for Medium {
    fn now(&self) -> Timestamp {
        match self {
            Medium::Directory(host) => host.now(),
            Medium::Engine(store) => store.server().now(),
        }
    }
}

impl Store for Medium {
    fn create(&self, path: &Path, content: &[u8]) -> Result<Created, StoreError> {
        self.store().create(path, content)
    }

    fn create_unflushed(&self, path: &Path, content: &[u8]) -> Result<Created, StoreError> {
        self.store().create_unflushed(path, content)
    }

    fn create_all(&self, files: &[(Path, Vec<u8>)]) -> Result<Vec<Created>, StoreError> {
        self.store().create_all(files)
    }

    fn append(&self, path: &Path, line: &[u8], most: usize) -> Result<Appended, StoreError> {
        self.store().append(path, line, most)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<Linked, StoreError> {
        self.store().link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<Moved, StoreError> {
        self.store().rename(from, to)
    }

    fn read(&self, path: &Path, max_bytes: usize) -> Result<Option<Vec<u8>>, StoreError> {
        self.store().read(path, max_bytes)
    }

    fn first_line(&self, path: &Path, max_bytes: usize) -> Result<Option<Vec<u8>>, StoreError> {
        self.store().first_line(path, max_bytes)
    }

    fn links(&self, path: &Path) -> Result<Option<u64>, StoreError> {
        self.store().links(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, StoreError> {
        self.store().exists(path)
    }

    fn list(&self, dir: &Dir) -> Result<Option<Vec<String>>, StoreError> {
        self.store().list(dir)
    }

    fn stamp(&self, dir: &Dir) -> Result<Option<Stamp>, StoreError> {
        self.store().stamp(dir)
    }

    fn remove(&self, path: &Path) -> Result<Removed, StoreError> {
        self.store().remove(path)
    }

    fn make_dir(&self, dir: &Dir) -> Result<Made, StoreError> {
        self.store().make_dir(dir)
    }

    fn remove_dir(&self, dir: &Dir) -> Result<DirRemoved, StoreError> {
        self.store().remove_dir(dir)
    }

    fn flush(&self, path: &Path) -> Result<Flushed, StoreError> {
        self.store().flush(path)
    }

    fn orders_names(&self) -> Option<bool> {
        self.store().orders_names()
    }

    fn sync_dir(&self, dir: &Dir) -> Result<(), StoreError> {
        self.store().sync_dir(dir)
    }

    fn fused(&self) -> Option<&dyn Fused> {
        self.store().fused()
    }
}
