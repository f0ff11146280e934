//! A directory in which somebody put whatever he liked: no operation panics or spins, none reads more of a file than a
//! record can have, and a task beside all that is claimed and completed.

use std::cell::Cell;

use crate::arbitrary::{check, damaged, damaged_name, entry, nonce, queue_name, record, run_id, text, time};
use coord_core::entry::{Entry, State};
use coord_core::layout::{self, Dir, Path};
use coord_core::name::{ErrorMessage, Nonce, QueueName, RunId};
use coord_core::queue::{
    Cancelling, Claim, ClaimRequest, Failing, Filter, NewTask, Plan, Renewing, Thoroughness, Watch,
};
use coord_core::store::mem::MemStore;
use coord_core::store::{
    Appended, Created, DirRemoved, Flushed, Linked, Made, Moved, Removed, Stamp, StoreError, StoreErrorKind,
};
use coord_core::tags::TagSet;
use coord_core::task::Record;
use coord_core::transition::{Claimant, IfHeld};
use coord_core::{Error, JsonObject, Queue, Store, Task, TaskId, Timestamp, Turn, limits};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

#[test]
fn no_operation_panics_or_spins_whatever_the_directory_holds() {
    check(16, (vec(thing(), 0..12), vec(operation(), 1..8)), |(things, operations)| {
        let store = filled(&things, |_| true);
        let Ok(queue) = Queue::open(store) else { return };
        for operation in &operations {
            if let Err(error) = run(&queue, &things, operation) {
                assert_ne!(error, Error::Contended);
                assert!(!error.to_string().is_empty());
            }
        }
    });
}

#[test]
fn a_task_beside_garbage_is_claimed_and_completed() {
    check(16, (vec(thing(), 0..12), record()), |(things, record)| {
        let now = before_the_end(record.created_at);
        let queue = Queue::open(filled(&things, |path| !is_where_a_directory_belongs(path))).unwrap();
        let id = queue.enqueue(new_task(&record), &Turn::new(&now, Nonce::from_bits(u64::MAX))).unwrap().task.id;

        let request = ClaimRequest::any(agent(), 10);
        let claim = |nonce| match queue.claim(&request, Thoroughness::Full, &Turn::new(&now, Nonce::from_bits(nonce))) {
            Ok(Claim { claimed, .. }) => Some(claimed.unwrap().task.id),
            // Two entries became one name, which a filesystem passes over: one of them is gone.
            Err(Error::Store(error)) if error.kind == StoreErrorKind::Other => None,
            Err(error) => panic!("{error}"),
        };
        let claims = 0..=2 * u64::try_from(things.len()).unwrap();
        assert!(claims.into_iter().any(|nonce| claim(nonce << 32) == Some(id)));

        let claimant = Claimant { run_id: agent(), nonce: None };
        let result = JsonObject::parse("{\"done\":1}").unwrap();
        queue.complete(id, claimant, Some(result.clone()), &Turn::new(&now, Nonce::from_bits(u64::MAX - 1))).unwrap();
        let filter = Filter { run_id: Some(agent()), limit: 1_000, ..Filter::default() };
        let items = queue.tasks(&filter, now).unwrap().items;
        let item = items.iter().find(|item| item.task.id == id).unwrap();
        assert_eq!(item.result, Some(result));
    });
}

#[test]
fn a_record_that_is_too_long_is_read_in_part_and_quarantined() {
    let now = Timestamp::from_micros(1);
    let state = State::Ready { pending_until: now.plus_seconds(1_000), tags: TagSet::default() };
    let entry = Entry {
        id: TaskId::of_canonical(b"{}"),
        created_at: now,
        priority: 0,
        version: 1,
        generation: 0,
        attempt: 0,
        state,
        report: None,
        queue: None,
    };
    let home = layout::home(&entry, &"default".parse().unwrap());
    let store = filled(&[], |_| true);
    store.place(&home.file(entry.to_string()), &vec![b' '; 4 * limits::RECORD_BYTES]);
    let queue = Queue::open(store).unwrap();
    let request = ClaimRequest::any(agent(), 10);
    let claim = queue.claim(&request, Thoroughness::Full, &Turn::new(&now, Nonce::from_bits(2))).unwrap();
    assert!(claim.claimed.is_none() && claim.findings.len() == 1);
    assert_eq!(queue.store().most_read.get(), limits::RECORD_BYTES);
}

/// Something that somebody put into the directory.
#[derive(Clone, Debug)]
enum Thing {
    File {
        dir: Dir,
        name: String,
        content: Vec<u8>,
    },
    /// Never one that is called like an entry or a sweep token: a claim that meets such a one fails, and says that it
    /// is in the way.
    Directory(Dir),
    Task(Box<ForgedTask>),
}

/// A task under a name that says anything.
#[derive(Clone, Debug)]
struct ForgedTask {
    record: Record,
    entry: Entry,
    /// Where its record ends early, if it does.
    torn: Option<Index>,
    /// Where its entry is; `None`: where it belongs.
    misplaced: Option<Dir>,
    /// What its settlement and its holder's run id are said to be.
    said: Vec<u8>,
}

fn thing() -> BoxedStrategy<Thing> {
    let file = (dir(), file_name(), content());
    prop_oneof![
        3 => file.prop_map(|(dir, name, content)| Thing::File { dir, name, content }),
        1 => (dir(), text().prop_map(as_name)).prop_map(|(dir, name)| Thing::Directory(dir.child(&name))),
        4 => forged_task().prop_map(|task| Thing::Task(Box::new(task))),
    ]
    .boxed()
}

fn forged_task() -> BoxedStrategy<ForgedTask> {
    let torn = proptest::option::weighted(0.3, any::<Index>());
    let misplaced = proptest::option::weighted(0.2, dir());
    (record(), entry(), torn, misplaced, content())
        .prop_map(|(record, entry, torn, misplaced, said)| {
            let record = Record { priority: entry.priority, created_at: entry.created_at, ..record };
            let id = Task::encode(record.clone()).unwrap().0.id;
            ForgedTask { record, entry: Entry { id, ..entry }, torn, misplaced, said }
        })
        .boxed()
}

fn dir() -> BoxedStrategy<Dir> {
    let any_name = || text().prop_map(as_name);
    let shards =
        (select(vec!["tasks", "claimed", "done", "records"]), prop_oneof![3 => "[0-9a-f]{1,2}", 1 => any_name()]);
    let dirs = (queue_name(), entry(), prop_oneof![Just(0), 0_usize..7], proptest::option::weighted(0.2, any_name()));
    prop_oneof![
        1 => Just(Dir::root()),
        2 => select(layout::ROOT_NAMES[1..].to_vec()).prop_map(|name| Dir::root().child(name)),
        1 => any_name().prop_map(|name| Dir::root().child(&name)),
        3 => shards.prop_map(|(dir, shard)| Dir::root().child(dir).child(&shard)),
        3 => dirs.prop_map(|(queue, entry, above, foreign)| {
            let bucket = layout::ready_bucket(&queue, entry.priority, entry.created_at);
            let dir = (0..above).fold(bucket, |dir, _| dir.split().unwrap().0);
            foreign.map_or(dir.clone(), |name| dir.child(&name))
        }),
    ]
    .boxed()
}

fn file_name() -> BoxedStrategy<String> {
    let sweep_token = || time().prop_map(|at| layout::sweep_token(at).name);
    let record = any::<u8>().prop_map(|seed| layout::record(TaskId::of_canonical(&[seed])).name);
    prop_oneof![
        3 => damaged_name().prop_map(as_name),
        3 => entry().prop_map(|entry| entry.to_string()),
        1 => text().prop_map(as_name),
        1 => sweep_token(),
        1 => record,
        1 => select(layout::ROOT_NAMES.to_vec()).prop_map(String::from),
        1 => "[0-9a-f]{1,2}",
    ]
    .boxed()
}

/// The text as a name that a directory can hold.
fn as_name(text: String) -> String {
    match text.replace(['/', '\0'], "_") {
        name if ["", ".", ".."].contains(&name.as_str()) => "_".to_string(),
        name => name,
    }
}

fn content() -> BoxedStrategy<Vec<u8>> {
    let good =
        select(vec!["{\"format\":4,\"features\":[]}", "{\"result\":{\"a\":1}}", "{\"error\":\"no\"}", "\"agent-7\""])
            .prop_map(String::from);
    let record = record().prop_map(|record| String::from_utf8(Task::encode(record).unwrap().1).unwrap());
    let texts = damaged(prop_oneof![good.clone(), record], ",", &["{", "null", "\"\\ud800\"", "1e999"]);
    prop_oneof![good.prop_map(String::into_bytes), texts.prop_map(String::into_bytes), vec(any::<u8>(), 0..40)].boxed()
}

/// A call, and on which of the tasks there are.
#[derive(Clone, Debug)]
struct Operation {
    kind: Kind,
    which: Index,
    run_id: RunId,
    now: Timestamp,
    nonce: Nonce,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Init,
    Enqueue,
    Claim,
    WatchedClaim,
    Heartbeat,
    Complete,
    Fail,
    Release,
    Cancel,
    Tasks,
    Examine,
    Repair,
    TasksOfOne,
}

fn operation() -> impl Strategy<Value = Operation> {
    use Kind::{Cancel, Claim, Complete, Enqueue, Examine, Fail, Heartbeat, Init, Release, Repair, Tasks, TasksOfOne};
    let acting = [Init, Enqueue, Claim, Kind::WatchedClaim, Heartbeat, Complete, Fail, Release, Cancel];
    let kinds = [&acting[..], &[Tasks, TasksOfOne, Examine, Repair]].concat();
    let run_id = prop_oneof![Just(agent()), run_id()];
    (select(kinds), any::<Index>(), run_id, time(), nonce()).prop_map(|(kind, which, run_id, now, nonce)| Operation {
        kind,
        which,
        run_id,
        now,
        nonce,
    })
}

fn run(queue: &Queue<Frugal>, things: &[Thing], operation: &Operation) -> Result<(), Error> {
    let Operation { kind, which, run_id, now, nonce } = operation.clone();
    let turn = &Turn::new(&now, nonce);
    let tasks: Vec<&ForgedTask> = things.iter().filter_map(Thing::task).collect();
    let task = (!tasks.is_empty()).then(|| tasks[which.index(tasks.len())]);
    let id = task.map_or(TaskId::of_canonical(b"nobody's"), |task| task.entry.id);
    let claimant = Claimant { run_id: run_id.clone(), nonce: None };
    let of_one = task.map(|task| task.record.queue.clone());
    let any = ClaimRequest::any(run_id.clone(), 10);
    let request = ClaimRequest { queues: of_one.iter().cloned().collect(), ..any.clone() };
    let filter = Filter { limit: 1_000, ..Filter::default() };
    match kind {
        Kind::Init => queue.init(turn).map(drop),
        Kind::Enqueue => task.map_or(Ok(()), |task| {
            queue.enqueue(new_task(&task.record), &Turn::new(&before_the_end(now), nonce)).map(drop)
        }),
        Kind::Claim => queue.claim(&any, Thoroughness::Full, turn).map(drop),
        Kind::WatchedClaim => {
            let mut watch = Watch::default();
            queue.claim_or_watch(&request, Thoroughness::Quick, Some(&mut watch), turn)?;
            queue.may_have_changed(&watch, now).map(drop)
        }
        Kind::Heartbeat => queue.heartbeat(id, claimant, Renewing::default(), turn).map(drop),
        Kind::Complete => queue.complete(id, claimant, JsonObject::parse("{\"a\":1}").ok(), turn).map(drop),
        Kind::Fail => queue.fail(id, claimant, Failing::from("no".parse::<ErrorMessage>().unwrap()), turn).map(drop),
        Kind::Release => queue.release(id, claimant, 0, turn).map(drop),
        Kind::Cancel => queue.cancel(id, Cancelling::new(run_id, IfHeld::Force), turn).map(drop),
        Kind::Tasks => queue.tasks(&filter, now).map(drop),
        Kind::Examine => queue.examine(now).map(drop),
        Kind::Repair => queue.repair(&Turn::new(&now, Nonce::from_bits(0x7e9a_1200))).map(drop),
        Kind::TasksOfOne => queue.tasks(&Filter { queue: of_one, run_id: Some(run_id), ..filter }, now).map(drop),
    }
}

fn agent() -> RunId {
    "agent-7".parse().unwrap()
}

/// The clock where there is time left: at the latest microsecond there are no two of one task.
fn before_the_end(now: Timestamp) -> Timestamp {
    now.min(Timestamp::from_micros(limits::TIME_MICROS / 2))
}

fn new_task(record: &Record) -> NewTask {
    let Record { title, priority, queue, ttl_seconds, created_by, tags, payload, .. } = record.clone();
    NewTask { title, priority, queue, ttl_seconds, created_by, tags, plan: Plan::default(), payload }
}

/// A queue's directory with these things in it, as far as there is room and `wanted` says so.
fn filled(things: &[Thing], wanted: impl Fn(&Path) -> bool) -> Frugal {
    let store = Frugal::default();
    let place = |path: &Path, content: &[u8]| {
        if wanted(path) {
            store.place(path, content);
        }
    };
    for thing in things {
        match thing {
            Thing::File { dir, name, content } => place(&dir.file(name.as_str()), content),
            Thing::Directory(dir) => drop(store.has_made(dir)),
            Thing::Task(forged) => {
                let ForgedTask { record, entry, torn, misplaced, said } = forged.as_ref();
                let (Task { id, .. }, mut bytes) = Task::encode(record.clone()).unwrap();
                bytes.truncate(torn.map_or(bytes.len(), |torn| torn.index(bytes.len())));
                let home = misplaced.clone().unwrap_or_else(|| layout::home(entry, &record.queue));
                place(&home.file(entry.to_string()), &bytes);
                place(&layout::record(id), &bytes);
                if let Some(lease) = entry.lease().filter(|lease| lease.holder.overflows()) {
                    place(&layout::run(&lease.holder), said);
                }
                if let Some(nonce) = entry.report {
                    place(&layout::report(id, entry.version, nonce), said);
                }
            }
        }
    }
    // Unless somebody's is there.
    store.place(&layout::format(), b"{\"format\":4,\"features\":[]}");
    store
}

impl Thing {
    fn task(&self) -> Option<&ForgedTask> {
        match self {
            Thing::Task(forged) => Some(forged),
            Thing::File { .. } | Thing::Directory(_) => None,
        }
    }
}

/// True for a file where the queue has a directory: what is to come there cannot, and the queue says so.
fn is_where_a_directory_belongs(path: &Path) -> bool {
    let path = path.to_string();
    match path.split('/').collect::<Vec<&str>>()[..] {
        ["format.json"] => true,
        [name] => layout::ROOT_NAMES.contains(&name),
        ["tasks" | "claimed" | "done" | "records", shard] => layout::is_shard(shard),
        ["ready", .., name] => path.split('/').count() < 8 && name.parse::<QueueName>().is_ok(),
        _ => false,
    }
}

/// A store that notes how much of a file it is asked for.
#[derive(Default)]
struct Frugal {
    inner: MemStore,
    most_read: Cell<usize>,
}

impl Frugal {
    /// Puts a file there, unless there is something of this name, or a file where one of its directories would be.
    fn place(&self, path: &Path, content: &[u8]) {
        if self.has_made(&path.dir) && !self.inner.exists(path).unwrap() {
            self.inner.create(path, content).unwrap();
        }
    }

    fn has_made(&self, dir: &Dir) -> bool {
        dir.split().is_none_or(|(parent, _)| self.has_made(&parent) && self.inner.make_dir(dir).is_ok())
    }
}

impl Store for Frugal {
    fn create(&self, path: &Path, content: &[u8]) -> Result<Created, StoreError> {
        assert!(path.name.len() <= limits::NAME_BYTES && content.len() <= limits::RECORD_BYTES, "{path}");
        self.inner.create(path, content)
    }

    fn append(&self, path: &Path, line: &[u8], most: usize) -> Result<Appended, StoreError> {
        assert!(line.len() <= limits::LINE_OF_FILE_BYTES && most <= limits::FILE_BYTES, "{path}");
        self.inner.append(path, line, most)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<Linked, StoreError> {
        self.inner.link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<Moved, StoreError> {
        // What is quarantined keeps its name.
        assert!(to.name.len() <= limits::NAME_BYTES || to.name == from.name, "{to}");
        self.inner.rename(from, to)
    }

    fn read(&self, path: &Path, max_bytes: usize) -> Result<Option<Vec<u8>>, StoreError> {
        assert!(max_bytes <= limits::FILE_BYTES_READ, "{path}");
        let content = self.inner.read(path, max_bytes)?;
        let read = content.as_ref().map_or(0, Vec::len);
        self.most_read.set(read.max(self.most_read.get()));
        Ok(content)
    }

    fn exists(&self, path: &Path) -> Result<bool, StoreError> {
        self.inner.exists(path)
    }

    fn links(&self, path: &Path) -> Result<Option<u64>, StoreError> {
        self.inner.links(path)
    }

    fn list(&self, dir: &Dir) -> Result<Option<Vec<String>>, StoreError> {
        self.inner.list(dir)
    }

    fn stamp(&self, dir: &Dir) -> Result<Option<Stamp>, StoreError> {
        self.inner.stamp(dir)
    }

    fn remove(&self, path: &Path) -> Result<Removed, StoreError> {
        self.inner.remove(path)
    }

    fn make_dir(&self, dir: &Dir) -> Result<Made, StoreError> {
        self.inner.make_dir(dir)
    }

    fn remove_dir(&self, dir: &Dir) -> Result<DirRemoved, StoreError> {
        self.inner.remove_dir(dir)
    }

    fn flush(&self, path: &Path) -> Result<Flushed, StoreError> {
        self.inner.flush(path)
    }

    fn sync_dir(&self, dir: &Dir) -> Result<(), StoreError> {
        self.inner.sync_dir(dir)
    }
}
