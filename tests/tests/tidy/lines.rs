//! Lines end at column 120, comments included. A text in quotes is not counted: it would only be cut into pieces.

use super::none;
use super::repository::files;
use super::text::{Part, parts};

/// The most characters of a line.
const MOST: usize = 120;

/// Files with longer lines, and how many each has. This list only shrinks, until it is empty.
const LONG_LINES: &[(&str, usize)] = &[
    ("cli-wasi/tests/arguments.rs", 1),
    ("js/bench/bench.mjs", 2),
    ("js/bench/contenders.mjs", 1),
    ("js/bench/sqlite.mjs", 1),
    ("js/build.mjs", 1),
    ("js/examples/worker.ts", 1),
    ("js/src/answers.ts", 1),
    ("js/src/clock.ts", 1),
    ("js/src/errors.ts", 4),
    ("js/src/filesystem.ts", 3),
    ("js/src/grants.ts", 1),
    ("js/src/lease.ts", 11),
    ("js/src/node-store.ts", 6),
    ("js/src/options.ts", 1),
    ("js/src/queue.ts", 22),
    ("js/src/repository.ts", 2),
    ("js/src/requests.ts", 1),
    ("js/src/signals.ts", 1),
    ("js/src/types.ts", 15),
    ("js/src/wait.ts", 1),
    ("js/src/worker.ts", 10),
    ("js/test/agents/soak.mjs", 1),
    ("js/test/examples.test.mjs", 4),
    ("js/test/looking.test.mjs", 1),
    ("js/test/packaging.mjs", 3),
    ("js/test/support.mjs", 3),
    ("js/test/types.ts", 4),
    ("wit/queue.wit", 3),
];

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

fn findings(path: &str, source: &str, listed: usize) -> Vec<String> {
    let long = too_long(path, source);
    if long.len() == listed {
        return Vec::new();
    }
    if long.len() < listed {
        return vec![format!("{path}: {} lines are long, and {listed} are listed: correct LONG_LINES", long.len())];
    }
    let told = |line: &usize| format!("{path}:{line}: longer than {MOST} characters: break the line");
    long.iter().map(told).collect()
}

#[test]
fn lines_end_at_column_120() {
    let files = files(&["rs", "ts", "mjs", "js", "wit", "toml"]);
    let listed = |path: &str| LONG_LINES.iter().find(|(of, _)| *of == path).map_or(0, |(_, lines)| *lines);
    let found = files.iter().flat_map(|file| findings(&file.path, &file.text, listed(&file.path)));
    let gone = LONG_LINES.iter().filter(|(of, _)| !files.iter().any(|file| file.path == *of));
    let gone = gone.map(|(path, _)| format!("{path}: is not there: take it out of LONG_LINES"));
    none(&found.chain(gone).collect::<Vec<_>>());
}

#[test]
fn a_long_line_is_found_and_a_long_text_is_none() {
    let long = "x".repeat(MOST + 1);
    assert_eq!(findings("a.rs", &format!("fine\n// {long}\n"), 0).len(), 1);
    assert!(findings("a.rs", &format!("fine\n// {long}\n"), 0)[0].starts_with("a.rs:2: "));
    assert_eq!(findings("a.rs", &format!("let a = \"{long}\";\n"), 0), Vec::<String>::new());
    assert_eq!(findings("a.rs", &format!("let a = r#\"\n{long}\n\"#;\n"), 0), Vec::<String>::new());
    assert_eq!(findings("a.rs", &format!("// {long}\n"), 1), Vec::<String>::new());
    assert_eq!(findings("a.rs", "fine\n", 1).len(), 1);
}
