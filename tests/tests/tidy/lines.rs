//! Lines end at column 120, comments included. A text in quotes is not counted: it would only be cut into pieces.

use super::none;
use super::repository::files;
use super::text::{Part, parts};

/// The most characters of a line.
const MOST: usize = 120;

/// The numbers of the lines that are too long.
fn too_long(path: &str, source: &str) -> Vec<usize> {
    let mut parts = parts(path, source).into_iter();
    let lines = source.split('\n').map(|line| {
        let counted = parts.by_ref().take(line.chars().count()).filter(|part| *part != Part::Text).count();
        parts.next();
        counted
    });
    lines.enumerate().filter(|(_, length)| *length > MOST).map(|(at, _)| at + 1).collect()
}

fn findings(path: &str, source: &str) -> Vec<String> {
    let told = |line: usize| format!("{path}:{line}: longer than {MOST} characters: break the line");
    too_long(path, source).into_iter().map(told).collect()
}

#[test]
fn lines_end_at_column_120() {
    let files = files(&["rs", "ts", "mjs", "js", "wit", "toml"]);
    none(&files.iter().flat_map(|file| findings(&file.path, &file.text)).collect::<Vec<_>>());
}

#[test]
fn a_long_line_is_found_and_a_long_text_is_none() {
    let long = "x".repeat(MOST + 1);
    assert_eq!(findings("a.rs", &format!("fine\n// {long}\n")).len(), 1);
    assert!(findings("a.rs", &format!("fine\n// {long}\n"))[0].starts_with("a.rs:2: "));
    assert_eq!(findings("a.rs", &format!("let a = \"{long}\";\n")), Vec::<String>::new());
    assert_eq!(findings("a.rs", &format!("let a = r#\"\n{long}\n\"#;\n")), Vec::<String>::new());
}
