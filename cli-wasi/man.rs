//! A step of `cargo xtask install`: writes the man pages of `muse` and of each command to a directory.
//!
//! Not a command of `muse` itself, in which what sets pages would be loaded on every call to be used once.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(directory) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return complain("usage: muse-man DIRECTORY");
    };
    match clap_mangen::generate_to(muse_cli::command_line(), &directory) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&format!("cannot write man pages to {}: {error}", directory.display())),
    }
}

#[expect(clippy::print_stderr, reason = "it talks to whoever builds")]
fn complain(problem: &str) -> ExitCode {
    eprintln!("{problem}");
    ExitCode::FAILURE
}
