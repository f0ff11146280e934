//! Two answers to one call, compared field by field, whatever a face spells otherwise.

use std::collections::BTreeMap;
use std::fmt;

use coord_core::queue::Status;
use coord_core::request;
use regex_lite::Regex;
use serde_json::{Map, Value, json};

use crate::call::{Outcome, Refused};
use crate::lines::lower;

/// What differs from one run of a scenario to the next.
pub struct Run {
    /// When it began, in microseconds.
    pub began: u64,
    /// The tasks' ids, by title.
    pub ids: BTreeMap<String, String>,
}

/// A field that one face answers otherwise than the core.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Names joined by dots, beginning with the call's; a list's elements have the name of the list.
    pub field: String,
    /// What the core answers; `None`: it has no such field.
    pub native: Option<Value>,
    /// What the face answers; `None`: it has no such field.
    pub there: Option<Value>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<Value>| value.as_ref().map_or("nothing".to_string(), Value::to_string);
        let Difference { field, native, there } = self;
        write!(f, "{field}: {} natively, {} there", shown(native), shown(there))
    }
}

/// Times that are measured, in seconds.
const MEASURED: [&str; 5] = ["oldest_pending_seconds", "p50", "p90", "p99", "max"];

/// Lists that answers leave out when they are empty (`coord_core::answer`).
const EMPTY_IS_ABSENT: [&str; 3] = ["after", "late_results", "paused_queues"];

/// Where the two answers differ, both already [`common`].
pub fn differences(call: &str, native: &Value, there: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(call, Some(native), Some(there), &mut found);
    found
}

fn compare(field: &str, native: Option<&Value>, there: Option<&Value>, found: &mut Vec<Difference>) {
    match (native, there) {
        (Some(Value::Object(native)), Some(Value::Object(there))) => {
            let names = native.keys().chain(there.keys().filter(|name| !native.contains_key(*name)));
            for name in names {
                compare(&format!("{field}.{name}"), native.get(name), there.get(name), found);
            }
        }
        (Some(Value::Array(native)), Some(Value::Array(there))) if native.len() == there.len() => {
            native.iter().zip(there).for_each(|(native, there)| compare(field, Some(native), Some(there), found));
        }
        _ if native == there => {}
        _ => found.push(Difference { field: field.to_string(), native: native.cloned(), there: there.cloned() }),
    }
}

impl Run {
    /// An answer as all faces have it in common: names in snake case, nothing for `null`, tasks by their titles, times
    /// as minutes since the scenario began.
    pub fn common(&self, outcome: &Outcome) -> Value {
        match outcome {
            Ok(answer) => self.value("", answer).unwrap_or(Value::Null),
            Err(Refused { code, message, facts }) => {
                let mut refused = Map::new();
                refused.extend(self.object(facts));
                refused.insert("code".to_string(), code.clone().into());
                if let Some(message) = message {
                    refused.insert("message".to_string(), self.message(message).into());
                }
                json!({ "refused": refused })
            }
        }
    }

    /// A field's value; `None`: it says nothing.
    fn value(&self, name: &str, value: &Value) -> Option<Value> {
        let is_time = name == "at" || name.ends_with("_at") || name.ends_with("_since");
        Some(match value {
            Value::Null => return None,
            Value::Bool(false) if name == "imported" => return None,
            Value::Array(values) if values.is_empty() && EMPTY_IS_ABSENT.contains(&name) => return None,
            // What agents gave is theirs, letter for letter.
            Value::Object(_) if name == "payload" || name == "result" => value.clone(),
            Value::String(text) if name == "payload" || name == "result" => serde_json::from_str(text).unwrap(),
            Value::String(text) if name == "payload_text" || name == "result_text" => {
                serde_json::from_str(text).unwrap()
            }
            Value::String(_) if name == "claim_nonce" => "<nonce>".into(),
            Value::String(_) if name == "next_cursor" => "<cursor>".into(),
            Value::String(text) if is_time => self.time(request::time("time", text).unwrap().micros()).into(),
            Value::Number(micros) if is_time => self.time(micros.as_u64().unwrap()).into(),
            Value::Number(_) if MEASURED.contains(&name) => "<measured>".into(),
            Value::Number(number) => match number.as_f64() {
                // JavaScript tells no 1.0 from 1.
                Some(whole) if number.is_f64() && whole.fract() == 0.0 => json!(whole as i64),
                _ => value.clone(),
            },
            Value::String(text) => self.titled(text).into(),
            Value::Array(values) => values.iter().filter_map(|value| self.value("", value)).collect(),
            Value::Object(fields) if name == "queues" => self.by_name(fields),
            Value::Object(fields) => Value::Object(self.object(fields)),
            Value::Bool(_) => value.clone(),
        })
    }

    fn object(&self, fields: &Map<String, Value>) -> Map<String, Value> {
        let named = fields.iter().map(|(name, value)| (lower(name), value));
        let fields = named.filter_map(|(name, value)| Some((name.clone(), self.value(&name, value)?)));
        with_counts(with_request(fields.collect()))
    }

    /// Queues by their names, as a list.
    fn by_name(&self, queues: &Map<String, Value>) -> Value {
        let named = queues.iter().map(|(name, queue)| {
            let mut queue = self.value("", queue).unwrap_or_default();
            queue["queue"] = name.clone().into();
            queue
        });
        named.collect()
    }

    fn time(&self, micros: u64) -> String {
        const YEAR: i64 = 31_536_000;
        let seconds = (i64::try_from(micros).unwrap() - i64::try_from(self.began).unwrap()).div_euclid(1_000_000);
        // A time that was given as one is far away; the others are so many whole minutes from when the scenario began.
        if seconds.abs() > YEAR {
            return format!("at {} ms", micros / 1_000);
        }
        // What happens in a scenario happens a little later than it would if calls took no time.
        format!("{:+} min", (seconds + 5).div_euclid(60))
    }

    fn titled(&self, text: &str) -> String {
        self.ids.iter().fold(text.to_string(), |text, (title, id)| text.replace(id.as_str(), &format!("<{title}>")))
    }

    /// A text for people: the names in it spelt alike, and without its times.
    fn message(&self, text: &str) -> String {
        let time = Regex::new(r"\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:\d\d)").unwrap();
        let capital = Regex::new("([a-z])([A-Z])").unwrap();
        let text = self.titled(text);
        let text = time.replace_all(&text, "<time>");
        // What is an option in the core's own words is one on every face.
        capital.replace_all(&text, "${1}_${2}").replace("--", "").replace('-', "_").to_lowercase()
    }
}

/// With the three fields of a request to stop as one.
fn with_request(mut fields: Map<String, Value>) -> Map<String, Value> {
    let names = [("run_id", "cancel_requested_by"), ("reason", "cancel_reason")];
    let of = names.map(|(name, flat)| (name, fields.remove(flat)));
    if fields.remove("cancel_requested") == Some(Value::Bool(true)) {
        let request = of.into_iter().filter_map(|(name, value)| Some((name.to_string(), value?)));
        fields.insert("cancel_request".to_string(), Value::Object(request.collect()));
    }
    fields
}

/// With the counts of all statuses in a field of their own.
fn with_counts(mut fields: Map<String, Value>) -> Map<String, Value> {
    let statuses = Status::ALL.map(Status::as_str);
    if statuses.iter().all(|status| fields.contains_key(*status)) && fields.len() > statuses.len() {
        let counts = statuses.map(|status| (status.to_string(), fields.remove(status).unwrap()));
        fields.insert("counts".to_string(), Value::Object(counts.into_iter().collect()));
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> Run {
        let ids = [("a".to_string(), "sha256:1".to_string())].into();
        Run { began: 1_000_000_000_000_000, ids }
    }

    #[test]
    fn a_field_that_differs_is_told_with_both_values() {
        let native = json!({ "task": { "title": "a", "tags": ["x"] }, "attempt": 1 });
        let there = json!({ "task": { "title": "b", "tags": ["x"] }, "generation": 1 });
        let told: Vec<_> = differences("claim", &native, &there).iter().map(ToString::to_string).collect();
        let expected = [
            "claim.attempt: 1 natively, nothing there",
            r#"claim.task.title: "a" natively, "b" there"#,
            "claim.generation: nothing natively, 1 there",
        ];
        assert_eq!(told, expected);
        assert_eq!(differences("claim", &native, &native), []);
    }

    #[test]
    fn a_list_differs_by_its_length_and_by_each_element() {
        let of = |values: Value| differences("wait.items", &json!([1, 2]), &values);
        assert_eq!(of(json!([1])).len(), 1);
        assert_eq!(of(json!([2, 1])).len(), 2);
    }

    #[test]
    fn two_spellings_of_one_answer_are_one() {
        let native = json!({
            "task_id": "sha256:1", "claimed_at": "2001-09-09T01:46:40.000001Z", "expires_at": "2001-09-09T02:46:41Z",
            "claim_nonce": "00", "error": null, "cancel_requested": true, "cancel_requested_by": "boss", "after": [],
            "result": { "n_m": 1 },
        });
        let there = json!({
            "taskId": "sha256:1", "claimedAt": 1_000_000_000_900_000_u64, "expiresAt": "2001-09-09T02:46:40.5Z",
            "claimNonce": "ff", "cancelRequest": { "runId": "boss", "reason": null }, "result": "{\"n_m\":1}",
        });
        assert_eq!(run().common(&Ok(native)), run().common(&Ok(there)));
    }

    #[test]
    fn a_time_that_is_minutes_off_differs() {
        let at = |time: &str| run().common(&Ok(json!({ "expires_at": time })));
        assert_eq!(at("2001-09-09T01:46:45Z"), json!({ "expires_at": "+0 min" }));
        assert_ne!(at("2001-09-09T01:46:45Z"), at("2001-09-09T01:48:45Z"));
    }

    #[test]
    fn a_refusal_is_compared_by_its_code_its_words_and_its_facts() {
        let refused = |code: &str, words: &str, generation: u32| {
            let facts = json!({ "generation": generation }).as_object().unwrap().clone();
            run().common(&Err(Refused { code: code.to_string(), message: Some(words.to_string()), facts }))
        };
        let native = refused("wrong_owner", "task sha256:1: ttl_seconds", 1);
        assert_eq!(native, refused("wrong_owner", "task sha256:1: ttlSeconds", 1));
        for other in [refused("lease_lost", "task sha256:1: ttl_seconds", 1), refused("wrong_owner", "no", 1)] {
            assert_eq!(differences("fail", &native, &other).len(), 1);
        }
        assert_eq!(differences("fail", &native, &refused("wrong_owner", "task sha256:1: ttl-seconds", 2)).len(), 1);
    }
}
