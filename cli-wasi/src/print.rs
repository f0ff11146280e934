//! `--print FIELD`: some values of an answer, one a line, for scripts that have no parser of JSON.
//!
//! Whether a command can have such a field its schema tells, before anything is done; what stands there its JSON.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::str::FromStr;

use muse_terminal::{on_one_line, sanitised_json};
use schemars::Schema;
use serde_json::Value;
use serde_json::value::RawValue;

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
        format!("{whose} is a list: continue with {EACH} for each element, or with 0 for the first")
    } else {
        format!("{whose} holds no fields")
    };
    format!("no field {path:?} to print: {there_are}")
}

/// A line of JSON as it is printed: whole, or the fields that are asked for.
pub fn chosen(json: &str, fields: &[FieldPath]) -> Result<String, serde_json::Error> {
    if fields.is_empty() { Ok(sanitised_json(json) + "\n") } else { values(json, fields) }
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

/// The values at some places of an answer with a list whose elements come one by one.
#[derive(Debug)]
pub struct Chosen<'a> {
    list: &'static str,
    paths: Vec<ChosenPath<'a>>,
    /// How many elements there have been.
    count: usize,
}

#[derive(Debug)]
struct ChosenPath<'a> {
    steps: Vec<&'a str>,
    /// What has been found in the elements so far.
    lines: String,
    /// True if the one element that is meant has been there.
    is_found: bool,
}

impl<'a> Chosen<'a> {
    /// Nothing yet, of an answer with such a list.
    pub fn new(paths: &'a [FieldPath], list: &'static str) -> Chosen<'a> {
        let path = |path: &'a FieldPath| ChosenPath {
            steps: path.0.split('.').collect(),
            lines: String::new(),
            is_found: false,
        };
        Chosen { list, paths: paths.iter().map(path).collect(), count: 0 }
    }

    /// True if what is found in an element can be printed before the next: one value of each is asked for, and nothing
    /// else.
    pub fn comes_in_order(&self) -> bool {
        let is_of_each =
            |path: &ChosenPath<'_>| matches!(path.steps.as_slice(), [list, EACH, ..] if *list == self.list);
        matches!(self.paths.as_slice(), [path] if is_of_each(path))
    }

    /// Takes what is asked for of the next element.
    pub fn push(&mut self, json: &str) -> Result<(), serde_json::Error> {
        let element: &RawValue = serde_json::from_str(json)?;
        let (name, count) = (self.list, self.count);
        for ChosenPath { steps, lines, is_found } in &mut self.paths {
            match steps.as_slice() {
                [list] if *list == name => {
                    lines.push_str(if count > 0 { "," } else { "" });
                    lines.push_str(&sanitised_json(json));
                }
                [list, EACH, rest @ ..] if *list == name => push_values(Some(element), rest, lines)?,
                [list, place, rest @ ..] if *list == name && place.parse() == Ok(count) => {
                    *is_found = true;
                    push_values(Some(element), rest, lines)?;
                }
                _ => {}
            }
        }
        self.count += 1;
        Ok(())
    }

    /// What has been found since this was asked last, if it comes in order.
    pub fn take(&mut self) -> String {
        self.paths.iter_mut().map(|path| std::mem::take(&mut path.lines)).collect()
    }

    /// How many bytes are held.
    pub fn bytes(&self) -> usize {
        self.paths.iter().map(|path| path.lines.len()).sum()
    }

    /// All lines that have not been taken, with what is asked for of the rest of the answer.
    pub fn end(self, rest_of_answer: &str) -> Result<String, serde_json::Error> {
        let root: &RawValue = serde_json::from_str(rest_of_answer)?;
        let mut all = String::new();
        for ChosenPath { steps, lines, is_found } in self.paths {
            match steps.as_slice() {
                [list] if *list == self.list => all.push_str(&format!("[{lines}]\n")),
                [list, EACH, ..] if *list == self.list => all.push_str(&lines),
                [list, ..] if *list == self.list && is_found => all.push_str(&lines),
                steps => push_values(Some(root), steps, &mut all)?,
            }
        }
        Ok(all)
    }
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
        Err(_) => sanitised_json(json),
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
    fn of_a_list_that_comes_one_by_one_the_same_is_chosen_as_of_the_whole() {
        let list = [json!({"id": "x", "tags": []}), json!({"id": "y", "tags": ["a", "\u{9b}"]}), json!({})];
        let whole = json!({"total": 3, "items": list, "warnings": []}).to_string();
        let all = [
            "items.*.id",
            "items.*.tags.*",
            "items",
            "items.1.id",
            "items.1.tags.*",
            "items.0.tags.*",
            "items.9.id",
            "items.x",
            "items.x.y",
            "total",
            "absent",
            "total.0",
        ];
        let pairs = all.iter().flat_map(|one| all.iter().map(move |other| vec![*one, *other]));
        for paths in pairs.chain(all.iter().map(|path| vec![*path])) {
            let paths: Vec<FieldPath> = paths.into_iter().map(|path| FieldPath(path.to_string())).collect();
            let mut chosen = Chosen::new(&paths, "items");
            let mut lines = String::new();
            for element in &list {
                chosen.push(&element.to_string()).unwrap();
                if chosen.comes_in_order() {
                    lines.push_str(&chosen.take());
                }
            }
            lines.push_str(&chosen.end(r#"{"total":3,"warnings":[]}"#).unwrap());
            assert_eq!(lines, values(&whole, &paths).unwrap(), "{paths:?}");
        }
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
            ("tasks.t", "is a list: continue with * for each element"),
            ("id.x", "no field \"id.x\" to print: \"id\" holds no fields"),
            ("tasks.*.t.u", "\"tasks.*.t\" holds no fields"),
        ] {
            let problem = check_path(path, &schema).unwrap_err();
            assert!(problem.contains(says), "{path}: {problem}");
        }
    }
}
