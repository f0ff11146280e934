//! How much memory a command takes on what hostile hands give it: the bounds in the table of `docs/benchmarks.md`,
//! measured on real processes.
//!
//! Not shown: how much a command takes of very many tasks. It holds a name of each.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, Write};

use coord_core::json::JsonObject;
use coord_core::name::Nonce;
use coord_core::queue::{ClaimRequest, Thoroughness};
use coord_core::transition::Claimant;
use coord_core::{Queue, Timestamp, Turn};
use coord_store::{DirStore, Handle, Sync};
use coord_tests::{Repo, report};
use serde_json::json;

const MIB: u64 = 1 << 20;

/// How many tasks there are, each with 64 KB of payload: as many as one call can enqueue.
const TASKS: usize = 4_000;

/// Nearly as much as a payload or result may have.
const BYTES: usize = 65_000;

/// What was measured, held against the table in the end, so that all of it is told.
struct Table {
    bounds: BTreeMap<String, u64>,
    broken: Vec<String>,
}

impl Table {
    /// The bounds in MiB, by the words of the first column.
    fn read() -> Table {
        let text = include_str!("../../docs/benchmarks.md").split("\n## Memory\n").nth(1).unwrap();
        let table = text.split("\n## ").next().unwrap();
        let rows = table.lines().filter_map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [what, bound, ..] = cells.as_slice() else { return None };
            Some(((*what).to_string(), bound.strip_suffix(" MiB")?.parse().ok()?))
        });
        Table { bounds: rows.collect(), broken: Vec::new() }
    }

    /// Runs a command line, with this on its standard input, and notes its peak. Its answer is left in a file.
    fn measure(&mut self, what: &str, repo: &Repo, line: &str, input: Option<File>, code: i32) -> File {
        let bound = self.bounds.remove(what).unwrap_or_else(|| panic!("the table has no row {what:?}"));
        let call = repo.coord_call(line).env("MUSE_COORD_SYNC", "off");
        let call = if let Some(input) = input { call.stdin(input) } else { call };
        let mut answer = tempfile::tempfile().unwrap();
        let (outcome, peak) = call.measured(&answer);
        let line = format!("{what}: {} MiB, at most {bound} MiB", peak.div_ceil(MIB));
        report(&line);
        let shown: String = outcome.stderr.chars().take(500).collect();
        assert_eq!(outcome.code, Some(code), "{what}: {shown}");
        if peak > bound * MIB {
            self.broken.push(line);
        }
        answer.rewind().unwrap();
        answer
    }
}

/// A file that is written bit by bit: a process that is measured counts as no smaller than the one that starts it.
fn file(write: impl FnOnce(&mut BufWriter<File>)) -> File {
    let mut file = BufWriter::new(tempfile::tempfile().unwrap());
    write(&mut file);
    let mut file = file.into_inner().unwrap();
    file.rewind().unwrap();
    file
}

fn size(file: &File) -> u64 {
    file.metadata().unwrap().len()
}

fn large_tasks() -> File {
    let payload = "x".repeat(BYTES);
    file(|file| {
        for number in 0..TASKS {
            writeln!(file, "{}", json!({"title": format!("task {number}"), "payload": {"text": payload}})).unwrap();
        }
    })
}

/// Completes half of what can be claimed, each with a large result.
fn complete_half(repo: &Repo) {
    let store = DirStore::new(Handle::open(&repo.coordination("")).unwrap(), Sync::Off);
    let (queue, result) = (Queue::open(store).unwrap(), "y".repeat(BYTES));
    let result = JsonObject::parse(&json!({"text": result}).to_string()).unwrap();
    let request = ClaimRequest::any("agent".parse().unwrap(), 3_600);
    let seconds = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    for number in 0..TASKS as u64 / 2 {
        let (now, nonce) = (Timestamp::from_micros(seconds * 1_000_000 + number), Nonce::from_bits(number << 8 | 1));
        let turn = Turn::new(&now, nonce);
        let claimed = queue.claim(&request, Thoroughness::Quick, &turn).unwrap().claimed.unwrap();
        let claimant = Claimant { run_id: request.run_id.clone(), nonce: None };
        queue.complete(claimed.task.id, claimant, Some(result.clone()), &turn).unwrap();
    }
}

#[test]
fn no_command_takes_more_memory_than_the_table_says() {
    let (repo, mut table) = (Repo::new(), Table::read());
    repo.coord("init").succeeded();
    table.measure("`enqueue --batch` of 256 MB", &repo, "enqueue --batch - --run-id o", Some(large_tasks()), 0);
    complete_half(&repo);
    let all = (TASKS * BYTES) as u64;
    let listed = table.measure("`tasks` of 390 MB, as JSON", &repo, "tasks --limit 10000 --json", None, 0);
    assert!(size(&listed) > all, "payloads and results");
    table.measure("`tasks` of 390 MB, as text", &repo, "tasks --limit 10000", None, 0);
    let payloads = "tasks --limit 10000 --print items.*.payload";
    assert!(size(&table.measure("`tasks --print` of one field of 260 MB", &repo, payloads, None, 0)) > all);
    let two = "tasks --limit 10000 --print items.*.payload --print total";
    table.measure("`tasks --print` of two, refused", &repo, two, None, 1);
    table.measure("`stats`", &repo, "stats --json", None, 0);
    table.measure("`doctor`", &repo, "doctor --json", None, 0);
    let exported = table.measure("`export` of 390 MB", &repo, "export", None, 0);
    assert!(size(&exported) > all);
    let other = Repo::new();
    let first = BufReader::new(exported.try_clone().unwrap()).lines().next().unwrap().unwrap();
    let mut exported = exported;
    exported.rewind().unwrap();
    table.measure("`import` of 390 MB", &other, "import", Some(exported), 0);
    let claimed = table.measure("`claim --max` of 130 MB", &repo, "claim --run-id a --max 4000 --json", None, 0);
    assert!(size(&claimed) > all / 2);

    let line = |megabytes: usize| {
        file(|file| {
            (0..megabytes * 1_024)
                .for_each(|_| file.write_all(" [1,2,3,4],\n".repeat(86).replace('\n', "").as_bytes()).unwrap())
        })
    };
    table.measure("`import` of one line of 200 MB", &other, "import", Some(line(200)), 1);
    table.measure("`import` of one line of 23 MB", &other, "import", Some(line(23)), 1);
    let deep = file(|file| (0..23 * 1_024).for_each(|_| file.write_all(&[b'['; 1_024]).unwrap()));
    table.measure("`import` of 23 MB of brackets", &other, "import", Some(deep), 1);
    // A task of the right id, whose record claims to have a payload of 20 MB.
    let large = first.replacen("\"payload\":{", &format!("\"payload\":{{\"a\":[{}1],", "1,".repeat(10_000_000)), 1);
    table.measure(
        "`import` of a record of 20 MB",
        &other,
        "import",
        Some(file(|file| writeln!(file, "{large}").unwrap())),
        1,
    );
    drop((large, first));
    table.measure(
        "`enqueue --batch` of one line of 200 MB",
        &other,
        "enqueue --batch - --run-id o",
        Some(line(200)),
        1,
    );

    assert!(table.bounds.is_empty(), "not measured: {:?}", table.bounds);
    assert!(table.broken.is_empty(), "{:#?}", table.broken);
}
