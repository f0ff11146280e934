//! A command line of the tests: about to be run, at work as a process, and what it answered.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use wait4::Wait4;

use crate::shown::{Placeholders, shown_word};
use crate::{Repo, schema};

/// A command line that is about to be run.
#[derive(Debug)]
pub struct Call {
    pub(crate) command: Command,
    pub(crate) coord: Option<String>,
    pub(crate) shown: String,
    pub(crate) placeholders: Arc<Mutex<Placeholders>>,
}

/// A process at work.
#[derive(Debug)]
pub struct Running {
    /// Until its end is waited for.
    child: Option<Child>,
    pub(crate) coord: Option<String>,
    pub(crate) shown: String,
    pub(crate) placeholders: Arc<Mutex<Placeholders>>,
}

/// What a process answered. `Display` shows all of it, comparable between runs.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The exit code; `None` if a signal ended the process.
    pub code: Option<i32>,
    /// All of standard output, byte for byte if it was UTF-8.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
    pub(crate) coord: Option<String>,
    pub(crate) shown: String,
    pub(crate) placeholders: Arc<Mutex<Placeholders>>,
}

impl Call {
    pub(crate) fn new<Word: AsRef<OsStr>>(
        repo: &Repo,
        mut command: Command,
        name: &str,
        words: impl IntoIterator<Item = Word>,
    ) -> Call {
        let words: Vec<OsString> = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
        command.args(&words).env_clear().current_dir(&repo.root);
        command.envs(repo.engine.iter().map(|engine| ("MUSE_COORD_STORE", engine)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let shown = words.iter().fold(name.to_string(), |line, word| line + " " + &shown_word(word));
        Call { command, coord: schema::command_of(&words), shown, placeholders: repo.placeholders.clone() }
    }

    /// With a variable in its environment.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Call {
        self.shown = format!("{name}={} {}", shown_word(value.as_ref()), self.shown);
        self.command.env(name, value);
        self
    }

    /// In another directory than the repository's root.
    pub fn dir(mut self, path: impl AsRef<Path>) -> Call {
        self.command.current_dir(path);
        self
    }

    /// As another user, which only root may ask for.
    pub fn as_user(mut self, id: u32) -> Call {
        self.command.uid(id).gid(id);
        self
    }

    /// Killed if it takes longer: then its exit code is 137. To be asked for before all else.
    pub fn within_seconds(mut self, seconds: u32) -> Call {
        let mut command = Command::new("timeout");
        command
            .args(["-s", "KILL", &seconds.to_string()])
            .arg(self.command.get_program())
            .args(self.command.get_args());
        command.env_clear().envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(self.command.get_current_dir().unwrap_or(Path::new(".")));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.command = command;
        self
    }

    /// With this on its standard input.
    pub fn input(mut self, text: impl AsRef<[u8]>) -> Call {
        let mut file = tempfile::tempfile().expect("make a temporary file");
        file.write_all(text.as_ref()).and_then(|()| file.rewind()).expect("write a temporary file");
        self.command.stdin(file);
        self
    }

    /// With another standard input.
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Call {
        self.command.stdin(stdin);
        self
    }

    /// With another standard output, which the outcome then doesn't hold.
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Call {
        self.command.stdout(stdout);
        self
    }

    /// With another standard error.
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Call {
        self.command.stderr(stderr);
        self
    }

    /// Runs it to its end.
    pub fn run(mut self) -> Outcome {
        let output = self.command.output().expect("the process starts");
        Outcome::new(output, self.coord, self.shown, self.placeholders)
    }

    /// Runs it to its end with this standard output, which the outcome doesn't hold, and tells how many bytes of memory
    /// it took at its peak. That is never less than this process takes, so what is large is better given and taken by
    /// files.
    pub fn measured(mut self, stdout: &File) -> (Outcome, u64) {
        let mut stderr = tempfile::tempfile().expect("make a temporary file");
        let open = |file: &File| Stdio::from(file.try_clone().expect("open a file again"));
        self.command.stdout(open(stdout)).stderr(open(&stderr));
        let ended = self.command.spawn().and_then(Wait4::wait4).expect("the process runs to its end");
        let mut told = Vec::new();
        stderr.rewind().and_then(|()| stderr.read_to_end(&mut told)).expect("read a temporary file");
        let output = Output { status: ended.status, stdout: Vec::new(), stderr: told };
        (Outcome::new(output, self.coord, self.shown, self.placeholders), ended.rusage.maxrss)
    }

    /// Starts it, so that it runs beside others.
    pub fn start(mut self) -> Running {
        let child = self.command.spawn().expect("the process starts");
        Running { child: Some(child), coord: self.coord, shown: self.shown, placeholders: self.placeholders }
    }
}

impl Running {
    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Outcome {
        let child = self.child.take().expect("nobody has waited for it");
        let output = child.wait_with_output().expect("the process ends");
        Outcome::new(output, self.coord.take(), std::mem::take(&mut self.shown), self.placeholders.clone())
    }

    /// Ends it at once, whatever it is doing (SIGKILL).
    pub fn kill(mut self) -> Outcome {
        self.child.as_mut().expect("nobody has waited for it").kill().expect("the process can be killed");
        self.finish()
    }
}

impl Drop for Running {
    /// It does not outlive a test that fails.
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            _ = child.kill();
            _ = child.wait();
        }
    }
}

impl Outcome {
    fn new(output: Output, coord: Option<String>, shown: String, placeholders: Arc<Mutex<Placeholders>>) -> Outcome {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let Output { status, stdout, stderr } = output;
        Outcome { code: status.code(), stdout: text(&stdout), stderr: text(&stderr), coord, shown, placeholders }
    }

    /// The outcome, if it is a success.
    #[track_caller]
    pub fn succeeded(self) -> Outcome {
        assert_eq!(self.code, Some(0), "{self}");
        self
    }

    /// The outcome, if it is exit code `code` and nothing else.
    #[track_caller]
    pub fn ended_with(self, code: i32) -> Outcome {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// The JSON answer, which is one object on one line and as `muse coord --schema` says.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert!(self.stdout.ends_with('\n') && self.stdout.lines().count() == 1, "not one line\n{self}");
        let answer = match serde_json::from_str(&self.stdout) {
            Ok(answer @ Value::Object(_)) => answer,
            other => panic!("not a JSON object: {other:?}\n{self}"),
        };
        if let Some(defects) = self.coord.as_deref().and_then(|coord| schema::defects(coord, &answer)) {
            panic!("not as its schema says: {defects}\n{self}");
        }
        assert!(answer.get("warnings").is_none() || self.ends_with_warnings(), "warnings are not last\n{self}");
        answer
    }

    /// True if the answer's warnings stand last, with no id in them that a script would take for the answer's own.
    fn ends_with_warnings(&self) -> bool {
        let last = self.stdout.rsplit_once(",\"warnings\":").and_then(|(_, last)| last.strip_suffix("}\n"));
        let warnings = last.and_then(|last| serde_json::from_str::<Vec<String>>(last).ok());
        warnings.is_some_and(|warnings| !warnings.iter().any(|warning| warning.contains("sha256:")))
    }

    /// A text of the JSON answer.
    #[track_caller]
    pub fn text_of(&self, field: &str) -> String {
        match self.json().get(field) {
            Some(Value::String(text)) => text.clone(),
            other => panic!("{field} is {other:?}\n{self}"),
        }
    }
}

/// The command line, standard output, standard error with `2> ` before each line, and the exit code. What differs from
/// run to run is numbered in the order in which the repository showed it: the same id is the same `<id 1>` everywhere.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut placeholders = self.placeholders.lock().unwrap_or_else(PoisonError::into_inner);
        f.write_str(&placeholders.transcript(&self.shown, &self.stdout, &self.stderr))?;
        match self.code {
            Some(code) => writeln!(f, "exit {code}"),
            None => writeln!(f, "ended by a signal"),
        }
    }
}
