//! A store in memory: what the operations mean, as a program.
//!
//! It serves tests and simulators, and embedders who want the queue without a directory. [`MemStore`] is for one
//! thread; who shares it between threads puts its [`Tree`] behind a lock of their own.

mod whole;

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::hash::{Hash, Hasher};

use super::fused::Fused;
use super::{
    Appended, Created, DirRemoved, Flushed, Linked, Made, Moved, Removed, Stamp, Store, StoreError, StoreErrorKind,
};
use crate::path::{Dir, Path};

/// A store in memory.
#[derive(Clone, Debug, Default)]
pub struct MemStore {
    tree: RefCell<Tree>,
    orders_names: bool,
}

/// The content of a [`MemStore`]: directories of names, each leading to a content, which several names may share.
///
/// Its operations are those of [`Store`]. Trees are equal when their names and contents are; stamps do not count.
#[derive(Clone, Debug)]
pub struct Tree {
    dirs: BTreeMap<Dir, Arc<Directory>>,
    /// Counts all changes.
    changes: u32,
    /// Directories come and go with the names below them, as in an engine: see [`Fused`].
    is_whole: bool,
}

/// A directory. Trees that were one before share those that none of them has changed since.
#[derive(Clone, Debug, Default)]
struct Directory {
    names: BTreeMap<String, Arc<[u8]>>,
    /// Which change of the tree was the last one here.
    changed: u32,
}

impl MemStore {
    /// A store with nothing but its root.
    pub fn new() -> MemStore {
        MemStore::default()
    }

    /// A store that says that it orders names.
    pub fn that_orders_names() -> MemStore {
        MemStore { orders_names: true, ..MemStore::default() }
    }

    /// A store as an engine is one: with [`Fused`] operations.
    pub fn whole() -> MemStore {
        MemStore::from(Tree::whole())
    }

    /// All files, with their paths: for looking on in tests.
    pub fn files(&self) -> Vec<Path> {
        self.tree.borrow().files().map(|(path, _)| path).collect()
    }
}

impl From<Tree> for MemStore {
    fn from(tree: Tree) -> MemStore {
        MemStore { tree: RefCell::new(tree), orders_names: false }
    }
}

impl From<MemStore> for Tree {
    fn from(store: MemStore) -> Tree {
        store.tree.into_inner()
    }
}

impl Store for MemStore {
    fn create(&self, path: &Path, content: &[u8]) -> Result<Created, StoreError> {
        Ok(self.tree.borrow_mut().create(path, content))
    }

    fn append(&self, path: &Path, line: &[u8], most: usize) -> Result<Appended, StoreError> {
        Ok(self.tree.borrow_mut().append(path, line, most))
    }

    fn link(&self, from: &Path, to: &Path) -> Result<Linked, StoreError> {
        Ok(self.tree.borrow_mut().link(from, to))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<Moved, StoreError> {
        self.tree.borrow_mut().rename(from, to)
    }

    fn read(&self, path: &Path, max_bytes: usize) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.tree.borrow().content(path).map(|content| content.iter().copied().take(max_bytes).collect()))
    }

    fn links(&self, path: &Path) -> Result<Option<u64>, StoreError> {
        Ok(self.tree.borrow().links(path))
    }

    fn exists(&self, path: &Path) -> Result<bool, StoreError> {
        Ok(self.tree.borrow().exists(path))
    }

    fn list(&self, dir: &Dir) -> Result<Option<Vec<String>>, StoreError> {
        Ok(self.tree.borrow().list(dir))
    }

    fn stamp(&self, dir: &Dir) -> Result<Option<Stamp>, StoreError> {
        Ok(self.tree.borrow().stamp(dir))
    }

    fn remove(&self, path: &Path) -> Result<Removed, StoreError> {
        self.tree.borrow_mut().remove(path)
    }

    fn make_dir(&self, dir: &Dir) -> Result<Made, StoreError> {
        self.tree.borrow_mut().make_dir(dir)
    }

    fn remove_dir(&self, dir: &Dir) -> Result<DirRemoved, StoreError> {
        Ok(self.tree.borrow_mut().remove_dir(dir))
    }

    fn flush(&self, path: &Path) -> Result<Flushed, StoreError> {
        Ok(self.tree.borrow().content(path).map_or(Flushed::Gone, |_| Flushed::Now))
    }

    fn orders_names(&self) -> Option<bool> {
        Some(self.orders_names)
    }

    fn sync_dir(&self, _dir: &Dir) -> Result<(), StoreError> {
        Ok(())
    }

    fn fused(&self) -> Option<&dyn Fused> {
        if self.tree.borrow().is_whole { Some(self) } else { None }
    }
}

impl Tree {
    /// All files, with their paths and contents.
    pub fn files(&self) -> impl Iterator<Item = (Path, &Arc<[u8]>)> {
        self.dirs
            .iter()
            .flat_map(|(dir, there)| there.names.iter().map(move |(name, content)| (dir.file(name.as_str()), content)))
    }

    /// The content of a file.
    pub fn content(&self, path: &Path) -> Option<&Arc<[u8]>> {
        self.dirs.get(&path.dir)?.names.get(&path.name)
    }

    /// Gives a content a name, in place of another if the name has one: for putting a tree together. True if the
    /// directory is there.
    pub fn put(&mut self, path: &Path, content: Arc<[u8]>) -> bool {
        self.change(&path.dir).map(|names| names.insert(path.name.clone(), content)).is_some()
    }

    /// [`Store::exists`].
    pub fn exists(&self, path: &Path) -> bool {
        self.content(path).is_some() || self.dirs.contains_key(&path.dir.child(&path.name))
    }

    /// [`Store::links`].
    pub fn links(&self, path: &Path) -> Option<u64> {
        let content = self.content(path)?;
        let contents = self.dirs.values().flat_map(|dir| dir.names.values());
        Some(contents.map(|other| u64::from(Arc::ptr_eq(content, other))).sum())
    }

    /// [`Store::list`].
    pub fn list(&self, dir: &Dir) -> Option<Vec<String>> {
        let is_always_there = || self.is_whole && !dir.as_str().contains('/');
        let Some(Directory { names: files, .. }) = self.dirs.get(dir).map(|dir| &**dir) else {
            return is_always_there().then(Vec::new);
        };
        let below = dir.child("");
        let below = self.dirs.range(&below..).map(|(dir, _)| dir.as_str().strip_prefix(below.as_str()));
        let children = below.map_while(|name| name).filter(|name| !name.is_empty() && !name.contains('/'));
        Some(children.map(ToString::to_string).chain(files.keys().cloned()).collect())
    }

    /// [`Store::stamp`].
    pub fn stamp(&self, dir: &Dir) -> Option<Stamp> {
        if self.is_whole {
            return Some(Stamp::from_parts(u64::MAX, 0));
        }
        self.dirs.get(dir).map(|dir| Stamp::from_parts(0, dir.changed))
    }

    /// [`Store::create`].
    pub fn create(&mut self, path: &Path, content: &[u8]) -> Created {
        match self.change(&path.dir) {
            None => Created::NoDir,
            Some(names) if names.contains_key(&path.name) => Created::Taken,
            Some(names) => {
                names.insert(path.name.clone(), content.into());
                Created::Now
            }
        }
    }

    /// [`Store::append`].
    pub fn append(&mut self, path: &Path, line: &[u8], most: usize) -> Appended {
        let Some(content) = self.content(path).cloned() else { return Appended::Gone };
        if content.len() + line.len() > most {
            return Appended::Full;
        }
        let longer: Arc<[u8]> = content.iter().chain(line).copied().collect();
        // No name comes or goes, so no stamp changes.
        let has_it = |dir: &&mut Arc<Directory>| dir.names.values().any(|other| Arc::ptr_eq(other, &content));
        for dir in self.dirs.values_mut().filter(has_it) {
            let contents = Arc::make_mut(dir).names.values_mut();
            contents.filter(|other| Arc::ptr_eq(other, &content)).for_each(|other| *other = longer.clone());
        }
        Appended::Now(self.links(path).unwrap_or(0))
    }

    /// [`Store::link`].
    pub fn link(&mut self, from: &Path, to: &Path) -> Linked {
        let Some(content) = self.content(from).cloned() else { return Linked::Gone };
        match self.change(&to.dir) {
            Some(names) if names.contains_key(&to.name) => Linked::Taken,
            Some(names) => {
                names.insert(to.name.clone(), content);
                Linked::Now
            }
            None => Linked::Gone,
        }
    }

    /// [`Store::rename`]. On a new name that is taken, it fails and changes nothing.
    pub fn rename(&mut self, from: &Path, to: &Path) -> Result<Moved, StoreError> {
        if !(self.is_whole || self.dirs.contains_key(&to.dir)) || self.content(from).is_none() {
            return Ok(Moved::Gone);
        }
        if self.exists(to) {
            return Err(error("rename", &to.to_string(), StoreErrorKind::Other, "the new name was taken"));
        }
        let content = self.change(&from.dir).and_then(|names| names.remove(&from.name));
        if let (Some(names), Some(content)) = (self.change(&to.dir), content) {
            names.insert(to.name.clone(), content);
        }
        self.leave(&from.dir);
        Ok(Moved::Here)
    }

    /// [`Store::remove`].
    pub fn remove(&mut self, path: &Path) -> Result<Removed, StoreError> {
        let removed = match self.content(path) {
            Some(_) => self.change(&path.dir).and_then(|names| names.remove(&path.name)),
            None => None,
        };
        match removed {
            Some(_) => {
                self.leave(&path.dir);
                Ok(Removed::Now)
            }
            None if self.dirs.contains_key(&path.dir.child(&path.name)) => {
                Err(error("remove", &path.to_string(), StoreErrorKind::WrongType, "it is a directory"))
            }
            None => Ok(Removed::Gone),
        }
    }

    /// [`Store::make_dir`].
    pub fn make_dir(&mut self, dir: &Dir) -> Result<Made, StoreError> {
        let Some((parent, name)) = dir.split() else { return Ok(Made::Taken) };
        match self.dirs.get(&parent) {
            None if self.is_whole => Ok(Made::Taken),
            None => Ok(Made::NoParent),
            Some(parent) if parent.names.contains_key(name) => {
                Err(error("make directory", dir.as_str(), StoreErrorKind::WrongType, "it is a file"))
            }
            Some(_) if self.is_whole || self.dirs.contains_key(dir) => Ok(Made::Taken),
            Some(_) => {
                self.change(&parent);
                self.dirs.insert(dir.clone(), Arc::new(Directory { changed: self.changes, ..Directory::default() }));
                Ok(Made::Now)
            }
        }
    }

    /// [`Store::remove_dir`].
    pub fn remove_dir(&mut self, dir: &Dir) -> DirRemoved {
        match (self.list(dir), dir.split()) {
            (None, _) => DirRemoved::Gone,
            (Some(names), _) if !names.is_empty() => DirRemoved::NotEmpty,
            (Some(_), _) if self.is_whole => DirRemoved::Gone,
            (Some(_), parent) => {
                let parent = parent.map_or_else(Dir::root, |(parent, _)| parent);
                self.change(&parent);
                self.dirs.remove(dir);
                DirRemoved::Now
            }
        }
    }

    /// The names in a directory that is about to change; `None` if it is not there.
    fn change(&mut self, dir: &Dir) -> Option<&mut BTreeMap<String, Arc<[u8]>>> {
        self.changes = self.changes.saturating_add(1);
        if self.is_whole {
            self.come_to(dir);
        }
        let dir = Arc::make_mut(self.dirs.get_mut(dir)?);
        dir.changed = self.changes;
        Some(&mut dir.names)
    }
}

impl Default for Tree {
    fn default() -> Tree {
        Tree { dirs: BTreeMap::from([(Dir::root(), Arc::default())]), changes: 0, is_whole: false }
    }
}

impl PartialEq for Directory {
    fn eq(&self, other: &Directory) -> bool {
        self.names == other.names
    }
}

impl Eq for Directory {}

impl Hash for Directory {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.names.hash(state);
    }
}

impl PartialEq for Tree {
    fn eq(&self, other: &Tree) -> bool {
        self.dirs == other.dirs
    }
}

impl Eq for Tree {}

impl Hash for Tree {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.dirs.hash(state);
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
        for empty in [super::MemStore::new, super::MemStore::whole] {
            assert_eq!(super::super::conformance::findings(empty), Vec::<alloc::string::String>::new());
        }
    }
}
