//! Servers that follow another one, and take its place.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tokio_postgres::Config;

use super::{Server, give, launched, stop};

/// A server that follows another one. It answers by a socket in the directory of its data.
#[derive(Debug)]
pub(super) struct Standby {
    name: String,
    data: PathBuf,
    /// `None`: it has taken the place of the server.
    process: Option<Child>,
}

/// How long to wait for what servers do.
const PATIENCE: Duration = Duration::from_secs(60);

impl Server {
    /// Starts two servers that follow this one. From then on what is durable is on one of them, too.
    pub fn with_two_standbys(self) -> Server {
        self.sql("alter system set synchronous_standby_names = 'ANY 1 (zero, one, two)'");
        self.sql("alter system set wal_retrieve_retry_interval = '200ms'");
        self.sql("select pg_reload_conf()");
        let standbys: Vec<Standby> = ["one", "two"].map(|name| self.standby(name)).into();
        self.standbys.lock().expect("no holder panics").extend(standbys);
        self.wait_until(
            "two standbys follow",
            "select count(*) from pg_stat_replication where sync_state = 'quorum'",
            "2",
        );
        self
    }

    fn standby(&self, name: &str) -> Standby {
        let data = self.dir.path().join(name);
        let mut copy = self.client("pg_basebackup");
        copy.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--pgdata"]).arg(&data);
        let made = copy.stdout(Stdio::null()).status().expect("a program that copies a server");
        assert!(made.success(), "pg_basebackup failed");
        self.following(name.to_string(), data)
    }

    /// Starts a server on data that say that it is to follow.
    fn following(&self, name: String, data: PathBuf) -> Standby {
        // As the server, but for its own socket, and for the name by which the server knows it.
        let own = [format!("unix_socket_directories={}", data.display()), format!("cluster_name={name}")];
        let settings: Vec<String> = self.settings.iter().cloned().chain(own).collect();
        let process = launched(&self.programs, &data, self.dir.path(), &settings);
        Standby { name, data, process: Some(process) }
    }

    /// Stops the server; the standby that has received most takes its place, and it follows that one from then on. It
    /// is stopped as an administrator does: so its standbys have received all of it, claims too, which wait for none.
    pub fn promote_a_standby(&self) {
        let both = "select count(*) from pg_stat_replication where state = 'streaming'";
        self.wait_until("two standbys follow", both, "2");
        let mut process = self.process.lock().expect("no holder panics");
        let mut standbys = self.standbys.lock().expect("no holder panics");
        let mut data = self.data.lock().expect("no holder panics");
        stop(&mut process);
        let received = |standby: &Standby| standby.sql(self.port, RECEIVED).parse::<u64>().unwrap_or_default();
        standbys.sort_by_key(received);
        let mut chosen = standbys.pop().expect("there are two");
        assert_eq!(chosen.sql(self.port, "select pg_promote()"), "t", "{} takes over", chosen.name);
        self.lead_to(&chosen.data);
        *process = chosen.process.take().expect("it runs");
        let before = std::mem::replace(&mut *data, chosen.data.clone());
        follow(&before, self.dir.path(), self.port);
        standbys.push(self.following(standby_name(&before), before));
    }

    /// The address leads to the server whose data are there.
    fn lead_to(&self, data: &Path) {
        let socket = format!(".s.PGSQL.{}", self.port);
        let (from, to) = (self.dir.path().join(&socket), data.join(&socket));
        _ = fs::remove_file(&from);
        symlink(to, from).expect("the directory is this process's");
    }

    fn wait_until(&self, what: &str, question: &str, answer: &str) {
        let until = Instant::now() + PATIENCE;
        while self.sql(question) != answer {
            assert!(Instant::now() < until, "it never comes that {what}:\n{}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// How much a standby has received, in bytes.
const RECEIVED: &str = "select coalesce(pg_last_wal_receive_lsn(), '0/0') - '0/0'::pg_lsn";

/// The name of the server whose data are there. The first one has a directory of another name.
fn standby_name(data: &Path) -> String {
    let name = data.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if name == "data" { "zero".to_string() } else { name }
}

/// Says in a server's data that it is to follow whoever answers at the address.
fn follow(data: &Path, address: &Path, port: u16) {
    let (signal, settings) = (data.join("standby.signal"), data.join("postgresql.auto.conf"));
    fs::write(&signal, "").expect("the data of a server that was stopped");
    give(&signal);
    let before = fs::read_to_string(&settings).expect("the data of a server that was stopped");
    let address = format!("primary_conninfo = 'host={} port={port} user=muse'\n", address.display());
    fs::write(&settings, before + &address).expect("the data of a server that was stopped");
}

impl Standby {
    fn sql(&self, port: u16, statement: &str) -> String {
        let mut config = Config::new();
        config.host_path(&self.data).port(port).user("muse").dbname("postgres");
        super::answer(&config, statement)
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        self.process.iter_mut().for_each(stop);
    }
}
