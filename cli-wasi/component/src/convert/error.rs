//! Why the queue did not do what was asked.

use coord_core::queue::Status;
use coord_core::request::{BadRequest, Field};
use coord_core::store::{StoreError, StoreErrorKind};
use coord_core::transition::{CurrentHolder, Refusal, Standing};
use coord_core::{TaskId, Timestamp};

use crate::bindings::exports::muse::coord::types;
use crate::bindings::exports::muse::coord::types::Error;

/// What a field is called here.
fn name_of(field: Field) -> String {
    match field {
        Field::Error => "reason".to_string(),
        field => field.name().replace('_', "-"),
    }
}

impl From<BadRequest> for Error {
    fn from(bad: BadRequest) -> Error {
        refusal(&bad, bad.message(name_of))
    }
}

/// The refusal of a value that stands at `place` among several.
pub(crate) fn at_place(place: &str, bad: &BadRequest) -> Error {
    refusal(bad, format!("{place}: {}", bad.message(name_of)))
}

fn refusal(bad: &BadRequest, message: String) -> Error {
    match bad.code() {
        "bad_payload" => Error::BadPayload(message),
        "bad_queue" => Error::BadQueue(message),
        "bad_task_id" => Error::BadTaskId(message),
        _ => Error::BadArgs(message),
    }
}

impl From<coord_core::Error> for Error {
    fn from(error: coord_core::Error) -> Error {
        use coord_core::Error as Core;
        let message = error.to_string();
        match error {
            Core::NotFound { id } | Core::NoParent { id } => Error::NotFound(id.to_string()),
            Core::Refused { id, refusal, who } => refused(id, refusal, who, message),
            Core::KeyTaken { id, status, by } => Error::KeyTaken(types::TakenKey {
                task_id: id.to_string(),
                status: status.into(),
                live_task_id: by.to_string(),
            }),
            Core::UnsupportedFormat { .. } | Core::UnsupportedFeature { .. } | Core::NoFormat { .. } => {
                Error::UnsupportedFormat(message)
            }
            Core::Store(StoreError { kind, .. }) => Error::IoError(types::IoError { kind: kind.into(), message }),
            Core::Unknown(StoreError { kind, .. }) => Error::Unknown(types::IoError { kind: kind.into(), message }),
            Core::WaitsInVain { .. }
            | Core::Corrupt { .. }
            | Core::Unencodable(_)
            | Core::NotAQueue { .. }
            | Core::TooMuchReported { .. }
            | Core::Contended => Error::Error(message),
        }
    }
}

fn refused(id: TaskId, refusal: Refusal, who: Option<String>, message: String) -> Error {
    let task_id = id.to_string();
    let current = |CurrentHolder { status, generation, claimed_at, expires_at, .. }: CurrentHolder,
                   who: Option<String>| types::CurrentHolder {
        task_id: id.to_string(),
        status: status.into(),
        run_id: who.unwrap_or_default(),
        generation,
        claimed_at: claimed_at.micros(),
        expires_at: expires_at.micros(),
    };
    match refusal {
        Refusal::NotClaimed(standing) => Error::NotClaimed(stands(id, standing)),
        Refusal::NotEnded(standing) => Error::NotTerminal(stands(id, standing)),
        Refusal::WrongOwner(holder) => Error::WrongOwner(current(holder, who)),
        Refusal::LeaseLost(holder) => Error::LeaseLost(current(holder, who)),
        Refusal::AlreadyEnded { outcome, ended_at, .. } => Error::AlreadyTerminal(types::Ending {
            task_id,
            status: Status::from(outcome).into(),
            ended_at: ended_at.micros(),
            run_id: who,
        }),
        Refusal::NotDue | Refusal::TooManyTransitions => Error::Error(message),
    }
}

fn stands(id: TaskId, Standing { status, due, blocked_on }: Standing) -> types::Standing {
    types::Standing {
        task_id: id.to_string(),
        status: status.into(),
        scheduled_at: due.map(Timestamp::micros),
        blocked_on: blocked_on.map(|id| id.to_string()),
    }
}

impl From<StoreErrorKind> for types::IoErrorKind {
    fn from(kind: StoreErrorKind) -> types::IoErrorKind {
        match kind {
            StoreErrorKind::ReadOnly => types::IoErrorKind::ReadOnly,
            StoreErrorKind::Denied => types::IoErrorKind::Denied,
            StoreErrorKind::Full => types::IoErrorKind::Full,
            StoreErrorKind::WrongType => types::IoErrorKind::WrongType,
            StoreErrorKind::TooManyOpen
            | StoreErrorKind::EngineRefused
            | StoreErrorKind::EngineLost
            | StoreErrorKind::Other => types::IoErrorKind::Other,
        }
    }
}
