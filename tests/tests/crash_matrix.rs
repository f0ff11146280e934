//! Each row of the crash matrix in `PROTOCOL.md` names the tests that show it, and each place in the code that cites a
//! row cites one that is there.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All Rust sources in a directory.
fn sources(dir: &str) -> Vec<String> {
    let mut open = vec![root().join(dir)];
    let mut sources = Vec::new();
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push(fs::read_to_string(path).unwrap());
            }
        }
    }
    sources
}

/// What stands between single backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The rows by their numbers, and the tests that each names.
fn rows() -> BTreeMap<String, Vec<String>> {
    let protocol = fs::read_to_string(root().join("core/PROTOCOL.md")).unwrap();
    let rows = protocol.lines().filter(|line| line.starts_with("| CM-"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 5, "{row}");
        (cells[0].to_string(), quoted(cells[4]).map(str::to_string).collect())
    })
    .collect()
}

#[test]
fn each_row_names_tests_that_there_are() {
    let sources = [sources("core/tests"), sources("tests/tests")].concat();
    let rows = rows();
    assert!(rows.len() >= 10, "{rows:?}");
    for (row, tests) in rows {
        assert!(!tests.is_empty(), "{row} names no test");
        for test in tests {
            let is_test = format!("#[test]\nfn {test}()");
            assert!(sources.iter().any(|source| source.contains(&is_test)), "{row}: there is no test {test}");
        }
    }
}

#[test]
fn each_row_is_cited_where_the_code_can_be_cut_off_and_each_citation_is_a_row() {
    let cited: BTreeSet<String> = sources("core/src")
        .iter()
        .flat_map(|source| source.match_indices("CM-").map(|(at, _)| source[at + 3..].to_string()).collect::<Vec<_>>())
        .map(|rest| format!("CM-{}", rest.chars().take_while(char::is_ascii_digit).collect::<String>()))
        .filter(|row| row != "CM-")
        .collect();
    let rows: BTreeSet<String> = rows().into_keys().collect();
    assert_eq!(cited.difference(&rows).collect::<Vec<_>>(), Vec::<&String>::new(), "cited, but no row");
    // What a power cut alone does is nowhere in the code.
    let unseen: Vec<&String> = rows.difference(&cited).filter(|row| *row != "CM-10").collect();
    assert_eq!(unseen, Vec::<&String>::new(), "a row that the code does not cite");
}
