//! A PostgreSQL server of the tests' own: in a temporary directory, on a socket there, stopped with the tests.

mod authority;
mod pooler;
mod programs;
mod standby;

use std::fs::{File, Permissions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::report;
pub use authority::Authority;
use coord_postgres::{Address, Passwords, PostgresStore};
pub use pooler::Pooler;
use tempfile::TempDir;
use tokio_postgres::{Client, Config, NoTls, SimpleQueryMessage};

pub use programs::Snapshot;
use standby::Standby;

/// Who runs the server where the tests run as root, whom PostgreSQL refuses.
const NOBODY: u32 = 65_534;

/// In the name of a socket of which nobody said otherwise.
const PORT: u16 = 5432;

/// A port of this machine that nobody listens on.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0));
    listener.and_then(|listener| listener.local_addr()).expect("a port").port()
}

/// Names a server on which all repositories of a test are to be: an address, with the schema left open.
pub const ON_POSTGRES: &str = "ON_POSTGRES";

/// A new queue on that server, if it is named.
pub(crate) fn queue_on_postgres() -> Option<String> {
    static SCHEMAS: AtomicU32 = AtomicU32::new(0);
    let address = std::env::var_os(ON_POSTGRES)?.into_string().expect("an address");
    let address = address.replace("SCHEMA", &format!("q{}", SCHEMAS.fetch_add(1, Ordering::Relaxed)));
    let made = coord_postgres::create(&address.parse().expect("an address"), Passwords::default());
    made.map(|_| Some(address)).expect("the server is up")
}

/// A server.
#[derive(Debug)]
pub struct Server {
    process: Mutex<Child>,
    /// Where its data is, which is another place after a promotion.
    data: Mutex<PathBuf>,
    standbys: Mutex<Vec<Standby>>,
    programs: PathBuf,
    /// What it is started with.
    settings: Vec<String>,
    dir: TempDir,
    port: u16,
    schemas: AtomicU32,
}

/// A transaction that has not ended.
#[derive(Debug)]
pub struct Held {
    _client: Client,
    _runtime: tokio::runtime::Runtime,
}

/// What a server is started with, besides what each has.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Settings, as `name=value`.
    pub settings: Vec<String>,
    /// The port that it listens on; it is in the name of the socket, too.
    pub port: Option<u16>,
    /// The variable that names the directory of its programs, if it is not `POSTGRES`.
    pub programs: Option<&'static str>,
    /// Files in the directory of its data, that nobody else may read: name and content.
    pub files: Vec<(&'static str, String)>,
}

impl Server {
    /// Starts a server; `None`, said loudly: nobody said where its programs are.
    pub fn start() -> Option<Server> {
        Server::with(&Setup::default())
    }

    /// Starts a server of each version that the tests have: what is installed or unpacked, and 18.
    pub fn of_each_version() -> Vec<Server> {
        let variables = ["POSTGRES", "POSTGRES_18"];
        let start = |variable| Server::with(&Setup { programs: Some(variable), ..Setup::default() });
        let servers: Vec<Server> = variables.into_iter().filter_map(start).collect();
        let versions: Vec<String> = servers.iter().map(|server| server.sql("show server_version")).collect();
        report(format_args!("PostgreSQL {}", versions.join(" and ")));
        servers
    }

    /// Starts a server with more settings.
    pub fn with(setup: &Setup) -> Option<Server> {
        let variable = setup.programs.unwrap_or("POSTGRES");
        let Some(programs) = std::env::var_os(variable).map(PathBuf::from) else {
            report(format_args!("SKIPPED: `cargo xtask test` sets {variable} to the programs of a PostgreSQL server"));
            return None;
        };
        let dir = tempfile::tempdir().expect("a machine that runs a server");
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("a machine that runs a server");
        let data = dir.path().join("data");
        std::fs::create_dir(&data).expect("a machine that runs a server");
        give(dir.path());
        give(&data);
        let made = as_nobody(&programs.join("initdb"))
            .args(["--auth=trust", "--username=muse", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .status();
        assert!(made.expect("a machine that runs a server").success(), "initdb failed");
        for (name, content) in &setup.files {
            let path = data.join(name);
            std::fs::write(&path, content).expect("a machine that runs a server");
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("a machine that runs a server");
            give(&path);
        }
        let port = setup.port.unwrap_or(PORT);
        let socket = format!("unix_socket_directories={}", dir.path().display());
        let each = ["listen_addresses=".to_string(), socket, format!("port={port}"), "max_connections=200".to_string()];
        let settings: Vec<String> = each.into_iter().chain(setup.settings.iter().cloned()).collect();
        let process = Mutex::new(launched(&programs, &data, dir.path(), &settings));
        let (data, standbys) = (Mutex::new(data), Mutex::default());
        let server = Server { process, data, standbys, programs, settings, dir, port, schemas: AtomicU32::new(0) };
        server.wait_until_it_answers();
        Some(server)
    }

    /// Stops the server as an administrator does, who waits for no client, and starts it again.
    pub fn restart(&self) {
        let mut process = self.process.lock().expect("no holder panics");
        stop(&mut process);
        let data = self.data.lock().expect("no holder panics").clone();
        *process = launched(&self.programs, &data, self.dir.path(), &self.settings);
        drop(process);
        self.wait_until_it_answers();
    }

    fn wait_until_it_answers(&self) {
        let until = Instant::now() + Duration::from_secs(30);
        while let Err(error) = coord_postgres::create(&self.address("up"), Passwords::default()) {
            assert!(Instant::now() < until, "the server does not answer: {error}\n{}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Where the queue in this schema is: by the socket.
    pub fn address(&self, schema: &str) -> Address {
        let dir = self.dir.path().display();
        let text = format!("postgres://muse@:{}/postgres?host={dir}&schema={schema}", self.port);
        text.parse().expect("a temporary directory has a plain name")
    }

    /// The same as text, when the schema is made.
    pub fn made(&self, schema: &str) -> String {
        drop(self.store(schema));
        self.address(schema).to_string()
    }

    /// How to connect to it past the store.
    pub fn config(&self) -> Config {
        let mut config = Config::new();
        config.host_path(self.dir.path()).port(self.port).user("muse").dbname("postgres");
        config
    }

    /// What the server answers to a statement, past the store: the first value, as text.
    pub fn sql(&self, statement: &str) -> String {
        answer(&self.config(), statement)
    }

    /// The name of a schema that is not there.
    pub fn schema(&self) -> String {
        format!("q{}", self.schemas.fetch_add(1, Ordering::Relaxed))
    }

    /// A connection to the queue in this schema.
    pub fn store(&self, schema: &str) -> PostgresStore {
        coord_postgres::create(&self.address(schema), Passwords::default()).expect("the server is up")
    }

    /// Keeps the rows as they are now, until this is dropped.
    pub fn hold_a_snapshot(&self) -> Held {
        self.hold("select")
    }

    /// Keeps what a statement locks, until this is dropped.
    pub fn hold(&self, statement: &str) -> Held {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let client = runtime.block_on(async {
            let (client, connection) = self.config().application_name("holder").connect(NoTls).await?;
            tokio::spawn(connection);
            client.batch_execute(&format!("begin isolation level repeatable read; {statement}")).await?;
            Ok::<Client, tokio_postgres::Error>(client)
        });
        Held { _client: client.expect("the server is up"), _runtime: runtime }
    }

    /// A pooler before it, which lends the server out by transactions.
    pub fn pooler(&self) -> Pooler {
        Pooler::start(self.dir.path().join(format!(".s.PGSQL.{}", self.port)))
    }

    /// What the server has to say.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        stop(self.process.get_mut().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What a server answers to a statement: the first value, as text.
fn answer(config: &Config, statement: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let answer = runtime.block_on(async {
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        client.simple_query(statement).await
    });
    let messages = answer.unwrap_or_else(|error| panic!("{statement}: {error} {:?}", error.as_db_error()));
    let first = messages.into_iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_string()),
        _ => None,
    });
    first.unwrap_or_default()
}

/// A server's process, which has been started only just.
fn launched(programs: &Path, data: &Path, dir: &Path, settings: &[String]) -> Child {
    let log = File::options().create(true).append(true).open(dir.join("log")).expect("a machine that runs a server");
    as_nobody(&programs.join("postgres"))
        .arg("-D")
        .arg(data)
        .args(settings.iter().flat_map(|setting| ["-c", setting]))
        .stdout(log.try_clone().expect("a machine that runs a server"))
        .stderr(log)
        .spawn()
        .expect("a machine that runs a server")
}

/// Gives a file to whoever runs the server.
fn give(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), None).expect("a machine that runs a server");
    }
}

/// A fast shutdown.
fn stop(server: &mut Child) {
    let id = server.id().to_string();
    let stopped = Command::new("kill").args(["-INT", &id]).status().is_ok_and(|status| status.success());
    if !stopped {
        _ = server.kill();
    }
    _ = server.wait();
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|of_self| std::os::unix::fs::MetadataExt::uid(&of_self) == 0)
}

fn as_nobody(program: &Path) -> Command {
    let mut command = Command::new(program);
    // What was unpacked beside a server that is not installed.
    let libraries = format!("../../../{}-linux-gnu", std::env::consts::ARCH);
    command.env("LD_LIBRARY_PATH", program.with_file_name(libraries));
    if is_root() {
        command.uid(NOBODY);
    }
    command
}
