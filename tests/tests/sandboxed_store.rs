//! The directory store inside the sandbox, under a stock wasmtime: the conformance suite, and listings under churn.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

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

/// Makes files, renames each several times, and unlinks it, until the listing is over.
fn churn(directory: &Path, writer: usize, listed: &AtomicBool) {
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

fn sandboxed(program: &str, directory: &Path, arguments: &[&str]) -> Output {
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
