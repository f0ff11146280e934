//! What somebody asks for, as they put it: the one place where words from outside become values that the queue takes.
//!
//! Each face fills in a draft and has it checked before any file is touched. So a value has one limit, one default and
//! one complaint everywhere; only what it is called differs, which a face says by its [`FieldNames`].
//!
//! A draft can also be read from JSON. There `null` is as left out in every field, and a field that no draft has is an
//! error.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::ops::RangeInclusive;
use core::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::id::{BadTaskId, TaskId};
use crate::json::{BadJson, JsonObject, not_taken};
use crate::limits;
use crate::name::{BadName, ErrorMessage, Nonce, Note, QueueName, RunId, Tag, Title};
use crate::queue::{ClaimRequest, Cursor, Filter, NewTask, Plan, Progress, Sort, Start, Status, WaitingClaim};
use crate::spelling::shortened;
use crate::tags::Choice;
use crate::task::{Backoff, IfParentFails};
use crate::time::Timestamp;

/// A task as somebody describes it. Checked in the order of the fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Draft {
    /// What is to be done, for people. What is beyond its limit is cut off.
    #[serde(deserialize_with = "null_as_left_out")]
    pub title: String,
    /// Higher is claimed first.
    #[serde(deserialize_with = "null_as_left_out")]
    pub priority: i64,
    /// Who enqueues it; left out: `unknown`.
    pub run_id: Option<String>,
    /// How many seconds it may wait to be claimed; left out: [`limits::PENDING_TTL_SECONDS_DEFAULT`].
    pub ttl_seconds: Option<i64>,
    /// What the agent needs to know, in JSON; left out: `{}`. Read from JSON it is whatever stands there, digit for
    /// digit.
    #[serde(deserialize_with = "text_of_json")]
    pub payload: Option<String>,
    /// Words to choose by. What is beyond the limit of one is cut off.
    #[serde(deserialize_with = "null_as_left_out")]
    pub tags: Vec<String>,
    /// The queue to wait in; left out: `default`.
    pub queue: Option<String>,
    /// How many attempts there may be; left out: one failure is final, and a lease that ran out can be taken over
    /// without end.
    pub max_attempts: Option<i64>,
    /// How many seconds to wait after the first failed attempt; left out: [`limits::BACKOFF_SECONDS_DEFAULT`].
    pub backoff_seconds: Option<i64>,
    /// How many seconds to wait between two attempts at most; left out: [`limits::BACKOFF_MAX_SECONDS_DEFAULT`], or as
    /// long as after the first if that is longer.
    pub backoff_max_seconds: Option<i64>,
    /// For how many seconds nobody is to claim it.
    pub delay_seconds: Option<i64>,
    /// Before which time nobody is to claim it, in RFC 3339.
    pub at: Option<String>,
    /// The ids of the tasks that must have ended before, each with or without its `sha256:`.
    #[serde(deserialize_with = "null_as_left_out")]
    pub after: Vec<String>,
    /// What to do if one of them does not complete: `block`, `cancel` or `run`; left out: `cancel`. Only with `after`.
    pub if_parent_fails: Option<String>,
    /// If another task with this key has not ended in the queue, this one is not enqueued.
    pub unique: Option<String>,
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
    /// From which queues; none: from any.
    #[serde(deserialize_with = "null_as_left_out")]
    pub queues: Vec<String>,
    /// Only a task that has all these tags.
    #[serde(deserialize_with = "null_as_left_out")]
    pub tags: Vec<String>,
    /// Only a task that has one of these tags, if there are any.
    #[serde(deserialize_with = "null_as_left_out")]
    pub any_tags: Vec<String>,
    /// Only a task that has none of these tags.
    #[serde(deserialize_with = "null_as_left_out")]
    pub exclude_tags: Vec<String>,
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
    /// Only those that have all these tags.
    #[serde(deserialize_with = "null_as_left_out")]
    pub tags: Vec<String>,
    /// Only those that were enqueued at this time, in RFC 3339, or later.
    pub since: Option<String>,
    /// Only those that ended at this time, in RFC 3339, or later.
    pub ended_since: Option<String>,
    /// In which order: `claim`, `created`, `-created`, `ended` or `-ended`; left out: `claim`.
    pub sort: Option<String>,
    /// Only those after the last one of an earlier listing in this order.
    pub cursor: Option<String>,
    /// At most so many; left out: [`limits::LIST_ITEMS_DEFAULT`].
    pub limit: Option<i64>,
}

/// What a face calls the values that a complaint has to name.
#[derive(Clone, Copy, Debug)]
pub struct FieldNames {
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
    /// How many attempts there may be.
    pub max_attempts: &'static str,
    /// How long to wait between two attempts.
    pub backoff: &'static str,
    /// How long to put a task off.
    pub delay: &'static str,
    /// Which tasks must have ended before.
    pub after: &'static str,
    /// What to do if one of those does not complete.
    pub if_parent_fails: &'static str,
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
    /// As many attempts, out of [`limits::MAX_ATTEMPTS`].
    MaxAttempts(i64),
    /// A back-off of as many seconds, out of [`limits::BACKOFF_SECONDS`].
    Backoff(i64),
    /// A back-off whose longest wait is shorter than its first.
    BackoffShrinks {
        /// The first wait, in seconds.
        seconds: i64,
        /// The longest wait, in seconds.
        max_seconds: i64,
    },
    /// A back-off without a number of attempts.
    BackoffAlone,
    /// A delay of as many seconds, out of [`limits::DELAY_SECONDS`].
    Delay(i64),
    /// Both a delay and a time.
    DelayAndTime,
    /// More tasks to wait for than [`limits::PARENTS`].
    TooManyParents {
        /// How many.
        given: usize,
    },
    /// Not what to do if a parent fails.
    IfParentFails {
        /// As given.
        given: String,
    },
    /// What to do if a parent fails, of a task that has none.
    IfParentFailsAlone,
    /// A time before the first or after the last that a name can say.
    Time {
        /// The face's word for it.
        what: &'static str,
        /// As given.
        given: String,
    },
    /// A progress that is not between 0 and 1.
    Progress {
        /// As given.
        given: String,
    },
    /// A text that is none of the words, times or durations that are taken.
    Word(BadWord),
    /// A cursor of a listing in another order.
    CursorOfAnotherSort {
        /// The order that it is of.
        of: Sort,
        /// The order that was asked for.
        sort: Sort,
    },
    /// A number that no draft has, out of its range.
    Number {
        /// The face's word for it.
        what: String,
        /// As given. It may be beyond 64 bits.
        given: String,
        /// The least and the most.
        range: (i64, i64),
    },
    /// A field of another kind, in a draft that is read from JSON.
    Field {
        /// The field.
        name: &'static str,
        /// The JSON that stands there.
        given: String,
        /// What is to stand there.
        kind: Kind,
    },
    /// A text that is no draft in JSON, by its form or by the names of its fields.
    Malformed {
        /// Where, counted from one.
        column: usize,
        /// The parser's words.
        reason: String,
    },
    /// A payload that is too large or no JSON object.
    Payload(BadJson),
    /// A result that is too large or no JSON object.
    Result(BadJson),
    /// Not a task id.
    TaskId(BadTaskId),
}

/// What stands in a field of a draft that is read from JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A list of strings.
    Texts,
    /// A whole number from the first to the second.
    Whole(i64, i64),
}

impl Kind {
    const fn within(range: &RangeInclusive<i64>) -> Kind {
        Kind::Whole(*range.start(), *range.end())
    }
}

/// The fields of a [`Draft`] in JSON, but for the payload, which may be anything.
const FIELDS: [(&str, Kind); 14] = [
    ("title", Kind::Text),
    ("priority", Kind::Whole(i64::MIN, i64::MAX)),
    ("run_id", Kind::Text),
    ("ttl_seconds", Kind::within(&limits::PENDING_TTL_SECONDS)),
    ("tags", Kind::Texts),
    ("queue", Kind::Text),
    ("max_attempts", Kind::within(&limits::MAX_ATTEMPTS)),
    ("backoff_seconds", Kind::within(&limits::BACKOFF_SECONDS)),
    ("backoff_max_seconds", Kind::within(&limits::BACKOFF_SECONDS)),
    ("delay_seconds", Kind::within(&limits::DELAY_SECONDS)),
    ("at", Kind::Text),
    ("after", Kind::Texts),
    ("if_parent_fails", Kind::Text),
    ("unique", Kind::Text),
];

/// A text that is not of the kind that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadWord {
    /// What it was to be.
    pub what: &'static str,
    /// As given.
    pub given: String,
    /// What is taken.
    pub taken: &'static str,
}

impl Draft {
    /// Reads a draft from a JSON object, and says which field is not as it should be, or where it is no such object.
    pub fn from_json(text: &str) -> Result<Draft, BadRequest> {
        serde_json::from_str(text).map_err(|error| {
            let field = if error.is_data() { bad_field(text) } else { None };
            field.unwrap_or_else(|| malformed(&error))
        })
    }

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
        let plan = self.plan()?;
        Ok((NewTask { title, priority: self.priority, queue, ttl_seconds, created_by, tags, plan, payload }, cuts))
    }

    fn plan(&self) -> Result<Plan, BadRequest> {
        let max_attempts = self.max_attempts.map(|max| within(&limits::MAX_ATTEMPTS, max, BadRequest::MaxAttempts));
        let max_attempts = max_attempts.transpose()?.and_then(|max| u32::try_from(max).ok());
        let start = match (self.delay_seconds, self.at.as_deref()) {
            (Some(_), Some(_)) => return Err(BadRequest::DelayAndTime),
            (Some(seconds), None) => Start::After(delay_seconds(seconds)?),
            (None, Some(at)) => Start::At(time("time", at)?),
            (None, None) => Start::Now,
        };
        if self.after.len() > limits::PARENTS {
            return Err(BadRequest::TooManyParents { given: self.after.len() });
        }
        let mut after = Vec::new();
        for parent in &self.after {
            let parent = task_id(parent)?;
            if !after.contains(&parent) {
                after.push(parent);
            }
        }
        let if_parent_fails = self.if_parent_fails.as_deref().map(if_parent_fails).transpose()?;
        if if_parent_fails.is_some() && after.is_empty() {
            return Err(BadRequest::IfParentFailsAlone);
        }
        let unique = self.unique.as_deref().map(str::parse).transpose()?;
        Ok(Plan { max_attempts, backoff: self.backoff()?, start, after, if_parent_fails, unique })
    }

    fn backoff(&self) -> Result<Option<Backoff>, BadRequest> {
        let (first, most) = (self.backoff_seconds, self.backoff_max_seconds);
        if first.is_none() && most.is_none() {
            return Ok(None);
        }
        if self.max_attempts.is_none() {
            return Err(BadRequest::BackoffAlone);
        }
        let within = |seconds| within(&limits::BACKOFF_SECONDS, seconds, BadRequest::Backoff);
        let default = limits::BACKOFF_SECONDS_DEFAULT;
        let seconds = within(first.unwrap_or(most.map_or(default, |most| most.min(default))))?;
        let max_seconds = within(most.unwrap_or(limits::BACKOFF_MAX_SECONDS_DEFAULT.max(seconds)))?;
        if max_seconds < seconds {
            return Err(BadRequest::BackoffShrinks { seconds, max_seconds });
        }
        Ok(Some(Backoff { seconds, max_seconds }))
    }
}

impl ClaimDraft {
    /// The claim, which has not begun.
    pub fn check(&self) -> Result<WaitingClaim, BadRequest> {
        let run_id = run_id(self.run_id.as_deref())?;
        let lease_seconds = lease_seconds(self.lease_seconds)?.unwrap_or(limits::CLAIM_TTL_SECONDS_DEFAULT);
        let wait = within(&limits::WAIT_SECONDS, self.wait_seconds.unwrap_or(0), BadRequest::WaitSeconds)?;
        let queues = self.queues.iter().map(|queue| queue.parse()).collect::<Result<_, BadName>>()?;
        let words = |words: &[String]| words.iter().map(|word| word.parse()).collect::<Result<_, BadName>>();
        let choice = Choice { all: words(&self.tags)?, any: words(&self.any_tags)?, none: words(&self.exclude_tags)? };
        let request = ClaimRequest { run_id, queues, choice, lease_seconds };
        Ok(WaitingClaim::new(request, Duration::from_secs(wait.unsigned_abs())))
    }
}

impl FilterDraft {
    /// The filter.
    pub fn check(&self) -> Result<Filter, BadRequest> {
        let queue = self.queue.as_deref().map(str::parse).transpose()?;
        let run_id = self.run_id.as_deref().map(str::parse).transpose()?;
        let limit = self.limit.unwrap_or(limits::LIST_ITEMS_DEFAULT);
        let limit = usize::try_from(within(&limits::LIST_ITEMS, limit, BadRequest::Limit)?).unwrap_or(usize::MAX);
        let tags = self.tags.iter().map(|tag| tag.parse()).collect::<Result<_, BadName>>()?;
        let since = self.since.as_deref().map(|at| time("time", at)).transpose()?;
        let ended_since = self.ended_since.as_deref().map(|at| time("time", at)).transpose()?;
        let sort = self.sort.as_deref().map(sort).transpose()?.unwrap_or_default();
        let cursor = self.cursor.as_deref().map(|given| cursor(given, sort)).transpose()?;
        Ok(Filter { status: self.status, queue, run_id, tags, since, ended_since, sort, cursor, limit })
    }
}

/// Who acts, where it has to be said.
pub fn run_id(given: Option<&str>) -> Result<RunId, BadRequest> {
    Ok(given.ok_or(BadRequest::NoRunId)?.parse()?)
}

/// Which task is meant, by its id with or without the `sha256:`.
pub fn task_id(given: &str) -> Result<TaskId, BadRequest> {
    TaskId::from_hex(given).map_or_else(|| given.parse().map_err(BadRequest::TaskId), Ok)
}

/// Which lease is meant; `None`: any of who acts.
pub fn claim_nonce(given: Option<&str>) -> Result<Option<Nonce>, BadRequest> {
    Ok(given.map(str::parse).transpose()?)
}

/// How long a lease is to last from now; `None`: as long again as it was given for.
pub fn lease_seconds(given: Option<i64>) -> Result<Option<i64>, BadRequest> {
    given.map(|seconds| within(&limits::CLAIM_TTL_SECONDS, seconds, BadRequest::LeaseSeconds)).transpose()
}

/// For how long a task is to be put off, in seconds.
pub fn delay_seconds(given: i64) -> Result<i64, BadRequest> {
    within(&limits::DELAY_SECONDS, given, BadRequest::Delay)
}

/// A number that no draft has, under the face's word for it.
pub fn between(what: &str, given: i64, range: &RangeInclusive<i64>) -> Result<i64, BadRequest> {
    if range.contains(&given) { Ok(given) } else { Err(beyond(what, &given.to_string(), range)) }
}

/// The complaint of a number out of its range, as somebody typed it: one that a face cannot hold in 64 bits, too.
pub fn beyond(what: &str, given: &str, range: &RangeInclusive<i64>) -> BadRequest {
    BadRequest::Number { what: what.to_owned(), given: shortened(given), range: (*range.start(), *range.end()) }
}

/// Why a task is called off, or how far the work on it is.
pub fn note(given: &str) -> Result<Note, BadRequest> {
    Ok(given.parse()?)
}

/// How far a holder is. `None`: it does not say.
pub fn progress(progress: Option<f64>, note: Option<&str>) -> Result<Option<Progress>, BadRequest> {
    if let Some(given) = progress.filter(|given| !(0.0..=1.0).contains(given)) {
        return Err(BadRequest::Progress { given: given.to_string() });
    }
    let note = note.map(self::note).transpose()?;
    let says_something = progress.is_some() || note.is_some();
    Ok(says_something.then_some(Progress { progress, note }))
}

/// A queue that is meant.
pub fn queue(given: &str) -> Result<QueueName, BadRequest> {
    Ok(given.parse()?)
}

/// A time in RFC 3339: `2026-11-24T18:00:00Z`, with or without a fraction of the second, in any offset; from 1970 to
/// the last whole second that a name can say.
pub fn time(what: &'static str, given: &str) -> Result<Timestamp, BadRequest> {
    let bad = |_| bad_word(what, given, "a time like 2026-11-24T18:00:00Z");
    let at = OffsetDateTime::parse(given, &Rfc3339).map_err(bad)?;
    match u64::try_from(at.unix_timestamp_nanos().div_euclid(1_000)) {
        Ok(micros) if micros <= limits::TIME_MICROS => Ok(Timestamp::from_micros(micros)),
        _ => Err(BadRequest::Time { what, given: given.to_owned() }),
    }
}

/// A duration, as people write it: `90` or `90s` are seconds, `15m`, `2h`, `7d`; out of `range` if it is beyond 64
/// bits.
pub fn seconds(what: &str, given: &str, range: &RangeInclusive<i64>) -> Result<i64, BadRequest> {
    let bad = || bad_word("duration", given, "seconds, or a number with s, m, h or d, like 90, 30s, 15m, 2h or 7d");
    let (digits, unit) = match given.char_indices().next_back() {
        Some((end, unit)) if unit.is_ascii_alphabetic() => (given.get(..end).unwrap_or_default(), unit),
        _ => (given, 's'),
    };
    let unit = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(bad()),
    };
    if !is_whole(digits) {
        return Err(bad());
    }
    let number = digits.parse::<i64>().ok().and_then(|number| number.checked_mul(unit));
    number.ok_or_else(|| beyond(what, given, range))
}

/// A whole number; out of `range` if it is beyond 64 bits.
pub fn whole(what: &str, given: &str, range: &RangeInclusive<i64>) -> Result<i64, BadRequest> {
    if !is_whole(given) {
        return Err(bad_word("number", given, "a whole number, like 5"));
    }
    given.parse().map_err(|_| beyond(what, given, range))
}

fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
}

fn if_parent_fails(given: &str) -> Result<IfParentFails, BadRequest> {
    let word = IfParentFails::ALL.into_iter().find(|word| word.as_str() == given);
    word.ok_or_else(|| BadRequest::IfParentFails { given: given.to_owned() })
}

fn sort(given: &str) -> Result<Sort, BadRequest> {
    Sort::parse(given).ok_or_else(|| bad_word("order", given, "claim, created, -created, ended or -ended"))
}

fn cursor(given: &str, sort: Sort) -> Result<Cursor, BadRequest> {
    let cursor = Cursor::parse(given);
    let cursor = cursor.ok_or_else(|| bad_word("cursor", given, "the next_cursor of an earlier listing"))?;
    let of = cursor.sort();
    // It would be some place in the other order, and the listing would seem to go on.
    if of == sort { Ok(cursor) } else { Err(BadRequest::CursorOfAnotherSort { of, sort }) }
}

fn bad_word(what: &'static str, given: &str, taken: &'static str) -> BadRequest {
    BadRequest::Word(BadWord { what, given: given.to_owned(), taken })
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
            | BadRequest::MaxAttempts(_)
            | BadRequest::Backoff(_)
            | BadRequest::BackoffShrinks { .. }
            | BadRequest::BackoffAlone
            | BadRequest::Delay(_)
            | BadRequest::DelayAndTime
            | BadRequest::TooManyParents { .. }
            | BadRequest::IfParentFails { .. }
            | BadRequest::IfParentFailsAlone
            | BadRequest::Time { .. }
            | BadRequest::Progress { .. }
            | BadRequest::Word(_)
            | BadRequest::CursorOfAnotherSort { .. }
            | BadRequest::Number { .. }
            | BadRequest::Field { .. }
            | BadRequest::Malformed { .. }
            | BadRequest::Result(_) => "bad_args",
        }
    }

    /// Names the value by a face's word for it, the limit and the way out.
    pub fn message(&self, words: &FieldNames) -> impl fmt::Display {
        fmt::from_fn(move |f| self.describe(f, words))
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>, words: &FieldNames) -> fmt::Result {
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
            BadRequest::MaxAttempts(given) => out_of(&limits::MAX_ATTEMPTS, *given, words.max_attempts, f),
            BadRequest::Backoff(given) => out_of(&limits::BACKOFF_SECONDS, *given, words.backoff, f),
            BadRequest::BackoffShrinks { seconds, max_seconds } => {
                let (word, most) = (words.backoff, limits::BACKOFF_SECONDS.end());
                write!(f, "{word} begins at {seconds} seconds, so it cannot end at {max_seconds}: ")?;
                write!(f, "give a longest wait of {seconds} to {most}")
            }
            BadRequest::BackoffAlone => {
                write!(f, "{} is for tasks with several attempts: give {} too", words.backoff, words.max_attempts)
            }
            BadRequest::Delay(given) => out_of(&limits::DELAY_SECONDS, *given, words.delay, f),
            BadRequest::DelayAndTime => write!(f, "a delay and a time are two ways to say one thing: give one"),
            BadRequest::TooManyParents { given } => {
                write!(
                    f,
                    "too many tasks to wait for: {given} (max {}); wait for one that waits for them",
                    limits::PARENTS
                )
            }
            BadRequest::IfParentFails { given } => {
                write!(f, "{} must be block, cancel or run, got {:?}", words.if_parent_fails, shortened(given))
            }
            BadRequest::IfParentFailsAlone => {
                let (word, after) = (words.if_parent_fails, words.after);
                write!(f, "{word} is for a task that waits for others: give {after} too")
            }
            BadRequest::Time { what, given } => {
                write!(f, "{what} must be between 1970-01-01T00:00:00Z and 2112-09-17T23:53:47Z, ")?;
                write!(f, "got {:?}", shortened(given))
            }
            BadRequest::Progress { given } => write!(f, "progress must be between 0 and 1, got {given}"),
            BadRequest::Number { what, given, range: (least, most) } => out_of(&(*least..=*most), given, what, f),
            BadRequest::Field { name, given, kind } => {
                let given = shortened(given);
                match kind {
                    Kind::Text => write!(f, "{name} must be a string, got {given}"),
                    Kind::Texts => write!(f, "{name} must be a list of strings, got {given}"),
                    Kind::Whole(least, most) => {
                        write!(f, "{name} must be a whole number between {least} and {most}, got {given}")
                    }
                }
            }
            BadRequest::Malformed { column, reason } => write!(f, "column {column}: {reason}"),
            BadRequest::Word(BadWord { what, given, taken }) => {
                write!(f, "invalid {what} {:?}: give {taken}", shortened(given))
            }
            BadRequest::CursorOfAnotherSort { of, sort } => write!(
                f,
                "the cursor is of a listing with sort {}, and this one has sort {}: give the same sort, or leave the \
                 cursor out to begin anew",
                of.as_str(),
                sort.as_str()
            ),
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

fn out_of(
    range: &RangeInclusive<i64>,
    given: impl fmt::Display,
    word: &str,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    write!(f, "{word} must be between {} and {}, got {given}", range.start(), range.end())
}

fn bad_json(problem: &BadJson, word: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match problem {
        BadJson::TooLarge { .. } => write!(f, "{word} is {problem}"),
        BadJson::NotAnObject { .. } | BadJson::TooDeep | BadJson::NotTaken { .. } | BadJson::Malformed { .. } => {
            write!(f, "invalid {word}: {problem}")
        }
    }
}

/// The JSON that stands for a payload, whatever it is, so that it is checked as one that came as a text.
fn text_of_json<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let json = Option::<Box<RawValue>>::deserialize(from)?;
    Ok(json.map(|json| json.get().to_owned()))
}

fn null_as_left_out<'de, T: Default + Deserialize<'de>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// The first field that cannot be read by itself: the parser does not tell which one it was at.
fn bad_field(text: &str) -> Option<BadRequest> {
    let fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).ok()?;
    FIELDS.into_iter().find_map(|(name, kind)| {
        let given = fields.get(name)?.get().to_owned();
        let alone = serde_json::from_str::<Draft>(&format!("{{\"{name}\":{given}}}"));
        alone.is_err().then_some(BadRequest::Field { name, given, kind })
    })
}

fn malformed(error: &serde_json::Error) -> BadRequest {
    let reason = match not_taken(error) {
        Some((what, way_out)) => format!("{what}: {way_out}"),
        // Lines of its own mean nothing where the text is a line itself.
        None => error.to_string().split(" at line ").next().unwrap_or_default().to_owned(),
    };
    BadRequest::Malformed { column: error.column(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use crate::queue::{Queue, Step};
    use crate::store::mem::MemStore;
    use alloc::string::ToString;
    use alloc::vec;

    const FIELD_NAMES: FieldNames = FieldNames {
        run_id: "<run id>",
        ttl_seconds: "<ttl>",
        lease_seconds: "<lease>",
        wait_seconds: "<wait>",
        limit: "<limit>",
        max_attempts: "<attempts>",
        backoff: "<backoff>",
        delay: "<delay>",
        after: "<after>",
        if_parent_fails: "<if parent fails>",
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
        assert_eq!((bad.code(), bad.message(&FIELD_NAMES).to_string().as_str()), (code, message));
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
        let mut draft = ClaimDraft {
            run_id: None,
            lease_seconds: Some(0),
            wait_seconds: Some(-1),
            queues: vec!["a/b".to_string()],
            ..ClaimDraft::default()
        };
        assert_eq!(draft.check().unwrap_err(), BadRequest::NoRunId);
        draft.run_id = text("a");
        assert_eq!(draft.check().unwrap_err(), BadRequest::LeaseSeconds(0));
        draft.lease_seconds = None;
        assert_eq!(draft.check().unwrap_err(), BadRequest::WaitSeconds(-1));
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
        assert_eq!(draft.check().unwrap_err(), BadRequest::Limit(0));
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
            "a delay and a time are two ways to say one thing: give one",
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
            "too many tasks to wait for: 1001 (max 1000); wait for one that waits for them",
        );
        let bad = Draft { after: vec!["x".to_string()], ..titled("t") }.check().unwrap_err();
        assert_eq!(bad.code(), "bad_task_id");
        refused(Draft { unique: text(""), ..titled("t") }, "a unique key must have 1 to 256 characters, got 0");
        assert_refused(progress(Some(1.5), None), "bad_args", "progress must be between 0 and 1, got 1.5");
        assert_eq!(progress(None, None), Ok(None));
    }

    #[test]
    fn a_duration_is_a_number_of_seconds_or_of_a_unit() {
        for (text, number) in [("90", 90), ("30s", 30), ("15m", 900), ("2h", 7_200), ("7d", 604_800), ("-1", -1)] {
            assert_eq!(seconds("<ttl>", text, &(1..=9)), Ok(number));
        }
        for bad in ["", "s", "1w", "1.5h", "1 h", "é", "-", "--1", "1e3"] {
            let message = format!(
                "invalid duration {bad:?}: give seconds, or a number with s, m, h or d, like 90, 30s, 15m, 2h or 7d"
            );
            assert_refused(seconds("<ttl>", bad, &(1..=9)), "bad_args", &message);
        }
    }

    #[test]
    fn a_number_beyond_64_bits_is_out_of_its_range_and_not_ill_formed() {
        for given in ["9223372036854775808", "-9223372036854775809", "99999999999999999999"] {
            let message = format!("<limit> must be between 1 and 9, got {given}");
            assert_refused(whole("<limit>", given, &(1..=9)), "bad_args", &message);
        }
        for given in ["9223372036854775807d", "9999999999999999d", "-99999999999999999999s", "9999999999999999999"] {
            let message = format!("<ttl> must be between 1 and 9, got {given}");
            assert_refused(seconds("<ttl>", given, &(1..=9)), "bad_args", &message);
        }
        let long = "9".repeat(100_000);
        let message = whole("<limit>", &long, &(1..=9)).unwrap_err().message(&FIELD_NAMES).to_string();
        assert!(message.len() < 200, "a long value is quoted short");
        for (given, number) in [("5", 5), ("-5", -5), ("+5", 5), ("007", 7)] {
            assert_eq!(whole("<limit>", given, &(1..=9)), Ok(number));
        }
        for bad in ["", "x", "1.5", "1e3", "0x1", "+-1"] {
            let message = format!("invalid number {bad:?}: give a whole number, like 5");
            assert_refused(whole("<limit>", bad, &(1..=9)), "bad_args", &message);
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
        let message = "<run id> is missing: name the agent that acts, in 1 to 256 characters, as nothing here runs it \
                       as anybody";
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
        let message =
            format!("tag \"{named}\" is too long (65 characters; max 64): give the 64 that a task keeps of it");
        let tags = || vec![long.clone()];
        let by = || ClaimDraft { run_id: text("a"), ..ClaimDraft::default() };
        assert_refused(ClaimDraft { tags: tags(), ..by() }.check(), "bad_args", &message);
        assert_refused(ClaimDraft { any_tags: tags(), ..by() }.check(), "bad_args", &message);
        assert_refused(ClaimDraft { exclude_tags: tags(), ..by() }.check(), "bad_args", &message);
        assert_refused(FilterDraft { tags: tags(), ..FilterDraft::default() }.check(), "bad_args", &message);
    }

    #[test]
    fn a_time_that_no_name_can_say_is_refused_with_the_first_and_the_last() {
        for given in
            ["2200-01-01T00:00:00Z", "2112-09-17T23:53:48Z", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59+01:00"]
        {
            let message =
                format!("time must be between 1970-01-01T00:00:00Z and 2112-09-17T23:53:47Z, got \"{given}\"");
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
        let draft = |first, most| Draft {
            max_attempts: Some(2),
            backoff_seconds: first,
            backoff_max_seconds: most,
            ..titled("t")
        };
        let message = "<backoff> begins at 300 seconds, so it cannot end at 299: give a longest wait of 300 to 2592000";
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
            assert_eq!(bad, BadRequest::Field { name, given, kind });
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
        refused(
            r#"{"title":"\ud800"}"#,
            "column 17: a string holds half a character (a lone surrogate): give both halves",
        );
        let long = format!(r#"{{"title":["{}"]}}"#, "x".repeat(100_000));
        assert!(Draft::from_json(&long).unwrap_err().message(&FIELD_NAMES).to_string().len() < 200);
        let unknown = Draft::from_json(r#"{"titel":"t"}"#).unwrap_err().message(&FIELD_NAMES).to_string();
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
}
