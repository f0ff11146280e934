//! Where things are in the coordination directory. Nothing else spells a path.
//!
//! ```text
//! format.json                        which protocol this directory follows
//! anchor.json                        the same file: git or a copy makes two of them
//! tasks/<aa>/<id>.json               the task: its first line as enqueued, each further line a report on it
//! tasks/<aa>/<id>.<nonce>.json       the same, once a doctor has mended the task
//! tasks/<aa>/<id>.<version>.<nonce>.json   a report that is a file of its own: progress
//! tasks/<aa>/prepared                says that nobody need sync the directories of tasks with this first byte any more
//! scheduled/<t1>/<t2>/<t3>/<t4>/<entry>   not yet due; sorted by when
//! blocked/<aa>/<parent id>/<entry>   waits for another task; <aa> is the first byte of that one's id
//! blocked/<aa>/<parent id>/<id>.<if it fails>   a mark: a blocked task with several parents has this one among them
//! deadlines/<t1>/<t2>/<time>.<id>    when a task expires that others wait for
//! ready/<queue>/<prio>…/<t1>/<t2>/<t3>/<t4>/<entry>   claimable; directories and names sort in claim order
//! claimed/<a>/<entry>                held
//! done/<aa>/<entry>                  ended
//! purged/<entry>                     ended, and about to be removed by `gc`, unless a task waits for it
//! purged/removing/<entry>            ended, and being removed
//! runs/<digest>.json                 a run id that is too long for a name
//! tags/<digest>.json                 tags that are too long for a name
//! unique/<queue>/<digest>/<n>.json   which task has a unique key: the highest n counts
//! unique/<queue>/<digest>/<entry>    staged: has asked for the key, and is not yet where it belongs
//! queues/<queue>.paused              the queue is paused
//! queues/<queue>.max<n>              at most n of its tasks are claimed at once
//! sweep/<time>                       when the claimed tasks are next looked through
//! quarantine/<entry>                 entries whose record is torn or altered, for a person to look at
//! quarantine/<nonce>/<name>          what one repair quarantined
//! tmp/                               files on their way to a name that must appear whole
//! ```
//!
//! `<aa>` is the first byte of the id, `<a>` its first digit: the claimed tasks are few and are read often as a whole.
//! `<prio>` sorts the highest first. Each priority from -127 to 127 has a directory of its own, with three hexadecimal
//! digits; all others of one bit length share one, and their further bits, eight at most to a name, are further
//! directories: so a claim reads at most 368 names and then 256 at a time, however many priorities there are. `<t1>` to
//! `<t4>` are cut out of the microsecond of enqueuing, or of the time when the task is due, so that no directory on the
//! way to the head of a queue has more than 128 of them (four above a year of backlog) and a burst of 20,000 tasks a
//! second leaves 164 in a time bucket.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

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
    /// hold it open: the children of the root, and the shards of `claimed/`, which every claim and its end come to.
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
pub fn root_dirs() -> impl Iterator<Item = Dir> {
    ROOT_NAMES.into_iter().filter(|name| !name.contains('.')).map(|name| Dir::root().child(name))
}

/// The number of the protocol that this version writes and reads.
///
/// To change the protocol: give it a new number. A version that does not know a number touches nothing, and says how
/// its tasks come over: by an export of the version that knows it.
pub const FORMAT: u32 = 4;

/// What a directory of this format may use and this version knows. `format.json` lists what the directory does use.
///
/// To add a state or a file that an older version would take for another's: give it a name here, and list that once
/// the directory has one. A version that does not know the name touches nothing.
pub const FEATURES: [&str; 0] = [];

/// What `format.json` says of a new directory.
pub fn format_json() -> String {
    format!("{{\"format\":{FORMAT},\"features\":[]}}")
}

/// The names that the queue puts into the root. Any other there belongs to somebody else.
pub const ROOT_NAMES: [&str; 17] = [
    "format.json",
    "anchor.json",
    "tasks",
    "scheduled",
    "blocked",
    "deadlines",
    "ready",
    "claimed",
    "done",
    "purged",
    "runs",
    "tags",
    "unique",
    "queues",
    "sweep",
    "quarantine",
    "tmp",
];

/// Names that may be in the root beside them.
pub const HARMLESS_NAMES: [&str; 3] = [".gitignore", ".gitkeep", ".DS_Store"];

/// `format.json`.
pub fn format() -> Path {
    Dir::root().file("format.json")
}

/// The second name of `format.json`. Where that has one name alone the queue was not made in this place, but came with
/// a copy.
pub fn anchor() -> Path {
    Dir::root().file("anchor.json")
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

/// A report on a task that is a file of its own, beside the task's, made for its entry of this version.
pub fn report(id: TaskId, version: u32, nonce: Nonce) -> Path {
    record(id).dir.file(format!("{}.{version:x}.{nonce}.json", id.hex()))
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
    name.strip_suffix(".json").is_some_and(|digest| digest.len() == 14 && digest.bytes().all(crate::id::is_lower_hex))
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
pub fn quarantine(entry: &Entry) -> Path {
    quarantine_dir().file(entry.name())
}

/// What was quarantined.
pub fn quarantine_dir() -> Dir {
    Dir::root().child("quarantine")
}

/// Where one repair quarantines things, each under the name that it had. A directory of its own, since an entry's name
/// can be as long as a name may be, and has no room for a nonce.
pub fn quarantine_by(nonce: Nonce) -> Dir {
    quarantine_dir().child(&nonce.to_string())
}

/// The name that something gets which a repair quarantines where it is, since it may not move it to `quarantine/`.
pub fn quarantine_in_place(nonce: Nonce, name: &str) -> String {
    format!("{QUARANTINED}{nonce}.{name}")
}

/// True for such a name.
pub fn is_quarantined(name: &str) -> bool {
    name.starts_with(QUARANTINED)
}

const QUARANTINED: &str = ".quarantine.";

/// The directory of the records.
pub fn tasks() -> Dir {
    Dir::root().child("tasks")
}

/// The directory of the run ids that are too long for a name.
pub fn runs() -> Dir {
    Dir::root().child("runs")
}

/// The directories that hold claimed or ended tasks, each fanned out by id, and blocked ones, fanned out by the
/// parent's.
pub fn state_dir(state_dir: StateDir) -> Dir {
    Dir::root().child(match state_dir {
        StateDir::Blocked => "blocked",
        StateDir::Claimed => "claimed",
        StateDir::Done => "done",
    })
}

/// The directory of the tasks that wait for this one.
pub fn blocked_on(parent: TaskId) -> Dir {
    shard_of(StateDir::Blocked, parent).child(&parent.hex())
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

/// The shard of a state directory where `id` can be.
pub fn shard_of(whole: StateDir, id: TaskId) -> Dir {
    let digits = match whole {
        StateDir::Claimed => 1,
        StateDir::Blocked | StateDir::Done => 2,
    };
    state_dir(whole).child(&id.fan_out(digits))
}

/// The directories that a task comes to in its life and that are sorted by its id.
pub fn dirs_for_task(id: TaskId) -> [Dir; 3] {
    [record(id).dir, shard_of(StateDir::Claimed, id), shard_of(StateDir::Done, id)]
}

/// The empty file that says that the directories of all tasks with the same first byte are on disk, names and all.
pub fn prepared(id: TaskId) -> Path {
    record(id).dir.file(PREPARED)
}

/// The name of [`prepared`].
pub const PREPARED: &str = "prepared";

/// True for the name of a shard.
pub fn is_shard(name: &str) -> bool {
    (1..=2).contains(&name.len()) && name.bytes().all(crate::id::is_lower_hex)
}

/// The state directories that are not sorted by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateDir {
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
        State::Scheduled { due } => scheduled_bucket(due),
        State::Blocked { on } => blocked_on(on),
        State::Ready { .. } | State::TimedOut { .. } => ready_bucket(queue, entry.priority, entry.created_at),
        State::Claimed(_) | State::Cancelling(_) => shard_of(StateDir::Claimed, entry.id),
        State::Ended(_) => shard_of(StateDir::Done, entry.id),
    }
}

/// The directory of a queue's waiting tasks of one priority that were enqueued in one span of 8 ms.
pub fn ready_bucket(queue: &QueueName, priority: i64, created_at: Timestamp) -> Dir {
    let queue = TimedDir::queue(queue).dir;
    let dir = PriorityPlace::of(priority).names().iter().fold(queue, |dir, name| dir.child(name));
    bucket_of(dir, created_at)
}

/// The directory of the tasks that are due in one span of 8 ms.
pub fn scheduled_bucket(due: Timestamp) -> Dir {
    bucket_of(TimedDir::scheduled().dir, due)
}

fn bucket_of(mut dir: Dir, at: Timestamp) -> Dir {
    for (depth, digit) in TIME_DIGITS.iter().enumerate() {
        let value = (at.micros() >> bits_below(depth + 1)) & ((1 << digit.bits) - 1);
        dir = dir.child(&digit.name(value));
    }
    dir
}

/// A directory on the way from `ready/` or `scheduled/` to a time bucket, and what its path says about the entries
/// below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedDir {
    /// The directory.
    pub dir: Dir,
    /// The queue that it belongs to, below `ready/`.
    pub queue: Option<QueueName>,
    level: Level,
}

/// How far down a timed directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    /// A queue: priorities come next.
    Queue,
    /// A part of a queue's priorities, so many bits of which are still open.
    Priorities { bits_open: u32 },
    /// So many time digits are known, from none at `scheduled/` or a priority's directory to all at a time bucket. The
    /// known ones as a number.
    Times { depth: usize, prefix: u64 },
}

impl TimedDir {
    /// `ready/`, whose children are queues.
    pub fn ready() -> Dir {
        Dir::root().child("ready")
    }

    /// The directory of one queue.
    pub fn queue(queue: &QueueName) -> TimedDir {
        let dir = TimedDir::ready().child(queue.as_str());
        TimedDir { dir, queue: Some(queue.clone()), level: Level::Queue }
    }

    /// `scheduled/`.
    pub fn scheduled() -> TimedDir {
        let level = Level::Times { depth: 0, prefix: 0 };
        TimedDir { dir: Dir::root().child("scheduled"), queue: None, level }
    }

    /// The queue whose waiting tasks stand in this directory; `None`: it is in another state directory.
    pub fn queue_of(dir: &Dir) -> Option<QueueName> {
        let below = dir.0.strip_prefix(&*TimedDir::ready().0)?.strip_prefix('/')?;
        below.split('/').next()?.parse().ok()
    }

    /// True if the entries are of one of these queues.
    pub fn is_of(&self, queues: &[QueueName]) -> bool {
        self.queue.as_ref().is_some_and(|queue| queues.contains(queue))
    }

    /// True if the directory holds entries, not directories.
    pub fn is_bucket(&self) -> bool {
        matches!(self.level, Level::Times { depth, .. } if depth == TIME_DIGITS.len())
    }

    /// What a child directory of this one is; `None`: a foreign name, or this is a time bucket.
    pub fn child(&self, name: &str) -> Option<TimedDir> {
        let level = match self.level {
            Level::Queue => Level::below_priorities(PriorityPlace::bits_open_below(name)?),
            Level::Priorities { bits_open } => {
                let digit = PriorityPlace::next_digit(bits_open);
                digit.parse(name)?;
                Level::below_priorities(bits_open - digit.bits)
            }
            Level::Times { depth, prefix } => {
                let digit = TIME_DIGITS.get(depth)?;
                Level::Times { depth: depth + 1, prefix: (prefix << digit.bits) | digit.parse(name)? }
            }
        };
        Some(TimedDir { dir: self.dir.child(name), queue: self.queue.clone(), level })
    }

    /// The beginning of the span of time that the tasks below here are of; `None`: no beginning.
    pub fn begins_at(&self) -> Option<Timestamp> {
        let (depth, prefix) = self.times()?;
        Some(Timestamp::from_micros(prefix << bits_below(depth)))
    }

    /// The end of the span of time that the tasks below here are of; `None`: no end, or far away.
    pub fn filled_until(&self) -> Option<Timestamp> {
        let (depth, prefix) = self.times()?;
        Some(Timestamp::from_micros((prefix + 1) << bits_below(depth)))
    }

    /// How many time digits are known, and which; `None`: none.
    fn times(&self) -> Option<(usize, u64)> {
        match self.level {
            Level::Times { depth, prefix } if depth > 0 => Some((depth, prefix)),
            Level::Queue | Level::Priorities { .. } | Level::Times { .. } => None,
        }
    }
}

impl Level {
    fn below_priorities(bits_open: u32) -> Level {
        if bits_open > 0 { Level::Priorities { bits_open } } else { Level::Times { depth: 0, prefix: 0 } }
    }
}

/// One directory level's share of a number.
struct Digit {
    bits: u32,
}

impl Digit {
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

/// A time bucket spans 2^13 µs: 8 ms.
const BUCKET_BITS: u32 = 13;

/// Then come 1 s, 2 min and 5 h to a directory, 128 of each in the next; the first level counts the spans of 5 h.
const TIME_DIGITS: [Digit; 4] = [Digit { bits: 18 }, Digit { bits: 7 }, Digit { bits: 7 }, Digit { bits: 7 }];

const _: () = assert!(BUCKET_BITS + 18 + 3 * 7 == 52 && crate::limits::TIME_MICROS == (1 << 52) - 1);

/// How many bits of the microsecond of enqueuing are still open below a directory with `depth` digits.
fn bits_below(depth: usize) -> u32 {
    BUCKET_BITS + TIME_DIGITS.iter().skip(depth).map(|digit| digit.bits).sum::<u32>()
}

/// Where a priority stands among all of them.
struct PriorityPlace {
    /// Which of the groups it is in: a group is one priority near zero, or all of one sign and bit length.
    group: u64,
    /// How many bits tell the priorities of the group apart.
    bits_open: u32,
    /// Those bits, the highest priority first.
    offset: u64,
}

impl PriorityPlace {
    /// The priorities up to here, and down to here below zero, are groups of their own.
    const NEAR: i64 = 127;
    /// The bit length of the nearest one that is not.
    const SHORTEST: u32 = 8;
    /// The groups of the positive ones come first, that of 63 bits before all.
    const NEAR_GROUPS: core::ops::RangeInclusive<u64> = 56..=310;
    /// The last one is that of the 64 bits of the smallest i64.
    const LAST_GROUP: u64 = 367;
    /// The digits of a group.
    const GROUP: Digit = Digit { bits: 9 };

    fn of(priority: i64) -> PriorityPlace {
        let near = (-Self::NEAR..=Self::NEAR).contains(&priority);
        if near {
            let group = Self::NEAR_GROUPS.start() + Self::NEAR.abs_diff(priority);
            return PriorityPlace { group, bits_open: 0, offset: 0 };
        }
        let magnitude = priority.unsigned_abs();
        let bits_open = u64::BITS - 1 - magnitude.leading_zeros();
        let all_open = (1 << bits_open) - 1;
        match priority > 0 {
            true => {
                PriorityPlace { group: u64::from(62 - bits_open), bits_open, offset: all_open - (magnitude & all_open) }
            }
            false => PriorityPlace {
                group: Self::NEAR_GROUPS.end() + u64::from(bits_open + 2 - Self::SHORTEST),
                bits_open,
                offset: magnitude & all_open,
            },
        }
    }

    /// The names of the directories that it comes to.
    fn names(&self) -> Vec<String> {
        let mut names = Vec::from([Self::GROUP.name(self.group)]);
        let mut bits_open = self.bits_open;
        while bits_open > 0 {
            let digit = Self::next_digit(bits_open);
            bits_open -= digit.bits;
            names.push(digit.name((self.offset >> bits_open) & ((1 << digit.bits) - 1)));
        }
        names
    }

    /// How many bits tell the priorities of the group with this name apart; `None`: it is no group's name.
    fn bits_open_below(name: &str) -> Option<u32> {
        let group = Self::GROUP.parse(name).filter(|group| *group <= Self::LAST_GROUP)?;
        let far = |groups_from_near: u64| u32::try_from(groups_from_near).ok().map(|far| far + Self::SHORTEST - 2);
        match group {
            positive if positive < *Self::NEAR_GROUPS.start() => far(Self::NEAR_GROUPS.start() - positive),
            negative if negative > *Self::NEAR_GROUPS.end() => far(negative - Self::NEAR_GROUPS.end()),
            _ => Some(0),
        }
    }

    /// The next digit of a number that has so many bits left: all but the first have eight bits.
    fn next_digit(bits_open: u32) -> Digit {
        Digit { bits: (bits_open + 7) % 8 + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The directories that a priority comes to, joined.
    fn path_of(priority: i64) -> String {
        PriorityPlace::of(priority).names().join("/")
    }

    #[test]
    fn priorities_sort_highest_first_and_each_has_its_own_place() {
        let around = |at: i64| (-300..=300).map(move |by| at.saturating_add(by));
        let powers = (7..63).map(|bits| 1_i64 << bits);
        let centres = powers.flat_map(|power| [power, -power]).chain([0, i64::MAX, i64::MIN]);
        let mut priorities: Vec<i64> = centres.flat_map(around).collect();
        priorities.sort_unstable_by_key(|priority| core::cmp::Reverse(*priority));
        priorities.dedup();
        let paths: Vec<String> = priorities.iter().map(|priority| path_of(*priority)).collect();
        for (pair, of) in core::iter::zip(paths.windows(2), priorities.windows(2)) {
            assert!(pair[0] < pair[1], "{of:?}: {pair:?}");
        }
    }

    #[test]
    fn a_priorities_names_read_back_down_to_the_times() {
        for priority in
            [i64::MAX, 1 << 40, 60_000, 1_000, 128, 127, 5, 0, -7, -127, -128, -60_000, i64::MIN + 1, i64::MIN]
        {
            let mut timed = TimedDir::queue(&QueueName::default_queue());
            for name in PriorityPlace::of(priority).names() {
                assert!(!matches!(timed.level, Level::Times { .. }), "{priority}");
                timed = timed.child(&name).unwrap();
            }
            assert_eq!(timed.level, Level::Times { depth: 0, prefix: 0 }, "{priority}");
        }
        let queue = TimedDir::queue(&QueueName::default_queue());
        for bad in ["", "0", "0b", "170", "1ff", "0B7", "+b7", "00b7"] {
            assert_eq!(queue.child(bad), None, "{bad}");
        }
    }

    #[test]
    fn few_names_stand_beside_each_other_however_many_priorities_there_are() {
        let mut beside: alloc::collections::BTreeMap<String, alloc::collections::BTreeSet<String>> = Default::default();
        for priority in (-70_000..70_000).chain((0..40_000).map(|n| i64::MAX - n * 230_584_300_921_369)) {
            let mut above = String::new();
            for name in PriorityPlace::of(priority).names() {
                beside.entry(above.clone()).or_default().insert(name.clone());
                above = above + "/" + &name;
            }
        }
        assert!(
            beside.values().all(|names| names.len() <= 368),
            "{:?}",
            beside.values().map(|names| names.len()).max()
        );
    }

    #[test]
    fn buckets_sort_by_time_and_say_when_they_are_full() {
        let queue = QueueName::default_queue();
        let mut last = String::new();
        for micros in [0, 8_191, 8_192, 1 << 20, 1_795_336_200_000_001, crate::limits::TIME_MICROS] {
            let at = Timestamp::from_micros(micros);
            let bucket = ready_bucket(&queue, 0, at);
            assert!(bucket.as_str() >= last.as_str());
            last = bucket.as_str().to_string();
            let mut timed = TimedDir::queue(&queue);
            for name in bucket.as_str().split('/').skip(2) {
                timed = timed.child(name).unwrap();
            }
            assert!(timed.is_bucket());
            assert_eq!(timed.dir, bucket);
            assert_eq!(timed.filled_until(), Some(Timestamp::from_micros((micros / 8_192 + 1) * 8_192)));
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
