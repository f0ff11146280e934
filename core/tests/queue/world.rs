//! A queue in memory with a clock and nonces of its own, and an agent that works on it.

use std::cell::Cell;

use coord_core::name::{ErrorMessage, Nonce, QueueName, RunId, Tag};
use coord_core::queue::{
    ClaimRequest, Claimed, Failing, Filter, Item, NewTask, Plan, ReportKind, Status, Thoroughness,
};
use coord_core::store::mem::MemStore;
use coord_core::task::{Backoff, IfParentFails};
use coord_core::time::Clock;
use coord_core::transition::Claimant;
use coord_core::{Error, JsonObject, Queue, TaskId, Timestamp, Turn};

/// A queue with a clock and nonces of its own.
pub struct World {
    pub queue: Queue<MemStore>,
    pub now: Cell<u64>,
    pub nonces: Cell<u64>,
}

pub const SECOND: u64 = 1_000_000;

/// Set for a run on a medium with fused operations.
pub const ON_AN_ENGINE: &str = "COORD_TEST_ON_AN_ENGINE";

/// An empty store of the kind that the tests are run on.
pub fn empty_store() -> MemStore {
    if is_engine() { MemStore::whole() } else { MemStore::new() }
}

/// True if the tests are run on a medium with fused operations.
pub fn is_engine() -> bool {
    std::env::var_os(ON_AN_ENGINE).is_some()
}

impl World {
    pub fn new() -> World {
        let queue = Queue::open(empty_store()).unwrap();
        World { queue, now: Cell::new(1_795_336_200 * SECOND), nonces: Cell::new(0) }
    }

    /// On a medium that orders names.
    pub fn that_orders_names() -> World {
        World { queue: Queue::open(MemStore::that_orders_names()).unwrap(), ..World::new() }
    }

    pub fn now(&self) -> Timestamp {
        self.now.set(self.now.get() + 1);
        Timestamp::from_micros(self.now.get())
    }

    pub fn pass(&self, seconds: u64) {
        self.now.set(self.now.get() + seconds * SECOND);
    }

    pub fn nonce(&self) -> Nonce {
        self.nonces.set(self.nonces.get() + 1);
        Nonce::from_bits(self.nonces.get() << 8)
    }

    pub fn turn(&self) -> Turn<'_> {
        self.now();
        Turn::new(self, self.nonce())
    }

    pub fn enqueue(&self, title: &str) -> TaskId {
        self.enqueue_with(title, |_| {}).unwrap()
    }

    pub fn enqueue_with(&self, title: &str, change: impl Fn(&mut NewTask)) -> Result<TaskId, Error> {
        let mut new = new(title);
        change(&mut new);
        self.queue.enqueue(new, &self.turn()).map(|enqueued| enqueued.task.id)
    }

    pub fn after(&self, title: &str, parents: &[TaskId], if_parent_fails: IfParentFails) -> TaskId {
        self.enqueue_with(title, |new| {
            new.plan.after = parents.to_vec();
            new.plan.if_parent_fails = Some(if_parent_fails);
        })
        .unwrap()
    }

    pub fn claim(&self) -> Option<Claimed> {
        self.claim_as(&ClaimRequest::any(agent(), 10))
    }

    pub fn claim_as(&self, request: &ClaimRequest) -> Option<Claimed> {
        self.queue.claim(request, Thoroughness::Full, &self.turn()).unwrap().claimed
    }

    #[track_caller]
    pub fn claims(&self, id: TaskId) {
        assert_eq!(self.claim().map(|claimed| claimed.task.id), Some(id));
    }

    pub fn complete(&self, id: TaskId) {
        self.queue.complete(id, holder(), None, &self.turn()).unwrap();
    }

    pub fn fail(&self, id: TaskId, error: &str) -> Status {
        let failing = Failing::from(error.parse::<ErrorMessage>().unwrap());
        self.queue.fail(id, holder(), failing, &self.turn()).unwrap().status
    }

    pub fn item(&self, id: TaskId) -> Item {
        self.queue.show(id, self.now()).unwrap().item
    }

    pub fn status(&self, id: TaskId) -> Status {
        self.item(id).status
    }

    /// The kinds of what was reported, and what was said.
    pub fn history(&self, id: TaskId) -> Vec<(ReportKind, String)> {
        let said = |error: Option<ErrorMessage>| error.map(String::from).unwrap_or_default();
        let shown = self.queue.show(id, self.now()).unwrap();
        assert_eq!(shown.findings, []);
        shown.history.into_iter().map(|report| (report.kind, said(report.error))).collect()
    }

    pub fn assert_healthy(&self) {
        let diagnosis = self.queue.examine(self.now()).unwrap();
        assert_eq!(
            (&diagnosis.defects[..], diagnosis.leftovers.total(), &diagnosis.foreign[..]),
            (&[][..], 0, &[][..])
        );
        let listed = self.queue.tasks(&Filter::default(), self.now()).unwrap();
        assert_eq!(listed.counts, diagnosis.counts);
    }
}

/// A turn takes no time, unless the test or its medium says so.
impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.now.get())
    }
}

pub fn new(title: &str) -> NewTask {
    NewTask {
        title: title.parse().unwrap(),
        priority: 0,
        queue: QueueName::default_queue(),
        ttl_seconds: 1_000_000,
        created_by: "orchestrator".parse().unwrap(),
        tags: Vec::new(),
        plan: Plan::default(),
        payload: JsonObject::parse("{}").unwrap(),
    }
}

pub fn agent() -> RunId {
    "agent".parse().unwrap()
}

pub fn holder() -> Claimant {
    Claimant { run_id: agent(), nonce: None }
}

pub fn tags(words: &[&str]) -> Vec<Tag> {
    words.iter().map(|word| word.parse().unwrap()).collect()
}

pub fn attempts(max: u32, seconds: i64) -> impl Fn(&mut NewTask) {
    move |new| {
        new.plan.max_attempts = Some(max);
        new.plan.backoff = Some(Backoff { seconds, max_seconds: seconds });
    }
}
