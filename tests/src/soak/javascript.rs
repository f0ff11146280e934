//! The queue by the npm package: an operation is a line to a process of Node or Deno, its answer a line from there.
//!
//! The process runs `js/test/agents/soak.mjs` and lives as long as its agent. What it says besides answers, such as a
//! warning or a stack, comes by the same pipe, so that it is heard.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, PipeReader, PipeWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use super::agent::{Client, tells_of_a_full_queue, tells_of_something_in_the_way};
use super::history::{Answer, Op};
use super::swarm::Slot;

/// What runs JavaScript.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Runtime {
    Node,
    Deno,
}

/// The programs, and what they run.
pub(super) struct Programs {
    node: PathBuf,
    deno: PathBuf,
    script: PathBuf,
}

/// A process for one life of an agent. It is lent to a [`Slot`], where chaos can reach it.
pub(super) struct Script<'a> {
    slot: &'a Slot,
    /// `None`: it is asked nothing more, and so ends.
    questions: Option<PipeWriter>,
    answers: BufReader<PipeReader>,
}

#[derive(Serialize)]
struct Question<'a> {
    run_id: &'a str,
    op: &'a Op,
}

impl Programs {
    /// Those that `cargo xtask soak` names.
    pub(super) fn named() -> Programs {
        let script = crate::required("JS_AGENTS").join("soak.mjs");
        Programs { node: crate::required("NODE"), deno: crate::required("DENO"), script }
    }

    /// Starts a process that works in `repository`, or on the engine; `None` if the agent is dead already.
    pub(super) fn start<'a>(
        &self,
        runtime: Runtime,
        repository: &Path,
        engine: Option<&str>,
        slot: &'a Slot,
    ) -> Option<Script<'a>> {
        let (answers, stdout) = io::pipe().expect("make a pipe");
        let (stdin, questions) = io::pipe().expect("make a pipe");
        let stderr = stdout.try_clone().expect("clone a pipe");
        let mut command = self.command(runtime, repository, engine, slot);
        command.stdin(stdin).stdout(stdout).stderr(stderr);
        slot.lend(&mut command)?;
        slot.set_starting(true);
        Some(Script { slot, questions: Some(questions), answers: BufReader::new(answers) })
    }

    fn command(&self, runtime: Runtime, repository: &Path, engine: Option<&str>, slot: &Slot) -> Command {
        let mut command = slot.command(match runtime {
            Runtime::Node => &self.node,
            Runtime::Deno => &self.deno,
        });
        command.env_clear();
        if runtime == Runtime::Deno {
            let grants = engine.map_or_else(|| grants(&repository.join(".muse/coordination")), |_| all());
            command.args(["run", "--quiet", "--no-prompt"]).args(grants);
            // A process that is killed while it writes its cache must not harm the user's cache.
            command.env("DENO_DIR", repository.join("deno")).env("NO_COLOR", "1");
        }
        command.arg(&self.script).arg(engine.map_or(repository, Path::new));
        command
    }
}

/// What people would grant to Deno: the queue, and nothing else. What is below `/dev`, which memory may be, it takes
/// for devices, and gives only to those who are granted everything.
fn grants(queue: &Path) -> Vec<OsString> {
    if queue.starts_with("/dev") {
        return all();
    }
    let grant = |flag: &str| [OsString::from(flag), queue.into()].join("=".as_ref());
    vec![grant("--allow-read"), grant("--allow-write")]
}

/// What a client of a server needs: the network, certificates, variables.
fn all() -> Vec<OsString> {
    vec!["--allow-all".into()]
}

impl Client for Script<'_> {
    fn is_alive(&self) -> bool {
        !self.slot.is_over()
    }

    fn act(&mut self, run_id: &str, op: &Op) -> Option<Answer> {
        let said = self.ask(&Question { run_id, op });
        self.slot.set_starting(false);
        match serde_json::from_str(&said) {
            // Where the server is gone, nobody knows.
            Ok(answer) => answer,
            Err(_) => self.end(said),
        }
    }
}

impl Script<'_> {
    /// The next line that it says; empty if there is none.
    fn ask(&mut self, question: &Question<'_>) -> String {
        let line = serde_json::to_string(question).expect("an operation is JSON") + "\n";
        if let Some(Err(error)) = self.questions.as_mut().map(|pipe| pipe.write_all(line.as_bytes())) {
            // It is dead. What it said before is still there.
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe, "{error}");
        }
        loop {
            let mut said = String::new();
            self.answers.read_line(&mut said).expect("what is said is text");
            if !is_foreseen(&said) {
                return said;
            }
        }
    }

    /// Waits until it has ended. Only who was killed, and said nothing else, may leave a question without an answer.
    fn end(&mut self, mut said: String) -> Option<Answer> {
        self.questions = None;
        let mut rest = String::new();
        self.answers.read_to_string(&mut rest).expect("what is said is text");
        said.extend(rest.split_inclusive('\n').filter(|line| !is_foreseen(line)));
        let killed = self.slot.take_back();
        let what = format!("instead of an answer: {:?}", said.trim());
        (!killed || !said.is_empty()).then_some(Answer::Broken { what })
    }
}

/// A warning that agents are given who did nothing wrong, and what Node adds to the first one.
fn is_foreseen(line: &str) -> bool {
    let is_warning = line.contains("CoordWarning: ");
    is_warning && (tells_of_a_full_queue(line) || tells_of_something_in_the_way(line))
        || line.starts_with("(Use `node --trace-warnings")
}

impl Drop for Script<'_> {
    fn drop(&mut self) {
        // Its last answer was read, or nobody waits for it.
        self.end(String::new());
    }
}
