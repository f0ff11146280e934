//! How a platform's call failed, and what the store makes of it.

use coord_core::store::{StoreError, StoreErrorKind};

use crate::platform;

/// How often something is looked for whose path seems to lead out of an open directory.
const LOOKS: usize = 5;

/// How a platform's call failed, as far as the store makes a difference.
#[derive(Debug)]
pub(crate) enum Failure {
    NotFound,
    Exists,
    NotEmpty,
    Other(StoreErrorKind, String),
}

impl Failure {
    pub(crate) fn at(self, operation: &'static str, path: &str) -> StoreError {
        let (kind, detail) = match self {
            Failure::Other(kind, detail) => (kind, detail),
            Failure::NotFound => (StoreErrorKind::Other, "no such file or directory".to_string()),
            Failure::Exists => (StoreErrorKind::Other, "it is there already".to_string()),
            Failure::NotEmpty => (StoreErrorKind::Other, "it is not empty".to_string()),
        };
        StoreError { operation, path: path.to_string(), kind, detail }
    }
}

/// Looks for something beneath an open directory. If it is moved out of that directory during the look, as a task that
/// changes its state is, the kernel says that the path led outside, and nothing was done. That is no answer, so it is
/// looked for again.
pub(crate) fn beneath<T>(look: impl Fn() -> Result<T, platform::Refusal>) -> Result<T, platform::Refusal> {
    for _ in 1..LOOKS {
        match look() {
            Err(refusal) if platform::leads_outside(&refusal) => {}
            looked => return looked,
        }
    }
    look()
}

pub(crate) fn absent_is_none<T>(outcome: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match outcome {
        Ok(found) => Ok(Some(found)),
        Err(Failure::NotFound) => Ok(None),
        Err(failure) => Err(failure),
    }
}
