//! The words of `wit/`: what a call's arguments are there, and what an answer from there is to the core.

use coord_core::request;
use serde_json::{Map, Value, json};

use crate::call::Refused;

/// The arguments as the interface takes them: a JSON object as a text, a time in microseconds, an order by its name.
pub fn asked(with: &Value) -> Value {
    let Value::Object(fields) = with else { return with.clone() };
    let fields = fields.iter().map(|(name, value)| (name.clone(), argument(name, value)));
    Value::Object(fields.collect())
}

fn argument(name: &str, value: &Value) -> Value {
    match (name, value) {
        ("payload" | "result", Value::Object(_)) => value.to_string().into(),
        ("at" | "since" | "ended_since", Value::String(time)) => request::time("time", time).unwrap().micros().into(),
        ("sort", Value::String(order)) => match order.strip_prefix('-') {
            Some(order) => format!("{order}_last").into(),
            None => value.clone(),
        },
        ("tasks" | "follow_ups", Value::Array(tasks)) => tasks.iter().map(asked).collect(),
        _ => value.clone(),
    }
}

/// The answer with what stands in a record of its own among the fields around it, where the core has it.
pub fn answered(answer: Value) -> Value {
    match answer {
        Value::Array(values) => values.into_iter().map(answered).collect(),
        Value::Object(fields) => {
            let mut flat = Map::new();
            // A task that was waited for is told by its id, and is there or not.
            let is_whole = fields.contains_key("task_id");
            for (name, value) in fields {
                match (name.as_str(), answered(value)) {
                    ("item" | "task" | "claim_record", Value::Object(inner)) if !is_whole => flat.extend(inner),
                    (_, value) => _ = flat.insert(name, value),
                }
            }
            Value::Object(flat)
        }
        other => other,
    }
}

/// A refusal by the case of `error` and what that holds: a text, an id, or a record.
pub fn refused(case: &str, held: Value) -> Refused {
    let code = case.replace('-', "_");
    match held {
        Value::String(id) if code == "not_found" => Refused { code, message: None, facts: fact("task_id", id.into()) },
        Value::String(text) => Refused { code, message: Some(text), facts: Map::new() },
        Value::Object(mut facts) => {
            let message = facts.remove("message").and_then(|text| text.as_str().map(str::to_string));
            Refused { code, message, facts }
        }
        other => Refused { code, message: None, facts: fact("held", other) },
    }
}

/// A claim as the core tells it, of what the three functions of a lease tell.
pub fn claimed(record: Value, task: Value, late_results: Value) -> Value {
    let mut claimed = record;
    claimed["task"] = task;
    claimed["late_results"] = late_results;
    claimed
}

fn fact(name: &str, value: Value) -> Map<String, Value> {
    json!({ name: value }).as_object().unwrap().clone()
}
