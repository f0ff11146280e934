//! `tasks --fields`: some fields of each row and no others, so that a list costs its reader no more than what is asked.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use muse_terminal::{fitted, padded, width};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::output::Page;

/// A row of a list, as JSON has it.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Row<T> {
    /// With all its fields.
    Whole(Box<T>),
    /// With the fields that were asked for, in that order.
    Part(Part),
}

/// The rows of a list, described.
pub(super) struct Rows<T>(PhantomData<T>);

/// Some fields of a row, each value digit for digit as it was; `None`: the row does not have it.
pub(super) struct Part(Vec<(String, Option<Box<RawValue>>)>);

/// A column of a table is at most as wide as an id.
const COLUMN: usize = 71;

impl<T: Serialize> Row<T> {
    /// The row with these fields; with all if there is none.
    pub(super) fn new(row: T, fields: &[String]) -> Result<Row<T>, serde_json::Error> {
        if fields.is_empty() { Ok(Row::Whole(Box::new(row))) } else { Part::of(&row, fields).map(Row::Part) }
    }
}

impl Part {
    fn of(row: &impl Serialize, fields: &[String]) -> Result<Part, serde_json::Error> {
        let mut all: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&serde_json::to_string(row)?)?;
        let mut part: Vec<(String, Option<Box<RawValue>>)> = Vec::new();
        for field in fields {
            // A field that is named twice is not twice in one object.
            if part.iter().all(|(other, _)| other != field) {
                part.push((field.clone(), all.remove(field)));
            }
        }
        Ok(Part(part))
    }

    fn heading(&self) -> Vec<String> {
        self.0.iter().map(|(field, _)| field.to_uppercase()).collect()
    }

    fn cells(&self) -> Vec<String> {
        let json = |value: &Option<Box<RawValue>>| value.as_ref().map_or("null".to_string(), ToString::to_string);
        self.0.iter().map(|(_, value)| fitted(&cell(&json(value)), COLUMN)).collect()
    }
}

/// A table with a column for each field, as wide as its widest value.
#[derive(Default)]
pub(super) struct Table(Vec<Vec<String>>);

impl Table {
    pub(super) fn add(&mut self, part: &Part) {
        if self.0.is_empty() {
            self.0.push(part.heading());
        }
        self.0.push(part.cells());
    }

    pub(super) fn print(&self, page: &mut Page) {
        let mut widths: Vec<usize> = Vec::new();
        for line in &self.0 {
            widths.resize(line.len().max(widths.len()), 0);
            widths.iter_mut().zip(line).for_each(|(widest, cell)| *widest = width(cell).max(*widest));
        }
        for line in &self.0 {
            let cells: Vec<String> = line.iter().zip(&widths).map(|(cell, widest)| padded(cell, *widest)).collect();
            let line = cells.join("  ");
            page.line(fitted(line.trim_end(), page.columns.unwrap_or(usize::MAX)));
        }
    }
}

/// A value for people: a text without its quotes, `-` for none, else its JSON.
fn cell(json: &str) -> String {
    match json {
        "null" => "-".to_string(),
        text => serde_json::from_str(text).unwrap_or_else(|_| text.to_string()),
    }
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().filter_map(|(field, value)| Some((field, value.as_ref()?))))
    }
}

/// Which fields are asked for is not in the schema: so none is sure to be there.
impl<T: JsonSchema> JsonSchema for Rows<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Rows_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut row = T::json_schema(generator);
        row.remove("required");
        json_schema!({"type": "array", "items": row})
    }
}
