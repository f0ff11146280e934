//! Where things are in the coordination directory. Nothing else spells a path.
//!
//! ```text
//! format.json                        which protocol this directory follows
//! tasks/<aa>/<id>.json               the task as enqueued
//! tasks/<aa>/prepared                says that the directories of tasks with this first byte are on disk
//! tasks/<aa>/<id>.<nonce>.json       the same, once a doctor has mended the task
//! ready/<queue>/<prio>/<t1>/<t2>/<t3>/<t4>/<entry>   claimable; directories and names sort in claim order
//! claimed/<a>/<entry>                held
//! done/<aa>/<entry>                  ended
//! records/<aa>/<id>.<version>.<nonce>.json   a settlement: result or error
//! runs/<digest>.json                 a run id that is too long for a name
//! sweep/<time>                       when the claimed tasks are next looked through
//! aside/<entry>                      entries whose record is torn or altered, for a person to look at
//! aside/<nonce>/<name>               what one repair set aside
//! tmp/                               files on their way to a name that must appear whole
//! ```
//!
//! `<aa>` is the first byte of the id, `<a>` its first digit: the claimed tasks are few and are read often as a whole. `<prio>` counts down from the largest i64, so that the highest comes first.
//! `<t1>` to `<t4>` are cut out of the microsecond of enqueuing so that no directory on the way to the head of a queue
//! has more than 128 of them (four above a year of backlog) and a burst of 20,000 tasks a second leaves 164 in a leaf.

use alloc::format;
use alloc::string::{String, ToString};

use crate::entry::{Entry, Holder, State, Time};
use crate::id::TaskId;
use crate::name::{Nonce, QueueName};
use crate::time::Timestamp;

/// A directory of the queue, relative to its root, with `/` between the names. The root itself is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dir(String);

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
        Dir(String::new())
    }

    /// The path's text, relative to the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The directory above and the name in it; `None` for the root.
    pub fn split(&self) -> Option<(Dir, &str)> {
        match self.0.rsplit_once('/') {
            Some((parent, name)) => Some((Dir(parent.to_string()), name)),
            None if self.0.is_empty() => None,
            None => Some((Dir::root(), &self.0)),
        }
    }

    /// A directory in this one. The name is a single component that does not come from outside unchecked.
    pub fn child(&self, name: &str) -> Dir {
        if self.0.is_empty() { Dir(name.to_string()) } else { Dir(format!("{}/{name}", self.0)) }
    }

    /// A file in this directory.
    pub fn file(&self, name: impl Into<String>) -> Path {
        Path { dir: self.clone(), name: name.into() }
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
pub const ROOT_NAMES: [&str; 10] =
    ["format.json", "tasks", "ready", "claimed", "done", "records", "runs", "sweep", "aside", "tmp"];

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

/// The settlement that an ended task's name points at.
pub fn settlement(id: TaskId, version: u32, nonce: Nonce) -> Path {
    let name = format!("{}.{version:x}.{nonce}.json", id.hex());
    settlements().child(&id.fan_out(2)).file(name)
}

/// The task and the version that a settlement's name tells.
pub fn parse_settlement(name: &str) -> Option<(TaskId, u32)> {
    let mut fields = name.strip_suffix(".json")?.split('.');
    let [id, version, nonce] = [fields.next()?, fields.next()?, fields.next()?];
    let (id, version) = (TaskId::from_hex(id)?, u32::from_str_radix(version, 16).ok()?);
    (settlement(id, version, nonce.parse().ok()?).name == name).then_some((id, version))
}

/// The text of a run id that was too long for a name.
pub fn run(holder: &Holder) -> Path {
    runs().file(format!("{}.json", holder.as_str().trim_start_matches('~')))
}

/// True for the name of a file with a run id.
pub fn is_run(name: &str) -> bool {
    name.strip_suffix(".json").is_some_and(|digest| digest.len() == 20 && digest.bytes().all(crate::id::is_lower_hex))
}

/// Where an entry goes whose record cannot be trusted.
pub fn aside(entry: &Entry) -> Path {
    aside_shelf().file(entry.to_string())
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

/// The directory of the settlements.
pub fn settlements() -> Dir {
    Dir::root().child("records")
}

/// The directory of the run ids that are too long for a name.
pub fn runs() -> Dir {
    Dir::root().child("runs")
}

/// The directories that hold claimed or ended tasks, each fanned out by id.
pub fn shelf(shelf: Shelf) -> Dir {
    Dir::root().child(match shelf {
        Shelf::Claimed => "claimed",
        Shelf::Done => "done",
    })
}

/// The part of a shelf where `id` can be.
pub fn shelf_of(whole: Shelf, id: TaskId) -> Dir {
    let digits = match whole {
        Shelf::Claimed => 1,
        Shelf::Done => 2,
    };
    shelf(whole).child(&id.fan_out(digits))
}

/// The directories that a task comes to in its life and that are sorted by its id.
pub fn stations(id: TaskId) -> [Dir; 4] {
    let settlements = settlements().child(&id.fan_out(2));
    [record(id).dir, shelf_of(Shelf::Claimed, id), shelf_of(Shelf::Done, id), settlements]
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

/// The two shelves beside the ready one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    /// `claimed/`.
    Claimed,
    /// `done/`.
    Done,
}

/// Where an entry lives. `queue` matters only while it waits.
pub fn home(entry: &Entry, queue: &QueueName) -> Dir {
    match entry.state {
        State::Ready { .. } | State::Lapsed(_) => ready_leaf(queue, entry.priority, entry.created_at),
        State::Claimed(_) => shelf_of(Shelf::Claimed, entry.id),
        State::Ended(_) => shelf_of(Shelf::Done, entry.id),
    }
}

/// The directory of a queue's waiting tasks of one priority that were enqueued in one span of 8 ms.
pub fn ready_leaf(queue: &QueueName, priority: i64, created_at: Timestamp) -> Dir {
    let mut dir = ReadyShelf::queue(queue).dir.child(&priority_name(priority));
    for (depth, digit) in TIME_DIGITS.iter().enumerate() {
        let value = (created_at.micros() >> bits_below(depth + 1)) & ((1 << digit.bits) - 1);
        dir = dir.child(&digit.name(value));
    }
    dir
}

/// A directory on the way from `ready/` to a leaf, and what its path says about the entries below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadyShelf {
    /// The directory.
    pub dir: Dir,
    /// The queue that it belongs to.
    pub queue: QueueName,
    /// How many time digits are known, from none at a priority's directory to all at a leaf; `None`: a queue.
    depth: Option<usize>,
    /// The known digits of the microsecond of enqueuing, as a number.
    prefix: u64,
}

impl ReadyShelf {
    /// `ready/`, whose children are queues.
    pub fn root() -> Dir {
        Dir::root().child("ready")
    }

    /// The directory of one queue.
    pub fn queue(queue: &QueueName) -> ReadyShelf {
        let dir = ReadyShelf::root().child(queue.as_str());
        ReadyShelf { dir, queue: queue.clone(), depth: None, prefix: 0 }
    }

    /// True if the directory holds entries, not directories.
    pub fn is_leaf(&self) -> bool {
        self.depth == Some(TIME_DIGITS.len())
    }

    /// The shelf that a child directory of this one is; `None`: a foreign name, or this is a leaf.
    pub fn child(&self, name: &str) -> Option<ReadyShelf> {
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
        Some(ReadyShelf { dir: self.dir.child(name), queue: self.queue.clone(), depth: Some(depth), prefix })
    }

    /// The end of the span of time in which tasks are enqueued below here; `None`: no end, or far away.
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
            let mut shelf = ReadyShelf::queue(&queue);
            for name in leaf.as_str().split('/').skip(2) {
                shelf = shelf.child(name).unwrap();
            }
            assert!(shelf.is_leaf());
            assert_eq!(shelf.dir, leaf);
            assert_eq!(shelf.filled_until(), Some(Timestamp::from_micros((micros / 8_192 + 1) * 8_192)));
        }
    }

    #[test]
    fn names_of_records_and_settlements_read_back() {
        let (id, nonce) = (TaskId::of_canonical(b"{}"), Nonce::from_bits(7));
        for path in [record(id), record_again(id, nonce), record_linked_back(id)] {
            assert_eq!(parse_record(&path.name), Some(id));
            assert_eq!(path.dir, record(id).dir);
        }
        let settlement = settlement(id, 0x1f, nonce).name;
        assert_eq!(parse_settlement(&settlement), Some((id, 0x1f)));
        for foreign in
            ["", ".json", "README.json", &settlement.replace(".1f.", ".01f."), &settlement.replace(".1f", "")]
        {
            assert_eq!(parse_settlement(foreign), None, "{foreign}");
        }
        for foreign in [&settlement, "", ".json", &record(id).name.to_uppercase(), &format!("{}.1.json", id.hex())] {
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
