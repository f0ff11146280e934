//! The queue by a process that is asked a line at a time: the npm package in Node and in Deno
//! (`js/test/agents/faces.mjs`), and an agent that is composed with the library (`tests/guests/agent`) under a stock
//! wasmtime.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::LazyLock;

use coord_tests::{Repo, required};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::call::{Call, Outcome, Refused, Verb};
use crate::wit;

/// A process that answers each line by a line: `{"answer": …}`, `{"refused": …}`, or `{"broken": "why"}`.
pub struct Process {
    child: Child,
    /// `None`: it is asked nothing more, and so ends.
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// What a process speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// The spelling of JavaScript.
    Js,
    /// The records of `wit/`, as Rust spells them.
    Wit,
}

impl Process {
    /// The npm package in Node.
    pub fn node(repo: &Repo) -> Process {
        let mut command = Command::new(required("NODE"));
        command.env_clear().arg(script()).arg(repo.path("."));
        Process::start(command)
    }

    /// The npm package in Deno, which is granted the queue and nothing else.
    pub fn deno(repo: &Repo) -> Process {
        let mut command = Command::new(required("DENO"));
        let grant = |flag: &str| [OsString::from(flag), repo.path(".muse/coordination").into()].join("=".as_ref());
        command.env_clear().env("DENO_DIR", repo.path("deno")).env("NO_COLOR", "1");
        command.args(["run", "--quiet", "--no-prompt"]).args(["--allow-read", "--allow-write"].map(grant));
        command.arg(script()).arg(repo.path("."));
        Process::start(command)
    }

    /// The agent that is composed with the library.
    pub fn composed(repo: &Repo) -> Process {
        static COMPILED: LazyLock<TempDir> = LazyLock::new(|| {
            let directory = TempDir::with_prefix("muse-test-").unwrap();
            let mut wasmtime = Command::new(required("WASMTIME"));
            wasmtime.arg("compile").arg(required("MUSE_GUEST_COMPOSED"));
            wasmtime.arg("--output").arg(directory.path().join("agent"));
            assert!(wasmtime.status().unwrap().success(), "the agent is not compiled");
            directory
        });
        let mut command = Command::new(required("WASMTIME"));
        command.env_clear().current_dir(repo.path("."));
        command.args(["run", "--allow-precompiled", "--dir", ".muse/coordination"]);
        command.arg(COMPILED.path().join("agent"));
        Process::start(command)
    }

    fn start(mut command: Command) -> Process {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Process { questions: child.stdin.take(), child, answers }
    }

    /// Makes a call.
    pub fn call(&mut self, call: &Call, dialect: Dialect) -> Outcome {
        let with = match dialect {
            Dialect::Js => call.with.clone(),
            Dialect::Wit => typed(&wit::asked(&call.with)),
        };
        let question = json!({ "call": call.verb.name(), "with": with });
        self.questions.as_mut().unwrap().write_all(format!("{question}\n").as_bytes()).unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let Ok(Value::Object(mut said)) = serde_json::from_str(&line) else {
            panic!("{question} was answered {line:?}")
        };
        match (said.remove("answer"), said.remove("refused"), dialect) {
            (Some(answer), _, Dialect::Js) => Ok(answer),
            (Some(answer), _, Dialect::Wit) => Ok(composed(call.verb, words(answer))),
            (_, Some(refused), Dialect::Js) => Err(thrown(refused)),
            (_, Some(refused), Dialect::Wit) => Err(case(words(refused))),
            _ => panic!("{question} was answered {line}"),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.questions = None;
        // What it has to say besides was said on standard error, which the test prints.
        _ = self.child.wait();
    }
}

fn script() -> PathBuf {
    required("JS_AGENTS").join("faces.mjs")
}

/// What the JavaScript package throws.
fn thrown(refused: Value) -> Refused {
    let of = |name: &str| refused[name].as_str().map(str::to_string);
    let (code, message) = (of("code").unwrap(), of("message").map(|text| named(&text)));
    let facts = refused["facts"].as_object().unwrap().iter();
    // The one class that told how a task ended before all told its status has both.
    let facts =
        facts.map(|(name, fact)| (if name == "taskStatus" { "status" } else { name }.to_string(), fact.clone()));
    Refused { code, message, facts: facts.collect() }
}

/// The text with the names of fields for those that are other words here.
fn named(text: &str) -> String {
    text.replace("wait must be", "wait_seconds must be")
}

/// The arguments with all that a record has to have, and words as Rust spells them.
fn typed(with: &Value) -> Value {
    let Value::Object(fields) = with else { return with.clone() };
    let mut all: Map<String, Value> = Map::new();
    let lists = ["tags", "any_tags", "exclude_tags", "queues", "after"];
    all.extend(lists.map(|name| (name.to_string(), json!([]))));
    all.extend(["now", "cascade", "is_final"].map(|name| (name.to_string(), json!(false))));
    all.insert("priority".to_string(), json!(0));
    for (name, value) in fields {
        let value = match (name.as_str(), value) {
            ("status" | "sort" | "if_parent_fails" | "if_held" | "until", Value::String(word)) => camel(word).into(),
            ("tasks" | "follow_ups", Value::Array(tasks)) => tasks.iter().map(typed).collect(),
            _ => value.clone(),
        };
        all.insert(name.clone(), value);
    }
    Value::Object(all)
}

/// The answer with its words as JSON spells them.
fn words(answer: Value) -> Value {
    match answer {
        Value::Array(values) => values.into_iter().map(words).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| match (name.as_str(), value) {
                ("status" | "kind" | "if_parent_fails", Value::String(word)) => (name, lower(&word).into()),
                (_, value) => (name, words(value)),
            });
            Value::Object(fields.collect())
        }
        other => other,
    }
}

/// A claim stands as it is: its task is not part of its record.
fn composed(verb: Verb, answer: Value) -> Value {
    match verb {
        Verb::Claim | Verb::ClaimMany | Verb::TakeUp => answer,
        _ => wit::answered(answer),
    }
}

/// A case of the interface's `error`: `{"BadArgs": "…"}`.
fn case(refused: Value) -> Refused {
    let Value::Object(case) = refused else { panic!("no case: {refused}") };
    let (name, held) = case.into_iter().next().unwrap();
    wit::refused(&lower(&name), held)
}

/// `timed_out` as `TimedOut`.
fn camel(word: &str) -> String {
    let capital = |part: &str| part.get(..1).unwrap_or_default().to_uppercase() + part.get(1..).unwrap_or_default();
    word.split('_').map(capital).collect()
}

/// `TimedOut` as `timed_out`.
pub fn lower(word: &str) -> String {
    let mut lower = String::new();
    for (place, letter) in word.char_indices() {
        if letter.is_ascii_uppercase() && place > 0 {
            lower.push('_');
        }
        lower.push(letter.to_ascii_lowercase());
    }
    lower
}
