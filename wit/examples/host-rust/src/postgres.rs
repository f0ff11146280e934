//! A PostgreSQL server for the component `muse-coord-sql.wasm`, which brings the SQL. What a plugin host copies besides
//! is this file.

use std::error::Error;
use std::fmt::Write;
use std::time::Duration;

use tokio::time::timeout;
use tokio_postgres::config::Host;
use tokio_postgres::error::Severity;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, Row};
use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Result, bail};

use self::bindings::muse::coord::sql;

/// Types and glue made from `wit/sql.wit`.
mod bindings {
    wasmtime::component::bindgen!({ path: "../..", world: "sql-imports", imports: { default: async } });
}

/// A schema of a server on this machine, and one connection, which is made when it is needed; by default there is no
/// server. For another machine a host adds TLS, by a crate such as tokio-postgres-rustls.
#[derive(Default)]
pub struct Postgres {
    config: Config,
    schema: String,
    client: Option<Client>,
}

/// A server that does not answer for longer is not waited for.
const PATIENCE: Duration = Duration::from_secs(40);

impl Postgres {
    /// By what tokio-postgres takes, such as `postgres://me@/work?host=/run/postgresql`.
    pub fn at(schema: &str, conninfo: &str) -> Result<Postgres> {
        let config: Config = conninfo.parse()?;
        for host in config.get_hosts() {
            if matches!(host, Host::Tcp(name) if !["localhost", "127.0.0.1", "::1"].contains(&name.as_str())) {
                bail!("this example has no TLS, and {host:?} is another machine");
            }
        }
        Ok(Postgres { config, schema: schema.to_owned(), client: None })
    }

    /// Gives a component the two functions of `muse:coord/sql`.
    pub(crate) fn link<T: Send + 'static>(linker: &mut Linker<T>, server: fn(&mut T) -> &mut Postgres) -> Result<()> {
        sql::add_to_linker::<_, HasSelf<Postgres>>(linker, server)
    }

    async fn client(&mut self) -> Result<&Client, tokio_postgres::Error> {
        let client = match self.client.take().filter(|client| !client.is_closed()) {
            Some(client) => client,
            None => {
                let (client, connection) = self.config.connect(NoTls).await?;
                tokio::spawn(connection);
                client
            }
        };
        Ok(self.client.insert(client))
    }
}

impl sql::Host for Postgres {
    async fn whereabouts(&mut self) -> sql::Place {
        let name = format!("PostgreSQL at {:?}, database {:?}", self.config.get_hosts(), self.config.get_dbname());
        sql::Place { name, schema: self.schema.clone() }
    }

    async fn query(&mut self, statement: String, values: Vec<Option<String>>) -> Result<Vec<sql::Row>, sql::Failure> {
        let answer = async {
            let client = self.client().await.map_err(|error| sql::Failure::Unreached(told(&error)))?;
            let typed: Vec<_> = values.iter().map(|value| (value as &(dyn ToSql + Sync), Type::TEXT)).collect();
            let rows = client.query_typed(&statement, &typed).await.map_err(|error| failure(&error))?;
            let rows: Result<Vec<sql::Row>, _> = rows.iter().map(texts).collect();
            rows.map_err(|error| sql::Failure::Lost(told(&error)))
        };
        match timeout(PATIENCE, answer).await {
            Ok(answer) => answer,
            Err(_) => {
                self.client = None;
                Err(sql::Failure::Lost(format!("the server has not answered in {} seconds", PATIENCE.as_secs())))
            }
        }
    }
}

/// The columns of a row as texts.
fn texts(row: &Row) -> Result<sql::Row, tokio_postgres::Error> {
    let text = |(place, column): (usize, &tokio_postgres::Column)| {
        Ok(match *column.type_() {
            Type::BOOL => row.try_get::<_, Option<bool>>(place)?.map(|value| value.to_string()),
            Type::INT4 => row.try_get::<_, Option<i32>>(place)?.map(|value| value.to_string()),
            Type::INT8 => row.try_get::<_, Option<i64>>(place)?.map(|value| value.to_string()),
            Type::BYTEA => row.try_get::<_, Option<&[u8]>>(place)?.map(hex),
            _ => row.try_get(place)?,
        })
    };
    row.columns().iter().enumerate().map(text).collect()
}

/// Bytes as the server writes them.
fn hex(bytes: &[u8]) -> String {
    let mut text = "\\x".to_owned();
    for byte in bytes {
        _ = write!(text, "{byte:02x}");
    }
    text
}

fn failure(error: &tokio_postgres::Error) -> sql::Failure {
    match error.as_db_error() {
        Some(refusal) => sql::Failure::Refused(sql::Refusal {
            code: refusal.code().code().to_owned(),
            message: refusal.message().to_owned(),
            is_fatal: refusal.parsed_severity() != Some(Severity::Error),
        }),
        None => sql::Failure::Lost(told(error)),
    }
}

/// An error with its cause.
fn told(error: &tokio_postgres::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
