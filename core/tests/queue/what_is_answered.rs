//! What is answered agrees: after any history of operations, the listing, `show`, `wait`, the counts and the outcome
//! of each command say the same of a task at one moment, whether or not an agent has drawn the consequence of time
//! having passed.
//!
//! Each question is asked of a copy of the queue, so that none changes what the next one finds.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::arbitrary::check;
use coord_core::name::{Nonce, QueueName, RunId};
use coord_core::queue::{
    Cancelling, ClaimRequest, EndStep, Failing, Filter, Gc, Item, NewTask, Plan, Retrying, Start, Status, Thoroughness,
    Until, WaitingEnd,
};
use coord_core::store::mem::MemStore;
use coord_core::task::{Backoff, IfParentFails};
use coord_core::transition::{Claimant, IfHeld};
use coord_core::{Error, JsonObject, Queue, TaskId, Timestamp, Turn};

use crate::world;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// Something that an agent does, about which of the tasks so far.
#[derive(Clone, Debug)]
enum Deed {
    Enqueue { ttl: i64, delay: i64, attempts: Option<u32>, key: Option<u8>, parents: Vec<Index> },
    Claim { lease: i64 },
    Complete(Index),
    Fail(Index),
    Release(Index),
    Cancel(Index, IfHeld),
    Retry(Index),
    Sweep,
}

fn deed() -> impl Strategy<Value = Deed> {
    let enqueue =
        (1..6_i64, prop_oneof![3 => Just(0), 1 => 1..4_i64], prop::option::of(1..3_u32), prop::option::of(0..2_u8));
    let parents = prop_oneof![3 => Just(Vec::new()), 1 => vec(any::<Index>(), 1..3)];
    prop_oneof![
        6 => (enqueue, parents).prop_map(|((ttl, delay, attempts, key), parents)| {
            Deed::Enqueue { ttl, delay, attempts, key, parents }
        }),
        5 => (1..4_i64).prop_map(|lease| Deed::Claim { lease }),
        2 => any::<Index>().prop_map(Deed::Complete),
        2 => any::<Index>().prop_map(Deed::Fail),
        1 => any::<Index>().prop_map(Deed::Release),
        2 => (any::<Index>(), prop_oneof![Just(IfHeld::Force), Just(IfHeld::Request)])
            .prop_map(|(i, h)| Deed::Cancel(i, h)),
        2 => any::<Index>().prop_map(Deed::Retry),
        1 => Just(Deed::Sweep),
    ]
}

struct World {
    queue: Queue<MemStore>,
    now: u64,
    nonces: u64,
    tasks: Vec<TaskId>,
}

const SECOND: u64 = 1_000_000;

impl World {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.now)
    }

    fn nonce(&mut self) -> Nonce {
        self.nonces += 1;
        Nonce::from_bits(self.nonces << 8)
    }

    /// Does it, if it can be done.
    fn perform(&mut self, deed: &Deed) {
        let (now, nonce) = (self.now(), self.nonce());
        let turn = &Turn::new(&now, nonce);
        let of = |index: &Index| (!self.tasks.is_empty()).then(|| *index.get(&self.tasks));
        let queue = &self.queue;
        let refused = match deed {
            Deed::Enqueue { ttl, delay, attempts, key, parents } => {
                let mut after: Vec<TaskId> = parents.iter().filter_map(of).collect();
                after.dedup();
                let enqueued = queue.enqueue(new(*ttl, *delay, *attempts, *key, after), turn);
                enqueued.map(|enqueued| self.tasks.push(enqueued.task.id)).err()
            }
            Deed::Claim { lease } => {
                let request = ClaimRequest::any(agent(), *lease);
                queue.claim(&request, Thoroughness::Full, turn).map(drop).err()
            }
            Deed::Complete(index) => of(index).and_then(|id| queue.complete(id, claimant(), None, turn).err()),
            Deed::Fail(index) => of(index).and_then(|id| queue.fail(id, claimant(), failing(), turn).err()),
            Deed::Release(index) => of(index).and_then(|id| queue.release(id, claimant(), 0, turn).err()),
            Deed::Cancel(index, if_held) => of(index).and_then(|id| {
                let by = Cancelling::new("another".parse().unwrap(), *if_held);
                queue.cancel(id, by, turn).err()
            }),
            Deed::Retry(index) => of(index).and_then(|id| retry(queue, id, turn).err()),
            Deed::Sweep => queue.sweep(turn).map(drop).err(),
        };
        self.tasks.sort();
        self.tasks.dedup();
        assert!(
            !matches!(refused, Some(Error::NotFound { .. } | Error::Contended | Error::Store(_))),
            "{deed:?}: {refused:?}"
        );
    }

    /// The same queue, for one question.
    fn copy(&self) -> Queue<MemStore> {
        Queue::open(self.queue.store().clone()).unwrap()
    }
}

fn retry(queue: &Queue<MemStore>, id: TaskId, turn: &Turn<'_>) -> Result<(), Error> {
    queue.retry(id, Retrying::default(), turn).map(drop)
}

fn collect(queue: &Queue<MemStore>, now: Timestamp) {
    queue
        .gc(Gc { older_than_seconds: 0, keep_last: 0, dry_run: false }, &Turn::new(&now, Nonce::from_bits(3)))
        .unwrap();
}

fn agent() -> RunId {
    "agent".parse().unwrap()
}

fn claimant() -> Claimant {
    Claimant { run_id: agent(), nonce: None }
}

fn failing() -> Failing {
    Failing { error: "it failed".parse().unwrap(), is_final: false }
}

fn new(ttl: i64, delay: i64, max_attempts: Option<u32>, key: Option<u8>, after: Vec<TaskId>) -> NewTask {
    NewTask {
        title: "a task".parse().unwrap(),
        priority: 0,
        queue: QueueName::default_queue(),
        ttl_seconds: ttl,
        created_by: agent(),
        tags: Vec::new(),
        plan: Plan {
            max_attempts,
            backoff: max_attempts.map(|_| Backoff { seconds: 1, max_seconds: 2 }),
            start: if delay > 0 { Start::After(delay) } else { Start::Now },
            if_parent_fails: (!after.is_empty()).then_some(IfParentFails::Cancel),
            after,
            unique: key.map(|key| format!("key-{key}").parse().unwrap()),
        },
        payload: JsonObject::parse("{}").unwrap(),
    }
}

fn has_ended(status: Status) -> bool {
    matches!(status, Status::Completed | Status::Failed | Status::Cancelled | Status::Expired)
}

fn listed(queue: &Queue<MemStore>, filter: Filter, now: Timestamp) -> BTreeMap<TaskId, Item> {
    let filter = Filter { limit: usize::MAX, ..filter };
    queue.tasks(&filter, now).unwrap().items.into_iter().map(|item| (item.task.id, item)).collect()
}

/// All that can be asked of the queue now says the same.
fn agrees(world: &World) {
    let now = world.now();
    let turn = &Turn::new(&now, Nonce::from_bits(1));
    let all = listed(&world.copy(), Filter::default(), now);
    assert_eq!(all.keys().collect::<Vec<_>>(), world.tasks.iter().collect::<Vec<_>>());
    let counts = world.copy().stats(3_600, now).unwrap().counts;
    for status in Status::ALL {
        let of_status: Vec<_> = all.values().filter(|item| item.status == status).map(|item| item.task.id).collect();
        assert_eq!(counts.of(status), of_status.len() as u64, "how many are {status:?}");
        let filter = Filter { status: Some(status), ..Filter::default() };
        assert_eq!(
            listed(&world.copy(), filter, now).into_keys().collect::<Vec<_>>(),
            of_status,
            "those that are {status:?}"
        );
    }
    let ended_since =
        listed(&world.copy(), Filter { ended_since: Some(Timestamp::from_micros(0)), ..Filter::default() }, now);
    let collected = world.copy();
    collect(&collected, now);
    let left = listed(&collected, Filter::default(), now);
    for (id, item) in &all {
        let (status, ended) = (item.status, has_ended(item.status));
        let seen = format!("{id} is {status:?}: {item:?}");
        let shown = world.copy().show(*id, now).unwrap().item;
        assert_eq!((shown.status, shown.ended_at), (status, item.ended_at), "show: {seen}");
        assert_eq!(item.ended_at.is_some(), ended, "{seen}");
        assert!(item.ended_at.is_none_or(|at| at <= now), "{seen}");
        assert_eq!(ended_since.contains_key(id), ended, "--ended-since: {seen}");
        if item.task.record.after.is_empty() {
            assert_eq!(waited_for(&world.copy(), *id, now), ended, "wait: {seen}");
        }
        let is_parent =
            all.values().any(|other| other.status == Status::Blocked && other.task.record.after.contains(id));
        if !is_parent {
            assert_eq!(left.contains_key(id), !ended, "gc: {seen}");
        }
        let retried = retry(&world.copy(), *id, turn).map_err(|error| error.code());
        match (status, retried) {
            (Status::Completed, retried) => assert_eq!(retried, Err("already_terminal"), "retry: {seen}"),
            (_, Err("key_taken")) => assert!(ended, "retry: {seen}"),
            (_, Ok(())) => assert!(ended, "retry: {seen}"),
            // Of one that waits for others that will not complete.
            (_, Err("not_terminal")) => assert!(!ended || !item.task.record.after.is_empty(), "retry: {seen}"),
            (_, Err(other)) => assert!(!item.task.record.after.is_empty(), "retry is refused as {other}: {seen}"),
        }
        if ended {
            let completed = world.copy().complete(*id, claimant(), None, turn).map_err(|error| error.code());
            assert_eq!(completed.map(drop), Err("already_terminal"), "complete: {seen}");
            let failed = world.copy().fail(*id, claimant(), failing(), turn).map_err(|error| error.code());
            assert_eq!(failed.map(drop), Err("already_terminal"), "fail: {seen}");
        }
    }
    for key in 0..2_u8 {
        let name = format!("key-{key}");
        let has_key = |item: &&Item| item.task.record.unique.as_ref().is_some_and(|key| key.as_str() == name);
        let live: Vec<TaskId> =
            all.values().filter(has_key).filter(|item| !has_ended(item.status)).map(|item| item.task.id).collect();
        assert!(live.len() <= 1, "{live:?} live, with one key");
        let enqueued = world.copy().enqueue(new(5, 0, None, Some(key), Vec::new()), turn).unwrap();
        let told = enqueued.deduplicated.then_some(enqueued.task.id);
        assert_eq!(told, live.first().copied(), "enqueue --unique {name}");
    }
    let request = ClaimRequest::any(agent(), 1);
    if let Some(claimed) = world.copy().claim(&request, Thoroughness::Full, turn).unwrap().claimed {
        let item = &all[&claimed.task.id];
        assert!(!has_ended(item.status), "claim: {item:?}");
    }
}

/// True if a wait for this task is over at once.
fn waited_for(queue: &Queue<MemStore>, id: TaskId, now: Timestamp) -> bool {
    let mut waiting = WaitingEnd::new(vec![id], Until::All, Duration::ZERO);
    match waiting.step(queue, Duration::ZERO, &Turn::new(&now, Nonce::from_bits(2))).unwrap() {
        EndStep::Done(waited) => waited.is_over,
        EndStep::Sleep(_) => panic!("it does not wait"),
    }
}

#[test]
fn what_is_asked_of_a_task_at_one_moment_is_answered_alike() {
    let history = vec((deed(), 0..3 * SECOND), 1..14);
    check(1, history, |history| {
        let queue = Queue::open(world::empty_store()).unwrap();
        let mut world = World { queue, now: 1_795_336_200 * SECOND, nonces: 0x100, tasks: Vec::new() };
        queue_is_made(&mut world);
        for (deed, passes) in &history {
            world.now += passes;
            world.perform(deed);
            agrees(&world);
            // Nobody comes by for a while.
            world.now += 1;
        }
        for seconds in [1, 2, 5] {
            world.now += seconds * SECOND;
            agrees(&world);
        }
    });
}

fn queue_is_made(world: &mut World) {
    let (now, nonce) = (world.now(), world.nonce());
    world.queue.init(&Turn::new(&now, nonce)).unwrap();
}
