//! `muse coord` as any agent in any language calls it: a process, a few arguments, one JSON object for an answer.
//!
//! The demo prints commands to type by hand, and they are these very ones, from the functions below.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;

/// So short that the queue takes a killed agent's task back while one watches.
pub(super) const LEASE_SECONDS: u64 = 2;

/// Longer than a lease, so that an agent that waits is still there when one runs out.
const WAIT_SECONDS: u64 = 3;

pub(super) type Arguments = Vec<String>;

pub(super) fn init() -> Arguments {
    arguments(["init", "--json"])
}

pub(super) fn enqueue(path: &str) -> Arguments {
    let title = format!("Measure {path}");
    let payload = json!({ "path": path }).to_string();
    arguments(["enqueue", &title, "--run-id", "orchestrator", "--payload", &payload, "--json"])
}

pub(super) fn claim(run_id: &str) -> Arguments {
    let (lease, wait) = (LEASE_SECONDS.to_string(), WAIT_SECONDS.to_string());
    arguments(["claim", "--run-id", run_id, "--claim-ttl", &lease, "--wait", &wait, "--json"])
}

pub(super) fn complete(task_id: &str, run_id: &str, result: &str) -> Arguments {
    arguments(["complete", task_id, "--run-id", run_id, "--result", result, "--json"])
}

pub(super) fn tasks(limit: usize) -> Arguments {
    arguments(["tasks", "--limit", &limit.to_string(), "--json"])
}

fn arguments<const N: usize>(words: [&str; N]) -> Arguments {
    words.map(str::to_owned).to_vec()
}

/// The program and the repository that it works on.
pub(super) struct Coord {
    pub(super) muse: PathBuf,
    pub(super) repository: PathBuf,
}

/// A success, or a refusal with its status: an empty queue and a lost lease are answers, not errors.
pub(super) struct Answer {
    pub(super) succeeded: bool,
    pub(super) fields: Value,
}

impl Coord {
    /// Fails if it was called wrongly, or can't be called at all.
    pub(super) fn call(&self, arguments: &[String]) -> Result<Answer> {
        let output = Command::new(&self.muse)
            .env("MUSE_REPO_ROOT", &self.repository)
            .arg("coord")
            .args(arguments)
            .output()
            .with_context(|| format!("cannot run {}", self.muse.display()))?;
        let line = command_line(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        let succeeded = match output.status.code() {
            Some(0) => true,
            Some(1) => false,
            _ => bail!("{} from `{line}`: {}", output.status, errors.trim()),
        };
        let fields = serde_json::from_slice(&output.stdout)
            .with_context(|| format!("`{line}` didn't answer in JSON: {}", errors.trim()))?;
        Ok(Answer { succeeded, fields })
    }

    /// As `call`, for what nothing may refuse.
    pub(super) fn must(&self, arguments: &[String]) -> Result<Value> {
        let Answer { succeeded, fields } = self.call(arguments)?;
        ensure!(succeeded, "`{}` answered {fields}", command_line(arguments));
        Ok(fields)
    }
}

impl Answer {
    pub(super) fn text(&self, pointer: &str) -> Result<&str> {
        let value = self.fields.pointer(pointer).and_then(Value::as_str);
        value.with_context(|| format!("no text at {pointer} in {}", self.fields))
    }

    pub(super) fn number(&self, pointer: &str) -> Result<u64> {
        let value = self.fields.pointer(pointer).and_then(Value::as_u64);
        value.with_context(|| format!("no number at {pointer} in {}", self.fields))
    }
}

/// The line that a person types to a shell for the same call.
pub(super) fn command_line(arguments: &[String]) -> String {
    let words = arguments.iter().map(|word| quoted(word));
    format!("muse coord {}", words.collect::<Vec<_>>().join(" "))
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::{command_line, enqueue};

    #[test]
    fn a_shell_reads_the_printed_command_as_the_words_that_are_run() {
        let arguments = enqueue("it's $HOME/a b.rs");
        let script = command_line(&arguments).replacen("muse coord", "printf '%s\\n'", 1);
        let shell = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
        let words = String::from_utf8(shell.stdout).unwrap();
        assert_eq!(words.lines().collect::<Vec<_>>(), arguments);
    }
}
