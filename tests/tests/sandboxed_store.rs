//! The directory store inside the sandbox, under a stock wasmtime: the conformance suite, and looks while names change.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use coord_core::Store as _;
use coord_core::layout::Dir;
use coord_store::{DirStore, Handle, Sync};

#[test]
fn the_store_on_wasi_descriptors_conforms() {
    let directory = tempfile::tempdir().unwrap();
    let output = sandboxed("store_conformance.wasm", directory.path(), &[]);
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().ends_with(" passed, 0 failed\n"));
}

/// Four writers rename and unlink in a directory that is listed 10,000 times.
#[test]
fn a_listing_under_churn_never_leaves_out_a_stable_name() {
    const STABLE: usize = 40;
    let directory = tempfile::tempdir().unwrap();
    let claimed = directory.path().join("claimed");
    fs::create_dir(&claimed).unwrap();
    for i in 0..STABLE {
        fs::write(claimed.join(format!("stable-{i}")), "").unwrap();
    }
    let listed = AtomicBool::new(false);
    let output = thread::scope(|scope| {
        for writer in 0..4 {
            let (claimed, listed) = (&claimed, &listed);
            scope.spawn(move || churn(claimed, writer, listed));
        }
        let output = sandboxed("listing_churn.wasm", directory.path(), &[&STABLE.to_string()]);
        listed.store(true, Ordering::Relaxed);
        output
    });
    let said = String::from_utf8(output.stdout).unwrap();
    report(said.trim_end());
    assert!(output.status.success(), "{said}");
    assert!(!said.contains(", 0 other names seen"), "nothing moved: {said}");
}

/// A task that is moved out of the directory that a look began in makes the kernel say that its path led outside.
#[test]
fn a_file_that_is_moved_during_a_look_is_there_or_not() {
    let directory = tempfile::tempdir().unwrap();
    let read = || sandboxed("moving_reads.wasm", directory.path(), &[]);
    let output = while_it_moves(directory.path(), read);
    let said = String::from_utf8(output.stdout).unwrap();
    report(said.lines().last().unwrap());
    assert!(output.status.success(), "{said}");

    let task = Dir::root().child("ready").child("queue").file("task");
    let store = DirStore::new(Handle::open(directory.path()).unwrap(), Sync::Off);
    let read = || (0..100_000).filter(|_| store.read(&task, 100).unwrap().is_some()).count();
    let there = while_it_moves(directory.path(), read);
    assert!((1..100_000).contains(&there), "{there}");
}

/// Moves `ready/queue/task` out of `ready` and back until `read` is over.
fn while_it_moves<T>(root: &std::path::Path, read: impl FnOnce() -> T) -> T {
    let (ready, claimed) = (root.join("ready/queue"), root.join("claimed"));
    fs::create_dir_all(&ready).unwrap();
    fs::create_dir_all(&claimed).unwrap();
    fs::write(ready.join("task"), "").unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                fs::rename(ready.join("task"), claimed.join("task")).unwrap();
                fs::rename(claimed.join("task"), ready.join("task")).unwrap();
            }
        });
        let read = read();
        over.store(true, Ordering::Relaxed);
        read
    })
}

/// Makes files, renames each several times, and unlinks it, until the listing is over.
fn churn(directory: &std::path::Path, writer: usize, listed: &AtomicBool) {
    for round in 0.. {
        let name = |step: usize| directory.join(format!("moving-{writer}-{}-{step}", round % 8));
        fs::write(name(0), "").unwrap();
        for step in 0..4 {
            fs::rename(name(step), name(step + 1)).unwrap();
        }
        fs::remove_file(name(4)).unwrap();
        if listed.load(Ordering::Relaxed) {
            return;
        }
    }
}

fn sandboxed(program: &str, directory: &std::path::Path, arguments: &[&str]) -> Output {
    let required = |variable| {
        PathBuf::from(
            std::env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set: run `cargo xtask test`")),
        )
    };
    let mut command = Command::new(required("WASMTIME"));
    command.args(["run", "--dir"]).arg(directory).arg(required("MUSE_EXAMPLES").join(program)).args(arguments);
    command.output().unwrap()
}

#[expect(clippy::print_stderr, reason = "measured figures are for whoever reads the test's log")]
fn report(line: &str) {
    eprintln!("{line}");
}
