//! A file has at most 400 lines before its tests. Its topics can be files of their own.

use super::none;
use super::repository::{File, files};

/// The most lines of a file, without its tests.
const MOST: usize = 400;

/// Longer files, and how long they may be. This list only shrinks, until it is empty.
const LONG_FILES: &[(&str, usize)] = &[
    ("cli-wasi/component/src/convert.rs", 444),
    ("cli-wasi/src/args.rs", 766),
    ("cli-wasi/src/command/claim.rs", 463),
    ("cli-wasi/src/command/tasks.rs", 507),
    ("cli-wasi/src/output.rs", 547),
    ("cli-wasi/store/src/native.rs", 427),
    ("cli-wasi/store/src/wasi.rs", 420),
    ("core/src/request.rs", 735),
    ("core/tests/archive.rs", 715),
    ("core/tests/doctor.rs", 975),
    ("core/tests/hostile_directory.rs", 421),
    ("core/tests/memory.rs", 404),
    ("core/tests/operations.rs", 774),
    ("core/tests/parsers.rs", 474),
    ("core/tests/plans.rs", 775),
    ("js/binding/src/answer.rs", 470),
    ("js/binding/src/queue.rs", 418),
    ("js/src/queue.ts", 420),
    ("js/src/types.ts", 483),
    ("js/test/queue.test.mjs", 417),
    ("js/test/worker.test.mjs", 469),
    ("tests/tests/bad_input/directory.rs", 447),
    ("tests/tests/contract/claim.rs", 596),
    ("tests/tests/contract/enqueue.rs", 556),
    ("tests/tests/contract/tasks.rs", 590),
];

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
