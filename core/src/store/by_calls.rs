//! What the fused operations mean, by the calls of [`Store`].

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::fused::{Due, First, Head, Look, Move, Seen, SeenEntry, Step, Stepped, TimedDirs};
use super::{Appended, Created, Linked, Made, Moved, Store, StoreError, StoreErrorKind};
use crate::layout::{TimedDir, due_at, place_of, task_of};
use crate::limits;
use crate::path::{Dir, Path};

/// [`Fused::look`](super::fused::Fused::look), one question by the calls of [`Store`].
pub fn look<S: Store + ?Sized>(store: &S, asked: &Look) -> Result<Seen, StoreError> {
    match asked {
        Look::Names(dir) => Ok(Seen::Names(store.list(dir)?)),
        Look::Line(path) => Ok(Seen::Line(store.first_line(path, limits::RECORD_BYTES)?)),
        Look::Head(head) => {
            let Head { of, after, most, .. } = head;
            let dirs = match of {
                TimedDirs::These(dirs) => dirs.clone(),
                TimedDirs::AllQueues => Vec::from([TimedDir::ready()]),
            };
            let mut by_place = BTreeMap::new();
            for dir in dirs {
                for path in files_below(store, &dir)? {
                    by_place.extend(place_of(&path).map(|place| (place, path)));
                }
            }
            let comes_after = |(place, _): &(String, Path)| after.as_ref().is_none_or(|after| *place > *after);
            let all = by_place.into_iter().filter(comes_after).map(|(_, path)| path);
            let (below, above): (Vec<Path>, Vec<Path>) = all.partition(|path| head.passes_over(path));
            let read = if above.is_empty() { below } else { above };
            entries(store, read.into_iter().take(*most))
        }
        Look::OfTask(id) => {
            let files = files_below(store, &Dir::root())?;
            entries(store, files.into_iter().filter(|path| task_of(path) == Some(*id)))
        }
        Look::Due(Due { by, after, most }) => {
            let key = |path: &Path| Some((due_at(path)?, path.clone()));
            let after = after.as_ref().and_then(key);
            let files = files_below(store, &Dir::root())?;
            let due: BTreeSet<_> = files.iter().filter_map(key).filter(|key| key.0 <= *by).collect();
            let due = due.into_iter().filter(|key| after.as_ref().is_none_or(|after| key > after));
            entries(store, due.map(|(_, path)| path).take(*most))
        }
    }
}

/// [`Fused::step`](super::fused::Fused::step), one change by the calls of [`Store`].
pub fn step<S: Store + ?Sized>(store: &S, change: &Step) -> Result<Stepped, StoreError> {
    match (&change.first, change.moves.first()) {
        (First::Create(path, content), _) => {
            make_dirs(store, &path.dir)?;
            if store.create(path, content)? == Created::Taken {
                return Ok(Stepped::Taken);
            }
        }
        (First::Append(line, most), Some(Move::Rename(from, _) | Move::Link(from, _))) => {
            match store.append(from, line, *most)? {
                Appended::Now(_) => {}
                Appended::Gone => return Ok(Stepped::Gone),
                Appended::Full => return Ok(Stepped::Full),
                Appended::Unable => return Err(unable(from)),
            }
        }
        (First::Append(..), None) | (First::Nothing, _) => {}
    }
    let mut outcome = Stepped::Gone;
    for (by, one) in change.moves.iter().enumerate() {
        let (Move::Rename(_, to) | Move::Link(_, to)) = one;
        make_dirs(store, &to.dir)?;
        let made = match one {
            Move::Rename(from, to) => (store.rename(from, to)? == Moved::Here).then_some(true),
            Move::Link(from, to) => match store.link(from, to)? {
                Linked::Now => Some(true),
                Linked::Taken => Some(false),
                Linked::Gone => None,
            },
        };
        match made {
            Some(true) => {
                let found = change.then.as_ref().map(|dir| store.list(dir)).transpose()?.flatten();
                return Ok(Stepped::Done { by, found: found.is_some_and(|names| !names.is_empty()) });
            }
            Some(false) => outcome = Stepped::Taken,
            None => continue,
        }
        break;
    }
    if let First::Create(path, _) = &change.first {
        store.remove(path)?;
    }
    Ok(outcome)
}

/// The files in a directory and in all below it.
fn files_below<S: Store + ?Sized>(store: &S, dir: &Dir) -> Result<Vec<Path>, StoreError> {
    let (mut files, mut dirs) = (Vec::new(), Vec::from([dir.clone()]));
    while let Some(dir) = dirs.pop() {
        for name in store.list(&dir)?.unwrap_or_default() {
            // A name is that of a directory if names are below it.
            match store.list(&dir.child(&name))? {
                Some(_) => dirs.push(dir.child(&name)),
                None => files.push(dir.file(name)),
            }
        }
    }
    Ok(files)
}

fn entries<S: Store + ?Sized>(store: &S, paths: impl Iterator<Item = Path>) -> Result<Seen, StoreError> {
    let mut entries = Vec::new();
    for path in paths {
        let line = store.first_line(&path, limits::RECORD_BYTES)?;
        entries.push(SeenEntry { path, line: line.filter(|line| line.len() <= limits::LINE_BYTES_SEEN) });
    }
    Ok(Seen::Entries(entries))
}

fn make_dirs<S: Store + ?Sized>(store: &S, dir: &Dir) -> Result<(), StoreError> {
    match dir.split() {
        Some((parent, _)) if store.make_dir(dir)? == Made::NoParent => {
            make_dirs(store, &parent)?;
            store.make_dir(dir).map(drop)
        }
        _ => Ok(()),
    }
}

fn unable(path: &Path) -> StoreError {
    let detail = "this medium cannot append to a file".to_string();
    StoreError { operation: "add to", path: path.to_string(), kind: StoreErrorKind::Other, detail }
}
