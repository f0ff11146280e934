//! Things that are no files, or no directories, or shown to nobody, in each place where the queue has one, under each
//! command: what is in the way costs what is behind it, and nothing else. Nothing waits for a FIFO, a doctor tells of
//! each, and a repair mends it.
//!
//! Each cell runs some of the commands, the next cell the next ones; with `MUSE_TEST_EVERY_CELL` set each runs all of
//! them. Where the tests run as root the commands run as another user, for whom rights and owners mean something.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stderr, reason = "which cell failed is shown, and of a test that succeeds nothing")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use coord_tests::damage::fifo;
use coord_tests::{Outcome, Repo, report, required};

/// What is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thing {
    Empty,
    Text,
    Sparse,
    Directory,
    Link,
    LinkToNowhere,
    Fifo,
    Socket,
    Forbidden,
    OfAnotherUser,
}

const THINGS: [Thing; 10] = [
    Thing::Empty,
    Thing::Text,
    Thing::Sparse,
    Thing::Directory,
    Thing::Link,
    Thing::LinkToNowhere,
    Thing::Fifo,
    Thing::Socket,
    Thing::Forbidden,
    Thing::OfAnotherUser,
];

/// What there ought to be in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ought {
    File,
    Directory,
}

impl Thing {
    /// Those that are in the way of what ought to be there.
    fn in_the_way_of(ought: Ought) -> impl Iterator<Item = Thing> {
        THINGS.into_iter().filter(move |thing| (ought, *thing) != (Ought::Directory, Thing::Directory))
    }

    fn put(self, place: &Path, ought: Ought) {
        match self {
            Thing::Empty => fs::write(place, "").unwrap(),
            Thing::Text => fs::write(place, "{}").unwrap(),
            Thing::Sparse => fs::File::create(place).unwrap().set_len(1 << 30).unwrap(),
            Thing::Directory => fs::create_dir(place).unwrap(),
            Thing::Link => symlink("/etc/passwd", place).unwrap(),
            Thing::LinkToNowhere => symlink("nowhere", place).unwrap(),
            Thing::Fifo => fifo(place).unwrap(),
            Thing::Socket => bind(place),
            Thing::Forbidden | Thing::OfAnotherUser => {
                match ought {
                    Ought::File => fs::write(place, "{}").unwrap(),
                    Ought::Directory => fs::create_dir(place).unwrap(),
                }
                let mode = if self == Thing::Forbidden { 0o000 } else { 0o700 };
                fs::set_permissions(place, Permissions::from_mode(mode)).unwrap();
            }
        }
        if self != Thing::OfAnotherUser && is_root(place.parent().unwrap()) {
            lchown(place, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
}

/// An address has room for 108 bytes, and a place of the queue may be longer.
fn bind(place: &Path) {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let short = format!("muse-socket-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let short = std::env::temp_dir().join(short);
    drop(UnixListener::bind(&short).unwrap());
    fs::rename(short, place).unwrap();
}

/// Whom the commands run as if the tests run as root.
const NOBODY: u32 = 65_534;

fn is_root(directory: &Path) -> bool {
    // A file of one's own tells who one is.
    let own = tempfile_in(directory);
    let uid = fs::symlink_metadata(&own).unwrap().uid();
    fs::remove_file(own).unwrap();
    uid == 0
}

fn tempfile_in(directory: &Path) -> PathBuf {
    let path = directory.join(".whoami");
    fs::write(&path, "").unwrap();
    path
}

/// Where the queue looks for a directory, and need not have one.
const DIRECTORIES: [&str; 19] = [
    "ready/zzz",
    "ready/other",
    "ready/default/0b7/00000",
    "ready/default/0b8",
    "scheduled/00000",
    "blocked/00",
    "blocked/ff",
    "deadlines/00000",
    "claimed/0a",
    "done/0",
    "tasks/0",
    "unique/default/00",
    "unique/zzz",
    "purged/removing",
    "quarantine/0123456789abcdef",
    "tmp/0123456789abcdef",
    "queues/zzz.paused",
    "queues/zzz.max1",
    "sweep/0000000000000",
];

/// Those of them in which a name alone says something, whatever has it, or nothing.
const NAMES_ALONE: [&str; 3] = ["tmp", "queues", "sweep"];

/// Directories that are always there.
const HALLS: [&str; 9] =
    ["ready", "scheduled", "blocked", "deadlines", "claimed", "done", "queues", "sweep", "quarantine"];

/// Every command, for the queue that is given here.
const COMMANDS: [&str; 14] = [
    "tasks --json",
    "stats --json",
    "export",
    "show HELD --json",
    "heartbeat HELD --run-id holder --json",
    "gc --older-than 1d --json",
    "tasks --status claimed --json",
    "wait DONE --timeout 1 --json",
    "pause elsewhere --json",
    "limit elsewhere --max-in-flight 3 --json",
    "cancel-task CHILD --run-id holder --json",
    "retry DONE --json",
    "enqueue keyed --unique another --queue keys --json",
    "import",
];

/// A queue with something in each place, and one task that is held.
struct Queue {
    repo: Repo,
    is_root: bool,
    held: String,
    done: String,
    child: String,
}

impl Queue {
    fn new() -> Queue {
        let repo = Repo::new();
        repo.given(["init"]);
        let is_root = is_root(&repo.path(""));
        let nothing = String::new();
        let mut queue = Queue { repo, is_root, held: nothing.clone(), done: nothing.clone(), child: nothing };
        queue.give_to_nobody();
        queue.held = queue.enqueue("held --queue held");
        queue.done = queue.enqueue("done --queue done");
        queue.child = queue.enqueue(&format!("child --after {} --queue children", queue.held));
        queue.enqueue("later --delay 1h --queue later");
        queue.enqueue("keyed --unique key --queue keys --priority -1");
        queue.enqueue("named --queue named");
        queue.ok(&format!("claim --run-id {} --queue named", "long".repeat(25)));
        for name in ["held", "done"] {
            queue.ok(&format!("claim --run-id holder --queue {name}"));
        }
        queue.ok(&format!("complete {} --run-id holder --result {{\"n\":1}}", queue.done));
        queue
    }

    /// From here on the queue is another user's, and that user runs the commands.
    fn give_to_nobody(&self) {
        if self.is_root {
            let root = self.repo.path("");
            assert!(Command::new("chown").args(["-R", "65534:65534"]).arg(&root).status().unwrap().success());
            fs::set_permissions(&root, Permissions::from_mode(0o755)).unwrap();
        }
    }

    /// Runs a command that may take ten seconds, which is a thousand times as long as it takes.
    fn run(&self, line: &str) -> Outcome {
        let line = line.replace("HELD", &self.held).replace("DONE", &self.done).replace("CHILD", &self.child);
        let call = self.repo.coord_call(&line).env("MUSE_COORD_SYNC", "off").within_seconds(10);
        let outcome = if self.is_root { call.as_user(NOBODY).run() } else { call.run() };
        assert!(matches!(outcome.code, Some(0 | 1)), "{outcome}");
        assert!(!outcome.stderr.contains("panicked"), "{outcome}");
        outcome
    }

    fn ok(&self, line: &str) -> Outcome {
        self.run(line).succeeded()
    }

    fn enqueue(&self, line: &str) -> String {
        self.ok(&format!("enqueue {line} --print task_id")).stdout.trim().to_string()
    }

    /// Puts a thing in a place, in which nothing is left of what was there.
    fn put(&self, thing: Thing, place: &str, ought: Ought) {
        let path = self.repo.coordination(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match ought {
            Ought::Directory if path.exists() => fs::rename(&path, self.repo.path("elsewhere")).unwrap(),
            Ought::File if path.exists() => fs::remove_file(&path).unwrap(),
            _ => {}
        }
        self.give_to_nobody();
        thing.put(&path, ought);
    }

    /// Another task is enqueued, claimed and completed, whatever else there is.
    fn goes_on(&self) {
        let id = self.enqueue("another");
        for _ in 0..10 {
            let claim = self.ok("claim --run-id agent --print task_id");
            if claim.stdout.trim() == id {
                self.ok(&format!("complete {id} --run-id agent"));
                return;
            }
        }
        panic!("{id} was not claimed");
    }

    /// Commands end, one after the other in turn; and those that the rest relies on do what they do without what is
    /// in the way.
    fn is_of_use(&self, cell: usize) {
        let few = if std::env::var_os("MUSE_TEST_EVERY_CELL").is_some() { COMMANDS.len() } else { 2 };
        for line in COMMANDS.iter().cycle().skip(cell * few).take(few) {
            self.run(line);
        }
        let listed = self.ok("tasks --json").stdout;
        assert!(listed.contains(&self.held), "{listed}");
        self.goes_on();
    }
}

#[test]
fn what_is_in_the_place_of_a_directory_costs_only_what_would_be_in_it() {
    let places =
        DIRECTORIES.iter().flat_map(|place| Thing::in_the_way_of(Ought::Directory).map(move |it| (*place, it)));
    for (cell, (place, thing)) in places.enumerate() {
        let queue = Queue::new();
        queue.put(thing, place, Ought::Directory);
        eprintln!("{place}: {thing:?}");
        queue.is_of_use(cell);
        let doctor = queue.run("doctor --json");
        // `gc` has removed an empty directory, whoever may look into it.
        let is_there = queue.repo.coordination(place).symlink_metadata().is_ok();
        let tells = is_there && !NAMES_ALONE.iter().any(|hall| place.starts_with(hall));
        assert!(doctor.stdout.contains("\"in_the_way\"") || !tells, "{place}: {thing:?}: {doctor}");
        assert!(doctor.code == Some(1) || !tells, "{place}: {thing:?}: {doctor}");
        queue.ok("doctor --repair");
        queue.ok("doctor");
        queue.goes_on();
    }
}

#[test]
fn what_is_in_the_place_of_a_hall_is_moved_away_by_a_doctor() {
    let places = HALLS.iter().flat_map(|place| Thing::in_the_way_of(Ought::Directory).map(move |it| (*place, it)));
    for (cell, (place, thing)) in places.enumerate() {
        let queue = Queue::new();
        queue.put(thing, place, Ought::Directory);
        eprintln!("{place}: {thing:?}");
        for line in COMMANDS.iter().chain(&["claim --run-id agent", "enqueue t"]).cycle().skip(cell * 4).take(4) {
            queue.run(line);
        }
        queue.run("doctor --json").ended_with(1);
        queue.ok("doctor --repair");
        queue.goes_on();
    }
}

/// The files of the queue.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[test]
fn what_is_in_the_place_of_a_file_costs_only_the_task_that_it_belongs_to() {
    let shelves = ["ready", "scheduled", "blocked", "done", "tasks", "runs", "unique", "sweep"];
    let places = shelves.iter().flat_map(|shelf| Thing::in_the_way_of(Ought::File).map(move |it| (*shelf, it)));
    for (cell, (shelf, thing)) in places.enumerate() {
        let queue = Queue::new();
        let held = queue.held.trim_start_matches("sha256:").to_string();
        let file = files_below(&queue.repo.coordination(shelf)).into_iter().find(|file| {
            let name = file.file_name().unwrap().to_string_lossy();
            !name.starts_with(&held) && name != "prepared"
        });
        let file = file.unwrap();
        let place = file.strip_prefix(queue.repo.coordination("")).unwrap().to_string_lossy().into_owned();
        queue.put(thing, &place, Ought::File);
        eprintln!("{place}: {thing:?}");
        queue.is_of_use(cell);
        let told = queue.run("doctor --json");
        // What a name in `sweep/` says it says whatever has it; a key's number that is cut to nothing is of nobody, and
        // an agent whose run id is cut is shown by its digest.
        let is_harmless = shelf == "sweep"
            || ["runs", "unique"].contains(&shelf)
                && matches!(thing, Thing::Empty | Thing::Text | Thing::Sparse | Thing::Fifo);
        assert!(told.code == Some(1) || is_harmless, "{place}: {thing:?}: {told}");
        let repaired = queue.run("doctor --repair --json");
        // A result that is lost is lost.
        let is_mended = repaired.code == Some(0) || repaired.stdout.contains("report_lost");
        assert!(is_mended, "{place}: {thing:?}: {told} {repaired}");
        queue.is_of_use(cell + 1);
    }
}

#[test]
fn a_format_that_cannot_be_read_is_written_anew_by_a_doctor() {
    for thing in Thing::in_the_way_of(Ought::File) {
        let queue = Queue::new();
        queue.put(thing, "format.json", Ought::File);
        eprintln!("format.json: {thing:?}");
        queue.run("tasks").ended_with(1);
        queue.run("doctor --json").ended_with(1);
        queue.ok("doctor --repair");
        queue.ok("doctor");
        queue.is_of_use(0);
    }
    let queue = Queue::new();
    fs::write(queue.repo.coordination("format.json"), "{\"format\":1000}\n").unwrap();
    let text = queue.run("doctor --repair").ended_with(1).stderr;
    assert!(text.contains("use a newer muse"), "{text}");
    assert_eq!(fs::read(queue.repo.coordination("format.json")).unwrap(), b"{\"format\":1000}\n");
}

#[test]
fn a_task_that_another_user_alone_may_read_or_move_keeps_nobody_from_the_next() {
    let queue = Queue::new();
    if !queue.is_root {
        report("skipped: only root can be another user, whose files this one may not read");
        return;
    }
    let first = queue.enqueue("first --priority 9");
    for file in files_below(&queue.repo.coordination("ready/default")) {
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        lchown(&file, Some(0), Some(0)).unwrap();
    }
    queue.enqueue("mine");
    for line in ["tasks", "stats", "export"] {
        queue.ok(line);
    }
    let claimed = queue.ok("claim --run-id agent --queue default --json");
    assert!(claimed.stdout.contains("\"title\":\"mine\""), "{claimed}");
    assert!(claimed.stdout.contains("Permission denied"), "{claimed}");
    assert!(claimed.stdout.contains(first.trim_start_matches("sha256:")), "{claimed}");
    queue.run("doctor").ended_with(1);
}

/// The npm package opens files by another store.
#[test]
fn node_waits_for_nothing_that_is_in_the_way() {
    let (node, script) = (required("NODE"), required("JS_AGENTS").join("soak.mjs"));
    for place in ["ready/zzz", "blocked/00", "claimed/0a", "unique/zzz"] {
        for thing in Thing::in_the_way_of(Ought::Directory).filter(|thing| *thing != Thing::OfAnotherUser) {
            let repo = Repo::new();
            repo.given(["init", "enqueue waits"]);
            let path = repo.coordination(place);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            thing.put(&path, Ought::Directory);
            eprintln!("{place}: {thing:?}");
            let question = r#"{"run_id":"agent","op":{"Claim":{"queue":null,"lease_seconds":9,"wait_seconds":0}}}"#;
            let (node, script, root) = (node.display(), script.display(), repo.path(""));
            let ask = format!("echo '{question}' | timeout -s KILL 10 {node} {script} {}", root.display());
            let answer = repo.shell(&ask);
            assert!(answer.stdout.contains("Claimed"), "{place}: {thing:?}: {answer}");
        }
    }
}
