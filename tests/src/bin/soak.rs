//! The soak as a program, which is also its own native agents: `cargo xtask soak` runs it.
#![expect(clippy::print_stdout, reason = "the report is for people")]

use std::process::ExitCode;

use clap::Parser;
use coord_tests::soak;

/// Real agents on one real queue, killed at random; everything they were answered is checked
#[derive(Parser)]
enum Task {
    /// Run it, with the program that MUSE_BIN names
    Run(soak::Options),
    /// Be one of its native processes
    #[command(hide = true)]
    Agent(soak::AgentOptions),
}

fn main() -> ExitCode {
    match Task::parse() {
        Task::Run(options) => {
            let report = soak::run(&options);
            println!("{report}");
            if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Task::Agent(options) => {
            soak::agent(&options);
            ExitCode::SUCCESS
        }
    }
}
