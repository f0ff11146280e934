//! Agents as processes that enqueue, or end tasks with results, on each disk: beside SQLite, and beside another build
//! if there is one.

use anyhow::{Result, ensure};

use super::settle;
use crate::contender::Contender;
use crate::figures::{Comparison, Turn, each};
use crate::goals::Key;
use crate::options::{Bench, Disk, Part};
use crate::program::Build;
use crate::report::{Report, Shown};
use crate::team::{Deed, by_processes};

/// What the other build is called in tables.
const OTHER: &str = "the other build";

/// Where something is enqueued so many tasks wait already: the queue is in use, and has its directories.
const WAITING: u64 = 1_000;

/// What the agents do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Enqueue,
    EndWithResults,
}

struct Field {
    work: Work,
    is_synced: bool,
    queue: Contender,
    sqlite: &'static [Contender],
    tasks: usize,
}

const FIELDS: [Field; 4] = [
    Field { work: Work::EndWithResults, ..SYNCED },
    Field { work: Work::EndWithResults, ..UNSYNCED },
    SYNCED,
    UNSYNCED,
];

const SYNCED: Field = Field {
    work: Work::Enqueue,
    is_synced: true,
    queue: Contender::Coord,
    sqlite: &[Contender::SqliteFull, Contender::SqliteCompletions],
    tasks: 1_600,
};

const UNSYNCED: Field = Field {
    work: Work::Enqueue,
    is_synced: false,
    queue: Contender::CoordUnsynced,
    sqlite: &[Contender::SqliteNormal],
    tasks: 4_800,
};

pub(super) fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let mut comparisons = Vec::new();
    for disk in bench.disks() {
        for field in &FIELDS {
            for processes in [1, 4, 16] {
                let Some(comparison) = compare(bench, disk, field, processes)? else { continue };
                reach(report, disk, field, processes, &comparison);
                comparisons.push(comparison);
            }
        }
    }
    report.speeds("processes", &comparisons, Shown::PerSecond, &["coord", "coord-unsynced"]);
    Ok(())
}

fn compare(bench: &Bench, disk: &Disk, field: &Field, processes: usize) -> Result<Option<Comparison>> {
    let name = format!("{}, {}", field.name(processes), disk.name);
    let is_goal = field.is_goal(disk, processes, bench.other.is_some());
    if !bench.wants(&name, if is_goal { Part::Goal } else { Part::More }) {
        return Ok(None);
    }
    disk.renew()?;
    let count = (bench.size(field.tasks, 32) / processes * processes) as u64;
    let this = Build::this()?;
    let turn = |name: String, contender: Contender, build: Build| -> Turn<'_> {
        (name, Box::new(move || measure(bench, disk, field, contender, &build, processes, count)))
    };
    let mut turns = vec![turn(field.queue.to_string(), field.queue, this.clone())];
    turns.extend(bench.other.iter().map(|other| turn(OTHER.to_owned(), field.queue, other.clone())));
    turns.extend(field.sqlite.iter().map(|sqlite| turn(sqlite.to_string(), *sqlite, this.clone())));
    Ok(Some(Comparison::of(&name, bench.size(if is_goal { 5 } else { 3 }, 1), turns)?))
}

/// Seconds for each task. It counts only if afterwards as many tasks wait and have ended as there should.
fn measure(
    bench: &Bench,
    disk: &Disk,
    field: &Field,
    contender: Contender,
    build: &Build,
    processes: usize,
    count: u64,
) -> Result<f64> {
    let directory = disk.directory()?;
    let (before, deed, after) = match field.work {
        Work::Enqueue => (WAITING, Deed::Enqueue(count / processes as u64), (WAITING + count, 0)),
        Work::EndWithResults => (count, Deed::CompleteWithResults, (0, count)),
    };
    build.fill(contender, &directory, before)?;
    settle(&directory)?;
    let (took, done) = by_processes(processes, contender, &directory, deed, build, &bench.programs)?;
    let counted = build.counts(contender, &directory)?;
    ensure!(done == count && counted == after, "{done} of {count} were done, and {counted:?} wait and have ended");
    Ok(each(took, count))
}

impl Field {
    fn name(&self, processes: usize) -> String {
        let work = match self.work {
            Work::Enqueue => "enqueue",
            Work::EndWithResults => "claim+complete with a result",
        };
        let plural = if processes == 1 { "process" } else { "processes" };
        format!("{work}, {processes} {plural}, sync {}", if self.is_synced { "on" } else { "off" })
    }

    /// One and many agents with sync on, where the disk is the same everywhere; and one with it off beside the other
    /// build.
    fn is_goal(&self, disk: &Disk, processes: usize, beside_another: bool) -> bool {
        match disk.kind() {
            Some(_) => self.is_synced && processes != 4,
            None => !self.is_synced && processes == 1 && self.work == Work::EndWithResults && beside_another,
        }
    }
}

fn reach(report: &mut Report, disk: &Disk, field: &Field, processes: usize, comparison: &Comparison) {
    let speed = |other: &str| comparison.speed(&field.queue.to_string(), other);
    let Some(kind) = disk.kind() else {
        if field.is_goal(disk, processes, true) {
            report.reach(Key::ResultsAgainstBefore, speed(OTHER));
        }
        return;
    };
    let (full, completions) = ("sqlite-full", "sqlite-completions");
    match (field.work, field.is_synced, processes) {
        (Work::EndWithResults, true, 1) => {
            report.reach(Key::Results(kind), speed(full));
            report.reach(Key::ResultsBesideCompletions(kind), speed(completions));
        }
        (Work::EndWithResults, true, 16) => report.reach(Key::ResultsOfMany(kind), speed(full)),
        (Work::Enqueue, true, 1) => report.reach(Key::Enqueue(kind), speed(full)),
        (Work::Enqueue, true, 16) => report.reach(Key::EnqueueByMany(kind), speed(full)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_called_by_what_is_done_by_how_many() {
        let [first, .., last] = &FIELDS;
        assert_eq!(first.name(1), "claim+complete with a result, 1 process, sync on");
        assert_eq!(last.name(16), "enqueue, 16 processes, sync off");
    }
}
