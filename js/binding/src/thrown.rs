//! What is thrown when the queue does not do what was asked: a JSON text, of which `js/src/errors.ts` makes a class by
//! `code`.

use coord_core::queue::Status;
use coord_core::request::BadRequest;
use coord_core::store::StoreErrorKind;
use coord_core::transition::{CurrentHolder, Refusal, Standing};
use coord_core::{Error, Timestamp};
use serde::Serialize;
use wasm_bindgen::JsValue;

use crate::queue::name_of;

/// A refusal or a failure: the command line's `status` as `code`, the words, and the facts that a program may act on.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Thrown {
    code: &'static str,
    message: String,
    #[serde(flatten)]
    facts: Box<Facts>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Facts {
    /// Of several tasks that were to be enqueued: which one, counted from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<String>,
    /// Where the task stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    task_status: Option<&'static str>,
    /// The task that has its unique key.
    #[serde(skip_serializing_if = "Option::is_none")]
    live_task_id: Option<String>,
    /// Who has the task, or ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    /// How an ended task ended: as `task_status`, under the name that this class of error had first.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    /// When the task is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_at: Option<u64>,
    /// What the task waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked_on: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<u64>,
    /// What is wrong with the medium.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
}

impl Thrown {
    /// A request of the wrong shape, with the field that is: the one on whose line the problem was met.
    pub(crate) fn malformed(text: &str, error: &serde_json::Error) -> Thrown {
        // `invalid type: string "5", expected i64 at line 1 column 20`: of a text that the caller never saw.
        let problem = error.to_string();
        let problem = problem.split(" at line ").next().unwrap_or_default();
        let line = text.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
        let field = in_camel_case(line.split('"').nth(1).unwrap_or_default());
        Thrown { code: "bad_args", message: format!("{field}: {problem}"), facts: Box::default() }
    }

    /// What was given is not as it must be.
    pub(crate) fn bad_args(message: String) -> Thrown {
        Thrown { code: "bad_args", message, facts: Box::default() }
    }

    /// The engine cannot be used.
    pub(crate) fn of_engine(message: String) -> Thrown {
        let facts = Facts { kind: Some(word(StoreErrorKind::Other)), ..Facts::default() };
        Thrown { code: "io_error", message, facts: Box::new(facts) }
    }

    /// The refusal of one of several tasks that were to be enqueued.
    pub(crate) fn of_task(self, index: usize) -> Thrown {
        Thrown { facts: Box::new(Facts { index: Some(index), ..*self.facts }), ..self }
    }
}

impl From<BadRequest> for Thrown {
    fn from(bad: BadRequest) -> Thrown {
        Thrown { code: bad.code(), message: bad.message(name_of), facts: Box::default() }
    }
}

impl From<Error> for Thrown {
    fn from(error: Error) -> Thrown {
        let (code, message) = (error.code(), error.to_string());
        let task_status = error.task_status().map(Status::as_str);
        let facts = match error {
            Error::NotFound { id } | Error::NoParent { id } => {
                Facts { task_id: Some(id.to_string()), ..Facts::default() }
            }
            Error::KeyTaken { id, by, .. } => {
                Facts { task_id: Some(id.to_string()), live_task_id: Some(by.to_string()), ..Facts::default() }
            }
            Error::WaitsInVain { id, .. } => Facts { task_id: Some(id.to_string()), ..Facts::default() },
            Error::Refused { id, refusal, who } => {
                Facts { task_id: Some(id.to_string()), run_id: who, ..Facts::of(&refusal) }
            }
            Error::Store(error) | Error::Unknown(error) => Facts { kind: Some(word(error.kind)), ..Facts::default() },
            _ => Facts::default(),
        };
        Thrown { code, message, facts: Box::new(Facts { task_status, ..facts }) }
    }
}

impl Facts {
    fn of(refusal: &Refusal) -> Facts {
        match refusal {
            Refusal::WrongOwner(current) | Refusal::LeaseLost(current) => {
                let CurrentHolder { generation, claimed_at, expires_at, .. } = current;
                Facts {
                    generation: Some(*generation),
                    claimed_at: Some(claimed_at.micros()),
                    expires_at: Some(expires_at.micros()),
                    ..Facts::default()
                }
            }
            Refusal::AlreadyEnded { outcome, ended_at, .. } => {
                Facts { status: Some(outcome.as_str()), ended_at: Some(ended_at.micros()), ..Facts::default() }
            }
            Refusal::NotClaimed(Standing { due, blocked_on, .. })
            | Refusal::NotEnded(Standing { due, blocked_on, .. }) => Facts {
                scheduled_at: due.map(Timestamp::micros),
                blocked_on: blocked_on.map(|id| id.to_string()),
                ..Facts::default()
            },
            Refusal::NotDue | Refusal::TooManyTransitions => Facts::default(),
        }
    }
}

impl From<Thrown> for JsValue {
    fn from(thrown: Thrown) -> JsValue {
        // A struct of texts and numbers always is JSON; were it not, its words are thrown alone.
        JsValue::from_str(&serde_json::to_string(&thrown).unwrap_or(thrown.message))
    }
}

pub(crate) fn in_camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_string();
    words.fold(first, |name, word| {
        let (initial, rest) = word.split_at_checked(1).unwrap_or_default();
        name + &initial.to_ascii_uppercase() + rest
    })
}

/// The words that `js/src/node-store.ts` throws, too.
fn word(kind: StoreErrorKind) -> &'static str {
    match kind {
        StoreErrorKind::ReadOnly => "read-only",
        StoreErrorKind::Denied => "denied",
        StoreErrorKind::Full => "full",
        StoreErrorKind::WrongType => "wrong-type",
        StoreErrorKind::TooManyOpen
        | StoreErrorKind::EngineRefused
        | StoreErrorKind::EngineLost
        | StoreErrorKind::Other => "other",
    }
}
