//! `coord-host COMPONENT DIR RUN_ID enqueue TITLE…` adds tasks; `coord-host COMPONENT DIR RUN_ID work` does them: it
//! claims until there has been nothing for a second, and completes each. `DIR` is a `.muse/coordination`, which `muse
//! coord` and other hosts may be working in as well. With `--sync off` nothing is synced, for queues that are thrown
//! away.
//!
//! For the component `muse-coord-sql.wasm`, there is `--schema SCHEMA CONNINFO` in the place of `DIR`, such as
//! `--schema coord postgres://me@/work?host=/run/postgresql`. `init` makes the queue.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to the person who started it")]

use std::path::Path;
use std::process::ExitCode;

use coord_host::{ClaimOptions, Durability, Library, NewTask, Postgres, claim_by, titled};
use wasmtime::{Result, bail};

const USAGE: &str =
    "usage: coord-host COMPONENT DIR|--schema SCHEMA CONNINFO RUN_ID init | enqueue TITLE… | work [--sync off]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match block_on(run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// One thread is enough: the component runs on it, and waits on it.
fn block_on(future: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}

async fn run(arguments: &[&str]) -> Result<()> {
    let (mut library, run_id, command) = match arguments {
        [component, "--schema", schema, conninfo, run_id, command @ ..] => {
            (Library::open_on(Path::new(component), Postgres::at(schema, conninfo)?).await?, run_id, command)
        }
        [component, directory, run_id, command @ ..] => {
            (Library::open(Path::new(component), Path::new(directory)).await?, run_id, command)
        }
        _ => bail!("{USAGE}"),
    };
    match command {
        ["init"] => {
            println!("{}", if library.init().await? { "created" } else { "already there" });
            Ok(())
        }
        ["enqueue", titles @ ..] => enqueue(&mut library, run_id, titles).await,
        ["work"] => work(&mut library, run_id).await,
        ["work", "--sync", "off"] => {
            library.set_durability(Durability::Unsynced).await?;
            work(&mut library, run_id).await
        }
        _ => bail!("{USAGE}"),
    }
}

async fn enqueue(library: &mut Library, run_id: &str, titles: &[&str]) -> Result<()> {
    for title in titles {
        let new = NewTask { run_id: Some(run_id.to_owned()), ..titled(title) };
        println!("{}", library.enqueue(&new).await?.task.task_id);
    }
    Ok(())
}

async fn work(library: &mut Library, run_id: &str) -> Result<()> {
    let next = ClaimOptions { wait_seconds: Some(1), ..claim_by(run_id) };
    while let Some(lease) = library.claim(&next).await? {
        let task = library.task(lease).await?;
        // A real host does the task here, with a heartbeat now and then.
        library.complete(lease, r#"{"host":"rust"}"#).await?;
        println!("{} {}", task.task_id, printable(&task.title));
    }
    Ok(())
}

/// What others wrote, without what would steer a terminal.
fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).collect()
}
