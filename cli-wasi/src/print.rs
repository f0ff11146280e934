//! `--print FIELD`: some values of an answer, one a line, for scripts that have no parser of JSON.
//!
//! Whether a command can have such a field its schema tells, before anything is done; what stands there its JSON.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::str::FromStr;

use schemars::Schema;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::output::{on_one_line, without_terminal_controls};

/// Where a value stands: names, places in lists and `*` for each element, with dots between them.
#[derive(Clone, Debug)]
pub struct FieldPath(String);

impl FromStr for FieldPath {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<FieldPath, Infallible> {
        Ok(FieldPath(text.to_string()))
    }
}

/// What stands for each element of a list.
const EACH: &str = "*";

/// Checks that an answer of this schema can have the fields. What holds anything, as a payload, can have any.
pub fn check(paths: &[FieldPath], schema: impl FnOnce() -> Schema) -> Result<(), String> {
    if paths.is_empty() {
        return Ok(());
    }
    let schema = schema().to_value();
    paths.iter().try_for_each(|path| check_path(&path.0, &schema))
}

fn check_path(path: &str, schema: &Value) -> Result<(), String> {
    let mut shapes = shapes_of(schema, schema);
    let mut passed = String::new();
    for step in path.split('.') {
        if shapes.iter().any(|shape| holds_anything(shape, step)) {
            return Ok(());
        }
        let below: Vec<&Value> = shapes.iter().filter_map(|shape| step_into(shape, step)).collect();
        if below.is_empty() {
            return Err(unknown(path, &passed, &shapes));
        }
        shapes = below.into_iter().flat_map(|node| shapes_of(node, schema)).collect();
        passed = if passed.is_empty() { step.to_string() } else { format!("{passed}.{step}") };
    }
    Ok(())
}

/// The schemas that a value of `node` may follow, each without alternatives of its own.
fn shapes_of<'a>(node: &'a Value, root: &'a Value) -> Vec<&'a Value> {
    let referred = node.get("$ref").and_then(Value::as_str).and_then(|to| root.pointer(to.trim_start_matches('#')));
    let alternatives = ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|key| node.get(key)?.as_array()).flatten();
    let others = referred.into_iter().chain(alternatives).flat_map(|node| shapes_of(node, root));
    [node].into_iter().chain(others).collect()
}

/// True if the schema says nothing of what is under this name.
fn holds_anything(shape: &Value, step: &str) -> bool {
    let is = |kind: &Value| kind == "object" || kind.as_array().is_some_and(|kinds| kinds.contains(&"object".into()));
    let is_object = shape.get("type").is_some_and(is);
    let names = shape.get("required").and_then(Value::as_array);
    match shape.get("properties") {
        None => is_object && shape.get("additionalProperties").is_none(),
        Some(described) => described.get(step).is_none() && names.is_some_and(|names| names.contains(&step.into())),
    }
}

fn step_into<'a>(shape: &'a Value, step: &str) -> Option<&'a Value> {
    let element = shape.get("items").filter(|_| step == EACH || step.parse::<usize>().is_ok());
    let named = shape.get("properties").and_then(|properties| properties.get(step));
    element.or(named).or_else(|| shape.get("additionalProperties").filter(|schema| schema.is_object()))
}

fn unknown(path: &str, passed: &str, shapes: &[&Value]) -> String {
    let properties = shapes.iter().filter_map(|shape| shape.get("properties")?.as_object());
    let mut names: Vec<&str> = properties.flat_map(|properties| properties.keys()).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    let whose = if passed.is_empty() { "the answer".to_string() } else { format!("{passed:?}") };
    let there_are = if !names.is_empty() {
        format!("{whose} has {}", names.join(", "))
    } else if shapes.iter().any(|shape| shape.get("items").is_some()) {
        format!("{whose} is a list: go on with {EACH} for each element, or with 0 for the first")
    } else {
        format!("{whose} holds no fields")
    };
    format!("no field {path:?} to print: {there_are}")
}

/// The values of a JSON object at these places, each on a line.
pub fn values(json: &str, paths: &[FieldPath]) -> Result<String, serde_json::Error> {
    let root: &RawValue = serde_json::from_str(json)?;
    let mut lines = String::new();
    for FieldPath(path) in paths {
        let steps: Vec<&str> = path.split('.').collect();
        push_values(Some(root), &steps, &mut lines)?;
    }
    Ok(lines)
}

/// A value that is not there is an empty line, or if it is each element that is asked for, no line.
fn push_values(value: Option<&RawValue>, steps: &[&str], lines: &mut String) -> Result<(), serde_json::Error> {
    let json = value.map_or("null", RawValue::get);
    match steps {
        [] => {
            lines.push_str(&line(json));
            lines.push('\n');
            Ok(())
        }
        [EACH, rest @ ..] => {
            let elements: Vec<&RawValue> = if json.starts_with('[') { serde_json::from_str(json)? } else { Vec::new() };
            elements.into_iter().try_for_each(|element| push_values(Some(element), rest, lines))
        }
        [name, rest @ ..] if json.starts_with('{') => {
            let fields: BTreeMap<String, &RawValue> = serde_json::from_str(json)?;
            push_values(fields.get(*name).copied(), rest, lines)
        }
        [place, rest @ ..] if json.starts_with('[') => {
            let elements: Vec<&RawValue> = serde_json::from_str(json)?;
            let element = place.parse::<usize>().ok().and_then(|place| elements.get(place));
            push_values(element.copied(), rest, lines)
        }
        [_, rest @ ..] => push_values(None, rest, lines),
    }
}

fn line(json: &str) -> String {
    match serde_json::from_str::<Option<String>>(json) {
        Ok(text) => on_one_line(&text.unwrap_or_default()),
        Err(_) => without_terminal_controls(json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn printed(json: &Value, path: &str) -> String {
        values(&json.to_string(), &[FieldPath(path.to_string())]).unwrap()
    }

    #[test]
    fn a_value_is_a_line_whatever_it_is() {
        let answer = json!({"text": "a \"b\" \\ ü\n\u{1b}[31m", "number": 1.5, "yes": true, "none": null,
            "list": [{"id": "x"}, {}, {"id": "y"}], "object": {"a": [1, "\u{9b}"]}});
        for (path, lines) in [
            ("text", "a \"b\" \\ ü\\n\\u001b[31m\n"),
            ("number", "1.5\n"),
            ("yes", "true\n"),
            ("none", "\n"),
            ("absent", "\n"),
            ("absent.below", "\n"),
            ("text.below", "\n"),
            ("list.0.id", "x\n"),
            ("list.9.id", "\n"),
            ("list.*.id", "x\n\ny\n"),
            ("absent.*", ""),
            ("object", "{\"a\":[1,\"\\u009b\"]}\n"),
            ("object.a.0", "1\n"),
        ] {
            assert_eq!(printed(&answer, path), lines, "{path}");
        }
        let digits = r#"{"n":12345678901234567890.10}"#;
        assert_eq!(values(digits, &[FieldPath("n".to_string())]).unwrap(), "12345678901234567890.10\n");
    }

    #[test]
    fn a_field_that_the_schema_does_not_have_is_refused_with_those_there_are() {
        let schema = json!({
            "properties": {"id": {"type": "string"}, "payload": {"type": ["object", "null"]},
                "tasks": {"type": "array", "items": {"$ref": "#/$defs/T"}},
                "queues": {"type": "object", "additionalProperties": {"$ref": "#/$defs/T"}}},
            "anyOf": [{"properties": {"more": {"$ref": "#/$defs/T"}}}],
            "$defs": {"T": {"type": "object", "properties": {"t": {"type": "integer"}}}},
        });
        for path in ["id", "payload", "payload.any.0.thing", "tasks", "tasks.*", "tasks.7.t", "more.t", "queues.q.t"] {
            assert_eq!(check_path(path, &schema), Ok(()), "{path}");
        }
        for (path, says) in [
            ("nope", "no field \"nope\" to print: the answer has id, more, payload, queues, tasks"),
            ("", "no field \"\" to print: the answer has id, more, payload, queues, tasks"),
            ("more.x", "no field \"more.x\" to print: \"more\" has t"),
            ("tasks.t", "is a list: go on with * for each element"),
            ("id.x", "no field \"id.x\" to print: \"id\" holds no fields"),
            ("tasks.*.t.u", "\"tasks.*.t\" holds no fields"),
        ] {
            let problem = check_path(path, &schema).unwrap_err();
            assert!(problem.contains(says), "{path}: {problem}");
        }
    }
}
