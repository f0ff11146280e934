//! Every command has its man page, and `muse-man` writes no other.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

#[test]
fn every_command_has_a_man_page_by_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let written = Command::new(env!("CARGO_BIN_EXE_muse-man")).arg(directory.path()).output().unwrap();
    assert!(written.status.success() && written.stderr.is_empty(), "{written:?}");
    let pages: BTreeSet<String> =
        directory.path().read_dir().unwrap().map(|page| page.unwrap().file_name().into_string().unwrap()).collect();

    let muse = muse_cli::command_line();
    let coord = muse.find_subcommand("coord").unwrap();
    let commands = coord.get_subcommands().map(|command| format!("muse-coord-{}.1", command.get_name()));
    let expected: BTreeSet<String> = ["muse.1", "muse-coord.1"].map(String::from).into_iter().chain(commands).collect();
    assert_eq!(pages, expected);

    let claim = fs::read_to_string(directory.path().join("muse-coord-claim.1")).unwrap();
    assert!(claim.contains(".TH muse-coord-claim 1") && claim.contains(r"\-\-max\-bytes"), "{claim}");
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing");
    let refused = Command::new(env!("CARGO_BIN_EXE_muse-man")).arg(&missing).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains(&missing.display().to_string()), "{refused:?}");
}
