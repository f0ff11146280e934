//! One agent of the demo, a process: it claims, measures and completes until the queue is settled.
//!
//! It reaches the queue by the program `muse` alone. On stdout it tells the orchestrator what happens, one JSON object
//! a line; nothing depends on that telling but the progress bar and the closing table.

use super::coord::{self, Answer, Coord};
use super::files::Measure;
use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

#[derive(clap::Args)]
pub(crate) struct Options {
    #[arg(long)]
    muse: PathBuf,
    #[arg(long)]
    repository: PathBuf,
    /// The directory that the tasks' paths are relative to
    #[arg(long)]
    base: PathBuf,
    #[arg(long)]
    run_id: String,
    /// Claim one task and get stuck in it
    #[arg(long)]
    stuck: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event {
    Claimed {
        path: String,
        attempt: u64,
    },
    /// The result is as the queue says that it has recorded it.
    Completed {
        path: String,
        result: Value,
    },
    /// The lease ran out and another agent has the task, or had it.
    LostRace {
        path: String,
        status: String,
    },
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let coord = Coord { muse: options.muse.clone(), repository: options.repository.clone() };
    loop {
        let claim = coord.call(&coord::claim(&options.run_id))?;
        match claim.text("/status")? {
            "claimed" => work(options, &coord, &claim)?,
            // Others may still hold tasks, and lose them.
            "empty" if is_settled(&coord)? => return Ok(()),
            "empty" => {}
            _ => bail!("claim answered {}", claim.fields),
        }
    }
}

fn work(options: &Options, coord: &Coord, claim: &Answer) -> Result<()> {
    let path = claim.text("/task/payload/path")?.to_owned();
    tell(&Event::Claimed { path: path.clone(), attempt: claim.number("/attempt")? })?;
    if options.stuck {
        // Until it is killed; if the orchestrator is gone, it ends by itself.
        thread::sleep(Duration::from_secs(60));
        bail!("nobody killed the stuck agent");
    }
    let measure = serde_json::to_string(&Measure::of(&options.base.join(&path))?)?;
    let task_id = claim.text("/task_id")?;
    let answer = coord.call(&coord::complete(task_id, &options.run_id, &measure))?;
    tell(&outcome(path, answer)?)
}

fn outcome(path: String, answer: Answer) -> Result<Event> {
    match answer.text("/status")? {
        "completed" if answer.succeeded => {
            let result = answer.fields.get("result").cloned().unwrap_or_default();
            Ok(Event::Completed { path, result })
        }
        status @ ("lease_lost" | "wrong_owner" | "not_claimed" | "already_terminal") => {
            let status = status.to_owned();
            Ok(Event::LostRace { path, status })
        }
        _ => bail!("complete answered {}", answer.fields),
    }
}

fn is_settled(coord: &Coord) -> Result<bool> {
    let tasks = coord.call(&coord::tasks(1))?;
    let open = tasks.number("/pending")? + tasks.number("/claimed")? + tasks.number("/timed_out")?;
    Ok(open == 0)
}

fn tell(event: &Event) -> Result<()> {
    println!("{}", serde_json::to_string(event)?);
    Ok(())
}
