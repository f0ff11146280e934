//! A statement with its values.

use crate::head::Range;
use crate::schema::Schema;
use crate::store::{Target, small};
use crate::value::Value;

/// A statement with its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// One of [`crate::statements`].
    pub sql: &'static str,
    /// The values of `$1`, `$2` and so on.
    pub values: Vec<Value>,
}

impl Asked {
    /// A statement without values.
    pub fn new(sql: &'static str) -> Asked {
        Asked { sql, values: Vec::new() }
    }

    /// With one value more.
    #[must_use]
    pub fn with(mut self, value: Value) -> Asked {
        self.values.push(value);
        self
    }

    /// With a text.
    #[must_use]
    pub fn text(self, value: impl Into<String>) -> Asked {
        self.with(Value::Text(value.into()))
    }

    /// With a number of bytes, characters or rows.
    #[must_use]
    pub fn int(self, value: usize) -> Asked {
        self.with(Value::Int4(small(value)))
    }

    pub(crate) fn bool(self, value: bool) -> Asked {
        self.with(Value::Bool(value))
    }

    pub(crate) fn long(self, value: i64) -> Asked {
        self.with(Value::Int8(Some(value)))
    }

    pub(crate) fn bytes(self, value: Vec<u8>) -> Asked {
        self.with(Value::Bytea(Some(value)))
    }

    pub(crate) fn ranges(self, ranges: Vec<Range>) -> Asked {
        let skipped = ranges.iter().map(|range| small(range.skipped)).collect();
        let (first, before) = ranges.into_iter().map(|range| (range.first, range.before)).unzip();
        self.with(Value::Texts(first)).with(Value::Texts(before)).with(Value::Int4s(skipped))
    }

    pub(crate) fn target(self, Target { path, task, due }: Target) -> Asked {
        self.text(path).with(Value::Bytea(task)).with(Value::Int8(due))
    }

    /// The statement for a client that has all values as texts, or null, whatever type the server takes them for.
    pub fn in_texts(&self, schema: &Schema) -> (String, Vec<Option<String>>) {
        (self.with_casts(schema, 0), self.values.iter().map(Value::to_text).collect())
    }

    /// So many statements may be asked as one: a row has at most 1,664 columns.
    pub const MOST_AS_ONE: usize = 256;

    /// Statements that change nothing as one, for such a client: its one row has a column for each of them, a JSON text
    /// of its rows as objects.
    pub fn as_one(all: &[Asked], schema: &Schema) -> (String, Vec<Option<String>>) {
        let (mut columns, mut values) = (Vec::new(), Vec::new());
        for (place, asked) in all.iter().enumerate() {
            let sql = asked.with_casts(schema, values.len());
            columns
                .push(format!("(select coalesce(json_agg(found), '[]')::text from ({sql}) found) as answer_{place}"));
            values.extend(asked.values.iter().map(Value::to_text));
        }
        (format!("select {}", columns.join(", ")), values)
    }

    /// The statement, in which the first value is `$1` and so many more.
    fn with_casts(&self, schema: &Schema, before: usize) -> String {
        let numbered = self.values.iter().enumerate().rev();
        let sql = numbered.fold(self.sql.to_string(), |sql, (place, value)| {
            // Not a `$` yet, which would be found again.
            let cast = format!("(\0{}::text)::{}", before + place + 1, value.type_name());
            sql.replace(&format!("${}", place + 1), &cast)
        });
        schema.qualify(&sql.replace('\0', "$"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        Schema::new("a")
    }

    #[test]
    fn a_client_with_texts_is_told_the_types() {
        let values = (0..11).fold(Asked::new("$1 $11 $10 {s}.name"), |asked, value| asked.int(value));
        let (sql, values) = values.in_texts(&schema());
        assert_eq!(sql, "($1::text)::int4 ($11::text)::int4 ($10::text)::int4 \"a\".name");
        assert_eq!(values.last().unwrap().as_deref(), Some("10"));
    }

    #[test]
    fn several_are_numbered_on() {
        let (sql, values) =
            Asked::as_one(&[Asked::new("b $1").int(1), Asked::new("c $2 $1").int(2).text("d")], &schema());
        assert!(sql.contains("(b ($1::text)::int4)") && sql.contains("(c ($3::text)::text ($2::text)::int4)"), "{sql}");
        assert_eq!(values, ["1", "2", "d"].map(|value| Some(value.to_string())));
    }
}
