//! What an export writes an import brings back: every task in every state, what was reported of it, and what is set for
//! queues.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use crate::arbitrary::check;
use coord_core::entry::{Ending, Entry, Outcome, State};
use coord_core::layout::{self, Dir, Path};
use coord_core::name::{Nonce, QueueName, RunId};
use coord_core::queue::{
    Cancelling, ClaimRequest, Failing, Filter, Finding, Gc, Imported, NewTask, Plan, Progress, Renewing, Retrying,
    Start, Status, Thoroughness,
};
use coord_core::store::mem::MemStore;
use coord_core::store::{
    Appended, Created, DirRemoved, Flushed, Linked, Made, Moved, Removed, Stamp, StoreError, StoreErrorKind,
    create_one_by_one,
};
use coord_core::task::{Backoff, IfParentFails};
use coord_core::time::Clock;
use coord_core::transition::{Claimant, IfHeld};
use coord_core::{Error, JsonObject, Queue, Store, TaskId, Timestamp, Turn, limits};

use crate::world;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

const SECOND: u64 = 1_000_000;
const DAY: u64 = 86_400;

/// A queue with a clock and nonces of its own.
struct World<S> {
    queue: Queue<S>,
    now: Cell<u64>,
    nonces: Cell<u64>,
}

impl World<MemStore> {
    fn new() -> World<MemStore> {
        World::on(world::empty_store(), 0)
    }
}

impl<S: Store> World<S> {
    /// On this store, so many seconds after the beginning.
    fn on(store: S, seconds: u64) -> World<S> {
        let now = Cell::new((1_795_336_200 + seconds) * SECOND);
        World { queue: Queue::open(store).unwrap(), now, nonces: Cell::new(seconds << 20) }
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
        Nonce::from_bits(self.nonces.get() << 8)
    }

    fn turn(&self) -> Turn<'_> {
        self.now();
        Turn::new(self, self.nonce())
    }

    fn enqueue(&self, title: &str, change: impl Fn(&mut NewTask)) -> TaskId {
        let mut new = new(title);
        change(&mut new);
        self.queue.enqueue(new, &self.turn()).unwrap().task.id
    }

    fn claim(&self) -> Option<TaskId> {
        let request = ClaimRequest::any(agent(), 10);
        let claim = self.queue.claim(&request, Thoroughness::Full, &self.turn()).unwrap();
        claim.claimed.map(|claimed| claimed.task.id)
    }

    fn complete(&self, id: TaskId) {
        self.queue.complete(id, holder(), None, &self.turn()).unwrap();
    }

    fn status(&self, id: TaskId) -> Status {
        self.queue.show(id, self.now()).unwrap().item.status
    }

    fn export(&self) -> (Vec<String>, Vec<Finding>) {
        let mut lines = Vec::new();
        let findings = self.queue.export::<Error>(&self.turn(), |line| {
            lines.push(line);
            Ok(())
        });
        (lines, findings.unwrap())
    }

    /// All lines, as far as nothing is wrong.
    fn lines(&self) -> Vec<String> {
        let (lines, findings) = self.export();
        assert_eq!(findings, []);
        lines
    }

    fn import(&self, line: &str) -> Imported {
        self.queue.import(line, &self.turn()).unwrap()
    }

    fn assert_healthy(&self) {
        let diagnosis = self.queue.examine(self.now()).unwrap();
        assert_eq!((&diagnosis.defects[..], &diagnosis.foreign[..]), (&[][..], &[][..]));
        let listed = self.queue.tasks(&Filter::default(), self.now()).unwrap();
        assert_eq!(listed.counts, diagnosis.counts);
    }
}

/// A turn takes no time, unless the test or its medium says so.
impl<S: Store> Clock for World<S> {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.now.get())
    }
}

fn new(title: &str) -> NewTask {
    NewTask {
        title: title.parse().unwrap(),
        priority: 0,
        queue: QueueName::default_queue(),
        ttl_seconds: 1_000,
        created_by: "orchestrator".parse().unwrap(),
        tags: Vec::new(),
        plan: Plan::default(),
        payload: JsonObject::parse("{}").unwrap(),
    }
}

fn agent() -> RunId {
    "agent".parse().unwrap()
}

fn long_named() -> RunId {
    "an agent whose run id is too long for the name of a task, so that its text stands elsewhere".parse().unwrap()
}

fn holder() -> Claimant {
    Claimant { run_id: agent(), nonce: None }
}

fn result(text: &str) -> Option<JsonObject> {
    JsonObject::parse(text).ok()
}

/// What somebody does.
#[derive(Clone, Debug)]
enum Deed {
    Enqueue(Asked),
    Claim {
        by_long_named: bool,
    },
    Progress(Index),
    /// Under one of the leases that there have been.
    Complete(Index),
    Fail(Index),
    Release {
        task: Index,
        delay: i64,
    },
    AskToStop(Index),
    Cancel(Index),
    Retry(Index),
    Pause(usize),
    Limit(usize, u32),
    Pass(u64),
    Sweep,
    /// Every lease that there is runs out, and somebody sees it.
    LetLeasesRunOut,
    Gc,
}

#[derive(Clone, Debug)]
struct Asked {
    queue: usize,
    attempts: Option<u32>,
    delay: i64,
    ttl: i64,
    has_long_tags: bool,
    key: Option<u8>,
    parents: Vec<Index>,
    if_parent_fails: IfParentFails,
}

fn asked() -> impl Strategy<Value = Asked> {
    let delay = prop_oneof![3 => Just(0), 1 => 1_i64..200_000];
    let ttl = prop_oneof![1 => 1_i64..20, 2 => Just(1_000_000)];
    let parents = prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(any::<Index>(), 1..3)];
    let fails = prop::sample::select(IfParentFails::ALL.to_vec());
    let words = (0_usize..3, prop::option::of(1_u32..4), delay, ttl);
    (words, any::<bool>(), prop::option::weighted(0.3, 0_u8..2), parents, fails).prop_map(
        |((queue, attempts, delay, ttl), has_long_tags, key, parents, if_parent_fails)| Asked {
            queue,
            attempts,
            delay,
            ttl,
            has_long_tags,
            key,
            parents,
            if_parent_fails,
        },
    )
}

fn deed() -> impl Strategy<Value = Deed> {
    let task = any::<Index>;
    prop_oneof![
        8 => asked().prop_map(Deed::Enqueue),
        8 => any::<bool>().prop_map(|by_long_named| Deed::Claim { by_long_named }),
        2 => task().prop_map(Deed::Progress),
        4 => task().prop_map(Deed::Complete),
        4 => task().prop_map(Deed::Fail),
        2 => (task(), 0_i64..2).prop_map(|(task, days)| Deed::Release { task, delay: days * 86_400 }),
        3 => task().prop_map(Deed::AskToStop),
        1 => task().prop_map(Deed::Cancel),
        2 => task().prop_map(Deed::Retry),
        1 => (0_usize..3).prop_map(Deed::Pause),
        1 => (0_usize..3, 1_u32..3).prop_map(|(queue, max)| Deed::Limit(queue, max)),
        3 => (1_u64..15).prop_map(Deed::Pass),
        1 => Just(Deed::Sweep),
        1 => Just(Deed::LetLeasesRunOut),
        1 => Just(Deed::Gc),
    ]
}

/// Somebody's doings in a queue, and what came of them.
struct Past {
    world: World<MemStore>,
    tasks: Vec<TaskId>,
    leases: Vec<(TaskId, RunId, Nonce)>,
    parents: BTreeSet<TaskId>,
    cancelling: BTreeSet<TaskId>,
}

impl Past {
    fn of(deeds: &[Deed]) -> Past {
        let (tasks, parents, cancelling) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        let mut past = Past { world: World::new(), tasks, leases: Vec::new(), parents, cancelling };
        deeds.iter().for_each(|deed| past.do_it(deed));
        past
    }

    fn one(&self, index: &Index) -> Option<TaskId> {
        (!self.tasks.is_empty()).then(|| *index.get(&self.tasks))
    }

    fn do_it(&mut self, deed: &Deed) {
        let World { queue, .. } = &self.world;
        let (now, nonce) = (self.world.now(), self.world.nonce());
        let turn = Turn::new(&now, nonce);
        let name = |place: usize| ["default", "gpu", "docs"][place].parse::<QueueName>().unwrap();
        let of = |index| self.one(index).unwrap_or(TaskId::of_canonical(b"none"));
        let held = |id| {
            let mine = queue.show(id, now).is_ok_and(|shown| shown.item.claimer_run_id == Some("agent".into()));
            Claimant { run_id: if mine { agent() } else { long_named() }, nonce: None }
        };
        // Whether the queue allows it or not.
        match deed {
            Deed::Enqueue(asked) => self.enqueue(asked, &turn),
            Deed::Claim { by_long_named } => {
                let run_id = if *by_long_named { long_named() } else { agent() };
                let claim = queue.claim(&ClaimRequest::any(run_id.clone(), 20), Thoroughness::Full, &turn).unwrap();
                self.leases.extend(claim.claimed.map(|claimed| (claimed.task.id, run_id, claimed.record.claim_nonce)));
            }
            Deed::Progress(task) => {
                let progress = Progress { progress: Some(0.5), note: "half".parse().ok() };
                drop(queue.heartbeat(
                    of(task),
                    held(of(task)),
                    Renewing { lease_seconds: None, progress: Some(progress) },
                    &turn,
                ));
            }
            Deed::Complete(lease) => {
                if !self.leases.is_empty() {
                    let (id, run_id, nonce_of_lease) = lease.get(&self.leases).clone();
                    let claimant = Claimant { run_id, nonce: Some(nonce_of_lease) };
                    drop(queue.complete(id, claimant, result("{\"n\":1.10}"), &turn));
                }
            }
            Deed::Fail(task) => {
                let failing = Failing { error: "broke".parse().unwrap(), is_final: false };
                drop(queue.fail(of(task), held(of(task)), failing, &turn));
            }
            Deed::Release { task, delay } => {
                drop(queue.release(of(task), held(of(task)), *delay, &turn));
            }
            // A child of a task whose holder was asked to stop is for a test of its own.
            Deed::AskToStop(task) if !self.parents.contains(&of(task)) => {
                let reason = "not needed".parse().ok();
                let cancelling = Cancelling { run_id: "boss".parse().unwrap(), if_held: IfHeld::Request, reason };
                if queue.cancel(of(task), cancelling, &turn).is_ok() {
                    self.cancelling.insert(of(task));
                }
            }
            Deed::AskToStop(_) => {}
            Deed::Cancel(task) => {
                let cancelling = Cancelling::new(long_named(), IfHeld::Force);
                drop(queue.cancel(of(task), cancelling, &turn));
            }
            Deed::Retry(task) => drop(queue.retry(of(task), Retrying::default(), &turn)),
            Deed::Pause(place) => drop(queue.pause(&name(*place), &turn)),
            Deed::Limit(place, max) => drop(queue.limit_in_flight(&name(*place), Some(*max), &turn)),
            Deed::Pass(seconds) => self.world.pass(*seconds),
            Deed::Sweep => drop(queue.sweep(&turn)),
            Deed::LetLeasesRunOut => {
                self.world.pass(21);
                drop(self.world.queue.sweep(&self.world.turn()));
            }
            Deed::Gc => drop(queue.gc(Gc { older_than_seconds: 5, keep_last: 1, dry_run: false }, &turn)),
        }
    }

    fn enqueue(&mut self, asked: &Asked, turn: &Turn<'_>) {
        let mut new = new(&format!("task {}", self.tasks.len()));
        new.queue = ["default", "gpu", "docs"][asked.queue].parse().unwrap();
        new.ttl_seconds = asked.ttl;
        if asked.has_long_tags {
            new.tags = ["a-tag-that-fills-a-name", "and-another"].map(|tag| tag.parse().unwrap()).to_vec();
        }
        let after: BTreeSet<TaskId> = asked.parents.iter().filter_map(|parent| self.one(parent)).collect();
        let after: Vec<TaskId> = after.into_iter().filter(|parent| !self.cancelling.contains(parent)).collect();
        new.plan = Plan {
            max_attempts: asked.attempts,
            backoff: asked.attempts.map(|_| Backoff { seconds: 50, max_seconds: 1_000_000 }),
            start: if asked.delay > 0 { Start::After(asked.delay) } else { Start::Now },
            if_parent_fails: (!after.is_empty()).then_some(asked.if_parent_fails),
            after: after.clone(),
            unique: asked.key.map(|key| format!("key {key}").parse().unwrap()),
        };
        if let Ok(enqueued) = self.world.queue.enqueue(new, turn)
            && !enqueued.deduplicated
        {
            self.tasks.push(enqueued.task.id);
            self.parents.extend(after);
        }
    }
}

/// A line but for leases, versions and the time to wait, as it is to be in a queue into which it is brought back at
/// `now`.
fn but_for_leases(line: &str, now: Timestamp) -> Value {
    let mut line: Value = serde_json::from_str(line).unwrap();
    let Some(name) = line["entry"].as_str() else { return line };
    let entry = Entry::parse(name).unwrap();
    let never = Timestamp::from_micros(limits::TIME_MICROS);
    let ready = |until: Timestamp| State::Ready {
        pending_until: if until == never { never } else { Timestamp::default() },
        tags: coord_core::tags::TagSet::default(),
    };
    let attempt = entry.attempt - u32::from(matches!(entry.state, State::Claimed(_)));
    let state = match entry.state {
        State::Claimed(_) | State::TimedOut { .. } => ready(never),
        State::Scheduled { due } if due <= now => ready(if entry.generation == 0 { due } else { never }),
        State::Ready { pending_until, .. } => ready(pending_until),
        State::Cancelling(_) => cancelled_at_some_time(),
        State::Ended(Ending { outcome: Outcome::Cancelled, .. }) => cancelled_at_some_time(),
        state => state,
    };
    if !matches!(state, State::Ended(_)) {
        line.as_object_mut().unwrap().remove("run_id");
    }
    line["entry"] = Entry { version: 1, attempt, state, ..entry }.to_string().into();
    let by_name = |report: &Value| (report["version"].as_u64(), report["nonce"].to_string());
    if let Some(reports) = line["reports"].as_array_mut() {
        reports.sort_by_key(by_name);
    }
    line
}

fn cancelled_at_some_time() -> State {
    State::Ended(Ending { outcome: Outcome::Cancelled, ended_at: Timestamp::default(), lease: None })
}

#[test]
fn whatever_is_exported_is_brought_back_and_exported_again_as_it_was() {
    let seen = std::cell::RefCell::new(BTreeMap::<String, usize>::new());
    let gap = prop_oneof![Just(0), Just(3), Just(2 * DAY)];
    check(4, (prop::collection::vec(deed(), 1..30), gap), |(deeds, gap)| {
        let past = Past::of(&deeds);
        let lines = past.world.lines();
        let copy = World::on(world::empty_store(), (past.world.now.get() / SECOND) + gap + 1 - 1_795_336_200);
        for line in &lines {
            let imported = copy.import(line);
            assert!(
                matches!(imported, Imported::Now(_) | Imported::Cancelled(_) | Imported::Set(_, true)),
                "{imported:?}"
            );
            *seen.borrow_mut().entry(kind_of(line)).or_default() += 1;
        }
        copy.assert_healthy();
        let now = Timestamp::from_micros(copy.now.get());
        let as_a_set = |lines: &[String]| -> BTreeSet<String> {
            lines.iter().map(|line| but_for_leases(line, now).to_string()).collect()
        };
        assert_eq!(as_a_set(&lines), as_a_set(&copy.lines()), "{lines:#?}");
        for line in lines.iter().filter(|line| line.contains("\"unique\"")) {
            assert_keys_are_kept(&copy, line);
        }
    });
    let seen = seen.into_inner();
    for kind in [
        "settings",
        "scheduled",
        "blocked",
        "ready",
        "timed_out",
        "claimed",
        "cancelling",
        "completed",
        "failed",
        "cancelled",
        "expired",
        "too late",
        "long run id",
        "attempts",
    ] {
        assert!(seen.keys().any(|seen| seen.contains(kind)), "none is {kind}: {seen:?}");
    }
}

fn kind_of(line: &str) -> String {
    let value: Value = serde_json::from_str(line).unwrap();
    let Some(name) = value["entry"].as_str() else { return String::from("settings") };
    let late = value["reports"].as_array().is_some_and(|of| of.iter().any(|report| report["version"] == 0));
    let mut kind = name.split('.').nth(6).unwrap().to_string();
    for (is_so, what) in [(late, "too late"), (value["run_id"].is_string(), "long run id")] {
        kind += if is_so { what } else { "" };
    }
    kind + if value["record"]["max_attempts"].is_number() { " attempts" } else { "" }
}

/// A task that has not ended keeps its key.
fn assert_keys_are_kept(copy: &World<MemStore>, line: &str) {
    let line: Value = serde_json::from_str(line).unwrap();
    let id: TaskId = line["task_id"].as_str().unwrap().parse().unwrap();
    let has_ended = matches!(copy.status(id), Status::Completed | Status::Failed | Status::Cancelled | Status::Expired);
    if has_ended {
        return;
    }
    let mut new = new("another");
    new.queue = line["record"]["queue"].as_str().unwrap().parse().unwrap();
    new.plan.unique = line["record"]["unique"].as_str().unwrap().parse().ok();
    let told = copy.queue.enqueue(new, &copy.turn()).unwrap();
    assert_eq!((told.task.id, told.deduplicated), (id, true));
}

#[test]
fn a_task_is_not_imported_without_what_it_waits_for() {
    let world = World::new();
    let quick = world.enqueue("quick", |_| {});
    let slow = world.enqueue("slow", |_| {});
    let child = world.enqueue("child", |new| new.plan.after = vec![quick, slow]);
    let lines = world.lines();
    let of = |id: TaskId| lines.iter().find(|line| line.contains(&format!("\"task_id\":\"{id}\""))).unwrap();
    let copy = World::new();
    let first = Vec::from(if quick < slow { [quick, slow] } else { [slow, quick] })[0];
    assert_eq!(copy.import(of(child)), Imported::NoParent { id: child, parent: first });
    assert_eq!(copy.import(of(quick)), Imported::Now(quick));
    assert_eq!(copy.import(of(child)), Imported::NoParent { id: child, parent: slow });
    assert_eq!(copy.import(of(slow)), Imported::Now(slow));
    assert_eq!(copy.import(of(child)), Imported::Now(child));
    for id in [quick, slow, child] {
        assert_eq!(copy.claim(), Some(id));
        copy.complete(id);
    }
    copy.assert_healthy();
}

#[test]
fn tasks_are_exported_after_those_that_they_wait_for_whatever_their_clocks_said() {
    let world = World::new();
    world.pass(1_000);
    let parent = world.enqueue("parent", |_| {});
    let middle = world.enqueue("middle", |new| new.plan.after = vec![parent]);
    world.now.set(world.now.get() - 500 * SECOND);
    let child = world.enqueue("child", |new| new.plan.after = vec![middle, parent]);
    let ids: Vec<TaskId> = world
        .lines()
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["task_id"].as_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(ids, [parent, middle, child]);
}

#[test]
fn a_task_that_waits_for_one_that_was_removed_goes_on_waiting() {
    let world = World::new();
    let parent = world.enqueue("parent", |_| {});
    assert_eq!(world.claim(), Some(parent));
    let child = world.enqueue("child", |new| {
        new.plan.after = vec![parent];
        new.plan.if_parent_fails = Some(IfParentFails::Block);
    });
    world
        .queue
        .fail(
            parent,
            holder(),
            Failing::from("broke".parse::<coord_core::name::ErrorMessage>().unwrap()),
            &world.turn(),
        )
        .unwrap();
    // As a collection of another version did it, which looked at less.
    for path in world.queue.store().files() {
        if path.name.split('.').take(2).any(|piece| piece == parent.hex()) {
            world.queue.store().remove(&path).unwrap();
        }
    }
    let copy = World::new();
    assert_eq!(copy.import(&world.lines()[0]), Imported::Now(child));
    assert_eq!(copy.status(child), Status::Blocked);
}

#[test]
fn what_waits_is_claimed_as_long_after_an_import_as_after_an_enqueue() {
    let world = World::new();
    let waits = world.enqueue("waits", |_| {});
    let later = world.enqueue("later", |new| new.plan.start = Start::After(100));
    let expired = world.enqueue("expired", |new| new.ttl_seconds = 5);
    world.pass(10);
    let copy = World::on(world::empty_store(), 2 * DAY);
    world.lines().iter().for_each(|line| drop(copy.import(line)));
    assert_eq!([waits, later, expired].map(|id| copy.status(id)), [Status::Pending, Status::Pending, Status::Expired]);
    copy.pass(990);
    assert_eq!([copy.claim(), copy.claim(), copy.claim()], [Some(waits), Some(later), None]);
    let other = World::on(world::empty_store(), 2 * DAY);
    world.lines().iter().for_each(|line| drop(other.import(line)));
    other.pass(1_010);
    assert_eq!([waits, later].map(|id| other.status(id)), [Status::Expired; 2]);
}

#[test]
fn a_task_whose_holder_was_asked_to_stop_is_cancelled_and_the_reason_kept() {
    let world = World::new();
    let id = world.enqueue("held", |_| {});
    let child = world.enqueue("child", |new| new.plan.after = vec![id]);
    assert_eq!(world.claim(), Some(id));
    let reason = "it is not needed".parse().ok();
    let cancelling = Cancelling { run_id: "boss".parse().unwrap(), if_held: IfHeld::Request, reason };
    world.queue.cancel(id, cancelling, &world.turn()).unwrap();
    let copy = World::new();
    let imported: Vec<Imported> = world.lines().iter().map(|line| copy.import(line)).collect();
    assert_eq!(imported, [Imported::Cancelled(id), Imported::Now(child)]);
    assert_eq!([copy.status(id), copy.status(child)], [Status::Cancelled; 2]);
    let history = copy.queue.show(id, copy.now()).unwrap().history;
    assert_eq!(history[0].reason.as_ref().map(ToString::to_string), Some("it is not needed".to_string()));
    copy.assert_healthy();
}

#[test]
fn what_is_set_for_queues_comes_first_and_a_limit_that_is_there_stays() {
    let world = World::new();
    let (gpu, docs): (QueueName, QueueName) = ("gpu".parse().unwrap(), "docs".parse().unwrap());
    world.enqueue("t", |_| {});
    world.queue.pause(&docs, &world.turn()).unwrap();
    world.queue.limit_in_flight(&gpu, Some(4), &world.turn()).unwrap();
    let lines = world.lines();
    assert_eq!(
        lines[..2],
        [
            "{\"queue\":\"docs\",\"paused\":true,\"max_in_flight\":null}",
            "{\"queue\":\"gpu\",\"paused\":false,\"max_in_flight\":4}"
        ]
    );
    let copy = World::new();
    assert_eq!(copy.import(&lines[0]), Imported::Set(docs.clone(), true));
    assert_eq!(copy.import(&lines[0]), Imported::Set(docs, false));
    assert_eq!(copy.import(&lines[1]), Imported::Set(gpu.clone(), true));
    assert_eq!(copy.import(&lines[1]), Imported::Set(gpu.clone(), false));
    assert_eq!(copy.queue.settings(), world.queue.settings());
    copy.queue.limit_in_flight(&gpu, Some(2), &copy.turn()).unwrap();
    assert_eq!(copy.import(&lines[1]), Imported::OtherLimit { queue: gpu.clone(), given: 4, kept: 2 });
    assert_eq!(copy.queue.settings().unwrap().max_in_flight, [(gpu, 2)].into());
    for bad in ["{\"queue\":\"gpu\",\"max_in_flight\":0}", "{\"queue\":\"a b\",\"paused\":true}"] {
        assert!(copy.queue.import(bad, &copy.turn()).is_err(), "{bad}");
    }
}

#[test]
fn a_report_that_is_torn_or_missing_is_told() {
    for is_torn in [false, true] {
        let world = World::new();
        let id = world.enqueue("t", |_| {});
        assert_eq!(world.claim(), Some(id));
        world.queue.complete(id, holder(), result("{\"n\":1}"), &world.turn()).unwrap();
        let store = world.queue.store();
        let path = layout::record(id);
        let mut content = store.first_line(&path, 1_000).unwrap().unwrap();
        if is_torn {
            content = store.read(&path, 1_000).unwrap().unwrap();
            content.truncate(content.len() - 10);
        }
        store.remove(&path).unwrap();
        store.create(&path, &content).unwrap();
        let (lines, findings) = world.export();
        assert_eq!((lines.len(), &findings[..]), (1, &[Finding::ReportLost { id }][..]));
    }
}

#[test]
fn an_import_that_died_is_made_up_for_when_the_line_is_given_again() {
    let world = World::new();
    let key = |new: &mut NewTask| new.plan.unique = "key".parse().ok();
    let done = world.enqueue("done", |new| new.plan.max_attempts = Some(1));
    assert_eq!(world.claim(), Some(done));
    world.queue.complete(done, holder(), result("{\"n\":1}"), &world.turn()).unwrap();
    world.enqueue("waits", key);
    world.enqueue("child", |new| new.plan.after = vec![done]);
    for line in &world.lines() {
        let wanted = World::new();
        wanted.import(&world.lines()[0]);
        wanted.import(line);
        for calls in 0.. {
            let (before, dying) = (World::new(), Cell::new(calls));
            before.import(&world.lines()[0]);
            let begun = before.queue.store().clone();
            let store = if line == &world.lines()[0] { world::empty_store() } else { begun };
            let mortal = World::on(Mortal { store, calls: dying }, 1);
            let died = mortal.queue.import(line, &mortal.turn()).is_err();
            let again = World::on(mortal.queue.store().store.clone(), 2);
            again.import(line);
            let now = Timestamp::from_micros(again.now.get());
            let all =
                |lines: Vec<String>| -> Vec<Value> { lines.iter().map(|line| but_for_leases(line, now)).collect() };
            assert_eq!(all(again.lines()), all(wanted.lines()), "after {calls} calls");
            again.assert_healthy();
            if !died {
                break;
            }
        }
    }
}

/// A store whose agent dies after some calls.
struct Mortal {
    store: MemStore,
    calls: Cell<u32>,
}

impl Mortal {
    fn lives(&self) -> Result<&MemStore, StoreError> {
        let Some(left) = self.calls.get().checked_sub(1) else {
            let (path, detail) = (String::new(), String::from("the agent is dead"));
            return Err(StoreError { operation: "live", path, kind: StoreErrorKind::Other, detail });
        };
        self.calls.set(left);
        Ok(&self.store)
    }
}

impl Store for Mortal {
    fn create(&self, path: &Path, content: &[u8]) -> Result<Created, StoreError> {
        // It dies in the middle of the file.
        if self.calls.get() == 0 {
            self.store.create(path, &content[..content.len() / 2])?;
        }
        self.lives()?.create(path, content)
    }

    fn create_all(&self, files: &[(Path, Vec<u8>)]) -> Result<Vec<Created>, StoreError> {
        create_one_by_one(self, files)
    }

    fn append(&self, path: &Path, line: &[u8], most: usize) -> Result<Appended, StoreError> {
        // It dies in the middle of the line.
        if self.calls.get() == 0 {
            self.store.append(path, &line[..line.len() / 2], most)?;
        }
        self.lives()?.append(path, line, most)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<Linked, StoreError> {
        self.lives()?.link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<Moved, StoreError> {
        self.lives()?.rename(from, to)
    }

    fn read(&self, path: &Path, max_bytes: usize) -> Result<Option<Vec<u8>>, StoreError> {
        // Opening the queue is not what is cut off.
        if path.dir == Dir::root() { self.store.read(path, max_bytes) } else { self.lives()?.read(path, max_bytes) }
    }

    fn links(&self, path: &Path) -> Result<Option<u64>, StoreError> {
        self.lives()?.links(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, StoreError> {
        self.lives()?.exists(path)
    }

    fn list(&self, dir: &Dir) -> Result<Option<Vec<String>>, StoreError> {
        if *dir == Dir::root() { self.store.list(dir) } else { self.lives()?.list(dir) }
    }

    fn stamp(&self, dir: &Dir) -> Result<Option<Stamp>, StoreError> {
        self.lives()?.stamp(dir)
    }

    fn remove(&self, path: &Path) -> Result<Removed, StoreError> {
        self.lives()?.remove(path)
    }

    fn make_dir(&self, dir: &Dir) -> Result<Made, StoreError> {
        self.lives()?.make_dir(dir)
    }

    fn remove_dir(&self, dir: &Dir) -> Result<DirRemoved, StoreError> {
        self.lives()?.remove_dir(dir)
    }

    fn flush(&self, path: &Path) -> Result<Flushed, StoreError> {
        self.lives()?.flush(path)
    }

    fn sync_dir(&self, dir: &Dir) -> Result<(), StoreError> {
        self.lives()?.sync_dir(dir)
    }
}
