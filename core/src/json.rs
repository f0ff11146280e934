//! JSON objects that come from outside and go back out digit for digit: payloads and results.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use core::fmt;

use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::limits;

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
        match serde_json::from_str::<Shape>(text) {
            Ok(Shape { kind: OBJECT, depth }) if depth <= limits::JSON_DEPTH => {}
            Ok(Shape { kind: OBJECT, .. }) => return Err(BadJson::TooDeep),
            Ok(Shape { kind, .. }) => return Err(BadJson::NotAnObject { found: kind }),
            Err(error) if error.to_string().starts_with("recursion limit") => return Err(BadJson::TooDeep),
            Err(error) => return Err(BadJson::Malformed { reason: error.to_string() }),
        }
        if text.len() > limits::JSON_BYTES {
            return Err(BadJson::TooLarge { bytes: text.len() });
        }
        RawValue::from_string(without_white_space(text))
            .map(JsonObject)
            .map_err(|error| BadJson::Malformed { reason: error.to_string() })
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
        /// What it is instead, with its article.
        found: &'static str,
    },
    /// Nested deeper than [`limits::JSON_DEPTH`].
    TooDeep,
    /// Not JSON, or with a number that no double can hold, or with one name twice in an object.
    Malformed {
        /// The parser's words, with line and column.
        reason: String,
    },
}

impl fmt::Display for BadJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadJson::TooLarge { bytes } => write!(f, "too large ({bytes} bytes; max {})", limits::JSON_BYTES),
            BadJson::NotAnObject { found } => write!(f, "it must be a JSON object like {{\"key\": 1}}, not {found}"),
            BadJson::TooDeep => write!(f, "nested too deep (max {} levels)", limits::JSON_DEPTH),
            BadJson::Malformed { reason } => write!(f, "not JSON: {reason}"),
        }
    }
}

impl core::error::Error for BadJson {}

/// The canonical form (RFC 8785) of any JSON text.
pub(crate) fn canonical(text: &[u8]) -> Result<alloc::vec::Vec<u8>, serde_json::Error> {
    let value: serde_json::Value = serde_json::from_slice(text)?;
    serde_json_canonicalizer::to_vec(&value)
}

/// What a JSON value is, as far as it matters for accepting it.
struct Shape {
    /// What it is, with its article.
    kind: &'static str,
    /// How many objects and arrays enclose the innermost value.
    depth: usize,
}

const OBJECT: &str = "an object";

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Shape, D::Error> {
        from.deserialize_any(ShapeVisitor)
    }
}

/// The parser's own limit of recursion bounds this one's.
struct ShapeVisitor;

impl ShapeVisitor {
    fn scalar<E>(kind: &'static str) -> Result<Shape, E> {
        Ok(Shape { kind, depth: 0 })
    }
}

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Self::scalar("null")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Self::scalar("a boolean")
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Self::scalar("a number")
    }

    fn visit_u64<E>(self, _: u64) -> Result<Shape, E> {
        Self::scalar("a number")
    }

    fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
        Self::scalar("a number")
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Self::scalar("a string")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
        let mut depth = 0;
        while let Some(item) = items.next_element::<Shape>()? {
            depth = depth.max(item.depth);
        }
        Ok(Shape { kind: "an array", depth: depth + 1 })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Shape, A::Error> {
        let (mut names, mut depth) = (BTreeSet::new(), 0);
        while let Some(name) = fields.next_key::<String>()? {
            let value = fields.next_value::<Shape>()?;
            depth = depth.max(value.depth);
            if let Some(twice) = names.replace(name) {
                return Err(A::Error::custom(format_args!("the name {twice:?} stands twice in one object")));
            }
        }
        Ok(Shape { kind: OBJECT, depth: depth + 1 })
    }
}

/// Drops the white space between tokens of a text that is known to be JSON, so that an answer stays on one line.
fn without_white_space(json: &str) -> String {
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
    use alloc::format;

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
            ("{\"a\":1e999}", "not JSON: number out of range at line 1 column 10"),
            ("{\"a\":[{\"b\":1,\"b\":2}]}", "not JSON: the name \"b\" stands twice in one object at line 1 column 19"),
            ("{\"a\":1}}", "not JSON: trailing characters at line 1 column 8"),
            (deep.as_str(), "nested too deep (max 124 levels)"),
        ] {
            assert_eq!(JsonObject::parse(text).unwrap_err().to_string(), message, "{text}");
        }
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(limits::JSON_BYTES - 7));
        assert_eq!(JsonObject::parse(&large).unwrap_err().to_string(), "too large (65537 bytes; max 65536)");
        assert!(JsonObject::parse(&large.replacen("xx", "x", 1)).is_ok());
    }

    #[test]
    fn the_canonical_form_is_that_of_rfc_8785() {
        let text = r#"{"b":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"a":"\u20ac$\u000f\nA'B\"\\\"/"}"#;
        let canonical = canonical(text.as_bytes()).unwrap();
        let expected = "{\"a\":\"€$\\u000f\\nA'B\\\"\\\\\\\"/\",\"b\":[333333333.3333333,1e+30,4.5,0.002,1e-27]}";
        assert_eq!(String::from_utf8(canonical).unwrap(), expected);
    }
}
