//! What the operations promise to one agent after another, on the store in memory. What holds between agents that race
//! is for real processes, in the crate `coord-tests`.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use coord_core::answer::Released;
use coord_core::entry::Entry;
use coord_core::layout::{self, Dir, Path};
use coord_core::name::{ErrorMessage, Nonce, QueueName, RunId};
use coord_core::queue::{
    Cancelling, ClaimRequest, Claimed, Failing, Filter, Matching, NewTask, Notice, Plan, Renewing, Status, Step,
    Thoroughness, WaitingClaim, Watch,
};
use coord_core::store::mem::MemStore;
use coord_core::store::{Appended, Created, DirRemoved, Flushed, Linked, Made, Moved, Removed, Stamp, StoreError};
use coord_core::time::Clock;
use coord_core::transition::{Claimant, IfHeld, Refusal};
use coord_core::{Error, JsonObject, Queue, Store, Task, TaskId, Timestamp, Turn, limits};

use crate::world;

/// A queue with a clock and nonces of its own.
struct World {
    queue: Queue<Counting>,
    now: Cell<u64>,
    nonces: Cell<u64>,
}

const SECOND: u64 = 1_000_000;

impl World {
    fn new() -> World {
        let queue = Queue::open(Counting::default()).unwrap();
        World { queue, now: Cell::new(1_795_336_200 * SECOND), nonces: Cell::new(0) }
    }

    /// The next microsecond.
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

    fn enqueue(&self, title: &str) -> TaskId {
        self.enqueue_as(title, |_| {}).id
    }

    fn enqueue_as(&self, title: &str, change: impl Fn(&mut NewTask)) -> Task {
        let mut new = NewTask {
            title: title.parse().unwrap(),
            priority: 0,
            queue: QueueName::default_queue(),
            ttl_seconds: 1_000,
            created_by: "orchestrator".parse().unwrap(),
            tags: Vec::new(),
            plan: Plan::default(),
            payload: JsonObject::parse("{}").unwrap(),
        };
        change(&mut new);
        self.queue.enqueue(new, &self.turn()).unwrap().task
    }

    fn claim(&self, run_id: &str) -> Option<Claimed> {
        self.claim_from(run_id, None)
    }

    fn claim_from(&self, run_id: &str, queue: Option<&str>) -> Option<Claimed> {
        let queues = queue.into_iter().map(|queue| queue.parse().unwrap()).collect();
        let request = ClaimRequest { queues, ..ClaimRequest::any(run(run_id), 10) };
        self.queue.claim(&request, Thoroughness::Full, &self.turn()).unwrap().claimed
    }

    fn complete(&self, id: TaskId, run_id: &str, result: &str) -> Result<Option<JsonObject>, Error> {
        let result = JsonObject::parse(result).unwrap();
        let record = self.queue.complete(id, claimant(run_id), Some(result), &self.turn())?;
        Ok(record.result)
    }

    fn status(&self, id: TaskId) -> Status {
        let listing = self.queue.tasks(&everything(), self.now()).unwrap();
        listing.items.iter().find(|item| item.task.id == id).unwrap().status
    }

    /// The entries of a task, wherever they are.
    fn entries(&self, id: TaskId) -> Vec<Entry> {
        let files = self.queue.store().inner.files();
        files.iter().filter_map(|path| Entry::parse(&path.name)).filter(|entry| entry.id == id).collect()
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

fn everything() -> Filter {
    Filter { limit: 10_000, ..Filter::default() }
}

fn titles(mut next: impl FnMut() -> Option<Claimed>) -> Vec<String> {
    std::iter::from_fn(|| next().map(|claimed| claimed.task.record.title.to_string())).collect()
}

#[test]
fn tasks_are_claimed_by_priority_then_age_across_queues() {
    let world = World::new();
    for (title, priority, queue) in
        [("c", 0, "a"), ("b", 5, "b"), ("d", 0, "b"), ("a", i64::MAX, "a"), ("e", 0, "a"), ("f", -1, "c")]
    {
        world.enqueue_as(title, |new| (new.priority, new.queue) = (priority, queue.parse().unwrap()));
        world.pass(7);
    }
    assert_eq!(titles(|| world.claim("agent")), ["a", "b", "c", "d", "e", "f"]);
}

#[test]
fn a_claim_from_one_queue_leaves_the_others_alone() {
    let world = World::new();
    for (title, queue) in [("1", "x"), ("2", "y"), ("3", "x")] {
        world.enqueue_as(title, |new| new.queue = queue.parse().unwrap());
    }
    assert_eq!(titles(|| world.claim_from("agent", Some("x"))), ["1", "3"]);
    assert_eq!(titles(|| world.claim_from("agent", Some("none"))), [""; 0]);
    assert_eq!(titles(|| world.claim("agent")), ["2"]);
}

#[test]
fn equal_tasks_of_one_microsecond_are_two_tasks() {
    let world = World::new();
    let now = world.now();
    let new = || NewTask {
        title: "same".parse().unwrap(),
        priority: 0,
        queue: QueueName::default_queue(),
        ttl_seconds: 1_000,
        created_by: run("o"),
        tags: Vec::new(),
        plan: Plan::default(),
        payload: JsonObject::parse("{}").unwrap(),
    };
    let ids: Vec<TaskId> =
        (0..3).map(|_| world.queue.enqueue(new(), &Turn::new(&now, world.nonce())).unwrap().task.id).collect();
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2]);
    assert_eq!(titles(|| world.claim("agent")).len(), 3);
}

#[test]
fn each_operation_changes_as_little_as_the_protocol_says() {
    let world = World::new();
    let store = world.queue.store();
    world.queue.init(&world.turn()).unwrap();
    // Directories are made once per first byte of an id and once per 8 ms of enqueuing. Here they are there already.
    for (name, digits) in [("tasks", 2), ("claimed", 1), ("done", 2), ("records", 2)] {
        for shard in 0..16_u32.pow(digits) {
            let shard = Dir::root().child(name).child(&format!("{shard:0width$x}", width = digits as usize));
            store.make_dir(&shard).unwrap();
            if name == "tasks" {
                store.create(&shard.file(layout::PREPARED), b"").unwrap();
            }
        }
    }
    world.enqueue("makes the directory of these 8 ms");
    world.claim("takes it, and sweeps");

    let mutations = |operation: &dyn Fn()| {
        store.mutations.take();
        operation();
        store.mutations.take()
    };
    let [first, second] = [Cell::new(None), Cell::new(None)];
    assert_eq!(mutations(&|| first.set(Some(world.enqueue("first")))), ["create", "link"]);
    second.set(Some(world.enqueue("second")));
    let [first, second] = [first, second].map(|id| id.get().unwrap());
    assert_eq!(mutations(&|| assert_eq!(world.claim("agent").unwrap().task.id, first)), ["rename"]);
    let heartbeat =
        || assert!(world.queue.heartbeat(first, claimant("agent"), Renewing::default(), &world.turn()).is_ok());
    assert_eq!(mutations(&heartbeat), ["rename"]);
    let release = || assert!(world.queue.release(first, claimant("agent"), 0, &world.turn()).is_ok());
    assert_eq!(mutations(&release), ["rename"]);
    assert_eq!(mutations(&|| assert_eq!(world.claim("agent").unwrap().task.id, first)), ["rename"]);
    assert_eq!(mutations(&|| assert!(world.complete(first, "agent", "{}").is_ok())), ["rename"]);
    assert_eq!(mutations(&|| assert_eq!(world.claim("agent").unwrap().task.id, second)), ["rename"]);
    assert_eq!(mutations(&|| assert!(world.complete(second, "agent", "{\"a\":1}").is_ok())), ["append", "rename"]);
    assert_eq!(mutations(&|| assert!(world.queue.tasks(&everything(), world.now()).is_ok())), [""; 0]);
    assert_eq!(mutations(&|| assert!(world.complete(second, "agent", "{\"a\":1}").is_err())), [""; 0]);
}

#[test]
fn even_the_first_claim_is_one_rename() {
    let world = World::new();
    world.enqueue("first");
    // The token is not due again within the second of `init`.
    world.claim_from("sweeper", Some("none"));
    world.queue.store().mutations.take();
    world.claim("agent").unwrap();
    assert_eq!(world.queue.store().mutations.take(), ["rename"]);
}

#[test]
fn a_lease_that_ran_out_is_taken_over_and_the_late_holder_refused() {
    let world = World::new();
    let id = world.enqueue("work");
    assert_eq!(world.claim("slow").unwrap().record.generation, 1);
    assert_eq!(world.claim("other"), None);
    world.pass(11);
    assert_eq!(world.status(id), Status::TimedOut, "before any sweep");
    let taken = world.claim("other").unwrap();
    assert_eq!((taken.task.id, taken.record.generation, taken.record.attempt), (id, 2, 2));

    let Err(Error::Refused { refusal, who, .. }) = world.complete(id, "slow", r#"{"late":true}"#) else {
        panic!("a late result was accepted")
    };
    assert!(matches!(refusal, Refusal::LeaseLost(_)));
    assert_eq!(who.as_deref(), Some("other"));
    assert_eq!(world.complete(id, "other", r#"{"ok":1}"#).unwrap().unwrap().text(), r#"{"ok":1}"#);
    assert_eq!(world.entries(id).len(), 1);
}

#[test]
fn a_late_holder_that_nobody_overtook_may_still_finish() {
    for swept in [false, true] {
        let world = World::new();
        let (id, other) = (world.enqueue("work"), world.enqueue("other"));
        world.claim("slow").unwrap();
        world.pass(11);
        if swept {
            // A claim from a queue that does not exist finds nothing, so it sweeps.
            assert_eq!(world.claim_from("sweeper", Some("none")), None);
            assert_eq!(world.status(id), Status::TimedOut, "after the sweep");
        }
        world
            .queue
            .heartbeat(id, claimant("slow"), Renewing { lease_seconds: Some(5), ..Renewing::default() }, &world.turn())
            .unwrap();
        assert_eq!(world.status(id), Status::Claimed);
        assert_eq!(world.claim("next").unwrap().task.id, other);
        world.pass(6);
        world.complete(id, "slow", "{}").unwrap();
        assert_eq!(world.status(id), Status::Completed);
    }
}

#[test]
fn a_heartbeat_keeps_the_lease_as_long_as_it_was_given_for() {
    let world = World::new();
    let id = world.enqueue("work");
    world.claim("agent").unwrap();
    for _ in 0..5 {
        world.pass(9);
        let record = world.queue.heartbeat(id, claimant("agent"), Renewing::default(), &world.turn()).unwrap();
        assert_eq!(record.expires_at.micros_since(record.heartbeat_at), 10 * SECOND);
        assert_eq!(world.claim("other"), None);
    }
    world.pass(11);
    assert_eq!(world.claim("other").unwrap().task.id, id);
}

#[test]
fn asking_whether_a_task_is_still_held_says_what_a_heartbeat_would_and_changes_nothing() {
    let world = World::new();
    let id = world.enqueue("t");
    let held = |run_id| match world.queue.still_held(id, claimant(run_id), world.now()) {
        Ok(record) => {
            assert_eq!(record.task_id, id);
            Ok(())
        }
        Err(error) => Err(error.code()),
    };
    assert_eq!(held("a"), Err("not_claimed"));
    let claimed = world.claim("a").unwrap().record;
    let found = world.queue.still_held(id, claimant("a"), world.now()).unwrap();
    assert_eq!(found, claimed, "the heartbeat is not moved");
    world.queue.store().mutations.take();
    assert_eq!(held("a"), Ok(()));
    assert_eq!(world.queue.store().mutations.take(), [""; 0]);
    assert_eq!(held("b"), Err("wrong_owner"));
    world.pass(11);
    assert_eq!(held("a"), Ok(()), "nobody has taken it over yet");
    assert!(world.claim("b").is_some());
    assert_eq!((held("a"), held("b")), (Err("lease_lost"), Ok(())));
    world.queue.cancel(id, Cancelling::new(run("boss"), IfHeld::Force), &world.turn()).unwrap();
    assert_eq!(held("b"), Err("already_terminal"));
}

#[test]
fn a_released_task_is_anybodys_at_once_and_its_former_holders_no_more() {
    for overdue in [false, true] {
        let world = World::new();
        let id = world.enqueue_as("work", |new| (new.queue, new.ttl_seconds) = ("q".parse().unwrap(), 5)).id;
        world.enqueue("later");
        world.claim_from("agent", Some("q")).unwrap();
        if overdue {
            // Past its lease and past its pending TTL, and swept, so that it is in `ready/` already.
            world.pass(11);
            assert_eq!(world.claim_from("sweeper", Some("none")), None);
        }
        let released = world.queue.release(id, claimant("agent"), 0, &world.turn()).unwrap();
        assert_eq!(
            released,
            Released { task_id: id, status: Status::Pending, generation: 1, attempt: 0, scheduled_at: None }
        );
        assert_eq!(world.status(id), Status::Pending);
        let code = |outcome: Result<_, Error>| outcome.map_err(|error| error.code());
        let late = || code(world.complete(id, "agent", "{}").map(drop));
        assert_eq!(late(), Err("not_claimed"));
        assert_eq!(code(world.queue.release(id, claimant("agent"), 0, &world.turn()).map(drop)), Err("not_claimed"));

        world.pass(1_000_000);
        let taken = world.claim_from("other", Some("q")).unwrap();
        assert_eq!((taken.task.id, taken.record.generation, taken.record.attempt), (id, 2, 1));
        assert_eq!(late(), Err("lease_lost"));
        assert_eq!(code(world.queue.release(id, claimant("agent"), 0, &world.turn()).map(drop)), Err("lease_lost"));
        assert!(world.complete(id, "other", "{}").is_ok());
        assert_eq!(
            code(world.queue.release(id, claimant("other"), 0, &world.turn()).map(drop)),
            Err("already_terminal")
        );
        assert_eq!(world.entries(id).len(), 1);
    }
}

#[test]
fn a_task_whose_record_cannot_be_trusted_is_not_released_and_its_holder_may_still_end_it() {
    let world = World::new();
    let (id, store) = (world.enqueue("work"), &world.queue.store().inner);
    world.claim("agent").unwrap();
    for path in store.files().iter().filter(|path| path.name.contains(&id.hex())) {
        store.remove(path).unwrap();
        store.create(path, b"{").unwrap();
    }
    let held = world.entries(id);
    assert!(matches!(world.queue.release(id, claimant("agent"), 0, &world.turn()), Err(Error::Corrupt { .. })));
    assert_eq!(world.entries(id), held, "nothing was changed");
    assert!(world.complete(id, "agent", "{}").is_ok());
}

#[test]
fn a_task_that_nobody_claims_in_time_expires_and_is_never_claimed() {
    let world = World::new();
    let id = world.enqueue_as("stale", |new| new.ttl_seconds = 5).id;
    let fresh = world.enqueue("fresh");
    world.pass(6);
    assert_eq!(world.status(id), Status::Expired, "before anyone noticed");
    assert_eq!(world.claim("agent").unwrap().task.id, fresh);
    assert_eq!(world.status(id), Status::Expired, "after somebody noticed");
    assert!(matches!(
        world.complete(id, "agent", "{}"),
        Err(Error::Refused { refusal: Refusal::AlreadyEnded { .. }, .. })
    ));
}

#[test]
fn what_ran_out_unclaimed_has_ended_whether_or_not_it_was_moved() {
    for noticed in [false, true] {
        let world = World::new();
        let id = world.enqueue_as("stale", |new| new.ttl_seconds = 5).id;
        world.pass(6);
        if noticed {
            assert_eq!(world.claim("agent"), None);
        }
        let ended = |outcome: Result<_, Error>| {
            matches!(outcome, Err(Error::Refused { refusal: Refusal::AlreadyEnded { .. }, .. }))
        };
        assert!(ended(world.complete(id, "agent", "{}").map(|_| ())));
        assert!(ended(world.queue.cancel(id, Cancelling::new(run("boss"), IfHeld::Force), &world.turn()).map(|_| ())));
    }
}

#[test]
fn a_claim_passes_by_more_expired_tasks_than_it_moves() {
    let world = World::new();
    for i in 0..100 {
        world.enqueue_as(&format!("stale {i}"), |new| (new.ttl_seconds, new.priority) = (5, 1));
    }
    let fresh = world.enqueue("fresh");
    world.pass(6);
    world.queue.store().mutations.take();
    assert_eq!(world.claim("agent").unwrap().task.id, fresh);
    let renames = world.queue.store().mutations.take().iter().filter(|mutation| **mutation == "rename").count();
    assert!(renames <= usize::try_from(limits::BEFORE_A_CLAIM.steps).unwrap() + 2, "{renames}");
    let counts = world.queue.tasks(&everything(), world.now()).unwrap().counts;
    assert_eq!([Status::Expired, Status::Claimed].map(|status| counts.of(status)), [100, 1]);
}

#[test]
fn a_lost_sweep_token_is_made_anew_and_the_sweep_made_up_for() {
    let world = World::new();
    let id = world.enqueue_as("work", |new| new.priority = 1).id;
    world.claim("agent").unwrap();
    world.enqueue("more");
    let tokens = || world.queue.store().list(&Dir::root().child("sweep")).unwrap().unwrap();
    for token in tokens() {
        world.queue.store().remove(&Dir::root().child("sweep").file(token)).unwrap();
    }
    world.pass(11);
    assert_eq!(world.claim("other").unwrap().task.id, id, "it comes before the task that waits");
    assert_eq!(tokens().len(), 1);
}

#[test]
fn foreign_names_are_in_nobodys_way() {
    let world = World::new();
    let id = world.enqueue("work");
    let store = world.queue.store();
    let dirs = ["ready", "claimed", "done", "tasks", "sweep"].map(|name| Dir::root().child(name));
    for dir in &dirs {
        store.make_dir(dir).unwrap();
        for name in [".DS_Store", "README", "f"] {
            store.create(&dir.file(name), b"foreign").unwrap();
        }
        store.make_dir(&dir.child("foreign directory")).unwrap();
    }
    assert_eq!(world.status(id), Status::Pending);
    assert_eq!(world.claim("agent").unwrap().task.id, id);
    assert_eq!(world.claim("agent"), None);
    for dir in &dirs {
        assert_eq!(store.read(&dir.file("README"), 100), Ok(Some(b"foreign".to_vec())));
    }
}

#[test]
fn cancelling_ends_what_waits_and_with_force_what_is_held() {
    let world = World::new();
    let (waiting, held) = (world.enqueue("waiting"), world.enqueue_as("held", |new| new.priority = 1).id);
    world.claim("agent").unwrap();
    let cancel = |id, run_id: &str, force| {
        world.queue.cancel(
            id,
            Cancelling::new(run(run_id), if force { IfHeld::Force } else { IfHeld::Refuse }),
            &world.turn(),
        )
    };
    assert_eq!(cancel(waiting, "boss", false).unwrap().claimer_run_id, "boss");
    assert!(matches!(cancel(held, "boss", false), Err(Error::Refused { refusal: Refusal::WrongOwner(_), .. })));
    assert_eq!(cancel(held, "boss", true).unwrap().status, Status::Cancelled);
    let Err(Error::Refused { refusal: Refusal::AlreadyEnded { .. }, who, .. }) = world.complete(held, "agent", "{}")
    else {
        panic!("completed a cancelled task")
    };
    assert_eq!(who.as_deref(), Some("boss"));
    assert_eq!(world.claim("agent"), None);
}

#[test]
fn a_run_id_too_long_for_a_name_works_like_any_other() {
    let world = World::new();
    let long = "agent-".repeat(40);
    let other = format!("{long}x");
    let id = world.enqueue("work");
    assert_eq!(world.claim(&long).unwrap().record.claimer_run_id, long);
    let Err(Error::Refused { who, .. }) = world.complete(id, &other, "{}") else { panic!("completed by another") };
    assert_eq!(who.as_deref(), Some(long.as_str()));
    let filter = Filter { run_id: Some(run(&long)), ..everything() };
    assert_eq!(world.queue.tasks(&filter, world.now()).unwrap().items.len(), 1);
    world.complete(id, &long, "{}").unwrap();
}

#[test]
fn results_errors_and_payloads_are_listed_as_they_were_given() {
    let world = World::new();
    let id = world.enqueue_as("work", |new| new.payload = JsonObject::parse(r#"{"n":1.10}"#).unwrap()).id;
    let failed = world.enqueue("fails");
    world.claim("agent").unwrap();
    world.claim("agent").unwrap();
    world.complete(id, "agent", r#"{"sum":12345678901234567890123}"#).unwrap();
    world
        .queue
        .fail(failed, claimant("agent"), Failing::from("no \"luck\"".parse::<ErrorMessage>().unwrap()), &world.turn())
        .unwrap();
    let listing = world.queue.tasks(&everything(), world.now()).unwrap();
    let item = |id| listing.items.iter().find(|item| item.task.id == id).unwrap();
    assert_eq!(item(id).result.as_ref().unwrap().text(), r#"{"sum":12345678901234567890123}"#);
    assert_eq!(item(id).task.record.payload.text(), r#"{"n":1.10}"#);
    assert_eq!(item(failed).error.as_ref().unwrap().as_str(), "no \"luck\"");
}

#[test]
fn a_listing_counts_all_and_shows_what_matches() {
    let world = World::new();
    for i in 0..6 {
        let queue = if i % 2 == 0 { "even" } else { "odd" };
        world.enqueue_as(&format!("{i}"), |new| new.queue = queue.parse().unwrap());
    }
    let done = world.claim_from("agent", Some("even")).unwrap().task.id;
    world.complete(done, "agent", "{}").unwrap();
    world.claim_from("agent", Some("odd")).unwrap();
    let list = |filter| world.queue.tasks(&filter, world.now()).unwrap();
    let shown = |filter| list(filter).items.iter().map(|item| item.task.record.title.to_string()).collect::<Vec<_>>();

    assert_eq!(shown(everything()), ["0", "1", "2", "3", "4", "5"]);
    assert_eq!(shown(Filter { status: Some(Status::Pending), ..everything() }), ["2", "3", "4", "5"]);
    assert_eq!(shown(Filter { queue: Some("odd".parse().unwrap()), ..everything() }), ["1", "3", "5"]);
    assert_eq!(shown(Filter { run_id: Some(run("agent")), ..everything() }), ["0", "1"]);
    let cut = list(Filter { limit: 2, ..everything() });
    assert_eq!((cut.items.len(), cut.matching, cut.counts.total()), (2, Matching::Exactly(6), 6));
    let cut = list(Filter { limit: 2, queue: Some("even".parse().unwrap()), ..everything() });
    assert_eq!((cut.items.len(), cut.matching), (2, Matching::MoreThan(2)));
    assert_eq!([Status::Pending, Status::Claimed, Status::Completed].map(|status| cut.counts.of(status)), [4, 1, 1]);
}

#[test]
fn a_record_that_cannot_be_trusted_is_quarantined_and_holds_up_nobody() {
    let world = World::new();
    let (torn, whole) = (world.enqueue("torn"), world.enqueue("whole"));
    let store = world.queue.store();
    for path in store.inner.files().into_iter().filter(|path| path.name.contains(&torn.hex())) {
        store.remove(&path).unwrap();
        store.create(&path, b"{\"title\":").unwrap();
    }
    let request = ClaimRequest::any(run("agent"), 10);
    let claim = world.queue.claim(&request, Thoroughness::Full, &world.turn()).unwrap();
    assert_eq!(claim.claimed.unwrap().task.id, whole);
    assert!(claim.findings[0].to_string().contains(&torn.to_string()), "{:?}", claim.findings);
    assert!(
        store.inner.files().iter().any(|path| path.dir.as_str() == "quarantine" && path.name.contains(&torn.hex()))
    );
}

#[test]
fn nothing_is_opened_that_is_no_queue_or_of_a_newer_format() {
    let refused = |name: &str, content: &[u8]| {
        let store = world::empty_store();
        store.create(&Dir::root().file(name), content).unwrap();
        let error = Queue::open(store.clone()).map(|_| ()).unwrap_err();
        assert_eq!(store.files().len(), 1);
        error
    };
    for (number, way_out) in [("5", "newer muse"), ("3", "`muse coord export` with the version that made it")] {
        let refused = refused("format.json", format!("{{\"format\":{number},\"x\":1}}").as_bytes());
        assert_eq!(refused, Error::UnsupportedFormat { found: number.to_string() });
        assert!(refused.to_string().contains(way_out), "{refused}");
    }
    for content in ["garbage", "", "[]", "{\"format\":-1}"] {
        assert_eq!(refused("format.json", content.as_bytes()), Error::NoFormat { found: content.to_string() });
    }
    for (features, feature) in [("[\"wings\"]", "wings"), ("[7]", "7"), ("\"wings\"", "wings"), ("null", "null")] {
        let content = format!("{{\"format\":{},\"features\":{features}}}", layout::FORMAT);
        let refused = refused("format.json", content.as_bytes());
        assert_eq!(refused, Error::UnsupportedFeature { feature: feature.to_string() });
        assert_eq!(refused.code(), "unsupported_format");
        assert!(refused.to_string().contains("use a version of muse that knows it"), "{refused}");
    }
    assert_eq!(refused("main.rs", b"fn main() {}"), Error::NotAQueue { found: "main.rs".to_string() });
    assert!(Queue::open(world::empty_store()).is_ok());
}

#[test]
fn a_directory_without_a_list_of_features_has_none() {
    for content in [format!("{{\"format\":{}}}", layout::FORMAT), layout::format_json()] {
        let store = world::empty_store();
        store.create(&layout::format(), content.as_bytes()).unwrap();
        assert!(Queue::open(store.clone()).is_ok(), "{content}");
        assert!(Queue::open_for_doctor(store).is_ok(), "{content}");
    }
    let world = World::new();
    world.enqueue("t");
    let written = world.queue.store().read(&layout::format(), 1_000).unwrap().unwrap();
    assert_eq!(String::from_utf8(written).unwrap(), "{\"format\":4,\"features\":[]}\n");
}

#[test]
fn a_doctor_keeps_its_hands_off_a_directory_with_a_feature_that_it_does_not_know() {
    let store = world::empty_store();
    store.create(&layout::format(), b"{\"format\":4,\"features\":[\"wings\"]}").unwrap();
    let refused = Queue::open_for_doctor(store).map(drop).unwrap_err();
    assert_eq!(refused, Error::UnsupportedFeature { feature: "wings".to_string() });
}

#[test]
fn emptied_directories_do_not_pile_up() {
    let world = World::new();
    for i in 0..50 {
        world.enqueue(&format!("{i}"));
        world.pass(3);
    }
    world.pass(1_000_000);
    assert_eq!(world.claim("agent"), None, "all of them have expired");
    // Each claim that meets an empty directory removes it, so the levels go one by one.
    for _level in ["t4", "t3", "t2", "t1", "priority", "queue"] {
        assert_eq!(world.claim("agent"), None);
    }
    assert_eq!(world.queue.store().list(&Dir::root().child("ready")), Ok(Some(Vec::new())));
}

#[test]
fn the_sweep_token_stays_one_and_is_not_fooled_by_a_clock_that_was_ahead() {
    let world = World::new();
    let id = world.enqueue("work");
    world.claim("agent").unwrap();
    let tokens = || world.queue.store().list(&Dir::root().child("sweep")).unwrap().unwrap();
    let ahead = "fffffffffffff";
    world.queue.store().create(&Dir::root().child("sweep").file(ahead), b"").unwrap();
    world.pass(11);
    // The first claim of any kind sweeps, although it does not find the queue empty.
    world.enqueue_as("urgent", |new| new.priority = 9);
    assert_eq!(world.claim("other").unwrap().task.record.title.as_str(), "urgent");
    assert_eq!(tokens().len(), 1);
    assert_ne!(tokens(), [ahead]);
    assert!(world.entries(id)[0].to_string().contains(".timed_out."));
}

#[test]
fn a_watch_tells_when_to_ask_again() {
    let world = World::new();
    let mut watch = Watch::default();
    let ask = |watch: &mut Watch, queue: Option<&str>| {
        let queues = queue.into_iter().map(|queue| queue.parse().unwrap()).collect();
        let request = ClaimRequest { queues, ..ClaimRequest::any(run("agent"), 10) };
        let claim = world.queue.claim_or_watch(&request, Thoroughness::Full, Some(watch), &world.turn());
        claim.unwrap().claimed.map(|claimed| claimed.task.id)
    };
    for queue in [None, Some("default")] {
        // The first look removes what is out of use, which is a change, too.
        assert_eq!(ask(&mut watch, queue), None);
        assert_eq!(ask(&mut watch, queue), None);
        assert_eq!(world.queue.may_have_changed(&watch, world.now()), Ok(false), "nothing happened");
        let id = world.enqueue("work");
        assert_eq!(world.queue.may_have_changed(&watch, world.now()), Ok(true), "a task came");
        assert_eq!(ask(&mut watch, queue), Some(id));
        assert_eq!(ask(&mut watch, queue), None);
        world.queue.release(id, claimant("agent"), 0, &world.turn()).unwrap();
        assert_eq!(world.queue.may_have_changed(&watch, world.now()), Ok(true), "the task came back");
        assert_eq!(ask(&mut watch, queue), Some(id));
        assert_eq!(ask(&mut watch, queue), None);
        world.pass(1);
        assert_eq!(world.queue.may_have_changed(&watch, world.now()), Ok(true), "a lease may have run out");
        world.complete(id, "agent", "{}").unwrap();
    }
}

#[test]
fn a_waiting_claim_says_where_a_task_would_come_and_sleeps_longer_if_it_is_told() {
    let world = World::new();
    world.queue.init(&world.turn()).unwrap();
    let request = ClaimRequest::any(run("agent"), 10);
    let mut waiting = WaitingClaim::new(request, Duration::from_secs(60));
    let step = |waiting: &mut WaitingClaim| waiting.step(&world.queue, Duration::ZERO, &world.turn()).unwrap();
    let sleeps = |step: Step| match step {
        Step::Sleep(time) => time,
        Step::Done(claim) => panic!("{claim:?}"),
    };
    assert_eq!(waiting.watched().count(), 0, "nothing was looked at yet");
    assert_eq!(sleeps(step(&mut waiting)), limits::LOOK_EVERY);
    waiting.notice(Notice::Every);
    assert_eq!(sleeps(step(&mut waiting)), limits::LOOK_EVERY_WHEN_TOLD);
    waiting.notice(Notice::None);
    assert_eq!(sleeps(step(&mut waiting)), limits::LOOK_EVERY);
    let of_a_new_queue = ClaimRequest { queues: vec!["new".parse().unwrap()], ..ClaimRequest::any(run("agent"), 10) };
    let mut of_a_new_queue = WaitingClaim::new(of_a_new_queue, Duration::from_secs(60));
    step(&mut of_a_new_queue);
    let above: Vec<Dir> = of_a_new_queue.watched().collect();
    assert_eq!(above, [Dir::root().child("ready")], "a queue that is not there comes into the directory");
    let watched: Vec<Dir> = waiting.watched().collect();
    let before: Vec<_> = watched.iter().map(|dir| world.queue.store().stamp(dir).unwrap()).collect();
    world.enqueue("work");
    let after: Vec<_> = watched.iter().map(|dir| world.queue.store().stamp(dir).unwrap()).collect();
    assert_ne!(before, after, "{watched:?}");
    assert!(matches!(step(&mut waiting), Step::Done(claim) if claim.claimed.is_some()));
}

/// Notes what is changed in the store behind it.
#[derive(Default)]
struct Counting {
    inner: MemStore,
    mutations: RefCell<Vec<&'static str>>,
}

impl Counting {
    fn note(&self, mutation: &'static str) {
        self.mutations.borrow_mut().push(mutation);
    }
}

impl Store for Counting {
    fn create(&self, path: &Path, content: &[u8]) -> Result<Created, StoreError> {
        self.note("create");
        self.inner.create(path, content)
    }

    fn append(&self, path: &Path, line: &[u8], most: usize) -> Result<Appended, StoreError> {
        self.note("append");
        self.inner.append(path, line, most)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<Linked, StoreError> {
        self.note("link");
        self.inner.link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<Moved, StoreError> {
        self.note("rename");
        self.inner.rename(from, to)
    }

    fn read(&self, path: &Path, max_bytes: usize) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.read(path, max_bytes)
    }

    fn links(&self, path: &Path) -> Result<Option<u64>, StoreError> {
        self.inner.links(path)
    }

    fn exists(&self, path: &Path) -> Result<bool, StoreError> {
        self.inner.exists(path)
    }

    fn list(&self, dir: &Dir) -> Result<Option<Vec<String>>, StoreError> {
        self.inner.list(dir)
    }

    fn stamp(&self, dir: &Dir) -> Result<Option<Stamp>, StoreError> {
        self.inner.stamp(dir)
    }

    fn remove(&self, path: &Path) -> Result<Removed, StoreError> {
        self.note("remove");
        self.inner.remove(path)
    }

    fn make_dir(&self, dir: &Dir) -> Result<Made, StoreError> {
        self.note("make_dir");
        self.inner.make_dir(dir)
    }

    fn remove_dir(&self, dir: &Dir) -> Result<DirRemoved, StoreError> {
        self.note("remove_dir");
        self.inner.remove_dir(dir)
    }

    fn flush(&self, path: &Path) -> Result<Flushed, StoreError> {
        self.inner.flush(path)
    }

    fn sync_dir(&self, dir: &Dir) -> Result<(), StoreError> {
        self.inner.sync_dir(dir)
    }
}

#[test]
fn a_setting_counts_only_as_the_queue_spells_it() {
    let world = World::new();
    world.enqueue("work");
    for name in ["default.max+1", "default.max007", "default.max0", "default.max1.5", "default.Paused"] {
        world.queue.store().create(&Dir::root().child("queues").file(name), b"").unwrap();
    }
    assert!(world.claim("agent").is_some());
    let foreign = world.queue.examine(world.now()).unwrap().foreign;
    assert_eq!(foreign.len(), 5, "{foreign:?}");
}
