//! The state entries of a tree, and which of them are between two states.

use coord_core::entry::{Ending as EntryEnding, Entry, State};
use coord_core::layout::{self, Path};
use coord_core::store::mem::Tree;
use coord_core::task::Record;

/// The entries in state directories.
pub fn entries(tree: &Tree) -> impl Iterator<Item = (Path, Entry)> {
    tree.files().filter_map(|(path, _)| in_state_dir(&path).map(|entry| (path, entry)))
}

/// True for an entry in a state directory, or in `purged/`.
pub(super) fn is_kept(path: &Path) -> bool {
    path.dir == layout::purged() || in_state_dir(path).is_some()
}

pub(super) fn in_state_dir(path: &Path) -> Option<Entry> {
    let state = path.dir.as_str().split('/').next()?;
    let states = ["scheduled", "blocked", "ready", "claimed", "done"];
    if states.contains(&state) { Entry::parse(&path.name) } else { None }
}

/// True for the name of an end that is not finished.
pub(super) fn is_unfinished(path: &Path) -> bool {
    before_its_end(path).is_some()
}

/// The entry before an unfinished end.
pub(super) fn before_its_end(path: &Path) -> Option<Entry> {
    let entry = in_state_dir(path).filter(|_| path.dir.as_str().starts_with("claimed/"))?;
    let State::Ended(EntryEnding { lease: Some(lease), .. }) = &entry.state else { return None };
    Some(Entry { version: entry.version - 1, state: State::Claimed(lease.clone()), report: None, ..entry.clone() })
}

/// The record that an entry leads to.
pub(super) fn record_at(tree: &Tree, entry: &Path) -> Option<Record> {
    let content = tree.content(entry)?;
    serde_json::from_slice(content.split(|byte| *byte == b'\n').next()?).ok()
}
