//! What is made to be embedded or composed: what it imports, as the binaries say it, and the example agents, composed
//! with the library, at work under a stock wasmtime on a directory that `muse` shares.
//!
//! Proven: an agent without any file access has the queue; that, and what its outcome is, does not depend on the
//! language.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{PipeReader, PipeWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::thread;

use coord_tests::wit::interface;
use coord_tests::{Call, Repo, Running, report, required};
use serde_json::json;
use tempfile::TempDir;
use wit_component::DecodedWasm;
use wit_parser::{Resolve, WorldId};

const LANGUAGES: [&str; 2] = ["rust", "js"];

#[test]
fn the_library_imports_files_clocks_randomness_and_io_and_nothing_else() {
    let (imports, exports) = imports_and_exports(&required("MUSE_COORD_WASM"));
    show("muse-coord.wasm", &imports);
    assert_eq!(packages(&imports), ["wasi:clocks", "wasi:filesystem", "wasi:io", "wasi:random"]);
    let world = of_world("coord");
    assert!(imports.is_subset(&world.0), "beyond its world: {:?}", imports.difference(&world.0));
    assert_eq!(exports, world.1);
}

#[test]
fn the_library_on_an_engine_imports_the_engine_clocks_randomness_and_waiting_and_nothing_else() {
    for (file, variable, world) in [
        ("muse-coord-store.wasm", "MUSE_COORD_STORE_WASM", "coord-on-store"),
        ("muse-coord-sql.wasm", "MUSE_COORD_SQL_WASM", "coord-on-sql"),
    ] {
        let (imports, exports) = imports_and_exports(&required(variable));
        show(file, &imports);
        assert_eq!(packages(&imports), ["muse:coord", "wasi:clocks", "wasi:io", "wasi:random"], "{file}");
        let world = of_world(world);
        assert!(imports.is_subset(&world.0), "beyond its world: {:?}", imports.difference(&world.0));
        assert_eq!(exports, world.1, "{file}");
    }
}

#[test]
fn the_command_line_imports_no_more_than_its_world_and_no_network() {
    let (imports, exports) = imports_and_exports(&required("MUSE_WASM"));
    show("muse.wasm", &imports);
    assert_eq!(packages(&imports), ["wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:io", "wasi:random"]);
    // The versions that the standard library of the toolchain was made for are older ones, which 0.2.12 includes.
    let world = of_world("command");
    let beyond: Vec<_> = unversioned(&imports).difference(&unversioned(&world.0)).cloned().collect();
    assert!(beyond.is_empty(), "beyond its world: {beyond:?}");
    assert_eq!(unversioned(&exports), unversioned(&world.1));
}

#[test]
fn an_agent_imports_the_queue_and_neither_files_nor_network() {
    for language in LANGUAGES {
        let (imports, exports) = imports_and_exports(&agent(language));
        show(&format!("agent-{language}.wasm"), &imports);
        assert_eq!(packages(&imports), ["muse:coord", "wasi:cli", "wasi:io"], "{language}");
        let ours: Vec<_> = imports.iter().filter(|import| import.starts_with("muse:")).collect();
        assert_eq!(ours, [&interface("queue"), &interface("types")], "{language}");
        assert_eq!(unversioned(&exports), unversioned(&of_world("agent").1), "{language}");
    }
}

#[test]
fn a_composed_agent_needs_wasi_and_nothing_of_ours_and_no_network() {
    for language in LANGUAGES {
        let (imports, exports) = imports_and_exports(&composed(language));
        show(&format!("agent-{language}-composed.wasm"), &imports);
        let wasi = ["wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:io", "wasi:random"];
        assert_eq!(packages(&imports), wasi, "{language}");
        assert_eq!(unversioned(&exports), unversioned(&of_world("agent").1), "{language}");
    }
}

#[test]
fn an_agent_works_off_what_muse_enqueued_and_muse_sees_the_results() {
    in_every_language(|language| {
        let repo = Repo::new();
        let ids = [r#"{"texts":["one two","three","  four\n\tfive "]}"#, r#"{"pages":[]}"#, r#"{"texts":[]}"#]
            .map(|payload| enqueue(&repo, payload));
        let done = run(&repo, language, &["--env", "MUSE_RUN_ID=agent-1"]).run().succeeded();
        let outcomes = ["completed", "failed", "completed"];
        let told: String =
            ids.iter().zip(outcomes).map(|(id, outcome)| format!("{id} claimed\n{id} {outcome}\n")).collect();
        assert_eq!((done.stdout.as_str(), done.stderr.as_str()), (told.as_str(), ""), "{language}");

        let tasks = repo.tasks();
        let by_id: BTreeMap<_, _> =
            tasks["items"].as_array().unwrap().iter().map(|item| (item["task_id"].as_str().unwrap(), item)).collect();
        let [counted, failed, empty] = ids.each_ref().map(|id| by_id[id.as_str()]);
        assert_eq!(counted["result"], json!({"words": 5}), "{language}");
        assert_eq!(failed["error"], r#"the payload is not {"texts": ["…"]}"#, "{language}");
        assert_eq!(empty["result"], json!({"words": 0}), "{language}");
        for (item, outcome) in [counted, failed, empty].iter().zip(outcomes) {
            assert_eq!((&item["status"], &item["claimer_run_id"]), (&json!(outcome), &json!("agent-1")), "{language}");
        }
        repo.coord("doctor").succeeded();
    });
}

#[test]
fn an_agent_that_runs_as_nobody_is_refused_and_takes_nothing() {
    in_every_language(|language| {
        let repo = Repo::new();
        enqueue(&repo, "{}");
        let refused = run(&repo, language, &[]).run().ended_with(1);
        assert!(refused.stderr.starts_with("error: ") && refused.stderr.contains(bad_args(language)), "{refused}");
        assert_eq!(repo.tasks()["pending"], 1, "{language}");
    });
}

#[test]
fn the_task_of_an_agent_that_is_killed_goes_to_the_next() {
    in_every_language(|language| {
        let repo = Repo::new();
        let id = enqueue(&repo, r#"{"texts":["one"]}"#);
        let (agent, _unread) = held_up(&repo, language);
        agent.kill();
        repo.coord("claim --run-id heir --json").ended_with(1);
        let heir = repo.coord("claim --run-id heir --wait 20 --json").succeeded();
        assert_eq!((heir.text_of("task_id"), &heir.json()["generation"]), (id, &json!(2)), "{language}");
    });
}

#[test]
fn an_agent_whose_task_was_called_off_drops_it_and_goes_on() {
    in_every_language(|language| {
        let repo = Repo::new();
        let [off, next] = [r#"{"texts":["one"]}"#, r#"{"texts":["two"]}"#].map(|payload| enqueue(&repo, payload));
        let (agent, unread) = held_up(&repo, language);
        repo.given([format!("cancel-task {off} --run-id boss --force")]);
        let told = drained(unread);
        agent.finish().succeeded();
        assert_eq!(told, format!("{off} claimed\n{off} lost\n{next} claimed\n{next} completed\n"), "{language}");
        let tasks = repo.tasks();
        assert_eq!((&tasks["cancelled"], &tasks["completed"]), (&json!(1), &json!(1)), "{language}");
    });
}

#[test]
fn an_agent_that_is_asked_to_stop_gives_its_task_back_and_goes_on() {
    in_every_language(|language| {
        let repo = Repo::new();
        let [off, next] = [r#"{"texts":["one"]}"#, r#"{"texts":["two"]}"#].map(|payload| enqueue(&repo, payload));
        let (agent, unread) = held_up(&repo, language);
        repo.given([format!("cancel-task {off} --run-id boss --request --reason changed")]);
        let told = drained(unread);
        agent.finish().succeeded();
        let expected = format!("{off} claimed\n{off} called off\n{next} claimed\n{next} completed\n");
        assert_eq!(told, expected, "{language}");
        let shown = repo.coord(&format!("show {off} --json")).succeeded().json();
        assert_eq!([&shown["status"], &shown["reason"]], [&json!("cancelled"), &json!("changed")], "{language}");
        assert_eq!(repo.tasks()["completed"], 1, "{language}");
    });
}

/// At once, since agents that are killed leave leases that must run out.
fn in_every_language(claim: impl Fn(&str) + Sync) {
    thread::scope(|scope| {
        for language in LANGUAGES {
            let claim = &claim;
            scope.spawn(move || claim(language));
        }
    });
}

fn agent(language: &str) -> PathBuf {
    required("AGENT_EXAMPLES").join(format!("agent-{language}.wasm"))
}

fn composed(language: &str) -> PathBuf {
    required("AGENT_EXAMPLES").join(format!("agent-{language}-composed.wasm"))
}

/// What a component imports and exports.
fn imports_and_exports(component: &Path) -> (BTreeSet<String>, BTreeSet<String>) {
    match wit_component::decode(&fs::read(component).unwrap()).unwrap() {
        DecodedWasm::Component(resolve, world) => of(&resolve, world),
        DecodedWasm::WitPackage(..) => panic!("{} is no component", component.display()),
    }
}

/// What a world of `wit/` imports and exports.
fn of_world(name: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")).unwrap();
    let world = resolve.select_world(&[package], Some(name)).unwrap();
    of(&resolve, world)
}

fn of(resolve: &Resolve, world: WorldId) -> (BTreeSet<String>, BTreeSet<String>) {
    let world = &resolve.worlds[world];
    let names = |keys: &mut dyn Iterator<Item = _>| keys.map(|key| resolve.name_world_key(key)).collect();
    (names(&mut world.imports.keys()), names(&mut world.exports.keys()))
}

/// `wasi:io` of `wasi:io/poll@0.2.12`, each once.
fn packages(names: &BTreeSet<String>) -> Vec<&str> {
    let packages: BTreeSet<_> = names.iter().map(|name| name.split('/').next().unwrap()).collect();
    packages.into_iter().collect()
}

fn unversioned(names: &BTreeSet<String>) -> BTreeSet<String> {
    names.iter().map(|name| name.split('@').next().unwrap().to_string()).collect()
}

fn show(component: &str, imports: &BTreeSet<String>) {
    let list: Vec<_> = imports.iter().map(String::as_str).collect();
    report(format_args!("{component} imports:\n  {}", list.join("\n  ")));
}

fn enqueue(repo: &Repo, payload: &str) -> String {
    repo.muse(["coord", "enqueue", "count words", "--json", "--payload", payload]).succeeded().text_of("task_id")
}

/// How an error of the queue is told in a language.
fn bad_args(language: &str) -> &'static str {
    match language {
        "rust" => "BadArgs",
        _ => "bad-args",
    }
}

/// A composed agent under a stock wasmtime, which is given the coordination directory and `flags`.
fn run(repo: &Repo, language: &str, flags: &[&str]) -> Call {
    // Compiled once: there is a whole engine in the one of JavaScript.
    static COMPILED: LazyLock<TempDir> = LazyLock::new(|| {
        let directory = TempDir::with_prefix("muse-test-").unwrap();
        for language in LANGUAGES {
            let mut wasmtime = Command::new(required("WASMTIME"));
            wasmtime.arg("compile").arg(composed(language)).arg("--output").arg(directory.path().join(language));
            assert!(wasmtime.status().unwrap().success(), "{language} is not compiled");
        }
        directory
    });
    let grant = ["--allow-precompiled", "--dir", ".muse/coordination"];
    repo.wasmtime(grant.iter().chain(flags), &COMPILED.path().join(language))
}

/// An agent that has claimed a task and waits until somebody reads what it tells.
fn held_up(repo: &Repo, language: &str) -> (Running, PipeReader) {
    let (unread, mut stdout) = std::io::pipe().unwrap();
    fill(&mut stdout);
    let agent = run(repo, language, &["--env", "MUSE_RUN_ID=agent-1"]).stdout(stdout).start();
    while repo.tasks()["claimed"] != 1 {}
    (agent, unread)
}

fn fill(pipe: &mut PipeWriter) {
    let size = rustix::pipe::fcntl_getpipe_size(&*pipe).unwrap();
    pipe.write_all(&vec![b'\0'; size]).unwrap();
}

/// All that was told, without what the pipe had been filled with.
fn drained(mut pipe: PipeReader) -> String {
    let mut told = String::new();
    pipe.read_to_string(&mut told).unwrap();
    told.trim_start_matches('\0').to_string()
}
