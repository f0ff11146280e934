//! What one queue holds does not change what a claim of another one costs, counted in calls of the store; and a lease
//! is as long as it was asked for, however long the claim took.

use std::cell::Cell;
use std::rc::Rc;

use crate::world;
use coord_core::entry::Entry;
use coord_core::layout::{self, Dir, Path};
use coord_core::name::{Nonce, QueueName};
use coord_core::queue::{Cancelling, ClaimRequest, Claimed, NewTask, Start, Status, Thoroughness};
use coord_core::store::mem::MemStore;
use coord_core::store::{Appended, Created, DirRemoved, Flushed, Linked, Made, Moved, Removed, Stamp, StoreError};
use coord_core::task::{Backoff, IfParentFails};
use coord_core::time::Clock;
use coord_core::transition::{Command, IfHeld, decide};
use coord_core::{Queue, Store, TaskId, Timestamp, Turn, limits};

const SECOND: u64 = 1_000_000;

/// A store in memory that counts its calls, each of which takes a while.
#[derive(Clone)]
struct Counted(Rc<Medium>);

struct Medium {
    inner: MemStore,
    calls: Cell<u64>,
    now: Cell<u64>,
    micros_a_call: Cell<u64>,
}

impl Counted {
    fn call(&self) -> &MemStore {
        let Medium { inner, calls, now, micros_a_call } = &*self.0;
        calls.set(calls.get() + 1);
        now.set(now.get() + micros_a_call.get());
        inner
    }
}

/// A directory in which somebody else's queue, `evil`, holds something, and a task waits in `mine`.
struct World {
    store: Counted,
    nonces: Cell<u64>,
}

impl World {
    fn new() -> World {
        let medium = Medium {
            inner: world::empty_store(),
            calls: Cell::new(0),
            now: Cell::new(1_795_336_200 * SECOND),
            micros_a_call: Cell::new(0),
        };
        World { store: Counted(Rc::new(medium)), nonces: Cell::new(0) }
    }

    fn queue(&self) -> Queue<Counted> {
        Queue::open(self.store.clone()).unwrap()
    }

    fn now(&self) -> Timestamp {
        let now = &self.store.0.now;
        now.set(now.get() + 1);
        Timestamp::from_micros(now.get())
    }

    fn pass(&self, seconds: u64) {
        let now = &self.store.0.now;
        now.set(now.get() + seconds * SECOND);
    }

    fn nonce(&self) -> Nonce {
        self.nonces.set(self.nonces.get() + 1);
        Nonce::from_bits(self.nonces.get() << 8)
    }

    fn turn(&self) -> Turn<'_> {
        self.now();
        Turn::new(self, self.nonce())
    }

    fn enqueue(&self, queue: &str, title: &str, change: impl Fn(&mut NewTask)) -> TaskId {
        let mut new = NewTask { queue: queue.parse().unwrap(), ..world::new(title) };
        change(&mut new);
        self.queue().enqueue(new, &self.turn()).unwrap().task.id
    }

    fn claim(&self, queue: &str, lease_seconds: i64) -> Option<Claimed> {
        let queues = Vec::from([queue.parse().unwrap()]);
        let request = ClaimRequest { queues, lease_seconds, ..ClaimRequest::any(world::agent(), 10) };
        self.queue().claim(&request, Thoroughness::Full, &self.turn()).unwrap().claimed
    }

    /// How many calls a claim of `mine` takes, by a process of its own.
    fn calls_of_a_claim(&self) -> u64 {
        let before = self.store.0.calls.get();
        assert!(self.claim("mine", 10).is_some());
        self.store.0.calls.get() - before
    }

    /// Ends a task as an agent does that dies right afterwards.
    fn cancels_and_dies(&self, id: TaskId, queue: &str) {
        let task = self.queue().task(id).unwrap().unwrap();
        let dir = layout::ready_bucket(&task.record.queue, task.record.priority, task.record.created_at);
        let entry = Entry::first(&task);
        let command =
            Command::Cancel { run_id: world::agent(), if_held: IfHeld::Refuse, nonce: self.nonce(), report: None };
        let next = decide(&entry, &command, self.now()).unwrap();
        let home = layout::home(&next, &queue.parse().unwrap());
        assert_eq!(self.store.rename(&dir.file(entry.name()), &home.file(next.name())).unwrap(), Moved::Here);
    }
}

/// A turn takes no time, unless the test or its medium says so.
impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.store.0.now.get())
    }
}

/// Puts so many of something into the queue `evil`.
type Fill = fn(&World, usize);

const FILLS: [(&str, Fill); 8] = [
    ("tasks whose parent has ended", |world, n| {
        let parent = world.enqueue("evil", "parent", |_| {});
        (0..n).for_each(|i| _ = world.enqueue("evil", &format!("child {i}"), |new| new.plan.after = vec![parent]));
        world.cancels_and_dies(parent, "evil");
    }),
    ("live leases", |world, n| hold(world, n, 100_000, None)),
    ("leases that ran out", |world, n| hold(world, n, 1, None)),
    ("leases that ran out, of the last attempt", |world, n| hold(world, n, 1, Some(1))),
    ("due tasks", |world, n| {
        for i in 0..n {
            world.enqueue("evil", &format!("due {i}"), |new| {
                new.plan.start = Start::After(1);
            });
        }
    }),
    ("priorities", |world, n| {
        for i in 0..n {
            world.enqueue("evil", &format!("of priority {i}"), |new| new.priority = 1_000 + i64::try_from(i).unwrap());
        }
    }),
    ("keys", |world, n| {
        for i in 0..n {
            world.enqueue("evil", &format!("with key {i}"), |new| {
                new.plan.unique = Some(format!("key {i}").parse().unwrap());
            });
        }
    }),
    ("live leases beside limits and pauses", |world, n| {
        for i in 0..n {
            let queue: QueueName = format!("evil-{i}").parse().unwrap();
            world.queue().limit_in_flight(&queue, Some(1), &world.turn()).unwrap();
            world.queue().pause(&queue, &world.turn()).unwrap();
        }
        hold(world, n, 100_000, None);
    }),
];

fn hold(world: &World, n: usize, lease_seconds: i64, max_attempts: Option<u32>) {
    for i in 0..n {
        world.enqueue("evil", &format!("held {i}"), |new| {
            new.plan.max_attempts = max_attempts;
            new.plan.backoff = Some(Backoff { seconds: 1, max_seconds: 1 });
        });
        assert!(world.claim("evil", lease_seconds).is_some());
    }
}

#[test]
fn a_claim_takes_the_same_calls_whatever_another_queue_holds() {
    for (what, fill) in FILLS {
        let [few, many] = [100, 1_000].map(|n| {
            let world = World::new();
            (0..3).for_each(|i| _ = world.enqueue("mine", &format!("mine {i}"), |_| {}));
            fill(&world, n);
            world.pass(100);
            // The first one may sweep; the next one finds that another has.
            let sweeping = world.calls_of_a_claim();
            (sweeping, world.calls_of_a_claim())
        });
        assert_eq!(few.1, many.1, "beside 100 and beside 1,000 {what}");
        let (few, many) = (few.0, many.0);
        // Of as many tasks as are moved more or fewer come to one directory.
        assert!(many <= few + few / 2, "a sweep beside 100 {what} takes {few} calls, beside 1,000 {many}");
    }
}

#[test]
fn a_lease_lasts_as_long_as_was_asked_however_long_the_claim_took() {
    for (what, fill) in FILLS {
        let world = World::new();
        world.enqueue("mine", "mine", |_| {});
        fill(&world, 500);
        world.pass(100);
        world.store.0.micros_a_call.set(10_000);
        let began = world.now();
        let claimed = world.claim("mine", 10).unwrap();
        let answered = world.now();
        let left = claimed.record.expires_at.micros_since(answered);
        assert!(left >= 9_500_000, "beside {what}: {left} µs of 10 s are left");
        // Beyond its few steps a claim looks at the clock: 5 ms for each kind of work for others.
        assert!(answered.micros_since(began) <= 2 * SECOND, "beside {what}");
    }
}

#[test]
fn what_a_claim_leaves_the_next_ones_do_and_nothing_is_called_empty_before() {
    let world = World::new();
    let parent = world.enqueue("evil", "parent", |_| {});
    for i in 0..300 {
        world.enqueue("evil", &format!("child {i}"), |new| {
            new.plan.after = vec![parent];
            new.plan.if_parent_fails = Some(IfParentFails::Run);
        });
    }
    (0..6).for_each(|i| _ = world.enqueue("mine", &format!("mine {i}"), |_| {}));
    world.cancels_and_dies(parent, "evil");
    let waiting = || {
        let stats = world.queue().stats(60, world.now()).unwrap();
        stats.queues[&"evil".parse::<QueueName>().unwrap()].counts.of(Status::Pending)
    };
    let mut moved = Vec::new();
    for _ in 0..6 {
        world.pass(2);
        assert!(world.claim("mine", 10).is_some());
        moved.push(waiting());
    }
    assert!(moved[0] > 0 && moved[0] <= limits::BEFORE_A_CLAIM.steps, "{moved:?}");
    assert!(moved.is_sorted() && moved[5] == 300, "{moved:?}");
    let world = World::new();
    let parent = world.enqueue("evil", "parent", |_| {});
    (0..300).for_each(|i| {
        _ = world.enqueue("evil", &format!("child {i}"), |new| {
            new.plan.after = vec![parent];
            new.plan.if_parent_fails = Some(IfParentFails::Run);
        });
    });
    world.cancels_and_dies(parent, "evil");
    // Slow as the medium is, the time is over before all are woken. So it is said that there is more.
    world.store.0.micros_a_call.set(5_000);
    let request = ClaimRequest { queues: vec!["mine".parse().unwrap()], ..ClaimRequest::any(world::agent(), 10) };
    let claim = |world: &World| {
        let claim = world.queue().claim(&request, Thoroughness::Full, &world.turn()).unwrap();
        assert!(claim.claimed.is_none());
        claim.closed.more_is_due
    };
    assert!(claim(&world));
    world.store.0.micros_a_call.set(0);
    assert!(!claim(&world));
}

#[test]
fn who_ends_a_task_wakes_so_many_and_the_sweeps_wake_the_others() {
    let world = World::new();
    let parent = world.enqueue("evil", "parent", |_| {});
    let children = usize::try_from(limits::WOKEN_PER_END / (limits::STEPS_PER_END + 1)).unwrap() + 20;
    for i in 0..children {
        world.enqueue("evil", &format!("child {i}"), |new| new.plan.after = vec![parent]);
    }
    let cancelling = Cancelling::new(world::agent(), IfHeld::Refuse);
    world.queue().cancel(parent, cancelling, &world.turn()).unwrap();
    let blocked = || {
        let stats = world.queue().stats(60, world.now()).unwrap();
        stats.queues[&"evil".parse::<QueueName>().unwrap()].counts.of(Status::Blocked)
    };
    assert!((1..=30).contains(&blocked()), "{}", blocked());
    world.pass(2);
    assert!(world.claim("evil", 10).is_none());
    assert_eq!(blocked(), 0);
}

impl Store for Counted {
    fn create(&self, path: &Path, content: &[u8]) -> Result<Created, StoreError> {
        self.call().create(path, content)
    }

    fn append(&self, path: &Path, line: &[u8], most: usize) -> Result<Appended, StoreError> {
        self.call().append(path, line, most)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<Linked, StoreError> {
        self.call().link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<Moved, StoreError> {
        self.call().rename(from, to)
    }

    fn read(&self, path: &Path, max_bytes: usize) -> Result<Option<Vec<u8>>, StoreError> {
        self.call().read(path, max_bytes)
    }

    fn links(&self, path: &Path) -> Result<Option<u64>, StoreError> {
        self.call().links(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, StoreError> {
        self.call().exists(path)
    }

    fn list(&self, dir: &Dir) -> Result<Option<Vec<String>>, StoreError> {
        self.call().list(dir)
    }

    fn stamp(&self, dir: &Dir) -> Result<Option<Stamp>, StoreError> {
        self.call().stamp(dir)
    }

    fn remove(&self, path: &Path) -> Result<Removed, StoreError> {
        self.call().remove(path)
    }

    fn make_dir(&self, dir: &Dir) -> Result<Made, StoreError> {
        self.call().make_dir(dir)
    }

    fn remove_dir(&self, dir: &Dir) -> Result<DirRemoved, StoreError> {
        self.call().remove_dir(dir)
    }

    fn flush(&self, path: &Path) -> Result<Flushed, StoreError> {
        self.call().flush(path)
    }

    fn sync_dir(&self, dir: &Dir) -> Result<(), StoreError> {
        self.call().sync_dir(dir)
    }
}
