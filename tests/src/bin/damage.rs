//! Damaged directories as a program: `cargo run --release --package coord-tests --bin damage -- --directories 2000`,
//! with the built `muse` in `MUSE_BIN`.
#![expect(clippy::print_stdout, reason = "the report is for people")]

use std::process::ExitCode;

use clap::Parser;
use coord_tests::damage;

/// Damages queues, and holds what commands make of them against what is promised
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    options: damage::Options,
}

fn main() -> ExitCode {
    let report = damage::run(Arguments::parse().options);
    println!("{report}");
    if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
