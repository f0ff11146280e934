//! Agents that contend for one backlog, as processes and as threads.

use std::time::Duration;

use anyhow::Result;

use super::batch;
use crate::contender::Contender;
use crate::figures::{Comparison, Ratio, Turn};
use crate::goals::Key;
use crate::options::{Bench, Part};
use crate::report::{Report, Shown};
use crate::team::Team;

/// Who is compared, and on how many tasks.
struct Field {
    name: &'static str,
    contenders: &'static [Contender],
    /// Two that do the same for what the first does, of which the faster one counts.
    sqlite: [Contender; 2],
    tasks: usize,
}

const UNSYNCED: Field = Field {
    name: "sync off",
    contenders: &[Contender::CoordUnsynced, Contender::SqliteNormal, Contender::SqliteNormalSpin],
    sqlite: [Contender::SqliteNormal, Contender::SqliteNormalSpin],
    tasks: 10_000,
};

const SYNCED: Field = Field {
    name: "sync on",
    contenders: &[Contender::Coord, Contender::SqliteFull, Contender::SqliteFullSpin, Contender::SqliteCompletions],
    sqlite: [Contender::SqliteFull, Contender::SqliteFullSpin],
    tasks: 2_000,
};

const OTHERS_UNSYNCED: Field = Field {
    name: "beside others, sync off",
    contenders: &[
        Contender::CoordUnsynced,
        Contender::SqliteNormal,
        Contender::BeanstalkdUnsynced,
        Contender::Litequeue,
        Contender::PersistQueue,
        Contender::Dirq,
    ],
    tasks: 2_000,
    ..UNSYNCED
};

const OTHERS_SYNCED: Field = Field {
    name: "beside others, sync on",
    contenders: &[Contender::Coord, Contender::SqliteFull, Contender::Beanstalkd],
    ..SYNCED
};

const MANY: Team = Team::Processes(16);

pub(super) fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let mut comparisons = Vec::new();
    for (field, goal) in [(UNSYNCED, Key::ManyUnsynced), (SYNCED, Key::ManySynced)] {
        for team in [Team::Processes(1), Team::Processes(4), MANY, Team::Processes(64), Team::Threads(16)] {
            for work in [0, 1].map(Duration::from_millis) {
                let is_goal = team == MANY && work.is_zero();
                let part = if is_goal { Part::Goal } else { Part::More };
                let Some(comparison) = compare(bench, &field, team, work, part)? else { continue };
                if is_goal {
                    report.reach(goal, against_the_faster(&field, &comparison));
                }
                if let (Team::Processes(processes), true, true) = (team, work.is_zero(), field.name == UNSYNCED.name) {
                    chart(&comparison, processes, report);
                }
                comparisons.push(comparison);
            }
        }
    }
    report.speeds("contention", &comparisons, Shown::PerSecond, &["coord", "coord-unsynced"]);
    others(bench, report)
}

fn others(bench: &Bench, report: &mut Report) -> Result<()> {
    let mut comparisons = Vec::new();
    for field in [OTHERS_UNSYNCED, OTHERS_SYNCED] {
        for team in [Team::Processes(1), MANY] {
            comparisons.extend(compare(bench, &field, team, Duration::ZERO, Part::More)?);
        }
    }
    report.speeds("others", &comparisons, Shown::PerSecond, &["coord", "coord-unsynced"]);
    Ok(())
}

fn compare(bench: &Bench, field: &Field, team: Team, work: Duration, part: Part) -> Result<Option<Comparison>> {
    let (agents, told) = match team {
        Team::Here => (1, "here".to_owned()),
        Team::Threads(count) => (count, format!("{count} threads")),
        Team::Processes(1) => (1, "1 process".to_owned()),
        Team::Processes(count) => (count, format!("{count} processes")),
    };
    let name = format!("{told}, {} ms of work, {}", work.as_millis(), field.name);
    if !bench.wants(&name, part) {
        return Ok(None);
    }
    // So many that it takes a second or two, also if each takes a millisecond.
    let most = if work.is_zero() { field.tasks } else { field.tasks.min(agents * 1_000) };
    let count = bench.size(most, 32);
    let mut turns: Vec<Turn<'_>> = Vec::new();
    for contender in field.contenders.iter().copied().filter(|contender| contender.is_there(&bench.programs)) {
        let measure = move |count| batch(bench, contender, team, work, count);
        // Whose own promises are kept is known; of the packages it is found out, and who does not keep them is not
        // measured.
        if contender.package().is_some()
            && let Err(error) = measure(count.min(200))
        {
            eprintln!("   {name}: {contender} is left out: {error:#}");
            continue;
        }
        turns.push((contender.to_string(), Box::new(move || measure(count))));
    }
    let rounds = bench.size(if part == Part::Goal { 5 } else { 3 }, 1);
    let comparison = Comparison::of(&name, rounds, turns)?;
    Ok(Some(comparison))
}

/// Against that SQLite that is faster here.
fn against_the_faster(field: &Field, comparison: &Comparison) -> Option<Ratio> {
    let queue = field.contenders.first()?.to_string();
    let ratios = field.sqlite.iter().filter_map(|sqlite| comparison.speed(&queue, &sqlite.to_string()));
    ratios.min_by(|one, other| one.of_medians.total_cmp(&other.of_medians))
}

fn chart(comparison: &Comparison, processes: usize, report: &mut Report) {
    for (name, _) in &comparison.measured {
        let speed = comparison.speed(name, "sqlite-normal");
        report.speeds.extend(speed.map(|ratio| (processes, name.clone(), ratio.of_medians)));
    }
}
