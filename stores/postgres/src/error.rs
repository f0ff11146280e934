//! What goes wrong on the way to a server, and there.

use std::error::Error as _;
use std::fmt;
use std::io;

use coord_core::store::{StoreError, StoreErrorKind};
use tokio_postgres::error::{Severity, SqlState};

use crate::password::NoPassword;
use crate::tls::TlsError;

/// The version of the schema.
pub(crate) const VERSION: i32 = 1;

/// Why a queue cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    /// The runtime of the connection cannot be made.
    Runtime(io::Error),
    /// The server cannot be reached.
    Unreachable {
        /// Where it should be.
        place: String,
        /// What the system says.
        error: io::Error,
    },
    /// The name of a host on this machine leads to another one, where nothing is sent in the clear.
    Elsewhere(String),
    /// The server has not answered in so many seconds.
    NoAnswer(u64),
    /// There is no encrypted connection to the server that is meant.
    Tls(TlsError),
    /// The server asks for a password, and there is none for it.
    Password(NoPassword),
    /// The server refuses, or the connection to it is lost.
    Server(tokio_postgres::Error),
    /// The schema is of a newer version than this program knows.
    Newer(i32),
    /// There is no queue in this schema.
    NoQueue(String),
}

/// What is asked, for an error.
pub(crate) struct About<'a> {
    pub(crate) operation: &'static str,
    pub(crate) path: &'a dyn fmt::Display,
}

/// It is never one name that is at fault, which would be skipped. So each error is of the whole store.
impl About<'_> {
    /// The server could not be connected to.
    pub(crate) fn unreachable(&self, error: &OpenError) -> StoreError {
        self.of_kind(StoreErrorKind::EngineRefused, &error.to_string())
    }

    /// What came of it is not known.
    pub(crate) fn failure(&self, why: &str) -> StoreError {
        self.of_kind(StoreErrorKind::EngineLost, why)
    }

    /// The server's answer to one statement that is a transaction of its own, or what became of the connection.
    pub(crate) fn failed(&self, error: &tokio_postgres::Error) -> StoreError {
        let kind = if is_refusal(error) { StoreErrorKind::EngineRefused } else { StoreErrorKind::EngineLost };
        self.of_kind(kind, &with_advice(error))
    }

    fn of_kind(&self, kind: StoreErrorKind, why: &str) -> StoreError {
        let detail = format!("{}: {why}", self.path);
        StoreError { operation: self.operation, path: String::new(), kind, detail }
    }
}

/// True if the server has taken the statement's transaction back. An error that ends the session leaves that open: the
/// server commits first and waits for its standbys then.
fn is_refusal(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().is_some_and(|answer| answer.parsed_severity() == Some(Severity::Error))
}

/// What went wrong, and what to do.
pub(crate) fn with_advice(error: &tokio_postgres::Error) -> String {
    let why = words(error);
    advice(error).map_or(why.clone(), |advice| format!("{why}; {advice}"))
}

/// What to do, where that is known.
fn advice(error: &tokio_postgres::Error) -> Option<&'static str> {
    match error.code()? {
        code if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
            Some("grant the user of the address what its schema needs")
        }
        code if *code == SqlState::READ_ONLY_SQL_TRANSACTION => Some("name the server that takes changes, no standby"),
        code if *code == SqlState::DISK_FULL => Some("free some space on the server and try again"),
        code if *code == SqlState::TOO_MANY_CONNECTIONS => Some("raise max_connections of the server, or use a pooler"),
        _ => None,
    }
}

/// True if a name was taken.
pub(crate) fn is_taken(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::UNIQUE_VIOLATION)
}

/// What the server says, or else what the client says, with the reason behind it.
fn words(error: &tokio_postgres::Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(answer), _) => answer.message().to_string(),
        (None, Some(cause)) => format!("{error}: {cause}"),
        (None, None) => error.to_string(),
    }
}

impl From<tokio_postgres::Error> for OpenError {
    fn from(error: tokio_postgres::Error) -> OpenError {
        OpenError::Server(error)
    }
}

impl From<TlsError> for OpenError {
    fn from(error: TlsError) -> OpenError {
        OpenError::Tls(error)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Runtime(error) => write!(f, "cannot begin to connect: {error}"),
            OpenError::Unreachable { place, error } => {
                write!(f, "no PostgreSQL server can be reached at {place}: {error}")
            }
            OpenError::Elsewhere(host) => write!(
                f,
                "the name {host} does not lead to this machine, and nothing is sent to another one in the clear: add \
                 sslmode=verify-full to the address"
            ),
            OpenError::NoAnswer(seconds) => write!(f, "the server has not answered in {seconds} seconds"),
            OpenError::Tls(error) => write!(f, "{error}"),
            OpenError::Password(error) => write!(f, "{error}"),
            OpenError::Server(error) => write!(f, "the server: {}", with_advice(error)),
            OpenError::NoQueue(schema) => write!(
                f,
                "there is no queue in the schema {schema:?}: name another one, or make it by `muse coord init`, with --store \
                 URL or where MUSE_COORD_STORE is set"
            ),
            OpenError::Newer(version) => {
                write!(f, "the queue's schema is version {version}, and this program knows {VERSION}: use a newer muse")
            }
        }
    }
}

impl std::error::Error for OpenError {}
