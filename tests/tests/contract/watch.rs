//! `watch`: the tasks as they stand, then each that changes; and `tasks --watch`, which needs a terminal.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::sync::mpsc;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use coord_tests::Repo;
use insta::assert_snapshot;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::{Value, json};

#[test]
fn the_state_comes_first_and_then_each_change_with_the_latest_state() {
    let repo = Repo::new();
    let id = repo.coord("enqueue first --queue code --tags a,b --json").succeeded().text_of("task_id");
    repo.given(["enqueue other --queue docs --tags a", "enqueue untagged --queue code"]);
    let log = repo.path("log");
    let watching = repo.coord_call("watch --queue code --tags a").stdout(File::create(&log).unwrap()).start();
    let seen = |count: usize| {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let lines = lines_of(&fs::read_to_string(&log).unwrap());
            if lines.len() >= count {
                return lines;
            }
            assert!(Instant::now() < deadline, "{lines:?}");
            sleep(Duration::from_millis(20));
        }
    };
    seen(1);
    repo.coord("claim --run-id agent-1 --queue code").succeeded();
    seen(2);
    repo.coord(&format!(r#"complete {id} --run-id agent-1 --result {{"pr":42}}"#)).succeeded();
    seen(3);
    repo.coord("gc --older-than 0").succeeded();
    let lines = seen(4);
    watching.kill();

    assert!(lines.iter().all(|line| line["task_id"] == id.as_str() && line["timestamp"].is_string()), "{lines:?}");
    let statuses: Vec<_> = lines.iter().map(|line| &line["status"]).collect();
    assert_eq!(statuses, ["pending", "claimed", "completed", "removed"]);
    assert_eq!((&lines[1]["claimer_run_id"], &lines[2]["result"]), (&json!("agent-1"), &json!({"pr": 42})));
    assert_eq!((&lines[0]["title"], &lines[0]["payload"]), (&json!("first"), &json!({})));
}

fn lines_of(text: &str) -> Vec<Value> {
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn bad_values_are_refused() {
    let repo = Repo::new();
    assert_snapshot!(repo.session(["watch --queue ../x", "watch --queue ../x --json"]), @r#"
    $ muse coord watch --queue ../x
    2> ❌ invalid queue name "../x": use 1 to 64 letters, digits, '_' or '-'
    exit 1

    $ muse coord watch --queue ../x --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"invalid queue name \"../x\": use 1 to 64 letters, digits, '_' or '-'","status":"bad_queue",
     "warnings":[]}
    exit 1
    "#);
}

#[test]
fn a_live_table_is_for_a_terminal_and_for_people() {
    let repo = Repo::new();
    assert_snapshot!(repo.session(["tasks --watch", "tasks --watch --json"]), @r#"
    $ muse coord tasks --watch
    2> ❌ --watch needs a terminal and --format text: pipe `muse coord tasks`, or follow the changes with `muse coord watch`
    exit 1

    $ muse coord tasks --watch --json
    {"muse_version":"<version>","schema":1,"exit_code":1,"duration_ms":<ms>,"timestamp":"<time 1>",
     "error":"--watch needs a terminal and --format text: pipe `muse coord tasks`, or follow the changes with `muse coord watch`",
     "status":"bad_args","warnings":[]}
    exit 1
    "#);
}

#[test]
fn a_live_table_is_drawn_over_itself_in_the_room_that_there_is() {
    let repo = Repo::new();
    repo.given(["enqueue first", "enqueue second", "enqueue third"]);
    let (screen, terminal) = terminal(90, 11);
    let watching = repo.coord_call("tasks --watch --queue default").env("NO_COLOR", "1").stdout(terminal).start();
    let first = next_frame(&screen);
    repo.coord("claim --run-id agent-1").succeeded();
    let changed = std::iter::repeat_with(|| next_frame(&screen)).find(|frame| *frame != first).unwrap();
    watching.kill();

    // The line of the time and what does not fit are left out.
    let shown = |frame: &[String]| frame.iter().map(|line| line.trim_end().to_string()).collect::<Vec<_>>();
    let (first, changed) = (shown(&first), shown(&changed));
    assert_eq!((first.len(), changed.len()), (10, 10), "{first:?}");
    assert_eq!(first[2], "  3 pending  0 claimed  0 timed_out  0 completed  0 failed  0 cancelled");
    assert_eq!(changed[2], "  2 pending  1 claimed  0 timed_out  0 completed  0 failed  0 cancelled");
    assert!(first[7].starts_with("⏳pending") && changed[7].starts_with("🔒claimed"), "{first:?} {changed:?}");
    assert!(first[9].starts_with("  … and "), "{first:?}");
}

#[test]
fn statuses_and_errors_have_a_colour_on_a_terminal_unless_no_color_is_set() {
    let repo = Repo::new();
    let id = repo.enqueue("work");
    repo.claim("agent-1");
    let on_screen = |line: &str, colours: bool| {
        let (screen, terminal) = terminal(200, 40);
        let call = repo.coord_call(line).stdout(terminal.try_clone().unwrap()).stderr(terminal);
        let call = if colours { call } else { call.env("NO_COLOR", "1") };
        call.run();
        let bytes = std::iter::from_fn(|| screen.recv_timeout(Duration::from_millis(300)).ok());
        String::from_utf8(bytes.flatten().collect()).unwrap()
    };
    for line in ["tasks", &format!("show {id}"), "tasks --limit 0"] {
        assert!(on_screen(line, true).contains("\x1b["), "{line}");
        assert!(!on_screen(line, false).contains('\x1b'), "{line}");
        assert!(!repo.coord(line).to_string().contains('\x1b'), "{line}");
    }
    assert!(on_screen("tasks", true).contains("\x1b[36m🔒claimed\x1b[0m"));
    assert!(on_screen("tasks --limit 0", true).starts_with("\x1b[31m❌ --limit must be"));
}

/// A terminal: what comes onto its screen, and the end to write to.
fn terminal(columns: u16, rows: u16) -> (mpsc::Receiver<Vec<u8>>, File) {
    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&screen).and_then(|()| unlockpt(&screen)).unwrap();
    tcsetwinsize(&screen, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let name = ptsname(&screen, Vec::new()).unwrap();
    let terminal = File::options().read(true).write(true).open(std::ffi::OsStr::from_bytes(name.as_bytes())).unwrap();
    let (sender, receiver) = mpsc::channel();
    let mut screen = File::from(screen);
    thread::spawn(move || {
        let mut bytes = [0; 4_096];
        loop {
            match screen.read(&mut bytes) {
                Ok(count) if sender.send(bytes[..count].to_vec()).is_ok() => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The end of the terminal.
                Ok(_) | Err(_) => return,
            }
        }
    });
    (receiver, terminal)
}

/// The lines of the next whole frame: from the first line on, to where the rest of the screen is cleared.
fn next_frame(screen: &mpsc::Receiver<Vec<u8>>) -> Vec<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\x1b[J") {
        bytes.extend(screen.recv_timeout(Duration::from_secs(30)).unwrap());
    }
    let text = String::from_utf8(bytes).unwrap();
    let frame = text.strip_prefix("\x1b[H").and_then(|text| text.strip_suffix("\x1b[J")).unwrap();
    frame.lines().map(|line| line.trim_end_matches(['\r', '\n']).strip_suffix("\x1b[K").unwrap().to_string()).collect()
}
