//! Nobody uses a word that the glossary has retired.

use super::none;
use super::repository::files;

/// Where retired words may stand: the glossary tells of them, and this list has them all.
const MAY_NAME_THEM: &[&str] = &["docs/glossary.md", "tests/tests/tidy/words.rs"];

/// A retired word and what to say instead. An underscore ends a word, so `lapsed` is found in `is_lapsed`, too.
const RETIRED: &[(&str, &str)] = &[
    // States and results of tasks.
    ("lapsed", "timed_out"),
    ("Lapsed", "TimedOut"),
    ("elapse", "timeout"),
    ("Elapse", "Timeout"),
    ("recalled", "cancelling"),
    ("Recalled", "Cancelling"),
    ("orphan", "late result"),
    ("orphans", "late results"),
    ("Orphan", "late result"),
    ("Orphans", "late results"),
    // Types of the core.
    ("Fate", "ParentVerdict"),
    ("tenure", "holder"),
    ("Tenure", "CurrentHolder"),
    ("WornOut", "TooManyTransitions"),
    ("Terms", "TaskPolicy"),
    ("has_stirred", "may_have_changed"),
    // Places on disk.
    ("hall", "root directory"),
    ("halls", "root_dirs"),
    ("HALLS", "ROOT_DIRS"),
    ("stations", "dirs_for_task"),
    ("shelf", "state directory"),
    ("Shelf", "StateDir"),
    ("TimedShelf", "TimedDir"),
    ("shelves", "state directories"),
    ("Shelves", "state directories"),
    ("shelve", "relink"),
    ("shelved", "relinked, or: in a state directory"),
    ("shelving", "relinking"),
    ("leaf", "time bucket"),
    ("LEAF", "TIME_BUCKET"),
    ("aside/", "quarantine/"),
    ("set_aside", "quarantined"),
    ("SET_ASIDE", "QUARANTINED"),
    ("SetAside", "Quarantined"),
    ("set aside", "quarantined"),
    ("spill", "overflow"),
    ("spills", "overflows"),
    ("spilled", "overflowed"),
    // The doctor.
    ("mender", "repairer"),
    ("Mender", "Repairer"),
    ("Became", "Repair"),
    // The simulator.
    ("ledger", "oracle"),
    ("Ledger", "Oracle"),
    ("errand", "invocation"),
    ("errands", "invocations"),
    ("Errand", "Invocation"),
    ("Mistake", "SeededBug"),
    ("planted mistake", "seeded bug"),
    ("planted mistakes", "seeded bugs"),
    ("planted_mistakes", "seeded_bugs"),
];

/// True for what goes on with a word, so that a word does not end there.
fn goes_on(c: char) -> bool {
    c.is_alphanumeric()
}

/// True if the line has the word as a whole.
fn has(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + word.len()..]);
        let is_begun = before.chars().next_back().is_some_and(goes_on);
        let is_ended = word.ends_with('/') || !after.chars().next().is_some_and(goes_on);
        !is_begun && is_ended
    })
}

fn findings(path: &str, source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, line) in source.lines().enumerate() {
        for (word, instead) in RETIRED.iter().filter(|(word, _)| has(line, word)) {
            found.push(format!("{path}:{}: {word:?} is retired: say {instead:?}", at + 1));
        }
    }
    found
}

#[test]
fn nobody_uses_a_retired_word() {
    let files = files(&["rs", "ts", "mjs", "js", "wit", "toml", "md"]);
    let files = files.iter().filter(|file| !MAY_NAME_THEM.contains(&file.path.as_str()));
    none(&files.flat_map(|file| findings(&file.path, &file.text)).collect::<Vec<_>>());
}

#[test]
fn a_retired_word_is_found_as_a_whole() {
    assert_eq!(findings("a.rs", "fine\nlet it_lapsed = 1;\n").len(), 1);
    assert!(findings("a.rs", "fine\nlet it_lapsed = 1;\n")[0].starts_with("a.rs:2: "));
    assert_eq!(findings("a.md", "`claimed/….lapsed.…`, and a task that was set aside").len(), 2);
    assert_eq!(findings("a.md", "in `aside/0123`").len(), 1);
    assert_eq!(findings("a.rs", "began.elapsed(), relapsed, marshall, bookshelf, a word aside"), Vec::<String>::new());
}
