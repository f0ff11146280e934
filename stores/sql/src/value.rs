//! The values of statements.

/// A value of a statement, by its type in SQL.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `bool`
    Bool(bool),
    /// `int4`
    Int4(i32),
    /// `int8`; `None`: null
    Int8(Option<i64>),
    /// `float8`
    Float8(f64),
    /// `text`
    Text(String),
    /// `bytea`; `None`: null
    Bytea(Option<Vec<u8>>),
    /// `text[]`
    Texts(Vec<String>),
    /// `int4[]`
    Int4s(Vec<i32>),
    /// `int8[]`, with nulls
    Int8s(Vec<Option<i64>>),
    /// `bytea[]`, with nulls
    Byteas(Vec<Option<Vec<u8>>>),
}

impl Value {
    /// The name of its type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Bool(_) => "bool",
            Value::Int4(_) => "int4",
            Value::Int8(_) => "int8",
            Value::Float8(_) => "float8",
            Value::Text(_) => "text",
            Value::Bytea(_) => "bytea",
            Value::Texts(_) => "text[]",
            Value::Int4s(_) => "int4[]",
            Value::Int8s(_) => "int8[]",
            Value::Byteas(_) => "bytea[]",
        }
    }

    /// The value as a text that the server reads; `None`: null.
    pub fn to_text(&self) -> Option<String> {
        match self {
            Value::Bool(value) => Some(value.to_string()),
            Value::Int4(value) => Some(value.to_string()),
            Value::Int8(value) => value.map(|value| value.to_string()),
            Value::Float8(value) => Some(value.to_string()),
            Value::Text(value) => Some(value.clone()),
            Value::Bytea(value) => value.as_deref().map(hex),
            Value::Texts(values) => Some(array(values.iter().map(|value| Some(value.clone())))),
            Value::Int4s(values) => Some(array(values.iter().map(|value| Some(value.to_string())))),
            Value::Int8s(values) => Some(array(values.iter().map(|value| value.map(|value| value.to_string())))),
            Value::Byteas(values) => Some(array(values.iter().map(|value| value.as_deref().map(hex)))),
        }
    }
}

/// `{"first",null}`: each element in quotes, so that no character in it means anything.
fn array(elements: impl Iterator<Item = Option<String>>) -> String {
    let quoted = |element: String| format!("\"{}\"", element.replace('\\', "\\\\").replace('"', "\\\""));
    let elements: Vec<String> = elements.map(|element| element.map_or_else(|| "null".into(), quoted)).collect();
    format!("{{{}}}", elements.join(","))
}

/// `\x6162`
fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |bits: u8| DIGITS.get(usize::from(bits & 15)).copied();
    let digits = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).flatten();
    ['\\', 'x'].into_iter().chain(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_a_text_that_the_server_reads() {
        let texts = Value::Texts(vec!["a".into(), String::new(), r#"back\slash "quoted", {null}"#.into()]);
        for (value, text) in [
            (Value::Bool(true), Some("true")),
            (Value::Int8(None), None),
            (Value::Float8(10.0), Some("10")),
            (Value::Bytea(Some(vec![0, 10, 255])), Some(r"\x000aff")),
            (texts, Some(r#"{"a","","back\\slash \"quoted\", {null}"}"#)),
            (Value::Int4s(vec![1, -2]), Some(r#"{"1","-2"}"#)),
            (Value::Int8s(vec![None, Some(3)]), Some(r#"{null,"3"}"#)),
            (Value::Byteas(vec![Some(b"ab".to_vec()), None]), Some(r#"{"\\x6162",null}"#)),
            (Value::Texts(vec![]), Some("{}")),
        ] {
            assert_eq!(value.to_text().as_deref(), text, "{value:?}");
        }
    }
}
