//! The agent of `tests/tests/faces`: it makes the calls that it is asked for on standard input, and opens no file.

#[cfg(target_family = "wasm")]
#[path = "../lines.rs"]
mod lines;

/// Types and glue made from `wit/`. The world's export, `wasi:cli/run`, is what `std` makes of `main`.
#[cfg(target_family = "wasm")]
mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit",
        world: "imports",
        generate_all,
        additional_derives: [serde::Deserialize, serde::Serialize],
    });
}

#[cfg(target_family = "wasm")]
fn main() -> std::process::ExitCode {
    lines::answer()
}

/// Natively there is nothing to run.
#[cfg(not(target_family = "wasm"))]
fn main() {}
