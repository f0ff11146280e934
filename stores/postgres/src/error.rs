//! Why a queue cannot be opened.

use std::fmt;
use std::io;

use coord_sql::{Failure, VERSION};

use crate::password::NoPassword;
use crate::row::failure;
use crate::tls::TlsError;

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
    Server(Failure),
    /// The schema is of a newer version than this program knows.
    Newer(i32),
    /// There is no queue in this schema.
    NoQueue(String),
}

impl From<tokio_postgres::Error> for OpenError {
    fn from(error: tokio_postgres::Error) -> OpenError {
        OpenError::Server(failure(&error))
    }
}

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> OpenError {
        OpenError::Server(failure)
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
            OpenError::Server(failure) => write!(f, "the server: {}", failure.words),
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
