//! The command line as `--help`, README and the contract promise it, command by command: the built `muse`, as real
//! processes, in text and in JSON. Whole outputs are compared: standard output, standard error and the exit code.
//!
//! How to read a snapshot: see `coord_tests::Outcome`. After a change that was meant, `cargo insta review` shows each
//! difference and takes it over.

mod archive;
mod batch;
mod cancel_task;
mod claim;
mod complete;
mod completions;
mod doctor;
mod durations;
mod enqueue;
mod fail_task;
mod gc;
mod heartbeat;
mod init;
mod leases;
mod options;
mod print;
mod release;
mod repository;
mod retry;
mod schema;
mod settings;
mod show;
mod stats;
mod tasks;
mod untouched;
mod usage;
mod wait;
mod watch;

use coord_tests::{Outcome, Repo, transcript};

/// An argument of a command, and its values from the one that is complained of first to one that is fine.
/// An empty name is that of a positional argument.
type Values<'a> = (&'a str, &'a [&'a str]);

/// What a command complains of when all its values are bad, then when the first is mended, and so on until all are:
/// the order in which it checks them.
fn complaints(repo: &Repo, command: &str, values: &[Values<'_>]) -> String {
    let bad = |(name, values): &Values<'_>, step: usize| argument(name, values.get(step).unwrap_or(&""));
    let mut mended: Vec<String> = Vec::new();
    let mut outcomes = Vec::new();
    for (index, value) in values.iter().enumerate() {
        let rest: Vec<String> = values.iter().skip(index + 1).flat_map(|later| bad(later, 0)).collect();
        for step in 0..value.1.len() - 1 {
            let words = ["coord", command, "--json"].map(String::from).into_iter();
            outcomes.push(repo.muse(words.chain(mended.clone()).chain(bad(value, step)).chain(rest.clone())));
        }
        mended.extend(bad(value, value.1.len() - 1));
    }
    let words = ["coord", command, "--json"].map(String::from).into_iter();
    outcomes.push(repo.muse(words.chain(mended)));
    transcript(outcomes)
}

fn argument(name: &str, value: &str) -> Vec<String> {
    let words = if name.is_empty() { vec![value] } else { vec![name, value] };
    words.into_iter().map(String::from).collect()
}

/// Runs one command for each of the values, and shows what each call answers.
fn with_each<'a>(repo: &Repo, line: &str, flag: &str, values: impl IntoIterator<Item = &'a str>) -> String {
    transcript(values.into_iter().map(|value| with(repo, line, flag, value)))
}

/// Runs a line with one more argument, which may hold anything.
fn with(repo: &Repo, line: &str, flag: &str, value: &str) -> Outcome {
    let line = line.split_whitespace().map(String::from);
    repo.muse([String::from("coord")].into_iter().chain(line).chain(argument(flag, value)))
}

/// An id that no task has.
const NO_TASK: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
