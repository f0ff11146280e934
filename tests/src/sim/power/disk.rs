//! What of a history is on disk: changes of names and contents, and what a flush or a sync makes durable.

use std::sync::Arc;

use coord_core::layout::{Dir, Path};
use coord_core::store::mem::Tree;
use coord_core::store::{Created, DirRemoved, Flushed, Linked, Made, Moved, Removed};

use super::Disk;
use super::history::History;
use crate::sim::call::{Call, Outcome, Reply};

/// One change of a directory.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) what: Delta,
    pub(super) durable: bool,
}

/// A file that lines were added to, or that was not flushed when it was made.
#[derive(Clone, Debug)]
pub(super) struct Grown {
    /// What it held when it was made, which stands for it in changes of names.
    pub(super) made: Arc<[u8]>,
    pub(super) content: Arc<[u8]>,
    /// What of that is durable.
    pub(super) flushed: Arc<[u8]>,
}

#[derive(Clone, Debug)]
pub(super) enum Delta {
    Add(Path, Arc<[u8]>),
    Remove(Path),
    /// A rename that is one step on disk.
    Rename(Path, Path, Arc<[u8]>),
    AddDir(Dir),
    RemoveDir(Dir),
    /// A change of an engine: all that it holds then.
    Become(Tree),
}

impl History {
    /// How many changes there are, how many of them are durable, and what there is of files that have grown: something
    /// of this is another after every call that changes what a power cut may leave.
    pub(super) fn on_disk(&self) -> (usize, usize, Vec<(*const u8, usize)>) {
        let durable = self.changes.iter().filter(|change| change.durable).count();
        let grown = self.grown.iter().map(|grown| (grown.content.as_ptr(), grown.flushed.len()));
        (self.changes.len(), durable, grown.collect())
    }

    /// What a file held when it was made, which is what changes of names tell.
    pub(super) fn made(&self, path: &Path) -> Option<Arc<[u8]>> {
        let content = self.tree.content(path)?;
        let grown = self.grown.iter().find(|grown| Arc::ptr_eq(&grown.content, content));
        Some(grown.map_or(content, |grown| &grown.made).clone())
    }

    pub(super) fn grow(&mut self, made: Arc<[u8]>, path: &Path) {
        self.cut = None;
        let content = self.tree.content(path).cloned().expect("it was added to");
        match self.grown.iter_mut().find(|grown| Arc::ptr_eq(&grown.made, &made)) {
            Some(grown) => grown.content = content,
            None => self.grown.push(Grown { flushed: made.clone(), made, content }),
        }
    }

    pub(super) fn made_unflushed(&mut self, path: &Path) {
        let made = self.tree.content(path).cloned().expect("it was made");
        self.grown.push(Grown { flushed: Arc::default(), content: made.clone(), made });
    }

    /// The tree with what its files may hold: of what was not flushed all, a part, or as many zeros.
    pub(super) fn contents(&self, tree: Tree) -> Vec<Tree> {
        let mut trees = vec![tree];
        // One that holds what it was made with is in the tree as it is.
        for grown in self.grown.iter().filter(|grown| !grown.is_as_made()) {
            trees =
                trees.iter().flat_map(|tree| grown.contents().map(|content| grown.replay(tree, &content))).collect();
        }
        trees
    }

    fn flush(&mut self, path: &Path) {
        let Some(made) = self.made(path) else { return };
        if let Some(grown) = self.grown.iter_mut().find(|grown| Arc::ptr_eq(&grown.made, &made)) {
            grown.flushed = grown.content.clone();
        }
        let of_file = |content: &Arc<[u8]>| Arc::ptr_eq(content, &made);
        match self.disk {
            Disk::AnySubset | Disk::Log => {}
            Disk::Ordered => self.changes.iter_mut().for_each(|change| change.durable = true),
            Disk::OwnNames => {
                let names: Vec<Path> = self
                    .tree
                    .files()
                    .map(|(path, _)| path)
                    .filter(|path| self.made(path).is_some_and(|it| of_file(&it)))
                    .collect();
                for change in &mut self.changes {
                    change.durable |= match &change.what {
                        Delta::Add(_, content) | Delta::Rename(_, _, content) => of_file(content),
                        Delta::AddDir(dir) => names.iter().any(|name| name.dir == *dir || name.dir.is_below(dir)),
                        Delta::Remove(_) | Delta::RemoveDir(_) | Delta::Become(_) => false,
                    };
                }
            }
        }
    }

    pub(super) fn note(&mut self, call: &Call, reply: &Reply) {
        if self.disk.is_whole() {
            if call.changes() {
                let durable = if let Call::Step(steps) = call { steps.iter().any(|step| step.durable) } else { true };
                self.changes.push(Change { what: Delta::Become(self.tree.clone()), durable });
            }
            return;
        }
        let content = |path: &Path| self.made(path).unwrap_or_default();
        let changes = match (call, reply) {
            (Call::Create(path, _) | Call::CreateUnflushed(path, _), Ok(Outcome::Created(Created::Now)))
            | (Call::Link(_, path), Ok(Outcome::Linked(Linked::Now))) => vec![Delta::Add(path.clone(), content(path))],
            (Call::Rename(from, to), Ok(Outcome::Moved(Moved::Here)))
                if from.dir == to.dir || self.disk.orders_names() =>
            {
                vec![Delta::Rename(from.clone(), to.clone(), content(to))]
            }
            (Call::Rename(from, to), Ok(Outcome::Moved(Moved::Here))) => {
                vec![Delta::Remove(from.clone()), Delta::Add(to.clone(), content(to))]
            }
            (Call::Remove(path), Ok(Outcome::Removed(Removed::Now))) => vec![Delta::Remove(path.clone())],
            (Call::MakeDir(dir), Ok(Outcome::Made(Made::Now))) => vec![Delta::AddDir(dir.clone())],
            (Call::RemoveDir(dir), Ok(Outcome::DirRemoved(DirRemoved::Now))) => vec![Delta::RemoveDir(dir.clone())],
            (Call::Flush(path), Ok(Outcome::Flushed(Flushed::Now))) => {
                self.flush(path);
                Vec::new()
            }
            (Call::SyncDir(dir), Ok(Outcome::Synced)) => {
                self.sync(dir);
                Vec::new()
            }
            _ => Vec::new(),
        };
        self.changes.extend(changes.into_iter().map(|what| Change { what, durable: false }));
    }

    /// A journal is written up to the last change of the directory, no further. For a directory that is gone, the
    /// nearest one above is synced.
    fn sync(&mut self, dir: &Dir) {
        if self.tree.list(dir).is_none() {
            return dir.split().map_or((), |(above, _)| self.sync(&above));
        }
        let changes = self.changes.iter_mut();
        match self.disk {
            Disk::AnySubset => {
                changes
                    .filter(|change| change.what.dir().as_ref() == Some(dir))
                    .for_each(|change| change.durable = true);
            }
            Disk::OwnNames => changes.for_each(|change| {
                let is_above = |new: &Dir| *new == *dir || dir.is_below(new);
                change.durable |= change.what.is_in(dir) || matches!(&change.what, Delta::AddDir(new) if is_above(new));
            }),
            Disk::Log => {}
            Disk::Ordered => {
                changes.rev().skip_while(|change| !change.what.is_in(dir)).for_each(|change| change.durable = true);
            }
        }
    }
}

impl Grown {
    fn is_as_made(&self) -> bool {
        Arc::ptr_eq(&self.content, &self.made) && self.flushed.len() == self.content.len()
    }

    fn contents(&self) -> impl Iterator<Item = Arc<[u8]>> {
        let new = self.content.get(self.flushed.len()..).unwrap_or_default();
        let with = |part: Vec<u8>| Arc::from([&self.flushed, part.as_slice()].concat());
        let parts = [with(new[..new.len() / 2].to_vec()), with(vec![0; new.len()]), self.flushed.clone()];
        let parts = if new.is_empty() { Vec::new() } else { parts.to_vec() };
        parts.into_iter().chain([self.content.clone()])
    }

    /// Puts this under each name that the file has.
    fn replay(&self, tree: &Tree, content: &Arc<[u8]>) -> Tree {
        let mut tree = tree.clone();
        let names: Vec<Path> =
            tree.files().filter(|(_, content)| Arc::ptr_eq(content, &self.made)).map(|(path, _)| path).collect();
        for path in names {
            tree.put(&path, content.clone());
        }
        tree
    }
}

impl Delta {
    /// The directory whose sync makes it durable.
    fn dir(&self) -> Option<Dir> {
        match self {
            Delta::Add(path, _) | Delta::Remove(path) | Delta::Rename(_, path, _) => Some(path.dir.clone()),
            Delta::AddDir(dir) | Delta::RemoveDir(dir) => dir.split().map(|(parent, _)| parent),
            Delta::Become(_) => None,
        }
    }

    /// True if it changes the directory.
    fn is_in(&self, dir: &Dir) -> bool {
        let from = if let Delta::Rename(from, ..) = self { Some(&from.dir) } else { None };
        from == Some(dir) || self.dir().as_ref() == Some(dir) || matches!(self, Delta::AddDir(new) if new == dir)
    }

    /// Does it on a disk on which changes before it may be missing. A change that cannot be done is missing as well.
    pub(super) fn replay(&self, tree: &mut Tree) {
        match self {
            Delta::Add(path, content) => tree.put(path, content.clone()),
            Delta::Remove(path) => tree.remove(path).is_ok(),
            Delta::Rename(from, to, content) => tree.remove(from).is_ok() && tree.put(to, content.clone()),
            Delta::AddDir(dir) => tree.make_dir(dir).is_ok(),
            Delta::RemoveDir(dir) => tree.remove_dir(dir) == DirRemoved::Now,
            Delta::Become(whole) => {
                *tree = whole.clone();
                true
            }
        };
    }
}
