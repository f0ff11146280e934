//! The version of the package `muse:coord` stands in one place.

use std::fs;
use std::path::Path;
use std::process::Command;

use regex_lite::Regex;

/// Texts that tell what was, and what was resolved.
const LEFT_OUT: [&str; 3] = ["CHANGELOG.md", "Cargo.lock", "package-lock.json"];

#[test]
fn the_packages_version_stands_in_its_package_line_alone() {
    let versioned = Regex::new(r#"muse:coord[^ "'`]*@[0-9]"#).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = Command::new("git").args(["ls-files", "-z"]).current_dir(&root).output().unwrap();
    assert!(files.status.success(), "{files:?}");
    let files = String::from_utf8(files.stdout).unwrap();
    let mut found = Vec::new();
    for file in files.split_terminator('\0').filter(|file| !LEFT_OUT.iter().any(|left_out| file.ends_with(left_out))) {
        // A file that was removed and not committed yet is no file, and a picture is no text.
        let Ok(text) = fs::read_to_string(root.join(file)) else { continue };
        let lines = text.lines().filter(|line| versioned.is_match(line));
        found.extend(lines.map(|line| format!("{file}: {}", line.trim())));
    }
    let [line] = &found[..] else { panic!("not one line alone: {found:#?}") };
    assert!(line.starts_with("wit/world.wit: package muse:coord@"), "{line}");
}
