//! Holds JSON answers against what the built `muse` itself says of them: `muse coord --schema COMMAND`.
//!
//! The published schema allows fields that it does not name, which a later version may have. Here it is closed first,
//! so that an answer with a field that is described nowhere is a defect.

use std::collections::HashMap;
use std::ffi::OsString;
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jsonschema::Validator;
use jsonschema::error::{ValidationError, ValidationErrorKind};
use serde_json::{Value, json};

use crate::required;

/// The command of `muse coord` on a command line, if it is one.
pub(crate) fn command_of(words: &[OsString]) -> Option<String> {
    let mut after_format = false;
    let mut words = words.iter().filter_map(|word| word.to_str()).filter(|word| {
        let value = std::mem::replace(&mut after_format, *word == "--format");
        !value && !word.starts_with('-')
    });
    words.next().filter(|word| *word == "coord")?;
    words.next().map(String::from)
}

/// What is wrong with an answer of a command. A command that there is not can only answer an error, as any other does.
pub(crate) fn defects(command: &str, answer: &Value) -> Option<String> {
    let validator =
        validator(command).or_else(|| validator("init")).expect("`muse coord --schema init` tells a schema");
    let defects: Vec<String> = validator.iter_errors(answer).map(|defect| described(&defect)).collect();
    (!defects.is_empty()).then(|| defects.join("; "))
}

/// The validator for a command's answers, made once in a process; `None` for a command that there is not.
fn validator(command: &str) -> Option<Arc<Validator>> {
    static MADE: LazyLock<Mutex<HashMap<String, Option<Arc<Validator>>>>> = LazyLock::new(Mutex::default);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.entry(command.to_string()).or_insert_with(|| schema(command).map(|schema| Arc::new(closed(schema)))).clone()
}

fn schema(command: &str) -> Option<Value> {
    let told = Command::new(required("MUSE_BIN")).args(["coord", "--schema", command]).env_clear().output();
    let told = told.expect("muse starts");
    told.status.success().then(|| serde_json::from_slice(&told.stdout).expect("a schema is JSON"))
}

fn closed(mut schema: Value) -> Validator {
    let alternatives = schema.get_mut("oneOf").and_then(Value::as_array_mut);
    alternatives.expect("an answer or an error").iter_mut().for_each(close);
    if let Some(definitions) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
        definitions.values_mut().for_each(close_within);
    }
    jsonschema::options().should_validate_formats(true).build(&schema).expect("a schema")
}

/// Closes the schema of a whole value: what none of its parts names is not allowed.
fn close(schema: &mut Value) {
    close_within(schema);
    let Some(schema) = schema.as_object_mut() else { return };
    if ["properties", "$ref", "anyOf"].iter().any(|part| schema.contains_key(*part)) {
        schema.insert("unevaluatedProperties".to_string(), json!(false));
    }
}

/// Closes the schemas of the values that are within a value. Its own parts, each of which names some fields of it, stay
/// open.
fn close_within(schema: &mut Value) {
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(close);
    }
    if let Some(items) = schema.get_mut("items") {
        close(items);
    }
    if let Some(parts) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        parts.iter_mut().for_each(close_within);
    }
}

/// A defect with its place; what is wrong with each alternative where none is valid.
fn described(defect: &ValidationError<'_>) -> String {
    let (ValidationErrorKind::OneOfNotValid { context } | ValidationErrorKind::AnyOf { context }) = defect.kind()
    else {
        return format!("{defect} at {:?}", defect.instance_path().to_string());
    };
    let alternatives = context.iter().map(|defects| defects.iter().map(described).collect::<Vec<_>>().join("; "));
    alternatives.enumerate().map(|(index, defects)| format!("\n  alternative {index}: {defects}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_of_a_line_is_found_among_flags() {
        let command = |line: &str| command_of(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        for line in ["coord claim --run-id a", "-j coord --json claim", "--format json coord --format=text claim"] {
            assert_eq!(command(line).as_deref(), Some("claim"), "{line}");
        }
        for line in ["", "--version", "coord", "coord --help", "agent.wasm --run-id a"] {
            assert_eq!(command(line), None, "{line}");
        }
    }

    #[test]
    fn a_closed_schema_refuses_what_it_does_not_name_in_every_value() {
        let part = |name: &str| json!({"type": "object", "properties": {name: {"$ref": "#/$defs/T"}}});
        let validator = closed(json!({
            "oneOf": [{"properties": {"e": {"type": "object"}}, "anyOf": [part("a"), {"$ref": "#/$defs/B"}]}],
            "$defs": {"B": part("b"), "T": {"type": "object", "properties": {"t": {"type": "integer"}}}},
        }));
        for valid in [json!({"e": {"any": 1}, "a": {"t": 1}}), json!({"b": {"t": 1}}), json!({"b": {}})] {
            assert!(validator.is_valid(&valid), "{valid}");
        }
        for invalid in
            [json!({"c": 1}), json!({"a": {"t": 1, "u": 1}}), json!({"b": {"u": 1}}), json!({"a": {"t": ""}})]
        {
            assert!(!validator.is_valid(&invalid), "{invalid}");
        }
    }
}
