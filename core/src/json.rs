//! JSON objects that come from outside and go back out digit for digit: payloads and results.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::limits;
use crate::spelling::shortened;

/// A JSON object as its author wrote it, less the white space between its tokens.
///
/// Numbers keep every digit: the text is stored and handed out, never a parsed number.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct JsonObject(Box<RawValue>);

impl JsonObject {
    /// Reads an object of at most [`limits::JSON_BYTES`] bytes, nested at most [`limits::JSON_DEPTH`] deep, in which no
    /// object has one name twice: readers would differ on its value, and RFC 8785 is for JSON without (RFC 7493).
    pub fn parse(text: &str) -> Result<JsonObject, BadJson> {
        // Reading takes many times a text's bytes of memory. A text that is a little too large is read anyway, so that
        // an error in its content is reported first.
        if text.len() > limits::RECORD_BYTES {
            return Err(BadJson::TooLarge { bytes: text.len() });
        }
        match serde_json::from_str::<Value>(text) {
            Ok(value @ Value::Object(_)) if value.depth() <= limits::JSON_DEPTH => {}
            Ok(Value::Object(_)) => return Err(BadJson::TooDeep),
            Ok(value) => return Err(BadJson::NotAnObject { found: value.kind() }),
            Err(error) => return Err(BadJson::from(error)),
        }
        if text.len() > limits::JSON_BYTES {
            return Err(BadJson::TooLarge { bytes: text.len() });
        }
        Ok(JsonObject(RawValue::from_string(without_white_space(text))?))
    }

    /// The object's text, on one line.
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// True for `{}`.
    pub fn is_empty(&self) -> bool {
        self.text() == "{}"
    }
}

impl PartialEq for JsonObject {
    fn eq(&self, other: &JsonObject) -> bool {
        self.text() == other.text()
    }
}

impl Eq for JsonObject {}

impl<'de> Deserialize<'de> for JsonObject {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<JsonObject, D::Error> {
        let raw = Box::<RawValue>::deserialize(from)?;
        JsonObject::parse(raw.get()).map_err(D::Error::custom)
    }
}

/// Why a text is not a payload or result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadJson {
    /// More than [`limits::JSON_BYTES`] bytes.
    TooLarge {
        /// The text's size.
        bytes: usize,
    },
    /// JSON, but not an object.
    NotAnObject {
        /// The kind of value instead, with its article.
        found: &'static str,
    },
    /// Nested deeper than [`limits::JSON_DEPTH`].
    TooDeep,
    /// JSON that not all readers take: with a number that no double can hold, with half a surrogate pair, or with one
    /// name twice in an object.
    NotTaken {
        /// The fault, with line and column, and the way out.
        reason: String,
    },
    /// Not JSON.
    Malformed {
        /// The parser's words, with line and column.
        reason: String,
    },
}

impl From<serde_json::Error> for BadJson {
    fn from(error: serde_json::Error) -> BadJson {
        let reason = error.to_string();
        // Any value is taken, so that the data can be wrong by a name alone.
        if error.is_data() {
            return BadJson::NotTaken { reason: reason + ": give it one value" };
        }
        match not_taken(&error) {
            Some((what, way_out)) => {
                let (line, column) = (error.line(), error.column());
                BadJson::NotTaken { reason: format!("{what} at line {line} column {column}: {way_out}") }
            }
            None if reason.starts_with("recursion limit") => BadJson::TooDeep,
            None => BadJson::Malformed { reason },
        }
    }
}

/// Values that the parser refuses although the text is JSON, and the way out.
pub(crate) fn not_taken(error: &serde_json::Error) -> Option<(&'static str, &'static str)> {
    let reason = error.to_string();
    if reason.starts_with("number out of range") {
        Some(("a number is beyond 1.8e308, which JSON parsers cannot hold,", "give it as a string"))
    } else if reason.starts_with("lone leading surrogate") || reason.starts_with("unexpected end of hex escape") {
        Some(("a string holds half a character (a lone surrogate)", "give both halves"))
    } else {
        None
    }
}

impl fmt::Display for BadJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadJson::TooLarge { bytes } => write!(f, "too large ({bytes} bytes; max {})", limits::JSON_BYTES),
            BadJson::NotAnObject { found } => write!(f, "it must be a JSON object like {{\"key\": 1}}, not {found}"),
            BadJson::TooDeep => write!(f, "nested too deep (max {} levels)", limits::JSON_DEPTH),
            BadJson::NotTaken { reason } => f.write_str(reason),
            BadJson::Malformed { reason } => write!(f, "not JSON: {reason}"),
        }
    }
}

impl core::error::Error for BadJson {}

/// The canonical form (RFC 8785) of any JSON text in which no object has one name twice.
pub(crate) fn canonical(text: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    serde_json_canonicalizer::to_vec(&serde_json::from_slice::<Value>(text)?)
}

/// A JSON value as RFC 8785 sees it: numbers are doubles.
///
/// Not `serde_json::Value`, which takes an object whose first name is `$serde_json::private::RawValue` for the JSON in
/// its text: two different payloads would have one canonical form, and so would two tasks have one id.
#[derive(Serialize)]
#[serde(untagged)]
enum Value {
    Null,
    Bool(bool),
    Number(f64),
    Text(String),
    List(Vec<Value>),
    Object(BTreeMap<String, Value>),
}

impl Value {
    /// The kind of the value, with its article.
    fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Number(_) => "a number",
            Value::Text(_) => "a string",
            Value::List(_) => "an array",
            Value::Object(_) => "an object",
        }
    }

    /// How many objects and arrays enclose the innermost value. The parser's own limit of recursion bounds this one's.
    fn depth(&self) -> usize {
        match self {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => 0,
            Value::List(items) => 1 + items.iter().map(Value::depth).max().unwrap_or(0),
            Value::Object(fields) => 1 + fields.values().map(Value::depth).max().unwrap_or(0),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
        from.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_string()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = BTreeMap::new();
        while let Some(name) = fields.next_key::<String>()? {
            let value = fields.next_value()?;
            match object.entry(name) {
                Entry::Vacant(place) => place.insert(value),
                Entry::Occupied(twice) => {
                    let name = shortened(twice.key());
                    return Err(A::Error::custom(format_args!("the name {name:?} occurs twice in one object")));
                }
            };
        }
        Ok(Value::Object(object))
    }
}

/// Drops the white space between tokens of a text that is known to be JSON, so that it stays on one line.
pub(crate) fn without_white_space(json: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    json.chars()
        .filter(|&c| {
            let keep = in_string || !matches!(c, ' ' | '\t' | '\n' | '\r');
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = in_string,
                '"' => in_string = !in_string,
                _ => {}
            }
            keep
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_strings_come_back_as_they_were_given() {
        let text =
            " { \"big\" : 12345678901234567890123 ,\n\t\"money\": 1.10, \"e\":1E+2, \"s\": \" a \\\" b \\\\\" } ";
        let object = JsonObject::parse(text).unwrap();
        assert_eq!(object.text(), r#"{"big":12345678901234567890123,"money":1.10,"e":1E+2,"s":" a \" b \\"}"#);
    }

    #[test]
    fn what_is_not_an_object_is_refused_with_the_reason() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
        for (text, message) in [
            ("", "not JSON: EOF while parsing a value at line 1 column 0"),
            ("[1]", "it must be a JSON object like {\"key\": 1}, not an array"),
            ("7", "it must be a JSON object like {\"key\": 1}, not a number"),
            ("{\"a\":1}}", "not JSON: trailing characters at line 1 column 8"),
            (deep.as_str(), "nested too deep (max 124 levels)"),
        ] {
            assert_eq!(JsonObject::parse(text).unwrap_err().to_string(), message, "{text}");
        }
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(limits::JSON_BYTES - 7));
        assert_eq!(JsonObject::parse(&large).unwrap_err().to_string(), "too large (65537 bytes; max 65536)");
        assert!(JsonObject::parse(&large.replacen("xx", "x", 1)).is_ok());
        // Not JSON at all, which is not looked at.
        let huge = "x".repeat(limits::RECORD_BYTES + 1);
        assert_eq!(JsonObject::parse(&huge).unwrap_err(), BadJson::TooLarge { bytes: huge.len() });
    }

    #[test]
    fn json_that_readers_differ_on_is_not_called_something_else() {
        for (text, message) in [
            (
                r#"{"a":1e400}"#,
                "a number is beyond 1.8e308, which JSON parsers cannot hold, at line 1 column 10: give it as a string",
            ),
            (
                r#"{"a":-1e999}"#,
                "a number is beyond 1.8e308, which JSON parsers cannot hold, at line 1 column 11: give it as a string",
            ),
            (
                r#"{"a":[{"b":1,"b":2}]}"#,
                "the name \"b\" occurs twice in one object at line 1 column 19: give it one value",
            ),
            (
                r#"{"a":"\ud800"}"#,
                "a string holds half a character (a lone surrogate) at line 1 column 13: give both halves",
            ),
            (
                r#"{"a":"\udc00\ud800"}"#,
                "a string holds half a character (a lone surrogate) at line 1 column 12: give both halves",
            ),
        ] {
            assert_eq!(JsonObject::parse(text).unwrap_err().to_string(), message, "{text}");
        }
    }

    #[test]
    fn no_name_in_json_is_special() {
        let text = r#"{"$serde_json::private::RawValue":"{}"}"#;
        assert_eq!(JsonObject::parse(text).unwrap().text(), text);
        assert_eq!(canonical(text.as_bytes()).unwrap(), text.as_bytes());
        let text = r#"{"$serde_json::private::Number":"1","a":{"$serde_json::private::RawValue":[1]}}"#;
        assert_eq!(canonical(text.as_bytes()).unwrap(), text.as_bytes());
    }

    #[test]
    fn the_canonical_form_is_that_of_rfc_8785() {
        let text = r#"{"b":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"a":"\u20ac$\u000f\nA'B\"\\\"/"}"#;
        let canonical = canonical(text.as_bytes()).unwrap();
        let expected = "{\"a\":\"€$\\u000f\\nA'B\\\"\\\\\\\"/\",\"b\":[333333333.3333333,1e+30,4.5,0.002,1e-27]}";
        assert_eq!(String::from_utf8(canonical).unwrap(), expected);
    }
}
