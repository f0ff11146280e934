//! What users read: the README and the pages in `docs/`.
//!
//! Each page's sessions are typed into a shell, one command after another, and what they show is what is printed. Links
//! and anchors lead somewhere. The reference has every flag of `--help` and every field of `--schema`.
//!
//! `UPDATE_DOCS=1` writes what is printed into the pages instead of comparing.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use coord_tests::postgres::Server;
use coord_tests::{Repo, report, required};
use regex_lite::{Captures, Regex};
use serde_json::Value;
use tokio_postgres::config::Host;

/// Two tests may write one page.
static UPDATES: std::sync::Mutex<()> = std::sync::Mutex::new(());

const README_LINES: usize = 170;

#[test]
fn every_page_shows_what_its_commands_print() {
    let _alone = UPDATES.lock();
    let mut typed = 0;
    let mut wrong = Vec::new();
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        let commands: Vec<&str> = session_lines(&page).filter_map(|line| line.strip_prefix("$ ")).collect();
        if commands.is_empty() {
            continue;
        }
        typed += commands.len();
        let Some(outputs) = typed_in(&commands) else { continue };
        let real = with_output(&page, &outputs);
        if updates() {
            fs::write(path, real).unwrap();
            continue;
        }
        let [shown, real] = [&page, &real].map(|page| comparable(page));
        let differs = shown.lines().zip(real.lines()).find(|(shown, real)| shown != real);
        if shown != real {
            wrong.push(format!("{}: {differs:#?}", path.display()));
        }
    }
    report(format_args!("{typed} commands of the pages were typed in"));
    assert!(typed > 40, "only {typed} commands were found");
    assert!(wrong.is_empty(), "pages and their commands differ (UPDATE_DOCS=1 writes them anew): {wrong:#?}");
}

/// Programs that work in directories only: no session that has one is typed in on an engine.
const IN_DIRECTORIES: [&str; 1] = ["wasmtime"];

/// Commands that are about a directory.
const OF_DIRECTORIES: [&str; 5] = ["tasks/*", "find *", ".muse", "coord init", "coord doctor"];

#[test]
fn every_session_prints_the_same_where_the_queue_is_on_postgres() {
    let Some(server) = Server::start() else { return };
    let (mut typed, mut differs) = (0, Vec::new());
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        let commands: Vec<&str> = session_lines(&page).filter_map(|line| line.strip_prefix("$ ")).collect();
        let is_of_directories = |command: &&str| OF_DIRECTORIES.iter().any(|word| command.contains(word));
        let has = |words: &[&str]| commands.iter().any(|command| words.iter().any(|word| command.contains(word)));
        if commands.is_empty() || has(&IN_DIRECTORIES) || has(&[SOCKETS]) {
            continue;
        }
        let address = server.made(&server.schema());
        let [here, there] = [None, Some(address.as_str())].map(|engine| type_in(&commands, engine));
        for ((command, here), there) in commands.iter().zip(here).zip(there) {
            let [here, there] = [here, there].map(|output| comparable(&output));
            if is_of_directories(command) {
                continue;
            }
            typed += 1;
            if here != there {
                differs.push(format!("{}: {command}\n{here}\n{there}", path.display()));
            }
        }
    }
    report(format_args!("{typed} commands of the pages were typed in on an engine, too"));
    assert!(typed > 30, "only {typed}");
    assert!(differs.is_empty(), "{}", differs.join("\n"));
}

#[test]
fn the_agent_in_the_guide_works_off_what_there_is() {
    let guide = fs::read_to_string(root().join("docs/guide.md")).unwrap();
    let (_, agent, _) = block_after(&guide, "<!-- docs.rs runs this agent", "```sh\n");
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

/// 200 tasks, eight agents as processes: what is left in the end is the same each time, except who did what.
#[test]
fn the_fan_out_in_the_guide_ends_as_it_shows() {
    let path = root().join("docs/guide.md");
    let _alone = UPDATES.lock();
    let guide = fs::read_to_string(&path).unwrap();
    let (before, script, rest) = block_after(&guide, "<!-- docs.rs runs this script", "```sh\n");
    assert!(script.contains("seq 200"));
    let (between, shown, after) = block_after(rest, "", "```text\n");
    let repo = Repo::new();
    repo.coord("init").succeeded();
    let output = shell(&repo, script).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let real = String::from_utf8(output.stdout).unwrap();
    if updates() {
        fs::write(path, format!("{before}{script}{between}{real}{after}")).unwrap();
        return;
    }
    let agents = Regex::new("agent-[1-8]").unwrap();
    let [shown, real] = [shown, &real].map(|text| agents.replace_all(&comparable(text), "agent-<n>").into_owned());
    assert_eq!(shown, real);
    let tasks = repo.tasks();
    let counts = ["completed", "failed", "cancelled"].map(|status| tasks[status].as_u64().unwrap());
    assert_eq!((counts, &tasks["total"]), ([199, 1, 1], &201.into()));
}

#[test]
fn every_relative_link_and_anchor_leads_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let mut followed = 0;
    let mut broken = Vec::new();
    for page in pages().into_iter().chain(["CONTRIBUTING.md", "core/PROTOCOL.md"].map(|page| root().join(page))) {
        let prose = without_blocks(&fs::read_to_string(&page).unwrap());
        for found in link.captures_iter(&prose) {
            let target = &found[1];
            if target.contains("://") {
                continue;
            }
            followed += 1;
            if !leads_somewhere(&page, target) {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(followed > 40, "only {followed} links were found");
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_reference_names_every_flag_and_every_field() {
    let reference = fs::read_to_string(root().join("docs/reference.md")).unwrap();
    let repo = Repo::bare();
    let command = Regex::new(r"(?m)^  ([a-z-]+) +\S").unwrap();
    let flag = Regex::new(r"(?m)^ {2,6}(?:-\w, )?(--[a-z-]+)").unwrap();
    let help = repo.coord("--help").succeeded().stdout;
    let listed = help.split_once("Commands:\n").unwrap().1.split_once("\n\n").unwrap().0;
    let commands: Vec<_> = command.captures_iter(listed).map(|found| found[1].to_string()).collect();
    assert!(commands.len() > 20, "{commands:?}");
    let mut missing = Vec::new();
    for command in commands.iter().filter(|command| *command != "help") {
        let Some((_, section)) = reference.split_once(&format!("\n### {command}\n")) else {
            missing.push(format!("{command} has no section"));
            continue;
        };
        let section = section.split("\n##").next().unwrap();
        let help = repo.coord(&format!("{command} --help")).succeeded().stdout;
        let own = help.split("Options of every command").next().unwrap();
        for flag in flag.captures_iter(own).map(|found| found[1].to_string()) {
            if !section.contains(&format!("`{flag}")) {
                missing.push(format!("{command} {flag}"));
            }
        }
        let schema = repo.coord(&format!("--schema {command}")).succeeded().stdout;
        let schema: Value = serde_json::from_str(&schema).unwrap();
        let mut fields = BTreeSet::new();
        fields_of(&schema, &mut fields);
        let unnamed = fields.iter().filter(|field| !reference.contains(&format!("`{field}`")));
        missing.extend(unnamed.map(|field| format!("{command} answers {field}")));
    }
    assert!(missing.is_empty(), "docs/reference.md does not tell of {missing:#?}");
}

#[test]
fn the_readme_stays_short() {
    let lines = fs::read_to_string(root().join("README.md")).unwrap().lines().count();
    assert!(lines <= README_LINES, "README.md has {lines} lines: more than {README_LINES} belong into docs/");
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn updates() -> bool {
    std::env::var_os("UPDATE_DOCS").is_some()
}

/// The README, the pages in `docs/`, and those on `wit/`.
fn pages() -> Vec<PathBuf> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|file| file.unwrap().path());
    let mut pages: Vec<_> = docs.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    pages.extend(["README.md", "wit/README.md", "wit/examples/README.md"].map(|page| root().join(page)));
    pages.sort();
    pages
}

/// The first block that begins so behind a mark: all that stands before what it holds, that, and the rest.
fn block_after<'a>(page: &'a str, mark: &str, fence: &str) -> (&'a str, &'a str, &'a str) {
    let from = page.find(mark).unwrap();
    let begin = from + page[from..].find(fence).unwrap() + fence.len();
    let end = begin + page[begin..].find("```").unwrap();
    (&page[..begin], &page[begin..end], &page[end..])
}

/// The lines of a page's console blocks.
fn session_lines(page: &str) -> impl Iterator<Item = &str> {
    let blocks = page.split("```console\n").skip(1);
    blocks.flat_map(|block| block.split("```").next().unwrap_or_default().lines())
}

/// Where a page has the socket of a server.
const SOCKETS: &str = "/run/postgresql";

/// What each command printed; `None`: one needs a server, and there is none.
fn typed_in(commands: &[&str]) -> Option<Vec<String>> {
    if !commands.iter().any(|command| command.contains(SOCKETS)) {
        return Some(type_in(commands, None));
    }
    let server = Server::start()?;
    server.sql("create database work");
    let sockets = server.config().get_hosts().iter().find_map(|host| match host {
        Host::Unix(directory) => Some(directory.display().to_string()),
        Host::Tcp(_) => None,
    });
    let sockets = sockets.unwrap();
    let commands: Vec<String> = commands.iter().map(|command| command.replace(SOCKETS, &sockets)).collect();
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    Some(type_in(&commands, None).into_iter().map(|output| output.replace(&sockets, SOCKETS)).collect())
}

/// What each command printed, by a shell that keeps its variables and its directory from one to the next; with the
/// queue on an engine, if one is given.
fn type_in(commands: &[&str], engine: Option<&str>) -> Vec<String> {
    const MARK: &str = "@@@ next @@@";
    let repo = Repo::bare();
    // The agents that a page runs are found where it runs them.
    for (name, example) in [("agent-rust.wasm", "agent-rust.wasm"), ("agent.wasm", "agent-rust-composed.wasm")] {
        if commands.iter().any(|command| command.split(' ').any(|word| word == name)) {
            symlink(required("AGENT_EXAMPLES").join(example), repo.path(name)).unwrap();
        }
    }
    let script: String = commands.iter().map(|command| format!("echo '{MARK}'\n{{ {command}\n}} 2>&1\n")).collect();
    let output = shell(&repo, &script).envs(engine.map(|engine| ("MUSE_COORD_STORE", engine))).output().unwrap().stdout;
    let output = String::from_utf8(output).unwrap();
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

/// The page with these outputs behind its commands.
fn with_output(page: &str, outputs: &[String]) -> String {
    let mut outputs = outputs.iter();
    let mut blocks = page.split("```console\n");
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

/// The page without its blocks of code, in which nothing is a link or a heading.
fn without_blocks(page: &str) -> String {
    page.split("```").step_by(2).collect()
}

fn leads_somewhere(page: &Path, target: &str) -> bool {
    let (path, anchor) = target.split_once('#').map_or((target, None), |(path, anchor)| (path, Some(anchor)));
    let file = if path.is_empty() { page.to_path_buf() } else { page.parent().unwrap().join(path) };
    match anchor {
        None => file.exists(),
        Some(anchor) => fs::read_to_string(file).is_ok_and(|text| anchors(&text).any(|known| known == anchor)),
    }
}

/// How GitHub calls a page's headings.
fn anchors(page: &str) -> impl Iterator<Item = String> {
    let prose = without_blocks(page);
    let headings: Vec<_> = prose.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
    headings.into_iter()
}

fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|it| it.is_alphanumeric() || [' ', '-', '_'].contains(it));
    kept.map(|it| if it == ' ' { '-' } else { it }).collect()
}

/// The names of all properties, however deep.
fn fields_of(schema: &Value, fields: &mut BTreeSet<String>) {
    match schema {
        Value::Object(entries) => {
            if let Some(Value::Object(properties)) = entries.get("properties") {
                fields.extend(properties.keys().cloned());
            }
            entries.values().for_each(|value| fields_of(value, fields));
        }
        Value::Array(elements) => elements.iter().for_each(|element| fields_of(element, fields)),
        _ => {}
    }
}
