//! The harness of the process tests: a fresh repository, the built `muse` in it, and what it answered.
//!
//! ```no_run
//! let repo = coord_tests::Repo::new();
//! let id = repo.enqueue("Fix it");
//! let claimed = repo.coord("claim --run-id agent-1 --json");
//! assert_eq!(claimed.json()["task_id"], id.as_str());
//! println!("{claimed}"); // the command, its whole output and its exit code, with ids and times made comparable
//! ```
//!
//! Guaranteed: real processes of the built product only, in a directory of their own, with an environment that holds
//! nothing but what the test gives. Where something that a test needs is missing the test fails and says what to run.
//!
//! `cargo xtask test` says where the product is: `MUSE_BIN` is the built `muse`, `MUSE_WASM` the component, `WASMTIME`
//! a stock wasmtime, `MUSE_AGENT` the built `muse-agent`, `MUSE_GUEST_AGENT` an agent that does what its tasks say.
#![allow(clippy::expect_used, clippy::panic, reason = "what the harness cannot do ends the test, loudly")]

pub mod damage;
mod log;
mod mounted;
mod past;
pub mod power_cut;
mod schema;
mod shown;
pub mod sim;
pub mod soak;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tempfile::TempDir;
use wait4::Wait4;

pub use mounted::Mounted;
pub use past::Past;
pub use shown::micros;
use shown::{Placeholders, shown_word};

/// A directory of its own, removed at the end, and the `muse` that works in it.
#[derive(Debug)]
pub struct Repo {
    root: PathBuf,
    placeholders: Arc<Mutex<Placeholders>>,
    _removed_when_dropped: TempDir,
}

/// A command line that is about to be run.
#[derive(Debug)]
pub struct Call {
    command: Command,
    coord: Option<String>,
    shown: String,
    placeholders: Arc<Mutex<Placeholders>>,
}

/// A process at work.
#[derive(Debug)]
pub struct Running {
    child: Child,
    coord: Option<String>,
    shown: String,
    placeholders: Arc<Mutex<Placeholders>>,
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
    coord: Option<String>,
    shown: String,
    placeholders: Arc<Mutex<Placeholders>>,
}

impl Repo {
    /// A repository: a directory with an empty `.muse/` in it.
    pub fn new() -> Repo {
        let repo = Repo::bare();
        fs::create_dir(repo.path(".muse")).expect("make .muse");
        repo
    }

    /// A directory that is no repository.
    pub fn bare() -> Repo {
        let dir = TempDir::with_prefix("muse-test-").expect("make a temporary directory");
        let root = dir.path().canonicalize().expect("the temporary directory is there");
        let placeholders = Arc::new(Mutex::new(Placeholders::new(&root)));
        Repo { root, placeholders, _removed_when_dropped: dir }
    }

    /// A path in the repository.
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    /// A path in the coordination directory.
    pub fn coordination(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.path(".muse/coordination").join(relative)
    }

    /// Runs `muse` with these arguments: `repo.muse(["coord", "claim", "--run-id", "agent-1"])`.
    pub fn muse<Word: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = Word>) -> Outcome {
        self.call(words).run()
    }

    /// Runs `muse coord` with a line of arguments. White space separates them, single quotes keep it:
    /// `repo.coord("enqueue 'Fix it' --json")`.
    pub fn coord(&self, line: &str) -> Outcome {
        self.coord_call(line).run()
    }

    /// Runs `muse coord` with one line after the other; each must succeed.
    #[track_caller]
    pub fn given<Line: AsRef<str>>(&self, lines: impl IntoIterator<Item = Line>) {
        for line in lines {
            self.coord(line.as_ref()).succeeded();
        }
    }

    /// Runs `muse coord` with one line after the other, and shows all that was answered.
    pub fn session<Line: AsRef<str>>(&self, lines: impl IntoIterator<Item = Line>) -> String {
        transcript(lines.into_iter().map(|line| self.coord(line.as_ref())))
    }

    /// As [`Repo::coord`], to be run later.
    pub fn coord_call(&self, line: &str) -> Call {
        self.call([String::from("coord")].into_iter().chain(words_of(line)))
    }

    /// As [`Repo::muse`], to be run later: with variables, elsewhere, or beside others.
    pub fn call<Word: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = Word>) -> Call {
        Call::new(self, Command::new(required("MUSE_BIN")), "muse", words)
    }

    /// Runs a shell script in the repository, with the built `muse` as `"$MUSE"`, the component as `"$MUSE_WASM"`,
    /// and a stock wasmtime as `"$WASMTIME"`.
    pub fn shell(&self, script: &str) -> Outcome {
        let mut call = Call::new(self, Command::new("sh"), "sh", ["-c", script]);
        call.command.env("MUSE", required("MUSE_BIN"));
        call.command.env("MUSE_WASM", required("MUSE_WASM")).env("WASMTIME", required("WASMTIME"));
        call.run()
    }

    /// The component under a stock wasmtime, which is given `flags`: `repo.stock(["--dir", ".muse/coordination"], …)`.
    pub fn stock<Flag: AsRef<OsStr>, Word: AsRef<OsStr>>(
        &self,
        flags: impl IntoIterator<Item = Flag>,
        words: impl IntoIterator<Item = Word>,
    ) -> Call {
        let mut command = Command::new(required("WASMTIME"));
        // The component's usage messages name the program as it was called.
        command.arg("run").args(["--argv0", "muse"]).args(flags).arg(required("MUSE_WASM"));
        Call::new(self, command, "wasmtime run … muse.wasm", words)
    }

    /// Another component under a stock wasmtime, which is given `flags` and a program without arguments.
    pub fn wasmtime<Flag: AsRef<OsStr>>(&self, flags: impl IntoIterator<Item = Flag>, component: &Path) -> Call {
        let mut command = Command::new(required("WASMTIME"));
        command.arg("run").args(flags).arg(component);
        let name = component.file_name().unwrap_or_default().to_string_lossy();
        Call::new::<&str>(self, command, &format!("wasmtime run … {name}"), [])
    }

    /// The tests' agent (`tests/guests/agent`) under `muse-agent`: `repo.agent("--run-id agent-1 --queue code")`.
    pub fn agent(&self, line: &str) -> Call {
        self.agent_of(required("MUSE_GUEST_AGENT"), line)
    }

    /// As [`Repo::agent`], for another agent.
    pub fn agent_of(&self, component: impl AsRef<Path>, line: &str) -> Call {
        let mut command = Command::new(required("MUSE_AGENT"));
        command.arg(component.as_ref());
        Call::new(self, command, "muse-agent …", words_of(line))
    }

    /// Enqueues a task and tells its id.
    #[track_caller]
    pub fn enqueue(&self, title: &str) -> String {
        self.muse(["coord", "enqueue", "--json", "--", title]).succeeded().text_of("task_id")
    }

    /// Claims the next task for `run_id`, under the default lease, and tells its id.
    #[track_caller]
    pub fn claim(&self, run_id: &str) -> String {
        self.muse(["coord", "claim", "--json", "--run-id", run_id]).succeeded().text_of("task_id")
    }

    /// The answer of `tasks --json`: counts, and up to 10,000 items.
    #[track_caller]
    pub fn tasks(&self) -> Value {
        self.coord("tasks --limit 10000 --json").succeeded().json()
    }
}

impl Default for Repo {
    fn default() -> Repo {
        Repo::new()
    }
}

impl Call {
    fn new<Word: AsRef<OsStr>>(
        repo: &Repo,
        mut command: Command,
        name: &str,
        words: impl IntoIterator<Item = Word>,
    ) -> Call {
        let words: Vec<OsString> = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
        command.args(&words).env_clear().current_dir(&repo.root);
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
        Running { child, coord: self.coord, shown: self.shown, placeholders: self.placeholders }
    }
}

impl Running {
    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end.
    pub fn finish(self) -> Outcome {
        let output = self.child.wait_with_output().expect("the process ends");
        Outcome::new(output, self.coord, self.shown, self.placeholders)
    }

    /// Ends it at once, whatever it is doing (SIGKILL).
    pub fn kill(mut self) -> Outcome {
        self.child.kill().expect("the process can be killed");
        self.finish()
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

/// Says something to whoever reads the log, also when the test succeeds: what was explored and found.
pub fn report(line: impl fmt::Display) {
    // Not `eprintln`, which a test that succeeds keeps to itself.
    writeln!(io::stderr(), "{line}").expect("somebody listens");
}

/// Several outcomes, one below the other.
pub fn transcript(outcomes: impl IntoIterator<Item = Outcome>) -> String {
    let shown: Vec<String> = outcomes.into_iter().map(|outcome| outcome.to_string()).collect();
    shown.join("\n")
}

/// The words of a line: separated by white space, which single quotes keep.
fn words_of(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    for c in line.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            _ if c.is_whitespace() && !quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The path that `cargo xtask test` gives in an environment variable; without it the test fails and says so.
pub fn required(variable: &str) -> PathBuf {
    let Some(value) = std::env::var_os(variable) else {
        panic!("{variable} is not set: run the tests with `cargo xtask test`, which builds what they need");
    };
    std::path::absolute(value).expect("a path")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_words_that_a_shell_would_see() {
        assert_eq!(words_of("enqueue 'Fix it'  --tags '' a'b c'd"), ["enqueue", "Fix it", "--tags", "", "ab cd"]);
        assert_eq!(words_of("  "), Vec::<String>::new());
    }
}
