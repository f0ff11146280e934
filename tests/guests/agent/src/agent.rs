//! What a task can say.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what it prints is read by tests")]

use std::fs::File;
use std::io::Read as _;
use std::process::ExitCode;
use std::time::Duration;
use std::{env, fs, hint, io, thread};

use serde_json::{Value, json};

use crate::bindings::muse::coord::queue::{self, ClaimOptions, Error, Lease};
use crate::calls;

/// Claims and does, until there is nothing to claim. The exit code tells whether all went well.
pub(crate) fn work() -> ExitCode {
    loop {
        match queue::claim(&options(None)) {
            Ok(Some(lease)) => {
                if let Err(error) = act(lease) {
                    eprintln!("agent: {error:?}");
                    return ExitCode::FAILURE;
                }
            }
            Ok(None) => return ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("agent: {error:?}");
                return ExitCode::FAILURE;
            }
        }
    }
}

fn options(wait_seconds: Option<u32>) -> ClaimOptions {
    ClaimOptions { run_id: None, queue: None, lease_seconds: None, wait_seconds }
}

fn act(lease: Lease) -> Result<(), Error> {
    let task = lease.task();
    let payload: Value = serde_json::from_str(&task.payload).unwrap_or_default();
    let action = payload.get("do").and_then(Value::as_str).unwrap_or_default();
    println!("{}: {action}", task.title);
    match action {
        "complete" => complete(&lease, &json!({ "title": task.title })),
        "fail" => lease.fail("it was told to").map(|_| ()),
        "release and wait" => lease.release().and_then(|()| queue::claim(&options(Some(60)))).map(|_| ()),
        "call" => complete(&lease, &calls::each(payload.get("calls"))),
        "look around" => complete(&lease, &surroundings()),
        "keep" => {
            std::mem::forget(lease);
            Ok(())
        }
        "drop" => {
            drop(lease);
            Ok(())
        }
        "hoard" => hoard(&lease),
        "outlast" => outlast(&lease),
        "lose" => lease.heartbeat(Some(1)).map(|_| sleep()),
        "wait" => queue::claim(&options(Some(600))).map(|_| ()),
        "sleep" => sleep(),
        "loop" => loop {
            hint::black_box(0);
        },
        "print" => loop {
            println!("{}", "x".repeat(1_000));
        },
        "print errors" => loop {
            eprintln!("{}", "x".repeat(1_000));
        },
        "allocate" => allocate(),
        "allocate with care" => complete(&lease, &allocate_with_care()),
        "a title of 20 MiB" => {
            calls::enqueue(&"x".repeat(20 << 20), None, None)?;
            Ok(())
        }
        "recurse" => lease.fail(&recurse(0).to_string()).map(|_| ()),
        "panic" => panic(),
        "exit 3" => exit(3),
        other => lease.fail(&format!("no such thing to do: {other:?}")).map(|_| ()),
    }
}

fn complete(lease: &Lease, result: &Value) -> Result<(), Error> {
    lease.complete(Some(&result.to_string())).map(|_| ())
}

/// Lets its lease run out, waits until another agent has the task, and then tries to complete it.
fn outlast(lease: &Lease) -> Result<(), Error> {
    let record = lease.heartbeat(Some(1))?;
    while queue::show(&record.task_id)?.claimer_run_id.as_ref() == Some(&record.claimer_run_id) {
        thread::sleep(Duration::from_millis(20));
    }
    println!("late: {:?}", lease.complete(None));
    Ok(())
}

/// Adds tasks, and claims them until it is refused.
fn hoard(lease: &Lease) -> Result<(), Error> {
    for number in 0..1_001 {
        calls::enqueue(&format!("hoarded {number}"), None, None)?;
    }
    let mut leases = Vec::new();
    let refusal = loop {
        match queue::claim(&options(None)) {
            Ok(claimed) => leases.extend(claimed),
            Err(refusal) => break refusal,
        }
    };
    println!("{} and then {refusal:?}", leases.len());
    complete(lease, &json!({}))?;
    exit(0)
}

/// What there is around it.
fn surroundings() -> Value {
    let attempt = |done: io::Result<()>| done.map_or_else(|error| error.kind().to_string(), |()| "done".to_string());
    json!({
        "arguments": env::args().collect::<Vec<_>>(),
        "variables": env::vars().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>(),
        "directories": wasip2::filesystem::preopens::get_directories().len(),
        "input": io::stdin().read_to_end(&mut Vec::new()).unwrap_or(usize::MAX),
        "read /etc/passwd": attempt(File::open("/etc/passwd").map(|_| ())),
        "list .": attempt(fs::read_dir(".").map(|_| ())),
        "write here": attempt(fs::write("here", "")),
        "make .muse": attempt(fs::create_dir(".muse")),
    })
}

fn allocate() -> ! {
    let mut kept = Vec::new();
    loop {
        kept.push(hint::black_box(vec![1_u8; 1 << 20]));
    }
}

/// How many MiB it got until it was told no.
fn allocate_with_care() -> Value {
    let mut kept = Vec::new();
    loop {
        let mut more: Vec<u8> = Vec::new();
        if more.try_reserve_exact(1 << 20).is_err() {
            return json!({ "mib": kept.len() });
        }
        kept.push(hint::black_box(more));
    }
}

fn recurse(depth: u64) -> u64 {
    let numbers = hint::black_box([depth; 64]);
    if hint::black_box(depth) == u64::MAX {
        0
    } else {
        recurse(depth + 1) + hint::black_box(numbers).iter().sum::<u64>()
    }
}

fn sleep() -> ! {
    loop {
        thread::sleep(Duration::from_secs(600));
    }
}

#[expect(clippy::panic, reason = "this is what the task asks for")]
fn panic() -> ! {
    panic!("as it was told to")
}

fn exit(code: u8) -> ! {
    wasip2::cli::exit::exit_with_code(code);
    std::process::abort()
}
