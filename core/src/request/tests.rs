//! Accepted and refused values, and the messages.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::new_task::FIELDS;
use super::*;
use crate::name::{BadName, Tag};
use crate::queue::{ClaimRequest, Filter, Plan, Queue, Sort, Start, Status, Step, WaitingClaim};
use crate::store::mem::MemStore;
use crate::task::{Backoff, IfParentFails};
use crate::turn::Turn;

fn name_of(field: Field) -> String {
    let name = match field {
        Field::RunId => "<run id>",
        Field::TtlSeconds => "<ttl>",
        Field::LeaseSeconds => "<lease>",
        Field::WaitSeconds => "<wait>",
        Field::Limit => "<limit>",
        Field::MaxAttempts => "<attempts>",
        Field::BackoffSeconds => "<backoff>",
        Field::DelaySeconds => "<delay>",
        Field::After => "<after>",
        Field::IfParentFails => "<if parent fails>",
        Field::Payload => "<payload>",
        Field::Result => "<result>",
        Field::Error => "<error>",
        other => other.name(),
    };
    name.to_string()
}

fn text(text: &str) -> Option<String> {
    Some(text.to_string())
}

fn titled(title: &str) -> Draft {
    Draft { title: title.to_string(), ..Draft::default() }
}

#[track_caller]
fn assert_refused<T: fmt::Debug>(checked: Result<T, BadRequest>, code: &str, message: &str) {
    let bad = checked.unwrap_err();
    assert_eq!((bad.code(), bad.message(name_of).as_str()), (code, message));
}

/// True if the claim waits for so long and no longer.
fn waits(mut claim: WaitingClaim, seconds: u64) -> bool {
    let queue = Queue::open(MemStore::new()).unwrap();
    let now = Timestamp::from_micros(0);
    let mut ends_after =
        |elapsed| matches!(claim.step(&queue, elapsed, &Turn::new(&now, Nonce::from_bits(0))).unwrap(), Step::Done(_));
    let end = Duration::from_secs(seconds);
    (seconds == 0 || !ends_after(end - Duration::from_millis(1))) && ends_after(end)
}

#[test]
fn what_is_left_out_has_its_default() {
    let (new, cuts) = titled("Fix it").check().unwrap();
    assert_eq!((new.title.as_str(), new.priority, new.queue.as_str()), ("Fix it", 0, "default"));
    assert_eq!((new.ttl_seconds, new.created_by.as_str(), new.payload.text()), (86_400, "unknown", "{}"));
    assert!(new.tags.is_empty() && cuts.is_empty());

    let claim = ClaimDraft { run_id: text("a"), ..ClaimDraft::default() }.check().unwrap();
    assert_eq!((claim.request().lease_seconds, claim.request().queues.len()), (3_600, 0));
    assert!(claim.request().choice.is_any() && new.plan == Plan::default());
    assert!(waits(claim, 0));

    let Filter { status, queue, run_id, limit, .. } = FilterDraft::default().check().unwrap();
    assert_eq!((status, queue, run_id, limit), (None, None, None, 200));
    assert_eq!((lease_seconds(None), claim_nonce(None)), (Ok(None), Ok(None)));
}

#[test]
fn what_is_given_is_what_is_asked_for() {
    let draft = Draft {
        title: " Fix it ".to_string(),
        priority: i64::MIN,
        run_id: text("boss"),
        ttl_seconds: Some(60),
        payload: text("{ \"n\": 1.10 }"),
        tags: vec![" a b ".to_string(), "c".to_string()],
        queue: text("hotfix"),
        max_attempts: Some(3),
        backoff_seconds: Some(500),
        backoff_max_seconds: None,
        delay_seconds: None,
        at: text("2026-11-24T19:00:00.5+01:00"),
        after: vec![TaskId::of_canonical(b"{}").to_string(); 2],
        if_parent_fails: text("run"),
        unique: text("nightly"),
    };
    let (new, cuts) = draft.check().unwrap();
    assert_eq!((new.title.as_str(), new.priority, new.queue.as_str()), ("Fix it", i64::MIN, "hotfix"));
    assert_eq!((new.ttl_seconds, new.created_by.as_str(), new.payload.text()), (60, "boss", "{\"n\":1.10}"));
    assert_eq!(new.tags.iter().map(Tag::as_str).collect::<Vec<&str>>(), ["a b", "c"]);
    assert!(cuts.is_empty(), "{cuts:?}");
    let plan = Plan {
        max_attempts: Some(3),
        backoff: Some(Backoff { seconds: 500, max_seconds: 500 }),
        start: Start::At(Timestamp::try_from("2026-11-24T18:00:00.500000+00:00".to_string()).unwrap()),
        after: vec![TaskId::of_canonical(b"{}")],
        if_parent_fails: Some(IfParentFails::Run),
        unique: "nightly".parse().ok(),
    };
    assert_eq!(new.plan, plan);

    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let draft = ClaimDraft {
        run_id: text("a"),
        lease_seconds: Some(7),
        wait_seconds: Some(5),
        queues: words(&["hotfix", "q"]),
        tags: words(&["x"]),
        any_tags: words(&["y"]),
        exclude_tags: words(&["z"]),
    };
    let claim = draft.check().unwrap();
    let ClaimRequest { run_id, queues, choice, lease_seconds } = claim.request();
    assert_eq!((run_id.as_str(), queues.len(), *lease_seconds), ("a", 2, 7));
    assert_eq!([&choice.all, &choice.any, &choice.none].map(|tags| tags[0].as_str()), ["x", "y", "z"]);
    assert!(waits(claim, 5));

    let draft = FilterDraft {
        status: Some(Status::Failed),
        queue: text("q"),
        run_id: text("a"),
        limit: Some(3),
        sort: text("-ended"),
        since: text("1970-01-01T00:00:01Z"),
        ..FilterDraft::default()
    };
    let Filter { status, queue, run_id, limit, sort, since, .. } = draft.check().unwrap();
    assert_eq!((sort, since), (Sort::EndedLast, Some(Timestamp::from_micros(1_000_000))));
    let given = (Some(Status::Failed), "q".parse().ok(), "a".parse().ok(), 3);
    assert_eq!((status, queue, run_id, limit), given);
    assert_eq!(claim_nonce(Some("000000000000feed")), Ok(Some(Nonce::from_bits(0xfeed))));
    assert_eq!(error("").unwrap().as_str(), "");
}

#[test]
fn a_task_is_checked_in_the_order_of_its_fields_and_each_is_named_as_the_face_does() {
    let mut draft = Draft {
        run_id: text(""),
        ttl_seconds: Some(0),
        payload: text(&"x".repeat(limits::JSON_BYTES + 1)),
        tags: vec!["a,b".to_string(); 33],
        queue: text("a/b"),
        ..titled(" ")
    };
    assert_refused(draft.check(), "bad_args", "title must be non-empty: describe the work in a few words");
    draft.title = "t".to_string();
    assert_refused(draft.check(), "bad_args", "<run id> must not be empty: give each agent a name of its own");
    draft.run_id = text(&"r".repeat(257));
    assert_refused(draft.check(), "bad_args", "<run id> is too long (257 characters; max 256)");
    draft.run_id = None;
    assert_refused(draft.check(), "bad_args", "<ttl> must be between 1 and 315360000, got 0");
    draft.ttl_seconds = None;
    assert_refused(draft.check(), "bad_args", "<payload> is too large (65537 bytes; max 65536)");
    draft.payload = text("[]");
    let message = "invalid <payload>: it must be a JSON object like {\"key\": 1}, not an array";
    assert_refused(draft.check(), "bad_payload", message);
    draft.payload = None;
    assert_refused(draft.check(), "bad_args", "too many tags: 33 (max 32)");
    draft.tags.truncate(32);
    let message = "invalid tag \"a,b\": it needs a visible character and no comma";
    assert_refused(draft.check(), "bad_args", message);
    draft.tags.clear();
    let message = "invalid queue name \"a/b\": use 1 to 64 letters, digits, '_' or '-'";
    assert_refused(draft.check(), "bad_queue", message);
    draft.queue = None;
    assert!(draft.check().is_ok());
}

#[test]
fn a_claim_is_checked_in_the_order_of_its_fields() {
    let mut draft = ClaimDraft {
        run_id: None,
        lease_seconds: Some(0),
        wait_seconds: Some(-1),
        queues: vec!["a/b".to_string()],
        ..ClaimDraft::default()
    };
    assert_eq!(draft.check().unwrap_err(), BadRequest::NoRunId);
    draft.run_id = text("a");
    assert_eq!(draft.check().unwrap_err(), Field::LeaseSeconds.out_of_range("0"));
    draft.lease_seconds = None;
    assert_eq!(draft.check().unwrap_err(), Field::WaitSeconds.out_of_range("-1"));
    draft.wait_seconds = None;
    assert_eq!(draft.check().unwrap_err().code(), "bad_queue");
    draft.queues.clear();
    assert!(draft.check().is_ok());
}

#[test]
fn a_filter_is_checked_in_the_order_of_its_fields() {
    let mut draft = FilterDraft { queue: text("a/b"), run_id: text(""), limit: Some(0), ..FilterDraft::default() };
    assert_eq!(draft.check().unwrap_err().code(), "bad_queue");
    draft.queue = None;
    assert_eq!(draft.check().unwrap_err(), BadRequest::Name(BadName::RunIdEmpty));
    draft.run_id = None;
    assert_eq!(draft.check().unwrap_err(), Field::Limit.out_of_range("0"));
    draft.limit = None;
    assert!(draft.check().is_ok());
}

#[test]
fn a_plan_says_what_is_wrong_with_it() {
    let refused = |draft: Draft, message: &str| assert_refused(draft.check(), "bad_args", message);
    refused(
        Draft { backoff_seconds: Some(1), ..titled("t") },
        "<backoff> is for tasks with several attempts: give <attempts> too",
    );
    refused(
        Draft { delay_seconds: Some(1), at: text("2026-11-24T18:00:00Z"), ..titled("t") },
        "a delay and a start time exclude each other: give one of them",
    );
    refused(
        Draft { at: text("tomorrow"), ..titled("t") },
        "invalid time \"tomorrow\": give a time like 2026-11-24T18:00:00Z",
    );
    refused(
        Draft { if_parent_fails: text("explode"), ..titled("t") },
        "<if parent fails> must be block, cancel or run, got \"explode\"",
    );
    refused(
        Draft { after: vec![String::new(); 1_001], ..titled("t") },
        "too many tasks to wait for: 1001 (max 1000); wait for another task that waits for them",
    );
    let bad = Draft { after: vec!["x".to_string()], ..titled("t") }.check().unwrap_err();
    assert_eq!(bad.code(), "bad_task_id");
    refused(Draft { unique: text(""), ..titled("t") }, "a unique key must have 1 to 256 characters, got 0");
    assert_refused(progress(Some(1.5), None), "bad_args", "progress must be between 0 and 1, got 1.5");
    assert_eq!(progress(None, None), Ok(None));
}

#[test]
fn a_duration_is_a_number_of_seconds_or_of_a_unit() {
    let taken = [("90", 90), ("30s", 30), ("15m", 900), ("2h", 7_200), ("7d", 604_800), ("-1", -1)];
    let sums = [("1h30m", 5_400), ("1d1s", 86_401), ("2m05s", 125), ("-1h30m", -5_400)];
    for (text, number) in taken.into_iter().chain(sums) {
        assert_eq!(Field::TtlSeconds.seconds(text), Ok(number));
    }
    for bad in ["", "s", "1w", "1.5h", "1 h", "é", "-", "--1", "1e3", "30m1h", "1h1h", "1h30", "1h-30m", "h1"] {
        let message = format!(
            "invalid duration {bad:?}: give seconds, or numbers with s, m, h or d, like 90, 30s, 15m, 1h30m or 7d"
        );
        assert_refused(Field::TtlSeconds.seconds(bad), "bad_args", &message);
    }
}

#[test]
fn a_number_beyond_64_bits_is_out_of_its_range_and_not_ill_formed() {
    for given in ["9223372036854775808", "-9223372036854775809", "99999999999999999999"] {
        let message = format!("<limit> must be between 1 and 10000, got {given}");
        assert_refused(Field::Limit.whole(given), "bad_args", &message);
    }
    for given in [
        "9223372036854775807d",
        "9999999999999999d",
        "-99999999999999999999s",
        "9999999999999999999",
        "9999999999999999d1s",
    ] {
        let message = format!("<ttl> must be between 1 and 315360000, got {given}");
        assert_refused(Field::TtlSeconds.seconds(given), "bad_args", &message);
    }
    let long = "9".repeat(100_000);
    let message = Field::Limit.whole(&long).unwrap_err().message(name_of);
    assert!(message.len() < 200, "a long value is quoted short");
    for (given, number) in [("5", 5), ("-5", -5), ("+5", 5), ("007", 7)] {
        assert_eq!(Field::Limit.whole(given), Ok(number));
    }
    for bad in ["", "x", "1.5", "1e3", "0x1", "+-1"] {
        let message = format!("invalid number {bad:?}: give a whole number, like 5");
        assert_refused(Field::Limit.whole(bad), "bad_args", &message);
    }
}

#[test]
fn each_number_is_taken_within_its_limits_and_named_with_them_beyond() {
    let by = || ClaimDraft { run_id: text("a"), ..ClaimDraft::default() };
    let ttl = |seconds| Draft { ttl_seconds: Some(seconds), ..titled("t") }.check().map(drop);
    let lease = |seconds| ClaimDraft { lease_seconds: Some(seconds), ..by() }.check().map(drop);
    let renewed = |seconds| lease_seconds(Some(seconds)).map(drop);
    let wait = |seconds| ClaimDraft { wait_seconds: Some(seconds), ..by() }.check().map(drop);
    let limit = |items| FilterDraft { limit: Some(items), ..FilterDraft::default() }.check().map(drop);
    type Check<'a> = &'a dyn Fn(i64) -> Result<(), BadRequest>;
    let checks: [(Check<'_>, i64, i64, &str); 5] = [
        (&ttl, 1, 315_360_000, "<ttl>"),
        (&lease, 1, 86_400, "<lease>"),
        (&renewed, 1, 86_400, "<lease>"),
        (&wait, 0, 3_600, "<wait>"),
        (&limit, 1, 10_000, "<limit>"),
    ];
    for (check, least, most, word) in checks {
        assert_eq!((check(least), check(most)), (Ok(()), Ok(())));
        for beyond in [i64::MIN, least - 1, most + 1, i64::MAX] {
            let message = format!("{word} must be between {least} and {most}, got {beyond}");
            assert_refused(check(beyond), "bad_args", &message);
        }
    }
}

#[test]
fn a_value_by_itself_is_refused_with_its_name_and_its_code() {
    let message = "<run id> is missing: name the agent that acts, in 1 to 256 characters";
    assert_refused(run_id(None), "bad_args", message);
    let message = "invalid <result>: it must be a JSON object like {\"key\": 1}, not a number";
    assert_refused(result("7"), "bad_args", message);
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(limits::JSON_BYTES));
    assert_refused(result(&large), "bad_args", "<result> is too large (65544 bytes; max 65536)");
    // The size of a result counts after its content.
    let message = "invalid <result>: nested too deep (max 124 levels)";
    assert_refused(result(&"[".repeat(65_537)), "bad_args", message);
    assert_refused(error(&"e".repeat(4_097)), "bad_args", "<error> is too long (4097 characters; max 4096)");
    assert_eq!(task_id("../x").unwrap_err().code(), "bad_task_id");
    assert_eq!(claim_nonce(Some("7")).unwrap_err().code(), "bad_args");
}

#[test]
fn what_is_cut_is_told() {
    let tags = vec!["short".to_string(), "é".repeat(65)];
    let draft = Draft { tags, ..titled(&"t".repeat(513)) };
    let (new, cuts) = draft.check().unwrap();
    assert_eq!(new.title.as_str(), "t".repeat(512));
    let tag = format!("tag {:?} was cut from 65 to 64 characters", "é".repeat(64));
    assert_eq!(cuts, ["title was cut from 513 to 512 characters", &tag]);
}

#[test]
fn a_draft_is_read_from_json_and_its_payload_stays_as_it_stands_there() {
    let json = r#"{"title":"t","payload": {"big":12345678901234567890123,"money":1.10,"e":1E+2} ,"tags":["a"]}"#;
    let draft: Draft = serde_json::from_str(json).unwrap();
    assert_eq!(draft.payload.as_deref(), Some(r#"{"big":12345678901234567890123,"money":1.10,"e":1E+2}"#));
    assert_eq!((draft.title.as_str(), draft.tags.len(), draft.priority), ("t", 1, 0));
    let read =
        |json| serde_json::from_str::<Draft>(json).map(|draft| draft.check().map(drop).map_err(|bad| bad.code()));
    assert_eq!(read(r#"{"title":"t","payload":[1]}"#).unwrap(), Err("bad_payload"));
    assert_eq!(read(r#"{"title":"t","payload":null,"queue":null}"#).unwrap(), Ok(()), "null is as left out");
    assert_eq!(read("{}").unwrap(), Err("bad_args"), "a title is wanted");
    for wrong in [r#"{"title":"t","titel":"u"}"#, r#"{"title":7}"#, r#"{"title":"t","ttl_seconds":1.5}"#] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
    let claim: ClaimDraft = serde_json::from_str(r#"{"run_id":"a","wait_seconds":5}"#).unwrap();
    assert_eq!((claim.run_id.as_deref(), claim.wait_seconds), (Some("a"), Some(5)));
    assert!(serde_json::from_str::<ClaimDraft>(r#"{"wait":5}"#).is_err());
    assert!(serde_json::from_str::<FilterDraft>(r#"{"state":"failed"}"#).is_err());
}

#[test]
fn a_filter_refuses_a_tag_that_no_task_can_have_for_its_length() {
    let (long, named) = ("é".repeat(65), "é".repeat(65));
    let message = format!("tag \"{named}\" is too long (65 characters; max 64): give its first 64 characters");
    let tags = || vec![long.clone()];
    let by = || ClaimDraft { run_id: text("a"), ..ClaimDraft::default() };
    assert_refused(ClaimDraft { tags: tags(), ..by() }.check(), "bad_args", &message);
    assert_refused(ClaimDraft { any_tags: tags(), ..by() }.check(), "bad_args", &message);
    assert_refused(ClaimDraft { exclude_tags: tags(), ..by() }.check(), "bad_args", &message);
    assert_refused(FilterDraft { tags: tags(), ..FilterDraft::default() }.check(), "bad_args", &message);
}

#[test]
fn a_time_that_no_name_can_say_is_refused_with_the_first_and_the_last() {
    for given in ["2200-01-01T00:00:00Z", "2112-09-17T23:53:48Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59+01:00"] {
        let message = format!("time must be between 1970-01-01T00:00:00Z and 2112-09-17T23:53:47Z, got \"{given}\"");
        assert_refused(Draft { at: text(given), ..titled("t") }.check(), "bad_args", &message);
        assert_refused(FilterDraft { since: text(given), ..FilterDraft::default() }.check(), "bad_args", &message);
        assert_refused(
            FilterDraft { ended_since: text(given), ..FilterDraft::default() }.check(),
            "bad_args",
            &message,
        );
    }
    for given in ["1970-01-01T00:00:00Z", "2112-09-17T23:53:47Z"] {
        assert!(Draft { at: text(given), ..titled("t") }.check().is_ok());
    }
}

#[test]
fn a_task_is_named_with_or_without_the_name_of_its_hash() {
    let id = TaskId::of_canonical(b"{}");
    assert_eq!([task_id(&id.to_string()), task_id(&id.hex())], [Ok(id), Ok(id)]);
    let draft = Draft { after: vec![id.hex(), id.to_string()], ..titled("t") };
    assert_eq!(draft.check().unwrap().0.plan.after, [id]);
    for bad in ["", "sha256:", &id.hex()[1..], &id.hex().to_uppercase(), &(id.hex() + "0")] {
        assert_eq!(task_id(bad).unwrap_err().code(), "bad_task_id", "{bad}");
    }
}

#[test]
fn what_to_do_if_a_parent_fails_is_for_a_task_that_has_parents() {
    let draft = Draft { if_parent_fails: text("run"), ..titled("t") };
    let message = "<if parent fails> is for a task that waits for others: give <after> too";
    assert_refused(draft.check(), "bad_args", message);
    let draft = Draft { if_parent_fails: text("explode"), ..titled("t") };
    assert_refused(draft.check(), "bad_args", "<if parent fails> must be block, cancel or run, got \"explode\"");
}

#[test]
fn a_back_off_does_not_shrink() {
    let draft =
        |first, most| Draft { max_attempts: Some(2), backoff_seconds: first, backoff_max_seconds: most, ..titled("t") };
    let message = "<backoff> begins at 300 seconds, so its maximum cannot be 299: give a maximum of 300 to 2592000";
    assert_refused(draft(Some(300), Some(299)).check(), "bad_args", message);
    for (first, most, given) in [
        (Some(300), Some(300), (300, 300)),
        (None, Some(0), (0, 0)),
        (None, Some(7), (1, 7)),
        (Some(400), None, (400, 400)),
    ] {
        let backoff = draft(first, most).check().unwrap().0.plan.backoff.unwrap();
        assert_eq!((backoff.seconds, backoff.max_seconds), given);
    }
}

#[test]
fn in_json_null_is_as_left_out_for_every_field() {
    let fields = [
        "priority",
        "run_id",
        "ttl_seconds",
        "payload",
        "tags",
        "queue",
        "max_attempts",
        "backoff_seconds",
        "backoff_max_seconds",
        "delay_seconds",
        "at",
        "after",
        "if_parent_fails",
        "unique",
    ];
    for field in fields {
        let draft: Draft = serde_json::from_str(&format!(r#"{{"title":"t","{field}":null}}"#)).unwrap();
        let checked = |draft: Draft| format!("{:?}", draft.check());
        assert_eq!(checked(draft), checked(titled("t")), "{field}");
    }
    let draft: Draft = serde_json::from_str(r#"{"title":null}"#).unwrap();
    assert_eq!(draft.check().unwrap_err(), BadRequest::Name(BadName::TitleEmpty));
    for field in ["lease_seconds", "wait_seconds", "queues", "tags", "any_tags", "exclude_tags"] {
        let draft: ClaimDraft = serde_json::from_str(&format!(r#"{{"run_id":"a","{field}":null}}"#)).unwrap();
        assert!(draft.check().is_ok(), "{field}");
    }
    for field in ["status", "queue", "run_id", "tags", "since", "ended_since", "sort", "cursor", "limit"] {
        let draft: FilterDraft = serde_json::from_str(&format!(r#"{{"{field}":null}}"#)).unwrap();
        assert!(draft.check().is_ok(), "{field}");
    }
}

#[test]
fn of_a_draft_in_json_the_field_is_named_that_is_not_as_it_should_be() {
    let refused = |json: &str, message: &str| {
        let read = Draft::from_json(json);
        assert_refused(read, "bad_args", message);
    };
    for (name, kind) in FIELDS {
        let given = if kind == Kind::Text { "[7]" } else { "\"x\"" }.to_string();
        let bad = Draft::from_json(&format!(r#"{{"{name}": {given}}}"#)).unwrap_err();
        assert_eq!(bad, BadRequest::FieldKind { name, given, kind });
    }
    refused(
        r#"{"title":"t","priority":"5"}"#,
        "priority must be a whole number between -9223372036854775808 and 9223372036854775807, got \"5\"",
    );
    refused(
        r#"{"title":"t","ttl_seconds":1.5}"#,
        "ttl_seconds must be a whole number between 1 and 315360000, got 1.5",
    );
    refused(
        r#"{"title":"t","max_attempts":99999999999999999999}"#,
        "max_attempts must be a whole number between 1 and 1000, got 99999999999999999999",
    );
    refused(r#"{"title":7}"#, "title must be a string, got 7");
    refused(r#"{"title":"t","tags":"a"}"#, "tags must be a list of strings, got \"a\"");
    refused(r#"{"title":"t","tags":["a",null]}"#, "tags must be a list of strings, got [\"a\",null]");
    refused(r#"{"title":"t" "#, "column 13: EOF while parsing an object");
    refused(r#"{"title":"\ud800"}"#, "column 17: a string holds half a character (a lone surrogate): give both halves");
    let long = format!(r#"{{"title":["{}"]}}"#, "x".repeat(100_000));
    assert!(Draft::from_json(&long).unwrap_err().message(name_of).len() < 200);
    let unknown = Draft::from_json(r#"{"titel":"t"}"#).unwrap_err().message(name_of);
    assert!(unknown.starts_with("column 8: unknown field `titel`"), "{unknown}");
}

#[test]
fn a_status_is_read_by_its_word() {
    for status in Status::ALL {
        let filter: FilterDraft = serde_json::from_str(&format!(r#"{{"status":"{}"}}"#, status.as_str())).unwrap();
        assert_eq!(filter.check().unwrap().status, Some(status));
    }
    assert!(serde_json::from_str::<FilterDraft>(r#"{"status":"TimedOut"}"#).is_err());
}
