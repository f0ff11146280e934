//! An agent that does what each task's payload says, good or bad: `{"do": "complete"}`, `{"do": "loop"}`. So each test
//! of `muse-agent` is a task, and this is the only program that it takes.
//!
//! It claims until there is nothing left to claim. What it can do is listed in `agent.rs`.

#[cfg(target_family = "wasm")]
mod agent;
#[cfg(target_family = "wasm")]
mod calls;

/// Types and glue made from `wit/`. The world's export, `wasi:cli/run`, is what `std` makes of `main`.
#[cfg(target_family = "wasm")]
mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit",
        world: "imports",
        generate_all,
    });
}

#[cfg(target_family = "wasm")]
fn main() -> std::process::ExitCode {
    agent::work()
}

/// Natively there is nothing to run.
#[cfg(not(target_family = "wasm"))]
fn main() {}
