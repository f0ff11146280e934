//! Runs tests of `muse` with their queues on PostgreSQL: `on_postgres PROGRAM [ARGUMENT]…`, with the programs of a
//! server in `POSTGRES`. Each repository of the tests is on a schema of its own.

use std::process::{Command, ExitCode};

use coord_tests::postgres::{ON_POSTGRES, Server};

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let (Some(program), Some(server)) = (words.next(), Server::start()) else { return ExitCode::FAILURE };
    let status = Command::new(program).args(words).env(ON_POSTGRES, server.address("SCHEMA").to_string()).status();
    if status.is_ok_and(|status| status.success()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
