//! What holds for a store with fused operations.

use alloc::string::ToString;
use alloc::vec::Vec;

use super::{Finding, content, dir, expect, names};
use crate::entry::{Entry, Lease, State};
use crate::id::TaskId;
use crate::layout::{self, StateDir, place_of};
use crate::limits;
use crate::name::{Nonce, QueueName, RunId};
use crate::path::Path;
use crate::store::fused::{Due, First, Fused, Head, Look, Move, Seen, Step, Stepped, TimedDirs, Watermark};
use crate::store::{Created, DirRemoved, Linked, Made, Moved, Removed, Store, by_calls};
use crate::tags::TagSet;
use crate::time::Timestamp;

/// What holds where a directory is there only if somebody has made it, and has a stamp.
pub(super) const OF_DIRECTORIES: [&str; 8] = [
    "create_needs_its_directory",
    "create_all_tells_of_each_file",
    "link_needs_both_ends",
    "rename_needs_both_ends",
    "a_stamp_tells_of_changes",
    "directories_are_made_one_by_one",
    "only_an_empty_directory_is_removed",
    "a_directory_comes_back_after_its_removal",
];

/// What holds where there are [`Fused`] operations.
pub(super) const OF_ENGINES: [&str; 3] = ["directories_are_there", "looks_answer_as_calls_do", "a_step_is_whole"];

fn fused<S: Store>(store: &S) -> Result<&dyn Fused, Finding> {
    store.fused().ok_or_else(|| Finding::Wrong("it has no fused operations".to_string()))
}

pub(super) fn directories_are_there<S: Store>(store: &S) -> Result<(), Finding> {
    let deep = dir("ready").child("q").child("0b7");
    expect("list of what nothing is in", names(store, &deep)?, None)?;
    expect("list right below the root", names(store, &dir("ready"))?, Some(Vec::new()))?;
    expect("make", store.make_dir(&deep)?, Made::Taken)?;
    expect("create", store.create(&deep.file("a"), b"x")?, Created::Now)?;
    expect("list above", names(store, &dir("ready"))?, Some(Vec::from(["q".to_string()])))?;
    expect("link", store.link(&deep.file("a"), &dir("done").child("c6").file("b"))?, Linked::Now)?;
    expect("rename", store.rename(&deep.file("a"), &dir("claimed").child("c").file("a"))?, Moved::Here)?;
    expect("list of what nothing is in any more", names(store, &deep)?, None)?;
    expect("list above that", names(store, &dir("ready"))?, Some(Vec::new()))?;
    expect("stamp", store.stamp(&deep)?.map(|stamp| stamp.is_young(Timestamp::from_micros(u64::MAX - 1))), Some(true))?;
    expect("remove an empty one", store.remove_dir(&deep)?, DirRemoved::Gone)?;
    expect("remove", store.remove(&dir("done").child("c6").file("b"))?, Removed::Now)
}

/// Tasks in every state, in two queues.
struct Tasks {
    ids: Vec<TaskId>,
    paths: Vec<Path>,
}

impl Tasks {
    fn put<S: Store>(store: &S) -> Result<Tasks, Finding> {
        let mut tasks = Tasks { ids: Vec::new(), paths: Vec::new() };
        for number in 0..24_u32 {
            let line = alloc::format!("{{\"number\":{number}}}\n");
            let id = TaskId::of_canonical(line.as_bytes());
            let path = entry(id, number);
            expect("record", store.create(&layout::record(id), line.as_bytes())?, Created::Now)?;
            expect("entry", store.link(&layout::record(id), &path)?, Linked::Now)?;
            tasks.ids.push(id);
            tasks.paths.push(path);
        }
        Ok(tasks)
    }
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_micros(1_795_336_200_000_000 + second * 1_000_000)
}

fn entry(id: TaskId, number: u32) -> Path {
    let queue: &str = if number.is_multiple_of(2) { "even" } else { "odd" };
    let queue: QueueName = queue.parse().unwrap_or_else(|_| QueueName::default_queue());
    let priority = i64::from(number % 3);
    let created_at = at(u64::from(number / 4));
    let ready = State::Ready { pending_until: at(1_000), tags: TagSet::of(&[]) };
    let entry = Entry {
        id,
        created_at,
        priority,
        version: 1,
        generation: 0,
        attempt: 0,
        state: ready,
        report: None,
        queue: None,
    };
    let lease = |entry: &Entry| {
        let holder = "agent".parse().map(|run_id: RunId| entry.holder(&run_id)).ok()?;
        let (claimed_at, expires_at) = (at(1), at(u64::from(number)));
        Some(Lease { holder, claimed_at, heartbeat_at: claimed_at, expires_at, nonce: Nonce::from_bits(number.into()) })
    };
    let state = match (number / 6, lease(&entry)) {
        (1, Some(lease)) => State::Claimed(lease),
        (2, _) => State::Scheduled { due: at(u64::from(number)) },
        _ => entry.state.clone(),
    };
    let entry = Entry { state, ..entry };
    layout::home(&entry, &queue).file(entry.name())
}

/// The names in order, since a listing has none.
fn in_order(mut seen: Vec<Seen>) -> Vec<Seen> {
    for seen in &mut seen {
        if let Seen::Names(Some(names)) = seen {
            names.sort();
        }
    }
    seen
}

/// Runs the check with this number, counted from 0, on an empty engine: the name and why, if it failed. For a host that
/// cannot wait within a call, and has it run again (see [`crate::replay`]).
pub fn finding_on_engine<S: Store>(number: usize, store: &S) -> Option<alloc::string::String> {
    let mut checks = super::checks::<S>().into_iter().filter(|(name, _)| super::is_for(true, name));
    checks.nth(number).and_then(|(name, check)| super::finding(name, check, store))
}

/// How many checks there are for an engine.
pub fn count_on_engine() -> usize {
    super::checks::<crate::store::mem::MemStore>().len() - OF_DIRECTORIES.len()
}

pub(super) fn looks_answer_as_calls_do<S: Store>(store: &S) -> Result<(), Finding> {
    let tasks = Tasks::put(store)?;
    let first = tasks.ids.first().copied().unwrap_or_else(|| TaskId::of_canonical(b"none"));
    expect("deadline", store.create(&layout::deadline(first, at(3)), b"")?, Created::Now)?;
    let queues = ["even", "odd"].map(|queue| dir("ready").child(queue));
    let second = tasks.paths.first().and_then(place_of);
    let head = |of, after, most| Look::Head(Head { of, after, watermarks: Vec::new(), most });
    let from = |second, marked: &[(&str, i64)], of, after| {
        let mark = |(queue, priority): &(&str, i64)| {
            let queue: QueueName = queue.parse().unwrap_or_else(|_| QueueName::default_queue());
            let priority = layout::ready_priority(&queue, *priority);
            Watermark { first: layout::first_path_from(&priority, at(second)), priority }
        };
        Look::Head(Head { of, after, watermarks: marked.iter().map(mark).collect(), most: 5 })
    };
    let every = [("even", 0), ("even", 1), ("even", 2), ("odd", 0), ("odd", 1), ("odd", 2)];
    let due = |by, after, most| Look::Due(Due { by, after, most });
    let mut looks = Vec::from([
        Look::Names(dir("ready")),
        Look::Names(queues[0].clone()),
        Look::Names(layout::state_dir(StateDir::Claimed)),
        Look::Names(dir("nowhere").child("deep")),
        Look::Line(layout::record(first)),
        Look::Line(dir("nowhere").file("none")),
        Look::OfTask(TaskId::of_canonical(b"none")),
        head(TimedDirs::AllQueues, None, 5),
        head(TimedDirs::AllQueues, second.clone(), 100),
        from(1, &every[1..2], TimedDirs::AllQueues, None),
        from(1, &every, TimedDirs::AllQueues, None),
        from(5, &every[1..5], TimedDirs::AllQueues, second.clone()),
        from(9, &every, TimedDirs::AllQueues, None),
        from(9, &every, TimedDirs::AllQueues, second.clone()),
        from(5, &every[2..4], TimedDirs::These(queues.to_vec()), None),
        from(5, &every[2..4], TimedDirs::These(queues[1..].to_vec()), second),
        from(9, &every, TimedDirs::These(queues.to_vec()), None),
        head(TimedDirs::These(queues.to_vec()), None, 100),
        head(TimedDirs::These(queues[1..].to_vec()), None, 2),
        head(TimedDirs::These(Vec::from([dir("scheduled")])), None, 100),
        due(at(0), None, 10),
        due(at(14), None, 100),
        due(at(14), None, 3),
        due(at(14), tasks.paths.get(8).cloned(), 100),
    ]);
    looks.extend(tasks.ids.iter().map(|id| Look::OfTask(*id)));
    let seen = in_order(fused(store)?.look(&looks)?);
    let by_calls: Result<Vec<Seen>, _> = looks.iter().map(|look| by_calls::look(store, look)).collect();
    for ((look, seen), by_calls) in looks.iter().zip(seen).zip(in_order(by_calls?)) {
        expect(&alloc::format!("{look:?}"), seen, by_calls)?;
    }
    Ok(())
}

pub(super) fn a_step_is_whole<S: Store>(store: &S) -> Result<(), Finding> {
    let fused = fused(store)?;
    let [old, new, other] = ["old", "new", "other"].map(|name| dir("claimed").child("a").file(name));
    let [record, gone] = ["record", "gone"].map(|name| dir("tasks").child("aa").file(name));
    let create = |path: &Path| First::Create(path.clone(), b"{}\n".to_vec());
    let append = |most| First::Append(b"\n[]\n".to_vec(), most);
    let rename = |from: &Path, to: &Path| Move::Rename(from.clone(), to.clone());
    let link = |from: &Path, to: &Path| Move::Link(from.clone(), to.clone());
    let below = |path: &Path| Some(path.dir.clone());
    let step = |what, first, moves: &[Move], then, wanted| {
        let step = Step { first, moves: moves.to_vec(), durable: true, then };
        expect(what, fused.step(&[step])?, Vec::from([wanted]))
    };
    let done = |by, found| Stepped::Done { by, found };
    step("enqueue", create(&record), &[link(&record, &old)], below(&gone), done(0, true))?;
    step("the same id", create(&record), &[link(&record, &new)], None, Stepped::Taken)?;
    step("a link to a taken name", create(&gone), &[link(&gone, &old)], None, Stepped::Taken)?;
    step("a move from nowhere", create(&gone), &[rename(&new, &other)], None, Stepped::Gone)?;
    expect("what no move makes count is not there", content(store, &gone)?, None)?;
    step("a line too long", append(6), &[rename(&old, &new)], None, Stepped::Full)?;
    step("a line to nowhere", append(100), &[rename(&gone, &new)], None, Stepped::Gone)?;
    expect("nothing has changed", content(store, &record)?, Some("{}\n".to_string()))?;
    expect("nothing has moved", content(store, &old)?, Some("{}\n".to_string()))?;
    let two = [rename(&gone, &other), rename(&old, &new), rename(&record, &other)];
    step("of several", First::Nothing, &two, Some(dir("blocked").child("aa")), done(1, false))?;
    expect("others stay", content(store, &record)?, Some("{}\n".to_string()))?;
    step("a line", append(limits::FILE_BYTES), &[rename(&new, &other)], below(&new), done(0, true))?;
    expect("every name leads to it", content(store, &record)?, Some("{}\n\n[]\n".to_string()))?;
    let both = [&gone, &new].map(|path| Step {
        first: create(path),
        moves: Vec::from([link(path, &path.dir.file("2"))]),
        durable: false,
        then: None,
    });
    expect("two steps", fused.step(&both)?, Vec::from([done(0, false), done(0, false)]))?;
    expect("no steps", fused.step(&[])?, Vec::new())?;
    expect("no looks", fused.look(&[])?, Vec::new())
}
