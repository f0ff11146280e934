//! `claim --wait`: how soon it answers, and what it costs while there is nothing.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::figures::{Samples, short};
use crate::goals::Key;
use crate::options::{Bench, Part};
use crate::program::Server;
use crate::report::{Report, Shown};
use crate::repository::Repository;

const NAME: &str = "waiting";
const WAIT: &str = "claim --wait 60 --run-id agent --json";

pub(super) fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    if bench.programs.muse.is_none() || !bench.wants(NAME, Part::Goal) {
        return Ok(());
    }
    let repository = Repository::with(bench, 1)?;
    repository.hold(1)?;
    let mut latency = Samples::default();
    for round in 0..bench.size(41, 2) {
        latency.push(wake_up(bench, &repository, round)?);
    }
    let idle = idle(bench, &repository, Duration::from_secs(bench.size(10, 1) as u64))?;
    report.reach_value(Key::WakeUp, latency.median() * 1e3);
    report.reach_value(Key::Idle, idle * 100.0);
    let rows = [
        ("from before an enqueue to the answer, ms", Shown::Milliseconds.told(&latency)),
        ("the same, 95th percentile, ms", short(latency.quantile(0.95) * 1e3)),
        ("processor while there is nothing, % of a core", short(idle * 100.0)),
    ];
    let rows = rows.map(|(figure, value)| vec![figure.to_owned(), String::new(), value]);
    report.table(NAME, &["`claim --wait`", "", "measured"], rows.into());
    Ok(())
}

/// From before an enqueue to when the process has ended.
fn wake_up(bench: &Bench, repository: &Repository, round: usize) -> Result<f64> {
    let mut waiting = Server::start(bench.programs.coord(repository.root(), WAIT)?)?;
    // Long enough to be asleep, and at no fixed point of its rhythm.
    thread::sleep(Duration::from_millis(300 + (round as u64 * 37) % 100));
    let began = Instant::now();
    repository.fill(1)?;
    ensure!(waiting.wait()?.success(), "a claim that waited failed");
    Ok(began.elapsed().as_secs_f64())
}

/// The part of a core that one that waits has.
fn idle(bench: &Bench, repository: &Repository, time: Duration) -> Result<f64> {
    let waiting = Server::start(bench.programs.coord(repository.root(), WAIT)?)?;
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
