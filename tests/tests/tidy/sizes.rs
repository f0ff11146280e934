//! A file has at most 400 lines before its tests. Its topics can be files of their own.

use super::none;
use super::repository::{File, files};

/// The most lines of a file, without its tests.
const MOST: usize = 400;

/// Folders of files that are nothing but tests.
const TESTS: [&str; 3] = ["/tests/", "js/test/", "/tests.rs"];

fn length(source: &str) -> usize {
    source.lines().take_while(|line| *line != "#[cfg(test)]").count()
}

fn findings(files: &[File]) -> Vec<String> {
    let is_long = |file: &&File| length(&file.text) > MOST && !TESTS.iter().any(|tests| file.path.contains(tests));
    let found = files.iter().filter(is_long).map(|File { path, text }| {
        format!("{path}: has {} lines, more than {MOST}: move a topic to a file of its own", length(text))
    });
    found.collect()
}

#[test]
fn files_have_at_most_400_lines_before_their_tests() {
    none(&findings(&files(&["rs", "ts", "mjs", "js"])));
}

#[test]
fn a_long_file_is_found_unless_it_is_nothing_but_tests() {
    let file = |path: &str, lines: usize| {
        let text = "x\n".repeat(lines) + "#[cfg(test)]\n" + &"x\n".repeat(MOST);
        [File { path: path.to_string(), text }]
    };
    assert_eq!(findings(&file("core/src/a.rs", MOST)), Vec::<String>::new());
    assert_eq!(findings(&file("core/src/a.rs", MOST + 1)).len(), 1);
    assert_eq!(findings(&file("core/tests/a.rs", MOST + 1)), Vec::<String>::new());
}
