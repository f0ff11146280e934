//! Three hosts on one machine. Two of them have clocks that are an hour off. Where this is root on Linux each also is a
//! network namespace: it reaches the server by TLS, over a link that is cut now and then for longer than a lease lasts.
//! While a link is cut every packet is lost, and neither side is told. The soak takes its own notes by the machine's
//! clock.

use std::env;
use std::ffi::OsString;
use std::fs::{self, DirEntry};
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::postgres::{Authority, Server, Setup, free_port};
use crate::{log, report};

/// How far the clock of each is ahead, as `libfaketime` reads it. It reaches what uses the C library: `muse-host`, and
/// native agents.
const CLOCKS: [&str; 3] = ["+0", "+3600s", "-3600s"];

/// A link stays cut for so long: the longest lease lasts 3 s.
const CUT_FOR: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(5)];

/// From the end of one cut to the next.
const CUT_AGAIN_AFTER: Duration = Duration::from_secs(3);

/// The hosts.
pub(super) struct Hosts {
    since: SystemTime,
    libfaketime: OsString,
    network: Option<Network>,
}

/// A bridge that the server listens on, and a namespace for each host with a link to it.
struct Network {
    /// Of this process. It is a part of all names, so no other soak has the same.
    number: u32,
    ip: PathBuf,
    authority: Authority,
    port: u16,
}

/// Where an agent lives; the machine itself, if nobody asked for hosts.
#[derive(Clone, Debug, Default)]
pub(super) struct Host {
    /// The program and its arguments that another program is run there by.
    by: Vec<OsString>,
    clock: Option<[(&'static str, OsString); 3]>,
}

impl Host {
    /// A program there.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut words = self.by.iter().cloned().chain([program.into()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        command
    }

    /// What makes a program there see its clock.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&'static str, OsString)> {
        self.clock.clone().into_iter().flatten()
    }
}

impl Hosts {
    /// Three hosts, with what `LIBFAKETIME` names.
    pub(super) fn new() -> Hosts {
        let libfaketime = env::var_os("LIBFAKETIME").expect("LIBFAKETIME names libfaketime.so.1");
        let network = Network::new();
        if network.is_none() {
            report("NOT RUN: cutting the links of hosts, which takes root with the right to make networks, and `ip`");
        }
        let hosts = Hosts { since: UNIX_EPOCH + Duration::from_micros(log::wall_micros()), libfaketime, network };
        let clocks = (0..CLOCKS.len()).map(|host| hosts.clock_of(host)).collect::<Vec<i64>>();
        let [right, ahead, behind] = clocks.try_into().unwrap_or_default();
        // If they were not off this would show nothing.
        assert!((3_590..3_610).contains(&(ahead - right)) && (3_590..3_610).contains(&(right - behind)));
        hosts
    }

    /// The time by the clock of a host, in seconds since 1970.
    fn clock_of(&self, host: usize) -> i64 {
        let host = self.of(host);
        let told = host.command(Path::new("/bin/date")).arg("+%s").envs(host.variables()).output().expect("a clock");
        String::from_utf8_lossy(&told.stdout).trim().parse().expect("seconds")
    }

    /// The server that they reach.
    pub(super) fn server(&self) -> Option<Server> {
        self.network.as_ref().map_or_else(Server::start, Network::server)
    }

    /// Where the queue is that they share.
    pub(super) fn engine(&self, server: &Server, schema: &str) -> String {
        let by_socket = server.made(schema);
        self.network.as_ref().map_or(by_socket, |network| network.engine(schema))
    }

    /// The host of an agent.
    pub(super) fn of(&self, agent: usize) -> Host {
        let host = agent % CLOCKS.len();
        let clock = CLOCKS.get(host).copied().unwrap_or_default().into();
        let by = self.network.as_ref().map_or_else(Vec::new, |network| network.way_into(host));
        let preload = ("LD_PRELOAD", self.libfaketime.clone());
        Host { by, clock: Some([preload, ("FAKETIME", clock), ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into())]) }
    }

    /// Cuts one link after the other, until it is over. How often.
    pub(super) fn torment(&self, is_over: &AtomicBool) -> u64 {
        let Some(network) = &self.network else { return 0 };
        let sleep = |time: Duration| {
            let until = Instant::now() + time;
            while !is_over.load(Ordering::Relaxed) && Instant::now() < until {
                thread::sleep(Duration::from_millis(100));
            }
        };
        let mut cuts = 0;
        for (host, time) in (0..CLOCKS.len()).cycle().zip(CUT_FOR.into_iter().cycle()) {
            sleep(CUT_AGAIN_AFTER);
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            network.set_link(host, "down");
            sleep(time);
            network.set_link(host, "up");
            cuts += 1;
        }
        cuts
    }
}

impl Network {
    fn new() -> Option<Network> {
        let places = ["/usr/sbin/ip", "/sbin/ip", "/usr/bin/ip"].map(PathBuf::from);
        let ip = places.into_iter().find(|ip| ip.exists())?;
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let network = Network { number: process::id(), ip, authority: Authority::new("soak"), port: free_port() };
        let (bridge, address) = (network.bridge(), network.address(1));
        // In a container root may not.
        if !network.try_ip(&format!("link add {bridge} type bridge")) {
            return None;
        }
        network.ip(&format!("addr add {address}/24 dev {bridge}"));
        network.ip(&format!("link set {bridge} up"));
        for host in 0..CLOCKS.len() {
            let (namespace, link, address) = (network.namespace(host), network.link(host), network.address(10 + host));
            network.ip(&format!("netns add {namespace}"));
            network.ip(&format!("link add {link} type veth peer name eth0 netns {namespace}"));
            network.ip(&format!("link set {link} master {bridge} up"));
            network.ip(&format!("-n {namespace} addr add {address}/24 dev eth0"));
            network.ip(&format!("-n {namespace} link set eth0 up"));
        }
        Some(network)
    }

    fn server(&self) -> Option<Server> {
        let address = self.address(1);
        let mut files = self.authority.files_for(&address, true);
        files.push(("pg_hba.conf", format!("local all all trust\nhostssl all all {address}/24 trust\n")));
        let settings = vec!["ssl=on".to_string(), format!("listen_addresses={address}")];
        Server::with(&Setup { settings, files, port: Some(self.port), ..Setup::default() })
    }

    fn engine(&self, schema: &str) -> String {
        let (address, port, roots) = (self.address(1), self.port, self.authority.file());
        format!("postgres://muse@{address}:{port}/postgres?schema={schema}&sslrootcert={}", roots.display())
    }

    fn way_into(&self, host: usize) -> Vec<OsString> {
        let namespace = self.namespace(host);
        [self.ip.clone().into_os_string(), "netns".into(), "exec".into(), namespace.into()].into()
    }

    fn set_link(&self, host: usize, to: &str) {
        self.ip(&format!("link set {} {to}", self.link(host)));
    }

    fn ip(&self, words: &str) {
        assert!(self.try_ip(words), "ip {words}");
    }

    /// False: it could not be done.
    fn try_ip(&self, words: &str) -> bool {
        let done = Command::new(&self.ip).args(words.split(' ')).stderr(Stdio::null()).status();
        done.is_ok_and(|status| status.success())
    }

    fn bridge(&self) -> String {
        format!("soak-{}", self.number)
    }

    fn namespace(&self, host: usize) -> String {
        format!("soak-{}-{host}", self.number)
    }

    fn link(&self, host: usize) -> String {
        format!("sk{}-{host}", self.number)
    }

    /// An address that is the machine's own or of one of its hosts. Of 250 soaks two may have the same.
    fn address(&self, of: usize) -> String {
        format!("10.213.{}.{of}", self.number % 250 + 1)
    }
}

impl Drop for Hosts {
    /// Each process of which `libfaketime` does not see the end leaves two files.
    fn drop(&mut self) {
        let is_left = |entry: &DirEntry| {
            let is_its = entry.file_name().to_string_lossy().trim_start_matches("sem.").starts_with("faketime_");
            is_its && entry.metadata().and_then(|it| it.modified()).is_ok_and(|modified| modified >= self.since)
        };
        let left = fs::read_dir("/dev/shm").into_iter().flatten().flatten().filter(is_left);
        left.for_each(|entry| fs::remove_file(entry.path()).unwrap_or_default());
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // A link goes with its namespace.
        let namespaces = (0..CLOCKS.len()).map(|host| format!("netns del {}", self.namespace(host)));
        for words in namespaces.chain([format!("link del {}", self.bridge())]) {
            // One that was never made cannot be deleted.
            self.try_ip(&words);
        }
    }
}
