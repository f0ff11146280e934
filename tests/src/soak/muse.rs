//! The queue by the command line: every operation is one `muse` process.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use coord_core::Timestamp;
use serde::Deserialize;

use super::agent::{Client, tells_of_a_full_queue, tells_of_something_in_the_way};
use super::history::{Answer, Holder, Label, Lease, Op, Task, Verdict};
use super::native::At;
use super::swarm::Slot;

/// Runs `muse` in a repository. The child is lent to a [`Slot`], where chaos can reach it.
pub(super) struct Muse<'a> {
    pub(super) muse: &'a Path,
    pub(super) at: &'a At,
    pub(super) repository: &'a Path,
    pub(super) slot: &'a Slot,
}

/// The fields of an answer that matter here.
#[derive(Debug, Deserialize)]
struct Printed {
    exit_code: i32,
    warnings: Vec<String>,
    status: Option<String>,
    task_id: Option<Task>,
    deduplicated: Option<bool>,
    claimer_run_id: Option<String>,
    generation: Option<u32>,
    claim_nonce: Option<String>,
    claimed_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    task: Option<PrintedTask>,
}

#[derive(Debug, Deserialize)]
struct PrintedTask {
    payload: Label,
}

impl Client for Muse<'_> {
    fn is_alive(&self) -> bool {
        !self.slot.is_over()
    }

    fn act(&mut self, run_id: &str, op: &Op) -> Option<Answer> {
        let (mut reader, writer) = io::pipe().expect("make a pipe");
        let mut command = self.slot.command(self.muse);
        command.arg("coord").args(words(op)).arg("--json");
        if !matches!(op, Op::Retry { .. } | Op::Gc { .. } | Op::Limit { .. }) {
            command.args(["--run-id", run_id]);
        }
        command.env_clear().envs(variable(self.at)).current_dir(self.repository);
        // One pipe for both, so that a process that says something wrong is heard.
        let errors = writer.try_clone().expect("clone a pipe");
        command.stdin(Stdio::null()).stdout(writer).stderr(errors);
        self.slot.lend(&mut command)?;
        // The writing ends of the pipe: the child's alone are left.
        drop(command);
        let mut printed = String::new();
        let read = reader.read_to_string(&mut printed);
        let killed = self.slot.take_back();
        // What was printed to the end was acknowledged, whatever became of the process then.
        let whole = read.is_ok() && printed.ends_with('\n');
        // The server went away in the middle: what was asked may have been done.
        let is_open = self.at.engine.is_some() && tells_of_the_medium(&printed);
        ((whole || !killed) && !is_open).then(|| understood(op, &printed))
    }
}

/// What tells `muse` that the queue is on an engine.
pub(super) fn variable(at: &At) -> Option<(&'static str, &str)> {
    at.engine.as_deref().map(|engine| ("MUSE_COORD_STORE", engine))
}

fn tells_of_the_medium(printed: &str) -> bool {
    let status = serde_json::from_str::<Printed>(printed).ok().and_then(|answer| answer.status);
    status.is_some_and(|status| ["io_error", "unknown"].contains(&status.as_str()))
}

/// The command line for an operation.
fn words(op: &Op) -> Vec<String> {
    let line: Vec<&str> = match op {
        Op::Enqueue { .. } => vec!["enqueue", "soak"],
        Op::Claim { .. } => vec!["claim"],
        Op::Heartbeat { task, .. } => vec!["heartbeat", task],
        Op::Settle { task, verdict: Verdict::Complete, .. } => vec!["complete", task],
        Op::Settle { task, verdict: Verdict::Fail, .. } => vec!["fail-task", task],
        Op::Release { task, .. } => vec!["release", task],
        Op::Cancel { task, force: false } => vec!["cancel-task", task],
        Op::Cancel { task, force: true } => vec!["cancel-task", task, "--force"],
        Op::Retry { task } => vec!["retry", task],
        Op::Gc { .. } => vec!["gc"],
        Op::Limit { queue, .. } => vec!["limit", queue],
    };
    line.into_iter().map(String::from).chain(flags(op)).collect()
}

fn flags(op: &Op) -> Vec<String> {
    let pairs: Vec<(&str, Option<String>)> = match op {
        Op::Enqueue { label, queue, priority, key } => vec![
            ("--unique", key.clone()),
            ("--payload", serde_json::to_string(label).ok()),
            ("--queue", Some(queue.clone())),
            ("--priority", Some(priority.to_string())),
        ],
        Op::Claim { queue, lease_seconds, wait_seconds } => vec![
            ("--queue", queue.clone()),
            ("--claim-ttl", Some(lease_seconds.to_string())),
            ("--wait", Some(wait_seconds.to_string())),
        ],
        Op::Heartbeat { nonce, .. } | Op::Release { nonce, .. } => vec![("--claim-nonce", nonce.clone())],
        Op::Settle { verdict, report, nonce, .. } => {
            let flag = if *verdict == Verdict::Complete { "--result" } else { "--error" };
            vec![(flag, Some(report.clone())), ("--claim-nonce", nonce.clone())]
        }
        Op::Gc { older_than_seconds } => vec![("--older-than", Some(older_than_seconds.to_string()))],
        Op::Limit { max, .. } => {
            vec![("--max-in-flight", Some(max.map_or("none".to_string(), |max| max.to_string())))]
        }
        Op::Cancel { .. } | Op::Retry { .. } => vec![],
    };
    let given = pairs.into_iter().filter_map(|(flag, value)| Some([flag.to_string(), value?]));
    given.flatten().collect()
}

fn understood(op: &Op, printed: &str) -> Answer {
    let broken = || Answer::Broken { what: printed.trim().to_string() };
    match serde_json::from_str::<Printed>(printed) {
        Ok(answer) if answer.warnings.iter().all(|warning| is_foreseen(op, warning)) => {
            answer.to(op).unwrap_or_else(broken)
        }
        _ => broken(),
    }
}

/// A claim that finds nothing is told of a limited queue that is full; and a vandal may be about.
fn is_foreseen(op: &Op, warning: &str) -> bool {
    matches!(op, Op::Claim { .. }) && tells_of_a_full_queue(warning) || tells_of_something_in_the_way(warning)
}

impl Printed {
    /// The answer to `op`; `None` if it is none to that.
    fn to(self, op: &Op) -> Option<Answer> {
        match (self.exit_code, op) {
            (0, Op::Enqueue { .. }) if self.deduplicated == Some(true) => {
                Some(Answer::Deduplicated { task: self.task_id? })
            }
            (0, Op::Enqueue { .. }) => Some(Answer::Enqueued { task: self.task_id? }),
            (0, Op::Retry { .. }) => Some(Answer::PutBack),
            (0, Op::Gc { .. } | Op::Limit { .. }) => Some(Answer::Done),
            (0, Op::Claim { .. }) => {
                let lease = self.lease()?;
                Some(Answer::Claimed { task: self.task_id?, label: self.task?.payload, lease })
            }
            (0, Op::Heartbeat { .. }) => Some(Answer::Kept(self.lease()?)),
            (0, Op::Settle { .. } | Op::Cancel { .. }) => Some(Answer::Ended { generation: self.generation? }),
            (0, Op::Release { .. }) => Some(Answer::Released { generation: self.generation? }),
            (1, op) => match (op, self.status.as_deref()?) {
                // Nor is anything left for it where the queue is full.
                (Op::Claim { .. }, "empty") => Some(Answer::Empty),
                (Op::Retry { .. }, status @ ("not_found" | "not_terminal" | "already_terminal" | "key_taken")) => {
                    Some(Answer::Refused { status: status.to_string(), holder: None })
                }
                (
                    Op::Heartbeat { .. } | Op::Settle { .. } | Op::Release { .. } | Op::Cancel { .. },
                    status @ ("not_found" | "not_claimed" | "wrong_owner" | "lease_lost" | "already_terminal"),
                ) => {
                    let generation = self.generation;
                    let holder = self.claimer_run_id.map(|run_id| Holder { run_id, generation });
                    Some(Answer::Refused { status: status.to_string(), holder })
                }
                _ => None,
            },
            _ => None,
        }
    }

    fn lease(&self) -> Option<Lease> {
        Some(Lease {
            generation: self.generation?,
            nonce: self.claim_nonce.clone()?,
            claimed_micros: self.claimed_at?.micros(),
            expires_micros: self.expires_at?.micros(),
        })
    }
}

/// The built program.
pub(super) fn program() -> PathBuf {
    crate::required("MUSE_BIN")
}
