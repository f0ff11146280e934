//! The way to a server: by a socket or the network, encrypted unless the server is on this machine.

use std::error::Error as _;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::address::{Address, Channel, Server};
use crate::error::OpenError;
use crate::password::{Found, NoPassword, Passwords};
use crate::tls::{self, TlsError};
use crate::waiting::Ear;

/// What connections to a server are made with.
pub(crate) struct Line {
    address: Address,
    passwords: Passwords,
    tls: Option<MakeRustlsConnect>,
}

impl Line {
    pub(crate) fn new(address: &Address, passwords: Passwords) -> Result<Line, OpenError> {
        let tls = match address.channel() {
            Channel::InTheClear => None,
            Channel::Verified(roots) => Some(tls::connector(roots.as_deref())?),
        };
        Ok(Line { address: address.clone(), passwords, tls })
    }

    /// True if what is sent is encrypted.
    pub(crate) fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Connects; what the server tells by itself goes to the ear. The password is looked for anew, as it may have
    /// changed.
    pub(crate) async fn dial(&self, ear: &Arc<Ear>) -> Result<Client, OpenError> {
        let found = self.passwords.find(&self.address);
        let connected = match (self.address.server(), &self.tls) {
            (Server::Socket(dir, port), _) => {
                let path = dir.join(format!(".s.PGSQL.{port}"));
                let place = path.display().to_string();
                let stream = UnixStream::connect(&path).await;
                let stream = stream.map_err(|error| OpenError::Unreachable { place, error })?;
                drive(self.config(&found).ssl_mode(SslMode::Disable).connect_raw(stream, NoTls).await, ear)
            }
            (Server::Tcp(host, port), None) => {
                let stream = reach(host, *port, |address| address.ip().to_canonical().is_loopback()).await?;
                drive(self.config(&found).ssl_mode(SslMode::Disable).connect_raw(stream, NoTls).await, ear)
            }
            (Server::Tcp(host, port), Some(tls)) => {
                let stream = reach(host, *port, |_| true).await?;
                let Ok(tls) = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut tls.clone(), host);
                drive(self.config(&found).ssl_mode(SslMode::Require).connect_raw(stream, tls).await, ear)
            }
        };
        connected.map_err(|error| self.explained(error, found))
    }

    fn config(&self, found: &Found) -> Config {
        let mut config = Config::new();
        config.user(self.address.user()).dbname(self.address.database()).application_name("muse coord");
        if let Some(password) = &found.password {
            config.password(password);
        }
        config
    }

    /// A refusal that the caller can do something about.
    fn explained(&self, error: tokio_postgres::Error, found: Found) -> OpenError {
        let host = self.address.host();
        // The client's own words: it has no code for them.
        let is_missing = error.source().is_some_and(|cause| cause.to_string() == "password missing");
        if is_missing {
            return OpenError::Password(NoPassword { host: host.into_owned(), passed_over: found.passed_over });
        }
        TlsError::of(&host, &error).map_or_else(|| OpenError::from(error), OpenError::Tls)
    }
}

/// Connects to the first address of a host that answers, of those that may be asked.
async fn reach(host: &str, port: u16, may_be_asked: fn(&SocketAddr) -> bool) -> Result<TcpStream, OpenError> {
    let unreachable = |error| OpenError::Unreachable { place: format!("{host}:{port}"), error };
    let addresses: Vec<SocketAddr> = lookup_host((host, port)).await.map_err(unreachable)?.collect();
    let mut outcome = match addresses.is_empty() {
        true => unreachable(io::Error::from(io::ErrorKind::NotFound)),
        false => OpenError::Elsewhere(host.to_string()),
    };
    for address in addresses.iter().filter(|address| may_be_asked(address)) {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // A question is small, and its answer is waited for.
                stream.set_nodelay(true).map_err(unreachable)?;
                return Ok(stream);
            }
            Err(error) => outcome = unreachable(error),
        }
    }
    Err(outcome)
}

/// Lets a connection go on beside the calls.
fn drive<S, T>(
    connected: Result<(Client, Connection<S, T>), tokio_postgres::Error>,
    ear: &Arc<Ear>,
) -> Result<Client, tokio_postgres::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (client, mut connection) = connected?;
    let ear = ear.clone();
    tokio::spawn(async move {
        // A connection that is lost is found out by the next call.
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(told) = message {
                ear.hear(told.payload());
            }
        }
    });
    Ok(client)
}
