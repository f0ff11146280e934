//! What a server comes with: a benchmark, and a shell.

use std::io::Write;
use std::os::unix::fs::chown;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use super::{NOBODY, Server, as_nobody, is_root};

/// A transaction that sees what was there when it began, until it is dropped.
#[derive(Debug)]
pub struct Snapshot(Child);

impl Server {
    /// Has so many clients carry a script out over and over, for so long. What it says.
    pub fn pgbench(&self, script: &str, clients: usize, time: Duration, variables: &[&str]) -> String {
        let mut file = tempfile::NamedTempFile::new_in(self.dir.path()).expect("a machine that runs a server");
        file.write_all(script.as_bytes()).expect("a machine that runs a server");
        if is_root() {
            chown(file.path(), Some(NOBODY), None).expect("a machine that runs a server");
        }
        let mut program = self.client("pgbench");
        program.args(["--no-vacuum", "--protocol=prepared", "--jobs=2"]);
        program.arg(format!("--client={clients}")).arg(format!("--time={}", time.as_secs()));
        program.args(variables.iter().map(|variable| format!("--define={variable}")));
        program.arg("--file").arg(file.path());
        let output = program.output().expect("a benchmark");
        let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned()).concat();
        assert!(output.status.success(), "{said}");
        said
    }

    /// Holds on to what is there now.
    pub fn snapshot(&self, schema: &str) -> Snapshot {
        let mut program = self.client("psql");
        let shell = program.arg("-qAtX").stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        let mut shell = shell.expect("a shell for SQL");
        let begin = format!("begin isolation level repeatable read; select count(*) from {schema}.meta;\n");
        shell.stdin.as_mut().expect("it is piped").write_all(begin.as_bytes()).expect("a shell for SQL");
        thread::sleep(Duration::from_millis(500));
        Snapshot(shell)
    }

    pub(super) fn client(&self, program: &str) -> Command {
        let mut command = as_nobody(&self.programs.join(program));
        command.current_dir(self.dir.path());
        command
            .env("PGHOST", self.dir.path())
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", "muse")
            .env("PGDATABASE", "postgres");
        command
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.0.stdin.take());
        _ = self.0.wait();
    }
}
