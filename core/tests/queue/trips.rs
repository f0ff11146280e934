//! How many trips an operation takes on a medium with fused operations. A queue that is opened for one operation is
//! cold, as that of a command; one that goes on is warm.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use coord_core::layout::{Dir, Path};
use coord_core::limits;
use coord_core::name::Nonce;
use coord_core::queue::Step as Waiting;
use coord_core::queue::{
    Cancelling, ClaimRequest, NewTask, Notice, Plan, Progress, Renewing, Thoroughness, WaitingClaim,
};
use coord_core::store::fused::{Fused, Head, Look, Seen, Step, Stepped, Stirred};
use coord_core::store::mem::MemStore;
use coord_core::store::{Appended, Created, DirRemoved, Flushed, Linked, Made, Moved, Removed, Stamp, StoreError};
use coord_core::time::Clock;
use coord_core::transition::{Claimant, IfHeld};
use coord_core::{JsonObject, Queue, Store, TaskId, Timestamp, Turn};

/// An engine far away, and an agent's clock.
pub struct Far {
    medium: Rc<Medium>,
    pub micros: Cell<u64>,
    nonces: Cell<u64>,
}

#[derive(Default)]
struct Medium {
    engine: MemStore,
    trips: Cell<usize>,
    heads: RefCell<Vec<Head>>,
}

/// An agent's view of the engine.
pub struct View(Rc<Medium>);

impl Far {
    pub fn new() -> Far {
        let medium = Rc::new(Medium { engine: MemStore::whole(), ..Medium::default() });
        let far = Far { medium, micros: Cell::new(1_795_336_200_000_000), nonces: Cell::new(0) };
        far.open().init(&far.turn()).unwrap();
        // Nobody has to sweep for a second: that takes a few trips more.
        assert_eq!(far.claim(&far.open()), None);
        far
    }

    pub fn open(&self) -> Queue<View> {
        Queue::open(View(self.medium.clone())).unwrap()
    }

    pub fn turn(&self) -> Turn<'_> {
        self.micros.set(self.micros.get() + 1);
        self.nonces.set(self.nonces.get() + 1);
        Turn::new(self, Nonce::from_bits(self.nonces.get()))
    }

    pub fn trips<T>(&self, act: impl FnOnce() -> T) -> (usize, T) {
        self.medium.trips.set(0);
        let done = act();
        (self.medium.trips.get(), done)
    }

    /// The questions for the head of the queues that this asks.
    pub fn heads<T>(&self, act: impl FnOnce() -> T) -> (Vec<Head>, T) {
        self.medium.heads.take();
        let done = act();
        (self.medium.heads.take(), done)
    }

    pub fn enqueue(&self, queue: &Queue<View>, title: &str) -> TaskId {
        self.enqueue_with(queue, title, |_| {})
    }

    pub fn enqueue_with(&self, queue: &Queue<View>, title: &str, change: impl Fn(&mut NewTask)) -> TaskId {
        let mut new = NewTask {
            title: title.parse().unwrap(),
            priority: 0,
            queue: "q".parse().unwrap(),
            ttl_seconds: 1_000,
            created_by: "orchestrator".parse().unwrap(),
            tags: Vec::new(),
            plan: Plan::default(),
            payload: JsonObject::parse("{}").unwrap(),
        };
        change(&mut new);
        queue.enqueue(new, &self.turn()).unwrap().task.id
    }

    pub fn claim(&self, queue: &Queue<View>) -> Option<TaskId> {
        self.claim_as(queue, &ClaimRequest::any("agent".parse().unwrap(), 100))
    }

    pub fn claim_as(&self, queue: &Queue<View>, request: &ClaimRequest) -> Option<TaskId> {
        let claim = queue.claim(request, Thoroughness::Full, &self.turn()).unwrap();
        claim.claimed.map(|claimed| claimed.task.id)
    }

    fn heartbeat(&self, queue: &Queue<View>, id: TaskId, renewing: Renewing) {
        queue.heartbeat(id, claimant(), renewing, &self.turn()).unwrap();
    }

    fn complete(&self, queue: &Queue<View>, id: TaskId) {
        let result = JsonObject::parse(r#"{"pr":42}"#).ok();
        queue.complete(id, claimant(), result, &self.turn()).unwrap();
    }
}

/// A wait asks where the tasks of its queues come, in a trip each time that it looks.
#[test]
fn a_wait_on_an_engine_names_its_queues_and_looks_seldom() {
    let far = Far::new();
    let queue = far.open();
    let minute = Duration::from_secs(60);
    let any = ClaimRequest::any("agent".parse().unwrap(), 100);
    let of_one = ClaimRequest { queues: vec!["q".parse().unwrap()], ..any.clone() };
    for (request, watched) in [(any, "ready"), (of_one, "ready/q")] {
        let mut waiting = WaitingClaim::new(request, minute);
        let mut sleeps = |notice: Notice, trips: usize| {
            waiting.notice(notice);
            let (taken, step) = far.trips(|| waiting.step(&queue, Duration::ZERO, &far.turn()).unwrap());
            assert_eq!(taken, trips);
            let dirs: Vec<String> = waiting.watched().map(|dir| dir.as_str().to_string()).collect();
            assert_eq!(dirs, [watched]);
            match step {
                Waiting::Sleep(time) => time,
                Waiting::Done(claim) => panic!("{claim:?}"),
            }
        };
        assert_eq!(sleeps(Notice::None, 1), limits::LOOK_EVERY_ON_ENGINE);
        assert_eq!(sleeps(Notice::Every, 1), limits::LOOK_EVERY_WHEN_TOLD);
    }
    assert_eq!(queue.store().stirred(&[], minute).unwrap(), Stirred::Untold, "an engine need not tell");
}

impl Clock for Far {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.micros.get())
    }
}

pub fn claimant() -> Claimant {
    Claimant { run_id: "agent".parse().unwrap(), nonce: None }
}

#[test]
fn each_operation_of_a_command_takes_one_trip_to_look_and_one_to_change() {
    let far = Far::new();
    let ids: Vec<TaskId> = (0..20).map(|n| far.enqueue(&far.open(), &format!("t{n}"))).collect();
    assert_eq!(far.trips(|| far.enqueue(&far.open(), "one more")).0, 1);
    assert_eq!(far.trips(|| far.claim(&far.open())), (2, Some(ids[0])));
    assert_eq!(far.trips(|| far.heartbeat(&far.open(), ids[0], Renewing::default())).0, 2);
    let progress = Some(Progress { progress: Some(0.5), note: None });
    let renewing = Renewing { progress, ..Renewing::default() };
    assert_eq!(far.trips(|| far.heartbeat(&far.open(), ids[0], renewing)).0, 2);
    assert_eq!(far.trips(|| far.complete(&far.open(), ids[0])).0, 2);
    let release = || far.open().release(ids[1], claimant(), 0, &far.turn()).unwrap();
    far.claim(&far.open());
    assert_eq!(far.trips(release).0, 2);
    let cancelling = || Cancelling::new("agent".parse().unwrap(), IfHeld::Force);
    assert_eq!(far.trips(|| far.open().cancel(ids[2], cancelling(), &far.turn()).unwrap()).0, 2);
    let fail = || {
        far.open().fail(ids[1], claimant(), "e".parse::<coord_core::name::ErrorMessage>().unwrap().into(), &far.turn())
    };
    far.claim(&far.open());
    assert_eq!(far.trips(fail).0, 2);
}

#[test]
fn each_operation_of_an_agent_that_goes_on_takes_one_trip() {
    let far = Far::new();
    let queue = far.open();
    let ids: Vec<TaskId> = (0..20).map(|n| far.enqueue(&queue, &format!("t{n}"))).collect();
    assert_eq!(far.trips(|| far.claim(&queue)), (2, Some(ids[0])));
    for id in &ids[1..16] {
        assert_eq!(far.trips(|| far.claim(&queue)), (1, Some(*id)));
    }
    assert_eq!(far.trips(|| far.claim(&queue)), (2, Some(ids[16])), "the head is read again");
    for id in &ids[..2] {
        assert_eq!(far.trips(|| far.heartbeat(&queue, *id, Renewing::default())).0, 1);
        assert_eq!(far.trips(|| far.complete(&queue, *id)).0, 1);
    }
}

/// The names are listed in as many trips as for one task, and one more trip reads the records of 64 tasks.
#[test]
fn figures_of_many_tasks_take_few_trips() {
    let far = Far::new();
    let queue = far.open();
    let all = |tasks: usize| {
        for task in 0..tasks {
            let id = far.enqueue(&queue, &format!("task {task}"));
            assert_eq!(far.claim(&queue), Some(id));
            far.complete(&queue, id);
        }
        far.trips(|| queue.stats(3_600, Timestamp::from_micros(far.micros.get())).unwrap())
    };
    let (few, _) = all(1);
    let (many, stats) = all(200);
    assert_eq!(stats.queues.values().next().unwrap().run.as_ref().unwrap().count, 201);
    assert_eq!(many - few, 3);
}

#[test]
fn one_trip_says_that_there_is_nothing_to_claim() {
    let far = Far::new();
    assert_eq!(far.trips(|| far.claim(&far.open())), (1, None));
    let queue = far.open();
    far.enqueue(&queue, "t");
    far.claim(&queue);
    assert_eq!(far.trips(|| far.claim(&queue)), (1, None));
    assert_eq!(far.trips(|| far.claim(&queue)), (1, None));
}

impl View {
    fn trip(&self) -> &MemStore {
        self.0.trips.set(self.0.trips.get() + 1);
        &self.0.engine
    }
}

impl Fused for View {
    fn format(&self) -> Option<Vec<u8>> {
        self.0.engine.format()
    }

    fn look(&self, looks: &[Look]) -> Result<Vec<Seen>, StoreError> {
        let head = |look: &Look| if let Look::Head(head) = look { Some(head.clone()) } else { None };
        self.0.heads.borrow_mut().extend(looks.iter().filter_map(head));
        self.trip().look(looks)
    }

    fn step(&self, steps: &[Step]) -> Result<Vec<Stepped>, StoreError> {
        self.trip().step(steps)
    }
}

impl Store for View {
    fn create(&self, path: &Path, content: &[u8]) -> Result<Created, StoreError> {
        self.trip().create(path, content)
    }

    fn append(&self, path: &Path, line: &[u8], most: usize) -> Result<Appended, StoreError> {
        self.trip().append(path, line, most)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<Linked, StoreError> {
        self.trip().link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<Moved, StoreError> {
        self.trip().rename(from, to)
    }

    fn read(&self, path: &Path, max_bytes: usize) -> Result<Option<Vec<u8>>, StoreError> {
        self.trip().read(path, max_bytes)
    }

    fn links(&self, path: &Path) -> Result<Option<u64>, StoreError> {
        self.trip().links(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, StoreError> {
        self.trip().exists(path)
    }

    fn list(&self, dir: &Dir) -> Result<Option<Vec<String>>, StoreError> {
        self.trip().list(dir)
    }

    fn remove(&self, path: &Path) -> Result<Removed, StoreError> {
        self.trip().remove(path)
    }

    // None of these asks the engine anything.

    fn stamp(&self, dir: &Dir) -> Result<Option<Stamp>, StoreError> {
        self.0.engine.stamp(dir)
    }

    fn make_dir(&self, dir: &Dir) -> Result<Made, StoreError> {
        self.0.engine.make_dir(dir)
    }

    fn remove_dir(&self, dir: &Dir) -> Result<DirRemoved, StoreError> {
        self.0.engine.remove_dir(dir)
    }

    fn orders_names(&self) -> Option<bool> {
        self.0.engine.orders_names()
    }

    fn flush(&self, path: &Path) -> Result<Flushed, StoreError> {
        self.0.engine.flush(path)
    }

    fn sync_dir(&self, dir: &Dir) -> Result<(), StoreError> {
        self.0.engine.sync_dir(dir)
    }

    fn fused(&self) -> Option<&dyn Fused> {
        Some(self)
    }
}

#[test]
fn one_that_finds_its_candidates_gone_reads_more_and_begins_at_any_of_them() {
    let far = Far::new();
    let (slow, quick) = (far.open(), far.open());
    let ids: Vec<TaskId> = (0..100).map(|n| far.enqueue(&slow, &format!("t{n}"))).collect();
    assert_eq!(far.claim(&slow), Some(ids[0]));
    (0..20).for_each(|_| assert!(far.claim(&quick).is_some()));
    let mut begun = BTreeSet::new();
    for _ in 0..20 {
        let (trips, claimed) = far.trips(|| far.claim(&slow));
        // It tries eight of those that it has left over, reads again, and tries eight of these.
        assert!(trips <= 3, "{trips}");
        begun.extend(claimed);
        (0..2).for_each(|_| assert!(far.claim(&quick).is_some()));
    }
    assert_eq!(begun.len(), 20, "each claim gets one");
}
