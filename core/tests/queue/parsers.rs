//! What comes from outside - names, records, words - is tried with thousands of generated texts: nothing panics, what
//! is accepted is what this crate writes, and what it writes is accepted.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::str::FromStr;

use crate::arbitrary::{
    Json, check, damaged, damaged_name, entry, integer, json, nonce, object, queue_name, record, run_id, task_id, text,
    time,
};
use coord_core::entry::{Entry, Outcome, State};
use coord_core::json::BadJson;
use coord_core::layout::{self, TimedDir};
use coord_core::name::{ErrorMessage, Nonce, QueueName, RunId, Tag, Title};
use coord_core::request::Draft;
use coord_core::task::{BadRecord, TaskPolicy};
use coord_core::transition::{Claimant, Command, IfHeld, ParentVerdict, Restart, Verdict, decide};
use coord_core::{JsonObject, Task, TaskId, Timestamp, limits};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

#[test]
fn every_name_reads_back_and_fits_any_filesystem() {
    check(32, entry(), |entry| {
        let name = entry.to_string();
        assert_is_a_name(&name);
        assert_eq!(Entry::parse(&name), Some(entry));
    });
}

#[test]
fn an_accepted_name_is_one_that_would_be_written() {
    check(64, prop_oneof![4 => damaged_name(), 1 => text()], |name| {
        let Some(entry) = Entry::parse(&name) else { return };
        assert_eq!(entry.to_string(), name);
        assert_is_a_name(&name);
        assert!(entry.generation <= limits::GENERATION && entry.attempt <= limits::GENERATION);
        if let Some(lease) = entry.lease() {
            let run_id = lease.holder.run_id();
            assert_eq!(run_id.is_none(), lease.holder.overflows());
            assert!(run_id.is_none_or(|run_id| entry.holder(&run_id) == lease.holder), "another spelling of a holder");
        }
        if let State::Ended(ending) = &entry.state {
            let held = matches!(ending.outcome, Outcome::Completed | Outcome::Failed);
            assert!(!held || ending.lease.is_some(), "an end that nobody can have made");
        }
    });
}

#[test]
fn whatever_is_commanded_the_next_name_reads_back() {
    let read = damaged_name().prop_map(|name| Entry::parse(&name));
    check(32, (prop_oneof![entry().prop_map(Some), read], command(), time()), |(entry, command, now)| {
        entry.and_then(|entry| assert_step(&entry, &command, now));
    });
}

#[test]
fn every_name_on_a_tasks_way_reads_back() {
    check(16, (record(), vec((command(), time()), 1..12)), |(record, commands)| {
        let mut entry = Entry::first(&Task::encode(record).unwrap().0);
        assert_eq!(Entry::parse(&entry.to_string()).as_ref(), Some(&entry));
        for (command, now) in commands {
            entry = assert_step(&entry, &command, now).unwrap_or(entry);
        }
    });
}

#[test]
fn a_task_reads_back_whole() {
    check(16, record(), |record| {
        let (task, bytes) = Task::encode(record).unwrap();
        assert!(bytes.len() <= limits::RECORD_BYTES);
        assert_eq!(Task::decode(task.id, &bytes), Ok(task));
    });
}

#[test]
fn an_altered_bit_or_a_torn_end_never_passes_for_another_task() {
    check(32, (record(), any::<Index>(), 0..8, any::<bool>()), |(record, at, bit, torn)| {
        let (task, mut bytes) = Task::encode(record).unwrap();
        let at = at.index(bytes.len());
        if torn {
            bytes.truncate(at);
        } else {
            bytes[at] ^= 1_u8 << bit;
        }
        match Task::decode(task.id, &bytes) {
            Ok(read) => assert_eq!(Task::encode(read.record).unwrap().0.id, task.id),
            Err(problem) => assert!(!problem.to_string().is_empty()),
        }
    });
}

/// What is behind it is no part of the record.
fn first_line(file: &[u8]) -> &[u8] {
    file.split(|byte| *byte == b'\n').next().unwrap()
}

#[test]
fn an_accepted_record_is_one_that_would_be_written() {
    let words = &[
        ",\"title\":\"again\"",
        ",\"unknown\":[1]",
        "{\"$serde_json::private::RawValue\":\"1\"}",
        "\"\\ud800\"",
        "\u{feff}",
        "1e999",
        "-0",
        "99999999999999999999",
        " ",
    ];
    let texts = damaged(record().prop_map(|record| text_of(Task::encode(record).unwrap().1)), ",", words);
    let bytes = prop_oneof![
        4 => texts.prop_map(String::into_bytes),
        4 => record_of_anything().prop_map(String::into_bytes),
        1 => object().prop_map(|object| object.written("").into_bytes()),
        1 => vec(any::<u8>(), 0..200),
    ];
    check(32, bytes, |bytes| {
        // Filed under the very id that its content has, as somebody may who can compute it.
        let nowhere = TaskId::of_canonical(b"");
        let Err(BadRecord::OtherContent { found }) = Task::decode(nowhere, &bytes) else { return };
        let Ok(task) = Task::decode(found, &bytes) else { return };
        let fields: BTreeMap<String, serde::de::IgnoredAny> = serde_json::from_slice(first_line(&bytes)).unwrap();
        let (written, _) = Task::encode(task.record).unwrap();
        if fields.len() == FIELDS {
            assert_eq!(written.id, found);
        }
    });
}

#[test]
fn json_is_accepted_within_its_limits_and_kept_letter_for_letter() {
    let gap = proptest::sample::select(vec!["", " ", "\n\t\r "]);
    check(64, (prop_oneof![object(), json()], gap), |(json, gap)| {
        let (given, kept) = (json.written(gap), json.written(""));
        let is_object = matches!(json, Json::Object(_));
        match JsonObject::parse(&given) {
            Ok(object) => {
                assert!(is_object && json.depth() <= limits::JSON_DEPTH && !json.has_a_name_twice());
                assert!(given.len() <= limits::JSON_BYTES);
                assert_eq!(object.text(), kept);
                assert_eq!(JsonObject::parse(object.text()), Ok(object));
            }
            Err(BadJson::TooLarge { bytes }) => assert!(bytes == given.len() && bytes > limits::JSON_BYTES),
            Err(BadJson::TooDeep) => assert!(json.depth() > limits::JSON_DEPTH),
            Err(BadJson::NotAnObject { .. }) => assert!(!is_object),
            Err(BadJson::NotTaken { reason }) => assert!(json.has_a_name_twice(), "{reason}"),
            Err(BadJson::Malformed { reason }) => panic!("{reason}"),
        }
    });
}

#[test]
fn what_is_json_is_what_serde_json_says() {
    let words = &["\"\\ud800\"", "\u{feff}", "1e999", "-", "01", "nul", "\"", "{}", "[[[[[[[["];
    let texts = damaged(object().prop_map(|object| object.written("")), ",", words);
    let texts = texts.prop_filter("not the name that `serde_json::Value` keeps for itself", |text| {
        !text.contains('$') && !text.contains("\\u0024")
    });
    check(64, texts, |text| {
        let value: Result<serde_json::Value, serde_json::Error> = serde_json::from_str(&text);
        match JsonObject::parse(&text) {
            Ok(object) => assert_eq!(serde_json::from_str::<serde_json::Value>(object.text()).unwrap(), value.unwrap()),
            Err(BadJson::NotAnObject { .. }) => assert!(!value.unwrap().is_object()),
            Err(BadJson::NotTaken { reason }) => {
                assert!(value.is_err() || reason.contains("occurs twice"), "{reason}")
            }
            Err(BadJson::Malformed { reason }) => assert!(value.is_err(), "{reason}"),
            Err(BadJson::TooLarge { .. } | BadJson::TooDeep) => {}
        }
    });
}

#[test]
fn words_from_outside_are_within_their_limits_and_stay_as_they_are() {
    let words = prop_oneof![
        8 => text(),
        1 => damaged(task_id().prop_map(|id| id.to_string()), ":", &["sha256:", "A"]),
        1 => damaged(nonce().prop_map(|nonce| nonce.to_string()), "0", &["+", "A"]),
        1 => damaged(time().prop_map(|time| time.to_string()), ":", &["+", "Z", "-"]),
        1 => "[é ]{60,66}|[é ]{250,260}|[é ]{505,520}|[é]{4090,4100}",
    ];
    check(64, words, |text| {
        let chars = text.chars().count();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
        let trimmed = !text.is_empty() && text.trim() == text;
        let is_queue = (1..=limits::QUEUE_BYTES).contains(&text.len()) && text.bytes().all(plain);
        assert_eq!(stays::<QueueName>(&text), is_queue);
        assert_eq!(stays::<RunId>(&text), (1..=limits::RUN_ID_CHARS).contains(&chars));
        assert_eq!(stays::<Title>(&text), trimmed && chars <= limits::TITLE_CHARS);
        assert_eq!(stays::<Tag>(&text), trimmed && chars <= limits::TAG_CHARS && !text.contains(','));
        assert_eq!(stays::<ErrorMessage>(&text), chars <= limits::ERROR_CHARS);
        let is_hex = |digits: &str| digits.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
        assert_eq!(stays::<Nonce>(&text), text.len() == 16 && is_hex(&text));
        let is_id = text.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && is_hex(hex));
        assert_eq!(stays::<TaskId>(&text), is_id);
        if let Ok((title, cut_from)) = Title::cut(&text) {
            assert!(stays::<Title>(title.as_str()) && cut_from.is_none_or(|chars| chars > limits::TITLE_CHARS));
        }
        if let Ok((tag, cut_from)) = Tag::cut(&text) {
            assert!(stays::<Tag>(tag.as_str()) && cut_from.is_none_or(|chars| chars > limits::TAG_CHARS));
        }
        match Timestamp::try_from(text.clone()) {
            Ok(at) => assert!(at.to_string() == text && at.micros() <= limits::TIME_MICROS),
            Err(bad) => assert_is_short(&bad),
        }
    });
}

#[test]
fn a_task_that_is_asked_for_is_one_that_can_be_written_or_a_short_complaint_names_what_is_wrong() {
    check(32, draft(), |draft| match draft.check() {
        Ok((new, cuts)) => {
            assert!(limits::PENDING_TTL_SECONDS.contains(&new.ttl_seconds) && new.tags.len() == draft.tags.len());
            let given = [&draft.title].into_iter().chain(&draft.tags);
            let kept = [new.title.as_str()].into_iter().chain(new.tags.iter().map(Tag::as_str));
            let is_cut = |(given, kept): &(&String, &str)| given.trim() != *kept;
            assert_eq!(cuts.len(), given.zip(kept).filter(is_cut).count(), "every cut is told");
            let created_at = Timestamp::from_micros(0);
            let record = new.record(None, created_at);
            let (task, bytes) = Task::encode(record).unwrap();
            assert_eq!(Task::decode(task.id, &bytes), Ok(task));
        }
        Err(bad) => {
            assert!(["bad_args", "bad_payload", "bad_queue"].contains(&bad.code()));
            assert_is_short(&bad.message(|field| field.name().to_string()));
        }
    });
}

#[test]
fn a_task_asked_for_in_json_is_the_one_that_is_described_field_by_field() {
    check(16, (draft(), object()), |(mut draft, payload)| {
        draft.payload = Some(payload.written(""));
        let text = |text: &String| serde_json::Value::from(text.as_str()).to_string();
        let tags: Vec<String> = draft.tags.iter().map(text).collect();
        let mut fields = vec![
            format!("\"title\":{}", text(&draft.title)),
            format!("\"priority\": {}", draft.priority),
            format!("\"payload\": {}", payload.written("")),
            format!("\"tags\":[{}]", tags.join(",")),
        ];
        fields.extend(draft.run_id.as_ref().map(|run_id| format!("\"run_id\":{}", text(run_id))));
        fields.extend(draft.queue.as_ref().map(|queue| format!("\"queue\":{}", text(queue))));
        fields.extend(draft.ttl_seconds.map(|seconds| format!("\"ttl_seconds\":{seconds}")));
        let read: Draft = serde_json::from_str(&format!("{{{}}}", fields.join(","))).unwrap();
        let checked = |draft: &Draft| format!("{:?}", draft.check());
        assert_eq!(checked(&read), checked(&draft));
    });
}

#[test]
fn values_written_as_text_read_back() {
    check(16, (time(), any::<u64>(), task_id(), nonce()), |(time, micros, id, nonce)| {
        for at in [time, Timestamp::from_micros(micros)] {
            assert_eq!(Timestamp::try_from(at.to_string()), Ok(at));
            assert_eq!(layout::parse_sweep_token(&layout::sweep_token(at).name), Some(at));
        }
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(TaskId::from_hex(&id.hex()), Some(id));
        assert_eq!(nonce.to_string().parse(), Ok(nonce));
    });
}

#[test]
fn the_ready_state_dir_sorts_as_tasks_are_claimed() {
    let place = || (integer(), time());
    check(16, (queue_name(), place(), place()), |(queue, (priority, at), (other_priority, other_at))| {
        let bucket = layout::ready_bucket(&queue, priority, at);
        let other = layout::ready_bucket(&queue, other_priority, other_at);
        let names =
            |bucket: &layout::Dir| bucket.as_str().split('/').skip(2).map(String::from).collect::<Vec<String>>();
        if bucket != other {
            assert_eq!(names(&bucket) < names(&other), (other_priority, at) < (priority, other_at));
        }
        let timed = names(&bucket).iter().try_fold(TimedDir::queue(&queue), |timed, name| timed.child(name)).unwrap();
        assert!(timed.is_bucket() && timed.dir == bucket && timed.child("00").is_none());
        let end = timed.filled_until().unwrap();
        assert!(end > at || end.micros() == limits::TIME_MICROS);
        assert!(end.micros_since(at) <= 8_192);
    });
}

#[test]
fn a_directory_is_part_of_a_state_dir_only_if_it_is_spelled_as_one() {
    let names = prop_oneof![text(), "[0-9a-f]{1,20}", damaged("[0-3][0-9a-f]{2}", "0", &["+"])];
    check(32, (queue_name(), time(), names, 0_usize..6), |(queue, at, name, depth)| {
        let bucket = layout::ready_bucket(&queue, 0, at);
        let on_the_way = bucket.as_str().split('/').skip(2).take(depth);
        let timed = on_the_way.fold(TimedDir::queue(&queue), |timed, name| timed.child(name).unwrap());
        let width = [3, 5, 2, 2, 2, 0][depth];
        let is_hex = name.len() == width && name.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
        let largest = [367, (1 << 18) - 1, 127, 127, 127, 0][depth];
        let is_child = depth < 5 && is_hex && u64::from_str_radix(&name, 16).unwrap() <= largest;
        assert_eq!(timed.child(&name).is_some(), is_child, "{name} at {depth}");
        let is_token = name.len() == 13 && name.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
        assert_eq!(layout::parse_sweep_token(&name).is_some(), is_token);
        let is_shard = (1..=2).contains(&name.len()) && name.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
        assert_eq!(layout::is_shard(&name), is_shard);
    });
}

/// How many fields this version knows.
const FIELDS: usize = 8;

/// The fields of a record, some with values that somebody else made up.
fn record_of_anything() -> impl Strategy<Value = String> {
    let odd = prop_oneof![
        2 => text().prop_map(|text| serde_json::Value::from(text).to_string()),
        1 => text().prop_map(|text| serde_json::Value::from(vec![text]).to_string()),
        1 => integer().prop_map(|number| number.to_string()),
        1 => json().prop_map(|json| json.written("")),
    ];
    (record(), vec((any::<Index>(), odd), 1..3)).prop_map(|(record, odd)| {
        let text = text_of(Task::encode(record).unwrap().1);
        let mut fields: BTreeMap<String, Box<serde_json::value::RawValue>> = serde_json::from_str(&text).unwrap();
        for (field, value) in odd {
            let Some(value) = serde_json::value::RawValue::from_string(value).ok() else { continue };
            *fields.values_mut().nth(field.index(FIELDS)).unwrap() = value;
        }
        serde_json::to_string(&fields).unwrap()
    })
}

/// Tasks as people may describe them, every other one as they should.
fn draft() -> impl Strategy<Value = Draft> {
    let often = |good: BoxedStrategy<String>| prop_oneof![4 => good, 1 => text()];
    let queue = proptest::option::of(often(queue_name().prop_map(String::from).boxed()));
    let run_id = proptest::option::of(often(run_id().prop_map(String::from).boxed()));
    let ttl = prop_oneof![8 => limits::PENDING_TTL_SECONDS, 1 => integer()];
    let tags = vec(often("[a-z ]{0,70}[a-z]".boxed()), 0..4);
    let tags = prop_oneof![8 => tags, 1 => vec(Just(String::from("t")), 31..34)];
    let payload = often(object().prop_map(|object| object.written(" ")).boxed());
    let words = (often("[é ]{1,600}x".boxed()), run_id, queue, tags);
    (words, integer(), proptest::option::of(ttl), proptest::option::of(payload)).prop_map(
        |((title, run_id, queue, tags), priority, ttl_seconds, payload)| Draft {
            title,
            priority,
            run_id,
            ttl_seconds,
            payload,
            tags,
            queue,
            ..Draft::default()
        },
    )
}

fn text_of(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

fn command() -> impl Strategy<Value = Command> {
    let claimant = (run_id(), proptest::option::of(nonce())).prop_map(|(run_id, nonce)| Claimant { run_id, nonce });
    // One agent in two is the same, so that some act on what is theirs.
    let agent: RunId = "agent-7".parse().unwrap();
    let claimant = prop_oneof![Just(Claimant { run_id: agent.clone(), nonce: None }), claimant];
    let run_id = || prop_oneof![Just(agent.clone()), run_id()];
    let verdict = prop_oneof![
        Just(Verdict::Complete),
        (policy(), any::<bool>(), any::<u64>()).prop_map(|(policy, is_final, random)| Verdict::Fail {
            policy,
            is_final,
            random
        }),
    ];
    let report = || proptest::option::of(nonce());
    let if_held = proptest::sample::select(vec![IfHeld::Refuse, IfHeld::Request, IfHeld::Force]);
    let restart = prop_oneof![task_id().prop_map(Restart::Blocked), Just(Restart::Planned), Just(Restart::Now)];
    let of_parents =
        prop_oneof![task_id().prop_map(ParentVerdict::WaitFor), Just(ParentVerdict::GoOn), Just(ParentVerdict::Cancel)];
    prop_oneof![
        (run_id(), integer(), nonce()).prop_map(|(run_id, lease_seconds, nonce)| Command::Claim {
            run_id,
            lease_seconds,
            nonce
        }),
        (claimant.clone(), proptest::option::of(integer()), report())
            .prop_map(|(claimant, lease_seconds, report)| Command::Heartbeat { claimant, lease_seconds, report }),
        (claimant.clone(), integer(), policy(), report()).prop_map(|(claimant, delay_seconds, policy, report)| {
            Command::Release { claimant, delay_seconds, policy, report }
        }),
        (claimant, verdict, report()).prop_map(|(claimant, verdict, report)| Command::Settle {
            claimant,
            verdict,
            report
        }),
        (run_id(), if_held, nonce(), report()).prop_map(|(run_id, if_held, nonce, report)| Command::Cancel {
            run_id,
            if_held,
            nonce,
            report
        }),
        (policy(), report()).prop_map(|(policy, report)| Command::Timeout { policy, report }),
        (of_parents, policy(), report()).prop_map(|(verdict, policy, report)| Command::Unblock {
            verdict,
            policy,
            report
        }),
        (policy(), restart).prop_map(|(policy, restart)| Command::Retry { policy, restart }),
    ]
}

fn policy() -> impl Strategy<Value = TaskPolicy> {
    record().prop_map(|record| record.policy())
}

/// Decides, and checks the next name if there is one.
fn assert_step(entry: &Entry, command: &Command, now: Timestamp) -> Option<Entry> {
    let next = decide(entry, command, now).ok()?;
    let name = next.to_string();
    assert_is_a_name(&name);
    assert_eq!(Entry::parse(&name).as_ref(), Some(&next), "{name}");
    assert_eq!(next.version, entry.version + 1);
    assert_eq!((next.id, next.created_at, next.priority), (entry.id, entry.created_at, entry.priority));
    let taken = matches!(command, Command::Claim { .. });
    assert_eq!(next.generation, entry.generation + u32::from(taken));
    let released = matches!(command, Command::Release { .. }) && !matches!(next.state, State::Ended(_));
    // A name that somebody forged may tell of a holder without an attempt.
    let counted = (entry.attempt + u32::from(taken)).saturating_sub(u32::from(released));
    assert_eq!(next.attempt, if matches!(command, Command::Retry { .. }) { 0 } else { counted });
    Some(next)
}

fn assert_is_a_name(name: &str) {
    assert!(name.len() <= limits::NAME_BYTES, "{} bytes: {name}", name.len());
    assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._~%-".contains(&byte)), "{name}");
}

/// True if the text is accepted; then it is also what is written.
fn stays<T: FromStr + Display>(text: &str) -> bool
where
    T::Err: Display + Debug,
{
    match text.parse::<T>() {
        Ok(value) => {
            assert_eq!(value.to_string(), text);
            true
        }
        Err(bad) => {
            assert_is_short(&bad);
            false
        }
    }
}

/// A message quotes the start of what was given, however long that was.
fn assert_is_short(message: &impl Display) {
    let chars = message.to_string().chars().count();
    assert!((1..1_200).contains(&chars), "{chars} characters: {message}");
}
