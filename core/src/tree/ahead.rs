//! What an operation asks in one trip, of a medium with fused operations: all that it is going to need, as far as it
//! can tell.
//!
//! The code that needs an answer asks for it as on a directory, and does not know whether it is here already. An answer
//! serves once: who asks again wants to know what has changed. What one operation has seen is nothing for the next one.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem;

use super::Tree;
use super::located::Located;
use crate::error::Error;
use crate::id::TaskId;
use crate::layout::task_of;
use crate::limits;
use crate::path::{Dir, Path};
use crate::store::fused::{Due, Fused, Look, Seen, SeenEntry, Step, Stepped};
use crate::store::{Store, StoreError, StoreErrorKind};
use crate::time::Timestamp;

/// What was seen and not asked for yet.
#[derive(Clone, Debug, Default)]
pub(super) struct Ahead {
    /// How many operations are at work: one, or one within another.
    open: usize,
    answers: Vec<Option<(Look, Seen)>>,
    /// The records of the tasks whose entries were seen.
    lines: BTreeMap<TaskId, Vec<u8>>,
}

/// An operation is at work: what it has seen is kept as long as this lives.
pub(crate) struct AtWork<'a, S> {
    tree: &'a Tree<S>,
    before: usize,
}

impl<S> Drop for AtWork<'_, S> {
    fn drop(&mut self) {
        let mut ahead = self.tree.ahead.borrow_mut();
        ahead.open -= 1;
        ahead.answers.truncate(self.before);
        if ahead.open == 0 {
            ahead.lines.clear();
        }
    }
}

impl<S: Store> Tree<S> {
    /// The fused operations of the store, if it has them.
    pub(crate) fn fused(&self) -> Option<&dyn Fused> {
        self.store.fused()
    }

    /// Begins an operation.
    pub(crate) fn at_work(&self) -> AtWork<'_, S> {
        let mut ahead = self.ahead.borrow_mut();
        ahead.open += 1;
        AtWork { tree: self, before: ahead.answers.len() }
    }

    /// Begins an operation that is going to ask this. On a directory, where each call is a short one, nothing is asked
    /// before it is needed.
    pub(crate) fn look_ahead(&self, looks: impl FnOnce() -> Vec<Look>) -> Result<AtWork<'_, S>, Error> {
        let at_work = self.at_work();
        if let Some(fused) = self.fused() {
            let looks = looks();
            let seen = if looks.is_empty() { Vec::new() } else { fused.look(&looks)? };
            seen.iter().for_each(|seen| self.see_lines(seen));
            self.ahead.borrow_mut().answers.extend(looks.into_iter().zip(seen).map(Some));
        }
        Ok(at_work)
    }

    /// As [`Tree::look_ahead`], but asks nothing that was asked already and not used.
    pub(crate) fn look_further_ahead(&self, looks: impl FnOnce() -> Vec<Look>) -> Result<AtWork<'_, S>, Error> {
        self.look_ahead(|| {
            let mut looks = looks();
            let ahead = self.ahead.borrow();
            let is_kept = |look: &Look| ahead.answers.iter().flatten().any(|(kept, _)| serves(kept, look));
            looks.retain(|look| !is_kept(look));
            looks
        })
    }

    /// Begins an operation that is going to list these directories.
    pub(crate) fn list_ahead(&self, dirs: impl IntoIterator<Item = Dir>) -> Result<AtWork<'_, S>, Error> {
        self.look_ahead(|| dirs.into_iter().map(Look::Names).collect())
    }

    /// Begins an operation that is going to read the records of these tasks. So it has all of them at once.
    pub(crate) fn records_ahead<'s>(
        &self,
        tasks: impl IntoIterator<Item = &'s Located>,
    ) -> Result<AtWork<'_, S>, Error> {
        let at_work = self.at_work();
        if let Some(fused) = self.fused() {
            let of = |located: &Located| (located.entry.id, Look::Line(located.path()));
            let (ids, looks): (Vec<TaskId>, Vec<Look>) = tasks.into_iter().map(of).unzip();
            for (id, seen) in ids.into_iter().zip(fused.look(&looks)?) {
                if let Seen::Line(Some(line)) = seen {
                    self.see_line(id, line);
                }
            }
        }
        Ok(at_work)
    }

    /// The names in a directory, as [`Store::list`] tells them.
    pub(crate) fn list(&self, dir: &Dir) -> Result<Option<Vec<String>>, StoreError> {
        match self.answered(|look| matches!(look, Look::Names(of) if of == dir)) {
            Some(Seen::Names(names)) => Ok(names),
            _ => self.store.list(dir),
        }
    }

    /// The first line of a file, as [`Store::first_line`] tells it.
    pub(super) fn first_line(&self, path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
        match self.answered(|look| matches!(look, Look::Line(of) if of == path)) {
            Some(Seen::Line(line)) => Ok(line),
            _ => self.store.first_line(path, limits::RECORD_BYTES),
        }
    }

    /// The record of a task, if its entry was seen with it.
    pub(super) fn line_seen(&self, id: TaskId) -> Option<Vec<u8>> {
        self.ahead.borrow().lines.get(&id).cloned()
    }

    /// True if the record of this entry is at hand.
    pub(crate) fn has_seen(&self, located: &Located) -> bool {
        self.ahead.borrow().lines.contains_key(&located.entry.id)
    }

    /// Keeps the record of a task for the operation that is at work.
    pub(super) fn see_line(&self, id: TaskId, line: Vec<u8>) {
        let mut ahead = self.ahead.borrow_mut();
        if ahead.open > 0 {
            ahead.lines.insert(id, line);
        }
    }

    /// Answers a question about entries. Their records are kept for the operation that is at work.
    pub(super) fn entries_seen(&self, fused: &dyn Fused, look: Look) -> Result<Vec<SeenEntry>, Error> {
        let seen = match self.answered(|kept| serves(kept, &look)) {
            Some(seen) => Some(seen),
            None => {
                let seen = fused.look(&[look])?.into_iter().next();
                seen.iter().for_each(|seen| self.see_lines(seen));
                seen
            }
        };
        if let Some(Seen::Entries(entries)) = seen { Ok(entries) } else { Err(misfit()) }
    }

    fn see_lines(&self, seen: &Seen) {
        let Seen::Entries(entries) = seen else { return };
        for SeenEntry { path, line } in entries {
            if let (Some(id), Some(line)) = (task_of(path), line) {
                self.see_line(id, line.clone());
            }
        }
    }

    /// The names that are due by `now`, in order, those after `after`: at most [`limits::ENTRIES_PER_TRIP`].
    pub(crate) fn due(&self, fused: &dyn Fused, now: Timestamp, after: Option<Path>) -> Result<Vec<Path>, Error> {
        let seen = self.entries_seen(fused, due(now, after))?;
        Ok(seen.into_iter().map(|seen| seen.path).collect())
    }

    /// Makes one change.
    pub(crate) fn step(&self, fused: &dyn Fused, step: Step) -> Result<Stepped, Error> {
        self.steps(fused, &[step])?.first().copied().ok_or_else(misfit)
    }

    /// Makes several changes. What was seen before says nothing any more.
    pub(crate) fn steps(&self, fused: &dyn Fused, steps: &[Step]) -> Result<Vec<Stepped>, Error> {
        self.ahead.borrow_mut().answers.clear();
        let outcomes = fused.step(steps).map_err(|error| Error::from(error).of_the_change())?;
        if outcomes.len() == steps.len() { Ok(outcomes) } else { Err(misfit().of_the_change()) }
    }

    fn answered(&self, serves: impl Fn(&Look) -> bool) -> Option<Seen> {
        let mut ahead = self.ahead.borrow_mut();
        let mut kept = ahead.answers.iter_mut();
        let answer = kept.find(|kept| kept.as_ref().is_some_and(|(look, _)| serves(look)))?;
        mem::take(answer).map(|(_, seen)| seen)
    }
}

/// The question what is due.
pub(crate) fn due(by: Timestamp, after: Option<Path>) -> Look {
    Look::Due(Due { by, after, most: limits::ENTRIES_PER_TRIP })
}

/// True if the answer to `kept` is one to `asked`: what was due a moment ago is due.
fn serves(kept: &Look, asked: &Look) -> bool {
    match (kept, asked) {
        (Look::Due(kept), Look::Due(asked)) => kept.after == asked.after,
        (kept, asked) => kept == asked,
    }
}

fn misfit() -> Error {
    let (path, kind) = (String::new(), StoreErrorKind::Other);
    StoreError { operation: "ask", path, kind, detail: "the answer is one to another question".into() }.into()
}
