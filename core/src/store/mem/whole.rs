//! The store in memory as an engine: its fused operations, and directories that come and go with what is below them.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;

use super::{MemStore, Tree};
use crate::layout::{self, due_at, place_of, task_of};
use crate::limits;
use crate::path::{Dir, Path};
use crate::store::fused::{Due, Fused, Head, Look, Seen, SeenEntry, Step, Stepped, TimedDirs};
use crate::store::{StoreError, by_calls, cut_after_first_line};

impl Fused for MemStore {
    fn format(&self) -> Option<Vec<u8>> {
        self.tree.borrow().content(&layout::format()).map(|content| content.to_vec())
    }

    fn look(&self, looks: &[Look]) -> Result<Vec<Seen>, StoreError> {
        Ok(looks.iter().map(|look| self.tree.borrow().look(look)).collect())
    }

    /// Nobody else borrows the tree meanwhile.
    fn step(&self, steps: &[Step]) -> Result<Vec<Stepped>, StoreError> {
        steps.iter().map(|step| by_calls::step(self, step)).collect()
    }
}

impl Tree {
    /// A tree as an engine holds it.
    pub fn whole() -> Tree {
        Tree { is_whole: true, ..Tree::default() }
    }

    /// True if it is one.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// [`Fused::look`].
    pub fn look(&self, look: &Look) -> Seen {
        match look {
            Look::Names(dir) => Seen::Names(self.list(dir)),
            Look::Line(path) => Seen::Line(self.line(path)),
            Look::Head(head) => {
                let Head { of, after, most, .. } = head;
                let is_of = |path: &Path| match of {
                    TimedDirs::AllQueues => path.dir.is_below(&layout::TimedDir::ready()),
                    TimedDirs::These(dirs) => dirs.iter().any(|dir| path.dir.is_below(dir)),
                };
                let place = |path: &Path| {
                    let place = is_of(path).then(|| place_of(path))??;
                    after.as_ref().is_none_or(|after| place > *after).then_some(place)
                };
                let is_above = |path: &Path| place(path).is_some() && !head.passes_over(path);
                let any_above = self.files().any(|(path, _)| is_above(&path));
                self.in_order(*most, |path| place(path).filter(|_| is_above(path) == any_above))
            }
            Look::OfTask(id) => self.in_order(usize::MAX, |path| (task_of(path)? == *id).then(|| path.clone())),
            Look::Due(Due { by, after, most }) => {
                let after = after.as_ref().and_then(|after| Some((due_at(after)?, after.clone())));
                self.in_order(*most, |path| {
                    let key = (due_at(path)?, path.clone());
                    (key.0 <= *by && after.as_ref().is_none_or(|after| key > *after)).then_some(key)
                })
            }
        }
    }

    /// One change of [`Fused::step`].
    pub fn step(&mut self, step: &Step) -> Result<Stepped, StoreError> {
        let store = MemStore::from(mem::take(self));
        let outcome = by_calls::step(&store, step);
        *self = store.into();
        outcome
    }

    /// The first files that have a key, by that.
    fn in_order<K: Ord>(&self, most: usize, key: impl Fn(&Path) -> Option<K>) -> Seen {
        let keyed: BTreeMap<K, Path> = self.files().filter_map(|(path, _)| Some((key(&path)?, path))).collect();
        let entry = |path: Path| {
            let line = self.line(&path).filter(|line| line.len() <= limits::LINE_BYTES_SEEN);
            SeenEntry { path, line }
        };
        Seen::Entries(keyed.into_values().take(most).map(entry).collect())
    }

    fn line(&self, path: &Path) -> Option<Vec<u8>> {
        let mut line: Vec<u8> = self.content(path)?.iter().copied().take(limits::RECORD_BYTES).collect();
        cut_after_first_line(&mut line);
        Some(line)
    }

    /// A name is about to come into a directory.
    pub(super) fn come_to(&mut self, dir: &Dir) {
        let mut missing = Some(dir.clone());
        while let Some(dir) = missing.filter(|dir| !self.dirs.contains_key(dir)) {
            missing = dir.split().map(|(parent, _)| parent);
            self.dirs.insert(dir, Arc::default());
        }
    }

    /// A name has left a directory.
    pub(super) fn leave(&mut self, dir: &Dir) {
        let mut left = Some(dir.clone()).filter(|_| self.is_whole);
        while let Some(dir) = left.filter(|dir| dir.as_str().contains('/') && self.list(dir) == Some(Vec::new())) {
            left = dir.split().map(|(parent, _)| parent);
            self.dirs.remove(&dir);
        }
    }
}
