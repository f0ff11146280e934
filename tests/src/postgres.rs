//! A PostgreSQL server of the tests' own: in a temporary directory, on a socket there, stopped with the tests.

use std::fs::File;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::report;
use coord_postgres::PostgresStore;
use tempfile::TempDir;
use tokio_postgres::Config;

/// Who runs the server where the tests run as root, whom PostgreSQL refuses.
const NOBODY: u32 = 65_534;

/// A server.
#[derive(Debug)]
pub struct Server {
    process: Child,
    dir: TempDir,
    schemas: AtomicU32,
}

impl Server {
    /// Starts a server; `None`, said loudly: nobody said where its programs are.
    pub fn start() -> Option<Server> {
        let Some(programs) = std::env::var_os("POSTGRES").map(PathBuf::from) else {
            report("SKIPPED: `cargo xtask test` sets POSTGRES to the programs of a PostgreSQL server");
            return None;
        };
        let dir = tempfile::tempdir().expect("a machine that runs a server");
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755))
            .expect("a machine that runs a server");
        let data = dir.path().join("data");
        std::fs::create_dir(&data).expect("a machine that runs a server");
        if is_root() {
            chown(dir.path(), Some(NOBODY), None).expect("a machine that runs a server");
            chown(&data, Some(NOBODY), None).expect("a machine that runs a server");
        }
        let made = as_nobody(&programs.join("initdb"))
            .args(["--auth=trust", "--username=muse", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .status();
        assert!(made.expect("a machine that runs a server").success(), "initdb failed");
        let log = File::create(dir.path().join("log")).expect("a machine that runs a server");
        let socket = format!("unix_socket_directories={}", dir.path().display());
        let process = as_nobody(&programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-c", "listen_addresses=", "-c", &socket, "-c", "max_connections=200"])
            .stdout(log.try_clone().expect("a machine that runs a server"))
            .stderr(log)
            .spawn()
            .expect("a machine that runs a server");
        let server = Server { process, dir, schemas: AtomicU32::new(0) };
        let until = Instant::now() + Duration::from_secs(30);
        while PostgresStore::open(&server.config(), "up").is_err() {
            assert!(Instant::now() < until, "the server does not answer");
            thread::sleep(Duration::from_millis(50));
        }
        Some(server)
    }

    /// How to connect to it.
    pub fn config(&self) -> Config {
        let mut config = Config::new();
        config.host_path(self.dir.path()).user("muse").dbname("postgres");
        config
    }

    /// The name of a schema that is not there.
    pub fn schema(&self) -> String {
        format!("q{}", self.schemas.fetch_add(1, Ordering::Relaxed))
    }

    /// A connection to the queue in this schema.
    pub fn store(&self, schema: &str) -> PostgresStore {
        PostgresStore::open(&self.config(), schema).expect("the server is up")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let id = self.process.id().to_string();
        // A fast shutdown.
        let stopped = Command::new("kill").args(["-INT", &id]).status().is_ok_and(|status| status.success());
        if !stopped {
            _ = self.process.kill();
        }
        _ = self.process.wait();
    }
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
