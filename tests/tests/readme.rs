//! The READMEs' sessions, typed into a shell one after another: what they show is what is printed.
//!
//! `UPDATE_README=1` writes what is printed into the READMEs instead of comparing.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use coord_tests::{Repo, required};
use regex_lite::{Captures, Regex};

/// Two tests may write one page.
static UPDATES: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[test]
fn the_readme_shows_what_its_commands_print() {
    shows_what_its_commands_print("../README.md", &[]);
}

#[test]
fn the_page_on_embedding_shows_what_its_commands_print() {
    let examples = required("AGENT_EXAMPLES");
    let [agent, composed] = ["agent-rust.wasm", "agent-rust-composed.wasm"].map(|name| examples.join(name));
    shows_what_its_commands_print("../wit/README.md", &[("agent-rust.wasm", agent), ("agent.wasm", composed)]);
}

/// The page's commands find these files where they are typed.
fn shows_what_its_commands_print(page: &str, files: &[(&str, PathBuf)]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(page);
    let _alone = UPDATES.lock();
    let readme = fs::read_to_string(&path).unwrap();
    let commands: Vec<&str> = session_lines(&readme).filter_map(|line| line.strip_prefix("$ ")).collect();
    assert!(commands.len() > 5, "{page} has no sessions");

    let real = with_output(&readme, &type_in(&commands, files));
    if std::env::var_os("UPDATE_README").is_some() {
        fs::write(path, real).unwrap();
    } else {
        let [shown, real] = [&readme, &real].map(|readme| comparable(readme));
        let differs = shown.lines().zip(real.lines()).find(|(shown, real)| shown != real);
        assert!(shown == real, "{page} and its commands differ (UPDATE_README=1 mends it): {differs:#?}");
    }
}

#[test]
fn the_readmes_agent_works_off_what_there_is() {
    let readme = fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let agent = readme.split("```sh\n").nth(1).and_then(|block| block.split("```").next()).unwrap();
    assert!(agent.contains("--wait 60"));
    // A minute is long for a test. The work is to copy the payload's number, and fails for one of the tasks.
    let agent = agent.replace("--wait 60", "--wait 1");
    let work = r#"work() { [ "$1" != '{"n":2}' ] && echo "$1"; }"#;
    let repo = Repo::new();
    for n in 1..=3 {
        repo.coord(&format!("enqueue work --payload '{{\"n\":{n}}}'")).succeeded();
    }
    let output = shell(&repo, &format!("{work}\n{agent}")).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let tasks = repo.tasks();
    assert_eq!((&tasks["completed"], &tasks["failed"]), (&2.into(), &1.into()));
    assert_eq!(tasks["items"][2]["result"]["n"], 3);
}

/// 200 tasks, eight agents as processes: what is left in the end is the same each time, but for who did what.
#[test]
fn the_fan_out_ends_as_the_readme_shows() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let _alone = UPDATES.lock();
    let readme = fs::read_to_string(&path).unwrap();
    let (before, rest) = readme.split_once("```text\n").unwrap();
    let (shown, after) = rest.split_once("```").unwrap();
    let script = before.rsplit("```sh\n").next().and_then(|block| block.split("```").next()).unwrap();
    assert!(script.contains("seq 200"));
    let repo = Repo::new();
    repo.coord("init").succeeded();
    let output = shell(&repo, script).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let real = String::from_utf8(output.stdout).unwrap();
    if std::env::var_os("UPDATE_README").is_some() {
        fs::write(path, format!("{before}```text\n{real}```{after}")).unwrap();
        return;
    }
    let agents = Regex::new("agent-[1-8]").unwrap();
    let [shown, real] = [shown, &real].map(|text| agents.replace_all(&comparable(text), "agent-<n>").into_owned());
    assert_eq!(shown, real);
    let tasks = repo.tasks();
    let counts = ["completed", "failed", "cancelled"].map(|status| tasks[status].as_u64().unwrap());
    assert_eq!((counts, &tasks["total"]), ([199, 1, 1], &201.into()));
}

/// The lines of the README's console blocks.
fn session_lines(readme: &str) -> impl Iterator<Item = &str> {
    let blocks = readme.split("```console\n").skip(1);
    blocks.flat_map(|block| block.split("```").next().unwrap_or_default().lines())
}

/// What each command printed, by a shell that keeps its variables and its directory from one to the next.
fn type_in(commands: &[&str], files: &[(&str, PathBuf)]) -> Vec<String> {
    const MARK: &str = "@@@ next @@@";
    let repo = Repo::bare();
    files.iter().for_each(|(name, file)| symlink(file, repo.path(name)).unwrap());
    let script: String = commands.iter().map(|command| format!("echo '{MARK}'\n{{ {command}\n}} 2>&1\n")).collect();
    let output = String::from_utf8(shell(&repo, &script).output().unwrap().stdout).unwrap();
    let output = output.replace(&repo.path("").display().to_string(), "/repository/");
    output.split(&format!("{MARK}\n")).skip(1).map(str::to_string).collect()
}

/// A shell with `muse`, `muse-agent` and a stock wasmtime on its path.
fn shell(repo: &Repo, script: &str) -> Command {
    let [muse, wasmtime] = ["MUSE_BIN", "WASMTIME"].map(required);
    let [muse, wasmtime] = [&muse, &wasmtime].map(|program| program.parent().unwrap().display());
    let search = format!("{muse}:{wasmtime}:/usr/bin:/bin");
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).current_dir(repo.path("")).env_clear().env("PATH", search);
    shell
}

/// The README with these outputs behind its commands.
fn with_output(readme: &str, outputs: &[String]) -> String {
    let mut outputs = outputs.iter();
    let mut blocks = readme.split("```console\n");
    let mut text = blocks.next().unwrap_or_default().to_string();
    for block in blocks {
        let (session, rest) = block.split_once("```").unwrap();
        text += "```console\n";
        for command in session.lines().filter(|line| line.starts_with("$ ")) {
            text += &format!("{command}\n{}", outputs.next().unwrap());
        }
        text += &format!("```{rest}");
    }
    text
}

/// The text with whatever differs from run to run replaced: ids by their number, times and nonces by a word.
fn comparable(text: &str) -> String {
    let mut ids: HashMap<String, usize> = HashMap::new();
    let id = Regex::new("[0-9a-f]{64}").unwrap();
    let text = id.replace_all(text, |found: &Captures<'_>| {
        let next = ids.len();
        format!("<id {}>", ids.entry(found[0].to_string()).or_insert(next))
    });
    let words = [
        (r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", "<time>"),
        (r#""duration_ms":[\d.]+"#, "<duration>"),
        (r"\(\d+\.\d{3}s\)", "<duration>"),
        (r"(ready/\w+/[0-9a-f]{16})/[0-9a-f/]+/", "$1/<t>/"),
        (r"(tasks|claimed|done|records)/[0-9a-f]{2}/", "$1/<aa>/"),
        (r"\b([nr]?)[0-9a-f]{16}\b", "$1<nonce>"),
        (r"\b([cdehx]?)[0-9a-f]{13}\b", "$1<micros>"),
    ];
    words.iter().fold(text.into_owned(), |text, (pattern, word)| {
        Regex::new(pattern).unwrap().replace_all(&text, *word).into_owned()
    })
}
