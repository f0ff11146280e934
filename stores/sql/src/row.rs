//! The rows that a statement answers.

use std::fmt;
use std::mem;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::failure::Failure;
use crate::server::Answer;

/// A row: its columns, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row(Vec<Cell>);

/// What a row has in a column. A client may have a number or bytes as the text that the server writes for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cell {
    /// Null.
    #[default]
    Null,
    /// A `bool`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A text.
    Text(String),
    /// A `bytea`.
    Bytes(Vec<u8>),
}

/// What a column is read as.
pub trait FromCell: Sized {
    /// Reads it; `None`: it is something else.
    fn from_cell(cell: Cell) -> Option<Self>;
}

impl Row {
    /// The row with these columns.
    pub fn new(cells: Vec<Cell>) -> Row {
        Row(cells)
    }

    /// The row with these columns, each as the text that the server writes for it, or null.
    pub fn of_texts(columns: Vec<Option<String>>) -> Row {
        Row(columns.into_iter().map(|text| text.map_or(Cell::Null, Cell::Text)).collect())
    }

    /// What a column holds, counted from 0. It can be taken once.
    pub fn take<T: FromCell>(&mut self, place: usize) -> Result<T, Failure> {
        let cell = self.0.get_mut(place).map(mem::take).unwrap_or_default();
        T::from_cell(cell).ok_or_else(|| Failure::lost(format!("column {} of the answer is something else", place + 1)))
    }
}

/// The rows in a JSON text: an array of rows.
pub fn rows_of(json: &str) -> Answer {
    serde_json::from_str(json).map_err(|error| Failure::lost(format!("the client's answer has no such rows: {error}")))
}

impl FromCell for bool {
    fn from_cell(cell: Cell) -> Option<bool> {
        match cell {
            Cell::Bool(value) => Some(value),
            Cell::Text(text) => match text.as_str() {
                "t" | "true" => Some(true),
                "f" | "false" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }
}

impl FromCell for i64 {
    fn from_cell(cell: Cell) -> Option<i64> {
        match cell {
            Cell::Int(value) => Some(value),
            Cell::Text(text) => text.parse().ok(),
            _ => None,
        }
    }
}

impl FromCell for i32 {
    fn from_cell(cell: Cell) -> Option<i32> {
        i64::from_cell(cell)?.try_into().ok()
    }
}

impl FromCell for String {
    fn from_cell(cell: Cell) -> Option<String> {
        match cell {
            Cell::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl FromCell for Vec<u8> {
    fn from_cell(cell: Cell) -> Option<Vec<u8>> {
        match cell {
            Cell::Bytes(bytes) => Some(bytes),
            Cell::Text(text) => text.strip_prefix("\\x").map_or_else(|| unescaped(&text), bytes_of),
            _ => None,
        }
    }
}

impl<T: FromCell> FromCell for Option<T> {
    fn from_cell(cell: Cell) -> Option<Option<T>> {
        match cell {
            Cell::Null => Some(None),
            cell => T::from_cell(cell).map(Some),
        }
    }
}

/// The other form in which a server may be set to write bytes: `\\` for a backslash, and `\ooo`, in octal digits, for
/// what is no visible character of ASCII. No such text begins like the hexadecimal form.
fn unescaped(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    loop {
        let (byte, after) = match rest {
            [] => return Some(bytes),
            [b'\\', b'\\', after @ ..] => (b'\\', after),
            [b'\\', octal @ ..] => {
                let (digits, after) = octal.split_first_chunk::<3>()?;
                (u8::from_str_radix(str::from_utf8(digits).ok()?, 8).ok()?, after)
            }
            [byte, after @ ..] => (*byte, after),
        };
        bytes.push(byte);
        rest = after;
    }
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

/// An array of its columns, or an object of them in their order.
impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Row, D::Error> {
        struct Columns;

        impl<'de> Visitor<'de> for Columns {
            type Value = Row;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a row")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut columns: A) -> Result<Row, A::Error> {
                let mut cells = Vec::new();
                while let Some(cell) = columns.next_element()? {
                    cells.push(cell);
                }
                Ok(Row(cells))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut columns: A) -> Result<Row, A::Error> {
                let mut cells = Vec::new();
                while let Some((IgnoredAny, cell)) = columns.next_entry()? {
                    cells.push(cell);
                }
                Ok(Row(cells))
            }
        }

        deserializer.deserialize_any(Columns)
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Cell, D::Error> {
        struct Value;

        impl Visitor<'_> for Value {
            type Value = Cell;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a whole number, true, false or null")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Cell, E> {
                Ok(Cell::Null)
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Cell, E> {
                Ok(Cell::Bool(value))
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Cell, E> {
                Ok(Cell::Int(value))
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Cell, E> {
                i64::try_from(value).map(Cell::Int).map_err(|_| E::custom("a number is out of range"))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Cell, E> {
                Ok(Cell::Text(text.to_string()))
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<Cell, E> {
                Ok(Cell::Text(text))
            }
        }

        deserializer.deserialize_any(Value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(json: &str) -> Row {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn texts_of_numbers_and_bytes_are_read_as_what_they_are() {
        for json in
            [r#"["1", "t", "\\x0aff", "a", null]"#, r#"{"z": 1, "y": true, "x": "\\x0AFF", "w": "a", "v": null}"#]
        {
            let mut row = row(json);
            let mut read =
                || -> Result<_, Failure> { Ok((row.take(0)?, row.take(1)?, row.take(2)?, row.take(3)?, row.take(4)?)) };
            assert_eq!(read().unwrap(), (1_i64, true, vec![10_u8, 255], "a".to_string(), None::<i64>));
        }
    }

    #[test]
    fn bytes_may_be_escaped() {
        let escaped = row(r#"["{\"a\": \"\\\\\"}\\012\\377"]"#).take::<Vec<u8>>(0);
        assert_eq!(escaped.unwrap(), b"{\"a\": \"\\\"}\n\xff");
    }

    #[test]
    fn what_is_something_else_is_a_failure() {
        assert!(row("[]").take::<i64>(0).is_err());
        assert!(row(r#"["a"]"#).take::<i64>(0).is_err());
        assert!(row(r#"["\\x0"]"#).take::<Vec<u8>>(0).is_err());
        assert!(row(r#"["a\\9"]"#).take::<Vec<u8>>(0).is_err());
        assert!(row("[4294967296]").take::<i32>(0).is_err());
        assert!(serde_json::from_str::<Row>("[1.5]").is_err());
    }
}
