//! One queue on all its faces: the same calls, each face in a directory of its own, and the same answers.
//!
//! The core itself (`coord-core` on `coord-store`) says what the answers are. Each of the other faces runs as people
//! have it: `muse`, `muse-coord.wasm` in wasmtime, the npm package in Node and in Deno, and an agent that is composed
//! with the library, under a stock wasmtime. Answers are compared as JSON, field by field (`compare.rs`); what a face
//! answers otherwise on purpose stands in `left_out.rs`. So what the queue means is tested once for all faces, in
//! `scenarios.rs`, and the tests of a face are about what it adds.
//!
//! Not compared: warnings, the text for people, exit codes, and what takes time to see (waiting, races, power cuts).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod call;
mod compare;
mod component;
mod left_out;
mod lines;
mod muse;
mod native;
mod scenarios;
mod wit;

use std::collections::BTreeSet;
use std::path::PathBuf;

use coord_tests::postgres::Server;
use coord_tests::{Repo, report};
use muse_cli::host;
use serde_json::Value;

use call::{By, Call, Known, Outcome, Scenario, Step};
use compare::{Run, differences};
use component::Library;
use left_out::{LEFT_OUT, LeftOut};
use lines::{Dialect, Process};
use native::Native;

/// A face at work in a repository.
enum Face {
    Native(PathBuf),
    Muse,
    Component(Box<Library>),
    Js(Process),
    Composed(Process),
}

/// What a face answered to each step of a scenario, in common terms; `None`: the core made the call in its stead.
type Answers = Vec<Option<Value>>;

#[test]
fn the_core_answers_the_same_calls_alike_twice() {
    assert_answers_alike("native");
}

#[test]
fn the_command_line_answers_as_the_core() {
    assert_answers_alike("muse");
}

#[test]
fn the_command_line_on_postgres_answers_as_the_core() {
    if let Some(server) = Server::start() {
        assert_answers_alike_on("engine", Some(&server));
    }
}

#[test]
fn the_library_component_answers_as_the_core() {
    assert_answers_alike("component");
}

#[test]
fn the_npm_package_in_node_answers_as_the_core() {
    assert_answers_alike("node");
}

#[test]
fn the_npm_package_in_deno_answers_as_the_core() {
    assert_answers_alike("deno");
}

#[test]
fn a_composed_agent_answers_as_the_core() {
    assert_answers_alike("composed");
}

#[test]
fn a_scenario_is_named_once_and_its_calls_all_happen() {
    let scenarios = scenarios::all();
    let names: BTreeSet<_> = scenarios.iter().map(|scenario| scenario.name).collect();
    assert_eq!(names.len(), scenarios.len());
    let verbs: BTreeSet<_> = scenarios.iter().flat_map(|of| &of.steps).map(|step| step.call.verb.name()).collect();
    assert_eq!(verbs.len(), 19, "{verbs:?}");
}

#[test]
fn what_differs_is_told_with_face_scenario_step_and_both_values() {
    let steps = vec![scenarios::core(0, call::Verb::Show, serde_json::json!({ "task_id": "@a" }))];
    let scenario = Scenario { name: "a look", steps };
    let answers = |title: &str| vec![Some(serde_json::json!({ "title": title }))];
    let mut needed = BTreeSet::new();
    let found = found("muse", &scenario, &answers("a"), &answers("b"), &[], &mut needed);
    assert_eq!(found, [r#"muse, a look, step 1: show.title: "a" natively, "b" there"#]);
}

#[test]
fn an_entry_that_excuses_nothing_is_told() {
    let table: &[LeftOut] = &[("muse", "show.title", "why"), ("js", "gc", "why")];
    let told = not_needed("muse", table, &BTreeSet::new());
    assert_eq!(told, ["muse: show.title is left out for nothing: take the entry away"]);
    assert!(not_needed("muse", table, &BTreeSet::from([0])).is_empty());
}

fn assert_answers_alike(face: &'static str) {
    assert_answers_alike_on(face, None);
}

fn assert_answers_alike_on(face: &'static str, server: Option<&Server>) {
    let (mut all, mut needed, mut calls) = (Vec::new(), BTreeSet::new(), 0);
    for scenario in scenarios::all() {
        let (native, there) = (answers("native", None, &scenario), answers(face, server, &scenario));
        calls += there.iter().flatten().count();
        all.extend(found(face, &scenario, &native, &there, LEFT_OUT, &mut needed));
    }
    all.extend(not_needed(face, LEFT_OUT, &needed));
    report(format_args!("faces: {face} answered {calls} calls"));
    assert!(all.is_empty(), "{} differences:\n{}", all.len(), all.join("\n"));
}

/// What a face answers otherwise and nothing excuses, and in `needed` the places of the entries that excuse something.
fn found(
    face: &str,
    scenario: &Scenario,
    native: &Answers,
    there: &Answers,
    table: &[LeftOut],
    needed: &mut BTreeSet<usize>,
) -> Vec<String> {
    let mut found = Vec::new();
    for (place, step) in scenario.steps.iter().enumerate() {
        let call = step.call.verb.name();
        let (Some(native), Some(there)) = (&native[place], &there[place]) else {
            needed.extend(left_out::of_call(table, face, &call));
            continue;
        };
        for difference in differences(&call, native, there) {
            let excuses = left_out::excuses(table, face, &difference);
            if excuses.is_empty() {
                found.push(format!("{face}, {}, step {}: {difference}", scenario.name, place + 1));
            }
            needed.extend(excuses);
        }
    }
    found
}

fn not_needed(face: &str, table: &[LeftOut], needed: &BTreeSet<usize>) -> Vec<String> {
    let entries =
        table.iter().enumerate().filter(|(place, entry)| left_out::is_of(entry, face) && !needed.contains(place));
    entries.map(|(_, (_, what, _))| format!("{face}: {what} is left out for nothing: take the entry away")).collect()
}

/// Makes the calls of a scenario in a queue of their own.
fn answers(face: &str, server: Option<&Server>, scenario: &Scenario) -> Answers {
    let engine = server.map(|server| (server, server.schema()));
    let repo = match &engine {
        Some((server, schema)) => Repo::new().on(server.made(schema)),
        None => Repo::new(),
    };
    let directory = repo.path(".muse/coordination");
    std::fs::create_dir_all(&directory).unwrap();
    let core = |call: &Call, ahead: i64| match &engine {
        Some((server, schema)) => Native::on(server.store(schema), ahead).call(call),
        None => Native::open(&directory, ahead).call(call),
    };
    let mut at_work = Face::begin(face, &repo);
    let began = host::now().micros();
    let (mut known, mut answers) = (Known::default(), Vec::new());
    for (place, Step { by, call }) in scenario.steps.iter().enumerate() {
        let call = known.resolved(call);
        let (outcome, is_compared) = match by {
            By::Core { ahead } => (core(&call, *ahead), false),
            By::Face if left_out::of_call(LEFT_OUT, face, &call.verb.name()).is_some() => (core(&call, 0), false),
            By::Face => (at_work.call(&repo, &call), true),
        };
        if let (By::Core { .. }, Err(refused)) = (by, &outcome) {
            panic!("{face}, {}, step {}: the core refuses: {refused:?}", scenario.name, place + 1);
        }
        if let Ok(answer) = &outcome {
            known.learn(&call, &spelt(answer));
        }
        let run = Run { began, ids: known.ids.clone() };
        answers.push(is_compared.then(|| run.common(&outcome)));
    }
    answers
}

/// The answer with the names of its fields as the core spells them, for what later calls name.
fn spelt(answer: &Value) -> Value {
    match answer {
        Value::Array(values) => values.iter().map(spelt).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (lines::lower(name), spelt(value)));
            Value::Object(fields.collect())
        }
        other => other.clone(),
    }
}

impl Face {
    fn begin(face: &str, repo: &Repo) -> Face {
        let directory = repo.path(".muse/coordination");
        match face {
            "native" => Face::Native(directory),
            "muse" | "engine" => Face::Muse,
            "component" => Face::Component(Box::new(Library::open(&directory))),
            "node" => Face::Js(Process::node(repo)),
            "deno" => Face::Js(Process::deno(repo)),
            _ => Face::Composed(Process::composed(repo)),
        }
    }

    fn call(&mut self, repo: &Repo, call: &Call) -> Outcome {
        match self {
            Face::Native(directory) => Native::open(directory, 0).call(call),
            Face::Muse => muse::call(repo, call),
            Face::Component(library) => library.call(call),
            Face::Js(process) => process.call(call, Dialect::Js),
            Face::Composed(process) => process.call(call, Dialect::Wit),
        }
    }
}
