//! A task as somebody describes it.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::bad_request::{BadRequest, Kind};
use super::field::Field;
use super::{null_as_left_out, task_id, time};
use crate::json::{BadJson, JsonObject, not_taken};
use crate::limits;
use crate::name::{QueueName, Tag, Title};
use crate::queue::{NewTask, Plan, Start};
use crate::task::{Backoff, IfParentFails};

/// A task as somebody describes it. Checked in the order of the fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Draft {
    /// The title: the work in a few words, for people. A longer one is cut.
    #[serde(deserialize_with = "null_as_left_out")]
    pub title: String,
    /// Higher is claimed first.
    #[serde(deserialize_with = "null_as_left_out")]
    pub priority: i64,
    /// The enqueuer's run id; left out: `unknown`.
    pub run_id: Option<String>,
    /// How many seconds it may wait to be claimed; left out: [`limits::PENDING_TTL_SECONDS_DEFAULT`].
    pub ttl_seconds: Option<i64>,
    /// The payload, in JSON; left out: `{}`. If the draft is read from JSON, it is kept digit for digit.
    #[serde(deserialize_with = "text_of_json")]
    pub payload: Option<String>,
    /// The tags. A longer tag is cut.
    #[serde(deserialize_with = "null_as_left_out")]
    pub tags: Vec<String>,
    /// The queue to wait in; left out: `default`.
    pub queue: Option<String>,
    /// Maximum number of attempts; left out: a failure is final, and a task whose lease expires can be claimed any
    /// number of times.
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
    /// The reaction if a parent does not complete: `block`, `cancel` or `run`; left out: `cancel`. Only with `after`.
    pub if_parent_fails: Option<String>,
    /// If another task with this key has not ended in the queue, this one is not enqueued.
    pub unique: Option<String>,
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
        let ttl_seconds = Field::TtlSeconds.check(ttl_seconds)?;
        let payload = payload(self.payload.as_deref().unwrap_or("{}"))?;
        let tags = tags(&self.tags, &mut cuts)?;
        let queue = self.queue.as_deref().map_or(Ok(QueueName::default_queue()), str::parse)?;
        let plan = self.plan()?;
        Ok((NewTask { title, priority: self.priority, queue, ttl_seconds, created_by, tags, plan, payload }, cuts))
    }

    fn plan(&self) -> Result<Plan, BadRequest> {
        let max_attempts = self.max_attempts.map(|max| Field::MaxAttempts.check(max));
        let max_attempts = max_attempts.transpose()?.and_then(|max| u32::try_from(max).ok());
        let start = match (self.delay_seconds, self.at.as_deref()) {
            (Some(_), Some(_)) => return Err(BadRequest::DelayAndTime),
            (Some(seconds), None) => Start::After(Field::DelaySeconds.check(seconds)?),
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
        let within = |seconds| Field::BackoffSeconds.check(seconds);
        let default = limits::BACKOFF_SECONDS_DEFAULT;
        let seconds = within(first.unwrap_or(most.map_or(default, |most| most.min(default))))?;
        let max_seconds = within(most.unwrap_or(limits::BACKOFF_MAX_SECONDS_DEFAULT.max(seconds)))?;
        if max_seconds < seconds {
            return Err(BadRequest::BackoffShrinks { seconds, max_seconds });
        }
        Ok(Some(Backoff { seconds, max_seconds }))
    }
}

/// The fields of a [`Draft`] in JSON, except the payload, which may be anything.
pub(super) const FIELDS: [(&str, Kind); 14] = [
    ("title", Kind::Text),
    ("priority", Kind::Whole(i64::MIN, i64::MAX)),
    ("run_id", Kind::Text),
    ("ttl_seconds", whole(Field::TtlSeconds)),
    ("tags", Kind::Texts),
    ("queue", Kind::Text),
    ("max_attempts", whole(Field::MaxAttempts)),
    ("backoff_seconds", whole(Field::BackoffSeconds)),
    ("backoff_max_seconds", whole(Field::BackoffSeconds)),
    ("delay_seconds", whole(Field::DelaySeconds)),
    ("at", Kind::Text),
    ("after", Kind::Texts),
    ("if_parent_fails", Kind::Text),
    ("unique", Kind::Text),
];

const fn whole(field: Field) -> Kind {
    let range = field.range();
    Kind::Whole(*range.start(), *range.end())
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

fn if_parent_fails(given: &str) -> Result<IfParentFails, BadRequest> {
    let word = IfParentFails::ALL.into_iter().find(|word| word.as_str() == given);
    word.ok_or_else(|| BadRequest::IfParentFails { given: given.to_owned() })
}

/// The JSON that stands for a payload, whatever it is, so that it is checked as one that came as a text.
fn text_of_json<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let json = Option::<Box<RawValue>>::deserialize(from)?;
    Ok(json.map(|json| json.get().to_owned()))
}

/// The first field that cannot be read by itself: the parser does not tell which one it was at.
fn bad_field(text: &str) -> Option<BadRequest> {
    let fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).ok()?;
    FIELDS.into_iter().find_map(|(name, kind)| {
        let given = fields.get(name)?.get().to_owned();
        let alone = serde_json::from_str::<Draft>(&format!("{{\"{name}\":{given}}}"));
        alone.is_err().then_some(BadRequest::FieldKind { name, given, kind })
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
