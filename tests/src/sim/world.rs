//! The tree and its oracle. Every checker has them, and chooses which agent is next.

use std::cell::RefCell;
use std::sync::Arc;

use coord_core::layout;
use coord_core::name::Nonce;
use coord_core::queue::Diagnosis;
use coord_core::store::StoreErrorKind;
use coord_core::store::mem::{MemStore, Tree};
use coord_core::{Queue, Turn};

use super::agent::{Answer, Invocation, after};
use super::call::{Answered, Call, Reply, failed};
use super::operation::Operation;
use super::oracle::{Broken, Invariant, Oracle, expect};

/// A tree, and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// What a directory would hold.
    pub tree: Arc<Tree>,
    /// What was seen and told.
    pub oracle: Oracle,
    /// An agent that runs alone finds that the medium orders names.
    pub orders_names: bool,
}

/// How many sweeps, a second apart, it takes to see every shard of the blocked tasks. There are few here.
const SWEEPS: u64 = 3;

/// The agent that comes when all others are gone.
const LAST_AGENT: usize = 8;

impl World {
    /// An empty directory, which the first that enqueues makes a queue.
    pub fn empty() -> World {
        World { tree: Arc::default(), oracle: Oracle::default(), orders_names: false }
    }

    /// A queue without tasks, in a directory.
    pub fn new() -> World {
        World::in_store(MemStore::new())
    }

    /// A queue without tasks, in an engine.
    pub fn whole() -> World {
        World::in_store(MemStore::whole())
    }

    fn in_store(store: MemStore) -> World {
        let queue = Queue::open(store).expect("an empty store");
        queue.init(&Turn::new(&after(0), Nonce::from_bits(0xe))).expect("a store at rest");
        let tree = queue.store().clone().into();
        World { oracle: Oracle::of(&tree), tree: Arc::new(tree), orders_names: false }
    }

    /// Does one call of an invocation.
    pub fn call(&mut self, call: &Call, invocation: &Invocation) -> Result<Reply, Broken> {
        if !call.changes() {
            return Ok(Ok(call.look(&self.tree)));
        }
        let reply = call.apply(Arc::make_mut(&mut self.tree));
        // The tokens of two sweeps that begin at one time are one file.
        if let (Call::Rename(_, to), Err(error)) = (call, &reply)
            && to.dir != layout::sweep()
        {
            return Err(Broken::new(Invariant::OnlyGrow, error.to_string()));
        }
        self.oracle.done(call, &reply, &self.tree, invocation)?;
        Ok(reply)
    }

    /// Has a call fail without effect, except that a part of an appended line may be left.
    pub fn fail(&mut self, call: &Call) -> Reply {
        if let Call::Append(path, line, most) = call {
            Arc::make_mut(&mut self.tree).append(path, &line[..line.len() / 2], *most);
        }
        failed(StoreErrorKind::Other)
    }

    /// Carries an invocation out with nobody else about.
    pub fn run(&mut self, invocation: &Invocation) -> Result<Answer, Broken> {
        let (world, broken) = (RefCell::new(&mut *self), RefCell::new(None));
        let orders_names = world.borrow().orders_names;
        let store = Answered::by(|call: Call| match world.borrow_mut().call(&call, invocation) {
            Ok(reply) => reply,
            Err(first) => {
                broken.borrow_mut().get_or_insert(first);
                failed(StoreErrorKind::Other)
            }
        });
        let is_whole = world.borrow().tree.is_whole();
        let answer = invocation.run(store.ordering_names(orders_names).whole(is_whole));
        broken.take().map_or(Ok(()), Err)?;
        self.told(invocation, &answer)?;
        Ok(answer)
    }

    /// An agent is told what came of its invocation.
    pub fn told(&mut self, invocation: &Invocation, answer: &Answer) -> Result<(), Broken> {
        self.oracle.told(invocation, answer, &self.tree)
    }

    /// All agents are gone. One more comes once every lease is over, `seconds` after the beginning. It sweeps, and then
    /// nobody waits for what has happened. It ends what has not ended: then what went in has come out, in order.
    pub fn drain(&mut self, seconds: u64) -> Result<(), Broken> {
        let mut nonces = 0xd000_0000..;
        let mut invocation = |operation, seconds, lease| Invocation {
            agent: LAST_AGENT,
            operation,
            now: after(seconds),
            nonce: nonces.next().map(Nonce::from_bits).expect("as many as it takes"),
            lease,
        };
        self.oracle.limit = None;
        for operation in [Operation::Resume, Operation::Limit(None)] {
            self.run(&invocation(operation, seconds, None))?;
        }
        for second in 0..SWEEPS {
            self.run(&invocation(Operation::Sweep, seconds + second, None))?;
        }
        self.oracle.rested(after(seconds))?;
        let (seconds, waiting) = (seconds + SWEEPS, self.oracle.claimable());
        let mut before = None;
        loop {
            let claimed = self.run(&invocation(Operation::Claim, seconds, None))?;
            let Answer::Claimed(id, _, lease) = claimed else {
                expect(claimed == Answer::Nothing, Invariant::CountsAddUp, || format!("at the end: {claimed:?}"))?;
                break;
            };
            // One that waited for another is claimable only once that has ended.
            if waiting.contains(&id) {
                let place = self.oracle.place(id);
                expect(before < Some(place), Invariant::InOrder, || format!("{id} came after {before:?}"))?;
                before = Some(place);
            }
            let ended = self.run(&invocation(Operation::Complete(id), seconds, Some(lease)))?;
            expect(ended == Answer::Ended(id, lease), Invariant::CountsAddUp, || format!("at the end: {ended:?}"))?;
        }
        self.oracle.closed()
    }

    /// What a doctor finds now, `seconds` after the beginning.
    pub fn examine(&self, seconds: u64) -> Diagnosis {
        let store = MemStore::from(Tree::clone(&self.tree));
        Queue::open(store).and_then(|queue| queue.examine(after(seconds))).expect("a store at rest")
    }

    /// Nothing is left half done, `seconds` after the beginning.
    pub fn leaves_nothing(&self, seconds: u64) -> Result<(), Broken> {
        let found = self.examine(seconds);
        let clean = found.is_healthy() && found.leftovers.total() == 0 && found.foreign.is_empty();
        expect(clean, Invariant::BoundedGarbage, || format!("{found:?}"))
    }

    /// A doctor mends the directory, and a second one what the first one left behind, if it left anything: the
    /// settlements of a task that had two entries. Then there is nothing to do, and nothing left behind.
    pub fn heal(&mut self, seconds: u64) -> Result<(), Broken> {
        self.repair(seconds, Nonce::from_bits(0xd0c0_0000))?;
        if self.leaves_nothing(seconds).is_ok() {
            return Ok(());
        }
        self.repair(seconds, Nonce::from_bits(0xd0c0_1000))?;
        self.leaves_nothing(seconds)
    }

    fn repair(&mut self, seconds: u64, nonce: Nonce) -> Result<(), Broken> {
        let (operation, now) = (Operation::Repair, after(seconds));
        self.run(&Invocation { agent: LAST_AGENT, operation, now, nonce, lease: None }).map(drop)
    }
}

impl Default for World {
    fn default() -> World {
        World::new()
    }
}
