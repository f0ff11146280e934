//! What a task can say.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what it prints is read by tests")]

use std::fs::File;
use std::io::Read as _;
use std::process::ExitCode;
use std::time::Duration;
use std::{env, fs, hint, io, thread};

use serde_json::{Value, json};

use crate::bindings::muse::coord::queue::{self, ClaimOptions, Error, Lease, Progress};
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
    ClaimOptions { wait_seconds, ..calls::any() }
}

fn act(lease: Lease) -> Result<(), Error> {
    let task = lease.task();
    let payload: Value = serde_json::from_str(&task.payload).unwrap_or_default();
    let action = payload.get("do").and_then(Value::as_str).unwrap_or_default();
    println!("{}: {action}", task.title);
    match action {
        "complete" => complete(&lease, &json!({ "title": task.title })),
        "fail" => lease.fail("it was told to", false).map(|_| ()),
        "fail for good" => lease.fail("it was told to", true).map(|_| ()),
        "follow up" => follow_up(&lease, &calls::new_tasks(payload.get("follow_ups"))),
        "follow up or drop" => {
            lease.complete_and_enqueue(None, &calls::new_tasks(payload.get("follow_ups"))).map(|_| ())
        }
        "heed" => heed(&lease),
        "release and wait" => lease.release(None).and_then(|_| queue::claim(&options(Some(60)))).map(|_| ()),
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
        "claim many" => claim_many(),
        "claim from another queue" => {
            queue::claim(&ClaimOptions { queues: vec!["other".to_string()], ..options(None) }).map(|_| ())
        }
        "a large result" => large_result(&lease),
        "say" => say(&lease, payload.get("text").and_then(Value::as_str).unwrap_or_default()),
        "outlast" => outlast(&lease),
        "lose" => lease.heartbeat(Some(1), None).map(|_| sleep()),
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
        "a title of 20 MiB" => queue::enqueue(&calls::titled("x".repeat(20 << 20))).map(|_| ()),
        "recurse" => lease.fail(&recurse(0).to_string(), false).map(|_| ()),
        "panic" => panic(),
        "exit 3" => exit(3),
        other => lease.fail(&format!("no such thing to do: {other:?}"), true).map(|_| ()),
    }
}

fn complete(lease: &Lease, result: &Value) -> Result<(), Error> {
    lease.complete(Some(&result.to_string())).map(|_| ())
}

/// Completes the task and adds others in the same step; if that is refused, without them, and reports why.
fn follow_up(lease: &Lease, follow_ups: &[queue::NewTask]) -> Result<(), Error> {
    match lease.complete_and_enqueue(Some(r#"{"refused":null}"#), follow_ups) {
        Ok(_) => Ok(()),
        Err(refusal) => complete(lease, &json!({ "refused": format!("{refusal:?}") })),
    }
}

/// Works until it is asked to stop, and then gives the task back.
fn heed(lease: &Lease) -> Result<(), Error> {
    loop {
        let progress = Progress { progress: Some(0.5), note: Some("half of it".to_string()) };
        if let Some(request) = lease.heartbeat(None, Some(&progress))?.cancel_request {
            let by = request.run_id.unwrap_or_default();
            println!("asked to stop by {by}: {}", request.reason.unwrap_or_default());
            return lease.release(None).map(|_| ());
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Lets its lease run out, waits until another agent has the task, and then tries to complete it.
fn outlast(lease: &Lease) -> Result<(), Error> {
    let record = lease.heartbeat(Some(1), None)?;
    while queue::show(&record.task_id)?.item.claimer_run_id.as_ref() == Some(&record.claimer_run_id) {
        thread::sleep(Duration::from_millis(20));
    }
    println!("late: {:?}", lease.complete(Some(r#"{"late":true}"#)));
    Ok(())
}

/// Adds tasks, and claims them until it is refused.
fn hoard(lease: &Lease) -> Result<(), Error> {
    for number in 0..1_001 {
        queue::enqueue(&calls::titled(format!("hoarded {number}")))?;
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

/// Claims a thousand tasks in one call, for as long as can be, and keeps them.
fn claim_many() -> Result<(), Error> {
    let leases = queue::claim_many(&ClaimOptions { lease_seconds: Some(86_400), ..options(None) }, 1_000)?;
    std::mem::forget(leases);
    sleep()
}

/// Reports a result of almost as many bytes as go through one call: an object of many small values.
fn large_result(lease: &Lease) -> Result<(), Error> {
    let result = format!("{{\"zeros\":[0{}]}}", ",0".repeat(15 << 19));
    println!("{:?}", lease.complete(Some(&result)));
    sleep()
}

/// Prints to both streams, and does not end its last line.
fn say(lease: &Lease, text: &str) -> Result<(), Error> {
    print!("{text}");
    eprint!("{text}");
    complete(lease, &json!({}))
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
