//! A coordination directory on another filesystem, which only the processes of one test see.
//!
//! It is mounted in a mount namespace, by root or by whoever may be root in a user namespace. Where neither is allowed,
//! the test says on standard error what was not run: not captured, so that nobody takes it for done.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use crate::{Call, Outcome, Repo, required, words_of};

/// The namespace, which lasts until this is dropped or the test's process ends in whichever way.
#[derive(Debug)]
pub struct Mounted<'a> {
    repo: &'a Repo,
    keeper: Child,
    as_user: bool,
}

impl Repo {
    /// Runs a shell script that mounts something at `"$1"`, the coordination directory. `None` if that is not allowed
    /// here; then `what` has been reported as not run.
    pub fn mounted(&self, what: &str, script: &str) -> Option<Mounted<'_>> {
        let (root, user) = (self.keep(script, false), || self.keep(script, true));
        match root.or_else(|problem| user().map_err(|other| format!("{problem} {other}"))) {
            Ok(mounted) => Some(mounted),
            Err(problem) => {
                let line = format!("NOT RUN: {what}, for which a filesystem must be mounted: {}\n", problem.trim());
                io::stderr().write_all(line.as_bytes()).expect("standard error takes a line");
                None
            }
        }
    }

    fn keep(&self, script: &str, as_user: bool) -> Result<Mounted<'_>, String> {
        let mut unshare = Command::new("unshare");
        // The shell becomes a `cat`, which ends when the test closes its end of the pipe, be it by dying.
        unshare.arg("--mount").args(as_user.then_some("--map-root-user")).args(["sh", "-c"]);
        unshare.arg(format!("{{ {script}; }} && echo mounted && exec cat")).arg("sh").arg(self.coordination(""));
        unshare.current_dir(self.path("")).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut keeper = unshare.spawn().map_err(|error| error.to_string())?;
        let mut said = String::new();
        let stdout = keeper.stdout.take().expect("it is a pipe");
        BufReader::new(stdout).read_line(&mut said).expect("a pipe can be read");
        if said == "mounted\n" {
            return Ok(Mounted { repo: self, keeper, as_user });
        }
        let mut problem = String::new();
        keeper.stderr.take().expect("it is a pipe").read_to_string(&mut problem).expect("a pipe can be read");
        keeper.wait().expect("it has ended");
        Err(problem)
    }
}

impl Mounted<'_> {
    /// Runs `muse coord` with a line of arguments where the filesystem is mounted.
    pub fn coord(&self, line: &str) -> Outcome {
        self.coord_call(line).run()
    }

    /// As [`Mounted::coord`], to be run later.
    pub fn coord_call(&self, line: &str) -> Call {
        let words = [String::from("coord")].into_iter().chain(words_of(line));
        Call::new(self.repo, self.enter(required("MUSE_BIN")), "muse", words)
    }

    /// Runs a shell script there, with the coordination directory as `"$1"`.
    pub fn shell(&self, script: &str) -> Outcome {
        let words = ["-c", script, "sh"].map(OsString::from).into_iter().chain([self.repo.coordination("").into()]);
        Call::new(self.repo, self.enter("sh"), "sh", words).run()
    }

    fn enter(&self, program: impl AsRef<OsStr>) -> Command {
        let mut nsenter = Command::new("nsenter");
        nsenter.arg("--target").arg(self.keeper.id().to_string()).args(["--mount", "--wd"]);
        nsenter.args(self.as_user.then_some(["--user", "--preserve-credentials"]).into_iter().flatten());
        nsenter.arg("--").arg(program);
        nsenter
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        self.keeper.wait().expect("cat ends with its input");
    }
}
