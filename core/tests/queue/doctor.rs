//! What the doctor promises: each defect made by hand, examined and mended; and a repair that is stopped, or dies, or
//! meets others before any of its steps.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use coord_core::entry::{Entry, State};
use coord_core::layout::{self, Dir, Path};
use coord_core::name::{ErrorMessage, Nonce, QueueName, RunId};
use coord_core::queue::{
    Cancelling, ClaimRequest, Claimed, Diagnosis, Failing, Filter, Medium, NewTask, Note, Plan, Repair, Thoroughness,
};
use coord_core::store::mem::{MemStore, Tree};
use coord_core::store::{
    Appended, Created, DirRemoved, Flushed, Linked, Made, Moved, Removed, Stamp, StoreError, StoreErrorKind,
};
use coord_core::tags::TagSet;
use coord_core::time::Clock;
use coord_core::transition::{Claimant, IfHeld};
use coord_core::{Error, JsonObject, Queue, Store, Task, TaskId, Timestamp, Turn};

const SECOND: u64 = 1_000_000;

/// A directory, and a clock and nonces that all agents in it share.
#[derive(Clone)]
struct World {
    files: Rc<MemStore>,
    now: Rc<Cell<u64>>,
    nonces: Rc<Cell<u64>>,
}

/// An agent's own view of the directory, in which something may happen before one of its steps.
struct Agent {
    files: Rc<MemStore>,
    steps: Cell<usize>,
    interruption: RefCell<Option<(usize, Interruption)>>,
}

enum Interruption {
    /// Others do this, then the agent goes on.
    Meanwhile(Box<dyn FnOnce()>),
    /// No step is done any more.
    Death,
}

impl World {
    fn new() -> World {
        let world = World {
            files: Rc::default(),
            now: Rc::new(Cell::new(1_795_336_200 * SECOND)),
            nonces: Rc::new(Cell::new(0)),
        };
        world.queue().init(&world.turn()).unwrap();
        world
    }

    /// The same directory and time once more, to be changed apart.
    fn copy(&self) -> World {
        World {
            files: Rc::new((*self.files).clone()),
            now: Rc::new(Cell::new(self.now.get())),
            nonces: Rc::new(Cell::new(self.nonces.get())),
        }
    }

    fn tree(&self) -> Tree {
        (*self.files).clone().into()
    }

    fn queue(&self) -> Queue<Agent> {
        self.interrupted(None)
    }

    fn interrupted(&self, interruption: Option<(usize, Interruption)>) -> Queue<Agent> {
        let files = self.files.clone();
        let queue = Queue::open(Agent { files, steps: Cell::new(0), interruption: RefCell::default() }).unwrap();
        queue.store().steps.set(0);
        queue.store().interruption.replace(interruption);
        queue
    }

    fn now(&self) -> Timestamp {
        self.now.set(self.now.get() + 1);
        Timestamp::from_micros(self.now.get())
    }

    fn pass(&self, seconds: u64) {
        self.now.set(self.now.get() + seconds * SECOND);
    }

    fn nonce(&self) -> Nonce {
        self.nonces.set(self.nonces.get() + 1);
        Nonce::from_bits(self.nonces.get())
    }

    fn turn(&self) -> Turn<'_> {
        self.now();
        Turn::new(self, self.nonce())
    }

    fn enqueue(&self, title: &str) -> Task {
        self.enqueue_as(&self.queue(), title).unwrap()
    }

    fn enqueue_as(&self, queue: &Queue<Agent>, title: &str) -> Result<Task, Error> {
        let new = NewTask {
            title: title.parse().unwrap(),
            priority: 0,
            queue: QueueName::default_queue(),
            ttl_seconds: 10_000,
            created_by: "orchestrator".parse().unwrap(),
            tags: Vec::new(),
            plan: Plan::default(),
            payload: JsonObject::parse("{}").unwrap(),
        };
        queue.enqueue(new, &self.turn()).map(|enqueued| enqueued.task)
    }

    fn claim(&self, run_id: &str) -> Option<Claimed> {
        let request = ClaimRequest::any(run(run_id), 1_000);
        self.queue().claim(&request, Thoroughness::Full, &self.turn()).unwrap().claimed
    }

    fn complete(&self, id: TaskId, run_id: &str) -> Result<(), Error> {
        let result = JsonObject::parse(r#"{"done":true}"#).unwrap();
        self.queue().complete(id, claimant(run_id), Some(result), &self.turn()).map(|_| ())
    }

    fn release(&self, id: TaskId, run_id: &str) {
        self.queue().release(id, claimant(run_id), 0, &self.turn()).unwrap();
    }

    /// How many tasks can be claimed and completed until there is none.
    fn drain(&self) -> usize {
        std::iter::from_fn(|| self.claim("drain").map(|claimed| self.complete(claimed.task.id, "drain").unwrap()))
            .count()
    }

    fn examine(&self) -> Diagnosis {
        self.queue().examine(self.now()).unwrap()
    }

    fn repair(&self) -> Diagnosis {
        self.repair_as(&self.queue()).unwrap()
    }

    fn repair_as(&self, queue: &Queue<Agent>) -> Result<Diagnosis, Error> {
        queue.repair(&self.turn())
    }

    /// Where a task's entries are, less what was quarantined.
    fn entries(&self, id: TaskId) -> Vec<(Path, Entry)> {
        let in_use = self.files.files().into_iter().filter(|path| !path.dir.as_str().starts_with("quarantine"));
        let entries = in_use.filter_map(|path| Some((path.clone(), Entry::parse(&path.name)?)));
        entries.filter(|(_, entry)| entry.id == id).collect()
    }

    fn entry(&self, id: TaskId) -> Path {
        let [(path, _)] = &self.entries(id)[..] else { panic!("not one entry: {:?}", self.entries(id)) };
        path.clone()
    }

    fn create(&self, path: &Path, content: &[u8]) {
        let mut dir = Dir::root();
        for name in path.dir.as_str().split('/') {
            dir = dir.child(name);
            self.files.make_dir(&dir).unwrap();
        }
        assert_eq!(self.files.create(path, content), Ok(Created::Now));
    }

    fn remove(&self, path: &Path) {
        assert_eq!(self.files.remove(path), Ok(Removed::Now), "{path}");
    }

    fn move_to(&self, from: &Path, to: &Path) {
        self.create(to, b"");
        self.remove(to);
        assert_eq!(self.files.rename(from, to), Ok(Moved::Here));
    }

    fn link(&self, from: &Path, to: &Path) {
        assert_eq!(self.files.link(from, to), Ok(Linked::Now));
    }
}

/// A turn takes no time, unless the test or its medium says so.
impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.now.get())
    }
}

fn run(run_id: &str) -> RunId {
    run_id.parse().unwrap()
}

fn claimant(run_id: &str) -> Claimant {
    Claimant { run_id: run(run_id), nonce: None }
}

fn codes(diagnosis: &Diagnosis) -> Vec<(&'static str, Repair)> {
    diagnosis.defects.iter().map(|defect| (defect.problem.code(), defect.became)).collect()
}

#[track_caller]
fn assert_spotless(diagnosis: &Diagnosis) {
    assert!(diagnosis.is_healthy(), "{:#?}", diagnosis.defects);
    assert_eq!(diagnosis.defects, []);
    assert_eq!(diagnosis.notes, []);
    assert_eq!(diagnosis.foreign, []);
    assert_eq!(diagnosis.leftovers.total(), 0);
}

/// A defect: how it is made in a queue with one waiting task, and what a repair makes of it.
struct Illness {
    code: &'static str,
    became: &'static [Repair],
    make: fn(&World, &Task),
    /// How many tasks can be claimed after the repair.
    left: usize,
}

const ILLNESSES: &[Illness] = &[
    Illness {
        code: "two_entries",
        became: &[Repair::Quarantined],
        make: |world, task| {
            let first = world.entry(task.id);
            world.link(&first, &layout::tmp().file("kept"));
            world.claim("agent").unwrap();
            world.complete(task.id, "agent").unwrap();
            world.move_to(&layout::tmp().file("kept"), &first);
        },
        left: 0,
    },
    Illness {
        code: "two_entries",
        became: &[Repair::Quarantined, Repair::Quarantined],
        make: |world, task| {
            let first = world.entry(task.id);
            let Entry { id, created_at, .. } = world.entries(task.id)[0].1;
            for version in [2, 3] {
                let state = State::Ready { pending_until: created_at.plus_seconds(10_000), tags: TagSet::default() };
                let priority = 0;
                let (generation, attempt, report) = (0, 0, None);
                let entry =
                    Entry { id, created_at, priority, version, generation, attempt, state, report, queue: None };
                world.link(&first, &first.dir.file(entry.to_string()));
            }
        },
        left: 1,
    },
    Illness {
        code: "no_entry",
        became: &[Repair::Mended],
        make: |world, task| world.remove(&world.entry(task.id)),
        left: 1,
    },
    Illness {
        code: "record_missing",
        became: &[Repair::Mended],
        make: |world, task| world.remove(&layout::record(task.id)),
        left: 1,
    },
    Illness {
        code: "record_bad",
        became: &[Repair::Quarantined],
        make: |world, task| {
            let (record, entry) = (layout::record(task.id), world.entry(task.id));
            world.remove(&record);
            world.remove(&entry);
            world.create(&record, b"{\"title\":");
            world.link(&record, &entry);
        },
        left: 0,
    },
    Illness {
        code: "record_bad",
        became: &[Repair::Mended],
        make: |world, task| {
            world.remove(&layout::record(task.id));
            world.create(&layout::record(task.id), b"{}");
        },
        left: 1,
    },
    Illness {
        code: "wrong_place",
        became: &[Repair::Mended],
        make: |world, task| {
            let entry = world.entry(task.id);
            let bucket = layout::ready_bucket(&"other".parse().unwrap(), 7, Timestamp::from_micros(1));
            world.move_to(&entry, &bucket.file(entry.name.as_str()));
        },
        left: 1,
    },
    Illness {
        code: "wrong_place",
        became: &[Repair::Mended],
        make: |world, task| {
            let entry = world.entry(task.id);
            world.move_to(&entry, &Dir::root().child("claimed").child("ab").file(entry.name.as_str()));
        },
        left: 1,
    },
    Illness {
        code: "wrong_place",
        became: &[Repair::Mended],
        make: |world, task| {
            let entry = world.entry(task.id);
            world.move_to(&entry, &Dir::root().child("ready").child("default").file(entry.name.as_str()));
        },
        left: 1,
    },
    Illness {
        code: "report_lost",
        became: &[Repair::Left],
        make: |world, task| {
            world.claim("agent").unwrap();
            world.complete(task.id, "agent").unwrap();
            let (entry, record) = (world.entry(task.id), layout::record(task.id));
            let content = world.files.first_line(&record, 10_000).unwrap().unwrap();
            world.remove(&entry);
            world.remove(&record);
            world.create(&record, &content);
            world.files.link(&record, &entry).unwrap();
        },
        left: 0,
    },
    Illness { code: "no_format", became: &[Repair::Mended], make: |world, _| world.remove(&layout::format()), left: 1 },
    Illness { code: "copied", became: &[Repair::Mended], make: |world, _| world.remove(&layout::anchor()), left: 1 },
];

/// A queue with one task and this illness, an hour later.
fn ill(illness: &Illness) -> (World, Task) {
    let world = World::new();
    let task = world.enqueue("work");
    (illness.make)(&world, &task);
    world.pass(3_600);
    (world, task)
}

#[test]
fn a_queue_in_every_state_is_healthy_and_examined_without_a_change() {
    let world = World::new();
    assert_spotless(&world.examine());
    let long = "r".repeat(200);
    for run_id in ["done", "failed", "cancelled", "held", &long, "released"] {
        world.enqueue(run_id);
        let id = world.claim(run_id).unwrap().task.id;
        let queue = world.queue();
        match run_id {
            "done" => world.complete(id, run_id).unwrap(),
            "failed" => {
                let error = "broke".parse::<ErrorMessage>().unwrap();
                queue.fail(id, claimant(run_id), Failing::from(error), &world.turn()).unwrap();
            }
            "cancelled" => {
                queue.cancel(id, Cancelling::new(run(run_id), IfHeld::Refuse), &world.turn()).unwrap();
            }
            "released" => world.release(id, run_id),
            _ => {}
        }
    }
    world.enqueue("waits");
    for seconds in [0, 1_001, 20_000] {
        world.pass(seconds);
        let before = world.tree();
        let diagnosis = world.examine();
        assert_spotless(&diagnosis);
        assert_eq!(before, world.tree());
        let filter = Filter { limit: 1, ..Filter::default() };
        assert_eq!(diagnosis.counts, world.queue().tasks(&filter, world.now()).unwrap().counts);
        assert_spotless(&world.repair());
        assert_eq!(before, world.tree());
        assert!(world.claim("sweeper").is_some() || seconds == 20_000);
    }
}

/// Whatever happens to the task, once or twice, while the doctor reads: it has one entry at every time.
#[test]
fn a_queue_at_work_is_never_told_to_have_a_defect() {
    let acts: [fn(&World, TaskId); 5] = [
        |world, _| assert!(world.claim("agent").is_some()),
        |world, id| {
            world.claim("agent").unwrap();
            world.complete(id, "agent").unwrap();
        },
        |world, _| {
            world.claim("agent").unwrap();
            world.pass(2_000);
            world.claim("other").unwrap();
        },
        |world, id| {
            world.claim("agent").unwrap();
            world.release(id, "agent");
        },
        |world, _| {
            world.enqueue("another");
            world.drain();
        },
    ];
    for (number, act) in acts.into_iter().enumerate() {
        for step in 0.. {
            let world = World::new();
            let id = world.enqueue("work").id;
            world.pass(3_600);
            let beside = world.clone();
            let agents = Interruption::Meanwhile(Box::new(move || act(&beside, id)));
            let queue = world.interrupted(Some((step, agents)));
            let diagnosis = queue.examine(world.now()).unwrap();
            assert_eq!(diagnosis.defects, [], "act {number}, step {step}");
            assert!(diagnosis.counts.total() >= 1, "act {number}, step {step}");
            if queue.store().interruption.borrow().is_some() {
                break;
            }
        }
    }
}

#[test]
fn nothing_is_made_of_an_empty_directory() {
    let files = Rc::new(MemStore::new());
    let world = World { files, now: Rc::new(Cell::new(SECOND)), nonces: Rc::default() };
    assert_spotless(&world.examine());
    assert_spotless(&world.repair());
    assert_eq!(world.tree(), Tree::default());
}

#[test]
fn each_defect_is_told_then_mended_or_quarantined() {
    for (number, illness) in ILLNESSES.iter().enumerate() {
        let (world, task) = ill(illness);
        let before = world.tree();
        let examined = codes(&world.examine());
        assert!(examined.iter().all(|found| *found == (illness.code, Repair::Left)), "{number} {examined:?}");
        assert_eq!(examined.len(), illness.became.len(), "{number} {examined:?}");
        assert_eq!(before, world.tree(), "{number}: an examination changes nothing");

        let repaired = world.repair();
        let wanted: Vec<_> = illness.became.iter().map(|became| (illness.code, *became)).collect();
        assert_eq!(codes(&repaired), wanted, "{number}");
        let again = world.examine();
        let lasting = illness.became.contains(&Repair::Left);
        assert_eq!(again.is_healthy(), !lasting, "{number} {:?}", again.defects);
        assert_eq!(again.leftovers.total(), 0, "{number}");
        let after = world.tree();
        world.repair();
        assert_eq!(after, world.tree(), "{number}: a second repair finds nothing to do");

        let quarantined = illness.left == 0 && world.entries(task.id).is_empty();
        assert_eq!(world.queue().task(task.id).ok().flatten().is_some(), !quarantined, "{number}");
        assert_eq!(world.drain(), illness.left, "{number}");
        assert_eq!(world.examine().is_healthy(), !lasting, "{number}");
    }
}

/// Whatever agents do and whenever, a task is run by one agent, has one entry, and ends once.
#[test]
fn a_repair_meets_an_agent_before_any_of_its_steps() {
    for (number, illness) in ILLNESSES.iter().enumerate() {
        for step in 0.. {
            let (world, task) = ill(illness);
            let before = world.entries(task.id);
            let ended = before.iter().any(|(_, entry)| matches!(entry.state, State::Ended(_)));
            let runs = Rc::new(Cell::new(0));
            let (beside, counted) = (world.clone(), runs.clone());
            let agent = Interruption::Meanwhile(Box::new(move || counted.set(beside.drain())));
            let queue = world.interrupted(Some((step, agent)));
            let done = world.repair_as(&queue).unwrap();
            let context = format!("illness {number}, step {step}: {:?}", codes(&done));
            let met = queue.store().interruption.borrow().is_none();
            world.repair();
            runs.set(runs.get() + world.drain());
            // Two entries are two runs if an agent comes before the doctor; not one more.
            let most = if before.len() > 1 { before.len() - usize::from(ended) } else { illness.left };
            assert!((illness.left..=most).contains(&runs.get()), "{context}: {} runs", runs.get());
            let after = world.examine();
            assert_eq!(after.is_healthy(), !illness.became.contains(&Repair::Left), "{context}: {:?}", after.defects);
            assert!(world.entries(task.id).len() <= 1, "{context}");
            if !met {
                break;
            }
        }
    }
}

#[test]
fn a_repair_meets_another_and_an_agent_before_any_of_its_steps() {
    for (number, illness) in ILLNESSES.iter().enumerate() {
        for step in 0.. {
            let (world, task) = ill(illness);
            let runs = Rc::new(Cell::new(0));
            let (beside, counted) = (world.clone(), runs.clone());
            let others = Interruption::Meanwhile(Box::new(move || {
                beside.repair();
                counted.set(beside.drain());
            }));
            let queue = world.interrupted(Some((step, others)));
            let done = world.repair_as(&queue).unwrap();
            let context = format!("illness {number}, step {step}: {:?}", codes(&done));
            let met = queue.store().interruption.borrow().is_none();
            runs.set(runs.get() + world.drain());
            assert_eq!(runs.get(), illness.left, "{context}: runs");
            let after = world.examine();
            assert_eq!(after.is_healthy(), !illness.became.contains(&Repair::Left), "{context}: {:?}", after.defects);
            assert!(world.entries(task.id).len() <= 1, "{context}");
            if !met {
                break;
            }
        }
    }
}

#[test]
fn a_repair_that_dies_before_any_of_its_steps_is_made_up_for_by_the_next() {
    for (number, illness) in ILLNESSES.iter().enumerate() {
        for step in 0.. {
            let (world, _) = ill(illness);
            let queue = world.interrupted(Some((step, Interruption::Death)));
            let died = world.repair_as(&queue).is_err() || queue.store().steps.get() > step;
            let healthy = !illness.became.contains(&Repair::Left);
            let repaired = world.repair();
            assert_eq!(repaired.is_healthy(), healthy, "illness {number}, step {step}: {:?}", repaired.defects);
            assert_eq!(world.examine().is_healthy(), healthy, "illness {number}, step {step}");
            assert_eq!(world.drain(), illness.left, "illness {number}, step {step}");
            if !died {
                break;
            }
        }
    }
}

/// The fence: an enqueuer that stands still before any of its steps finds its record renamed when it goes on.
#[test]
fn an_enqueuer_that_was_taken_for_dead_makes_no_second_entry() {
    let mut refused = 0;
    for step in 0.. {
        let world = World::new();
        world.enqueue("makes the directories");
        assert_eq!(world.drain(), 1);
        let runs = Rc::new(Cell::new(0));
        let (beside, counted) = (world.clone(), runs.clone());
        let doctor = Interruption::Meanwhile(Box::new(move || {
            beside.pass(3_600);
            assert!(beside.repair().is_healthy());
            counted.set(beside.drain());
        }));
        let queue = world.interrupted(Some((step, doctor)));
        let enqueued = world.enqueue_as(&queue, "late");
        if queue.store().interruption.borrow().is_some() {
            break;
        }
        refused += usize::from(enqueued.is_err());
        let again = world.drain();
        // Nobody was told that the task exists, but it may: as when the medium fails.
        assert!(runs.get() + again == 1 || enqueued.is_err(), "step {step}: {} + {again} runs", runs.get());
        assert!(runs.get() + again <= 1, "step {step}");
        let after = world.examine();
        assert!(after.is_healthy(), "step {step}: {:?}", after.defects);
        if let Ok(task) = enqueued {
            assert_eq!(world.entries(task.id).len(), 1, "step {step}");
        }
    }
    assert_eq!(refused, 0, "a whole record that the doctor found was linked by it");
}

/// As above, where the doctor dies in between and the record is lost besides: its name must not come back either.
#[test]
fn a_record_that_is_linked_back_gives_nobody_its_old_name() {
    for step in 0.. {
        let world = World::new();
        world.enqueue("makes the directories");
        assert_eq!(world.drain(), 1);
        let beside = world.clone();
        let others = Interruption::Meanwhile(Box::new(move || {
            beside.pass(3_600);
            beside.repair();
            let Some(claimed) = beside.claim("agent") else { return };
            let id = claimed.task.id;
            let records = beside.files.files().into_iter().filter(|path| path.dir.as_str().starts_with("tasks/"));
            records.filter(|path| layout::parse_record(&path.name) == Some(id)).for_each(|path| beside.remove(&path));
            assert_eq!(codes(&beside.repair()), [("record_missing", Repair::Mended)]);
        }));
        let queue = world.interrupted(Some((step, others)));
        let enqueued = world.enqueue_as(&queue, "late");
        if queue.store().interruption.borrow().is_some() {
            break;
        }
        let claimed = world.claim("second");
        assert!(world.examine().is_healthy(), "step {step}");
        if let Ok(task) = enqueued {
            let held = world.entries(task.id).len() == 1;
            assert!(held, "step {step}: {:?} {claimed:?}", world.entries(task.id));
        }
    }
}

#[test]
fn a_record_with_a_name_elsewhere_is_noted_and_not_linked_again() {
    let world = World::new();
    let task = world.enqueue("work");
    let entry = world.entry(task.id);
    world.move_to(&entry, &Dir::root().child("copy").file("of it"));
    world.pass(3_600);
    for diagnosis in [world.examine(), world.repair()] {
        assert_eq!(codes(&diagnosis), []);
        assert_eq!(diagnosis.notes, [Note::SeveralNames { task_id: task.id, links: 2 }]);
    }
    assert_eq!(world.drain(), 0);
}

/// A look through the state directories proves nothing: a task may be where the doctor just looked, or does not look.
#[test]
fn a_task_with_an_entry_that_no_look_finds_is_not_linked_again() {
    let mut relinked = 0;
    for step in 0.. {
        let world = World::new();
        let task = world.enqueue("work");
        let (record, entry, hidden) =
            (layout::record(task.id), world.entry(task.id), Dir::root().child("tmp").file("x"));
        world.remove(&entry);
        world.pass(3_600);
        let beside = world.clone();
        let enqueuer = Interruption::Meanwhile(Box::new(move || drop(beside.files.link(&record, &hidden))));
        let queue = world.interrupted(Some((step, enqueuer)));
        world.repair_as(&queue).unwrap();
        if queue.store().interruption.borrow().is_some() {
            break;
        }
        let there = world.files.files().into_iter().any(|path| path.name == "x");
        assert_eq!(world.entries(task.id).is_empty(), there, "step {step}");
        relinked += usize::from(!there);
    }
    assert!(relinked > 0, "the fence keeps a late link away");
}

#[test]
fn a_misplaced_entry_never_replaces_one_that_came_home_meanwhile() {
    let mut collisions = 0;
    for step in 0.. {
        let world = World::new();
        let task = world.enqueue("work");
        let home = world.entry(task.id);
        let misplaced =
            layout::ready_bucket(&"other".parse().unwrap(), 7, Timestamp::from_micros(1)).file(home.name.as_str());
        world.move_to(&home, &misplaced);
        let beside = world.clone();
        let other = Interruption::Meanwhile(Box::new(move || drop(beside.files.link(&misplaced, &home))));
        let queue = world.interrupted(Some((step, other)));
        // The store in memory refuses to rename onto an existing name, in the one step that no look can come before.
        collisions += usize::from(!world.repair_as(&queue).unwrap().notes.is_empty());
        if queue.store().interruption.borrow().is_some() {
            break;
        }
        assert!(world.repair().is_healthy(), "step {step}");
        assert_eq!((world.entries(task.id).len(), world.drain()), (1, 1), "step {step}");
    }
    assert!(collisions <= 1, "{collisions}");
}

#[test]
fn all_that_is_wrong_with_one_task_is_mended_at_once() {
    let world = World::new();
    let task = world.enqueue("work");
    let entry = world.entry(task.id);
    world.remove(&layout::record(task.id));
    world.move_to(&entry, &Dir::root().child("done").child("ab").file(entry.name.as_str()));
    world.link(&world.entry(task.id), &Dir::root().child("ready").file(entry.name.as_str()));
    let wanted =
        [("two_entries", Repair::Quarantined), ("wrong_place", Repair::Mended), ("record_missing", Repair::Mended)];
    assert_eq!(codes(&world.repair()), wanted);
    assert_eq!(world.examine().defects, []);
    assert_eq!((world.drain(), world.entries(task.id).len()), (1, 1));
}

#[test]
fn a_young_record_is_an_enqueuer_at_work() {
    let world = World::new();
    let task = world.enqueue("work");
    world.remove(&world.entry(task.id));
    world.pass(59);
    let young = world.repair();
    assert!(young.is_healthy() && young.notes == [Note::Enqueuing { task_id: task.id }], "{young:?}");
    world.pass(1);
    assert_eq!(codes(&world.examine()), [("no_entry", Repair::Left)]);
}

#[test]
fn what_is_in_quarantine_is_told_and_not_linked_again() {
    let world = World::new();
    let task = world.enqueue("work");
    let entry = world.entry(task.id);
    for place in [layout::quarantine_dir(), layout::quarantine_by(Nonce::from_bits(99))] {
        world.move_to(&entry, &place.file(entry.name.as_str()));
        world.pass(3_600);
        let repaired = world.repair();
        assert_eq!(codes(&repaired), [("no_entry", Repair::Left)]);
        assert_eq!(repaired.notes, [Note::EntryQuarantined { task_id: task.id }]);
        assert_eq!((repaired.quarantine, world.drain()), (1, 0));
        world.move_to(&place.file(entry.name.as_str()), &entry);
    }
    assert_eq!(world.drain(), 1);
}

#[test]
fn leftovers_are_counted_and_quarantined_but_not_what_may_still_be_needed() {
    let world = World::new();
    let (done, held) = (world.enqueue("done"), world.enqueue("held"));
    world.claim("agent").unwrap();
    world.complete(done.id, "agent").unwrap();
    assert_eq!(world.claim("agent").unwrap().task.id, held.id);
    let nonce = Nonce::from_bits(77);
    // Lost races for what has ended and for what is held, and one that the holder is about to end with.
    for settlement in
        [layout::report(done.id, 3, nonce), layout::report(held.id, 2, nonce), layout::report(held.id, 3, nonce)]
    {
        world.create(&settlement, b"{\"result\":{}}");
    }
    world.create(&layout::tmp().file("0000000000000001.json"), b"\"half");
    world.create(&layout::trial(nonce).file("first"), b"first");
    let torn = TaskId::of_canonical(b"nothing");
    world.create(&layout::record(torn), b"{\"title\":\"cut o");

    let found = world.examine().leftovers;
    assert_eq!((found.drafts, found.reports, found.torn_records), (2, 2, 1));
    let while_the_trial_lasts = world.queue().examine(Timestamp::from_micros(SECOND)).unwrap();
    assert_eq!(while_the_trial_lasts.leftovers.drafts, 1, "another doctor is trying the filesystem");
    let repaired = world.repair();
    assert!(repaired.is_healthy());
    assert_eq!((repaired.leftovers, repaired.quarantine), (found, 4));
    assert_spotless(&world.examine());
    assert!(world.files.exists(&layout::report(held.id, 3, nonce)).unwrap());
    let before = world.tree();
    world.repair();
    assert_eq!(before, world.tree());
    world.complete(held.id, "agent").unwrap();
    assert_eq!(world.examine().leftovers.reports, 1, "the race is over");
    assert!(world.examine().defects.is_empty(), "the results are there");
}

#[test]
fn a_record_whose_writer_goes_on_after_all_is_given_back() {
    let world = World::new();
    let task = world.enqueue("work");
    let record = layout::record(task.id);
    let whole = world.files.read(&record, 1 << 20).unwrap().unwrap();
    // The doctor read the record as torn. Before it moves it, the writer wrote the rest and linked its entry.
    let entry = world.entry(task.id);
    world.remove(&record);
    world.remove(&entry);
    world.create(&record, b"{\"title\"");
    for step in 0.. {
        let world = world.copy();
        let (beside, whole, record, entry) = (world.clone(), whole.clone(), record.clone(), entry.clone());
        let writer = Interruption::Meanwhile(Box::new(move || {
            if beside.files.exists(&record).unwrap() {
                beside.remove(&record);
                beside.create(&record, &whole);
                beside.link(&record, &entry);
            }
        }));
        let queue = world.interrupted(Some((step, writer)));
        world.repair_as(&queue).unwrap();
        if queue.store().interruption.borrow().is_some() {
            break;
        }
        let record = world.queue().task(task.id).unwrap();
        assert_eq!(record.is_some(), !world.entries(task.id).is_empty(), "step {step}");
        assert!(world.repair().is_healthy(), "step {step}");
        assert_eq!(world.drain(), world.entries(task.id).len(), "step {step}");
        assert!(world.examine().is_healthy(), "step {step}");
    }
}

#[test]
fn a_draft_that_is_taken_away_is_made_again() {
    for step in 0.. {
        let world = World { files: Rc::default(), ..World::new() };
        let beside = world.clone();
        let doctor = Interruption::Meanwhile(Box::new(move || {
            beside.repair();
        }));
        let queue = world.interrupted(Some((step, doctor)));
        assert_eq!(queue.init(&world.turn()), Ok(true), "step {step}");
        if queue.store().interruption.borrow().is_some() {
            break;
        }
        assert!(world.files.exists(&layout::format()).unwrap(), "step {step}");
        assert_eq!(world.files.list(&layout::tmp()).unwrap(), Some(Vec::new()), "step {step}");
    }
}

#[test]
fn notes_tell_what_is_odd_and_foreign_names_are_left_alone() {
    let world = World::new();
    world.enqueue("work");
    world.claim(&"x".repeat(200)).unwrap();
    let run = world.files.files().into_iter().find(|path| path.dir == layout::runs()).unwrap();
    world.remove(&run);
    for token in world.files.list(&layout::sweep()).unwrap().unwrap() {
        world.remove(&layout::sweep().file(token));
    }
    let foreign = [
        Dir::root().file("notes.txt"),
        layout::tasks().file("README"),
        layout::tasks().child("ab").file("x.json"),
        layout::tasks().child("ab").file("x"),
        layout::runs().file("x"),
        layout::sweep().file("x"),
        Dir::root().child("ready").child("a b").file("x"),
        Dir::root().child("ready").child("default").file("x"),
        Dir::root().child("done").child("ab").file("x"),
    ];
    for path in foreign.iter().filter(|path| path.dir.as_str().contains('/')) {
        world.create(path, b"");
    }
    for path in foreign.iter().filter(|path| !path.dir.as_str().contains('/')) {
        assert_eq!(world.files.create(path, b""), Ok(Created::Now));
    }
    let before = world.tree();
    let diagnosis = world.repair();
    assert!(diagnosis.is_healthy());
    assert_eq!(diagnosis.notes, [Note::RunLost(run), Note::SweepTokens(0)]);
    let mut wanted: Vec<String> = foreign.iter().map(|path| path.to_string().replace("a b/x", "a b")).collect();
    let mut found: Vec<String> = diagnosis.foreign.iter().map(Path::to_string).collect();
    wanted.sort();
    found.sort();
    assert_eq!(found, wanted);
    assert_eq!(before, world.tree());

    let earlier = Timestamp::from_micros(world.now.get() - 90 * SECOND);
    let notes = world.queue().examine(earlier).unwrap().notes;
    assert!(
        matches!(notes[..], [Note::RunLost(_), Note::SweepTokens(0), Note::ClockAhead { micros, .. }]
        if micros / SECOND == 89 || micros / SECOND == 90),
        "{notes:?}"
    );
}

#[test]
fn a_probe_finds_what_the_store_gives_and_leaves_nothing() {
    let world = World::new();
    let before = world.tree();
    let medium = world.queue().probe(&world.turn()).unwrap();
    let given = [
        medium.exclusive_create,
        medium.hard_links,
        medium.link_counts,
        medium.renames,
        medium.renames_between_directories,
        medium.listings,
        medium.directory_sync,
        medium.case_sensitive,
        medium.directory_stamps,
    ];
    assert_eq!((given, &medium.refused), ([Some(true); 9], &None));
    // The store's stamps count its changes, so its clock stands in 1970.
    assert!(medium.clock_offset_micros.is_some_and(|micros| micros < 0));
    assert!(matches!(&medium.degraded()[..], [clock] if clock.contains("1795336200 s behind")), "{medium:?}");
    assert_eq!(before, world.tree());
}

#[test]
fn an_engine_has_no_filesystem_to_be_probed() {
    let (queue, world) = (Queue::open(MemStore::whole()).unwrap(), World::new());
    let medium = queue.probe(&world.turn()).unwrap();
    let tree: Tree = queue.store().clone().into();
    assert_eq!((medium, tree), (Medium::default(), Tree::whole()));
}

#[test]
fn a_probe_whose_files_are_taken_away_begins_anew_and_one_that_fails_is_a_result() {
    for step in 0.. {
        let world = World::new();
        let beside = world.clone();
        let doctor = Interruption::Meanwhile(Box::new(move || {
            // By the stamps of the store in memory every trial is long over.
            beside.repair();
        }));
        let queue = world.interrupted(Some((step, doctor)));
        let medium = queue.probe(&world.turn()).unwrap();
        assert_eq!(medium.degraded().len(), 1, "step {step}: {:?}", medium.degraded());
        assert_eq!(world.files.list(&layout::tmp()).unwrap(), Some(Vec::new()), "step {step}");
        let failing = World::new().interrupted(Some((step, Interruption::Death)));
        let failed = failing.probe(&world.turn()).unwrap();
        assert_eq!(world.examine().quarantine, 0, "step {step}");
        let over = queue.store().interruption.borrow().is_some();
        assert_eq!(failed.refused.is_none(), over, "step {step}");
        if over {
            break;
        }
    }
}

impl Agent {
    /// Comes before each step.
    fn step(&self) -> Result<&MemStore, StoreError> {
        let step = self.steps.replace(self.steps.get() + 1);
        let due = self.interruption.borrow().as_ref().is_some_and(|(at, _)| *at <= step);
        let interruption = if due { self.interruption.take() } else { None };
        match interruption {
            Some((_, Interruption::Meanwhile(others))) => others(),
            Some((at, Interruption::Death)) => {
                self.interruption.replace(Some((at, Interruption::Death)));
                let (operation, path, detail) = ("do", String::new(), "died".to_string());
                return Err(StoreError { operation, path, kind: StoreErrorKind::Other, detail });
            }
            None => {}
        }
        Ok(&self.files)
    }
}

impl Store for Agent {
    fn create(&self, path: &Path, content: &[u8]) -> Result<Created, StoreError> {
        self.step()?.create(path, content)
    }

    fn append(&self, path: &Path, line: &[u8], most: usize) -> Result<Appended, StoreError> {
        self.step()?.append(path, line, most)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<Linked, StoreError> {
        self.step()?.link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<Moved, StoreError> {
        self.step()?.rename(from, to)
    }

    fn read(&self, path: &Path, max_bytes: usize) -> Result<Option<Vec<u8>>, StoreError> {
        self.step()?.read(path, max_bytes)
    }

    fn links(&self, path: &Path) -> Result<Option<u64>, StoreError> {
        self.step()?.links(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, StoreError> {
        self.step()?.exists(path)
    }

    fn list(&self, dir: &Dir) -> Result<Option<Vec<String>>, StoreError> {
        self.step()?.list(dir)
    }

    fn stamp(&self, dir: &Dir) -> Result<Option<Stamp>, StoreError> {
        self.step()?.stamp(dir)
    }

    fn remove(&self, path: &Path) -> Result<Removed, StoreError> {
        self.step()?.remove(path)
    }

    fn make_dir(&self, dir: &Dir) -> Result<Made, StoreError> {
        self.step()?.make_dir(dir)
    }

    fn remove_dir(&self, dir: &Dir) -> Result<DirRemoved, StoreError> {
        self.step()?.remove_dir(dir)
    }

    fn flush(&self, path: &Path) -> Result<Flushed, StoreError> {
        self.step()?.flush(path)
    }

    fn sync_dir(&self, dir: &Dir) -> Result<(), StoreError> {
        self.step()?.sync_dir(dir)
    }
}

#[test]
fn a_record_apart_from_its_entry_is_joined_by_the_next_report_or_a_repair() {
    for by_repair in [false, true] {
        let world = World::new();
        let task = world.enqueue("work");
        world.claim("agent").unwrap();
        let (entry, record) = (world.entry(task.id), layout::record(task.id));
        let content = world.files.read(&record, 100_000).unwrap().unwrap();
        world.remove(&record);
        world.create(&record, &content);
        let found = world.examine();
        assert_eq!((found.is_healthy(), found.notes), (true, vec![Note::RecordApart(record)]));
        if by_repair {
            world.repair();
            assert_eq!(world.files.links(&entry), Ok(Some(2)));
        }
        world.complete(task.id, "agent").unwrap();
        let shown = world.queue().show(task.id, world.now()).unwrap();
        assert!(shown.item.result.is_some() && shown.findings.is_empty());
        assert_eq!((world.examine().notes, world.examine().quarantine), (vec![], 1));
    }
}
