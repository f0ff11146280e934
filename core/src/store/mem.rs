//! A store in memory: what the eleven operations mean, as a program.
//!
//! It serves tests and simulators, and embedders who want the queue without a directory. It is for one thread; who
//! shares it between threads wraps it in a lock of their own.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell, RefMut};

use super::{Created, DirRemoved, Linked, Made, Moved, Removed, Stamp, Store, StoreError, StoreErrorKind};
use crate::layout::{Dir, Path};

/// Directories of names; a name leads to a content, which several names may share.
#[derive(Clone, Debug)]
pub struct MemStore {
    dirs: RefCell<BTreeMap<Dir, Names>>,
    /// Counts the changes of everything: a stamp of the whole store, which says no less than one of each directory.
    changes: Cell<u64>,
}

type Names = BTreeMap<String, Rc<[u8]>>;

impl MemStore {
    /// A store with nothing but its root.
    pub fn new() -> MemStore {
        MemStore { dirs: RefCell::new(BTreeMap::from([(Dir::root(), Names::new())])), changes: Cell::new(0) }
    }

    /// The directories, to be changed.
    fn dirs_mut(&self) -> RefMut<'_, BTreeMap<Dir, Names>> {
        self.changes.set(self.changes.get() + 1);
        self.dirs.borrow_mut()
    }

    /// All files, with their paths: for looking on in tests.
    pub fn files(&self) -> Vec<Path> {
        let dirs = self.dirs.borrow();
        dirs.iter().flat_map(|(dir, names)| names.keys().map(|name| dir.file(name.as_str()))).collect()
    }
}

impl Default for MemStore {
    fn default() -> MemStore {
        MemStore::new()
    }
}

impl Store for MemStore {
    fn create(&self, path: &Path, content: &[u8]) -> Result<Created, StoreError> {
        Ok(match self.dirs_mut().get_mut(&path.dir) {
            None => Created::NoDir,
            Some(names) if names.contains_key(&path.name) => Created::Taken,
            Some(names) => {
                names.insert(path.name.clone(), content.into());
                Created::Now
            }
        })
    }

    fn link(&self, from: &Path, to: &Path) -> Result<Linked, StoreError> {
        let mut dirs = self.dirs_mut();
        let source = dirs.get(&from.dir).and_then(|names| names.get(&from.name)).cloned();
        Ok(match (source, dirs.get_mut(&to.dir)) {
            (Some(_), Some(names)) if names.contains_key(&to.name) => Linked::Taken,
            (Some(content), Some(names)) => {
                names.insert(to.name.clone(), content);
                Linked::Now
            }
            _ => Linked::Gone,
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<Moved, StoreError> {
        let mut dirs = self.dirs_mut();
        if !dirs.contains_key(&to.dir) {
            return Ok(Moved::Gone);
        }
        let Some(content) = dirs.get_mut(&from.dir).and_then(|names| names.remove(&from.name)) else {
            return Ok(Moved::Gone);
        };
        match dirs.get_mut(&to.dir).map(|names| names.insert(to.name.clone(), content)) {
            Some(None) => Ok(Moved::Here),
            _ => Err(error("rename", &to.to_string(), StoreErrorKind::Other, "the new name was taken")),
        }
    }

    fn read(&self, path: &Path, max_bytes: usize) -> Result<Option<Vec<u8>>, StoreError> {
        let dirs = self.dirs.borrow();
        let content = dirs.get(&path.dir).and_then(|names| names.get(&path.name));
        Ok(content.map(|content| content.iter().copied().take(max_bytes).collect()))
    }

    fn exists(&self, path: &Path) -> Result<bool, StoreError> {
        let dirs = self.dirs.borrow();
        let is_file = dirs.get(&path.dir).is_some_and(|names| names.contains_key(&path.name));
        Ok(is_file || dirs.contains_key(&path.dir.child(&path.name)))
    }

    fn list(&self, dir: &Dir) -> Result<Option<Vec<String>>, StoreError> {
        let dirs = self.dirs.borrow();
        let Some(files) = dirs.get(dir) else { return Ok(None) };
        let children = dirs.keys().filter_map(|child| child.split()).filter(|(parent, _)| parent == dir);
        Ok(Some(children.map(|(_, name)| name.to_string()).chain(files.keys().cloned()).collect()))
    }

    fn stamp(&self, dir: &Dir) -> Result<Option<Stamp>, StoreError> {
        let stamp = Stamp::from_parts(0, u32::try_from(self.changes.get()).unwrap_or(u32::MAX));
        Ok(self.dirs.borrow().contains_key(dir).then_some(stamp))
    }

    fn remove(&self, path: &Path) -> Result<Removed, StoreError> {
        let mut dirs = self.dirs_mut();
        match dirs.get_mut(&path.dir).and_then(|names| names.remove(&path.name)) {
            Some(_) => Ok(Removed::Now),
            None if dirs.contains_key(&path.dir.child(&path.name)) => {
                Err(error("remove", &path.to_string(), StoreErrorKind::WrongType, "it is a directory"))
            }
            None => Ok(Removed::Gone),
        }
    }

    fn make_dir(&self, dir: &Dir) -> Result<Made, StoreError> {
        let mut dirs = self.dirs_mut();
        let Some((parent, name)) = dir.split() else { return Ok(Made::Taken) };
        match dirs.get(&parent) {
            None => Ok(Made::NoParent),
            Some(names) if names.contains_key(name) => {
                Err(error("make directory", dir.as_str(), StoreErrorKind::WrongType, "it is a file"))
            }
            Some(_) if dirs.contains_key(dir) => Ok(Made::Taken),
            Some(_) => {
                dirs.insert(dir.clone(), Names::new());
                Ok(Made::Now)
            }
        }
    }

    fn remove_dir(&self, dir: &Dir) -> Result<DirRemoved, StoreError> {
        match self.list(dir)? {
            None => Ok(DirRemoved::Gone),
            Some(names) if !names.is_empty() => Ok(DirRemoved::NotEmpty),
            Some(_) => {
                self.dirs_mut().remove(dir);
                Ok(DirRemoved::Now)
            }
        }
    }

    fn sync_dir(&self, _dir: &Dir) -> Result<(), StoreError> {
        Ok(())
    }
}

fn error(operation: &'static str, path: &str, kind: StoreErrorKind, detail: &str) -> StoreError {
    StoreError { operation, path: path.to_string(), kind, detail: detail.to_string() }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    #[test]
    fn the_store_in_memory_conforms() {
        assert_eq!(super::super::conformance::findings(super::MemStore::new), Vec::<alloc::string::String>::new());
    }
}
