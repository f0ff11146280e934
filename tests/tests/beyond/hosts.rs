//! Hosts in other languages, which embed the library for servers and ask by a client of their own.

use std::io::{BufRead, BufReader, Lines, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use coord_tests::{Repo, required};

use super::Engine;

/// What starts a host, without its arguments.
type Start = fn() -> Command;

const HOSTS: [(&str, Start); 2] = [("python", python), ("rust", rust)];

pub(crate) fn python() -> Command {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/examples/host-python/on_postgres.py");
    let mut command = Command::new(required("PYTHON"));
    command.arg(program).arg(required("MUSE_COORD_SQL_WASM"));
    command
}

pub(crate) fn rust() -> Command {
    let mut command = Command::new(required("HOST_RUST"));
    command.arg(required("MUSE_COORD_SQL_WASM")).arg("--schema");
    command
}

/// The schema and the server of an address.
pub(crate) fn place(address: &str) -> [&str; 2] {
    let (server, schema) = address.rsplit_once("&schema=").unwrap();
    [schema, server]
}

/// A host at work: it prints a line for each task that it has done.
struct Host {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Host {
    /// Starts it, and waits until it has done one.
    fn at_work(address: &str, run_id: &str, mut host: Command) -> Host {
        let mut process = host
            .args(place(address))
            .args([run_id, "work"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        if lines.next().is_none() {
            panic!("{run_id} has done nothing: {:?}", process.wait_with_output());
        }
        Host { process, lines }
    }

    /// How many it has done when there are no more, or why it ended before.
    fn done(mut self) -> Result<usize, String> {
        let done = 1 + self.lines.by_ref().count();
        let mut stderr = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        if self.process.wait().unwrap().success() { Ok(done) } else { Err(stderr) }
    }
}

#[test]
fn a_host_makes_a_queue_that_muse_and_other_hosts_share() {
    let Some(engine) = Engine::start() else { return };
    for (language, host) in HOSTS {
        let address = engine.another_address();
        let call = |words: &[&str]| said(&host().args(place(&address)).arg("host-1").args(words).output().unwrap());
        assert_eq!([call(&["init"]), call(&["init"])], ["created\n", "already there\n"], "{language}");
        let title = "quotes \" \\ ' {} $1 ü 🦀";
        let ids = call(&["enqueue", title, "second"]);
        let repo = Repo::bare().on(&address);
        let second = repo.coord("enqueue third --priority 9").succeeded();
        assert!(second.stdout.contains("third"), "{second}");
        let done = call(&["work"]);
        let titles: Vec<_> = done.lines().map(|line| line.split_once(' ').unwrap().1).collect();
        assert_eq!(titles, ["third", title, "second"], "{language}");
        let tasks = repo.coord("tasks --json").succeeded().json();
        assert_eq!([&tasks["total"], &tasks["completed"]], [3, 3], "{language}");
        let of_host =
            tasks["items"].as_array().unwrap().iter().filter(|item| ids.contains(item["task_id"].as_str().unwrap()));
        assert!(
            of_host.clone().count() == 2 && of_host.clone().all(|item| item["result"]["host"] == language),
            "{tasks}"
        );
        repo.coord("doctor").succeeded();
    }
}

#[test]
fn a_host_is_told_where_no_queue_is_and_no_server_and_no_password_is_repeated() {
    let Some(engine) = Engine::start() else { return };
    for (language, host) in HOSTS {
        let refused = |place: [&str; 2]| {
            let output = host().args(place).args(["host-1", "enqueue", "a task"]).output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{language}: {output:?}");
            String::from_utf8(output.stderr).unwrap()
        };
        let none = refused(place(&engine.another_address()));
        assert!(none.contains("there is no queue: make it by `admin.init`"), "{language}: {none}");
        let unreached = refused(["billing", "postgres://muse:a-password@127.0.0.1:1/work"]);
        // One of them prints the error as Rust's debug output, with escapes.
        let says = ["cannot open the queue: schema ", "billing", "127.0.0.1", "refused"];
        assert!(says.iter().all(|part| unreached.contains(part)), "{language}: {unreached}");
        assert!(!unreached.contains("a-password"), "{language}: {unreached}");
        let misread = refused(["billing", "postgres://muse:a-100%sure-password@127.0.0.1:1/work"]);
        assert!(!misread.contains("sure"), "{language}: {misread}");
        let far = refused(["billing", "postgres://muse@192.0.2.1:1/work?connect_timeout=2"]);
        assert!(far.starts_with("error: "), "{language}: {far}");
    }
}

#[test]
fn hosts_whose_server_goes_down_say_so_and_the_queue_goes_on() {
    const TASKS: u64 = 2_000;
    let Some(engine) = Engine::start() else { return };
    let repo = Repo::bare().on(engine.made());
    let tasks: String = (0..TASKS).map(|number| format!("{{\"title\":\"task {number}\"}}\n")).collect();
    std::fs::write(repo.path("tasks.ndjson"), tasks).unwrap();
    repo.coord("enqueue --batch tasks.ndjson").succeeded();
    let hosts = HOSTS.map(|(language, host)| Host::at_work(&engine.address, language, host()));
    engine.server.restart();
    let told: Vec<String> = hosts.into_iter().filter_map(|host| host.done().err()).collect();
    // One that asks nothing just then connects anew and goes on.
    assert!(!told.is_empty(), "nobody noticed");
    let is_told = |text: &String| ["io-error", "unknown", "IoError", "Unknown"].iter().any(|word| text.contains(word));
    assert!(told.iter().all(is_told), "{told:?}");
    said(&rust().args(place(&engine.address)).args(["next", "work"]).output().unwrap());
    let counts = repo.coord("tasks --json").succeeded().json();
    let [completed, claimed] = ["completed", "claimed"].map(|status| counts[status].as_u64().unwrap());
    // Each may hold one still, of which it was not told what came.
    assert!(completed + claimed == TASKS && claimed <= told.len() as u64, "{counts}");
    repo.coord("doctor").succeeded();
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}
