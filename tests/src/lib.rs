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
mod medians;
mod mounted;
mod past;
pub mod postgres;
pub mod power_cut;
mod process;
mod schema;
mod shown;
// The tests in this library are of the harness. To compile the simulator for them, too, would take minutes.
#[cfg(not(test))]
pub mod sim;
pub mod soak;
pub mod wit;

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use mimalloc::MiMalloc;
use serde_json::Value;
use tempfile::TempDir;

pub use medians::medians;
pub use mounted::Mounted;
pub use past::Past;
pub use process::{Call, Outcome, Running};
use shown::Placeholders;
pub use shown::micros;

/// The checkers make and drop many small values on two threads.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// A directory of its own, removed at the end, and the `muse` that works in it.
#[derive(Debug)]
pub struct Repo {
    root: PathBuf,
    engine: Option<String>,
    placeholders: Arc<Mutex<Placeholders>>,
    _removed_when_dropped: TempDir,
}

impl Repo {
    /// A repository: a directory with an empty `.muse/` in it. Under `on_postgres` its queue is on the server.
    pub fn new() -> Repo {
        let repo = Repo::bare();
        fs::create_dir(repo.path(".muse")).expect("make .muse");
        Repo { engine: postgres::queue_on_postgres(), ..repo }
    }

    /// A directory that is no repository.
    pub fn bare() -> Repo {
        let dir = TempDir::with_prefix("muse-test-").expect("make a temporary directory");
        let root = dir.path().canonicalize().expect("the temporary directory is there");
        let placeholders = Arc::new(Mutex::new(Placeholders::new(&root)));
        Repo { root, engine: None, placeholders, _removed_when_dropped: dir }
    }

    /// The same with its queue on an engine: every process has `MUSE_COORD_STORE` in its environment.
    pub fn on(self, engine: impl ToString) -> Repo {
        Repo { engine: Some(engine.to_string()), ..self }
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

/// Prints a line to the log, also when the test succeeds: what was explored and found.
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
