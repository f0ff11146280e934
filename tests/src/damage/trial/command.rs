//! The commands of a trial, as processes, and what holds for each of them.

use std::fs::{self, Permissions};
use std::io::{self, Read, Seek};
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::Trial;

/// A command that takes longer hangs. The slowest takes a fraction of a second; but the harness has a low priority, and
/// the disk stalls for seconds where others write much.
const PATIENCE: Duration = Duration::from_mins(1);

/// Whom commands run as where the harness is root: to root no mode and no owner means anything.
pub(super) const NOBODY: u32 = 65_534;

/// What no command may ever say.
pub(super) const SECRET: &str = "canary-8c1f";

/// The program, where another user can run it.
pub(in crate::damage) struct Program {
    pub(super) muse: PathBuf,
    pub(super) as_nobody: bool,
    _removed_when_dropped: TempDir,
}

impl Program {
    pub(in crate::damage) fn new() -> Program {
        let place = TempDir::with_prefix("muse-damage-").expect("make a temporary directory");
        let muse = place.path().join("muse");
        fs::copy(crate::required("MUSE_BIN"), &muse).expect("copy the program");
        fs::set_permissions(place.path(), Permissions::from_mode(0o755)).expect("the directory is one's own");
        let as_nobody = fs::metadata(place.path()).is_ok_and(|metadata| metadata.uid() == 0);
        Program { muse, as_nobody, _removed_when_dropped: place }
    }
}

/// What a command answered.
pub(super) struct Answered {
    pub(super) code: Option<i32>,
    pub(super) json: Value,
    pub(super) line: String,
}

impl Trial<'_> {
    pub(super) fn note_complaint(&mut self, answered: &Answered) {
        let warnings = answered.json["warnings"].as_array().cloned().unwrap_or_default();
        let status = answered.json["status"].as_str().unwrap_or_default();
        let is_broken = ["io_error", "corrupt", "contended", "unsupported_format"].contains(&status);
        if is_broken || !warnings.is_empty() {
            self.complaints.push(format!("{} answered {}", answered.line, answered.json));
        }
    }

    /// Runs a command, and holds it to what holds for every command.
    pub(super) fn muse(&mut self, line: &str) -> Answered {
        let mut command = Command::new(&self.program.muse);
        command.arg("coord").args(line.split(' ')).env_clear().env("MUSE_COORD_SYNC", "off");
        command.current_dir(self.place.path()).stdin(Stdio::null());
        if self.program.as_nobody {
            command.uid(NOBODY).gid(NOBODY);
        }
        let mut said = tempfile::tempfile().expect("make a temporary file");
        command.stdout(said.try_clone().expect("clone a file")).stderr(said.try_clone().expect("clone a file"));
        let began = Instant::now();
        let mut child = command.spawn().expect("the program starts");
        let mut pause = Duration::from_micros(500);
        let status = loop {
            if let Some(status) = child.try_wait().expect("it is one's own") {
                break status;
            }
            if began.elapsed() > PATIENCE {
                self.violations.push(format!("{line}: still at it after {PATIENCE:?}"));
                child.kill().expect("it is one's own");
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(4));
        };
        self.slowest = self.slowest.max(began.elapsed());
        self.processes += 1;
        let mut text = String::new();
        said.rewind().and_then(|()| said.read_to_string(&mut text)).expect("a file of one's own, in UTF-8");
        let code = status.code();
        if self.shown {
            crate::report(format_args!("$ muse coord {line}\n{text}exit {code:?}"));
        }
        self.check_what_was_said(line, &text, code, status.signal());
        let json = text.lines().rev().find_map(|line| serde_json::from_str(line).ok()).unwrap_or(Value::Null);
        Answered { code, json, line: line.to_string() }
    }

    fn check_what_was_said(&mut self, line: &str, text: &str, code: Option<i32>, signal: Option<i32>) {
        let mut wrong = Vec::new();
        if signal.is_some() || !matches!(code, Some(0..=2)) {
            wrong.push(format!("ended with {code:?}, signal {signal:?}"));
        }
        wrong.extend(
            ["panicked", "wasm trap", "unreachable"]
                .iter()
                .filter(|word| text.contains(**word))
                .map(ToString::to_string),
        );
        if text.contains(SECRET) {
            wrong.push("tells what is outside".to_string());
        }
        if text.contains(|c: char| c.is_control() && c != '\n') {
            wrong.push("has control characters".to_string());
        }
        let is_json = |line: &str| serde_json::from_str::<Value>(line).is_ok();
        if line.ends_with("--json") && (text.lines().count() != 1 || !text.lines().all(is_json)) {
            wrong.push("is no line of JSON".to_string());
        }
        self.violations.extend(wrong.into_iter().map(|wrong| format!("{line}: {wrong}: {text}")));
    }
}

pub(super) fn give_to_nobody(path: &Path) -> io::Result<()> {
    lchown(path, Some(NOBODY), Some(NOBODY))?;
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            give_to_nobody(&entry?.path())?;
        }
    }
    Ok(())
}
