//! What the commands answer with `--json`, as JSON Schema: derived from the types that are serialised, so that neither
//! can say what the other does not.
//!
//! Guaranteed: an answer of this version is valid. Not guaranteed: that it has no field beyond the schema's in a later
//! version, so the schema allows more fields. What the queue answers is described by [`coord_core::answer`].

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::json;

use crate::output::{Envelope, Failure};

/// Describes a type. It is a plain function, so the compiler builds what surrounds a schema once, not once for each
/// type.
type TypeSchema = fn(&mut SchemaGenerator) -> Schema;

/// The schema of what a command answers: its answer or an error, each in the envelope.
pub fn of<T: JsonSchema>(command: &str) -> Schema {
    either(command, |generator| answer(Envelope::<T>::json_schema, generator))
}

/// The schema of each line of a command that prints lines, which stand in no envelope, or of an error, which does.
pub fn of_line<T: JsonSchema>(command: &str) -> Schema {
    either(command, |generator| titled("line", T::json_schema(generator)))
}

/// The schema of the answer that a command will give, in the envelope, for what chooses from it.
pub fn of_answer<T: JsonSchema>() -> Schema {
    alone(|generator| answer(Envelope::<T>::json_schema, generator))
}

/// The same of the lines of a command that prints lines.
pub fn of_each_line<T: JsonSchema>() -> Schema {
    alone(T::json_schema)
}

fn alone(answer: TypeSchema) -> Schema {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = answer(&mut generator);
    schema.insert("$defs".to_string(), generator.take_definitions(true).into());
    schema
}

fn either(command: &str, answer: TypeSchema) -> Schema {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let answer = answer(&mut generator);
    let failure = enveloped("error", [1, 2], Envelope::<Failure>::json_schema(&mut generator));
    let mut schema = json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("muse coord {command} --json"),
        "oneOf": [answer, failure],
    });
    let definitions = generator.take_definitions(true);
    if !definitions.is_empty() {
        schema.insert("$defs".to_string(), definitions.into());
    }
    schema
}

fn answer(envelope: TypeSchema, generator: &mut SchemaGenerator) -> Schema {
    enveloped("answer", [0, 1], envelope(generator))
}

/// An envelope. By the exit codes a program tells an error from an answer with an `error` of its own, such as that of
/// `fail-task`.
fn enveloped(title: &str, codes: [u8; 2], envelope: Schema) -> Schema {
    let mut schema = titled(title, envelope);
    schema.remove("description");
    if let Some(code) = schema.pointer_mut("/properties/exit_code") {
        *code = json!({"enum": codes});
    }
    schema
}

fn titled(title: &str, mut schema: Schema) -> Schema {
    schema.insert("title".to_string(), title.into());
    schema
}

/// Types that only describe: each by the schema behind its name, which stands wherever it is used.
macro_rules! described {
    ($($(#[$doc:meta])* $name:ident: $schema:tt)*) => {
        $(
            $(#[$doc])*
            pub struct $name;

            impl JsonSchema for $name {
                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }

                fn inline_schema() -> bool {
                    true
                }

                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!($schema)
                }
            }
        )*
    };
}

described! {
    /// What an error's `status` can be.
    ErrorStatus: {"enum": (coord_core::error::CODES)}

    /// A line of an export: a task, of which only an import has to read more than the id, or what is set for a queue.
    ExportedLine: {"anyOf": [
        {
            "type": "object",
            "properties": {"task_id": {"type": "string"}},
            "required": ["task_id", "entry", "record"],
        },
        {
            "type": "object",
            "properties": {
                "queue": {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"},
                "paused": {"type": "boolean"},
                "max_in_flight": {"type": ["integer", "null"], "minimum": 1},
            },
            "required": ["queue", "paused", "max_in_flight"],
        },
    ]}
}
