//! After the storm: what is left is worked off, and the queue is asked what became of everything.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use coord_core::queue::{Finding, Item, Status};
use serde::Deserialize;

use super::agent::Agent;
use super::history::{Listed, Listing};
use super::muse::variable;
use super::native::Native;
use super::swarm::Swarm;

/// The longest lease is 3 s. What has not come out after this is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// What `muse coord doctor` says.
#[derive(Debug, Deserialize)]
pub(super) struct Diagnosis {
    pub(super) healthy: bool,
    pub(super) defects: Vec<Defect>,
}

/// Something that a doctor found.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Defect {
    pub(super) code: String,
    pub(super) task_id: Option<String>,
    pub(super) problem: String,
}

/// Works off whatever waits, until nothing waits and nothing is held any more.
pub(super) fn drain(swarm: &Swarm, run_id: &str) {
    let deadline = Instant::now() + PATIENCE;
    let log = |note| swarm.history().note(note);
    let mut agent = Agent::new(run_id.to_string(), 0, Native::open(&swarm.at), log);
    while Instant::now() < deadline {
        agent.drain();
        let counts = tasks(swarm, 0).counts;
        if [Status::Pending, Status::Claimed, Status::TimedOut].iter().all(|status| counts.of(*status) == 0) {
            return;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Every task, and what was not as it should be on the way.
pub(super) fn listing(swarm: &Swarm) -> (Listing, Vec<String>) {
    let tasks = tasks(swarm, usize::MAX);
    let told = tasks.findings.iter().filter(|finding| !matches!(finding, Finding::PassedOver(_)));
    let findings = told.map(|finding| finding.to_string()).collect();
    (tasks.items.into_iter().map(|item| (item.task.id.to_string(), listed(item))).collect(), findings)
}

/// Asks the doctor, with `flags`.
pub(super) fn doctor(swarm: &Swarm, flags: &[&str]) -> Diagnosis {
    let mut muse = Command::new(&swarm.muse);
    muse.args(["coord", "doctor", "--json"])
        .args(flags)
        .env_clear()
        .envs(variable(&swarm.at))
        .current_dir(&swarm.repository);
    let answer = muse.output().expect("muse starts").stdout;
    let broken = |error| panic!("doctor answered {}: {error}", String::from_utf8_lossy(&answer));
    serde_json::from_slice(&answer).unwrap_or_else(broken)
}

fn tasks(swarm: &Swarm, limit: usize) -> coord_core::queue::Listing {
    Native::open(&swarm.at).tasks(limit)
}

fn listed(item: Item) -> Listed {
    Listed {
        label: serde_json::from_str(item.task.record.payload.text()).ok(),
        status: item.status.as_str().to_string(),
        generation: item.generation,
        attempt: item.attempt,
        by: item.claimer_run_id,
        report: item.result.map(|result| result.text().to_string()).or(item.error.map(String::from)),
    }
}
