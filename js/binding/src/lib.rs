//! The queue for JavaScript, as the WebAssembly module inside the npm package `@muse/coord`.
//!
//! This crate only translates. The queue decides, JavaScript does each file operation (`host.rs`), or asks an engine
//! (`engine.rs`). A request is a JSON text that the core checks ([`coord_core::request`]); an answer is one, too
//! (`answer.rs`); a refusal is thrown as one (`thrown.rs`). What they become for people is in `js/src`.
//!
//! Every function returns when its file operations are done: nothing in here waits. A claim that waits is taken step by
//! step ([`Waiting`]), so that JavaScript sleeps in its own way.

#![cfg(all(target_family = "wasm", target_os = "unknown"))]

mod answer;
#[cfg(feature = "conformance")]
mod conformance;
mod engine;
mod host;
mod medium;
mod queue;
mod thrown;
