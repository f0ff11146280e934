//! Generated inputs: what the queue writes, what is nearly that, and what is not that at all.
//!
//! Strategies are boxed where they are parts of others: what they are made of would not fit the stack of a test that
//! was not optimised.
//!
//! A property is tried some thousands of times. `PROPTEST_CASES=100000 cargo test -p coord-core --test queue parsers`
//! tries it four hundred times as often; 256 is what a plain run counts as.

use coord_core::entry::{Ending, Entry, Lease, Outcome, QueueLabel, State};
use coord_core::name::{Nonce, QueueName, RunId, Tag, Title};
use coord_core::queue::{NewTask, Plan, Start};
use coord_core::tags::TagSet;
use coord_core::task::{Backoff, IfParentFails, Record};
use coord_core::{JsonObject, TaskId, Timestamp, limits};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;

/// Tries `property` on `times` as many values as `PROPTEST_CASES` says, and shows the smallest that breaks it.
pub fn check<S: Strategy>(times: u32, strategy: S, property: impl Fn(S::Value)) {
    let usual = ProptestConfig::default();
    let cases = usual.cases.saturating_mul(times);
    // No file with what failed is left behind, and a long run may pass over as many unfit values as it meets.
    let config = ProptestConfig { cases, failure_persistence: None, max_local_rejects: u32::MAX, ..usual };
    let holds = TestRunner::new(config).run(&strategy, |value| {
        property(value);
        Ok(())
    });
    holds.unwrap_or_else(|broken| panic!("{broken}"));
}

/// Characters that mean something in a name, in JSON or to a terminal, and any others.
pub fn letter() -> impl Strategy<Value = char> {
    let meaning = "0123456789abcdefgpvxhnr.~%-_+ACZ \"\\{}[]:,\0\t\n\u{7f}\u{9b}\u{202e}\u{feff}é漢👩".chars();
    prop_oneof![4 => select(meaning.collect::<Vec<char>>()), 1 => any::<char>()]
}

/// Any text, short as a rule.
pub fn text() -> BoxedStrategy<String> {
    let of = |chars: std::ops::Range<usize>| vec(letter(), chars).prop_map(String::from_iter);
    let bytes = vec(any::<u8>(), 0..40).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    prop_oneof![6 => of(0..24), 1 => of(0..700), 2 => bytes, 2 => "[a-zA-Z0-9_.-]{1,70}", 1 => Just(String::new())]
        .boxed()
}

/// Any time, and above all the first and the last.
pub fn time() -> impl Strategy<Value = Timestamp> {
    let micros = prop_oneof![
        Just(0),
        Just(limits::TIME_MICROS),
        0..=limits::TIME_MICROS,
        1_795_336_200_000_000_u64..1_795_336_201_000_000,
    ];
    micros.prop_map(Timestamp::from_micros)
}

/// Any number, and above all the extremes.
pub fn integer() -> impl Strategy<Value = i64> {
    prop_oneof![Just(i64::MIN), Just(i64::MAX), -9_i64..10, any::<i64>()]
}

pub fn nonce() -> impl Strategy<Value = Nonce> {
    any::<u64>().prop_map(Nonce::from_bits)
}

pub fn task_id() -> impl Strategy<Value = TaskId> {
    any::<[u8; 4]>().prop_map(|seed| TaskId::of_canonical(&seed))
}

pub fn run_id() -> BoxedStrategy<RunId> {
    let texts =
        prop_oneof![select(vec!["agent-7", "~", "..", "%41", "r0123456789abcdef"]).prop_map(String::from), text()];
    texts
        .prop_filter_map("1 to 256 characters", |text| {
            text.chars().take(limits::RUN_ID_CHARS).collect::<String>().parse().ok()
        })
        .boxed()
}

pub fn queue_name() -> impl Strategy<Value = QueueName> {
    "default|[A-Za-z0-9_-]{1,64}".prop_map(|text| text.parse().unwrap())
}

/// Any entry that the format of names allows.
pub fn entry() -> BoxedStrategy<Entry> {
    let count =
        || prop_oneof![0_u32..4, Just(limits::GENERATION - 1), Just(limits::GENERATION), 0..=limits::GENERATION];
    let version = prop_oneof![1_u32..5, Just(limits::VERSION - 1), Just(limits::VERSION), 0..=limits::VERSION];
    let numbers = (integer(), version, count(), count());
    let lease = (run_id(), time(), time(), time(), nonce());
    let rest = (time(), proptest::option::of(nonce()), tags(), task_id(), proptest::option::of(queue_name()));
    (task_id(), time(), numbers, 0..11, lease, rest)
        .prop_map(|(id, created_at, numbers, state, lease, rest)| {
            let (priority, version, generation, attempt) = numbers;
            let (run_id, claimed_at, heartbeat_at, expires_at, nonce) = lease;
            let (ended_at, report, tags, on, queue) = rest;
            let tags = TagSet::of(&tags);
            let scheduled = State::Scheduled { due: expires_at };
            // Other names do not tell it.
            let queue = queue.filter(|_| (2..=3).contains(&state)).map(|queue| QueueLabel::of(&queue));
            let state_at_first = scheduled.clone();
            let first =
                Entry { id, created_at, priority, version, generation, attempt, state: state_at_first, report, queue };
            let lease = Lease { holder: first.holder(&run_id), claimed_at, heartbeat_at, expires_at, nonce };
            let ended = |outcome, lease| State::Ended(Ending { outcome, ended_at, lease });
            let state = match state {
                0 => State::Ready { pending_until: expires_at, tags },
                1 => State::TimedOut { lease, tags },
                2 => State::Claimed(lease),
                3 => State::Cancelling(lease),
                4 => scheduled,
                5 => State::Blocked { on },
                6 => ended(Outcome::Completed, Some(lease)),
                7 => ended(Outcome::Failed, Some(lease)),
                8 => ended(Outcome::Cancelled, Some(lease)),
                9 => ended(Outcome::Cancelled, None),
                _ => ended(Outcome::Expired, None),
            };
            Entry { state, ..first }
        })
        .boxed()
}

/// Any record that `enqueue` writes.
pub fn record() -> BoxedStrategy<Record> {
    let title = text().prop_filter_map("a visible character", |text| Some(Title::cut(&text).ok()?.0));
    let ttl = prop_oneof![limits::PENDING_TTL_SECONDS, Just(*limits::PENDING_TTL_SECONDS.end())];
    let words = (title, queue_name(), run_id(), tags());
    let payload = object().prop_filter_map("no name twice", |object| JsonObject::parse(&object.written("")).ok());
    (words, integer(), ttl, time(), payload, plan())
        .prop_map(|(words, priority, ttl_seconds, created_at, payload, plan)| {
            let (title, queue, created_by, tags) = words;
            NewTask { title, priority, queue, ttl_seconds, created_by, tags, plan, payload }.record(None, created_at)
        })
        .boxed()
}

/// The tags of a task.
pub fn tags() -> impl Strategy<Value = Vec<Tag>> {
    vec(text().prop_filter_map("a visible character, no comma", |text| Some(Tag::cut(&text).ok()?.0)), 0..4)
}

/// Half of them plain, half of them with all that a plan can say.
pub fn plan() -> impl Strategy<Value = Plan> {
    let backoff = (limits::BACKOFF_SECONDS, limits::BACKOFF_SECONDS)
        .prop_map(|(seconds, max_seconds)| Backoff { seconds, max_seconds });
    let start =
        prop_oneof![Just(Start::Now), limits::DELAY_SECONDS.prop_map(Start::After), time().prop_map(Start::At),];
    let key = text().prop_filter_map("1 to 256 characters", |text| text.parse().ok());
    let fields = (
        proptest::option::of(1_u32..1_000),
        proptest::option::of(backoff),
        start,
        vec(task_id(), 0..3),
        proptest::option::of(select(IfParentFails::ALL.to_vec())),
        proptest::option::of(key),
    );
    let full = fields.prop_map(|(max_attempts, backoff, start, after, if_parent_fails, unique)| Plan {
        max_attempts,
        backoff,
        start,
        after,
        if_parent_fails,
        unique,
    });
    prop_oneof![Just(Plan::default()), full]
}

/// JSON as somebody may write it, whose meaning is known without a parser.
#[derive(Clone, Debug)]
pub enum Json {
    /// A number or a word.
    Bare(String),
    /// A string: what it says, and how it is spelled.
    Text(Spelled),
    List(Vec<Json>),
    Object(Vec<(Spelled, Json)>),
}

#[derive(Clone, Debug)]
pub struct Spelled {
    pub meaning: String,
    literal: String,
}

impl Json {
    /// The JSON text, with `gap` wherever white space may be.
    pub fn written(&self, gap: &str) -> String {
        let inside = match self {
            Json::Bare(word) => word.clone(),
            Json::Text(text) => text.literal.clone(),
            Json::List(items) => {
                let items: Vec<String> = items.iter().map(|item| item.written(gap)).collect();
                format!("[{gap}{}]", items.join(","))
            }
            Json::Object(fields) => {
                let field =
                    |(name, value): &(Spelled, Json)| format!("{gap}{}{gap}:{}", name.literal, value.written(gap));
                let fields: Vec<String> = fields.iter().map(field).collect();
                format!("{{{gap}{}}}", fields.join(","))
            }
        };
        format!("{gap}{inside}{gap}")
    }

    /// How many lists and objects enclose the innermost value.
    pub fn depth(&self) -> usize {
        match self {
            Json::Bare(_) | Json::Text(_) => 0,
            Json::List(items) => 1 + items.iter().map(Json::depth).max().unwrap_or(0),
            Json::Object(fields) => 1 + fields.iter().map(|(_, value)| value.depth()).max().unwrap_or(0),
        }
    }

    /// True if an object in it has one name twice.
    pub fn has_a_name_twice(&self) -> bool {
        match self {
            Json::Bare(_) | Json::Text(_) => false,
            Json::List(items) => items.iter().any(Json::has_a_name_twice),
            Json::Object(fields) => {
                let names: std::collections::HashSet<&str> =
                    fields.iter().map(|(name, _)| name.meaning.as_str()).collect();
                names.len() < fields.len() || fields.iter().any(|(_, value)| value.has_a_name_twice())
            }
        }
    }
}

/// Any JSON, at times nested deeper than is allowed.
pub fn json() -> BoxedStrategy<Json> {
    let numbers = ["0", "-0", "1.50", "1E+2", "12345678901234567890123", "-1e-400", "9007199254740993", "1e308"];
    let words = select(numbers.into_iter().chain(["true", "false", "null"]).collect::<Vec<&str>>());
    let bare = prop_oneof![words.prop_map(String::from), integer().prop_map(|number| number.to_string())];
    let bucket = prop_oneof![bare.prop_map(Json::Bare), spelled().prop_map(Json::Text)];
    let tree = bucket.prop_recursive(4, 24, 5, |inner| {
        let fields = vec((spelled(), inner.clone()), 0..5);
        prop_oneof![vec(inner, 0..5).prop_map(Json::List), fields.prop_map(Json::Object)]
    });
    let wraps = prop_oneof![8 => 0_usize..2, 1 => 118_usize..140];
    (tree, wraps).prop_map(|(tree, wraps)| (0..wraps).fold(tree, |inner, _| Json::List(vec![inner]))).boxed()
}

/// Any JSON object.
pub fn object() -> BoxedStrategy<Json> {
    vec((spelled(), json()), 0..4).prop_map(Json::Object).boxed()
}

fn spelled() -> impl Strategy<Value = Spelled> {
    // What a JSON library keeps for itself is a name like any other to those who write JSON.
    let words = select(vec!["", "a", "b", "title", "priority", "$serde_json::private::RawValue", "\u{0}", "👩"]);
    let texts = prop_oneof![3 => words.prop_map(String::from), 1 => vec(letter(), 0..6).prop_map(String::from_iter)];
    (texts, any::<bool>()).prop_map(|(meaning, escape_all)| {
        let units = |c: char| c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04X}")).collect();
        let spell = |c: char| if escape_all || c < ' ' || "\"\\".contains(c) { units(c) } else { String::from(c) };
        Spelled { literal: format!("\"{}\"", meaning.chars().map(spell).collect::<String>()), meaning }
    })
}

/// One thing that can happen to a text on its way.
#[derive(Clone, Debug)]
enum Damage {
    Delete(Index),
    Insert(Index, char),
    Replace(Index, char),
    CutAt(Index),
    SwapFields(Index, Index),
    RepeatField(Index),
    DropField(Index),
    InsertText(Index, &'static str),
}

/// The text after up to three things happened to it. Fields are what stands between `separator`s.
pub fn damaged(
    texts: impl Strategy<Value = String>,
    separator: &'static str,
    words: &'static [&'static str],
) -> impl Strategy<Value = String> {
    let at = || any::<Index>();
    let damage = prop_oneof![
        at().prop_map(Damage::Delete),
        (at(), letter()).prop_map(|(at, c)| Damage::Insert(at, c)),
        (at(), letter()).prop_map(|(at, c)| Damage::Replace(at, c)),
        at().prop_map(Damage::CutAt),
        (at(), at()).prop_map(|(one, other)| Damage::SwapFields(one, other)),
        at().prop_map(Damage::RepeatField),
        at().prop_map(Damage::DropField),
        (at(), select(words)).prop_map(|(at, word)| Damage::InsertText(at, word)),
    ];
    (texts, vec(damage, 1..4))
        .prop_map(move |(text, damages)| damages.iter().fold(text, |text, damage| damage.done_to(&text, separator)))
}

impl Damage {
    fn done_to(&self, text: &str, separator: &str) -> String {
        let mut chars: Vec<char> = text.chars().collect();
        let mut fields: Vec<&str> = text.split(separator).collect();
        match self {
            Damage::Delete(at) if !chars.is_empty() => {
                chars.remove(at.index(chars.len()));
            }
            Damage::Insert(at, c) => chars.insert(at.index(chars.len() + 1), *c),
            Damage::Replace(at, c) if !chars.is_empty() => {
                let at = at.index(chars.len());
                chars[at] = *c;
            }
            Damage::Delete(_) | Damage::Replace(..) => {}
            Damage::CutAt(at) => chars.truncate(at.index(chars.len() + 1)),
            Damage::InsertText(at, word) => {
                let at = at.index(chars.len() + 1);
                chars.splice(at..at, word.chars());
            }
            Damage::SwapFields(one, other) => {
                let (one, other) = (one.index(fields.len()), other.index(fields.len()));
                fields.swap(one, other);
                return fields.join(separator);
            }
            Damage::RepeatField(at) => {
                let at = at.index(fields.len());
                fields.insert(at, fields[at]);
                return fields.join(separator);
            }
            Damage::DropField(at) => {
                fields.remove(at.index(fields.len()));
                return fields.join(separator);
            }
        }
        String::from_iter(chars)
    }
}

/// The name of an entry, after something happened to it.
pub fn damaged_name() -> impl Strategy<Value = String> {
    let words = &[
        ".p+5",
        "0",
        "%2F",
        "%2f",
        ".r0000000000000007",
        "~0123456789abcdef0123",
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
    ];
    damaged(entry().prop_map(|entry| entry.to_string()), ".", words)
}
