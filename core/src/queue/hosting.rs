//! Queries for a host that runs an agent: which leases the agent has, and how many tasks wait. They read names only and
//! open no record.

use alloc::vec::Vec;

use super::Queue;
use crate::entry::Entry;
use crate::error::Error;
use crate::finding::Finding;
use crate::id::TaskId;
use crate::layout::StateDir;
use crate::name::{Nonce, QueueName, RunId};
use crate::store::Store;
use crate::tree::{Empties, Located, Onward, Walk};

/// A lease that an agent has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holding {
    /// Of which task.
    pub task_id: TaskId,
    /// Distinguishes the lease from any other.
    pub nonce: Nonce,
}

/// Where the task of a lease stands, as the queue knows that gave or extended it: it saves a look for the task.
#[derive(Clone, Debug)]
pub struct LeaseHint(Located);

impl<S: Store> Queue<S> {
    /// What this queue remembers of a lease, if it does. It forgets that. For a host that has several queues in one
    /// store, of which any may be asked next.
    pub fn take_lease_hint(&self) -> Option<LeaseHint> {
        self.tree.take_any_lease().map(LeaseHint)
    }

    /// Has this queue remember what another one did. It need not be true any more.
    pub fn give_lease_hint(&self, LeaseHint(located): LeaseHint) {
        self.tree.hold(located);
    }

    /// True if this queue has put a task where it can be claimed since the last call of this: others of the same host
    /// should [`Queue::look_anew`] before they claim. A queue does so by itself for what it has done itself.
    pub fn take_filled(&self) -> bool {
        self.tree.take_filled()
    }

    /// Has the next claim read what is at the head of the queue, whatever an earlier one has left over.
    pub fn look_anew(&self) {
        self.tree.look_anew();
    }

    /// Every lease of an agent, also one that the agent never learned of: the call that claimed it may have failed
    /// afterwards. An expired lease is among them until a sweep or another agent takes the task. Findings are returned
    /// beside them.
    pub fn held_by(&self, run_id: &RunId) -> Result<(Vec<Holding>, Vec<Finding>), Error> {
        let mut held = Vec::new();
        for shard in self.tree.shards_of(StateDir::Claimed)? {
            let entries = self.tree.entries_in(&shard)?;
            held.extend(entries.iter().filter_map(|located| holding(&located.entry, run_id)));
        }
        Ok((held, self.tree.take_findings()))
    }

    /// How many tasks wait to be claimed, in one queue or in all of them. It counts no further than `most`.
    pub fn count_waiting(&self, queue: Option<&QueueName>, most: usize) -> Result<usize, Error> {
        let mut count = 0;
        let mut walk =
            Walk { queues: queue.map(core::slice::from_ref).unwrap_or_default(), ..Walk::all(Empties::Keep) };
        let _all = self.tree.visit_ready(&mut walk, &mut |_, _| {
            count += 1;
            Ok(if count < most { Onward::Next } else { Onward::Stop })
        })?;
        Ok(count.min(most))
    }
}

fn holding(entry: &Entry, run_id: &RunId) -> Option<Holding> {
    let lease = entry.lease().filter(|lease| lease.holder == entry.holder(run_id))?;
    Some(Holding { task_id: entry.id, nonce: lease.nonce })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{ClaimDraft, Draft};
    use crate::store::mem::MemStore;
    use crate::time::Timestamp;
    use crate::turn::Turn;

    fn queue_with_tasks(queues: &[&str]) -> Queue<MemStore> {
        let queue = Queue::open(MemStore::default()).unwrap();
        for (number, name) in (1..).zip(queues) {
            let draft = Draft { title: "t".into(), queue: Some((*name).into()), ..Draft::default() };
            queue.enqueue(draft.check().unwrap().0, &Turn::new(&at(number), Nonce::from_bits(number))).unwrap();
        }
        queue
    }

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn claim(queue: &Queue<MemStore>, run_id: &str, nonce: u64) -> TaskId {
        let draft = ClaimDraft { run_id: Some(run_id.into()), ..ClaimDraft::default() };
        let waiting = draft.check().unwrap();
        let thoroughness = crate::queue::Thoroughness::Full;
        let claim =
            queue.claim(waiting.request(), thoroughness, &Turn::new(&at(1_000), Nonce::from_bits(nonce))).unwrap();
        claim.claimed.unwrap().task.id
    }

    #[test]
    fn an_agent_holds_what_was_claimed_in_its_name_and_nothing_else() {
        let queue = queue_with_tasks(&["a", "b", "a"]);
        let [first, second] = [7, 8].map(|nonce| claim(&queue, "agent-1", nonce));
        claim(&queue, "agent-2", 9);
        let run_id: RunId = "agent-1".parse().unwrap();
        let (mut held, findings) = queue.held_by(&run_id).unwrap();
        held.sort_by_key(|holding| holding.nonce.bits());
        let expected = [(first, 7), (second, 8)];
        assert_eq!(held, expected.map(|(task_id, bits)| Holding { task_id, nonce: Nonce::from_bits(bits) }));
        assert_eq!(findings, []);
    }

    #[test]
    fn waiting_tasks_are_counted_by_queue_and_up_to_a_number() {
        let queue = queue_with_tasks(&["a", "b", "a", "a"]);
        let a: QueueName = "a".parse().unwrap();
        assert_eq!(queue.count_waiting(None, 100), Ok(4));
        assert_eq!(queue.count_waiting(Some(&a), 100), Ok(3));
        assert_eq!(queue.count_waiting(Some(&a), 2), Ok(2));
        assert_eq!(queue.count_waiting(Some(&a), 0), Ok(0));
    }
}
