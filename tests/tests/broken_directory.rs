//! Things that are no files, or no directories, in each place where the queue has one, under each command: what is in the way costs
//! what is behind it, and nothing else. Nothing waits for a FIFO, a doctor tells of each, and a repair mends what can be mended.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use coord_tests::{Outcome, Repo};

/// What is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Thing {
    Empty,
    Sparse,
    Directory,
    Link,
    LinkToNowhere,
    Fifo,
    Socket,
}

const THINGS: [Thing; 7] =
    [Thing::Empty, Thing::Sparse, Thing::Directory, Thing::Link, Thing::LinkToNowhere, Thing::Fifo, Thing::Socket];

impl Thing {
    fn put(self, place: &Path) {
        match self {
            Thing::Empty => fs::write(place, "").unwrap(),
            Thing::Sparse => fs::File::create(place).unwrap().set_len(1 << 30).unwrap(),
            Thing::Directory => fs::create_dir(place).unwrap(),
            Thing::Link => symlink("/etc/passwd", place).unwrap(),
            Thing::LinkToNowhere => symlink("nowhere", place).unwrap(),
            Thing::Fifo => assert!(Command::new("mkfifo").arg(place).status().unwrap().success()),
            Thing::Socket => drop(UnixListener::bind(place).unwrap()),
        }
    }
}

/// Where the queue looks for a directory, and need not have one.
const DIRECTORIES: [&str; 20] = [
    "ready/zzz",
    "ready/other",
    "ready/default/7fffffffffffffff/00000",
    "ready/default/8000000000000001",
    "scheduled/00000",
    "blocked/00",
    "blocked/ff",
    "deadlines/00000",
    "claimed/ab",
    "done/ab",
    "tasks/zz",
    "records/zz",
    "unique/default/00",
    "unique/zzz",
    "purged/removing",
    "aside/0123456789abcdef",
    "tmp/0123456789abcdef",
    "queues/zzz.paused",
    "queues/zzz.max1",
    "sweep/0000000000000",
];

/// Directories that are always there.
const HALLS: [&str; 9] = ["ready", "scheduled", "blocked", "deadlines", "claimed", "done", "queues", "sweep", "aside"];

/// A queue with something in each place, and one task that is held.
struct Queue {
    repo: Repo,
    held: String,
}

impl Queue {
    fn new() -> Queue {
        let repo = Repo::new();
        repo.given(["init"]);
        let queue = Queue { repo, held: String::new() };
        let (held, done) = (queue.enqueue("held --queue held"), queue.enqueue("done --queue done"));
        queue.enqueue(&format!("child --after {held} --queue children"));
        queue.enqueue("later --delay 1h --queue later");
        queue.enqueue("keyed --unique key --queue keys --priority -1");
        for name in ["held", "done"] {
            queue.ok(&format!("claim --run-id holder --queue {name}"));
        }
        queue.ok(&format!("complete {done} --run-id holder --result {{\"n\":1}}"));
        Queue { held, ..queue }
    }

    /// Runs a command that may take ten seconds, which is a thousand times as long as it takes.
    fn run(&self, line: &str) -> Outcome {
        let outcome = self.repo.shell(&format!(
            "MUSE_COORD_SYNC=off timeout -s KILL 10 \"$MUSE\" coord {}",
            line.replace('{', "'{").replace('}', "}'")
        ));
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

    /// Every command ends, and does what it does without what is in the way.
    fn is_of_use(&self) {
        let listed = self.ok("tasks --json").stdout;
        assert!(listed.contains(&self.held), "{listed}");
        self.ok("stats --json");
        let exported = self.ok("export").stdout;
        assert!(exported.contains(&self.held), "{exported}");
        self.ok(&format!("show {}", self.held));
        self.ok(&format!("heartbeat {} --run-id holder", self.held));
        self.ok("gc --older-than 1d");
        self.goes_on();
    }
}

#[test]
fn what_is_in_the_place_of_a_directory_costs_only_what_would_be_in_it() {
    for place in DIRECTORIES {
        for thing in THINGS.into_iter().filter(|thing| *thing != Thing::Directory) {
            let queue = Queue::new();
            let path = queue.repo.coordination(place);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            thing.put(&path);
            eprintln!("{place}: {thing:?}");
            queue.is_of_use();
            let is_listed = !["tmp", "queues", "sweep", "aside"].iter().any(|hall| place.starts_with(hall));
            let doctor = queue.run("doctor --json");
            let told = doctor.stdout.contains("\"in_the_way\"");
            assert!(told || !is_listed, "{place}: {thing:?}: {doctor}");
            queue.ok("doctor --repair");
            queue.ok("doctor");
            queue.is_of_use();
        }
    }
}

#[test]
fn what_is_in_the_place_of_a_hall_is_moved_away_by_a_doctor() {
    for place in HALLS {
        for thing in THINGS.into_iter().filter(|thing| *thing != Thing::Directory) {
            let queue = Queue::new();
            let path = queue.repo.coordination(place);
            fs::rename(&path, queue.repo.path("elsewhere")).unwrap();
            thing.put(&path);
            eprintln!("{place}: {thing:?}");
            for line in ["tasks", "stats", "export", "claim --run-id agent", "gc --older-than 1d", "enqueue t"] {
                queue.run(line);
            }
            queue.run("doctor --json").ended_with(1);
            queue.ok("doctor --repair");
            queue.goes_on();
        }
    }
}

/// The files of the queue whose names begin so.
fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            files.extend(files_below(&path));
        } else if kind.is_file() || kind.is_fifo() {
            files.push(path);
        }
    }
    files.sort();
    files
}

#[test]
fn what_is_in_the_place_of_a_file_costs_only_the_task_that_it_belongs_to() {
    for place in ["ready", "scheduled", "blocked", "done", "tasks", "records", "unique", "sweep"] {
        for thing in THINGS {
            let queue = Queue::new();
            let held = queue.held.trim_start_matches("sha256:").to_string();
            let files = files_below(&queue.repo.coordination(place));
            let file = files.into_iter().find(|file| {
                let name = file.file_name().unwrap().to_string_lossy();
                !name.starts_with(&held) && name != "prepared"
            });
            let file = file.unwrap();
            fs::remove_file(&file).unwrap();
            thing.put(&file);
            eprintln!("{place}: {thing:?}");
            queue.is_of_use();
            let told = queue.run("doctor --json");
            assert!(told.code == Some(1) || place == "sweep", "{place}: {thing:?}: {told}");
            let repaired = queue.run("doctor --repair --json");
            // A result that is lost is lost.
            assert!(
                repaired.code == Some(0) || repaired.stdout.contains("report_lost"),
                "{place}: {thing:?}: {repaired}"
            );
            queue.is_of_use();
        }
    }
}

#[test]
fn a_format_that_cannot_be_read_is_written_anew_by_a_doctor() {
    for thing in THINGS {
        let queue = Queue::new();
        let path = queue.repo.coordination("format.json");
        fs::remove_file(&path).unwrap();
        thing.put(&path);
        eprintln!("format.json: {thing:?}");
        queue.run("tasks").ended_with(1);
        queue.run("doctor --json").ended_with(1);
        queue.ok("doctor --repair");
        queue.ok("doctor");
        queue.is_of_use();
    }
    let queue = Queue::new();
    fs::write(queue.repo.coordination("format.json"), "{\"format\":1000}\n").unwrap();
    let text = queue.run("doctor --repair").ended_with(1).stderr;
    assert!(text.contains("use a newer muse"), "{text}");
    assert_eq!(fs::read(queue.repo.coordination("format.json")).unwrap(), b"{\"format\":1000}\n");
}

#[test]
fn what_belongs_to_another_user_is_passed_over() {
    let queue = Queue::new();
    let as_nobody =
        "MUSE_COORD_SYNC=off timeout -s KILL 10 setpriv --reuid 65534 --regid 65534 --clear-groups \"$MUSE\" coord";
    if !queue.repo.shell(&format!("{as_nobody} --help > /dev/null")).code.is_some_and(|code| code == 0) {
        coord_tests::report("skipped: only root can be another user, whose files this one may not read");
        return;
    }
    let everything = queue.repo.path("");
    let chown =
        |path: &Path| assert!(Command::new("chown").args(["-R", "65534:65534"]).arg(path).status().unwrap().success());
    chown(&everything);
    fs::set_permissions(&everything, fs::Permissions::from_mode(0o755)).unwrap();
    // Of root, and not to be read: a directory, and a task that comes first.
    for place in ["ready/aaa", "blocked/00", "done/00", "scheduled/00000"] {
        let path = queue.repo.coordination(place);
        fs::create_dir_all(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    }
    // Root does not trust what it finds of others.
    queue.repo.coord_call("enqueue first --priority 9").env("MUSE_REPO_ROOT", &everything).run().succeeded();
    for file in files_below(&queue.repo.coordination("ready/default")) {
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    for line in ["tasks", "stats", "export", "enqueue mine"] {
        queue.repo.shell(&format!("{as_nobody} {line}")).succeeded();
    }
    let claimed = queue.repo.shell(&format!("{as_nobody} claim --run-id agent --queue default --json")).succeeded();
    assert!(claimed.stdout.contains("\"title\":\"mine\""), "{claimed}");
    assert!(claimed.stdout.contains("permission denied") || claimed.stdout.contains("ermission"), "{claimed}");
    queue.repo.shell(&format!("{as_nobody} doctor")).ended_with(1);
}
