//! What somebody asks for, as they put it: the one place where words from outside become values that the queue takes.
//!
//! Each face fills in a draft and has it checked before any file is touched. So a value has one limit, one default and one
//! complaint everywhere; only what it is called differs, which a face says by its [`Words`].
//!
//! A draft can also be read from JSON. There `null` is as left out, and a field that no draft has is an error.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;
use core::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::id::{BadTaskId, TaskId};
use crate::json::{BadJson, JsonObject};
use crate::limits;
use crate::name::{BadName, ErrorMessage, Nonce, QueueName, RunId, Tag, Title};
use crate::queue::{ClaimRequest, Filter, NewTask, Status, WaitingClaim};

/// A task as somebody describes it. Checked in the order of the fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Draft {
    /// What is to be done, for people. What is beyond its limit is cut off.
    pub title: String,
    /// Higher is claimed first.
    pub priority: i64,
    /// Who enqueues it; left out: `unknown`.
    pub run_id: Option<String>,
    /// How many seconds it may wait to be claimed; left out: [`limits::PENDING_TTL_SECONDS_DEFAULT`].
    pub ttl_seconds: Option<i64>,
    /// What the agent needs to know, in JSON; left out: `{}`. Read from JSON it is whatever stands there, digit for digit.
    #[serde(deserialize_with = "text_of_json")]
    pub payload: Option<String>,
    /// Words to choose by. What is beyond the limit of one is cut off.
    pub tags: Vec<String>,
    /// The queue to wait in; left out: `default`.
    pub queue: Option<String>,
}

/// A claim as somebody asks for it. Checked in the order of the fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClaimDraft {
    /// Who claims.
    pub run_id: Option<String>,
    /// How long the lease lasts; left out: [`limits::CLAIM_TTL_SECONDS_DEFAULT`].
    pub lease_seconds: Option<i64>,
    /// How long to wait for a task; left out: not at all.
    pub wait_seconds: Option<i64>,
    /// From which queue; left out: from any.
    pub queue: Option<String>,
}

/// Which tasks somebody wants to see. Checked in the order of the fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilterDraft {
    /// Only those that stand so.
    pub status: Option<Status>,
    /// Only those of this queue.
    pub queue: Option<String>,
    /// Only those whose claim is this agent's.
    pub run_id: Option<String>,
    /// At most so many; left out: [`limits::LIST_ITEMS_DEFAULT`].
    pub limit: Option<i64>,
}

/// What a face calls the values that a complaint has to name.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    /// Who acts.
    pub run_id: &'static str,
    /// How long a task may wait to be claimed.
    pub ttl_seconds: &'static str,
    /// How long a lease lasts.
    pub lease_seconds: &'static str,
    /// How long to wait for a task.
    pub wait_seconds: &'static str,
    /// How many tasks to list.
    pub limit: &'static str,
    /// What the agent needs to know.
    pub payload: &'static str,
    /// What a holder reports in success.
    pub result: &'static str,
    /// What a holder reports in failure.
    pub error: &'static str,
}

/// A value that is not taken. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadRequest {
    /// Nobody is named who acts.
    NoRunId,
    /// A title, run id, tag, queue, claim nonce or error message outside its limits.
    Name(BadName),
    /// More tags than [`limits::TAGS`].
    TooManyTags {
        /// How many.
        given: usize,
    },
    /// As many seconds to be claimed in, out of [`limits::PENDING_TTL_SECONDS`].
    TtlSeconds(i64),
    /// A lease of as many seconds, out of [`limits::CLAIM_TTL_SECONDS`].
    LeaseSeconds(i64),
    /// A wait of as many seconds, out of [`limits::WAIT_SECONDS`].
    WaitSeconds(i64),
    /// A listing of as many tasks, out of [`limits::LIST_ITEMS`].
    Limit(i64),
    /// A payload that is too large or no JSON object.
    Payload(BadJson),
    /// A result that is too large or no JSON object.
    Result(BadJson),
    /// Not a task id.
    TaskId(BadTaskId),
}

impl Draft {
    /// The task, and what was cut off it, in sentences.
    pub fn check(&self) -> Result<(NewTask, Vec<String>), BadRequest> {
        let mut cuts = Vec::new();
        let (title, cut_from) = Title::cut(&self.title)?;
        cuts.extend(cut_from.map(|chars| cut("title", chars, limits::TITLE_CHARS)));
        let created_by = self.run_id.as_deref().unwrap_or("unknown").parse()?;
        let ttl_seconds = self.ttl_seconds.unwrap_or(limits::PENDING_TTL_SECONDS_DEFAULT);
        let ttl_seconds = within(&limits::PENDING_TTL_SECONDS, ttl_seconds, BadRequest::TtlSeconds)?;
        let payload = payload(self.payload.as_deref().unwrap_or("{}"))?;
        let tags = tags(&self.tags, &mut cuts)?;
        let queue = self.queue.as_deref().map_or(Ok(QueueName::default_queue()), str::parse)?;
        Ok((NewTask { title, priority: self.priority, queue, ttl_seconds, created_by, tags, payload }, cuts))
    }
}

impl ClaimDraft {
    /// The claim, which has not begun.
    pub fn check(&self) -> Result<WaitingClaim, BadRequest> {
        let run_id = run_id(self.run_id.as_deref())?;
        let lease_seconds = lease_seconds(self.lease_seconds)?.unwrap_or(limits::CLAIM_TTL_SECONDS_DEFAULT);
        let wait = within(&limits::WAIT_SECONDS, self.wait_seconds.unwrap_or(0), BadRequest::WaitSeconds)?;
        let queue = self.queue.as_deref().map(str::parse).transpose()?;
        let request = ClaimRequest { run_id, queue, lease_seconds };
        Ok(WaitingClaim::new(request, Duration::from_secs(wait.unsigned_abs())))
    }
}

impl FilterDraft {
    /// The filter.
    pub fn check(&self) -> Result<Filter, BadRequest> {
        let queue = self.queue.as_deref().map(str::parse).transpose()?;
        let run_id = self.run_id.as_deref().map(str::parse).transpose()?;
        let limit = self.limit.unwrap_or(limits::LIST_ITEMS_DEFAULT);
        let limit = within(&limits::LIST_ITEMS, limit, BadRequest::Limit)?;
        Ok(Filter { status: self.status, queue, run_id, limit: usize::try_from(limit).unwrap_or(usize::MAX) })
    }
}

/// Who acts, where it has to be said.
pub fn run_id(given: Option<&str>) -> Result<RunId, BadRequest> {
    Ok(given.ok_or(BadRequest::NoRunId)?.parse()?)
}

/// Which task is meant.
pub fn task_id(given: &str) -> Result<TaskId, BadRequest> {
    given.parse().map_err(BadRequest::TaskId)
}

/// Which lease is meant; `None`: any of who acts.
pub fn claim_nonce(given: Option<&str>) -> Result<Option<Nonce>, BadRequest> {
    Ok(given.map(str::parse).transpose()?)
}

/// How long a lease is to last from now; `None`: as long again as it was given for.
pub fn lease_seconds(given: Option<i64>) -> Result<Option<i64>, BadRequest> {
    given.map(|seconds| within(&limits::CLAIM_TTL_SECONDS, seconds, BadRequest::LeaseSeconds)).transpose()
}

/// What a holder reports in success, in JSON.
pub fn result(given: &str) -> Result<JsonObject, BadRequest> {
    JsonObject::parse(given).map_err(BadRequest::Result)
}

/// What a holder reports in failure.
pub fn error(given: &str) -> Result<ErrorMessage, BadRequest> {
    Ok(given.parse()?)
}

impl BadRequest {
    /// The stable word for programs, as that of [`crate::Error`].
    pub fn code(&self) -> &'static str {
        match self {
            BadRequest::Name(BadName::Queue { .. }) => "bad_queue",
            // The contract counts a payload's size among the arguments.
            BadRequest::Payload(BadJson::TooLarge { .. }) => "bad_args",
            BadRequest::Payload(_) => "bad_payload",
            BadRequest::TaskId(_) => "bad_task_id",
            BadRequest::NoRunId
            | BadRequest::Name(_)
            | BadRequest::TooManyTags { .. }
            | BadRequest::TtlSeconds(_)
            | BadRequest::LeaseSeconds(_)
            | BadRequest::WaitSeconds(_)
            | BadRequest::Limit(_)
            | BadRequest::Result(_) => "bad_args",
        }
    }

    /// Names the value by a face's word for it, the limit and the way out.
    pub fn message(&self, words: &Words) -> impl fmt::Display {
        fmt::from_fn(move |f| self.describe(f, words))
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>, words: &Words) -> fmt::Result {
        match self {
            BadRequest::NoRunId => write!(
                f,
                "{} is missing: name the agent that acts, in 1 to {} characters, as nothing here runs it as anybody",
                words.run_id,
                limits::RUN_ID_CHARS
            ),
            BadRequest::Name(problem) => problem.describe(f, words.run_id, words.error),
            BadRequest::TooManyTags { given } => write!(f, "too many tags: {given} (max {})", limits::TAGS),
            BadRequest::TtlSeconds(given) => out_of(&limits::PENDING_TTL_SECONDS, *given, words.ttl_seconds, f),
            BadRequest::LeaseSeconds(given) => out_of(&limits::CLAIM_TTL_SECONDS, *given, words.lease_seconds, f),
            BadRequest::WaitSeconds(given) => out_of(&limits::WAIT_SECONDS, *given, words.wait_seconds, f),
            BadRequest::Limit(given) => out_of(&limits::LIST_ITEMS, *given, words.limit, f),
            BadRequest::Payload(problem) => bad_json(problem, words.payload, f),
            BadRequest::Result(problem) => bad_json(problem, words.result, f),
            BadRequest::TaskId(problem) => fmt::Display::fmt(problem, f),
        }
    }
}

impl From<BadName> for BadRequest {
    fn from(problem: BadName) -> BadRequest {
        BadRequest::Name(problem)
    }
}

/// The contract has the payload's size checked before its content, and that of a result after it.
fn payload(text: &str) -> Result<JsonObject, BadRequest> {
    if text.len() > limits::JSON_BYTES {
        return Err(BadRequest::Payload(BadJson::TooLarge { bytes: text.len() }));
    }
    JsonObject::parse(text).map_err(BadRequest::Payload)
}

fn tags(words: &[String], cuts: &mut Vec<String>) -> Result<Vec<Tag>, BadRequest> {
    if words.len() > limits::TAGS {
        return Err(BadRequest::TooManyTags { given: words.len() });
    }
    let mut tags = Vec::new();
    for word in words {
        let (tag, cut_from) = Tag::cut(word)?;
        cuts.extend(cut_from.map(|chars| cut(&format!("tag {:?}", tag.as_str()), chars, limits::TAG_CHARS)));
        tags.push(tag);
    }
    Ok(tags)
}

fn cut(what: &str, chars: usize, max: usize) -> String {
    format!("{what} was cut from {chars} to {max} characters")
}

fn within(range: &RangeInclusive<i64>, given: i64, bad: fn(i64) -> BadRequest) -> Result<i64, BadRequest> {
    if range.contains(&given) { Ok(given) } else { Err(bad(given)) }
}

fn out_of(range: &RangeInclusive<i64>, given: i64, word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{word} must be between {} and {}, got {given}", range.start(), range.end())
}

fn bad_json(problem: &BadJson, word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match problem {
        BadJson::TooLarge { .. } => write!(f, "{word} is {problem}"),
        BadJson::NotAnObject { .. } | BadJson::TooDeep | BadJson::Malformed { .. } => {
            write!(f, "invalid {word}: {problem}")
        }
    }
}

/// The JSON that stands for a payload, whatever it is, so that it is checked as one that came as a text.
fn text_of_json<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let json = Option::<Box<RawValue>>::deserialize(from)?;
    Ok(json.map(|json| json.get().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use crate::queue::{Queue, Step};
    use crate::store::mem::MemStore;
    use alloc::string::ToString;
    use alloc::vec;

    const WORDS: Words = Words {
        run_id: "<run id>",
        ttl_seconds: "<ttl>",
        lease_seconds: "<lease>",
        wait_seconds: "<wait>",
        limit: "<limit>",
        payload: "<payload>",
        result: "<result>",
        error: "<error>",
    };

    fn text(text: &str) -> Option<String> {
        Some(text.to_string())
    }

    fn titled(title: &str) -> Draft {
        Draft { title: title.to_string(), ..Draft::default() }
    }

    #[track_caller]
    fn assert_refused<T: fmt::Debug>(checked: Result<T, BadRequest>, code: &str, message: &str) {
        let bad = checked.unwrap_err();
        assert_eq!((bad.code(), bad.message(&WORDS).to_string().as_str()), (code, message));
    }

    /// True if the claim waits for so long and no longer.
    fn waits(mut claim: WaitingClaim, seconds: u64) -> bool {
        let queue = Queue::open(MemStore::new()).unwrap();
        let now = Timestamp::from_micros(0);
        let mut ends_after =
            |elapsed| matches!(claim.step(&queue, elapsed, now, Nonce::from_bits(0)).unwrap(), Step::Done(_));
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
        assert_eq!((claim.request().lease_seconds, &claim.request().queue), (3_600, &None));
        assert!(waits(claim, 0));

        let Filter { status, queue, run_id, limit } = FilterDraft::default().check().unwrap();
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
        };
        let (new, cuts) = draft.check().unwrap();
        assert_eq!((new.title.as_str(), new.priority, new.queue.as_str()), ("Fix it", i64::MIN, "hotfix"));
        assert_eq!((new.ttl_seconds, new.created_by.as_str(), new.payload.text()), (60, "boss", "{\"n\":1.10}"));
        assert_eq!(new.tags.iter().map(Tag::as_str).collect::<Vec<&str>>(), ["a b", "c"]);
        assert!(cuts.is_empty(), "{cuts:?}");

        let draft =
            ClaimDraft { run_id: text("a"), lease_seconds: Some(7), wait_seconds: Some(5), queue: text("hotfix") };
        let claim = draft.check().unwrap();
        let ClaimRequest { run_id, queue, lease_seconds } = claim.request();
        assert_eq!((run_id.as_str(), queue, *lease_seconds), ("a", &"hotfix".parse().ok(), 7));
        assert!(waits(claim, 5));

        let draft = FilterDraft { status: Some(Status::Failed), queue: text("q"), run_id: text("a"), limit: Some(3) };
        let Filter { status, queue, run_id, limit } = draft.check().unwrap();
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
        assert_refused(draft.check(), "bad_args", "title must be non-empty: say in a few words what is to be done");
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
        let mut draft = ClaimDraft { run_id: None, lease_seconds: Some(0), wait_seconds: Some(-1), queue: text("a/b") };
        assert_eq!(draft.check().unwrap_err(), BadRequest::NoRunId);
        draft.run_id = text("a");
        assert_eq!(draft.check().unwrap_err(), BadRequest::LeaseSeconds(0));
        draft.lease_seconds = None;
        assert_eq!(draft.check().unwrap_err(), BadRequest::WaitSeconds(-1));
        draft.wait_seconds = None;
        assert_eq!(draft.check().unwrap_err().code(), "bad_queue");
        draft.queue = None;
        assert!(draft.check().is_ok());
    }

    #[test]
    fn a_filter_is_checked_in_the_order_of_its_fields() {
        let mut draft = FilterDraft { status: None, queue: text("a/b"), run_id: text(""), limit: Some(0) };
        assert_eq!(draft.check().unwrap_err().code(), "bad_queue");
        draft.queue = None;
        assert_eq!(draft.check().unwrap_err(), BadRequest::Name(BadName::RunIdEmpty));
        draft.run_id = None;
        assert_eq!(draft.check().unwrap_err(), BadRequest::Limit(0));
        draft.limit = None;
        assert!(draft.check().is_ok());
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
        let message = "<run id> is missing: name the agent that acts, in 1 to 256 characters, as nothing here runs it as \
                       anybody";
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
    fn a_status_is_read_by_its_word() {
        for status in Status::ALL {
            let filter: FilterDraft = serde_json::from_str(&format!(r#"{{"status":"{}"}}"#, status.as_str())).unwrap();
            assert_eq!(filter.check().unwrap().status, Some(status));
        }
        assert!(serde_json::from_str::<FilterDraft>(r#"{"status":"TimedOut"}"#).is_err());
    }
}
