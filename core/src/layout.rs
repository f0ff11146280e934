//! The layout of the coordination directory. No other module spells a path.
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

mod keys;
mod priority;
mod timed;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::entry::{Entry, Holder, State};
use crate::id::TaskId;
use crate::name::{Nonce, QueueName, UniqueKey};
use crate::spelling::{is_lower_hex, short_digest};
use crate::tags::TagSet;
use crate::task::IfParentFails;
use crate::time::Timestamp;
use crate::time_index::Time;

pub(crate) use crate::time_index::deadline_digits;

pub use crate::path::{Dir, Path};
pub use keys::{due_at, place_of, task_of};
pub use timed::{TimedDir, first_path_from, ready_bucket, ready_priority, scheduled_bucket};

/// The directories in the root, which are there before `format.json` is.
pub fn root_dirs() -> impl Iterator<Item = Dir> {
    ROOT_NAMES.into_iter().filter(|name| !name.contains('.')).map(|name| Dir::root().child(name))
}

/// The number of the protocol that this version writes and reads.
///
/// To change the protocol: give it a new number. A version that does not know a number touches nothing, and says how to
/// move the tasks: by an export with the version that knows it.
pub const FORMAT: u32 = 4;

/// The features that a directory of this format may use and this version knows. `format.json` lists those that the
/// directory uses.
///
/// To add a state or a file that an older version would misread: give the feature a name here, and list it once the
/// directory uses it. A version that does not know the name touches nothing.
pub const FEATURES: [&str; 0] = [];

/// The content of `format.json` in a new directory.
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

/// The second name of `format.json`. If that has only one name, the queue was not made here, but came with a copy.
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

/// The time in a sweep token's name.
pub fn parse_sweep_token(name: &str) -> Option<Timestamp> {
    Time::parse(name)
}

/// The record of a task.
pub fn record(id: TaskId) -> Path {
    tasks().child(&id.fan_out(2)).file(format!("{}.json", id.hex()))
}

/// The record of a task under another name, which nobody knows yet.
///
/// Renaming the record is a fence: an enqueuer that was paused just before its `link` still holds the old path, so its
/// link fails and cannot create a second entry.
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

/// A report on a task in a separate file, beside the task's, made for its entry of this version.
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
    name.strip_suffix(".json").is_some_and(|digest| digest.len() == 20 && digest.bytes().all(is_lower_hex))
}

/// The text of tags that are too long for a name.
pub fn tag_text(tags: &TagSet) -> Path {
    tag_texts().file(format!("{}.json", tags.as_str().trim_start_matches('~')))
}

/// True for the name of a file with tags.
pub fn is_tag_text(name: &str) -> bool {
    name.strip_suffix(".json").is_some_and(|digest| digest.len() == 14 && digest.bytes().all(is_lower_hex))
}

/// The directory of the tags that are too long for a name.
pub fn tag_texts() -> Dir {
    Dir::root().child("tags")
}

/// The directory of the unique keys: in it, one for each queue, and in each, one for each key.
pub fn unique_keys() -> Dir {
    Dir::root().child("unique")
}

/// The directory of a unique key. Its files name the holders of the key, one after the other.
pub fn unique_key(queue: &QueueName, key: &UniqueKey) -> Dir {
    unique_keys().child(queue.as_str()).child(&short_digest(key.as_str()))
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

/// The directory of queue settings.
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

/// The directory of quarantined files.
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

/// The content of a deadline's name.
pub fn parse_deadline(name: &str) -> Option<(Timestamp, TaskId)> {
    let (time, id) = name.split_once('.')?;
    Some((Time::parse(time)?, TaskId::from_hex(id)?))
}

/// The shard of a state directory where `id` can be.
pub fn shard_of(whole: StateDir, id: TaskId) -> Dir {
    state_dir(whole).child(&id.fan_out(digits_of(whole)))
}

fn digits_of(whole: StateDir) -> usize {
    if whole == StateDir::Claimed { 1 } else { 2 }
}

/// Every shard of a state directory that there may be.
pub fn shards(whole: StateDir) -> Vec<Dir> {
    let (dir, digits) = (state_dir(whole), digits_of(whole));
    (0..1_u32 << (4 * digits)).map(|number| dir.child(&format!("{number:0digits$x}"))).collect()
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
    (1..=2).contains(&name.len()) && name.bytes().all(is_lower_hex)
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
