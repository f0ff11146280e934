//! Enqueuing on a medium with fused operations: the record and its first entry are one step, and a batch is one trip.

use alloc::vec::Vec;

use super::Draft;
use crate::entry::Entry;
use crate::error::Error;
use crate::layout;
use crate::limits;
use crate::queue::Queue;
use crate::store::Store;
use crate::store::fused::{First, Fused, Move, Step, Stepped};
use crate::tree::Located;

impl<S: Store> Queue<S> {
    /// Writes and links all that are new. They are durable when this returns. Returns where their entries are.
    pub(super) fn link_by_steps(&self, fused: &dyn Fused, drafts: &mut [Draft]) -> Result<Vec<Located>, Error> {
        let mut linked = Vec::new();
        let mut left: Vec<&mut Draft> = drafts.iter_mut().filter(|draft| draft.is_new()).collect();
        for _ in 0..limits::RACES {
            if left.is_empty() {
                return Ok(linked);
            }
            let steps: Vec<Step> = left.iter().map(|draft| draft.step()).collect();
            // Of several some may be made, which the medium tells.
            let is_first = linked.is_empty();
            let of_the_change = if is_first { Error::of_the_change } else { Error::after_the_change };
            let outcomes = self.tree.steps(fused, &steps).map_err(of_the_change)?;
            let mut taken = Vec::new();
            for (draft, stepped) in left.into_iter().zip(outcomes) {
                if matches!(stepped, Stepped::Done { .. }) {
                    let located = draft.first_entry();
                    self.tree.came_to(&located.dir);
                    linked.push(located);
                } else {
                    // Another record has this id: an equal one, of the same microsecond.
                    draft.put_off(1)?;
                    taken.push(draft);
                }
            }
            left = taken;
        }
        Err(Error::Contended)
    }
}

impl Draft {
    fn step(&self) -> Step {
        let (record, entry) = (layout::record(self.enqueued.task.id), self.first_entry().path());
        let first = First::Create(record.clone(), self.content.clone());
        Step { first, moves: Vec::from([Move::Link(record, entry)]), durable: true, then: None }
    }

    fn first_entry(&self) -> Located {
        let task = &self.enqueued.task;
        let entry = Entry::first(task);
        Located { dir: layout::home(&entry, &task.record.queue), entry }
    }
}
