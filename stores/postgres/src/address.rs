//! Where a queue is: an address as people write it, which never holds a secret.
//!
//! ```text
//! postgres://USER@HOST[:PORT]/DATABASE[?schema=NAME&sslmode=…&sslrootcert=PATH]
//! ```
//!
//! A unix socket is given by its directory, as libpq takes it: `postgres://USER@/DATABASE?host=/run/postgresql`, or
//! percent-encoded in place of the host.
//!
//! The connection to another machine is always encrypted, and the server's certificate is verified against its host
//! name, whatever the address says. A server on this machine may be asked in the clear, which is the default there.
//! libpq's `sslmode=require` is read as `verify-full`, which is stricter: libpq would take any certificate.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use coord_sql::Schema;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Where a queue is: server, database and schema, and who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    user: String,
    server: Server,
    database: String,
    schema: String,
    channel: Channel,
}

/// How to reach the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Server {
    /// By a unix socket in this directory.
    Socket(PathBuf, u16),
    /// Over the network.
    Tcp(String, u16),
}

/// Whether others could read along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    /// They could: the server is on this machine.
    InTheClear,
    /// They cannot. The certificates in a file are trusted; without one, those that the system trusts.
    Verified(Option<PathBuf>),
}

/// Why a text is no address. What may be part of a password is never repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// It does not begin as one.
    Scheme,
    /// It has an `@`, but not where one is expected.
    Misplaced,
    /// It holds a password.
    Password,
    /// A part is missing.
    Missing(&'static str),
    /// A part is not what it may be.
    Part {
        /// Which.
        part: &'static str,
        /// What was given.
        given: String,
        /// What it may be.
        rule: &'static str,
    },
    /// There is no such parameter.
    Unknown(String),
    /// A parameter is given twice, or the host is given in two places.
    Twice(String),
    /// The connection to another machine would not be verified, or not be encrypted.
    Unverified {
        /// The machine.
        host: String,
        /// What was asked for.
        sslmode: String,
    },
    /// A certificate to trust, but nothing that would be verified.
    NothingToVerify,
    /// A unix socket is never encrypted.
    SocketWithTls,
}

/// The port of a server that names none.
pub(crate) const PORT: u16 = 5432;
const SCHEMA: &str = "coord";

/// The longest name that PostgreSQL keeps whole, and the longest of a host that can be looked up.
const NAME_BYTES: usize = 63;
const HOST_BYTES: usize = 253;
const NAME_RULE: &str = "1 to 63 bytes of UTF-8 without control characters";
const PORT_RULE: &str = "a number from 1 to 65535";
const HOST_RULE: &str = "one host: a name, an IPv4 address, or an IPv6 address in brackets";
const PATH_RULE: &str = "a path from the root, as /etc/ssl/certs/ca.pem";
const MODE_RULE: &str = "disable, allow, prefer, require or verify-full";

/// What is written as it is; anything else is percent-encoded.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// A path is read more easily with its slashes.
const ESCAPED_IN_PATH: &AsciiSet = &ESCAPED.remove(b'/');

impl Address {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
        let rest = rest.ok_or(AddressError::Scheme)?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, database) = place.split_once('/').unwrap_or((place, ""));
        let Some((user, host)) = authority.rsplit_once('@') else {
            // What stands before it may be a password, which must not come into an error.
            return Err(if rest.contains('@') { AddressError::Misplaced } else { AddressError::Missing("user") });
        };
        if user.contains(':') {
            return Err(AddressError::Password);
        }
        let parameters = Parameters::parse(query)?;
        let server = server(host, parameters.host)?;
        let channel = channel(&server, parameters.sslmode, parameters.sslrootcert)?;
        Ok(Address {
            user: name("user", user)?,
            server,
            database: name("database", database)?,
            schema: schema(parameters.schema.unwrap_or_else(|| SCHEMA.to_string()))?,
            channel,
        })
    }

    /// Who asks.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The host, or the directory of the socket, as libpq's `PGHOST` would have it.
    pub fn host(&self) -> Cow<'_, str> {
        match &self.server {
            Server::Socket(dir, _) => dir.to_string_lossy(),
            Server::Tcp(host, _) => host.into(),
        }
    }

    /// The port; that of a socket is part of its name.
    pub fn port(&self) -> u16 {
        let (Server::Socket(_, port) | Server::Tcp(_, port)) = self.server;
        port
    }

    /// The database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The schema that holds the queue.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// True if the server is on this machine, so that what is sent to it does not leave it.
    pub fn is_here(&self) -> bool {
        self.server.is_here()
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }
}

impl Server {
    fn is_here(&self) -> bool {
        match self {
            Server::Socket(..) => true,
            Server::Tcp(host, _) => {
                host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.to_canonical().is_loopback())
            }
        }
    }
}

/// What stands behind the question mark.
#[derive(Default)]
struct Parameters {
    host: Option<String>,
    schema: Option<String>,
    sslmode: Option<String>,
    sslrootcert: Option<String>,
}

impl Parameters {
    fn parse(query: &str) -> Result<Parameters, AddressError> {
        let mut parameters = Parameters::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let place = match key {
                "host" => &mut parameters.host,
                "schema" => &mut parameters.schema,
                "sslmode" => &mut parameters.sslmode,
                "sslrootcert" => &mut parameters.sslrootcert,
                "password" => return Err(AddressError::Password),
                other => return Err(AddressError::Unknown(other.to_string())),
            };
            if place.replace(decoded("parameter", value)?).is_some() {
                return Err(AddressError::Twice(key.to_string()));
            }
        }
        Ok(parameters)
    }
}

fn server(authority: &str, parameter: Option<String>) -> Result<Server, AddressError> {
    let bracket = authority.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (host, port) = match bracket {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or_else(|| part("host", authority, HOST_RULE))?)),
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Ok(PORT), |port| match port.parse() {
        Ok(number @ 1..) => Ok(number),
        _ => Err(part("port", port, PORT_RULE)),
    })?;
    let host = match (decoded("host", host)?, parameter) {
        (host, None) => host,
        (host, Some(parameter)) if host.is_empty() => parameter,
        (_, Some(_)) => return Err(AddressError::Twice("host".to_string())),
    };
    if host.is_empty() {
        return Err(AddressError::Missing("host"));
    }
    if host.starts_with('/') {
        return Ok(Server::Socket(host.into(), port));
    }
    let is_address = host.parse::<IpAddr>().is_ok();
    let is_name = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if host.len() > HOST_BYTES || bracket.is_some() && !is_address || !is_name && !is_address {
        return Err(part("host", &host, HOST_RULE));
    }
    Ok(Server::Tcp(host.to_ascii_lowercase(), port))
}

fn channel(server: &Server, sslmode: Option<String>, roots: Option<String>) -> Result<Channel, AddressError> {
    let roots = match roots {
        // libpq's word for those that the system trusts.
        Some(path) if path == "system" => None,
        Some(path) if path.starts_with('/') => Some(PathBuf::from(path)),
        Some(path) => return Err(part("sslrootcert", &path, PATH_RULE)),
        None => None,
    };
    match (sslmode.as_deref(), server) {
        (Some("require" | "verify-full"), Server::Socket(..)) => Err(AddressError::SocketWithTls),
        (Some("require" | "verify-full"), _) => Ok(Channel::Verified(roots)),
        (None, Server::Tcp(..)) if !server.is_here() => Ok(Channel::Verified(roots)),
        (Some(mode @ ("disable" | "allow" | "prefer" | "verify-ca")), Server::Tcp(host, _)) if !server.is_here() => {
            Err(AddressError::Unverified { host: host.clone(), sslmode: mode.to_string() })
        }
        (None | Some("disable" | "allow" | "prefer"), _) if roots.is_some() => Err(AddressError::NothingToVerify),
        (None | Some("disable" | "allow" | "prefer"), _) => Ok(Channel::InTheClear),
        (Some(mode), _) => Err(part("sslmode", mode, MODE_RULE)),
    }
}

fn schema(given: String) -> Result<String, AddressError> {
    if Schema::may_be(&given) { Ok(given) } else { Err(part("schema", &given, Schema::RULE)) }
}

fn name(of: &'static str, text: &str) -> Result<String, AddressError> {
    let name = decoded(of, text)?;
    match name.as_str() {
        "" => Err(AddressError::Missing(of)),
        name if !is_name(name) || text.contains('/') => Err(part(of, name, NAME_RULE)),
        _ => Ok(name),
    }
}

fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES).contains(&text.len()) && !text.contains(char::is_control)
}

fn decoded(of: &'static str, text: &str) -> Result<String, AddressError> {
    let whole = percent_decode_str(text).decode_utf8();
    let whole = whole.map_err(|_| part(of, text, "UTF-8, where it is percent-encoded"))?;
    if whole.contains('\0') {
        return Err(part(of, text, "without a zero byte"));
    }
    Ok(whole.into_owned())
}

fn part(part: &'static str, given: &str, rule: &'static str) -> AddressError {
    AddressError::Part { part, given: given.to_string(), rule }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        Address::parse(text)
    }
}

/// The same address, in the one way to write it.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres://{}@", escaped(&self.user))?;
        match &self.server {
            // Its directory stands behind the question mark, where its slashes can be read.
            Server::Socket(..) => {}
            Server::Tcp(host, _) if host.contains(':') => write!(f, "[{host}]")?,
            Server::Tcp(host, _) => f.write_str(host)?,
        }
        if self.port() != PORT {
            write!(f, ":{}", self.port())?;
        }
        write!(f, "/{}", escaped(&self.database))?;
        let sockets = match &self.server {
            Server::Socket(dir, _) => Some(escaped_path(dir)),
            Server::Tcp(..) => None,
        };
        let schema = (self.schema != SCHEMA).then(|| escaped(&self.schema));
        // Another machine is never asked in another way.
        let is_chosen = self.channel != Channel::InTheClear && self.is_here();
        let roots = match &self.channel {
            Channel::Verified(Some(path)) => Some(escaped_path(path)),
            _ => None,
        };
        let parameters = [
            sockets.map(|dir| format!("host={dir}")),
            schema.map(|schema| format!("schema={schema}")),
            is_chosen.then(|| "sslmode=verify-full".to_string()),
            roots.map(|path| format!("sslrootcert={path}")),
        ];
        for (place, parameter) in parameters.iter().flatten().enumerate() {
            write!(f, "{}{parameter}", if place == 0 { '?' } else { '&' })?;
        }
        Ok(())
    }
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

fn escaped_path(path: &Path) -> String {
    utf8_percent_encode(&path.to_string_lossy(), ESCAPED_IN_PATH).to_string()
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressError::Scheme => write!(f, "not an address of a PostgreSQL server: {SHAPE}"),
            AddressError::Misplaced => write!(
                f,
                "the address has an @ behind the first / or ?: in a name, write @ as %40, / as %2F and ? as %3F; \
                 {SHAPE}"
            ),
            AddressError::Password => write!(
                f,
                "the address holds a password, which would be read by others: put it into ~/.pgpass or the file that \
                 PGPASSFILE names, as HOST:PORT:DATABASE:USER:PASSWORD, and take it out of the address"
            ),
            AddressError::Missing(part) => write!(f, "the address has no {part}: {SHAPE}"),
            AddressError::Part { part, given, rule } => {
                write!(f, "the address's {part} is {given:?}, and has to be {rule}")
            }
            AddressError::Unknown(name) => {
                write!(f, "the address has a parameter {name:?}: there are host, schema, sslmode and sslrootcert")
            }
            AddressError::Twice(name) => write!(f, "the address gives {name} twice: give it once"),
            AddressError::Unverified { host, sslmode } => write!(
                f,
                "sslmode={sslmode} would send to {host} without knowing that it is {host}: leave it out, which is \
                 sslmode=verify-full, and name the file of the authority's certificate with sslrootcert=PATH if the \
                 system does not trust it"
            ),
            AddressError::NothingToVerify => write!(
                f,
                "sslrootcert names what to trust, but the connection to this machine would not be encrypted: add \
                 sslmode=verify-full, or leave sslrootcert out"
            ),
            AddressError::SocketWithTls => write!(
                f,
                "a unix socket is never encrypted, nor does it have to be: leave sslmode out, or give the name of a \
                 host"
            ),
        }
    }
}

const SHAPE: &str = "write postgres://USER@HOST[:PORT]/DATABASE[?schema=NAME&sslrootcert=PATH]";

impl std::error::Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn refused(text: &str) -> String {
        Address::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn an_address_is_read_and_written_in_one_way() {
        for (given, written) in [
            ("postgresql://muse@db.example/queue", "postgres://muse@db.example/queue"),
            ("postgres://muse@DB.example:5432/queue?schema=coord", "postgres://muse@db.example/queue"),
            ("postgres://muse@db:6432/q?schema=a%20b", "postgres://muse@db:6432/q?schema=a%20b"),
            ("postgres://mu%40se@[::1]:1/q%2Fr", "postgres://mu%40se@[::1]:1/q%2Fr"),
            ("postgres://muse@[2001:db8::7]/q?sslmode=require", "postgres://muse@[2001:db8::7]/q"),
            ("postgres://muse@db/q?sslrootcert=/etc/ca%20x.pem", "postgres://muse@db/q?sslrootcert=/etc/ca%20x.pem"),
            ("postgres://muse@db/q?sslrootcert=system", "postgres://muse@db/q"),
            ("postgres://muse@localhost/q?sslmode=prefer", "postgres://muse@localhost/q"),
            ("postgres://muse@127.0.0.1/q?sslmode=require", "postgres://muse@127.0.0.1/q?sslmode=verify-full"),
            ("postgres://muse@/q?host=/run/postgresql", "postgres://muse@/q?host=/run/postgresql"),
            ("postgres://muse@:5433/q?host=/run/postgresql", "postgres://muse@:5433/q?host=/run/postgresql"),
            ("postgres://muse@%2Ftmp/q?schema=s", "postgres://muse@/q?host=/tmp&schema=s"),
        ] {
            let address = parsed(given);
            assert_eq!(address.to_string(), written);
            assert_eq!(parsed(written), address);
        }
    }

    #[test]
    fn another_machine_is_always_verified_and_this_one_if_it_is_asked_for() {
        let channel = |text: &str| parsed(text).channel;
        for host in ["db", "db.example", "192.0.2.1", "0.0.0.0", "[2001:db8::7]", "localhost.", "127.0.0.1.nip.io", "1"]
        {
            for mode in ["", "?sslmode=require", "?sslmode=verify-full"] {
                assert_eq!(channel(&format!("postgres://u@{host}/q{mode}")), Channel::Verified(None), "{host} {mode}");
            }
            for mode in ["disable", "allow", "prefer", "verify-ca"] {
                let why = refused(&format!("postgres://u@{host}/q?sslmode={mode}"));
                assert!(why.contains(mode) && why.contains("verify-full") && why.contains("sslrootcert"), "{why}");
            }
        }
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "[::1]", "[::ffff:127.0.0.1]", "%2Ftmp"] {
            for mode in ["", "?sslmode=disable", "?sslmode=allow", "?sslmode=prefer"] {
                assert_eq!(channel(&format!("postgres://u@{host}/q{mode}")), Channel::InTheClear, "{host} {mode}");
            }
            assert!(refused(&format!("postgres://u@{host}/q?sslmode=verify-ca")).contains("verify-full"));
        }
        let verified = Channel::Verified(Some("/ca.pem".into()));
        assert_eq!(channel("postgres://u@localhost/q?sslmode=verify-full&sslrootcert=/ca.pem"), verified);
        assert_eq!(refused("postgres://u@localhost/q?sslrootcert=/ca"), AddressError::NothingToVerify.to_string());
        assert_eq!(refused("postgres://u@%2Ftmp/q?sslmode=require"), AddressError::SocketWithTls.to_string());
    }

    #[test]
    fn a_password_is_refused_wherever_it_stands_and_never_repeated() {
        for text in [
            "postgres://muse:hunter2@db/q",
            "postgres://muse:hunter2@db:hunter2/q?hunter2=hunter2",
            "postgres://muse:@db/q",
            "postgres://muse@db/q?password=hunter2",
            "postgres://muse:hunt@hunter2@db/q",
            "postgres://muse:hunter2/x@db/q",
            "postgres://muse:hunter2?x@db/q",
            "postgres://muse:hunter2#x@db/q",
            "postgres://hunter2/@db/q",
            "https://muse:hunter2@db/q",
            "muse:hunter2@db/q",
        ] {
            let why = refused(text);
            assert!(!why.contains("hunter2"), "{why}");
            assert!(
                why.contains("pgpass") || why.contains("%40") || text.contains("https") || !text.contains("//"),
                "{why}"
            );
        }
    }

    #[test]
    fn whatever_else_is_refused_by_name_with_the_way_out() {
        let long = "x".repeat(64);
        for (text, words) in [
            ("postgres://db/q".to_string(), "no user"),
            ("postgres://@db/q".to_string(), "no user"),
            ("postgres://u@/q".to_string(), "no host"),
            ("postgres://u@db".to_string(), "no database"),
            ("postgres://u@db/".to_string(), "no database"),
            ("postgres://u@db:0/q".to_string(), "port is \"0\", and has to be a number from 1 to 65535"),
            ("postgres://u@db:70000/q".to_string(), "port is \"70000\""),
            ("postgres://u@a,b/q".to_string(), "host is \"a,b\", and has to be one host"),
            ("postgres://u@[db]/q".to_string(), "host is \"db\""),
            ("postgres://u@db/q/r".to_string(), "database is \"q/r\""),
            (format!("postgres://{long}@db/q"), "1 to 63 bytes"),
            (format!("postgres://u@db/q?schema={long}"), "schema is"),
            ("postgres://u@db/q?schema=".to_string(), "schema is \"\""),
            ("postgres://u@db/q?schema=pg_x".to_string(), "pg_"),
            ("postgres://u@db/q?schema=a%00b".to_string(), "zero byte"),
            ("postgres://u@db/q?schema=%ff".to_string(), "UTF-8"),
            ("postgres://u@db/q?schema=a&schema=b".to_string(), "gives schema twice"),
            ("postgres://u@db/q?host=/tmp".to_string(), "gives host twice"),
            ("postgres://u@db/q?options=-c".to_string(), "parameter \"options\": there are host, schema"),
            ("postgres://u@db/q?sslmode=never".to_string(), "sslmode is \"never\""),
            ("postgres://u@db/q?sslrootcert=ca.pem".to_string(), "a path from the root"),
        ] {
            let why = refused(&text);
            assert!(why.contains(words), "{text}: {why}");
        }
    }
}
