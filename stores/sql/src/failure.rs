//! What goes wrong at a server, or on the way to it.

use std::fmt;

use coord_core::store::{StoreError, StoreErrorKind};

/// Why a statement was not answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What is known of it.
    pub kind: FailureKind,
    /// What the server or the client says, with what to do where that is known.
    pub words: String,
}

/// What is known of a statement that was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// A name was taken. Nothing was changed.
    Taken,
    /// There is no queue in the schema. Nothing was changed.
    NoQueue,
    /// The server has taken the statement's transaction back. Nothing was changed.
    Refused,
    /// It may have taken effect, or may do so later.
    Lost,
}

impl Failure {
    /// What a server says with this code of SQL. An error that ends the session leaves open what became of the
    /// statement: the server commits first, and waits for its standbys then.
    pub fn of_server(code: &str, ends_session: bool, message: &str) -> Failure {
        let kind = match code {
            _ if ends_session => FailureKind::Lost,
            "23505" => FailureKind::Taken,
            "3F000" | "42P01" => FailureKind::NoQueue,
            _ => FailureKind::Refused,
        };
        let words = advice(code).map_or_else(|| message.to_string(), |advice| format!("{message}; {advice}"));
        Failure { kind, words }
    }

    /// Nothing is known.
    pub fn lost(words: impl Into<String>) -> Failure {
        Failure { kind: FailureKind::Lost, words: words.into() }
    }
}

/// What to do, where that is known.
fn advice(code: &str) -> Option<&'static str> {
    match code {
        // insufficient_privilege
        "42501" => Some("grant the user of the address what its schema needs"),
        // read_only_sql_transaction
        "25006" => Some("name the server that takes changes, no standby"),
        // disk_full
        "53100" => Some("free some space on the server and try again"),
        // too_many_connections
        "53300" => Some("raise max_connections of the server, or use a pooler"),
        _ => None,
    }
}

/// What is asked, for an error.
pub struct About<'a> {
    /// What is done.
    pub operation: &'static str,
    /// With what.
    pub path: &'a dyn fmt::Display,
}

/// It is never one name that is at fault, which would be skipped. So each error is of the whole store.
impl About<'_> {
    /// The server cannot be asked. Nothing was changed.
    pub fn unreachable(&self, why: &str) -> StoreError {
        self.of_kind(StoreErrorKind::EngineRefused, why)
    }

    /// What came of it is not known.
    pub fn lost(&self, why: &str) -> StoreError {
        self.of_kind(StoreErrorKind::EngineLost, why)
    }

    /// A statement that is a transaction of its own was not answered.
    pub fn failed(&self, failure: &Failure) -> StoreError {
        match failure.kind {
            FailureKind::Lost => self.lost(&failure.words),
            FailureKind::Taken | FailureKind::NoQueue | FailureKind::Refused => self.unreachable(&failure.words),
        }
    }

    fn of_kind(&self, kind: StoreErrorKind, why: &str) -> StoreError {
        let detail = format!("{}: {why}", self.path);
        StoreError { operation: self.operation, path: String::new(), kind, detail }
    }
}
