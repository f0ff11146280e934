//! Where things are in the coordination directory. Nothing else spells a path.
//!
//! ```text
//! format.json                        which protocol this directory follows
//! tasks/<aa>/<id>.json               the task as enqueued
//! tasks/<aa>/prepared                says that the directories of tasks with this first byte are on disk
//! tasks/<aa>/<id>.<nonce>.json       the same, once a doctor has mended the task
//! scheduled/<t1>/<t2>/<t3>/<t4>/<entry>   not yet due; sorted by when
//! blocked/<aa>/<parent id>/<entry>   waits for another task; <aa> is the first byte of that one's id
//! blocked/<aa>/<parent id>/<id>.<if it fails>   a mark: a blocked task with several parents has this one among them
//! deadlines/<t1>/<t2>/<time>.<id>    when a task expires that others wait for
//! ready/<queue>/<prio>/<t1>/<t2>/<t3>/<t4>/<entry>   claimable; directories and names sort in claim order
//! claimed/<a>/<entry>                held
//! done/<aa>/<entry>                  ended
//! purged/<entry>                     ended, and about to be removed by `gc`, unless a task waits for it
//! purged/removing/<entry>            ended, and being removed
//! records/<aa>/<id>.<version>.<nonce>.json   a report: result, error, reason or progress
//! runs/<digest>.json                 a run id that is too long for a name
//! tags/<digest>.json                 tags that are too long for a name
//! unique/<queue>/<digest>/<n>.json   which task has a unique key: the highest n counts
//! unique/<queue>/<digest>/<entry>    staged: has asked for the key, and is not yet where it belongs
//! queues/<queue>.paused              the queue is paused
//! queues/<queue>.max<n>              at most n of its tasks are claimed at once
//! sweep/<time>                       when the claimed tasks are next looked through
//! aside/<entry>                      entries whose record is torn or altered, for a person to look at
//! aside/<nonce>/<name>               what one repair set aside
//! tmp/                               files on their way to a name that must appear whole
//! ```
//!
//! `<aa>` is the first byte of the id, `<a>` its first digit: the claimed tasks are few and are read often as a whole. `<prio>` counts down from the largest i64, so that the highest comes first.
//! `<t1>` to `<t4>` are cut out of the microsecond of enqueuing, or of the time when the task is due, so that no directory on the way to the head of a queue
//! has more than 128 of them (four above a year of backlog) and a burst of 20,000 tasks a second leaves 164 in a leaf.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;

use crate::entry::{Entry, Holder, State, Time};
use crate::id::TaskId;
use crate::name::{Nonce, QueueName, UniqueKey};
use crate::tags::TagSet;
use crate::task::IfParentFails;
use crate::time::Timestamp;

/// A directory of the queue, relative to its root, with `/` between the names. The root itself is empty.
///
/// Its copies share the text: all entries of a directory point at it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dir(Arc<str>);

/// A file of the queue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    /// The directory that holds it.
    pub dir: Dir,
    /// Its name there.
    pub name: String,
}

impl Dir {
    /// The coordination directory.
    pub fn root() -> Dir {
        Dir(Arc::default())
    }

    /// The path's text, relative to the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The directory above and the name in it; `None` for the root.
    pub fn split(&self) -> Option<(Dir, &str)> {
        match self.0.rsplit_once('/') {
            Some((parent, name)) => Some((Dir(parent.into()), name)),
            None if self.0.is_empty() => None,
            None => Some((Dir::root(), &self.0)),
        }
    }

    /// A directory in this one. The name is a single component that does not come from outside unchecked.
    pub fn child(&self, name: &str) -> Dir {
        if self.0.is_empty() { Dir(name.into()) } else { Dir(format!("{}/{name}", self.0).into()) }
    }

    /// A file in this directory.
    pub fn file(&self, name: impl Into<String>) -> Path {
        Path { dir: self.clone(), name: name.into() }
    }

    /// True for a directory in `other`, or further down.
    pub fn is_below(&self, other: &Dir) -> bool {
        self.0.strip_prefix(&*other.0).is_some_and(|rest| rest.starts_with('/'))
    }

    /// True if the directory is never removed once it is there, and is one of about thirty such, so that a store may
    /// hold it open: the children of the root, and the parts of `claimed/`, which every claim and its end come to.
    pub fn is_kept(&self) -> bool {
        !self.0.contains('/') || self.0.starts_with("claimed/")
    }
}

impl core::fmt::Display for Path {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.dir.0.is_empty() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.dir.0, self.name) }
    }
}

/// The directories in the root, which are there before `format.json` is.
pub fn halls() -> impl Iterator<Item = Dir> {
    ROOT_NAMES.into_iter().filter(|name| !name.contains('.')).map(|name| Dir::root().child(name))
}

/// The names that the queue puts into the root. Any other there belongs to somebody else.
pub const ROOT_NAMES: [&str; 17] = [
    "format.json",
    "tasks",
    "scheduled",
    "blocked",
    "deadlines",
    "ready",
    "claimed",
    "done",
    "purged",
    "records",
    "runs",
    "tags",
    "unique",
    "queues",
    "sweep",
    "aside",
    "tmp",
];

/// Names that may be in the root beside them.
pub const HARMLESS_NAMES: [&str; 3] = [".gitignore", ".gitkeep", ".DS_Store"];

/// `format.json`.
pub fn format() -> Path {
    Dir::root().file("format.json")
}

/// The directory for half-made files.
pub fn tmp() -> Dir {
    Dir::root().child("tmp")
}

/// The directory in which one doctor tries the filesystem.
pub fn trial(doctor: Nonce) -> Dir {
    tmp().child(&doctor.to_string())
}

/// The directory of the sweep token.
pub fn sweep() -> Dir {
    Dir::root().child("sweep")
}

/// The sweep token that says: not before `at`.
pub fn sweep_token(at: Timestamp) -> Path {
    sweep().file(Time(at).to_string())
}

/// What a sweep token's name says.
pub fn parse_sweep_token(name: &str) -> Option<Timestamp> {
    Time::parse(name)
}

/// The record of a task.
pub fn record(id: TaskId) -> Path {
    tasks().child(&id.fan_out(2)).file(format!("{}.json", id.hex()))
}

/// The record of a task under another name, by which nobody knows it yet.
///
/// An entry is made by a link from the record's name. So who gives the record a name that it never had takes away that
/// of everybody who was about to link it, however long ago they were stopped: the fence of a repair.
pub fn record_again(id: TaskId, nonce: Nonce) -> Path {
    record(id).dir.file(format!("{}.{nonce}.json", id.hex()))
}

/// The name under which a lost record is linked back from the task's entry. Nobody ever links an entry from this very
/// name: an enqueuer does from the first one, a doctor from one that it has just given.
pub fn record_linked_back(id: TaskId) -> Path {
    record_again(id, Nonce::from_bits(0))
}

/// The task whose record has this name.
pub fn parse_record(name: &str) -> Option<TaskId> {
    let stem = name.strip_suffix(".json")?;
    match stem.split_once('.') {
        Some((id, nonce)) => nonce.parse::<Nonce>().ok().and(TaskId::from_hex(id)),
        None => TaskId::from_hex(stem),
    }
}

/// A report on a task, made for its entry of this version. Version 0, which no entry has: a result that came too late.
pub fn report(id: TaskId, version: u32, nonce: Nonce) -> Path {
    let name = format!("{}.{version:x}.{nonce}.json", id.hex());
    reports_of(id).file(name)
}

/// The directory of the reports on a task, and on others.
pub fn reports_of(id: TaskId) -> Dir {
    reports().child(&id.fan_out(2))
}

/// The task, the version and the nonce that a report's name tells.
pub fn parse_report(name: &str) -> Option<(TaskId, u32, Nonce)> {
    let mut fields = name.strip_suffix(".json")?.split('.');
    let [id, version, nonce] = [fields.next()?, fields.next()?, fields.next()?];
    let (id, version) = (TaskId::from_hex(id)?, u32::from_str_radix(version, 16).ok()?);
    let nonce = nonce.parse().ok()?;
    (report(id, version, nonce).name == name).then_some((id, version, nonce))
}

/// The text of a run id that was too long for a name.
pub fn run(holder: &Holder) -> Path {
    runs().file(format!("{}.json", holder.as_str().trim_start_matches('~')))
}

/// True for the name of a file with a run id.
pub fn is_run(name: &str) -> bool {
    name.strip_suffix(".json").is_some_and(|digest| digest.len() == 20 && digest.bytes().all(crate::id::is_lower_hex))
}

/// The text of tags that are too long for a name.
pub fn tag_text(tags: &TagSet) -> Path {
    tag_texts().file(format!("{}.json", tags.as_str().trim_start_matches('~')))
}

/// True for the name of a file with tags.
pub fn is_tag_text(name: &str) -> bool {
    name.strip_suffix(".json").is_some_and(|digest| digest.len() == 15 && digest.bytes().all(crate::id::is_lower_hex))
}

/// The directory of the tags that are too long for a name.
pub fn tag_texts() -> Dir {
    Dir::root().child("tags")
}

/// The directory of the unique keys: in it, one for each queue, and in each, one for each key.
pub fn unique_keys() -> Dir {
    Dir::root().child("unique")
}

/// Who has a unique key, one file after the other.
pub fn unique_key(queue: &QueueName, key: &UniqueKey) -> Dir {
    unique_keys().child(queue.as_str()).child(&crate::id::short_digest(key.as_str()))
}

/// The file of this number in a unique key's directory.
pub fn key_holder(key: &Dir, number: u64) -> Path {
    key.file(format!("{number:x}.json"))
}

/// The number of a file in a unique key's directory.
pub fn parse_key_holder(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".json")?;
    // There is always a next one.
    let number = u64::from_str_radix(digits, 16).ok().filter(|number| *number < u64::MAX)?;
    (format!("{number:x}") == digits).then_some(number)
}

/// The directory of what is set for queues.
pub fn queue_settings() -> Dir {
    Dir::root().child("queues")
}

/// The file that says that a queue is paused.
pub fn paused(queue: &QueueName) -> Path {
    queue_settings().file(format!("{queue}.paused"))
}

/// The file that says how many tasks of a queue may be claimed at once.
pub fn max_in_flight(queue: &QueueName, max: u32) -> Path {
    queue_settings().file(format!("{queue}.max{max}"))
}

/// The directory of ended tasks that are being removed.
pub fn purged() -> Dir {
    Dir::root().child("purged")
}

/// The directory of those of them that are certain to be removed.
pub fn removing() -> Dir {
    purged().child(REMOVING)
}

/// The name of [`removing`].
pub const REMOVING: &str = "removing";

/// Where an entry goes whose record cannot be trusted.
pub fn aside(entry: &Entry) -> Path {
    aside_shelf().file(entry.name())
}

/// What was set aside.
pub fn aside_shelf() -> Dir {
    Dir::root().child("aside")
}

/// Where one repair sets things aside, each under the name that it had. A directory of its own, since an entry's name
/// can be as long as a name may be, and has no room for a nonce.
pub fn aside_by(nonce: Nonce) -> Dir {
    aside_shelf().child(&nonce.to_string())
}

/// The directory of the records.
pub fn tasks() -> Dir {
    Dir::root().child("tasks")
}

/// The directory of the reports.
pub fn reports() -> Dir {
    Dir::root().child("records")
}

/// The directory of the run ids that are too long for a name.
pub fn runs() -> Dir {
    Dir::root().child("runs")
}

/// The directories that hold claimed or ended tasks, each fanned out by id, and blocked ones, fanned out by the parent's.
pub fn shelf(shelf: Shelf) -> Dir {
    Dir::root().child(match shelf {
        Shelf::Blocked => "blocked",
        Shelf::Claimed => "claimed",
        Shelf::Done => "done",
    })
}

/// The directory of the tasks that wait for this one.
pub fn blocked_on(parent: TaskId) -> Dir {
    shelf_of(Shelf::Blocked, parent).child(&parent.hex())
}

/// The mark of a task that has this parent among several: there while the task is blocked.
pub fn mark(parent: TaskId, child: TaskId, if_parent_fails: IfParentFails) -> Path {
    blocked_on(parent).file(format!("{}.{}", child.hex(), if_parent_fails.as_str()))
}

/// The task that a mark tells of, and what that does if the parent fails.
pub fn parse_mark(name: &str) -> Option<(TaskId, IfParentFails)> {
    let (child, word) = name.split_once('.')?;
    let policy = IfParentFails::ALL.into_iter().find(|policy| policy.as_str() == word)?;
    Some((TaskId::from_hex(child)?, policy))
}

/// The directory of the times when tasks expire that others wait for.
pub fn deadlines() -> Dir {
    Dir::root().child("deadlines")
}

/// Says that a task which others wait for expires at `at`.
pub fn deadline(id: TaskId, at: Timestamp) -> Path {
    let [first, second] = deadline_digits(at);
    deadlines().child(&first).child(&second).file(format!("{}.{}", Time(at), id.hex()))
}

/// What a deadline's name says.
pub fn parse_deadline(name: &str) -> Option<(Timestamp, TaskId)> {
    let (time, id) = name.split_once('.')?;
    Some((Time::parse(time)?, TaskId::from_hex(id)?))
}

/// The names of the two directories that a deadline is in, of 13 days and of two minutes. They sort as the times do.
pub fn deadline_digits(at: Timestamp) -> [String; 2] {
    [format!("{:04x}", at.micros() >> 40), format!("{:04x}", (at.micros() >> 27) & 0x1fff)]
}

/// The part of a shelf where `id` can be.
pub fn shelf_of(whole: Shelf, id: TaskId) -> Dir {
    let digits = match whole {
        Shelf::Claimed => 1,
        Shelf::Blocked | Shelf::Done => 2,
    };
    shelf(whole).child(&id.fan_out(digits))
}

/// The directories that a task comes to in its life and that are sorted by its id.
pub fn stations(id: TaskId) -> [Dir; 4] {
    [record(id).dir, shelf_of(Shelf::Claimed, id), shelf_of(Shelf::Done, id), reports_of(id)]
}

/// The empty file that says that the stations of all tasks with the same first byte are on disk, names and all.
pub fn prepared(id: TaskId) -> Path {
    record(id).dir.file(PREPARED)
}

/// The name of [`prepared`].
pub const PREPARED: &str = "prepared";

/// True for the name of a part of a shelf.
pub fn is_part(name: &str) -> bool {
    (1..=2).contains(&name.len()) && name.bytes().all(crate::id::is_lower_hex)
}

/// The shelves that are not sorted by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    /// `blocked/`.
    Blocked,
    /// `claimed/`.
    Claimed,
    /// `done/`.
    Done,
}

/// Where an entry lives. `queue` matters only while it waits.
pub fn home(entry: &Entry, queue: &QueueName) -> Dir {
    match entry.state {
        State::Scheduled { due } => scheduled_leaf(due),
        State::Blocked { on } => blocked_on(on),
        State::Ready { .. } | State::Lapsed { .. } => ready_leaf(queue, entry.priority, entry.created_at),
        State::Claimed(_) | State::Recalled(_) => shelf_of(Shelf::Claimed, entry.id),
        State::Ended(_) => shelf_of(Shelf::Done, entry.id),
    }
}

/// The directory of a queue's waiting tasks of one priority that were enqueued in one span of 8 ms.
pub fn ready_leaf(queue: &QueueName, priority: i64, created_at: Timestamp) -> Dir {
    leaf_of(TimedShelf::queue(queue).dir.child(&priority_name(priority)), created_at)
}

/// The directory of the tasks that are due in one span of 8 ms.
pub fn scheduled_leaf(due: Timestamp) -> Dir {
    leaf_of(TimedShelf::scheduled().dir, due)
}

fn leaf_of(mut dir: Dir, at: Timestamp) -> Dir {
    for (depth, digit) in TIME_DIGITS.iter().enumerate() {
        let value = (at.micros() >> bits_below(depth + 1)) & ((1 << digit.bits) - 1);
        dir = dir.child(&digit.name(value));
    }
    dir
}

/// A directory on the way from `ready/` or `scheduled/` to a leaf, and what its path says about the entries below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedShelf {
    /// The directory.
    pub dir: Dir,
    /// The queue that it belongs to, below `ready/`.
    pub queue: Option<QueueName>,
    /// How many time digits are known, from none at `scheduled/` or a priority's directory to all at a leaf; `None`: a queue.
    depth: Option<usize>,
    /// The known digits of the microsecond, as a number.
    prefix: u64,
}

impl TimedShelf {
    /// `ready/`, whose children are queues.
    pub fn ready() -> Dir {
        Dir::root().child("ready")
    }

    /// The directory of one queue.
    pub fn queue(queue: &QueueName) -> TimedShelf {
        let dir = TimedShelf::ready().child(queue.as_str());
        TimedShelf { dir, queue: Some(queue.clone()), depth: None, prefix: 0 }
    }

    /// `scheduled/`.
    pub fn scheduled() -> TimedShelf {
        TimedShelf { dir: Dir::root().child("scheduled"), queue: None, depth: Some(0), prefix: 0 }
    }

    /// True if the entries are of one of these queues.
    pub fn is_of(&self, queues: &[QueueName]) -> bool {
        self.queue.as_ref().is_some_and(|queue| queues.contains(queue))
    }

    /// True if the directory holds entries, not directories.
    pub fn is_leaf(&self) -> bool {
        self.depth == Some(TIME_DIGITS.len())
    }

    /// The shelf that a child directory of this one is; `None`: a foreign name, or this is a leaf.
    pub fn child(&self, name: &str) -> Option<TimedShelf> {
        let (depth, prefix) = match self.depth {
            None => {
                parse_priority_name(name)?;
                (0, 0)
            }
            Some(depth) => {
                let digit = TIME_DIGITS.get(depth)?;
                (depth + 1, (self.prefix << digit.bits) | digit.parse(name)?)
            }
        };
        Some(TimedShelf { dir: self.dir.child(name), queue: self.queue.clone(), depth: Some(depth), prefix })
    }

    /// The beginning of the span of time that the tasks below here are of; `None`: no beginning.
    pub fn begins_at(&self) -> Option<Timestamp> {
        let depth = self.depth.filter(|&depth| depth > 0)?;
        Some(Timestamp::from_micros(self.prefix << bits_below(depth)))
    }

    /// The end of the span of time that the tasks below here are of; `None`: no end, or far away.
    pub fn filled_until(&self) -> Option<Timestamp> {
        let depth = self.depth.filter(|&depth| depth > 0)?;
        Some(Timestamp::from_micros((self.prefix + 1) << bits_below(depth)))
    }
}

/// One directory level's share of the microsecond of enqueuing.
struct TimeDigit {
    bits: u32,
}

impl TimeDigit {
    fn width(&self) -> usize {
        self.bits.div_ceil(4) as usize
    }

    fn name(&self, value: u64) -> String {
        format!("{value:0width$x}", width = self.width())
    }

    fn parse(&self, name: &str) -> Option<u64> {
        let good = name.len() == self.width() && name.bytes().all(crate::id::is_lower_hex);
        u64::from_str_radix(name, 16).ok().filter(|value| good && *value < 1 << self.bits)
    }
}

/// A leaf spans 2^13 µs: 8 ms.
const LEAF_BITS: u32 = 13;

/// Then come 1 s, 2 min and 5 h to a directory, 128 of each in the next; the first level counts the spans of 5 h.
const TIME_DIGITS: [TimeDigit; 4] =
    [TimeDigit { bits: 18 }, TimeDigit { bits: 7 }, TimeDigit { bits: 7 }, TimeDigit { bits: 7 }];

const _: () = assert!(LEAF_BITS + 18 + 3 * 7 == 52 && crate::limits::TIME_MICROS == (1 << 52) - 1);

/// How many bits of the microsecond of enqueuing are still open below a directory with `depth` digits.
fn bits_below(depth: usize) -> u32 {
    LEAF_BITS + TIME_DIGITS.iter().skip(depth).map(|digit| digit.bits).sum::<u32>()
}

fn priority_name(priority: i64) -> String {
    // Flipping the sign bit orders i64 as u64; subtracting from the largest turns the order round.
    format!("{:016x}", u64::MAX - (priority.cast_unsigned() ^ (1 << 63)))
}

fn parse_priority_name(name: &str) -> Option<i64> {
    let good = name.len() == 16 && name.bytes().all(crate::id::is_lower_hex);
    let turned = u64::from_str_radix(name, 16).ok().filter(|_| good)?;
    Some(((u64::MAX - turned) ^ (1 << 63)).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_sort_highest_first() {
        let priorities = [i64::MAX, 1 << 40, 5, 1, 0, -1, -7, i64::MIN];
        let names = priorities.map(priority_name);
        assert!(names.is_sorted());
        assert_eq!(names.each_ref().map(|name| parse_priority_name(name)), priorities.map(Some));
        for bad in ["", "0", "7FFFFFFFFFFFFFFF", "+fffffffffffffff"] {
            assert_eq!(parse_priority_name(bad), None);
        }
    }

    #[test]
    fn leaves_sort_by_time_and_say_when_they_are_full() {
        let queue = QueueName::default_queue();
        let mut last = String::new();
        for micros in [0, 8_191, 8_192, 1 << 20, 1_795_336_200_000_001, crate::limits::TIME_MICROS] {
            let at = Timestamp::from_micros(micros);
            let leaf = ready_leaf(&queue, 0, at);
            assert!(leaf.as_str() >= last.as_str());
            last = leaf.as_str().to_string();
            let mut shelf = TimedShelf::queue(&queue);
            for name in leaf.as_str().split('/').skip(2) {
                shelf = shelf.child(name).unwrap();
            }
            assert!(shelf.is_leaf());
            assert_eq!(shelf.dir, leaf);
            assert_eq!(shelf.filled_until(), Some(Timestamp::from_micros((micros / 8_192 + 1) * 8_192)));
        }
    }

    #[test]
    fn names_of_records_and_reports_read_back() {
        let (id, nonce) = (TaskId::of_canonical(b"{}"), Nonce::from_bits(7));
        for path in [record(id), record_again(id, nonce), record_linked_back(id)] {
            assert_eq!(parse_record(&path.name), Some(id));
            assert_eq!(path.dir, record(id).dir);
        }
        let report = report(id, 0x1f, nonce).name;
        assert_eq!(parse_report(&report), Some((id, 0x1f, nonce)));
        for foreign in ["", ".json", "README.json", &report.replace(".1f.", ".01f."), &report.replace(".1f", "")] {
            assert_eq!(parse_report(foreign), None, "{foreign}");
        }
        for foreign in [&report, "", ".json", &record(id).name.to_uppercase(), &format!("{}.1.json", id.hex())] {
            assert_eq!(parse_record(foreign), None, "{foreign}");
        }
        assert!(is_run(&format!("{}.json", "0a".repeat(10))) && !is_run("x.json") && !is_run(&"0a".repeat(10)));
    }

    #[test]
    fn a_path_splits_into_what_it_was_joined_from() {
        let dir = Dir::root().child("claimed").child("ab");
        assert_eq!(dir.split(), Some((Dir::root().child("claimed"), "ab")));
        assert_eq!(Dir::root().child("tmp").split(), Some((Dir::root(), "tmp")));
        assert_eq!(Dir::root().split(), None);
        assert_eq!(dir.file("x").to_string(), "claimed/ab/x");
    }
}
