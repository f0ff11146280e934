//! `cargo xtask`: everything that is done with this repository, and nothing that is part of the product.
//!
//! Each subcommand is one file, named like it. All of them may be run on a fresh clone, in any order: what one needs
//! from another (`build` needs `setup`, `test` needs `build`) it makes sure of by itself, and skips when it is there.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a build task talks to the person who started it")]

mod agents;
mod bench;
mod build;
mod ci;
mod components;
mod debian;
mod demo;
mod fresh;
mod hosts;
mod install;
mod js;
mod lint;
mod parts;
mod postgres;
mod power_cut;
mod python;
mod setup;
mod soak;
mod suites;
mod supply;
mod test;
mod tools;
mod workspace;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;
use workspace::Workspace;

/// Build, test, show and install this repository's program
#[derive(Parser)]
#[command(bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Make this machine's Rust toolchain able to compile for WebAssembly
    Setup,
    /// Build muse, muse.wasm, muse-coord.wasm and muse-agent in target/dist
    Build,
    /// Build the example agents, each by itself and composed with the library, in target/dist/examples
    Agents,
    /// Build and pack the npm package @muse/coord
    Js(js::Options),
    /// Check format, clippy and documentation; a warning is an error
    Lint,
    /// Run every test, on the programs as they are built for people
    Test(test::Options),
    /// Lint and test, and say at the end what each part took: what decides whether a change lands
    Ci(ci::Options),
    /// Put `muse`, `muse-host` and `muse-agent` on the PATH, with man pages and completions
    Install(install::Options),
    /// Let eight agent processes work off a queue of real tasks, kill one, and check the results
    Demo(demo::Options),
    /// Let agents work on one queue while they are killed and stopped, and check all that they were answered
    Soak(soak::Options),
    /// Cut the power of real filesystems while agents work on them, and check that nothing acknowledged is missing
    PowerCut(power_cut::Options),
    /// Measure the queue beside what people use instead, and print tables of ratios
    Bench(bench::Options),
    /// Print where the stock wasmtime is that the tests run the component in; fetch it if there is none
    Wasmtime,
    /// One agent of the demo
    #[command(hide = true)]
    DemoAgent(demo::agent::Options),
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    let mut workspace = Workspace::open()?;
    match task {
        Task::Setup => setup::run(&workspace),
        Task::Build => build::run(&workspace),
        Task::Agents => agents::run(&workspace),
        Task::Js(options) => js::run(&workspace, &options),
        Task::Lint => lint::run(&workspace),
        Task::Test(options) => test::run(&workspace, &options),
        Task::Ci(options) => ci::run(&mut workspace, &options),
        Task::Install(options) => install::run(&workspace, &options),
        Task::Demo(options) => demo::run(&workspace, &options),
        Task::Soak(options) => soak::run(&workspace, &options),
        Task::PowerCut(options) => power_cut::run(&workspace, &options),
        Task::Bench(options) => bench::run(&workspace, &options),
        Task::Wasmtime => tools::run(&workspace),
        Task::DemoAgent(options) => demo::agent::run(&options),
    }
}
