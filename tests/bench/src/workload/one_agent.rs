//! One agent in this process: enqueues tasks one by one, then works them off.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;

use super::{check, settle};
use crate::contender::Contender;
use crate::figures::{Comparison, Samples, Turn, each, timed};
use crate::goals::Key;
use crate::options::{Bench, Part};
use crate::report::{Report, Shown};
use crate::team::{Team, drain_with_results};

struct Case {
    name: &'static str,
    contenders: &'static [Contender],
    tasks: usize,
    rounds: usize,
    /// Each task ends with a result.
    results: bool,
}

const CASES: [Case; 4] = [
    Case {
        name: "one agent, with a result, sync off",
        contenders: &[Contender::CoordUnsynced, Contender::SqliteNormal, Contender::SqliteOff],
        tasks: 10_000,
        rounds: 5,
        results: true,
    },
    Case {
        name: "one agent, with a result, sync on",
        contenders: &[Contender::Coord, Contender::SqliteFull, Contender::SqliteCompletions],
        tasks: 1_000,
        rounds: 5,
        results: true,
    },
    Case {
        name: "one agent, sync off",
        contenders: &[
            Contender::CoordUnsynced,
            Contender::RawUnsynced,
            Contender::SqliteNormal,
            Contender::SqliteOff,
            Contender::BeanstalkdUnsynced,
        ],
        tasks: 10_000,
        rounds: 5,
        results: false,
    },
    Case {
        name: "one agent, sync on",
        contenders: &[
            Contender::Coord,
            Contender::Raw,
            Contender::SqliteFull,
            Contender::SqliteCompletions,
            Contender::Beanstalkd,
        ],
        tasks: 2_000,
        rounds: 5,
        results: false,
    },
];

pub(super) fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let mut comparisons = Vec::new();
    for case in CASES.iter().filter(|case| bench.wants(case.name, Part::Goal)) {
        let [enqueued, drained] = compare(bench, case)?;
        let reached = [
            (Key::OneUnsynced, drained.speed("coord-unsynced", "sqlite-normal")),
            (Key::RawUnsynced, drained.cost("coord-unsynced", "raw-unsynced")),
            (Key::OneSynced, drained.speed("coord", "sqlite-full")),
            (Key::RawSynced, drained.cost("coord", "raw")),
        ];
        if !case.results {
            for (key, ratio) in reached {
                report.reach(key, ratio);
            }
        }
        comparisons.extend([enqueued, drained]);
    }
    report.speeds("one agent", &comparisons, Shown::PerSecond, &["coord", "coord-unsynced"]);
    Ok(())
}

/// What it takes to enqueue a task, and to claim and complete it.
fn compare(bench: &Bench, case: &Case) -> Result<[Comparison; 2]> {
    let enqueued: RefCell<BTreeMap<String, Samples>> = RefCell::default();
    let there = case.contenders.iter().filter(|contender| contender.is_there(&bench.programs));
    let turns = there.map(|contender| -> Turn<'_> {
        let measure = || {
            let [enqueue, drain] =
                enqueue_then_drain(bench, *contender, bench.size(case.tasks, 20) as u64, case.results)?;
            enqueued.borrow_mut().entry(contender.to_string()).or_default().push(enqueue);
            Ok(drain)
        };
        (contender.to_string(), Box::new(measure))
    });
    let name = format!("claim+complete, {}", case.name);
    let drained = Comparison::of(&name, bench.size(case.rounds, 2), turns.collect())?;
    let enqueued = enqueued.borrow();
    let in_order = drained.measured.iter().filter_map(|(name, _)| Some((name.clone(), enqueued.get(name)?.clone())));
    Ok([Comparison { case: format!("enqueue, {}", case.name), measured: in_order.collect() }, drained])
}

fn enqueue_then_drain(bench: &Bench, contender: Contender, count: u64, results: bool) -> Result<[f64; 2]> {
    let directory = bench.directory()?;
    let _server = contender.serve(&directory, &bench.programs)?;
    let mut agent = contender.agent(&directory, "agent-0")?;
    let (enqueued, ()) = timed(|| (0..count).try_for_each(|number| agent.enqueue(number)))?;
    if results {
        settle(&directory)?;
        let (drained, completed) = timed(|| drain_with_results(agent.as_mut()))?;
        check(bench, contender, &directory, count, completed)?;
        return Ok([enqueued / count as f64, drained / count as f64]);
    }
    drop(agent);
    settle(&directory)?;
    let (drained, completed) = Team::Here.drain(contender, &directory, Duration::ZERO, &bench.programs)?;
    check(bench, contender, &directory, count, completed)?;
    Ok([enqueued / count as f64, each(drained, count)])
}
