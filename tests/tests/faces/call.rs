//! Calls of the queue as data: what every face is asked, and in which order.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

/// What the queue does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// `tasks`: each as for `Enqueue`.
    EnqueueAll,
    /// The fields of `coord_core::request::Draft`.
    Enqueue,
    /// The fields of `coord_core::request::ClaimDraft`.
    Claim,
    /// The same and `max`.
    ClaimMany,
    /// `task_id`, `run_id`, `claim_nonce`: a lease that was claimed elsewhere, as a claim is answered.
    TakeUp,
    /// `task_id`, `run_id`, `lease_seconds`, `progress`, `note`.
    Heartbeat,
    /// `task_id`, `run_id`, `result`, `follow_ups`: each as for `Enqueue`.
    Complete,
    /// `task_id`, `run_id`, `reason`, `is_final`.
    Fail,
    /// `task_id`, `run_id`, `delay_seconds`.
    Release,
    /// `task_id`, `run_id`, `if_held`, `reason`.
    Cancel,
    /// `task_id`, `now`, `cascade`.
    Retry,
    /// `task_id`.
    Show,
    /// The fields of `coord_core::request::FilterDraft`.
    Tasks,
    /// `task_ids`, `until`, `timeout_seconds`.
    Wait,
    /// `queue`.
    Pause,
    /// `queue`.
    Resume,
    /// `queue`, `max_in_flight`.
    Limit,
    /// `window_seconds`.
    Stats,
    /// `older_than_seconds`, `keep_last`, `dry_run`.
    Gc,
}

/// A call. In its arguments `@title` stands for the id of the task that has this title, and `@cursor` for the
/// `next_cursor` that was answered last.
#[derive(Clone, Debug)]
pub struct Call {
    /// What is asked.
    pub verb: Verb,
    /// With which arguments: an object, named and spelt as in JSON.
    pub with: Value,
}

/// Who makes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The face that is compared.
    Face,
    /// The core, in the same directory, by a clock that is so many seconds ahead: the past and the future are made
    /// without waiting.
    Core {
        /// Negative: in the past.
        ahead: i64,
    },
}

/// A call and who makes it.
#[derive(Clone, Debug)]
pub struct Step {
    /// Who.
    pub by: By,
    /// What.
    pub call: Call,
}

/// Calls in a directory of their own.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What they show.
    pub name: &'static str,
    /// In their order.
    pub steps: Vec<Step>,
}

/// Why a call was refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// The stable word.
    pub code: String,
    /// In words, if the face has any.
    pub message: Option<String>,
    /// What a program may act on: `task_id`, `status`, `run_id`, `generation` and so on.
    pub facts: Map<String, Value>,
}

/// What a call was answered: an answer as JSON, or a refusal.
pub type Outcome = Result<Value, Refused>;

/// What was answered so far, for later calls to name.
#[derive(Debug, Default)]
pub struct Known {
    /// By title.
    pub ids: BTreeMap<String, String>,
    /// By task id and run id.
    nonces: BTreeMap<(String, String), String>,
    cursor: Option<String>,
}

impl Verb {
    /// As it stands in a path: `claim_many`.
    pub fn name(self) -> String {
        serde_json::to_value(self).unwrap().as_str().unwrap().to_string()
    }

    /// Whether a holder makes it for its lease.
    pub fn is_by_holder(self) -> bool {
        matches!(self, Verb::TakeUp | Verb::Heartbeat | Verb::Complete | Verb::Fail | Verb::Release)
    }
}

impl Call {
    /// An argument that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.with.get(name).and_then(Value::as_str)
    }

    /// An argument that is a list.
    pub fn list(&self, name: &str) -> &[Value] {
        self.with.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// An argument that is a number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.with.get(name).and_then(Value::as_i64)
    }

    /// An argument that is true.
    pub fn flag(&self, name: &str) -> bool {
        self.with.get(name) == Some(&Value::Bool(true))
    }

    /// The argument that a call of a holder, or of one task, always has.
    pub fn task_id(&self) -> &str {
        self.text("task_id").unwrap()
    }
}

impl Known {
    /// The call with what its arguments stand for, and a holder's with the nonce of its lease.
    pub fn resolved(&self, call: &Call) -> Call {
        let mut with = self.resolve(&call.with);
        if call.verb.is_by_holder() {
            let of = |name: &str| with.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
            let nonce = self.nonces.get(&(of("task_id"), of("run_id"))).cloned();
            if let (Some(nonce), None) = (nonce, with.get("claim_nonce")) {
                with["claim_nonce"] = nonce.into();
            }
        }
        Call { verb: call.verb, with }
    }

    fn resolve(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => match text.strip_prefix('@') {
                None => value.clone(),
                Some("cursor") => self.cursor.clone().expect("a listing that goes on").into(),
                Some(title) => self.ids.get(title).unwrap_or_else(|| panic!("no task {title:?} yet")).clone().into(),
            },
            Value::Array(values) => values.iter().map(|value| self.resolve(value)).collect(),
            Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), self.resolve(value))).collect(),
            _ => value.clone(),
        }
    }

    /// Learns from an answer, in the spelling of the core, to a call.
    pub fn learn(&mut self, call: &Call, answer: &Value) {
        match call.verb {
            Verb::Enqueue => self.learn_ids(std::slice::from_ref(&call.with), std::slice::from_ref(answer)),
            Verb::EnqueueAll => self.learn_ids(call.list("tasks"), as_list(answer)),
            Verb::Complete => self.learn_ids(call.list("follow_ups"), as_list(&answer["enqueued"])),
            Verb::Claim => self.learn_nonce(answer),
            Verb::ClaimMany => as_list(answer).iter().for_each(|claimed| self.learn_nonce(claimed)),
            Verb::Tasks => self.cursor = answer["next_cursor"].as_str().map(str::to_string),
            _ => {}
        }
    }

    fn learn_ids(&mut self, asked: &[Value], answered: &[Value]) {
        for (task, answer) in asked.iter().zip(answered) {
            let (Some(title), Some(id)) = (task["title"].as_str(), answer["task_id"].as_str()) else { continue };
            if !self.ids.values().any(|known| known == id) {
                self.ids.insert(title.trim().to_string(), id.to_string());
            }
        }
    }

    fn learn_nonce(&mut self, claimed: &Value) {
        let of = |name: &str| claimed[name].as_str().map(str::to_string);
        if let (Some(id), Some(run_id), Some(nonce)) = (of("task_id"), of("claimer_run_id"), of("claim_nonce")) {
            self.nonces.insert((id, run_id), nonce);
        }
    }
}

fn as_list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
