//! What a soak tells people: the figures, one line of verdict, and all about the tasks that something is wrong with.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::check::{Findings, Violation};
use super::history::{History, Listing, Op, Task};
use super::kind::Face;
use super::outage::Outages;
use super::place::Place;
use super::swarm::Chaos;

/// So many violations are told one by one, and so many tasks in full.
const SHOWN: usize = 10;

/// What came of a soak. `Display` tells it. Its directory is removed with it, unless something was wrong.
#[derive(Debug)]
pub struct Report {
    storm: Storm,
    findings: Findings,
    /// The whole history of tasks that something is wrong with.
    histories: String,
    evidence: Evidence,
}

/// What the agents had to go through.
#[derive(Debug)]
pub(super) struct Storm {
    pub(super) seed: u64,
    pub(super) time: Duration,
    pub(super) chaos: Chaos,
    pub(super) completed: Vec<(Face, usize)>,
}

#[derive(Debug)]
enum Evidence {
    NotNeeded { _removed_when_dropped: Place },
    Kept(PathBuf),
}

impl Report {
    pub(super) fn new(storm: Storm, findings: Findings, history: &History, listing: &Listing, place: Place) -> Report {
        let suspects: BTreeSet<&Task> =
            findings.violations.iter().filter_map(|violation| violation.task.as_ref()).take(SHOWN).collect();
        let histories = suspects.into_iter().map(|task| told(task, history, listing)).collect();
        let evidence = if findings.violations.is_empty() {
            Evidence::NotNeeded { _removed_when_dropped: place }
        } else {
            let kept = place.keep();
            write_down(&kept.join("history.jsonl"), history);
            Evidence::Kept(kept)
        };
        Report { storm, findings, histories, evidence }
    }

    /// True if everything was as it must be.
    pub fn passed(&self) -> bool {
        self.findings.violations.is_empty()
    }

    fn verdict(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let figures = &self.findings.figures;
        let (lost, unexpected, kills) = (figures.lost, figures.unexpected, self.storm.chaos.kills());
        if self.passed() {
            let tasks = figures.enqueued + figures.recovered;
            return writeln!(
                f,
                "✔ {tasks} tasks, {kills} kills: lost {lost}, unexpected {unexpected}, held by two 0, keys held by two 0, \
                 limits exceeded 0."
            );
        }
        let count = self.findings.violations.len();
        writeln!(f, "✘ {count} violations: lost {lost}, unexpected {unexpected}. The seed was {}.", self.storm.seed)?;
        if let Evidence::Kept(kept) = &self.evidence {
            writeln!(f, "The queue is kept in {}, with all answers in history.jsonl.", kept.display())?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Storm { seed, time, chaos: c, completed }, n) = (&self.storm, &self.findings.figures);
        let seconds = time.as_secs_f64();
        let per_second = n.commands as f64 / seconds;
        for Violation { what, task } in self.findings.violations.iter().take(SHOWN) {
            writeln!(f, "{}: {what}", task.as_deref().unwrap_or("the queue"))?;
        }
        f.write_str(&self.histories)?;
        writeln!(f, "seed         {seed}")?;
        writeln!(f, "commands     {}, {per_second:.0} a second over {seconds:.0} s", n.commands)?;
        writeln!(
            f,
            "kills        {}: {} muse commands, {} agents of a command that went on, {} idle agents, {} native processes, \
             {} of Node, {} of Deno",
            c.kills(),
            c.commands_killed,
            c.commands_orphaned,
            c.idle_killed,
            c.natives_killed,
            c.nodes_killed,
            c.denos_killed
        )?;
        writeln!(f, "stops        {} for longer than any lease", c.stops)?;
        if c.planted > 0 {
            writeln!(f, "in the way   {} things were put there", c.planted)?;
        }
        if let Some(Outages { restarts, promotions, cuts }) = c.outages {
            writeln!(
                f,
                "server       {restarts} times stopped and started again, {promotions} times replaced by a standby; {cuts} \
                 connections cut"
            )?;
        }
        if let Some(cut) = c.links_cut {
            writeln!(
                f,
                "hosts        3, of which 2 with clocks that are an hour off; {cut} times cut off for 2 s or 5 s"
            )?;
        }
        writeln!(f, "unknown      {} commands without an answer", n.unknown)?;
        writeln!(f, "enqueued     {}, and {} recovered of those without an answer", n.enqueued, n.recovered)?;
        writeln!(
            f,
            "claims       {}, and {} without an answer; {} of them of tasks that had been held before; {} released",
            n.claims, n.silent_claims, n.takeovers, n.releases
        )?;
        writeln!(
            f,
            "ended        {} completed, {} failed, {} cancelled; {} of them without an answer",
            n.completions, n.failures, n.cancellations, n.silent_endings
        )?;
        let completed: Vec<String> = completed.iter().map(|(face, n)| format!("{n} by {}", face.name())).collect();
        writeln!(f, "completed    {}", completed.join(", "))?;
        writeln!(
            f,
            "late         {} completions and failures refused, {} of them while another held the task",
            n.late_refused, n.lease_lost
        )?;
        writeln!(
            f,
            "keys         {}; {} enqueues told of the task that has theirs; {} held by two",
            n.keys, n.deduplicated, n.keys_held_by_two
        )?;
        writeln!(f, "limits       {} times one held, {} of them exceeded", n.limits, n.limits_exceeded)?;
        writeln!(f, "after ends   {} put back, {} removed", n.put_back, n.removed)?;
        writeln!(f, "linearizable {} histories of tasks; {} too long to search", n.searched, n.too_long)?;
        self.verdict(f)
    }
}

/// One action a line.
fn write_down(file: &Path, history: &History) {
    let mut file = BufWriter::new(File::create(file).expect("make the file for the history"));
    for action in &history.actions {
        let line = serde_json::to_string(action).expect("an action is JSON");
        writeln!(file, "{line}").expect("write the history");
    }
    file.flush().expect("write the history");
}

/// Everything that happened to a task, as far as anybody was told, in the order in which it began.
fn told(task: &Task, history: &History, listing: &Listing) -> String {
    let label = listing.get(task).and_then(|listed| listed.label.as_ref());
    let mut actions: Vec<_> = history
        .actions
        .iter()
        .filter(|action| match &action.op {
            Op::Enqueue { label: enqueued, .. } => Some(enqueued) == label || action.task() == Some(task),
            _ => action.task() == Some(task),
        })
        .collect();
    actions.sort_by_key(|action| action.began.nanos);
    let mut text = format!("\n{task}\n");
    for action in actions {
        let (began, run_id, op) = (seconds(action.began.nanos), &action.run_id, &action.op);
        let end = match &action.ended {
            Some((at, answer)) => format!("{} wall {} {answer:?}", seconds(at.nanos), at.wall_micros),
            None => "never answered".to_string(),
        };
        text += &format!("  {began} {run_id} {op:?}\n    {end}\n");
    }
    text + &format!("  listed: {:?}\n", listing.get(task))
}

fn seconds(nanos: u64) -> String {
    format!("{:.6}", nanos as f64 / 1e9)
}
