//! The JSON that every answer and every error is: one object on one line, the envelope around the command's own fields.

use coord_core::time::Timestamp;
use schemars::{JsonSchema, Schema};
use serde::Serialize;

use super::terminal::{complain, print, without_id_prefix};
use super::{Format, NOTHING_CHANGED, Printer};
use crate::host;
use crate::print::chosen;

/// How many bytes an envelope has without the command's own fields and warnings, at most.
pub const ENVELOPE_BYTES: usize = 160;

/// What every JSON answer begins and ends with: what a script takes first is the command's own.
#[derive(Serialize, JsonSchema)]
pub struct Envelope<'a, T> {
    muse_version: &'static str,
    schema: u32,
    exit_code: u8,
    duration_ms: f64,
    timestamp: Timestamp,
    #[serde(flatten)]
    fields: &'a T,
    warnings: &'a [String],
}

impl Printer<'_> {
    /// Prints a schema, which is JSON in either format: on one line if JSON is asked for. It stands in no envelope, so
    /// that what reads schemas can read it.
    pub fn schema(self, schema: &Schema) -> u8 {
        let written = match self.format {
            Format::Json => serde_json::to_string(schema),
            Format::Text => serde_json::to_string_pretty(schema),
        };
        match written {
            Ok(text) => print(&(text + "\n"), 0, || NOTHING_CHANGED.to_string()),
            Err(error) => {
                complain(&format!("❌ the schema cannot be written as JSON: {error}"));
                1
            }
        }
    }

    /// Prints the envelope on one line, or the fields that are asked for of it.
    pub(super) fn json<T: Serialize>(
        self,
        exit_code: u8,
        warnings: &[String],
        fields: &T,
        upshot: impl FnOnce() -> String,
    ) -> u8 {
        let warnings: Vec<String> = warnings.iter().map(|warning| without_id_prefix(warning)).collect();
        let envelope = self.enveloped(exit_code, &warnings, fields);
        match serde_json::to_string(&envelope).and_then(|line| chosen(&line, self.fields)) {
            Ok(text) => print(&text, exit_code, upshot),
            Err(error) => {
                complain(&format!("❌ the answer cannot be written as JSON: {error}; {}", upshot()));
                1
            }
        }
    }

    /// The fields in their envelope.
    pub(super) fn enveloped<'e, T>(self, exit_code: u8, warnings: &'e [String], fields: &'e T) -> Envelope<'e, T> {
        Envelope {
            muse_version: env!("CARGO_PKG_VERSION"),
            schema: 1,
            exit_code,
            duration_ms: self.stopwatch.elapsed().as_secs_f64() * 1_000.0,
            timestamp: host::now(),
            fields,
            warnings,
        }
    }
}
