//! An entry as a name, and back.

use alloc::string::{String, ToString};
use core::fmt;

use super::{Ending, Entry, Holder, Lease, Outcome, QueueLabel, State, fits};
use crate::id::TaskId;
use crate::limits;
use crate::name::{Nonce, QueueName};
use crate::spelling::{Hex, escaped, is_lower_hex, unescaped};
use crate::tags::TagSet;
use crate::time::Timestamp;
use crate::time_index::{TIME_BYTES, Time};

impl Entry {
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

impl Outcome {
    fn parse(word: &str) -> Option<Outcome> {
        [Outcome::Completed, Outcome::Failed, Outcome::Cancelled, Outcome::Expired]
            .into_iter()
            .find(|outcome| outcome.as_str() == word)
    }
}

impl Holder {
    fn parse(text: &str) -> Option<Holder> {
        let good = match text.strip_prefix('~') {
            Some(digest) => digest.len() == DIGEST_BYTES && digest.bytes().all(is_lower_hex),
            None => unescaped(text).is_some_and(|run_id| !run_id.is_empty() && escaped(&run_id) == text),
        };
        good.then(|| Holder(text.to_string()))
    }
}

impl QueueLabel {
    fn parse(text: &str) -> Option<QueueLabel> {
        let good = match text.strip_prefix('~') {
            Some(digits) => digits.len() == limits::QUEUE_LABEL_BYTES - 1 && digits.bytes().all(is_lower_hex),
            None => text.len() <= limits::QUEUE_LABEL_BYTES && text.parse::<QueueName>().is_ok(),
        };
        good.then(|| QueueLabel(text.to_string()))
    }
}

/// The unread rest of a name whose fields are separated by dots.
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
    use crate::name::RunId;
    use alloc::format;
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
