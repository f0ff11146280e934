//! An invocation is run again from its beginning, with the replies that it has had.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use coord_core::store::mem::Tree;
use coord_core::store::{Flushed, Made, Stamp, StoreErrorKind};
use rustc_hash::FxHashMap;

use super::independent::root_dir;
use super::space::{Earlier, Progress, Space};
use crate::sim::agent::Invocation;
use crate::sim::call::{Call, Outcome, Reply, failed};
use crate::sim::seeded_bug::answered;

/// How far each invocation comes with which replies, as far as that was found out, by what was done before with the
/// same queue.
pub(super) type Runs = FxHashMap<(Invocation, Earlier), FxHashMap<Arc<Vec<Reply>>, Progress>>;

impl Space {
    /// How far an invocation comes with its replies.
    pub(super) fn progress(
        &self,
        invocation: &Invocation,
        earlier: &Earlier,
        replies: &Arc<Vec<Reply>>,
        tree: &Tree,
    ) -> Progress {
        let key = (*invocation, earlier.clone());
        let known = |runs: &Runs| runs.get(&key)?.get(replies).cloned();
        if let Some(progress) = known(&self.known.runs.read().expect("no holder panics")) {
            return progress;
        }
        let (progress, is_everywhere_so) = self.run(invocation, earlier, replies, tree);
        if is_everywhere_so {
            let mut runs = self.known.runs.write().expect("no holder panics");
            runs.entry(key).or_default().insert(replies.clone(), progress.clone());
        }
        progress
    }

    /// Runs an invocation as far as its replies go. True if it comes as far with them in every other tree.
    fn run(
        &self,
        invocation: &Invocation,
        earlier: &[(Invocation, Arc<Vec<Reply>>)],
        replies: &[Reply],
        tree: &Tree,
    ) -> (Progress, bool) {
        let next = earlier.iter().flat_map(|(_, replies)| replies.iter()).chain(replies);
        let (next, wanted, looks) = (RefCell::new(next), RefCell::new(None), Cell::new(false));
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
        let answer = invocation.run_after(
            earlier.iter().map(|(invocation, _)| invocation),
            answered(self.scenario.bug, ask).ordering_names(self.scenario.orders_names).whole(self.scenario.is_whole),
        );
        (wanted.take().map_or(Progress::Over(answer), |call| Progress::Wants(Arc::new(call))), !looks.get())
    }
}
