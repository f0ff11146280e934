//! A connection to a queue, and how a queue comes to be.

use std::cell::RefCell;
use std::fmt;
use std::net::IpAddr;
use std::rc::Rc;

use coord_core::layout;
use coord_core::limits;
use coord_core::store::{StoreError, StoreErrorKind};
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::config::Host;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, Row};

use crate::statements;
use crate::store::small;

/// The version of the schema.
const VERSION: i32 = 1;

/// A queue in a schema of a PostgreSQL database.
pub struct PostgresStore {
    runtime: Runtime,
    config: Config,
    schema: String,
    client: RefCell<Rc<Client>>,
    /// What `format.json` held when the queue was opened.
    pub(crate) format: Option<Vec<u8>>,
}

/// Why a queue cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    /// The runtime of the connection cannot be made.
    Runtime(std::io::Error),
    /// The server refuses, or cannot be reached.
    Server(tokio_postgres::Error),
    /// The schema is of a newer version than this program knows.
    Newer(i32),
    /// The server is on another machine, and the connection would be in the clear.
    InTheClear(String),
}

impl PostgresStore {
    /// Opens the queue in a schema, which is made if it is not there.
    ///
    /// Only a server on this machine is asked: the connection is not encrypted. A connection that was lost is opened
    /// anew for the next call; no change is sent again.
    ///
    /// # Panics
    /// Inside a runtime of `tokio`, since it waits. So does each call.
    pub fn open(config: &Config, schema: &str) -> Result<PostgresStore, OpenError> {
        let addresses = config.get_hostaddrs().iter().filter(|address| !address.is_loopback());
        let elsewhere =
            config.get_hosts().iter().find_map(elsewhere).or_else(|| addresses.map(IpAddr::to_string).next());
        if let Some(host) = elsewhere {
            return Err(OpenError::InTheClear(host));
        }
        let runtime = Builder::new_current_thread().enable_all().build().map_err(OpenError::Runtime)?;
        let (config, schema) = (config.clone(), schema.to_string());
        let (client, format) = runtime.block_on(connect(&config, &schema))?;
        Ok(PostgresStore { runtime, config, schema, client: RefCell::new(client), format })
    }

    /// Waits for what is asked of the server.
    pub(crate) fn wait<T, F: Future<Output = T>>(&self, ask: impl FnOnce(Rc<Client>) -> F) -> Result<T, OpenError> {
        if self.client.borrow().is_closed() {
            let (client, _) = self.runtime.block_on(connect(&self.config, &self.schema))?;
            self.client.replace(client);
        }
        let client = self.client.borrow().clone();
        Ok(self.runtime.block_on(ask(client)))
    }

    /// The rows that a statement answers.
    pub(crate) fn rows(&self, about: &About<'_>, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        let answer = self.wait(|client| async move { client.query_typed(sql, values).await });
        answer.map_err(|error| about.unreachable(&error))?.map_err(|error| about.failed(&error))
    }

    /// The one row that a statement answers, if it does.
    pub(crate) fn row(&self, about: &About<'_>, sql: &str, values: &[Value<'_>]) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(about, sql, values)?.into_iter().next())
    }
}

/// A connection to the schema, which is made if it is not there, and what `format.json` holds.
async fn connect(config: &Config, schema: &str) -> Result<(Rc<Client>, Option<Vec<u8>>), OpenError> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    let quoted = format!("\"{}\"", schema.replace('"', "\"\""));
    client.batch_execute(&format!("set search_path to {quoted}; {}", statements::SESSION)).await?;
    let version = match client.query_one("select version from meta", &[]).await {
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => {
            client.batch_execute(&creation(&quoted)).await?;
            VERSION
        }
        row => row?.try_get(0)?,
    };
    if version > VERSION {
        return Err(OpenError::Newer(version));
    }
    let (path, most) = (layout::format().to_string(), small(limits::RECORD_BYTES));
    let format = client.query_opt(statements::READ, &[&path, &most]).await?;
    Ok((Rc::new(client), format.map(|row| row.try_get(0)).transpose()?))
}

/// The host, if it is not this machine.
fn elsewhere(host: &Host) -> Option<String> {
    match host {
        Host::Unix(_) => None,
        Host::Tcp(name) => {
            let is_here = name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback());
            (!is_here).then(|| name.clone())
        }
    }
}

/// A value of a statement, and its type.
pub(crate) type Value<'a> = (&'a (dyn ToSql + Sync), Type);

/// What is asked, for an error.
pub(crate) struct About<'a> {
    pub(crate) operation: &'static str,
    pub(crate) path: &'a dyn fmt::Display,
}

impl About<'_> {
    /// The server could not be asked.
    pub(crate) fn unreachable(&self, error: &OpenError) -> StoreError {
        self.failure(StoreErrorKind::Other, &error.to_string())
    }

    /// It is never one name that is at fault, which would be skipped. So the error is of the whole store.
    pub(crate) fn failure(&self, kind: StoreErrorKind, why: &str) -> StoreError {
        let detail = format!("{}: {why}", self.path);
        StoreError { operation: self.operation, path: String::new(), kind, detail }
    }

    pub(crate) fn failed(&self, error: &tokio_postgres::Error) -> StoreError {
        let kind = match error.code() {
            Some(code) if *code == SqlState::INSUFFICIENT_PRIVILEGE => StoreErrorKind::Denied,
            Some(code) if *code == SqlState::READ_ONLY_SQL_TRANSACTION => StoreErrorKind::ReadOnly,
            Some(code) if *code == SqlState::DISK_FULL => StoreErrorKind::Full,
            Some(code) if *code == SqlState::TOO_MANY_CONNECTIONS => StoreErrorKind::TooManyOpen,
            _ => StoreErrorKind::Other,
        };
        let detail = error.as_db_error().map_or_else(|| error.to_string(), |error| error.message().to_string());
        self.failure(kind, &detail)
    }
}

/// True if a name was taken.
pub(crate) fn is_taken(error: &tokio_postgres::Error) -> bool {
    error.code() == Some(&SqlState::UNIQUE_VIOLATION)
}

/// What makes a queue's schema. Of several agents that come to this at once, one makes it.
fn creation(quoted: &str) -> String {
    let tables = include_str!("schema.sql");
    let as_text = quoted.replace('\'', "''");
    format!(
        "begin; select pg_advisory_xact_lock(hashtext('muse coord'), hashtext('{as_text}')); \
         create schema if not exists {quoted}; set local client_min_messages to warning; {} \
         insert into meta select {VERSION} where not exists (select from meta); commit",
        tables
            .replace("create table", "create table if not exists")
            .replace("create index", "create index if not exists")
    )
}

impl From<tokio_postgres::Error> for OpenError {
    fn from(error: tokio_postgres::Error) -> OpenError {
        OpenError::Server(error)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::InTheClear(host) => {
                write!(f, "the connection to {host} would not be encrypted: connect through a tunnel on this machine")
            }
            OpenError::Runtime(error) => write!(f, "cannot begin to connect: {error}"),
            OpenError::Server(error) => write!(f, "the server: {error}"),
            OpenError::Newer(version) => {
                write!(f, "the queue's schema is version {version}, and this program knows {VERSION}: use a newer muse")
            }
        }
    }
}

impl std::error::Error for OpenError {}
