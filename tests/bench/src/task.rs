//! The tasks that everybody gets: as agents have them, about 300 bytes as a file.

use anyhow::{Context, Result};
use coord_core::name::QueueName;
use coord_core::queue::{NewTask, Plan};
use coord_core::{JsonObject, Turn};
use muse_cli::host;

/// For how long a task may be held.
pub(crate) const LEASE_SECONDS: i64 = 3_600;

pub(crate) fn title(number: u64) -> String {
    format!("Review page {number}")
}

/// A JSON object.
pub(crate) fn payload(number: u64) -> String {
    format!(r#"{{"url":"https://example.org/pages/{number}","depth":{},"note":"look at the links first"}}"#, number % 5)
}

/// What comes of it: a JSON object of about 200 bytes.
pub(crate) fn result(number: u64) -> String {
    let page =
        "the page says what the links say, but for two numbers, which were checked against the tables and are right";
    format!(r#"{{"pull_request":{number},"summary":"{page}","tokens":{}}}"#, 1_000 + number % 997)
}

/// The same for the queue.
pub(crate) fn new(number: u64, queue: QueueName) -> Result<NewTask> {
    Ok(NewTask {
        title: title(number).parse()?,
        priority: 0,
        queue,
        ttl_seconds: 86_400,
        created_by: "planner".parse()?,
        tags: Vec::new(),
        plan: Plan::default(),
        payload: JsonObject::parse(&payload(number))?,
    })
}

pub(crate) fn turn() -> Result<Turn<'static>> {
    host::turn().context("the system gives no random numbers")
}
