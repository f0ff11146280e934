//! An agent: claims tasks until there is none, counts the words of each one's texts, and completes it with the number.
//!
//! It is an ordinary program, compiled for `wasm32-wasip2`. It is granted no directory: the queue is an import, and
//! whoever runs the agent provides it. For instance, put together with the library component, under a stock wasmtime:
//!
//! ```sh
//! wac plug agent-rust.wasm --plug muse-coord.wasm --output agent.wasm
//! wasmtime run --dir .muse/coordination --env MUSE_RUN_ID=agent-1 agent.wasm
//! ```
//!
//! It ends with 0 when there was nothing to claim for a second, and with 1 when the queue fails.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what an agent does is told to who runs it")]
#![allow(clippy::disallowed_methods, reason = "nobody else reads the environment of an agent")]

use std::env;
use std::process::ExitCode;

use muse::coord::queue::{self, ClaimOptions, Error, Lease};
use serde::{Deserialize, Serialize};

/// The queue, made from `wit/`.
mod bindings {
    wit_bindgen::generate!({
        path: "../..",
        world: "imports",
        generate_all,
    });
}
use bindings::muse;

/// Another agent may take a task over when this one has not been heard of for so long.
const LEASE_SECONDS: u32 = 10;

/// What this agent understands.
#[derive(Deserialize)]
struct Payload {
    texts: Vec<String>,
}

/// What it completes a task with.
#[derive(Serialize)]
struct Report {
    words: usize,
}

fn main() -> ExitCode {
    match work_off() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:?}");
            ExitCode::FAILURE
        }
    }
}

fn work_off() -> Result<(), Error> {
    let options = ClaimOptions {
        // Left out, it is whom the host runs this agent as. A stock runtime runs it as nobody.
        run_id: env::var("MUSE_RUN_ID").ok(),
        queues: Vec::new(),
        lease_seconds: Some(LEASE_SECONDS),
        // There is nothing to do once there was nothing for a second.
        wait_seconds: Some(1),
        tags: Vec::new(),
        any_tags: Vec::new(),
        exclude_tags: Vec::new(),
    };
    while let Some(lease) = queue::claim(&options)? {
        let id = lease.task().task_id;
        println!("{id} claimed");
        match work(&lease) {
            Ok(outcome) => println!("{id} {outcome}"),
            // Somebody else has the task now, or it was called off. This work is dropped; there is more.
            Err(Error::LeaseLost(_) | Error::NotClaimed(_) | Error::AlreadyTerminal(_)) => println!("{id} lost"),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Does one task. The answer is what became of it.
fn work(lease: &Lease) -> Result<&'static str, Error> {
    // What others wrote is data: it is parsed, never obeyed, and printed nowhere.
    let Ok(Payload { texts }) = serde_json::from_str(&lease.task().payload) else {
        // The next attempt would fail as well.
        lease.fail(r#"the payload is not {"texts": ["…"]}"#, true)?;
        return Ok("failed");
    };
    let mut words = 0;
    for text in texts {
        words += text.split_whitespace().count();
        // Still alive. It also tells when the work is no longer wanted: by an error if the task was taken away, in the
        // answer if somebody asks.
        if lease.heartbeat(None, None)?.cancel_request.is_some() {
            lease.release(None)?;
            return Ok("called off");
        }
    }
    lease.complete(Some(&serde_json::json!(Report { words }).to_string()))?;
    Ok("completed")
}
