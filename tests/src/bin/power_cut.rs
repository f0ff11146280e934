//! Real power cuts as a program, which is also the writers: `cargo xtask power-cut` runs it.
#![expect(clippy::print_stdout, reason = "the report is for people")]

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use coord_tests::power_cut;

/// Writers on a real filesystem whose power is cut; nothing that was acknowledged may be missing
#[derive(Parser)]
enum Task {
    /// Run it, as root. Exits 2 if it cannot be run here
    Run(power_cut::Options),
    /// The same, where it may mount what nobody else sees
    #[command(hide = true)]
    Inside(power_cut::Options),
    /// Be one of its writers
    #[command(hide = true)]
    Write(power_cut::WriterOptions),
}

/// Nothing was cut.
const NOT_RUN: u8 = 2;

fn main() -> ExitCode {
    match Task::parse() {
        Task::Run(_) => {
            let words = [OsString::from("inside")].into_iter().chain(std::env::args_os().skip(2));
            let Some(status) = power_cut::in_a_namespace_of_its_own(words) else {
                println!("NOT RUN: power cuts, for which filesystems must be mounted, which only root may");
                return ExitCode::from(NOT_RUN);
            };
            status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
        }
        Task::Inside(options) => {
            let report = power_cut::run(&options);
            print!("{report}");
            match (report.ran(), report.passed()) {
                (false, _) => ExitCode::from(NOT_RUN),
                (true, true) => ExitCode::SUCCESS,
                (true, false) => ExitCode::FAILURE,
            }
        }
        Task::Write(options) => {
            power_cut::write(&options);
            ExitCode::SUCCESS
        }
    }
}
