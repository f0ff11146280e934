//! Test suites side by side.
//!
//! A suite is one program. Two suites run at a time: one of those that compute, and one of the others, which mostly
//! wait for programs that they start. The one that computes has a low priority, so that the other one meets a machine
//! that seems idle. When the others are done, two that compute run at a time. When both kinds are done, those that
//! measure time run alone, one test after the other.
//!
//! The output of a suite is printed as a whole when the suite has ended. Meanwhile it is said once a minute which
//! suites run, with the last line of each. The ends of those that failed are printed again when all are done.

use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The suites that compute all the time, in the order in which they run: the longest first.
const COMPUTE: [&str; 10] = [
    "random_schedules",
    "every_schedule",
    "soak",
    "power_cuts",
    "damage",
    "peak_memory",
    "seeded_bugs",
    "same_on_engines",
    "failed_calls",
    "queue",
];

/// The suites that measure time, and hold it against a bound.
const MEASURE: [&str; 3] = ["cost", "component_cost", "waiting"];

/// How often it is said where the suites are.
const INTERVAL: Duration = Duration::from_secs(60);

/// A program that tests something.
pub(crate) struct Suite {
    pub(crate) name: String,
    pub(crate) command: Command,
}

/// Suites that wait to be run one after another.
type Line = Mutex<VecDeque<Suite>>;

/// What a suite's thread tells.
enum Event {
    Began { name: String, log: PathBuf },
    Ended { name: String, passed: Result<bool> },
}

/// A suite that is being run.
struct Running {
    since: Instant,
    log: PathBuf,
}

/// Runs all suites. Fails when all are done, if one has failed.
pub(crate) fn run(workspace: &Workspace, suites: Vec<Suite>) -> Result<()> {
    let logs = workspace.target()?.join("suites");
    fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
    let (computing, measuring, others) = by_kind(suites);
    let [computing, measuring, others] = [computing, measuring, others].map(Line::new);
    let mut failed = side_by_side(workspace, &[&[&computing], &[&others, &computing]], &logs)?;
    failed.extend(side_by_side(workspace, &[&[&measuring]], &logs)?);
    for name in &failed {
        println!("\n── {name} failed ──\n{}", failures(&shown(&logs, name)?));
    }
    ensure!(failed.is_empty(), "{} failed; the whole output is in {}", failed.join(", "), logs.display());
    Ok(())
}

/// Those that compute, those that measure, and the others.
fn by_kind(suites: Vec<Suite>) -> (VecDeque<Suite>, VecDeque<Suite>, VecDeque<Suite>) {
    let (mut computing, others): (Vec<_>, Vec<_>) =
        suites.into_iter().partition(|suite| COMPUTE.contains(&suite.name.as_str()));
    computing.sort_by_key(|suite| COMPUTE.iter().position(|name| *name == suite.name));
    for suite in &mut computing {
        be_nice(&mut suite.command);
    }
    let (mut measuring, others): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|suite| MEASURE.contains(&suite.name.as_str()));
    for suite in &mut measuring {
        // Two tests of one suite would disturb each other.
        suite.command.arg("--test-threads=1");
    }
    (computing.into(), measuring.into(), others.into())
}

/// Has a command run at a low priority, where there is the program for that.
pub(crate) fn be_nice(command: &mut Command) {
    if !cfg!(unix) {
        return;
    }
    let mut nice = Command::new("nice");
    nice.args(["-n", "10"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => nice.env(name, value),
            None => nice.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        nice.current_dir(directory);
    }
    *command = nice;
}

/// Runs the suites of each row of lines one after another, and the rows beside each other. Two rows may end with the
/// same line: then both take from it. The names of those that failed.
fn side_by_side(workspace: &Workspace, rows: &[&[&Line]], logs: &Path) -> Result<Vec<String>> {
    let (sender, events) = mpsc::channel();
    thread::scope(|scope| {
        for row in rows {
            let sender = sender.clone();
            scope.spawn(move || row.iter().try_for_each(|line| one_after_another(line, logs, &sender)));
        }
        drop(sender);
        told(workspace, &events, logs)
    })
}

/// Runs what is in the line. `None` where nobody listens any more: then something else has gone wrong, and is told.
fn one_after_another(line: &Line, logs: &Path, sender: &Sender<Event>) -> Option<()> {
    while let Some(Suite { name, mut command }) = next(line) {
        let log = log_of(logs, &name);
        sender.send(Event::Began { name: name.clone(), log: log.clone() }).ok()?;
        let passed = run_one(&mut command, &log);
        sender.send(Event::Ended { name, passed }).ok()?;
    }
    Some(())
}

fn next(line: &Line) -> Option<Suite> {
    // Whoever panics while it holds the lock has taken nothing from the line.
    line.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

fn run_one(command: &mut Command, log: &Path) -> Result<bool> {
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    let status = command.status().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    Ok(status.success())
}

/// Prints what happens until all is done. The names of the suites that failed.
fn told(workspace: &Workspace, events: &Receiver<Event>, logs: &Path) -> Result<Vec<String>> {
    let (mut running, mut failed) = (BTreeMap::new(), Vec::new());
    let mut next = Instant::now() + INTERVAL;
    loop {
        match events.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(Event::Began { name, log }) => {
                running.insert(name, Running { since: Instant::now(), log });
            }
            Ok(Event::Ended { name, passed }) => {
                let took = running.remove(&name).map(|running| running.since.elapsed()).unwrap_or_default();
                workspace.parts.note(&name, took);
                let passed = passed?;
                let verdict = if passed { "passed" } else { "failed" };
                println!("\n── {name} {verdict} in {:.0} s ──\n{}", took.as_secs_f64(), shown(logs, &name)?);
                failed.extend((!passed).then_some(name));
            }
            Err(RecvTimeoutError::Timeout) => {
                for (name, Running { since, log }) in &running {
                    let minutes = since.elapsed().as_secs() / 60;
                    eprintln!("test: {name} runs since {minutes} min: {}", last_line(log));
                }
                next += INTERVAL;
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(failed),
        }
    }
}

fn log_of(logs: &Path, name: &str) -> PathBuf {
    logs.join(format!("{}.log", name.replace(['/', ' '], "-")))
}

fn shown(logs: &Path, name: &str) -> Result<String> {
    let log = log_of(logs, name);
    let bytes = fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

fn last_line(log: &Path) -> String {
    // A log that cannot be read yet has no line yet.
    let bytes = fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim_end().lines().last().unwrap_or_default().to_owned()
}

/// What `cargo test` prints of failures, or else the end of the output.
fn failures(output: &str) -> &str {
    const MOST: usize = 100;
    if let Some(at) = output.find("\nfailures:") {
        return output.get(at + 1..).unwrap_or(output);
    }
    let breaks = output.rmatch_indices('\n').nth(MOST - 1);
    breaks.and_then(|(at, _)| output.get(at + 1..)).unwrap_or(output)
}

#[cfg(test)]
mod tests {
    use super::{COMPUTE, Line, MEASURE, Suite, be_nice, by_kind, failures, side_by_side};
    use crate::workspace::Workspace;
    use std::collections::VecDeque;
    use std::fs;
    use std::process::Command;

    fn suite(name: &str) -> Suite {
        Suite { name: name.to_owned(), command: Command::new("true") }
    }

    #[test]
    fn each_suite_is_run_once_and_the_longest_first() {
        let suites = ["contract", "cost", "soak", "every_schedule", "agent"].map(suite);
        let (computing, measuring, others) = by_kind(suites.into());
        let names = |suites: VecDeque<Suite>| suites.into_iter().map(|it| it.name).collect::<Vec<_>>();
        assert_eq!(names(computing), ["every_schedule", "soak"]);
        assert_eq!(names(measuring), ["cost"]);
        assert_eq!(names(others), ["contract", "agent"]);
    }

    #[test]
    fn a_suite_that_fails_is_told_and_the_others_are_run() {
        let says = |name: &str, script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            Suite { name: name.to_owned(), command }
        };
        let first = [says("bad", "echo went wrong >&2; false"), says("good", "echo went well")];
        let second = [says("other", "echo went well, too")];
        let logs = tempfile::tempdir().unwrap();
        let workspace = Workspace::open().unwrap();
        let [first, second] = [Line::new(first.into()), Line::new(second.into())];
        let failed = side_by_side(&workspace, &[&[&first], &[&second]], logs.path()).unwrap();
        assert_eq!(failed, ["bad"]);
        let log = |name: &str| fs::read_to_string(logs.path().join(format!("{name}.log"))).unwrap();
        assert_eq!(["bad", "good", "other"].map(log), ["went wrong\n", "went well\n", "went well, too\n"]);
    }

    #[test]
    fn a_row_that_is_done_takes_from_the_next_line_what_another_has_not_begun() {
        let script = |name: &str, script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            Suite { name: name.to_owned(), command }
        };
        let logs = tempfile::tempdir().unwrap();
        // The first waits for the second, so it ends only if another row has taken that.
        let there = logs.path().join("there");
        let waits = format!("for n in $(seq 500); do test -e {0} && exit 0; sleep 0.02; done; exit 1", there.display());
        let computing = [script("waits", &waits), script("comes", &format!("touch {}", there.display()))];
        let [computing, others] = [Line::new(computing.into()), Line::new([suite("other")].into())];
        let workspace = Workspace::open().unwrap();
        let rows: [&[&Line]; 2] = [&[&computing], &[&others, &computing]];
        assert_eq!(side_by_side(&workspace, &rows, logs.path()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_suite_that_is_named_here_is_there() {
        let tests = [
            concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/tests"),
            concat!(env!("CARGO_MANIFEST_DIR"), "/../core/tests"),
        ];
        for name in COMPUTE.iter().chain(&MEASURE) {
            let files = [format!("{name}.rs"), format!("{name}/main.rs")];
            let is_there = |tests: &str| files.iter().any(|file| std::path::Path::new(tests).join(file).exists());
            assert!(tests.into_iter().any(is_there), "{name}");
        }
    }

    #[test]
    fn a_nice_command_is_the_same_command() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo $WORD in $(pwd)"]).env("WORD", "hello").current_dir("/");
        be_nice(&mut command);
        assert_eq!(String::from_utf8(command.output().unwrap().stdout).unwrap(), "hello in /\n");
    }

    #[test]
    fn of_a_failed_suite_the_failures_are_repeated_or_the_end() {
        assert_eq!(failures("running 1 test\n\nfailures:\n\n---- it ----\n"), "failures:\n\n---- it ----\n");
        let long = (0..200).map(|line| line.to_string()).collect::<Vec<_>>().join("\n");
        assert_eq!(failures(&long).lines().next(), Some("100"));
        assert_eq!(failures("short"), "short");
    }
}
