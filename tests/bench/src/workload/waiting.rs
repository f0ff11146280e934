//! `claim --wait` and `wait`: how soon they end once another process has done what they wait for, and what they cost
//! meanwhile.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::figures::{Samples, short};
use crate::goals::Key;
use crate::options::{Bench, Part};
use crate::program::{Server, answered, succeeded};
use crate::report::{Report, Shown};
use crate::repository::Repository;

const NAME: &str = "waiting";
const CLAIM: &str = "claim --wait 60 --run-id agent --json";

pub(super) fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    if bench.programs.muse.is_none() || !bench.wants(NAME, Part::Goal) {
        return Ok(());
    }
    let repository = Repository::with(bench, 1)?;
    repository.hold(1)?;
    let (mut claim, mut wait) = (Samples::default(), Samples::default());
    for round in 0..bench.size(41, 2) {
        claim.push(wake_a_claim(bench, &repository, round)?);
        wait.push(wake_a_wait(bench, &repository, round)?);
    }
    let time = Duration::from_secs(bench.size(10, 1) as u64);
    let never = enqueued(bench, &repository)?;
    let wait_for_it = format!("wait {never} --timeout 60");
    // In a queue of which nothing is claimed.
    let claim_nothing = format!("{CLAIM} --queue another");
    let [idle_claim, idle_wait] = [&claim_nothing, &wait_for_it].map(|line| idle(bench, &repository, line, time));
    let (idle_claim, idle_wait) = (idle_claim?, idle_wait?);
    report.reach_value(Key::WakeUp, claim.median() * 1e3);
    report.reach_value(Key::Idle, idle_claim * 100.0);
    let percent = |part: f64| short(part * 100.0);
    let rows = [
        ("from the other's return to its end, ms", Shown::Milliseconds.told(&claim), Shown::Milliseconds.told(&wait)),
        ("the same, 95th percentile, ms", short(claim.quantile(0.95) * 1e3), short(wait.quantile(0.95) * 1e3)),
        ("processor while there is nothing, % of a core", percent(idle_claim), percent(idle_wait)),
    ];
    let rows = rows.map(|(figure, claim, wait)| vec![figure.to_owned(), claim, wait]);
    report.table(NAME, &["", "`claim --wait`, an enqueue", "`wait`, a completion"], rows.into());
    Ok(())
}

fn wake_a_claim(bench: &Bench, repository: &Repository, round: usize) -> Result<f64> {
    ended_after(bench, repository, round, CLAIM, "enqueue work --json")
}

fn wake_a_wait(bench: &Bench, repository: &Repository, round: usize) -> Result<f64> {
    let id = enqueued(bench, repository)?;
    succeeded(&mut bench.programs.coord(repository.root(), "claim --run-id agent --json")?)?;
    ended_after(bench, repository, round, &format!("wait {id} --timeout 60"), &format!("complete {id} --run-id agent"))
}

/// Adds a task by a process, and tells its id.
fn enqueued(bench: &Bench, repository: &Repository) -> Result<String> {
    let enqueued = answered(&mut bench.programs.coord(repository.root(), "enqueue work --json")?)?;
    Ok(enqueued.get("task_id").and_then(|id| id.as_str()).context("an enqueue told no id")?.to_owned())
}

/// From the end of one process to that of another, which waits for what that does. If it ends earlier it takes no time.
fn ended_after(bench: &Bench, repository: &Repository, round: usize, waiting: &str, act: &str) -> Result<f64> {
    let mut waiting = Server::start(bench.programs.coord(repository.root(), waiting)?)?;
    // Long enough to be asleep, and at no fixed point of its rhythm.
    thread::sleep(Duration::from_millis(300 + (round as u64 * 37) % 300));
    succeeded(&mut bench.programs.coord(repository.root(), act)?)?;
    let began = Instant::now();
    ensure!(waiting.wait()?.success(), "who waited failed");
    Ok(began.elapsed().as_secs_f64())
}

/// The part of a core that one that waits has.
fn idle(bench: &Bench, repository: &Repository, line: &str, time: Duration) -> Result<f64> {
    let waiting = Server::start(bench.programs.coord(repository.root(), line)?)?;
    thread::sleep(Duration::from_secs(1));
    let (before, began) = (processor_time(waiting.id())?, Instant::now());
    thread::sleep(time);
    let used = processor_time(waiting.id())?.saturating_sub(before);
    Ok(used.as_secs_f64() / began.elapsed().as_secs_f64())
}

/// Of all threads, which the kernel counts in nanoseconds.
fn processor_time(process: u32) -> Result<Duration> {
    let mut sum = 0;
    for thread in fs::read_dir(format!("/proc/{process}/task")).context("the process is gone")? {
        let text = fs::read_to_string(thread?.path().join("schedstat")).context("the kernel does not count")?;
        sum += text.split(' ').next().context("the kernel told nothing")?.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(sum))
}
