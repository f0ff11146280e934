//! The values of an answer as JSON Schema describes them: what a reader of the JSON may rely on.
//!
//! Texts are described as texts, whatever their limits: a later version may allow more.

use alloc::borrow::Cow;
use alloc::string::ToString;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use crate::id::TaskId;
use crate::json::JsonObject;
use crate::name::{ErrorMessage, Nonce, Note, QueueName, RunId, Tag, Title, UniqueKey};
use crate::queue::{Counts, ReportKind, Status};
use crate::task::IfParentFails;
use crate::time::Timestamp;

/// Describes each type where it stands, by the schema behind its name.
macro_rules! described {
    ($($name:ident: $schema:tt)*) => {
        $(impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        })*
    };
}

described! {
    TaskId: {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}
    Timestamp: {"type": "string", "format": "date-time"}
    Nonce: {"type": "string", "pattern": "^[0-9a-f]{16}$"}
    QueueName: {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"}
    Title: {"type": "string"}
    RunId: {"type": "string"}
    Tag: {"type": "string"}
    UniqueKey: {"type": "string"}
    Note: {"type": "string"}
    ErrorMessage: {"type": "string"}
    JsonObject: {"type": "object"}
    Status: {"enum": (Status::ALL.map(Status::as_str))}
    IfParentFails: {"enum": (IfParentFails::ALL.map(IfParentFails::as_str))}
    ReportKind: {"enum": (ReportKind::ALL.map(ReportKind::as_str))}
}

impl JsonSchema for Counts {
    fn schema_name() -> Cow<'static, str> {
        "Counts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names = Status::ALL.map(Status::as_str);
        let count = |name: &str| (name.to_string(), json!({"type": "integer", "minimum": 0}));
        let properties: Map<_, Value> = names.into_iter().map(count).collect();
        json_schema!({"type": "object", "properties": properties, "required": names})
    }
}
