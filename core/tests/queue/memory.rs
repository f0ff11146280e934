//! What a queue remembers from one operation to the next is never what decides. Two queues on one store in memory stand
//! for two agents: one that goes on, and one whose changes it is not told of.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use coord_core::layout::{Dir, Path};
use coord_core::name::{ErrorMessage, Nonce};
use coord_core::queue::{Cancelling, ClaimRequest, Filter, NewTask, Plan, Renewing, Thoroughness};
use coord_core::store::mem::MemStore;
use coord_core::store::{Appended, Created, DirRemoved, Flushed, Linked, Made, Moved, Removed, Stamp, StoreError};
use coord_core::time::Clock;
use coord_core::transition::{Claimant, IfHeld};
use coord_core::{JsonObject, Queue, Store, TaskId, Timestamp, Turn};

/// One directory, its clock, and two agents that go on.
struct World {
    medium: Rc<Medium>,
    nonces: Cell<u64>,
    ann: Queue<View>,
    bob: Queue<View>,
}

impl World {
    fn new() -> World {
        let medium = Rc::new(Medium::default());
        let open = || Queue::open(View(medium.clone())).unwrap();
        let (ann, bob) = (open(), open());
        medium.micros.set(1_795_336_200_000_000);
        World { medium, nonces: Cell::new(0), ann, bob }
    }

    fn now(&self) -> Timestamp {
        self.pass(1)
    }

    fn pass(&self, micros: u64) -> Timestamp {
        self.medium.micros.set(self.medium.micros.get() + micros);
        Timestamp::from_micros(self.medium.micros.get())
    }

    fn nonce(&self) -> Nonce {
        self.nonces.set(self.nonces.get() + 1);
        Nonce::from_bits(self.nonces.get())
    }

    fn turn(&self) -> Turn<'_> {
        self.now();
        Turn::new(self, self.nonce())
    }

    fn enqueue(&self, by: &Queue<View>, title: &str, priority: i64, queue: &str) -> TaskId {
        let new = NewTask {
            title: title.parse().unwrap(),
            priority,
            queue: queue.parse().unwrap(),
            ttl_seconds: 1_000,
            created_by: "orchestrator".parse().unwrap(),
            tags: Vec::new(),
            plan: Plan::default(),
            payload: JsonObject::parse("{}").unwrap(),
        };
        by.enqueue(new, &self.turn()).unwrap().task.id
    }

    /// The title of what the agent claims, or nothing.
    fn claim(&self, by: &Queue<View>) -> Option<(String, TaskId)> {
        let request = ClaimRequest::any("agent".parse().unwrap(), 100);
        let claim = by.claim(&request, Thoroughness::Full, &self.turn()).unwrap();
        claim.claimed.map(|claimed| (claimed.task.record.title.to_string(), claimed.task.id))
    }

    fn claims(&self, by: &Queue<View>, title: &str) -> TaskId {
        let (found, id) = self.claim(by).unwrap();
        assert_eq!(found, title);
        id
    }

    fn release(&self, by: &Queue<View>, id: TaskId) {
        by.release(id, claimant(), 0, &self.turn()).unwrap();
    }

    /// What the agent asks of the store meanwhile.
    fn calls(&self, act: impl FnOnce()) -> Vec<&'static str> {
        self.medium.calls.take();
        act();
        self.medium.calls.take()
    }
}

/// A turn takes no time, unless the test or its medium says so.
impl Clock for World {
    fn now(&self) -> Timestamp {
        self.pass(0)
    }
}

fn claimant() -> Claimant {
    Claimant { run_id: "agent".parse().unwrap(), nonce: None }
}

#[test]
fn a_queue_that_goes_on_reads_one_directory_in_10_ms_for_claims_and_none_for_what_a_holder_does() {
    let world = World::new();
    for _ in 0..10 {
        world.enqueue(&world.bob, "t", 0, "q");
    }
    world.pass(1_000_000);
    // The first claim remembers no more than the names that it read at the head, the next that reads `ready/` begins
    // to.
    let ids: Vec<TaskId> = (0..2).map(|_| world.claims(&world.ann, "t")).collect();
    world.pass(10_000);
    world.claims(&world.ann, "t");
    let claim = world.calls(|| _ = world.claims(&world.ann, "t"));
    // What is set for queues; the name was read by a claim before.
    assert_eq!(claim, ["stamp", "read", "rename"]);
    world.pass(10_000);
    let claim = world.calls(|| _ = world.claims(&world.ann, "t"));
    // What is set for queues, six directories on the way, the time bucket.
    assert_eq!(claim, ["stamp", "stamp", "stamp", "stamp", "stamp", "stamp", "stamp", "list", "read", "rename"]);
    let heartbeat =
        world.calls(|| drop(world.ann.heartbeat(ids[0], claimant(), Renewing::default(), &world.turn()).unwrap()));
    assert_eq!(heartbeat, ["rename"]);
    let complete = world.calls(|| drop(world.ann.complete(ids[0], claimant(), None, &world.turn()).unwrap()));
    // Nobody waits for it.
    assert_eq!(complete, ["rename", "sync_dir", "stamp"]);
}

#[test]
fn an_operation_makes_no_more_changes_than_it_must() {
    let world = World::new();
    let has_prepared = |shard: u8| {
        let dir = Dir::root().child("tasks").child(&format!("{shard:02x}"));
        world.medium.inner.exists(&dir.file("prepared")).unwrap()
    };
    // The first task of each shard of the directory makes that, and the first of each 8 ms its time bucket.
    while !(0..=u8::MAX).all(has_prepared) {
        world.enqueue(&world.bob, "t", 0, "q");
    }
    let changes = |act: &mut dyn FnMut()| -> Vec<&'static str> {
        let calls = world.calls(act);
        calls.into_iter().filter(|call| !["exists", "list", "read", "stamp", "sync_dir"].contains(call)).collect()
    };
    let none: Vec<&str> = Vec::new();
    let result = || JsonObject::parse(r#"{"pr":42}"#).ok();
    world.claims(&world.ann, "t");
    let mut ids = Vec::new();
    assert_eq!(changes(&mut || _ = world.enqueue(&world.bob, "t", 0, "q")), ["create", "link"]);
    for _ in 0..4 {
        assert_eq!(changes(&mut || ids.push(world.claims(&world.ann, "t"))), ["rename"]);
    }
    let heartbeat = |id| world.ann.heartbeat(id, claimant(), Renewing::default(), &world.turn()).unwrap();
    assert_eq!(changes(&mut || drop(heartbeat(ids[0]))), ["rename"]);
    let complete = |id, result| world.ann.complete(id, claimant(), result, &world.turn()).unwrap();
    assert_eq!(changes(&mut || drop(complete(ids[0], None))), ["rename"]);
    assert_eq!(changes(&mut || drop(complete(ids[1], result()))), ["append", "flush", "rename"]);
    let fail = |id| world.ann.fail(id, claimant(), "broke".parse::<ErrorMessage>().unwrap().into(), &world.turn());
    assert_eq!(changes(&mut || drop(fail(ids[2]).unwrap())), ["append", "flush", "rename"]);
    assert_eq!(changes(&mut || world.release(&world.ann, ids[3])), ["rename"]);
    assert_eq!(changes(&mut || drop(world.ann.tasks(&Filter::default(), world.now()).unwrap())), none);
}

#[test]
fn what_another_agent_enqueues_is_seen_within_10_ms_wherever_it_comes_and_what_this_one_does_at_once() {
    let world = World::new();
    for _ in 0..10 {
        world.enqueue(&world.bob, "old", 0, "q");
    }
    world.pass(1_000_000);
    for _ in 0..4 {
        world.claims(&world.ann, "old");
    }
    for (title, priority, queue) in [("higher", 1, "q"), ("higher still", 2, "another")] {
        world.enqueue(&world.bob, title, priority, queue);
        world.claims(&world.ann, "old");
        world.pass(10_000);
        world.claims(&world.ann, title);
        world.claims(&world.ann, "old");
    }
    world.enqueue(&world.ann, "highest", 3, "q");
    world.claims(&world.ann, "highest");
}

#[test]
fn where_a_race_is_lost_names_are_passed_over_and_met_again() {
    let world = World::new();
    let mut tasks: Vec<TaskId> = (0..60).map(|_| world.enqueue(&world.bob, "t", 0, "q")).collect();
    world.pass(1_000_000);
    let mut claimed: Vec<TaskId> = (0..2).map(|_| world.claims(&world.ann, "t")).collect();
    claimed.extend((0..4).map(|_| world.claims(&world.bob, "t")));
    let late = world.calls(|| claimed.push(world.claims(&world.ann, "t")));
    // It found one gone and went on elsewhere, where nobody is, without reading `ready/` anew.
    assert_eq!(late.iter().filter(|call| **call == "read").count(), 2, "{late:?}");
    assert_eq!(late.iter().filter(|call| **call == "rename").count(), 1, "{late:?}");
    assert!(!late.contains(&"list"), "{late:?}");
    assert_eq!(claimed[..6], tasks[..6]);
    let place = tasks.iter().position(|task| *task == claimed[6]);
    assert!(place > Some(6), "it passed over none: {place:?}");
    claimed.extend((7..60).map(|_| world.claims(&world.ann, "t")));
    tasks.sort();
    claimed.sort();
    assert_eq!(claimed, tasks);
}

#[test]
fn a_claim_that_loses_three_races_reads_the_state_dir_anew() {
    let world = World::new();
    for _ in 0..20 {
        world.enqueue(&world.bob, "t", 0, "q");
    }
    world.pass(1_000_000);
    for by in [&world.ann; 2].into_iter().chain([&world.bob; 17]) {
        world.claims(by, "t");
    }
    let last = world.calls(|| _ = world.claims(&world.ann, "t"));
    assert!(last.iter().filter(|call| **call == "rename").count() <= 4, "{last:?}");
    assert_eq!(last.iter().filter(|call| **call == "list").count(), 1, "{last:?}");
    assert_eq!(world.claim(&world.ann), None);
}

#[test]
fn what_an_agent_has_cancelled_itself_is_no_race_that_it_lost() {
    let world = World::new();
    let tasks: Vec<TaskId> = (0..60).map(|_| world.enqueue(&world.bob, "t", 0, "q")).collect();
    world.pass(1_000_000);
    assert_eq!((0..2).map(|_| world.claims(&world.ann, "t")).collect::<Vec<_>>(), tasks[..2]);
    let cancelling = Cancelling::new("agent".parse().unwrap(), IfHeld::Refuse);
    world.ann.cancel(tasks[2], cancelling, &world.turn()).unwrap();
    assert_eq!(world.claims(&world.ann, "t"), tasks[3]);
}

#[test]
fn what_another_agent_gives_back_is_seen_within_20_ms_and_what_this_one_does_at_once() {
    let world = World::new();
    for title in ["first", "second", "third", "fourth", "fifth", "sixth"] {
        world.enqueue(&world.bob, title, 0, "q");
        world.pass(10_000);
    }
    let id = world.claims(&world.ann, "first");
    world.claims(&world.ann, "second");
    // `ann` has seen a moment ago that there is nothing left where the first was.
    world.claims(&world.ann, "third");
    world.release(&world.bob, id);
    world.claims(&world.ann, "fourth");
    world.pass(20_000);
    world.claims(&world.ann, "first");
    world.claims(&world.ann, "fifth");
    world.release(&world.ann, id);
    world.claims(&world.ann, "first");
}

#[test]
fn what_another_agent_gives_back_is_seen_at_once_if_there_is_nothing_else() {
    let world = World::new();
    world.enqueue(&world.bob, "first", 0, "q");
    world.pass(10_000);
    world.enqueue(&world.bob, "second", 0, "q");
    let id = world.claims(&world.ann, "first");
    world.claims(&world.ann, "second");
    assert_eq!(world.claim(&world.ann), None);
    world.release(&world.bob, id);
    world.claims(&world.ann, "first");
    assert_eq!(world.claim(&world.ann), None);
}

#[test]
fn a_medium_whose_stamps_never_change_costs_order_for_a_second_and_no_task() {
    let world = World::new();
    world.medium.stands_still.set(true);
    for _ in 0..4 {
        world.enqueue(&world.bob, "old", 0, "q");
    }
    world.pass(1_000_000);
    for _ in 0..2 {
        world.claims(&world.ann, "old");
    }
    world.enqueue(&world.bob, "higher", 1, "q");
    world.claims(&world.ann, "old");
    world.pass(1_000_000);
    world.claims(&world.ann, "higher");
    world.claims(&world.ann, "old");
    world.enqueue(&world.bob, "elsewhere", 1, "another");
    world.claims(&world.ann, "elsewhere");
    assert_eq!(world.claim(&world.ann), None);
}

#[test]
fn a_lease_whose_name_has_changed_since_is_found_all_the_same() {
    let world = World::new();
    let id = world.enqueue(&world.bob, "t", 0, "q");
    world.claims(&world.ann, "t");
    // Another process of the same agent.
    world
        .bob
        .heartbeat(id, claimant(), Renewing { lease_seconds: Some(50), ..Renewing::default() }, &world.turn())
        .unwrap();
    world.ann.heartbeat(id, claimant(), Renewing::default(), &world.turn()).unwrap();
    world.bob.heartbeat(id, claimant(), Renewing::default(), &world.turn()).unwrap();
    let done = world.ann.complete(id, claimant(), None, &world.turn()).unwrap();
    assert_eq!(done.status.as_str(), "completed");
    let again = world.ann.complete(id, claimant(), None, &world.turn());
    assert_eq!(again.unwrap_err().code(), "already_terminal");
}

#[test]
fn a_claimant_is_judged_by_what_is_there_and_not_by_what_is_remembered() {
    let world = World::new();
    let id = world.enqueue(&world.bob, "t", 0, "q");
    world.claims(&world.ann, "t");
    world.release(&world.bob, id);
    let refused = world.ann.heartbeat(id, claimant(), Renewing::default(), &world.turn()).unwrap_err();
    assert_eq!(refused.code(), "not_claimed");
    world.claims(&world.ann, "t");
    world.release(&world.bob, id);
    let other = ClaimRequest::any("other".parse().unwrap(), 100);
    world.bob.claim(&other, Thoroughness::Full, &world.turn()).unwrap();
    // By the name that `ann` remembers, it is still the agent's.
    let other = Claimant { run_id: other.run_id, nonce: None };
    world.ann.heartbeat(id, other, Renewing::default(), &world.turn()).unwrap();
}

/// A store in memory that notes what it is asked, with a clock by which it stamps what changes.
#[derive(Default)]
struct Medium {
    inner: MemStore,
    micros: Cell<u64>,
    changed: RefCell<BTreeMap<Dir, u64>>,
    calls: RefCell<Vec<&'static str>>,
    stands_still: Cell<bool>,
}

/// One agent's view of it.
struct View(Rc<Medium>);

impl View {
    fn of(&self, call: &'static str) -> &MemStore {
        self.0.calls.borrow_mut().push(call);
        &self.0.inner
    }

    /// Makes a change in these directories, whose stamps are then the present time.
    fn change<T>(&self, call: &'static str, dirs: &[&Dir], act: impl FnOnce(&MemStore) -> T) -> T {
        let done = act(self.of(call));
        for dir in dirs {
            self.0.changed.borrow_mut().insert((*dir).clone(), self.0.micros.get());
        }
        done
    }
}

impl Store for View {
    fn create(&self, path: &Path, content: &[u8]) -> Result<Created, StoreError> {
        self.change("create", &[&path.dir], |inner| inner.create(path, content))
    }

    fn append(&self, path: &Path, line: &[u8], most: usize) -> Result<Appended, StoreError> {
        self.of("append").append(path, line, most)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<Linked, StoreError> {
        self.change("link", &[&to.dir], |inner| inner.link(from, to))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<Moved, StoreError> {
        self.change("rename", &[&from.dir, &to.dir], |inner| inner.rename(from, to))
    }

    fn read(&self, path: &Path, max_bytes: usize) -> Result<Option<Vec<u8>>, StoreError> {
        self.of("read").read(path, max_bytes)
    }

    fn links(&self, path: &Path) -> Result<Option<u64>, StoreError> {
        self.of("links").links(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, StoreError> {
        self.of("exists").exists(path)
    }

    fn list(&self, dir: &Dir) -> Result<Option<Vec<String>>, StoreError> {
        self.of("list").list(dir)
    }

    fn stamp(&self, dir: &Dir) -> Result<Option<Stamp>, StoreError> {
        let there = self.of("stamp").stamp(dir)?.is_some();
        let changed = self.0.changed.borrow().get(dir).copied().unwrap_or(0);
        let micros = if self.0.stands_still.get() { 0 } else { changed };
        Ok(there.then(|| Stamp::from_parts(micros / 1_000_000, (micros % 1_000_000 * 1_000) as u32)))
    }

    fn remove(&self, path: &Path) -> Result<Removed, StoreError> {
        self.change("remove", &[&path.dir], |inner| inner.remove(path))
    }

    fn make_dir(&self, dir: &Dir) -> Result<Made, StoreError> {
        self.change("make_dir", &[&dir.split().unwrap().0, dir], |inner| inner.make_dir(dir))
    }

    fn remove_dir(&self, dir: &Dir) -> Result<DirRemoved, StoreError> {
        self.change("remove_dir", &[&dir.split().unwrap().0], |inner| inner.remove_dir(dir))
    }

    fn orders_names(&self) -> Option<bool> {
        Some(false)
    }

    fn flush(&self, path: &Path) -> Result<Flushed, StoreError> {
        self.of("flush").flush(path)
    }

    fn sync_dir(&self, dir: &Dir) -> Result<(), StoreError> {
        self.of("sync_dir").sync_dir(dir)
    }
}
