//! The state entry: a file name that says all that a decision about a task needs.
//!
//! ```text
//! 0667c8dd1b2c3.<id>.p5.v1.g0.a0.ready.x0667c9f1….tbilling             waiting, never claimed or given back
//! 0667c8dd1b2c3.<id>.p5.v2.g1.a1.claimed.qbilling.c….h….e….n….agent-7         held by agent-7
//! 0667c8dd1b2c3.<id>.p5.v3.g1.a1.cancelling.qbilling.r….c….h….e….n….agent-7   the same, and agent-7 is asked to stop
//! 0667c8dd1b2c3.<id>.p5.v3.g1.a1.timed_out.tbilling.c….h….e….n….agent-7   its lease ran out; claimable again
//! 0667c8dd1b2c3.<id>.p5.v3.g1.a1.scheduled.u….r….                      waits for its time: a delay, a back-off
//! 0667c8dd1b2c3.<id>.p5.v1.g0.a0.blocked.o<id>                         waits for another task
//! 0667c8dd1b2c3.<id>.p5.v4.g1.a1.completed.d….r….c….h….e….n….agent-7   ended
//! ```
//!
//! The fields, in order: when the task was enqueued, id, priority, version (every rename adds one), generation (every
//! new holder adds one), attempt (a release takes it back), state; then `x` until when it may wait, `t` its tags, `u`
//! when it is due, `o` the task that it waits for, `q` the queue, so that the claimed tasks of one can be counted by
//! names, `d` when it ended, `r` the nonce of the latest report on it, `c` when it was claimed, `h` the last heartbeat,
//! `e` when the lease expires, `n` the lease's nonce, and the holder. Times are microseconds since 1970 and all numbers
//! but the priority are lower-case hexadecimal. Times, ids and nonces have a fixed width, so names sort by the time of
//! enqueuing.
//!
//! One name has one meaning and one spelling: what [`Entry::parse`] accepts, `Display` writes back letter for letter.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use crate::id::{Hex, TaskId, short_digest};
use crate::limits;
use crate::name::{Nonce, QueueName, RunId};
use crate::tags::TagSet;
use crate::task::Task;
use crate::time::Timestamp;

/// All that a task's name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which task.
    pub id: TaskId,
    /// When it was enqueued.
    pub created_at: Timestamp,
    /// Higher is claimed first.
    pub priority: i64,
    /// How many names the task has had. It only grows, so an old name never comes back.
    pub version: u32,
    /// How many holders the task has had: the fencing token.
    pub generation: u32,
    /// How many attempts at the task have begun since it was enqueued or put back, but for those that were given back.
    pub attempt: u32,
    /// What may happen next.
    pub state: State,
    /// The nonce of the latest report on the task; each report names the one before.
    pub report: Option<Nonce>,
    /// The queue. The name tells of it while the task is held; before, the directory does.
    pub queue: Option<QueueLabel>,
}

/// Where a task is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Not to be claimed before a time.
    Scheduled {
        /// When it becomes ready.
        due: Timestamp,
    },
    /// Not to be claimed before another task has ended.
    Blocked {
        /// The one that it waits for now; its record tells whether there are more.
        on: TaskId,
    },
    /// Waiting, and never claimed, or given back by whoever held it last.
    Ready {
        /// Until when it may be claimed; the latest time that there is, once it was.
        pending_until: Timestamp,
        /// What it can be chosen by.
        tags: TagSet,
    },
    /// Waiting again: this lease ran out. Until somebody claims the task its holder may still settle it.
    TimedOut {
        /// The lease.
        lease: Lease,
        /// What it can be chosen by.
        tags: TagSet,
    },
    /// Held under this lease, which may have run out without anyone having noticed yet.
    Claimed(Lease),
    /// As [`State::Claimed`], and its holder is asked to stop. The latest report but for progress says by whom and why.
    Cancelling(Lease),
    /// Over for good.
    Ended(Ending),
}

/// One holder's time with a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Who holds it.
    pub holder: Holder,
    /// Since when.
    pub claimed_at: Timestamp,
    /// When the holder was last heard of.
    pub heartbeat_at: Timestamp,
    /// When another may take the task.
    pub expires_at: Timestamp,
    /// What tells this lease from any other.
    pub nonce: Nonce,
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// In which way.
    pub outcome: Outcome,
    /// When.
    pub ended_at: Timestamp,
    /// The lease under which it ended; for a cancelled task its holder is who cancelled. `None` when it expired, or
    /// when it was cancelled because of a task that it waited for.
    pub lease: Option<Lease>,
}

/// The four ways for a task to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Its holder reported success.
    Completed,
    /// Its holder reported failure.
    Failed,
    /// Somebody called it off.
    Cancelled,
    /// Nobody claimed it in time.
    Expired,
}

/// A run id as a name can hold it: escaped if it is short, else `~` and its digest, with the text in `runs/`.
///
/// The same run id on tasks of the same priority always gives the same holder, so holders compare without the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder(String);

/// A queue as the name of a claimed task can hold it: its own name if that is short, else `~` and a digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueueLabel(String);

impl QueueLabel {
    /// The label of a queue.
    pub fn of(queue: &QueueName) -> QueueLabel {
        let name = queue.as_str();
        if name.len() <= limits::QUEUE_LABEL_BYTES {
            return QueueLabel(name.to_string());
        }
        QueueLabel("~".chars().chain(short_digest(name).chars()).take(limits::QUEUE_LABEL_BYTES).collect())
    }

    fn parse(text: &str) -> Option<QueueLabel> {
        let good = match text.strip_prefix('~') {
            Some(digits) => {
                digits.len() == limits::QUEUE_LABEL_BYTES - 1 && digits.bytes().all(crate::id::is_lower_hex)
            }
            None => text.len() <= limits::QUEUE_LABEL_BYTES && text.parse::<QueueName>().is_ok(),
        };
        good.then(|| QueueLabel(text.to_string()))
    }
}

impl Entry {
    /// The first entry of a task, made by `enqueue`. The record alone decides what it is.
    pub fn first(task: &Task) -> Entry {
        let Task { id, record } = task;
        let state = match (record.after.first(), record.scheduled_at) {
            (Some(parent), _) => State::Blocked { on: *parent },
            (None, Some(due)) if due > record.created_at => State::Scheduled { due },
            (None, _) => State::Ready {
                pending_until: record.created_at.plus_seconds(record.ttl_seconds),
                tags: TagSet::of(&record.tags),
            },
        };
        let (created_at, priority) = (record.created_at, record.priority);
        Entry { id: *id, created_at, priority, version: 1, generation: 0, attempt: 0, state, report: None, queue: None }
    }

    /// Reads a name. `None`: not one that this crate writes, so a foreign file.
    pub fn parse(name: &str) -> Option<Entry> {
        let mut fields = Fields(name);
        let created_at = fields.time("")?;
        let id = TaskId::from_hex(fields.next()?)?;
        let priority = fields.tagged("p")?.parse().ok()?;
        let [version, generation, attempt] = [fields.number("v")?, fields.number("g")?, fields.number("a")?];
        let (state, report, queue) = State::parse(&mut fields)?;
        let entry = Entry { id, created_at, priority, version, generation, attempt, state, report, queue };
        let counted = entry.version <= limits::VERSION
            && entry.generation <= limits::GENERATION
            && entry.attempt <= limits::GENERATION;
        let held =
            entry.lease().is_none_or(|Lease { holder, .. }| holder.overflows() || fits(&holder.0, entry.priority));
        (counted && held && entry.name() == name).then_some(entry)
    }

    /// The name, as [`fmt::Display`] writes it.
    pub fn name(&self) -> String {
        let mut name = String::with_capacity(limits::NAME_BYTES);
        // Writing to a text cannot fail.
        let _ = fmt::Write::write_fmt(&mut name, format_args!("{self}"));
        name
    }

    /// The version of the task's next name; `None`: it has had as many names as a task can have.
    pub fn next_version(&self) -> Option<u32> {
        (self.version < limits::VERSION).then(|| self.version + 1)
    }

    /// As [`Entry::next_version`], for a step that goes on all the same: then the name has the last version again.
    pub(crate) fn version_after(&self) -> u32 {
        self.next_version().unwrap_or(limits::VERSION)
    }

    /// The holder that `run_id` is on this task.
    pub fn holder(&self, run_id: &RunId) -> Holder {
        Holder::of(run_id, self.priority)
    }

    /// True for a task that is over.
    pub fn has_ended(&self) -> bool {
        self.ended_at().is_some()
    }

    /// When the task ended, if it has.
    pub fn ended_at(&self) -> Option<Timestamp> {
        if let State::Ended(ending) = &self.state { Some(ending.ended_at) } else { None }
    }

    /// When a scheduled task becomes ready.
    pub fn due(&self) -> Option<Timestamp> {
        if let State::Scheduled { due } = self.state { Some(due) } else { None }
    }

    /// The tags that the name tells of, if there are any: those of a task that waits to be claimed.
    fn tags(&self) -> Option<&TagSet> {
        match &self.state {
            State::Ready { tags, .. } | State::TimedOut { tags, .. } => Some(tags).filter(|tags| !tags.is_empty()),
            State::Scheduled { .. }
            | State::Blocked { .. }
            | State::Claimed(_)
            | State::Cancelling(_)
            | State::Ended(_) => None,
        }
    }

    /// The queue, if the name tells of it: while the task is held.
    fn queue_told(&self) -> Option<&QueueLabel> {
        match &self.state {
            State::Claimed(_) | State::Cancelling(_) => self.queue.as_ref(),
            State::Scheduled { .. }
            | State::Blocked { .. }
            | State::Ready { .. }
            | State::TimedOut { .. }
            | State::Ended(_) => None,
        }
    }

    /// The lease that the name tells of: the present one, or the last.
    pub fn lease(&self) -> Option<&Lease> {
        match &self.state {
            State::Scheduled { .. } | State::Blocked { .. } | State::Ready { .. } => None,
            State::TimedOut { lease, .. } | State::Claimed(lease) | State::Cancelling(lease) => Some(lease),
            State::Ended(ending) => ending.lease.as_ref(),
        }
    }
}

impl Holder {
    /// The run id, if the name itself holds it.
    pub fn run_id(&self) -> Option<RunId> {
        if self.overflows() { None } else { unescaped(&self.0)?.parse().ok() }
    }

    /// True if the run id was too long for a name, so that its text is in `runs/`.
    pub fn overflows(&self) -> bool {
        self.0.starts_with('~')
    }

    /// True if this is the holder that the run id is: of a long one the digest tells.
    pub fn is_of(&self, run_id: &RunId) -> bool {
        match self.0.strip_prefix('~') {
            Some(digest) => short_digest(run_id.as_str()) == digest,
            None => self.0 == escaped(run_id.as_str()),
        }
    }

    /// The holder's letters in the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn of(run_id: &RunId, priority: i64) -> Holder {
        let escaped = escaped(run_id.as_str());
        if fits(&escaped, priority) { Holder(escaped) } else { Holder(format!("~{}", short_digest(run_id.as_str()))) }
    }

    fn parse(text: &str) -> Option<Holder> {
        let good = match text.strip_prefix('~') {
            Some(digest) => digest.len() == DIGEST_BYTES && digest.bytes().all(crate::id::is_lower_hex),
            None => unescaped(text).is_some_and(|run_id| !run_id.is_empty() && escaped(&run_id) == text),
        };
        good.then(|| Holder(text.to_string()))
    }
}

impl Outcome {
    /// The outcome's word, the same in names, answers and documentation.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Completed => "completed",
            Outcome::Failed => "failed",
            Outcome::Cancelled => "cancelled",
            Outcome::Expired => "expired",
        }
    }

    fn parse(word: &str) -> Option<Outcome> {
        [Outcome::Completed, Outcome::Failed, Outcome::Cancelled, Outcome::Expired]
            .into_iter()
            .find(|outcome| outcome.as_str() == word)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.p{}", Time(self.created_at), self.id.hex(), self.priority)?;
        let [version, generation, attempt] = [self.version, self.generation, self.attempt].map(|n| Hex::<1>(n.into()));
        write!(f, ".v{version}.g{generation}.a{attempt}")?;
        match &self.state {
            State::Scheduled { due } => write!(f, ".scheduled.u{}", Time(*due))?,
            State::Blocked { on } => write!(f, ".blocked.o{}", on.hex())?,
            State::Ready { pending_until, .. } => write!(f, ".ready.x{}", Time(*pending_until))?,
            State::TimedOut { .. } => f.write_str(".timed_out")?,
            State::Claimed(_) => f.write_str(".claimed")?,
            State::Cancelling(_) => f.write_str(".cancelling")?,
            State::Ended(ending) => write!(f, ".{}.d{}", ending.outcome.as_str(), Time(ending.ended_at))?,
        }
        self.queue_told().iter().try_for_each(|queue| write!(f, ".q{}", queue.0))?;
        self.tags().iter().try_for_each(|tags| write!(f, ".t{}", tags.as_str()))?;
        self.report.iter().try_for_each(|nonce| write!(f, ".r{nonce}"))?;
        self.lease().iter().try_for_each(|lease| write!(f, "{lease}"))
    }
}

impl fmt::Display for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [claimed, heartbeat, expires] = [self.claimed_at, self.heartbeat_at, self.expires_at].map(Time);
        write!(f, ".c{claimed}.h{heartbeat}.e{expires}.n{}.{}", self.nonce, self.holder.0)
    }
}

impl State {
    /// Reads the state, the nonce of the report, which stands before the lease, and the queue, which stands before
    /// that.
    fn parse(fields: &mut Fields<'_>) -> Option<(State, Option<Nonce>, Option<QueueLabel>)> {
        let word = fields.next()?;
        if let Some(outcome) = Outcome::parse(word) {
            let (ended_at, report) = (fields.time("d")?, fields.report()?);
            let lease = match outcome {
                Outcome::Completed | Outcome::Failed => Some(Lease::parse(fields)?),
                Outcome::Cancelled if !fields.0.is_empty() => Some(Lease::parse(fields)?),
                Outcome::Cancelled | Outcome::Expired => None,
            };
            return Some((State::Ended(Ending { outcome, ended_at, lease }), report, None));
        }
        let state = match word {
            "scheduled" => State::Scheduled { due: fields.time("u")? },
            "blocked" => State::Blocked { on: TaskId::from_hex(fields.tagged("o")?)? },
            "ready" => State::Ready { pending_until: fields.time("x")?, tags: fields.tags()? },
            "timed_out" => {
                let (tags, report) = (fields.tags()?, fields.report()?);
                return Some((State::TimedOut { lease: Lease::parse(fields)?, tags }, report, None));
            }
            "claimed" | "cancelling" => {
                let (queue, report) = (fields.queue()?, fields.report()?);
                let lease = Lease::parse(fields)?;
                let state = if word == "claimed" { State::Claimed(lease) } else { State::Cancelling(lease) };
                return Some((state, report, queue));
            }
            _ => return None,
        };
        Some((state, fields.report()?, None))
    }
}

impl Lease {
    fn parse(fields: &mut Fields<'_>) -> Option<Lease> {
        Some(Lease {
            claimed_at: fields.time("c")?,
            heartbeat_at: fields.time("h")?,
            expires_at: fields.time("e")?,
            nonce: fields.tagged("n")?.parse().ok()?,
            holder: Holder::parse(fields.rest())?,
        })
    }
}

/// A time in a name: thirteen hexadecimal digits of microseconds.
pub(crate) struct Time(pub(crate) Timestamp);

impl Time {
    /// Reads the thirteen digits.
    pub(crate) fn parse(digits: &str) -> Option<Timestamp> {
        let good = digits.len() == TIME_BYTES && digits.bytes().all(crate::id::is_lower_hex);
        let micros = u64::from_str_radix(digits, 16).ok()?;
        good.then(|| Timestamp::from_micros(micros))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex::<TIME_BYTES>(self.0.micros()).fmt(f)
    }
}

/// What is left to read of a name whose fields are separated by dots.
struct Fields<'a>(&'a str);

impl<'a> Fields<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let (field, rest) = self.0.split_once('.').unwrap_or((self.0, ""));
        self.0 = rest;
        (!field.is_empty()).then_some(field)
    }

    /// The rest of the name, dots and all.
    fn rest(&mut self) -> &'a str {
        core::mem::take(&mut self.0)
    }

    fn tagged(&mut self, tag: &str) -> Option<&'a str> {
        self.next()?.strip_prefix(tag)
    }

    fn number(&mut self, tag: &str) -> Option<u32> {
        u32::from_str_radix(self.tagged(tag)?, 16).ok()
    }

    fn time(&mut self, tag: &str) -> Option<Timestamp> {
        Time::parse(self.tagged(tag)?)
    }

    /// The nonce of a report, if one comes next. `None`: what comes next is none.
    fn report(&mut self) -> Option<Option<Nonce>> {
        Some(if self.0.starts_with('r') { Some(self.tagged("r")?.parse().ok()?) } else { None })
    }

    /// The queue, if one comes next. `None`: what comes next is none.
    fn queue(&mut self) -> Option<Option<QueueLabel>> {
        Some(if self.0.starts_with('q') { Some(QueueLabel::parse(self.tagged("q")?)?) } else { None })
    }

    /// The tags, of which there may be none. `None`: what comes next are none.
    fn tags(&mut self) -> Option<TagSet> {
        if self.0.starts_with('t') { TagSet::parse(self.tagged("t")?) } else { Some(TagSet::default()) }
    }
}

/// Writes each byte outside `[A-Za-z0-9._-]` as `%` and two digits, so that it can stand in a name anywhere.
pub(crate) fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let mut name = String::with_capacity(text.len());
    for byte in text.bytes() {
        if plain(byte) { name.push(char::from(byte)) } else { name.push_str(&format!("%{byte:02x}")) }
    }
    name
}

/// True if there is room for this holder beside the priority's digits; a longer one overflows to a side file.
fn fits(escaped: &str, priority: i64) -> bool {
    escaped.len() + priority.to_string().len() <= limits::PRIORITY_AND_HOLDER_BYTES
}

pub(crate) fn unescaped(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        bytes.push(u8::from_str_radix(piece.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(piece.get(2..)?.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

const TIME_BYTES: usize = 13;
const DIGEST_BYTES: usize = 20;

/// A name that tells of a lease and a report is this long, without what tells its state.
const LEASED_BYTES: usize = TIME_BYTES + 1 + 64   // enqueued, id
    + ".p.v1234567.g123456.a123456".len()         // with the priority's digits counted below
    + 3 * (".c".len() + TIME_BYTES)               // three times of the lease
    + 2 * (".n".len() + 16)                       // nonces of the report and of the lease
    + 1 + limits::PRIORITY_AND_HOLDER_BYTES;
/// An ended task has its outcome and the time.
const _: () = assert!(LEASED_BYTES + ".completed.d".len() + TIME_BYTES <= limits::NAME_BYTES);
/// A timed-out lease has tags.
const _: () = assert!(LEASED_BYTES + ".timed_out.t".len() + limits::TAGS_BYTES <= limits::NAME_BYTES);
/// A lease has a queue.
const _: () = assert!(LEASED_BYTES + ".cancelling.q".len() + limits::QUEUE_LABEL_BYTES <= limits::NAME_BYTES);
/// A blocked task has no lease, but the id of another.
const _: () = assert!(
    TIME_BYTES
        + 1
        + 64
        + ".p-9223372036854775808.v1234567.g123456.a123456".len()
        + ".blocked.o".len()
        + 64
        + ".r".len()
        + 16
        <= limits::NAME_BYTES
);
/// A holder that overflows fits beside any priority.
const _: () = assert!("-9223372036854775808".len() + 1 + DIGEST_BYTES <= limits::PRIORITY_AND_HOLDER_BYTES);

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn entry(priority: i64, state: impl Fn(&Entry) -> State) -> Entry {
        let id = TaskId::of_canonical(b"{}");
        let state_at_first = State::Ready { pending_until: at(1_795_336_260_000_001), tags: tags(&[]) };
        let created_at = at(1_795_336_200_000_001);
        let mut entry = Entry {
            id,
            created_at,
            priority,
            version: 1,
            generation: 0,
            attempt: 0,
            state: state_at_first,
            report: None,
            queue: None,
        };
        entry.state = state(&entry);
        entry
    }

    fn tags(words: &[&str]) -> TagSet {
        TagSet::of(&words.iter().map(|word| word.parse().unwrap()).collect::<Vec<_>>())
    }

    fn lease(entry: &Entry, run_id: &str) -> Lease {
        Lease {
            holder: entry.holder(&run_id.parse().unwrap()),
            claimed_at: at(1),
            heartbeat_at: at(2),
            expires_at: at(limits::TIME_MICROS),
            nonce: Nonce::from_bits(7),
        }
    }

    fn ending(outcome: Outcome, lease: Option<Lease>) -> State {
        State::Ended(Ending { outcome, ended_at: at(3), lease })
    }

    fn every_state(run_id: &str, priority: i64) -> Vec<Entry> {
        let long = ["a-tag-that-is", "longer-than-its-room"];
        let mut entries = Vec::from([
            entry(priority, |e| e.state.clone()),
            entry(priority, |_| State::Scheduled { due: at(limits::TIME_MICROS) }),
            entry(priority, |_| State::Blocked { on: TaskId::of_canonical(b"{\"p\":1}") }),
            entry(priority, |_| State::Ready { pending_until: at(9), tags: tags(&["billing", "rust"]) }),
            entry(priority, |_| State::Ready { pending_until: at(9), tags: tags(&long) }),
            entry(priority, |e| State::Claimed(lease(e, run_id))),
            entry(priority, |e| State::Cancelling(lease(e, run_id))),
            entry(priority, |e| State::TimedOut { lease: lease(e, run_id), tags: tags(&[]) }),
            entry(priority, |e| State::TimedOut { lease: lease(e, run_id), tags: tags(&long) }),
            entry(priority, |_| ending(Outcome::Expired, None)),
            entry(priority, |_| ending(Outcome::Cancelled, None)),
        ]);
        for outcome in [Outcome::Completed, Outcome::Failed, Outcome::Cancelled] {
            entries.push(entry(priority, |e| ending(outcome, Some(lease(e, run_id)))));
        }
        let is_held = |entry: &&Entry| matches!(entry.state, State::Claimed(_) | State::Cancelling(_));
        let held: Vec<Entry> = entries.iter().filter(is_held).cloned().collect();
        for queue in ["default", "of-14-letters-", &"q".repeat(limits::QUEUE_BYTES)] {
            let queue = Some(QueueLabel::of(&queue.parse().unwrap()));
            entries.extend(held.iter().map(|entry| Entry { queue: queue.clone(), ..entry.clone() }));
        }
        let reported = entries.clone().into_iter();
        entries.extend(reported.map(|entry| Entry { report: Some(Nonce::from_bits(u64::MAX)), ..entry }));
        entries
    }

    #[test]
    fn every_name_reads_back_and_fits_any_filesystem() {
        let long = "r".repeat(256);
        let uuid = "0b5e9f0e-8d0c-4a4e-9c36-0c4f6f6a1f11";
        for run_id in
            ["a", "agent.7", uuid, &long, "~x", "%41", "Ünïcödé/..\n", &"é".repeat(256), "..", "r1234567890123456"]
        {
            for priority in [0, 7, -3, i64::MAX, i64::MIN] {
                for mut entry in every_state(run_id, priority) {
                    entry.version = limits::VERSION;
                    entry.generation = limits::GENERATION;
                    entry.attempt = limits::GENERATION;
                    let name = entry.to_string();
                    assert!(name.len() <= limits::NAME_BYTES, "{} {name}", name.len());
                    assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._~%-".contains(&b)), "{name}");
                    assert_eq!(Entry::parse(&name), Some(entry), "{name}");
                }
            }
        }
    }

    #[test]
    fn a_holder_gives_its_run_id_back_unless_it_was_too_long() {
        let entry = entry(0, |e| e.state.clone());
        for run_id in ["agent-1", "a b", "~", "%"] {
            let run_id: RunId = run_id.parse().unwrap();
            assert_eq!(entry.holder(&run_id).run_id(), Some(run_id));
        }
        let long: RunId = "x".repeat(200).parse().unwrap();
        assert!(entry.holder(&long).overflows());
        assert_eq!(entry.holder(&long).run_id(), None);
        assert_eq!(entry.holder(&long), entry.holder(&long));
    }

    #[test]
    fn a_holder_that_would_have_overflowed_is_foreign() {
        // One who can write names could else put the id of another task into this one's name.
        for holder in [TaskId::of_canonical(b"other").hex(), "x".repeat(41), "%e2%80%ae".repeat(5)] {
            let forged = entry(5, |e| State::Claimed(Lease { holder: Holder(holder.clone()), ..lease(e, "a") }));
            assert_eq!(Entry::parse(&forged.to_string()), None, "{holder}");
        }
        let longest = entry(5, |e| State::Claimed(lease(e, &"x".repeat(40))));
        assert_eq!(Entry::parse(&longest.to_string()), Some(longest));
    }

    #[test]
    fn any_name_that_is_not_written_this_way_is_foreign() {
        for entry in every_state("agent-7", 5) {
            let name = entry.to_string();
            for end in 0..name.len() {
                if let Some(shorter) = Entry::parse(&name[..end]) {
                    // Only a shorter run id is still a whole name, and a task can be cancelled without a lease, or
                    // without a report.
                    let less = name[end..].len() < "agent-7".len() && shorter.lease().is_some();
                    let optional = [".r", ".t", ".c"].iter().any(|tag| name[end..].starts_with(tag));
                    assert!(less || optional || shorter.to_string() == name[..end], "{name} {end}");
                }
            }
            for (from, to) in [
                (".v1", ".v01"),
                (".v1", ".v+1"),
                (".p5", ".p+5"),
                (".v1", ".v10000000"),
                (".g0", ".g1000000"),
                (".p5", ".p5.p5"),
            ] {
                assert_eq!(Entry::parse(&name.replacen(from, to, 1)), None);
            }
            assert_eq!(Entry::parse(&name.to_uppercase()), None);
            assert_eq!(Entry::parse(&format!("{name}~")), None);
        }
        let leased = entry(5, |e| ending(Outcome::Expired, Some(lease(e, "agent-7"))));
        assert_eq!(Entry::parse(&leased.to_string()), None, "nobody held it");
        let unheld = entry(5, |_| ending(Outcome::Completed, None));
        assert_eq!(Entry::parse(&unheld.to_string()), None, "somebody completed it");
        for foreign in ["", ".", "README", ".nfs000000000012", "0667c8dd1b2c3"] {
            assert_eq!(Entry::parse(foreign), None);
        }
    }
}
