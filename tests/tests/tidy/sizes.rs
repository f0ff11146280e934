//! A file has at most 400 lines before its tests. Its topics can be files of their own.

use super::none;
use super::repository::{File, files};

/// The most lines of a file, without its tests.
const MOST: usize = 400;

/// Longer files, and how long they may be. This list only shrinks, until it is empty.
const LONG_FILES: &[(&str, usize)] = &[];

fn length(source: &str) -> usize {
    source.lines().take_while(|line| *line != "#[cfg(test)]").count()
}

fn findings(files: &[File], listed: &[(&str, usize)]) -> Vec<String> {
    let mut found = Vec::new();
    for File { path, text } in files {
        let length = length(text);
        match listed.iter().find(|(of, _)| of == path) {
            Some(_) if length <= MOST => found.push(format!("{path}: has {length} lines: take it out of LONG_FILES")),
            Some((_, most)) if length > *most => {
                found.push(format!("{path}: has {length} lines, {most} are listed: move a topic to a file of its own"));
            }
            None if length > MOST => {
                found.push(format!("{path}: has {length} lines, more than {MOST}: move a topic to a file of its own"));
            }
            _ => {}
        }
    }
    let gone = listed.iter().filter(|(of, _)| !files.iter().any(|file| file.path == *of));
    found.extend(gone.map(|(path, _)| format!("{path}: is not there: take it out of LONG_FILES")));
    found
}

#[test]
fn files_have_at_most_400_lines_before_their_tests() {
    none(&findings(&files(&["rs", "ts", "mjs", "js", "wit"]), LONG_FILES));
}

#[test]
fn a_long_file_is_found_and_so_is_a_listed_one_that_has_grown_or_is_short() {
    let file = |lines: usize| {
        let text = "x\n".repeat(lines) + "#[cfg(test)]\n" + &"x\n".repeat(MOST);
        [File { path: "a.rs".to_string(), text }]
    };
    assert_eq!(findings(&file(MOST), &[]), Vec::<String>::new());
    assert_eq!(findings(&file(MOST + 1), &[]).len(), 1);
    assert_eq!(findings(&file(MOST + 1), &[("a.rs", MOST + 1)]), Vec::<String>::new());
    assert_eq!(findings(&file(MOST + 2), &[("a.rs", MOST + 1)]).len(), 1);
    assert_eq!(findings(&file(MOST), &[("a.rs", MOST + 1)]).len(), 1);
    assert_eq!(findings(&[], &[("a.rs", MOST + 1)]).len(), 1);
}
