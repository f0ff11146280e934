//! Where the password for a server comes from: the environment, or a file as libpq has it.
//!
//! A password is sent to the host that it was set for, and to no other. So one that the environment holds counts only
//! for an address from there, or for the host that `PGHOST` names; and a line of the file for any host (`*`) counts
//! only for this machine.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::address::{Address, PORT, Server};

/// Where passwords are looked for. A default one holds none.
#[derive(Clone, Debug, Default)]
pub struct Passwords {
    /// The one that the environment holds. It comes first, as with libpq.
    pub variable: Option<Variable>,
    /// A file with a line for each server: `HOST:PORT:DATABASE:USER:PASSWORD`.
    pub file: Option<PathBuf>,
}

/// A password from the environment.
#[derive(Clone)]
pub struct Variable {
    /// The secret, which nothing shows.
    pub password: String,
    /// The host that it is sent to.
    pub set_for: SetFor,
}

/// What a password from the environment was set for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetFor {
    /// The address, which comes from the environment, too.
    Address,
    /// A host, or the directory of a socket, and a port: what `PGHOST` and `PGPORT` hold.
    Host(String, u16),
    /// Nobody said.
    Unknown,
}

/// Where the address of a queue comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressFrom {
    /// From `MUSE_COORD_STORE`: whoever set a password there has chosen the server, too.
    Environment,
    /// From a file, or from the command line.
    Elsewhere,
}

/// Why there is no password for a server that asks for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoPassword {
    /// The host.
    pub host: String,
    /// What was looked at.
    pub passed_over: Vec<PassedOver>,
}

/// A place that gave no password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassedOver {
    /// `PGPASSWORD` is set, but not for this host.
    Variable,
    /// The file is not there.
    NoFile(PathBuf),
    /// The file cannot be read.
    Unreadable(PathBuf, String),
    /// The file may be read by others.
    OpenToOthers(PathBuf, u32),
    /// This line of the file is for any host.
    AnyHost(PathBuf, usize),
    /// No line of the file is for this server.
    NoLine(PathBuf),
}

/// The password that was found, and what was passed over before.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) password: Option<Vec<u8>>,
    pub(crate) passed_over: Vec<PassedOver>,
}

/// No file of passwords is longer.
const FILE_BYTES: u64 = 1 << 20;

impl Passwords {
    /// What the environment says: `PGPASSWORD`, `PGHOST`, and `PGPASSFILE` or else `~/.pgpass`.
    pub fn of_environment(address: AddressFrom) -> Passwords {
        let set_for = match (address, variable("PGHOST")) {
            (AddressFrom::Environment, _) => SetFor::Address,
            (AddressFrom::Elsewhere, Some(host)) => {
                // A port that is no number is nobody's.
                let port = variable("PGPORT").map_or(Some(PORT), |port| port.parse().ok());
                port.map_or(SetFor::Unknown, |port| SetFor::Host(host, port))
            }
            (AddressFrom::Elsewhere, None) => SetFor::Unknown,
        };
        let beside = || Some(PathBuf::from(variable("HOME")?).join(".pgpass"));
        Passwords {
            variable: variable("PGPASSWORD").map(|password| Variable { password, set_for }),
            file: variable("PGPASSFILE").map(PathBuf::from).or_else(beside),
        }
    }

    /// The password to send to a server, if one was set for it.
    pub(crate) fn find(&self, address: &Address) -> Found {
        let mut found = Found::default();
        match &self.variable {
            Some(variable) if variable.set_for.is(address) => {
                found.password = Some(variable.password.clone().into_bytes());
                return found;
            }
            Some(_) => found.passed_over.push(PassedOver::Variable),
            None => {}
        }
        if let Some(path) = &self.file {
            match read(path) {
                Ok(content) => search(path, &content, address, &mut found),
                Err(why) => found.passed_over.push(why),
            }
        }
        found
    }
}

impl SetFor {
    fn is(&self, address: &Address) -> bool {
        match self {
            SetFor::Address => true,
            SetFor::Host(host, port) => host.eq_ignore_ascii_case(&address.host()) && *port == address.port(),
            SetFor::Unknown => false,
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The content of a file that nobody else may read. It is the open file that is asked, not its name.
fn read(path: &Path) -> Result<Vec<u8>, PassedOver> {
    let unreadable = |why: String| PassedOver::Unreadable(path.into(), why);
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(PassedOver::NoFile(path.into())),
        file => file.map_err(|error| unreadable(error.to_string()))?,
    };
    let about = file.metadata().map_err(|error| unreadable(error.to_string()))?;
    if !about.is_file() {
        return Err(unreadable("it is no plain file".into()));
    }
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(PassedOver::OpenToOthers(path.into(), mode));
    }
    let mut content = Vec::new();
    file.take(FILE_BYTES).read_to_end(&mut content).map_err(|error| unreadable(error.to_string()))?;
    Ok(content)
}

/// Takes the first line for this server.
fn search(path: &Path, content: &[u8], address: &Address, found: &mut Found) {
    let port = address.port().to_string();
    for (place, line) in content.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b"#") {
            continue;
        }
        let mut fields = fields(line).into_iter();
        let mut next = || fields.next();
        let (Some(host), Some(of_port), Some(database), Some(user), Some(password)) =
            (next(), next(), next(), next(), next())
        else {
            continue;
        };
        let is_for_it = of_port.is(port.as_bytes())
            && database.is(address.database().as_bytes())
            && user.is(address.user().as_bytes());
        match host {
            _ if !is_for_it => {}
            Field::Any if !address.is_here() => found.passed_over.push(PassedOver::AnyHost(path.into(), place + 1)),
            host if host.is_host(address) => {
                found.password = Some(password.text());
                return;
            }
            _ => {}
        }
    }
    found.passed_over.push(PassedOver::NoLine(path.into()));
}

/// A part of a line.
enum Field {
    Any,
    Text(Vec<u8>),
}

impl Field {
    fn is(&self, value: &[u8]) -> bool {
        match self {
            Field::Any => true,
            Field::Text(text) => text == value,
        }
    }

    /// A line for `localhost` is for this machine's sockets, too, as with libpq.
    fn is_host(&self, address: &Address) -> bool {
        match (self, address.server()) {
            (Field::Any, _) => true,
            (Field::Text(text), Server::Socket(..)) if text == b"localhost" => true,
            (Field::Text(text), _) => text.eq_ignore_ascii_case(address.host().as_bytes()),
        }
    }

    /// As a password: a lone star is one.
    fn text(self) -> Vec<u8> {
        match self {
            Field::Any => b"*".to_vec(),
            Field::Text(text) => text,
        }
    }
}

/// The fields between colons. A backslash takes the next character for itself.
fn fields(line: &[u8]) -> Vec<Field> {
    let (mut fields, mut text, mut is_plain) = (Vec::new(), Vec::new(), true);
    let mut bytes = line.iter().copied();
    let field = |text, is_plain| if is_plain && text == b"*" { Field::Any } else { Field::Text(text) };
    while let Some(byte) = bytes.next() {
        match byte {
            b':' => fields.push(field(std::mem::take(&mut text), std::mem::replace(&mut is_plain, true))),
            b'\\' => {
                is_plain = false;
                text.push(bytes.next().unwrap_or(b'\\'));
            }
            byte => text.push(byte),
        }
    }
    fields.push(field(text, is_plain));
    fields
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variable").field("set_for", &self.set_for).finish_non_exhaustive()
    }
}

impl fmt::Display for NoPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NoPassword { host, passed_over } = self;
        write!(f, "{host} asks for a password, and none was set for it")?;
        for why in passed_over {
            write!(f, "; {why}")?;
        }
        write!(
            f,
            "; add a line HOST:PORT:DATABASE:USER:PASSWORD to ~/.pgpass or the file that PGPASSFILE names, with the \
             host as it is written in the address"
        )
    }
}

impl fmt::Display for PassedOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PassedOver::Variable => write!(
                f,
                "PGPASSWORD counts only if the address comes from MUSE_COORD_STORE, or if PGHOST names this host"
            ),
            PassedOver::NoFile(path) => write!(f, "{} is not there", path.display()),
            PassedOver::Unreadable(path, why) => write!(f, "{} cannot be read: {why}", path.display()),
            PassedOver::OpenToOthers(path, mode) => {
                let path = path.display();
                write!(f, "{path} may be read by others (mode {mode:04o}), so it does not count: chmod 600 {path}")
            }
            PassedOver::AnyHost(path, line) => {
                write!(f, "line {line} of {} is for any host (*), which counts only for this machine", path.display())
            }
            PassedOver::NoLine(path) => write!(f, "{} has no line for this server", path.display()),
        }
    }
}

impl std::error::Error for NoPassword {}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    const FAR: &str = "postgres://muse@db.example/queue";
    const HERE: &str = "postgres://muse@localhost/queue";
    const SOCKET: &str = "postgres://muse@%2Frun%2Fpg:5433/queue";

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    /// What a file of these lines holds for an address.
    fn in_file(lines: &str, text: &str) -> Found {
        let dir = tempfile::tempdir().unwrap();
        let passwords = file_of(&dir, lines, 0o600);
        passwords.find(&address(text))
    }

    fn file_of(dir: &tempfile::TempDir, lines: &str, mode: u32) -> Passwords {
        let path = dir.path().join("pgpass");
        std::fs::write(&path, lines).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        Passwords { variable: None, file: Some(path) }
    }

    fn password(lines: &str, text: &str) -> Option<String> {
        in_file(lines, text).password.map(|password| String::from_utf8(password).unwrap())
    }

    #[test]
    fn the_first_line_for_the_server_counts() {
        let lines = "# db.example:5432:queue:muse:comment\n\ndb.example:5432:queue\n\
                     other:5432:queue:muse:a\ndb.example:1:queue:muse:b\ndb.example:*:queue:you:c\n\
                     DB.example:*:*:muse:right:rest\r\ndb.example:5432:queue:muse:later\n";
        assert_eq!(password(lines, FAR).as_deref(), Some("right"));
        assert_eq!(password(lines, HERE), None);
        assert_eq!(password("*:*:*:*:a\\:b\\\\c\\d\\", HERE).as_deref(), Some("a:b\\cd\\"));
        assert_eq!(password("\\*:*:*:*:a", HERE), None);
        assert_eq!(password("localhost:*:*:*:*", HERE).as_deref(), Some("*"));
        assert_eq!(password("localhost:5433:*:*:a", SOCKET).as_deref(), Some("a"));
        assert_eq!(password("/run/pg:5433:*:*:a", SOCKET).as_deref(), Some("a"));
        assert_eq!(password("/run:5433:*:*:a", SOCKET), None);
        assert_eq!(password("a\\:b:*:*:*:a", "postgres://u@[a::b]/q"), None);
        assert_eq!(password("a\\:\\:b:*:*:*:a", "postgres://u@[a::b]/q").as_deref(), Some("a"));
    }

    #[test]
    fn a_line_for_any_host_is_for_this_machine_alone() {
        for here in [HERE, SOCKET] {
            assert_eq!(password("*:*:*:*:a", here).as_deref(), Some("a"));
        }
        let found = in_file("x:*:*:*:b\n*:*:*:*:a", FAR);
        assert_eq!(found.password, None);
        assert!(matches!(found.passed_over.first(), Some(PassedOver::AnyHost(_, 2))));
        let why = NoPassword { host: "db.example".into(), passed_over: found.passed_over }.to_string();
        assert!(why.contains("line 2 of ") && why.contains("counts only for this machine"), "{why}");
        assert_eq!(password("*:*:*:*:a\ndb.example:*:*:*:b", FAR).as_deref(), Some("b"));
    }

    #[test]
    fn a_file_that_others_may_read_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        for mode in [0o640, 0o604, 0o610, 0o666] {
            let found = file_of(&dir, "db.example:*:*:*:hunter2", mode).find(&address(FAR));
            assert_eq!(found.password, None);
            let why = NoPassword { host: "db.example".into(), passed_over: found.passed_over }.to_string();
            assert!(why.contains(&format!("(mode {mode:04o})")) && why.contains("chmod 600"), "{why}");
            assert!(!why.contains("hunter2"), "{why}");
        }
        let nothing = Passwords { variable: None, file: Some(dir.path().join("nothing")) }.find(&address(FAR));
        assert!(matches!(nothing.passed_over.as_slice(), [PassedOver::NoFile(_)]));
        let no_file = Passwords { variable: None, file: Some(dir.path().into()) }.find(&address(FAR));
        assert!(matches!(no_file.passed_over.as_slice(), [PassedOver::Unreadable(..)]));
    }

    #[test]
    fn the_environments_password_goes_to_the_host_that_it_was_set_for() {
        let sent = |set_for: SetFor, text: &str| {
            let variable = Some(Variable { password: "hunter2".into(), set_for });
            let found = Passwords { variable, file: None }.find(&address(text));
            assert_eq!(found.password.is_none(), found.passed_over == [PassedOver::Variable]);
            found.password.is_some()
        };
        for (text, host) in [(FAR, "db.example"), (HERE, "localhost"), (SOCKET, "/run/pg")] {
            assert!(sent(SetFor::Address, text));
            let port = text.parse::<Address>().unwrap().port();
            assert!(sent(SetFor::Host(host.into(), port), text));
            assert!(!sent(SetFor::Host(host.into(), port + 1), text));
            assert!(!sent(SetFor::Host("evil.example".into(), port), text));
            assert!(!sent(SetFor::Unknown, text));
        }
    }

    #[test]
    fn nothing_shows_a_password() {
        let variable = Variable { password: "hunter2".into(), set_for: SetFor::Address };
        let shown = format!("{:?}", Passwords { variable: Some(variable), file: None });
        assert!(shown.contains("Address") && !shown.contains("hunter2"), "{shown}");
    }
}
