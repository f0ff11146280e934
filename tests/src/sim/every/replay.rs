//! An invocation is run again from its beginning, with the replies that it has had.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use coord_core::store::mem::Tree;
use coord_core::store::{Flushed, Made, Stamp, StoreErrorKind};

use super::independent::root_dir;
use super::space::{Known, Progress, Space};
use crate::sim::agent::Invocation;
use crate::sim::call::{Call, Outcome, Reply, failed};
use crate::sim::seeded_bug::answered;

impl Space {
    /// How far an invocation comes with its replies.
    pub(super) fn progress(&self, invocation: &Invocation, replies: &Arc<Vec<Reply>>, tree: &Tree) -> Progress {
        let known = |known: &Known| known.get(invocation)?.get(replies).cloned();
        if let Some(progress) = known(&self.known.read().expect("no holder panics")) {
            return progress;
        }
        let (progress, is_everywhere_so) = self.run(invocation, replies, tree);
        if is_everywhere_so {
            let mut known = self.known.write().expect("no holder panics");
            known.entry(*invocation).or_default().insert(replies.clone(), progress.clone());
        }
        progress
    }

    /// Runs an invocation as far as its replies go. True if it comes as far with them in every other tree.
    fn run(&self, invocation: &Invocation, replies: &[Reply], tree: &Tree) -> (Progress, bool) {
        let (next, wanted, looks) = (RefCell::new(replies.iter()), RefCell::new(None), Cell::new(false));
        let ask = |call: Call| {
            if wanted.borrow().is_some() {
                return failed(StoreErrorKind::Other);
            }
            if let Call::Stamp(dir) = &call
                && root_dir(dir) != "blocked"
            {
                // It has just changed, for every agent. So no agent removes it when it is empty: `random` tries that.
                return Ok(Outcome::Stamp(Some(Stamp::from_parts(u64::MAX, 0))));
            }
            match &call {
                // Whether the file has moved on is told by what comes after it, unless nothing does.
                Call::Flush(_) if !self.scenario.orders_names => return Ok(Outcome::Flushed(Flushed::Now)),
                // As all directories that tasks come to by their ids, or keys by theirs, it is never removed.
                Call::MakeDir(dir) if self.is_there_for_good(dir) => return Ok(Outcome::Made(Made::Taken)),
                _ if self.is_constant(&call) => return Ok(call.look(tree)),
                Call::Read(path, _) | Call::FirstLine(path, _) if self.is_written_once(path) => {
                    looks.set(true);
                    if tree.exists(path) {
                        return Ok(call.look(tree));
                    }
                }
                _ => {}
            }
            next.borrow_mut().next().cloned().unwrap_or_else(|| {
                *wanted.borrow_mut() = Some(call);
                failed(StoreErrorKind::Other)
            })
        };
        let answer = invocation.run(
            answered(self.scenario.bug, ask).ordering_names(self.scenario.orders_names).whole(self.scenario.is_whole),
        );
        (wanted.take().map_or(Progress::Over(answer), |call| Progress::Wants(Arc::new(call))), !looks.get())
    }
}
